//! How long the closings of a large house take.
//!
//! Files: those of the tasks `water` and `meter_faults` that are there.
//!
//! Protocol. Each meter of the tables is a meter of the house, over and over; what is
//! evaluated at a closing is what the product evaluates: the last ten weeks in quarter
//! hours, summed up to hours, through all detectors of water or of meters. 4,000 meters are
//! evaluated on two threads, and the time is scaled to 100,000. Nothing is kept from the
//! closing before, and nothing is read or written. Where the system says how long a thread
//! was on a processor, that is told too: half of it is the time on two cores that nobody
//! else uses.

use std::path::Path;
use std::thread;
use std::time::Instant;

use analysis::detect::{MeterLimits, WaterLimits, meter_faults, water};
use analysis::track::Track;
use anyhow::Result;

use crate::score::{Goal, Outcome, Score};
use crate::table;

const NAME: &str = "closings";
const METERS: usize = 4_000;
const THREADS: usize = 2;
const WEEKS_HOURS: usize = 70 * 24;

/// Runs the task.
///
/// # Errors
///
/// A file is not what its name says.
pub(crate) fn run(dir: &Path) -> Result<Outcome> {
    let mut tracks = Vec::new();
    for (begins, is_water) in [("water_", true), ("electricity_", false)] {
        for (path, _) in table::injected(dir, begins) {
            let table = table::read(&path)?;
            let columns = table.columns.iter();
            tracks.extend(columns.map(|column| (is_water, quarters(&table.track(column)))));
        }
    }
    if tracks.is_empty() {
        let why = "there is no injected_faults_*/water_*.csv and no electricity_*.csv";
        return Ok(Outcome::Skipped { task: NAME, why: why.to_owned() });
    }
    #[expect(clippy::disallowed_methods, reason = "a bench measures")]
    let began = Instant::now();
    let walk = |first: usize| {
        for meter in (first..METERS).step_by(THREADS) {
            evaluate(&tracks[meter % tracks.len()]);
        }
        on_processor_s()
    };
    let used: Vec<Option<f64>> = thread::scope(|scope| {
        let walk = &walk;
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || walk(first))).collect();
        threads.into_iter().map(|thread| thread.join().ok().flatten()).collect()
    });
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let scale = 100_000.0 / METERS as f64;
    let seconds = began.elapsed().as_secs_f64() * scale;
    let goal = Goal::AtMost(60.0);
    let mut scores = Vec::new();
    if let Some(used) = used.into_iter().sum::<Option<f64>>() {
        let key = "closings_of_100000_meters_two_free_cores";
        scores.push(Score::new(key, used / 2.0 * scale, "s").with_goal(goal));
    }
    scores.push(Score::new("closings_of_100000_meters_now", seconds, "s"));
    Ok(Outcome::Scored { task: NAME, scores })
}

/// Returns how long this thread was on a processor, if the system says it.
fn on_processor_s() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}

fn evaluate((is_water, track): &(bool, Track)) {
    let track = track.hourly();
    if *is_water {
        std::hint::black_box(water(&track, &WaterLimits::default()));
    }
    std::hint::black_box(meter_faults(&track, None, &MeterLimits::default()));
}

/// Returns the last ten weeks of an hourly track as quarter hours.
fn quarters(track: &Track) -> Track {
    let from = track.amounts.len().saturating_sub(WEEKS_HOURS);
    let amounts = track.amounts[from..].iter().flat_map(|it| [it.map(|it| it / 4); 4]).collect();
    Track { start: track.instant(from), step_s: track.step_s / 4, amounts }
}
