//! A day of one meter in a few numbers, kept when the readings themselves are gone.
//!
//! ```text
//! version (3)   CRC-32 of the key (8 bytes, lowest first) and all that follows, 4 bytes
//! packs
//! counters: number, then for each its course, see `course`
//! repetitions: number, then for each: instant - the one before, count
//! quantities: number, then for each:
//!     quantity  readings  first  last - first  least - first  greatest - first  sum
//!     second of the day of the first, seconds from it to the last
//! ```
//!
//! All are varints. Version 2 has no courses; version 1 also ends a quantity with its sum
//! and leaves the key out of the checksum. Courses stand at the front: a month of many
//! meters is summed up without reading the rest. Counters keep their first and last reading, not only sums, so that
//! consumption across a gap can be worked out from the days on both sides; and the instants
//! of both, so that they are readings still when the others have been given up.

use wire::quantity::Kind;
use wire::{Name, Quantity, Value};

use super::course::{Course, Shown, seam_of};
use super::memory::{Day, day_of, start_of};
use super::registry::{Column, Registry, column_of, quantity_of};
use super::row::{Again, Rows};
use super::stored::day_and_meter;
use crate::store::codec::{Cursor, crc32, crc32_with, put_signed, put_varint, put_wide};

const VERSION: u8 = 3;
const VERSION_2: u8 = 2;
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
    /// Of counters, in order of their numbers.
    pub(super) courses: Vec<Course>,
    pub(super) again: Again,
    pub(super) quantities: Vec<QuantityRollup>,
}

impl StoredDay {
    /// Sums a day's rows up; they must be united. The repetitions come from the caller.
    pub(super) fn of(rows: &Rows, again: Again, registry: &Registry) -> Self {
        let mut day = Self { again, ..Self::default() };
        let seam = rows.heads.first().map_or(0, |first| seam_of(day_of(first.instant)));
        // Where the sums of a layout's columns stand; nearly all rows are of one layout.
        let mut places: Vec<Option<usize>> = Vec::new();
        let mut courses: Vec<Option<Course>> = Vec::new();
        let mut known = None;
        for head in rows.visible() {
            day.packs += 1;
            let Some(layout) = registry.layout(head.layout) else { continue };
            if known != Some(head.layout) {
                known = Some(head.layout);
                places.clear();
                places.extend(layout.iter().map(|column| day.place_of(*column)));
                courses.resize(day.quantities.len(), None);
            }
            for (&place, &value) in places.iter().zip(rows.values_of(head, registry)) {
                let (Some(place), Value::Measured(value)) = (place, value) else { continue };
                let sums = day.quantities.get_mut(place).zip(courses.get_mut(place));
                let Some((sums, course)) = sums else { continue };
                add(sums, value, head.instant);
                let shown = Shown { instant: head.instant, value };
                match course {
                    Some(course) => course.add(shown, seam),
                    None if sums.quantity.kind() == Kind::Counter => {
                        *course = Some(Course::new(sums.quantity, shown, seam));
                    }
                    None => {}
                }
            }
        }
        day.quantities.retain(|sums| 0 < sums.readings);
        day.quantities.sort_unstable_by_key(|quantity| quantity.quantity.id());
        day.courses = courses.into_iter().flatten().collect();
        day.courses.sort_unstable_by_key(|course| course.quantity.id());
        day
    }

    /// Returns where the sums of a column stand, empty ones if it had none yet; `None` of a
    /// column that is not summed up: the second reading of one quantity in a pack.
    fn place_of(&mut self, column: Column) -> Option<usize> {
        let quantity = quantity_of(column).filter(|it| column_of(*it) == column)?;
        let place = self.quantities.iter().position(|known| known.quantity == quantity);
        Some(place.unwrap_or_else(|| {
            self.quantities.push(QuantityRollup {
                quantity,
                readings: 0,
                first: 0,
                last: 0,
                least: i64::MAX,
                greatest: i64::MIN,
                sum: 0,
                between: None,
            });
            self.quantities.len() - 1
        }))
    }

    pub(super) fn into_rollup(self, meter: Name, day: Day) -> DayRollup {
        DayRollup { meter, start: start_of(day), packs: self.packs, quantities: self.quantities }
    }

    pub(super) fn encode(&self, key: i64) -> Vec<u8> {
        let day = day_and_meter(key).0;
        let start = start_of(day);
        let room = 16 + 24 * self.quantities.len() + 32 * self.courses.len();
        let mut body = Vec::with_capacity(room);
        put_varint(&mut body, self.packs);
        put_varint(&mut body, self.courses.len() as u64);
        for course in &self.courses {
            course.put(&mut body, day);
        }
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
        let (version, mut cursor) = open(bytes, key)?;
        let mut day = Self { packs: cursor.varint()?, ..Self::default() };
        if version == VERSION {
            for _ in 0..cursor.varint()? {
                day.courses.push(Course::take(&mut cursor, day_and_meter(key).0)?);
            }
        }
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
            let between = if version != VERSION_1 {
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

/// Adds a value that is newer than all before it.
fn add(sums: &mut QuantityRollup, value: i64, instant: i64) {
    if sums.readings == 0 {
        sums.first = value;
    }
    sums.readings += 1;
    sums.last = value;
    sums.between = Some((sums.between.map_or(instant, |(first, _)| first), instant));
    sums.least = sums.least.min(value);
    sums.greatest = sums.greatest.max(value);
    sums.sum += i128::from(value);
}

/// Checks the bytes of a day; returns their version, and what it says.
fn open(bytes: &[u8], key: i64) -> Option<(u8, Cursor<'_>)> {
    let (&version, rest) = bytes.split_first()?;
    let (crc, body) = rest.split_first_chunk::<4>()?;
    let expected = match version {
        VERSION | VERSION_2 => crc32_with(&[key], body),
        VERSION_1 => crc32(body),
        _ => return None,
    };
    (expected == u32::from_le_bytes(*crc)).then(|| (version, Cursor::new(body)))
}

/// What a day's sums tell of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// How it went.
    Course(Course),
    /// It was not read on that day.
    NoReading,
    /// Nothing: they are damaged, or an earlier program wrote them.
    Unknown,
}

/// Returns the course of one counter on a day, without reading the rest.
pub(super) fn course_in(bytes: &[u8], key: i64, quantity: Quantity) -> Found {
    let find = || {
        let (_, mut cursor) = open(bytes, key).filter(|(version, _)| *version == VERSION)?;
        cursor.varint()?;
        for _ in 0..cursor.varint()? {
            let course = Course::take(&mut cursor, day_and_meter(key).0)?;
            if course.quantity == quantity {
                return Some(Found::Course(course));
            }
        }
        Some(Found::NoReading)
    };
    find().unwrap_or(Found::Unknown)
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
