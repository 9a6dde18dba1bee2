//! The boot loader of the emulated board: exchanges two programs, or takes that back.
//!
//! It runs at each start before the node, as a program of its own, because the emulator loads
//! either from a file: `active.bin` is what runs next, `update.bin` what was loaded beside it,
//! `state.bin` what was agreed on. The exchange is `embassy-boot`'s; a power cut in the midst
//! of it is gone on from at the next start.
#![no_std]
#![no_main]

#[path = "semihost.rs"]
#[allow(dead_code, reason = "the node's half of it")]
mod semihost;

use core::ffi::CStr;
use core::panic::PanicInfo;

use embassy_boot::{BootLoader, BootLoaderConfig, State};
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use semihost::{File, Refused};

const PAGE: u32 = 4096;
/// As much as the program may take; the other one has a page more to exchange through.
const ACTIVE: u32 = kit::boot::PROGRAM;

/// A stretch of a file, written in words of so many bytes.
struct Part<const WORD: usize> {
    file: File,
    offset: u32,
    len: u32,
    /// What the file holds of an erased byte: the emulator loads `active.bin` as it is, and
    /// the others are full of holes, which are zeros.
    inverted: bool,
}

impl<const WORD: usize> Part<WORD> {
    fn open(name: &CStr, offset: u32, len: u32, inverted: bool) -> Result<Self, Refused> {
        Ok(Self { file: File::open(name)?, offset, len, inverted })
    }

    fn turn(&self, byte: u8) -> u8 {
        if self.inverted { !byte } else { byte }
    }
}

impl NorFlashError for Refused {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const WORD: usize> ErrorType for Part<WORD> {
    type Error = Refused;
}

impl<const WORD: usize> ReadNorFlash for Part<WORD> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Refused> {
        let len = self.file.read_at(self.offset.saturating_add(offset), bytes)?;
        for byte in bytes.iter_mut().take(len) {
            *byte = self.turn(*byte);
        }
        bytes.iter_mut().skip(len).for_each(|byte| *byte = 0xFF);
        Ok(())
    }

    fn capacity(&self) -> usize {
        usize::try_from(self.len).unwrap_or(0)
    }
}

impl<const WORD: usize> NorFlash for Part<WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Refused> {
        let erased = [self.turn(0xFF); 256];
        for offset in (from..to).step_by(256) {
            self.file.write_at(self.offset.saturating_add(offset), &erased)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Refused> {
        let mut turned = [0; 256];
        let mut at = self.offset.saturating_add(offset);
        for piece in bytes.chunks(256) {
            let room = turned.get_mut(..piece.len()).unwrap_or_default();
            room.iter_mut().zip(piece).for_each(|(slot, byte)| *slot = self.turn(*byte));
            self.file.write_at(at, room)?;
            at = at.saturating_add(256);
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    semihost::exit(false)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    semihost::exit(prepare().is_ok())
}

fn prepare() -> Result<(), Refused> {
    let active = Part::<1>::open(c"active.bin", 0, ACTIVE, false)?;
    let dfu = Part::<1>::open(c"update.bin", PAGE, ACTIVE.saturating_add(PAGE), true)?;
    let state = Part::<{ kit::boot::WORD }>::open(c"state.bin", 0, PAGE, true)?;
    let mut loader = BootLoader::new(BootLoaderConfig { active, dfu, state });
    let mut buffer = [0; 256];
    let before = loader.prepare_boot(&mut buffer).map_err(|_| Refused)?;
    let after = loader.read_state(&mut buffer).map_err(|_| Refused)?;
    semihost::say(match (before, after) {
        (State::Swap, State::Swap) => c"boot: a new program, on trial\n",
        (State::Swap, _) => c"boot: the new program was not kept, the one before is back\n",
        _ => c"boot: as ever\n",
    });
    Ok(())
}
