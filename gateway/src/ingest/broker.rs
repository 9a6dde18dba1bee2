//! Somebody else's broker: the gateway as an MQTT 5 client of mosquitto, EMQX or any.
//!
//! In: what the broker delivers of the site's topics.
//! Out: what [`super::door`] makes of it; plans and commands to the nodes.
//!
//! Afterwards:
//! - PUBACK goes to the broker only after the receipt was signed, in the order in which
//!   the messages came (MQTT 5, 4.6);
//! - an acknowledgement never crosses from one connection to the next. Packet ids are
//!   used again, so a late one could acknowledge a message that we never stored. Each
//!   connection has a client of its own, and what it left unacknowledged dies with it:
//!   the broker delivers that again;
//! - a broker that is away, at start or later, is a state on the page, and we try again
//!   with back-off for ever.
//!
//! The broker keeps our session while we are away ([`SESSION_EXPIRY_S`]), so what the
//! nodes publish meanwhile waits there, as far as its queue reaches (`mosquitto.conf`).

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectProperties, Filter, Packet, Publish, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use wire::topic::{self, Channel, Topic};

use super::board::{NodeCommand, Plans};
use super::door::{Door, Judged};
use super::gate::Reason;
use super::{Incoming, WAITING_MAX};
use crate::config::BrokerConfig;
use crate::events;
use crate::health::{Code, Level};

/// How long the broker keeps our session and queues for us: a week, long enough for a
/// gateway that broke on a Friday. Unset it would end with the connection.
pub const SESSION_EXPIRY_S: u32 = 7 * 86_400;

/// How many messages may be unacknowledged. As many as wait for the recorder, so that a
/// commit is never smaller than it could be; MQTT 5 brokers keep to it.
const RECEIVE_MAX: u16 = 4_096;

/// Longest packet that we accept; the broker drops longer ones instead of sending them.
/// Four times what the longest message of ours takes.
const PACKET_BYTES_MAX: u32 = 64 * 1_024;

/// How many of our own publishes may be unacknowledged. More than mosquitto's default
/// window of 20 would be of no use.
const PUBLISHES_MAX: u16 = 20;

/// A connection that broke is tried again after 1 s, then twice that, up to this.
const RETRY_S_MAX: u64 = 60;

/// The door to a broker. Dropped, it closes without waiting.
#[derive(Debug)]
pub struct BrokerDoor {
    stop: watch::Sender<Option<Duration>>,
    task: tokio::task::JoinHandle<()>,
}

impl BrokerDoor {
    /// Opens the door; it connects, and reconnects, by itself. Needs a tokio runtime.
    #[must_use]
    pub fn open(config: BrokerConfig, door: Door) -> Self {
        let (stop, stopped) = watch::channel(None);
        Self { stop, task: tokio::spawn(keep_connected(config, door, stopped)) }
    }

    /// Returns when the door has closed; it does so only when told, or by a panic.
    ///
    /// # Errors
    ///
    /// The panic.
    pub async fn ended(&mut self) -> Result<(), tokio::task::JoinError> {
        (&mut self.task).await
    }

    /// Takes no more messages, acknowledges those that get stored within the deadline,
    /// and disconnects. The session stays at the broker.
    ///
    /// # Errors
    ///
    /// The panic that ended the door before.
    pub async fn close(self, deadline: Duration) -> Result<(), tokio::task::JoinError> {
        self.stop.send_replace(Some(deadline));
        self.task.await
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("cannot keep the connection to the broker")]
    Connection(#[from] ConnectionError),
    #[error("the broker refused the subscription to `{filter}`: {reason:?}")]
    Subscription { filter: String, reason: SubscribeReasonCode },
    #[error("a message was not stored")]
    Unsigned,
}

async fn keep_connected(
    config: BrokerConfig,
    door: Door,
    mut stopped: watch::Receiver<Option<Duration>>,
) {
    let mut retry_s = 1;
    loop {
        let mut link = Link::new(&config, &door);
        let lost = match link.run(&mut stopped).await {
            Ok(()) => return,
            Err(lost) => lost,
        };
        if link.was_connected {
            retry_s = 1;
        }
        events::broker_lost("broker", &lost, retry_s);
        let params = [
            ("address", format!("{}:{}", config.host, config.port)),
            ("error", events::chain(&lost)),
        ];
        door.health.raise(Code::BrokerAway, "", Level::Error, params);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(retry_s)) => {}
            _ = stopped.wait_for(Option::is_some) => return,
        }
        retry_s = (retry_s * 2).min(RETRY_S_MAX);
    }
}

/// A message that the broker waits to hear of.
struct Unacknowledged {
    packet_id: u16,
    /// `None`: there is nothing to wait for.
    signed: Option<oneshot::Receiver<()>>,
}

/// One connection, from its first attempt to its end.
struct Link<'a> {
    config: &'a BrokerConfig,
    door: &'a Door,
    client: AsyncClient,
    events: Option<EventLoop>,
    was_connected: bool,
    /// In the order in which they came, which is the order in which they are acknowledged.
    unacknowledged: VecDeque<Unacknowledged>,
    /// Judged, and not on the queue yet because it is full. At most [`RECEIVE_MAX`].
    waiting: VecDeque<Incoming>,
    /// To be published as soon as the client takes it.
    publishes: VecDeque<(Topic, Bytes, Retained)>,
    plans: watch::Receiver<Plans>,
    commands: broadcast::Receiver<NodeCommand>,
    published: Plans,
    stopping: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Retained {
    Yes,
    No,
}

/// What woke the link.
#[expect(clippy::large_enum_variant, reason = "the large variant is the one that happens")]
enum Cause {
    Event(Result<Event, ConnectionError>),
    Signed(Result<(), oneshot::error::RecvError>),
    Room,
    Plans,
    Command(NodeCommand),
    Stop(Duration),
    Deadline,
}

impl<'a> Link<'a> {
    fn new(config: &'a BrokerConfig, door: &'a Door) -> Self {
        let (client, events) = AsyncClient::new(mqtt_options(config), usize::from(RECEIVE_MAX) * 2);
        Self {
            config,
            door,
            client,
            events: Some(events),
            was_connected: false,
            unacknowledged: VecDeque::new(),
            waiting: VecDeque::new(),
            publishes: VecDeque::new(),
            plans: door.board.plans(),
            commands: door.board.commands(),
            published: Plans::default(),
            stopping: false,
        }
    }

    async fn run(&mut self, stopped: &mut watch::Receiver<Option<Duration>>) -> Result<(), Lost> {
        let Some(mut events) = self.events.take() else { return Ok(()) };
        let mut deadline = pin!(tokio::time::sleep(Duration::MAX));
        loop {
            // `poll` must live until it is ready: dropped, it would take a connection
            // that is being made, or half a packet, with it.
            let mut poll = pin!(events.poll());
            let event = loop {
                match self.wait(poll.as_mut(), stopped, deadline.as_mut()).await {
                    Cause::Event(event) => break event?,
                    Cause::Signed(Ok(())) => self.acknowledge()?,
                    Cause::Signed(Err(_)) => return Err(Lost::Unsigned),
                    Cause::Room => self.pass_on_now(),
                    Cause::Plans => self.owe_changed_plans(),
                    Cause::Command(command) => {
                        let topic = Topic::new(self.door.site, command.node, Channel::Command);
                        self.publishes.push_back((topic, command.payload, Retained::No));
                    }
                    Cause::Stop(within) => {
                        self.stopping = true;
                        deadline.set(tokio::time::sleep(within));
                    }
                    Cause::Deadline => return Ok(()),
                }
                if self.stopping
                    && self.unacknowledged.is_empty()
                    && (!self.was_connected || self.client.try_disconnect().is_err())
                {
                    return Ok(());
                }
                self.publish();
            };
            if self.take(event)? == Flow::Over {
                return Ok(());
            }
            self.publish();
        }
    }

    /// Waits for the next cause. Every branch may be dropped and begun again; none goes
    /// first, so that a flood of messages leaves time to acknowledge them.
    async fn wait(
        &mut self,
        poll: std::pin::Pin<&mut impl Future<Output = Result<Event, ConnectionError>>>,
        stopped: &mut watch::Receiver<Option<Duration>>,
        deadline: std::pin::Pin<&mut tokio::time::Sleep>,
    ) -> Cause {
        tokio::select! {
            event = poll => Cause::Event(event),
            signed = first_signed(&mut self.unacknowledged) => Cause::Signed(signed),
            () = deadline, if self.stopping => Cause::Deadline,
            within = stopped.wait_for(Option::is_some), if !self.stopping => {
                // The sender is gone: nobody waits for us.
                Cause::Stop(within.ok().and_then(|within| *within).unwrap_or_default())
            }
            () = room(&self.door.incoming, &self.waiting) => Cause::Room,
            Ok(()) = self.plans.changed(), if self.was_connected => Cause::Plans,
            // Lagged: whoever gave the order sees no result, and gives it again.
            Ok(command) = self.commands.recv(), if self.was_connected => Cause::Command(command),
        }
    }

    fn take(&mut self, event: Event) -> Result<Flow, Lost> {
        match event {
            Event::Incoming(Packet::Publish(publish)) => self.receive(&publish),
            Event::Incoming(Packet::ConnAck(connack)) => self.greet(&connack),
            Event::Incoming(Packet::SubAck(suback)) => self.check_subscriptions(&suback)?,
            Event::Outgoing(rumqttc::Outgoing::Disconnect) => return Ok(Flow::Over),
            Event::Incoming(_) | Event::Outgoing(_) => {}
        }
        Ok(Flow::On)
    }

    fn receive(&mut self, publish: &Publish) {
        if self.stopping {
            return; // unacknowledged, so it comes again
        }
        let judged = match std::str::from_utf8(&publish.topic).ok().and_then(parse) {
            Some((text, site, node, channel)) if site == self.door.site => {
                self.door.judge(&node, channel, text, &publish.payload)
            }
            _ => self.door.refuse(Reason::ForeignTopic, "(not one of ours)"),
        };
        let signed = match judged {
            Judged::Store(what) => {
                let (receipt, signed) = oneshot::channel();
                // QoS 0 knows no window, so only here can the list grow; whoever sends
                // readings that way said that they may be lost.
                if self.waiting.len() < WAITING_MAX || publish.qos != QoS::AtMostOnce {
                    self.waiting.push_back(Incoming { what, receipt });
                    self.pass_on_now();
                } else {
                    events::pack_rejected("no-room", "(sent with QoS 0)");
                }
                Some(signed)
            }
            Judged::Done | Judged::Refused(_) => None,
        };
        if publish.qos != QoS::AtMostOnce {
            self.unacknowledged.push_back(Unacknowledged { packet_id: publish.pkid, signed });
        }
    }

    /// Puts on the queue what has room there at once.
    fn pass_on_now(&mut self) {
        while let Some(incoming) = self.waiting.pop_front() {
            // Closed: the receipt is dropped and the link ends by that.
            if let Err(TrySendError::Full(incoming)) = self.door.incoming.try_send(incoming) {
                self.waiting.push_front(incoming);
                return;
            }
        }
    }

    fn greet(&mut self, connack: &ConnAck) {
        events::broker_connected("broker", connack.session_present);
        self.door.health.clear(Code::BrokerAway, "");
        self.was_connected = true;
        // Also with a session: the broker then sends the retained states again, and ours
        // live in memory only. The same subscription twice is one.
        let filters = filters(self.config, self.door);
        let subscribed = self.client.try_subscribe_many(filters);
        debug_assert!(subscribed.is_ok(), "the queue of a new connection is empty");
        self.published = Plans::default();
        self.owe_changed_plans();
    }

    fn check_subscriptions(&self, suback: &SubAck) -> Result<(), Lost> {
        let filters = filters(self.config, self.door);
        for (filter, &reason) in filters.into_iter().zip(&suback.return_codes) {
            if !matches!(reason, SubscribeReasonCode::Success(_)) {
                return Err(Lost::Subscription { filter: filter.path, reason });
            }
        }
        Ok(())
    }

    /// Acknowledges what is signed, from the oldest on.
    fn acknowledge(&mut self) -> Result<(), Lost> {
        while let Some(first) = self.unacknowledged.front_mut() {
            match first.signed.as_mut().map_or(Ok(()), oneshot::Receiver::try_recv) {
                Ok(()) => {}
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Closed) => return Err(Lost::Unsigned),
            }
            first.signed = None;
            let pkid = first.packet_id;
            let ack = Publish { pkid, qos: QoS::AtLeastOnce, ..Publish::default() };
            if self.client.try_ack(&ack).is_err() {
                // The client is busy writing; the next event brings us back.
                return Ok(());
            }
            self.unacknowledged.pop_front();
        }
        Ok(())
    }

    fn owe_changed_plans(&mut self) {
        let plans = self.plans.borrow_and_update().clone();
        let none = BTreeMap::new();
        let before = if self.published.is_empty() { &none } else { &*self.published };
        let gone = before.keys().filter(|node| !plans.contains_key(node));
        // An empty retained message takes the old one back (MQTT 5, 3.3.1.3).
        let taken_back = gone.map(|node| (*node, Bytes::new()));
        let changed = plans.iter().filter(|(node, plan)| before.get(node) != Some(plan));
        for (node, plan) in taken_back.chain(changed.map(|(node, plan)| (*node, plan.clone()))) {
            let topic = Topic::new(self.door.site, node, Channel::Config);
            self.publishes.push_back((topic, plan, Retained::Yes));
        }
        self.published = plans;
    }

    /// Hands the client as many publishes as it takes.
    fn publish(&mut self) {
        while let Some((topic, payload, retained)) = self.publishes.front() {
            let retain = *retained == Retained::Yes;
            let payload = payload.clone();
            if self.client.try_publish(topic.as_str(), QoS::AtLeastOnce, retain, payload).is_err() {
                return;
            }
            self.publishes.pop_front();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Over,
}

/// Returns when the oldest message may be acknowledged.
async fn first_signed(
    unacknowledged: &mut VecDeque<Unacknowledged>,
) -> Result<(), oneshot::error::RecvError> {
    let Some(first) = unacknowledged.front_mut() else {
        return std::future::pending().await;
    };
    if let Some(signed) = &mut first.signed {
        signed.await?;
        first.signed = None;
    }
    Ok(())
}

/// Returns when there is room on the queue for what waits.
async fn room(queue: &mpsc::Sender<Incoming>, waiting: &VecDeque<Incoming>) {
    if waiting.is_empty() {
        std::future::pending::<()>().await;
    }
    // Closed is room too: `pass_on_now` finds out.
    queue.reserve().await.ok();
}

fn parse(text: &str) -> Option<(&str, wire::Name, wire::Name, Channel)> {
    topic::parse(text).map(|(site, node, channel)| (text, site, node, channel))
}

fn filters(config: &BrokerConfig, door: &Door) -> Vec<Filter> {
    let of = |channel| Topic::of_all_nodes(door.site, channel).to_string();
    let readings = match &config.shared_group {
        Some(group) => format!("$share/{group}/{}", of(Channel::Readings)),
        None => of(Channel::Readings),
    };
    [readings, of(Channel::State), of(Channel::ConfigApplied), of(Channel::CommandResult)]
        .into_iter()
        .map(|path| Filter::new(path, QoS::AtLeastOnce))
        .collect()
}

fn mqtt_options(config: &BrokerConfig) -> MqttOptions {
    let mut mqtt = MqttOptions::new(&config.client_id, &config.host, config.port);
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(SESSION_EXPIRY_S);
    properties.receive_maximum = Some(RECEIVE_MAX);
    properties.max_packet_size = Some(PACKET_BYTES_MAX);
    mqtt.set_connect_properties(properties)
        .set_clean_start(false)
        .set_manual_acks(true)
        .set_keep_alive(Duration::from_secs(30))
        .set_outgoing_inflight_upper_limit(PUBLISHES_MAX);
    if let Some(login) = &config.login {
        mqtt.set_credentials(&login.user, login.password.reveal());
    }
    mqtt
}

#[cfg(test)]
mod tests;
