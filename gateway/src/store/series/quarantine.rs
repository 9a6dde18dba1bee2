//! Payloads that nobody could read, kept for a person to look at.
//!
//! Bounded by number and by bytes; the oldest go, and are counted. Without it such a
//! payload would come back from the broker for ever, or be gone without a trace.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::store::error::{During, StoreError};

/// The most rows kept.
pub(super) const ROWS_MAX: i64 = 10_000;

/// The most payload bytes kept, over all rows.
pub(super) const BYTES_MAX: i64 = 16 * 1024 * 1024;

/// The most bytes kept of one payload. The rest is cut off, its length is kept.
pub(super) const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

const DURING: &str = "put a payload into quarantine";

/// A payload that was received and could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The topic it came on.
    pub topic: String,
    /// The bytes, as they came.
    pub payload: Vec<u8>,
    /// Why nobody could read it.
    pub reason: String,
    /// When it reached the gateway, Unix seconds.
    pub received: i64,
}

/// A row of the quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Grows with each row.
    pub id: i64,
    /// What was received; the payload is cut at [`PAYLOAD_BYTES_MAX`].
    pub unreadable: Unreadable,
    /// How many bytes the payload had.
    pub length: u64,
}

/// The newest rows and the sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// The newest rows, newest first.
    pub newest: Vec<Quarantined>,
    /// Rows kept.
    pub rows: u64,
    /// Payload bytes kept.
    pub bytes: u64,
    /// Rows that had to go to make room, ever.
    pub dropped: u64,
}

struct Total {
    rows: i64,
    bytes: i64,
    dropped: i64,
}

/// Adds payloads; the oldest go where the bounds ask for it.
pub(super) fn put(tx: &Transaction<'_>, payloads: &[Unreadable]) -> Result<(), StoreError> {
    if payloads.is_empty() {
        return Ok(());
    }
    let mut total = total(tx)?;
    let mut insert = tx
        .prepare_cached(
            "INSERT INTO quarantine (received, topic, reason, payload, length)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .during(DURING)?;
    for unreadable in payloads {
        let kept = unreadable.payload.get(..PAYLOAD_BYTES_MAX).unwrap_or(&unreadable.payload);
        insert
            .execute(params![
                unreadable.received,
                unreadable.topic,
                unreadable.reason,
                kept,
                as_i64(unreadable.payload.len()),
            ])
            .during(DURING)?;
        total.rows += 1;
        total.bytes += as_i64(kept.len());
        while ROWS_MAX < total.rows || BYTES_MAX < total.bytes {
            let Some(bytes) = drop_oldest(tx)? else { break };
            total.rows -= 1;
            total.bytes -= bytes;
            total.dropped += 1;
        }
    }
    tx.execute(
        "UPDATE quarantine_total SET rows = ?1, bytes = ?2, dropped = ?3",
        params![total.rows, total.bytes, total.dropped],
    )
    .during(DURING)?;
    Ok(())
}

/// Returns the bytes that went.
fn drop_oldest(tx: &Transaction<'_>) -> Result<Option<i64>, StoreError> {
    tx.prepare_cached(
        "DELETE FROM quarantine WHERE id = (SELECT min(id) FROM quarantine)
         RETURNING length(payload)",
    )
    .during(DURING)?
    .query_row((), |row| row.get(0))
    .optional()
    .during(DURING)
}

fn total(tx: &Transaction<'_>) -> Result<Total, StoreError> {
    tx.query_row("SELECT rows, bytes, dropped FROM quarantine_total", (), |row| {
        Ok(Total { rows: row.get(0)?, bytes: row.get(1)?, dropped: row.get(2)? })
    })
    .during(DURING)
}

pub(super) fn list(tx: &Transaction<'_>, limit: u32) -> Result<Quarantine, StoreError> {
    const DURING: &str = "read the quarantine";
    let total = total(tx)?;
    let mut query = tx
        .prepare_cached(
            "SELECT id, received, topic, reason, payload, length FROM quarantine
             ORDER BY id DESC LIMIT ?1",
        )
        .during(DURING)?;
    let rows = query
        .query_map(params![limit], |row| {
            Ok(Quarantined {
                id: row.get(0)?,
                unreadable: Unreadable {
                    received: row.get(1)?,
                    topic: row.get(2)?,
                    reason: row.get(3)?,
                    payload: row.get(4)?,
                },
                length: row.get::<_, i64>(5)?.unsigned_abs(),
            })
        })
        .during(DURING)?;
    Ok(Quarantine {
        newest: rows.collect::<Result<_, _>>().during(DURING)?,
        rows: total.rows.unsigned_abs(),
        bytes: total.bytes.unsigned_abs(),
        dropped: total.dropped.unsigned_abs(),
    })
}

fn as_i64(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
