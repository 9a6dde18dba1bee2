//! Which detectors look at a meter, and which of them still learn what is usual there.

use analysis::detect::DemandLimits;
use analysis::finding::FindingKind;
use analysis::interval::Span;
use analysis::site::{Medium, Meter, Site};
use analysis::track::Track;
use wire::Quantity;

use super::supply::{PHASES, tells};
use super::{LEARNING_S, Ledger};
use crate::store::StoreError;

const DAY_S: i64 = 86_400;

/// Until so much is known of a meter, the detectors of water, gas, standstill, spikes and
/// sums learn, s:
/// two weeks of working days have the sixty open hours that gas asks for.
const WATER_LEARNING_S: i64 = 14 * DAY_S;

/// By then a circuit of lights was open and closed often enough, s.
const LIGHTS_LEARNING_S: i64 = 4 * DAY_S;

/// Returns the kinds of finding that can be made of a meter, gravest for its medium first.
#[must_use]
pub fn detectors_of(site: &Site, meter: &Meter) -> Vec<FindingKind> {
    // What is wrong with a formula's terms is said of them.
    let is_read = meter.formula.is_none();
    let has_lights = meter.load.has_lights() && site.hours_of(&meter.area).is_some();
    let mut kinds = Vec::new();
    match meter.medium {
        Medium::Electricity => {
            if has_lights {
                kinds.push(FindingKind::LightsLeftOn);
            } else {
                kinds.extend([FindingKind::AfterHoursLoad, FindingKind::WeekendRunning]);
            }
            kinds.push(FindingKind::HighBaseLoad);
            let (is_top, supply) = (site.is_top(meter), meter.supply);
            if is_read && (is_top || supply.contract_mw.is_some()) {
                kinds.push(FindingKind::PeakDemand);
            }
            let has_factor = is_top || supply.factor_least_milli.is_some();
            if is_read && has_factor && tells(meter, Quantity::ReactiveEnergyImport) {
                kinds.push(FindingKind::PowerFactorLow);
            }
            if is_read && PHASES.into_iter().all(|phase| tells(meter, phase)) {
                kinds.push(FindingKind::PhaseImbalance);
            }
        }
        Medium::Water => {
            let water = [FindingKind::Burst, FindingKind::Leak, FindingKind::RunningToilet];
            kinds.extend(water.into_iter().filter(|_| is_read));
        }
        Medium::Gas | Medium::Heat => {
            if meter.medium == Medium::Gas && site.hours_of(&meter.area).is_some() {
                kinds.push(FindingKind::GasWhenClosed);
            }
            kinds.extend([FindingKind::AfterHoursLoad, FindingKind::WeekendRunning]);
        }
    }
    if is_read {
        kinds.extend([FindingKind::SilentMeter, FindingKind::ClockWrong]);
        if matches!(meter.medium, Medium::Electricity | Medium::Water) {
            kinds.extend([FindingKind::Stuck, FindingKind::DropoutWithCatchUp]);
        }
        if site.behind(meter).next().is_some() {
            kinds.push(FindingKind::SumMismatch);
        }
        if meter.medium != Medium::Water {
            kinds.extend([FindingKind::Spike, FindingKind::ScaleChange]);
        }
    }
    kinds
}

impl Ledger {
    /// Returns until when a detector learns what is usual of a meter and says nothing; `None` if
    /// it can speak, or needs no history.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if readings cannot be read.
    pub fn learning(
        &self,
        meter: &Meter,
        kind: FindingKind,
        now: i64,
    ) -> Result<Option<i64>, StoreError> {
        let needed_s = match kind {
            FindingKind::AfterHoursLoad
            | FindingKind::HighBaseLoad
            | FindingKind::WeekendRunning => LEARNING_S,
            FindingKind::Burst
            | FindingKind::DropoutWithCatchUp
            | FindingKind::GasWhenClosed
            | FindingKind::Leak
            | FindingKind::RunningToilet
            | FindingKind::Spike
            | FindingKind::Stuck
            | FindingKind::SumMismatch => WATER_LEARNING_S,
            FindingKind::PeakDemand if meter.supply.contract_mw.is_none() => {
                DemandLimits::default().past_min_s
            }
            FindingKind::LightsLeftOn if self.lights_limit(meter, now)?.is_none() => {
                LIGHTS_LEARNING_S
            }
            FindingKind::ClockWrong
            | FindingKind::LightsLeftOn
            | FindingKind::PeakDemand
            | FindingKind::PhaseImbalance
            | FindingKind::PowerFactorLow
            | FindingKind::ScaleChange
            | FindingKind::SilentMeter => return Ok(None),
        };
        let intervals = self.intervals(meter, Span { from: now - needed_s, to: now })?;
        let track = Track::of_intervals(&intervals);
        let first = track.amounts.iter().position(Option::is_some);
        let since = first.map_or(now, |first| track.instant(first));
        let until = since + needed_s;
        // A day's gap at its beginning is no new meter.
        Ok((now + DAY_S < until).then_some(until))
    }
}
