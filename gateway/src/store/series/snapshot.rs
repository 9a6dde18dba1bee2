//! What is known of each meter without asking the disk, a slice of meters at a time.
//!
//! A start gets each slice as bytes, as the last flush left it, and takes it apart when it
//! is first asked for one of its meters: of 100,000 meters that takes longer than all the
//! rest of a start, and the newest readings of all are told without.
//!
//! ```text
//! form 2: number of names, then each with its length before it, in order of the meters
//! form 1 has none; both go on with, for each meter that has packs:
//!     meter % SLICE_METERS   first instant   last instant   measured
//!     length and bytes of its newest row, as `row` has them
//! ```
//!
//! All are varints. The names are those of the table `meter`: as rows of it, with the
//! comparison that must find a flipped bit, they took most of a start.

use std::sync::{Arc, OnceLock};

use wire::Name;

use super::memory::{Buffer, SLICE_METERS};
use super::read::unnamed;
use super::registry::Registry;
use super::row::{Rows, take_row};
use super::{Arrival, Engine};
use crate::store::codec::{Cursor, put_signed, put_varint};
use crate::store::error::StoreError;

/// The form that is written today.
pub(super) const FORM: i64 = 2;

/// What is known of one meter without asking the disk.
#[derive(Debug, Default)]
pub(super) struct MeterState {
    /// The newest row, as bytes; empty if there is none.
    pub(super) last: Vec<u8>,
    pub(super) first_instant: i64,
    pub(super) last_instant: i64,
    /// Bit n is set if quantity n was ever measured.
    pub(super) measured: u64,
    pub(super) buffers: Vec<Buffer>,
    /// Bytes of rows that the longest of its buffers had when it was last flushed.
    pub(super) usual: u32,
}

/// What is known of the meters of one slice.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// Up to which row of the intake log it is in blocks.
    pub(super) flushed: i64,
    /// How many buffers its meters have.
    pub(super) buffers: usize,
    packed: Option<Packed>,
    states: Vec<MeterState>,
}

/// A slice as a flush left it.
#[derive(Debug)]
struct Packed {
    bytes: Arc<[u8]>,
    states: OnceLock<Vec<MeterState>>,
}

/// A slice as it was stored: the names of its meters, as far as they were written with it,
/// and the slice.
pub(super) type Restored = (Vec<Name>, Slice);

impl Slice {
    /// Takes what was stored of a slice; `None` if it is not what was once written.
    pub(super) fn restore(form: i64, flushed: i64, bytes: &[u8]) -> Option<Restored> {
        let mut cursor = Cursor::new(bytes);
        let mut names = Vec::new();
        match form {
            1 => {}
            FORM => {
                let count = usize::try_from(cursor.varint()?).ok()?;
                let count = Some(count).filter(|count| *count <= at(SLICE_METERS))?;
                names.reserve_exact(count);
                for _ in 0..count {
                    names.push(Name::from_bytes(cursor.bytes()?).ok()?);
                }
            }
            _ => return None,
        }
        Some((names, Self::restore_entries(flushed, cursor.rest())?))
    }

    /// Takes what [`put_entry`] wrote; `None` if it is not that.
    pub(super) fn restore_entries(flushed: i64, bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        while !cursor.is_at_end() {
            Entry::take(&mut cursor)?;
        }
        let packed = Packed { bytes: Arc::from(bytes), states: OnceLock::new() };
        Some(Self { flushed, packed: Some(packed), ..Self::default() })
    }

    /// Returns the states of its meters, those without packs empty.
    pub(super) fn states(&self) -> &[MeterState] {
        match &self.packed {
            Some(packed) => packed.states(),
            None => &self.states,
        }
    }

    /// Returns the same, to be changed.
    pub(super) fn states_mut(&mut self) -> &mut Vec<MeterState> {
        if let Some(packed) = self.packed.take() {
            self.states = packed.states.into_inner().unwrap_or_else(|| unpack(&packed.bytes));
        }
        &mut self.states
    }

    /// Returns its meters with their newest rows, as bytes: what [`each_newest`] takes.
    pub(super) fn newest(&self) -> Arc<[u8]> {
        match &self.packed {
            Some(packed) => Arc::clone(&packed.bytes),
            None => {
                let mut out = Vec::new();
                self.put_states(&mut out);
                Arc::from(out)
            }
        }
    }

    /// Returns what [`Slice::restore`] takes, in today's form.
    pub(super) fn stored(&self, names: &[Name]) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, names.len() as u64);
        for name in names {
            let name = name.as_str().as_bytes();
            put_varint(&mut out, name.len() as u64);
            out.extend_from_slice(name);
        }
        self.put_states(&mut out);
        out
    }

    fn put_states(&self, out: &mut Vec<u8>) {
        for (offset, state) in self.states().iter().enumerate() {
            if state.last.is_empty() {
                continue;
            }
            let offset = u32::try_from(offset).unwrap_or(SLICE_METERS);
            let span = (state.first_instant, state.last_instant);
            put_entry(out, offset, span, state.measured, &state.last);
        }
    }
}

/// Appends what a slice says of one meter: its place in the slice, its first and last
/// instant, the bits of what it measured, its newest row.
pub(super) fn put_entry(
    out: &mut Vec<u8>,
    offset: u32,
    (first, last): (i64, i64),
    measured: u64,
    row: &[u8],
) {
    put_varint(out, offset.into());
    put_signed(out, first);
    put_signed(out, last);
    put_varint(out, measured);
    put_varint(out, row.len() as u64);
    out.extend_from_slice(row);
}

impl Packed {
    fn states(&self) -> &[MeterState] {
        self.states.get_or_init(|| unpack(&self.bytes))
    }
}

/// One meter of a slice, as bytes have it.
struct Entry<'a> {
    offset: u32,
    first_instant: i64,
    last_instant: i64,
    measured: u64,
    row: &'a [u8],
}

impl<'a> Entry<'a> {
    fn take(cursor: &mut Cursor<'a>) -> Option<Self> {
        Some(Self {
            offset: u32::try_from(cursor.varint()?).ok().filter(|it| *it < SLICE_METERS)?,
            first_instant: cursor.signed()?,
            last_instant: cursor.signed()?,
            measured: cursor.varint()?,
            row: take_row(cursor)?,
        })
    }
}

fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut cursor = Cursor::new(bytes);
    std::iter::from_fn(move || Entry::take(&mut cursor))
}

/// Takes a slice apart. That every entry is one was looked at when it was restored.
fn unpack(bytes: &[u8]) -> Vec<MeterState> {
    let mut states = Vec::new();
    for entry in entries(bytes) {
        let place = at(entry.offset);
        if states.len() <= place {
            states.resize_with(place + 1, MeterState::default);
        }
        if let Some(state) = states.get_mut(place) {
            *state = MeterState {
                last: entry.row.to_vec(),
                first_instant: entry.first_instant,
                last_instant: entry.last_instant,
                measured: entry.measured,
                buffers: Vec::new(),
                usual: 0,
            };
        }
    }
    states
}

impl Engine {
    pub(super) fn last(&self, meter: &Name) -> Result<Option<Arrival>, StoreError> {
        let memory = self.memory();
        let Some(number) = memory.registry.meter(meter) else { return Ok(None) };
        memory
            .meter(number)
            .map(|state| last_arrival(&state.last, *meter, &memory.registry))
            .transpose()
    }

    pub(super) fn each_last(&self, mut each: impl FnMut(&Arrival)) -> Result<(), StoreError> {
        let (registry, slices) = {
            let memory = self.memory();
            (Arc::clone(&memory.registry), memory.newest())
        };
        let mut rows = Rows::default();
        let mut arrival: Option<Arrival> = None;
        for (slice, bytes) in (0..).zip(&slices) {
            each_newest(slice, bytes, |meter, row| {
                let Some(name) = registry.meter_name(meter) else { return Ok(()) };
                rows.heads.clear();
                rows.values.clear();
                let head = rows.push_row(row, &registry).ok_or_else(|| unnamed(&name))?;
                let told = match &mut arrival {
                    Some(arrival) => rows.replace(arrival, &head, name, &registry),
                    None => {
                        arrival = rows.arrival(&head, name, &registry);
                        arrival.as_ref().map(|_| ())
                    }
                };
                told.ok_or_else(|| unnamed(&name))?;
                arrival.iter().for_each(&mut each);
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn last_arrival(row: &[u8], meter: Name, registry: &Registry) -> Result<Arrival, StoreError> {
    let mut rows = Rows::default();
    rows.push_row(row, registry)
        .and_then(|head| rows.arrival(&head, meter, registry))
        .ok_or_else(|| unnamed(&meter))
}

/// Runs `each` on the meters of a slice and their newest rows, of [`Slice::newest`].
fn each_newest<E>(
    slice: u32,
    bytes: &[u8],
    mut each: impl FnMut(u32, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    for entry in entries(bytes) {
        each(slice.saturating_mul(SLICE_METERS).saturating_add(entry.offset), entry.row)?;
    }
    Ok(())
}

fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
