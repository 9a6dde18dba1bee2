//! Meters with an answer key: the tables of `injected_faults_*`, joined with their labels.

use std::path::{Path, PathBuf};

use analysis::track::Track;
use anyhow::{Context as _, Result};

use crate::label::{self, Label};
use crate::table;

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

/// Returns the files `FOLDER*/FILE*.csv[.gz]` of a folder, in order of their names.
///
/// # Errors
///
/// The folder cannot be listed.
pub fn files(dir: &Path, folder: &str, file: &str) -> Result<Vec<PathBuf>> {
    let list = |dir: &Path| -> Result<Vec<PathBuf>> {
        let shown = dir.display();
        let entries = std::fs::read_dir(dir).with_context(|| format!("cannot list {shown}"))?;
        let mut paths: Vec<PathBuf> = entries.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
        paths.sort();
        Ok(paths)
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for folder in list(dir)?.into_iter().filter(|it| it.is_dir() && name(it).starts_with(folder)) {
        found.extend(list(&folder)?.into_iter().filter(|it| {
            let name = name(it);
            name.starts_with(file) && (name.ends_with(".csv") || name.ends_with(".csv.gz"))
        }));
    }
    Ok(found)
}

/// Reads the labelled meters of `injected_faults_*/FILE*.csv[.gz]`; none where there is no
/// such file with a `labels.csv` beside it.
///
/// # Errors
///
/// A file cannot be read as what its name says.
pub fn read(dir: &Path, file: &str) -> Result<Vec<Labelled>> {
    let mut meters = Vec::new();
    for path in files(dir, "injected_faults_", file)? {
        let beside = path.parent().unwrap_or(dir);
        let Some(key) = table::find(beside, &["labels.csv"]) else { continue };
        let mut labels = label::read(&key)?;
        labels.sort_by_key(|label| label.start);
        let table = table::read(&path)?;
        for column in &table.columns {
            meters.push(Labelled {
                name: column.name.clone(),
                track: table.track(column),
                labels: labels.iter().filter(|it| it.series == column.name).cloned().collect(),
            });
        }
    }
    Ok(meters)
}
