//! What is held in memory: the newest row of each meter, and what no block has yet.
//!
//! Arrivals wait in *buffers*, one for each meter and UTC day, as the very bytes that
//! the intake log holds; a flush turns them into blocks. Meters are flushed in *slices*
//! of [`SLICE_METERS`]: one slice is one transaction, and remembers up to which row of
//! the intake log it is in blocks. So start-up reads exactly what is in none.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::months::{Month, Sealed};
use super::registry::{Column, Registry};
use super::row::{Head, Rows, identity, take_row};
use super::snapshot::{MeterState, Slice};
use super::{ChangedSpan, Changes, Mark};
use crate::store::codec::{Cursor, put_varint};

/// Meters in one transaction of a flush: at 10 quantities a quarter hour, a day of them
/// is a quarter of a million readings, some 30 ms.
pub(super) const SLICE_METERS: u32 = 256;

/// Changed spans that are known exactly; what lies further back, by whole days.
const RECENT_SPANS_MAX: usize = 65_536;

const SECONDS_A_DAY: i64 = 86_400;

/// A UTC day, counted from 1970-01-01. Blocks are of one such day.
pub(super) type Day = i32;

/// Returns the day of an instant. Instants that no gate lets through share the first or
/// the last day.
pub(super) fn day_of(instant: i64) -> Day {
    let day = instant.div_euclid(SECONDS_A_DAY);
    Day::try_from(day).unwrap_or(if day < 0 { Day::MIN } else { Day::MAX })
}

/// Returns the first second of a day.
pub(super) fn start_of(day: Day) -> i64 {
    i64::from(day) * SECONDS_A_DAY
}

/// Everything in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) registry: Arc<Registry>,
    /// The newest row of the intake log that is applied.
    pub(super) seq: i64,
    /// Bytes that buffers take, with what they keep ready and their own bookkeeping.
    pub(super) bytes: usize,
    /// Which months are sealed.
    pub(super) sealed: Arc<Sealed>,
    /// Which months' readings were given up.
    pub(super) given_up: Arc<BTreeSet<Month>>,
    slices: Vec<Slice>,
    recent: VecDeque<Recent>,
    recent_spans: usize,
    /// Changes up to this row of the intake log are known by whole days only.
    forgotten: i64,
}

/// Arrivals of one meter on one day that are in no block yet, in order of arrival.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) day: Day,
    /// The newest row of the intake log that is in it.
    pub(super) seq: i64,
    pub(super) rows: Vec<u8>,
}

#[derive(Debug)]
struct Recent {
    seq: i64,
    // Meter, first and last instant of what was new.
    spans: Vec<(u32, i64, i64)>,
}

impl Memory {
    /// Returns a memory with what snapshots say, before the intake log is read.
    pub(super) fn new(registry: Registry, seq: i64) -> Self {
        Self { registry: Arc::new(registry), seq, forgotten: seq, ..Self::default() }
    }

    pub(super) fn meter(&self, meter: u32) -> Option<&MeterState> {
        let states = self.slices.get(index(meter / SLICE_METERS))?.states();
        states.get(index(meter % SLICE_METERS)).filter(|state| !state.last.is_empty())
    }

    pub(super) fn meters(&self, range: Range<u32>) -> impl Iterator<Item = (u32, &MeterState)> {
        range.filter_map(|meter| Some((meter, self.meter(meter)?)))
    }

    pub(super) fn slice_count(&self) -> u32 {
        u32::try_from(self.registry.meter_count()).unwrap_or(u32::MAX).div_ceil(SLICE_METERS)
    }

    /// Returns up to which row of the intake log a slice is in blocks.
    pub(super) fn flushed(&self, slice: u32) -> i64 {
        self.slices.get(index(slice)).map_or(0, |slice| slice.flushed)
    }

    /// Returns whether a slice has anything in buffers of days `first..=last`.
    pub(super) fn has_buffers(&self, slice: u32, first: Day, last: Day) -> bool {
        let any = self.slices.get(index(slice)).is_some_and(|slice| 0 < slice.buffers);
        if !any || (first, last) == (Day::MIN, Day::MAX) {
            return any;
        }
        self.meters(meters_of(slice)).any(|(_, state)| state.buffered(first, last).next().is_some())
    }

    /// Returns the newest row of the intake log that nobody needs any more once `slice`
    /// is in blocks.
    pub(super) fn expendable_with(&self, slice: u32) -> i64 {
        (0..self.slice_count())
            .filter(|other| *other != slice && self.has_buffers(*other, Day::MIN, Day::MAX))
            .map(|other| self.flushed(other))
            .min()
            .unwrap_or(self.seq)
    }

    /// Takes in the rows of one batch as the intake log holds them. `None` if the bytes are
    /// not a batch; what came before the fault is taken in.
    pub(super) fn apply(&mut self, seq: i64, batch: &[u8]) -> Option<()> {
        let registry = Arc::clone(&self.registry);
        let mut rows = Vec::new();
        let mut cursor = Cursor::new(batch);
        let mut scratch = Rows::default();
        let mut take = || {
            let meter = u32::try_from(cursor.varint()?).ok()?;
            let row = take_row(&mut cursor)?;
            registry.meter_name(meter)?;
            scratch.heads.clear();
            scratch.values.clear();
            let head = scratch.push_row(row, &registry)?;
            let measured = measured(&scratch, &head, &registry);
            rows.push((meter, head, measured, row, true));
            Some(cursor.is_at_end())
        };
        let is_whole = batch.is_empty()
            || loop {
                match take() {
                    Some(false) => {}
                    Some(true) => break true,
                    None => break false,
                }
            };
        self.take_in(seq, rows.into_iter());
        is_whole.then_some(())
    }

    /// Takes in the rows of one batch, of each: its meter, its head, the bits of what was
    /// measured, its bytes, and whether it is not the repetition of another.
    pub(super) fn take_in<'a>(
        &mut self,
        seq: i64,
        rows: impl Iterator<Item = (u32, Head, u64, &'a [u8], bool)>,
    ) {
        let registry = Arc::clone(&self.registry);
        let mut spans: Vec<(u32, i64, i64)> = Vec::with_capacity(rows.size_hint().0);
        self.seq = self.seq.max(seq);
        for (meter, head, measured, row, is_new) in rows {
            if self.flushed(meter / SLICE_METERS) < seq {
                self.put(seq, meter, &head, measured, row, &registry);
                if is_new {
                    spans.push((meter, head.instant, head.instant));
                }
            }
        }
        self.remember(seq, spans);
    }

    fn put(
        &mut self,
        seq: i64,
        meter: u32,
        head: &Head,
        measured: u64,
        row: &[u8],
        registry: &Registry,
    ) {
        let slice = self.slice_mut(meter / SLICE_METERS);
        let mut buffers = slice.buffers;
        let state = state_mut(slice, meter);
        if state.last.is_empty() {
            state.first_instant = head.instant;
            state.last_instant = head.instant;
        }
        if state.last.is_empty() || supersedes(row, head, state, registry) {
            state.last.clear();
            state.last.extend_from_slice(row);
        }
        state.first_instant = state.first_instant.min(head.instant);
        state.last_instant = state.last_instant.max(head.instant);
        state.measured |= measured;
        let day = day_of(head.instant);
        let mut added = 0;
        let at = match state.buffers.binary_search_by_key(&day, |buffer| buffer.day) {
            Ok(at) => at,
            Err(at) => {
                // Between two flushes comes about as much as between the two before. Half of
                // it is made room for at once: all of it, and slices that were just flushed
                // would hold as much of the bound as those that are full.
                let is_newest = head.instant == state.last_instant;
                let rows = Vec::with_capacity(if is_newest { index(state.usual / 2) } else { 0 });
                added = size_of::<Buffer>() + rows.capacity();
                state.buffers.insert(at, Buffer { day, seq, rows });
                buffers += 1;
                at
            }
        };
        let buffer = &mut state.buffers[at];
        buffer.seq = buffer.seq.max(seq);
        let (before, ready) = (buffer.rows.len(), buffer.rows.capacity());
        // Doubling would waste half of what 100,000 meters need; by a quarter, copying is 4 % of
        // all that a reading costs.
        if buffer.rows.capacity() < before + row.len() + 2 {
            buffer.rows.reserve_exact(before / 2 + row.len() + 64);
        }
        put_varint(&mut buffer.rows, row.len() as u64);
        buffer.rows.extend_from_slice(row);
        added += buffer.rows.capacity() - ready;
        slice.buffers = buffers;
        self.bytes += added;
    }

    fn slice_mut(&mut self, slice: u32) -> &mut Slice {
        let at = index(slice);
        if self.slices.len() <= at {
            self.slices.resize_with(at + 1, Slice::default);
        }
        &mut self.slices[at]
    }

    /// Forgets a slice's buffers: they are in blocks, and on the disk.
    pub(super) fn flushed_slice(&mut self, slice: u32) {
        let seq = self.seq;
        let mut bytes = 0;
        let slice = self.slice_mut(slice);
        if 0 < slice.buffers {
            for state in slice.states_mut() {
                let longest = state.buffers.iter().map(|buffer| buffer.rows.len()).max();
                if let Some(longest) = longest {
                    state.usual = u32::try_from(longest).unwrap_or(0);
                }
                for buffer in state.buffers.drain(..) {
                    bytes += size_of::<Buffer>() + buffer.rows.capacity();
                }
                state.buffers.shrink_to_fit();
            }
        }
        (slice.buffers, slice.flushed) = (0, seq);
        self.bytes -= bytes;
    }

    fn remember(&mut self, seq: i64, mut spans: Vec<(u32, i64, i64)>) {
        if spans.is_empty() {
            return;
        }
        spans.sort_unstable();
        spans.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.min(next.1);
                kept.2 = kept.2.max(next.2);
            }
            same
        });
        self.recent_spans += spans.len();
        self.recent.push_back(Recent { seq, spans });
        while RECENT_SPANS_MAX < self.recent_spans
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_spans -= oldest.spans.len();
            self.forgotten = oldest.seq;
        }
    }

    /// Returns the meters that got something new since a mark, and where: exactly, or,
    /// if the mark lies too far back, every meter with all it has.
    pub(super) fn changes_since(&self, mark: Mark) -> Changes {
        let spans: Vec<(u32, i64, i64)> = if mark.0 < self.forgotten {
            let all = 0..u32::try_from(self.registry.meter_count()).unwrap_or(u32::MAX);
            let whole = |(meter, state): (u32, &MeterState)| {
                (meter, state.first_instant, state.last_instant)
            };
            self.meters(all).map(whole).collect()
        } else {
            let since = self.recent.partition_point(|recent| recent.seq <= mark.0);
            self.recent.range(since..).flat_map(|recent| &recent.spans).copied().collect()
        };
        Changes { mark: Mark(self.seq), spans: spans_by_name(spans, &self.registry) }
    }

    /// Puts a slice as it was stored.
    pub(super) fn restore_slice(&mut self, number: u32, slice: Slice) {
        *self.slice_mut(number) = slice;
    }

    /// Returns the snapshot of a slice: what [`Slice::restore`] takes.
    pub(super) fn snapshot(&self, slice: u32) -> Vec<u8> {
        let names = self.registry.meter_names(meters_of(slice));
        let nothing = Slice::default();
        self.slices.get(index(slice)).unwrap_or(&nothing).stored(names)
    }

    /// Returns the newest rows of all meters, slice by slice.
    pub(super) fn newest(&self) -> Vec<Arc<[u8]>> {
        self.slices.iter().map(Slice::newest).collect()
    }
}

impl MeterState {
    /// Returns the buffered rows within days `first..=last`, as bytes.
    pub(super) fn buffered(&self, first: Day, last: Day) -> impl Iterator<Item = &Buffer> {
        self.buffers.iter().filter(move |buffer| first <= buffer.day && buffer.day <= last)
    }
}

fn state_mut(slice: &mut Slice, meter: u32) -> &mut MeterState {
    let states = slice.states_mut();
    let at = index(meter % SLICE_METERS);
    if states.len() <= at {
        states.resize_with(at + 1, MeterState::default);
    }
    &mut states[at]
}

/// Returns the meters of a slice.
pub(super) fn meters_of(slice: u32) -> Range<u32> {
    let first = slice.saturating_mul(SLICE_METERS);
    first..first.saturating_add(SLICE_METERS)
}

/// Adds the changed spans of one meter up; the result is in order of name.
fn spans_by_name(spans: Vec<(u32, i64, i64)>, registry: &Registry) -> Vec<ChangedSpan> {
    let mut spans: Vec<ChangedSpan> = spans
        .into_iter()
        .filter_map(|(meter, first, last)| {
            Some(ChangedSpan { meter: registry.meter_name(meter)?, first, last })
        })
        .collect();
    spans.sort_unstable_by_key(|span| (span.meter, span.first));
    spans.dedup_by(|next, kept| {
        let same = next.meter == kept.meter;
        if same {
            kept.first = kept.first.min(next.first);
            kept.last = kept.last.max(next.last);
        }
        same
    });
    spans
}

/// Whether a row takes the place of the newest one.
fn supersedes(row: &[u8], head: &Head, state: &MeterState, registry: &Registry) -> bool {
    if head.instant != state.last_instant {
        return state.last_instant < head.instant;
    }
    if identity(row) == identity(&state.last) {
        // The same pack again may have come earlier; then its receipt is the one to keep.
        let received = Rows::default().push_row(&state.last, registry).map(|last| last.received);
        return received.is_none_or(|received| head.received < received);
    }
    let mut both = Rows::default();
    both.push_row(&state.last, registry);
    let challenger = both.push_row(row, registry);
    both.unite(registry);
    both.heads.last() == challenger.as_ref()
}

/// Returns the bits of what a row measured.
pub(super) fn measured(rows: &Rows, head: &Head, registry: &Registry) -> u64 {
    let Some(layout) = registry.layout(head.layout) else { return 0 };
    let values = rows.values_of(head, registry);
    layout.iter().zip(values).fold(0, |seen, (column, value)| match value {
        wire::Value::Measured(_) => seen | bit_of(*column),
        wire::Value::Absent(_) => seen,
    })
}

/// Returns the bit of a column's quantity in [`MeterState::measured`].
pub(super) fn bit_of(column: Column) -> u64 {
    let [id, _] = column.to_le_bytes();
    1 << (id % 64)
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
