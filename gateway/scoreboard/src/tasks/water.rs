//! Water: leaks, bursts and running toilets.
//!
//! Files: `injected_faults_*/water_*.csv` (litres in the hour) with `labels.csv` beside it.
//!
//! Protocol. Warm-up is eight weeks from a meter's first reading; nothing noticed in it
//! counts, and nothing labelled in it is expected. All detectors run together, one finding
//! per cause. A label is found by a finding of its kind (a leak by `leak`, a burst by
//! `burst`, a toilet by `running_toilet`) that begins no earlier than a day before the
//! label, and is noticed after the label begins and no later than a day after it ended;
//! a burst must be noticed within 3 hours of its beginning. `any_` figures let any finding
//! of the task find the label. Delay is from the label's beginning to the instant at which
//! it could first be said. A false episode is a finding that touches no label of any kind
//! of that meter; nothing is merged.

use std::path::Path;
use std::time::Instant;

use analysis::detect::{WaterLimits, water};
use anyhow::Result;

use crate::flag::{Asked, Flag, Judged, false_rate, recall};
use crate::robustness::{Measured, falls};
use crate::score::{Goal, Outcome, Score};

const NAME: &str = "water";
const WARM_UP_S: i64 = 56 * 86_400;

const ASKED: [Asked; 7] = [
    asked("leak_small_2lph", &["leak_small"], &["leak"], None, Goal::AtLeast(1.0)),
    asked("leak_medium_10lph", &["leak_medium"], &["leak"], None, Goal::AtLeast(1.0)),
    asked("leak_ramp", &["leak_incipient"], &["leak"], None, Goal::AtLeast(1.0)),
    asked("burst_3h", &["burst_"], &["burst"], Some(3 * 3_600), Goal::AtLeast(1.0)),
    asked("running_toilet", &["running_toilet"], &["running_toilet"], None, Goal::AtLeast(0.85)),
    asked("any_leak", &["leak_"], &[], None, Goal::None),
    asked("any_running_toilet", &["running_toilet"], &[], None, Goal::None),
];

const fn asked(
    name: &'static str,
    labels: &'static [&'static str],
    flags: &'static [&'static str],
    within_s: Option<i64>,
    goal: Goal,
) -> Asked {
    Asked { name, labels, flags, within_s, goal }
}

/// Runs the task.
///
/// # Errors
///
/// A file is not what its name says.
pub(crate) fn run(dir: &Path) -> Result<Outcome> {
    let Some(measured) = Measured::read(dir, "water_")? else {
        return Ok(Outcome::Skipped {
            task: NAME,
            why: "there is no injected_faults_*/water_*.csv with labels.csv".to_owned(),
        });
    };
    let mut scores = scores(&measured);
    scores.extend(falls(&measured, self::scores));
    scores.push(time_per_meter_year(&measured));
    Ok(Outcome::Scored { task: NAME, scores })
}

fn scores(measured: &Measured) -> Vec<Score> {
    let meters: Vec<Judged> = judged(measured);
    let mut scores: Vec<Score> = ASKED.iter().flat_map(|it| recall(&meters, it)).collect();
    scores.push(false_rate(&meters, "false_episodes", Goal::AtMost(0.5)));
    scores
}

fn judged(measured: &Measured) -> Vec<Judged> {
    let limits = WaterLimits::default();
    let mut meters = Vec::new();
    for column in &measured.table.columns {
        let track = measured.table.track(column);
        let found = water(&track, &limits);
        let end = track.end();
        let kinds =
            [("burst", &found.bursts), ("leak", &found.leaks), ("running_toilet", &found.toilets)];
        let flags = kinds
            .iter()
            .flat_map(|(kind, spells)| spells.iter().map(|it| Flag::of(kind, it, end)))
            .collect();
        let labels: Vec<_> =
            measured.labels.iter().filter(|it| it.series == column.name).cloned().collect();
        meters.push(Judged::new(&track, labels, flags, WARM_UP_S));
    }
    meters
}

fn time_per_meter_year(measured: &Measured) -> Score {
    let tracks: Vec<_> = measured.table.columns.iter().map(|it| measured.table.track(it)).collect();
    let limits = WaterLimits::default();
    #[expect(clippy::disallowed_methods, reason = "a bench measures")]
    let began = Instant::now();
    for track in &tracks {
        std::hint::black_box(water(track, &limits));
    }
    let years: f64 = tracks.iter().map(crate::flag::years).sum();
    Score::new("time_per_meter_year", began.elapsed().as_secs_f64() * 1_000.0 / years, "ms")
}
