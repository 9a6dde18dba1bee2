//! Meters: now, a day, a year.

use serde::Serialize;
use utoipa::ToSchema;

use super::finding::Unit;
use super::place::{Place, Text};

/// All meters of the site, in the order of the site book.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Meters {
    /// One row per meter.
    pub meters: Vec<MeterRow>,
}

/// One meter and what it shows now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeterRow {
    /// Identifier in the site book.
    pub id: String,
    /// What people call it.
    pub name: Text,
    /// What it counts.
    pub medium: Medium,
    /// What hangs behind it.
    pub load: Load,
    /// Identifier of the meter model.
    pub model: String,
    /// The area that it serves.
    pub area: Place,
    /// The building that the area is in.
    pub building: Place,
    /// The meter that this one is part of.
    #[schema(required)]
    pub parent: Option<String>,
    /// Unit of its amounts.
    pub unit: Unit,
    /// Whether it speaks.
    pub state: MeterState,
    /// When it last told a value.
    #[schema(required, format = DateTime)]
    pub last_at: Option<String>,
    /// Power at that instant, mW; import is positive.
    #[schema(required)]
    pub power_mw: Option<i64>,
    /// Flow at that instant, mL/h.
    #[schema(required)]
    pub flow_ml_h: Option<i64>,
    /// Used since midnight, thousandths of `unit`; null when nothing is known.
    #[schema(required)]
    pub today_amount: Option<i64>,
}

/// One meter with all that it last said.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeterDetail {
    /// The row.
    #[serde(flatten)]
    pub row: MeterRow,
    /// Newest value of each quantity.
    pub last_values: Vec<LastValue>,
    /// How many readings came today.
    pub counts: Counts,
}

/// Newest value of one quantity, or why there is none.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LastValue {
    /// Full name of the quantity: `ActivePower`, `ActiveEnergyImport`…
    pub quantity: String,
    /// Symbol of its unit.
    pub unit: String,
    /// Thousandths of the unit; null when absent.
    #[schema(required)]
    pub value: Option<i64>,
    /// Why there is no value: `timeout`, `refused`, `out-of-range`, `device-fault`, `garbled`,
    /// `bus-down`; null when there is one.
    #[schema(required)]
    pub absence: Option<String>,
    /// Instant of the reading.
    #[schema(format = DateTime)]
    pub at: String,
}

/// How many readings came on a day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Counts {
    /// The day.
    #[schema(format = Date)]
    pub date: String,
    /// Should have come so far; null when the sender numbers nothing, so that nobody knows.
    #[schema(required)]
    pub expected: Option<u64>,
    /// Came.
    pub received: u64,
    /// Of those, came late.
    pub late: u64,
    /// Are known to be lost, from gaps in sequence numbers; null when there are none.
    #[schema(required)]
    pub lost: Option<u64>,
    /// Came more than once.
    pub duplicate: u64,
}

/// A day of one meter. All lists have one entry per interval of the local day: 96, or 92 or
/// 100 where clocks change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeterDay {
    /// The day.
    #[schema(format = Date)]
    pub date: String,
    /// What kind of day.
    pub day_type: DayType,
    /// Unit of the amounts.
    pub unit: Unit,
    /// Start of the first interval.
    #[schema(format = DateTime)]
    pub start_at: String,
    /// Length of an interval, s.
    pub interval_s: u32,
    /// Used in each interval; null is a gap, or has not come yet.
    pub amount: Vec<Option<i64>>,
    /// Seconds known of the interval that is not over yet, which its amount is of; null where
    /// none is running or nothing of it is known.
    #[schema(required)]
    pub running_s: Option<u16>,
    /// How each amount is known.
    pub quality: Vec<IntervalQuality>,
    /// Usual use (median) on such a day.
    pub typical: Vec<Option<i64>>,
    /// Lower edge of what is usual.
    pub typical_low: Vec<Option<i64>>,
    /// Upper edge of what is usual.
    pub typical_high: Vec<Option<i64>>,
    /// Whether the meter's area is open.
    pub open: Vec<bool>,
    /// Sum of the amounts of intervals that are over; null when all of them are gaps.
    #[schema(required)]
    pub total: Option<i64>,
    /// What it cost, 1/10000 yuan; null without a tariff.
    #[schema(required)]
    pub cost_e4: Option<i64>,
    /// Share of the day so far that was measured, in thousandths.
    pub measured_milli: i64,
    /// Share of the day so far that was estimated, in thousandths.
    pub estimated_milli: i64,
    /// Share of the day so far that is missing, in thousandths.
    pub missing_milli: i64,
}

/// 364 days of one meter, hour by hour.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeterYear {
    /// First day.
    #[schema(format = Date)]
    pub from: String,
    /// Last day.
    #[schema(format = Date)]
    pub to: String,
    /// Unit of the amounts.
    pub unit: Unit,
    /// The days in order.
    pub days: Vec<YearDay>,
}

/// One day, hour by hour.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct YearDay {
    /// The day.
    #[schema(format = Date)]
    pub date: String,
    /// What kind of day.
    pub day_type: DayType,
    /// Used in each hour of the local day: 24, or 23 or 25; null is a gap.
    pub hours: Vec<Option<i64>>,
    /// Sum of the day; null when all of it is a gap.
    #[schema(required)]
    pub total: Option<i64>,
}

/// What a meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// Electricity.
    Electricity,
    /// Water.
    Water,
    /// Gas.
    Gas,
    /// Heat.
    Heat,
}

/// What hangs behind a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Everything of a building or site.
    Whole,
    /// Lighting alone.
    Lighting,
    /// Lighting and sockets together.
    LightingAndSockets,
    /// Heating, ventilation, cooling.
    Hvac,
    /// Sockets.
    Plug,
    /// Computers.
    It,
    /// Kitchens, lifts, pumps and the like.
    Process,
}

/// Whether a meter speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeterState {
    /// Its newest reading is as new as it should be.
    Live,
    /// Its newest reading is older than that.
    Late,
    /// Nothing for three poll intervals.
    Silent,
    /// Nothing ever.
    Never,
}

/// What kind of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DayType {
    /// A working day.
    Working,
    /// A weekend.
    Weekend,
    /// A public holiday.
    Holiday,
    /// A weekend day that is worked to make up for a holiday.
    MakeUp,
    /// There is no calendar for its year.
    Unknown,
}

/// How an amount is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalQuality {
    /// From readings at both ends.
    Measured,
    /// Part measured, part estimated or missing.
    Partly,
    /// Spread over an outage.
    Estimated,
    /// Not known.
    Missing,
}
