//! What looks at a meter, how much it knows, and what people's words made of its limits.

use serde::Serialize;
use utoipa::ToSchema;

use super::finding::FindingKind;
use super::place::Place;

/// The detectors of a meter.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Detectors {
    /// The meter.
    pub meter: Place,
    /// One for each kind of finding that can be made of it.
    pub detectors: Vec<Detector>,
}

/// One detector of a meter.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Detector {
    /// The kind of finding that it makes.
    pub kind: FindingKind,
    /// Until when it learns what is usual here and says nothing; null where it knows.
    #[schema(required, format = DateTime)]
    pub learning_until: Option<String>,
    /// How many more days that takes, begun ones counted; null where it knows.
    #[schema(required)]
    pub learning_days: Option<i64>,
    /// By how much its limits are raised here, thousandths of them.
    pub raised_milli: i64,
    /// The false alarms that raised them, newest first; taking one back takes its raise back.
    pub raised_by: Vec<RaisingMark>,
    /// Its limit now, mW; null for kinds without a single one, or while it learns.
    #[schema(required)]
    pub limit_mw: Option<i64>,
    /// The quarter hour under way, of demand; null for other kinds, or where too little is known.
    #[schema(required)]
    pub quarter: Option<Quarter>,
}

/// The quarter hour under way.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Quarter {
    /// When it ends.
    #[schema(format = DateTime)]
    pub ends_at: String,
    /// What its demand will be if it goes on as so far, mW.
    pub forecast_mw: i64,
    /// What is allowed, mW.
    pub limit_mw: i64,
    /// By how much the power must fall for the rest of it, mW; null while it stays within.
    #[schema(required)]
    pub shed_mw: Option<i64>,
}

/// A false alarm that raised a limit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RaisingMark {
    /// The finding that was called one.
    pub finding: i64,
    /// When that finding opened.
    #[schema(format = DateTime)]
    pub opened_at: String,
    /// Who said so.
    pub by: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Why, in their own words.
    #[schema(required)]
    pub note: Option<String>,
}
