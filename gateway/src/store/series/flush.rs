//! From buffers to day blocks: one slice of meters in one transaction.
//!
//! The transaction merges the buffered packs into the blocks of their days, sums the
//! days up again, writes the slice's snapshot with the row of the intake log it has
//! come to, and shortens the log. Buffers are emptied while the commit is made, with
//! readers kept out, so that nobody sees a pack in neither place. A power cut leaves
//! the slice before or after; start-up reads the rest from the log.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::Ordering;

use rusqlite::{Transaction, params};

use super::Engine;
use super::block::encode;
use super::ints::Effort;
use super::memory::{Buffer, Day, Memory, day_of, meters_of};
use super::months::Month;
use super::rollup::{StoredDay, add_again};
use super::row::Rows;
use super::snapshot::FORM;
use super::stored::{Stored, id_of, readable_rollup};
use crate::store::codec::crc32_with;
use crate::store::error::{During, StoreError};

const DURING: &str = "write day blocks";

/// What a buffered pack and its share of the bookkeeping take: about what a day at a
/// quarter hour adds to a meter between two flushes of 100,000 meters.
const BUFFER_BYTES_A_METER: usize = 1_300;
// 2,000 meters each minute: with 24 MiB the gateway takes 107 MiB instead of 99; of quarter hours
// the store writes 1.5 % less.
const BUFFER_BYTES_MIN: usize = 16 * 1024 * 1024;
const BUFFER_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A day is flushed once it has been over for this long, whatever its size.
const DAY_GRACE_S: i64 = 3_600;

impl Engine {
    /// Flushes as much as keeps the buffers within their bound, as a part of recording:
    /// one slice now and then, so that no single batch waits for all.
    pub(super) fn relieve(&self) {
        loop {
            let (bytes, limit, slices) = self.buffered();
            if bytes <= limit || slices == 0 {
                return;
            }
            let slice = self.next_slice.fetch_add(1, Ordering::Relaxed) % slices;
            // The batch is stored already. What cannot be flushed stays in the buffers
            // and in the log, and the next batch tries again, or meets the same fault.
            if self.flush_slice(slice).is_err() || bytes <= limit + limit / 4 {
                return;
            }
        }
    }

    /// Returns the bytes in buffers, their bound, and how many slices there are.
    fn buffered(&self) -> (usize, usize, u32) {
        let memory = self.memory();
        let meters = memory.registry.meter_count();
        let usual = (meters * BUFFER_BYTES_A_METER).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
        (memory.bytes, self.buffer_bytes.unwrap_or(usual), memory.slice_count())
    }

    /// Makes room for a batch, before it is recorded, where flushing has not kept up.
    ///
    /// Usually there is room: [`Engine::relieve`] makes it after each batch. Where flushes
    /// fail and commits do not, memory would fill: from twice the bound on a batch is
    /// refused with what the flush met.
    pub(super) fn must_have_room(&self) -> Result<(), StoreError> {
        let (mut bytes, limit, slices) = self.buffered();
        for _ in 0..slices {
            if bytes <= limit.saturating_mul(2) {
                break;
            }
            let slice = self.next_slice.fetch_add(1, Ordering::Relaxed) % slices;
            self.flush_slice(slice)?;
            bytes = self.buffered().0;
        }
        Ok(())
    }

    /// Flushes every slice that has packs of days that are over.
    pub(super) fn flush_days_before(&self, now: i64) -> Result<(), StoreError> {
        self.flush_days(Day::MIN, day_of(now.saturating_sub(DAY_GRACE_S)).saturating_sub(1))
    }

    /// Flushes every slice that has packs of days `first..=last`.
    pub(super) fn flush_days(&self, first: Day, last: Day) -> Result<(), StoreError> {
        let slices = self.memory().slice_count();
        for slice in 0..slices {
            let due = self.memory().has_buffers(slice, first, last);
            if due {
                self.flush_slice(slice)?;
            }
        }
        Ok(())
    }

    /// Writes a slice's buffers into blocks.
    pub(super) fn flush_slice(&self, slice: u32) -> Result<(), StoreError> {
        self.database.write_then(
            DURING,
            |tx| {
                let memory = self.memory();
                let registry = &memory.registry;
                let stored = Stored { tx, memory: &memory, registry, months: &self.months };
                let mut rows = Rows::default();
                let mut begun = BTreeMap::new();
                for (meter, state) in memory.meters(meters_of(slice)) {
                    for buffer in &state.buffers {
                        let begun = match begun.entry(buffer.day) {
                            Entry::Occupied(known) => *known.get(),
                            Entry::Vacant(day) => *day.insert(is_begun(tx, slice, buffer.day)?),
                        };
                        flush_day(&stored, meter, (buffer, begun), &mut rows)?;
                    }
                }
                write_snapshot(tx, &memory, slice)?;
                shorten_log(tx, &memory, slice)?;
                drop(memory);
                // From here to the end of the commit readers wait.
                Ok(self.memory_mut())
            },
            |mut memory| memory.flushed_slice(slice),
        )
    }
}

/// Returns whether anything is written of a slice's day. Mostly nothing is, and then nothing
/// need be looked for meter by meter.
fn is_begun(tx: &Transaction<'_>, slice: u32, day: Day) -> Result<bool, StoreError> {
    let meters = meters_of(slice);
    tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM block WHERE ?1 <= id AND id < ?2)
             OR EXISTS (SELECT 1 FROM rollup WHERE ?1 <= id AND id < ?2)",
    )
    .during(DURING)?
    .query_row(params![id_of(day, meters.start), id_of(day, meters.end)], |row| row.get(0))
    .during(DURING)
}

/// Writes a day of a meter, of which something may be there if it is `begun`; `rows` is room
/// to work in.
fn flush_day(
    stored: &Stored<'_>,
    meter: u32,
    (buffer, begun): (&Buffer, bool),
    rows: &mut Rows,
) -> Result<(), StoreError> {
    let day = buffer.day;
    let Stored { tx, registry, .. } = stored;
    let before = |rows: &mut Rows| match begun {
        true => stored.unsealed(meter, day, rows),
        false => {
            rows.clear();
            stored.push_buffered(meter, day, rows);
            Ok(())
        }
    };
    match before(rows) {
        Err(StoreError::Corrupt { .. }) => {
            // What arrives must not wait for a repair. The damaged block stays as it
            // is, out of the way, for whoever restores it.
            stored.set_block_aside(id_of(day, meter))?;
            before(rows)?;
        }
        outcome => outcome?,
    }
    let id = id_of(day, meter);
    let is_given_up = Month::of(day).is_some_and(|it| stored.memory.given_up.contains(&it));
    let sealed = if stored.has_sealed(day) {
        let mut whole = rows.clone();
        // A sealed month that cannot be read keeps the sums it had.
        let is_whole = stored.push_sealed(meter, day, &mut whole).is_ok();
        let again = whole.unite(registry);
        Some((whole, again, is_whole))
    } else {
        None
    };
    let again = rows.unite(registry);
    let (whole, mut again, is_whole) = match &sealed {
        Some((whole, again, is_whole)) => (whole, again.clone(), *is_whole),
        None => (&*rows, again, true),
    };
    if is_given_up {
        // What comes after a month was given up goes the same way; its sums, which were
        // made of all there was, stay. A day that had none gets them.
        if !begun || readable_rollup(tx, id)?.is_none() {
            write_rollup(tx, id, &StoredDay::of(whole, again, registry))?;
        }
        return Ok(());
    }
    tx.prepare_cached(
        "INSERT INTO block (id, seq, data) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE
         SET seq = max(seq, excluded.seq), data = excluded.data",
    )
    .during(DURING)?
    .execute(params![
        id,
        buffer.seq,
        encode(&rows.heads, &rows.values, registry, Effort::Quick, id)
    ])
    .during(DURING)?;
    if !is_whole {
        return Ok(());
    }
    if begun && let Some(before) = readable_rollup(tx, id)? {
        again = add_again(again, &before.again);
    }
    write_rollup(tx, id, &StoredDay::of(whole, again, registry))
}

fn write_rollup(tx: &Transaction<'_>, id: i64, day: &StoredDay) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR REPLACE INTO rollup (id, data) VALUES (?1, ?2)")
        .during(DURING)?
        .execute(params![id, day.encode(id)])
        .during(DURING)?;
    Ok(())
}

fn write_snapshot(tx: &Transaction<'_>, memory: &Memory, slice: u32) -> Result<(), StoreError> {
    let data = memory.snapshot(slice);
    tx.prepare_cached(
        "INSERT OR REPLACE INTO snapshot (slice, seq, crc, form, data)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .during(DURING)?
    .execute(params![
        slice,
        memory.seq,
        crc32_with(&[slice.into(), memory.seq, FORM], &data),
        FORM,
        data
    ])
    .during(DURING)?;
    Ok(())
}

/// Removes from the intake log what will be in blocks with this slice.
fn shorten_log(tx: &Transaction<'_>, memory: &Memory, slice: u32) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM intake WHERE seq <= ?1")
        .during(DURING)?
        .execute(params![memory.expendable_with(slice)])
        .during(DURING)?;
    Ok(())
}
