//! The outbox empties into a broker, the plan arrives.
//!
//! MQTT 5. After each connect the node says that it is there (retained; its last will says
//! the opposite), asks for its plan and for commands, and then publishes packs, a few at a
//! time, at QoS 1: the newest before the backlog ([`crate::replay`]). A pack leaves the outbox
//! when its own publication is acknowledged and those of all before it, and the gateway
//! acknowledges what its store has synced. A connection that ends leaves all others in the
//! outbox, and they are published again.

use core::sync::atomic::Ordering;

use embassy_futures::select::{Either3, select3};
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use heapless::{String, Vec};
use minimq::{
    Buffers, ConfigBuilder, Connection, Error, Io, Op, PeerError, PubError, Publication, QoS,
    ResourceError, Session, SubscriptionOptions, TopicFilter, Will,
};
use wire::message::{
    Applied, AppliedResult, CommandResult, Outcome, Pack, Plan, State, UpdateAsk, UpdatePiece,
    Version,
};
use wire::topic::{Channel, TOPIC_LEN_MAX, Topic};

use crate::compact;
use crate::host::{Dialer, Event, Host, LinkError};
use crate::node::Node;
use crate::orders::Fault;
use crate::outbox::{Outbox, Ticket};
use crate::replay::Replay;
use crate::update::Updates;

/// How many packs are under way at a time: enough to hide the way to a gateway that syncs
/// before it acknowledges.
const WINDOW: usize = 4;

/// What MQTT adds to a topic and a payload: heads, packet id, property lengths.
const PACKET_OVERHEAD: usize = 32;

/// The largest packet that comes in is the plan.
const RX_BYTES: usize =
    Plan::BYTES_MAX.saturating_add(TOPIC_LEN_MAX).saturating_add(PACKET_OVERHEAD);

/// Two packs of the largest kind under way, four of the usual eight quantities, and room for a
/// state, two answers, and the next CONNECT. What does not fit waits for an acknowledgement.
/// (A state takes 250 bytes with its topic, a result of a command 330, a CONNECT 300.)
const TX_BYTES: usize = 2_usize
    .saturating_mul(Pack::BYTES_MAX.saturating_add(TOPIC_LEN_MAX).saturating_add(PACKET_OVERHEAD))
    .saturating_add(832);

const _: () = assert!(RX_BYTES + TX_BYTES <= 9 * 1024);
// A piece of a new program takes no more room than a plan, what is asked for it no more than a
// result.
const _: () = assert!(UpdatePiece::BYTES_MAX <= Plan::BYTES_MAX);
const _: () = assert!(UpdateAsk::BYTES_MAX <= CommandResult::BYTES_MAX);

const DIAL_MAX: Duration = Duration::from_secs(15);
const KEEP_ALIVE_S: u16 = 30;
const STATE_EACH: Duration = Duration::from_secs(60);

/// The pause after a failure; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A connection that lasts is not held against the other side.
const LASTING: Duration = Duration::from_secs(10);

/// The room that the MQTT client needs.
pub struct UplinkBuffers {
    rx: [u8; RX_BYTES],
    tx: [u8; TX_BYTES],
}

impl UplinkBuffers {
    /// Returns empty buffers.
    #[must_use]
    pub const fn new() -> Self {
        Self { rx: [0; RX_BYTES], tx: [0; TX_BYTES] }
    }
}

impl Default for UplinkBuffers {
    fn default() -> Self {
        Self::new()
    }
}

/// What a broker lets a node in by.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The user.
    pub user: &'a str,
    /// The password.
    pub password: &'a [u8],
}

/// Packs whose publication is under way.
type Window = Vec<(Ticket, Op), WINDOW>;

/// What the node has to say when there is room.
#[derive(Default)]
struct Answers {
    state: bool,
    applied: Option<Applied>,
    /// What was not carried out, and why.
    refused: Option<(u32, Outcome)>,
    update: bool,
}

impl<M: RawMutex, O: Outbox> Node<M, O> {
    /// Keeps a connection to the broker and publishes what lies in the outbox, for ever.
    pub async fn publish<D: Dialer, H: Host, U: Updates>(
        &self,
        dialer: &mut D,
        host: &H,
        login: Option<Login<'_>>,
        buffers: &mut UplinkBuffers,
        updates: &mut U,
    ) {
        let mut gone = [0; State::BYTES_MAX];
        // A last will of one word fits, so there is always one.
        let len = State::Gone.encode(&mut gone).unwrap_or(0);
        let gone = gone.get(..len).unwrap_or_default();
        let UplinkBuffers { rx, tx } = buffers;
        // A node that wakes up alone works by the plan it had. This is the one place where
        // there is room for it before a broker has said anything.
        if let Some(len) = self.outbox.lock().await.kept_plan(rx).await {
            self.hear_plan(rx.get(..len).unwrap_or_default(), host).await;
        }
        let Some(config) = self.config(Buffers::new(rx, tx), gone, login) else { return };
        let mut session = Session::new(config);

        let mut pause = PAUSE_MIN;
        let mut told = None;
        let mut replay = Replay::new();
        loop {
            let begun = Instant::now();
            let error =
                self.connection(dialer, host, &mut session, &mut told, &mut replay, updates).await;
            if error == LinkError::Protocol {
                self.orders.count(Fault::Connection);
            }
            if told != Some(error) {
                told = Some(error);
                host.tell(Event::Disconnected(error));
            }
            if LASTING <= begun.elapsed() {
                pause = PAUSE_MIN;
            }
            Timer::after(pause.checked_add(self.jitter(pause)).unwrap_or(pause)).await;
            pause = pause.checked_mul(2).map_or(PAUSE_MAX, |doubled| doubled.min(PAUSE_MAX));
        }
    }

    /// Up to a quarter of a pause, another for each node, so that they do not all come at
    /// once to a gateway that is back.
    fn jitter(&self, pause: Duration) -> Duration {
        let share = self.identity.boot.checked_rem(256).unwrap_or(0);
        pause.checked_mul(share).and_then(|time| time.checked_div(1024)).unwrap_or(Duration::MIN)
    }

    fn config<'a>(
        &self,
        buffers: Buffers<'a>,
        gone: &'a [u8],
        login: Option<Login<'a>>,
    ) -> Option<ConfigBuilder<'a>> {
        let topic = self.topic(Channel::State);
        let will = Will::new(topic.as_str(), gone, &[]).ok()?.retained().qos(QoS::AtLeastOnce);
        let config = ConfigBuilder::new(buffers)
            .client_id(&self.client_id())
            .ok()?
            .keepalive_interval(KEEP_ALIVE_S)
            .session_expiry_interval(0)
            .will(will)
            .ok()?;
        match login {
            Some(login) => config.auth(login.user, login.password).ok(),
            None => Some(config),
        }
    }

    /// Two nodes of one client id would throw each other out for ever, so it has both names.
    fn client_id(&self) -> String<64> {
        let mut id = String::new();
        let (site, node) = (self.identity.site, self.identity.node);
        // Two names of full length leave no room for the stroke between them. (`write!` would be
        // the only user of `core::fmt` in an image, and a kilobyte of its flash.)
        let has_room = site.as_str().len().saturating_add(node.as_str().len()) < id.capacity();
        for part in [site.as_str(), if has_room { "/" } else { "" }, node.as_str()] {
            id.push_str(part).unwrap_or_default();
        }
        id
    }

    fn topic(&self, channel: Channel) -> Topic {
        Topic::new(self.identity.site, self.identity.node, channel)
    }

    /// Connects, and works until the connection ends; returns why it did.
    async fn connection<D: Dialer, H: Host, U: Updates>(
        &self,
        dialer: &mut D,
        host: &H,
        session: &mut Session<'_>,
        told: &mut Option<LinkError>,
        replay: &mut Replay,
        updates: &mut U,
    ) -> LinkError {
        let stream = match with_timeout(DIAL_MAX, dialer.dial()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return error,
            Err(_) => return LinkError::Unreachable,
        };
        let mut connection = match with_timeout(DIAL_MAX, session.connect(stream)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return link_error(&error),
            Err(_) => return LinkError::Protocol,
        };
        *told = None;
        host.tell(Event::Connected);
        match self.converse(&mut connection, host, replay, updates).await {
            Ok(never) => match never {},
            Err(error) => link_error(&error),
        }
    }

    async fn converse<T: Io, H: Host, U: Updates>(
        &self,
        connection: &mut Connection<'_, '_, T>,
        host: &H,
        replay: &mut Replay,
        updates: &mut U,
    ) -> Result<core::convert::Infallible, Error<T::Error>> {
        let mut answers = Answers { state: true, update: U::ANY, ..Answers::default() };
        self.say(connection, &mut answers, updates).await?;
        // One after the other: topics that live side by side take a node's memory for good, and
        // each place that subscribes half a kilobyte of its flash.
        let channels = [Channel::Config, Channel::Command, Channel::UpdatePiece];
        for channel in channels.into_iter().take(if U::ANY { 3 } else { 2 }) {
            let options = SubscriptionOptions::default().maximum_qos(QoS::AtLeastOnce);
            let topic = self.topic(channel);
            let filter = TopicFilter::new(topic.as_str()).options(options);
            connection.subscribe(&[filter], &[]).await?;
        }

        {
            let outbox = self.outbox.lock().await;
            replay.connect(outbox.first(), outbox.next());
        }
        let mut window = Window::new();
        let mut state_at = Instant::now().saturating_add(STATE_EACH);
        loop {
            if self.settle(connection, &mut window, replay).await {
                answers.update |= updates.reached();
            }
            if state_at <= Instant::now() {
                state_at = Instant::now().saturating_add(STATE_EACH);
                answers.state = true;
                answers.update = U::ANY;
            }
            self.say(connection, &mut answers, updates).await?;
            self.send_packs(connection, &mut window, replay).await?;
            let woken = select3(connection.poll(), self.pushed.wait(), Timer::at(state_at)).await;
            if let Either3::First(progress) = woken
                && let Some(message) = progress?
            {
                answers.update |= updates.reached();
                let (topic, payload) = (message.topic(), message.payload());
                self.hear(topic, payload, host, &mut answers, updates).await;
            }
        }
    }

    /// Takes out of the outbox what was acknowledged; returns whether anything was.
    async fn settle<T: Io>(
        &self,
        connection: &Connection<'_, '_, T>,
        window: &mut Window,
        replay: &mut Replay,
    ) -> bool {
        let mut any = false;
        window.retain(|(ticket, op)| {
            let complete = connection.is_complete(op);
            if complete {
                replay.acknowledged(*ticket);
                any = true;
            }
            !complete && connection.is_pending(op)
        });
        if any {
            let mut outbox = self.outbox.lock().await;
            let floor = replay.floor(outbox.first());
            outbox.settle(floor).await;
        }
        any
    }

    /// Publishes packs until the window is full or the outbox has no more.
    async fn send_packs<T: Io>(
        &self,
        connection: &mut Connection<'_, '_, T>,
        window: &mut Window,
        replay: &mut Replay,
    ) -> Result<(), Error<T::Error>> {
        let topic = self.topic(Channel::Readings);
        let mut payload = [0; Pack::BYTES_MAX];
        'next: while !window.is_full() && connection.can_publish(QoS::AtLeastOnce) {
            for lane in replay.lanes() {
                let (from, end) = replay.wanted(lane);
                let peeked = self.outbox.lock().await.peek(from, &mut payload).await;
                let Some((ticket, len)) = peeked.filter(|&(ticket, _)| ticket < end) else {
                    continue;
                };
                let Some(len) = unpack(&mut payload, len) else {
                    // Not ours to send: nobody could read it.
                    replay.sent(lane, ticket);
                    replay.acknowledged(ticket);
                    continue 'next;
                };
                let bytes = payload.get(..len).unwrap_or_default();
                let publication = Publication::bytes(topic.as_str(), bytes);
                let publication = publication.qos(QoS::AtLeastOnce);
                let Some(op) = publish(connection, publication).await? else { return Ok(()) };
                window.push((ticket, op)).ok();
                replay.sent(lane, ticket);
                continue 'next;
            }
            return Ok(());
        }
        Ok(())
    }

    /// Publishes what the node has to say of itself, as far as there is room.
    async fn say<T: Io, U: Updates>(
        &self,
        connection: &mut Connection<'_, '_, T>,
        answers: &mut Answers,
        updates: &mut U,
    ) -> Result<(), Error<T::Error>> {
        let mut bytes = [0; CommandResult::BYTES_MAX];
        // One place from which all of it goes: each other one is a kilobyte of a board's flash.
        loop {
            let (what, encoded) = if answers.state {
                (Channel::State, self.state(updates.version()).await.encode(&mut bytes))
            } else if let Some(applied) = answers.applied {
                (Channel::ConfigApplied, applied.encode(&mut bytes))
            } else if let Some((id, outcome)) = answers.refused {
                (Channel::Command, CommandResult::of(id, outcome).encode(&mut bytes))
            } else if let Some(result) = self.orders.unsaid() {
                (Channel::CommandResult, result.encode(&mut bytes))
            } else if U::ANY
                && answers.update
                && let Some(ask) = updates.ask().await
            {
                (Channel::Update, ask.encode(&mut bytes))
            } else {
                return Ok(());
            };
            // What is refused goes out where results do.
            let channel = if what == Channel::Command { Channel::CommandResult } else { what };
            let retain = matches!(what, Channel::State | Channel::ConfigApplied);
            let payload = bytes.get(..encoded.unwrap_or(0));
            if !self.send(connection, channel, payload, retain).await? {
                return Ok(());
            }
            match what {
                Channel::State => answers.state = false,
                Channel::ConfigApplied => answers.applied = None,
                Channel::Command => answers.refused = None,
                Channel::Update => answers.update = false,
                Channel::CommandResult
                | Channel::Config
                | Channel::Readings
                | Channel::UpdatePiece => self.orders.said(),
            }
        }
    }

    async fn send<T: Io>(
        &self,
        connection: &mut Connection<'_, '_, T>,
        channel: Channel,
        payload: Option<&[u8]>,
        retain: bool,
    ) -> Result<bool, Error<T::Error>> {
        let topic = self.topic(channel);
        let publication = Publication::bytes(topic.as_str(), payload.unwrap_or_default());
        let publication = publication.qos(QoS::AtLeastOnce);
        let publication = if retain { publication.retain() } else { publication };
        Ok(publish(connection, publication).await?.is_some())
    }

    async fn state(&self, version: Version) -> State {
        let outbox = self.outbox.lock().await;
        State::Online {
            boot: self.identity.boot,
            version,
            plan_revision: self.revision.load(Ordering::Relaxed),
            queued: u32::try_from(outbox.len()).unwrap_or(u32::MAX),
            dropped: outbox.dropped(),
            uptime_s: u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX),
            faults: self.orders.faults(),
        }
    }

    async fn hear_plan<H: Host>(&self, plan: &[u8], host: &H) -> Applied {
        let applied = self.take_plan(plan).await;
        host.tell(match applied.result {
            AppliedResult::Ok => Event::PlanApplied(applied.revision),
            AppliedResult::Rejected(fault) => Event::PlanRejected(fault),
        });
        applied
    }

    async fn hear<H: Host, U: Updates>(
        &self,
        topic: &str,
        payload: &[u8],
        host: &H,
        answers: &mut Answers,
        updates: &mut U,
    ) {
        // Nothing comes but what was asked for, so the end of a topic tells it from the others.
        let is = |channel: Channel| topic.ends_with(channel.as_str());
        if is(Channel::Config) {
            let applied = self.hear_plan(payload, host).await;
            if applied.result == AppliedResult::Ok {
                self.outbox.lock().await.keep_plan(payload).await;
            }
            answers.applied = Some(applied);
            answers.state = true;
        } else if is(Channel::Command) {
            answers.refused = self.hear_command(payload, host).await.or(answers.refused);
            // What it counts as refused stands there.
            answers.state = true;
        } else if U::ANY
            && is(Channel::UpdatePiece)
            && let Ok(piece) = UpdatePiece::decode(payload)
        {
            answers.update |= updates.hear(piece).await;
        }
    }
}

/// Makes a message of what lay in the outbox, in its place; returns its length.
#[inline(never)]
fn unpack(payload: &mut [u8], len: usize) -> Option<usize> {
    let pack = compact::read(payload.get(..len)?)?;
    pack.encode(payload).ok()
}

/// Publishes, or returns `None` if there is no room yet.
async fn publish<T: Io>(
    connection: &mut Connection<'_, '_, T>,
    publication: Publication<'_, &[u8]>,
) -> Result<Option<Op>, Error<T::Error>> {
    match connection.publish(publication).await {
        Ok(op) => Ok(op),
        Err(PubError::Session(
            Error::NotReady
            | Error::Resource(ResourceError::InflightExhausted | ResourceError::BufferTooSmall),
        ))
        | Err(PubError::Payload(())) => Ok(None),
        Err(PubError::Session(error)) => Err(error),
    }
}

fn link_error<E>(error: &Error<E>) -> LinkError {
    match error {
        Error::Disconnected | Error::Transport(_) | Error::WriteZero => LinkError::Lost,
        Error::Peer(PeerError::Rejected(_)) => LinkError::Refused,
        Error::Peer(_) | Error::NotReady | Error::InvalidRequest | Error::Resource(_) | _ => {
            LinkError::Protocol
        }
    }
}

#[cfg(test)]
mod tests;
