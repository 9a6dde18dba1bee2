//! Meter events: swaps, corrections, estimates, changes of scale.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::finding::Unit;
use super::place::Place;

/// The events of a meter, newest first; also those taken back.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeterEvents {
    /// The meter.
    pub meter: Place,
    /// Unit of values and amounts.
    pub unit: Unit,
    /// One row per event.
    pub events: Vec<MeterEvent>,
}

/// One event of a meter. Values and amounts are thousandths of the meter's unit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeterEvent {
    /// Number of the event; a later one is larger.
    pub id: i64,
    /// What it is.
    pub kind: EventKind,
    /// From when on it holds; of a swap, when the new meter took over.
    #[schema(format = DateTime)]
    pub from: String,
    /// Until when; null of a swap, and of a scale that goes on.
    #[schema(required, format = DateTime)]
    pub to: Option<String>,
    /// Swap: the last value of the old meter.
    #[schema(required)]
    pub last: Option<i64>,
    /// Swap: the first value of the new meter.
    #[schema(required)]
    pub first: Option<i64>,
    /// Swap: what the old meter was, where the site book no longer says so.
    #[schema(required)]
    pub old: Option<MeterPart>,
    /// Swap: what the new meter is, where the site book does not say so yet.
    #[schema(required)]
    pub new: Option<MeterPart>,
    /// Scale: readings count when multiplied by `num / den`.
    #[schema(required)]
    pub num: Option<i64>,
    /// Scale: the factor's denominator.
    #[schema(required)]
    pub den: Option<i64>,
    /// Correction, estimate: what went through in the span.
    #[schema(required)]
    pub amount: Option<i64>,
    /// Correction: what went through in each quarter hour of the span; null where the meter's
    /// own shape spreads `amount`.
    #[schema(required)]
    pub amounts: Option<Vec<i64>>,
    /// Why, in the author's own words.
    pub reason: String,
    /// Where the photo of the display is kept, or what it shows.
    #[schema(required)]
    pub photo: Option<String>,
    /// Who made it.
    pub by: String,
    /// Whether a caretaker reported it from the spot: it counts, and an engineer should look at
    /// it.
    pub reported: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    pub at: String,
    /// Who took it back; null as long as it holds.
    #[schema(required)]
    pub undone_by: Option<String>,
    /// When it was taken back.
    #[schema(required, format = DateTime)]
    pub undone_at: Option<String>,
}

/// What kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The meter was swapped.
    Swap,
    /// Readings are right only when multiplied.
    Scale,
    /// What went through is not what the readings say.
    Correction,
    /// What went through where the readings say nothing.
    Estimate,
}

/// What is known of a swapped meter; what is null is as the site book says.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeterPart {
    /// Identifier of the meter model.
    #[serde(default)]
    pub model: Option<String>,
    /// Ratio of the voltage transformer in thousandths; 1000 is none.
    #[serde(default)]
    pub pt: Option<u32>,
    /// Ratio of the current transformer in thousandths; 1000 is none.
    #[serde(default)]
    pub ct: Option<u32>,
}

/// An event that is to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventRequest {
    /// The meter was swapped.
    Swap(SwapRequest),
    /// Readings are right only when multiplied.
    Scale(ScaleRequest),
    /// What went through is not what the readings say.
    Correction(CorrectionRequest),
    /// What went through where the readings say nothing.
    Estimate(EstimateRequest),
}

/// A swap. Both values are thousandths of the meter's unit, after the ratio: as its readings
/// show them.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwapRequest {
    /// When the new meter took over.
    #[schema(format = DateTime)]
    pub from: String,
    /// The last value of the old meter.
    pub last: i64,
    /// The first value of the new meter.
    pub first: i64,
    /// What the old meter was, where the site book no longer says so.
    #[serde(default)]
    pub old: Option<MeterPart>,
    /// What the new meter is, where the site book does not say so yet.
    #[serde(default)]
    pub new: Option<MeterPart>,
    /// Why.
    pub reason: String,
    /// Where the photo of the display is kept, or what it shows.
    #[serde(default)]
    pub photo: Option<String>,
}

/// A scale: from an instant on, readings count when multiplied by `num / den`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleRequest {
    /// From when on.
    #[schema(format = DateTime)]
    pub from: String,
    /// Until when; not given while it goes on.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub to: Option<String>,
    /// The factor's numerator, 1 to 1,000,000,000.
    pub num: i64,
    /// The factor's denominator, 1 to 1,000,000,000.
    pub den: i64,
    /// Why.
    pub reason: String,
    /// Where the photo of the display is kept, or what it shows.
    #[serde(default)]
    pub photo: Option<String>,
}

/// A correction: what went through in `[from, to)`, both on a quarter hour. Either `amount`,
/// which is spread by the meter's own shape, or `amounts`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionRequest {
    /// From when on.
    #[schema(format = DateTime)]
    pub from: String,
    /// Until when.
    #[schema(format = DateTime)]
    pub to: String,
    /// What went through in all of the span, thousandths of the meter's unit.
    #[serde(default)]
    pub amount: Option<i64>,
    /// What went through in each quarter hour of the span.
    #[serde(default)]
    pub amounts: Option<Vec<i64>>,
    /// Why.
    pub reason: String,
    /// Where the photo of the display is kept, or what it shows.
    #[serde(default)]
    pub photo: Option<String>,
}

/// An estimate: what went through in `[from, to)`, both on a quarter hour. Only what is
/// missing of the span gets its share; readings that arrive late take it back.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateRequest {
    /// From when on.
    #[schema(format = DateTime)]
    pub from: String,
    /// Until when.
    #[schema(format = DateTime)]
    pub to: String,
    /// What went through in all of the span, thousandths of the meter's unit.
    pub amount: i64,
    /// Why.
    pub reason: String,
}

/// What an event would change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventPreview {
    /// Unit of the amounts.
    pub unit: Unit,
    /// The first local day that was looked at.
    #[schema(format = Date)]
    pub from: String,
    /// The last one.
    #[schema(format = Date)]
    pub to: String,
    /// All of these days as they are.
    pub before: EventSum,
    /// All of these days as they would be.
    pub after: EventSum,
    /// Day by day.
    pub days: Vec<EventPreviewDay>,
}

/// What went through, and how much of the time is known.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventSum {
    /// Measured and estimated, thousandths of the unit.
    pub amount: i64,
    /// The part of it that was estimated.
    pub estimated: i64,
    /// Share of the time that was measured, in thousandths.
    pub measured_milli: i64,
    /// Share of the time that was estimated, in thousandths.
    pub estimated_milli: i64,
    /// Share of the time that is missing, in thousandths.
    pub missing_milli: i64,
}

/// One day of a preview.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventPreviewDay {
    /// The day.
    #[schema(format = Date)]
    pub date: String,
    /// As it is.
    pub before: EventSum,
    /// As it would be.
    pub after: EventSum,
}
