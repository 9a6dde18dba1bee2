//! A line of meters whose characters take their time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;

use embassy_time::{Instant, Timer};
use embedded_io_async::{ErrorType, Read, Write};
use firmware::rtu::Port;
use wire::modbus::{Entry, LineSettings, Ratios, VALUE_LEN_MAX, WordOrder, encode};
use wire::models::{self, Model};
use wire::quantity::Kind;
use wire::{Quantity, Unit};

/// A meter, and how it is set.
#[derive(Clone)]
pub(crate) struct Meter {
    pub(crate) unit_id: u8,
    pub(crate) line: LineSettings,
    pub(crate) model: &'static Model,
    /// The order of its words, if it is not that of the manual.
    pub(crate) order: Option<WordOrder>,
    pub(crate) thinking_us: u64,
}

impl Meter {
    pub(crate) fn new(unit_id: u8, model: &str) -> Self {
        let model = models::by_id(model).unwrap();
        let line = LineSettings::default();
        Self { unit_id, line, model, order: None, thinking_us: 20_000 }
    }

    /// What it shows; phases and units differ a little.
    fn shown(quantity: Quantity) -> i64 {
        let of_unit =
            [(Unit::Volt, 229_400), (Unit::Hertz, 49_980), (Unit::One, 970), (Unit::Ampere, 4_150)];
        let known = of_unit.into_iter().find(|(unit, _)| *unit == quantity.unit());
        let other = if quantity.kind() == Kind::Counter { 12_345_678_000 } else { 2_750_000 };
        known.map_or(other, |(_, value)| value)
    }

    fn words(&self, entry: &Entry) -> Vec<u16> {
        let order = self.order.filter(|_| 1 < entry.ty.words()).unwrap_or(entry.order);
        let mut words = [0; VALUE_LEN_MAX];
        let out = &mut words[..usize::from(entry.span())];
        // What the register cannot show reads as zero.
        encode(&Entry { order, ..*entry }, Self::shown(entry.quantity), Ratios::ONE, out).ok();
        out.to_vec()
    }

    /// What it says to a request; a refusal is an answer.
    fn answer(&self, function: u8, address: u16, count: u16) -> Vec<u8> {
        let map = &self.model.map;
        let refused = |code| sealed(&[self.unit_id, function | 0x80, code]);
        let entries = || map.entries.iter().filter(|it| it.table.id() == function);
        let Some(first) = entries().map(|it| it.address).min() else { return refused(1) };
        let end = entries().map(|it| it.address + u32::from(it.span())).max().unwrap();
        let (from, to) = (u32::from(address), u32::from(address) + u32::from(count));
        let forbidden = |it: &(u16, u16)| from <= u32::from(it.1) && u32::from(it.0) < to;
        if from < first || end < to || map.forbidden.iter().any(forbidden) {
            return refused(2);
        }
        if map.read_limit < count {
            return refused(3);
        }
        let mut registers = vec![0; usize::from(count)];
        for entry in entries() {
            for (at, word) in (entry.address..).zip(self.words(entry)) {
                if (from..to).contains(&at) {
                    registers[usize::try_from(at - from).unwrap()] = word;
                }
            }
        }
        let mut body = vec![self.unit_id, function, u8::try_from(count * 2).unwrap()];
        body.extend(registers.iter().flat_map(|word| word.to_be_bytes()));
        sealed(&body)
    }
}

/// Bitwise, as the standard draws it; the node's own is in `firmware`.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut crc = 0xFFFF_u16;
    for byte in body {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
        }
    }
    [body, &crc.to_le_bytes()].concat()
}

pub(crate) struct Wire {
    settings: LineSettings,
    meters: Vec<Meter>,
    sending: Vec<u8>,
    ends: u64,
    /// What arrives, and when, µs.
    arriving: VecDeque<(u64, u8)>,
}

impl Wire {
    pub(crate) fn new(meters: Vec<Meter>) -> Self {
        let (settings, arriving) = (LineSettings::default(), VecDeque::new());
        Self { settings, meters, sending: Vec::new(), ends: 0, arriving }
    }

    fn characters_us(&self, count: usize) -> u64 {
        let bits = u64::from(self.settings.bits_per_character()) * count as u64;
        bits * 1_000_000 / u64::from(self.settings.baud)
    }

    fn answer(&mut self) {
        let request = std::mem::take(&mut self.sending);
        if request[..4] == [0xFE; 4] {
            // Asked for a number: 13 of DL/T 645, 03 of CJ/T 188. None is here.
            assert!([request[12], request[13]].iter().any(|it| [0x13, 0x03].contains(it)));
            return;
        }
        let [unit_id, function, a, b, c, d, _, _] = request[..] else { panic!("{request:x?}") };
        assert_eq!(sealed(&request[..6]), request, "a request with a wrong check sum");
        assert!((3..=4).contains(&function), "no reading of registers: {request:x?}");
        let (address, count) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let is_asked = |it: &&Meter| it.unit_id == unit_id && it.line == self.settings;
        let asked: Vec<Meter> = self.meters.iter().filter(is_asked).cloned().collect();
        let answers: Vec<_> = asked.iter().map(|it| it.answer(function, address, count)).collect();
        let Some(longest) = answers.iter().map(Vec::len).max() else { return };
        let first = self.ends + asked[0].thinking_us;
        for at in 0..longest {
            // Who pulls the line down wins, and their bits do not begin at the same time.
            let bytes = answers.iter().enumerate().filter_map(|(n, it)| Some(it.get(at)? >> n));
            let byte = bytes.fold(0xFF, |all, byte| all & byte);
            self.arriving.push_back((first + self.characters_us(at + 1), byte));
        }
    }
}

impl ErrorType for Wire {
    type Error = Infallible;
}

impl Port for Wire {
    async fn open(&mut self, line: &LineSettings) -> Result<(), Infallible> {
        self.settings = *line;
        Ok(())
    }
}

impl Write for Wire {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.ends = Instant::now().as_micros() + self.characters_us(bytes.len());
        self.sending = bytes.to_vec();
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Timer::at(Instant::from_micros(self.ends)).await;
        self.answer();
        Ok(())
    }
}

impl Read for Wire {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        let Some(&(at, _)) = self.arriving.front() else { return pending().await };
        Timer::at(Instant::from_micros(at)).await;
        let now = Instant::now().as_micros();
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
