//! What a connection subscribes to for other people's devices, and what it asks of them.
//!
//! Messages with times of their own are worth having however long they waited, so they
//! are subscribed to with QoS 1. Those without are not: what waited would seem to be of
//! now. They are subscribed to with QoS 0, for which a broker keeps nothing, and without
//! what it retained.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, RetainForwardRule, SubAck, SubscribeReasonCode};
use tokio::sync::{broadcast, watch};

use crate::config::BrokerConfig;
use crate::events;
use crate::health::{Code, Level};
use crate::ingest::door::Door;
use crate::ingest::mapped::{Delivery, Mappings, Request, Wanted};

/// The mapped subscriptions of one connection.
pub(super) struct Mapped {
    group: Option<String>,
    mappings: watch::Receiver<Arc<Mappings>>,
    requests: broadcast::Receiver<Request>,
    held: BTreeSet<Wanted>,
    /// Asked for and not answered yet, in the order in which they are answered.
    asked: VecDeque<Vec<String>>,
    own_answered: bool,
    /// What tells Sparkplug edge nodes that we are there, and that we go.
    states: Option<(Request, Request)>,
}

/// What happened that the connection has to do something about.
pub(super) enum Change {
    Mappings,
    Request(Request),
}

impl Mapped {
    /// `since`: as in the last will of the connection.
    pub(super) fn new(config: &BrokerConfig, door: &Door, since: i64) -> Self {
        let state = |is_online| door.mapped.state(is_online, since);
        Self {
            group: config.shared_group.clone(),
            mappings: door.mapped.mappings(),
            requests: door.mapped.requests(),
            held: BTreeSet::new(),
            asked: VecDeque::new(),
            own_answered: false,
            states: state(true).zip(state(false)),
        }
    }

    /// Returns how messages come.
    pub(super) fn delivery(&self, retained: bool) -> Delivery {
        Delivery { retained, shared: self.group.is_some() }
    }

    /// Returns the next thing to do. May be dropped and begun again.
    pub(super) async fn changed(&mut self) -> Change {
        loop {
            tokio::select! {
                Ok(()) = self.mappings.changed() => return Change::Mappings,
                // Lagged: whoever is not asked now is asked in a minute.
                Ok(request) = self.requests.recv() => return Change::Request(request),
                else => std::future::pending::<()>().await,
            }
        }
    }

    /// Does it.
    pub(super) fn follow(&mut self, change: Change, client: &AsyncClient) {
        match change {
            Change::Mappings => self.subscribe(client),
            Change::Request(Request { topic, payload }) => {
                // A client that is too busy: it is asked again in a minute.
                client.try_publish(topic, QoS::AtMostOnce, false, payload).ok();
            }
        }
    }

    /// Tells edge nodes that we are there; what they kept comes after it.
    pub(super) fn come(&self, client: &AsyncClient) {
        if let Some((online, _)) = &self.states {
            tell_state(client, online);
        }
    }

    /// Tells edge nodes, once, that we go: after a good-bye no last will does.
    pub(super) fn go(&mut self, client: &AsyncClient) {
        if let Some((_, offline)) = self.states.take() {
            tell_state(client, &offline);
        }
    }

    /// Subscribes to what the mappings name and ends what they name no more.
    pub(super) fn subscribe(&mut self, client: &AsyncClient) {
        let wanted = self.mappings.borrow_and_update().wanted();
        let new: Vec<Filter> =
            wanted.difference(&self.held).map(|wanted| self.filter(wanted)).collect();
        let paths: BTreeSet<String> = wanted.iter().map(|wanted| self.path(wanted)).collect();
        for gone in self.held.difference(&wanted).map(|gone| self.path(gone)) {
            if !paths.contains(&gone) {
                // Not taken: what comes of it is refused, which costs but a count.
                client.try_unsubscribe(gone).ok();
            }
        }
        if !new.is_empty() {
            let paths = new.iter().map(|filter| filter.path.clone()).collect();
            if client.try_subscribe_many(new).is_err() {
                return; // the next change tries again
            }
            self.asked.push_back(paths);
        }
        self.held = wanted;
    }

    /// Takes an answer to a subscription of ours; `false` if it is to the door's own,
    /// which is the first on each connection.
    pub(super) fn answered(&mut self, answer: &SubAck, door: &Door) -> bool {
        if !self.own_answered {
            self.own_answered = true;
            return false;
        }
        let asked = self.asked.pop_front().unwrap_or_default();
        for (filter, code) in asked.into_iter().zip(&answer.return_codes) {
            // The nodes' readings go on, so this ends nothing; but somebody must act.
            let subject = format!("mapping {filter}");
            if matches!(code, SubscribeReasonCode::Success(_)) {
                door.health.clear(Code::WorkFailing, &subject);
            } else {
                events::mapping_refused(&filter);
                let what = format!("subscribe `{filter}`: {code:?}");
                door.health.raise(Code::WorkFailing, &subject, Level::Error, [("what", what)]);
            }
        }
        true
    }

    fn path(&self, wanted: &Wanted) -> String {
        match &self.group {
            Some(group) if wanted.divisible => format!("$share/{group}/{}", wanted.filter),
            Some(_) | None => wanted.filter.clone(),
        }
    }

    fn filter(&self, wanted: &Wanted) -> Filter {
        let qos = if wanted.timed { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let mut filter = Filter::new(self.path(wanted), qos);
        if !wanted.timed {
            filter.retain_forward_rule = RetainForwardRule::Never;
        }
        filter
    }
}

fn tell_state(client: &AsyncClient, state: &Request) {
    let Request { topic, payload } = state;
    // A client without a place for it is about to lose its connection, and the will is said.
    client.try_publish(topic, QoS::AtLeastOnce, true, payload.clone()).ok();
}
