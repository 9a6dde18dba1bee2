//! What is remembered of a client, connected or away: whom it speaks for, what it asked
//! to be told, what it has not got yet.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use ntex_mqtt::TopicFilter;
use wire::Name;

use super::session::Session;

/// How many subscriptions a client may hold. A node needs two.
const FILTERS_MAX: usize = 16;

/// How many commands wait for a client that is away or slow; more push out the oldest.
const COMMANDS_MAX: usize = 16;

/// A client, known by its id.
pub(super) struct Client {
    pub(super) id: Rc<str>,
    /// The node it speaks for.
    pub(super) node: Name,
    /// How all of its node's topics begin.
    pub(super) prefix: String,
    /// The connection it has now.
    pub(super) session: RefCell<Option<Rc<Session>>>,
    /// How long it is remembered when it goes, and until when if it has gone.
    pub(super) expiry_s: Cell<u32>,
    pub(super) forget_at: Cell<Option<i64>>,
    filters: RefCell<Vec<(String, TopicFilter)>>,
    owed: RefCell<Owed>,
}

/// What a client has not got yet.
#[derive(Default)]
struct Owed {
    // By topic: of a retained message only the newest matters.
    retained: BTreeMap<String, Bytes>,
    commands: VecDeque<(String, Bytes)>,
}

/// A message to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) retained: bool,
}

/// Why a subscription is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilterError {
    /// It reaches beyond the client's own node.
    Foreign,
    /// It is no filter at all.
    Malformed,
    /// There are too many.
    TooMany,
}

impl Client {
    pub(super) fn new(id: Rc<str>, site: &Name, node: Name) -> Self {
        Self {
            id,
            node,
            prefix: prefix(site, &node),
            session: RefCell::default(),
            expiry_s: Cell::default(),
            forget_at: Cell::default(),
            filters: RefCell::default(),
            owed: RefCell::default(),
        }
    }

    /// Adds a subscription. The same one again is renewed, not added.
    pub(super) fn subscribe(&self, filter: &str) -> Result<TopicFilter, FilterError> {
        // Literal up to the node's name, so no wildcard can stand for another node. What
        // other people's devices ask for has nothing of ours in it, and some of them hang
        // up if it is refused; of it they get only what is for them.
        let foreign = filter.starts_with(['+', '#', '$']) || filter.starts_with("gengfu/");
        if foreign && !filter.starts_with(&self.prefix) {
            return Err(FilterError::Foreign);
        }
        let parsed: TopicFilter = filter.parse().map_err(|_| FilterError::Malformed)?;
        let mut filters = self.filters.borrow_mut();
        if !filters.iter().any(|(known, _)| known == filter) {
            if FILTERS_MAX <= filters.len() {
                return Err(FilterError::TooMany);
            }
            filters.push((filter.to_owned(), parsed.clone()));
        }
        Ok(parsed)
    }

    /// Removes a subscription; returns whether there was one.
    pub(super) fn unsubscribe(&self, filter: &str) -> bool {
        let mut filters = self.filters.borrow_mut();
        let before = filters.len();
        filters.retain(|(known, _)| known != filter);
        filters.len() < before
    }

    pub(super) fn wants(&self, topic: &str) -> bool {
        self.filters.borrow().iter().any(|(_, filter)| filter.matches_topic(topic))
    }

    /// Notes that the client is to get a retained message, instead of any older one of
    /// that topic.
    pub(super) fn owe_retained(&self, topic: String, payload: Bytes) {
        self.owed.borrow_mut().retained.insert(topic, payload);
        self.wake();
    }

    /// Notes that the client is to get a command.
    pub(super) fn owe_command(&self, topic: String, payload: Bytes) {
        let mut owed = self.owed.borrow_mut();
        if COMMANDS_MAX <= owed.commands.len() {
            owed.commands.pop_front();
        }
        owed.commands.push_back((topic, payload));
        drop(owed);
        self.wake();
    }

    /// Returns what the client is to get next; it is owed until [`Client::delivered`].
    pub(super) fn next_parcel(&self) -> Option<Parcel> {
        let owed = self.owed.borrow();
        if let Some((topic, payload)) = owed.retained.first_key_value() {
            let (topic, payload) = (topic.clone(), payload.clone());
            return Some(Parcel { topic, payload, retained: true });
        }
        let (topic, payload) = owed.commands.front()?.clone();
        Some(Parcel { topic, payload, retained: false })
    }

    /// Notes that the client got a parcel; what was owed in its place since stays owed.
    pub(super) fn delivered(&self, parcel: &Parcel) {
        let mut owed = self.owed.borrow_mut();
        if parcel.retained {
            if owed.retained.get(&parcel.topic) == Some(&parcel.payload) {
                owed.retained.remove(&parcel.topic);
            }
        } else if owed.commands.front().is_some_and(|(_, payload)| *payload == parcel.payload) {
            owed.commands.pop_front();
        }
    }

    fn wake(&self) {
        if let Some(session) = &*self.session.borrow() {
            session.wake.notify_one();
        }
    }
}

/// Returns how all topics of a node begin.
pub(super) fn prefix(site: &Name, node: &Name) -> String {
    format!("gengfu/v1/{site}/{node}/")
}
