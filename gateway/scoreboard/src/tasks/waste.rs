//! Wasted energy: how much of it was flagged, and how much of what was flagged was waste.
//!
//! Files: `injected_faults_*/electricity_*.csv[.gz]` with `labels.csv` beside them, and
//! `bdg2/electricity_*.csv[.gz]`, the same series before anything was added. Waste is what
//! was added within labels of `overnight_running…`, `weekend_running…` and
//! `baseload_drift…`: the table less the original, where that is more than nothing. (A
//! spike or a doubled scale is a fault of the meter and wastes nothing.)
//! Flagged is the waste that findings of the three detectors state, spread evenly over the
//! steps of their evidence; that of a base load, whose evidence is a row a day, over the days
//! as those rows state it and evenly over the steps of each that were measured (of a step
//! that was not, neither says anything). Where two speak of a step the
//! larger counts. What was waste of it is, step by
//! step, the lesser of both. Steps within labels of other kinds are left out of all sums: a
//! doubled scale is its own detector's business. Findings said in the warm-up are left out. Estimate error: of
//! findings that hit a label of their kind, the median of stated against true waste over
//! the finding's own steps.

use std::collections::BTreeMap;
use std::path::Path;

use analysis::calendar::HolidayCalendar;
use analysis::detect::{after_hours_limits, after_hours_load, weekend_limits, weekend_running};
use analysis::finding::{Evidence, Finding, FindingKind, Told};
use analysis::track::Track;
use anyhow::Result;
use jiff::tz::TimeZone;
use wire::Name;

use super::base_load::{of, rising};
use crate::flag::DAY_S;
use crate::labelled::{self, Labelled};
use crate::resample;
use crate::robustness::{Measured, falls_by};
use crate::score::{Goal, Outcome, Score};
use crate::table::{self, Column, Table};
use crate::tally::WARM_UP_S;

const TASK: &str = "waste";
const KINDS: [(&str, FindingKind); 3] = [
    ("overnight_running", FindingKind::AfterHoursLoad),
    ("weekend_running", FindingKind::WeekendRunning),
    ("baseload_drift", FindingKind::HighBaseLoad),
];

/// Sums of one meter, in the table's unit.
#[derive(Clone, Debug, Default)]
struct Sums {
    wasted: f64,
    flagged: f64,
    both: f64,
    /// Stated against true, less one, of each finding that hit.
    errors: Vec<f64>,
}

/// Runs the task.
///
/// # Errors
///
/// A file cannot be read.
pub(super) fn run(dir: &Path) -> Result<Outcome> {
    let mut originals: BTreeMap<String, Track> = BTreeMap::new();
    for path in table::files(&dir.join("bdg2"), "electricity_") {
        let table = table::read(&path)?;
        for column in &table.columns {
            originals.insert(column.name.clone(), table.track(column));
        }
    }
    let measured = Measured::read(dir, "electricity_")?.map(|mut measured| {
        measured.table.columns.retain(|it| originals.contains_key(&it.name));
        measured
    });
    let Some(measured) = measured.filter(|it| !it.table.columns.is_empty()) else {
        let why = "no injected_faults_*/electricity_*.csv whose series are in bdg2/ too".into();
        return Ok(Outcome::Skipped { task: TASK, why });
    };
    let before = Measured { table: before(&measured.table, &originals), ..measured.clone() };
    let name = Name::new("series")?;
    let mut scores = scores(&measured, &before, &name);
    scores.extend(falls_by(|disturb| self::scores(&disturb(&measured), &disturb(&before), &name)));
    Ok(Outcome::Scored { task: TASK, scores })
}

/// The same rows and series before anything was added.
fn before(table: &Table, originals: &BTreeMap<String, Track>) -> Table {
    let cell = |track: &Track, instant: i64| {
        let step = usize::try_from((instant - track.start) / track.step_s).ok()?;
        track.amounts.get(step).copied().flatten().map(|amount| real(amount) / 1000.0)
    };
    let columns = table.columns.iter().map(|column| Column {
        name: column.name.clone(),
        cells: table.instants.iter().map(|&at| cell(&originals[&column.name], at)).collect(),
    });
    Table { instants: table.instants.clone(), columns: columns.collect() }
}

fn scores(measured: &Measured, before: &Measured, name: &Name) -> Vec<Score> {
    let meters = labelled::of(measured);
    let told = told(&meters, name);
    let originals: Vec<Track> =
        before.table.columns.iter().map(|column| before.table.track(column)).collect();
    let sums = |asked: &[FindingKind]| -> Vec<Sums> {
        let pairs = meters.iter().zip(&told).zip(&originals);
        pairs.map(|((meter, told), original)| one(meter, told, original, asked)).collect()
    };
    let all = sums(&KINDS.map(|it| it.1));
    let running = sums(&[FindingKind::AfterHoursLoad, FindingKind::WeekendRunning]);
    let rising = sums(&[FindingKind::HighBaseLoad]);
    let scores = [
        score("wasted_flagged", &all, Goal::AtLeast(0.8), flagged),
        score("flagged_was_waste", &all, Goal::AtLeast(0.7), was_waste),
        score("estimate_error", &all, Goal::None, error),
        score("running_wasted_flagged", &running, Goal::None, flagged),
        score("running_flagged_was_waste", &running, Goal::None, was_waste),
        score("running_estimate_error", &running, Goal::None, error),
        score("base_load_wasted_flagged", &rising, Goal::None, flagged),
        score("base_load_flagged_was_waste", &rising, Goal::None, was_waste),
        score("base_load_estimate_error", &rising, Goal::None, error),
    ];
    scores.into_iter().flatten().collect()
}

fn score(
    key: &str,
    sums: &[Sums],
    goal: Goal,
    figure: impl Fn(&[&Sums]) -> Option<f64>,
) -> Option<Score> {
    let all: Vec<&Sums> = sums.iter().collect();
    let within = resample::interval(sums, &figure);
    Some(Score::new(key, figure(&all)?, "1").with_goal(goal).with_interval(within))
}

fn flagged(sums: &[&Sums]) -> Option<f64> {
    let wasted: f64 = sums.iter().map(|it| it.wasted).sum();
    (0.0 < wasted).then(|| sums.iter().map(|it| it.both).sum::<f64>() / wasted)
}

fn was_waste(sums: &[&Sums]) -> Option<f64> {
    let flagged: f64 = sums.iter().map(|it| it.flagged).sum();
    (0.0 < flagged).then(|| sums.iter().map(|it| it.both).sum::<f64>() / flagged)
}

/// The median distance of stated from true.
fn error(sums: &[&Sums]) -> Option<f64> {
    let mut errors: Vec<f64> =
        sums.iter().flat_map(|it| it.errors.iter().map(|error| error.abs())).collect();
    analysis::robust::median(&mut errors)
}

fn told(meters: &[Labelled], name: &Name) -> Vec<Vec<Told>> {
    let (zone, calendar) = (TimeZone::UTC, HolidayCalendar::weekdays());
    let mut all = rising(meters, name, (&zone, &calendar));
    for (meter, told) in meters.iter().zip(&mut all) {
        let (load, from) = (of(meter, name, (&zone, &calendar)), meter.track.start);
        told.extend(after_hours_load(&load, &after_hours_limits(), from));
        told.extend(weekend_running(&load, &weekend_limits(), from));
        told.retain(|it| from + WARM_UP_S <= it.at);
    }
    all
}

fn one(meter: &Labelled, told: &[Told], original: &Track, asked: &[FindingKind]) -> Sums {
    let track = &meter.track;
    let place = |instant: i64| usize::try_from((instant - track.start) / track.step_s).ok();
    let mut wasted = vec![0.0_f64; track.amounts.len()];
    for label in &meter.labels {
        if !KINDS.iter().any(|(kind, of)| asked.contains(of) && label.is_of(&[kind])) {
            continue;
        }
        let mut at = label.start;
        while at <= label.last {
            let now = place(at).and_then(|it| track.amounts.get(it).copied().flatten());
            let before = usize::try_from((at - original.start) / original.step_s)
                .ok()
                .and_then(|it| original.amounts.get(it).copied().flatten());
            if let (Some(now), Some(before), Some(place)) = (now, before, place(at))
                && let Some(wasted) = wasted.get_mut(place)
            {
                *wasted = wasted.max(real(now - before));
            }
            at += track.step_s;
        }
    }
    let mut flagged = vec![0.0_f64; track.amounts.len()];
    // What another fault that was added does there is not this task's business.
    let is_other = |step: usize| {
        let at = track.instant(step);
        meter.labels.iter().any(|label| {
            label.start <= at
                && at <= label.last
                && !KINDS.iter().any(|(kind, of)| asked.contains(of) && label.is_of(&[kind]))
        })
    };
    let mut sums = Sums::default();
    for it in told.iter().filter(|it| asked.contains(&it.finding.kind)) {
        let finding = &it.finding;
        let steps = spread(finding, track);
        let mut truth = 0.0;
        for (step, each) in steps.into_iter().filter(|(step, _)| !is_other(*step)) {
            if let (Some(flagged), Some(wasted)) = (flagged.get_mut(step), wasted.get(step)) {
                *flagged = flagged.max(each);
                truth += wasted;
            }
        }
        if 0.0 < truth {
            sums.errors.push(real(finding.waste) / truth - 1.0);
        }
    }
    for (step, wasted) in wasted.iter_mut().enumerate() {
        if is_other(step) {
            *wasted = 0.0;
        }
    }
    sums.wasted = wasted.iter().sum();
    sums.flagged = flagged.iter().sum();
    sums.both = wasted.iter().zip(&flagged).map(|(a, b)| a.min(*b)).sum();
    sums
}

/// Spreads a finding's waste over the steps that its evidence speaks of.
fn spread(finding: &Finding, track: &Track) -> Vec<(usize, f64)> {
    let place = |instant: i64| usize::try_from((instant - track.start) / track.step_s).ok();
    let is_daily = finding.kind == FindingKind::HighBaseLoad;
    let steps = if is_daily { usize::try_from(DAY_S / track.step_s).unwrap_or(1) } else { 1 };
    let weight = |it: &Evidence| if is_daily { real((it.amount - it.limit).max(0)) } else { 1.0 };
    let weights: Vec<(usize, f64)> = finding
        .evidence
        .iter()
        .filter_map(|it| Some((place(it.start)?, weight(it))))
        .flat_map(|(first, weight)| (first..first + steps).map(move |step| (step, weight)))
        .filter(|(step, _)| track.amounts.get(*step).is_some_and(Option::is_some))
        .collect();
    let all: f64 = weights.iter().map(|it| it.1).sum();
    let part = if 0.0 < all { real(finding.waste) / all } else { 0.0 };
    weights.into_iter().map(|(step, weight)| (step, weight * part)).collect()
}

/// An amount as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "2^53 thousandths are 9 TWh")]
const fn real(amount: i64) -> f64 {
    amount as f64
}
