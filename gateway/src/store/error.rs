//! What can go wrong in the store, told apart by what a caller would do differently.

use rusqlite::ErrorCode;

/// The system's number for a fault of the disk; std has no name for it. The same on every
/// Linux.
const EIO: i32 = 5;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written. Keep what you have, try again when there is room.
    #[error("cannot {during}: the disk is full")]
    DiskFull {
        /// What was attempted.
        during: &'static str,
        /// SQLite's or the system's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file system takes no writes. Nothing was written; try again once it does.
    #[error("cannot {during}: the disk is read-only")]
    ReadOnly {
        /// What was attempted.
        during: &'static str,
        /// SQLite's or the system's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A write or a sync failed. What was not synced may be on the disk or not, whatever
    /// the system says from now on: this process writes nothing more. Start again; that
    /// goes on from what is on the disk, and syncs it anew.
    #[error("cannot {during}: the disk fails")]
    Failing {
        /// What was attempted.
        during: &'static str,
        /// SQLite's or the system's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was read is not what was written: restore a backup. Rows that are intact
    /// can still be read.
    #[error("cannot {during}: the store is damaged: {what}")]
    Corrupt {
        /// What was attempted.
        during: &'static str,
        /// Which file, row or block, and what about it.
        what: String,
    },
    /// Another process records into this store; two would undo each other's work.
    #[error("cannot {during}: another process has the store open")]
    InUse {
        /// What was attempted.
        during: &'static str,
    },
    /// The folder was written by a newer program. Going back is not possible.
    #[error("cannot open the store: it has schema {found}, this program knows up to {known}")]
    Newer {
        /// The schema version of the file.
        found: i64,
        /// The newest schema version of this program.
        known: i64,
    },
    /// Anything else: a missing right, a failing disk, a mistake of ours.
    #[error("cannot {during}")]
    Other {
        /// What was attempted.
        during: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Returns whether trying again later, without anybody repairing anything but the
    /// room on the disk, can succeed.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }

    /// Returns whether this process must end: only a start from what is on the disk can
    /// be trusted.
    #[must_use]
    pub fn is_disk_failing(&self) -> bool {
        matches!(self, Self::Failing { .. })
    }

    /// Returns what a person can do about it, if there is one thing to say.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::DiskFull { .. } => Some("make room on the disk that holds `data_dir`"),
            Self::ReadOnly { .. } => Some(
                "the disk that holds `data_dir` takes no writes: mount it for writing; Linux also \
                 makes a disk read-only that has faults, see `dmesg`",
            ),
            Self::Failing { .. } => Some(
                "see `dmesg` for faults of the disk; start again, and on another disk put the \
                 newest backup back with `gengfu restore`",
            ),
            Self::Corrupt { .. } => Some(
                "put the newest good backup back with `gengfu restore`; keep the damaged folder, \
                 what is intact in it can still be read",
            ),
            Self::InUse { .. } => Some("stop the gateway that uses `data_dir`, then try again"),
            Self::Newer { .. } => Some(
                "install the newer program again; to go back, give the kept \
                 `main.db.before-…` its old name",
            ),
            Self::Other { .. } => None,
        }
    }

    pub(super) fn other(
        during: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Other { during, source: source.into() }
    }

    pub(super) fn corrupt(during: &'static str, what: impl Into<String>) -> Self {
        Self::Corrupt { during, what: what.into() }
    }

    fn from_sqlite(during: &'static str, error: rusqlite::Error) -> Self {
        let Some(failure) = error.sqlite_error().copied() else {
            // The statement ran, but a column did not hold what we once put there.
            return Self::Corrupt { during, what: error.to_string() };
        };
        // The shared-memory file of the WAL cannot grow: SQLite calls that an I/O error.
        const SHM_SIZE: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
        if failure.code == ErrorCode::DiskFull || failure.extended_code == SHM_SIZE {
            return Self::DiskFull { during, source: error.into() };
        }
        if matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) {
            return Self::Corrupt { during, what: error.to_string() };
        }
        if failure.code == ErrorCode::ReadOnly {
            return Self::ReadOnly { during, source: error.into() };
        }
        // One number for all faults of a disk; which one it is, the folder tells
        // (`files::probe`): a file system that takes no writes says so only there.
        if failure.code == ErrorCode::SystemIoFailure {
            return Self::Failing { during, source: error.into() };
        }
        Self::Other { during, source: error.into() }
    }

    fn from_io(during: &'static str, error: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let kind = error.kind();
        if matches!(kind, StorageFull | QuotaExceeded) {
            return Self::DiskFull { during, source: error.into() };
        }
        if kind == ReadOnlyFilesystem {
            return Self::ReadOnly { during, source: error.into() };
        }
        if error.raw_os_error() == Some(EIO) {
            return Self::Failing { during, source: error.into() };
        }
        Self::Other { during, source: error.into() }
    }
}

/// Adds to an error of a lower layer what was attempted.
pub(super) trait During<T> {
    /// `what` completes "cannot …": a verb and its object.
    fn during(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for Result<T, rusqlite::Error> {
    fn during(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::from_sqlite(what, error))
    }
}

impl<T> During<T> for std::io::Result<T> {
    fn during(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::from_io(what, error))
    }
}
