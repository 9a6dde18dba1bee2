//! A demand above what the contract allows, or above all that was seen before.
//!
//! # What it means
//!
//! Demand is the mean power of a quarter hour. The utility bills the highest of a month, and
//! dearly what lies above the contract. Where no contract is known, the highest demand of
//! the year before stands in for it, one quarter hour in a thousand left aside.
//!
//! # What to do
//!
//! The quarter hour is not over yet when [`quarter_so_far`] warns: it says how much power
//! must go for the rest of it. Put off what can wait (water heaters, charging, pumps that
//! fill a tank). If the same hour breaks the limit each day, start plant one after the other.

use super::spell::{Spell, quantile};
use crate::{finding::Evidence, track::Track};

/// What a demand is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemandLimits {
    /// The contract's, mW; the meter's own past where there is none.
    pub contract_mw: Option<i64>,
    /// How far above its own past a demand must lie, thousandths of it.
    pub above_past_milli: i64,
    /// How far back the past goes, s.
    pub past_s: i64,
    /// Nothing is said before so much of the past is known, s.
    pub past_min_s: i64,
}

impl Default for DemandLimits {
    fn default() -> Self {
        Self {
            contract_mw: None,
            above_past_milli: 50,
            past_s: 365 * 86_400,
            past_min_s: 56 * 86_400,
        }
    }
}

/// The share of quarter hours that the past's highest demand leaves aside.
const QUANTILE: f64 = 0.999;

/// Returns a mean power, mW, of an energy in a time; saturating.
fn demand(energy_mwh: i64, time_s: i64) -> i64 {
    let power = i128::from(energy_mwh) * 3_600 / i128::from(time_s.max(1));
    i64::try_from(power).unwrap_or(if power < 0 { i64::MIN } else { i64::MAX })
}

/// Returns an energy, mWh, of a mean power in a time; saturating.
fn energy(power_mw: i64, time_s: i64) -> i64 {
    let energy = i128::from(power_mw) * i128::from(time_s) / 3_600;
    i64::try_from(energy).unwrap_or(if energy < 0 { i64::MIN } else { i64::MAX })
}

/// Finds stretches of steps whose demand lies above the limit.
///
/// `track` has energies, mWh, of quarter hours (or other steps that demand is billed by).
/// Each spell is noticed at the end of its first step, and over with the first step at or
/// below the limit; a gap does neither. The past's limit is learnt anew each day from what
/// was before that day. Waste is nothing: a high demand is not wasted energy.
#[must_use]
pub fn peak_demand(track: &Track, limits: &DemandLimits) -> Vec<Spell> {
    if track.step_s <= 0 {
        return Vec::new();
    }
    let steps = |time_s: i64| usize::try_from(time_s / track.step_s).unwrap_or(0).max(1);
    let (per_day, past, past_min) = (steps(86_400), steps(limits.past_s), steps(limits.past_min_s));
    let mut limit = limits.contract_mw;
    let mut spells: Vec<Spell> = Vec::new();
    for (at, amount) in track.amounts.iter().enumerate() {
        if limits.contract_mw.is_none() && at % per_day == 0 {
            let before = &track.amounts[at.saturating_sub(past)..at];
            limit = of_the_past(before, past_min, track.step_s, limits.above_past_milli);
        }
        let (Some(amount), Some(limit)) = (*amount, limit) else { continue };
        let start = track.instant(at);
        let open = spells.last_mut().filter(|spell| spell.until.is_none());
        let allowed = energy(limit, track.step_s);
        let evidence = Evidence { start, amount, limit: allowed };
        match (open, limit < demand(amount, track.step_s)) {
            (Some(spell), true) => spell.evidence.push(evidence),
            (Some(spell), false) => spell.until = Some(start),
            (None, true) => spells.push(Spell {
                from: start,
                noticed: start.saturating_add(track.step_s),
                until: None,
                waste: 0,
                evidence: vec![evidence],
            }),
            (None, false) => {}
        }
    }
    spells
}

/// Returns what the demand after a track is compared with, mW: the contract, or the track's own
/// past; `None` where nothing is said yet.
#[must_use]
pub fn demand_limit(track: &Track, limits: &DemandLimits) -> Option<i64> {
    if limits.contract_mw.is_some() || track.step_s <= 0 {
        return limits.contract_mw;
    }
    let steps = |time_s: i64| usize::try_from(time_s / track.step_s).unwrap_or(0).max(1);
    let before = &track.amounts[track.amounts.len().saturating_sub(steps(limits.past_s))..];
    of_the_past(before, steps(limits.past_min_s), track.step_s, limits.above_past_milli)
}

fn of_the_past(before: &[Option<i64>], least: usize, step_s: i64, above_milli: i64) -> Option<i64> {
    let mut demands: Vec<f64> = before
        .iter()
        .flatten()
        .map(|&amount| super::spell::amount(demand(amount, step_s)))
        .collect();
    if demands.len() < least {
        return None;
    }
    let highest = super::spell::rounded(quantile(&mut demands, QUANTILE)?);
    Some(highest.saturating_add(highest.saturating_abs() / 1_000 * above_milli))
}

/// A quarter hour that will break its limit if nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemandWarning {
    /// What its demand will be if the power stays as it is, mW.
    pub forecast_mw: i64,
    /// By how much the power must fall for the rest of it, mW.
    pub shed_mw: i64,
}

/// Returns what the demand of the step under way will be, mW, if the power stays as it is; by
/// what went through so far and how long it has run. `None` once it is over.
#[must_use]
pub fn quarter_forecast(
    so_far_mwh: i64,
    elapsed_s: i64,
    power_mw: i64,
    step_s: i64,
) -> Option<i64> {
    let rest_s = step_s.checked_sub(elapsed_s).filter(|&rest| 0 < rest && 0 <= elapsed_s)?;
    Some(demand(so_far_mwh.saturating_add(energy(power_mw, rest_s)), step_s))
}

/// Looks at the step under way: what went through so far, how long it has run, the power now.
/// `None` while its demand will stay within the limit, or once it is over.
#[must_use]
pub fn quarter_so_far(
    so_far_mwh: i64,
    elapsed_s: i64,
    power_mw: i64,
    step_s: i64,
    limit_mw: i64,
) -> Option<DemandWarning> {
    let rest_s = step_s.checked_sub(elapsed_s).filter(|&rest| 0 < rest && 0 <= elapsed_s)?;
    let expected = so_far_mwh.saturating_add(energy(power_mw, rest_s));
    let forecast_mw = quarter_forecast(so_far_mwh, elapsed_s, power_mw, step_s)?;
    let above = expected.saturating_sub(energy(limit_mw, step_s));
    // Rounded up: a milliwatt too much is no harm.
    let shed_mw = demand(above, rest_s).saturating_add(1);
    (limit_mw < forecast_mw).then_some(DemandWarning { forecast_mw, shed_mw })
}

#[cfg(test)]
mod tests;
