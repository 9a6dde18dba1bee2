//! The evening round, in walking order.

use serde::Serialize;
use utoipa::ToSchema;

use super::finding::FindingRow;
use super::place::Place;

/// The evening round.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Patrol {
    /// The instant that all of this holds for.
    #[schema(format = DateTime)]
    pub as_of_at: String,
    /// Whether every place is closed, and nothing is left to walk to.
    pub done: bool,
    /// Since when nothing is left; null while something is.
    #[schema(required, format = DateTime)]
    pub done_since_at: Option<String>,
    /// Open findings that nobody has marked.
    pub open: usize,
    /// Open findings that somebody has marked.
    pub marked: usize,
    /// Areas that have a lighting meter, in walking order.
    pub areas: Vec<PatrolArea>,
}

/// One area on the round.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PatrolArea {
    /// The area.
    pub area: Place,
    /// The building that it is in.
    pub building: Place,
    /// The floor, as people write it.
    pub floor: String,
    /// Position on the round.
    pub walk_order: u32,
    /// What its lights do, and whether they may.
    pub state: AreaState,
    /// End of today's opening; null when closed, or open without end.
    #[schema(required, format = DateTime)]
    pub closes_at: Option<String>,
    /// When a first verdict is possible; null unless just closed.
    #[schema(required, format = DateTime)]
    pub judged_from_at: Option<String>,
    /// End of the overtime permit that holds now.
    #[schema(required, format = DateTime)]
    pub overtime_until: Option<String>,
    /// Power of its lighting now, mW; null when not known.
    #[schema(required)]
    pub power_mw: Option<i64>,
    /// Its open findings.
    pub findings: Vec<FindingRow>,
}

/// What the lights of an area do, and whether they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AreaState {
    /// On while the area is closed.
    On,
    /// Off, or within the limit.
    Off,
    /// Closed for so short a time that nothing can be said yet: people are still leaving.
    JustClosed,
    /// Too little is known of its lighting to say what is too much.
    Learning,
    /// The area is open.
    OpenHours,
    /// The area is closed, and people have said that they work on.
    Overtime,
    /// Its meter tells nothing.
    Unknown,
}
