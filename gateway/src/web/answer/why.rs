//! Why a figure is what it is, down to the readings.
//!
//! From what is listed here anybody can work the figure out again, to the last digit:
//!
//! 1. take the readings that count, multiplied by the scale that holds at their instant and
//!    rounded down; swaps join two lives of the meter;
//! 2. between two of them what went through is the difference. At a border of a quarter hour
//!    it is interpolated by time and rounded down, once; an estimated piece with `weights` is
//!    spread by weight times seconds instead, each border rounded down;
//! 3. the sum of a quarter hour's parts is its amount. Corrections and estimates lie over it,
//!    in the order of their numbers: a correction replaces an interval by its share, an
//!    estimate adds its share times `missing_s / 900`, rounded down;
//! 4. the figure is the sum of its intervals; its cost is the sum of amount times rate, rounded
//!    to 1/10000 once per local day, halves away from zero.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::event::MeterEvent;
use super::finding::Unit;
use super::month::FactorVersion;
use super::place::Place;

/// Why a figure of a meter is what it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Why {
    /// The meter.
    pub meter: Place,
    /// Unit of all amounts and values, which are thousandths of it.
    pub unit: Unit,
    /// The first instant of the span.
    #[schema(format = DateTime)]
    pub from: String,
    /// The first instant after it; what has not come yet is left out.
    #[schema(format = DateTime)]
    pub to: String,
    /// The figure.
    pub sum: WhySum,
    /// The figure before corrections and estimates by people; null where there are none.
    #[schema(required)]
    pub uncorrected: Option<WhySum>,
    /// What it came to, 1/10000 yuan; null without a tariff.
    #[schema(required)]
    pub cost_e4: Option<i64>,
    /// The part of the amount that no rule of a tariff covers.
    pub unpriced: i64,
    /// Where the amounts come from.
    pub source: WhySource,
    /// The arithmetic in sentences, in order of time and then of what was done to it.
    pub sentences: Vec<WhySentence>,
    /// What the amount before corrections is made of, in order of time.
    pub pieces: Vec<WhyPiece>,
    /// Events that touch the span, oldest first.
    pub events: Vec<MeterEvent>,
    /// What corrections and estimates say of each interval, in the order of their numbers.
    pub laid: Vec<WhyLaid>,
    /// Every quarter hour of the span.
    pub intervals: Vec<WhyInterval>,
    /// Every local day of the span, as far as it lies within.
    pub days: Vec<WhyDay>,
    /// What was used at each rate; rows add up to the cost before rounding.
    pub rates: Vec<WhyRate>,
    /// Readings at the borders and within.
    pub readings: WhyReadings,
    /// Reference data that was used: the site book's version, tariff rules, calendar, events.
    pub factors: Vec<FactorVersion>,
}

/// An amount and how it is known.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhySum {
    /// Measured and estimated.
    pub amount: i64,
    /// Measured.
    pub measured: i64,
    /// Estimated.
    pub estimated: i64,
    /// Seconds that were measured.
    pub measured_s: i64,
    /// Seconds that were estimated.
    pub estimated_s: i64,
    /// Seconds that nothing is known of.
    pub missing_s: i64,
    /// Share of the time that was measured, in thousandths.
    pub measured_milli: i64,
    /// Share of the time that was estimated, in thousandths.
    pub estimated_milli: i64,
    /// Share of the time that is missing, in thousandths.
    pub missing_milli: i64,
}

/// Where amounts come from.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhySource {
    /// A counter, power alone, or a formula.
    pub kind: SourceKind,
    /// The quantity that is read; null of a formula.
    #[schema(required)]
    pub quantity: Option<String>,
    /// Identifier of the meter model; null of a formula.
    #[schema(required)]
    pub model: Option<String>,
    /// Ratio of the voltage transformer in thousandths. Readings carry it already.
    pub pt: u32,
    /// Ratio of the current transformer in thousandths. Readings carry it already.
    pub ct: u32,
    /// How often it is polled, s.
    pub interval_s: u32,
    /// Readings further apart than this are a gap, s.
    pub gap_s_max: i64,
    /// The first value that the counter cannot show; null if it never rolls over.
    #[schema(required)]
    pub rollover: Option<i64>,
    /// Power alone: how far the amount may be off either way, as long as power between two
    /// readings stayed between their values.
    #[schema(required)]
    pub error_bound: Option<i64>,
    /// The terms of a formula, empty of others. Ask each for its own why.
    pub terms: Vec<WhyTerm>,
    /// Quarter hours in which a formula came out below zero.
    pub negative: Vec<String>,
}

/// Where amounts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The difference of a counter's readings.
    Counter,
    /// Power, integrated.
    Power,
    /// A formula of other meters.
    Formula,
}

/// A term of a formula.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyTerm {
    /// The meter.
    pub meter: Place,
    /// What it is multiplied by, in thousandths; below 0 it is taken away.
    pub factor_milli: i64,
    /// What went through it in the span.
    pub sum: WhySum,
}

/// A sentence: a key in the catalogue and what stands in its gaps.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhySentence {
    /// `why.{code}` in the catalogue.
    pub code: WhyCode,
    /// Names that end in `_at` are instants, in `_s` seconds, in `_milli` thousandths, in `_e4`
    /// 1/10000 yuan; `amount`, `laid`, `value` and those that end so are thousandths of `unit`.
    pub params: BTreeMap<String, String>,
}

/// What a sentence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhyCode {
    /// The counter counted from one reading to another.
    Counted,
    /// It counted across a border of the span, and the part within is by time.
    Border,
    /// It passed its largest value.
    RolledOver,
    /// A gap, spread by the meter's own shape.
    GapShape,
    /// A gap, spread evenly.
    GapLine,
    /// It started anew; what went through is taken from the rates around.
    Bridged,
    /// Nobody can say what went through.
    Unknown,
    /// The meter was swapped.
    Swapped,
    /// Readings were multiplied.
    Scaled,
    /// Readings that do not count.
    Suspects,
    /// Power was integrated.
    Power,
    /// A formula was worked out.
    Formula,
    /// A formula came out below zero.
    Negative,
    /// A correction by a person.
    Corrected,
    /// An estimate by a person.
    Estimated,
    /// The counter's level changed as a wrong setting would make it: a suspicion.
    Level,
    /// Some of the span is missing.
    Missing,
    /// What all that adds up to.
    Sum,
    /// What was used at a rate.
    Rate,
    /// What that came to.
    Cost,
    /// What no tariff covers.
    Unpriced,
}

/// What a counter showed, as far as it counts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyStand {
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// As it arrived.
    pub value: i64,
    /// In the right scale.
    pub scaled: i64,
}

/// A stretch between two readings that count.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyPiece {
    /// What joins the two: `counted`, `rolled_over`, `gap`, `bridged`, `swapped`, `unknown`.
    pub kind: String,
    /// Where it begins.
    pub from: WhyStand,
    /// Where it ends.
    pub to: WhyStand,
    /// What went through between the two.
    pub amount: i64,
    /// The part of it that lies within the span.
    pub laid: i64,
    /// Of an estimated piece, the weight of each quarter hour that it touches; empty where it
    /// is a straight line.
    pub weights: Vec<i64>,
}

/// What a correction or an estimate says of each interval.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyLaid {
    /// Number of the event.
    pub event: i64,
    /// The first interval.
    #[schema(format = DateTime)]
    pub from: String,
    /// One share per quarter hour from there.
    pub shares: Vec<i64>,
}

/// A quarter hour.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyInterval {
    /// Its start.
    #[schema(format = DateTime)]
    pub start: String,
    /// Measured.
    pub measured: i64,
    /// Estimated.
    pub estimated: i64,
    /// Seconds that were estimated.
    pub estimated_s: u16,
    /// Seconds that nothing is known of.
    pub missing_s: u16,
    /// 1/10000 yuan per kWh or m³; null where no rule of a tariff covers it.
    #[schema(required)]
    pub rate_e4: Option<i64>,
}

/// A local day, as far as it lies within the span.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyDay {
    /// The day.
    #[schema(format = Date)]
    pub date: String,
    /// Measured and estimated.
    pub amount: i64,
    /// What it came to, 1/10000 yuan, rounded here; null without a tariff.
    #[schema(required)]
    pub cost_e4: Option<i64>,
}

/// What was used at one rate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyRate {
    /// Name of the band, as `peak`.
    pub band: String,
    /// 1/10000 yuan per kWh or m³.
    pub rate_e4: i64,
    /// Measured and estimated.
    pub amount: i64,
}

/// Readings at the borders of the span and within, in order of time.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyReadings {
    /// How many there are.
    pub total: usize,
    /// How many stand before these.
    pub offset: usize,
    /// These.
    pub rows: Vec<WhyReading>,
}

/// A reading as it arrived, and what it is worth.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WhyReading {
    /// When it was read.
    #[schema(format = DateTime)]
    pub at: String,
    /// When it reached the gateway.
    #[schema(format = DateTime)]
    pub received_at: String,
    /// The node that read it.
    pub node: String,
    /// The node's boot.
    pub boot: u32,
    /// Its number in that boot.
    pub seq: u32,
    /// Whether the node's clock was set.
    pub clock_synced: bool,
    /// How the instant is known: `synced`, `estimated`, or `receipt` where the sender told
    /// none and that of its arrival stands.
    pub clock: String,
    /// Thousandths of the quantity's unit, as it arrived; null where there is none.
    #[schema(required)]
    pub value: Option<i64>,
    /// Why there is no value; null when there is one.
    #[schema(required)]
    pub absence: Option<String>,
    /// Whether it counts.
    pub counts: bool,
    /// Why it does not: `dip`, `spike`, `out_of_range`, `undecided`; null where it does, or has
    /// no value.
    #[schema(required)]
    pub suspect: Option<String>,
}
