//! An updater over a flash in RAM, signed for by keys of the test, cut off at every write.

use core::cell::{Cell, RefCell};
use std::rc::Rc;
use std::vec::Vec;

use ed25519_dalek::{Signer, SigningKey};
use embassy_futures::block_on;
use embedded_storage_async::nor_flash::{ErrorType, NorFlashErrorKind, ReadNorFlash};

use super::*;

const OLD: Version = Version { major: 0, minor: 1, patch: 9 };
const NEW: Version = Version { major: 0, minor: 2, patch: 0 };
const LEN: usize = 3 * PIECE + 100;
const CAPACITY: usize = 8 * PIECE;

fn board() -> Name {
    Name::new("board-1").unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn image() -> Vec<u8> {
    (0..LEN).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn signed(board: Name, version: Version, image: &[u8], key: &SigningKey) -> Manifest {
    let mut manifest = Manifest {
        board,
        version,
        len: image.len().try_into().unwrap(),
        sha256: Sha256::digest(image).into(),
        signature: [0; 64],
    };
    manifest.signature = key.sign(&manifest.signed()).to_bytes();
    manifest
}

/// A flash that outlives its updater, and fails after so many writes and erases.
#[derive(Clone)]
struct Ram {
    bytes: Rc<RefCell<Vec<u8>>>,
    writes_left: Rc<Cell<u32>>,
}

impl Ram {
    fn new() -> Self {
        let bytes = Rc::new(RefCell::new(std::vec![0xFF; CAPACITY]));
        Self { bytes, writes_left: Rc::new(Cell::new(u32::MAX)) }
    }

    fn write_allowed(&self) -> Result<(), NorFlashErrorKind> {
        let left = self.writes_left.get().checked_sub(1).ok_or(NorFlashErrorKind::Other)?;
        self.writes_left.set(left);
        Ok(())
    }
}

impl ErrorType for Ram {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Ram {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, out: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        let at = offset as usize;
        out.copy_from_slice(&self.bytes.borrow()[at..at + out.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl NorFlash for Ram {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = PIECE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.write_allowed()?;
        self.bytes.borrow_mut()[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        let mut all = self.bytes.borrow_mut();
        let slots = &mut all[offset as usize..offset as usize + bytes.len()];
        // A power cut in the midst: half of it is there.
        let whole = self.write_allowed();
        let len = if whole.is_ok() { bytes.len() } else { bytes.len() / 2 };
        for (slot, byte) in slots.iter_mut().zip(&bytes[..len]) {
            assert_eq!(*slot & byte, *byte, "a bit that was not erased");
            *slot = *byte;
        }
        whole
    }
}

/// A boot loader that remembers what it was told.
#[derive(Clone)]
struct Loader(Rc<RefCell<(Booted, u32, u32)>>);

impl Loader {
    fn of(booted: Booted) -> Self {
        Self(Rc::new(RefCell::new((booted, 0, 0))))
    }

    fn kept(&self) -> u32 {
        self.0.borrow().1
    }

    fn tries(&self) -> u32 {
        self.0.borrow().2
    }
}

impl Boot for Loader {
    async fn booted(&mut self) -> Booted {
        self.0.borrow().0
    }

    async fn keep(&mut self) -> bool {
        self.0.borrow_mut().1 += 1;
        true
    }

    async fn try_next(&mut self) -> bool {
        self.0.borrow_mut().2 += 1;
        true
    }

    fn start_again(&mut self) {}
}

fn open(flash: &Ram, loader: &Loader, key: Option<[u8; 32]>) -> Updater<Ram, Loader> {
    block_on(Updater::open(flash.clone(), loader.clone(), board(), OLD, key))
}

fn own_key() -> Option<[u8; 32]> {
    Some(key().verifying_key().to_bytes())
}

/// Offers an image and gives the node what it asks for, as often as it asks.
fn converse(updater: &mut Updater<Ram, Loader>, manifest: &Manifest, image: &[u8]) -> UpdateAsk {
    block_on(async {
        for _ in 0..20 {
            let ask = updater.ask().await.unwrap();
            let goes_on = match ask.state {
                UpdateState::Idle => updater.hear(UpdatePiece::Offer(&manifest.encode())).await,
                UpdateState::Loading if ask.offer == manifest.id() => {
                    let at = ask.at as usize;
                    let bytes = &image[at..image.len().min(at + PIECE)];
                    let piece = UpdatePiece::Piece { offer: ask.offer, at: ask.at, bytes };
                    updater.hear(piece).await
                }
                UpdateState::Loading
                | UpdateState::Restarting
                | UpdateState::RolledBack
                | UpdateState::Refused(_) => false,
            };
            if !goes_on {
                return updater.ask().await.unwrap();
            }
        }
        panic!("it goes on for ever");
    })
}

fn check(manifest: &Manifest, key: Option<[u8; 32]>, wanted: UpdateState) {
    let (flash, loader) = (Ram::new(), Loader::of(Booted::AsEver));
    let mut updater = open(&flash, &loader, key);

    let ask = converse(&mut updater, manifest, &image());

    assert_eq!(ask.state, wanted);
    let is_tried = wanted == UpdateState::Restarting;
    assert_eq!((loader.tries(), loader.kept()), (u32::from(is_tried), 0));
}

#[test]
fn a_newer_image_for_this_board_with_the_right_signature_is_tried() {
    check(&signed(board(), NEW, &image(), &key()), own_key(), UpdateState::Restarting);
}

#[test]
fn what_is_not_signed_not_for_this_board_or_not_newer_is_not_even_loaded() {
    use UpdateFault::{Board, NoKey, Older, Signature, TooLarge};
    let other_key = SigningKey::from_bytes(&[4; 32]);
    let right = signed(board(), NEW, &image(), &key());
    let mut raised = signed(board(), OLD, &image(), &key());
    raised.version = NEW;
    let elsewhere = signed(Name::new("board-2").unwrap(), NEW, &image(), &key());
    let large = signed(board(), NEW, &[0; CAPACITY], &key());

    let refused = |manifest: &Manifest, fault| {
        check(manifest, own_key(), UpdateState::Refused(fault));
    };
    refused(&signed(board(), NEW, &image(), &other_key), Signature);
    refused(&raised, Signature);
    refused(&elsewhere, Board);
    refused(&signed(board(), OLD, &image(), &key()), Older);
    refused(&large, TooLarge);
    check(&right, None, UpdateState::Refused(NoKey));
}

#[test]
fn what_comes_must_be_what_was_signed() {
    let (flash, loader) = (Ram::new(), Loader::of(Booted::AsEver));
    let manifest = signed(board(), NEW, &image(), &key());
    let mut other = image();
    other[2 * PIECE] ^= 1;

    let ask = converse(&mut open(&flash, &loader, own_key()), &manifest, &other);

    assert_eq!(ask.state, UpdateState::Refused(UpdateFault::Content));
    assert_eq!(loader.tries(), 0);
    // It begins anew, and does not take the spoilt pieces for good ones.
    let ask = converse(&mut open(&flash, &loader, own_key()), &manifest, &image());
    assert_eq!((ask.state, loader.tries()), (UpdateState::Restarting, 1));
}

#[test]
fn a_power_cut_at_any_write_loses_no_piece_and_tries_nothing_half() {
    let manifest = signed(board(), NEW, &image(), &key());
    let mut cuts_on_the_way = 0;
    for cut in 0..20 {
        let (flash, loader) = (Ram::new(), Loader::of(Booted::AsEver));
        flash.writes_left.set(cut);
        converse(&mut open(&flash, &loader, own_key()), &manifest, &image());
        let before = loader.tries();
        flash.writes_left.set(u32::MAX);

        let mut updater = open(&flash, &loader, own_key());
        let there = updater.progress();
        let ask = converse(&mut updater, &manifest, &image());

        assert_eq!(ask.state, UpdateState::Restarting, "cut {cut}");
        assert!(0 < before + loader.tries());
        assert_eq!(&flash.bytes.borrow()[PIECE..PIECE + LEN], image(), "cut {cut}");
        cuts_on_the_way += u32::from(there.is_some_and(|(there, _)| 0 < there));
    }
    assert!(3 < cuts_on_the_way, "{cuts_on_the_way} cuts found pieces");
}

#[test]
fn a_new_program_is_kept_when_it_reaches_the_gateway_and_touches_nothing_before() {
    let (flash, loader) = (Ram::new(), Loader::of(Booted::OnTrial));
    flash.writes_left.set(0);
    let mut updater = open(&flash, &loader, own_key());
    let offer = signed(board(), NEW, &image(), &key()).encode();
    assert!(!block_on(updater.hear(UpdatePiece::Offer(&offer))));
    flash.writes_left.set(u32::MAX);

    let before = block_on(updater.ask()).map(|_| loader.kept());
    let news = [updater.reached(), updater.reached()];
    block_on(updater.ask());
    block_on(updater.ask());

    assert_eq!((before, news, loader.kept()), (Some(0), [true, false], 1));
    assert!(block_on(updater.hear(UpdatePiece::Offer(&offer))));
}

#[test]
fn what_was_rolled_back_is_told_and_not_tried_again_until_there_is_another() {
    let (flash, loader) = (Ram::new(), Loader::of(Booted::AsEver));
    let failed = signed(board(), NEW, &image(), &key());
    converse(&mut open(&flash, &loader, own_key()), &failed, &image());
    let loader = Loader::of(Booted::RolledBack);
    let mut updater = open(&flash, &loader, own_key());

    let told = block_on(updater.ask()).unwrap();
    let again = block_on(updater.hear(UpdatePiece::Offer(&failed.encode())));
    let better = signed(board(), Version { patch: 1, ..NEW }, &[5; 300], &key());
    let other = block_on(updater.hear(UpdatePiece::Offer(&better.encode())));

    assert_eq!((told.state, told.offer), (UpdateState::RolledBack, failed.id()));
    assert!(!again && other);
}
