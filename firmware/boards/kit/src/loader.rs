//! What the boot loader of a board does: exchanges two programs if that was agreed on, or takes
//! it back, and starts the one that lies in its place.
//!
//! The exchange is `embassy-boot`'s; a power cut in the midst of it is gone on from at the next
//! start. Nothing is checked here: the program that agreed on it has checked signature and hash
//! of what lies in the chip.

use embassy_boot::{AlignedBuffer, BootLoader, BootLoaderConfig};
use embassy_embedded_hal::flash::partition::Partition;
use embassy_futures::block_on;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use embedded_hal::spi::SpiDevice;
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use embedded_storage_async::nor_flash as patient;

use crate::boot::{InWords, SECOND, SECOND_LEN, STATE};
use crate::nor::{Nor, NorFault, SECTOR};

/// A flash that is waited for.
struct Waiting<F>(F);

impl<F: patient::ErrorType> embedded_storage::nor_flash::ErrorType for Waiting<F> {
    type Error = F::Error;
}

impl<F: patient::ReadNorFlash> ReadNorFlash for Waiting<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        block_on(self.0.read(offset, bytes))
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: patient::NorFlash> NorFlash for Waiting<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        block_on(self.0.erase(from, to))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), F::Error> {
        block_on(self.0.write(offset, bytes))
    }
}

/// Does what was agreed on; `active` is the flash that a program runs from.
///
/// # Errors
///
/// [`NorFault`] if one of the flashes fails on the way. What was done so far is noted in the
/// chip, and another call goes on from there.
pub fn exchange<A: NorFlash, S: SpiDevice>(active: A, chip: Nor<S, false>) -> Result<(), NorFault> {
    let chip = Mutex::<NoopRawMutex, _>::new(chip);
    let dfu = Waiting(Partition::new(&chip, SECOND, SECOND_LEN));
    let state = Waiting(InWords(Partition::new(&chip, STATE, SECTOR)));
    let mut loader = BootLoader::new(BootLoaderConfig { active, dfu, state });
    let mut buffer = AlignedBuffer([0; 256]);
    loader.prepare_boot(buffer.as_mut()).map_err(|_| NorFault)?;
    Ok(())
}

/// Starts the program whose vector table lies at an address.
#[expect(unsafe_code, reason = "a boot loader ends by a jump")]
pub fn start(program: u32) -> ! {
    // What the drivers of the boot loader asked for must not come to the program, which has not
    // set itself up.
    // SAFETY: nothing else runs, and the program takes the core as after a reset.
    unsafe {
        let core = cortex_m::Peripherals::steal();
        for (enabled, pending) in core.NVIC.icer.iter().zip(&core.NVIC.icpr) {
            enabled.write(u32::MAX);
            pending.write(u32::MAX);
        }
        core.SCB.vtor.write(program);
        cortex_m::asm::dsb();
        cortex_m::asm::isb();
        cortex_m::asm::bootload(core::ptr::without_provenance(program as usize))
    }
}
