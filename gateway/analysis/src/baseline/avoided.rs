//! The energy avoided in a reporting period, and how far that may be off.
//!
//! Avoided is expected less measured, over the steps that were measured and have weather.
//! How far it may be off has two parts, added as squares:
//!
//! - noise: the misses of the model, fewer than they look because each resembles the one
//!   before (ASHRAE Guideline 14-2014, fractional savings uncertainty with
//!   autocorrelation, factor 1.26 for hours, its polynomial for days);
//! - drift: what buildings do from one year to the next without a measure: people, plugs
//!   and terms. No regression of one year can know it, and it is the larger part by far.

use crate::{
    baseline::{Baseline, Method, Place, Refusal},
    least_squares::{amount, count},
    track::Track,
};

/// Student's t for 90 times in 100 and many steps.
const T_90: f64 = 1.645;

/// What buildings wander from one year to the next without a measure, 90 times in 100, as
/// a share, beside what their own year shows.
///
/// # Source
///
/// Ten university buildings, 39 pairs of years without a known measure: the expected year
/// was off by 3 % in the median and by more than 7 % in 7 of the 39. With 5 % here and half
/// of [`Baseline::drift`], 36 of 39 lie within, and the interval is 7 % wide in the median;
/// both were chosen on these pairs. The noise of Guideline 14 alone covers 18 % of them.
const DRIFT_FLOOR: f64 = 0.05;

/// How much of the wandering within the training year comes back as an error of the next.
const DRIFT_SHARE: f64 = 0.5;

/// What came of a reporting period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avoided {
    /// What went through in the steps that count, in thousandths.
    pub measured: i64,
    /// What would have, in thousandths.
    pub expected: i64,
    /// The difference; more was used than expected if it is negative.
    pub avoided: i64,
    /// How far it may be off, 90 times in 100.
    pub uncertainty: i64,
    /// The part of it that the model's misses make.
    pub noise: i64,
    /// Steps that count.
    pub steps: usize,
    /// Steps of the period.
    pub of: usize,
}

impl Avoided {
    /// Returns whether the saving can be told from chance.
    ///
    /// # Errors
    ///
    /// [`Refusal::Uncertain`] if it may be off by more than half of itself.
    pub const fn certain(&self) -> Result<(), Refusal> {
        if self.avoided.abs() < self.uncertainty.saturating_mul(2) {
            return Err(Refusal::Uncertain {
                avoided: self.avoided,
                uncertainty: self.uncertainty,
            });
        }
        Ok(())
    }
}

/// Returns the energy avoided in a reporting period.
///
/// # Errors
///
/// The period has too little that was measured, or weather that the training never saw.
pub fn avoided(
    baseline: &Baseline,
    track: &Track,
    weather: &Track,
    place: &Place<'_>,
) -> Result<Avoided, Refusal> {
    let rows = baseline.method.rows(track, weather, place);
    baseline.may_judge(&rows)?;
    let (mut measured, mut expected, mut steps) = (0, 0.0, 0);
    for row in &rows {
        if let (Some(used), Some(told)) = (row.amount, baseline.tell(row)) {
            measured = i64::saturating_add(measured, amount(used));
            expected += told;
            steps += 1;
        }
    }
    let noise = noise(baseline, steps);
    let wander = DRIFT_FLOOR.hypot(DRIFT_SHARE * T_90 * baseline.drift) * expected.abs();
    let expected = amount(expected);
    Ok(Avoided {
        measured,
        expected,
        avoided: expected.saturating_sub(measured),
        uncertainty: amount(noise.hypot(wander)),
        noise: amount(noise),
        steps,
        of: rows.len(),
    })
}

/// Returns the part of the uncertainty that the model's misses make, in thousandths.
pub(super) fn noise(baseline: &Baseline, steps: usize) -> f64 {
    let accuracy = baseline.accuracy();
    let n = count(accuracy.steps);
    let rho = accuracy.autocorrelation.clamp(0.0, 0.999);
    let (alpha, is_daily) = match baseline.method() {
        Method::Hourly(_) => (1.26, false),
        Method::Daily(_) | Method::ChangePoint => {
            let months = n / 30.0;
            (-0.000_24 * months * months + 0.035_35 * months + 1.002_86, true)
        }
    };
    let rmse = accuracy.cv_rmse * accuracy.mean.abs();
    let squares = rmse * rmse * (n - count(accuracy.parameters)).max(1.0);
    // With little resemblance the steps are as many as they look (Guideline 14, annex B).
    let effective = if is_daily && rho < 0.5 { n } else { n * (1.0 - rho) / (1.0 + rho) };
    let free = (effective - count(accuracy.parameters)).max(effective / 2.0).max(1.0);
    let m = count(steps);
    T_90 * alpha * (squares / free * (1.0 + 2.0 / effective) * m).sqrt()
}
