//! How odd an hour is: one number for any fault that shows in a load.
//!
//! It is no finding and says no cause: it ranks hours, for a picture in which the odd ones
//! stand out, and for comparing ways of knowing what is usual. Each hour is judged by what
//! came before it and by itself.
//!
//! What is usual is known from the same hour of the same weekday over four weeks and of the
//! last twenty days of its kind; the distance from it is measured in the spread that this
//! meter has at that hour and in that week, and in a small share of its level, since no
//! meter is exact. High counts twice as much as low: a building may be closed for reasons
//! that no meter knows. Faults last, so the last quarter of a day, day and three days
//! count with the hour. A reading that repeats itself longer than this meter's do is odd
//! whatever its size.

use super::days::{Days, Load, mean, real, share};
use crate::robust::{median, quantile, spread};

/// How many weeks the same hour of the week is known from.
const WEEKS: usize = 4;

/// How many days of its kind the same hour is known from, and how far back they may lie.
const DAYS: usize = 20;
const DAYS_BACK: usize = 60;

/// How long the spread of an hour of the day is known from, days.
const SPREAD_DAYS: usize = 42;

/// How long the level is known from, hours.
const LEVEL_H: usize = 28 * 24;

/// Share of the level below which nothing is a distance.
const RESOLUTION: f64 = 0.03;

/// No hour counts more than this: a spike is no more than odd.
const MOST: f64 = 8.0;

/// So many equal readings after the first are no sign of a stuck meter, and so many more
/// are as odd as it gets.
const EQUAL_H: usize = 4;
const EQUAL_MOST_H: usize = 12;

/// One hour's oddness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Odd {
    /// The hour's start.
    pub start: i64,
    /// How odd it is: below 3 is everyday, above 10 is hard to explain.
    pub score: f64,
}

/// Returns how odd each hour of a load is; hours without a reading, and those of the first
/// two weeks, are left out.
#[must_use]
pub fn oddness(load: &Load<'_>) -> Vec<Odd> {
    let days = Days::of(load);
    let hours = days.len() * 24;
    let distances = distances(&days);
    let repeats = repeats(&days);
    (14 * 24..hours)
        .filter_map(|hour| {
            days.hour(0, hour)?;
            let now = high(distances[hour]?);
            let lasting: f64 = [6, 24, 72]
                .into_iter()
                .map(|back| 0.5 * high(trailing(&distances, hour, back).unwrap_or(0.0)))
                .sum();
            let start = load.track.instant(days.steps(0, hour).start);
            Some(Odd { start, score: now + lasting + repeats[hour] })
        })
        .collect()
}

/// Low counts half.
fn high(distance: f64) -> f64 {
    distance.max(-0.5 * distance)
}

/// The mean of what is known of the last hours, this one included.
fn trailing(values: &[Option<f64>], hour: usize, back: usize) -> Option<f64> {
    let known: Vec<f64> =
        values[(hour + 1).saturating_sub(back)..=hour].iter().copied().flatten().collect();
    if known.len() * 4 < back { None } else { mean(&known) }
}

/// How far each hour lies from what is usual, in spreads of this meter.
fn distances(days: &Days) -> Vec<Option<f64>> {
    let hours = days.len() * 24;
    let weekly: Vec<Option<(f64, f64)>> = (0..hours).map(|hour| same_weekday(days, hour)).collect();
    let apart: Vec<Option<f64>> =
        (0..hours).map(|hour| Some((days.hour(0, hour)? - weekly[hour]?.0).abs())).collect();
    let spreads: Vec<Option<f64>> = weekly.iter().map(|it| it.map(|it| it.1)).collect();
    let levels: Vec<Option<f64>> = (0..hours).map(|hour| days.hour(0, hour)).collect();
    (0..hours)
        .map(|hour| {
            let amount = days.hour(0, hour)?;
            let (by_week, _) = weekly[hour]?;
            let by_days = same_kind(days, hour).unwrap_or(by_week);
            let of_hour: Vec<f64> = (1..=SPREAD_DAYS)
                .filter_map(|back| *apart.get(hour.checked_sub(back * 24)?)?)
                .collect();
            let of_hour = spread(&of_hour, 0.0).unwrap_or(0.0);
            let of_week = trailing(&spreads, hour, 7 * 24).unwrap_or(of_hour);
            let level = trailing(&levels, hour, LEVEL_H).unwrap_or(amount).abs();
            let unit = 0.5 * of_week + 0.5 * of_hour + RESOLUTION * level;
            let distance = amount - 0.5 * (by_week + by_days);
            let is_any = f64::EPSILON * level.max(f64::MIN_POSITIVE) < unit;
            Some(if is_any { (distance / unit).clamp(-MOST, MOST) } else { 0.0 })
        })
        .collect()
}

/// What the same hour of the same weekday had over the weeks before, and how much that
/// differed.
fn same_weekday(days: &Days, hour: usize) -> Option<(f64, f64)> {
    let mut past: Vec<f64> =
        (1..=WEEKS).filter_map(|week| days.hour(0, hour.checked_sub(week * 168)?)).collect();
    if past.len() < 2 {
        return None;
    }
    let middle = median(&mut past)?;
    Some((middle, spread(&past, middle)?))
}

/// What the same hour had on the last days of this kind, worked or off.
fn same_kind(days: &Days, hour: usize) -> Option<f64> {
    let (day, of_day) = (hour / 24, hour % 24);
    let mut past: Vec<f64> = (day.saturating_sub(DAYS_BACK)..day)
        .rev()
        .filter(|&before| days.is_worked(before) == days.is_worked(day))
        .take(DAYS)
        .filter_map(|before| days.hour(before, of_day))
        .collect();
    if past.len() < 2 { None } else { median(&mut past) }
}

/// What each hour adds for repeating the one before it, longer than this meter's readings
/// do on most days.
fn repeats(days: &Days) -> Vec<f64> {
    let hours = days.len() * 24;
    let mut run = 0_usize;
    let mut runs = vec![0_usize; hours];
    for (hour, length) in runs.iter_mut().enumerate().skip(1) {
        let pair = days.hour(0, hour).zip(days.hour(0, hour - 1));
        let is_equal = pair.is_some_and(|(now, before)| now.total_cmp(&before).is_eq());
        run = if is_equal { run + 1 } else { 0 };
        *length = run;
    }
    let longest: Vec<f64> =
        runs.chunks(24).map(|day| share(day.iter().copied().max().unwrap_or(0), 1)).collect();
    runs.iter()
        .enumerate()
        .map(|(hour, &run)| {
            let day = hour / 24;
            let mut past = longest[day.saturating_sub(28)..day].to_vec();
            let usual = quantile(&mut past, 900).unwrap_or(0.0);
            let beyond = share(run, 1) - real(i64::try_from(EQUAL_H).unwrap_or(0)).max(usual);
            beyond.clamp(0.0, share(EQUAL_MOST_H, 1))
        })
        .collect()
}

#[cfg(test)]
mod tests;
