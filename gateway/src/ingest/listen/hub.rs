//! Who is connected, who is remembered, and what is retained.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use ntex::io::IoRef;
use ntex_mqtt::v5::codec::DisconnectReasonCode;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, oneshot};
use wire::topic::{Channel, Topic};
use wire::{Name, topic};

use super::client::{Client, prefix};
use super::session::{Session, Sink, Will};
use super::{Admission, Claim, Limits};
use crate::events;
use crate::ingest::board::{NodeCommand, Plans};
use crate::ingest::door::Door;
use crate::ingest::mapped::Request;
use crate::ingest::{Incoming, Intake};

/// All connections of the listener.
pub(super) struct Hub {
    pub(super) door: Door,
    pub(super) limits: Limits,
    admission: Admission,
    /// When it began, Unix seconds.
    since: i64,
    clients: RefCell<HashMap<Rc<str>, Rc<Client>>>,
    /// What nodes published retained, by topic. Only topics of known nodes get here.
    retained: RefCell<BTreeMap<String, Bytes>>,
    plans: RefCell<Plans>,
    connections: Cell<usize>,
    in_flight: Cell<usize>,
    /// What found no place on the queue to the recorder.
    waiting: RefCell<VecDeque<Incoming>>,
    queued: Notify,
    stopping: Cell<bool>,
    /// A message was acknowledged, or a connection ended.
    eased: Notify,
}

/// What a client says when it connects, whatever the version of the protocol.
pub(super) struct Hello<'a> {
    pub(super) client: &'a str,
    pub(super) user: Option<&'a str>,
    pub(super) password: Option<&'a [u8]>,
    pub(super) will: Option<Will>,
    /// The names in its certificate, if it had to show one.
    pub(super) names: Option<Vec<String>>,
    /// Whether what was remembered is to be forgotten.
    pub(super) clean: bool,
    /// How long the client asks to be remembered, in seconds.
    pub(super) expiry_s: u32,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Neither its will nor its client id names a node.
    Nameless,
    /// Its will is about another node or site, or it has no right to speak for this one.
    NotAdmitted,
    /// Its certificate is made out to another name than the node's.
    WrongCertificate,
    /// There are too many already.
    Busy,
}

/// A client that was let in.
pub(super) struct Welcome {
    pub(super) session: Rc<Session>,
    pub(super) session_present: bool,
    pub(super) expiry_s: u32,
}

/// Counts down when a connection ends.
pub(super) struct Connected(Rc<Hub>);

impl Hub {
    pub(super) fn new(door: Door, admission: Admission, limits: Limits) -> Self {
        let plans = door.board.plans().borrow().clone();
        Self {
            since: door.clock.now(),
            door,
            limits,
            admission,
            clients: RefCell::default(),
            retained: RefCell::default(),
            plans: RefCell::new(plans),
            connections: Cell::new(0),
            in_flight: Cell::new(0),
            waiting: RefCell::default(),
            queued: Notify::new(),
            stopping: Cell::new(false),
            eased: Notify::new(),
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.get()
    }

    pub(super) fn connected(self: &Rc<Self>) -> Connected {
        self.connections.set(self.connections.get() + 1);
        Connected(Rc::clone(self))
    }

    /// Returns when a client may be read, which has room of its own too.
    pub(super) async fn room(&self, has_room: impl Fn() -> bool) {
        while self.stopping.get() || self.limits.in_flight <= self.in_flight.get() || !has_room() {
            self.eased.notified().await;
        }
    }

    /// Counts a message until it has [`Hub::landed`].
    pub(super) fn took_off(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// Some messages are acknowledged, or their client is gone.
    pub(super) fn landed(&self, messages: usize) {
        self.in_flight.set(self.in_flight.get() - messages);
        self.eased.notify_waiters();
    }

    /// Puts something on the queue to the recorder; when that is full, on a list of ours
    /// that is as long as messages may be in flight.
    pub(super) fn submit(&self, what: Intake) -> oneshot::Receiver<()> {
        let (receipt, signed) = oneshot::channel();
        let incoming = Incoming { what, receipt };
        let mut waiting = self.waiting.borrow_mut();
        let left = if waiting.is_empty() {
            self.door.incoming.try_send(incoming).err()
        } else {
            Some(TrySendError::Full(incoming))
        };
        match left {
            None => {}
            Some(TrySendError::Full(incoming)) => {
                waiting.push_back(incoming);
                self.queued.notify_one();
            }
            // The recorder is gone. The receipt is dropped, the connection closes.
            Some(TrySendError::Closed(incoming)) => drop(incoming),
        }
        signed
    }

    /// Puts something that nobody waits for on the queue, or drops it and counts that.
    pub(super) fn submit_if_room(&self, what: Intake) {
        let (receipt, _) = oneshot::channel();
        let full = !self.waiting.borrow().is_empty()
            || self.door.incoming.try_send(Incoming { what, receipt }).is_err();
        if full {
            events::pack_rejected("no-room", "(sent with QoS 0)");
        }
    }

    /// Lets a client in, or not. Another connection of the same client is closed.
    pub(super) fn welcome(
        self: &Rc<Self>,
        hello: Hello<'_>,
        io: IoRef,
        sink: Sink,
    ) -> Result<Welcome, Refusal> {
        let node = self.admit(&hello).inspect_err(|refusal| {
            events::client_refused(refusal.word());
        })?;
        self.forget_expired();
        let remembered = self.remembered(hello.client, node, hello.clean);
        let session_present = remembered.is_some();
        let client = match remembered {
            Some(client) => client,
            None => self.remember(hello.client, node).inspect_err(|refusal| {
                events::client_refused(refusal.word());
            })?,
        };
        let expiry_s = hello.expiry_s.min(self.limits.session_expiry_s);
        client.expiry_s.set(expiry_s);
        client.forget_at.set(None);
        let session = Session::new(Rc::clone(self), Rc::clone(&client), io, sink, hello.will);
        let session = Rc::new(session);
        client.session.replace(Some(Rc::clone(&session)));
        if session_present {
            self.owe_all_retained(&client, None);
        }
        tokio::task::spawn_local(Rc::clone(&session).deliver());
        tokio::task::spawn_local(Rc::clone(&session).acknowledge());
        Ok(Welcome { session, session_present, expiry_s })
    }

    fn admit(&self, hello: &Hello<'_>) -> Result<Name, Refusal> {
        let node = match &hello.will {
            Some(will) => match topic::parse(&will.topic) {
                Some((site, node, _)) if site == self.door.site => node,
                None if self.takes_devices() => device(hello.client).ok_or(Refusal::Nameless)?,
                _ => return Err(Refusal::NotAdmitted),
            },
            // Our nodes call themselves `site/node`; anybody else's can be told to.
            None => {
                let name = hello.client.rsplit('/').next().unwrap_or_default();
                let other = || device(hello.client).filter(|_| self.takes_devices());
                Name::new(name).ok().or_else(other).ok_or(Refusal::Nameless)?
            }
        };
        let is_named = |names: &Vec<String>| names.iter().any(|name| name == node.as_str());
        if !hello.names.as_ref().is_none_or(is_named) {
            return Err(Refusal::WrongCertificate);
        }
        let (client, user, password) = (hello.client, hello.user, hello.password);
        let claim = Claim { client, user, password, node };
        if hello.client.is_empty() {
            Err(Refusal::Nameless)
        } else if (self.admission)(&claim) {
            Ok(node)
        } else {
            Err(Refusal::NotAdmitted)
        }
    }

    /// Returns whether the site book maps other people's devices at all.
    fn takes_devices(&self) -> bool {
        !self.door.mapped.mappings().borrow().mappings.is_empty()
    }

    /// Returns the client of this id if it is to go on where it was; ends its connection.
    fn remembered(&self, id: &str, node: Name, clean: bool) -> Option<Rc<Client>> {
        let client = self.clients.borrow().get(id).cloned()?;
        let other = client.session.borrow().clone();
        if let Some(other) = other {
            // The will of the old connection is said before the new one's birth message.
            other.end();
            other.close(DisconnectReasonCode::SessionTakenOver);
        }
        if clean || client.node != node {
            self.clients.borrow_mut().remove(id);
            return None;
        }
        // Ending may have forgotten it: a session of no duration ends with its connection.
        self.clients.borrow().get(id).cloned()
    }

    fn remember(&self, id: &str, node: Name) -> Result<Rc<Client>, Refusal> {
        let mut clients = self.clients.borrow_mut();
        if self.limits.sessions <= clients.len() {
            // Whoever would be forgotten first anyway makes room.
            let absent = clients.values().filter_map(|client| {
                client.forget_at.get().map(|forget_at| (forget_at, Rc::clone(&client.id)))
            });
            let (_, next) = absent.min().ok_or(Refusal::Busy)?;
            clients.remove(&next);
        }
        let client = Rc::new(Client::new(Rc::from(id), &self.door.site, node));
        clients.insert(Rc::clone(&client.id), Rc::clone(&client));
        Ok(client)
    }

    fn forget_expired(&self) {
        let now = self.door.clock.now();
        self.clients
            .borrow_mut()
            .retain(|_, client| client.forget_at.get().is_none_or(|forget_at| now < forget_at));
    }

    /// A connection is over.
    pub(super) fn leave(&self, session: &Session) {
        self.waiting.borrow_mut().retain(|incoming| !incoming.receipt.is_closed());
        let client = &session.client;
        let is_current =
            client.session.borrow().as_deref().is_some_and(|now| std::ptr::eq(now, session));
        if !is_current {
            return;
        }
        client.session.take();
        let expiry_s = client.expiry_s.get();
        if expiry_s == 0 {
            self.clients.borrow_mut().remove(&client.id);
        } else {
            client.forget_at.set(Some(self.door.clock.now() + i64::from(expiry_s)));
        }
    }

    /// Ends sessions whose connection is closed and of which ntex-mqtt said nothing: it
    /// fails between the handshake and the first packet if the client asks for packets
    /// too small for a CONNACK.
    fn end_closed(&self) {
        let sessions: Vec<_> =
            self.clients.borrow().values().filter_map(|it| it.session.borrow().clone()).collect();
        for session in sessions.into_iter().filter(|session| session.is_closed()) {
            session.end();
        }
    }

    /// Notes a retained message of a node; an empty one takes it back.
    pub(super) fn retain(&self, topic: &str, payload: &[u8]) {
        let mut retained = self.retained.borrow_mut();
        if payload.is_empty() {
            retained.remove(topic);
        } else {
            retained.insert(topic.to_owned(), Bytes::copy_from_slice(payload));
        }
    }

    /// Notes that a client is to get every retained message it asked for: all of them, or
    /// those of one filter that it has just added.
    pub(super) fn owe_all_retained(
        &self,
        client: &Client,
        filter: Option<&ntex_mqtt::TopicFilter>,
    ) {
        let wanted = |topic: &str| match filter {
            Some(filter) => filter.matches_topic(topic),
            None => client.wants(topic),
        };
        let config = Topic::new(self.door.site, client.node, Channel::Config);
        if let Some(plan) = self.plans.borrow().get(&client.node)
            && wanted(config.as_str())
        {
            client.owe_retained(config.to_string(), plan.clone());
        }
        if let Some(Request { topic, payload }) = self.door.mapped.state(true, self.since)
            && wanted(&topic)
        {
            client.owe_retained(topic, payload.into());
        }
        let own = prefix(&self.door.site, &client.node);
        let retained = self.retained.borrow();
        let of_node =
            retained.range(own.clone()..).take_while(|(topic, _)| topic.starts_with(&own));
        for (topic, payload) in of_node.filter(|(topic, _)| wanted(topic)) {
            client.owe_retained(topic.clone(), payload.clone());
        }
    }

    fn publish_changed(&self, plans: &Plans) {
        let before = self.plans.replace(Plans::clone(plans));
        for client in self.clients.borrow().values() {
            let Some(plan) = plans.get(&client.node) else { continue };
            let config = Topic::new(self.door.site, client.node, Channel::Config);
            if before.get(&client.node) != Some(plan) && client.wants(config.as_str()) {
                client.owe_retained(config.to_string(), plan.clone());
            }
        }
    }

    fn publish_command(&self, command: &NodeCommand) {
        for client in self.clients.borrow().values() {
            let topic = Topic::new(self.door.site, client.node, command.channel);
            if client.node == command.node && client.wants(topic.as_str()) {
                client.owe_command(topic.to_string(), command.payload.clone());
            }
        }
    }

    fn publish_request(&self, request: &Request) {
        for client in self.clients.borrow().values().filter(|it| it.wants(&request.topic)) {
            let payload = Bytes::copy_from_slice(&request.payload);
            client.owe_command(request.topic.clone(), payload);
        }
    }

    /// Takes no more messages, waits until none is in flight, closes every connection and
    /// waits until it is gone. The caller sets the deadline.
    pub(super) async fn stop(&self) {
        self.stopping.set(true);
        while 0 < self.in_flight.get() {
            self.eased.notified().await;
        }
        let clients: Vec<_> = self.clients.borrow().values().cloned().collect();
        for client in clients {
            let session = client.session.borrow().clone();
            if let Some(session) = session {
                // We go, not the node: its will would be a lie.
                session.said_goodbye();
                session.close(DisconnectReasonCode::ServerShuttingDown);
            }
        }
        while 0 < self.connections.get() {
            self.eased.notified().await;
        }
    }
}

/// Returns a name for a client that is none of our nodes: its id, as far as it is one.
fn device(client: &str) -> Option<Name> {
    let letters = client.bytes().take(wire::name::NAME_LEN_MAX).map(|byte| {
        let byte = byte.to_ascii_lowercase();
        if matches!(byte, b'a'..=b'z' | b'0'..=b'9') { byte } else { b'-' }
    });
    Name::from_bytes(&letters.collect::<Vec<_>>()).ok()
}

impl Refusal {
    fn word(self) -> &'static str {
        match self {
            Self::Nameless => "nameless",
            Self::NotAdmitted => "not-admitted",
            Self::WrongCertificate => "wrong-certificate",
            Self::Busy => "too-many",
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        self.0.end_closed();
        self.0.eased.notify_waiters();
    }
}

/// Moves what waits to the queue as it gets room, for as long as the listener runs.
pub(super) async fn pass_on(hub: Rc<Hub>) {
    loop {
        hub.queued.notified().await;
        while !hub.waiting.borrow().is_empty() {
            let Ok(place) = hub.door.incoming.reserve().await else {
                hub.waiting.borrow_mut().clear();
                return;
            };
            let next = hub.waiting.borrow_mut().pop_front();
            if let Some(incoming) = next {
                place.send(incoming);
            }
        }
    }
}

/// Passes on what changes on the board, for as long as the listener runs.
pub(super) async fn follow_board(hub: Rc<Hub>) {
    let mut plans = hub.door.board.plans();
    let mut commands = hub.door.board.commands();
    let mut requests = hub.door.mapped.requests();
    // A plan may have come between the hub's beginning and ours.
    hub.publish_changed(&plans.borrow_and_update().clone());
    loop {
        tokio::select! {
            changed = plans.changed() => match changed {
                Ok(()) => hub.publish_changed(&plans.borrow_and_update().clone()),
                Err(_) => return,
            },
            command = commands.recv() => match command {
                Ok(command) => hub.publish_command(&command),
                // The person sees no result and gives the order again.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            request = requests.recv() => match request {
                Ok(request) => hub.publish_request(&request),
                // Whoever is not asked now is asked in a minute.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}
