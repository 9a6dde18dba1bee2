//! Meters with an answer key: the tables of `injected_faults_*`, joined with their labels.

use std::path::Path;

use analysis::track::Track;
use anyhow::Result;

use crate::label::Label;
use crate::robustness::Measured;

/// One series of a table, and what is known of it.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// Its header.
    pub name: String,
    /// What was measured.
    pub track: Track,
    /// Every label of it, whatever task they are for, in order of time.
    pub labels: Vec<Label>,
}

/// Reads the labelled meters of the tables of a kind; none where there is no such table
/// with a `labels.csv` beside it.
///
/// # Errors
///
/// A file cannot be read as what its name says.
pub fn read(dir: &Path, begins: &str) -> Result<Vec<Labelled>> {
    Ok(Measured::read(dir, begins)?.map_or_else(Vec::new, |measured| of(&measured)))
}

/// Returns the meters of a table, each with its labels.
#[must_use]
pub fn of(measured: &Measured) -> Vec<Labelled> {
    let Measured { table, labels } = measured;
    let labels_of = |name: &str| {
        let mut labels: Vec<Label> =
            labels.iter().filter(|it| it.series == name).cloned().collect();
        labels.sort_by_key(|label| label.start);
        labels
    };
    let meters = table.columns.iter().map(|column| Labelled {
        name: column.name.clone(),
        track: table.track(column),
        labels: labels_of(&column.name),
    });
    meters.collect()
}
