//! What detectors say of how electricity is taken from the grid: demand against the contract,
//! power factor, phases. For the watchman's round and for a preview alike.
//!
//! In: a meter's quarter hours, its reactive counter, its currents; what the site book says of
//! the contract. Out: stretches of time, and when each could first be said.
//!
//! Demand and power factor are billed where the site is supplied: they are looked at where the
//! site book names a limit, and at the meters before which there is no other. Nothing of it
//! is waste of energy; what it costs no tariff of ours says, so it is told without money.

use analysis::detect::{
    Currents, DemandLimits, FactorLimits, ImbalanceLimits, Spell, demand_limit, joined,
    peak_demand, phase_imbalance, power_factor_low, quarter_forecast, quarter_so_far,
};
use analysis::finding::FindingKind;
use analysis::interval::{INTERVAL_S, Span, interval_start};
use analysis::site::{Medium, Meter, Site};
use analysis::track::Track;
use wire::Quantity;

use super::Ledger;
use crate::store::StoreError;

const DAY_S: i64 = 86_400;

/// A demand above the limit each Monday is one matter until two weeks were without, s.
const DEMAND_APART_S: i64 = 14 * DAY_S;
/// Phases that are uneven each noon are one matter until two days were without, s.
const PHASES_APART_S: i64 = 2 * DAY_S;

pub(super) const PHASES: [Quantity; 3] =
    [Quantity::CurrentL1, Quantity::CurrentL2, Quantity::CurrentL3];

/// So soon in a quarter hour its mean power says nothing of its demand, s.
const SO_FAR_MIN_S: i64 = 120;
/// So much of a quarter hour under way may be untold: two polls of a minute, s.
const UNTOLD_MAX_S: i64 = 180;

/// The quarter hour under way of a meter whose demand is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarterNow {
    /// When it ends.
    pub ends: i64,
    /// What its demand will be if it goes on as so far, mW.
    pub forecast_mw: i64,
    /// What is allowed, mW.
    pub limit_mw: i64,
    /// By how much the power must fall for the rest of it, mW; `None` while it stays within.
    pub shed_mw: Option<i64>,
}

impl Ledger {
    /// Returns the quarter hour under way of a meter; `None` if its demand is not watched, if
    /// nothing is known of its limit yet, or too little of the quarter hour: its meter must be
    /// read each minute or two.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if readings cannot be read.
    pub fn quarter_now(
        &self,
        site: &Site,
        meter: &Meter,
        now: i64,
    ) -> Result<Option<QuarterNow>, StoreError> {
        let contract_mw = meter.supply.contract_mw;
        let is_watched = contract_mw.is_some() || site.is_top(meter);
        if meter.medium != Medium::Electricity || meter.formula.is_some() || !is_watched {
            return Ok(None);
        }
        let start = interval_start(now);
        let under_way = Span { from: start, to: start + INTERVAL_S };
        let under_way = self.intervals(meter, under_way)?.first().copied();
        let Some(under_way) = under_way.filter(|it| it.estimated_s == 0) else { return Ok(None) };
        let elapsed_s = INTERVAL_S - i64::from(under_way.missing_s);
        if elapsed_s < SO_FAR_MIN_S || UNTOLD_MAX_S < now - start - elapsed_s {
            return Ok(None);
        }
        let limits = DemandLimits { contract_mw, ..DemandLimits::default() };
        let back = if contract_mw.is_some() { 0 } else { limits.past_s };
        let past = Span { from: start - back, to: start };
        let track = Track::of_intervals(&self.intervals(meter, past)?);
        let (so_far, step_s) = (under_way.amount(), INTERVAL_S);
        let power_mw = so_far.saturating_mul(3_600) / elapsed_s;
        let forecast = quarter_forecast(so_far, elapsed_s, power_mw, step_s);
        let Some((forecast_mw, limit_mw)) = forecast.zip(demand_limit(&track, &limits)) else {
            return Ok(None);
        };
        let warning = quarter_so_far(so_far, elapsed_s, power_mw, step_s, limit_mw);
        let shed_mw = warning.map(|it| it.shed_mw);
        Ok(Some(QuarterNow { ends: start + INTERVAL_S, forecast_mw, limit_mw, shed_mw }))
    }

    /// Returns what the detectors of supply say of a meter over a span, as of its end; of its
    /// phases not before `phases_from`, for currents are read each minute.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if readings cannot be read.
    pub fn supply(
        &self,
        site: &Site,
        meter: &Meter,
        span: Span,
        phases_from: i64,
    ) -> Result<Vec<(FindingKind, Spell)>, StoreError> {
        if meter.medium != Medium::Electricity || meter.formula.is_some() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let mut add = |kind: FindingKind, spells: Vec<Spell>| {
            found.extend(spells.into_iter().map(|spell| (kind, spell)));
        };
        let is_top = site.is_top(meter);
        let supply = meter.supply;
        if supply.contract_mw.is_some() || is_top {
            let limits =
                DemandLimits { contract_mw: supply.contract_mw, ..DemandLimits::default() };
            // The past that stands in for a contract is learnt from.
            let back = if supply.contract_mw.is_some() { 0 } else { limits.past_s };
            let past = Span { from: span.from - back, to: span.to };
            let track = Track::of_intervals(&self.intervals(meter, past)?);
            let mut spells = peak_demand(&track, &limits);
            spells.retain(|spell| span.from <= spell.from);
            add(FindingKind::PeakDemand, joined(spells, DEMAND_APART_S, span.to));
        }
        let tells = |quantity: Quantity| tells(meter, quantity);
        if (supply.factor_least_milli.is_some() || is_top) && tells(Quantity::ReactiveEnergyImport)
        {
            let usual = FactorLimits::default();
            let least_milli = supply.factor_least_milli.unwrap_or(usual.least_milli);
            let active = Track::of_intervals(&self.intervals(meter, span)?);
            let counter = Quantity::ReactiveEnergyImport;
            let reactive = self.0.intervals.of_counter(meter, counter, span)?;
            let reactive = Track::of_intervals(&reactive);
            let limits = FactorLimits { least_milli, ..usual };
            let mut spells = power_factor_low(&active, &reactive, &site.zone, &limits);
            // Reactive energy is no energy: it must not stand as kWh beside others.
            spells.iter_mut().for_each(|spell| spell.waste = 0);
            add(FindingKind::PowerFactorLow, spells);
        }
        if PHASES.into_iter().all(tells) {
            let from = span.from.max(phases_from);
            let currents = self.currents(meter, Span { from, to: span.to })?;
            let spells = phase_imbalance(&currents, &ImbalanceLimits::default());
            add(FindingKind::PhaseImbalance, joined(spells, PHASES_APART_S, span.to));
        }
        Ok(found)
    }

    /// Returns the instants at which a meter told the currents of all three phases.
    fn currents(&self, meter: &Meter, span: Span) -> Result<Vec<Currents>, StoreError> {
        let series = self.0.store.series();
        let read = |quantity| series.counter(&meter.id, quantity, span.from, span.to);
        let [l1, l2, l3] = [read(PHASES[0])?, read(PHASES[1])?, read(PHASES[2])?];
        let at = |phase: &[(i64, i64)], instant: i64| {
            let at = phase.binary_search_by_key(&instant, |it| it.0).ok()?;
            phase.get(at).map(|it| it.1)
        };
        let within = l1.iter().filter(|it| span.from <= it.0 && it.0 < span.to);
        Ok(within
            .filter_map(|&(instant, first)| {
                let phases_ma = [first, at(&l2, instant)?, at(&l3, instant)?];
                Some(Currents { instant, phases_ma })
            })
            .collect())
    }
}

/// Whether a meter's model tells a quantity.
pub(super) fn tells(meter: &Meter, quantity: Quantity) -> bool {
    let own = meter.own_models.iter().find(|own| own.id == meter.model);
    let own = own.is_some_and(|own| own.values.iter().any(|(it, _)| it.quantity == quantity));
    let built_in = || {
        let model = wire::models::by_id(&meter.model);
        model.is_some_and(|model| model.map.entries.iter().any(|it| it.quantity == quantity))
    };
    own || built_in()
}

#[cfg(test)]
mod tests;
