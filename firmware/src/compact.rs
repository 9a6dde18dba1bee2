//! A pack as it lies in the outbox: half as long as on the wire.
//!
//! In a message every label is there for readers that do not know us. In flash each byte
//! wears it and takes the place of another reading, and only this program reads it. Another
//! layout is another [`crate::flash`] page mark, so an old page is never read as a new one.
//!
//! Layout: length of the meter's name, with the clock's quality in the highest bit; the
//! name; boot, 4 bytes; instant and sequence number as varints (7 bits a byte, the lowest
//! first). Then each reading: the quantity's number and the value as a zigzag varint; or the
//! number with its highest bit set and the reason of absence.

use wire::message::{Clock, Pack, READINGS_MAX};
use wire::reading::{Absence, Reading, Value};
use wire::{List, Name, Quantity};

const HIGHEST: u8 = 0x80;
const VARINT_MAX: usize = 10;

/// The most bytes that a pack takes: with a name of 32 characters.
pub const BYTES_MAX: usize = 1 + 32 + 4 + 2 * VARINT_MAX + READINGS_MAX * (1 + VARINT_MAX);

/// Writes a pack and returns how many bytes it took; `None` if `out` is too small, which
/// [`BYTES_MAX`] never is, or the pack is one that could not be sent either.
pub fn write(pack: &Pack, out: &mut [u8]) -> Option<usize> {
    let mut writer = Writer { out, len: 0 };
    let name = pack.meter.as_str().as_bytes();
    let estimated = if pack.clock == Clock::Estimated { HIGHEST } else { 0 };
    writer.bytes(&[u8::try_from(name.len()).ok()? | estimated])?;
    writer.bytes(name)?;
    writer.bytes(&pack.boot.to_le_bytes())?;
    writer.varint(u64::try_from(pack.instant).ok()?)?;
    writer.varint(u64::from(pack.seq))?;
    for reading in pack.readings.iter() {
        match reading.value {
            Value::Measured(thousandths) => {
                writer.bytes(&[reading.quantity.id()])?;
                writer.varint(zigzag(thousandths))?;
            }
            Value::Absent(reason) => {
                writer.bytes(&[reading.quantity.id() | HIGHEST, reason.id()])?;
            }
        }
    }
    Some(writer.len)
}

/// Reads a pack; `None` if the bytes are none.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Pack> {
    let mut reader = Reader(bytes);
    let [head] = reader.bytes()?;
    let name = reader.slice(usize::from(head & !HIGHEST))?;
    let mut pack = Pack {
        meter: Name::from_bytes(name).ok()?,
        boot: u32::from_le_bytes(reader.bytes()?),
        instant: i64::try_from(reader.varint()?).ok()?,
        seq: u32::try_from(reader.varint()?).ok()?,
        clock: if head & HIGHEST == 0 { Clock::Synced } else { Clock::Estimated },
        readings: List::new(),
    };
    while !reader.0.is_empty() {
        let [id] = reader.bytes()?;
        let quantity = Quantity::from_id(id & !HIGHEST)?;
        let value = if id & HIGHEST == 0 {
            Value::Measured(unzigzag(reader.varint()?))
        } else {
            let [reason] = reader.bytes()?;
            Value::Absent(Absence::from_id(reason)?)
        };
        pack.readings.push(Reading { quantity, value }).ok()?;
    }
    Some(pack)
}

/// Small numbers of either sign become small ones without a sign.
const fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg()
}

struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.out.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    fn varint(&mut self, mut value: u64) -> Option<()> {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.bytes(&[low]);
            }
            self.bytes(&[low | HIGHEST])?;
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (slice, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(slice)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.bytes()?;
            let bits = u64::from(byte & !HIGHEST);
            // The tenth byte has room for one bit.
            if shift == 63 && 1 < bits {
                return None;
            }
            value |= bits << shift;
            if byte & HIGHEST == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            4 => any::<i64>().prop_map(Value::Measured),
            1 => (0..Absence::ALL.len()).prop_map(|at| Value::Absent(Absence::ALL[at])),
        ]
    }

    prop_compose! {
        fn any_pack()(
            meter in "[a-z0-9-]{1,32}",
            instant in 0..i64::MAX,
            boot: u32,
            seq: u32,
            synced: bool,
            values in proptest::collection::vec(any_value(), 0..=READINGS_MAX),
        ) -> Pack {
            let readings = Quantity::ALL.into_iter().zip(values);
            let readings = readings.map(|(quantity, value)| Reading { quantity, value });
            Pack {
                meter: Name::new(&meter).unwrap(),
                instant,
                boot,
                seq,
                clock: if synced { Clock::Synced } else { Clock::Estimated },
                readings: List::from_slice(&readings.collect::<Vec<_>>()).unwrap(),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(pack in any_pack()) {
            let mut bytes = [0; BYTES_MAX];
            let len = write(&pack, &mut bytes).unwrap();
            prop_assert_eq!(read(&bytes[..len]), Some(pack));
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            std::hint::black_box(read(&bytes));
        }
    }

    #[test]
    fn the_longest_pack_fits_and_no_longer_one_is_promised() {
        let reading = |quantity| Reading { quantity, value: Value::Measured(i64::MIN) };
        let readings = Quantity::ALL.into_iter().take(READINGS_MAX).map(reading);
        let pack = Pack {
            meter: Name::new(&"m".repeat(32)).unwrap(),
            instant: i64::MAX,
            boot: u32::MAX,
            seq: u32::MAX,
            clock: Clock::Estimated,
            readings: List::from_slice(&readings.collect::<Vec<_>>()).unwrap(),
        };
        let mut bytes = [0; BYTES_MAX];
        let len = write(&pack, &mut bytes).unwrap();
        // Neither an instant nor a sequence number needs all ten bytes of a varint.
        assert_eq!(len + 1 + 5, BYTES_MAX);
        assert_eq!(read(&bytes[..len]), Some(pack));
    }

    #[test]
    fn every_quantity_leaves_its_highest_bit_free() {
        assert!(Quantity::ALL.into_iter().all(|quantity| quantity.id() < HIGHEST));
    }
}
