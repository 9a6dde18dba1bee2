//! New programs for the emulated board: `update.bin` beside the one that runs, `state.bin` for
//! the boot loader (`boot.rs`).

use firmware::VERSION;
use firmware::update::{Updater, Updates};
use kit::boot::Loader;
use static_cell::ConstStaticCell;
use wire::message::{ImageMark, UpdateAsk, UpdatePiece, Version};
use wire::{Name, Papers};

use crate::flash::Flash;
use crate::log;

const BOARD: &str = "qemu-mps2";
/// The manifest, a program of 256 KiB, and a page to exchange two through.
const UPDATE: u32 = 4096 + kit::boot::PROGRAM + 4096;
const STATE: u32 = 4096;

/// What this image is, for whoever signs it.
static MARK: ImageMark = ImageMark::new(BOARD, VERSION);

/// Says in the log how an update goes.
pub(crate) struct Telling(Updater<Flash, Loader<Flash>>);

/// Opens what lies beside the program that runs.
pub(crate) async fn updates(papers: Papers<'static>) -> Option<Telling> {
    static WORD: ConstStaticCell<[u8; kit::boot::WORD]> = ConstStaticCell::new([0; _]);
    let version = kit::boot::version(&MARK);
    log::line(&["version minor"], Some(version.minor.into()));
    let flash = Flash::open(c"update.bin", UPDATE).ok()?;
    let loader = Loader::new(Flash::open(c"state.bin", STATE).ok()?, WORD.take());
    let board = Name::new(BOARD).ok()?;
    let key = papers.update_key.copied();
    let updater = Updater::open(flash, loader, board, version, key).await;
    if let Some((there, _)) = updater.progress() {
        log::line(&["update goes on at piece"], Some(there));
    }
    if updater.is_on_trial() {
        log::line(&["on trial"], None);
    }
    Some(Telling(updater))
}

impl Updates for Telling {
    fn version(&self) -> Version {
        self.0.version()
    }

    async fn ask(&mut self) -> Option<UpdateAsk> {
        let was_on_trial = self.0.is_on_trial();
        let ask = self.0.ask().await?;
        if was_on_trial && !self.0.is_on_trial() {
            log::line(&["kept"], None);
        }
        log::line(&["update ", ask.state.code()], Some(ask.at / 4096));
        Some(ask)
    }

    async fn hear(&mut self, message: UpdatePiece<'_>) -> bool {
        self.0.hear(message).await
    }

    fn reached(&mut self) -> bool {
        self.0.reached()
    }
}
