//! A day of one meter in a few numbers, kept when the readings themselves are gone.
//!
//! ```text
//! version (2)   CRC-32 of the key (8 bytes, lowest first) and all that follows, 4 bytes
//! packs
//! repetitions: number, then for each: instant - the one before, count
//! quantities: number, then for each:
//!     quantity  readings  first  last - first  least - first  greatest - first  sum
//!     second of the day of the first, seconds from it to the last
//! ```
//!
//! All are varints. Version 1 ends a quantity with its sum and leaves the key out of the
//! checksum. Counters keep their first and last reading, not only sums, so that
//! consumption across a gap can be worked out from the days on both sides; and the instants
//! of both, so that they are readings still when the others have been given up.

use wire::{Name, Quantity, Value};

use super::memory::{Day, start_of};
use super::registry::{Column, Registry, column_of, quantity_of};
use super::row::{Again, Rows};
use super::stored::day_and_meter;
use crate::store::codec::{Cursor, crc32, crc32_with, put_signed, put_varint, put_wide};

const VERSION: u8 = 2;
const VERSION_1: u8 = 1;

/// One UTC day of one meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayRollup {
    /// The meter.
    pub meter: Name,
    /// The first second of the day, Unix seconds.
    pub start: i64,
    /// Packs seen by readers: one for each instant.
    pub packs: u64,
    /// The quantities that were measured, in order of their numbers.
    pub quantities: Vec<QuantityRollup>,
}

/// One quantity on one day, in thousandths of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantityRollup {
    /// What was measured.
    pub quantity: Quantity,
    /// How many measured values there are.
    pub readings: u64,
    /// The first of them.
    pub first: i64,
    /// The last of them.
    pub last: i64,
    /// The least.
    pub least: i64,
    /// The greatest.
    pub greatest: i64,
    /// Their sum.
    pub sum: i128,
    /// When the first and the last were read, Unix seconds; `None` of days that an earlier
    /// program summed up.
    pub between: Option<(i64, i64)>,
}

/// What a stored day says; `again` is what came again on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StoredDay {
    pub(super) packs: u64,
    pub(super) again: Again,
    pub(super) quantities: Vec<QuantityRollup>,
}

impl StoredDay {
    /// Sums a day's rows up; they must be united. The repetitions come from the caller.
    pub(super) fn of(rows: &Rows, again: Again, registry: &Registry) -> Self {
        let mut day = Self { packs: 0, again, quantities: Vec::new() };
        for head in rows.visible() {
            day.packs += 1;
            let Some(layout) = registry.layout(head.layout) else { continue };
            for (&column, &value) in layout.iter().zip(rows.values_of(head, registry)) {
                if let Value::Measured(value) = value {
                    day.add(column, value, head.instant);
                }
            }
        }
        day.quantities.sort_unstable_by_key(|quantity| quantity.quantity.id());
        day
    }

    fn add(&mut self, column: Column, value: i64, instant: i64) {
        let Some(quantity) = quantity_of(column).filter(|it| column_of(*it) == column) else {
            return;
        };
        let known = self.quantities.iter_mut().find(|known| known.quantity == quantity);
        let Some(known) = known else {
            self.quantities.push(QuantityRollup {
                quantity,
                readings: 1,
                first: value,
                last: value,
                least: value,
                greatest: value,
                sum: value.into(),
                between: Some((instant, instant)),
            });
            return;
        };
        known.readings += 1;
        known.last = value;
        if let Some((_, last)) = &mut known.between {
            *last = instant;
        }
        known.least = known.least.min(value);
        known.greatest = known.greatest.max(value);
        known.sum += i128::from(value);
    }

    pub(super) fn into_rollup(self, meter: Name, day: Day) -> DayRollup {
        DayRollup { meter, start: start_of(day), packs: self.packs, quantities: self.quantities }
    }

    pub(super) fn encode(&self, key: i64) -> Vec<u8> {
        let start = start_of(day_and_meter(key).0);
        let mut body = Vec::with_capacity(16 + 24 * self.quantities.len());
        put_varint(&mut body, self.packs);
        put_varint(&mut body, self.again.len() as u64);
        let mut before = 0;
        for &(instant, count) in &self.again {
            put_signed(&mut body, instant.wrapping_sub(before));
            put_varint(&mut body, count);
            before = instant;
        }
        put_varint(&mut body, self.quantities.len() as u64);
        for quantity in &self.quantities {
            body.push(quantity.quantity.id());
            put_varint(&mut body, quantity.readings);
            put_signed(&mut body, quantity.first);
            for number in [quantity.last, quantity.least, quantity.greatest] {
                put_signed(&mut body, number.wrapping_sub(quantity.first));
            }
            put_wide(&mut body, quantity.sum);
            let (first, last) = quantity.between.unwrap_or((start, start));
            put_signed(&mut body, first.wrapping_sub(start));
            put_signed(&mut body, last.wrapping_sub(first));
        }
        let mut out = Vec::with_capacity(5 + body.len());
        out.push(VERSION);
        out.extend_from_slice(&crc32_with(&[key], &body).to_le_bytes());
        out.extend_from_slice(&body);
        out
    }

    /// `None` if it is not what [`StoredDay::encode`] once wrote under this key.
    pub(super) fn decode(bytes: &[u8], key: i64) -> Option<Self> {
        let start = start_of(day_and_meter(key).0);
        let (&version, rest) = bytes.split_first()?;
        let (crc, body) = rest.split_first_chunk::<4>()?;
        let expected = match version {
            VERSION => crc32_with(&[key], body),
            VERSION_1 => crc32(body),
            _ => return None,
        };
        if expected != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut cursor = Cursor::new(body);
        let mut day = Self { packs: cursor.varint()?, ..Self::default() };
        let mut before: i64 = 0;
        for _ in 0..cursor.varint()? {
            before = before.wrapping_add(cursor.signed()?);
            day.again.push((before, cursor.varint()?));
        }
        for _ in 0..cursor.varint()? {
            let quantity = Quantity::from_id(cursor.byte()?)?;
            let readings = cursor.varint()?;
            let first = cursor.signed()?;
            let mut next = || Some(first.wrapping_add(cursor.signed()?));
            let (last, least, greatest) = (next()?, next()?, next()?);
            let sum = cursor.wide()?;
            let between = if version == VERSION {
                let first = start.wrapping_add(cursor.signed()?);
                Some((first, first.wrapping_add(cursor.signed()?)))
            } else {
                None
            };
            day.quantities.push(QuantityRollup {
                quantity,
                readings,
                first,
                last,
                least,
                greatest,
                sum,
                between,
            });
        }
        cursor.is_at_end().then_some(day)
    }
}

/// Adds repetitions up, by instant.
pub(super) fn add_again(mut one: Again, other: &Again) -> Again {
    one.extend(other);
    one.sort_unstable();
    one.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    one
}
