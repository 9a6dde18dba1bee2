//! A pack as bytes, and many packs taken apart.
//!
//! ```text
//! length of all that follows
//! received - instant            what may differ when the same pack comes again
//! instant  boot  seq  node      from here on: the pack itself
//! layout << 1 | clock
//! 0, then for each reading: value                      (all measured, none huge)
//! 1, then for each reading: 0 value | reason           (anything)
//! ```
//!
//! All are varints. In the first form a value is zigzag(v / 1000) << 1 | 1 if v is whole
//! units, else zigzag(v) << 1. The same pack always gives the same bytes, so packs are
//! compared as bytes.

use std::cmp::Ordering;

use wire::message::{Clock, Pack, READINGS_MAX};
use wire::{Absence, List, Name, Reading, Value};

use super::Arrival;
use super::registry::{Registry, quantity_of};
use crate::store::codec::{Cursor, put_signed, put_varint, unzigzag, zigzag};

const ALL_MEASURED: u8 = 0;
const MIXED: u8 = 1;
const MEASURED: u8 = 0;

/// Thousandths in a unit: most registers hold whole units.
const WHOLE: i64 = 1_000;

/// Values up to here leave the bit free that tells whole units.
const COMPACT_MAX: u64 = 1 << 61;

/// Appends an arrival. The numbers are those of its node and its layout. `row` is room to
/// work in; what it holds afterwards are the bytes without their length.
pub(super) fn put_row(
    out: &mut Vec<u8>,
    row: &mut Vec<u8>,
    arrival: &Arrival,
    node: u32,
    layout: u32,
) {
    row.clear();
    let pack = &arrival.pack;
    put_signed(row, arrival.received.wrapping_sub(pack.instant));
    put_signed(row, pack.instant);
    put_varint(row, pack.boot.into());
    put_varint(row, pack.seq.into());
    put_varint(row, node.into());
    put_varint(row, u64::from(layout) << 1 | u64::from(clock_bit(pack.clock)));
    put_values(row, &pack.readings);
    put_varint(out, row.len() as u64);
    out.extend_from_slice(row);
}

fn put_values(row: &mut Vec<u8>, readings: &[Reading]) {
    let compact = |reading: &Reading| match reading.value {
        Value::Measured(value) => value.unsigned_abs() < COMPACT_MAX,
        Value::Absent(_) => false,
    };
    if readings.iter().all(compact) {
        row.push(ALL_MEASURED);
        for reading in readings {
            let Value::Measured(value) = reading.value else { continue };
            let (value, whole) = if value % WHOLE == 0 { (value / WHOLE, 1) } else { (value, 0) };
            put_varint(row, zigzag(value) << 1 | whole);
        }
        return;
    }
    row.push(MIXED);
    for reading in readings {
        match reading.value {
            Value::Measured(value) => {
                row.push(MEASURED);
                put_signed(row, value);
            }
            Value::Absent(reason) => row.push(reason.id()),
        }
    }
}

/// Takes one row off the front: what it spans after its length.
pub(super) fn take_row<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    cursor.bytes()
}

/// Returns the instant of a row without reading the rest.
pub(super) fn instant_of(row: &[u8]) -> Option<i64> {
    let mut cursor = Cursor::new(row);
    cursor.signed()?;
    cursor.signed()
}

/// Returns the part of a row that is the same whenever the pack comes.
pub(super) fn identity(row: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(row);
    cursor.signed()?;
    Some(cursor.rest())
}

/// A pack without its readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) instant: i64,
    pub(super) received: i64,
    pub(super) boot: u32,
    pub(super) seq: u32,
    pub(super) node: u32,
    pub(super) layout: u32,
    pub(super) clock: Clock,
    /// Where the readings begin among the values.
    pub(super) at: usize,
    /// Whether it comes from a buffer, where a pack stands once for each arrival.
    pub(super) fresh: bool,
}

/// Takes what stands before the values of a row.
fn take_head(cursor: &mut Cursor<'_>) -> Option<Head> {
    let lag = cursor.signed()?;
    let instant = cursor.signed()?;
    let boot = u32::try_from(cursor.varint()?).ok()?;
    let seq = u32::try_from(cursor.varint()?).ok()?;
    let node = u32::try_from(cursor.varint()?).ok()?;
    let packed = cursor.varint()?;
    Some(Head {
        instant,
        received: instant.wrapping_add(lag),
        boot,
        seq,
        node,
        layout: u32::try_from(packed >> 1).ok()?,
        clock: clock_of(packed & 1 == 1),
        at: 0,
        fresh: true,
    })
}

/// Packs of one meter, taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub(super) heads: Vec<Head>,
    pub(super) values: Vec<Value>,
}

/// Arrivals of packs that were there already: instant, and how many.
pub(super) type Again = Vec<(i64, u64)>;

impl Rows {
    /// Removes all rows; their room stays.
    pub(super) fn clear(&mut self) {
        self.heads.clear();
        self.values.clear();
    }

    /// Adds a row; `None` if it is none, and nothing is added then.
    pub(super) fn push_row(&mut self, row: &[u8], registry: &Registry) -> Option<Head> {
        let at = self.values.len();
        let head = self.read_row(row, registry, at);
        match head {
            Some(head) => self.heads.push(head),
            None => self.values.truncate(at),
        }
        head
    }

    fn read_row(&mut self, row: &[u8], registry: &Registry, at: usize) -> Option<Head> {
        let mut cursor = Cursor::new(row);
        let head = take_head(&mut cursor)?;
        let count = registry.layout(head.layout)?.len();
        self.values.reserve(count);
        match cursor.byte()? {
            ALL_MEASURED => {
                for _ in 0..count {
                    let packed = cursor.varint()?;
                    let value = unzigzag(packed >> 1);
                    let value = if packed & 1 == 1 { value.checked_mul(WHOLE)? } else { value };
                    self.values.push(Value::Measured(value));
                }
            }
            MIXED => {
                for _ in 0..count {
                    let value = match cursor.byte()? {
                        MEASURED => Value::Measured(cursor.signed()?),
                        reason => Value::Absent(Absence::from_id(reason)?),
                    };
                    self.values.push(value);
                }
            }
            _ => return None,
        }
        cursor.is_at_end().then_some(Head { at, ..head })
    }

    /// Returns the readings' values of a row.
    pub(super) fn values_of(&self, head: &Head, registry: &Registry) -> &[Value] {
        let count = registry.layout(head.layout).map_or(0, |layout| layout.len());
        self.values.get(head.at..head.at + count).unwrap_or_default()
    }

    /// Orders the rows by precedence and keeps each pack once, with the earliest
    /// receipt. Returns what came again.
    ///
    /// What results depends on the packs alone: not on their order or number, nor on
    /// the numbers that names were given.
    pub(super) fn unite(&mut self, registry: &Registry) -> Again {
        let mut heads = std::mem::take(&mut self.heads);
        let strictly = |pair: &[Head]| order_of_heads(&pair[0], &pair[1], registry).is_lt();
        if heads.windows(2).all(strictly) {
            self.heads = heads;
            return Again::new();
        }
        heads.sort_by(|a, b| self.compare(a, b, registry));
        let mut again = Again::new();
        let mut kept_heads = Vec::with_capacity(heads.len());
        for same in heads.chunk_by(|a, b| self.compare(a, b, registry).is_eq()) {
            let fresh = same.iter().filter(|head| head.fresh).count();
            let first = usize::from(fresh == same.len());
            let repeated = fresh.saturating_sub(first) as u64;
            let mut kept = same[0];
            for head in same {
                kept.received = kept.received.min(head.received);
                kept.fresh &= head.fresh;
            }
            if 0 < repeated {
                match again.last_mut() {
                    Some((instant, count)) if *instant == kept.instant => *count += repeated,
                    _ => again.push((kept.instant, repeated)),
                }
            }
            kept_heads.push(kept);
        }
        self.heads = kept_heads;
        again
    }

    /// Precedence, by the whole content; equal means the same pack.
    pub(super) fn compare(&self, a: &Head, b: &Head, registry: &Registry) -> Ordering {
        order_of_heads(a, b, registry).then_with(|| {
            let content = |head: &Head| {
                let layout = registry.layout(head.layout).map_or(&[][..], |layout| layout);
                let values = self.values_of(head, registry).iter().map(rank);
                (clock_bit(head.clock), layout.iter().copied().zip(values).collect::<Vec<_>>())
            };
            content(a).cmp(&content(b))
        })
    }

    /// Returns the rows that a reader sees: of each instant the one with the highest
    /// precedence. The rows must be united.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Head> {
        self.heads.chunk_by(|a, b| a.instant == b.instant).filter_map(<[Head]>::last)
    }

    /// Returns the pack of a row; `None` if it names what the registry does not know.
    pub(super) fn arrival(&self, head: &Head, meter: Name, registry: &Registry) -> Option<Arrival> {
        let Head { instant, boot, seq, clock, received, .. } = *head;
        let node = registry.node_name(head.node)?;
        let pack = Pack { meter, instant, boot, seq, clock, readings: List::new() };
        let mut arrival = Arrival { node, received, pack };
        self.put_readings(head, registry, &mut arrival)?;
        Some(arrival)
    }

    /// Puts the pack of a row in the place of another: seven hundred bytes are not made anew.
    pub(super) fn replace(
        &self,
        arrival: &mut Arrival,
        head: &Head,
        meter: Name,
        registry: &Registry,
    ) -> Option<()> {
        arrival.node = registry.node_name(head.node)?;
        arrival.received = head.received;
        let pack = &mut arrival.pack;
        (pack.meter, pack.instant, pack.clock) = (meter, head.instant, head.clock);
        (pack.boot, pack.seq) = (head.boot, head.seq);
        self.put_readings(head, registry, arrival)
    }

    fn put_readings(&self, head: &Head, registry: &Registry, arrival: &mut Arrival) -> Option<()> {
        let readings: &mut List<Reading, READINGS_MAX> = &mut arrival.pack.readings;
        readings.clear();
        let layout = registry.layout(head.layout)?;
        for (&column, &value) in layout.iter().zip(self.values_of(head, registry)) {
            readings.push(Reading { quantity: quantity_of(column)?, value }).ok()?;
        }
        Some(())
    }
}

/// Precedence as far as the heads tell: instant, boot, number, node's name.
pub(super) fn order_of_heads(a: &Head, b: &Head, registry: &Registry) -> Ordering {
    (a.instant, a.boot, a.seq).cmp(&(b.instant, b.boot, b.seq)).then_with(|| {
        if a.node == b.node {
            return Ordering::Equal;
        }
        registry.node_name(a.node).cmp(&registry.node_name(b.node))
    })
}

fn rank(value: &Value) -> (u8, i64) {
    match *value {
        Value::Absent(reason) => (reason.id(), 0),
        Value::Measured(value) => (u8::MAX, value),
    }
}

pub(super) fn clock_bit(clock: Clock) -> bool {
    match clock {
        Clock::Synced => false,
        Clock::Estimated => true,
    }
}

pub(super) fn clock_of(bit: bool) -> Clock {
    if bit { Clock::Estimated } else { Clock::Synced }
}
