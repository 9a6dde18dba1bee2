//! Who may do what at the same time, among processes.
//!
//! One process records; the others only read. What was recorded and is in no block yet
//! lies in that process's memory. A second one that recorded would number its batches
//! alike and remove what the first still needs. A store is migrated while nobody else
//! has it open: it becomes another file. Months are not sealed while they are copied.
//!
//! Locks are the system's: they end with the process, however that ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::error::{During, StoreError};

const DURING: &str = "lock the store";

/// Locks a file for as long as what is returned lives; `None` if somebody else has.
pub(super) fn take(path: &Path) -> Result<Option<File>, StoreError> {
    let file = open(path)?;
    Ok(own(&file)?.then_some(file))
}

/// Locks a file together with others; waits for whoever has it alone.
pub(super) fn share(path: &Path) -> Result<File, StoreError> {
    let file = open(path)?;
    file.lock_shared().during(DURING)?;
    Ok(file)
}

/// Locks a file alone; waits for the others.
pub(super) fn wait(path: &Path) -> Result<File, StoreError> {
    let file = open(path)?;
    file.lock().during(DURING)?;
    Ok(file)
}

/// Turns a shared lock into one of its own; returns whether nobody else had it.
pub(super) fn own(file: &File) -> Result<bool, StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).during(DURING),
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    File::options().create(true).truncate(false).write(true).open(path).during(DURING)
}
