//! How the whole site does now: what the first page says.

use analysis::calendar::Opening;
use analysis::figures::{Figure, Shares};
use analysis::interval::{IntervalAmount, Span};
use analysis::pace::Pace;
use analysis::profile::{TYPICAL_DAYS, Typical, TypicalDays, day_span, day_start, within};
use analysis::site::{Medium, Meter, Site};
use jiff::ToSpan;
use jiff::civil::Date;
use wire::{Quantity, Value};

use super::Ledger;
use crate::store::StoreError;

/// How the site does today.
#[derive(Clone, Debug)]
pub struct SiteNow {
    /// The local day.
    pub date: Date,
    /// Active power of all meters at the top, mW; `None` if one of them is silent.
    pub power_mw: Option<i64>,
    /// Power that is usual in this quarter hour of such a day, mW.
    pub power_usual: Option<Typical>,
    /// Electricity so far and what is usual by now, mWh.
    pub pace: Pace,
    /// Electricity so far: amount and shares.
    pub energy: Figure,
    /// What all media cost so far.
    pub cost: Figure,
    /// Shares of time of `energy`, of `cost`.
    pub shares: (Shares, Shares),
    /// Readings accepted of those that should be there by now, in thousandths of a percent.
    pub completeness: Option<i64>,
    /// Median power between 01:00 and 05:00 of last night, mW.
    pub base_load_mw: Option<i64>,
    /// Electricity of each quarter hour of the day; `None` is a gap or yet to come.
    pub amounts: Vec<Option<i64>>,
    /// What is usual for each of them.
    pub usual: Vec<Option<Typical>>,
    /// The day's span.
    pub span: Span,
    /// Whether no area with lights is meant to be in use now.
    pub all_closed: bool,
}

impl Ledger {
    /// Returns how the site does at an instant.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn site_now(&self, site: &Site, now: i64) -> Result<SiteNow, StoreError> {
        let date = local_date(site, now);
        let span = day_span(date, &site.zone);
        let learnt_from = date.checked_sub(TYPICAL_DAYS.days()).unwrap_or(date);
        let history = Span { from: day_start(learnt_from, &site.zone), to: span.to };

        let top = top_meters(site, Medium::Electricity);
        let mut together: Vec<IntervalAmount> = Vec::new();
        for meter in &top {
            add_up(&mut together, self.intervals(meter, history)?);
        }
        let usual = TypicalDays::learn(&together, date, &site.zone, self.calendar());
        let amounts =
            within(&together, span).iter().map(|it| (it.start < now).then(|| it.complete()));
        let power_usual = usual.at(now, &site.zone, self.calendar());

        let (mut energy, mut cost) = (Figure::default(), Figure::default());
        for meter in site.meters.iter().filter(|meter| site.is_top(meter)) {
            let figure = self.day(site, meter, date, now)?.figure;
            if meter.medium == Medium::Electricity {
                energy.add(&figure);
            }
            cost.add(&figure);
        }
        let base_load = analysis::profile::night_base_load(&together, date, &site.zone);
        Ok(SiteNow {
            date,
            power_mw: self.power(&top, now)?,
            power_usual: power_usual.map(Typical::per_hour),
            pace: Pace::of(&together, date, now, &site.zone, self.calendar()),
            energy,
            cost,
            shares: (energy.shares(), cost.shares()),
            completeness: self.completeness(site, span.from, now)?,
            base_load_mw: base_load.map(|amount| amount * 4),
            amounts: amounts.map(Option::flatten).collect(),
            usual: span.starts().map(|it| usual.at(it, &site.zone, self.calendar())).collect(),
            span,
            all_closed: self.all_closed(site, now)?,
        })
    }

    /// Active power of some meters together, if all of them were heard of lately.
    fn power(&self, meters: &[&Meter], now: i64) -> Result<Option<i64>, StoreError> {
        let mut sum = 0;
        for meter in meters {
            let power = self.0.store.series().last(&meter.id)?.and_then(|last| {
                let fresh = now - last.pack.instant <= 3 * i64::from(meter.interval_s) + 30;
                let reading =
                    last.pack.readings.iter().find(|it| it.quantity == Quantity::ActivePower);
                match reading.map(|reading| reading.value) {
                    Some(Value::Measured(power)) if fresh => Some(power),
                    _ => None,
                }
            });
            let Some(power) = power else { return Ok(None) };
            sum += power;
        }
        Ok((!meters.is_empty()).then_some(sum))
    }

    fn completeness(&self, site: &Site, from: i64, to: i64) -> Result<Option<i64>, StoreError> {
        let (mut received, mut expected) = (0u64, 0u64);
        for meter in &site.meters {
            let counts = self.0.store.series().counts(&meter.id, from, to)?;
            received += counts.received;
            expected += counts.expected;
        }
        let share = (received * 100_000).checked_div(expected);
        Ok(share.and_then(|share| i64::try_from(share.min(100_000)).ok()))
    }

    fn all_closed(&self, site: &Site, now: i64) -> Result<bool, StoreError> {
        let exceptions = self.exceptions(Span { from: now, to: now + 1 })?;
        let mut lit = site.meters.iter().filter(|meter| meter.load.has_lights()).peekable();
        let some = lit.peek().is_some();
        let closed = lit.all(|meter| {
            site.hours_of(&meter.area).is_some_and(|hours| {
                let opening = Opening {
                    area: &meter.area,
                    hours,
                    calendar: self.calendar(),
                    zone: &site.zone,
                    exceptions: &exceptions,
                };
                !opening.is_open(now)
            })
        });
        Ok(some && closed)
    }
}

/// The meters of a medium that no other one of it counts as well.
fn top_meters(site: &Site, medium: Medium) -> Vec<&Meter> {
    site.meters.iter().filter(|meter| meter.medium == medium && site.is_top(meter)).collect()
}

fn local_date(site: &Site, now: i64) -> Date {
    let instant = jiff::Timestamp::from_second(now).unwrap_or_default();
    instant.to_zoned(site.zone.clone()).date()
}

/// Adds a meter's intervals to those of others. What is missing of one is missing of all.
fn add_up(together: &mut Vec<IntervalAmount>, other: Vec<IntervalAmount>) {
    if together.is_empty() {
        *together = other;
        return;
    }
    for (sum, other) in together.iter_mut().zip(other) {
        *sum = sum.with(&other);
    }
}
