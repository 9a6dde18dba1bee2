//! What was saved, and what the month will come to.

use serde::Serialize;
use utoipa::ToSchema;

use super::finding::Unit;
use super::place::Place;

/// What a meter saved against the year before.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Savings {
    /// The meter.
    pub meter: Place,
    /// Unit of its amounts.
    pub unit: Unit,
    /// First day after the measure.
    #[schema(format = Date)]
    pub from: String,
    /// Last day that counts.
    #[schema(format = Date)]
    pub to: String,
    /// First day of the training.
    #[schema(format = Date)]
    pub training_from: String,
    /// Last day of the training.
    #[schema(format = Date)]
    pub training_to: String,
    /// The model; null if there was too little to fit one.
    #[schema(required)]
    pub model: Option<SavingsModel>,
    /// The saving; null if it is refused.
    #[schema(required)]
    pub figure: Option<SavingsFigure>,
    /// Why no saving is told; null if one is.
    #[schema(required)]
    pub refusal: Option<Refusal>,
}

/// The model that a saving rests on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SavingsModel {
    /// By time of the week and temperature in hours (`hourly`) or days (`daily`), or by days
    /// along lines over temperature (`change_point`).
    pub method: String,
    /// What it is, in words.
    pub words: String,
    /// Hours or days that it was fitted to.
    pub steps: usize,
    /// Numbers that the fit was free to choose.
    pub parameters: usize,
    /// CV(RMSE) of the training, in thousandths.
    pub cv_rmse_milli: i64,
    /// Mean bias of the training, in thousandths.
    pub bias_milli: i64,
    /// Share of the variance that it tells, in thousandths.
    pub r_squared_milli: i64,
    /// Correlation of a miss with the next one, in thousandths.
    pub autocorrelation_milli: i64,
}

/// A saving.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SavingsFigure {
    /// What went through in the steps that count, in thousandths of the unit.
    pub measured: i64,
    /// What would have.
    pub expected: i64,
    /// The difference; below nought if more was used.
    pub avoided: i64,
    /// It lies between here,
    pub avoided_low: i64,
    /// and here, 90 times in 100.
    pub avoided_high: i64,
    /// How far it may be off.
    pub uncertainty: i64,
    /// Hours or days that count.
    pub steps: usize,
    /// Hours or days from `from` to `to`.
    pub steps_all: usize,
    /// What was avoided at the prices of its hours, 1/10000 of the currency; null without a
    /// tariff.
    #[schema(required)]
    pub cost_e4: Option<i64>,
    /// How far that may be off.
    #[schema(required)]
    pub cost_uncertainty_e4: Option<i64>,
    /// Carbon dioxide avoided, g; null for a medium without a factor.
    #[schema(required)]
    pub co2_g: Option<i64>,
    /// How far that may be off.
    #[schema(required)]
    pub co2_uncertainty_g: Option<i64>,
    /// The factor that it was worked out with.
    #[schema(required)]
    pub co2_factor: Option<Co2Factor>,
}

/// What a kWh or a m³ comes to in carbon dioxide.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Co2Factor {
    /// The year that it describes.
    pub year: i16,
    /// Tenths of a gram per kWh or m³.
    pub decigrams: i64,
    /// Who published it.
    pub source: String,
}

/// Why a number is not told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Refusal {
    /// For programs.
    pub code: String,
    /// For people, in the language of the request.
    pub message: String,
}

/// What this month of a meter will come to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MonthForecast {
    /// The meter.
    pub meter: Place,
    /// Unit of its amounts.
    pub unit: Unit,
    /// The month, `YYYY-MM`.
    pub month: String,
    /// Up to yesterday, in thousandths of the unit; null while too little is known to tell
    /// anything.
    #[schema(required)]
    pub so_far: Option<i64>,
    /// Hours of that which were not measured, and are told.
    pub hours_told: usize,
    /// Days still to come, today included.
    pub days_left: usize,
    /// The whole month, most likely.
    #[schema(required)]
    pub expected: Option<i64>,
    /// Nine times in ten it is from here
    #[schema(required)]
    pub low: Option<i64>,
    /// to here; null while too little was tried.
    #[schema(required)]
    pub high: Option<i64>,
    /// What it is measured against: as asked, else the same month of the year before; null
    /// if that was not measured.
    #[schema(required)]
    pub limit: Option<i64>,
    /// Whether the month will be above that even if it goes well; null without a limit or a
    /// range.
    #[schema(required)]
    pub will_exceed: Option<bool>,
}
