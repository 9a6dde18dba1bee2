//! The figures of a month.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::finding::{FindingKind, Unit};
use super::meter::{Load, Medium};
use super::place::Text;

/// The figures of one month of the site. Rows equal totals to the last digit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Month {
    /// `YYYY-MM`.
    pub month: String,
    /// What people call the site.
    pub site: Text,
    /// Reference data that these figures used.
    pub factors: Vec<FactorVersion>,
    /// One row per meter.
    pub meters: Vec<MeterMonth>,
    /// One row per area and medium; counts meters without a parent in the same area.
    pub areas: Vec<AreaMonth>,
    /// One row per day and medium; counts meters without a parent.
    pub days: Vec<DayMonth>,
    /// One row per medium; counts meters without a parent.
    pub totals: Vec<MediumMonth>,
    /// One row per kind of finding and medium.
    pub waste: Vec<MonthWaste>,
}

/// A version of reference data that was used.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FactorVersion {
    /// What it is: `tariff`, `calendar`, `site_book`, `meter_event`.
    pub kind: String,
    /// Its identifier.
    pub id: String,
    /// Which version: a number, since when it holds and its source, or the notice; empty
    /// where there is none.
    pub version: String,
}

/// Amount, cost and shares that every row has.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Figures {
    /// Used, thousandths of the row's unit.
    pub amount: i64,
    /// What it cost, 1/10000 yuan, `unpriced` left out.
    pub cost_e4: i64,
    /// The part of `amount` that no tariff covers.
    pub unpriced: i64,
    /// Share of the span that was measured, in thousandths.
    pub measured_milli: i64,
    /// Share of the span that was estimated, in thousandths.
    pub estimated_milli: i64,
    /// Share of the span that is missing, in thousandths.
    pub missing_milli: i64,
}

/// A meter's month.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MeterMonth {
    /// Identifier of the meter.
    pub id: String,
    /// What people call it.
    pub name: Text,
    /// What it counts.
    pub medium: Medium,
    /// What hangs behind it.
    pub load: Load,
    /// Identifier of the area that it serves.
    pub area_id: String,
    /// Whether it is part of its medium's days and total: no meter of the same medium lies
    /// upstream of it.
    pub counts_in_total: bool,
    /// Unit of `amount`.
    pub unit: Unit,
    /// The numbers.
    #[serde(flatten)]
    pub figures: Figures,
}

/// An area's month, for one medium.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AreaMonth {
    /// Identifier of the area.
    pub id: String,
    /// What people call it.
    pub name: Text,
    /// Of what.
    pub medium: Medium,
    /// Unit of `amount`.
    pub unit: Unit,
    /// The numbers.
    #[serde(flatten)]
    pub figures: Figures,
}

/// One day of the site, for one medium.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DayMonth {
    /// The day.
    #[schema(format = Date)]
    pub date: String,
    /// Of what.
    pub medium: Medium,
    /// Unit of `amount`.
    pub unit: Unit,
    /// The numbers.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The site's month, for one medium.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MediumMonth {
    /// Of what.
    pub medium: Medium,
    /// Unit of `amount`.
    pub unit: Unit,
    /// The numbers.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What the findings of one kind wasted, of those that opened in a month.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MonthWaste {
    /// What was found.
    pub kind: FindingKind,
    /// What was wasted.
    pub medium: Medium,
    /// Unit of `amount`.
    pub unit: Unit,
    /// How many findings opened.
    pub findings: u32,
    /// How many of them are still open.
    pub open: u32,
    /// Wasted, thousandths of `unit`.
    pub amount: i64,
    /// What it cost, 1/10000 yuan; findings without a tariff left out.
    pub cost_e4: i64,
}

/// What went through each building in a month, up to now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MonthBuildings {
    /// `YYYY-MM`.
    pub month: String,
    /// One row per building and medium that has a meter there.
    pub buildings: Vec<BuildingMonth>,
}

/// A building's month, for one medium.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BuildingMonth {
    /// Identifier of the building.
    pub id: String,
    /// What people call it.
    pub name: Text,
    /// Of what.
    pub medium: Medium,
    /// Unit of `amount`.
    pub unit: Unit,
    /// How many meters were summed up: those without another of the medium above them in
    /// the building.
    pub meters: u32,
    /// Used, thousandths of `unit`.
    pub amount: i64,
    /// The part of `amount` that was estimated.
    pub estimated: i64,
    /// Share of the span that was measured, in thousandths.
    pub measured_milli: i64,
    /// Share of the span that was estimated, in thousandths.
    pub estimated_milli: i64,
    /// Share of the span that is missing, in thousandths.
    pub missing_milli: i64,
}

/// To whom a month's workbook goes.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// Mail addresses, 1 to 20.
    #[schema(min_items = 1, max_items = 20)]
    pub to: Vec<String>,
}
