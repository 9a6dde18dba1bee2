//! Loads that run at night or at the weekend.
//!
//! Files: `injected_faults_*/electricity_*.csv[.gz]`, `labels.csv` beside them; kinds
//! `overnight_running…` and `weekend_running…`.
//! Each label is one night or one day; it is hit when the evidence of a finding of either
//! detector overlaps it. The detectors are run over the whole table with their documented
//! limits; days are worked by the weekday alone (the tables come without holidays), the
//! clock is the table's. Warm-up, false findings: [`crate::tally`]; here false findings of
//! both detectors are counted together, a weekend that both speak of as two.
//! Delay: from a label's beginning until the finding that hits it could first be said; a
//! night of a finding that is open already has none, so the median says how the nights
//! after the first one fare.

use std::path::Path;

use analysis::calendar::HolidayCalendar;
use analysis::detect::{
    Load, after_hours_limits, after_hours_load, weekend_limits, weekend_running,
};
use anyhow::Result;
use jiff::tz::TimeZone;
use wire::Name;

use crate::labelled::{self, Labelled};
use crate::robustness::{Measured, falls};
use crate::score::{Goal, Outcome, Score};
use crate::tally::{self, Tally, score};

const TASK: &str = "running";

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
    // Headers of tables need not be names of meters, and nothing depends on it.
    let name = Name::new("series")?;
    let mut scores = scores(&measured, &name);
    scores.extend(falls(&measured, |worse| self::scores(worse, &name)));
    Ok(Outcome::Scored { task: TASK, scores })
}

fn scores(measured: &Measured, name: &Name) -> Vec<Score> {
    let meters = labelled::of(measured);
    let tallies = |nights: bool, days: bool| -> Vec<Tally> {
        meters.iter().map(|meter| one(meter, name, nights, days)).collect()
    };
    let (both, nights, days) = (tallies(true, true), tallies(true, false), tallies(false, true));
    let scores = [
        score("recall_overnight", "1", Goal::AtLeast(0.8), &both, |it| tally::recall(it, 0)),
        score("recall_weekend", "1", Goal::AtLeast(0.6), &both, |it| tally::recall(it, 1)),
        score("false_per_month", "1", Goal::AtMost(0.3), &both, tally::false_per_month),
        score("false_per_month_nights", "1", Goal::None, &nights, tally::false_per_month),
        score("false_per_month_weekends", "1", Goal::None, &days, tally::false_per_month),
        score("delay_median", "h", Goal::None, &both, tally::median_delay_h),
    ];
    scores.into_iter().flatten().collect()
}

fn one(meter: &Labelled, name: &Name, nights: bool, days: bool) -> Tally {
    let calendar = HolidayCalendar::weekdays();
    let load = Load {
        meter: name,
        area: name,
        track: &meter.track,
        zone: &TimeZone::UTC,
        calendar: &calendar,
        pricing: None,
    };
    let mut told = Vec::new();
    if nights {
        told.extend(after_hours_load(&load, &after_hours_limits(), meter.track.start));
    }
    if days {
        told.extend(weekend_running(&load, &weekend_limits(), meter.track.start));
    }
    Tally::of(meter, &told, &["overnight_running", "weekend_running"], tally::WARM_UP_S)
}
