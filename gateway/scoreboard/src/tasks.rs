//! The tasks, one file each; each file states its protocol.

mod base_load;
mod day_ahead;
mod gas_meter_events;
mod meter_faults;
mod nmecr;
mod point_score;
mod running;
mod savings_baseline;
mod savings_coverage;
mod water;

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
    Task { name: "point_score", run: point_score::run },
    Task { name: "savings_baseline", run: savings_baseline::run },
    Task { name: "nmecr", run: nmecr::run },
    Task { name: "savings_coverage", run: savings_coverage::run },
    Task { name: "day_ahead", run: day_ahead::run },
    Task { name: "meter_faults", run: meter_faults::run },
    Task { name: "gas_meter_events", run: gas_meter_events::run },
    Task { name: "water", run: water::run },
];
