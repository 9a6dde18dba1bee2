//! Files that are there whole or not at all.
//!
//! A file is built under another name, synced, renamed, and the folder synced: after a
//! power cut either the old name or the new one leads to complete content.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use super::error::{During, StoreError};

/// Syncs a file that was built under another name and gives it its own.
pub(super) fn put_in_place(built: &Path, name: &Path) -> Result<(), StoreError> {
    const DURING: &str = "put a file in its place";
    File::open(built).during(DURING)?.sync_all().during(DURING)?;
    std::fs::rename(built, name).during(DURING)?;
    sync_folder_of(name)
}

/// Syncs the folder that a file lies in: only then is a rename or a removal durable.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    const DURING: &str = "sync a folder";
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder).during(DURING)?.sync_all().during(DURING)
}

/// Makes a folder and those above it, and syncs what names them: else a power cut could
/// take the folder with all that was synced inside it.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    const DURING: &str = "make a folder";
    if path.is_dir() {
        return Ok(());
    }
    match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => make_folder(above)?,
        _ => {}
    }
    match std::fs::create_dir(path) {
        // Another process may have been first.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        outcome => outcome.during(DURING)?,
    }
    sync_folder_of(path)
}

/// Refuses a main file that is empty beside a log or months: SQLite would take it for a new
/// store, and all that was in it for never said. A store that was only just begun has
/// neither.
pub(super) fn refuse_if_emptied(main: &Path, months: &Path) -> Result<(), StoreError> {
    const DURING: &str = "open the store";
    let length = |path: &Path| match std::fs::metadata(path) {
        Ok(file) => Ok(Some(file.len())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).during(DURING),
    };
    if length(main)? != Some(0) {
        return Ok(());
    }
    let has_log = length(&main.with_extension("db-wal"))?.is_some_and(|bytes| 0 < bytes);
    let has_months = std::fs::read_dir(months).is_ok_and(|mut files| files.next().is_some());
    if has_log || has_months {
        let what = "`main.db` is empty, and its log or months are there";
        return Err(StoreError::corrupt(DURING, what));
    }
    Ok(())
}

/// Returns why a folder takes no writes, if it takes none.
pub(super) fn probe(folder: &Path) -> Option<StoreError> {
    const DURING: &str = "write into the data directory";
    let path = folder.join("probe");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&path)?;
        file.write_all(&[0; 4096])?;
        file.sync_all()
    };
    let outcome = write().during(DURING);
    // What cannot be removed is found, and written over, by the next probe.
    std::fs::remove_file(&path).ok();
    outcome.err()
}

/// Bytes of a file at a time: enough that the calls cost nothing.
const CHUNK: usize = 1 << 17;

/// Reads a whole file and hands it on piece by piece; returns its CRC-32 and its length.
pub(super) fn read_through(
    path: &Path,
    mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<(u32, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    let mut len: u64 = 0;
    loop {
        let count = file.read(&mut chunk)?;
        let piece = chunk.get(..count).unwrap_or_default();
        if piece.is_empty() {
            return Ok((hasher.finalize(), len));
        }
        hasher.update(piece);
        len += count as u64;
        each(piece)?;
    }
}

/// Copies a file and syncs the copy; returns the CRC-32 and the length of what was read.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(u64),
) -> std::io::Result<(u32, u64)> {
    let mut out = File::create(to)?;
    let sums = read_through(from, |piece| {
        progress(piece.len() as u64);
        out.write_all(piece)
    })?;
    out.sync_all()?;
    Ok(sums)
}

/// Removes a file; that it is not there is fine.
pub(super) fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.during("remove a file"),
    }
}

/// Returns a path as the text that SQL wants.
pub(super) fn text_of(path: &Path) -> Result<&str, StoreError> {
    path.to_str().ok_or_else(|| {
        StoreError::other("name a file", format!("`{}` is not UTF-8", path.display()))
    })
}
