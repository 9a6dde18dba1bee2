//! What both doors do with a message of a node.
//!
//! In: topic and payload, as they came.
//! Out: something to be stored, or nothing; states and plans noted on the way.
//!
//! Afterwards a message whose [`Judged`] says `Store` is acknowledged when the store has
//! it, any other at once: there is nothing in it that could be lost.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use wire::Name;
use wire::message::{Applied, CommandResult, State, UpdateAsk, UpdateState, Version};
use wire::topic::Channel;

use super::board::{NodeAnswer, NodeCommand, NodeStates, PlanBoard};
use super::gate::{self, Reason, Roster, Verdict};
use super::mapped::{Delivery, MappedGate, PAYLOAD_BYTES_MAX};
use super::updates::Updates;
use super::{Incoming, Intake};
use crate::clock::Clock;
use crate::events;
use crate::health::{Code, Health, Level};
use crate::store::Unreadable;

/// What a door needs to know and whom it tells. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Door {
    /// The site whose topics are ours.
    pub site: Name,
    /// Who reads what; follows the site book.
    pub roster: watch::Receiver<Arc<Roster>>,
    /// The gate for other people's devices.
    pub mapped: MappedGate,
    /// What is published to the nodes.
    pub board: PlanBoard,
    /// What the nodes tell about themselves.
    pub states: NodeStates,
    /// New programs for them.
    pub updates: Updates,
    /// What is wrong right now.
    pub health: Health,
    /// The time.
    pub clock: Clock,
    /// Where accepted packs go.
    pub incoming: mpsc::Sender<Incoming>,
}

/// What is to be done with a message.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large variant is the one that happens")]
pub(super) enum Judged {
    /// Put it on the queue and acknowledge when its receipt is signed.
    Store(Intake),
    /// Acknowledge it now.
    Done,
    /// Acknowledge it now; it was none of ours. Tell the sender so where the protocol can.
    Refused(Reason),
}

impl Door {
    /// Judges a message. `node` is the one that its topic names.
    pub(super) fn judge(
        &self,
        node: &Name,
        channel: Channel,
        topic: &str,
        payload: &[u8],
    ) -> Judged {
        match channel {
            Channel::Readings => self.judge_readings(node, topic, payload),
            Channel::State => self.judge_state(node, topic, payload),
            Channel::ConfigApplied => match Applied::decode(payload) {
                Ok(applied) => self.note(node, |state, now| state.applied = Some((applied, now))),
                Err(_) => self.set_aside(Reason::Unreadable, topic, payload),
            },
            Channel::CommandResult => match CommandResult::decode(payload) {
                Ok(result) => {
                    let received = self.clock.now();
                    self.board.answer(NodeAnswer { node: *node, result, received });
                    Judged::Done
                }
                Err(_) => self.set_aside(Reason::Unreadable, topic, payload),
            },
            Channel::Update => match UpdateAsk::decode(payload) {
                Ok(ask) => self.answer(node, &ask),
                Err(_) => self.set_aside(Reason::Unreadable, topic, payload),
            },
            // Ours to say, not a node's.
            Channel::Config | Channel::Command | Channel::UpdatePiece => {
                self.refuse(Reason::ForeignTopic, topic)
            }
        }
    }

    /// Judges a message whose topic is not one of our nodes'.
    pub(super) fn judge_mapped(&self, topic: &str, payload: &[u8], delivery: Delivery) -> Judged {
        let received = self.clock.now();
        let Some(outcome) = self.mapped.check(topic, payload, received, delivery) else {
            return self.refuse(Reason::ForeignTopic, topic);
        };
        let mut reasons = Vec::new();
        for fault in &outcome.faults {
            events::pack_rejected(fault.reason.word(), topic);
            reasons.push(format!("{} {}", fault.reason.word(), fault.about).trim().to_owned());
        }
        if let Some((edge, alive)) = &outcome.alive {
            self.note_edge(edge, *alive);
        }
        let unreadable = outcome.quarantine.then(|| Unreadable {
            topic: topic.to_owned(),
            // Whatever is longer is not kept, so it need not wait on the queue either.
            payload: payload.get(..PAYLOAD_BYTES_MAX).unwrap_or(payload).to_vec(),
            reason: reasons.join(", "),
            received,
        });
        if outcome.arrivals.is_empty() && unreadable.is_none() {
            Judged::Done
        } else {
            Judged::Store(Intake::Mapped(outcome.arrivals, unreadable))
        }
    }

    fn note_edge(&self, edge: &str, alive: bool) {
        if alive {
            events::edge_online(edge);
            self.health.clear(Code::NodeGone, edge);
        } else {
            events::edge_gone(edge);
            let params = [("node", edge.to_owned())];
            self.health.raise(Code::NodeGone, edge, Level::Warn, params);
        }
    }

    /// Counts a message that is none of ours.
    pub(super) fn refuse(&self, reason: Reason, topic: &str) -> Judged {
        events::pack_rejected(reason.word(), topic);
        Judged::Refused(reason)
    }

    fn judge_readings(&self, node: &Name, topic: &str, payload: &[u8]) -> Judged {
        let received = self.clock.now();
        match gate::check(node, payload, received, &self.roster.borrow()) {
            Verdict::Accept(arrival) => Judged::Store(Intake::Reading(arrival)),
            Verdict::Reject { reason, quarantine: true } => self.set_aside(reason, topic, payload),
            Verdict::Reject { reason, quarantine: false } => self.refuse(reason, topic),
        }
    }

    fn judge_state(&self, node: &Name, topic: &str, payload: &[u8]) -> Judged {
        if !self.roster.borrow().knows(node) {
            return self.refuse(Reason::UnknownNode, topic);
        }
        let Ok(state) = State::decode(payload) else {
            return self.set_aside(Reason::Unreadable, topic, payload);
        };
        let before = self.states.of(node).and_then(|known| known.state).map(|(before, _)| before);
        match state {
            State::Online { boot, version, .. } => {
                // It tells its state from time to time; only a start is news.
                if !matches!(before, Some(State::Online { boot: same, .. }) if same == boot) {
                    let Version { major, minor, patch } = version;
                    events::node_online(node, &format!("{major}.{minor}.{patch}"));
                }
                self.health.clear(Code::NodeGone, node.as_str());
            }
            State::Gone => {
                if before != Some(State::Gone) {
                    events::node_gone(node);
                }
                let params = [("node", node.to_string())];
                self.health.raise(Code::NodeGone, node.as_str(), Level::Warn, params);
            }
        }
        self.note(node, |known, now| known.state = Some((state, now)))
    }

    fn answer(&self, node: &Name, ask: &UpdateAsk) -> Judged {
        if !self.roster.borrow().knows(node) {
            return Judged::Done;
        }
        if let Some(payload) = self.updates.answer(node, ask) {
            let (node, payload) = (*node, payload.into());
            self.board.command(NodeCommand { node, channel: Channel::UpdatePiece, payload });
        }
        let failed = matches!(ask.state, UpdateState::RolledBack | UpdateState::Refused(_));
        // What was taken back concerns nobody any more.
        if failed && self.updates.offers(node, ask.offer) {
            let params =
                [("node", node.to_string()), ("reason", ask.state.code().replace('-', "_"))];
            self.health.raise(Code::UpdateFailed, node.as_str(), Level::Warn, params);
        } else {
            self.health.clear(Code::UpdateFailed, node.as_str());
        }
        self.note(node, |known, now| known.update = Some((*ask, now)))
    }

    fn note(&self, node: &Name, tell: impl FnOnce(&mut super::board::NodeState, i64)) -> Judged {
        let now = self.clock.now();
        self.states.note(*node, |state| tell(state, now));
        Judged::Done
    }

    fn set_aside(&self, reason: Reason, topic: &str, payload: &[u8]) -> Judged {
        events::pack_rejected(reason.word(), topic);
        Judged::Store(Intake::Quarantine(Unreadable {
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            reason: reason.word().to_owned(),
            received: self.clock.now(),
        }))
    }
}
