//! What the live stream says.
//!
//! Server-sent events: `snapshot` first, then `reading`, `finding`, `command` and `notice` as
//! they come; `resync` tells a page that was too slow to fetch everything anew.

use serde::Serialize;
use utoipa::ToSchema;

use super::finding::{FindingKind, FindingState};
use super::status::Notice;

/// Event `snapshot`: the newest of everything.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LiveSnapshot {
    /// Newest reading of each meter.
    pub latest: Vec<LiveReading>,
    /// How many findings are open.
    pub open_findings: usize,
    /// The gateway's version; a page that was built with another one offers to reload.
    pub version: String,
}

/// Event `reading`: a meter was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LiveReading {
    /// Identifier of the meter.
    pub meter: String,
    /// Instant of the reading.
    #[schema(format = DateTime)]
    pub at: String,
    /// Power, mW; null when absent.
    #[schema(required)]
    pub power_mw: Option<i64>,
    /// Flow, mL/h; null when absent.
    #[schema(required)]
    pub flow_ml_h: Option<i64>,
}

/// Event `finding`: one opened, closed, or was marked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LiveFinding {
    /// Number of the finding.
    pub id: i64,
    /// Whether it still holds.
    pub state: FindingState,
    /// What was found.
    pub kind: FindingKind,
}

/// Event `command`: one was given, sent, answered, or given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LiveCommand {
    /// Number of the command.
    pub id: u32,
    /// Whom it is for.
    pub node: String,
}

/// Event `notice`: what is amiss has changed; this is all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LiveNotices {
    /// Worst first.
    pub notices: Vec<Notice>,
}
