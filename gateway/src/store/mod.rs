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

mod backup;
mod codec;
mod database;
mod error;
mod files;
pub mod journal;
mod lock;
mod migrate;
pub mod series;

pub use backup::Backup;
use database::Database;
use error::During;
pub use error::StoreError;
pub use journal::{Journal, JournalTx, JournalView};
pub use series::{Arrival, Counts, Recorded, Series, UNNUMBERED, Unreadable};

/// Everything but sealed months.
const MAIN_FILE: &str = "main.db";

/// Locked by the process that records; holds nothing.
const LOCK_FILE: &str = "lock";

/// One read-only file for each sealed month.
const MONTHS_FOLDER: &str = "months";

/// One data directory, open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    series: Series,
    journal: Journal,
    database: Arc<Database>,
}

impl Store {
    /// Opens the store in a data directory; creates what is not there yet.
    ///
    /// Beside a process that has it open already, as a command beside a running gateway:
    /// the journal works as ever, and readings can be read, as they stand now, but not
    /// recorded ([`Store::can_record`]).
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] if a newer program wrote it, [`StoreError::InUse`] if it
    /// would have to be migrated under another process, [`StoreError::DiskFull`],
    /// [`StoreError::Corrupt`], or [`StoreError::Other`] with the cause.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, None)
    }

    fn open_with(dir: &Path, buffer_bytes: Option<usize>) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).during("create the data directory")?;
        let lock = lock::take(&dir.join(LOCK_FILE))?;
        let path = dir.join(MAIN_FILE);
        let database = Database::open(&path)?;
        if lock.is_none() && migrate::is_due(&database.writer(), migrate::MIGRATIONS)? {
            return Err(StoreError::InUse { during: "migrate the store" });
        }
        migrate::migrate(&mut database.writer(), &path, migrate::MIGRATIONS)?;
        let database = Arc::new(database);
        let months = dir.join(MONTHS_FOLDER);
        Ok(Self {
            series: Series::open(Arc::clone(&database), months, lock, buffer_bytes)?,
            journal: Journal::new(Arc::clone(&database)),
            database,
        })
    }

    /// Copies the whole store into a folder that does not exist yet, while it is in use,
    /// and checks the copy.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`] beside the process that records: months could be sealed
    /// meanwhile. [`StoreError::DiskFull`] and others; a copy begun is no backup yet.
    pub fn backup(&self, to: &Path) -> Result<Backup, StoreError> {
        if !self.can_record() {
            return Err(StoreError::InUse { during: "back the store up" });
        }
        backup::backup(&self.database, &self.series, to)
    }

    /// Reads every file of a backup and compares it with what was backed up.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] with the first file that differs.
    pub fn check_backup(from: &Path) -> Result<Backup, StoreError> {
        backup::check(from)
    }

    /// Puts a backup into a data directory that holds no store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if the backup is not whole; [`StoreError::Other`] if
    /// there is a store already, or with the cause.
    pub fn restore(from: &Path, dir: &Path) -> Result<Backup, StoreError> {
        backup::restore(from, dir)
    }

    /// Returns whether this process may record readings: it was the first to open the
    /// store. A gateway that may not must not start.
    #[must_use]
    pub fn can_record(&self) -> bool {
        self.series.can_record()
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
mod golden_tests;
#[cfg(test)]
mod tests;
