//! A power factor below what the tariff asks for.
//!
//! # What it means
//!
//! Reactive energy does no work but loads cables and transformer, and the utility charges for
//! it when the month's power factor lies below 0.9. Looked at day by day, over the hours in
//! which the meter is loaded at all: two days in a row below the limit are a finding,
//! since one can be a holiday. Usual causes: a capacitor cabinet switched off or with blown
//! fuses; many small motors at part load; lamps with poor ballasts.
//!
//! # What to do
//!
//! Look at the capacitor cabinet: is it on automatic, are all steps whole? Compare with the
//! days before the finding began. The reactive energy above what the limit allows stands as
//! waste, in thousandths of a varh.
//!
//! # Source
//!
//! 0.9 is what the rules of power factor adjustment ask of customers above 160 kVA.

use jiff::{civil::Date, tz::TimeZone};

use super::spell::{Spell, amount, rounded};
use crate::{calendar::local_time, finding::Evidence, track::Track};

/// What is asked of a power factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactorLimits {
    /// The least power factor of a day, thousandths.
    pub least_milli: u16,
    /// So many days in a row must lie below it.
    pub days_min: usize,
    /// A day with less active energy is not looked at, mWh.
    pub energy_min: i64,
    /// A day of which less is known is not looked at, thousandths of its steps.
    pub known_milli: usize,
}

impl Default for FactorLimits {
    fn default() -> Self {
        Self { least_milli: 900, days_min: 2, energy_min: 10_000_000, known_milli: 750 }
    }
}

/// A local day's energies.
struct Sums {
    date: Date,
    start: i64,
    end: i64,
    active: f64,
    reactive: f64,
    known: usize,
}

/// Finds days whose power factor is low.
///
/// Both tracks have the same start and step: active energy, mWh, and reactive energy taken,
/// mvarh. Steps known of one only are left out. A spell begins with its first day and is
/// noticed when the last one asked for is over; it ends with the first day that is as it should
/// be. A day of which too little is known does neither. The day under way is not judged.
/// Evidence is the power factor of each day, thousandths.
#[must_use]
pub fn power_factor_low(
    active: &Track,
    reactive: &Track,
    zone: &TimeZone,
    limits: &FactorLimits,
) -> Vec<Spell> {
    let is_pair = active.start == reactive.start && active.step_s == reactive.step_s;
    if !is_pair || active.step_s <= 0 {
        return Vec::new();
    }
    let mut days = sums(active, reactive, zone);
    // The last day may still be under way.
    if days
        .last()
        .is_some_and(|last| local_time(zone, last.end).is_none_or(|end| end.date() == last.date))
    {
        days.pop();
    }
    let least = f64::from(limits.least_milli.clamp(1, 1_000)) / 1_000.0;
    // Of each active unit the limit allows so much reactive.
    let allowed = (1.0 / (least * least) - 1.0).max(0.0).sqrt();
    let per_day = usize::try_from(86_400 / active.step_s).unwrap_or(1).max(1);
    let mut spells: Vec<Spell> = Vec::new();
    let mut low: Vec<(i64, Evidence, f64)> = Vec::new();
    for day in &days {
        let is_known = limits.known_milli * per_day <= day.known * 1_000;
        if !is_known || day.active < amount(limits.energy_min) {
            continue;
        }
        let factor = day.active / day.active.hypot(day.reactive);
        let evidence = Evidence {
            start: day.start,
            amount: rounded(factor * 1_000.0),
            limit: i64::from(limits.least_milli),
        };
        let above = (day.reactive - day.active * allowed).max(0.0);
        let open = spells.last_mut().filter(|spell| spell.until.is_none());
        match (open, factor < least) {
            (Some(spell), true) => {
                spell.waste = spell.waste.saturating_add(rounded(above));
                spell.evidence.push(evidence);
            }
            (Some(spell), false) => spell.until = Some(day.start),
            (None, true) => {
                low.push((day.start, evidence, above));
                if limits.days_min.max(1) <= low.len() {
                    spells.push(Spell {
                        from: low.first().map_or(day.start, |first| first.0),
                        noticed: day.end,
                        until: None,
                        waste: rounded(low.iter().map(|it| it.2).sum()),
                        evidence: low.drain(..).map(|it| it.1).collect(),
                    });
                }
            }
            (None, false) => low.clear(),
        }
    }
    spells
}

fn sums(active: &Track, reactive: &Track, zone: &TimeZone) -> Vec<Sums> {
    let mut days: Vec<Sums> = Vec::new();
    for (at, pair) in active.amounts.iter().zip(&reactive.amounts).enumerate() {
        let start = active.instant(at);
        let Some(date) = local_time(zone, start).map(|it| it.date()) else { continue };
        if days.last().is_none_or(|last| last.date != date) {
            days.push(Sums { date, start, end: start, active: 0.0, reactive: 0.0, known: 0 });
        }
        let Some(day) = days.last_mut() else { continue };
        day.end = start.saturating_add(active.step_s);
        if let (Some(one), Some(other)) = pair
            && 0 <= *one
        {
            day.active += amount(*one);
            day.reactive += amount(*other).abs();
            day.known += 1;
        }
    }
    days
}

#[cfg(test)]
mod tests;
