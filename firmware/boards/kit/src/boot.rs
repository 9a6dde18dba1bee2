//! The boot loader's word, by `embassy-boot`: a page of flash says what is to be tried, and
//! whether it is to be kept.

use core::sync::atomic::{AtomicBool, Ordering};

use embassy_boot::{FirmwareState, State};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Timer};
use embedded_storage_async::nor_flash::NorFlash;
use firmware::update::{Boot, Booted};

/// A new program that has not reached the gateway for so long gives way to the one before: a
/// gateway that is away takes minutes to start again, and a network longer than it.
const TRIAL: Duration = Duration::from_secs(15 * 60);

/// What was said last goes out before the start.
const FAREWELL: Duration = Duration::from_secs(2);

static AGAIN: Signal<CriticalSectionRawMutex, ()> = Signal::new();
static ON_TRIAL: AtomicBool = AtomicBool::new(false);

/// The page.
pub struct Loader<S>(FirmwareState<'static, S>);

impl<S: NorFlash> Loader<S> {
    /// Returns the boot loader's side of a flash that is written byte by byte.
    pub fn new(page: S, word: &'static mut [u8; 1]) -> Self {
        Self(FirmwareState::new(page, word))
    }
}

impl<S: NorFlash> Boot for Loader<S> {
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
