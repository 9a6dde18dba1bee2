//! What a detector would have said.

use serde::Serialize;
use utoipa::ToSchema;

use super::finding::{FindingKind, Unit};
use super::place::Place;

/// What a detector would have said of a meter over some days.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Preview {
    /// The detector.
    pub detector: FindingKind,
    /// The meter.
    pub meter: Place,
    /// Unit of `waste`.
    pub unit: Unit,
    /// Until when the detector still learns what is usual here and says nothing; null where
    /// it knows.
    #[schema(required, format = DateTime)]
    pub learning_until: Option<String>,
    /// By how much false alarms have raised its limits for this meter, thousandths; taking
    /// the marks back takes that back.
    pub raised_milli: i64,
    /// The findings that were marked as false alarms.
    pub raised_by: Vec<i64>,
    /// What it would have said, in order of time.
    pub rows: Vec<PreviewRow>,
}

/// One thing that a detector would have said.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewRow {
    /// When it could first have been said; null where that is as soon as it lasted long
    /// enough.
    #[schema(required, format = DateTime)]
    pub said_at: Option<String>,
    /// Start of the first interval that shows it.
    #[schema(format = DateTime)]
    pub opened_at: String,
    /// End of the last one; null if it still held.
    #[schema(required, format = DateTime)]
    pub closed_at: Option<String>,
    /// Waste, thousandths of `unit`.
    pub waste: i64,
    /// Cost of the waste, 1/10000 yuan; null without a tariff.
    #[schema(required)]
    pub cost_e4: Option<i64>,
    /// How many intervals show it.
    pub intervals: usize,
}
