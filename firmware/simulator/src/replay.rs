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
//! Seconds: within an hour the rate moves in 24 steps around the hour's mean. The steps of
//! the second half mirror those of the first, so that the hour's sum is the measured one.
//! All columns of a recording move together: parts add up to their whole at every second.
//!
//! Afterwards: amounts never fall, are exact rationals (nothing is rounded here), and do not
//! depend on when or how often anyone asks.

use jiff::civil::{Date, date};

use crate::column::{Column, ColumnError, Recording, WEEK_H};

/// What site local time is ahead of UTC, in seconds: UTC+8, without summer time.
pub const SITE_OFFSET_S: i64 = 8 * 3600;

/// The Monday at whose beginning, in site local time, every meter was installed.
const INSTALLED: Date = date(2024, 1, 1);

/// The instant of installation. Before it a meter stands still at its first dial reading.
pub(crate) const INSTALLED_AT: i64 = 1_704_067_200 - SITE_OFFSET_S;

/// How many weeks are replayed; afterwards, in 2100, meters stand still.
const WEEKS: usize = 76 * 52 + 13;

const WEEK_S: i64 = 604_800;

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

/// One column, laid along the weeks of the site.
pub(crate) struct Series {
    /// mWh or mL of each hour of the recording.
    hours: Vec<i64>,
    /// The sum of `hours` within the week before each hour.
    within_week: Vec<i64>,
    /// For each week of the site: where its recorded week begins in `hours`, and the sum of
    /// all weeks before.
    weeks: Vec<(usize, i64)>,
    shapes: Vec<Shape>,
    seed: u64,
}

/// A place in a [`Series`]: the hour, its number since installation, seconds in the hour.
struct Place {
    week: usize,
    hour: usize,
    hours_since: u64,
    second: i64,
}

impl Series {
    /// Lays a column along the weeks of the site.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] if the embedded file is damaged.
    pub(crate) fn load(column: Column) -> Result<Self, ColumnError> {
        let hours = column.hours()?;
        let recorded = hours.len() / WEEK_H;
        let mut within_week = Vec::with_capacity(hours.len());
        let mut sums = Vec::with_capacity(recorded);
        for week in hours.chunks_exact(WEEK_H) {
            let mut sum = 0_i64;
            for &hour in week {
                within_week.push(sum);
                sum = sum.saturating_add(hour);
            }
            sums.push(sum);
        }

        let recording = column.recording();
        let mut weeks = Vec::with_capacity(WEEKS);
        let (mut monday, mut before) = (INSTALLED, 0_i64);
        for _ in 0..WEEKS {
            let week = recorded_week(recording, monday).min(recorded.saturating_sub(1));
            weeks.push((week * WEEK_H, before));
            before = before.saturating_add(sums.get(week).copied().unwrap_or(0));
            monday = monday.saturating_add(jiff::Span::new().days(7));
        }
        let seed = recording as u64;
        Ok(Self { hours, within_week, weeks, shapes: shapes(), seed })
    }

    /// Returns what flowed from the installation to an instant. It never falls.
    pub(crate) fn amount_at(&self, instant: i64) -> Amount {
        let since = instant.saturating_sub(INSTALLED_AT);
        if since < 0 {
            return 0;
        }
        let Some(place) = self.place(since) else {
            let (start, before) = self.weeks.last().copied().unwrap_or((0, 0));
            let week: i64 = self.hours.iter().skip(start).take(WEEK_H).sum();
            return i128::from(before.saturating_add(week)) * AMOUNT_PARTS;
        };
        let (start, before) = self.weeks[place.week];
        let whole = before.saturating_add(self.within_week[start + place.hour]);
        let shape = self.shape(place.hours_since);
        let step = step_of(place.second);
        let in_step = place.second % STEP_S;
        let part = shape.before[step].saturating_add(shape.rate[step] * in_step);
        i128::from(whole) * i128::from(HOUR_PARTS)
            + i128::from(self.hours[start + place.hour]) * i128::from(part)
    }

    /// Returns the rate at an instant: the slope of [`Series::amount_at`] there, in
    /// millionths of the unit per hour (a thousandth of a mW or of a mL/h).
    pub(crate) fn rate_at(&self, instant: i64) -> i64 {
        let since = instant.saturating_sub(INSTALLED_AT);
        let Some(place) = (0 <= since).then(|| self.place(since)).flatten() else { return 0 };
        let (start, _) = self.weeks[place.week];
        let shape = self.shape(place.hours_since);
        self.hours[start + place.hour].saturating_mul(shape.rate[step_of(place.second)])
    }

    /// Returns the place of a second since installation, if it is within the weeks replayed.
    fn place(&self, since: i64) -> Option<Place> {
        let week = usize::try_from(since / WEEK_S).ok().filter(|&week| week < self.weeks.len())?;
        let in_week = since % WEEK_S;
        Some(Place {
            week,
            hour: usize::try_from(in_week / 3_600).ok()?,
            hours_since: u64::try_from(since / 3_600).ok()?,
            second: in_week % 3_600,
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
    use jiff::civil::Weekday;
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
        let series = Series::load(Column::Water).unwrap();
        let hours = Column::Water.hours().unwrap();

        // Recorded Monday 2016-01-04 07:00 is hour 7; 2026 begins its week 1 on 2025-12-29.
        let from = local(2025, 12, 29, 7);
        let amount = series.amount_at(from + 3_600) - series.amount_at(from);

        assert_eq!(amount, Amount::from(hours[7]) * AMOUNT_PARTS);
    }

    #[test]
    fn the_rate_is_the_slope_of_the_amount() {
        let series = Series::load(Column::TeachingElectricity).unwrap();
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
    fn amounts_never_fall_from_before_installation_to_after_the_end() {
        for column in [Column::OfficeLighting, Column::LibraryGas, Column::Water] {
            let series = Series::load(column).unwrap();
            let end = INSTALLED_AT + i64::try_from(WEEKS).unwrap() * WEEK_S;
            let mut before = series.amount_at(i64::MIN);
            assert_eq!(before, 0);
            for instant in (INSTALLED_AT - WEEK_S..end + WEEK_S).step_by(40_007) {
                let now = series.amount_at(instant);
                assert!(before <= now, "{column:?} fell at {instant}");
                before = now;
            }
            assert_eq!(series.amount_at(i64::MAX), before);
        }
    }
}
