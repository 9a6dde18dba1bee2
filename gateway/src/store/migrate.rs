//! Brings a file to the schema this program knows: numbered steps, forward only.
//!
//! The schema version stands in the file's header (`user_version`) and changes in the
//! transaction of its step, so a power cut leaves the file before or after a step,
//! never between. The file of before is kept beside it until the new one is verified.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::error::{During, StoreError};
use super::files;

/// One step: from the schema with the number before to this one.
pub(super) struct Migration {
    /// The schema version that holds afterwards; 1 is the first.
    pub(super) number: i64,
    /// What is run.
    pub(super) sql: &'static str,
}

/// Every step there ever was, oldest first. A released step is never edited.
pub(super) const MIGRATIONS: &[Migration] =
    &[Migration { number: 1, sql: include_str!("migrations/0001_series_and_journal.sql") }];

const DURING: &str = "migrate the store";

/// Runs the steps that the file has not seen.
///
/// # Errors
///
/// [`StoreError::Newer`] if the file has seen steps that are not in the list;
/// [`StoreError::Corrupt`] if the file does not pass SQLite's checks afterwards: the
/// file of before then lies beside it, untouched.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    steps: &[Migration],
) -> Result<(), StoreError> {
    let known = steps.iter().map(|step| step.number).max().unwrap_or(0);
    let found = schema_version(connection)?;
    if known < found {
        return Err(StoreError::Newer { found, known });
    }
    let kept = kept_path(path);
    if found < known && 0 < found {
        keep(connection, &kept)?;
    }
    for step in steps.iter().filter(|step| found < step.number) {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).during(DURING)?;
        transaction.execute_batch(step.sql).during(DURING)?;
        transaction.pragma_update(None, "user_version", step.number).during(DURING)?;
        transaction.commit().during(DURING)?;
    }
    // Also after a power cut between the last step and this check.
    if kept.exists() {
        verify(connection)?;
        std::fs::remove_file(&kept).during(DURING)?;
        files::sync_folder_of(&kept)?;
    }
    Ok(())
}

/// Returns whether the file has seen fewer steps than there are.
pub(super) fn is_due(connection: &Connection, steps: &[Migration]) -> Result<bool, StoreError> {
    let found = schema_version(connection)?;
    Ok(steps.iter().any(|step| found < step.number))
}

/// Returns the number of the newest step that the file has seen.
pub(super) fn schema_version(connection: &Connection) -> Result<i64, StoreError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).during(DURING)
}

/// Returns where the file of before a migration is kept.
pub(super) fn kept_path(path: &Path) -> PathBuf {
    path.with_extension("before-migration.db")
}

fn keep(connection: &Connection, kept: &Path) -> Result<(), StoreError> {
    let building = kept.with_extension("building");
    files::remove_if_there(&building)?;
    let target = files::text_of(&building)?;
    connection.execute("VACUUM INTO ?1", [target]).during(DURING)?;
    files::put_in_place(&building, kept)
}

fn verify(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .during("verify the migrated store")?;
    if verdict != "ok" {
        return Err(StoreError::corrupt("verify the migrated store", verdict));
    }
    Ok(())
}
