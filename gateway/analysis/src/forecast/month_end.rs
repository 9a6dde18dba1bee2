//! What a month will have come to when it is over.
//!
//! The days that are over as they were measured, the rest as [`DayAhead`] tells one day
//! after the other, each by those told before it. The range comes from what the same way of
//! telling as many days would have been off by in the half year before, at every fourth day.

use jiff::civil::Date;

use super::day_ahead::{DayAhead, HOURS, Hours};
use crate::{
    calendar::{DayType, HolidayCalendar},
    least_squares::{amount, count},
};

/// Days before that a month's end is told by.
pub const HISTORY_DAYS: i32 = 182;

/// Fewer days before than this tell no month.
const DAYS_MIN: usize = 28;

/// How many days the trials lie apart.
const TRIED_EACH: usize = 4;

/// Fewer trials than this make no range.
const TRIALS_MIN: usize = 10;

/// A local day that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastDay {
    /// Which.
    pub date: Date,
    /// What went through in each of its hours; the hour that a clock change repeats is one.
    pub hours: Hours,
}

/// A month's end as it looks now, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthEnd {
    /// The month's first day.
    pub month: Date,
    /// The days that are over.
    pub so_far: i64,
    /// Hours of those that were not measured, and are told.
    pub hours_told: usize,
    /// Days still to come.
    pub days_left: usize,
    /// The whole month, most likely.
    pub expected: i64,
    /// Nine times in ten it is from here to `high`; `None` while too little was tried.
    pub range: Option<(i64, i64)>,
}

impl MonthEnd {
    /// Returns whether the month will be above a limit even if it goes well.
    #[must_use]
    pub fn exceeds(&self, limit: i64) -> bool {
        self.range.is_some_and(|(low, _)| limit < low)
    }
}

/// Returns what the month of the day after the last of some days will come to.
///
/// `days` follow each other, up to yesterday. `None` for fewer than four weeks of them, or
/// if nothing is known of some hour of the day.
#[must_use]
pub fn month_end(days: &[PastDay], calendar: &HolidayCalendar) -> Option<MonthEnd> {
    let today = days.last()?.date.tomorrow().ok()?;
    if days.len() < DAYS_MIN {
        return None;
    }
    let coming: Vec<Date> = std::iter::successors(Some(today), |it| it.tomorrow().ok())
        .take_while(|it| it.first_of_month() == today.first_of_month())
        .collect();
    let mut teller = DayAhead::default();
    let (mut so_far, mut hours_told) = (0.0, 0);
    let mut trials: Vec<f64> = Vec::new();
    for (at, day) in days.iter().enumerate() {
        let left = days.len() - at;
        if DAYS_MIN <= at && left.is_multiple_of(TRIED_EACH) && coming.len() <= left {
            trials.extend(trial(&teller, &days[at..at + coming.len()], calendar));
        }
        let weekday = weekday(day.date, calendar);
        if day.date.first_of_month() == today.first_of_month() {
            for (hour, told) in day.hours.iter().zip(teller.tell(weekday)) {
                so_far += hour.or(told.map(|it| it.amount)).unwrap_or(0.0);
                hours_told += usize::from(hour.is_none());
            }
        }
        teller.learn(weekday, &day.hours);
    }
    let rest = told_days(&teller, coming.iter().copied(), calendar)?;
    let rest: f64 = rest.iter().flatten().sum();
    let range = (TRIALS_MIN <= trials.len()).then(|| {
        // Trials overlap: only so many of them are of other days.
        let apart = count(days.len() - DAYS_MIN) / count(coming.len());
        let squares: f64 = trials.iter().map(|it| (it - 1.0).powi(2)).sum();
        // Student's t for 90 times in 100, near enough: 1.97 of five, 1.81 of ten.
        let times = 1.645 * (1.0 + 1.0 / apart);
        let off = rest * times * (squares / count(trials.len())).sqrt();
        (amount(so_far + (rest - off).max(0.0)), amount(so_far + rest + off))
    });
    Some(MonthEnd {
        month: today.first_of_month(),
        so_far: amount(so_far),
        hours_told,
        days_left: coming.len(),
        expected: amount(so_far + rest),
        range,
    })
}

/// Returns how many times what was told some days came to.
fn trial(teller: &DayAhead, days: &[PastDay], calendar: &HolidayCalendar) -> Option<f64> {
    let told = told_days(teller, days.iter().map(|it| it.date), calendar)?;
    let (mut used, mut expected) = (0.0, 0.0);
    for (day, told) in days.iter().zip(&told) {
        for (hour, told) in day.hours.iter().zip(told) {
            if let Some(hour) = hour {
                used += hour;
                expected += told;
            }
        }
    }
    (1.0 < expected).then(|| used / expected)
}

/// Returns what is told of days that follow each other.
fn told_days(
    teller: &DayAhead,
    days: impl Iterator<Item = Date>,
    calendar: &HolidayCalendar,
) -> Option<Vec<[f64; HOURS]>> {
    let mut teller = teller.clone();
    days.map(|date| {
        let weekday = weekday(date, calendar);
        let told = teller.tell(weekday);
        let mut amounts = [0.0; HOURS];
        for (amount, told) in amounts.iter_mut().zip(told) {
            *amount = told?.amount;
        }
        teller.suppose(weekday, &amounts.map(Some));
        Some(amounts)
    })
    .collect()
}

/// Returns the day of the week that a day is like: a day off is like a Sunday, a make-up
/// working day like a Wednesday.
#[must_use]
pub fn weekday(date: Date, calendar: &HolidayCalendar) -> usize {
    match calendar.day(date).or_weekday() {
        DayType::Holiday => 6,
        DayType::MakeUp => 2,
        DayType::Working | DayType::Weekend => {
            usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan as _, civil::date};

    use super::*;

    fn days(from: Date, count: i64, hour: impl Fn(Date, usize) -> Option<f64>) -> Vec<PastDay> {
        (0..count)
            .map(|day| {
                let date = from.checked_add(day.days()).unwrap();
                PastDay { date, hours: std::array::from_fn(|at| hour(date, at)) }
            })
            .collect()
    }

    fn usual(date: Date, hour: usize) -> Option<f64> {
        let works = date.weekday().to_monday_zero_offset() < 5 && (8..18).contains(&hour);
        Some(if works { 5_000.0 } else { 1_000.0 })
    }

    #[test]
    fn a_month_like_the_ones_before_comes_to_what_they_came_to() {
        // 20 June 2022 is over; June has 22 working days.
        let days = days(date(2022, 1, 1), 171, usual);

        let end = month_end(&days, &HolidayCalendar::weekdays()).unwrap();

        let whole = 30 * 24 * 1_000 + 22 * 10 * 4_000;
        assert_eq!((end.month, end.days_left, end.hours_told), (date(2022, 6, 1), 10, 0));
        assert!((end.expected - whole).abs() < 100, "{end:?}");
        let (low, high) = end.range.unwrap();
        assert!(low <= end.expected && end.expected <= high && high - low < 1_000, "{end:?}");
        assert!(end.exceeds(whole - 10_000) && !end.exceeds(whole + 10_000), "{end:?}");
    }

    #[test]
    fn a_gap_is_told_and_counted_not_taken_for_nothing() {
        let gap = date(2022, 6, 13);
        let days = days(date(2022, 1, 1), 171, |day, hour| usual(day, hour).filter(|_| day != gap));

        let end = month_end(&days, &HolidayCalendar::weekdays()).unwrap();

        let whole = 30 * 24 * 1_000 + 22 * 10 * 4_000;
        assert_eq!(end.hours_told, 24);
        assert!((end.expected - whole).abs() < 100, "{end:?}");
    }

    #[test]
    fn three_weeks_tell_no_month() {
        let days = days(date(2022, 6, 1), 21, usual);

        assert_eq!(month_end(&days, &HolidayCalendar::weekdays()), None);
    }

    #[test]
    fn nothing_is_absurd_enough_to_end_in_a_fault() {
        for value in [None, Some(0.0), Some(-1e18), Some(1e300)] {
            let days = days(date(2022, 1, 1), 171, |_, hour| value.filter(|_| hour != 7));
            let end = month_end(&days, &HolidayCalendar::weekdays());
            assert!(end.is_none_or(|it| it.days_left == 10), "{end:?}");
        }
    }
}
