//! The uplink against a peer that is written out byte for byte (MQTT 5.0, section 3).

use super::*;
use core::cell::RefCell;
use core::future::Future;
use core::time::Duration as Span;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_io_adapters::tokio_1::FromTokio;
use std::vec::Vec;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wire::message::{Action, Clock, Command, Outcome, PlanFault, Task};
use wire::modbus::LineSettings;
use wire::{List, Name};

use crate::node::Identity;
use crate::outbox::RamOutbox;
use crate::{NoUpdates, VERSION};

type TestNode = Node<NoopRawMutex, RamOutbox<Vec<u8>>>;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn node() -> TestNode {
    let identity = Identity { site: name("site"), node: name("node"), boot: 5 };
    Node::new(identity, RamOutbox::new(std::vec![0; 10_000]))
}

fn read(seq: u32) -> Pack {
    Pack {
        meter: name("meter"),
        instant: 1_800_000_000,
        boot: 5,
        seq,
        clock: Clock::Synced,
        readings: List::new(),
    }
}

fn pack(seq: u32) -> Vec<u8> {
    let mut bytes = [0; Pack::BYTES_MAX];
    let len = read(seq).encode(&mut bytes).unwrap();
    bytes[..len].to_vec()
}

async fn push(node: &TestNode, seq: u32) {
    node.push(&read(seq)).await;
}

struct Tcp(core::net::SocketAddr);

impl Dialer for Tcp {
    type Connection<'a> = FromTokio<TcpStream>;

    async fn dial(&mut self) -> Result<Self::Connection<'_>, LinkError> {
        let connected = TcpStream::connect(self.0).await;
        connected.map(FromTokio::new).map_err(|_| LinkError::Unreachable)
    }
}

#[derive(Default)]
struct Log(RefCell<Vec<Event>>);

impl Host for Log {
    fn tell(&self, event: Event) {
        self.0.borrow_mut().push(event);
    }

    fn act(&self, _action: Action) -> Outcome {
        Outcome::Done
    }
}

/// One packet: the first byte of its head, and what comes after the head.
struct Packet {
    head: u8,
    body: Vec<u8>,
}

/// A publication, taken apart.
#[derive(Debug)]
struct Published {
    head: u8,
    topic: std::string::String,
    id: [u8; 2],
    payload: Vec<u8>,
}

/// The other end of a connection.
struct Peer(TcpStream);

impl Peer {
    async fn packet(&mut self) -> Packet {
        let head = self.0.read_u8().await.unwrap();
        let (mut len, mut shift) = (0_usize, 0);
        loop {
            let byte = self.0.read_u8().await.unwrap();
            len |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = std::vec![0; len];
        self.0.read_exact(&mut body).await.unwrap();
        Packet { head, body }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Takes CONNECT and answers that it is welcome, as a new session.
    async fn welcome(listener: &TcpListener) -> (Self, Packet) {
        let mut peer = Self(listener.accept().await.unwrap().0);
        let connect = peer.packet().await;
        assert_eq!(connect.head, 0x10);
        peer.send(&[0x20, 3, 0, 0, 0]).await;
        (peer, connect)
    }

    /// The next publication at QoS 1, not yet acknowledged; grants subscriptions before it.
    async fn published(&mut self) -> Published {
        loop {
            let Packet { head, body } = self.packet().await;
            if head == 0x82 {
                self.send(&[0x90, 4, body[0], body[1], 0, 1]).await;
                continue;
            }
            assert_eq!(head & 0xF6, 0x30 | 0x02, "not a publication at QoS 1");
            let topic_len = usize::from(u16::from_be_bytes([body[0], body[1]]));
            let (topic, rest) = body[2..].split_at(topic_len);
            assert_eq!(rest[2], 0, "properties");
            return Published {
                head,
                topic: std::str::from_utf8(topic).unwrap().into(),
                id: [rest[0], rest[1]],
                payload: rest[3..].to_vec(),
            };
        }
    }

    async fn acknowledge(&mut self, published: &Published) {
        self.send(&[0x40, 2, published.id[0], published.id[1]]).await;
    }

    /// The next publication on a channel; acknowledges others on the way.
    async fn published_on(&mut self, channel: &str) -> Published {
        loop {
            let published = self.published().await;
            if published.topic == std::format!("gengfu/v1/site/node/{channel}") {
                return published;
            }
            self.acknowledge(&published).await;
        }
    }

    async fn publish(&mut self, channel: &str, payload: &[u8]) {
        let topic = std::format!("gengfu/v1/site/node/{channel}");
        let len = 2 + topic.len() + 1 + payload.len();
        // One byte of length is enough for all that is sent here but long plans.
        let (low, high) = (u8::try_from(len % 128).unwrap(), u8::try_from(len / 128).unwrap());
        let mut packet = std::vec![0x30];
        packet.extend(if high == 0 { std::vec![low] } else { std::vec![low | 0x80, high] });
        packet.extend([0, u8::try_from(topic.len()).unwrap()]);
        packet.extend(topic.as_bytes());
        packet.push(0);
        packet.extend(payload);
        self.send(&packet).await;
    }
}

/// Runs a node's uplink beside a story told by its peer, with a deadline.
async fn beside<F: Future>(
    node: &TestNode,
    log: &Log,
    login: Option<Login<'_>>,
    story: impl FnOnce(TcpListener) -> F,
) -> F::Output {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut dialer = Tcp(listener.local_addr().unwrap());
    let mut buffers = std::boxed::Box::new(UplinkBuffers::new());
    let mut updates = NoUpdates;
    tokio::select! {
        () = node.publish(&mut dialer, log, login, &mut buffers, &mut updates) => panic!("the uplink ended"),
        outcome = tokio::time::timeout(Span::from_secs(10), story(listener)) => {
            outcome.expect("the story did not end in time")
        }
    }
}

/// Waits until the outbox holds so many packs.
async fn holds(node: &TestNode, count: usize) {
    while node.outbox.lock().await.len() != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_node_says_who_it_is_leaves_its_will_and_asks_for_its_plan() {
    let (node, log) = (node(), Log::default());
    let login = Login { user: "node", password: b"secret" };
    beside(&node, &log, Some(login), async |listener| {
        let (mut peer, connect) = Peer::welcome(&listener).await;
        let has = |part: &[u8]| connect.body.windows(part.len()).any(|window| window == part);
        // MQTT 5; user, password, will retained at QoS 1, clean start; 30 s.
        assert!(connect.body.starts_with(&[0, 4, b'M', b'Q', b'T', b'T', 5, 0xEE, 0, 30]));
        assert!(has(b"site/node") && has(b"gengfu/v1/site/node/state") && has(b"secret"));
        assert!(has(b"\x66online\xf4"));

        let birth = peer.published().await;
        assert_eq!(birth.topic, "gengfu/v1/site/node/state");
        assert_eq!(birth.head & 1, 1, "retained");
        let State::Online { boot: 5, version: VERSION, plan_revision: 0, queued: 0, .. } =
            State::decode(&birth.payload).unwrap()
        else {
            panic!("not a birth: {birth:?}");
        };
        for filter in
            ["\0\x1agengfu/v1/site/node/config\x01", "\0\x1bgengfu/v1/site/node/command\x01"]
        {
            let subscribe = peer.packet().await;
            assert_eq!(subscribe.head, 0x82);
            assert_eq!(&subscribe.body[3..], filter.as_bytes());
        }
    })
    .await;
    assert_eq!(*log.0.borrow(), [Event::Connected]);
}

#[tokio::test]
async fn a_pack_leaves_the_outbox_only_when_it_is_acknowledged() {
    let (node, log) = (node(), Log::default());
    push(&node, 0).await;
    push(&node, 1).await;
    beside(&node, &log, None, async |listener| {
        let (mut peer, _) = Peer::welcome(&listener).await;
        let first = peer.published_on("readings").await;
        let second = peer.published_on("readings").await;
        assert_eq!((&first.payload, &second.payload), (&pack(0), &pack(1)));
        assert_eq!(node.outbox.lock().await.len(), 2);

        peer.acknowledge(&first).await;
        holds(&node, 1).await;
        peer.acknowledge(&second).await;
        holds(&node, 0).await;

        push(&node, 2).await;
        assert_eq!(peer.published_on("readings").await.payload, pack(2));
    })
    .await;
}

#[tokio::test]
async fn what_was_not_acknowledged_is_published_again_after_a_lost_connection() {
    let (node, log) = (node(), Log::default());
    for seq in 0..3 {
        push(&node, seq).await;
    }
    beside(&node, &log, None, async |listener| {
        let (mut peer, _) = Peer::welcome(&listener).await;
        let first = peer.published_on("readings").await;
        peer.acknowledge(&first).await;
        holds(&node, 2).await;
        drop(peer);

        let (mut peer, _) = Peer::welcome(&listener).await;
        for seq in 1..3 {
            let again = peer.published_on("readings").await;
            assert_eq!(again.payload, pack(seq));
            peer.acknowledge(&again).await;
        }
        holds(&node, 0).await;
    })
    .await;
    let expected = [Event::Connected, Event::Disconnected(LinkError::Lost), Event::Connected];
    assert_eq!(*log.0.borrow(), expected);
}

#[tokio::test]
async fn a_pack_that_the_broker_refuses_stays_in_the_outbox() {
    let (node, log) = (node(), Log::default());
    push(&node, 0).await;
    beside(&node, &log, None, async |listener| {
        let (mut peer, _) = Peer::welcome(&listener).await;
        let refused = peer.published_on("readings").await;
        // Reason 0x97: quota exceeded.
        peer.send(&[0x40, 3, refused.id[0], refused.id[1], 0x97]).await;

        let (mut peer, _) = Peer::welcome(&listener).await;
        assert_eq!(peer.published_on("readings").await.payload, pack(0));
        assert_eq!(node.outbox.lock().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn after_an_outage_three_of_four_packs_are_the_newest_and_one_the_oldest() {
    let (node, log) = (node(), Log::default());
    for seq in 0..100 {
        push(&node, seq).await;
    }
    beside(&node, &log, None, async |listener| {
        let (mut peer, _) = Peer::welcome(&listener).await;
        let (mut live, mut backlog) = (68..100, 0..68);
        for at in 0..100 {
            let seq = if at % 4 == 3 { backlog.next() } else { live.next() };
            let seq = seq.or_else(|| backlog.next()).unwrap();
            let published = peer.published_on("readings").await;
            assert_eq!(published.payload, pack(seq), "publication {at}");
            peer.acknowledge(&published).await;
        }
        holds(&node, 0).await;
    })
    .await;
}

fn plan(revision: u32, interval_s: u16) -> Vec<u8> {
    let plan = Plan {
        revision,
        interval_s,
        line: LineSettings::default(),
        maps: List::new(),
        meters: List::new(),
        switches: List::new(),
    };
    let mut bytes = std::vec![0; Plan::BYTES_MAX];
    let len = plan.encode(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

#[tokio::test]
async fn a_plan_is_answered_and_a_bad_one_does_not_replace_it() {
    let (node, log) = (node(), Log::default());
    beside(&node, &log, None, async |listener| {
        let (mut peer, _) = Peer::welcome(&listener).await;
        for (plan, revision, result) in [
            (plan(4, 60), 4, AppliedResult::Ok),
            (plan(5, 0), 5, AppliedResult::Rejected(PlanFault::Interval)),
            (std::vec![0xFF; 100], 0, AppliedResult::Rejected(PlanFault::Unreadable)),
        ] {
            peer.publish("config", &plan).await;
            let answer = peer.published_on("config/applied").await;
            peer.acknowledge(&answer).await;
            assert_eq!(
                Applied::decode(&answer.payload),
                Ok(Applied { revision, result, load_permille: 0 })
            );
            assert_eq!(answer.head & 1, 1, "retained");
        }
    })
    .await;
    assert_eq!(node.revision.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_command_that_comes_twice_is_done_once_and_answered_twice() {
    let (node, log) = (node(), Log::default());
    let mut command = [0; Command::BYTES_MAX];
    let identify = Command { id: 8, until: 0, task: Task::Act(Action::Identify) };
    let len = identify.encode(&mut command).unwrap();
    beside(&node, &log, None, async |listener| {
        let (mut peer, _) = Peer::welcome(&listener).await;
        for _ in 0..2 {
            peer.publish("command", &command[..len]).await;
            let answer = peer.published_on("command/result").await;
            peer.acknowledge(&answer).await;
            let done = CommandResult::of(8, Outcome::Done);
            assert_eq!(CommandResult::decode(&answer.payload), Ok(done));
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_whose_broker_is_away_says_so_once_and_finds_it_when_it_is_back() {
    let (node, log) = (node(), Log::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut dialer = Tcp(address);
    let mut buffers = std::boxed::Box::new(UplinkBuffers::new());
    let back = async {
        while log.0.borrow().is_empty() {
            tokio::task::yield_now().await;
        }
        let listener = TcpListener::bind(address).await.unwrap();
        Peer::welcome(&listener).await.0.published().await
    };
    let mut updates = NoUpdates;
    let birth = tokio::select! {
        () = node.publish(&mut dialer, &log, None, &mut buffers, &mut updates) => panic!("ended"),
        birth = tokio::time::timeout(Span::from_secs(10), back) => birth.unwrap(),
    };
    assert_eq!(birth.topic, "gengfu/v1/site/node/state");
    let expected = [Event::Disconnected(LinkError::Unreachable), Event::Connected];
    assert_eq!(*log.0.borrow(), expected);
}
