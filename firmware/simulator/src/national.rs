//! Meters that speak DL/T 645-2007 or CJ/T 188, written from the standards.
//!
//! In: bytes that a reader sent, and what a meter shows at an instant. Out: the frames that
//! the meter answers with. Nothing here uses what the node decodes with: identifiers, formats
//! and frames stand here a second time, so that a mistake in one is seen by the other.
//!
//! A meter reads and refuses to be written. It answers to its own number, to a number with
//! wildcards that fits, and to nobody else's.

use jiff::tz::{Offset, TimeZone};
use wire::Quantity;
use wire::models::Medium;

use crate::replay::SITE_OFFSET_S;

const START: u8 = 0x68;
const END: u8 = 0x16;
/// What wakes a meter, and stands before its answers.
pub(crate) const LEAD: u8 = 0xFE;

/// The longest request: 255 bytes of data and what is around them.
const REQUEST_MAX: usize = 300;

/// A frame that somebody sent, without lead bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// DL/T 645: the six bytes of the address, low first; control; data as they mean.
    Electricity { address: Vec<u8>, control: u8, data: Vec<u8> },
    /// CJ/T 188: type, the seven bytes of the address, control, data.
    Counted { kind: u8, address: Vec<u8>, control: u8, data: Vec<u8> },
}

/// What bytes from a reader begin with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A frame of ours.
    Frame(Asked),
    /// Something else, such as Modbus.
    Other(Vec<u8>),
    /// More must come before that can be told.
    Unfinished,
}

/// Takes the next piece from the front of what came in. A frame of ours begins with a lead
/// byte, which no unit id of Modbus is.
pub(crate) fn take(waiting: &mut Vec<u8>) -> Piece {
    if waiting.first() != Some(&LEAD) {
        return if waiting.is_empty() {
            Piece::Unfinished
        } else {
            Piece::Other(std::mem::take(waiting))
        };
    }
    let leads = waiting.iter().take_while(|&&byte| byte == LEAD).count();
    let frame = &waiting[leads..];
    for read in [electricity, counted] {
        if let Some((asked, len)) = read(frame) {
            waiting.drain(..leads + len);
            return Piece::Frame(asked);
        }
    }
    if REQUEST_MAX < waiting.len() {
        return Piece::Other(std::mem::take(waiting));
    }
    Piece::Unfinished
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Returns the data of a frame whose length byte stands at `len_at`, if it is whole and sound.
fn body(frame: &[u8], len_at: usize) -> Option<(&[u8], usize)> {
    let end = len_at + 1 + usize::from(*frame.get(len_at)?);
    let sound = sum(frame.get(..end)?) == *frame.get(end)? && *frame.get(end + 1)? == END;
    sound.then(|| (&frame[len_at + 1..end], end + 2))
}

fn electricity(frame: &[u8]) -> Option<(Asked, usize)> {
    if frame.first() != Some(&START) || frame.get(7) != Some(&START) {
        return None;
    }
    let (data, len) = body(frame, 9)?;
    let data = data.iter().map(|byte| byte.wrapping_sub(0x33)).collect();
    let (address, control) = (frame[1..7].to_vec(), frame[8]);
    Some((Asked::Electricity { address, control, data }, len))
}

fn counted(frame: &[u8]) -> Option<(Asked, usize)> {
    if frame.first() != Some(&START) {
        return None;
    }
    let (data, len) = body(frame, 10)?;
    let (kind, address, control) = (frame[1], frame[2..9].to_vec(), frame[9]);
    Some((Asked::Counted { kind, address, control, data: data.to_vec() }, len))
}

/// A value of the circuit, and its ratio to that of the meter's terminals in thousandths.
type Shown = (i64, i64);

/// A meter with a number, as it is asked.
pub(crate) struct Numbered<'a> {
    /// The digits of its number, the last one first.
    pub(crate) digits: &'a [u8],
    /// What it counts.
    pub(crate) medium: Medium,
    /// What flows, in thousandths of the quantity's unit, and how many times what it shows that
    /// is, in thousandths.
    pub(crate) shown: &'a dyn Fn(Quantity) -> Option<Shown>,
    /// Unix seconds.
    pub(crate) instant: i64,
}

impl Numbered<'_> {
    /// The first bytes of its address as they lie on the line.
    fn address(&self, bytes: usize) -> Vec<u8> {
        let digit = |at: usize| self.digits.get(at).copied().unwrap_or(0);
        (0..bytes).map(|at| digit(2 * at + 1) << 4 | digit(2 * at)).collect()
    }

    fn is_meant(&self, address: &[u8]) -> bool {
        let own = self.address(address.len());
        own.iter().zip(address).all(|(own, asked)| own == asked || *asked == 0xAA)
    }

    /// Returns its answer, without lead bytes; `None` if it is not asked.
    pub(crate) fn answer(&self, asked: &Asked) -> Option<Vec<u8>> {
        match asked {
            Asked::Electricity { address, control, data } => {
                let ours = self.medium == Medium::Electricity && self.is_meant(address);
                ours.then(|| self.electricity(*control, data))
            }
            Asked::Counted { kind, address, control, data } => {
                let own = match self.medium {
                    Medium::Electricity => return None,
                    Medium::Water => 0x10,
                    Medium::Heat => 0x20,
                    Medium::Gas => 0x30,
                };
                let ours = (*kind == own || *kind == 0xAA) && self.is_meant(address);
                ours.then(|| self.counted(own, *control, data))
            }
        }
    }

    fn electricity(&self, control: u8, data: &[u8]) -> Vec<u8> {
        let address = self.address(6);
        let (control, data) = match (control, data) {
            (0x11, &[di0, di1, di2, di3]) => match self.item([di3, di2, di1, di0]) {
                Some(value) => (0x91, [&data[..4], &value].concat()),
                // No such data.
                None => (0xD1, vec![0x02]),
            },
            (0x13, []) => (0x93, address.clone()),
            // It may not be written, cleared or switched: wrong password.
            (control, _) => (control | 0xC0, vec![0x04]),
        };
        let head = [&[START], &address[..], &[START, control, byte(data.len())]].concat();
        closed(head, data.iter().map(|byte| byte.wrapping_add(0x33)))
    }

    /// Annex A of DL/T 645-2007.
    fn item(&self, identifier: [u8; 4]) -> Option<Vec<u8>> {
        use Quantity as Q;
        const PHASES: [u8; 3] = [1, 2, 3];
        let one = |quantity| (self.shown)(quantity);
        let join = |parts: &[Option<Vec<u8>>]| {
            parts.iter().cloned().collect::<Option<Vec<_>>>().map(|parts| parts.concat())
        };
        // XXXXXX.XX kWh: hundredths of a kWh are 10,000 mWh.
        let energy = |quantity| decimal(one(quantity)?, 10_000, 4, false);
        let volt = |phase| {
            let quantity = match phase {
                1 => Q::VoltageL1,
                2 => Q::VoltageL2,
                _ => Q::VoltageL3,
            };
            decimal(one(quantity)?, 100, 2, false)
        };
        let ampere = |phase| {
            let quantity = match phase {
                1 => Q::CurrentL1,
                2 => Q::CurrentL2,
                _ => Q::CurrentL3,
            };
            decimal(one(quantity)?, 1, 3, true)
        };
        let watt = |phase| {
            let quantity = match phase {
                0 => Q::ActivePower,
                1 => Q::ActivePowerL1,
                2 => Q::ActivePowerL2,
                _ => Q::ActivePowerL3,
            };
            decimal(one(quantity)?, 100, 3, true)
        };
        let tariff = |number| match number {
            0 => energy(Q::ActiveEnergyImport),
            1 => energy(Q::ActiveEnergyImportT1),
            2 => energy(Q::ActiveEnergyImportT2),
            3 => energy(Q::ActiveEnergyImportT3),
            4 => energy(Q::ActiveEnergyImportT4),
            _ => None,
        };
        match identifier {
            [0x00, 0x00, 0x00, 0x00] => energy(Q::ActiveEnergyImport),
            [0x00, 0x01, 0xFF, 0x00] => join(&[0, 1, 2, 3, 4].map(tariff)),
            [0x00, 0x01, number, 0x00] => tariff(number),
            [0x00, 0x02, 0x00, 0x00] => energy(Q::ActiveEnergyExport),
            [0x00, 0x03, 0x00, 0x00] => energy(Q::ReactiveEnergyImport),
            [0x00, 0x04, 0x00, 0x00] => energy(Q::ReactiveEnergyExport),
            [0x02, 0x01, 0xFF, 0x00] => join(&PHASES.map(volt)),
            [0x02, 0x01, phase @ 1..=3, 0x00] => volt(phase),
            [0x02, 0x02, 0xFF, 0x00] => join(&PHASES.map(ampere)),
            [0x02, 0x02, phase @ 1..=3, 0x00] => ampere(phase),
            [0x02, 0x03, 0xFF, 0x00] => join(&[0, 1, 2, 3].map(watt)),
            [0x02, 0x03, phase @ 0..=3, 0x00] => watt(phase),
            [0x02, 0x04, 0x00, 0x00] => decimal(one(Q::ReactivePower)?, 100, 3, true),
            [0x02, 0x05, 0x00, 0x00] => decimal(one(Q::ApparentPower)?, 100, 3, true),
            [0x02, 0x06, 0x00, 0x00] => decimal(one(Q::PowerFactor)?, 1, 2, true),
            [0x02, 0x80, 0x00, 0x02] => decimal(one(Q::Frequency)?, 10, 2, false),
            _ => None,
        }
    }

    fn counted(&self, kind: u8, control: u8, data: &[u8]) -> Vec<u8> {
        let address = self.address(7);
        let (control, data) = match (control, data) {
            // Both orders of the identifier are seen in the field; it comes back as it went.
            (0x01, &[0x90, 0x1F, serial] | &[0x1F, 0x90, serial]) => {
                (0x81, [&[data[0], data[1], serial], &self.metering()[..]].concat())
            }
            (0x03, &[0x81, 0x0A, serial]) => (0x83, vec![0x81, 0x0A, serial]),
            (control, _) => (control | 0xC0, vec![data.get(2).copied().unwrap_or(0), 0x04, 0x00]),
        };
        let head = [&[START, kind], &address[..], &[control, byte(data.len())]].concat();
        closed(head, data.into_iter())
    }

    /// Identifier 901F of CJ/T 188.
    fn metering(&self) -> Vec<u8> {
        use Quantity as Q;
        // XXXXXX.XX of a unit, and its code.
        let total = |quantity, step, unit| {
            let digits = (self.shown)(quantity).and_then(|it| decimal(it, step, 4, false));
            let mut bytes = digits.unwrap_or_else(|| vec![0xFF; 4]);
            bytes.push(unit);
            bytes
        };
        // XXXX.XX °C.
        let celsius = |quantity| {
            let digits = (self.shown)(quantity).and_then(|it| decimal(it, 10, 3, false));
            digits.unwrap_or_else(|| vec![0xFF; 3])
        };
        let (cubic_metre, kilowatt_hour) = (10_000, 10_000);
        let mut data = Vec::new();
        if self.medium == Medium::Heat {
            data.extend([0, 0, 0, 0, 0x05]);
            data.extend(total(Q::HeatEnergy, kilowatt_hour, 0x05));
            data.extend(total(Q::HeatPower, 10_000, 0x17));
            data.extend(total(Q::VolumeFlow, 100, 0x35));
            data.extend(total(Q::Volume, cubic_metre, 0x2C));
            data.extend(celsius(Q::Temperature));
            data.extend(celsius(Q::ReturnTemperature));
            data.extend([0, 0, 0]);
        } else {
            data.extend(total(Q::Volume, cubic_metre, 0x2C));
            data.extend([0, 0, 0, 0, 0x2C]);
        }
        data.extend(clock(self.instant));
        // The valve is open, the battery is good.
        data.extend([0, 0]);
        data
    }
}

fn byte(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}

fn closed(mut frame: Vec<u8>, data: impl Iterator<Item = u8>) -> Vec<u8> {
    frame.extend(data);
    frame.extend([sum(&frame), END]);
    frame
}

/// Packed decimals in so many bytes, low first, the nearest to the value at the meter's terminals
/// in steps; with a sign in the highest bit. `None` if there are not digits enough.
fn decimal((value, ratio): Shown, step: i64, bytes: u32, signed: bool) -> Option<Vec<u8>> {
    let step = i128::from(step) * i128::from(ratio);
    let mut rest = (i128::from(value.abs()) * 1_000 + step / 2) / step;
    let mut digits = Vec::new();
    for _ in 0..bytes {
        let pair = u8::try_from(rest % 100).ok()?;
        digits.push(((pair / 10) << 4) | (pair % 10));
        rest /= 100;
    }
    let last = digits.last_mut()?;
    if rest != 0 || signed && 0x7F < *last || !signed && value < 0 {
        return None;
    }
    if value < 0 {
        *last |= 0x80;
    }
    Some(digits)
}

/// The meter's own time, seconds first, as seven bytes of decimals.
fn clock(instant: i64) -> Vec<u8> {
    let zone = Offset::from_seconds(i32::try_from(SITE_OFFSET_S).unwrap_or(0));
    let zone = zone.map_or(TimeZone::UTC, TimeZone::fixed);
    let Ok(at) = jiff::Timestamp::from_second(instant) else { return vec![0xFF; 7] };
    let at = at.to_zoned(zone);
    let pair = |number: i64| u8::try_from(number / 10 * 16 + number % 10).unwrap_or(0xFF);
    let year = i64::from(at.year());
    let parts = [at.second(), at.minute(), at.hour(), at.day(), at.month()];
    let mut bytes: Vec<u8> = parts.iter().map(|&part| pair(i64::from(part))).collect();
    bytes.extend([pair(year % 100), pair(year / 100)]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn asked(text: &str) -> Asked {
        let mut bytes = unhex(text);
        let Piece::Frame(asked) = take(&mut bytes) else { panic!("no frame") };
        assert!(bytes.is_empty());
        asked
    }

    #[track_caller]
    fn check(digits: &[u8], medium: Medium, question: &str, answer: Option<&str>) {
        let values = [
            (Quantity::ActiveEnergyImport, 123_456_780_000),
            (Quantity::ActivePower, -3_432_100),
            (Quantity::Volume, 556_677_000_000),
        ];
        let shown = |quantity| {
            values.iter().find(|(known, _)| *known == quantity).map(|(_, value)| (*value, 1_000))
        };
        // 2015-05-11 22:01:31 in China.
        let meter = Numbered { digits, medium, shown: &shown, instant: 1_431_352_891 };
        assert_eq!(meter.answer(&asked(question)), answer.map(unhex));
    }

    // Frames built by the PyPI package `dlt645` 3.2.0.
    #[test]
    fn an_electricity_meter_answers_as_another_program_says_it_does() {
        let (meter, medium) = ([8, 7, 6, 5, 4, 3, 2, 1], Medium::Electricity);
        check(
            &meter,
            medium,
            "FE FE FE FE 68 78 56 34 12 00 00 68 11 04 33 33 34 33 C6 16",
            Some("68 78 56 34 12 00 00 68 91 08 33 33 34 33 AB 89 67 45 2A 16"),
        );
        check(
            &meter,
            medium,
            "FE 68 78 56 34 12 00 00 68 11 04 33 33 36 35 CA 16",
            Some("68 78 56 34 12 00 00 68 91 07 33 33 36 35 54 76 B6 CD 16"),
        );
        let unknown = "FE 68 78 56 34 12 00 00 68 11 04 33 33 66 35 FA 16";
        check(&meter, medium, unknown, Some("68 78 56 34 12 00 00 68 D1 01 35 EB 16"));
        let number = "FE FE FE FE 68 AA AA AA AA AA AA 68 13 00 DF 16";
        let told = "68 78 56 34 12 00 00 68 93 06 AB 89 67 45 33 33 C3 16";
        check(&meter, medium, number, Some(told));
        let other = "FE 68 79 56 34 12 00 00 68 11 04 33 33 34 33 C7 16";
        check(&meter, medium, other, None);
    }

    // The published pair of frames, its sum recomputed; status and settled total are ours.
    #[test]
    fn a_water_meter_answers_as_published() {
        let meter = [4, 4, 3, 3, 2, 2, 1, 1, 0, 0, 3, 3, 8, 7];
        check(
            &meter,
            Medium::Water,
            "FE FE FE FE 68 10 44 33 22 11 00 33 78 01 03 1F 90 00 80 16",
            Some(
                "68 10 44 33 22 11 00 33 78 81 16 1F 90 00 00 77 66 55 2C 00 00 00 00 2C
                 31 01 22 11 05 15 20 00 00 3C 16",
            ),
        );
    }

    // A write with a password, published with its sum; and a command that clears a meter.
    #[test]
    fn a_meter_that_is_to_be_written_or_cleared_refuses() {
        let write =
            "FE 68 48 89 09 19 08 21 68 14 0E 33 33 35 3D 35 33 33 33 33 33 33 33 33 33 E6 16";
        let digits = [8, 4, 9, 8, 9, 0, 9, 1, 8, 0, 1, 2];
        check(&digits, Medium::Electricity, write, Some("68 48 89 09 19 08 21 68 D4 01 37 F8 16"));
    }

    #[test]
    fn what_has_no_lead_byte_is_left_to_modbus() {
        let mut bytes = vec![1, 3, 0, 0, 0, 1, 0x84, 0x0A];
        assert_eq!(take(&mut bytes), Piece::Other(vec![1, 3, 0, 0, 0, 1, 0x84, 0x0A]));
        let mut half = unhex("FE FE 68 78 56 34 12 00");
        assert_eq!(take(&mut half), Piece::Unfinished);
        assert_eq!(half.len(), 8);
    }

    #[test]
    fn what_has_too_many_digits_is_not_shown() {
        assert_eq!(decimal((999_999_990_000, 1_000), 10_000, 4, false), Some(vec![0x99; 4]));
        assert_eq!(decimal((1_000_000_000_000, 1_000), 10_000, 4, false), None);
        assert_eq!(decimal((80_000_000, 1_000), 100, 3, true), None);
        // 30.541 A behind 40-fold transformers: 763.525 mA, of which the meter shows 0.764 A.
        assert_eq!(decimal((30_541, 40_000), 1, 3, true), Some(vec![0x64, 0x07, 0x00]));
    }
}
