//! The exchange of two programs with the flashes of the real boards, which no emulator has: in
//! RAM, with the power cut off in the midst of it. The boot loaders of `boards` are this over
//! their drivers.

use core::cell::{Cell, RefCell};
use core::ops::Range;
use std::rc::Rc;
use std::vec::Vec;

use embassy_boot::{AlignedBuffer, BootLoader, BootLoaderConfig, FirmwareState, State};
use embassy_futures::block_on;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use embedded_storage_async::nor_flash as patient;

const PROGRAM: usize = 256 * 1024;
const SECTOR: usize = 4096;

/// How many writes and erases there are before the power goes; of the whole board.
type Power = Rc<Cell<u32>>;

/// A flash with sectors and words of so many bytes, which outlives the power.
#[derive(Clone)]
struct Ram<const SECTOR: usize, const WORD: usize> {
    bytes: Rc<RefCell<Vec<u8>>>,
    /// What was being written when the power went: it reads as nothing certain, and on the
    /// STM32H7 as a fault.
    torn: Rc<RefCell<Range<usize>>>,
    power: Power,
}

impl<const SECTOR: usize, const WORD: usize> Ram<SECTOR, WORD> {
    fn new(len: usize, power: &Power) -> Self {
        let bytes = Rc::new(RefCell::new(std::vec![0xFF; len]));
        Self { bytes, torn: Rc::default(), power: Rc::clone(power) }
    }

    fn fill(&self, program: &[u8]) {
        self.bytes.borrow_mut()[..program.len()].copy_from_slice(program);
    }

    fn holds(&self, program: &[u8]) -> bool {
        self.bytes.borrow().starts_with(program)
    }

    /// Changes some bytes, or half of them if the power goes.
    fn change(
        &self,
        range: Range<usize>,
        word: impl Fn(usize, u8) -> u8,
    ) -> Result<(), NorFlashErrorKind> {
        let left = self.power.get().checked_sub(1);
        let whole = left.ok_or(NorFlashErrorKind::Other);
        let end = if whole.is_ok() { range.end } else { range.start + range.len() / 2 };
        if whole.is_err() {
            *self.torn.borrow_mut() = range.clone();
        }
        for (n, slot) in self.bytes.borrow_mut()[range.start..end].iter_mut().enumerate() {
            *slot = word(n, *slot);
        }
        self.power.set(whole?);
        Ok(())
    }
}

impl<const SECTOR: usize, const WORD: usize> ErrorType for Ram<SECTOR, WORD> {
    type Error = NorFlashErrorKind;
}

impl<const SECTOR: usize, const WORD: usize> ReadNorFlash for Ram<SECTOR, WORD> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, out: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        let range = offset as usize..offset as usize + out.len();
        let torn = self.torn.borrow();
        let is_apart = torn.is_empty() || range.end <= torn.start || torn.end <= range.start;
        // The page of the state is written in words that say nothing when they are half there.
        assert!(is_apart || WORD == 8, "{range:?} is read, and {torn:?} is torn");
        out.copy_from_slice(&self.bytes.borrow()[range]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.borrow().len()
    }
}

impl<const SECTOR: usize, const WORD: usize> NorFlash for Ram<SECTOR, WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        let range = from as usize..to as usize;
        assert!(range.start.is_multiple_of(SECTOR) && range.end.is_multiple_of(SECTOR));
        self.change(range.clone(), |_, _| 0xFF)?;
        let mut torn = self.torn.borrow_mut();
        if range.start <= torn.start && torn.end <= range.end {
            *torn = 0..0;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        let start = offset as usize;
        assert!(start.is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD));
        self.change(start..start + bytes.len(), |n, was| {
            assert_eq!(was & bytes[n], bytes[n], "a bit that was not erased");
            bytes[n]
        })
    }
}

impl<const SECTOR: usize, const WORD: usize> patient::ReadNorFlash for Ram<SECTOR, WORD> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, out: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        ReadNorFlash::read(self, offset, out)
    }

    fn capacity(&self) -> usize {
        ReadNorFlash::capacity(self)
    }
}

impl<const SECTOR: usize, const WORD: usize> patient::NorFlash for Ram<SECTOR, WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        NorFlash::erase(self, from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        NorFlash::write(self, offset, bytes)
    }
}

/// A board whose program lies in sectors of so many bytes.
struct Board<const ACTIVE: usize, const WORD: usize> {
    power: Power,
    active: Ram<ACTIVE, WORD>,
    second: Ram<SECTOR, 1>,
    state: Ram<SECTOR, 8>,
}

impl<const ACTIVE: usize, const WORD: usize> Board<ACTIVE, WORD> {
    fn new(old: &[u8], new: &[u8]) -> Self {
        let power = Rc::new(Cell::new(u32::MAX));
        let active = Ram::new(PROGRAM, &power);
        let second = Ram::new(PROGRAM + 128 * 1024, &power);
        active.fill(old);
        second.fill(new);
        let state = Ram::new(SECTOR, &power);
        Self { power, active, second, state }
    }

    /// What the program tells the boot loader, and is told.
    fn agree<T>(&self, say: impl AsyncFnOnce(&mut FirmwareState<'_, Ram<SECTOR, 8>>) -> T) -> T {
        let mut word = [0; 8];
        block_on(say(&mut FirmwareState::new(self.state.clone(), &mut word)))
    }

    /// Switches the board on, and on again when the power goes after so many writes; returns
    /// whether it went.
    fn start(&self, writes: u32) -> bool {
        self.power.set(writes);
        let boot = || {
            let (active, state) = (self.active.clone(), self.state.clone());
            let dfu = self.second.clone();
            let mut buffer = AlignedBuffer([0; 256]);
            BootLoader::new(BootLoaderConfig { active, dfu, state }).prepare_boot(buffer.as_mut())
        };
        if boot().is_ok() {
            return false;
        }
        self.power.set(u32::MAX);
        boot().expect("there is power");
        true
    }
}

/// Cuts the power off at each `step`-th write of an exchange and of its taking back.
fn check<const ACTIVE: usize, const WORD: usize>(step: usize) {
    let program = |seed: usize| -> Vec<u8> {
        (0..PROGRAM).map(|at| (at / 7 * seed % 251).try_into().unwrap()).collect()
    };
    let (old, new) = (program(3), program(5));
    let mut cuts = 0;
    for cut in (0..).step_by(step) {
        let board = Board::<ACTIVE, WORD>::new(&old, &new);
        board.agree(async |loader| loader.mark_updated().await).unwrap();

        let mut went = board.start(cut);
        assert!(board.active.holds(&new), "cut {cut}");
        assert_eq!(board.agree(async |loader| loader.get_state().await).unwrap(), State::Swap);
        // Nobody kept it.
        went |= board.start(cut);

        assert!(board.active.holds(&old), "cut {cut}, taken back");
        assert!(!board.start(u32::MAX) && board.active.holds(&old));
        if !went {
            break;
        }
        cuts += 1;
    }
    assert!(10 < cuts, "{cuts} cuts");
}

#[test]
fn the_stm32h743_exchanges_two_programs_and_takes_it_back_whenever_the_power_goes() {
    check::<{ 128 * 1024 }, 32>(89);
}

#[test]
fn the_rp2350_exchanges_two_programs_and_takes_it_back_whenever_the_power_goes() {
    check::<4096, 1>(97);
}

#[test]
fn a_program_that_is_kept_stays() {
    let (old, new) = (std::vec![1; PROGRAM], std::vec![2; PROGRAM]);
    let board = Board::<{ 128 * 1024 }, 32>::new(&old, &new);
    board.agree(async |loader| loader.mark_updated().await).unwrap();
    board.start(u32::MAX);

    board.agree(async |loader| loader.mark_booted().await).unwrap();
    board.start(u32::MAX);

    assert!(board.active.holds(&new));
}
