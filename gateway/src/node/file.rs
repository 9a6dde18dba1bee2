//! A file as the flash of a node's outbox.
//!
//! What was written is synced before anybody is told, so a node on Linux keeps its readings
//! through a power cut as a microcontroller does. The file holds each byte inverted: what was
//! never written is a hole of zeros, and an erased byte is all ones. So a new outbox of 64 MiB
//! takes no space, and takes as much as it ever held.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// Some 700,000 packs of eight quantities: a month of 16 meters that are read each minute.
const CAPACITY: usize = 64 << 20;

const PAGE: usize = 4096;

/// The file.
pub(super) struct FileFlash(File);

impl FileFlash {
    /// Opens the file, or makes it, and keeps other nodes away from it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, "another node uses it"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// What the file's system said.
#[derive(Debug)]
pub(super) struct FileError(#[expect(dead_code, reason = "for whoever debugs a node")] io::Error);

impl NorFlashError for FileError {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for FileFlash {
    type Error = FileError;
}

impl ReadNorFlash for FileFlash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        let (mut rest, mut at) = (&mut *bytes, u64::from(offset));
        while !rest.is_empty() {
            let count = match self.0.read_at(rest, at) {
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

impl NorFlash for FileFlash {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FileError> {
        // Not synced: whatever lies here after a power cut is taken for a torn erase.
        for page in (from..to).step_by(PAGE) {
            self.0.write_all_at(&[0; PAGE], u64::from(page)).map_err(FileError)?;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FileError> {
        let inverted: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        self.0.write_all_at(&inverted, u64::from(offset)).map_err(FileError)?;
        self.0.sync_data().map_err(FileError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmware::outbox::{Outbox as _, Ticket};
    use firmware::{FlashFault, FlashOutbox};

    async fn open(path: &Path) -> Result<FlashOutbox<FileFlash>, FlashFault> {
        FlashOutbox::open(FileFlash::open(path).unwrap(), 5).await
    }

    #[tokio::test]
    async fn what_was_pushed_and_the_plan_are_there_in_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.outbox");
        let mut outbox = open(&path).await.unwrap();
        for payload in [b"first", b"other", b"third"] {
            outbox.push(payload).await;
        }
        outbox.settle(Ticket::of(1)).await;
        outbox.keep_plan(b"a plan").await;
        drop(outbox);

        let mut outbox = open(&path).await.unwrap();

        assert_eq!((outbox.boot(), outbox.len()), (6, 2));
        let mut out = [0; 100];
        let (ticket, len) = outbox.peek(Ticket::FIRST, &mut out).await.unwrap();
        assert_eq!((ticket, &out[..len]), (Ticket::of(1), &b"other"[..]));
        let len = outbox.kept_plan(&mut out).await.unwrap();
        assert_eq!(&out[..len], b"a plan");
    }

    #[test]
    fn a_second_node_does_not_get_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.outbox");
        let _first = FileFlash::open(&path).unwrap();
        let second = FileFlash::open(&path).err().map(|error| error.kind());
        assert_eq!(second, Some(io::ErrorKind::WouldBlock));
    }
}
