//! Many packs of one meter as one block: one time column, one column for each quantity.
//!
//! ```text
//! version (3)
//! CRC-32 of the block's key (8 bytes, lowest first) and all that follows, 4 bytes
//! number of rows
//! sections, each with its length before it:
//!     instants, received - instant, boots, seqs, nodes, layouts << 1 | clock
//! number of columns, then for each: its quantity, its length
//! columns: 0 | 1 (state count)… | 2 lead   then the measured values, or what is left of them
//! ```
//!
//! Numbers are varints, sections and values are columns of [`super::ints`]. A state is 0
//! for measured or the number of a reason; without states all are measured. A column has
//! an entry for each row whose layout has it. A quantity decodes without the others, but
//! for those that lead it ([`super::led`]).
//!
//! SQLite's pages carry no checksum, so the block does, and the key with it: a bit that
//! flipped in a key must not give one meter's day to another. Version 2 knows no led columns
//! and no numbers that hold for a while; version 1 also leaves the key out of its checksum.
//! A version is read for ever; golden files hold each.

use std::collections::BTreeSet;

use wire::{Absence, Value};

use super::ints::{Effort, Ints, take_ints};
use super::led::{Known, Lead};
use super::registry::{Column, Registry};
use super::row::{Head, Rows, clock_bit, clock_of};
use crate::store::codec::{Cursor, crc32, crc32_with, put_varint};

const VERSION: u8 = 3;
const VERSION_WITHOUT_LEADS: u8 = 2;
const VERSION_WITHOUT_KEY: u8 = 1;
const SECTIONS: usize = 6;
const ALL_MEASURED: u8 = 0;
const STATES: u8 = 1;
const LED: u8 = 2;
const MEASURED: u8 = 0;

/// With fewer rows, what leads a column takes as much room as it saves.
const LED_ROWS_MIN: usize = 64;

/// Columns that room is made for at once.
const COLUMNS_USUAL: usize = 32;

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
    let mut ints = Ints::default();
    let mut section = |body: &mut Vec<u8>, number: fn(&Head) -> i64| {
        numbers.clear();
        numbers.extend(heads.iter().map(number));
        bytes.clear();
        ints.put(&mut bytes, &numbers, effort);
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
    let mut columns = Columns { ints, ..Columns::default() };
    put_varint(&mut body, places.columns.len() as u64);
    for (place, &column) in places.columns.iter().enumerate() {
        let before = columns.bytes.len();
        columns.take(heads, values, &places, column);
        columns.put(place, column, heads.len(), effort);
        put_varint(&mut body, column.into());
        put_varint(&mut body, (columns.bytes.len() - before) as u64);
    }
    body.extend_from_slice(&columns.bytes);

    let mut block = Vec::with_capacity(5 + body.len());
    block.push(VERSION);
    block.extend_from_slice(&crc32_with(&[key], &body).to_le_bytes());
    block.extend_from_slice(&body);
    block
}

/// Columns as bytes, and room to work in.
#[derive(Default)]
struct Columns {
    bytes: Vec<u8>,
    ints: Ints,
    /// Empty if all were measured.
    states: Vec<u8>,
    measured: Vec<i64>,
    /// Those that may lead what comes after them.
    known: Vec<Known>,
}

impl Columns {
    /// Takes one column out of the rows.
    fn take(&mut self, heads: &[Head], values: &[Value], places: &Places, column: Column) {
        let Self { states, measured, .. } = self;
        states.clear();
        measured.clear();
        measured.reserve(heads.len());
        let mut count = 0;
        for run in heads.chunk_by(|a, b| a.layout == b.layout) {
            let Some(place) = places.place(run[0].layout, column) else { continue };
            count += run.len();
            measured.extend(run.iter().filter_map(|head| match values.get(head.at + place) {
                Some(&Value::Measured(value)) => Some(value),
                Some(Value::Absent(_)) | None => None,
            }));
        }
        if measured.len() == count {
            return;
        }
        measured.clear();
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
    }

    /// Appends the column that was taken.
    fn put(&mut self, place: usize, column: Column, rows: usize, effort: Effort) {
        let Self { bytes, ints, states, measured, known } = self;
        if measured.len() < states.len() {
            bytes.push(STATES);
            for run in states.chunk_by(|a, b| a == b) {
                bytes.push(run[0]);
                put_varint(bytes, run.len() as u64);
            }
            ints.put(bytes, measured, effort);
            return;
        }
        if effort == Effort::Quick || rows < LED_ROWS_MIN || measured.len() < rows {
            bytes.push(ALL_MEASURED);
            ints.put(bytes, measured, effort);
            return;
        }
        let own = Known { place, column, numbers: std::mem::take(measured) };
        let numbers = |place: usize| {
            known.iter().find(|it| it.place == place).map(|it| it.numbers.as_slice())
        };
        let lead = Lead::of(&own, known);
        match lead.and_then(|lead| Some((lead, numbers(lead.lead)?))) {
            Some((lead, leads)) => {
                bytes.push(LED);
                lead.put(bytes);
                let divisors = lead.divisor.and_then(numbers);
                ints.put(bytes, &lead.left(&own.numbers, leads, divisors), effort);
            }
            None => {
                bytes.push(ALL_MEASURED);
                ints.put(bytes, &own.numbers, effort);
            }
        }
        known.push(own);
    }
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
            VERSION | VERSION_WITHOUT_LEADS => crc32_with(&[key], body),
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
        // The directory is walked twice: where the columns begin is known at its end.
        let mut directory = cursor.clone();
        for _ in 0..count {
            cursor.varint()?;
            cursor.varint()?;
        }
        let mut columns = Vec::with_capacity(usize::try_from(count).ok()?.min(COLUMNS_USUAL));
        for _ in 0..count {
            let column = Column::try_from(directory.varint()?).ok()?;
            let len = usize::try_from(directory.varint()?).ok()?;
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
        let mut kept = self.nothing_kept();
        for (at, (column, _)) in self.columns.iter().enumerate() {
            entries.clear();
            for run in heads.chunk_by(|a, b| a.layout == b.layout) {
                let Some(place) = places.place(run[0].layout, *column) else { continue };
                entries.extend(run.iter().map(|head| start + head.at + place));
            }
            match self.take(at, entries.len(), &mut kept)? {
                Taken::Measured(numbers) => {
                    for (entry, number) in entries.iter().zip(&numbers) {
                        *rows.values.get_mut(*entry)? = Value::Measured(*number);
                    }
                    if let Some(kept) = kept.get_mut(at) {
                        *kept = Some(numbers);
                    }
                }
                Taken::Mixed(values) => {
                    for (entry, value) in entries.iter().zip(values) {
                        *rows.values.get_mut(*entry)? = value;
                    }
                }
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
        let Some(at) = self.columns.iter().position(|(known, _)| *known == column) else {
            return Some(heads.into_iter().map(|head| (head, None)).collect());
        };
        let places = Places::of(&heads, registry);
        let has = |head: &Head| places.place(head.layout, column).is_some();
        let count = heads.iter().filter(|head| has(head)).count();
        let mut values = match self.take(at, count, &mut self.nothing_kept())? {
            Taken::Measured(numbers) if count == heads.len() => {
                return Some(heads.into_iter().zip(numbers.into_iter().map(Some)).collect());
            }
            Taken::Measured(numbers) => numbers.into_iter().map(Value::Measured).collect(),
            Taken::Mixed(values) => values,
        }
        .into_iter();
        let picked = heads.into_iter().map(|head| {
            let value = if has(&head) { values.next() } else { None };
            match value {
                Some(Value::Measured(value)) => (head, Some(value)),
                Some(Value::Absent(_)) | None => (head, None),
            }
        });
        Some(picked.collect())
    }

    /// Returns room for the columns that lead others; none where none does.
    fn nothing_kept(&self) -> Kept {
        let is_led = |(_, bytes): &(Column, &[u8])| bytes.first() == Some(&LED);
        let room = if self.columns.iter().any(is_led) { self.columns.len() } else { 0 };
        vec![None; room]
    }

    /// Decodes the column at a place, which has so many entries.
    fn take(&self, at: usize, len: usize, kept: &mut Kept) -> Option<Taken> {
        let (_, bytes) = self.columns.get(at)?;
        let mut cursor = Cursor::new(bytes);
        match cursor.byte()? {
            ALL_MEASURED => {
                let numbers = take_ints(&mut cursor, len)?;
                cursor.is_at_end().then_some(Taken::Measured(numbers))
            }
            STATES => take_states(&mut cursor, len).map(Taken::Mixed),
            LED if len == self.rows => {
                let lead = Lead::take(&mut cursor, at)?;
                let mut numbers = take_ints(&mut cursor, len)?;
                self.keep(lead.lead, kept)?;
                let divisors = match lead.divisor {
                    Some(place) => {
                        self.keep(place, kept)?;
                        Some(kept.get(place)?.as_deref()?)
                    }
                    None => None,
                };
                lead.restore(&mut numbers, kept.get(lead.lead)?.as_deref()?, divisors);
                cursor.is_at_end().then_some(Taken::Measured(numbers))
            }
            _ => None,
        }
    }

    /// Decodes a column that leads another, if it is not there yet. It stands before that
    /// one, so this ends.
    fn keep(&self, at: usize, kept: &mut Kept) -> Option<()> {
        if kept.get(at)?.is_none() {
            let Taken::Measured(numbers) = self.take(at, self.rows, kept)? else { return None };
            *kept.get_mut(at)? = Some(numbers);
        }
        Some(())
    }
}

/// The numbers of columns that each row has, by place, as far as they were asked for.
type Kept = Vec<Option<Vec<i64>>>;

/// A column, decoded.
enum Taken {
    /// All of it was measured.
    Measured(Vec<i64>),
    /// Anything.
    Mixed(Vec<Value>),
}

/// Takes a column that was not measured each time.
fn take_states(cursor: &mut Cursor<'_>, len: usize) -> Option<Vec<Value>> {
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
    let mut measured = take_ints(cursor, measured)?.into_iter();
    let value = |state| match state {
        MEASURED => measured.next().map(Value::Measured),
        reason => Absence::from_id(reason).map(Value::Absent),
    };
    let values = states.into_iter().map(value).collect::<Option<Vec<_>>>()?;
    cursor.is_at_end().then_some(values)
}
