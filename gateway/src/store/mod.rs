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
//! - a full disk, a failing one, one that takes no writes, a damaged file and a file of a
//!   newer program are told apart.
//!
//! All methods block; callers on an executor use `spawn_blocking`. Instants are Unix
//! seconds and come from the caller.
//!
//! Not here: what a reading is worth (`ingest::gate`), consumption (`analysis`),
//! the time now.

use std::fs::File;
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
pub mod targets;
mod wal;

pub use backup::{Backup, Progress};
use database::Database;
use error::During;
pub use error::StoreError;
pub use journal::{Journal, JournalTx, JournalView};
pub use series::{Arrival, Counts, Damage, Recorded, Series, UNNUMBERED, Unreadable, Untold};
pub use targets::Targets;

/// Everything but sealed months.
const MAIN_FILE: &str = "main.db";

/// Locked by the process that records; holds nothing.
const LOCK_FILE: &str = "lock";

/// Shared by all that have the store open, alone of who migrates it; holds nothing.
const OPEN_FILE: &str = "open";

/// Locked by whoever seals months, gives them up, or copies them; holds nothing.
const MONTHS_LOCK_FILE: &str = "months.lock";

/// One read-only file for each sealed month.
const MONTHS_FOLDER: &str = "months";

/// One data directory, open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    series: Series,
    journal: Journal,
    database: Arc<Database>,
    found: Arc<[Damage]>,
    // As long as it lives nobody puts another main file in place of this one.
    _open: Arc<File>,
}

/// What may be chosen of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The most bytes of readings that wait in memory for a block; by default what a
    /// day's quarter hours take, 16 to 128 MiB.
    pub buffer_bytes: Option<usize>,
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
    /// [`StoreError::ReadOnly`], [`StoreError::Failing`], [`StoreError::Corrupt`], or
    /// [`StoreError::Other`] with the cause.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, Options::default())
    }

    /// Opens the store with what was chosen of it; else as [`Store::open`].
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_with(dir: &Path, options: Options) -> Result<Self, StoreError> {
        files::make_folder(dir)?;
        let open = lock::share(&dir.join(OPEN_FILE))?;
        let lock = lock::take(&dir.join(LOCK_FILE))?;
        let path = dir.join(MAIN_FILE);
        files::refuse_if_emptied(&path, &dir.join(MONTHS_FOLDER))?;
        let mut found = Vec::new();
        if lock.is_some() {
            migrate::remove_unfinished(&path)?;
            found.extend(wal::keep_if_damaged(&path)?.map(Damage::of_the_log));
            wal::write_again(&path)?;
        }
        let due = migrate::due(&path, migrate::MIGRATIONS)?;
        if let migrate::Due::Copy { found } = due {
            if lock.is_none() || !lock::own(&open)? {
                return Err(StoreError::InUse { during: "migrate the store" });
            }
            migrate::migrate(&path, found, migrate::MIGRATIONS)?;
            open.lock_shared().during("lock the store")?;
        }
        let database = Database::open(&path)?;
        if lock.is_some() {
            migrate::run_steps(&mut database.writer(), migrate::MIGRATIONS)?;
            database.settle()?;
        }
        let database = Arc::new(database);
        let is_owner = lock.is_some();
        let (series, damaged) =
            Series::open(Arc::clone(&database), dir, lock, options.buffer_bytes)?;
        found.extend(damaged);
        if is_owner && due == migrate::Due::Nothing {
            migrate::remove_kept(&path, migrate::MIGRATIONS)?;
        }
        Ok(Self {
            series,
            journal: Journal::new(Arc::clone(&database)),
            database,
            found: found.into(),
            _open: Arc::new(open),
        })
    }

    /// Copies a store into a folder that does not exist yet, and checks the copy. The
    /// gateway may be running on it, in this process or another one: the copy is of one
    /// instant.
    ///
    /// Sealed months that an earlier backup `like` has just the same become a second name
    /// for its file, where the file system can do that.
    ///
    /// # Errors
    ///
    /// [`StoreError::DiskFull`] and others; a copy begun is no backup yet.
    pub fn backup(
        dir: &Path,
        to: &Path,
        like: Option<&Path>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Backup, StoreError> {
        backup::backup(dir, to, like, progress)
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
    /// [`StoreError::Corrupt`] if the backup is not whole; [`StoreError::InUse`] if
    /// somebody has the directory open; [`StoreError::Other`] if there is a store
    /// already, or with the cause.
    pub fn restore(
        from: &Path,
        dir: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Backup, StoreError> {
        backup::restore(from, dir, progress)
    }

    /// Reads everything there is and returns what is damaged; takes as long as that takes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failing`] or [`StoreError::Other`] if it cannot be read at all.
    pub fn check(&self) -> Result<Vec<Damage>, StoreError> {
        self.series.check()
    }

    /// Returns what was found damaged when the store was opened.
    #[must_use]
    pub fn found_damaged(&self) -> &[Damage] {
        &self.found
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

    /// Returns where readings also go.
    #[must_use]
    pub fn targets(&self) -> Targets {
        Targets::new(Arc::clone(&self.database))
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
mod cut_tests;
#[cfg(test)]
mod flip_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
