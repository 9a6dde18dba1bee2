//! New programs on a board, by `embassy-boot`: where they lie, and what a boot loader is told.
//!
//! On a real board they lie behind the outbox in the serial NOR chip: a page for what was agreed
//! on with the boot loader, then what [`firmware::update`] keeps. The program's own flash is
//! written by the boot loader alone ([`crate::loader`]), so nothing stands still while a new
//! program is loaded.

use core::sync::atomic::{AtomicBool, Ordering};

use embassy_boot::{FirmwareState, State};
use embassy_embedded_hal::flash::partition::Partition;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Timer};
use embedded_hal::spi::SpiDevice;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use firmware::update::{Boot, Booted, Updater};
use wire::message::ImageMark;
use wire::{Name, Papers};

use crate::nor::{CHIP, Nor, OUTBOX, SECTOR};

/// The most that a program takes.
pub const PROGRAM: u32 = 256 * 1024;

/// Where it stands what was agreed on with the boot loader.
pub(crate) const STATE: u32 = OUTBOX;

/// The manifest of a new program, and the program behind it.
const UPDATE: u32 = STATE + SECTOR;

/// What is exchanged with the program that runs.
pub(crate) const SECOND: u32 = UPDATE + SECTOR;

/// Its length: a program, and a sector of the program's flash through which two are exchanged;
/// that of the STM32H743 has 128 KiB.
pub(crate) const SECOND_LEN: u32 = PROGRAM + 128 * 1024;

const _: () = assert!(SECOND + SECOND_LEN == CHIP);

/// The chip, shared: each takes it for one operation at a time.
pub type Chip<S> = Mutex<CriticalSectionRawMutex, Nor<S>>;

/// A stretch of it.
pub type Part<S> = Partition<'static, CriticalSectionRawMutex, Nor<S>>;

/// Returns the outbox's part of a chip.
pub fn outbox<S: SpiDevice>(chip: &'static Chip<S>) -> Part<S> {
    Partition::new(chip, 0, OUTBOX)
}

/// Opens what lies behind the outbox, and goes on with what is being loaded. `mark` is what the
/// image says of itself.
pub async fn updater<S: SpiDevice>(
    chip: &'static Chip<S>,
    board: Name,
    mark: &'static ImageMark,
    papers: Papers<'static>,
    word: &'static mut [u8; WORD],
) -> Updater<Part<S>, Loader<Part<S>>> {
    let loader = Loader::new(Partition::new(chip, STATE, SECTOR), word);
    // A page more than the program: `firmware::update` leaves it to the exchange.
    let flash = Partition::new(chip, UPDATE, SECTOR + PROGRAM + SECTOR);
    Updater::open(flash, loader, board, version(mark), papers.update_key.copied()).await
}

/// Reads the version in an image as it lies there, and not as it was when it was compiled: so it
/// is there, for whoever signs the image.
#[expect(unsafe_code, reason = "what an image says of itself is read as it lies there")]
pub fn version(mark: &'static ImageMark) -> wire::message::Version {
    // SAFETY: it is there, and nobody writes it.
    unsafe { (&raw const *mark).read_volatile() }.version()
}

/// A new program that has not reached the gateway for so long gives way to the one before: a
/// gateway that is away takes minutes to start again, and a network longer than it.
const TRIAL: Duration = Duration::from_secs(15 * 60);

/// What was said last goes out before the start.
const FAREWELL: Duration = Duration::from_secs(2);

static AGAIN: Signal<CriticalSectionRawMutex, ()> = Signal::new();
static ON_TRIAL: AtomicBool = AtomicBool::new(false);

/// How many equal bytes make a word of the page. One of them a chip that was used before may
/// hold by chance; and a half-written word is none.
pub const WORD: usize = 8;

/// A page that is written in words.
pub(crate) struct InWords<F>(pub(crate) F);

impl<F: ErrorType> ErrorType for InWords<F> {
    type Error = F::Error;
}

impl<F: ReadNorFlash> ReadNorFlash for InWords<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        self.0.read(offset, bytes).await
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> NorFlash for InWords<F> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        self.0.erase(from, to).await
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), F::Error> {
        self.0.write(offset, bytes).await
    }
}

/// What the boot loader is told, and says.
pub struct Loader<F>(FirmwareState<'static, InWords<F>>);

impl<F: NorFlash> Loader<F> {
    /// Returns the program's side of a page of flash that is read and written byte by byte.
    pub fn new(page: F, word: &'static mut [u8; WORD]) -> Self {
        Self(FirmwareState::new(InWords(page), word))
    }
}

impl<F: NorFlash> Boot for Loader<F> {
    async fn booted(&mut self) -> Booted {
        let booted = match self.0.get_state().await {
            Ok(State::Swap) => Booted::OnTrial,
            Ok(State::Revert) => Booted::RolledBack,
            Ok(State::Boot | State::DfuDetach) | Err(_) => Booted::AsEver,
        };
        ON_TRIAL.store(booted == Booted::OnTrial, Ordering::Relaxed);
        booted
    }

    async fn keep(&mut self) -> bool {
        let kept = self.0.mark_booted().await.is_ok();
        if kept {
            ON_TRIAL.store(false, Ordering::Relaxed);
        }
        kept
    }

    async fn try_next(&mut self) -> bool {
        self.0.mark_updated().await.is_ok()
    }

    fn start_again(&mut self) {
        AGAIN.signal(());
    }
}

/// Returns when the board has to start again: a new program is to be tried, or one was tried for
/// too long.
pub async fn start_is_due() {
    let trial_ends = async {
        Timer::after(TRIAL).await;
        if !ON_TRIAL.load(Ordering::Relaxed) {
            core::future::pending::<()>().await;
        }
    };
    embassy_futures::select::select(AGAIN.wait(), trial_ends).await;
    Timer::after(FAREWELL).await;
}
