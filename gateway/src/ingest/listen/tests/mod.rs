//! With rumqttc as the client, which comes from other hands than ntex-mqtt.
//!
//! Here are the world of the tests and their client; the tests are in [`acknowledgement`]
//! (what is acknowledged, and when), [`delivery`] (what a node gets, and who hears of its
//! end), [`limits`] (what is refused, and how it ends), [`devices`] (other
//! people's) and [`protected`] (TLS).

#![expect(clippy::wildcard_enum_match_arm, reason = "of rumqttc's packets a test wants one")]

mod acknowledgement;
mod delivery;
mod devices;
mod limits;
mod protected;

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
