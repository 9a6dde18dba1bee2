//! From buffers to day blocks: one slice of meters in one transaction.
//!
//! The transaction merges the buffered packs into the blocks of their days, sums the
//! days up again, writes the slice's snapshot with the row of the intake log it has
//! come to, and shortens the log. Buffers are emptied while the commit is made, with
//! readers kept out, so that nobody sees a pack in neither place. A power cut leaves
//! the slice before or after; start-up reads the rest from the log.

use std::sync::atomic::Ordering;

use rusqlite::{OptionalExtension, Transaction, params};

use super::Engine;
use super::block::{Block, encode};
use super::ints::Effort;
use super::memory::{Day, Memory, day_of, meters_of, start_of};
use super::registry::Registry;
use super::rollup::{StoredDay, add_again};
use super::row::{Rows, take_row};
use crate::store::codec::{Cursor, crc32};
use crate::store::error::{During, StoreError};

const DURING: &str = "write day blocks";

/// What a buffered pack and its share of the bookkeeping take: about what a day at a
/// quarter hour adds to a meter between two flushes of 100,000 meters.
const BUFFER_BYTES_A_METER: usize = 1_300;
const BUFFER_BYTES_MIN: usize = 24 * 1024 * 1024;
const BUFFER_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A day is flushed once it has been over for this long, whatever its size.
const DAY_GRACE_S: i64 = 3_600;

impl Engine {
    /// Flushes as much as keeps the buffers within their bound, as a part of recording:
    /// one slice now and then, so that no single batch waits for all.
    pub(super) fn relieve(&self) {
        loop {
            let (bytes, limit, slices) = {
                let memory = self.memory();
                let meters = memory.registry.meter_count();
                let usual =
                    (meters * BUFFER_BYTES_A_METER).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
                (memory.bytes, self.buffer_bytes.unwrap_or(usual), memory.slice_count())
            };
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

    /// Flushes every slice that has packs of days that are over.
    pub(super) fn flush_days_before(&self, now: i64) -> Result<(), StoreError> {
        let today = day_of(now.saturating_sub(DAY_GRACE_S));
        let slices = self.memory().slice_count();
        for slice in 0..slices {
            let due = self.memory().has_buffers(slice, today);
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
                for (meter, state) in memory.meters(meters_of(slice)) {
                    for buffer in &state.buffers {
                        flush_day(tx, &memory, meter, buffer.day)?;
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

fn flush_day(
    tx: &Transaction<'_>,
    memory: &Memory,
    meter: u32,
    day: Day,
) -> Result<(), StoreError> {
    let registry = &memory.registry;
    let mut rows = match day_rows(tx, memory, registry, meter, day) {
        Err(StoreError::Corrupt { .. }) => {
            // What arrives must not wait for a repair. The damaged block stays as it
            // is, out of the way, for whoever restores it.
            set_block_aside(tx, id_of(day, meter))?;
            day_rows(tx, memory, registry, meter, day)?
        }
        rows => rows?,
    };
    let mut again = rows.unite(registry);
    let id = id_of(day, meter);
    if let Some(before) = readable_rollup(tx, id)? {
        again = add_again(again, &before.again);
    }
    tx.prepare_cached("INSERT OR REPLACE INTO block (id, data) VALUES (?1, ?2)")
        .during(DURING)?
        .execute(params![id, encode(&rows, registry, Effort::Quick)])
        .during(DURING)?;
    tx.prepare_cached("INSERT OR REPLACE INTO rollup (id, data) VALUES (?1, ?2)")
        .during(DURING)?
        .execute(params![id, StoredDay::of(&rows, again, registry).encode()])
        .during(DURING)?;
    Ok(())
}

/// Returns everything there is of a meter's day: one row for each arrival that is still
/// in the buffers, one for each pack in blocks. Not united yet.
pub(super) fn day_rows(
    tx: &Transaction<'_>,
    memory: &Memory,
    registry: &Registry,
    meter: u32,
    day: Day,
) -> Result<Rows, StoreError> {
    let mut rows = Rows::default();
    let id = id_of(day, meter);
    if let Some(bytes) = read_block(tx, id)? {
        Block::open(&bytes)
            .and_then(|block| block.rows(registry, &mut rows))
            .ok_or_else(|| damaged_block(registry, id))?;
    }
    push_buffered(&mut rows, memory, registry, meter, day);
    Ok(rows)
}

/// Adds what of a meter's day is in buffers.
pub(super) fn push_buffered(
    rows: &mut Rows,
    memory: &Memory,
    registry: &Registry,
    meter: u32,
    day: Day,
) {
    let Some(state) = memory.meter(meter) else { return };
    for buffer in state.buffered(day, day) {
        push_buffer(rows, &buffer.rows, registry);
    }
}

fn set_block_aside(tx: &Transaction<'_>, id: i64) -> Result<(), StoreError> {
    const DURING: &str = "set a damaged block aside";
    let insert = "INSERT INTO damaged (source, id, data) SELECT 'block', id, data FROM block
        WHERE id = ?1";
    tx.execute(insert, params![id]).during(DURING)?;
    tx.execute("DELETE FROM block WHERE id = ?1", params![id]).during(DURING)?;
    Ok(())
}

/// Adds the rows of a buffer.
pub(super) fn push_buffer(rows: &mut Rows, buffer: &[u8], registry: &Registry) {
    let mut cursor = Cursor::new(buffer);
    while let Some(row) = take_row(&mut cursor) {
        rows.push_row(row, registry);
    }
}

fn write_snapshot(tx: &Transaction<'_>, memory: &Memory, slice: u32) -> Result<(), StoreError> {
    let data = memory.snapshot(slice);
    tx.prepare_cached(
        "INSERT OR REPLACE INTO snapshot (slice, seq, crc, data) VALUES (?1, ?2, ?3, ?4)",
    )
    .during(DURING)?
    .execute(params![slice, memory.seq, crc32(&data), data])
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

fn read_block(tx: &Transaction<'_>, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    tx.prepare_cached("SELECT data FROM block WHERE id = ?1")
        .during(DURING)?
        .query_row(params![id], |row| row.get(0))
        .optional()
        .during("read a day block")
}

fn read_rollup(tx: &Transaction<'_>, id: i64) -> Result<Option<StoredDay>, StoreError> {
    const DURING: &str = "read a day's sums";
    let bytes: Option<Vec<u8>> = tx
        .prepare_cached("SELECT data FROM rollup WHERE id = ?1")
        .during(DURING)?
        .query_row(params![id], |row| row.get(0))
        .optional()
        .during(DURING)?;
    bytes.map(|bytes| decode_rollup(id, &bytes)).transpose()
}

pub(super) fn decode_rollup(id: i64, bytes: &[u8]) -> Result<StoredDay, StoreError> {
    let damaged =
        || StoreError::corrupt("read a day's sums", format!("sums {id:#x} are not whole"));
    StoredDay::decode(bytes).ok_or_else(damaged)
}

/// A damaged sum is made anew from the rows; only what came again on it is forgotten.
fn readable_rollup(tx: &Transaction<'_>, id: i64) -> Result<Option<StoredDay>, StoreError> {
    match read_rollup(tx, id) {
        Err(StoreError::Corrupt { .. }) => Ok(None),
        rollup => rollup,
    }
}

/// Returns the key of a day block: a flush at the end of a day appends.
pub(super) fn id_of(day: Day, meter: u32) -> i64 {
    i64::from(day) << 32 | i64::from(meter)
}

/// Returns the day and the meter of a key.
pub(super) fn day_and_meter(id: i64) -> (Day, u32) {
    let meter = u32::try_from(id & i64::from(u32::MAX)).unwrap_or(u32::MAX);
    let day = Day::try_from(id >> 32).unwrap_or(if id < 0 { Day::MIN } else { Day::MAX });
    (day, meter)
}

pub(super) fn damaged_block(registry: &Registry, id: i64) -> StoreError {
    let (day, meter) = day_and_meter(id);
    let name = registry.meter_name(meter).map_or_else(String::new, |name| name.to_string());
    let start = start_of(day);
    StoreError::corrupt(
        "read a day block",
        format!("the block of `{name}` from {start} fails its checksum"),
    )
}
