//! Lights left on.
//!
//! Files: `injected_faults_*/lighting_*.csv[.gz]`, `labels.csv` beside them; kinds
//! `lights_left_on_…`. A kind that says `weekend` is a weekend; else the number before
//! `pct` decides: strong from 50 on, weak below.
//! The tables do not say when the building is open. The same is assumed of every one: open
//! Monday to Friday from 05:00 to 22:00; and since that is not its true closing time, what
//! is usual at an hour (the median of that hour over four weeks, worked days and days off
//! apart) counts as a limit too. The detector is the product's, over quarter hours (an hour's
//! amount in four equal parts), each round learning from the four weeks before its noon as
//! the product does; `product_` figures are those of its limits as they stand where opening
//! hours are known, on the assumed ones.
//! A label is hit when the evidence of a finding overlaps it; a finding that touches no label
//! is false. Warm-up: four weeks, since labels begin in the fifth.

use std::path::Path;

use analysis::detect::{Circuit, LightsLimits, lights_left_on_by_habit};
use analysis::finding::Told;
use analysis::interval::{INTERVAL_S, IntervalAmount, Span};
use analysis::profile::{LEVEL_S, Levels, within};
use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use wire::Name;

use crate::labelled::{self, Labelled};
use crate::robustness::{Measured, falls};
use crate::score::{Goal, Outcome, Score};
use crate::tally::{self, Tally, score};

const TASK: &str = "lights";
const DAY_S: i64 = 86_400;
const WARM_UP_S: i64 = 28 * DAY_S;

/// How far past its noon a round looks, s: over a long weekend.
const PAST_S: i64 = 5 * DAY_S;

/// Runs the task.
///
/// # Errors
///
/// A file cannot be read.
pub(super) fn run(dir: &Path) -> Result<Outcome> {
    let Some(mut measured) = Measured::read(dir, "lighting_")? else {
        let why = "no injected_faults_*/lighting_*.csv with labels.csv beside it".into();
        return Ok(Outcome::Skipped { task: TASK, why });
    };
    for label in &mut measured.labels {
        label.kind = sort_of(&label.kind).to_owned();
    }
    let name = Name::new("series")?;
    let mut scores = scores(&measured, &name);
    scores.extend(falls(&measured, |worse| self::scores(worse, &name)));
    Ok(Outcome::Scored { task: TASK, scores })
}

fn scores(measured: &Measured, name: &Name) -> Vec<Score> {
    let meters = labelled::of(measured);
    let tallies = |by_habit: bool| -> Vec<Tally> {
        let limits = if by_habit { LightsLimits::by_habit() } else { LightsLimits::default() };
        meters
            .iter()
            .map(|meter| {
                let told = one(meter, name, &limits, by_habit);
                Tally::of(meter, &told, &["strong", "weak", "weekend"], WARM_UP_S)
            })
            .collect()
    };
    let (habit, product) = (tallies(true), tallies(false));
    let scores = [
        score("recall_strong_nights", "1", Goal::AtLeast(0.95), &habit, |it| tally::recall(it, 0)),
        score("recall_weak_nights", "1", Goal::AtLeast(0.6), &habit, |it| tally::recall(it, 1)),
        score("recall_weekends", "1", Goal::AtLeast(0.9), &habit, |it| tally::recall(it, 2)),
        score("false_per_month", "1", Goal::AtMost(0.1), &habit, tally::false_per_month),
        score("product_strong_nights", "1", Goal::None, &product, |it| tally::recall(it, 0)),
        score("product_weak_nights", "1", Goal::None, &product, |it| tally::recall(it, 1)),
        score("product_weekends", "1", Goal::None, &product, |it| tally::recall(it, 2)),
        score("product_false_per_month", "1", Goal::None, &product, tally::false_per_month),
    ];
    scores.into_iter().flatten().collect()
}

fn sort_of(kind: &str) -> &'static str {
    if !kind.starts_with("lights_left_on") {
        return "other";
    }
    if kind.contains("weekend") {
        return "weekend";
    }
    let percent = kind.rsplit('_').next().and_then(|it| it.strip_suffix("pct")?.parse().ok());
    if percent.is_none_or(|percent: u32| 50 <= percent) { "strong" } else { "weak" }
}

/// Hour of the day and whether the day is worked, by the table's clock.
fn clock(instant: i64) -> (i8, bool) {
    let local = Timestamp::from_second(instant).unwrap_or_default().to_zoned(TimeZone::UTC);
    (local.hour(), !matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday))
}

fn is_open(instant: i64) -> bool {
    let (hour, is_worked) = clock(instant);
    is_worked && (5..22).contains(&hour)
}

fn one(meter: &Labelled, name: &Name, limits: &LightsLimits, by_habit: bool) -> Vec<Told> {
    let intervals = quarters(meter);
    let mut told = Vec::new();
    let first_noon = meter.track.start - meter.track.start.rem_euclid(DAY_S) + DAY_S / 2;
    let mut noon = first_noon + DAY_S;
    while noon < meter.track.end() {
        let learnt = within(&intervals, Span { from: noon - LEVEL_S, to: noon });
        let levels = Levels::learn(learnt, noon, is_open);
        let circuit = Circuit { meter: name, area: name, floor_area_m2: None, levels };
        let usual = usual(learnt);
        let usual = |at| by_habit.then(|| usual(at)).flatten();
        let profile = within(&intervals, Span { from: noon - DAY_S, to: noon + PAST_S });
        let mut found = lights_left_on_by_habit(&circuit, profile, is_open, usual, limits, None);
        found.retain(|it| noon <= it.opened && it.opened < noon + DAY_S);
        let verdict = i64::try_from(limits.intervals_min).unwrap_or(0) * INTERVAL_S;
        told.extend(
            found.into_iter().map(|finding| Told { at: finding.opened + verdict, finding }),
        );
        noon += DAY_S;
    }
    told
}

/// The median of each hour over some weeks, worked days and days off apart.
fn usual(learnt: &[IntervalAmount]) -> impl Fn(i64) -> Option<i64> {
    let mut amounts = vec![Vec::new(); 48];
    let place = |at: i64| {
        let (hour, is_worked) = clock(at);
        usize::from(hour.unsigned_abs()) + if is_worked { 24 } else { 0 }
    };
    for interval in learnt.iter().filter(|it| it.missing_s == 0) {
        amounts[place(interval.start)].push(interval.measured);
    }
    let medians: Vec<Option<i64>> = amounts
        .into_iter()
        .map(|mut amounts| {
            amounts.sort_unstable();
            amounts.get(amounts.len() / 2).copied()
        })
        .collect();
    move |at| medians[place(at)]
}

/// The track by quarter hours.
fn quarters(meter: &Labelled) -> Vec<IntervalAmount> {
    let parts = (meter.track.step_s / INTERVAL_S).max(1);
    let mut intervals = Vec::new();
    for (at, amount) in meter.track.amounts.iter().enumerate() {
        for part in 0..parts {
            let start = meter.track.instant(at) + part * INTERVAL_S;
            let missing = IntervalAmount::missing(start);
            intervals.push(amount.map_or(missing, |amount| IntervalAmount {
                measured: amount / parts,
                missing_s: 0,
                ..missing
            }));
        }
    }
    intervals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_other_sizes_are_sorted_too() {
        for (kind, sort) in [
            ("lights_left_on_25pct", "weak"),
            ("lights_left_on_80pct", "strong"),
            ("lights_left_on", "strong"),
            ("lights_left_on_weekend_25pct", "weekend"),
            ("leak_2", "other"),
        ] {
            assert_eq!(sort_of(kind), sort, "{kind}");
        }
    }
}
