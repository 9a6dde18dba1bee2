//! A new program: loaded piece by piece into flash, believed only with its signature, tried
//! once, and given up if it does not reach the gateway.
//!
//! In: what the gateway offers and sends ([`Updates::hear`]); a flash; a boot loader's word on
//! what runs ([`Boot`]); the key that signs updates.
//! Out: what the node says about it ([`Updates::ask`]); a flash that holds an image which the
//! boot loader may put in place of the one that runs.
//!
//! Afterwards:
//! - the signature over board, version, length and hash was checked before the first piece was
//!   asked for, and the hash of what lies in flash before the boot loader is told;
//! - an image for another board, or one that is not newer, is not loaded, whoever signed it;
//! - a piece that was written stays written: after a power cut the node asks for the next;
//! - nothing is written while a program is on trial: the one before lies there.
//!
//! In flash the first page holds the manifest and one byte for each piece that is there; the
//! image follows, a piece a page.

use ed25519_dalek::{Signature, VerifyingKey};
use embedded_storage_async::nor_flash::NorFlash;
use sha2::{Digest, Sha256};
use wire::Name;
use wire::message::{Manifest, PIECE, UpdateAsk, UpdateFault, UpdatePiece, UpdateState, Version};

use crate::node::VERSION;

/// A page of the flash.
pub const PAGE: u32 = 4096;

/// Where the bytes that say which pieces are there begin, in the first page.
const MARKS: u32 = 256;

/// The most pieces: as many as have their byte in the first page.
const PIECES_MAX: u32 = PAGE - MARKS;

const _: () = assert!(PIECE == PAGE as usize && Manifest::LEN < MARKS as usize);

/// What a boot loader says about the program that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booted {
    /// It is the one that ran before.
    AsEver,
    /// It is new; without [`Boot::keep`] the one before comes back with the next start.
    OnTrial,
    /// A new one was tried, and this is the one before.
    RolledBack,
}

/// What a boot loader does for a node.
pub trait Boot {
    /// Says what runs.
    async fn booted(&mut self) -> Booted;

    /// Keeps the program that is on trial; returns whether that is written.
    async fn keep(&mut self) -> bool;

    /// Has the program in flash tried at the next start; returns whether that is written.
    async fn try_next(&mut self) -> bool;

    /// Starts again, soon: there is something left to say.
    fn start_again(&mut self);
}

/// What a node does about updates of its program.
pub trait Updates {
    /// Whether it ever has something to do with one: what only updates need costs others nothing.
    const ANY: bool = true;

    /// Returns the version of the program that runs.
    fn version(&self) -> Version;

    /// Does what is left to do, and returns what there is to say, if there is anything.
    async fn ask(&mut self) -> Option<UpdateAsk>;

    /// Takes what the gateway says; returns whether there is something to say to it at once.
    async fn hear(&mut self, message: UpdatePiece<'_>) -> bool;

    /// Takes note that the gateway was reached; returns whether that is news to be acted on
    /// ([`Updates::ask`]).
    fn reached(&mut self) -> bool;
}

/// A node whose program is updated by others: by the package manager of its machine, or by cable.
pub struct NoUpdates;

impl Updates for NoUpdates {
    const ANY: bool = false;

    fn version(&self) -> Version {
        VERSION
    }

    async fn ask(&mut self) -> Option<UpdateAsk> {
        None
    }

    async fn hear(&mut self, _message: UpdatePiece<'_>) -> bool {
        false
    }

    fn reached(&mut self) -> bool {
        false
    }
}

/// A node that updates itself.
pub struct Updater<F, B> {
    flash: F,
    boot: B,
    board: Name,
    version: Version,
    key: Option<[u8; 32]>,
    /// What is being loaded, and how many of its pieces are there.
    loading: Option<(Manifest, u32)>,
    /// Of the offer that `state` is about.
    offer: u32,
    state: UpdateState,
    on_trial: bool,
    /// The gateway was reached in this run.
    is_reached: bool,
}

impl<F: NorFlash, B: Boot> Updater<F, B> {
    /// Looks what lies in flash, and goes on with it.
    pub async fn open(
        flash: F,
        mut boot: B,
        board: Name,
        version: Version,
        key: Option<[u8; 32]>,
    ) -> Self {
        let booted = boot.booted().await;
        let mut updater = Self {
            flash,
            boot,
            board,
            version,
            key,
            loading: None,
            offer: 0,
            state: UpdateState::Idle,
            on_trial: booted == Booted::OnTrial,
            is_reached: false,
        };
        let mut bytes = [0; Manifest::LEN];
        if updater.flash.read(0, &mut bytes).await.is_err() {
            return updater;
        }
        // What was tried already is not tried again; what is older than the program that runs
        // is that very program, or was forgotten.
        if let Ok(manifest) = updater.believe(&bytes) {
            updater.offer = manifest.id();
            if booted == Booted::RolledBack {
                updater.state = UpdateState::RolledBack;
            } else if booted == Booted::AsEver {
                let there = updater.pieces_there(pieces(&manifest)).await;
                updater.loading = Some((manifest, there));
                updater.state = UpdateState::Loading;
            }
        }
        updater
    }

    /// Returns how many pieces lie in flash of what is being loaded, and of how many.
    pub fn progress(&self) -> Option<(u32, u32)> {
        self.loading.as_ref().map(|(manifest, there)| (*there, pieces(manifest)))
    }

    /// Returns whether the program that runs may still be given up.
    pub const fn is_on_trial(&self) -> bool {
        self.on_trial
    }

    /// Checks an offer: what it is for first, then who says so.
    fn believe(&self, bytes: &[u8]) -> Result<Manifest, (u32, UpdateFault)> {
        let manifest = Manifest::decode(bytes).map_err(|_| (0, UpdateFault::Unreadable))?;
        let refuse = |fault| Err((manifest.id(), fault));
        let Some(key) = self.key else { return refuse(UpdateFault::NoKey) };
        let signature = Signature::from_bytes(&manifest.signature);
        let is_signed = VerifyingKey::from_bytes(&key)
            // Strict: of the points that other verifiers let pass none is a key of ours.
            .and_then(|key| key.verify_strict(&manifest.signed(), &signature))
            .is_ok();
        if !is_signed {
            return refuse(UpdateFault::Signature);
        }
        if manifest.board != self.board {
            return refuse(UpdateFault::Board);
        }
        let numbers = |it: Version| (it.major, it.minor, it.patch);
        if numbers(manifest.version) <= numbers(self.version) {
            return refuse(UpdateFault::Older);
        }
        let room = u32::try_from(self.flash.capacity()).unwrap_or(u32::MAX);
        // The boot loader needs a page beside the image to exchange two.
        let most = room.saturating_sub(PAGE.saturating_mul(2));
        if manifest.len == 0 || most < manifest.len || PIECES_MAX < pieces(&manifest) {
            return refuse(UpdateFault::TooLarge);
        }
        Ok(manifest)
    }

    /// Counts the pieces that were written whole, from the first one on.
    async fn pieces_there(&mut self, pieces: u32) -> u32 {
        for piece in 0..pieces {
            let mut mark = [0xFF];
            let read = self.flash.read(MARKS.saturating_add(piece), &mut mark).await;
            if read.is_err() || mark != [0] {
                return piece;
            }
        }
        pieces
    }

    async fn hear_offer(&mut self, bytes: &[u8]) -> bool {
        let manifest = match self.believe(bytes) {
            Ok(manifest) => manifest,
            Err((offer, fault)) => return self.refuse(offer, fault),
        };
        if self.loading.as_ref().is_some_and(|(loading, _)| *loading == manifest) {
            return true;
        }
        if self.state == UpdateState::RolledBack && self.offer == manifest.id() {
            return false;
        }
        let begun = async {
            self.flash.erase(0, PAGE).await?;
            self.flash.write(0, &manifest.encode()).await
        };
        if begun.await.is_err() {
            return self.refuse(manifest.id(), UpdateFault::Flash);
        }
        (self.offer, self.state) = (manifest.id(), UpdateState::Loading);
        self.loading = Some((manifest, 0));
        true
    }

    async fn hear_piece(&mut self, offer: u32, at: u32, bytes: &[u8]) -> bool {
        let Some((manifest, there)) = self.loading else { return false };
        let pieces = pieces(&manifest);
        let wanted = there.saturating_mul(PAGE);
        let len = manifest.len.saturating_sub(wanted).min(PAGE);
        let is_wanted = offer == manifest.id() && at == wanted && there < pieces;
        if !is_wanted || u32::try_from(bytes.len()) != Ok(len) {
            // One that comes twice; what is wanted is asked for in a minute anyway.
            return false;
        }
        let page = wanted.saturating_add(PAGE);
        let written = async {
            self.flash.erase(page, page.saturating_add(PAGE)).await?;
            self.flash.write(page, bytes).await?;
            // Only now it counts.
            self.flash.write(MARKS.saturating_add(there), &[0]).await
        };
        if written.await.is_err() {
            return self.give_up(UpdateFault::Flash).await;
        }
        let there = there.saturating_add(1);
        self.loading = Some((manifest, there));
        if there == pieces { self.finish(&manifest).await } else { true }
    }

    /// All pieces are there: they are what was signed, or they are nothing.
    async fn finish(&mut self, manifest: &Manifest) -> bool {
        if self.hash(manifest.len).await != Some(manifest.sha256) {
            return self.give_up(UpdateFault::Content).await;
        }
        if !self.boot.try_next().await {
            return self.give_up(UpdateFault::Flash).await;
        }
        self.loading = None;
        self.state = UpdateState::Restarting;
        self.boot.start_again();
        true
    }

    async fn hash(&mut self, len: u32) -> Option<[u8; 32]> {
        let mut hash = Sha256::new();
        let mut at: u32 = 0;
        let mut buffer = [0; 256];
        while at < len {
            let count = len.saturating_sub(at).min(256);
            let piece = buffer.get_mut(..usize::try_from(count).ok()?)?;
            self.flash.read(PAGE.saturating_add(at), piece).await.ok()?;
            hash.update(piece);
            at = at.saturating_add(count);
        }
        Some(hash.finalize().into())
    }

    fn refuse(&mut self, offer: u32, fault: UpdateFault) -> bool {
        self.loading = None;
        (self.offer, self.state) = (offer, UpdateState::Refused(fault));
        true
    }

    /// The program on trial has reached the gateway: it stays.
    async fn keep(&mut self) {
        if self.boot.keep().await {
            self.on_trial = false;
            // The manifest of what runs now; if it stays it is known by its version.
            self.flash.erase(0, PAGE).await.ok();
            (self.offer, self.state) = (0, UpdateState::Idle);
        }
    }

    async fn give_up(&mut self, fault: UpdateFault) -> bool {
        // If it cannot be erased it is loaded again after the next start, and given up again.
        self.flash.erase(0, PAGE).await.ok();
        self.refuse(self.offer, fault)
    }
}

fn pieces(manifest: &Manifest) -> u32 {
    manifest.len.div_ceil(PAGE)
}

impl<F: NorFlash, B: Boot> Updates for Updater<F, B> {
    fn version(&self) -> Version {
        self.version
    }

    async fn ask(&mut self) -> Option<UpdateAsk> {
        if self.on_trial && self.is_reached {
            self.keep().await;
        }
        // All was there when the power went, and nobody had said so to the boot loader.
        if let Some((manifest, there)) = self.loading
            && there == pieces(&manifest)
        {
            self.finish(&manifest).await;
        }
        let at = self.loading.map_or(0, |(_, there)| there.saturating_mul(PAGE));
        let (board, version) = (self.board, self.version);
        Some(UpdateAsk { board, version, offer: self.offer, at, state: self.state })
    }

    async fn hear(&mut self, message: UpdatePiece<'_>) -> bool {
        if self.on_trial || self.state == UpdateState::Restarting {
            return false;
        }
        match message {
            UpdatePiece::Offer(manifest) => self.hear_offer(manifest).await,
            UpdatePiece::Piece { offer, at, bytes } => self.hear_piece(offer, at, bytes).await,
        }
    }

    fn reached(&mut self) -> bool {
        let is_news = self.on_trial && !self.is_reached;
        self.is_reached = true;
        is_news
    }
}

#[cfg(test)]
mod exchange;
#[cfg(test)]
mod tests;
