//! Files that are there whole or not at all.
//!
//! A file is built under another name, synced, renamed, and the folder synced: after a
//! power cut either the old name or the new one leads to complete content.

use std::fs::File;
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
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).during(DURING)?.sync_all().during(DURING)
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
