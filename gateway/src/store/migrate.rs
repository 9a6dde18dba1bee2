//! Brings a file to the schema this program knows: numbered steps, forward only.
//!
//! A new file takes the steps in place. A file that holds something is never changed: it
//! is copied, the copy takes the steps, is checked and takes the file's name. The file of
//! before stays beside it as `main.db.before-NNNN` (the schema it has) until the next
//! start that goes well. At any moment of a power cut the name leads to the one or to the
//! other, each whole; what is left of an unfinished copy is removed by the next start.
//!
//! To go back to the program of before: stop, and give the kept file its old name.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::database::open_writer;
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
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, sql: include_str!("migrations/0001_series_and_journal.sql") },
    Migration { number: 2, sql: include_str!("migrations/0002_meter_events.sql") },
    Migration { number: 3, sql: include_str!("migrations/0003_given_up.sql") },
    Migration { number: 4, sql: include_str!("migrations/0004_targets.sql") },
    Migration { number: 5, sql: include_str!("migrations/0005_snapshot_form.sql") },
    Migration { number: 6, sql: include_str!("migrations/0006_commands.sql") },
];

const DURING: &str = "migrate the store";

/// Room that must be left over after the copy is made, bytes.
const SPARE_BYTES: u64 = 64 * 1024 * 1024;

/// What is to be done with a file before it can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// It holds nothing yet: the steps can be run in place.
    Steps,
    /// It has the schema of an older program.
    Copy {
        /// Which.
        found: i64,
    },
}

/// Looks which steps a file has seen.
///
/// # Errors
///
/// [`StoreError::Newer`] if it has seen steps that are not in the list.
pub(super) fn due(path: &Path, steps: &[Migration]) -> Result<Due, StoreError> {
    if !path.exists() {
        return Ok(Due::Steps);
    }
    let found = schema_version(&Connection::open(path).during(DURING)?)?;
    let known = newest(steps);
    match found {
        0 => Ok(Due::Steps),
        _ if known < found => Err(StoreError::Newer { found, known }),
        _ if found < known => Ok(Due::Copy { found }),
        _ => Ok(Due::Nothing),
    }
}

/// Runs the steps that a file has not seen, each in a transaction of its own.
pub(super) fn run_steps(
    connection: &mut Connection,
    steps: &[Migration],
) -> Result<(), StoreError> {
    let found = schema_version(connection)?;
    for step in steps.iter().filter(|step| found < step.number) {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).during(DURING)?;
        transaction.execute_batch(step.sql).during(DURING)?;
        transaction.pragma_update(None, "user_version", step.number).during(DURING)?;
        transaction.commit().during(DURING)?;
    }
    Ok(())
}

/// Puts a migrated copy in the place of a file that nobody has open.
///
/// # Errors
///
/// [`StoreError::DiskFull`] before anything is begun if there is no room for a copy;
/// [`StoreError::Corrupt`] if the copy does not hold what the file did. The file is as it
/// was then.
pub(super) fn migrate(path: &Path, found: i64, steps: &[Migration]) -> Result<(), StoreError> {
    remove_unfinished(path)?;
    // Folds the log into the file; from here on it is one file, and nobody changes it.
    let before = {
        let connection = open_writer(path)?;
        let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
        connection.query_row(fold, (), |_| Ok(())).during(DURING)?;
        let rows = count_rows(&connection)?;
        connection.close().map_err(|(_, error)| error).during(DURING)?;
        rows
    };
    check_room(path)?;
    let building = building_path(path);
    files::copy(path, &building, &mut |_| {}).during(DURING)?;
    let mut connection = open_writer(&building)?;
    run_steps(&mut connection, steps)?;
    verify(&connection, &before)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).during(DURING)?;
    connection.close().map_err(|(_, error)| error).during(DURING)?;
    std::fs::File::open(&building).during(DURING)?.sync_all().during(DURING)?;
    let kept = kept_path(path, found);
    files::remove_if_there(&kept)?;
    std::fs::hard_link(path, &kept).during("keep the main file of before")?;
    // The log of the old file must be gone for good before the new one has its name.
    files::sync_folder_of(path)?;
    std::fs::rename(&building, path).during(DURING)?;
    files::sync_folder_of(path)
}

/// Removes what a start left that did not come to its end.
pub(super) fn remove_unfinished(path: &Path) -> Result<(), StoreError> {
    let building = building_path(path);
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = building.as_os_str().to_owned();
        name.push(suffix);
        files::remove_if_there(Path::new(&name))?;
    }
    Ok(())
}

/// Removes the files of before: the one that is in use was opened once more.
pub(super) fn remove_kept(path: &Path, steps: &[Migration]) -> Result<(), StoreError> {
    let mut any = false;
    for step in steps {
        let kept = kept_path(path, step.number);
        if kept.exists() {
            files::remove_if_there(&kept)?;
            any = true;
        }
    }
    if any { files::sync_folder_of(path) } else { Ok(()) }
}

/// Returns the number of the newest step that the file has seen.
pub(super) fn schema_version(connection: &Connection) -> Result<i64, StoreError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).during(DURING)
}

/// Returns where the file of before a migration is kept.
pub(super) fn kept_path(path: &Path, found: i64) -> PathBuf {
    path.with_extension(format!("db.before-{found:04}"))
}

fn building_path(path: &Path) -> PathBuf {
    path.with_extension("db.migrating")
}

fn newest(steps: &[Migration]) -> i64 {
    steps.iter().map(|step| step.number).max().unwrap_or(0)
}

/// Steps may rewrite every row, and the log of the copy has it once more.
fn check_room(path: &Path) -> Result<(), StoreError> {
    let len = std::fs::metadata(path).during(DURING)?.len();
    let need = len * 2 + SPARE_BYTES;
    let folder = path.parent().unwrap_or(Path::new("."));
    let stat = rustix::fs::statvfs(folder).map_err(std::io::Error::from).during(DURING)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if need <= free {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let what = format!("{} MiB are needed and {} MiB are free", mib(need), mib(free));
    Err(StoreError::DiskFull { during: DURING, source: what.into() })
}

type Counts = Vec<(String, i64)>;

fn count_rows(connection: &Connection) -> Result<Counts, StoreError> {
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut query = connection.prepare(tables).during(DURING)?;
    let names = query.query_map((), |row| row.get::<_, String>(0)).during(DURING)?;
    let mut counts = Counts::new();
    for name in names {
        let name = name.during(DURING)?;
        let sql = format!("SELECT count(*) FROM \"{name}\"");
        let rows = connection.query_row(&sql, (), |row| row.get(0)).during(DURING)?;
        counts.push((name, rows));
    }
    Ok(counts)
}

/// Compares the copy with what the file held: no step of ours removes a row.
fn verify(connection: &Connection, before: &Counts) -> Result<(), StoreError> {
    const DURING: &str = "verify the migrated store";
    let verdict: String =
        connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).during(DURING)?;
    if verdict != "ok" {
        return Err(StoreError::corrupt(DURING, verdict));
    }
    let after = count_rows(connection)?;
    for (name, rows) in before {
        let found = after.iter().find(|(known, _)| known == name).map_or(0, |(_, rows)| *rows);
        if found < *rows {
            let what = format!("`{name}` had {rows} rows and has {found}");
            return Err(StoreError::corrupt(DURING, what));
        }
    }
    Ok(())
}
