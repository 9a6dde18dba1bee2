//! How far numbers can be trusted: readings counted per day, meters against those behind them.

use serde::Serialize;
use utoipa::ToSchema;

use super::finding::Unit;
use super::place::Place;

/// How many readings of a meter came, day by day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeterCounts {
    /// The meter.
    pub meter: Place,
    /// One row per local day.
    pub days: Vec<DayCounts>,
    /// All of them together.
    pub total: ReadingCounts,
}

/// How many readings of all meters came, day by day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Completeness {
    /// One row per local day.
    pub days: Vec<DayCounts>,
    /// All of them together.
    pub total: ReadingCounts,
}

/// How many readings came on a local day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DayCounts {
    /// The day.
    #[schema(format = Date)]
    pub date: String,
    /// The numbers.
    #[serde(flatten)]
    pub counts: ReadingCounts,
}

/// How many readings came.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReadingCounts {
    /// Were made, as far as the sequence of numbers tells: `received + lost`.
    pub expected: u64,
    /// Came.
    pub received: u64,
    /// Of those, came a quarter hour or more after they were made.
    pub late: u64,
    /// Are missing from the sequence of numbers.
    pub lost: u64,
    /// Came more than once.
    pub duplicate: u64,
    /// Of the received, those that bear no number: lost ones among these nobody can count.
    pub unnumbered: u64,
    /// Should have been made by the polling interval of the site book, and no number tells
    /// whether they were: the node was off, or nothing has come since.
    pub unknown: u64,
    /// Received, of expected and unknown together, in thousandths; null where nothing should
    /// have come.
    #[schema(required)]
    pub received_milli: Option<u64>,
}

/// A meter against those directly behind it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeterBalance {
    /// The meter in front.
    pub meter: Place,
    /// The meters of the same medium directly behind it, in the order of the site book.
    pub parts: Vec<Place>,
    /// Unit of the amounts.
    pub unit: Unit,
    /// One row per interval, day or month.
    pub rows: Vec<BalanceRow>,
    /// All of them together.
    pub total: BalanceRow,
}

/// One stretch of a balance. All amounts are of the time in which all meters were known.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BalanceRow {
    /// The first instant.
    #[schema(format = DateTime)]
    pub from: String,
    /// The first instant after it.
    #[schema(format = DateTime)]
    pub to: String,
    /// What went through the meter in front.
    pub main: i64,
    /// What went through each of the meters behind it, in the order of `parts`.
    pub parts: Vec<i64>,
    /// What these do not explain; below zero they count more than the meter in front; null
    /// where nothing could be compared.
    #[schema(required)]
    pub rest: Option<i64>,
    /// `rest` of `main`, in thousandths; null where `main` is 0 or nothing was compared.
    #[schema(required)]
    pub rest_milli: Option<i64>,
    /// Share of the stretch in which all meters were known, in thousandths.
    pub compared_milli: i64,
    /// Share of the stretch in which one of them was estimated, in thousandths.
    pub estimated_milli: i64,
    /// Whether the meters behind count more than the one in front.
    pub negative: bool,
}
