//! How well the detectors and baselines of `analysis` do on measured data with an answer key.
//!
//! In: a folder of tables (CSV, gzip where the name says so) and of labels. Out: a
//! [`Score`] for each promise, with an interval from resampling meters.
//!
//! Each task is a file of [`tasks`], which states its protocol: what counts as a hit, what
//! is warm-up, how findings are merged. A task whose files are missing is skipped and says
//! so. Nothing here knows a meter by its name: the same settings go to every meter, and
//! a detector sees nothing after the moment of which it speaks.
//!
//! Not here: detectors, models (`analysis`); the command (`gengfu bench findings`).

pub mod flag;
pub mod label;
pub mod labelled;
pub mod picture;
pub mod resample;
pub mod robustness;
pub mod score;
pub mod strongest;
pub mod table;
pub mod tally;
pub mod tasks;
pub mod years;

pub use score::{Goal, Outcome, Score};

use std::path::Path;

use anyhow::{Result, ensure};

/// Runs every task whose files lie in the folder; `progress` hears its name before it begins.
///
/// # Errors
///
/// The folder is not there, or a file of it cannot be read as what its name says.
pub fn run(dir: &Path, progress: &dyn Fn(&str)) -> Result<Vec<Outcome>> {
    ensure!(
        dir.is_dir(),
        "there is no folder {}; give one laid out as `gengfu bench findings --help` says",
        dir.display()
    );
    let mut outcomes = Vec::new();
    for task in tasks::ALL {
        progress(task.name);
        outcomes.push((task.run)(dir)?);
    }
    Ok(outcomes)
}
