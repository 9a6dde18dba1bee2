use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use wire::message::State;
use wire::topic::Channel;

use super::{Admission, Limits, Listener, anybody, bind, by_password};
use crate::config::{Login, Secret};
use crate::ingest::board::NodeCommand;
use crate::ingest::door::Door;
use crate::ingest::fixture::{
    bytes_of, door, name, online, pack, seq_of, soon, state_bytes, topic,
};
use crate::ingest::{Incoming, Intake, WAITING_MAX};

struct World {
    listener: Listener,
    door: Door,
    queue: mpsc::Receiver<Incoming>,
}

impl World {
    fn new() -> Self {
        Self::with(Limits::default(), anybody(), WAITING_MAX)
    }

    fn with(limits: Limits, admission: Admission, places: usize) -> Self {
        let (door, queue) = door(places);
        let socket = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = Listener::start(socket, door.clone(), admission, limits).unwrap();
        Self { listener, door, queue }
    }

    async fn incoming(&mut self) -> Incoming {
        soon("a message on the queue", self.queue.recv()).await.unwrap()
    }

    fn options(&self, id: &str) -> MqttOptions {
        let address = self.listener.address();
        let mut options = MqttOptions::new(id, address.ip().to_string(), address.port());
        options.set_keep_alive(Duration::from_secs(60));
        options
    }

    async fn client(&self, id: &str) -> Client {
        Client::connect(self.options(id)).await
    }

    /// A client that announces its last will, as a node does.
    async fn node(&self, id: &str) -> Client {
        let mut options = self.options(id);
        let gone = state_bytes(State::Gone);
        options.set_last_will(rumqttc::v5::mqttbytes::v5::LastWill::new(
            topic(id, Channel::State),
            gone,
            QoS::AtLeastOnce,
            true,
            None,
        ));
        Client::connect(options).await
    }

    /// Waits until the node's state is this one.
    async fn state(&self, node: &str, wanted: State) {
        let mut changed = self.door.states.watch();
        let states = self.door.states.clone();
        let is_there = |_: &u64| {
            states.of(&name(node)).and_then(|known| known.state).map(|(state, _)| state)
                == Some(wanted)
        };
        soon("the node's state", changed.wait_for(is_there)).await.unwrap();
    }
}

/// rumqttc: other hands than the listener's.
struct Client {
    client: AsyncClient,
    events: EventLoop,
    session_present: bool,
}

impl Client {
    async fn connect(options: MqttOptions) -> Self {
        let (client, events) = AsyncClient::new(options, 10_000);
        let mut client = Self { client, events, session_present: false };
        let present = client
            .until("CONNACK", |packet| match packet {
                Packet::ConnAck(connack) => Some(connack.session_present),
                _ => None,
            })
            .await;
        client.session_present = present;
        client
    }

    /// Polls until a packet is the wanted one.
    async fn until<T>(&mut self, what: &str, wanted: impl Fn(&Packet) -> Option<T>) -> T {
        soon(what, async {
            loop {
                if let Event::Incoming(packet) = self.events.poll().await.unwrap()
                    && let Some(found) = wanted(&packet)
                {
                    return found;
                }
            }
        })
        .await
    }

    /// Polls until the connection breaks; returns the acknowledgements seen before.
    async fn until_closed(&mut self) -> usize {
        let is_puback = |event: &Event| matches!(event, Event::Incoming(Packet::PubAck(_)));
        let mut acknowledged = 0;
        soon("the end of the connection", async {
            while let Ok(event) = self.events.poll().await {
                acknowledged += usize::from(is_puback(&event));
            }
        })
        .await;
        // What came in one piece with the end is read, and no longer told.
        acknowledged + self.events.state.events.iter().filter(|event| is_puback(event)).count()
    }

    async fn publish(&mut self, topic: &str, payload: Vec<u8>) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
    }

    async fn puback(&mut self) -> PubAckReason {
        self.until("PUBACK", |packet| match packet {
            Packet::PubAck(puback) => Some(puback.reason),
            Packet::PingResp(_) => panic!("no PUBACK before the PINGRESP"),
            _ => None,
        })
        .await
    }

    /// Polls until so many messages are acknowledged.
    async fn acknowledged(&mut self, count: usize) {
        for _ in 0..count {
            self.puback().await;
        }
    }

    async fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        self.client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        self.until("SUBACK", |packet| match packet {
            Packet::SubAck(suback) => suback.return_codes.first().copied(),
            _ => None,
        })
        .await
    }

    async fn message(&mut self) -> (String, Bytes, bool) {
        self.until("PUBLISH", |packet| match packet {
            Packet::Publish(publish) => Some((
                String::from_utf8(publish.topic.to_vec()).unwrap(),
                publish.payload.clone(),
                publish.retain,
            )),
            _ => None,
        })
        .await
    }

    /// A round trip that must see no PUBACK and no PUBLISH on its way: what was sent
    /// before it has been answered as far as it will be.
    async fn nothing_comes(&mut self) {
        self.client.unsubscribe("no/such/filter").await.unwrap();
        self.until("UNSUBACK", |packet| match packet {
            Packet::UnsubAck(_) => Some(()),
            Packet::PubAck(_) | Packet::Publish(_) => panic!("came: {packet:?}"),
            _ => None,
        })
        .await;
    }
}

#[tokio::test]
async fn a_message_is_acknowledged_only_after_its_receipt_is_signed() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;

    node.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    node.nothing_comes().await;
    let incoming = world.incoming().await;
    assert_eq!(seq_of(&incoming), 1);
    node.nothing_comes().await;
    incoming.receipt.send(()).unwrap();

    assert_eq!(node.puback().await, PubAckReason::Success);
}

#[tokio::test]
async fn acknowledgements_leave_in_the_order_of_the_messages() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;
    let readings = topic("node-1", Channel::Readings);
    node.publish(&readings, bytes_of(&pack("meter-1", 1))).await;
    node.publish(&readings, bytes_of(&pack("meter-1", 2))).await;
    node.nothing_comes().await;
    let (first, second) = (world.incoming().await, world.incoming().await);

    second.receipt.send(()).unwrap();
    node.nothing_comes().await;
    first.receipt.send(()).unwrap();

    let mut packet_ids = Vec::new();
    for _ in 0..2 {
        let id = node.until("PUBACK", |packet| match packet {
            Packet::PubAck(puback) => Some(puback.pkid),
            _ => None,
        });
        packet_ids.push(id.await);
    }
    assert_eq!(packet_ids, [1, 2]);
}

#[tokio::test]
async fn a_receipt_dropped_unsigned_closes_the_connection_without_acknowledgement() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;
    node.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    node.nothing_comes().await;

    drop(world.incoming().await);

    assert_eq!(node.until_closed().await, 0);
}

#[tokio::test]
async fn a_node_of_mqtt_3_1_1_is_acknowledged_after_its_receipt_too() {
    let mut world = World::new();
    let address = world.listener.address();
    let options = rumqttc::MqttOptions::new("node-1", address.ip().to_string(), address.port());
    let (client, mut events) = rumqttc::AsyncClient::new(options, 10);
    let readings = topic("node-1", Channel::Readings);
    let payload = bytes_of(&pack("meter-1", 5));
    client.publish(readings, rumqttc::QoS::AtLeastOnce, false, payload).await.unwrap();
    client.subscribe(topic("node-1", Channel::Config), rumqttc::QoS::AtLeastOnce).await.unwrap();

    let mut acknowledged = false;
    let mut pending = None;
    soon("SUBACK, then PUBACK", async {
        loop {
            use rumqttc::{Event::Incoming, Packet};
            match events.poll().await.unwrap() {
                Incoming(Packet::SubAck(_)) => {
                    assert!(!acknowledged, "acknowledged before the receipt was signed");
                    pending = Some(world.incoming().await);
                }
                Incoming(Packet::PubAck(_)) => break,
                _ => {}
            }
            if let Some(incoming) = pending.take() {
                assert_eq!(seq_of(&incoming), 5);
                acknowledged = true;
                incoming.receipt.send(()).unwrap();
            }
        }
    })
    .await;

    assert!(acknowledged);
}

#[tokio::test]
async fn an_unreadable_payload_goes_into_quarantine_and_is_acknowledged() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;

    node.publish(&topic("node-1", Channel::Readings), b"not a pack".to_vec()).await;
    node.nothing_comes().await;
    let incoming = world.incoming().await;
    incoming.receipt.send(()).unwrap();

    let Intake::Quarantine(unreadable) = incoming.what else { panic!("{:?}", incoming.what) };
    assert_eq!(unreadable.payload, b"not a pack");
    assert_eq!(unreadable.topic, topic("node-1", Channel::Readings));
    assert_eq!(unreadable.reason, "unreadable");
    assert_eq!(node.puback().await, PubAckReason::Success);
}

#[tokio::test]
async fn a_message_for_another_node_is_refused_and_reaches_nobody() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;

    node.publish(&topic("node-2", Channel::Readings), bytes_of(&pack("meter-3", 1))).await;

    assert_eq!(node.puback().await, PubAckReason::NotAuthorized);
    assert!(world.queue.try_recv().is_err());
}

#[tokio::test]
async fn a_retained_plan_reaches_a_late_subscriber_and_again_when_it_changes() {
    let world = World::new();
    let config = topic("node-1", Channel::Config);
    world.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 1"));
    let mut node = world.client("node-1").await;

    assert_eq!(node.subscribe(&config).await, SubscribeReasonCode::Success(QoS::AtLeastOnce));
    assert_eq!(node.message().await, (config.clone(), Bytes::from_static(b"plan 1"), true));
    world.door.board.set_plan(name("node-2"), Bytes::from_static(b"of another"));
    world.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 2"));

    assert_eq!(node.message().await, (config, Bytes::from_static(b"plan 2"), true));
}

#[tokio::test]
async fn a_client_cannot_subscribe_to_what_is_another_nodes() {
    let world = World::new();
    world.door.board.set_plan(name("node-2"), Bytes::from_static(b"secret"));
    let mut node = world.client("node-1").await;

    for filter in [
        &*topic("node-2", Channel::Config),
        "gengfu/v1/campus/+/config",
        "gengfu/v1/#",
        "gengfu/v1/other/node-1/config",
        "#",
    ] {
        assert_eq!(node.subscribe(filter).await, SubscribeReasonCode::NotAuthorized, "{filter}");
    }
    world.door.board.set_plan(name("node-2"), Bytes::from_static(b"secret 2"));
    let payload = Bytes::from_static(b"secret 3");
    world.door.board.command(NodeCommand { node: name("node-2"), payload });

    node.nothing_comes().await;
}

#[tokio::test]
async fn a_node_that_vanishes_is_gone_by_its_last_will() {
    let world = World::new();
    let mut node = world.node("node-1").await;
    node.publish(&topic("node-1", Channel::State), state_bytes(online())).await;
    node.puback().await;
    world.state("node-1", online()).await;

    drop(node);

    world.state("node-1", State::Gone).await;
    assert_eq!(world.door.health.all().len(), 1, "the page says so");
}

#[tokio::test]
async fn a_node_that_says_good_bye_leaves_no_will() {
    let world = World::new();
    let mut node = world.node("node-1").await;
    node.publish(&topic("node-1", Channel::State), state_bytes(online())).await;
    node.puback().await;

    node.client.disconnect().await.unwrap();
    node.until_closed().await;
    // Whoever comes next is served after the connection before was ended.
    let mut next = world.node("node-2").await;
    next.publish(&topic("node-2", Channel::State), state_bytes(online())).await;
    next.puback().await;

    world.state("node-1", online()).await;
}

#[tokio::test]
async fn a_second_connection_of_a_node_ends_the_first_and_its_birth_comes_after_the_will() {
    let world = World::new();
    let mut first = world.node("node-1").await;

    let mut second = world.node("node-1").await;
    second.publish(&topic("node-1", Channel::State), state_bytes(online())).await;
    second.puback().await;

    first.until_closed().await;
    world.state("node-1", online()).await;
    second.nothing_comes().await;
    world.state("node-1", online()).await;
}

#[tokio::test]
async fn a_remembered_session_gets_its_plan_and_the_command_that_came_meanwhile() {
    let world = World::new();
    let (config, command) = (topic("node-1", Channel::Config), topic("node-1", Channel::Command));
    let connect = || {
        let mut options = world.options("node-1");
        let mut properties = rumqttc::v5::mqttbytes::v5::ConnectProperties::new();
        properties.session_expiry_interval = Some(3_600);
        options.set_connect_properties(properties).set_clean_start(false);
        Client::connect(options)
    };
    let mut node = connect().await;
    assert!(!node.session_present);
    node.subscribe(&config).await;
    node.subscribe(&command).await;
    node.client.disconnect().await.unwrap();
    node.until_closed().await;

    world.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 3"));
    let payload = Bytes::from_static(b"identify");
    world.door.board.command(NodeCommand { node: name("node-1"), payload: payload.clone() });
    let mut node = connect().await;

    assert!(node.session_present);
    assert_eq!(node.message().await, (config, Bytes::from_static(b"plan 3"), true));
    assert_eq!(node.message().await, (command, payload, false));
}

#[tokio::test]
async fn an_oversize_packet_closes_its_client_and_no_other() {
    let limits = Limits { packet_bytes: 1_000, ..Limits::default() };
    let mut world = World::with(limits, anybody(), WAITING_MAX);
    let mut good = world.client("node-1").await;
    // rumqttc would not send it; so by hand, after a CONNECT of MQTT 3.1.1 as "node-2".
    let mut bad = TcpStream::connect(world.listener.address()).await.unwrap();
    bad.write_all(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06node-2").await.unwrap();
    let mut connack = [0; 4];
    bad.read_exact(&mut connack).await.unwrap();

    bad.write_all(b"\x32\xff\xff\x7f\x00\x05topic").await.unwrap();
    let mut rest = Vec::new();
    soon("the bad client's end", bad.read_to_end(&mut rest)).await.ok();

    good.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    good.nothing_comes().await;
    world.incoming().await.receipt.send(()).unwrap();
    assert_eq!(good.puback().await, PubAckReason::Success);
}

#[tokio::test]
async fn lengths_that_contradict_each_other_close_the_client() {
    let world = World::new();
    let mut bad = TcpStream::connect(world.listener.address()).await.unwrap();
    bad.write_all(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06node-2").await.unwrap();
    let mut connack = [0; 4];
    bad.read_exact(&mut connack).await.unwrap();

    // Ten bytes remain, but the topic alone has 20.
    bad.write_all(b"\x32\x0a\x00\x14gengfu/v1/campus/xxx\x00\x01").await.unwrap();
    let mut rest = Vec::new();
    soon("the bad client's end", bad.read_to_end(&mut rest)).await.ok();

    assert!(rest.is_empty());
    world.client("node-1").await.nothing_comes().await;
}

#[tokio::test]
async fn two_thousand_messages_in_flight_stay_within_the_bounds() {
    const PLACES: usize = 50;
    let limits = Limits { in_flight_per_session: 100, in_flight: 150, ..Limits::default() };
    let mut world = World::with(limits, anybody(), PLACES);
    let mut nodes = [world.client("node-1").await, world.client("node-2").await];
    for (node, (id, meter)) in nodes.iter().zip([("node-1", "meter-1"), ("node-2", "meter-3")]) {
        for seq in 0..1_000 {
            let payload = bytes_of(&pack(meter, seq));
            let topic = topic(id, Channel::Readings);
            node.client.try_publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
        }
    }
    let [first, second] = &mut nodes;
    let clients = async { tokio::join!(first.acknowledged(1_000), second.acknowledged(1_000)) };

    let recorder = async {
        let mut unsigned: Vec<Incoming> = Vec::new();
        let mut stored = 0;
        while stored < 2_000 {
            // Sign only when nobody sends any more: all windows are full then.
            match tokio::time::timeout(Duration::from_millis(50), world.queue.recv()).await {
                Ok(Some(incoming)) => unsigned.push(incoming),
                Ok(None) => panic!("the listener is gone"),
                Err(_) => {
                    assert!(unsigned.len() <= 150, "{} in flight", unsigned.len());
                    stored += unsigned.len();
                    unsigned.drain(..).for_each(|incoming| incoming.receipt.send(()).unwrap());
                }
            }
        }
    };

    soon("2,000 acknowledgements", async { tokio::join!(clients, recorder) }).await;
}

#[tokio::test]
async fn a_stuck_recorder_does_not_stop_the_answers_to_pings() {
    let world = World::with(Limits::default(), anybody(), 1);
    let mut options = world.options("node-1");
    options.set_keep_alive(Duration::from_secs(5));
    let mut node = Client::connect(options).await;
    for seq in 0..10 {
        let payload = bytes_of(&pack("meter-1", seq));
        node.publish(&topic("node-1", Channel::Readings), payload).await;
    }

    node.until("PINGRESP", |packet| match packet {
        Packet::PingResp(_) => Some(()),
        Packet::PubAck(_) => panic!("acknowledged what is not stored"),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn one_client_too_many_is_turned_away() {
    let limits = Limits { sessions: 1, ..Limits::default() };
    let world = World::with(limits, anybody(), WAITING_MAX);
    let mut first = world.client("node-1").await;

    let (_client, mut events) = AsyncClient::new(world.options("node-2"), 10);
    let refused = soon("an answer", events.poll()).await;

    assert!(refused.is_err());
    first.nothing_comes().await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_the_right_one_is_not() {
    let login = Login { user: "node".to_owned(), password: Secret::new("open".to_owned()) };
    let world = World::with(Limits::default(), by_password(login), WAITING_MAX);
    let connect = |user: &str, password: &str| {
        let mut options = world.options("node-1");
        options.set_credentials(user, password);
        let (_client, mut events) = AsyncClient::new(options, 10);
        async move { soon("an answer", events.poll()).await.is_ok() }
    };

    assert!(connect("node", "open").await);
    assert!(!connect("node", "opem").await);
    assert!(!connect("node", "open ").await);
    assert!(!connect("other", "open").await);
    let (_client, mut events) = AsyncClient::new(world.options("node-1"), 10);
    assert!(soon("an answer", events.poll()).await.is_err());
}

#[tokio::test]
async fn stopping_waits_for_what_is_in_flight_and_then_says_good_bye() {
    let mut world = World::new();
    let mut node = world.node("node-1").await;
    node.publish(&topic("node-1", Channel::State), state_bytes(online())).await;
    node.puback().await;
    node.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    node.nothing_comes().await;
    let incoming = world.incoming().await;
    let address = world.listener.address();
    let states = world.door.states.clone();

    let stopping = tokio::spawn(world.listener.stop(Duration::from_secs(10)));
    // The socket closes first: who asks now is not answered.
    soon("the closed socket", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!stopping.is_finished());
    incoming.receipt.send(()).unwrap();

    assert_eq!(node.until_closed().await, 1);
    soon("the end", stopping).await.unwrap().unwrap();
    let state = states.of(&name("node-1")).unwrap().state.unwrap().0;
    assert_eq!(state, online(), "the gateway went, not the node");
}

#[tokio::test]
async fn stopping_does_not_wait_past_its_deadline() {
    let mut world = World::new();
    let mut node = world.client("node-1").await;
    node.publish(&topic("node-1", Channel::Readings), bytes_of(&pack("meter-1", 1))).await;
    node.nothing_comes().await;
    let unsigned = world.incoming().await;

    soon("the end", world.listener.stop(Duration::from_millis(100))).await.unwrap();

    assert_eq!(node.until_closed().await, 0);
    drop(unsigned);
}
