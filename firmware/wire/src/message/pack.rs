//! The readings of one meter at one instant.

use super::cbor::{HEAD_MAX, Reader, Writer, head_len, text_len};
use super::{DecodeError, EncodeError};
use crate::name::NAME_LEN_MAX;
use crate::reading::{Absence, Reading, Value};
use crate::{List, Name, Quantity};

/// The most readings in one pack: the most entries in one register map.
pub const READINGS_MAX: usize = 24;

/// The first instant that SenML takes for one; smaller numbers mean "so long ago".
pub const INSTANT_MIN: i64 = 1 << 28;

/// How the node knew what time it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Clock {
    /// Set from a time server or from the gateway within the last day.
    Synced = 0,
    /// Counted on from an older setting.
    Estimated = 1,
}

/// What one poll of one meter came to.
///
/// `(node, meter, boot, seq, instant)` is what it is known by: the same pack twice is the
/// same pack. A failed poll is a pack too, whose readings say why they are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Which meter.
    pub meter: Name,
    /// When it was read: the end of the successful poll, Unix seconds, UTC.
    pub instant: i64,
    /// Which run of the node read it; another number after each start.
    pub boot: u32,
    /// How many polls of this meter the run had made before; a hole in it is a lost pack.
    pub seq: u32,
    /// How the node knew the instant.
    pub clock: Clock,
    /// What was read; no quantity twice.
    pub readings: List<Reading, READINGS_MAX>,
}

// SenML labels, RFC 8428 table 4.
const BASE_NAME: i64 = -2;
const BASE_TIME: i64 = -3;
const NAME: i64 = 0;
const VALUE: i64 = 2;
const STRING_VALUE: i64 = 3;

// Ours, in the first record. SenML readers pass over labels that they do not know.
const BOOT: &str = "boot";
const SEQ: &str = "seq";
const CLOCK: &str = "clock";

/// Ends the meter's name, so that base name and name join to `meter/p`.
const SEPARATOR: &str = "/";

/// A decimal fraction, RFC 8949 section 3.4.4: `[exponent, mantissa]`.
const TAG_DECIMAL_FRACTION: u64 = 4;
const THOUSANDTHS: i64 = -3;

const BASE_BYTES_MAX: usize = head_len(5)
    + (head_len(1) + text_len(NAME_LEN_MAX + SEPARATOR.len()))
    + (head_len(2) + HEAD_MAX)
    + (text_len(BOOT.len()) + head_len(u32::MAX as u64))
    + (text_len(SEQ.len()) + head_len(u32::MAX as u64))
    + (text_len(CLOCK.len()) + head_len(Clock::Estimated as u64));

const fn quantity_code_len_max() -> usize {
    let mut longest = 0;
    let mut rest: &[Quantity] = &Quantity::ALL;
    while let [quantity, others @ ..] = rest {
        let len = quantity.code().len();
        longest = if longest < len { len } else { longest };
        rest = others;
    }
    longest
}

const fn absence_code_len_max() -> usize {
    let mut longest = 0;
    let mut rest: &[Absence] = &Absence::ALL;
    while let [reason, others @ ..] = rest {
        let len = reason.code().len();
        longest = if longest < len { len } else { longest };
        rest = others;
    }
    longest
}

const fn larger(a: usize, b: usize) -> usize {
    if a < b { b } else { a }
}

const VALUE_BYTES_MAX: usize = larger(
    head_len(TAG_DECIMAL_FRACTION) + head_len(2) + head_len(3) + HEAD_MAX,
    text_len(absence_code_len_max()),
);

const RECORD_BYTES_MAX: usize = head_len(2)
    + (head_len(0) + text_len(quantity_code_len_max()))
    + (head_len(STRING_VALUE.unsigned_abs()) + VALUE_BYTES_MAX);

impl Pack {
    /// The most bytes a pack takes.
    pub const BYTES_MAX: usize =
        head_len(READINGS_MAX as u64 + 1) + BASE_BYTES_MAX + READINGS_MAX * RECORD_BYTES_MAX;

    /// Writes the pack and returns how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, which [`Self::BYTES_MAX`] never is;
    /// [`EncodeError::Instant`] before [`INSTANT_MIN`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        if self.instant < INSTANT_MIN {
            return Err(EncodeError::Instant);
        }
        let mut writer = Writer::new(out);
        writer.array(self.readings.len().saturating_add(1))?;
        writer.map(5)?;
        writer.int(BASE_NAME)?;
        writer.text_of(self.meter.as_str(), SEPARATOR)?;
        writer.int(BASE_TIME)?;
        writer.int(self.instant)?;
        writer.text(BOOT)?;
        writer.uint(self.boot)?;
        writer.text(SEQ)?;
        writer.uint(self.seq)?;
        writer.text(CLOCK)?;
        writer.uint(self.clock as u8)?;
        for reading in self.readings.iter() {
            write_record(&mut writer, reading)?;
        }
        Ok(writer.len())
    }

    /// Reads a pack.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Unknown`] for a quantity or reason that this version does not know,
    /// [`DecodeError::OutOfRange`] for a value that is finer than thousandths or too large;
    /// the others as they say.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let records = reader.array()?.checked_sub(1).ok_or(DecodeError::Missing)?;
        let mut pack = read_base(&mut reader)?;
        for _ in 0..records {
            let reading = read_record(&mut reader)?;
            if pack.readings.iter().any(|other| other.quantity == reading.quantity) {
                return Err(DecodeError::Malformed);
            }
            pack.readings.push(reading).map_err(|_| DecodeError::TooMany)?;
        }
        reader.end()?;
        Ok(pack)
    }
}

fn write_record(writer: &mut Writer<'_>, reading: &Reading) -> Result<(), EncodeError> {
    writer.map(2)?;
    writer.int(NAME)?;
    writer.text(reading.quantity.code())?;
    match reading.value {
        Value::Measured(thousandths) if thousandths % 1000 == 0 => {
            writer.int(VALUE)?;
            writer.int(thousandths / 1000)
        }
        Value::Measured(thousandths) => {
            writer.int(VALUE)?;
            writer.tag(TAG_DECIMAL_FRACTION)?;
            writer.array(2)?;
            writer.int(THOUSANDTHS)?;
            writer.int(thousandths)
        }
        Value::Absent(reason) => {
            writer.int(STRING_VALUE)?;
            writer.text(reason.code())
        }
    }
}

/// A key of a SenML record: a label that has a number, or one that has a name.
enum Label<'a> {
    Number(i64),
    Text(&'a str),
}

fn read_label<'a>(reader: &mut Reader<'a>) -> Result<Label<'a>, DecodeError> {
    if reader.int_is_next()? {
        reader.int().map(Label::Number)
    } else {
        reader.text().map(Label::Text)
    }
}

fn read_base(reader: &mut Reader<'_>) -> Result<Pack, DecodeError> {
    let (mut meter, mut instant, mut boot, mut seq, mut clock) = (None, None, None, None, None);
    for _ in 0..reader.map()? {
        match read_label(reader)? {
            Label::Number(BASE_NAME) => {
                let name = reader.text()?.strip_suffix(SEPARATOR).ok_or(DecodeError::Malformed)?;
                meter = Some(Name::new(name).map_err(|_| DecodeError::Malformed)?);
            }
            Label::Number(BASE_TIME) => instant = Some(reader.int()?),
            Label::Text(BOOT) => boot = Some(reader.uint()?),
            Label::Text(SEQ) => seq = Some(reader.uint()?),
            Label::Text(CLOCK) => {
                clock = Some(match reader.uint::<u64>()? {
                    0 => Clock::Synced,
                    1 => Clock::Estimated,
                    _ => return Err(DecodeError::Unknown),
                });
            }
            // Base unit, base value and base sum would change what the records mean.
            Label::Number(-6..=-4) => return Err(DecodeError::Unknown),
            Label::Number(_) | Label::Text(_) => reader.skip()?,
        }
    }
    let pack = Pack {
        meter: meter.ok_or(DecodeError::Missing)?,
        instant: instant.ok_or(DecodeError::Missing)?,
        boot: boot.ok_or(DecodeError::Missing)?,
        seq: seq.ok_or(DecodeError::Missing)?,
        clock: clock.ok_or(DecodeError::Missing)?,
        readings: List::new(),
    };
    if pack.instant < INSTANT_MIN {
        return Err(DecodeError::OutOfRange);
    }
    Ok(pack)
}

fn read_record(reader: &mut Reader<'_>) -> Result<Reading, DecodeError> {
    let (mut quantity, mut value) = (None, None);
    for _ in 0..reader.map()? {
        let read = match read_label(reader)? {
            Label::Number(NAME) => {
                quantity = Some(Quantity::from_code(reader.text()?).ok_or(DecodeError::Unknown)?);
                continue;
            }
            Label::Number(VALUE) => Value::Measured(read_thousandths(reader)?),
            Label::Number(STRING_VALUE) => {
                let reason = Absence::from_code(reader.text()?).ok_or(DecodeError::Unknown)?;
                Value::Absent(reason)
            }
            // Base fields, unit, time and sum would change what the value means.
            Label::Number(-6..=-1 | 1 | 5 | 6) => return Err(DecodeError::Unknown),
            Label::Number(_) | Label::Text(_) => {
                reader.skip()?;
                continue;
            }
        };
        if value.replace(read).is_some() {
            return Err(DecodeError::Malformed);
        }
    }
    Ok(Reading {
        quantity: quantity.ok_or(DecodeError::Missing)?,
        value: value.ok_or(DecodeError::Missing)?,
    })
}

fn read_thousandths(reader: &mut Reader<'_>) -> Result<i64, DecodeError> {
    let (exponent, mantissa) = if reader.int_is_next()? {
        (0, reader.int()?)
    } else {
        if reader.tag()? != TAG_DECIMAL_FRACTION {
            return Err(DecodeError::Malformed);
        }
        reader.array_of(2)?;
        (reader.int()?, reader.int()?)
    };
    let tens = exponent.checked_sub(THOUSANDTHS).and_then(|tens| u32::try_from(tens).ok());
    tens.and_then(|tens| 10_i64.checked_pow(tens))
        .and_then(|factor| mantissa.checked_mul(factor))
        .ok_or(DecodeError::OutOfRange)
}
