//! The outbox on a flash that loses power inside writes and erases.

use super::*;
use embassy_futures::block_on;
use embedded_storage_async::nor_flash::{
    ErrorType, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use std::collections::BTreeMap;
use std::vec::Vec;
use std::{format, println, vec};

/// A generator of chance that is the same in each run (xorshift64*).
struct Chance(u64);

impl Chance {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u32) -> usize {
        let [.., a, b, c, d] = self.word().to_le_bytes();
        (u32::from_le_bytes([a, b, c, d]) % bound) as usize
    }

    fn byte(&mut self) -> u8 {
        self.word().to_le_bytes()[5]
    }
}

/// The power is off, or the caller did what a flash forbids.
#[derive(Debug)]
struct Off;

impl NorFlashError for Off {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// A NOR flash of pages of `PAGE` bytes, written in units of `UNIT`.
struct Nor<const PAGE: usize, const UNIT: usize> {
    bytes: Vec<u8>,
    /// Units that were written, or may have been, since they were erased.
    written: Vec<bool>,
    erases: Vec<u32>,
    chance: Chance,
    /// How many more bytes the power lasts for; an erase is as good as 200.
    power: u64,
}

impl<const PAGE: usize, const UNIT: usize> Nor<PAGE, UNIT> {
    fn new(pages: usize, seed: u64) -> Self {
        let len = pages * PAGE;
        Self {
            bytes: vec![0xFF; len],
            written: vec![false; len / UNIT],
            erases: vec![0; pages],
            chance: Chance(seed),
            power: u64::MAX,
        }
    }

    /// Takes power for some work; returns how much of it is done, or `None` for all.
    fn take(&mut self, work: u64) -> Option<u64> {
        if work <= self.power {
            self.power -= work;
            return None;
        }
        Some(std::mem::take(&mut self.power))
    }
}

/// An erased flash of so many pages of 4 KiB, for other tests.
pub(crate) fn flash(pages: usize) -> impl NorFlash {
    Nor::<4096, 1>::new(pages, 1)
}

impl<const PAGE: usize, const UNIT: usize> ErrorType for Nor<PAGE, UNIT> {
    type Error = Off;
}

impl<const PAGE: usize, const UNIT: usize> ReadNorFlash for Nor<PAGE, UNIT> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, out: &mut [u8]) -> Result<(), Off> {
        if self.power == 0 {
            return Err(Off);
        }
        let from = offset as usize;
        out.copy_from_slice(&self.bytes[from..from + out.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const PAGE: usize, const UNIT: usize> NorFlash for Nor<PAGE, UNIT> {
    const WRITE_SIZE: usize = UNIT;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Off> {
        let (from, to) = (from as usize, to as usize);
        assert!(from.is_multiple_of(PAGE) && to.is_multiple_of(PAGE), "an erase of half a page");
        for page in from / PAGE..to / PAGE {
            let range = page * PAGE..(page + 1) * PAGE;
            if let Some(done) = self.take(200) {
                if done == 0 {
                    return Err(Off);
                }
                // Nobody knows what a torn erase leaves: a part, a shadow, or noise.
                let (manner, until) = (self.chance.below(3), self.chance.below(1024));
                for (at, place) in range.enumerate() {
                    let noise = self.chance.byte();
                    let old = self.bytes[place];
                    self.bytes[place] = match manner {
                        0 if at < until => 0xFF,
                        0 => old,
                        1 => old | noise,
                        _ => noise,
                    };
                    self.written[place / UNIT] = true;
                }
                return Err(Off);
            }
            self.erases[page] += 1;
            self.bytes[range.clone()].fill(0xFF);
            self.written[range.start / UNIT..range.end / UNIT].fill(false);
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Off> {
        let from = offset as usize;
        assert!(
            from.is_multiple_of(UNIT) && bytes.len().is_multiple_of(UNIT),
            "a write of half a unit"
        );
        let cut = self.take(bytes.len() as u64);
        if cut == Some(0) {
            return Err(Off);
        }
        for unit in from / UNIT..(from + bytes.len()) / UNIT {
            assert!(!self.written[unit], "unit {unit} written twice");
        }
        // Bits fall one after the other, or all at once until the power is gone.
        let in_order = self.chance.below(2) == 0;
        for (at, &byte) in bytes.iter().enumerate() {
            let fallen = match cut {
                None => 0xFF,
                Some(done) if in_order && (at as u64) < done => 0xFF,
                Some(done) if in_order && done < at as u64 => 0,
                Some(_) => self.chance.byte(),
            };
            self.bytes[from + at] &= byte | !fallen;
            // What did not change can be written yet; whoever looks at it cannot tell.
            self.written[(from + at) / UNIT] |= self.bytes[from + at] != 0xFF || cut.is_none();
        }
        if cut.is_some() { Err(Off) } else { Ok(()) }
    }
}

/// Payload number `n`: other bytes and another length for each.
fn payload(n: u64) -> Vec<u8> {
    let len = 12 + Chance(n + 1).below(90);
    let mut bytes = n.to_le_bytes().to_vec();
    bytes.resize(len, n.to_le_bytes()[0]);
    bytes
}

fn number(bytes: &[u8]) -> u64 {
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, payload(n), "a payload that nobody pushed");
    n
}

/// What one flash went through.
#[derive(Default)]
struct Book {
    next: u64,
    /// Payloads that were pushed, and whether the push returned before the power went.
    pushed: BTreeMap<u64, bool>,
    /// How often each was received.
    received: BTreeMap<u64, u32>,
    /// The latest that was received at the oldest end.
    last: Option<u64>,
    boot: Option<u32>,
    plan: Option<Vec<u8>>,
    next_plan: Option<Vec<u8>>,
    cuts: u32,
}

impl Book {
    /// Lets a node run until its power goes, or for ever if it lasts that long.
    fn run<const PAGE: usize, const UNIT: usize>(
        &mut self,
        flash: &mut Nor<PAGE, UNIT>,
        chance: &mut Chance,
        steps: u32,
    ) {
        let Ok(mut outbox) = block_on(FlashOutbox::open(&mut *flash, 1)) else { return };
        if outbox.flash.power == 0 {
            return;
        }
        let boot = outbox.boot();
        assert!(self.boot.is_none_or(|before| before < boot), "run {boot} after {:?}", self.boot);
        self.boot = Some(boot);
        self.look_at_the_plan(&mut outbox);
        for _ in 0..steps {
            match chance.below(100) {
                0..50 => {
                    let n = self.next;
                    self.next += 1;
                    self.pushed.insert(n, false);
                    block_on(outbox.push(&payload(n)));
                    self.pushed.insert(n, 0 < outbox.flash.power);
                }
                50..60 => {
                    let near_the_end = outbox.next().number().saturating_sub(3);
                    let mut out = [0; 128];
                    if let Some((_, len)) =
                        block_on(outbox.peek(Ticket::of(near_the_end), &mut out))
                    {
                        assert!(self.pushed.contains_key(&number(&out[..len])));
                    }
                }
                60..61 => {
                    let plan = vec![chance.byte(); 1 + chance.below(2000)];
                    self.next_plan = Some(plan.clone());
                    block_on(outbox.keep_plan(&plan));
                    if 0 < outbox.flash.power {
                        (self.plan, self.next_plan) = (Some(plan), None);
                    }
                }
                _ => self.receive(&mut outbox),
            }
            if outbox.flash.power == 0 {
                return;
            }
        }
    }

    fn look_at_the_plan<F: NorFlash>(&mut self, outbox: &mut FlashOutbox<F>) {
        let mut out = vec![0; 2001];
        let kept = block_on(outbox.kept_plan(&mut out)).map(|len| out[..len].to_vec());
        if let Some(plan) = self.next_plan.take()
            && kept.as_ref() == Some(&plan)
        {
            self.plan = Some(plan);
        }
        assert!(kept == self.plan, "the plan is neither the old nor the new one");
    }

    /// Receives the oldest and acknowledges it.
    fn receive<F: NorFlash>(&mut self, outbox: &mut FlashOutbox<F>) {
        let mut out = [0; 128];
        let Some((ticket, len)) = block_on(outbox.peek(Ticket::FIRST, &mut out)) else { return };
        let n = number(&out[..len]);
        assert!(self.pushed.contains_key(&n), "{n} was never pushed");
        let before = self.received.entry(n).or_default();
        assert!(0 < *before || self.last.is_none_or(|last| last < n), "{n} after {:?}", self.last);
        *before += 1;
        self.last = self.last.max(Some(n));
        block_on(outbox.settle(ticket.next()));
    }

    /// Lets the power be cut so often, then lets it stay and receives what is left. Returns
    /// how many the outbox says were given up.
    fn live_through<const PAGE: usize, const UNIT: usize>(
        &mut self,
        pages: usize,
        seed: u64,
        cuts: u32,
    ) -> u32 {
        let mut flash = Nor::<PAGE, UNIT>::new(pages, seed);
        let mut chance = Chance(seed ^ 0xA5A5_5A5A);
        while self.cuts < cuts {
            flash.power = 1 + chance.below(4000) as u64;
            while 0 < flash.power {
                self.run(&mut flash, &mut chance, 100);
            }
            self.cuts += 1;
        }
        flash.power = u64::MAX;
        let mut outbox = block_on(FlashOutbox::open(&mut flash, 1)).unwrap();
        while !outbox.is_empty() {
            let before = outbox.first();
            self.receive(&mut outbox);
            assert!(before < outbox.first(), "{before:?} is not to be had");
        }
        outbox.dropped()
    }

    fn missing(&self) -> u64 {
        let missing =
            self.pushed.iter().filter(|(n, safe)| **safe && !self.received.contains_key(n));
        missing.count() as u64
    }

    fn repeated(&self) -> u32 {
        self.received.values().map(|times| times - 1).sum()
    }
}

/// How many power cuts a test makes: hundreds, or as many as `POWER_CUTS` says.
fn cuts() -> u32 {
    let asked = std::env::var_os("POWER_CUTS");
    asked.map_or(900, |count| count.to_str().and_then(|count| count.parse().ok()).unwrap())
}

/// Lives through a third of the cuts with each kind of flash, so many on one flash.
fn campaign(pages: usize, mut check: impl FnMut(&Book, u32)) {
    let (mut all, mut pushed, mut received, mut repeated, mut missing) = (0, 0, 0, 0, 0);
    let each = 50;
    for seed in 1..=u64::from(cuts().div_ceil(each)) {
        let mut book = Book::default();
        let dropped = match seed % 3 {
            0 => book.live_through::<1024, 1>(pages + 12, seed, each),
            1 => book.live_through::<1024, 8>(pages + 12, seed, each),
            _ => book.live_through::<2048, 32>(pages / 2 + 6, seed, each),
        };
        check(&book, dropped);
        all += book.cuts;
        pushed += book.pushed.values().filter(|safe| **safe).count();
        received += book.received.len();
        repeated += book.repeated();
        missing += book.missing();
    }
    println!(
        "power cuts {all}: {pushed} pushed, {received} received, {repeated} of them repeated, \
         {missing} missing"
    );
}

#[test]
fn a_power_cut_loses_nothing_invents_nothing_and_keeps_the_order() {
    campaign(96, |book, dropped| {
        assert_eq!((book.missing(), dropped), (0, 0));
    });
}

#[test]
fn a_full_flash_gives_up_its_oldest_and_counts_it_through_power_cuts() {
    let mut given_up = 0;
    campaign(8, |book, dropped| {
        assert!(book.missing() <= u64::from(dropped), "{} of {dropped}", book.missing());
        given_up += dropped;
    });
    assert!(0 < given_up);
}

#[test]
fn what_goes_when_the_flash_is_full_is_counted_to_the_last() {
    let mut flash = Nor::<1024, 4>::new(16, 1);
    let mut outbox = block_on(FlashOutbox::open(&mut flash, 1)).unwrap();
    for n in 0..1000_u32 {
        block_on(outbox.push(&payload(u64::from(n))));
        assert_eq!(outbox.dropped() as usize + outbox.len(), n as usize + 1);
    }
    let mut out = [0; 128];
    let (_, len) = block_on(outbox.peek(Ticket::FIRST, &mut out)).unwrap();
    assert_eq!(number(&out[..len]), u64::from(outbox.dropped()));
    let dropped = outbox.dropped();

    let outbox = block_on(FlashOutbox::open(&mut flash, 1)).unwrap();
    assert_eq!((outbox.dropped(), outbox.dropped() as usize + outbox.len()), (dropped, 1000));
}

#[test]
fn two_readers_go_through_the_queue_at_their_own_places() {
    let mut flash = Nor::<1024, 1>::new(60, 1);
    let mut outbox = block_on(FlashOutbox::open(&mut flash, 1)).unwrap();
    (0..400).for_each(|n| block_on(outbox.push(&payload(n))));
    let mut out = [0; 128];
    for step in 0..200 {
        for from in [step, 200 + step] {
            let (ticket, len) = block_on(outbox.peek(Ticket::of(from), &mut out)).unwrap();
            assert_eq!((ticket, number(&out[..len])), (Ticket::of(from), from));
        }
    }
    assert_eq!(block_on(outbox.peek(Ticket::of(400), &mut out)), None);
}

#[test]
fn a_first_run_is_numbered_by_chance_and_the_next_count_on() {
    let mut flash = Nor::<1024, 1>::new(20, 1);
    for run in 0..300 {
        let outbox = block_on(FlashOutbox::open(&mut flash, 7_000)).unwrap();
        assert_eq!(outbox.boot(), 7_000 + run);
    }
}

#[test]
fn a_flash_that_is_too_small_is_refused() {
    let mut flash = Nor::<1024, 1>::new(15, 1);
    let fault = block_on(FlashOutbox::open(&mut flash, 1)).err();
    assert_eq!(fault, Some(FlashFault::TooSmall));
}

mod figures {
    //! What a month takes, and how the flash wears: the figures in README.md.

    use super::*;
    use wire::message::{Clock, Pack};
    use wire::reading::{Reading, Value};
    use wire::{List, Name, Quantity};

    const METERS: u32 = 30;
    const DAYS: u32 = 30;
    const POLLS_A_DAY: u32 = 96;

    /// A meter of eight quantities with the longest name there is, and large values: 1 MW,
    /// 400 V, 5 kA, 1 GWh.
    fn read(meter: u32, seq: u32) -> Vec<u8> {
        let values = [
            (Quantity::ActivePower, 999_999_999),
            (Quantity::ReactivePower, -999_999_999),
            (Quantity::VoltageL1, 399_999),
            (Quantity::VoltageL2, 399_999),
            (Quantity::VoltageL3, 399_999),
            (Quantity::CurrentL1, 4_999_999),
            (Quantity::PowerFactor, 999),
            (Quantity::ActiveEnergyImport, 999_999_999_999),
        ];
        let readings = values.map(|(quantity, value)| {
            let value = Value::Measured(value);
            Reading { quantity, value }
        });
        let pack = Pack {
            meter: Name::new(&format!("{meter:0>32}")).unwrap(),
            instant: 1_800_000_000 + i64::from(seq) * 900,
            boot: u32::MAX,
            seq,
            clock: Clock::Synced,
            readings: List::from_slice(&readings).unwrap(),
        };
        let mut bytes = [0; PAYLOAD_MAX];
        let len = crate::compact::write(&pack, &mut bytes).unwrap();
        bytes[..len].to_vec()
    }

    #[test]
    fn a_month_of_thirty_meters_fits_in_eight_megabytes_and_wears_them_as_the_readme_says() {
        // What a board's outbox has of 2,048; the others are for new programs.
        let mut flash = Nor::<4096, 1>::new(1950, 1);
        let mut outbox = block_on(FlashOutbox::open(&mut flash, 1)).unwrap();
        for seq in 0..DAYS * POLLS_A_DAY {
            for meter in 0..METERS {
                block_on(outbox.push(&read(meter, seq)));
            }
        }
        let packs = METERS * DAYS * POLLS_A_DAY;
        assert_eq!((outbox.len(), outbox.dropped()), (packs as usize, 0), "{packs} packs");
        // Until the first has to go.
        let mut more = 0;
        while outbox.dropped() == 0 {
            block_on(outbox.push(&read(more % METERS, DAYS * POLLS_A_DAY + more / METERS)));
            more += 1;
        }
        let longest = f64::from(packs + more) / f64::from(METERS * POLLS_A_DAY);

        // A week on which each pack is settled as soon as it is read.
        let before = outbox.flash.erases.iter().sum::<u32>();
        for seq in 0..7 * POLLS_A_DAY {
            for meter in 0..METERS {
                block_on(outbox.push(&read(meter, seq)));
                let next = outbox.next();
                block_on(outbox.settle(next));
            }
        }
        let erases = outbox.flash.erases.iter().sum::<u32>() - before;
        let a_year = f64::from(erases) * 365.0 / 7.0 / f64::from(outbox.pages);

        let bytes = read(0, 2000).len();
        let figures = format!(
            "a pack {bytes} bytes, a month {packs} packs, the flash {longest:.1} days, \
             {a_year:.1} erases of a page a year"
        );
        println!("{figures}");
        assert!(include_str!("../../README.md").contains(&figures), "README.md: {figures}");
    }
}
