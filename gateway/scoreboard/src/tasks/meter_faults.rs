//! Faults of electricity and water meters themselves.
//!
//! Files: `injected_faults_*/electricity_*.csv` and `water_*.csv` with `labels.csv` beside
//! them; `bdg2/electricity_*.csv` with `bdg2/observed_data_faults*.csv` for faults that
//! were found in the data as published.
//!
//! Protocol. Warm-up is eight weeks from a meter's first reading. All detectors run
//! together, one finding per cause. A label is found by a finding of its kind: `scale_` by
//! a change of scale, `gap_` by a rest (with or without catch-up), `stuck_` by repeated
//! amounts, `spike` by a spike, `meter_dropout` by a rest; it must begin no earlier than a
//! day before the label, and be noticed after the label begins and no later than a day
//! after it ended. `caught_up` is the share of `gap_` labels of which it was said that
//! what was missing came in one step. Nothing measured for 36 hours (a gap) is told to the
//! operator as a silent meter and is neither a hit nor a false episode here. A false
//! episode is a finding that touches no label of any kind of that meter in `labels.csv`,
//! though many are faults that were in the data before; nothing is merged.
//!
//! Changes of scale and repeated amounts are asked of electricity alone: households draw
//! nothing, or the same litre, for days when nobody is there; for the same reason a rest of
//! theirs is accused after three days at the earliest.
//!
//! The observed faults have no rate of false episodes (they are not all that there is) and
//! no promise; repeated amounts shorter than a day are not accused, see `standstill`.

use std::path::Path;
use std::time::Instant;

use analysis::detect::{MeterLimits, Standstill, StandstillLimits, meter_faults};
use anyhow::Result;

use crate::flag::{Asked, Flag, Judged, false_rate, recall};
use crate::label;
use crate::robustness::{Measured, falls};
use crate::score::{Goal, Outcome, Score};
use crate::table;

const NAME: &str = "meter_faults";
const WARM_UP_S: i64 = 56 * 86_400;
const LEAST: Goal = Goal::AtLeast(0.98);

const ELECTRICITY: [Asked; 5] = [
    asked("scale", &["scale_"], &["scale"], LEAST),
    asked("gap_then_catchup", &["gap_"], &["rest", "caught_up"], LEAST),
    asked("stuck", &["stuck_"], &["same"], LEAST),
    asked("spike", &["spike"], &["spike"], LEAST),
    asked("caught_up", &["gap_"], &["caught_up"], Goal::None),
];
const WATER: [Asked; 1] =
    [asked("meter_dropout", &["meter_dropout"], &["rest", "caught_up"], LEAST)];
const OBSERVED: [Asked; 2] = [
    asked("observed_stuck", &["stuck_value"], &["same"], Goal::None),
    asked("observed_zero_run", &["zero_run"], &["rest", "caught_up"], Goal::None),
];

const fn asked(
    name: &'static str,
    labels: &'static [&'static str],
    flags: &'static [&'static str],
    goal: Goal,
) -> Asked {
    Asked { name, labels, flags, within_s: None, goal }
}

/// Runs the task.
///
/// # Errors
///
/// A file is not what its name says.
pub(crate) fn run(dir: &Path) -> Result<Outcome> {
    let Some(measured) = Measured::read(dir, "electricity_")? else {
        return Ok(Outcome::Skipped {
            task: NAME,
            why: "there is no injected_faults_*/electricity_*.csv with labels.csv".to_owned(),
        });
    };
    let mut scores = electricity(&measured);
    scores.extend(falls(&measured, electricity));
    if let Some(measured) = Measured::read(dir, "water_")? {
        let water =
            MeterLimits { standstill: StandstillLimits::by_people(), ..MeterLimits::default() };
        let meters = judged(&measured, &water, WARM_UP_S, &["rest", "caught_up"]);
        scores.extend(WATER.iter().flat_map(|it| recall(&meters, it)));
        scores.push(false_rate(&meters, "false_episodes_water", Goal::AtMost(0.2)));
    }
    let bdg2 = dir.join("bdg2");
    let observed = table::files(&bdg2, "observed_data_faults").into_iter().next();
    let table = table::files(&bdg2, "electricity_").into_iter().next();
    if let Some((observed, table)) = observed.zip(table) {
        let measured = Measured { table: table::read(&table)?, labels: label::read(&observed)? };
        let meters = judged(&measured, &MeterLimits::default(), 0, &["rest", "caught_up", "same"]);
        scores.extend(OBSERVED.iter().flat_map(|it| recall(&meters, it)));
    }
    scores.push(time_per_meter_year(&measured));
    Ok(Outcome::Scored { task: NAME, scores })
}

fn electricity(measured: &Measured) -> Vec<Score> {
    let kinds = ["rest", "caught_up", "same", "spike", "scale"];
    let meters = judged(measured, &MeterLimits::default(), WARM_UP_S, &kinds);
    let mut scores: Vec<Score> = ELECTRICITY.iter().flat_map(|it| recall(&meters, it)).collect();
    scores.push(false_rate(&meters, "false_episodes", Goal::AtMost(0.2)));
    scores
}

fn judged(
    measured: &Measured,
    limits: &MeterLimits,
    warm_up_s: i64,
    kinds: &[&str],
) -> Vec<Judged> {
    let mut meters = Vec::new();
    for column in &measured.table.columns {
        let track = measured.table.track(column);
        let end = track.end();
        let found = meter_faults(&track, None, limits);
        let mut flags: Vec<Flag> = found
            .standstills
            .iter()
            .filter_map(|it| match it {
                Standstill::Rest(spell, false) => Some(Flag::of("rest", spell, end)),
                Standstill::Rest(spell, true) => Some(Flag::of("caught_up", spell, end)),
                Standstill::Same(spell) => Some(Flag::of("same", spell, end)),
                Standstill::Gap(_) => None,
            })
            .collect();
        flags.extend(found.catch_ups.iter().map(|it| Flag::of("caught_up", it, end)));
        flags.extend(found.spikes.iter().map(|it| Flag::of("spike", it, end)));
        flags.extend(found.scales.iter().map(|it| Flag::of("scale", it, end)));
        flags.retain(|it| kinds.contains(&it.kind));
        let labels: Vec<_> =
            measured.labels.iter().filter(|it| it.series == column.name).cloned().collect();
        meters.push(Judged::new(&track, labels, flags, warm_up_s));
    }
    meters
}

fn time_per_meter_year(measured: &Measured) -> Score {
    let tracks: Vec<_> = measured.table.columns.iter().map(|it| measured.table.track(it)).collect();
    let limits = MeterLimits::default();
    #[expect(clippy::disallowed_methods, reason = "a bench measures")]
    let began = Instant::now();
    for track in &tracks {
        std::hint::black_box(meter_faults(track, None, &limits));
    }
    let years: f64 = tracks.iter().map(crate::flag::years).sum();
    Score::new("time_per_meter_year", began.elapsed().as_secs_f64() * 1_000.0 / years, "ms")
}
