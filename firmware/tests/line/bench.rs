//! The line with its meters, the flash, the clock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::rc::Rc;

use embassy_futures::select::select;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::{Duration, Instant, Timer};
use embedded_io_async::{ErrorType, Read, Write};
use embedded_storage_async::nor_flash::{self, NorFlash, ReadNorFlash};
use firmware::outbox::{Outbox as _, Ticket};
use firmware::rtu::{NoDriverEnable, Port, RtuBus};
use firmware::{Clock, Event, FlashOutbox, Host, Identity, Node, compact};
use wire::message::{self, Action, AppliedResult, Pack, Plan, PlanMap, PlannedMeter};
use wire::modbus::LineSettings;
use wire::{Address, List, Name, models};

/// What happened on the line.
#[derive(Default)]
pub(crate) struct Log {
    /// When each request began and its answer ended, µs; requests without one are not here.
    pub(crate) answered: Vec<(u64, u64)>,
    /// What the wire itself took for those: characters and thinking, µs.
    pub(crate) needed_us: u64,
    pub(crate) requests: u64,
    /// Polls of which the node told that they failed, in whole or in part.
    pub(crate) failed: usize,
    /// Polls that the node counted as answered with something that was no answer.
    pub(crate) garbled: usize,
}

/// How long noise lasts: a minute and the second before the first round.
pub(crate) const NOISE_US: u64 = 70_000_000;

/// How meters behave.
#[derive(Clone)]
pub(crate) struct Meters {
    pub(crate) thinking_us: u64,
    pub(crate) dead: Vec<u8>,
    /// These answer with random bytes, up to a second of them.
    pub(crate) babbling: Vec<u8>,
    /// Bytes that nobody asked for: each second so many, for the first [`NOISE_US`].
    pub(crate) noise: Option<u64>,
}

pub(crate) struct Line {
    settings: LineSettings,
    meters: Meters,
    sending: Vec<u8>,
    begun: u64,
    ends: u64,
    /// What arrives, and when.
    arriving: VecDeque<(u64, u8)>,
    random: u64,
    noisy_until: u64,
    log: Rc<RefCell<Log>>,
}

pub(crate) fn now_us() -> u64 {
    Instant::now().as_micros()
}

/// Bitwise, as the standard draws it; the node's own is in `rtu::frame`.
pub(crate) fn sealed(body: &[u8]) -> Vec<u8> {
    let mut crc = 0xFFFF_u16;
    for byte in body {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
        }
    }
    [body, &crc.to_le_bytes()].concat()
}

impl Line {
    fn characters_us(&self, count: usize) -> u64 {
        let bits = u64::from(self.settings.bits_per_character()) * count as u64;
        bits * 1_000_000 / u64::from(self.settings.baud)
    }

    fn random(&mut self) -> u64 {
        // xorshift64, of Marsaglia's paper.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Lets the meter answer that was asked.
    fn answer(&mut self) {
        let request = std::mem::take(&mut self.sending);
        let [unit_id, function, _, _, _, count, _, _] = request[..] else { return };
        assert_eq!(sealed(&request[..6]), request, "a request with a wrong check sum");
        self.log.borrow_mut().requests += 1;
        if self.meters.dead.contains(&unit_id) {
            return;
        }
        let first = self.ends + self.meters.thinking_us;
        if self.meters.babbling.contains(&unit_id) {
            let most = u64::from(self.settings.baud / self.settings.bits_per_character());
            for at in 0..self.random() % most {
                let byte = self.random().to_le_bytes()[3];
                self.arrive(first + self.characters_us(usize::try_from(at).unwrap() + 1), byte);
            }
            return;
        }
        let mut body = vec![unit_id, function, count * 2];
        // 230.2 in each pair of registers, whatever is asked for.
        let value = [0x43, 0x66, 0x33, 0x34];
        body.extend((0..usize::from(count) * 2).map(|n| value[n % 4]));
        let answer = sealed(&body);
        for (at, byte) in answer.iter().enumerate() {
            self.arrive(first + self.characters_us(at + 1), *byte);
        }
        let end = first + self.characters_us(answer.len());
        let mut log = self.log.borrow_mut();
        log.answered.push((self.begun, end));
        log.needed_us += end - self.begun;
    }

    fn arrive(&mut self, at: u64, byte: u8) {
        let place = self.arriving.partition_point(|&(other, _)| other <= at);
        self.arriving.insert(place, (at, byte));
    }

    /// Lets noise come for a while, byte after byte.
    fn make_noise(&mut self) {
        let Some(each_second) = self.meters.noise else { return };
        let now = now_us();
        self.noisy_until = self.noisy_until.max(now);
        let until = (now + 200_000).min(NOISE_US);
        while self.noisy_until < until {
            self.noisy_until += 1 + self.random() % (2_000_000 / each_second);
            let byte = self.random().to_le_bytes()[3];
            self.arrive(self.noisy_until, byte);
        }
    }
}

impl ErrorType for Line {
    type Error = Infallible;
}

impl Port for Line {
    async fn open(&mut self, line: &LineSettings) -> Result<(), Infallible> {
        self.settings = *line;
        Ok(())
    }
}

impl Write for Line {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.begun = now_us();
        self.ends = self.begun + self.characters_us(bytes.len());
        self.sending = bytes.to_vec();
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Timer::at(Instant::from_micros(self.ends)).await;
        self.answer();
        Ok(())
    }
}

impl Read for Line {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        self.make_noise();
        let Some(&(at, _)) = self.arriving.front() else { return pending().await };
        Timer::at(Instant::from_micros(at)).await;
        let now = now_us();
        let mut len = 0;
        while let (Some(slot), Some(&(at, byte))) = (out.get_mut(len), self.arriving.front())
            && at <= now
        {
            *slot = byte;
            len += 1;
            self.arriving.pop_front();
        }
        Ok(len)
    }
}

/// A serial NOR of 1 MiB that takes its time, as W25Q64's data sheet says: 0.4 ms to program
/// up to 256 bytes, 45 ms to erase 4 KiB, and a byte of SPI at 20 MHz.
pub(crate) struct SlowFlash(Vec<u8>);

const PAGE: usize = 4096;

impl SlowFlash {
    pub(crate) fn new() -> Self {
        Self(vec![0xFF; 1 << 20])
    }
}

impl nor_flash::ErrorType for SlowFlash {
    type Error = Infallible;
}

fn span(from: u32, len: usize) -> std::ops::Range<usize> {
    let from = usize::try_from(from).unwrap();
    from..from + len
}

impl ReadNorFlash for SlowFlash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, from: u32, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0[span(from, out.len())]);
        Timer::after(Duration::from_micros(2 + out.len() as u64 * 2 / 5)).await;
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for SlowFlash {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        let pages = usize::try_from(to - from).unwrap() / PAGE;
        self.0[span(from, pages * PAGE)].fill(0xFF);
        Timer::after(Duration::from_millis(45 * pages as u64)).await;
        Ok(())
    }

    async fn write(&mut self, from: u32, bytes: &[u8]) -> Result<(), Infallible> {
        for (slot, byte) in self.0[span(from, bytes.len())].iter_mut().zip(bytes) {
            *slot &= byte;
        }
        let programs = bytes.len().div_ceil(256) as u64;
        Timer::after(Duration::from_micros(400 * programs + bytes.len() as u64 * 2 / 5)).await;
        Ok(())
    }
}

/// The time of the site: virtual time, some years on.
pub(crate) struct SiteTime;

/// A whole hour, so that rounds begin where a table expects them.
pub(crate) const EPOCH: i64 = 1_800_000_000;

impl Clock for SiteTime {
    fn now(&self) -> Option<i64> {
        Some(EPOCH + i64::try_from(Instant::now().as_secs()).unwrap())
    }

    fn quality(&self) -> message::Clock {
        message::Clock::Synced
    }

    async fn sleep_until(&self, instant: i64) {
        Timer::at(Instant::from_secs(u64::try_from(instant - EPOCH).unwrap())).await;
    }
}

/// Counts the polls that failed.
#[derive(Default)]
struct Counting(Cell<usize>);

impl Host for Counting {
    fn tell(&self, event: Event) {
        self.0.set(self.0.get() + usize::from(matches!(event, Event::PollFailed { .. })));
    }

    fn act(&self, _action: Action) -> message::Outcome {
        message::Outcome::Refused
    }
}

pub(crate) fn plan(model: &str, meters: u8, interval_s: u16, baud: u32) -> Plan {
    let model = models::by_id(model).unwrap();
    let meters = (1..=meters).map(|unit_id| PlannedMeter {
        meter: Name::new(&format!("meter-{unit_id}")).unwrap(),
        address: Address::unit_id(unit_id),
        ..Default::default()
    });
    Plan {
        revision: 1,
        interval_s,
        line: LineSettings { baud, ..LineSettings::default() },
        maps: List::from_slice(&[PlanMap::new(&model.map).unwrap()]).unwrap(),
        meters: List::from_slice(&meters.collect::<Vec<_>>()).unwrap(),
        switches: List::new(),
    }
}

/// Lets a node read by a plan for a while. Returns what it read, and what the line saw.
pub(crate) fn read(plan: &Plan, meters: &Meters, seconds: u64) -> (Vec<Pack>, Log) {
    let log = Rc::new(RefCell::new(Log::default()));
    let line = Line {
        settings: LineSettings::default(),
        meters: meters.clone(),
        sending: Vec::new(),
        begun: 0,
        ends: 0,
        arriving: VecDeque::new(),
        random: 0x9E37_79B9_7F4A_7C15,
        noisy_until: 0,
        log: Rc::clone(&log),
    };
    let (packs, failed, garbled) = line_time::virtually(async move {
        let outbox = FlashOutbox::open(SlowFlash::new(), 7).await.unwrap();
        let name = |text| Name::new(text).unwrap();
        let identity = Identity { site: name("site"), node: name("node"), boot: outbox.boot() };
        let node = Node::<NoopRawMutex, _>::new(identity, outbox);
        let mut bytes = vec![0; Plan::BYTES_MAX];
        let len = plan.encode(&mut bytes).unwrap();
        assert_eq!(node.take_plan(&bytes[..len]).await.result, AppliedResult::Ok);

        let mut bus = RtuBus::new(line, NoDriverEnable);
        let end = Timer::after(Duration::from_secs(seconds));
        let host = Counting::default();
        select(node.read_meters(&mut bus, &SiteTime, &host), end).await;
        let garbled = usize::try_from(node.faults().polls).unwrap();

        let mut outbox = node.into_outbox();
        let (mut packs, mut from) = (Vec::new(), Ticket::FIRST);
        let mut bytes = [0; compact::BYTES_MAX];
        while let Some((ticket, len)) = outbox.peek(from, &mut bytes).await {
            packs.push(compact::read(&bytes[..len]).unwrap());
            from = ticket.next();
        }
        (packs, host.0.get(), garbled)
    });
    let log = Rc::try_unwrap(log).ok().expect("the line is gone").into_inner();
    (packs, Log { failed, garbled, ..log })
}
