//! From an instant to the amount and the rate of one column.
//!
//! A recording is some weeks of hourly sums. A site lives for years and by seconds. This is
//! the only place where the one becomes the other, as a pure function of the instant.
//!
//! Weeks: each week of the site replays one whole week of the recording, chosen by its ISO
//! week number, so that weekdays stay weekdays and seasons stay seasons for good. A plain
//! period of 52 weeks would slip by a day and a quarter each year.
//!
//! - two years: odd ISO years replay the first, even ones the second;
//! - one year: every year is the same;
//! - half a year (the office, January to June): weeks 1 to 25 forwards, weeks 26 to 50 from
//!   the last back to the first, so that midsummer lies in the middle and two Decembers meet
//!   in January. Inside a week time always runs forwards;
//! - week 53, where there is one, repeats what week 52 replayed.
//!
//! Days: nobody in the recording had the site's holidays. A weekday that the site's
//! [`Calendar`] has off replays the Sunday of its recorded week, a weekend day that is worked
//! replays the Wednesday.
//!
//! Seconds: within an hour the rate moves in 24 steps around the hour's mean. The steps of
//! the second half mirror those of the first, so that the hour's sum is the measured one.
//! All columns of a recording move together: parts add up to their whole at every second.
//!
//! Afterwards: amounts never fall, are exact rationals (nothing is rounded here), and do not
//! depend on when or how often anyone asks.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday, date};

use crate::column::{Column, ColumnError, Recording, WEEK_H};

/// What site local time is ahead of UTC, in seconds: UTC+8, without summer time.
pub const SITE_OFFSET_S: i64 = 8 * 3600;

/// The Monday at whose beginning, in site local time, every meter was installed.
const INSTALLED: Date = date(2024, 1, 1);

/// The instant of installation. Before it a meter stands still at its first dial reading.
pub(crate) const INSTALLED_AT: i64 = 1_704_067_200 - SITE_OFFSET_S;

/// How many weeks are replayed; afterwards, in 2100, meters stand still.
const WEEKS: usize = 76 * 52 + 13;

const DAY_S: i64 = 86_400;
const DAY_H: usize = 24;

/// Steps of the rate within an hour.
const STEPS: usize = 24;
/// The length of a step.
const STEP_S: i64 = 150;
/// Different shapes of an hour.
const SHAPES: usize = 64;

/// Parts of one thousandth of a unit in an [`Amount`]: per mille, times the seconds of an hour.
const HOUR_PARTS: i64 = 1_000 * 3_600;

/// An exact amount, in parts of 1/3,600,000 of a thousandth of the unit.
pub(crate) type Amount = i128;

/// How many parts of an [`Amount`] make one mWh or one mL.
pub(crate) const AMOUNT_PARTS: Amount = 3_600_000;

/// How one hour goes: the rate of each step in per mille of the hour's mean.
#[derive(Clone, Copy)]
struct Shape {
    rate: [i64; STEPS],
    /// Per mille times seconds before each step.
    before: [i64; STEPS],
}

/// The days on which a site differs from its week; empty for a site that never does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Weekdays that nobody works.
    pub days_off: BTreeSet<Date>,
    /// Saturdays and Sundays that are worked instead.
    pub make_up_days: BTreeSet<Date>,
}

impl Calendar {
    /// Returns the weekday that a day of the site goes like.
    fn weekday(&self, day: Date) -> Weekday {
        let weekday = day.weekday();
        let weekend = matches!(weekday, Weekday::Saturday | Weekday::Sunday);
        if !weekend && self.days_off.contains(&day) {
            Weekday::Sunday
        } else if weekend && self.make_up_days.contains(&day) {
            Weekday::Wednesday
        } else {
            weekday
        }
    }
}

/// One column, laid along the days of the site.
pub(crate) struct Series {
    /// mWh or mL of each hour of the recording.
    hours: Vec<i64>,
    /// The sum of `hours` within the day before each hour.
    within_day: Vec<i64>,
    /// For each day of the site: where its recorded day begins in `hours`, and the sum of
    /// all days before.
    days: Vec<(usize, i64)>,
    /// The sum of all days.
    total: i64,
    shapes: Vec<Shape>,
    seed: u64,
}

/// A place in a [`Series`]: its hour in the recording, the sum of all days before, the hours
/// since installation, and the seconds in the hour.
struct Place {
    hour: usize,
    before: i64,
    hours_since: u64,
    second: i64,
}

impl Series {
    /// Lays a column along the days of a site.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] if the embedded file is damaged.
    pub(crate) fn load(column: Column, calendar: &Calendar) -> Result<Self, ColumnError> {
        let hours = column.hours()?;
        let last_week = (hours.len() / WEEK_H).saturating_sub(1);
        let mut within_day = Vec::with_capacity(hours.len());
        let mut sums = Vec::with_capacity(hours.len() / DAY_H);
        for day in hours.chunks_exact(DAY_H) {
            let mut sum = 0_i64;
            for &hour in day {
                within_day.push(sum);
                sum = sum.saturating_add(hour);
            }
            sums.push(sum);
        }

        let recording = column.recording();
        let mut days = Vec::with_capacity(WEEKS * 7);
        let (mut monday, mut total) = (INSTALLED, 0_i64);
        for _ in 0..WEEKS {
            let week = recorded_week(recording, monday).min(last_week);
            let mut day = monday;
            for _ in 0..7 {
                let weekday = calendar.weekday(day).to_monday_zero_offset();
                let recorded = week * 7 + usize::try_from(weekday).unwrap_or(0);
                days.push((recorded * DAY_H, total));
                total = total.saturating_add(sums.get(recorded).copied().unwrap_or(0));
                day = day.saturating_add(jiff::Span::new().days(1));
            }
            monday = day;
        }
        let seed = recording as u64;
        Ok(Self { hours, within_day, days, total, shapes: shapes(), seed })
    }

    /// Returns what flowed from the installation to an instant. It never falls.
    pub(crate) fn amount_at(&self, instant: i64) -> Amount {
        let since = instant.saturating_sub(INSTALLED_AT);
        if since < 0 {
            return 0;
        }
        let Some(place) = self.place(since) else {
            return i128::from(self.total) * AMOUNT_PARTS;
        };
        let whole = place.before.saturating_add(self.within_day[place.hour]);
        let shape = self.shape(place.hours_since);
        let step = step_of(place.second);
        let in_step = place.second % STEP_S;
        let part = shape.before[step].saturating_add(shape.rate[step] * in_step);
        i128::from(whole) * i128::from(HOUR_PARTS)
            + i128::from(self.hours[place.hour]) * i128::from(part)
    }

    /// Returns the rate at an instant: the slope of [`Series::amount_at`] there, in
    /// millionths of the unit per hour (a thousandth of a mW or of a mL/h).
    pub(crate) fn rate_at(&self, instant: i64) -> i64 {
        let since = instant.saturating_sub(INSTALLED_AT);
        let Some(place) = (0 <= since).then(|| self.place(since)).flatten() else { return 0 };
        let shape = self.shape(place.hours_since);
        self.hours[place.hour].saturating_mul(shape.rate[step_of(place.second)])
    }

    /// Returns the place of a second since installation, if it is within the days replayed.
    fn place(&self, since: i64) -> Option<Place> {
        let &(start, before) = self.days.get(usize::try_from(since / DAY_S).ok()?)?;
        Some(Place {
            hour: start + usize::try_from(since % DAY_S / 3_600).ok()?,
            before,
            hours_since: u64::try_from(since / 3_600).ok()?,
            second: since % 3_600,
        })
    }

    fn shape(&self, hours_since: u64) -> &Shape {
        &self.shapes[index_below(scatter(self.seed, hours_since), SHAPES)]
    }
}

/// Returns which week of a recording the week of a Monday replays, counted from 0.
fn recorded_week(recording: Recording, monday: Date) -> usize {
    let iso = monday.iso_week_date();
    let week = usize::try_from(iso.week()).unwrap_or(1);
    let in_year = week.min(52).saturating_sub(1);
    match recording {
        Recording::Water => in_year,
        Recording::University => in_year + if iso.year() % 2 == 0 { 52 } else { 0 },
        Recording::Office => match week {
            1..=25 => week - 1,
            26..=50 => 50 - week,
            _ => 0,
        },
    }
}

/// Draws the shapes of an hour: the quarters differ by up to 60 per mille from the mean, the
/// steps in them by up to 30 more; the second half mirrors the first.
fn shapes() -> Vec<Shape> {
    let draw = |seed: u64, at: usize, most: i64| {
        let spread = usize::try_from(most * 2 + 1).unwrap_or(1);
        let drawn = index_below(scatter(seed, at as u64), spread);
        i64::try_from(drawn).unwrap_or(0) - most
    };
    (0..SHAPES as u64)
        .map(|number| {
            let mut rate = [1_000; STEPS];
            for step in 0..STEPS / 2 {
                let aside = draw(1_000 + number, step / 6, 60) + draw(2_000 + number, step, 30);
                rate[step] += aside;
                rate[STEPS - 1 - step] -= aside;
            }
            let mut before = [0; STEPS];
            for step in 1..STEPS {
                before[step] = before[step - 1] + rate[step - 1] * STEP_S;
            }
            Shape { rate, before }
        })
        .collect()
}

fn step_of(second: i64) -> usize {
    usize::try_from(second / STEP_S).unwrap_or(0).min(STEPS - 1)
}

/// Spreads two numbers over all 64 bits (the finaliser of splitmix64).
pub(crate) fn scatter(seed: u64, number: u64) -> u64 {
    let mut bits = number.wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Returns a number below `bound` that the bits stand for.
pub(crate) fn index_below(bits: u64, bound: usize) -> usize {
    let bound = u64::try_from(bound).unwrap_or(1).max(1);
    usize::try_from(bits % bound).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use jiff::tz::{Offset, TimeZone};

    use super::*;

    fn local(year: i16, month: i8, day: i8, hour: i8) -> i64 {
        let zone = TimeZone::fixed(Offset::constant(8));
        date(year, month, day).at(hour, 0, 0, 0).to_zoned(zone).unwrap().timestamp().as_second()
    }

    #[test]
    fn meters_are_installed_on_a_monday_at_midnight_of_the_site() {
        assert_eq!(INSTALLED.weekday(), Weekday::Monday);
        assert_eq!(INSTALLED_AT, local(2024, 1, 1, 0));
    }

    #[test]
    fn an_hour_of_any_shape_adds_up_to_the_measured_hour() {
        for shape in shapes() {
            let last = shape.before[STEPS - 1] + shape.rate[STEPS - 1] * STEP_S;
            assert_eq!(last, HOUR_PARTS);
            assert!(shape.rate.iter().all(|rate| (910..=1_090).contains(rate)));
        }
        assert_eq!(Amount::from(HOUR_PARTS), AMOUNT_PARTS);
    }

    #[test]
    fn the_hour_at_a_weekday_and_season_is_the_recorded_one() {
        let series = Series::load(Column::Water, &Calendar::default()).unwrap();
        let hours = Column::Water.hours().unwrap();

        // Recorded Monday 2016-01-04 07:00 is hour 7; 2026 begins its week 1 on 2025-12-29.
        let from = local(2025, 12, 29, 7);
        let amount = series.amount_at(from + 3_600) - series.amount_at(from);

        assert_eq!(amount, Amount::from(hours[7]) * AMOUNT_PARTS);
    }

    #[test]
    fn the_rate_is_the_slope_of_the_amount() {
        let series = Series::load(Column::TeachingElectricity, &Calendar::default()).unwrap();
        let at = local(2026, 3, 4, 10);
        for second in 0..3_600 {
            let grown = series.amount_at(at + second + 1) - series.amount_at(at + second);
            assert_eq!(grown, Amount::from(series.rate_at(at + second)));
        }
    }

    #[test]
    fn weekdays_stay_weekdays_and_seasons_stay_seasons_for_a_lifetime() {
        // Recorded weeks begin on these days of their year.
        let first = [(Recording::University, 4), (Recording::Water, 3)];
        for (recording, first_day) in first {
            let mut monday = INSTALLED;
            for _ in 0..WEEKS {
                let week = recorded_week(recording, monday) % 52;
                let recorded_day = first_day + 7 * i32::try_from(week).unwrap();
                let day = i32::from(monday.day_of_year());
                let apart = (day - recorded_day).rem_euclid(365);
                assert!(apart.min(365 - apart) <= 8, "{recording:?} {monday}: {apart} days");
                monday = monday.saturating_add(jiff::Span::new().days(7));
            }
        }
    }

    #[test]
    fn the_office_has_its_june_in_july_and_its_january_in_december() {
        let week = |year, month, day| recorded_week(Recording::Office, date(year, month, day));
        assert_eq!((week(2026, 6, 15), week(2026, 6, 22)), (24, 24));
        assert_eq!((week(2026, 7, 6), week(2026, 10, 5)), (22, 9));
        assert_eq!((week(2026, 12, 7), week(2026, 12, 28), week(2027, 1, 4)), (0, 0, 0));
    }

    #[test]
    fn a_day_off_goes_like_a_sunday_and_a_make_up_day_like_a_working_day() {
        let (thursday, saturday) = (date(2026, 10, 1), date(2026, 10, 10));
        let calendar = Calendar {
            days_off: BTreeSet::from([thursday, date(2026, 10, 3)]),
            make_up_days: BTreeSet::from([saturday]),
        };
        let plain = Series::load(Column::OfficeLighting, &Calendar::default()).unwrap();
        let dated = Series::load(Column::OfficeLighting, &calendar).unwrap();
        let day = |series: &Series, day: i8| {
            let from = local(2026, 10, day, 0);
            series.amount_at(from + DAY_S) - series.amount_at(from)
        };

        assert_eq!(day(&dated, 1), day(&plain, 4));
        assert_eq!(day(&dated, 10), day(&plain, 7));
        for same in [2, 3, 4, 5, 9, 11] {
            assert_eq!(day(&dated, same), day(&plain, same), "October {same}");
        }
    }

    #[test]
    fn amounts_never_fall_from_before_installation_to_after_the_end() {
        for column in [Column::OfficeLighting, Column::LibraryGas, Column::Water] {
            let series = Series::load(column, &Calendar::default()).unwrap();
            let end = INSTALLED_AT + i64::try_from(WEEKS).unwrap() * 7 * DAY_S;
            let mut before = series.amount_at(i64::MIN);
            assert_eq!(before, 0);
            for instant in (INSTALLED_AT - DAY_S..end + DAY_S).step_by(40_007) {
                let now = series.amount_at(instant);
                assert!(before <= now, "{column:?} fell at {instant}");
                before = now;
            }
            assert_eq!(series.amount_at(i64::MAX), before);
        }
    }
}
