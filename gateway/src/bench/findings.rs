//! The scoreboard of detectors and baselines, on measured data with an answer key; and the
//! strongest findings that the key knows nothing of, for people to judge.

use std::path::Path;

use anyhow::{Context, Result};
use scoreboard::strongest::{Strong, lasts_days, strongest};
use scoreboard::{Goal, Outcome, picture, table};
use serde_json::{Value, json};

use super::sheet::Target;
use super::{Progress, Sheet};
use crate::words::{self, Language};

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

/// Returns the strongest findings that touch no label, and draws them on a page if one is
/// asked for.
///
/// # Errors
///
/// There are no tables with labels, one cannot be read as what its name says, or the page
/// cannot be written.
pub fn unlabelled(dir: &Path, count: usize, page: Option<&Path>) -> Result<Vec<Strong>> {
    let strong = strongest(dir, count)?;
    if let Some(path) = page {
        let word = |kind: &str| {
            [Language::Zh, Language::En]
                .map(|language| words::text(language, &format!("kind.{kind}"), &[]))
        };
        std::fs::write(path, picture::page(&strong, &word))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(strong)
}

/// Returns such a finding as a line for people.
#[must_use]
pub fn line_of(number: usize, strong: &Strong) -> String {
    let finding = &strong.told.finding;
    format!(
        "{number:>3}  {:<28} {:<18} {} to {}  {:>8.1} large days  {:>10} {}",
        strong.series,
        finding.kind.code(),
        table::stamp_of(finding.opened),
        table::stamp_of(strong.until()),
        strong.days,
        finding.waste / 1000,
        strong.unit,
    )
}

/// Returns such findings as JSON, in their order.
#[must_use]
pub fn json_of(strong: &[Strong]) -> Value {
    let one = |it: &Strong| {
        let finding = &it.told.finding;
        json!({
            "series": it.series,
            "kind": finding.kind.code(),
            "opened": table::stamp_of(finding.opened),
            "until": table::stamp_of(it.until()),
            "told": table::stamp_of(it.told.at),
            "lasts_days": lasts_days(it),
            "waste": finding.waste / 1000,
            "unit": it.unit,
            "large_days": it.days,
        })
    };
    Value::Array(strong.iter().map(one).collect())
}
