//! Commands to nodes, and what came of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::place::{Place, Text};

/// The newest commands of a node, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodeCommands {
    /// Identifier of the node.
    pub node: String,
    /// One row per command, 50 at most.
    pub commands: Vec<CommandRow>,
}

/// One command, and how far it has come.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CommandRow {
    /// Number of the command; a later one is larger.
    pub id: u32,
    /// Identifier of the node.
    pub node: String,
    /// What it is about.
    pub kind: CommandKind,
    /// Of a switch: the circuit.
    #[schema(required)]
    pub circuit: Option<String>,
    /// Of a switch: whether it shall be on.
    #[schema(required)]
    pub on: Option<bool>,
    /// Of a switch: whether it is on, as it was read back from the relay after switching; null
    /// while nothing was read back.
    #[schema(required)]
    pub read_back: Option<bool>,
    /// How far it has come.
    pub state: CommandState,
    /// Who asked.
    pub by: String,
    /// When.
    #[schema(format = DateTime)]
    pub asked_at: String,
    /// Until when it may be done; it is given up then.
    #[schema(format = DateTime)]
    pub until: String,
    /// When it went out; null while its node is away or busy with another one.
    #[schema(required, format = DateTime)]
    pub sent_at: Option<String>,
    /// When the node answered.
    #[schema(required, format = DateTime)]
    pub answered_at: Option<String>,
}

/// What a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// The node shows itself: it blinks, or writes a line to its log.
    Identify,
    /// The node starts again.
    Reboot,
    /// A circuit is switched.
    Switch,
    /// Anything else; the page of that says more.
    Other,
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// It has not gone out: the node is away, or busy with an earlier one.
    Waiting,
    /// It has gone out; no answer yet.
    Sent,
    /// Done, says the node; of a switch, also the relay when it was read back.
    Done,
    /// The relay did not do as asked, or did not answer.
    Failed,
    /// The node does not do that: its plan does not name the circuit.
    Refused,
    /// It reached the node after its deadline, or the node does not know the time. Not done.
    Expired,
    /// The node noted it earlier and no longer knows what came of it.
    Repeated,
    /// It went out, and no answer came: it may have been done or not.
    Unanswered,
    /// It never went out: the node was away until the deadline. Not done.
    Undelivered,
}

/// A command to be given. It is carried out once at most, and not after its deadline.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandRequest {
    /// What is to be done.
    pub task: CommandTask,
    /// Within how many seconds, 10 to 600; 60 if not given.
    #[serde(default)]
    #[schema(minimum = 10, maximum = 600)]
    pub within_s: Option<u32>,
}

/// What a node is to do.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CommandTask {
    /// Show itself: blink, or write a line to its log. Needs an engineer.
    Identify,
    /// Start again. Needs an engineer.
    Reboot,
    /// Switch a circuit that the site book lets be switched, and read it back. Needs an
    /// engineer, or whom the site book lets do it.
    Switch(SwitchTask),
}

/// Which circuit, and what it shall be.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchTask {
    /// Identifier of the switch in the site book.
    pub circuit: String,
    /// Whether it shall be on.
    pub on: bool,
}

/// The circuits that may be switched, as the site book says; mostly there are none.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Switches {
    /// In the order of the site book.
    pub switches: Vec<SwitchRow>,
}

/// A circuit that may be switched.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SwitchRow {
    /// Identifier in the site book; what commands call it.
    pub id: String,
    /// What people call it.
    pub name: Text,
    /// The node that switches it.
    pub node: String,
    /// The meters that it feeds, which prove that it was switched.
    pub meters: Vec<Place>,
    /// Every area that goes dark with it.
    pub areas: Vec<Place>,
    /// Whether whoever asks may switch it.
    pub may: bool,
    /// The newest command to it.
    #[schema(required)]
    pub last: Option<CommandRow>,
}
