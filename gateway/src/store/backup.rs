//! A copy of a whole store, taken while it is in use, and put back.
//!
//! The main file is copied as of one instant, whoever has it open: SQLite writes a second
//! one (`VACUUM INTO`) from what one reading transaction sees. Sealed months never change,
//! so they are copied as files; a lock keeps them from being sealed anew meanwhile. A list
//! of all files with their lengths and checksums is written last; without it a folder is
//! no backup.
//!
//! Putting back needs nothing else: what is in no block yet is in the main file's log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use rusqlite::Connection;

use super::error::{During, StoreError};
use super::{
    Database, LOCK_FILE, MAIN_FILE, MONTHS_FOLDER, MONTHS_LOCK_FILE, OPEN_FILE, files, lock, series,
};

/// Names every file of a backup: `crc32 length name`, one a line.
const LIST_FILE: &str = "backup.txt";
const LIST_HEAD: &str = "gengfu backup 1";

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// Files, without the list.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How far a backup or its return has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Bytes to do, all together.
    pub whole: u64,
}

type Listed = BTreeMap<String, (u32, u64)>;

/// Copies a store into a folder that does not exist yet, and checks the copy.
pub(super) fn backup(
    dir: &Path,
    to: &Path,
    like: Option<&Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Backup, StoreError> {
    const DURING: &str = "back the store up";
    let main = dir.join(MAIN_FILE);
    if !main.exists() {
        let what = format!("`{}` holds no store", dir.display());
        return Err(StoreError::other(DURING, what));
    }
    if to.exists() {
        let what = format!("`{}` exists already; name a folder that does not", to.display());
        return Err(StoreError::other(DURING, what));
    }
    let building = to.with_extension("building");
    if building.exists() {
        std::fs::remove_dir_all(&building).during(DURING)?;
    }
    files::make_folder(&building.join(MONTHS_FOLDER))?;

    let _same_main_file = lock::share(&dir.join(OPEN_FILE))?;
    // No month is sealed or given up between the copy of the main file and theirs.
    let _months_stay = lock::wait(&dir.join(MONTHS_LOCK_FILE))?;
    let copy = building.join(MAIN_FILE);
    Database::open(&main)?.copy_to(&copy)?;
    let mut from = BTreeMap::from([(String::from(MAIN_FILE), copy.clone())]);
    for name in sealed_months(&copy)? {
        let path = dir.join(MONTHS_FOLDER).join(&name);
        from.insert(format!("{MONTHS_FOLDER}/{name}"), path);
    }

    let mut whole = 0;
    for (name, path) in &from {
        if !path.exists() {
            return Err(StoreError::corrupt(DURING, format!("`{name}` is missing")));
        }
        whole += std::fs::metadata(path).during("look at a file to back up")?.len();
    }
    let mut done = 0;
    let earlier = like.and_then(|like| Some((like, read_list(&like.join(LIST_FILE)).ok()?)));
    let mut listed = Listed::new();
    for (name, path) in from {
        let mut step = |bytes| {
            done += bytes;
            progress(Progress { done, whole });
        };
        let sums = if name == MAIN_FILE {
            files::read_through(&path, |piece| {
                step(piece.len() as u64);
                Ok(())
            })
            .during(DURING)?
        } else {
            let earlier = earlier
                .as_ref()
                .and_then(|(like, listed)| Some((like.join(&name), *listed.get(&name)?)));
            copy_month(&path, &building.join(&name), earlier, &mut step).during(DURING)?
        };
        listed.insert(name, sums);
    }
    write_list(&building.join(LIST_FILE), &listed).during(DURING)?;
    check(&building)?;
    files::sync_folder_of(&building.join(MONTHS_FOLDER).join("*"))?;
    files::sync_folder_of(&building.join(LIST_FILE))?;
    std::fs::rename(&building, to).during(DURING)?;
    files::sync_folder_of(to)?;
    Ok(total(&listed))
}

/// Copies a sealed month, or gives the same file of an earlier backup a second name.
fn copy_month(
    from: &Path,
    to: &Path,
    earlier: Option<(std::path::PathBuf, (u32, u64))>,
    step: &mut dyn FnMut(u64),
) -> std::io::Result<(u32, u64)> {
    if let Some((path, listed)) = earlier {
        let ignore = |_: &[u8]| Ok(());
        let same = std::fs::metadata(from)?.len() == listed.1
            && files::read_through(from, ignore)? == listed
            && std::fs::hard_link(&path, to).is_ok();
        if same {
            step(listed.1);
            return Ok(listed);
        }
    }
    files::copy(from, to, step)
}

/// Reads every file of a backup and compares it with the list.
pub(super) fn check(from: &Path) -> Result<Backup, StoreError> {
    const DURING: &str = "check a backup";
    let listed = read_list(&from.join(LIST_FILE))?;
    for (name, sums) in &listed {
        let found = files::read_through(&from.join(name), |_| Ok(())).during(DURING)?;
        same(found, name, *sums, DURING)?;
    }
    Ok(total(&listed))
}

/// Puts a backup into a data directory that holds no store.
pub(super) fn restore(
    from: &Path,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Backup, StoreError> {
    const DURING: &str = "put a backup back";
    let listed = read_list(&from.join(LIST_FILE))?;
    let main = dir.join(MAIN_FILE);
    if main.exists() {
        let what = format!(
            "`{0}` holds a store already; move it away first, as with `mv {0} {0}.old`",
            dir.display()
        );
        return Err(StoreError::other(DURING, what));
    }
    files::make_folder(&dir.join(MONTHS_FOLDER))?;
    // No gateway starts in the middle of it.
    let Some(_alone) = lock::take(&dir.join(LOCK_FILE))? else {
        return Err(StoreError::InUse { during: DURING });
    };
    let whole = total(&listed).bytes;
    let mut done = 0;
    let mut step = |bytes| {
        done += bytes;
        progress(Progress { done, whole });
    };
    for (name, sums) in listed.iter().filter(|(name, _)| *name != MAIN_FILE) {
        let found = files::copy(&from.join(name), &dir.join(name), &mut step).during(DURING)?;
        same(found, name, *sums, DURING)?;
    }
    files::sync_folder_of(&dir.join(MONTHS_FOLDER).join("*"))?;
    // The main file last, under its name only when it is whole: before it, this is no
    // store, and putting back can begin anew.
    let building = main.with_extension("building");
    let found = files::copy(&from.join(MAIN_FILE), &building, &mut step).during(DURING)?;
    if let Some(sums) = listed.get(MAIN_FILE) {
        same(found, MAIN_FILE, *sums, DURING)?;
    }
    for suffix in ["-wal", "-shm"] {
        files::remove_if_there(&dir.join(format!("{MAIN_FILE}{suffix}")))?;
    }
    files::put_in_place(&building, &main)?;
    Ok(total(&listed))
}

/// Returns the names of the files of months that a main file says are sealed.
fn sealed_months(main: &Path) -> Result<Vec<String>, StoreError> {
    const DURING: &str = "read which months are sealed";
    let connection = Connection::open(main).during(DURING)?;
    let mut query = connection.prepare("SELECT month FROM month ORDER BY month").during(DURING)?;
    let months = query.query_map((), |row| row.get::<_, i32>(0)).during(DURING)?;
    let names: Vec<String> = months
        .map(|month| month.map(series::month_file_name))
        .collect::<rusqlite::Result<_>>()
        .during(DURING)?;
    check_main(&connection)?;
    Ok(names)
}

fn check_main(connection: &Connection) -> Result<(), StoreError> {
    const DURING: &str = "check the copy of the main file";
    let verdict: String =
        connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).during(DURING)?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::corrupt(DURING, verdict)) }
}

fn same(
    found: (u32, u64),
    name: &str,
    sums: (u32, u64),
    during: &'static str,
) -> Result<(), StoreError> {
    if found == sums {
        return Ok(());
    }
    Err(StoreError::corrupt(during, format!("`{name}` is not the file that was backed up")))
}

fn write_list(path: &Path, listed: &Listed) -> std::io::Result<()> {
    let mut text = format!("{LIST_HEAD}\n");
    for (name, (crc, len)) in listed {
        // Writing into a String cannot fail.
        let _infallible = writeln!(text, "{crc:08x} {len} {name}");
    }
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn read_list(path: &Path) -> Result<Listed, StoreError> {
    const DURING: &str = "read the list of a backup";
    let text = std::fs::read_to_string(path).during(DURING)?;
    let mut lines = text.lines();
    let damaged = |line: &str| StoreError::corrupt(DURING, format!("`{line}` is no entry"));
    match lines.next() {
        Some(LIST_HEAD) => {}
        head => return Err(damaged(head.unwrap_or_default())),
    }
    let entry = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let crc = u32::from_str_radix(words.next()?, 16).ok()?;
        let len = words.next()?.parse().ok()?;
        let name = words.next().filter(|name| is_ours(name))?;
        Some((String::from(name), (crc, len)))
    };
    let listed: Result<Listed, _> =
        lines.map(|line| entry(line).ok_or_else(|| damaged(line))).collect();
    let listed = listed?;
    if listed.contains_key(MAIN_FILE) { Ok(listed) } else { Err(damaged(MAIN_FILE)) }
}

/// Only names that a backup can have are ever joined to a path.
fn is_ours(name: &str) -> bool {
    let month = name.strip_prefix(MONTHS_FOLDER).and_then(|rest| rest.strip_prefix('/'));
    name == MAIN_FILE || month.is_some_and(|month| !month.contains(['/', '\\']) && month != "..")
}

fn total(listed: &Listed) -> Backup {
    let bytes = listed.values().map(|(_, len)| len).sum();
    Backup { files: listed.len() as u64, bytes }
}
