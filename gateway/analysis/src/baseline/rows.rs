//! A series and the weather beside it, by the clock on the wall: what the models look at.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::{
    calendar::{DayType, HolidayCalendar},
    least_squares::{count, number},
    track::Track,
};

const HOUR_S: i64 = 3600;
const DAY_S: i64 = 86_400;

/// A gap of the weather up to this long is bridged by a line, h (OpenDSM: longer ones make
/// a day without weather).
const BRIDGE_H: usize = 6;

/// Where a meter stands: what its clock and its calendar say.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The site's time zone.
    pub zone: &'a TimeZone,
    /// Its holidays; `None` where nobody knows them, and they are learned from the series.
    pub calendar: Option<&'a HolidayCalendar>,
}

/// One hour or one day.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Its start.
    pub(super) start: i64,
    /// Its local day.
    pub(super) date: Date,
    /// Hour of the day, nought for days.
    pub(super) hour: usize,
    /// From Monday, 0 to 6; a make-up working day is a Wednesday.
    pub(super) weekday: usize,
    /// Off by the calendar though it is a weekday, or learned to be.
    pub(super) is_holiday: bool,
    /// What went through, in thousandths; a day that was measured in part is scaled up.
    pub(super) amount: Option<f64>,
    /// What was measured of it, in thousandths.
    pub(super) measured: i64,
    /// Mean outdoor temperature, °C.
    pub(super) temperature: Option<f64>,
}

/// Returns the hours of a track, complete ones only, with the weather.
pub(super) fn hours(track: &Track, weather: Option<&Track>, place: &Place<'_>) -> Vec<Row> {
    let (Some(first), Some(last)) = (track.amounts.first().map(|_| track.start), edge(track))
    else {
        return Vec::new();
    };
    let from = first.div_euclid(HOUR_S) * HOUR_S;
    let weather = weather.map(|it| temperatures(it, from, last));
    let mut rows = Vec::new();
    let mut start = from;
    while start < last {
        let at = usize::try_from((start - from) / HOUR_S).unwrap_or(0);
        let measured = sum(track, start, start + HOUR_S);
        let temperature = weather.as_ref().and_then(|it| it.get(at).copied().flatten());
        if let Ok(instant) = Timestamp::from_second(start) {
            let local = instant.to_zoned(place.zone.clone()).datetime();
            let (weekday, is_holiday) = day_of(local.date(), place.calendar);
            rows.push(Row {
                start,
                date: local.date(),
                hour: usize::from(local.hour().unsigned_abs()),
                weekday,
                is_holiday,
                amount: measured.map(number),
                measured: measured.unwrap_or(0),
                temperature,
            });
        }
        start += HOUR_S;
    }
    rows
}

/// Returns the local days of a track; one with fewer than `HOURS_MIN` of its hours is a gap.
pub(super) fn days(track: &Track, weather: Option<&Track>, place: &Place<'_>) -> Vec<Row> {
    if DAY_S <= track.step_s {
        return whole_days(track, weather, place);
    }
    let hours = hours(track, weather, place);
    let mut days: Vec<Row> = Vec::new();
    let mut at = 0;
    while at < hours.len() {
        let date = hours[at].date;
        let end = at + hours[at..].iter().take_while(|it| it.date == date).count();
        days.push(day(&hours[at..end]));
        at = end;
    }
    days
}

/// Fewer hours than this make no day (20: five sixths, as the scoreboard's trials did;
/// OpenDSM takes 12 and scales, which bends a working day's shape).
const HOURS_MIN: usize = 20;

/// Outdoor temperatures that are none beyond it, thousandths of °C.
const ON_EARTH: std::ops::RangeInclusive<i64> = -70_000..=60_000;

fn day(hours: &[Row]) -> Row {
    let amounts: Vec<f64> = hours.iter().filter_map(|it| it.amount).collect();
    let degrees: Vec<f64> = hours.iter().filter_map(|it| it.temperature).collect();
    let enough = HOURS_MIN <= amounts.len();
    let scale = count(hours.len()) / count(amounts.len().max(1));
    Row {
        hour: 0,
        amount: enough.then(|| amounts.iter().sum::<f64>() * scale),
        measured: hours.iter().fold(0, |sum, it| it.measured.saturating_add(sum)),
        // Half a day of weather is a day's mean to a degree (OpenDSM).
        temperature: (12 <= degrees.len())
            .then(|| degrees.iter().sum::<f64>() / count(degrees.len())),
        ..hours[0].clone()
    }
}

fn whole_days(track: &Track, weather: Option<&Track>, place: &Place<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (at, &measured) in track.amounts.iter().enumerate() {
        let start = track.instant(at);
        let Ok(instant) = Timestamp::from_second(start) else { continue };
        let date = instant.to_zoned(place.zone.clone()).date();
        let (weekday, is_holiday) = day_of(date, place.calendar);
        let temperature = weather.and_then(|it| mean(it, start, start + DAY_S));
        rows.push(Row {
            start,
            date,
            hour: 0,
            weekday,
            is_holiday,
            amount: measured.map(number),
            measured: measured.unwrap_or(0),
            temperature,
        });
    }
    rows
}

fn day_of(date: Date, calendar: Option<&HolidayCalendar>) -> (usize, bool) {
    let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
    match calendar.map(|it| it.day(date).or_weekday()) {
        Some(DayType::Holiday) => (weekday, true),
        Some(DayType::MakeUp) => (2, false),
        Some(DayType::Working | DayType::Weekend) | None => (weekday, false),
    }
}

fn edge(track: &Track) -> Option<i64> {
    (0 < track.step_s && !track.amounts.is_empty()).then(|| track.end())
}

/// Returns the sum of steps within a span; `None` if one of them is missing or there is none.
fn sum(track: &Track, from: i64, to: i64) -> Option<i64> {
    let mut total = None;
    let mut at = usize::try_from((from - track.start).div_euclid(track.step_s)).ok()?;
    if track.instant(at) < from {
        return None;
    }
    while track.instant(at) < to {
        let amount = track.amounts.get(at).copied().flatten()?;
        total = Some(total.unwrap_or(0_i64).saturating_add(amount));
        at += 1;
    }
    total
}

/// Returns the mean of steps within a span, °C.
fn mean(track: &Track, from: i64, to: i64) -> Option<f64> {
    let first = usize::try_from((from - track.start).div_euclid(track.step_s).max(0)).ok()?;
    let mut found = Vec::new();
    let mut at = first;
    while at < track.amounts.len() && track.instant(at) < to {
        if from < track.instant(at + 1)
            && let Some(degrees) = track.amounts[at]
            && ON_EARTH.contains(&degrees)
        {
            found.push(number(degrees) / 1000.0);
        }
        at += 1;
    }
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / count(found.len()))
}

/// Returns the temperature of each hour from an instant on, °C, short gaps bridged.
fn temperatures(weather: &Track, from: i64, to: i64) -> Vec<Option<f64>> {
    let hours = usize::try_from((to - from) / HOUR_S + 1).unwrap_or(0);
    let mut found: Vec<Option<f64>> = Vec::with_capacity(hours);
    let mut start = from;
    for _ in 0..hours {
        found.push(mean(weather, start, start + HOUR_S));
        start += HOUR_S;
    }
    let mut known = None::<usize>;
    for at in 0..found.len() {
        let Some(now) = found[at] else { continue };
        if let Some(before) = known
            && 1 < at - before
            && at - before <= BRIDGE_H + 1
            && let Some(then) = found[before]
        {
            for (ago, gap) in (1..).zip(&mut found[before + 1..at]) {
                *gap = Some(then + (now - then) * count(ago) / count(at - before));
            }
        }
        known = Some(at);
    }
    found
}
