//! A year told from the year before: Cambridge electricity.
//!
//! # Protocol
//!
//! Each pair of consecutive calendar years of a building of which four fifths of the hours
//! are there in both (a reading of nought is a missing one). The model sees the first year
//! and its weather, and then the weather of the second one; it has no calendar, and learns
//! days off from the first year alone. Nobody measured a measure there, so what it expects
//! ought to be what was used.
//!
//! - Hourly: root of the mean squared miss over the mean use, all hours that are there.
//! - Daily: the same of the sums of days with at least 20 hours there.
//! - Bias: sum of expected less used, over used; its amount.
//!
//! Each as the median over buildings. `..._last` is the last pair of years of the file:
//! `OpenDSM`'s hourly model (1.2.7, same files and same rule) reaches 10.25 % by hours,
//! 8.7 % by days and a bias of 2.0 % there, about its figure of the promise, and that pair
//! is what the promise is held to. `..._all` takes every pair: `OpenDSM` reaches 13.7 %,
//! 10.6 % and 5.0 %, because levels that change tell more than the model. `..._in_sample`
//! is the training year told by its own model. `growth_...` is by how many points the three
//! promised figures grow, the worst of them, when the loads are disturbed as
//! [`crate::robustness`] says; at most three are promised.

use std::path::Path;
use std::time::Instant;

use analysis::baseline::{Baseline, Expected, Method, Modes, Place, Recipe};
use anyhow::Result;
use jiff::tz::TimeZone;

use crate::resample;
use crate::robustness::{DISTURBANCES, Measured};
use crate::score::{Goal, Outcome, Score};
use crate::years::{self, Pair, median};

const TASK: &str = "savings_baseline";

struct Told {
    is_last: bool,
    hourly: f64,
    daily: f64,
    bias: f64,
    in_sample: f64,
    is_sufficient: bool,
    fit_ms: f64,
}

/// Runs the task.
///
/// # Errors
///
/// A file cannot be read as a table.
pub(super) fn run(dir: &Path) -> Result<Outcome> {
    let told = match tell_all(dir, Clone::clone)? {
        Ok(told) => told,
        Err(why) => return Ok(Outcome::Skipped { task: TASK, why }),
    };
    let mut scores = figures(&told);
    let in_sample = told.iter().map(|it| 100.0 * it.in_sample).collect();
    let kept = told.iter().filter(|it| it.is_sufficient).count();
    scores.extend(median(in_sample).map(|it| Score::new("cv_rmse_hourly_in_sample", it, "%")));
    scores.push(Score::new("years_scored", years::ratio(told.len(), 1), "1"));
    scores.push(Score::new("years_sufficient", years::ratio(kept, 1), "1"));
    for (name, disturb) in DISTURBANCES {
        if let Ok(worse) = tell_all(dir, disturb)? {
            let growth = scores.iter().zip(figures(&worse)).filter(|it| it.0.goal != Goal::None);
            let most = growth.map(|(usual, worse)| worse.value - usual.value).fold(0.0, f64::max);
            let score = Score::new(format!("growth_{name}"), most, "points");
            scores.push(score.with_goal(Goal::AtMost(3.0)));
        }
    }
    scores.extend(
        median(told.iter().map(|it| it.fit_ms).collect())
            .map(|it| Score::new("fit_of_a_year", it, "ms").with_goal(Goal::AtMost(50.0))),
    );
    Ok(Outcome::Scored { task: TASK, scores })
}

fn tell_all(dir: &Path, disturb: fn(&Measured) -> Measured) -> Result<Result<Vec<Told>, String>> {
    Ok(years::pairs(dir, disturb)?.map(|pairs| pairs.iter().filter_map(tell).collect()))
}

/// Returns the promised figures, first those of the last pairs, then those of all.
fn figures(told: &[Told]) -> Vec<Score> {
    let mut scores = Vec::new();
    for (which, is_last) in [("last", true), ("all", false)] {
        let chosen: Vec<&Told> = told.iter().filter(|it| it.is_last || !is_last).collect();
        let goal = |most: f64| if is_last { Goal::AtMost(most) } else { Goal::None };
        for (key, most, figure) in [
            ("cv_rmse_hourly", 10.2, (|it: &Told| it.hourly) as fn(&Told) -> f64),
            ("cv_rmse_daily", 8.6, |it| it.daily),
            ("bias", 1.9, |it| it.bias.abs()),
        ] {
            let middle = |it: &[&&Told]| median(it.iter().map(|it| 100.0 * figure(it)).collect());
            let whole: Vec<&&Told> = chosen.iter().collect();
            if let Some(value) = middle(&whole) {
                scores.push(
                    Score::new(format!("{key}_{which}"), value, "%")
                        .with_goal(goal(most))
                        .with_interval(resample::interval(&chosen, middle)),
                );
            }
        }
    }
    scores
}

fn tell(pair: &Pair) -> Option<Told> {
    let zone = TimeZone::UTC;
    let place = Place { zone: &zone, calendar: None };
    let method = Method::Hourly(Recipe::RECENT);
    #[expect(clippy::disallowed_methods, reason = "the time of a fit is what is asked")]
    let begun = Instant::now();
    let baseline =
        Baseline::fit(&pair.training, &pair.weather, &place, Modes::default(), method).ok()?;
    let fit_ms = begun.elapsed().as_secs_f64() * 1000.0;
    let expected = baseline.expect(&pair.reporting, &pair.weather, &place);
    let (hourly, bias) = misses(&expected, 1)?;
    let (daily, _) = misses(&expected, 24)?;
    let told = Told {
        is_last: pair.is_last,
        hourly,
        daily,
        bias,
        in_sample: baseline.accuracy().cv_rmse,
        is_sufficient: baseline.sufficient().is_ok(),
        fit_ms,
    };
    Some(told)
}

/// Returns CV(RMSE) and bias of sums of so many steps; a sum with fewer than five sixths of
/// its steps is left out.
fn misses(expected: &[Expected], per_sum: usize) -> Option<(f64, f64)> {
    let (mut squares, mut used, mut off, mut sums) = (0.0, 0.0, 0.0, 0.0);
    for chunk in expected.chunks(per_sum) {
        let whole: Vec<(f64, f64)> = chunk
            .iter()
            .filter_map(|it| Some((thousands(it.measured?), thousands(it.amount))))
            .collect();
        if whole.len() * 6 < per_sum * 5 {
            continue;
        }
        let measured: f64 = whole.iter().map(|it| it.0).sum();
        let told: f64 = whole.iter().map(|it| it.1).sum();
        squares += (told - measured).powi(2);
        off += told - measured;
        used += measured;
        sums += 1.0;
    }
    (0.0 < used).then(|| ((squares / sums).sqrt() / (used / sums), off / used))
}

#[expect(clippy::cast_precision_loss, reason = "amounts of an hour")]
fn thousands(amount: i64) -> f64 {
    amount as f64 / 1000.0
}
