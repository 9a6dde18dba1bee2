//! The outbox's flash: a serial NOR chip of 8 MiB on SPI, such as W25Q64 or MX25L64.
//! What lies behind the outbox is for new programs (`boot`, with the feature `update`).
//!
//! A chip of its own, though the microcontroller has flash: while that is erased the program
//! stands still, for up to half a second, with a meter in the midst of its answer; and the
//! STM32H7's has sectors of 128 KiB.
//!
//! Source: Winbond W25Q64JV, revision K, table 8.1.2; the commands are those of all such chips.

use embassy_time::{Duration, Instant, Timer};
use embedded_hal::spi::{Operation, SpiDevice};
use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

const READ: u8 = 0x03;
const PROGRAM: u8 = 0x02;
const ERASE_SECTOR: u8 = 0x20;
const WRITE_ENABLE: u8 = 0x06;
const STATUS: u8 = 0x05;
const WAKE: u8 = 0xAB;
const BUSY: u8 = 1;

pub(crate) const CHIP: u32 = 8 << 20;
pub(crate) const SECTOR: u32 = 4096;

/// What the outbox has of the chip, from its beginning: on every board, whether it updates itself
/// or not, for a ring of another length would not be found again.
pub(crate) const OUTBOX: u32 = 1950 * SECTOR;

/// What is programmed at a time, and never across its border.
const PAGE: u32 = 256;

/// Ten times what the sheet says at most: 3 ms for a page, 400 ms for a sector.
const PROGRAM_MAX: Duration = Duration::from_millis(30);
const ERASE_MAX: Duration = Duration::from_secs(4);

/// The chip. `SLEEPS`: others have their turns while it is busy; a boot loader has no others,
/// and no timers.
pub struct Nor<S, const SLEEPS: bool = true>(S);

/// The chip does not answer, or it was asked for what it does not have.
#[derive(Clone, Copy, Debug)]
pub struct NorFault;

impl<S: SpiDevice, const SLEEPS: bool> Nor<S, SLEEPS> {
    /// Wakes the chip.
    pub fn new(mut spi: S) -> Self {
        // If nobody is there the first use tells.
        spi.write(&[WAKE]).ok();
        Self(spi)
    }

    fn command(&mut self, code: u8, offset: u32, data: Operation<'_, u8>) -> Result<(), NorFault> {
        let [_, high, middle, low] = offset.to_be_bytes();
        let head = [code, high, middle, low];
        self.0.transaction(&mut [Operation::Write(&head), data]).map_err(|_| NorFault)
    }

    async fn change(
        &mut self,
        code: u8,
        offset: u32,
        data: &[u8],
        most: Duration,
    ) -> Result<(), NorFault> {
        self.0.write(&[WRITE_ENABLE]).map_err(|_| NorFault)?;
        self.command(code, offset, Operation::Write(data))?;
        let end = Instant::now().saturating_add(most);
        loop {
            let mut status = [BUSY];
            let mut asked = [Operation::Write(&[STATUS]), Operation::Read(&mut status)];
            self.0.transaction(&mut asked).map_err(|_| NorFault)?;
            let [status] = status;
            if status & BUSY == 0 {
                return Ok(());
            }
            if end <= Instant::now() {
                return Err(NorFault);
            }
            if SLEEPS {
                Timer::after(Duration::from_micros(200)).await;
            }
        }
    }
}

impl NorFlashError for NorFault {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<S, const SLEEPS: bool> ErrorType for Nor<S, SLEEPS> {
    type Error = NorFault;
}

impl<S: SpiDevice, const SLEEPS: bool> ReadNorFlash for Nor<S, SLEEPS> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFault> {
        self.command(READ, offset, Operation::Read(bytes))
    }

    fn capacity(&self) -> usize {
        usize::try_from(OUTBOX).unwrap_or(0)
    }
}

impl<S: SpiDevice, const SLEEPS: bool> NorFlash for Nor<S, SLEEPS> {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = 4096;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFault> {
        if !from.is_multiple_of(SECTOR) || !to.is_multiple_of(SECTOR) || CHIP < to {
            return Err(NorFault);
        }
        let mut sector = from;
        while sector < to {
            self.change(ERASE_SECTOR, sector, &[], ERASE_MAX).await?;
            sector = sector.saturating_add(SECTOR);
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFault> {
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let room = PAGE.saturating_sub(at % PAGE);
            let len = usize::try_from(room).unwrap_or(0).min(rest.len());
            let (now, later) = rest.split_at_checked(len).ok_or(NorFault)?;
            self.change(PROGRAM, at, now, PROGRAM_MAX).await?;
            at = at.saturating_add(room);
            rest = later;
        }
        Ok(())
    }
}
