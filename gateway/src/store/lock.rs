//! One process records; the others only read.
//!
//! What was recorded and is in no block yet lies in that process's memory. A second one
//! that recorded would number its batches alike and remove what the first still needs.
//! The lock is the system's: it ends with the process, however that ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::error::{During, StoreError};

/// Locks a file for as long as what is returned lives; `None` if another process has.
pub(super) fn take(path: &Path) -> Result<Option<File>, StoreError> {
    const DURING: &str = "lock the store";
    let file =
        File::options().create(true).truncate(false).write(true).open(path).during(DURING)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).during(DURING),
    }
}
