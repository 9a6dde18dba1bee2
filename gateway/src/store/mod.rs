//! What was measured, and what was concluded: the cellar of the house.
//!
//! One data directory, one SQLite file. [`Series`] holds the readings, which are facts
//! and never change; [`Journal`] holds everything that people and detectors concluded
//! from them. Both lie in the same file, so that a backup is of one instant.
//!
//! In: accepted packs, unreadable payloads, decisions.
//! Out: packs, counters, counts, decisions, and what changed since a mark.
//!
//! Afterwards:
//! - what a call that returned `Ok` has written survives a power cut, and start-up
//!   after one needs no repair;
//! - the same pack twice is the same row; reads do not depend on the order of arrival;
//! - a decision and the mails it causes are there together or not at all;
//! - a full disk, a damaged file and a file of a newer program are told apart.
//!
//! All methods block; callers on an executor use `spawn_blocking`. Instants are Unix
//! seconds and come from the caller.
//!
//! Not here: what a reading is worth (`ingest::gate`), consumption (`analysis`),
//! the time now.

use std::path::Path;
use std::sync::Arc;

mod codec;
mod database;
mod error;
mod files;
pub mod journal;
mod migrate;
pub mod series;

use database::Database;
use error::During;
pub use error::StoreError;
pub use journal::{Journal, JournalTx, JournalView};
pub use series::{Arrival, Counts, Recorded, Series, Unreadable};

/// Everything but sealed months.
const MAIN_FILE: &str = "main.db";

/// One read-only file for each sealed month.
const MONTHS_FOLDER: &str = "months";

/// One data directory, open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    series: Series,
    journal: Journal,
    #[cfg(test)]
    database: Arc<Database>,
}

impl Store {
    /// Opens the store in a data directory; creates what is not there yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] if a newer program wrote it, [`StoreError::DiskFull`],
    /// [`StoreError::Corrupt`], or [`StoreError::Other`] with the cause.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, None)
    }

    fn open_with(dir: &Path, buffer_bytes: Option<usize>) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).during("create the data directory")?;
        let path = dir.join(MAIN_FILE);
        let database = Database::open(&path)?;
        migrate::migrate(&mut database.writer(), &path, migrate::MIGRATIONS)?;
        let database = Arc::new(database);
        Ok(Self {
            series: Series::open(Arc::clone(&database), dir.join(MONTHS_FOLDER), buffer_bytes)?,
            journal: Journal::new(Arc::clone(&database)),
            #[cfg(test)]
            database,
        })
    }

    /// Returns the readings.
    #[must_use]
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// Makes the disk seem full: the file may have so many pages and no more.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: i64) {
        self.database.writer().pragma_update(None, "max_page_count", pages).expect("a pragma");
    }

    /// Returns the conclusions and decisions.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}

#[cfg(test)]
mod tests;
