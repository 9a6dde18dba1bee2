//! The scoreboard of detectors and baselines, on measured data with an answer key.

use std::path::Path;

use anyhow::Result;
use scoreboard::{Goal, Outcome};

use super::sheet::Target;
use super::{Progress, Sheet};

/// Runs every task whose files lie in a folder; one sheet each, skipped ones named.
///
/// # Errors
///
/// A file of the folder cannot be read as what its name says.
pub fn run(dir: &Path, progress: Progress<'_>) -> Result<Vec<Sheet>> {
    let mut sheets = Vec::new();
    for outcome in scoreboard::run(dir, &|task| progress(task))? {
        match outcome {
            Outcome::Skipped { task, why } => progress(&format!("{task}: skipped, {why}")),
            Outcome::Scored { task, scores } => {
                let mut sheet = Sheet::new(task);
                for score in scores {
                    let mut add = |target| match target {
                        Some(target) => sheet.add_with(&score.key, score.value, score.unit, target),
                        None => sheet.add(&score.key, score.value, score.unit),
                    };
                    add(match score.goal {
                        Goal::AtLeast(least) => Some(Target::AtLeast(least)),
                        Goal::AtMost(most) => Some(Target::AtMost(most)),
                        Goal::Between(least, most) => Some(Target::Between(least, most)),
                        Goal::None => None,
                    });
                    if let Some((low, high)) = score.within {
                        sheet.add(format!("{}_low", score.key), low, score.unit);
                        sheet.add(format!("{}_high", score.key), high, score.unit);
                    }
                }
                sheets.push(sheet);
            }
        }
    }
    Ok(sheets)
}
