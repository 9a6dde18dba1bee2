//! The connections to one SQLite file: one that writes, a few that read.
//!
//! Every write is one transaction, and when [`Database::write`] returns it is on the
//! disk: WAL with `synchronous = FULL` syncs the log at each commit. Every read is one
//! transaction too, so that what it sees belongs together.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::{During, StoreError};
use super::files;

/// Pages of 4 KiB in the log before it is copied into the file. Measured: fewer, and
/// the copying shows in every commit.
const CHECKPOINT_PAGES: i64 = 4_000;

/// Readers kept open; more are opened when more are needed, and closed again.
const IDLE_READERS_MAX: usize = 4;

/// How long a command beside the gateway waits for its turn to write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections to one file.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    writer: Mutex<Connection>,
    idle: Mutex<Vec<Connection>>,
}

impl Database {
    /// Opens the file, and creates it if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let writer = open_writer(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            writer: Mutex::new(writer),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Runs a transaction that writes; it is on the disk when this returns, or
    /// nothing of it is.
    pub(super) fn write<T>(
        &self,
        during: &'static str,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write_then(during, run, |out| out)
    }

    /// Runs a transaction that writes and, if it was committed, `then`, before anybody
    /// else may write: what is in memory follows the disk, in the same order.
    pub(super) fn write_then<T, U>(
        &self,
        during: &'static str,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
        then: impl FnOnce(T) -> U,
    ) -> Result<U, StoreError> {
        let mut writer = self.writer();
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).during(during)?;
        // Dropped on the way out of an error, a transaction rolls itself back.
        let out = run(&transaction)?;
        transaction.commit().during(during)?;
        Ok(then(out))
    }

    /// Runs a transaction that only reads.
    pub(super) fn read<T>(
        &self,
        during: &'static str,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let pooled = lock(&self.idle).pop();
        let mut reader = match pooled {
            Some(reader) => reader,
            None => open_reader(&self.path)?,
        };
        let transaction = reader.transaction().during(during)?;
        let out = run(&transaction);
        transaction.finish().during(during)?;
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_READERS_MAX {
            idle.push(reader);
        }
        out
    }

    /// Copies the file as of now into a new one, without what was removed. Nobody waits.
    pub(super) fn copy_to(&self, to: &Path) -> Result<(), StoreError> {
        const DURING: &str = "copy the main file";
        let reader = open_reader(&self.path)?;
        reader.execute("VACUUM INTO ?1", [files::text_of(to)?]).during(DURING)?;
        std::fs::File::open(to).during(DURING)?.sync_all().during(DURING)
    }

    /// Returns the writing connection, for what cannot run inside a transaction.
    pub(super) fn writer(&self) -> MutexGuard<'_, Connection> {
        lock(&self.writer)
    }
}

// A panic while the lock was held has rolled the transaction back: what the lock
// guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a connection that may write, with the settings that the promise rests on.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    const DURING: &str = "open the database";
    let connection = Connection::open(path).during(DURING)?;
    connection.busy_timeout(BUSY_TIMEOUT).during(DURING)?;
    connection.pragma_update(None, "journal_mode", "WAL").during(DURING)?;
    connection.pragma_update(None, "synchronous", "FULL").during(DURING)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).during(DURING)?;
    connection.pragma_update(None, "foreign_keys", true).during(DURING)?;
    connection.pragma_update(None, "temp_store", "MEMORY").during(DURING)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    const DURING: &str = "open the database for reading";
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).during(DURING)?;
    connection.busy_timeout(BUSY_TIMEOUT).during(DURING)?;
    connection.pragma_update(None, "temp_store", "MEMORY").during(DURING)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
