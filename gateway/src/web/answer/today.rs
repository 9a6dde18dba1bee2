//! One sentence, four tiles, what is on that should be off, and today's curve.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::finding::{FindingRow, Unit};
use super::place::Place;
use super::trust::ReadingCounts;

/// How the site does today.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Today {
    /// The instant that all of this holds for.
    #[schema(format = DateTime)]
    pub as_of_at: String,
    /// The sentence on top.
    pub judgement: Judgement,
    /// The tiles: power_now, energy_today, cost_today, completeness, in this order.
    pub tiles: Vec<Tile>,
    /// Open findings of lights that are on and should be off.
    pub left_on: Vec<FindingRow>,
    /// Open findings of all other kinds, those left out that somebody called a false alarm.
    pub others: OpenFindings,
    /// Electricity of the whole site today.
    pub profile: TodayProfile,
}

/// How much is open.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct OpenFindings {
    /// How many findings.
    pub count: usize,
    /// What a day of them costs so far, 1/10000 yuan; null where none has a price.
    #[schema(required)]
    pub cost_e4_per_day: Option<i64>,
}

/// A sentence with a judgement; the page has the words.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Judgement {
    /// Good or bad.
    pub level: Level,
    /// Which sentence.
    pub code: JudgementCode,
    /// What to put into it.
    pub params: JudgementParams,
}

/// Which sentence stands on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JudgementCode {
    /// Closed, and everything is off.
    AllOff,
    /// Something is on that should be off.
    LeftOn,
    /// More than is usual for this time of such a day.
    AboveTypical,
    /// As usual.
    Normal,
    /// There are readings, but too few such days to say what is usual.
    Learning,
    /// Nothing is known.
    NoData,
}

/// What to put into the sentence.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct JudgementParams {
    /// Places where something is on that should be off.
    pub places: usize,
    /// Their power together above what never goes away there, mW; null when not known.
    #[schema(required)]
    pub power_mw: Option<i64>,
    /// What an hour of that costs, 1/10000 yuan; null when not known.
    #[schema(required)]
    pub cost_e4_per_hour: Option<i64>,
    /// By how many percent today's use so far is above what is usual, negative for below;
    /// null when not known.
    #[schema(required)]
    pub percent: Option<i64>,
    /// Days like today that are known so far, of the eight weeks before.
    pub days_known: usize,
    /// How many of them it takes to say what is usual.
    pub days_needed: usize,
}

/// Good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Worth a look.
    Attention,
    /// Wrong.
    Bad,
    /// Nothing is known.
    Unknown,
}

/// One number with what is usual.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Tile {
    /// What it is.
    pub key: TileKey,
    /// The number, in thousandths of `unit` (`CNY_e4` and `percent_milli` say their own).
    #[schema(required)]
    pub value: Option<i64>,
    /// Unit of the numbers.
    pub unit: TileUnit,
    /// What is usual for this time of such a day (median).
    #[schema(required)]
    pub typical: Option<i64>,
    /// Lower edge of what is usual (10 of 100 days are below).
    #[schema(required)]
    pub typical_low: Option<i64>,
    /// Upper edge of what is usual (10 of 100 days are above).
    #[schema(required)]
    pub typical_high: Option<i64>,
    /// Share of the span that was measured, in thousandths.
    pub measured_milli: i64,
    /// Share of the span that was estimated, in thousandths.
    pub estimated_milli: i64,
    /// Share of the span that is missing, in thousandths.
    pub missing_milli: i64,
    /// Good or bad.
    pub level: Level,
    /// Path of the page with the rows behind the number.
    pub link: String,
}

/// The meters that a tile's number is made of.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TileRows {
    /// The instant that all of this holds for.
    #[schema(format = DateTime)]
    pub as_of_at: String,
    /// Which tile.
    pub key: TileKey,
    /// Unit of the numbers.
    pub unit: TileUnit,
    /// The tile's number: the sum of the rows, or of completeness the share of all meters.
    #[schema(required)]
    pub value: Option<i64>,
    /// One row per meter: in the order of the site book, of completeness the worst first.
    pub rows: Vec<TileRow>,
    /// How many more rows there are.
    pub more: usize,
}

/// One meter's part of a tile's number.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TileRow {
    /// The meter.
    pub meter: Place,
    /// The building that it is in.
    pub building: Place,
    /// Its part of the number; null when not known.
    #[schema(required)]
    pub value: Option<i64>,
    /// Share of the day so far that was measured, in thousandths.
    pub measured_milli: i64,
    /// Share of the day so far that was estimated, in thousandths.
    pub estimated_milli: i64,
    /// Share of the day so far that is missing, in thousandths.
    pub missing_milli: i64,
    /// Of completeness, the readings behind it; null of other tiles.
    #[schema(required)]
    pub counts: Option<ReadingCounts>,
}

/// What a tile shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TileKey {
    /// Power of the whole site now.
    PowerNow,
    /// Electricity of the whole site since midnight.
    EnergyToday,
    /// What everything cost since midnight.
    CostToday,
    /// Power that never goes away in closed hours.
    BaseLoadNight,
    /// Water since midnight.
    WaterToday,
    /// Gas since midnight.
    GasToday,
    /// Share of expected readings that were accepted today.
    Completeness,
}

/// Unit of a tile's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum TileUnit {
    /// Power: numbers are mW.
    W,
    /// Energy: numbers are mWh.
    Wh,
    /// Money: numbers are 1/10000 yuan.
    #[serde(rename = "CNY_e4")]
    CnyE4,
    /// Volume: numbers are mL.
    L,
    /// Numbers are thousandths of a percent.
    #[serde(rename = "percent_milli")]
    PercentMilli,
}

/// Today's quarter hours against what is usual. All lists have one entry per interval of the
/// local day: 96, or 92 or 100 where clocks change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TodayProfile {
    /// Unit of the amounts.
    pub unit: Unit,
    /// Start of the first interval.
    #[schema(format = DateTime)]
    pub start_at: String,
    /// Length of an interval, s.
    pub interval_s: u32,
    /// Used in each interval; null is a gap, or has not come yet.
    pub amount: Vec<Option<i64>>,
    /// Usual use (median).
    pub typical: Vec<Option<i64>>,
    /// Lower edge of what is usual.
    pub typical_low: Vec<Option<i64>>,
    /// Upper edge of what is usual.
    pub typical_high: Vec<Option<i64>>,
}
