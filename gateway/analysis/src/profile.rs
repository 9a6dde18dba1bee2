//! Load profiles: the typical day, base load, what a circuit draws when it works.
//!
//! In: intervals of one meter, in order of time. Only those that were measured as a whole
//! teach anything: what was estimated came from here.
//! Out: amounts per quarter hour in thousandths of the meter's unit; four times that is
//! the mean power (or flow) of the quarter hour.
//!
//! Percentiles are by nearest rank: each is an amount that was really measured.

use std::{cell::RefCell, collections::HashMap};

use jiff::{
    ToSpan,
    civil::{Date, DateTime, Time, date},
    tz::TimeZone,
};

use crate::{
    calendar::{HolidayCalendar, local_time},
    interval::{Coverage, INTERVAL_S, IntervalAmount, Span},
};

/// Quarter hours of a day by the clock on the wall.
pub const SLOTS: usize = 96;

/// How far back a typical day looks: eight weeks, eight of each weekday.
pub const TYPICAL_DAYS: i32 = 56;

/// How far back base load and working level look, s.
pub const LEVEL_S: i64 = 28 * 86_400;

/// Fewer quarter hours than this, ten hours' worth, tell no level.
const SAMPLES_MIN: usize = 40;

/// What goes through in one quarter hour of the day, typically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typical {
    /// One day in ten has less: the 10th percentile.
    pub low: i64,
    /// The median.
    pub median: i64,
    /// One day in ten has more: the 90th percentile.
    pub high: i64,
    /// How many days say so.
    pub days: u16,
}

impl Typical {
    /// Returns the same as mean power, mW, or mean flow, mL/h.
    #[must_use]
    pub const fn per_hour(self) -> Self {
        let per_hour = 3600 / INTERVAL_S;
        Self {
            low: self.low * per_hour,
            median: self.median * per_hour,
            high: self.high * per_hour,
            days: self.days,
        }
    }
}

/// The typical days of a meter: one for days that are worked, make-up days included, one
/// for weekends and holidays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypicalDays {
    worked: [Option<Typical>; SLOTS],
    off: [Option<Typical>; SLOTS],
}

impl TypicalDays {
    /// Learns from the eight weeks before a local day; that day and later ones are left
    /// out, so it can be compared with them.
    #[must_use]
    pub fn learn(
        intervals: &[IntervalAmount],
        before: Date,
        zone: &TimeZone,
        calendar: &HolidayCalendar,
    ) -> Self {
        let first = before.checked_sub(TYPICAL_DAYS.days()).unwrap_or(Date::MIN);
        let span = Span { from: day_start(first, zone), to: day_start(before, zone) };
        let mut worked = vec![Vec::new(); SLOTS];
        let mut off = vec![Vec::new(); SLOTS];
        // The same day 96 times in a row: its type is looked up once.
        let mut today = (date(0, 1, 1), false);
        for interval in within(intervals, span) {
            if interval.coverage() != Coverage::Measured {
                continue;
            }
            let Some(local) = local_time(zone, interval.start) else { continue };
            if today.0 != local.date() {
                today = (local.date(), calendar.day(local.date()).or_weekday().is_worked());
            }
            let slots = if today.1 { &mut worked } else { &mut off };
            slots[slot(local)].push(interval.measured);
        }
        Self { worked: typical(worked), off: typical(off) }
    }

    /// Returns the typical day for a local day, by quarter hours of the clock on the wall.
    #[must_use]
    pub fn day(&self, date: Date, calendar: &HolidayCalendar) -> &[Option<Typical>; SLOTS] {
        if calendar.day(date).or_weekday().is_worked() { &self.worked } else { &self.off }
    }

    /// Returns what is typical for the interval that starts at an instant.
    #[must_use]
    pub fn at(&self, start: i64, zone: &TimeZone, calendar: &HolidayCalendar) -> Option<Typical> {
        let local = local_time(zone, start)?;
        self.day(local.date(), calendar)[slot(local)]
    }
}

fn typical(slots: Vec<Vec<i64>>) -> [Option<Typical>; SLOTS] {
    let mut typical = [None; SLOTS];
    for (slot, mut amounts) in typical.iter_mut().zip(slots) {
        amounts.sort_unstable();
        *slot = percentile(&amounts, 50).map(|median| Typical {
            low: percentile(&amounts, 10).unwrap_or(median),
            median,
            high: percentile(&amounts, 90).unwrap_or(median),
            days: u16::try_from(amounts.len()).unwrap_or(u16::MAX),
        });
    }
    typical
}

/// The shape of a meter's use, from its own typical days before each gap: what
/// [`crate::interval::consumption`] spreads an outage by.
///
/// ```
/// # use analysis::{calendar::HolidayCalendar, interval::*, profile::OwnShape};
/// # let (readings, history, zone) = ([], [], jiff::tz::TimeZone::UTC);
/// # let (rules, span) = (CounterRules::polled_every(60), Span { from: 0, to: 900 });
/// let calendar = HolidayCalendar::china();
/// let shape = OwnShape::new(&history, &zone, &calendar);
/// let shape = |gap_from, start| shape.weight(gap_from, start);
/// let found = consumption(&readings, &[], &rules, Some(&shape), span);
/// # assert_eq!(found.intervals.len(), 1);
/// ```
#[derive(Debug)]
pub struct OwnShape<'a> {
    history: &'a [IntervalAmount],
    zone: &'a TimeZone,
    calendar: &'a HolidayCalendar,
    // Gaps are few, their quarter hours many.
    learnt: RefCell<HashMap<Date, TypicalDays>>,
}

impl<'a> OwnShape<'a> {
    /// Takes the meter's history, in order of time. It need not have been spread by any
    /// shape: only measured intervals of the eight weeks before a gap count.
    #[must_use]
    pub fn new(
        history: &'a [IntervalAmount],
        zone: &'a TimeZone,
        calendar: &'a HolidayCalendar,
    ) -> Self {
        Self { history, zone, calendar, learnt: RefCell::default() }
    }

    /// Returns what typically goes through in the interval that starts at `start`, by the
    /// days before the gap; `None` if no such day was measured at that hour.
    #[must_use]
    pub fn weight(&self, gap_from: i64, start: i64) -> Option<i64> {
        let before = local_time(self.zone, gap_from)?.date();
        let mut learnt = self.learnt.borrow_mut();
        let days = learnt
            .entry(before)
            .or_insert_with(|| TypicalDays::learn(self.history, before, self.zone, self.calendar));
        Some(days.at(start, self.zone, self.calendar)?.median)
    }
}

/// What a circuit draws when its area is closed, and when it is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// The base load: what remains when the area is closed, the 5th percentile of closed
    /// quarter hours over 28 days.
    pub base_load: Option<i64>,
    /// What stands by: the median of closed quarter hours over 28 days.
    pub standby: Option<i64>,
    /// The working level: the 90th percentile of open quarter hours over 28 days.
    pub working_p90: Option<i64>,
}

impl Levels {
    /// Learns the levels from the 28 days before an instant.
    #[must_use]
    pub fn learn(intervals: &[IntervalAmount], before: i64, is_open: impl Fn(i64) -> bool) -> Self {
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        for interval in within(intervals, Span { from: before - LEVEL_S, to: before }) {
            if interval.coverage() == Coverage::Measured {
                let amounts = if is_open(interval.start) { &mut open } else { &mut closed };
                amounts.push(interval.measured);
            }
        }
        closed.sort_unstable();
        open.sort_unstable();
        let level = |amounts: &[i64], percent| {
            (SAMPLES_MIN <= amounts.len()).then(|| percentile(amounts, percent)).flatten()
        };
        Self {
            base_load: level(&closed, 5),
            standby: level(&closed, 50),
            working_p90: level(&open, 90),
        }
    }
}

/// Returns the median quarter hour between 01:00 and 05:00 of a local day, when nobody is
/// there whatever the opening hours say; `None` if nothing was measured then.
#[must_use]
pub fn night_base_load(intervals: &[IntervalAmount], day: Date, zone: &TimeZone) -> Option<i64> {
    let at = |hour| {
        let local = day.to_datetime(Time::constant(hour, 0, 0, 0));
        Some(local.to_zoned(zone.clone()).ok()?.timestamp().as_second())
    };
    let mut amounts: Vec<_> = within(intervals, Span { from: at(1)?, to: at(5)? })
        .iter()
        .filter(|interval| interval.coverage() == Coverage::Measured)
        .map(|interval| interval.measured)
        .collect();
    amounts.sort_unstable();
    percentile(&amounts, 50)
}

/// Returns the interval with the largest demand, the first of several; those of which
/// something is missing are left out.
#[must_use]
pub fn peak_demand(intervals: &[IntervalAmount]) -> Option<&IntervalAmount> {
    let complete = intervals.iter().filter(|interval| interval.missing_s == 0);
    complete.rev().max_by_key(|interval| interval.amount())
}

/// Returns the instants of a local day, `[start, end)`: 92, 96 or 100 quarter hours, in a
/// few places other numbers.
#[must_use]
pub fn day_span(day: Date, zone: &TimeZone) -> Span {
    let next = day.tomorrow().unwrap_or(day);
    Span { from: day_start(day, zone), to: day_start(next, zone) }
}

/// Returns the first instant of a local day.
#[must_use]
pub fn day_start(day: Date, zone: &TimeZone) -> i64 {
    day.to_zoned(zone.clone()).map_or(0, |start| start.timestamp().as_second())
}

/// Returns the quarter hour of the day that a local time lies in, from 0.
#[must_use]
pub fn slot(local: DateTime) -> usize {
    usize::from(local.hour().unsigned_abs()) * 4 + usize::from(local.minute().unsigned_abs()) / 15
}

/// Returns the intervals, in order of time, that start within a span.
#[must_use]
pub fn within(intervals: &[IntervalAmount], span: Span) -> &[IntervalAmount] {
    let first = intervals.partition_point(|interval| interval.start < span.from);
    let end = intervals.partition_point(|interval| interval.start < span.to);
    &intervals[first..end.max(first)]
}

/// Returns the percentile of sorted amounts by nearest rank.
pub(crate) fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

const _: () = assert!(SLOTS as i64 * INTERVAL_S == 86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::{CounterReading, CounterRules, consumption};

    const SHANGHAI_S: i64 = 8 * 3600;

    fn shanghai() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    /// Intervals of whole days from a local day on; `amount` by day and slot.
    fn days(first: Date, count: i64, amount: impl Fn(i64, i64) -> i64) -> Vec<IntervalAmount> {
        let start = day_start(first, &shanghai());
        (0..count * 96)
            .map(|index| IntervalAmount {
                start: start + index * INTERVAL_S,
                measured: amount(index / 96, index % 96),
                estimated: 0,
                estimated_s: 0,
                missing_s: 0,
            })
            .collect()
    }

    #[test]
    fn the_percentiles_are_amounts_that_were_measured() {
        let amounts: Vec<_> = (1..=10).collect();

        assert_eq!(percentile(&amounts, 10), Some(1));
        assert_eq!(percentile(&amounts, 50), Some(5));
        assert_eq!(percentile(&amounts, 90), Some(9));
        assert_eq!(percentile(&amounts, 100), Some(10));
        assert_eq!(percentile(&[7], 5), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn working_days_and_days_off_are_typical_in_their_own_way() {
        // 2026-08-31 is a Monday; eight weeks, with the make-up Sunday of 20 September and
        // the holidays from 25 September and 1 October in them.
        let calendar = HolidayCalendar::china();
        let first = date(2026, 8, 31);
        let intervals = days(first, 56, |day, slot| {
            let date = first.checked_add(day.days()).unwrap();
            let worked = calendar.day(date).or_weekday().is_worked();
            slot + if worked { 1000 + day } else { 0 }
        });

        let before = date(2026, 10, 26);
        let typical = TypicalDays::learn(&intervals, before, &shanghai(), &calendar);

        let monday = typical.day(before, &calendar)[40].unwrap();
        assert_eq!(usize::from(monday.days), 56 - usize::from(typical_off(&typical, 40).days));
        assert!(1040 <= monday.low && monday.low < monday.median && monday.median < monday.high);
        assert_eq!(typical_off(&typical, 40).median, 40);
    }

    fn typical_off(typical: &TypicalDays, slot: usize) -> Typical {
        typical.day(date(2026, 10, 31), &HolidayCalendar::china())[slot].unwrap()
    }

    #[test]
    fn the_day_itself_and_what_is_older_than_eight_weeks_teach_nothing() {
        let before = date(2026, 11, 23);
        let first = before.checked_sub(57.days()).unwrap();
        let intervals = days(first, 59, |day, _| if (1..57).contains(&day) { 5 } else { 900 });

        let calendar = HolidayCalendar::weekdays();
        let typical = TypicalDays::learn(&intervals, before, &shanghai(), &calendar);

        let slots = typical.worked.iter().chain(&typical.off);
        assert!(slots.flatten().all(|slot| (slot.low, slot.high) == (5, 5)));
    }

    #[test]
    fn what_was_estimated_teaches_nothing() {
        let before = date(2026, 11, 23);
        let mut intervals = days(before.checked_sub(7.days()).unwrap(), 7, |_, _| 5);
        for interval in &mut intervals {
            interval.estimated_s = 900;
        }

        let typical =
            TypicalDays::learn(&intervals, before, &shanghai(), &HolidayCalendar::china());

        assert_eq!(
            typical.at(day_start(before, &shanghai()), &shanghai(), &HolidayCalendar::china()),
            None
        );
    }

    #[test]
    fn an_outage_is_spread_by_the_meters_own_days() {
        let (zone, calendar) = (shanghai(), HolidayCalendar::china());
        let amount = |_: i64, slot: i64| if (34..72).contains(&slot) { 1000 } else { 100 };
        let history = days(date(2026, 11, 2), 14, amount);
        let mut counter = 5;
        let mut readings = vec![CounterReading { instant: history[0].start, value: counter }];
        for interval in days(date(2026, 11, 2), 21, amount) {
            counter += interval.measured;
            readings.push(CounterReading { instant: interval.end(), value: counter });
        }
        let day = day_span(date(2026, 11, 18), &zone);
        readings.retain(|r| r.instant <= day.from + 3 * 3600 || day.from + 20 * 3600 <= r.instant);

        let shape = OwnShape::new(&history, &zone, &calendar);
        let weight = |gap_from, start| shape.weight(gap_from, start);
        let rules = CounterRules::polled_every(900);
        let found = consumption(&readings, &[], &rules, Some(&weight), day);

        for (slot, interval) in (0..).zip(&found.intervals) {
            assert!((interval.amount() - amount(0, slot)).abs() <= 1, "{slot}: {interval:?}");
        }
        assert_eq!(
            found.intervals.iter().map(IntervalAmount::amount).sum::<i64>(),
            38 * 1000 + 58 * 100
        );
    }

    #[test]
    fn base_load_is_what_remains_and_working_level_what_is_reached() {
        let before = date(2026, 11, 23);
        let intervals = days(before.checked_sub(28.days()).unwrap(), 28, |day, slot| {
            let left_on = day % 4 == 0;
            match slot {
                34..72 => 500 + slot,
                _ if left_on => 400,
                _ => 30,
            }
        });
        let is_open =
            |start: i64| (34..72).contains(&((start + SHANGHAI_S).rem_euclid(86_400) / INTERVAL_S));

        let levels = Levels::learn(&intervals, day_start(before, &shanghai()), is_open);

        assert_eq!((levels.base_load, levels.working_p90), (Some(30), Some(568)));
        assert!(levels.base_load <= levels.standby && levels.standby <= levels.working_p90);
    }

    #[test]
    fn a_few_hours_tell_no_level() {
        let intervals = days(date(2026, 11, 22), 1, |_, _| 5);

        let levels = Levels::learn(&intervals, intervals[39].start, |_| false);

        assert_eq!(levels, Levels::default());
    }

    #[test]
    fn the_night_is_one_to_five_by_the_clock_on_the_wall() {
        let day = date(2026, 11, 22);
        let intervals =
            days(day, 1, |_, slot| if (4..20).contains(&slot) { 20 + slot } else { 999 });

        assert_eq!(night_base_load(&intervals, day, &shanghai()), Some(31));
        assert_eq!(night_base_load(&intervals, date(2026, 11, 23), &shanghai()), None);
    }

    #[test]
    fn the_peak_is_the_first_of_the_largest_complete_intervals() {
        let mut intervals = days(date(2026, 11, 22), 1, |_, slot| slot.min(90));
        intervals[95].measured = 1000;
        intervals[95].missing_s = 1;

        assert_eq!(peak_demand(&intervals), Some(&intervals[90]));
    }
}
