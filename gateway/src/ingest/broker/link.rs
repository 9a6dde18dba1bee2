//! One connection to a broker, from its first attempt to its end.
//!
//! One task owns the client and never lets go of a `poll` that is not ready. What comes is
//! judged at once; what is signed is acknowledged in the order in which it came.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Filter, Packet, Publish, SubAck, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use wire::topic::{self, Channel, Topic};

use super::mapped::{Change, Mapped};
use super::trial::Trials;
use super::{CONNECTION_CODES, Lost, RECEIVE_MAX, Silence};
use crate::config::BrokerConfig;
use crate::events;
use crate::ingest::board::{NodeCommand, Plans};
use crate::ingest::door::{Door, Judged};
use crate::ingest::gate::Reason;
use crate::ingest::{Incoming, WAITING_MAX};

/// A message that the broker waits to hear of.
struct Unacknowledged {
    packet_id: u16,
    /// `None`: there is nothing to wait for.
    signed: Option<oneshot::Receiver<()>>,
}

/// One connection, from its first attempt to its end.
pub(super) struct Link<'a> {
    config: &'a BrokerConfig,
    door: &'a Door,
    trials: &'a mut Trials,
    silence: &'a mut Silence,
    client: AsyncClient,
    events: Option<EventLoop>,
    was_connected: bool,
    /// Whether anything of a node came since it was last looked at.
    heard: bool,
    /// In the order in which they came, which is the order in which they are acknowledged.
    unacknowledged: VecDeque<Unacknowledged>,
    /// Judged, and not on the queue yet because it is full. At most [`RECEIVE_MAX`].
    waiting: VecDeque<Incoming>,
    /// To be published as soon as the client takes it.
    publishes: VecDeque<(Topic, Bytes, Retained)>,
    plans: watch::Receiver<Plans>,
    commands: broadcast::Receiver<NodeCommand>,
    published: Plans,
    mapped: Mapped,
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
    Silence,
    Command(NodeCommand),
    Mapped(Change),
    Stop(Duration),
    Deadline,
}

impl<'a> Link<'a> {
    pub(super) fn new(
        config: &'a BrokerConfig,
        door: &'a Door,
        (options, since): (MqttOptions, i64),
        trials: &'a mut Trials,
        silence: &'a mut Silence,
    ) -> Self {
        // Twice the window, so that an acknowledgement always finds a place.
        let (client, events) = AsyncClient::new(options, usize::from(RECEIVE_MAX) * 2);
        Self {
            config,
            door,
            trials,
            silence,
            client,
            events: Some(events),
            was_connected: false,
            heard: false,
            unacknowledged: VecDeque::new(),
            waiting: VecDeque::new(),
            publishes: VecDeque::new(),
            plans: door.board.plans(),
            commands: door.board.commands(),
            published: Plans::default(),
            mapped: Mapped::new(config, door, since),
            stopping: false,
        }
    }

    pub(super) fn was_connected(&self) -> bool {
        self.was_connected
    }

    pub(super) async fn run(
        &mut self,
        stopped: &mut watch::Receiver<Option<Duration>>,
    ) -> Result<(), Lost> {
        let Some(mut events) = self.events.take() else { return Ok(()) };
        let mut deadline = pin!(tokio::time::sleep(Duration::MAX));
        let mut silence = pin!(tokio::time::sleep(self.silence.patience));
        loop {
            // `poll` must live until it is ready: dropped, it would take a connection
            // that is being made, or half a packet, with it.
            let mut poll = pin!(events.poll());
            let event = loop {
                match self.wait(poll.as_mut(), stopped, deadline.as_mut(), silence.as_mut()).await {
                    Cause::Event(event) => break event?,
                    Cause::Silence if std::mem::take(&mut self.heard) => {
                        silence.set(tokio::time::sleep(self.silence.patience));
                    }
                    Cause::Silence => return Err(self.silence.goes_on(self.door)),
                    Cause::Signed(Ok(())) => self.acknowledge()?,
                    Cause::Signed(Err(_)) => return Err(Lost::Unsigned),
                    Cause::Room => self.pass_on_now(),
                    Cause::Plans => self.owe_changed_plans(),
                    Cause::Command(command) => {
                        let topic = Topic::new(self.door.site, command.node, command.channel);
                        self.publishes.push_back((topic, command.payload, Retained::No));
                    }
                    Cause::Mapped(change) => self.mapped.follow(change, &self.client),
                    Cause::Stop(within) => {
                        self.stopping = true;
                        deadline.set(tokio::time::sleep(within));
                    }
                    Cause::Deadline => return Ok(()),
                }
                if self.stopping && self.unacknowledged.is_empty() {
                    self.mapped.go(&self.client);
                    if !self.was_connected || self.client.try_disconnect().is_err() {
                        return Ok(());
                    }
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
        silence: std::pin::Pin<&mut tokio::time::Sleep>,
    ) -> Cause {
        // Who has no nodes hears none; who stops needs none.
        let waits_for_nodes =
            self.was_connected && !self.stopping && !self.door.roster.borrow().is_empty();
        tokio::select! {
            event = poll => Cause::Event(event),
            () = silence, if waits_for_nodes => Cause::Silence,
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
            change = self.mapped.changed(), if self.was_connected => Cause::Mapped(change),
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
        // A retained message may be from before; it shows no more than that we subscribed.
        if !publish.retain && !std::mem::replace(&mut self.heard, true) {
            self.silence.broken(self.door);
        }
        let judged = match std::str::from_utf8(&publish.topic) {
            Ok(text) => match topic::parse(text) {
                Some((site, node, channel)) if site == self.door.site => {
                    self.door.judge(&node, channel, text, &publish.payload)
                }
                _ => {
                    let delivery = self.mapped.delivery(publish.retain);
                    self.door.judge_mapped(text, &publish.payload, delivery)
                }
            },
            Err(_) => self.door.refuse(Reason::ForeignTopic, "(no text)"),
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
        for code in CONNECTION_CODES {
            self.door.health.clear(code, "");
        }
        self.was_connected = true;
        // Also with a session: the broker then sends the retained states again, and ours
        // live in memory only. The same subscription twice is one.
        let filters = filters(self.config, self.door);
        let subscribed = self.client.try_subscribe_many(filters);
        debug_assert!(subscribed.is_ok(), "the queue of a new connection is empty");
        self.mapped.subscribe(&self.client);
        self.mapped.come(&self.client);
        self.published = Plans::default();
        self.owe_changed_plans();
        self.trials.begin_if_due(self.config, self.door, connack.session_present);
    }

    fn check_subscriptions(&mut self, suback: &SubAck) -> Result<(), Lost> {
        if self.mapped.answered(suback, self.door) {
            return Ok(());
        }
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

fn filters(config: &BrokerConfig, door: &Door) -> Vec<Filter> {
    let of = |channel| Topic::of_all_nodes(door.site, channel).to_string();
    let readings = match &config.shared_group {
        Some(group) => format!("$share/{group}/{}", of(Channel::Readings)),
        None => of(Channel::Readings),
    };
    let others =
        [Channel::State, Channel::ConfigApplied, Channel::CommandResult, Channel::Update].map(of);
    std::iter::once(readings)
        .chain(others)
        .map(|path| Filter::new(path, QoS::AtLeastOnce))
        .collect()
}
