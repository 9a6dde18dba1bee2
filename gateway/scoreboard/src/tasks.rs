//! The tasks, one file each; each file states its protocol.

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
pub const ALL: &[Task] = &[Task { name: "water", run: water::run }];
