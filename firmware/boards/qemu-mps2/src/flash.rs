//! A NOR flash of 8 MiB in a file of the host, which outlives the emulator.
//!
//! The file holds each byte inverted: what was never written reads as zeros, and an erased
//! byte is all ones.

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use crate::semihost::{File, Refused};

/// The flash of the outbox.
pub(crate) const OUTBOX: u32 = 8 << 20;
const SECTOR: u32 = 4096;

/// A flash, or a part of one.
pub(crate) struct Flash(File, u32);

impl Flash {
    /// Opens a file in the emulator's working directory as a flash of so many bytes.
    pub(crate) fn open(name: &core::ffi::CStr, capacity: u32) -> Result<Self, Refused> {
        File::open(name).map(|file| Self(file, capacity))
    }

    fn write_inverted(
        &mut self,
        mut offset: u32,
        bytes: impl Iterator<Item = u8>,
    ) -> Result<(), Refused> {
        let mut buffer = [0; 256];
        let mut bytes = bytes.peekable();
        while bytes.peek().is_some() {
            let mut len: u32 = 0;
            for (slot, byte) in buffer.iter_mut().zip(bytes.by_ref()) {
                *slot = !byte;
                len = len.saturating_add(1);
            }
            let end = usize::try_from(len).unwrap_or(0);
            self.0.write_at(offset, buffer.get(..end).unwrap_or_default())?;
            offset = offset.saturating_add(len);
        }
        Ok(())
    }
}

impl NorFlashError for Refused {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for Flash {
    type Error = Refused;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Refused> {
        let len = self.0.read_at(offset, bytes)?;
        for byte in bytes.iter_mut().take(len) {
            *byte = !*byte;
        }
        // Beyond the end of the file nothing was ever written.
        bytes.iter_mut().skip(len).for_each(|byte| *byte = 0xFF);
        Ok(())
    }

    fn capacity(&self) -> usize {
        usize::try_from(self.1).unwrap_or(0)
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = 4096;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Refused> {
        if !from.is_multiple_of(SECTOR) || !to.is_multiple_of(SECTOR) || self.1 < to {
            return Err(Refused);
        }
        self.write_inverted(from, (from..to).map(|_| 0xFF))
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Refused> {
        self.write_inverted(offset, bytes.iter().copied())
    }
}
