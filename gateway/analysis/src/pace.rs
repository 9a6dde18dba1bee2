//! How a day goes so far, against such days before it.
//!
//! In: intervals of one meter, or of several added up, of eight weeks and today.
//! Out: what went through since midnight, and what is usual by this time of such a day.
//!
//! The same for money: an interval may hold what it cost instead of what went through.
//!
//! The usual is taken over whole sums, day by day: the median of sums is not the sum of
//! medians, and its spread is far narrower than that of the parts.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::calendar::HolidayCalendar;
use crate::interval::{Coverage, IntervalAmount, WHOLE_S};
use crate::money::Cost;
use crate::profile::{TYPICAL_DAYS, Typical, day_span, percentile, within};

/// A day so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// What went through in the quarter hours since midnight that are over, in thousandths
    /// of the unit; `None` if one of them has a gap.
    pub so_far: Option<i64>,
    /// What is usual by the same quarter hour of such a day; `None` before three such days
    /// are known.
    pub usual: Option<Typical>,
    /// How many such days are known whole up to that quarter hour.
    pub days: usize,
}

/// So many such days make a usual one: two are an accident.
pub const DAYS_MIN: usize = 3;

impl Pace {
    /// Compares a local day, up to an instant, with such days of the eight weeks before.
    #[must_use]
    pub fn of(
        intervals: &[IntervalAmount],
        day: Date,
        now: i64,
        zone: &TimeZone,
        calendar: &HolidayCalendar,
    ) -> Self {
        let worked = |date: Date| calendar.day(date).or_weekday().is_worked();
        let passed = now - day_span(day, zone).from;
        let mut sums: Vec<i64> = (1..=TYPICAL_DAYS)
            .filter_map(|back| day.checked_sub(back.days()).ok())
            .filter(|&date| worked(date) == worked(day))
            .filter_map(|date| sum_until(intervals, date, passed, zone, Coverage::Measured))
            .collect();
        sums.sort_unstable();
        let usual = (DAYS_MIN <= sums.len()).then(|| {
            let median = percentile(&sums, 50)?;
            Some(Typical {
                low: percentile(&sums, 10).unwrap_or(median),
                median,
                high: percentile(&sums, 90).unwrap_or(median),
                days: u16::try_from(sums.len()).unwrap_or(u16::MAX),
            })
        });
        let so_far = sum_until(intervals, day, passed, zone, Coverage::Estimated);
        Self { so_far, usual: usual.flatten(), days: sums.len() }
    }

    /// Compares what a local day cost, up to an instant, with such days of the eight weeks
    /// before, each at the rates of its own time: in 1/10000 of the currency.
    ///
    /// `intervals` are several meters' [`priced`] ones added up.
    #[must_use]
    pub fn of_cost(
        intervals: &[IntervalAmount],
        day: Date,
        now: i64,
        zone: &TimeZone,
        calendar: &HolidayCalendar,
    ) -> Self {
        let exact = Self::of(intervals, day, now, zone, calendar);
        Self {
            so_far: exact.so_far.map(e4),
            usual: exact.usual.map(|usual| Typical {
                low: e4(usual.low),
                median: e4(usual.median),
                high: e4(usual.high),
                days: usual.days,
            }),
            days: exact.days,
        }
    }

    /// Returns by how many percent the day so far is above the median of what is usual,
    /// negative for below; `None` if either is not known or nothing is usual.
    #[must_use]
    pub fn percent_above(&self) -> Option<i64> {
        let (so_far, usual) = (self.so_far?, self.usual?.median);
        let above = i128::from(so_far - usual) * 100;
        i64::try_from(above.checked_div(i128::from(usual))?).ok()
    }

    /// Returns whether the day so far is above what nine of ten such days had.
    #[must_use]
    pub fn is_above_usual(&self) -> bool {
        matches!((self.so_far, self.usual), (Some(so_far), Some(usual)) if usual.high < so_far)
    }
}

/// Returns an interval with what it cost in the place of what went through, in 1e-10 of
/// the currency; one that no rate covers is missing.
#[must_use]
pub fn priced(interval: &IntervalAmount, rate_e4: Option<i64>) -> IntervalAmount {
    let cost = |amount: i64| amount.checked_mul(rate_e4?);
    match (cost(interval.measured), cost(interval.estimated)) {
        (Some(measured), Some(estimated)) => IntervalAmount { measured, estimated, ..*interval },
        (_, _) => IntervalAmount::missing(interval.start),
    }
}

/// From 1e-10 of the currency to 1/10000 of it, rounded as a bill is.
fn e4(exact: i64) -> i64 {
    Cost::of(exact, 1).e4()
}

/// The sum of a day's quarter hours that end by `passed` seconds after midnight, if all of
/// them are known at least as well as `worst`.
fn sum_until(
    intervals: &[IntervalAmount],
    date: Date,
    passed: i64,
    zone: &TimeZone,
    worst: Coverage,
) -> Option<i64> {
    let mut span = day_span(date, zone);
    span.to = span.to.min(span.from + passed);
    let mut expected = span.from;
    let mut sum = 0;
    for interval in within(intervals, span) {
        if span.to < interval.end() {
            break;
        }
        let known = interval.coverage() == Coverage::Measured || interval.coverage() == worst;
        if interval.start != expected || !known {
            return None;
        }
        sum += interval.amount();
        expected = interval.end();
    }
    (span.to - expected < i64::from(WHOLE_S)).then_some(sum)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::interval::Span;

    /// Every quarter hour has one unit, on weekends two; 2026-11-23 is a Monday.
    fn history(until: i64, zone: &TimeZone) -> Vec<IntervalAmount> {
        let from = day_span(date(2026, 9, 1), zone).from;
        let mut all = Vec::new();
        for start in (Span { from, to: until }).starts() {
            let weekday = (start.div_euclid(86_400) + 3).rem_euclid(7);
            let measured = if 5 <= weekday { 2 } else { 1 };
            all.push(IntervalAmount { measured, missing_s: 0, ..IntervalAmount::missing(start) });
        }
        all
    }

    #[test]
    fn a_day_is_compared_with_such_days_at_the_same_time() {
        let (zone, today) = (TimeZone::UTC, date(2026, 11, 23));
        let now = day_span(today, &zone).from + 6 * 3_600 + 60;
        let intervals = history(now, &zone);

        let pace = Pace::of(&intervals, today, now, &zone, &HolidayCalendar::weekdays());

        assert_eq!(pace.so_far, Some(24));
        assert_eq!(
            pace.usual.map(|usual| (usual.low, usual.median, usual.high)),
            Some((24, 24, 24))
        );
        assert_eq!((pace.percent_above(), pace.is_above_usual()), (Some(0), false));
    }

    #[test]
    fn days_so_far_are_counted_before_they_are_enough() {
        let (zone, today) = (TimeZone::UTC, date(2026, 9, 3));
        let now = day_span(today, &zone).from + 6 * 3_600;
        let intervals = history(now, &zone);

        let pace = Pace::of(&intervals, today, now, &zone, &HolidayCalendar::weekdays());

        assert_eq!((pace.usual, pace.days), (None, 2));
    }

    #[test]
    fn a_cost_is_usual_at_the_rates_of_its_own_days() {
        let (zone, today) = (TimeZone::UTC, date(2026, 11, 23));
        let now = day_span(today, &zone).from + 6 * 3_600;
        // A watt-hour each quarter hour; dearer since this morning.
        let dearer = day_span(today, &zone).from;
        let costs: Vec<IntervalAmount> = history(now, &zone)
            .iter()
            .map(|it| IntervalAmount { measured: it.measured * 1_000_000, ..*it })
            .map(|it| priced(&it, Some(if it.start < dearer { 5_000 } else { 8_000 })))
            .collect();

        let pace = Pace::of_cost(&costs, today, now, &zone, &HolidayCalendar::weekdays());

        assert_eq!(pace.so_far, Some(24 * 8_000));
        assert_eq!(pace.usual.map(|usual| usual.median), Some(24 * 5_000));
        assert_eq!((pace.percent_above(), pace.is_above_usual()), (Some(60), true));
    }

    #[test]
    fn what_no_rate_covers_has_no_known_cost() {
        let interval = IntervalAmount { missing_s: 0, ..IntervalAmount::missing(0) };

        assert_eq!(priced(&interval, None), IntervalAmount::missing(0));
    }

    #[test]
    fn a_gap_makes_the_day_so_far_unknown_and_not_less() {
        let (zone, today) = (TimeZone::UTC, date(2026, 11, 23));
        let now = day_span(today, &zone).from + 6 * 3_600;
        let mut intervals = history(now, &zone);
        let at = intervals.len() - 3;
        intervals[at] = IntervalAmount::missing(intervals[at].start);

        let pace = Pace::of(&intervals, today, now, &zone, &HolidayCalendar::weekdays());

        assert_eq!(pace.so_far, None);
        assert!(pace.usual.is_some());
    }
}
