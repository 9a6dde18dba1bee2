//! Why a meter's figure is what it is, and what an event would make of it.

use analysis::figures::{Figure, Shares};
use analysis::interval::level::{LevelChange, level_changes};
use analysis::interval::{Explanation, INTERVAL_S, IntervalAmount, Span, Suspect, WHOLE_S};
use analysis::money::Cost;
use analysis::profile::{day_span, day_start};
use analysis::site::{Meter, Site};
use analysis::tariff::Bill;
use jiff::Timestamp;
use jiff::civil::Date;
use wire::{Name, Quantity};

use super::Ledger;
use super::events::{self, told};
use super::intervals::{self, Days};
use crate::store::journal::{MeterChange, MeterEventRow};
use crate::store::{Arrival, StoreError};

/// Why a meter's figure is what it is.
pub struct WhyFigure {
    /// The span, without what has not come yet: whole quarter hours.
    pub span: Span,
    /// What went through in each of them.
    pub intervals: Vec<IntervalAmount>,
    /// The same before corrections and estimates by people; `None` where there are none.
    pub uncorrected: Option<Vec<IntervalAmount>>,
    /// All steps; without pieces where the source is no counter.
    pub explanation: Explanation,
    /// What corrections and estimates say of each interval of their own spans.
    pub shares: Vec<(i64, Span, Vec<i64>)>,
    /// Where it comes from.
    pub source: Source,
    /// Events that touch the span, oldest first.
    pub events: Vec<MeterEventRow>,
    /// What was used at each rate; `None` without a tariff.
    pub bill: Option<Bill>,
    /// Each local day, as far as it lies within the span: amount, and cost where all of it has
    /// a tariff.
    pub days: Vec<(Date, i64, Option<i64>)>,
    /// Packs at the borders and within, in order of time.
    pub readings: Vec<Arrival>,
    /// Lasting changes of level within the span or the month before it: suspicions.
    pub levels: Vec<LevelChange>,
    /// The version of the site book.
    pub book: i64,
}

/// Where amounts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The difference of a counter's readings.
    Counter {
        /// Readings further apart are a gap, s.
        gap_s_max: i64,
        /// The first value that the counter cannot show.
        rollover: Option<i64>,
    },
    /// Power, integrated.
    Power {
        /// Readings further apart are a gap, s.
        gap_s_max: i64,
        /// How far the amount may be off either way.
        error_bound: i64,
    },
    /// A formula.
    Formula {
        /// Each term: meter, factor in thousandths, its intervals.
        terms: Vec<(Name, i64, Vec<IntervalAmount>)>,
        /// Quarter hours that came out below zero.
        negative: Vec<i64>,
    },
}

/// Adds intervals up as figures do.
#[must_use]
pub fn summed(intervals: &[IntervalAmount]) -> Figure {
    let mut figure = Figure::default();
    for interval in intervals {
        figure.amount += interval.amount();
        figure.estimated += interval.estimated;
        figure.measured_s += i64::from(interval.measured_s());
        figure.estimated_s += i64::from(interval.estimated_s);
        figure.missing_s += i64::from(interval.missing_s);
    }
    figure
}

/// What an event would change.
pub struct Preview {
    /// Each local day: what it has, and what it would have.
    pub days: Vec<(Date, Figure, Figure)>,
}

impl Preview {
    /// Returns all days together: as they are, and as they would be.
    #[must_use]
    pub fn sums(&self) -> (Figure, Figure) {
        let mut sums = (Figure::default(), Figure::default());
        for (_, before, after) in &self.days {
            sums.0 += *before;
            sums.1 += *after;
        }
        sums
    }

    /// Returns the shares of the time of all days.
    #[must_use]
    pub fn shares(&self) -> (Shares, Shares) {
        let (before, after) = self.sums();
        (before.shares(), after.shares())
    }
}

/// Days on either side of a swap that a preview looks at: what it changes lies between the
/// readings around it.
const SWAP_DAYS_S: i64 = 7 * 86_400;
/// Days that a preview of a scale that goes on looks at.
const PREVIEW_S_MAX: i64 = 62 * 86_400;

/// How far before a span readings are compared for a change of level, s: what came a month
/// before still explains the span, and the week before that is what it is compared with.
const LEVEL_BACK_S: i64 = 38 * 86_400;
/// How far after a span, s: the week that shows a level of its last hours.
const LEVEL_AFTER_S: i64 = 8 * 86_400;
/// How long after its outage a level is told, s.
const LEVEL_ON_S: i64 = 30 * 86_400;

impl Ledger {
    /// Returns the events of a meter that hold, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the journal cannot be read.
    pub fn events_of(&self, meter: &Name) -> Result<Vec<MeterEventRow>, StoreError> {
        Ok(self.0.intervals.events(meter)?.to_vec())
    }

    /// Returns the events that hold of all meters of the site and fall into a span, by meter in
    /// the order of the site book: a figure of the span was made with them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the journal cannot be read.
    pub fn events_within(&self, span: Span) -> Result<Vec<MeterEventRow>, StoreError> {
        let Some(site) = self.site() else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for meter in &site.meters {
            let held = self.0.intervals.events(&meter.id)?;
            let none = Explanation::default();
            found
                .extend(held.iter().filter(|row| touches(&row.event.change, span, &none)).cloned());
        }
        Ok(found)
    }

    /// Returns the events that hold and say something of a meter's span, oldest first; of a
    /// formula, those of its terms: what its figures there rest on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the journal cannot be read.
    pub fn events_beneath(
        &self,
        meter: &Meter,
        span: Span,
    ) -> Result<Vec<MeterEventRow>, StoreError> {
        let mut found: Vec<MeterEventRow> = Vec::new();
        for read in self.site().map_or_else(Vec::new, |site| site.read_beneath(meter)) {
            let held = self.0.intervals.events(&read)?;
            let none = Explanation::default();
            let touching = held.iter().filter(|row| touches(&row.event.change, span, &none));
            found.extend(touching.cloned());
        }
        found.sort_unstable_by_key(|row| row.id);
        Ok(found)
    }

    /// Returns why what went through a meter in a span is what it is; `None` if the site book
    /// has no such meter, or nothing of the span has come yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn why(&self, meter: &Name, span: Span) -> Result<Option<WhyFigure>, StoreError> {
        let Some(book) = self.book() else { return Ok(None) };
        let Some(site) = self.site() else { return Ok(None) };
        let Some(meter) = site.meter(meter) else { return Ok(None) };
        let now = self.0.clock.now();
        let to = span.to.min(now - now.rem_euclid(INTERVAL_S));
        let span = Span { from: span.from, to }.aligned();
        if span.to <= span.from {
            return Ok(None);
        }
        let held = self.0.intervals.events(&meter.id)?;
        let days = Days { zone: &site.zone, calendar: &self.0.calendar };
        let rules = intervals::rules(meter);
        let (explained, source, intervals) = if let Some(formula) = &meter.formula {
            let mut terms = Vec::new();
            for term in &formula.terms {
                let Some(own) = site.meter(&term.meter) else { continue };
                terms.push((term.meter, term.factor_milli, self.intervals(own, span)?));
            }
            let intervals = self.intervals(meter, span)?;
            let below = intervals.iter().filter(|interval| interval.amount() < 0);
            let negative = below.map(|interval| interval.start).collect();
            (None, Source::Formula { terms, negative }, intervals)
        } else {
            let told = told(&held, meter);
            let explained = self.0.intervals.explain(meter, span, &told, days)?;
            let intervals = explained.explanation.consumption.intervals.clone();
            let gap_s_max = rules.gap_s_max;
            let source = if meter.counter == Quantity::ActivePower {
                Source::Power { gap_s_max, error_bound: explained.error_bound }
            } else {
                Source::Counter { gap_s_max, rollover: rules.rollover }
            };
            (Some(explained), source, intervals)
        };
        let (explanation, shares) =
            explained.map(|it| (it.explanation, it.shares)).unwrap_or_default();
        let pricing = self.pricing(&site, meter);
        let bill = pricing.map(|pricing| pricing.bill(&intervals));
        let touching = held.iter().filter(|row| touches(&row.event.change, span, &explanation));
        Ok(Some(WhyFigure {
            span,
            uncorrected: explanation.consumption.uncorrected.clone(),
            source,
            shares,
            events: touching.cloned().collect(),
            days: days_of(&intervals, &site, |interval| {
                pricing.and_then(|pricing| pricing.cost_at(interval.start, interval.amount()))
            }),
            bill,
            levels: self.levels(meter, span)?,
            readings: self.packs_around(meter, span, &explanation)?,
            explanation,
            intervals,
            book: book.version,
        }))
    }

    /// Returns what an event would change; `None` if the site book has no such meter.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn preview(
        &self,
        meter: &Name,
        change: &MeterChange,
    ) -> Result<Option<Preview>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let Some(meter) = site.meter(meter) else { return Ok(None) };
        let now = self.0.clock.now();
        let (from, to) = match change {
            MeterChange::Swap { at, .. } => (at - SWAP_DAYS_S, at + SWAP_DAYS_S),
            MeterChange::Scale { from, to, .. } => {
                (from - 86_400, to.unwrap_or(now).min(from + PREVIEW_S_MAX))
            }
            MeterChange::Correction { from, to, .. } | MeterChange::Estimate { from, to, .. } => {
                (*from, *to)
            }
        };
        let (first, last) =
            (local_day(&site, from), local_day(&site, to.min(now).max(from + 1) - 1));
        let span = Span { from: day_start(first, &site.zone), to: day_span(last, &site.zone).to };
        let before = self.intervals(meter, span)?;
        let mut told = told(&self.0.intervals.events(&meter.id)?, meter);
        told.push(events::event(i64::MAX, change, meter));
        let days = Days { zone: &site.zone, calendar: &self.0.calendar };
        let after = self.0.intervals.with_events(meter, span, &told, days)?;
        let mut rows = Vec::new();
        let mut date = first;
        while date <= last {
            let day = day_span(date, &site.zone);
            let within = |all: &[IntervalAmount]| {
                summed(analysis::profile::within(all, Span { to: day.to.min(now), ..day }))
            };
            rows.push((date, within(&before), within(&after)));
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        Ok(Some(Preview { days: rows }))
    }

    /// Lasting changes of a counter's level that a wrong setting would explain, in a span or in
    /// the month before it.
    fn levels(&self, meter: &Meter, span: Span) -> Result<Vec<LevelChange>, StoreError> {
        if meter.formula.is_some() {
            return Ok(Vec::new());
        }
        let around = Span { from: span.from - LEVEL_BACK_S, to: span.to + LEVEL_AFTER_S };
        let mut changes = level_changes(&self.intervals(meter, around)?);
        changes.retain(|change| span.from - LEVEL_ON_S <= change.from && change.from < span.to);
        Ok(changes)
    }

    /// The packs from the reading at or before the span to the one at or after it.
    fn packs_around(
        &self,
        meter: &Meter,
        span: Span,
        explanation: &Explanation,
    ) -> Result<Vec<Arrival>, StoreError> {
        if meter.formula.is_some() {
            return Ok(Vec::new());
        }
        let stands = &explanation.stands;
        let first = stands.first().map_or(span.from, |stand| stand.instant.min(span.from));
        let last = stands.last().map_or(span.to, |stand| stand.instant.max(span.to));
        self.0.store.series().packs(&meter.id, first, last + 1)
    }
}

impl WhyFigure {
    /// Returns why a reading does not count, if it does not.
    #[must_use]
    pub fn suspect(&self, instant: i64, value: i64) -> Option<&Suspect> {
        let suspects = &self.explanation.consumption.suspects;
        suspects.iter().find(|it| it.reading.instant == instant && it.reading.value == value)
    }

    /// Returns whether all of the span is missing.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.intervals.iter().all(|interval| interval.missing_s == WHOLE_S)
    }
}

/// Whether an event says something of a span: also a swap between the readings around it.
fn touches(change: &MeterChange, span: Span, explanation: &Explanation) -> bool {
    let (from, to) = (change.from(), change.to().unwrap_or(i64::MAX));
    match change {
        MeterChange::Swap { at, .. } => {
            let first = explanation.stands.first().map_or(span.from, |stand| stand.instant);
            let last = explanation.stands.last().map_or(span.to, |stand| stand.instant);
            first.min(span.from) <= *at && *at <= last.max(span.to)
        }
        MeterChange::Scale { .. }
        | MeterChange::Correction { .. }
        | MeterChange::Estimate { .. } => from < span.to && span.from < to,
    }
}

fn local_day(site: &Site, instant: i64) -> Date {
    let at = Timestamp::from_second(instant).unwrap_or(Timestamp::MAX);
    at.to_zoned(site.zone.clone()).date()
}

/// The local days of some intervals: amount, and cost rounded once, where each has one.
fn days_of(
    intervals: &[IntervalAmount],
    site: &Site,
    cost: impl Fn(&IntervalAmount) -> Option<Cost>,
) -> Vec<(Date, i64, Option<i64>)> {
    let mut days: Vec<(Date, i64, Option<Cost>)> = Vec::new();
    for interval in intervals {
        let date = local_day(site, interval.start);
        if days.last().is_none_or(|(last, _, _)| *last != date) {
            days.push((date, 0, None));
        }
        let Some((_, amount, sum)) = days.last_mut() else { continue };
        *amount += interval.amount();
        if let Some(own) = cost(interval) {
            *sum = Some(sum.unwrap_or(Cost::ZERO) + own);
        }
    }
    days.into_iter().map(|(date, amount, cost)| (date, amount, cost.map(Cost::e4))).collect()
}
