//! Years of a series, each with the year after it: what baselines are measured on.

use std::path::Path;

use analysis::track::Track;
use anyhow::Result;
use jiff::civil::date;

use crate::robustness::Measured;
use crate::table::{self, instant_of};

/// Hours of a year that must be there on both sides, as a share.
const THERE_MIN: f64 = 0.8;

/// A year and the year after it.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The series.
    pub series: String,
    /// The first of the two years.
    pub year: i16,
    /// Whether the second one is the last of the file.
    pub is_last: bool,
    /// The first year.
    pub training: Track,
    /// The second one.
    pub reporting: Track,
    /// Outdoor temperature over both and before, thousandths of °C.
    pub weather: Track,
}

/// Returns every pair of years in `cambridge/electricity_*` with the weather of
/// `cambridge/weather_*`, of which four fifths of the hours are there in both; a reading of
/// nought stands for a missing one there. `Err` within says which file is missing.
///
/// The loads are taken through `disturb` first.
///
/// # Errors
///
/// A file cannot be read as a table.
pub fn pairs(dir: &Path, disturb: fn(&Measured) -> Measured) -> Result<Result<Vec<Pair>, String>> {
    let folder = dir.join("cambridge");
    let (loads, weathers) =
        (table::files(&folder, "electricity_"), table::files(&folder, "weather_"));
    if loads.is_empty() || weathers.is_empty() {
        return Ok(Err(
            "cambridge/electricity_*.csv and cambridge/weather_*.csv are not there".into()
        ));
    }
    let mut weather: Option<Track> = None;
    for path in &weathers {
        let table = table::read(path)?;
        // Its first column is the temperature, whatever it is called.
        let column =
            table.columns.iter().find(|it| it.name.contains("temp")).unwrap_or(&table.columns[0]);
        let track = table.track(column);
        weather = Some(weather.map_or(track.clone(), |before| joined(&before, &track)));
    }
    let weather = weather.unwrap_or(Track { start: 0, step_s: 3600, amounts: Vec::new() });
    let mut pairs = Vec::new();
    for path in &loads {
        let table = disturb(&Measured { table: table::read(path)?, labels: Vec::new() }).table;
        for column in &table.columns {
            let mut track = table.track(column);
            for amount in &mut track.amounts {
                *amount = amount.filter(|it| 0 < *it);
            }
            let mut of_series = Vec::new();
            let first = year_of(track.start);
            let last = year_of(track.end() - 1);
            for year in first..last {
                let (training, reporting) =
                    (year_part(&track, year)?, year_part(&track, year + 1)?);
                if THERE_MIN <= there(&training) && THERE_MIN <= there(&reporting) {
                    of_series.push(Pair {
                        series: column.name.clone(),
                        year,
                        is_last: year + 1 == last,
                        training,
                        reporting,
                        weather: weather.clone(),
                    });
                }
            }
            pairs.append(&mut of_series);
        }
    }
    Ok(Ok(pairs))
}

/// Returns a part of a track, `[from, to)`; what is not there is a gap.
#[must_use]
pub fn part(track: &Track, from: i64, to: i64) -> Track {
    let step_s = track.step_s.max(1);
    let amounts = (0..(to - from) / step_s)
        .map(|at| {
            let at = (from - track.start) / step_s + at;
            usize::try_from(at).ok().and_then(|at| track.amounts.get(at).copied().flatten())
        })
        .collect();
    Track { start: from, step_s, amounts }
}

fn year_part(track: &Track, year: i16) -> Result<Track> {
    let start = |year: i16| instant_of(&date(year, 1, 1).to_string());
    Ok(part(track, start(year)?, start(year + 1)?))
}

fn year_of(instant: i64) -> i16 {
    table::stamp_of(instant).get(..4).and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// Returns the share of steps that are there.
#[must_use]
pub fn there(track: &Track) -> f64 {
    let known = track.amounts.iter().flatten().count();
    ratio(known, track.amounts.len())
}

/// Returns a share.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of steps")]
pub fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn joined(before: &Track, after: &Track) -> Track {
    let start = before.start.min(after.start);
    let mut whole = part(before, start, before.end().max(after.end()));
    let more = part(after, start, whole.end());
    for (amount, other) in whole.amounts.iter_mut().zip(&more.amounts) {
        *amount = amount.or(*other);
    }
    whole
}

/// Returns the value in the middle.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values.get(middle).copied()
    } else {
        Some(f64::midpoint(*values.get(middle.checked_sub(1)?)?, *values.get(middle)?))
    }
}
