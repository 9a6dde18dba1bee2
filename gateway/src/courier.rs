//! Brings what people asked for to the nodes, and their answers home.
//!
//! In: commands in the journal, written by the page; what nodes say of themselves and of
//! commands. Out: commands to the doors; outcomes in the journal, and on open pages.
//!
//! A command goes out when its node is there, and again while nobody answers, since a node
//! that has just come hears nothing before it has asked to. That is safe: a node notes the
//! number before it acts, and answers one that it has already noted without acting. Beyond
//! that:
//! - it is written down before it is sent, with the run of the node that it is sent to; no
//!   other run ever gets it, so a node that forgets its numbers with its power does nothing
//!   twice either;
//! - none leaves after its deadline, and the node does none after it;
//! - one at a time for each node, the oldest first: numbers arrive in their order, and a
//!   node that is busy with one need not refuse the next.
//!
//! Everything is found again in the journal after a restart. Whose deadline passes without
//! an answer is closed as unanswered; an answer that comes even later is still written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinError;
use wire::Name;
use wire::message::{Action, CommandResult, Outcome, State};
use wire::topic::Channel;

use crate::clock::Clock;
use crate::events;
use crate::ingest::board::{NodeAnswer, NodeCommand, NodeStates, PlanBoard};
use crate::live::{Happening, Live};
use crate::store::journal::{CommandRow, Journal};
use crate::store::{Store, StoreError};

/// A command that nobody answers is sent again after this, then after twice that, and so on:
/// a node needs a moment to ask for its commands, and a bus may be busy for seconds.
const AGAIN: Duration = Duration::from_secs(2);

/// How long after the deadline an answer is waited for: a node's clock may be behind by
/// seconds, and a slow relay takes one.
const GRACE_S: i64 = 10;

/// How often it is looked whether a time is over.
const LOOK: Duration = Duration::from_secs(1);

/// Answers that may wait while the journal cannot be written; then the oldest go. The node
/// is asked again, so none is lost before its command's deadline.
const WAITING_MAX: usize = 64;

/// Whoever wrote a command rings, so that it leaves at once.
pub type Bell = Arc<Notify>;

/// The courier, before it sets out.
#[derive(Debug)]
pub struct Courier {
    journal: Journal,
    clock: Clock,
    live: Live,
    board: PlanBoard,
    states: NodeStates,
    bell: Bell,
    answers: broadcast::Receiver<NodeAnswer>,
    /// What has come and is not yet in the journal.
    waiting: Vec<NodeAnswer>,
    /// How often each open command was sent by this process, and when next.
    sendings: BTreeMap<u32, Sending>,
    failing: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sending {
    times: u32,
    /// Unix seconds.
    next: i64,
}

/// What is to be done about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Send it to this run of its node.
    Send(u32),
    /// Its node has started again, which is what was asked for.
    Rebooted,
    /// Its time is over.
    Close,
    /// Nothing now.
    Wait,
}

impl Courier {
    /// Returns a courier of this store. It hears of answers from now on.
    #[must_use]
    pub fn new(
        (store, clock, live): (&Store, &Clock, &Live),
        board: &PlanBoard,
        states: &NodeStates,
        bell: &Bell,
    ) -> Self {
        Self {
            journal: store.journal().clone(),
            clock: clock.clone(),
            live: live.clone(),
            answers: board.answers(),
            board: board.clone(),
            states: states.clone(),
            bell: Arc::clone(bell),
            waiting: Vec::new(),
            sendings: BTreeMap::new(),
            failing: false,
        }
    }

    /// Carries until it is asked to stop. What is open then is found by the next start.
    ///
    /// # Errors
    ///
    /// The store panicked. A store that cannot be written is tried again.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), JoinError> {
        let mut changed = self.states.watch();
        let bell = Arc::clone(&self.bell);
        let ending = async move { stop.wait_for(|&stop| stop).await.map(|_| ()) };
        let mut ending = std::pin::pin!(ending);
        loop {
            self = tokio::task::spawn_blocking(move || {
                self.look();
                self
            })
            .await?;
            tokio::select! {
                _ = &mut ending => return Ok(()),
                () = bell.notified() => {}
                // The sender is on the board, which this holds.
                Ok(()) = changed.changed() => {}
                // Lagged: nodes are asked again.
                Ok(answer) = self.answers.recv() => self.take(answer),
                () = tokio::time::sleep(LOOK) => {}
            }
            while let Ok(answer) = self.answers.try_recv() {
                self.take(answer);
            }
        }
    }

    fn take(&mut self, answer: NodeAnswer) {
        if WAITING_MAX <= self.waiting.len() {
            self.waiting.remove(0);
        }
        self.waiting.push(answer);
    }

    /// Writes what came, and sends what is due.
    fn look(&mut self) {
        let done = self.note_answers().and_then(|()| self.carry());
        if let Err(error) = &done
            && !self.failing
        {
            events::courier_waits(error);
        }
        self.failing = done.is_err();
    }

    fn note_answers(&mut self) -> Result<(), StoreError> {
        while let Some(answer) = self.waiting.first() {
            let (node, result) = (answer.node, answer.result);
            let mut bytes = [0; CommandResult::BYTES_MAX];
            let len = result.encode(&mut bytes).unwrap_or_default();
            let bytes = bytes.get(..len).filter(|bytes| !bytes.is_empty());
            let said = (result.outcome.code(), bytes);
            let provisional = result.outcome == Outcome::Repeated;
            let at = answer.received;
            // Not a write for each answer that is known already: nodes repeat theirs.
            let known = self.journal.view(|view| view.command(result.id))?;
            let is_news = known.is_some_and(|row| row.outcome.as_deref() != Some(said.0));
            let noted = is_news
                && self
                    .journal
                    .commit(|tx| tx.command_answered(result.id, &node, said, provisional, at))?;
            self.waiting.remove(0);
            if noted {
                events::command_answered(&node, result.id, said.0);
                self.live.tell(Happening::Command { id: result.id, node });
            }
        }
        Ok(())
    }

    fn carry(&mut self) -> Result<(), StoreError> {
        let open = self.journal.view(|view| view.open_commands())?;
        self.sendings.retain(|id, _| open.iter().any(|row| row.new.id == *id));
        let now = self.clock.now();
        let mut served = BTreeSet::new();
        for row in open {
            let (id, node) = (row.new.id, row.new.node);
            let is_first = served.insert(node);
            let due = is_first && self.sendings.get(&id).is_none_or(|it| it.next <= now);
            let told = match step(&row, self.run_of(&node), due, self.grace_s(), now) {
                Step::Wait => false,
                Step::Close => {
                    events::command_unanswered(&node, id, row.sent.is_some());
                    // Whoever is behind it is served in the next look.
                    self.journal.commit(|tx| tx.close_command(id, now))?
                }
                Step::Rebooted => {
                    let done = (Outcome::Done.code(), None);
                    self.journal.commit(|tx| tx.command_answered(id, &node, done, false, now))?
                }
                Step::Send(boot) => self.send(&row, boot, now)?,
            };
            if told {
                self.live.tell(Happening::Command { id, node });
            }
        }
        Ok(())
    }

    /// Hands a command to the doors; returns whether it was for the first time.
    fn send(&mut self, row: &CommandRow, boot: u32, now: i64) -> Result<bool, StoreError> {
        let id = row.new.id;
        // On the disk before it is on the cable.
        let first =
            row.sent.is_none() && self.journal.commit(|tx| tx.command_sent(id, boot, now))?;
        let sending = self.sendings.entry(id).or_default();
        let pause = AGAIN.as_secs() << sending.times.min(5);
        let pause = i64::try_from(pause).unwrap_or(i64::MAX);
        sending.next = now.saturating_add(pause.saturating_mul(i64::from(self.clock.speed())));
        sending.times = sending.times.saturating_add(1);
        let payload = Bytes::copy_from_slice(&row.new.command);
        let (node, channel) = (row.new.node, Channel::Command);
        self.board.command(NodeCommand { node, channel, payload });
        events::command_sent(&row.new.node, id, &row.new.kind);
        Ok(first)
    }

    /// Returns which run of a node is there; `None` if none is, as far as is known.
    fn run_of(&self, node: &Name) -> Option<u32> {
        match self.states.of(node)?.state?.0 {
            State::Online { boot, .. } => Some(boot),
            State::Gone => None,
        }
    }

    /// In a demo time passes faster than an answer does.
    fn grace_s(&self) -> i64 {
        GRACE_S.saturating_mul(i64::from(self.clock.speed()))
    }
}

/// Says what is to be done about an open command. `run` is the run of its node that is there,
/// `due` whether its turn has come.
fn step(row: &CommandRow, run: Option<u32>, due: bool, grace_s: i64, now: i64) -> Step {
    let until = row.new.until;
    let is_another = run.zip(row.boot).is_some_and(|(run, sent_to)| run != sent_to);
    if is_another && row.new.kind == Action::Reboot.code() {
        return Step::Rebooted;
    }
    if let Some(run) = run.filter(|_| due && !is_another && now <= until) {
        return Step::Send(run);
    }
    // What was never sent has no answer to wait for.
    let over = if row.sent.is_some() { until.saturating_add(grace_s) } else { until };
    if over < now { Step::Close } else { Step::Wait }
}

#[cfg(test)]
mod tests;
