//! Nodes, as they last told of themselves.

use serde::Serialize;
use utoipa::ToSchema;

use super::place::Text;

/// The nodes of the site.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Nodes {
    /// One row per node of the site book, in its order.
    pub nodes: Vec<NodeRow>,
}

/// One node.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodeRow {
    /// Identifier in the site book.
    pub id: String,
    /// What people call it.
    pub name: Text,
    /// Whether it is there; null until it has told something since the gateway started.
    #[schema(required)]
    pub here: Option<bool>,
    /// When it last told of itself.
    #[schema(required, format = DateTime)]
    pub told_at: Option<String>,
    /// The version of the program that it runs, as `1.2.3`.
    #[schema(required)]
    pub version: Option<String>,
    /// How far it is with a new program; null for a node that is updated otherwise.
    #[schema(required)]
    pub update: Option<NodeUpdate>,
}

/// How far a node is with a new program.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodeUpdate {
    /// How far it is.
    pub state: NodeUpdateState,
    /// Why it did not take it; null unless it refused.
    #[schema(required)]
    pub reason: Option<NodeUpdateReason>,
    /// Bytes that it has of it.
    pub loaded_bytes: u32,
}

/// How far a node is with a new program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeUpdateState {
    /// It has nothing to do with one.
    Idle,
    /// It loads it.
    Loading,
    /// All is there and right; it starts again to try it.
    Restarting,
    /// The new program did not reach the gateway, and the one before runs again.
    RolledBack,
    /// It did not take it.
    Refused,
}

/// Why a node did not take a new program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeUpdateReason {
    /// Its manifest cannot be read.
    Unreadable,
    /// It is not signed by the key that the node knows.
    Signature,
    /// The node was enrolled without a key for updates.
    NoKey,
    /// It is for another board.
    Board,
    /// It is not newer than the program that runs.
    Older,
    /// There is no room for it.
    TooLarge,
    /// What came is not what was signed.
    Content,
    /// The node's flash fails.
    Flash,
}
