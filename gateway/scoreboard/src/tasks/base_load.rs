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
    let meters = labelled::read(dir, "electricity_")?;
    if meters.is_empty() {
        let why = "no injected_faults_*/electricity_*.csv with labels.csv beside it".into();
        return Ok(Outcome::Skipped { task: TASK, why });
    }
    let name = Name::new("series")?;
    let (zone, calendar) = (TimeZone::UTC, HolidayCalendar::weekdays());
    let clock = (&zone, &calendar);
    let rises: Vec<Rises> =
        meters.iter().map(|meter| base_rises(&of(meter, &name, clock))).collect();
    let told: Vec<Vec<Told>> = meters
        .iter()
        .enumerate()
        .map(|(at, meter)| {
            let others: Vec<&Rises> = (0..meters.len())
                .filter(|&other| other != at && site_of(&meters[other]) == site_of(meter))
                .map(|other| &rises[other])
                .collect();
            let common = common_rise(&others);
            let limits = BaseLoadLimits::default();
            high_base_load(&of(meter, &name, clock), &common, &limits, meter.track.start)
        })
        .collect();
    let tallies: Vec<Tally> =
        meters.iter().zip(&told).map(|(meter, it)| tally(meter, it)).collect();
    let strict: Vec<Tally> = meters
        .iter()
        .zip(&told)
        .map(|(meter, it)| Tally {
            false_findings: count(meter, it, |told| told.at),
            ..tally(meter, it)
        })
        .collect();
    let days = |it: &[&Tally]| tally::median_delay_h(it).map(|hours| hours / 24.0);
    let scores: [Option<Score>; 4] = [
        score("recall", "1", Goal::AtLeast(0.95), &tallies, |it| tally::recall(it, 0)),
        score("delay_median", "d", Goal::AtMost(10.0), &tallies, days),
        score("false_per_month", "1", Goal::AtMost(0.2), &tallies, tally::false_per_month),
        score("false_strict", "1", Goal::None, &strict, tally::false_per_month),
    ];
    Ok(Outcome::Scored { task: TASK, scores: scores.into_iter().flatten().collect() })
}

pub(super) fn of<'a>(
    meter: &'a Labelled,
    name: &'a Name,
    (zone, calendar): (&'a TimeZone, &'a HolidayCalendar),
) -> Load<'a> {
    Load { meter: name, area: name, track: &meter.track, zone, calendar, pricing: None }
}

pub(super) fn site_of(meter: &Labelled) -> &str {
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
