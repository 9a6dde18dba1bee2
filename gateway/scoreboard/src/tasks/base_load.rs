//! Base loads that creep up.
//!
//! Files: `injected_faults_*/electricity_*.csv[.gz]`, `labels.csv` beside them; kinds
//! `baseload_drift…`.
//! A label is hit when a finding is first said within it; one that was said before it
//! and still goes on is no hit, since six weeks of label are easily touched. Delay: days from
//! a label's beginning to the saying. A finding is false when the days from its beginning to
//! its saying touch no label of any kind of its meter; `false_strict` counts those that are
//! said on a day that no label touches. Series whose names begin alike up to the first `_`
//! stand on one site and tell each other what the season does. Warm-up as in
//! [`crate::tally`].

use std::path::Path;

use analysis::calendar::HolidayCalendar;
use analysis::detect::{BaseLoadLimits, Load, Rises, base_rises, common_rise, high_base_load};
use analysis::finding::Told;
use anyhow::Result;
use jiff::tz::TimeZone;
use wire::Name;

use crate::flag::hours;
use crate::labelled::{self, Labelled};
use crate::robustness::{Measured, falls};
use crate::score::{Goal, Outcome, Score};
use crate::tally::{self, Tally, score};

const TASK: &str = "base_load";
const KIND: &str = "baseload_drift";

/// Runs the task.
///
/// # Errors
///
/// A file cannot be read.
pub(super) fn run(dir: &Path) -> Result<Outcome> {
    let Some(measured) = Measured::read(dir, "electricity_")? else {
        let why = "no injected_faults_*/electricity_*.csv with labels.csv beside it".into();
        return Ok(Outcome::Skipped { task: TASK, why });
    };
    let name = Name::new("series")?;
    let mut scores = scores(&measured, &name);
    scores.extend(falls(&measured, |worse| self::scores(worse, &name)));
    Ok(Outcome::Scored { task: TASK, scores })
}

fn scores(measured: &Measured, name: &Name) -> Vec<Score> {
    let meters = labelled::of(measured);
    let told = rising(&meters, name, (&TimeZone::UTC, &HolidayCalendar::weekdays()));
    let pairs = || meters.iter().zip(&told);
    let tallies: Vec<Tally> = pairs().map(|(meter, it)| tally(meter, it)).collect();
    let strict: Vec<Tally> = pairs()
        .map(|(meter, it)| Tally {
            false_findings: count(meter, it, |told| told.at),
            ..tally(meter, it)
        })
        .collect();
    let days = |it: &[&Tally]| tally::median_delay_h(it).map(|hours| hours / 24.0);
    let scores = [
        score("recall", "1", Goal::AtLeast(0.95), &tallies, |it| tally::recall(it, 0)),
        score("delay_median", "d", Goal::AtMost(10.0), &tallies, days),
        score("false_per_month", "1", Goal::AtMost(0.2), &tallies, tally::false_per_month),
        score("false_strict", "1", Goal::None, &strict, tally::false_per_month),
    ];
    scores.into_iter().flatten().collect()
}

/// What is said of each meter, each knowing how the others of its site rose.
pub(crate) fn rising(
    meters: &[Labelled],
    name: &Name,
    clock: (&TimeZone, &HolidayCalendar),
) -> Vec<Vec<Told>> {
    let rises: Vec<Rises> =
        meters.iter().map(|meter| base_rises(&of(meter, name, clock))).collect();
    let of_one = |(at, meter): (usize, &Labelled)| {
        let others: Vec<&Rises> = (0..meters.len())
            .filter(|&other| other != at && site_of(&meters[other]) == site_of(meter))
            .map(|other| &rises[other])
            .collect();
        let (load, common) = (of(meter, name, clock), common_rise(&others));
        high_base_load(&load, &common, &BaseLoadLimits::default(), meter.track.start)
    };
    meters.iter().enumerate().map(of_one).collect()
}

pub(crate) fn of<'a>(
    meter: &'a Labelled,
    name: &'a Name,
    (zone, calendar): (&'a TimeZone, &'a HolidayCalendar),
) -> Load<'a> {
    Load { meter: name, area: name, track: &meter.track, zone, calendar, pricing: None }
}

fn site_of(meter: &Labelled) -> &str {
    meter.name.split('_').next().unwrap_or_default()
}

fn tally(meter: &Labelled, told: &[Told]) -> Tally {
    let mut tally = Tally::of(meter, &[], &[], tally::WARM_UP_S);
    let (mut hit, mut all) = (0, 0);
    for label in meter.labels.iter().filter(|it| it.is_of(&[KIND])) {
        all += 1;
        let within = label.start..=label.last;
        if let Some(first) = told.iter().map(|it| it.at).filter(|at| within.contains(at)).min() {
            hit += 1;
            tally.delays_h.push(hours(first - label.start));
        }
    }
    tally.hits = vec![(hit, all)];
    tally.false_findings = count(meter, told, |it| it.finding.opened);
    tally
}

/// How many findings touch no label between some instant and their saying.
fn count(meter: &Labelled, told: &[Told], since: impl Fn(&Told) -> i64) -> u32 {
    let scored_from = meter.track.start + tally::WARM_UP_S;
    let is_false = |it: &&Told| {
        scored_from <= it.at
            && !meter.labels.iter().any(|label| since(it) <= label.last && label.start <= it.at)
    };
    u32::try_from(told.iter().filter(is_false).count()).unwrap_or(u32::MAX)
}
