//! A copy of a whole store, taken while it is in use, and put back.
//!
//! The main file is copied as of one instant, by the process that has it open: from
//! another one, each write would start a page-wise copy anew. Sealed months never
//! change, so they are copied as files. A list of all files with their lengths and
//! checksums is written last; without it a folder is no backup.
//!
//! Putting back needs nothing else: what is in no block yet is in the main file's log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use rusqlite::Connection;

use super::error::{During, StoreError};
use super::series::Series;
use super::{Database, MAIN_FILE, MONTHS_FOLDER, files};

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

type Listed = BTreeMap<String, (u32, u64)>;

/// Copies a store into a folder that does not exist yet, and checks the copy.
pub(super) fn backup(
    database: &Database,
    series: &Series,
    to: &Path,
) -> Result<Backup, StoreError> {
    const DURING: &str = "back the store up";
    if to.exists() {
        let what = format!("`{}` exists already", to.display());
        return Err(StoreError::other(DURING, what));
    }
    let building = to.with_extension("building");
    if building.exists() {
        std::fs::remove_dir_all(&building).during(DURING)?;
    }
    std::fs::create_dir_all(building.join(MONTHS_FOLDER)).during(DURING)?;

    // No month is sealed or given up between the copy of the main file and theirs.
    let _months_stay = series.upkeep();
    database.copy_to(&building.join(MAIN_FILE))?;
    let mut names = vec![String::from(MAIN_FILE)];
    for path in series.month_files() {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let name = format!("{MONTHS_FOLDER}/{name}");
        copy(&path, &building.join(&name)).during(DURING)?;
        names.push(name);
    }

    let mut listed = Listed::new();
    for name in names {
        let sums = sums_of(&building.join(&name)).during(DURING)?;
        listed.insert(name, sums);
    }
    write_list(&building.join(LIST_FILE), &listed).during(DURING)?;
    check_main(&building.join(MAIN_FILE))?;
    files::sync_folder_of(&building.join(MONTHS_FOLDER).join("*"))?;
    files::sync_folder_of(&building.join(LIST_FILE))?;
    std::fs::rename(&building, to).during(DURING)?;
    files::sync_folder_of(to)?;
    Ok(total(&listed))
}

/// Reads every file of a backup and compares it with the list.
pub(super) fn check(from: &Path) -> Result<Backup, StoreError> {
    let listed = checked(from)?;
    check_main(&from.join(MAIN_FILE))?;
    Ok(total(&listed))
}

/// Puts a backup into a data directory that holds no store.
pub(super) fn restore(from: &Path, dir: &Path) -> Result<Backup, StoreError> {
    const DURING: &str = "put a backup back";
    let main = dir.join(MAIN_FILE);
    if main.exists() || dir.join(MONTHS_FOLDER).exists() {
        let what = format!("`{}` holds a store already: move it away first", dir.display());
        return Err(StoreError::other(DURING, what));
    }
    let listed = checked(from)?;
    std::fs::create_dir_all(dir.join(MONTHS_FOLDER)).during(DURING)?;
    for (name, sums) in listed.iter().filter(|(name, _)| *name != MAIN_FILE) {
        copy(&from.join(name), &dir.join(name)).during(DURING)?;
        same(&dir.join(name), name, *sums, DURING)?;
    }
    files::sync_folder_of(&dir.join(MONTHS_FOLDER).join("*"))?;
    // The main file last, under its name only when it is whole: before it, this is no
    // store, and putting back can begin anew.
    let building = main.with_extension("building");
    copy(&from.join(MAIN_FILE), &building).during(DURING)?;
    if let Some(sums) = listed.get(MAIN_FILE) {
        same(&building, MAIN_FILE, *sums, DURING)?;
    }
    check_main(&building)?;
    files::put_in_place(&building, &main)?;
    Ok(total(&listed))
}

fn checked(from: &Path) -> Result<Listed, StoreError> {
    const DURING: &str = "check a backup";
    let listed = read_list(&from.join(LIST_FILE))?;
    for (name, sums) in &listed {
        same(&from.join(name), name, *sums, DURING)?;
    }
    Ok(listed)
}

fn same(path: &Path, name: &str, sums: (u32, u64), during: &'static str) -> Result<(), StoreError> {
    if sums_of(path).during(during)? == sums {
        return Ok(());
    }
    Err(StoreError::corrupt(during, format!("`{name}` is not the file that was backed up")))
}

fn check_main(path: &Path) -> Result<(), StoreError> {
    const DURING: &str = "check the copy of the main file";
    let connection = Connection::open(path).during(DURING)?;
    let verdict: String =
        connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).during(DURING)?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::corrupt(DURING, verdict)) }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

fn sums_of(path: &Path) -> std::io::Result<(u32, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut chunk = vec![0; 1 << 16];
    let mut len: u64 = 0;
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok((hasher.finalize(), len));
        }
        hasher.update(chunk.get(..count).unwrap_or_default());
        len += count as u64;
    }
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
