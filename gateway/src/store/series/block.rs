//! Many packs of one meter as one block: one time column, one column for each quantity.
//!
//! ```text
//! version (2)
//! CRC-32 of the block's key (8 bytes, lowest first) and all that follows, 4 bytes
//! number of rows
//! sections, each with its length before it:
//!     instants, received - instant, boots, seqs, nodes, layouts << 1 | clock
//! number of columns, then for each: its quantity, its length
//! columns: 0 | 1 (state count)…   then the measured values
//! ```
//!
//! Numbers are varints, sections and values are columns of [`super::ints`]. A state is 0
//! for measured or the number of a reason; without states all are measured. A column has
//! an entry for each row whose layout has it. A quantity decodes without the others.
//!
//! SQLite's pages carry no checksum, so the block does, and the key with it: a bit that
//! flipped in a key must not give one meter's day to another. Version 1 is the same with a
//! checksum that leaves the key out. A version is read for ever; golden files hold each.

use std::collections::BTreeSet;

use wire::{Absence, Value};

use super::ints::{Effort, put_ints, take_ints};
use super::registry::{Column, Registry};
use super::row::{Head, Rows, clock_bit, clock_of};
use crate::store::codec::{Cursor, crc32, crc32_with, put_varint};

const VERSION: u8 = 2;
const VERSION_WITHOUT_KEY: u8 = 1;
const SECTIONS: usize = 6;
const ALL_MEASURED: u8 = 0;
const STATES: u8 = 1;
const MEASURED: u8 = 0;

/// No block of ours comes near; more is damage, and would ask for that much memory.
const ROWS_MAX: usize = 1 << 24;

/// Returns the block of rows that are united and in order, to be stored under a key;
/// their values stand where the heads say.
pub(super) fn encode(
    heads: &[Head],
    values: &[Value],
    registry: &Registry,
    effort: Effort,
    key: i64,
) -> Vec<u8> {
    let mut body = Vec::with_capacity(64 + heads.len() * 16);
    put_varint(&mut body, heads.len() as u64);
    let (mut numbers, mut bytes) = (Vec::with_capacity(heads.len()), Vec::new());
    let mut section = |body: &mut Vec<u8>, number: fn(&Head) -> i64| {
        numbers.clear();
        numbers.extend(heads.iter().map(number));
        bytes.clear();
        put_ints(&mut bytes, &numbers, effort);
        put_varint(body, bytes.len() as u64);
        body.extend_from_slice(&bytes);
    };
    section(&mut body, |head| head.instant);
    section(&mut body, |head| head.received.wrapping_sub(head.instant));
    section(&mut body, |head| head.boot.into());
    section(&mut body, |head| head.seq.into());
    section(&mut body, |head| head.node.into());
    section(&mut body, |head| i64::from(head.layout) << 1 | i64::from(clock_bit(head.clock)));

    let places = Places::of(heads, registry);
    let mut columns = Vec::new();
    put_varint(&mut body, places.columns.len() as u64);
    for &column in &places.columns {
        let before = columns.len();
        put_column(&mut columns, (heads, values), &places, column, effort);
        put_varint(&mut body, column.into());
        put_varint(&mut body, (columns.len() - before) as u64);
    }
    body.extend_from_slice(&columns);

    let mut block = Vec::with_capacity(5 + body.len());
    block.push(VERSION);
    block.extend_from_slice(&crc32_with(&[key], &body).to_le_bytes());
    block.extend_from_slice(&body);
    block
}

fn put_column(
    out: &mut Vec<u8>,
    (heads, values): (&[Head], &[Value]),
    places: &Places,
    column: Column,
    effort: Effort,
) {
    let mut states = Vec::with_capacity(heads.len());
    let mut measured = Vec::with_capacity(heads.len());
    for run in heads.chunk_by(|a, b| a.layout == b.layout) {
        let Some(place) = places.place(run[0].layout, column) else { continue };
        for head in run {
            match values.get(head.at + place) {
                Some(&Value::Measured(value)) => {
                    states.push(MEASURED);
                    measured.push(value);
                }
                Some(&Value::Absent(reason)) => states.push(reason.id()),
                None => {}
            }
        }
    }
    if measured.len() == states.len() {
        out.push(ALL_MEASURED);
    } else {
        out.push(STATES);
        for run in states.chunk_by(|a, b| a == b) {
            out.push(run[0]);
            put_varint(out, run.len() as u64);
        }
    }
    put_ints(out, &measured, effort);
}

/// Where the columns of each layout stand.
#[derive(Debug)]
struct Places {
    columns: BTreeSet<Column>,
    // Nearly always one layout: looked through, not hashed.
    layouts: Vec<(u32, Vec<(Column, usize)>)>,
}

impl Places {
    fn of(heads: &[Head], registry: &Registry) -> Self {
        let mut places = Self { columns: BTreeSet::new(), layouts: Vec::new() };
        for run in heads.chunk_by(|a, b| a.layout == b.layout) {
            let number = run[0].layout;
            if places.layouts.iter().any(|(known, _)| *known == number) {
                continue;
            }
            let Some(layout) = registry.layout(number) else { continue };
            places.columns.extend(layout.iter());
            places.layouts.push((number, layout.iter().copied().zip(0..).collect()));
        }
        places
    }

    fn place(&self, layout: u32, column: Column) -> Option<usize> {
        let (_, columns) = self.layouts.iter().find(|(number, _)| *number == layout)?;
        columns.iter().find(|(known, _)| *known == column).map(|(_, place)| *place)
    }
}

/// A block whose checksum holds, not yet decoded.
#[derive(Debug)]
pub(super) struct Block<'a> {
    rows: usize,
    sections: [&'a [u8]; SECTIONS],
    columns: Vec<(Column, &'a [u8])>,
}

impl<'a> Block<'a> {
    /// Checks a block; `None` if it is not what [`encode`] once wrote under this key.
    pub(super) fn open(bytes: &'a [u8], key: i64) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        let (crc, body) = rest.split_first_chunk::<4>()?;
        let expected = match version {
            VERSION => crc32_with(&[key], body),
            VERSION_WITHOUT_KEY => crc32(body),
            _ => return None,
        };
        if expected != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut cursor = Cursor::new(body);
        let rows = usize::try_from(cursor.varint()?).ok().filter(|rows| *rows <= ROWS_MAX)?;
        let mut sections = [&[][..]; SECTIONS];
        for section in &mut sections {
            *section = cursor.bytes()?;
        }
        let count = cursor.varint()?;
        let mut directory = Vec::new();
        for _ in 0..count {
            let column = Column::try_from(cursor.varint()?).ok()?;
            directory.push((column, usize::try_from(cursor.varint()?).ok()?));
        }
        let mut columns = Vec::with_capacity(directory.len());
        for (column, len) in directory {
            columns.push((column, cursor.take(len)?));
        }
        cursor.is_at_end().then_some(Self { rows, sections, columns })
    }

    /// Returns how many rows the block has.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Returns the heads, in order of precedence; their values begin where they would in
    /// [`Block::rows`].
    pub(super) fn heads(&self, registry: &Registry) -> Option<Vec<Head>> {
        let [instants, lags, boots, seqs, nodes, packed] = self.sections;
        let numbers = |section| take_ints(&mut Cursor::new(section), self.rows);
        let (instants, lags) = (numbers(instants)?, numbers(lags)?);
        let (boots, seqs) = (numbers(boots)?, numbers(seqs)?);
        let (nodes, packed) = (numbers(nodes)?, numbers(packed)?);
        let mut heads = Vec::with_capacity(self.rows);
        let mut at = 0;
        for row in 0..self.rows {
            let instant = *instants.get(row)?;
            let layout = u32::try_from(packed.get(row)? >> 1).ok()?;
            heads.push(Head {
                instant,
                received: instant.wrapping_add(*lags.get(row)?),
                boot: u32::try_from(*boots.get(row)?).ok()?,
                seq: u32::try_from(*seqs.get(row)?).ok()?,
                node: u32::try_from(*nodes.get(row)?).ok()?,
                layout,
                clock: clock_of(packed.get(row)? & 1 == 1),
                at,
                fresh: false,
            });
            at += registry.layout(layout)?.len();
        }
        Some(heads)
    }

    /// Returns everything, and adds it to `rows`.
    pub(super) fn rows(&self, registry: &Registry, rows: &mut Rows) -> Option<()> {
        let heads = self.heads(registry)?;
        let places = Places::of(&heads, registry);
        let start = rows.values.len();
        let count = heads.last().map_or(0, |last| {
            last.at + registry.layout(last.layout).map_or(0, |layout| layout.len())
        });
        rows.values.resize(start + count, Value::Absent(Absence::Timeout));
        let mut entries = Vec::with_capacity(heads.len());
        for (column, bytes) in &self.columns {
            entries.clear();
            for run in heads.chunk_by(|a, b| a.layout == b.layout) {
                let Some(place) = places.place(run[0].layout, *column) else { continue };
                entries.extend(run.iter().map(|head| start + head.at + place));
            }
            for (entry, value) in entries.iter().zip(take_column(bytes, entries.len())?) {
                *rows.values.get_mut(*entry)? = value;
            }
        }
        rows.heads.extend(heads.into_iter().map(|head| Head { at: start + head.at, ..head }));
        Some(())
    }

    /// Returns the heads, each with the value of one column where it was measured.
    pub(super) fn pick(
        &self,
        column: Column,
        registry: &Registry,
    ) -> Option<Vec<(Head, Option<i64>)>> {
        let heads = self.heads(registry)?;
        let Some((_, bytes)) = self.columns.iter().find(|(known, _)| *known == column) else {
            return Some(heads.into_iter().map(|head| (head, None)).collect());
        };
        let places = Places::of(&heads, registry);
        let has = |head: &Head| places.place(head.layout, column).is_some();
        let count = heads.iter().filter(|head| has(head)).count();
        let mut values = take_column(bytes, count)?.into_iter();
        let picked = heads.into_iter().map(|head| {
            let value = if has(&head) { values.next() } else { None };
            match value {
                Some(Value::Measured(value)) => (head, Some(value)),
                Some(Value::Absent(_)) | None => (head, None),
            }
        });
        Some(picked.collect())
    }
}

fn take_column(bytes: &[u8], len: usize) -> Option<Vec<Value>> {
    let mut cursor = Cursor::new(bytes);
    match cursor.byte()? {
        ALL_MEASURED => {
            let measured = take_ints(&mut cursor, len)?;
            cursor.is_at_end().then(|| measured.into_iter().map(Value::Measured).collect())
        }
        STATES => {
            let mut states = Vec::with_capacity(len);
            while states.len() < len {
                let state = cursor.byte()?;
                let count = usize::try_from(cursor.varint()?).ok()?;
                if count == 0 || len - states.len() < count {
                    return None;
                }
                states.extend(std::iter::repeat_n(state, count));
            }
            let measured = states.iter().filter(|state| **state == MEASURED).count();
            let mut measured = take_ints(&mut cursor, measured)?.into_iter();
            let value = |state| match state {
                MEASURED => measured.next().map(Value::Measured),
                reason => Absence::from_id(reason).map(Value::Absent),
            };
            let values = states.into_iter().map(value).collect::<Option<Vec<_>>>()?;
            cursor.is_at_end().then_some(values)
        }
        _ => None,
    }
}
