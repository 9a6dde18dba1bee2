//! The tasks, one file each; each file states its protocol.

mod base_load;
mod closings;
mod day_ahead;
mod gas_meter_events;
mod lights;
mod meter_faults;
mod nmecr;
mod point_score;
mod running;
mod savings_baseline;
mod savings_coverage;
mod waste;
mod water;

pub(crate) use base_load::{of as load_of, rising};

use std::path::Path;

use anyhow::Result;

use crate::score::Outcome;

/// One task.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// What it is called.
    pub name: &'static str,
    /// Runs it on a folder; skipped if its files are not there.
    pub run: fn(&Path) -> Result<Outcome>,
}

/// Every task, in the order in which they are told.
pub const ALL: &[Task] = &[
    Task { name: "running", run: running::run },
    Task { name: "base_load", run: base_load::run },
    Task { name: "lights", run: lights::run },
    Task { name: "waste", run: waste::run },
    Task { name: "point_score", run: point_score::run },
    Task { name: "savings_baseline", run: savings_baseline::run },
    Task { name: "nmecr", run: nmecr::run },
    Task { name: "savings_coverage", run: savings_coverage::run },
    Task { name: "day_ahead", run: day_ahead::run },
    Task { name: "meter_faults", run: meter_faults::run },
    Task { name: "gas_meter_events", run: gas_meter_events::run },
    Task { name: "water", run: water::run },
    Task { name: "closings", run: closings::run },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_set_is_enough_for_meters_and_water() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data"));
        for (run, key, least) in [
            (meter_faults::run as fn(&Path) -> Result<Outcome>, "recall_spike", 0.9),
            (gas_meter_events::run, "recall_unit_change_14d", 1.0),
            (water::run, "recall_burst_3h", 0.9),
        ] {
            let outcome = run(dir).unwrap();

            let Outcome::Scored { scores, .. } = outcome else { panic!("{outcome:?}") };
            let score = scores.iter().find(|score| score.key == key).unwrap();
            assert!(least <= score.value, "{key}: {}", score.value);
        }
    }
}
