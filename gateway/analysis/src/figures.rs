//! The numbers of a month, before any ink.
//!
//! In: the site book, every meter's intervals of the month, the findings.
//! Out: figures per meter, area and day, and their totals, each with its cost and the
//! shares of time that were measured, estimated and missing.
//!
//! Afterwards:
//! - the totals are the sums of the days, and of the meters with `counts_in_total`, to
//!   the last digit of amount and cost: cost is rounded once, per meter and local day;
//! - what a meter counts that its parent counts too is in no total twice;
//! - a gap is a share of missing time, not a zero.
//!
//! Not here: what it looks like (`gateway::report`, the pages).

use jiff::civil::Date;
use wire::Name;

use crate::{finding::FindingKind, site::Medium};

/// One number of a report with all that is needed to judge it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// Measured and estimated, in thousandths of the medium's unit.
    pub amount: i64,
    /// The part of `amount` that was estimated.
    pub estimated: i64,
    /// What `amount` came to, in 1/10000 of the currency, `unpriced` left out.
    pub cost_e4: i64,
    /// The part of `amount` that no tariff covers.
    pub unpriced: i64,
    /// Seconds that were measured, summed over meters.
    pub measured_s: i64,
    /// Seconds that were estimated, summed over meters.
    pub estimated_s: i64,
    /// Seconds that nothing is known of, summed over meters.
    pub missing_s: i64,
}

/// Shares of time in thousandths; they add up to 1000 exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Measured.
    pub measured_milli: u16,
    /// Estimated.
    pub estimated_milli: u16,
    /// Missing.
    pub missing_milli: u16,
}

/// The figures of one site for one month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthFigures {
    /// The first local day of the month.
    pub month: Date,
    /// One row per meter, in the order of the site book.
    pub meters: Vec<MeterFigure>,
    /// One row per area and medium that has a meter there, in the order of the site book.
    pub areas: Vec<AreaFigure>,
    /// One row per local day and medium, by day, then medium.
    pub days: Vec<DayFigure>,
    /// One row per medium.
    pub totals: Vec<TotalFigure>,
    /// One row per kind of finding and medium.
    pub waste: Vec<WasteFigure>,
}

/// What one meter counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterFigure {
    /// The meter.
    pub meter: Name,
    /// What it counts.
    pub medium: Medium,
    /// Whether it is part of its medium's days and total: no meter of the same medium
    /// lies upstream of it.
    pub counts_in_total: bool,
    /// Its figure.
    pub figure: Figure,
}

/// What one area used of one medium: the meters of that area that have no meter of the
/// same medium and area upstream. Areas may overlap (a building's main meter and its
/// floors), so they do not add up to the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaFigure {
    /// The area.
    pub area: Name,
    /// What was used.
    pub medium: Medium,
    /// Its figure.
    pub figure: Figure,
}

/// What the site used of one medium on one local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayFigure {
    /// The local day.
    pub date: Date,
    /// What was used.
    pub medium: Medium,
    /// Its figure.
    pub figure: Figure,
}

/// What the site used of one medium in the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalFigure {
    /// What was used.
    pub medium: Medium,
    /// Its figure.
    pub figure: Figure,
}

/// What findings of one kind wasted, of those that opened in the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasteFigure {
    /// The kind of the findings.
    pub kind: FindingKind,
    /// What was wasted.
    pub medium: Medium,
    /// How many findings opened.
    pub count: u32,
    /// How many of them are still open.
    pub open: u32,
    /// In thousandths of the medium's unit.
    pub amount: i64,
    /// What that came to, in 1/10000 of the currency; findings without a tariff left out.
    pub cost_e4: i64,
}
