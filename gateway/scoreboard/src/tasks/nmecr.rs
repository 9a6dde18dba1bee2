//! Two published baselines, computed again: the examples of the `nmecr` package.
//!
//! # Protocol
//!
//! Both are time of week and temperature by days, all days alike (LBNL's model with its own
//! settings: six segments of temperature, times in use by 65 %), told of their own
//! training; CV(RMSE) with days less parameters as divisor, as published.
//!
//! - `nmecr_school/building_*_daily.csv`: the first 365 days are the year before a measure
//!   was built, the last 365 the year after it (1 March 2012 to 28 February 2013, and 2014
//!   to 2015). Published in the vignette "Introduction to nmecr": 19 parameters, CV(RMSE)
//!   6.79 %, savings 408,142 kWh of 5,509,903, which is 7.4 % and is told as 7 %.
//! - `nmecr_school/school_*_hourly.csv` with `school_*_operating_mode_daily.csv`: hours
//!   summed to days, the four operating modes as variables. Published in the vignette on
//!   institutional facilities: 27 parameters, CV(RMSE) 17.84 %; without the modes 30.38 %.

use std::path::Path;

use analysis::baseline::{Baseline, Method, Modes, Place, Recipe, avoided};
use analysis::track::Track;
use anyhow::{Context as _, Result};
use jiff::{civil::Date, tz::TimeZone};

use crate::score::{Goal, Outcome, Score};
use crate::table::{self, Table};
use crate::years::part;

const TASK: &str = "nmecr";
const FOLDER: &str = "nmecr_school";
const YEAR_S: i64 = 365 * 86_400;

/// Runs the task.
///
/// # Errors
///
/// A file cannot be read as a table, or has no column of load or of temperature.
pub(super) fn run(dir: &Path) -> Result<Outcome> {
    let folder = dir.join(FOLDER);
    let mut scores = Vec::new();
    for path in table::files(&folder, "building_") {
        building(&table::read(&path)?, &mut scores)?;
    }
    let schools = table::files(&folder, "school_");
    let modes = schools.iter().find(|it| it.to_string_lossy().contains("mode"));
    for path in &schools {
        if !path.to_string_lossy().contains("mode") {
            let modes = modes.map(|it| table::read(it)).transpose()?;
            school(&table::read(path)?, modes.as_ref(), &mut scores)?;
        }
    }
    Ok(if scores.is_empty() {
        Outcome::Skipped { task: TASK, why: format!("no {FOLDER}/building_*.csv nor school_*.csv") }
    } else {
        Outcome::Scored { task: TASK, scores }
    })
}

fn building(table: &Table, scores: &mut Vec<Score>) -> Result<()> {
    let (load, weather) = series(table)?;
    let zone = TimeZone::UTC;
    let place = Place { zone: &zone, calendar: None };
    let before = part(&load, load.start, load.start + YEAR_S);
    let after = part(&load, load.end() - YEAR_S, load.end());
    let method = Method::Daily(Recipe::PLAIN);
    let Ok(baseline) = Baseline::fit(&before, &weather, &place, Modes::default(), method) else {
        return Ok(());
    };
    let accuracy = baseline.accuracy();
    scores.push(
        Score::new("building_cv_rmse", 100.0 * accuracy.cv_rmse, "%")
            .with_goal(Goal::Between(6.59, 6.99)),
    );
    scores.push(Score::new(
        "building_parameters",
        f64::from(u32::try_from(accuracy.parameters)?),
        "1",
    ));
    if let Ok(found) = avoided::avoided(&baseline, &after, &weather, &place) {
        let share = share(found.avoided, found.expected);
        scores.push(
            Score::new("building_savings", 100.0 * share, "%").with_goal(Goal::Between(6.5, 7.5)),
        );
        let noise = self::share(found.noise, found.avoided);
        scores.push(Score::new("building_savings_noise", 100.0 * noise, "% of savings"));
    }
    Ok(())
}

fn school(table: &Table, modes: Option<&Table>, scores: &mut Vec<Score>) -> Result<()> {
    let (load, weather) = series(table)?;
    let zone = TimeZone::UTC;
    let place = Place { zone: &zone, calendar: None };
    let method = Method::Daily(Recipe::PLAIN);
    for (key, goal, modes) in [
        (
            "school_cv_rmse",
            Goal::Between(17.6, 18.0),
            modes.map(days_of).transpose()?.unwrap_or_default(),
        ),
        ("school_cv_rmse_without_modes", Goal::None, Modes::default()),
    ] {
        if let Ok(baseline) = Baseline::fit(&load, &weather, &place, modes, method) {
            let cv = 100.0 * baseline.accuracy().cv_rmse;
            scores.push(Score::new(key, cv, "%").with_goal(goal));
        }
    }
    Ok(())
}

fn days_of(table: &Table) -> Result<Modes> {
    let mut days = Vec::new();
    for (at, instant) in table.instants.iter().enumerate() {
        let stamp = table::stamp_of(*instant);
        let date: Date = stamp.get(..10).unwrap_or_default().parse()?;
        let cells = table.columns.iter().map(|it| it.cells[at].unwrap_or(0.0)).collect();
        days.push((date, cells));
    }
    Ok(Modes::new(days))
}

/// Returns load and temperature, the latter in thousandths of °C.
fn series(table: &Table) -> Result<(Track, Track)> {
    let named = |part: &str| {
        let found = table.columns.iter().find(|it| it.name.contains(part));
        found.with_context(|| format!("there is no column with `{part}` in its name"))
    };
    let load = table.track(named("load")?);
    let column = named("temp")?;
    let is_fahrenheit = column.name.ends_with("_f");
    let mut weather = table.track(column);
    for degrees in weather.amounts.iter_mut().flatten().filter(|_| is_fahrenheit) {
        *degrees = (*degrees - 32_000) * 5 / 9;
    }
    Ok((load, weather))
}

#[expect(clippy::cast_precision_loss, reason = "a share of two amounts")]
fn share(part: i64, whole: i64) -> f64 {
    part as f64 / whole as f64
}
