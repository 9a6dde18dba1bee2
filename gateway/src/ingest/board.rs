//! What the gateway tells the nodes, and what the nodes tell about themselves.
//!
//! In: plans and commands from the site book and from people; `state` and
//! `config/applied` messages from the doors.
//! Out: both doors publish every plan, retained, and again whenever it changes, and each
//! command once; whoever gave it hears the answer; pages and the watch see each node's newest
//! state.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{broadcast, watch};
use wire::Name;
use wire::message::{Applied, CommandResult, State, UpdateAsk};
use wire::topic::Channel;

/// The encoded plan of each node.
pub type Plans = Arc<BTreeMap<Name, Bytes>>;

/// How many commands may wait for a door that is slow. More push out the oldest: a
/// command is an order of a person who watches the page and gives it again.
const COMMANDS_MAX: usize = 64;

/// What is published to the nodes. Cheap to clone; all clones are the same board.
#[derive(Clone, Debug)]
pub struct PlanBoard(Arc<Board>);

#[derive(Debug)]
struct Board {
    plans: watch::Sender<Plans>,
    commands: broadcast::Sender<NodeCommand>,
    answers: broadcast::Sender<NodeAnswer>,
}

/// A command to one node, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCommand {
    /// Whom it is for.
    pub node: Name,
    /// [`Channel::Command`], or [`Channel::UpdatePiece`].
    pub channel: Channel,
    /// A message of that channel, encoded.
    pub payload: Bytes,
}

/// What a node says came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeAnswer {
    /// Which node.
    pub node: Name,
    /// What it says.
    pub result: CommandResult,
    /// When it came in, Unix seconds.
    pub received: i64,
}

impl Default for PlanBoard {
    fn default() -> Self {
        Self(Arc::new(Board {
            plans: watch::Sender::default(),
            commands: broadcast::Sender::new(COMMANDS_MAX),
            answers: broadcast::Sender::new(COMMANDS_MAX),
        }))
    }
}

impl PlanBoard {
    /// Replaces all plans; a node that is not among them has none from now on.
    pub fn set_plans(&self, plans: BTreeMap<Name, Bytes>) {
        self.0.plans.send_if_modified(|now| {
            let changed = **now != plans;
            if changed {
                *now = Arc::new(plans);
            }
            changed
        });
    }

    /// Sets the plan of one node: a `wire::message::Plan`, encoded.
    pub fn set_plan(&self, node: Name, plan: Bytes) {
        self.0.plans.send_if_modified(|plans| {
            let changed = plans.get(&node) != Some(&plan);
            if changed {
                Arc::make_mut(plans).insert(node, plan);
            }
            changed
        });
    }

    /// Returns the plans, and wakes when one changes.
    #[must_use]
    pub fn plans(&self) -> watch::Receiver<Plans> {
        self.0.plans.subscribe()
    }

    /// Sends a command to a node, by whichever door it came in. A node that is away gets
    /// it when it is back, if the door still holds its session.
    pub fn command(&self, command: NodeCommand) {
        // No door open: nobody could carry it, and the page says so already.
        self.0.commands.send(command).ok();
    }

    /// Returns the commands from now on.
    #[must_use]
    pub fn commands(&self) -> broadcast::Receiver<NodeCommand> {
        self.0.commands.subscribe()
    }

    /// Returns what nodes say of their commands, from now on.
    #[must_use]
    pub fn answers(&self) -> broadcast::Receiver<NodeAnswer> {
        self.0.answers.subscribe()
    }

    pub(crate) fn answer(&self, answer: NodeAnswer) {
        // Nobody listens: then nobody has asked.
        self.0.answers.send(answer).ok();
    }
}

/// What one node last told about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeState {
    /// Its birth message or its last will, and when it came in (Unix seconds).
    pub state: Option<(State, i64)>,
    /// What became of its newest plan, and when it said so.
    pub applied: Option<(Applied, i64)>,
    /// Its program, and how far it is with a new one, and when it said so.
    pub update: Option<(UpdateAsk, i64)>,
}

/// What all nodes last told about themselves. Cheap to clone; all clones see the same.
#[derive(Clone, Debug, Default)]
pub struct NodeStates(Arc<States>);

#[derive(Debug, Default)]
struct States {
    nodes: Mutex<BTreeMap<Name, NodeState>>,
    changed: watch::Sender<u64>,
}

impl NodeStates {
    /// Returns what a node last told about itself.
    #[must_use]
    pub fn of(&self, node: &Name) -> Option<NodeState> {
        self.nodes().get(node).cloned()
    }

    /// Returns what every node last told about itself.
    #[must_use]
    pub fn all(&self) -> BTreeMap<Name, NodeState> {
        self.nodes().clone()
    }

    /// Returns a receiver that wakes when a node told something.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    pub(crate) fn note(&self, node: Name, tell: impl FnOnce(&mut NodeState)) {
        tell(self.nodes().entry(node).or_default());
        self.0.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<Name, NodeState>> {
        self.0.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
