//! How much of a meter's readings it takes to be sure of a span.
//!
//! What a reading is worth is decided by what comes after it, and where a run of readings
//! begins by the last that counted before it. So a window is read around the span and widened
//! until the span stands on firm ground at both ends, or there are no more readings. What
//! results is what all readings ever would give, whatever span was asked for.

use std::borrow::Cow;

use analysis::interval::{Consumption, CounterReading, CounterRules, MeterEvent, Span, Width};

use crate::store::StoreError;

/// How far a window reaches at first, s: a broken counter proves itself within an hour.
const REACH_S: i64 = 2 * 3_600;
/// Each further step reaches so many times further.
const REACH_GROWTH: i64 = 4;
/// A window that reached this far is as wide as any store, s: 300 years.
const REACH_S_MAX: i64 = 10_000_000_000;

/// Readings that count before a span: two decide, and two more keep a bridge over a break and
/// a spike at the very beginning out of it.
const COUNTING_BEFORE: usize = 4;
/// Readings that count after a span before it is settled: the last may be a spike, and a
/// bridge is built on one more.
const COUNTING_AFTER: usize = 3;

/// Readings of one meter, and whether there are more.
#[derive(Clone)]
pub(super) struct Window {
    /// In order of time, those next to the window included.
    pub(super) readings: Vec<CounterReading>,
    /// Nothing lies before them.
    pub(super) is_first: bool,
    /// Nothing lies after them.
    pub(super) is_last: bool,
}

/// Reads a window around a span, wide enough to be sure of it. `read` returns the values of a
/// span with the nearest before and after it, `judge` what a window says of the span.
pub(super) fn around<T>(
    span: Span,
    read: impl Fn(i64, i64) -> Result<Vec<(i64, i64)>, StoreError>,
    judge: impl Fn(&Window) -> (Consumption, T),
) -> Result<(Window, Consumption, T), StoreError> {
    let (mut before, mut after) = (REACH_S, REACH_S);
    loop {
        let (from, to) = (span.from.saturating_sub(before), span.to.saturating_add(after));
        let values = read(from, to)?;
        let is_first = values.first().is_none_or(|&(first, _)| from <= first);
        let is_last = values.last().is_none_or(|&(last, _)| last < to);
        let readings: Vec<CounterReading> =
            values.into_iter().map(|(instant, value)| CounterReading { instant, value }).collect();
        let window = Window { readings, is_first, is_last };
        let (consumption, more) = judge(&window);
        let begins = window.is_first
            || REACH_S_MAX < before
            || window.nth_counting_before(span.from, &consumption).is_some();
        let ends = window.is_last
            || REACH_S_MAX < after
            || consumption.settled_until.is_some_and(|settled| span.to <= settled);
        if begins && ends {
            return Ok((window, consumption, more));
        }
        if !begins {
            before *= REACH_GROWTH;
        }
        if !ends {
            after *= REACH_GROWTH;
        }
    }
}

impl Window {
    /// Returns the instant of the first reading.
    pub(super) fn from(&self) -> Option<i64> {
        self.readings.first().map(|first| first.instant)
    }

    /// Returns the instant of the last reading.
    pub(super) fn last_instant(&self) -> i64 {
        self.readings.last().map_or(i64::MIN, |last| last.instant)
    }

    /// Returns the events without the swaps that happened after its last reading, where there
    /// are later readings: what was written down at such a swap would otherwise be taken for
    /// the next thing that the counter showed. What it tells of how far the old meter counted
    /// goes into the rules, or into the swap that brought that meter.
    pub(super) fn known<'a>(
        &self,
        events: &'a [MeterEvent],
        rules: CounterRules,
    ) -> (Cow<'a, [MeterEvent]>, CounterRules) {
        let last = self.last_instant();
        let later = |event: &MeterEvent| {
            let MeterEvent::Swap { instant, old, .. } = *event else { return None };
            (last < instant).then_some((instant, old))
        };
        let took = events.iter().filter_map(later).min_by_key(|(instant, _)| *instant);
        let Some((_, width)) = took.filter(|_| !self.is_last) else {
            return (Cow::Borrowed(events), rules);
        };
        let mut known: Vec<MeterEvent> =
            events.iter().filter(|event| later(event).is_none()).cloned().collect();
        let brought = known
            .iter_mut()
            .filter_map(|event| {
                let MeterEvent::Swap { instant, new, .. } = event else { return None };
                Some((*instant, new))
            })
            .max_by_key(|(instant, _)| *instant);
        let rules = match brought {
            None => width.within(&rules),
            Some((_, new)) => {
                if *new == Width::AsRules {
                    *new = width;
                }
                rules
            }
        };
        (Cow::Owned(known), rules)
    }

    fn counts(&self, at: usize, consumption: &Consumption) -> bool {
        let suspects = &consumption.suspects;
        let Some(reading) = self.readings.get(at) else { return false };
        suspects.binary_search_by_key(reading, |suspect| suspect.reading).is_err()
    }

    /// Returns where the run of readings begins that decide what an instant is worth.
    fn nth_counting_before(&self, instant: i64, consumption: &Consumption) -> Option<i64> {
        let end = self.readings.partition_point(|reading| reading.instant <= instant);
        let mut counting = (0..end).rev().filter(|&at| self.counts(at, consumption));
        let at = counting.nth(COUNTING_BEFORE - 1)?;
        Some(self.readings[at].instant)
    }

    /// Returns where the run of readings begins that decide what an instant is worth, if it
    /// begins with a reading that cannot be taken for the zero of a failing meter.
    pub(super) fn firm_before(&self, instant: i64, consumption: &Consumption) -> Option<usize> {
        let end = self.readings.partition_point(|reading| reading.instant <= instant);
        let is_firm = |at: &usize| {
            self.counts(*at, consumption) && self.readings.get(*at).is_some_and(|it| it.value != 0)
        };
        (0..end).rev().filter(is_firm).nth(COUNTING_BEFORE - 1)
    }

    /// Returns the instant after which whatever comes, comes in order: nothing it has lies
    /// later, and nothing that is settled.
    pub(super) fn until(&self, consumption: &Consumption) -> i64 {
        let last = self.last_instant();
        consumption.settled_until.map_or(last, |settled| settled.max(last))
    }

    /// Returns the stretch in which a further reading could change a part of the span. Of a
    /// part that is settled it ends with what there is.
    pub(super) fn uses(&self, part: Span, consumption: &Consumption) -> Span {
        let uses = self.uses_by_readings(part, consumption);
        let is_settled = consumption.settled_until.is_some_and(|settled| part.to <= settled);
        let end = if self.is_last && is_settled { self.until(consumption) } else { i64::MAX };
        // What was decided by a reading far away is decided by all in between.
        let decided = consumption.decided.iter().filter(|it| it.from < part.to).map(|it| it.to);
        Span { to: uses.to.min(end).max(decided.max().unwrap_or(i64::MIN)), ..uses }
    }

    fn uses_by_readings(&self, part: Span, consumption: &Consumption) -> Span {
        // A zero counts until something before it says that it is a failing meter's, so only
        // what is no zero is firm ground.
        let firm = self.firm_before(part.from, consumption);
        let firm = firm.and_then(|at| self.readings.get(at)).map(|reading| reading.instant);
        let first = self.readings.first().map_or(i64::MIN, |first| first.instant);
        let from = firm.unwrap_or(if self.is_first { i64::MIN } else { first });
        let last = self.readings.last().map_or(i64::MAX, |last| last.instant);
        let end = if self.is_last { i64::MAX } else { last };
        let at = self.readings.partition_point(|reading| reading.instant < part.to);
        // Where all that follows counts, one after the other, the third is enough. Where
        // something was doubted, what decided it may lie anywhere in the window.
        let near = self.readings.get(at.saturating_sub(1)..at + COUNTING_AFTER);
        let near = near.filter(|_| {
            (at.saturating_sub(1)..at + COUNTING_AFTER).all(|at| self.counts(at, consumption))
        });
        let to = near.and_then(<[_]>::last).map(|reading| reading.instant);
        let broke = |to: i64| {
            consumption
                .breaks
                .iter()
                .any(|found| part.to <= found.after.instant && found.before.instant <= to)
        };
        Span { from, to: to.filter(|to| !broke(*to)).unwrap_or(end) }
    }
}
