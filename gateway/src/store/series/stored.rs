//! What there is of one meter's day, wherever it lies: for whoever writes.
//!
//! Blocks and sums have one key: `day << 32 | meter`, so that a flush at the end of a
//! day appends.

use std::sync::Arc;

use rusqlite::{OptionalExtension, Transaction, params};

use super::block::Block;
use super::check::written;
use super::memory::{Day, Memory, start_of};
use super::months::{Months, months_of};
use super::registry::Registry;
use super::rollup::StoredDay;
use super::row::{Rows, instant_of, take_row};
use crate::store::codec::Cursor;
use crate::store::error::{During, StoreError};

const DURING: &str = "read a day block";

/// A writing transaction, and the memory it will be applied to.
pub(super) struct Stored<'a> {
    pub(super) tx: &'a Transaction<'a>,
    pub(super) memory: &'a Memory,
    /// The memory's, with what the transaction has added.
    pub(super) registry: &'a Arc<Registry>,
    pub(super) months: &'a Months,
}

impl Stored<'_> {
    /// Puts into `rows` what the main file and the buffers have of a meter's day: one row for
    /// each arrival that is still in the buffers, one for each pack in a block. Not
    /// united yet.
    pub(super) fn unsealed(&self, meter: u32, day: Day, rows: &mut Rows) -> Result<(), StoreError> {
        rows.clear();
        self.push_block(meter, day, rows)?;
        self.push_buffered(meter, day, rows);
        Ok(())
    }

    /// Adds what the main file has in a block.
    pub(super) fn push_block(
        &self,
        meter: u32,
        day: Day,
        rows: &mut Rows,
    ) -> Result<(), StoreError> {
        let id = id_of(day, meter);
        let block: Option<Vec<u8>> = self
            .tx
            .prepare_cached("SELECT data FROM block WHERE id = ?1")
            .during(DURING)?
            .query_row(params![id], |row| row.get(0))
            .optional()
            .during(DURING)?;
        if let Some(bytes) = block {
            Block::open(&bytes, id)
                .and_then(|block| block.rows(self.registry, rows))
                .ok_or_else(|| damaged_block(self.registry, id))?;
        }
        Ok(())
    }

    /// Adds what is in buffers.
    pub(super) fn push_buffered(&self, meter: u32, day: Day, rows: &mut Rows) {
        let Some(state) = self.memory.meter(meter) else { return };
        for buffer in state.buffered(day, day) {
            push_buffer(rows, &buffer.rows, ALWAYS, self.registry);
        }
    }

    /// Returns whether a day lies in a sealed month.
    pub(super) fn has_sealed(&self, day: Day) -> bool {
        !self.memory.sealed.is_empty() && !months_of(&self.memory.sealed, day, day).is_empty()
    }

    /// Adds what is in a sealed month.
    pub(super) fn push_sealed(
        &self,
        meter: u32,
        day: Day,
        rows: &mut Rows,
    ) -> Result<(), StoreError> {
        if !self.has_sealed(day) {
            return Ok(());
        }
        for (month, generation) in months_of(&self.memory.sealed, day, day) {
            self.months.read(month, generation, |file| {
                file.parts(meter, day, day, |block| block.rows(self.registry, rows))
            })?;
        }
        let end = start_of(day.saturating_add(1));
        rows.heads.retain(|head| start_of(day) <= head.instant && head.instant < end);
        Ok(())
    }

    /// Puts a damaged block where nobody reads it, as it is.
    pub(super) fn set_block_aside(&self, id: i64) -> Result<(), StoreError> {
        const DURING: &str = "set a damaged block aside";
        let insert = "INSERT INTO damaged (source, id, data) SELECT 'block', id, data FROM block
            WHERE id = ?1";
        self.tx.execute(insert, params![id]).during(DURING)?;
        self.tx.execute("DELETE FROM block WHERE id = ?1", params![id]).during(DURING)?;
        Ok(())
    }
}

/// All of time.
const ALWAYS: (i64, i64) = (i64::MIN, i64::MAX);

/// Adds the rows of a buffer within `[from, to)`; the others are passed over unread.
pub(super) fn push_buffer(
    rows: &mut Rows,
    buffer: &[u8],
    (from, to): (i64, i64),
    registry: &Registry,
) {
    let mut cursor = Cursor::new(buffer);
    while let Some(row) = take_row(&mut cursor) {
        if instant_of(row)
            .is_some_and(|instant| from <= instant && (instant < to || to == i64::MAX))
        {
            rows.push_row(row, registry);
        }
    }
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
    StoredDay::decode(bytes, id).ok_or_else(damaged)
}

/// Returns a day's sums. Damaged ones are made anew from the rows; only what came again
/// on that day is forgotten.
pub(super) fn readable_rollup(
    tx: &Transaction<'_>,
    id: i64,
) -> Result<Option<StoredDay>, StoreError> {
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
        format!("the block of `{name}` on {} fails its checksum", written(start)),
    )
}
