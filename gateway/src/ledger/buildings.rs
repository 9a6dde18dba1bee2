//! A month by building: sums of many meters from the sums of their days.
//!
//! Consumption telescopes: where a counter only rose, a month is what it showed at its end
//! less what it showed at its beginning, to the last digit what the quarter hours add up to.
//! Both stand in the days' courses ([`Rise`]), so that 10,000 meters are summed up without
//! one of their readings. A meter of which that cannot be told (it fell, it was not heard
//! for too long, its first readings are of this month, an earlier program summed its days
//! up) is answered from its quarter hours.
//!
//! Not here: cost. A tariff has bands, so it needs the quarter hours.

use std::collections::HashMap;

use analysis::figures::{Figure, month_span};
use analysis::interval::{CounterRules, Span};
use analysis::site::{Medium, Meter, Site};
use jiff::civil::Date;
use wire::{Name, Quantity};

use super::Ledger;
use super::intervals::rules;
use crate::store::StoreError;
use crate::store::series::{Rise, Shown};

/// Rises within a day after which the counter counts there, whatever it did before; and
/// how long that must have lasted. As `analysis::interval` has them.
const RISES_MIN: u64 = 3;
const LASTED_S_MIN: i64 = 3_600;

/// Values from here on are no counter's; as `analysis::interval` has it.
const VALUE_END: i64 = 1 << 60;

/// What went through the meters of one medium in a building.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildingSum {
    /// The building.
    pub building: Name,
    /// The medium.
    pub medium: Medium,
    /// How many meters were summed up: those that no other of the building counts as well.
    pub meters: u32,
    /// Amount and shares; its cost is left at nothing.
    pub figure: Figure,
}

impl Ledger {
    /// Returns what went through each building in the month that a local day lies in, up to
    /// now: one row for each medium that has a meter there, in the order of the site book.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn month_by_building(&self, day: Date) -> Result<Option<Vec<BuildingSum>>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let span = month_span(&site, day);
        let counted = Counted::of(&site);
        let counters: Vec<_> = counted.meters.iter().map(|(it, ..)| (it.id, it.counter)).collect();
        let rises = self.0.store.series().rises(&counters, span.from, span.to)?;
        let until = Span { from: span.from, to: span.to.min(self.0.clock.now()) }.aligned().to;
        let mut sums = vec![(0, Figure::default()); site.buildings.len() * Medium::ALL.len()];
        for ((meter, place), rise) in counted.meters.into_iter().zip(rises) {
            // Of a formula or a power, or where somebody said what went through, a counter's
            // ends do not tell.
            let is_plain = meter.formula.is_none()
                && meter.counter != Quantity::ActivePower
                && self.0.intervals.events(&meter.id)?.is_empty();
            let told = rise.filter(|_| is_plain);
            let told = told.and_then(|rise| risen(&rise, &rules(meter), span, until));
            let figure = match told {
                Some(figure) => figure,
                None => self.added_up(meter, span, until)?,
            };
            if let Some((meters, sum)) = sums.get_mut(place) {
                *meters += 1;
                *sum += figure;
            }
        }
        let keys = site
            .buildings
            .iter()
            .flat_map(|building| Medium::ALL.map(|medium| (building.id, medium)));
        let rows = keys.zip(sums).filter(|(_, (meters, _))| 0 < *meters);
        let rows = rows.map(|((building, medium), (meters, figure))| BuildingSum {
            building,
            medium,
            meters,
            figure,
        });
        Ok(Some(rows.collect()))
    }

    /// Adds a meter's quarter hours up.
    fn added_up(&self, meter: &Meter, span: Span, until: i64) -> Result<Figure, StoreError> {
        let mut sum = Figure::default();
        for interval in self.intervals(meter, span)? {
            sum.amount += interval.amount();
            sum.estimated += interval.estimated;
            sum.measured_s += i64::from(interval.measured_s());
            sum.estimated_s += i64::from(interval.estimated_s);
            if interval.start < until {
                sum.missing_s += i64::from(interval.missing_s);
            }
        }
        Ok(sum)
    }
}

/// Returns what went through a counter that only rose; `None` if its days do not tell.
fn risen(rise: &Rise, rules: &CounterRules, span: Span, until: i64) -> Option<Figure> {
    // A day in which it counted up proves its level, whatever came before it; and it is
    // above zero, which a failing meter may show first of all.
    let is_proven = RISES_MIN <= rise.first_rises
        && LASTED_S_MIN <= rise.first_until - rise.first.instant
        && 0 < rise.first.value;
    let is_in_range = rise.last.value < rules.rollover.unwrap_or(VALUE_END);
    let rises = !rise.fell && is_proven && is_in_range && rules.rate_max.is_none();
    if !rises || rules.gap_s_max < rise.widest_s {
        return None;
    }
    let (before, after) = rise.from;
    let from = shown_at(span.from, before, after);
    let (to, known_until) = match rise.to {
        // The last reading of all may still turn out to be a spike.
        (before, Some(after)) if after.instant < rise.last.instant => {
            (shown_at(span.to, before, after), span.to)
        }
        (before, None) if rise.is_newest => (before.value, before.instant),
        _ => return None,
    };
    Some(Figure {
        amount: to - from,
        measured_s: known_until - span.from,
        missing_s: (until - known_until).max(0),
        ..Figure::default()
    })
}

/// What a counter showed at an instant between two readings: on a straight line, rounded
/// down, as intervals have it.
fn shown_at(instant: i64, before: Shown, after: Shown) -> i64 {
    let through = i128::from(after.value) - i128::from(before.value);
    let took = i128::from(after.instant) - i128::from(before.instant);
    let part = through * i128::from(instant - before.instant) / took.max(1);
    before.value + i64::try_from(part).unwrap_or(0)
}

/// The meters whose amounts no other meter of the same medium in their building counts as
/// well, each with the place of its row.
struct Counted<'a> {
    meters: Vec<(&'a Meter, usize)>,
}

impl<'a> Counted<'a> {
    fn of(site: &'a Site) -> Self {
        let meters: HashMap<Name, &Meter> = site.meters.iter().map(|it| (it.id, it)).collect();
        let areas: HashMap<Name, Name> = site.areas.iter().map(|it| (it.id, it.building)).collect();
        let buildings: HashMap<Name, usize> =
            site.buildings.iter().map(|it| it.id).zip(0..).collect();
        let place = |meter: &Meter| {
            let building = buildings.get(areas.get(&meter.area)?)?;
            let medium = Medium::ALL.iter().position(|medium| *medium == meter.medium)?;
            Some(building * Medium::ALL.len() + medium)
        };
        let is_counted = |meter: &Meter| {
            let above = std::iter::successors(Some(meter), |it| {
                meters.get(&it.parent?).copied().filter(|above| above.id != meter.id)
            });
            // A loop in the site book costs a wrong answer and not the process.
            let mut above = above.skip(1).take(meters.len());
            above.all(|above| place(above) != place(meter))
        };
        let counted = site.meters.iter().filter(|meter| is_counted(meter));
        Self { meters: counted.filter_map(|meter| Some((meter, place(meter)?))).collect() }
    }
}

#[cfg(test)]
#[path = "buildings_tests.rs"]
mod tests;
