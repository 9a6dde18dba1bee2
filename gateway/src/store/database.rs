//! The connections to one SQLite file: one that writes, a few that read.
//!
//! Every write is one transaction, and when [`Database::write`] returns it is on the
//! disk: WAL with `synchronous = FULL` syncs the log at each commit. Every read is one
//! transaction too, so that what it sees belongs together.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::{During, StoreError};
use super::files;

/// Of a new file; one that is there keeps its own. Measured: a batch of a thousand packs takes
/// 8 % less CPU than with SQLite's 4 KiB, and 16 KiB would save 3 % more and write a sixth more.
pub(super) const PAGE_BYTES: i64 = 8_192;

/// Pages in the log before it is copied into the file, 16 MiB. Measured: fewer, and the
/// copying shows in every commit.
const CHECKPOINT_PAGES: i64 = 2_000;

/// Readers kept open; more are opened when more are needed, and closed again.
const IDLE_READERS_MAX: usize = 4;

/// How long a command beside the gateway waits for its turn to write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a start waits for readers before it leaves the log as it is.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

/// The connections to one file.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    /// A write or a sync failed: nothing more is written. See [`StoreError::Failing`].
    failed: AtomicBool,
    // Closed before the writer: the last to close folds the log into the file, and a
    // connection that only reads cannot.
    idle: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
}

impl Database {
    /// Opens the file, and creates it if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let writer = open_writer(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            failed: AtomicBool::new(false),
            idle: Mutex::new(Vec::new()),
            writer: Mutex::new(writer),
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
        self.judged(during, |writer| {
            let transaction =
                writer.transaction_with_behavior(TransactionBehavior::Immediate).during(during)?;
            // Dropped on the way out of an error, a transaction rolls itself back.
            let out = run(&transaction)?;
            transaction.commit().during(during)?;
            Ok(then(out))
        })
    }

    /// Copies the log into the file, as far as no reader needs it, and syncs both.
    ///
    /// SQLite does so by itself after some commits, and tells nobody when it cannot.
    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        const DURING: &str = "copy the log into the main file";
        self.judged(DURING, |writer| {
            let mode = "PRAGMA wal_checkpoint(PASSIVE)";
            writer.query_row(mode, (), |_| Ok(())).during(DURING)
        })
    }

    /// Writes everything that the log has into the file again, syncs it, and empties the
    /// log: what was found at the start is on the disk, whatever an earlier sync said.
    ///
    /// A system that could not write a page once shows it as written from then on (Linux
    /// marks it clean), so the log may be whole in its memory and not on the disk. What is
    /// written again is written; the log itself was, by [`super::wal::write_again`]. Where another process is reading, as a backup does, it is
    /// left as it is.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        const DURING: &str = "copy the log into the main file";
        self.judged(DURING, |writer| {
            writer.busy_timeout(SETTLE_TIMEOUT).during(DURING)?;
            let mode = "PRAGMA wal_checkpoint(TRUNCATE)";
            let outcome = writer.query_row(mode, (), |_| Ok(())).during(DURING);
            writer.busy_timeout(BUSY_TIMEOUT).during(DURING)?;
            outcome
        })
    }

    /// Runs what writes, unless a write failed before, and finds out what a failure is.
    fn judged<T>(
        &self,
        during: &'static str,
        run: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = self.writer();
        if self.failed.load(Ordering::Relaxed) {
            let earlier = "a write or a sync failed earlier; start again";
            return Err(StoreError::Failing { during, source: earlier.into() });
        }
        run(&mut writer).map_err(|error| {
            let StoreError::Failing { source, .. } = error else { return error };
            let folder = self.path.parent().unwrap_or(Path::new("."));
            // A sync that failed has failed for good, whatever the folder says now.
            let why = if is_of_a_sync(source.as_ref()) { None } else { files::probe(folder) };
            match why {
                Some(StoreError::DiskFull { .. }) => StoreError::DiskFull { during, source },
                Some(StoreError::ReadOnly { .. }) => StoreError::ReadOnly { during, source },
                _ => {
                    self.failed.store(true, Ordering::Relaxed);
                    leave_the_log(&writer);
                    StoreError::Failing { during, source }
                }
            }
        })
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

/// Closing would copy the log into the file, and a log whose sync failed may not be on the
/// disk: if the power failed meanwhile, nothing could mend the pages that were changed. The
/// next start writes the log again first.
fn leave_the_log(writer: &Connection) {
    // One that takes no more settings copies nothing either.
    writer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).ok();
}

fn is_of_a_sync(error: &(dyn std::error::Error + 'static)) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error);
    code.is_some_and(|it| [SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC].contains(&it.extended_code))
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
    connection.pragma_update(None, "page_size", PAGE_BYTES).during(DURING)?;
    connection.pragma_update(None, "journal_mode", "WAL").during(DURING)?;
    connection.pragma_update(None, "synchronous", "FULL").during(DURING)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).during(DURING)?;
    connection.pragma_update(None, "foreign_keys", true).during(DURING)?;
    connection.pragma_update(None, "temp_store", "MEMORY").during(DURING)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    const DURING: &str = "open the database for reading";
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).during(DURING)?;
    connection.busy_timeout(BUSY_TIMEOUT).during(DURING)?;
    connection.pragma_update(None, "temp_store", "MEMORY").during(DURING)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
