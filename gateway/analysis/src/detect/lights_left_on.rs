//! Lighting that stays on while its area is closed.
//!
//! The limit is the largest of three, so that neither emergency lighting nor a small
//! circuit's noise is taken for lights left on:
//!
//! - a share of what the circuit draws when people work (its 90th percentile),
//! - a power per floor area,
//! - a share of the way from its base load to what it draws when people work.
//!
//! A quarter of the lights stays below such a limit. It is found by its length: lights that
//! stay six hours above what stands by, by a tenth of the way to the working level, were left
//! on by whoever closed; a visit in the night is shorter.
//!
//! Where nobody has said when the area is open, what is usual at an hour stands in for the
//! opening hours ([`lights_left_on_by_habit`]), and three hours are asked for.
//!
//! # What to do
//!
//! Go and look; switch off. If the lights are meant to be on, say so with one tap: overtime
//! until when, or a false alarm and why. If it comes back each night at the same hour, look
//! for a timer or a sensor; if it is always the same quarter of the lights, for a group that
//! no switch reaches.
//!
//! Not here: who is told, and when (`gateway::alert`); presence sensors.

use wire::Name;

use crate::{
    finding::{Evidence, Finding, FindingKind},
    interval::{Coverage, INTERVAL_S, IntervalAmount},
    money::Cost,
    profile::Levels,
    tariff::Pricing,
};

/// A lighting circuit, as far as the detector must know it.
#[derive(Clone, Copy, Debug)]
pub struct Circuit<'a> {
    /// Its meter.
    pub meter: &'a Name,
    /// The area that meter serves.
    pub area: &'a Name,
    /// Floor area of that area, m².
    pub floor_area_m2: Option<u32>,
    /// What it draws when the area is closed and when it is in use, from the weeks before.
    pub levels: Levels,
}

/// What is allowed on a lighting circuit while its area is closed.
///
/// # Source
///
/// The defaults are a proposal of our own (20 % of the working level, 0.5 W/m², 30
/// minutes): an ordinary office has 8 W/m² (GB 55015-2021), emergency lighting well under
/// a twentieth of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LightsLimits {
    /// Share of the circuit's working level, thousandths.
    pub share_milli: u16,
    /// Power per floor area, mW/m².
    pub density_mw_per_m2: u32,
    /// Share of the way from base load to working level, thousandths.
    pub above_base_milli: u16,
    /// How many quarter hours in a row must lie above the limit.
    pub intervals_min: usize,
    /// Share of the way from what stands by to the working level that is still no light,
    /// however long, thousandths.
    pub weak_milli: u16,
    /// How many quarter hours in a row must lie above that.
    pub weak_intervals_min: usize,
    /// Share of the way from base load to working level that an hour may lie above what is
    /// usual for it, thousandths; counts only where something is usual.
    pub above_usual_milli: u16,
    /// How long after closing nothing is counted yet, s.
    pub grace_s: i64,
}

impl Default for LightsLimits {
    fn default() -> Self {
        Self {
            share_milli: 200,
            density_mw_per_m2: 500,
            above_base_milli: 100,
            intervals_min: 2,
            weak_milli: 100,
            weak_intervals_min: 24,
            above_usual_milli: 200,
            grace_s: 1800,
        }
    }
}

impl LightsLimits {
    /// Returns the limits where opening hours are not known: what is usual at an hour is a
    /// coarser guide, so three hours are asked for.
    #[must_use]
    pub fn by_habit() -> Self {
        Self { intervals_min: 12, ..Self::default() }
    }

    /// Returns the energy that a quarter hour must exceed for hours on end, mWh; `None` if
    /// the circuit's levels are not known.
    #[must_use]
    pub fn weak_energy(&self, circuit: &Circuit<'_>) -> Option<i64> {
        let (standby, p90) = (circuit.levels.standby?, circuit.levels.working_p90?);
        Some(standby + (p90 - standby).max(0) * i64::from(self.weak_milli) / 1000)
    }

    /// Returns how long after closing a first verdict is possible, s: nothing found before
    /// that says nothing.
    #[must_use]
    pub fn verdict_after_s(&self) -> i64 {
        let intervals = i64::try_from(self.intervals_min.max(1)).unwrap_or(i64::MAX);
        self.grace_s + intervals.saturating_mul(INTERVAL_S)
    }

    /// Returns the largest energy that a quarter hour may have, mWh; `None` if neither the
    /// circuit's working level nor its floor area is known, so nothing can be said.
    #[must_use]
    pub fn energy_max(&self, circuit: &Circuit<'_>) -> Option<i64> {
        let Levels { base_load, working_p90, .. } = circuit.levels;
        let base = base_load.unwrap_or(0);
        let by_share = working_p90.map(|p90| p90 * i64::from(self.share_milli) / 1000);
        let by_area = circuit
            .floor_area_m2
            .map(|area| i64::from(area) * i64::from(self.density_mw_per_m2) * INTERVAL_S / 3600);
        let above_base = working_p90
            .map(|p90| base + (p90 - base).max(0) * i64::from(self.above_base_milli) / 1000);
        let limit = by_share.max(by_area).max(above_base)?;
        Some(limit.max(base))
    }
}

/// Finds lighting circuits that stay on while their area is closed.
///
/// Opens after `limits.intervals_min` intervals in a row above the limit, of which the
/// first began at least the grace after closing; holds since the first of them. Closes
/// with the first interval at or below the limit, or when the area opens (overtime that
/// was permitted is open). A gap neither opens nor closes, and counts in a row of which two
/// thirds are known; an estimate is a gap; part of an interval counts if it is above the
/// limit already. Waste is the energy above the
/// circuit's base load.
///
/// `profile` is complete and in order of time, as [`crate::interval::consumption`] gives
/// it. It should begin no later than the area last closed, so that a finding is given the
/// instant it truly began at.
#[must_use]
pub fn lights_left_on(
    circuit: &Circuit<'_>,
    profile: &[IntervalAmount],
    is_open: impl Fn(i64) -> bool,
    limits: &LightsLimits,
    pricing: Option<&Pricing<'_>>,
) -> Vec<Finding> {
    lights_left_on_by_habit(circuit, profile, is_open, |_| None, limits, pricing)
}

/// Finds lighting circuits that stay on longer and brighter than is usual at that hour.
///
/// As [`lights_left_on`], with the limit of each interval raised to what is `usual` for it
/// and a share of the way to the working level; for circuits of which nobody has said when
/// their area is open. What is left on every night is usual: only opening hours find that.
#[must_use]
pub fn lights_left_on_by_habit(
    circuit: &Circuit<'_>,
    profile: &[IntervalAmount],
    is_open: impl Fn(i64) -> bool,
    usual: impl Fn(i64) -> Option<i64>,
    limits: &LightsLimits,
    pricing: Option<&Pricing<'_>>,
) -> Vec<Finding> {
    let Some(limit) = limits.energy_max(circuit) else { return Vec::new() };
    let Levels { base_load, working_p90, .. } = circuit.levels;
    let way = (working_p90.unwrap_or(0) - base_load.unwrap_or(0)).max(0);
    let more = way * i64::from(limits.above_usual_milli) / 1000;
    let strong = |at| usual(at).map_or(limit, |usual| limit.max(usual + more));
    let mut findings =
        runs(circuit, profile, &is_open, strong, limits.intervals_min, limits.grace_s, pricing);
    if let Some(weak) = limits.weak_energy(circuit) {
        let (long, grace_s) = (limits.weak_intervals_min, limits.grace_s);
        let mut faint = runs(circuit, profile, &is_open, |_| weak, long, grace_s, pricing);
        // The same lights are one finding: the brighter one, which was told sooner.
        faint.retain(|faint| !findings.iter().any(|bright| overlap(faint, bright)));
        findings.extend(faint);
        findings.sort_by_key(|finding| finding.opened);
    }
    findings
}

fn overlap(one: &Finding, other: &Finding) -> bool {
    other.closed.is_none_or(|closed| one.opened < closed)
        && one.closed.is_none_or(|closed| other.opened < closed)
}

/// Runs of intervals above a limit while the area is closed.
fn runs(
    circuit: &Circuit<'_>,
    profile: &[IntervalAmount],
    is_open: &impl Fn(i64) -> bool,
    limit: impl Fn(i64) -> i64,
    intervals_min: usize,
    grace_s: i64,
    pricing: Option<&Pricing<'_>>,
) -> Vec<Finding> {
    let is_in_grace =
        |start: i64| (1..=grace_s / INTERVAL_S).any(|step| is_open(start - step * INTERVAL_S));
    let mut findings = Vec::new();
    let mut run: Vec<Evidence> = Vec::new();
    let mut end_run = |run: &mut Vec<Evidence>, closed: Option<i64>| {
        if is_long(run, intervals_min) {
            findings.push(finding(circuit, std::mem::take(run), closed, pricing));
        }
        run.clear();
    };
    for interval in profile {
        let start = interval.start;
        if is_open(start) || is_in_grace(start) {
            end_run(&mut run, Some(start));
            continue;
        }
        let (amount, limit) = (interval.measured, limit(start));
        match interval.coverage() {
            Coverage::Measured | Coverage::Partly if limit < amount => {
                run.push(Evidence { start, amount, limit });
            }
            Coverage::Measured => end_run(&mut run, Some(start)),
            Coverage::Partly | Coverage::Estimated | Coverage::Missing => {}
        }
    }
    end_run(&mut run, None);
    findings
}

/// Whether a run lasts so many intervals, or came to do so counted through its gaps with no
/// more than a third missing: six hours of light with an hour missing are six hours of light.
fn is_long(run: &[Evidence], intervals_min: usize) -> bool {
    let Some(first) = run.first() else { return false };
    let is_enough = |(known, last): (usize, &Evidence)| {
        let length = usize::try_from((last.start - first.start) / INTERVAL_S + 1).unwrap_or(0);
        intervals_min <= length && 2 * length <= 3 * known
    };
    intervals_min <= run.len() || (1..).zip(run).any(is_enough)
}

fn finding(
    circuit: &Circuit<'_>,
    evidence: Vec<Evidence>,
    closed: Option<i64>,
    pricing: Option<&Pricing<'_>>,
) -> Finding {
    let base = circuit.levels.base_load.unwrap_or(0);
    let above = |evidence: &Evidence| (evidence.amount - base).max(0);
    let cost: Option<Cost> = pricing.and_then(|pricing| {
        evidence.iter().map(|quarter| pricing.cost_at(quarter.start, above(quarter))).sum()
    });
    Finding {
        kind: FindingKind::LightsLeftOn,
        meter: *circuit.meter,
        area: *circuit.area,
        opened: evidence.first().map_or(0, |first| first.start),
        closed,
        waste: evidence.iter().map(above).sum(),
        cost_e4: cost.map(Cost::e4),
        evidence,
    }
}

#[cfg(test)]
mod tests;
