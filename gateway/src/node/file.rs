//! A file as the flash of a node's outbox.
//!
//! The file holds each byte inverted: what was never written is a hole of zeros, and an erased
//! byte is all ones. So a new outbox of 64 MiB takes no space, and takes as much as it ever
//! held.
//!
//! In: what the outbox writes, in its order. Out: the same, on the disk once [`Backing::sync`]
//! has returned. One sync covers all that was written before it, so a round of thirty meters
//! costs the disk one or two, not thirty; nobody waits for it but who needs it
//! ([`super::synced`]).
//!
//! Afterwards: what a sync that succeeded covers is there after a power cut. A sync that failed
//! is never believed: the system may have forgotten what it could not write, so all that was
//! not synced is kept here, and is written again before the next.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use firmware::outbox::Ticket;
use tokio::sync::Notify;

/// Some 700,000 packs of eight quantities: a month of 16 meters that are read each minute.
const CAPACITY: usize = 64 << 20;

const PAGE: usize = 4096;

/// From so many bytes on a sync is due, whatever they are.
const SYNC_DUE: usize = 64 << 10;

/// From so many bytes on there is no room for more before the next sync.
const UNSYNCED_MAX: usize = 256 << 10;

/// Where the bytes lie: a file, or what a test takes for one.
pub(super) trait Disk: Send + Sync + 'static {
    /// Reads some bytes; none behind the end.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all bytes; they may be lost until the next sync.
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Returns once all that was written is there for good.
    fn sync(&self) -> io::Result<()>;
}

impl Disk for File {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, bytes, at)
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A disk, and what was written to it and is not synced.
pub(super) struct Backing<D> {
    disk: D,
    unsynced: Mutex<Unsynced>,
    /// Whether the last sync failed. Held by whoever syncs: of two at once only one would be
    /// told of a failure.
    failed: Mutex<bool>,
    /// All payloads before this ticket are on the disk.
    synced: AtomicU64,
    /// There is something to sync.
    due: Notify,
}

#[derive(Default)]
struct Unsynced {
    writes: Vec<(u64, Vec<u8>)>,
    len: usize,
    /// All payloads before this ticket were written.
    pushed: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Backing<File> {
    /// Opens the file, or makes it, and keeps other nodes away from it.
    pub(super) fn open(path: &Path) -> io::Result<Arc<Self>> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self::new(file)),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, "another node uses it"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl<D: Disk> Backing<D> {
    pub(super) fn new(disk: D) -> Arc<Self> {
        Arc::new(Self {
            disk,
            unsynced: Mutex::default(),
            failed: Mutex::new(false),
            synced: AtomicU64::new(0),
            due: Notify::new(),
        })
    }

    /// Notes that all payloads before a ticket were written; a sync is due.
    pub(super) fn pushed(&self, before: Ticket) {
        lock(&self.unsynced).pushed = before.number();
        self.due.notify_one();
    }

    /// Returns the ticket before which all payloads are on the disk.
    pub(super) fn synced(&self) -> Ticket {
        Ticket::of(self.synced.load(Ordering::Acquire))
    }

    /// Returns whether so much waits for a sync that nothing more should.
    pub(super) fn is_full(&self) -> bool {
        UNSYNCED_MAX <= lock(&self.unsynced).len
    }

    /// Makes room for more by a sync, if there is none; returns whether there is.
    pub(super) async fn has_room(self: &Arc<Self>) -> bool {
        !self.is_full() || self.sync_apart().await.is_ok()
    }

    /// Returns once a sync is due.
    pub(super) async fn due(&self) {
        self.due.notified().await;
    }

    /// Syncs what was written, on a thread that may wait for a disk.
    pub(super) async fn sync_apart(self: &Arc<Self>) -> io::Result<()> {
        let backing = Arc::clone(self);
        tokio::task::spawn_blocking(move || backing.sync()).await.map_err(io::Error::other)?
    }

    /// Syncs what was written until now.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut failed = lock(&self.failed);
        let (writes, pushed) = {
            let mut unsynced = lock(&self.unsynced);
            if unsynced.writes.is_empty() && unsynced.pushed == self.synced.load(Ordering::Relaxed)
            {
                return Ok(());
            }
            if *failed {
                // In their order, and nothing newer meanwhile: two may be of the same place.
                for (at, bytes) in &unsynced.writes {
                    self.disk.write_all_at(bytes, *at)?;
                }
            }
            unsynced.len = 0;
            (std::mem::take(&mut unsynced.writes), unsynced.pushed)
        };
        let outcome = self.disk.sync();
        *failed = outcome.is_err();
        if outcome.is_ok() {
            self.synced.store(pushed, Ordering::Release);
        } else {
            let mut unsynced = lock(&self.unsynced);
            let newer = std::mem::replace(&mut unsynced.writes, writes);
            unsynced.writes.extend(newer);
            unsynced.len = unsynced.writes.iter().map(|(_, bytes)| bytes.len()).sum();
        }
        outcome
    }

    fn write(&self, at: u32, bytes: Vec<u8>) -> Result<(), FileError> {
        let (mut unsynced, at) = (lock(&self.unsynced), u64::from(at));
        self.disk.write_all_at(&bytes, at).map_err(FileError)?;
        unsynced.len = unsynced.len.saturating_add(bytes.len());
        unsynced.writes.push((at, bytes));
        if SYNC_DUE < unsynced.len {
            self.due.notify_one();
        }
        Ok(())
    }
}

/// The file as a flash.
pub(super) struct FileFlash<D>(pub(super) Arc<Backing<D>>);

/// What the file's system said.
#[derive(Debug)]
pub(super) struct FileError(#[expect(dead_code, reason = "for whoever debugs a node")] io::Error);

impl NorFlashError for FileError {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<D> ErrorType for FileFlash<D> {
    type Error = FileError;
}

impl<D: Disk> ReadNorFlash for FileFlash<D> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        let (mut rest, mut at) = (&mut *bytes, u64::from(offset));
        while !rest.is_empty() {
            let count = match self.0.disk.read_at(rest, at) {
                // Behind the end nothing was ever written.
                Ok(0) => {
                    rest.fill(0);
                    break;
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(FileError(error)),
            };
            at = at.saturating_add(count as u64);
            rest = rest.get_mut(count..).unwrap_or_default();
        }
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
        Ok(())
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl<D: Disk> NorFlash for FileFlash<D> {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FileError> {
        for page in (from..to).step_by(PAGE) {
            self.0.write(page, vec![0; PAGE])?;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FileError> {
        self.0.write(offset, bytes.iter().map(|byte| !byte).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_node_does_not_get_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.outbox");
        let _first = Backing::open(&path).unwrap();
        let second = Backing::open(&path).err().map(|error| error.kind());
        assert_eq!(second, Some(io::ErrorKind::WouldBlock));
    }
}
