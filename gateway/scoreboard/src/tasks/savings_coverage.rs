//! Whether the interval of avoided energy holds what it promises.
//!
//! # Protocol
//!
//! The pairs of years of `savings_baseline`. No measure is known there, so the truth is a
//! saving of nought; it is covered if the energy avoided is not farther from nought than
//! its uncertainty. `coverage_year` is the share of the pairs that are judged and covered,
//! `coverage_quarter` the same of the first 91 days after the training. A pair that the
//! sufficiency rules refuse is not judged, and counted as refused.
//!
//! - `false_savings`: pairs of which a saving would have been shown as certain.
//! - `width`: the uncertainty as a share of what was expected, median.
//! - `coverage_by_guideline`: what the noise of ASHRAE Guideline 14 alone would cover.

use std::path::Path;

use analysis::baseline::{Avoided, Baseline, Method, Modes, Place, Recipe, avoided};
use anyhow::Result;
use jiff::tz::TimeZone;

use crate::resample;
use crate::score::{Goal, Outcome, Score};
use crate::years::{self, Pair, median, part, ratio};

const TASK: &str = "savings_coverage";

/// Runs the task.
///
/// # Errors
///
/// A file cannot be read as a table.
pub(super) fn run(dir: &Path) -> Result<Outcome> {
    let pairs = match years::pairs(dir, Clone::clone)? {
        Ok(pairs) => pairs,
        Err(why) => return Ok(Outcome::Skipped { task: TASK, why }),
    };
    let judged: Vec<(Avoided, Option<Avoided>)> = pairs.iter().filter_map(judge).collect();
    let covered = |it: &[&(Avoided, Option<Avoided>)]| {
        let held = it.iter().filter(|it| holds(&it.0, it.0.uncertainty)).count();
        (!it.is_empty()).then(|| 100.0 * ratio(held, it.len()))
    };
    let all: Vec<&(Avoided, Option<Avoided>)> = judged.iter().collect();
    let quarters: Vec<&Avoided> = judged.iter().filter_map(|it| it.1.as_ref()).collect();
    let mut scores = Vec::new();
    if let Some(value) = covered(&all) {
        scores.push(
            Score::new("coverage_year", value, "%")
                .with_goal(Goal::Between(85.0, 95.0))
                .with_interval(resample::interval(&judged, covered)),
        );
    }
    let held = quarters.iter().filter(|it| holds(it, it.uncertainty)).count();
    scores.push(Score::new("coverage_quarter", 100.0 * ratio(held, quarters.len()), "%"));
    let by_noise = judged.iter().filter(|it| holds(&it.0, it.0.noise)).count();
    scores.push(Score::new("coverage_by_guideline", 100.0 * ratio(by_noise, judged.len()), "%"));
    let shown = judged.iter().filter(|it| it.0.certain().is_ok()).count();
    scores.push(Score::new("false_savings", ratio(shown, 1), "1"));
    let width = |it: &Avoided| 100.0 * share(it.uncertainty, it.expected);
    scores.extend(
        median(judged.iter().map(|it| width(&it.0)).collect())
            .map(|it| Score::new("width_year", it, "%")),
    );
    scores.extend(
        median(quarters.into_iter().map(width).collect())
            .map(|it| Score::new("width_quarter", it, "%")),
    );
    scores.push(Score::new("refused", ratio(pairs.len() - judged.len(), 1), "1"));
    Ok(Outcome::Scored { task: TASK, scores })
}

fn judge(pair: &Pair) -> Option<(Avoided, Option<Avoided>)> {
    let zone = TimeZone::UTC;
    let place = Place { zone: &zone, calendar: None };
    let method = Method::Hourly(Recipe::RECENT);
    let baseline =
        Baseline::fit(&pair.training, &pair.weather, &place, Modes::default(), method).ok()?;
    baseline.sufficient().ok()?;
    let year = avoided::avoided(&baseline, &pair.reporting, &pair.weather, &place).ok()?;
    let start = pair.reporting.start;
    let first = part(&pair.reporting, start, start + 91 * 86_400);
    Some((year, avoided::avoided(&baseline, &first, &pair.weather, &place).ok()))
}

const fn holds(it: &Avoided, uncertainty: i64) -> bool {
    it.avoided.abs() <= uncertainty
}

#[expect(clippy::cast_precision_loss, reason = "a share of two amounts")]
fn share(part: i64, whole: i64) -> f64 {
    part as f64 / whole as f64
}
