//! Against a real mosquitto, which comes from other hands than rumqttc.
//!
//! Here are the broker, a node, and what readings go through; [`protected`] is about TLS
//! and log-in, [`suspect`] about a broker that drops, and one from which nothing comes,
//! [`updates`] about new programs for nodes.

#![expect(clippy::wildcard_enum_match_arm, reason = "of rumqttc's packets a test wants one")]

mod devices;
mod protected;
mod suspect;
mod updates;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tempfile::TempDir;
use tokio::sync::mpsc;
use wire::message::State;
use wire::topic::Channel;

use super::{BrokerDoor, SESSION_EXPIRY_S};
use crate::config::BrokerConfig;
use crate::health::Code;
use crate::ingest::board::NodeCommand;
use crate::ingest::door::Door;
use crate::ingest::fixture::{
    bytes_of, door, name, online, pack, seq_of, soon, state_bytes, topic,
};
use crate::ingest::{Incoming, Intake, WAITING_MAX};

/// A mosquitto of our own, with the configuration that we ship.
struct Mosquitto {
    child: Option<Child>,
    port: u16,
    folder: TempDir,
}

impl Mosquitto {
    /// With the configuration that we ship.
    fn new() -> Self {
        // Ours for the test: the address, the folder, who may come in.
        let ours =
            ["listener", "allow_anonymous", "password_file", "persistence_location", "log_dest"];
        let shipped = include_str!("../../../mosquitto.conf").lines();
        let kept = shipped.filter(|line| !ours.iter().any(|key| line.starts_with(key)));
        Self::with(&kept.map(|line| format!("{line}\n")).collect::<String>())
    }

    /// With these lines beside those without which there would be no test.
    fn with(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Taken and given back: nobody else asks for this one in between, as a rule.
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mosquitto = Self { child: None, port, folder };
        mosquitto.configure(lines);
        mosquitto
    }

    /// Takes other lines, for the next start.
    fn configure(&self, lines: &str) {
        let (port, folder) = (self.port, self.folder.path());
        // As root it would give up its rights and could not write into the folder.
        let anonymous = if lines.contains("password_file") { "" } else { "allow_anonymous true\n" };
        let config = format!(
            "listener {port} 127.0.0.1\npersistence_location {}/\nlog_dest stderr\nuser root\n\
             {anonymous}{lines}",
            folder.display()
        );
        std::fs::write(folder.join("mosquitto.conf"), config).unwrap();
    }

    async fn start(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new(Self::program())
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mosquitto starts");
        self.child = Some(child);
        let port = self.port;
        let listens = async {
            while tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(10), listens).await.is_err() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            panic!("mosquitto does not listen; it says:\n{log}");
        }
    }

    async fn started() -> Self {
        let mut mosquitto = Self::new();
        mosquitto.start().await;
        mosquitto
    }

    /// As a power cut does it.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Debian puts it where only root's path leads.
    fn program() -> PathBuf {
        ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"]
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .expect(
                "this test needs mosquitto; `make test` installs it, or: apt-get install mosquitto",
            )
    }

    fn config(&self) -> BrokerConfig {
        BrokerConfig {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            tls: None,
            client_id: "gengfu-test".to_owned(),
            login: None,
            shared_group: None,
        }
    }

    async fn node(&self, id: &str) -> Node {
        let mut options = MqttOptions::new(id, "127.0.0.1", self.port);
        options.set_keep_alive(Duration::from_secs(60));
        let (client, events) = AsyncClient::new(options, 10_000);
        let mut node = Node { client, events };
        node.until("CONNACK", |packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await;
        node
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Node {
    client: AsyncClient,
    events: EventLoop,
}

impl Node {
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

    /// Publishes and waits until the broker has it.
    async fn publish(&mut self, topic: &str, retain: bool, payload: Vec<u8>) {
        self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await.unwrap();
        self.until("PUBACK", |packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    }

    async fn publish_pack(&mut self, seq: u32) {
        let readings = topic("node-1", Channel::Readings);
        self.publish(&readings, false, bytes_of(&pack("meter-1", seq))).await;
    }

    async fn subscribe(&mut self, filter: &str) {
        self.client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        self.until("SUBACK", |packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;
    }

    async fn message(&mut self) -> (String, Bytes) {
        self.until("PUBLISH", |packet| match packet {
            Packet::Publish(publish) => {
                Some((String::from_utf8(publish.topic.to_vec()).unwrap(), publish.payload.clone()))
            }
            _ => None,
        })
        .await
    }
}

struct Gateway {
    broker: BrokerDoor,
    door: Door,
    queue: mpsc::Receiver<Incoming>,
}

impl Gateway {
    fn open(config: BrokerConfig) -> Self {
        let (door, queue) = door(WAITING_MAX);
        Self { broker: BrokerDoor::open(config, door.clone()), door, queue }
    }

    /// Waits until a retained state that was there before tells that we are subscribed.
    async fn subscribed(mosquitto: &Mosquitto) -> Self {
        let mut node = mosquitto.node("herald").await;
        node.publish(&topic("node-2", Channel::State), true, state_bytes(online())).await;
        let gateway = Self::open(mosquitto.config());
        gateway.has_state("node-2", online()).await;
        gateway
    }

    async fn has_state(&self, node: &str, wanted: State) {
        let states = self.door.states.clone();
        let mut changed = states.watch();
        let is_there = |_: &u64| {
            states.of(&name(node)).and_then(|known| known.state).map(|(state, _)| state)
                == Some(wanted)
        };
        soon("the node's state", changed.wait_for(is_there)).await.unwrap();
    }

    async fn broker_away(&self, is_away: bool) {
        self.notice(Code::BrokerAway, is_away).await;
    }

    /// Waits until a notice stands, or stands no more; returns its parameters.
    async fn notice(&self, code: Code, stands: bool) -> BTreeMap<&'static str, String> {
        let health = self.door.health.clone();
        let mut changed = health.watch();
        let found = || health.all().into_iter().find(|notice| notice.code == code);
        let matches = |_: &u64| found().is_some() == stands;
        soon(&format!("the notice {code:?}: {stands}"), changed.wait_for(matches)).await.unwrap();
        found().map(|notice| notice.params).unwrap_or_default()
    }

    async fn incoming(&mut self) -> Incoming {
        soon("a message on the queue", self.queue.recv()).await.unwrap()
    }
}

#[tokio::test]
async fn a_stored_message_does_not_come_again_and_an_unstored_one_does() {
    let mosquitto = Mosquitto::started().await;
    let mut gateway = Gateway::subscribed(&mosquitto).await;
    let mut node = mosquitto.node("node-1").await;
    for seq in 0..3 {
        node.publish_pack(seq).await;
    }
    let first = gateway.incoming().await;
    assert_eq!(seq_of(&first), 0);
    first.receipt.send(()).unwrap();
    let (second, third) = (gateway.incoming().await, gateway.incoming().await);

    gateway.broker.close(Duration::from_millis(200)).await.unwrap();
    let mut gateway = Gateway::open(mosquitto.config());
    let again = [gateway.incoming().await, gateway.incoming().await];

    assert_eq!(again.map(|incoming| seq_of(&incoming)), [1, 2]);
    drop((second, third));
}

#[tokio::test]
async fn closing_acknowledges_what_gets_stored_meanwhile() {
    let mosquitto = Mosquitto::started().await;
    let mut gateway = Gateway::subscribed(&mosquitto).await;
    let mut node = mosquitto.node("node-1").await;
    node.publish_pack(1).await;
    let incoming = gateway.incoming().await;

    let closing = tokio::spawn(gateway.broker.close(Duration::from_secs(20)));
    incoming.receipt.send(()).unwrap();
    soon("the end", closing).await.unwrap().unwrap();
    node.publish_pack(2).await;
    let mut gateway = Gateway::open(mosquitto.config());

    assert_eq!(seq_of(&gateway.incoming().await), 2);
}

#[tokio::test]
async fn what_is_published_while_the_gateway_is_away_waits_at_the_broker() {
    let mosquitto = Mosquitto::started().await;
    let gateway = Gateway::subscribed(&mosquitto).await;
    gateway.broker.close(Duration::from_secs(1)).await.unwrap();
    let mut node = mosquitto.node("node-1").await;
    for seq in 0..2_000 {
        node.publish_pack(seq).await;
    }

    let mut gateway = Gateway::open(mosquitto.config());
    let mut seqs = Vec::new();
    for _ in 0..2_000 {
        let incoming = gateway.incoming().await;
        seqs.push(seq_of(&incoming));
        incoming.receipt.send(()).unwrap();
    }

    assert!(seqs.iter().copied().eq(0..2_000), "all, in order, each once");
    const { assert!(0 < SESSION_EXPIRY_S) }
}

#[tokio::test]
async fn a_receipt_dropped_unsigned_makes_the_broker_send_again() {
    let mosquitto = Mosquitto::started().await;
    let mut gateway = Gateway::subscribed(&mosquitto).await;
    let mut node = mosquitto.node("node-1").await;
    node.publish_pack(1).await;
    node.publish_pack(2).await;
    let (first, second) = (gateway.incoming().await, gateway.incoming().await);

    drop(first);
    let again = gateway.incoming().await;
    // Of the connection before: the receipt is signed, and nobody listens.
    second.receipt.send(()).ok();
    again.receipt.send(()).unwrap();

    let last = gateway.incoming().await;
    assert_eq!(seq_of(&last), 2);
    last.receipt.send(()).unwrap();
}

#[tokio::test]
async fn an_unreadable_payload_goes_into_quarantine_and_does_not_block_the_next() {
    let mosquitto = Mosquitto::started().await;
    let mut gateway = Gateway::subscribed(&mosquitto).await;
    let mut node = mosquitto.node("node-1").await;
    let readings = topic("node-1", Channel::Readings);
    node.publish(&readings, false, b"{\"no\": \"pack\"}".to_vec()).await;
    node.publish(&topic("node-9", Channel::Readings), false, b"stranger".to_vec()).await;
    node.publish_pack(7).await;

    let bad = gateway.incoming().await;
    let good = gateway.incoming().await;

    assert!(matches!(bad.what, Intake::Quarantine(_)));
    assert_eq!(seq_of(&good), 7);
}

#[tokio::test]
async fn plans_are_retained_at_the_broker_and_again_when_they_change() {
    let mosquitto = Mosquitto::started().await;
    let gateway = Gateway::subscribed(&mosquitto).await;
    let config = topic("node-1", Channel::Config);
    let mut node = mosquitto.node("node-1").await;
    node.subscribe(&topic("node-1", Channel::Command)).await;
    gateway.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 1"));

    node.subscribe(&config).await;
    assert_eq!(node.message().await, (config.clone(), Bytes::from_static(b"plan 1")));
    gateway.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 2"));
    assert_eq!(node.message().await, (config.clone(), Bytes::from_static(b"plan 2")));
    let payload = Bytes::from_static(b"identify");
    gateway.door.board.command(NodeCommand {
        node: name("node-1"),
        channel: Channel::Command,
        payload: payload.clone(),
    });
    assert_eq!(node.message().await, (topic("node-1", Channel::Command), payload));
    gateway.door.board.set_plans(std::collections::BTreeMap::new());

    assert_eq!(node.message().await, (config, Bytes::new()), "taken back");
}

#[tokio::test]
async fn a_broker_that_is_away_at_start_is_a_notice_and_not_an_error() {
    let mut mosquitto = Mosquitto::new();
    let mut gateway = Gateway::open(mosquitto.config());
    gateway.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 1"));

    gateway.broker_away(true).await;
    mosquitto.start().await;
    gateway.broker_away(false).await;
    let mut node = mosquitto.node("node-1").await;
    node.subscribe(&topic("node-1", Channel::Config)).await;
    assert_eq!(node.message().await.1, "plan 1");
    node.publish_pack(1).await;

    assert_eq!(seq_of(&gateway.incoming().await), 1);
}

#[tokio::test]
async fn after_a_killed_broker_the_door_subscribes_and_publishes_plans_again() {
    let mut mosquitto = Mosquitto::started().await;
    let mut gateway = Gateway::subscribed(&mosquitto).await;
    gateway.door.board.set_plan(name("node-1"), Bytes::from_static(b"plan 1"));
    let mut node = mosquitto.node("node-1").await;
    node.publish_pack(1).await;
    let stale = gateway.incoming().await;

    // Killed before its first save: it forgets the session and the retained plan.
    mosquitto.kill();
    gateway.broker_away(true).await;
    mosquitto.start().await;
    gateway.broker_away(false).await;
    // Of the connection before: must not acknowledge anything of this one.
    stale.receipt.send(()).ok();
    let mut node = mosquitto.node("node-1").await;
    node.subscribe(&topic("node-1", Channel::Config)).await;
    let plan = node.message().await;
    node.publish_pack(2).await;
    let unsigned = gateway.incoming().await;

    assert_eq!(plan.1, "plan 1");
    assert_eq!(seq_of(&unsigned), 2);
    gateway.broker.close(Duration::from_millis(200)).await.unwrap();
    let mut gateway = Gateway::open(mosquitto.config());
    assert_eq!(seq_of(&gateway.incoming().await), 2, "its packet id was used before");
}
