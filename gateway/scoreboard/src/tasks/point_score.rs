//! How odd each hour is: hours within a label against hours without.
//!
//! Files: `injected_faults_*/electricity_*.csv[.gz]`, `labels.csv` beside them.
//! Every hour after the warm-up of eight weeks counts once, all meters in one ranking; an
//! hour is odd when it lies in a label of any kind but `baseload_drift…`, whose hours are
//! left out (six weeks a quarter above the night are no odd hours; task `base_load` has
//! them). An hour without a reading or a score ranks lowest. The score of an hour uses
//! nothing after that hour. ROC-AUC with ties counted half; average precision over the
//! same ranking.

use std::path::Path;

use analysis::calendar::HolidayCalendar;
use analysis::detect::{Load, oddness};
use anyhow::Result;
use jiff::tz::TimeZone;
use wire::Name;

use crate::labelled::{self, Labelled};
use crate::resample;
use crate::score::{Goal, Outcome, Score};
use crate::tally::WARM_UP_S;

const TASK: &str = "point_score";

/// A score, and whether its hour is odd.
type Ranked = (f64, bool);

/// Runs the task.
///
/// # Errors
///
/// A file cannot be read.
pub(super) fn run(dir: &Path) -> Result<Outcome> {
    let meters = labelled::read(dir, "electricity_")?;
    if meters.is_empty() {
        let why = "no injected_faults_*/electricity_*.csv with labels.csv beside it".into();
        return Ok(Outcome::Skipped { task: TASK, why });
    }
    let name = Name::new("series")?;
    let ranked: Vec<Vec<Ranked>> = meters.iter().map(|meter| one(meter, &name)).collect();
    let all: Vec<&Vec<Ranked>> = ranked.iter().collect();
    let auc = |drawn: &[&Vec<Ranked>]| area(drawn).map(|it| it.0);
    let scores = area(&all).map(|(auc_of_all, precision)| {
        // Fewer drawings than elsewhere: each sorts every hour of every meter.
        let within = resample::interval(&per_meter(&ranked), mean);
        vec![
            Score::new("roc_auc", auc_of_all, "1").with_goal(Goal::AtLeast(0.93)),
            Score::new("average_precision", precision, "1"),
            Score::new("roc_auc_by_meter", mean_of(&ranked, auc), "1").with_interval(within),
        ]
    });
    Ok(Outcome::Scored { task: TASK, scores: scores.unwrap_or_default() })
}

/// The area of each meter by itself.
fn per_meter(ranked: &[Vec<Ranked>]) -> Vec<f64> {
    ranked.iter().filter_map(|it| Some(area(&[it])?.0)).collect()
}

fn mean(drawn: &[&f64]) -> Option<f64> {
    let count = u32::try_from(drawn.len()).ok().filter(|&count| 0 < count)?;
    Some(drawn.iter().copied().sum::<f64>() / f64::from(count))
}

fn mean_of(ranked: &[Vec<Ranked>], area: impl Fn(&[&Vec<Ranked>]) -> Option<f64>) -> f64 {
    let areas: Vec<f64> = ranked.iter().filter_map(|it| area(&[it])).collect();
    mean(&areas.iter().collect::<Vec<_>>()).unwrap_or(0.0)
}

fn one(meter: &Labelled, name: &Name) -> Vec<Ranked> {
    let calendar = HolidayCalendar::weekdays();
    let load = Load {
        meter: name,
        area: name,
        track: &meter.track,
        zone: &TimeZone::UTC,
        calendar: &calendar,
        pricing: None,
    };
    let mut odd = oddness(&load).into_iter().peekable();
    let mut ranked = Vec::new();
    let (mut at, step_s) = (meter.track.start, meter.track.step_s);
    while at < meter.track.end() {
        while odd.peek().is_some_and(|it| it.start < at) {
            odd.next();
        }
        let score = odd.peek().filter(|it| it.start == at).map_or(0.0, |it| it.score);
        let touches = |kinds: &[&str]| {
            meter.labels.iter().any(|it| it.start <= at && at <= it.last && it.is_of(kinds))
        };
        if meter.track.start + WARM_UP_S <= at {
            let is_odd = meter
                .labels
                .iter()
                .any(|it| it.start <= at && at <= it.last && !it.is_of(&["baseload_drift"]));
            if is_odd || !touches(&["baseload_drift"]) {
                ranked.push((score, is_odd));
            }
        }
        at += step_s;
    }
    ranked
}

/// Returns the area under the curve and the average precision of rankings joined into one.
fn area(drawn: &[&Vec<Ranked>]) -> Option<(f64, f64)> {
    let mut all: Vec<Ranked> = drawn.iter().flat_map(|it| it.iter().copied()).collect();
    all.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut odd, mut plain) = (0.0_f64, 0.0_f64);
    let (mut below, mut precision) = (0.0_f64, 0.0_f64);
    for same in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let of_them = same.iter().filter(|it| it.1).fold(0.0, |sum, _| sum + 1.0);
        let others = same.iter().filter(|it| !it.1).fold(0.0, |sum, _| sum + 1.0);
        // A pair of equals is half right.
        below += others * (odd + of_them / 2.0);
        odd += of_them;
        plain += others;
        precision += of_them * odd / (odd + plain);
    }
    (0.0 < odd && 0.0 < plain).then(|| (below / (odd * plain), precision / odd))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn the_area_is_one_where_all_odd_hours_rank_first_and_a_half_where_all_are_equal() {
        let first = vec![(3.0, true), (1.0, false), (2.0, true), (0.0, false)];
        let equal = vec![(1.0, true), (1.0, false), (1.0, true), (1.0, false)];
        let last = vec![(0.0, true), (1.0, false)];

        let (auc, precision) = area(&[&first]).unwrap();

        close(auc, 1.0);
        close(precision, 1.0);
        close(area(&[&equal]).unwrap().0, 0.5);
        close(area(&[&last]).unwrap().0, 0.0);
        assert_eq!(area(&[&vec![(1.0, true)]]), None);
    }
}
