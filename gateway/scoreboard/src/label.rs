//! The answer key: which series had what, from when to when.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::table;

/// One labelled stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The series it is in.
    pub series: String,
    /// As `leak_small_2lph`. It belongs to a task by how it begins.
    pub kind: String,
    /// Its first step.
    pub start: i64,
    /// Its last step, which belongs to it.
    pub last: i64,
}

/// Reads labels: `series,kind,start,end`, more columns are ignored.
///
/// # Errors
///
/// The file cannot be read, or a time stamp is none: the line is named.
pub fn read(path: &Path) -> Result<Vec<Label>> {
    let shown = path.display();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table::open(path)?);
    let mut labels = Vec::new();
    for (number, row) in (2..).zip(reader.records()) {
        let row = row.with_context(|| format!("line {number} of {shown}"))?;
        let cell = |at: usize| row.get(at).unwrap_or_default().trim().to_owned();
        let instant = |at: usize| {
            table::instant_of(&cell(at)).with_context(|| format!("line {number} of {shown}"))
        };
        labels.push(Label {
            series: cell(0),
            kind: cell(1),
            start: instant(2)?,
            last: instant(3)?,
        });
    }
    Ok(labels)
}

impl Label {
    /// Returns whether its kind begins with one of these.
    #[must_use]
    pub fn is_of(&self, prefixes: &[&str]) -> bool {
        prefixes.iter().any(|prefix| self.kind.starts_with(prefix))
    }
}
