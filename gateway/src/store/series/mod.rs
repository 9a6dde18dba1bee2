//! The readings: facts, stored once, whatever the order and number of their arrivals.
//!
//! In: packs that the gate accepted, each the readings of one meter at one instant.
//! Out: packs, counter readings, last values and counts, by meter and span.
//!
//! Afterwards:
//! - the same pack twice is the same row, counted as duplicate;
//! - two different packs of one meter and instant are both kept; readers see the one
//!   with the higher (boot, seq), then the greater node name and content, so what they
//!   see is a function of what was stored and not of when;
//! - spans are half open, `[from, to)`.

use std::sync::Arc;

use rusqlite::{CachedStatement, OptionalExtension, Row, Transaction, params};
use wire::message::Pack;
use wire::{Name, Quantity, Value};

use super::codec::crc32;
use super::database::Database;
use super::error::{During, StoreError};

mod content;
mod counts;
mod quarantine;

pub use counts::{Counts, LATE_AFTER_S};
pub use quarantine::{Quarantine, Quarantined, Unreadable};

/// A pack that the gate accepted, as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The node that sent it.
    pub node: Name,
    /// When it reached the gateway, Unix seconds.
    pub received: i64,
    /// What it says.
    pub pack: Pack,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Packs that were not there before.
    pub new: u64,
    /// Packs that were there already; nothing of theirs was written twice.
    pub duplicate: u64,
    /// Unreadable payloads put into quarantine.
    pub quarantined: u64,
}

/// A point in the sequence of writes. What was written later is a change since it.
///
/// It may be kept across a restart (in a setting, as a number).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub i64);

/// What changed since a mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The mark to ask with next time.
    pub mark: Mark,
    /// The meters with new packs, in order of name.
    pub spans: Vec<ChangedSpan>,
}

/// The span in which a meter got new packs; every new one lies within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedSpan {
    /// The meter.
    pub meter: Name,
    /// The earliest instant of a new pack.
    pub first: i64,
    /// The latest instant of a new pack.
    pub last: i64,
}

/// The readings of a store.
#[derive(Clone, Debug)]
pub struct Series {
    database: Arc<Database>,
}

impl Series {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// Stores a batch in one transaction; it is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::DiskFull`] and others; nothing of the batch is stored then.
    pub fn record(&self, batch: &[Arrival]) -> Result<Recorded, StoreError> {
        self.record_with_unreadable(batch, &[])
    }

    /// Stores a batch and, in the same transaction, payloads that nobody could read.
    ///
    /// # Errors
    ///
    /// As [`Series::record`].
    pub fn record_with_unreadable(
        &self,
        batch: &[Arrival],
        unreadable: &[Unreadable],
    ) -> Result<Recorded, StoreError> {
        const DURING: &str = "record readings";
        self.database.write(DURING, |tx| {
            let mut recorded = Recorded::default();
            let mut insert = tx.prepare_cached(INSERT).during(DURING)?;
            for arrival in batch {
                if insert_pack(&mut insert, arrival).during(DURING)? {
                    recorded.new += 1;
                } else {
                    recorded.duplicate += 1;
                }
            }
            quarantine::put(tx, unreadable)?;
            recorded.quarantined = unreadable.len() as u64;
            Ok(recorded)
        })
    }

    /// Returns the packs of a meter within `[from, to)`, one for each instant, in order
    /// of instant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn packs(&self, meter: &Name, from: i64, to: i64) -> Result<Vec<Arrival>, StoreError> {
        const DURING: &str = "read packs";
        self.database.read(DURING, |tx| {
            let rows = select(tx, "instant >= ?2 AND instant < ?3", meter, from, to)?;
            Ok(visible(rows))
        })
    }

    /// Returns the measured values of one quantity within `[from, to)` in order of
    /// instant, with the nearest one before `from` and the nearest one at or after `to`.
    ///
    /// Values are thousandths of the quantity's unit.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn counter(
        &self,
        meter: &Name,
        quantity: Quantity,
        from: i64,
        to: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        const DURING: &str = "read a counter";
        self.database.read(DURING, |tx| {
            let mut values = Vec::new();
            values.extend(nearest(tx, Side::Before, meter, quantity, from)?);
            let rows = select(tx, "instant >= ?2 AND instant < ?3", meter, from, to)?;
            values.extend(visible(rows).iter().filter_map(|arrival| measured(arrival, quantity)));
            values.extend(nearest(tx, Side::After, meter, quantity, to)?);
            Ok(values)
        })
    }

    /// Returns the newest pack of a meter.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn last(&self, meter: &Name) -> Result<Option<Arrival>, StoreError> {
        self.database.read("read the last pack", |tx| {
            let rows = select(
                tx,
                "instant = (SELECT max(instant) FROM pack WHERE meter = ?1) AND ?2 < ?3",
                meter,
                0,
                1,
            )?;
            Ok(visible(rows).pop())
        })
    }

    /// Returns the newest pack of every meter, in order of the meters' names.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn last_all(&self) -> Result<Vec<Arrival>, StoreError> {
        const DURING: &str = "read the last packs";
        let meters: Vec<Name> = self.database.read(DURING, |tx| {
            let mut query = tx
                .prepare_cached("SELECT DISTINCT meter FROM pack ORDER BY meter")
                .during(DURING)?;
            let names = query.query_map((), |row| row.get::<_, String>(0)).during(DURING)?;
            names.map(|name| parse_name(&name.during(DURING)?)).collect()
        })?;
        meters.iter().filter_map(|meter| self.last(meter).transpose()).collect()
    }

    /// Counts the packs of a meter within `[from, to)`, and those that are missing from
    /// the sequence.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn counts(&self, meter: &Name, from: i64, to: i64) -> Result<Counts, StoreError> {
        const DURING: &str = "count packs";
        self.database.read(DURING, |tx| {
            let mut query = tx.prepare_cached(COUNTED).during(DURING)?;
            let rows = query
                .query_map(params![meter.as_str(), from, to], |row| {
                    Ok(counts::Counted {
                        node: row.get(0)?,
                        boot: row.get(1)?,
                        seq: row.get(2)?,
                        instant: row.get(3)?,
                        received: row.get(4)?,
                        arrivals: row.get(5)?,
                    })
                })
                .during(DURING)?;
            let counted = rows.collect::<Result<Vec<_>, _>>().during(DURING)?;
            Ok(counts::count(counted, from, to))
        })
    }

    /// Returns the meters that got new packs since a mark, and where.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a row is not what was once written.
    pub fn changes_since(&self, mark: Mark) -> Result<Changes, StoreError> {
        const DURING: &str = "list changes";
        self.database.read(DURING, |tx| {
            let mut query = tx
                .prepare_cached(
                    "SELECT meter, min(instant), max(instant), max(id) FROM pack
                     WHERE id > ?1 GROUP BY meter ORDER BY meter",
                )
                .during(DURING)?;
            let mut changes = Changes { mark, spans: Vec::new() };
            let mut rows = query.query(params![mark.0]).during(DURING)?;
            while let Some(row) = rows.next().during(DURING)? {
                let meter = parse_name(&row.get::<_, String>(0).during(DURING)?)?;
                let first = row.get(1).during(DURING)?;
                let last = row.get(2).during(DURING)?;
                changes.mark = changes.mark.max(Mark(row.get(3).during(DURING)?));
                changes.spans.push(ChangedSpan { meter, first, last });
            }
            Ok(changes)
        })
    }

    /// Returns what is in quarantine: the newest rows, at most `limit`, and the sums.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn quarantine(&self, limit: u32) -> Result<Quarantine, StoreError> {
        self.database.read("read the quarantine", |tx| quarantine::list(tx, limit))
    }
}

const INSERT: &str = "INSERT INTO pack
    (meter, instant, boot, seq, node, content, crc, received, arrivals)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)
    ON CONFLICT (meter, instant, boot, seq, node, content) DO UPDATE
    SET received = min(received, excluded.received), arrivals = arrivals + 1
    RETURNING arrivals";

const COLUMNS: &str = "node, received, meter, instant, boot, seq, content, crc";

// With the neighbours on both sides: a gap in the sequence may straddle an end.
const COUNTED: &str = "
    SELECT node, boot, seq, instant, received, arrivals FROM pack
        WHERE meter = ?1 AND instant >= ?2 AND instant < ?3
    UNION ALL SELECT * FROM (
        SELECT node, boot, seq, instant, received, arrivals FROM pack
        WHERE meter = ?1 AND instant < ?2 ORDER BY instant DESC, boot DESC, seq DESC, node DESC LIMIT 1)
    UNION ALL SELECT * FROM (
        SELECT node, boot, seq, instant, received, arrivals FROM pack
        WHERE meter = ?1 AND instant >= ?3 ORDER BY instant, boot, seq, node LIMIT 1)";

/// Returns whether the pack was not there yet.
fn insert_pack(insert: &mut CachedStatement<'_>, arrival: &Arrival) -> rusqlite::Result<bool> {
    let pack = &arrival.pack;
    let content = content::encode(pack);
    let arrivals: i64 = insert.query_row(
        params![
            pack.meter.as_str(),
            pack.instant,
            pack.boot,
            pack.seq,
            arrival.node.as_str(),
            content,
            crc32(&content),
            arrival.received,
        ],
        |row| row.get(0),
    )?;
    Ok(arrivals == 1)
}

fn select(
    tx: &Transaction<'_>,
    condition: &str,
    meter: &Name,
    from: i64,
    to: i64,
) -> Result<Vec<Arrival>, StoreError> {
    const DURING: &str = "read packs";
    let sql = format!(
        "SELECT {COLUMNS} FROM pack WHERE meter = ?1 AND {condition}
         ORDER BY instant, boot, seq, node, content"
    );
    let mut query = tx.prepare_cached(&sql).during(DURING)?;
    let mut rows = query.query(params![meter.as_str(), from, to]).during(DURING)?;
    let mut arrivals = Vec::new();
    while let Some(row) = rows.next().during(DURING)? {
        arrivals.push(arrival(row)?);
    }
    Ok(arrivals)
}

fn arrival(row: &Row<'_>) -> Result<Arrival, StoreError> {
    const DURING: &str = "read a pack";
    let node = parse_name(&row.get::<_, String>(0).during(DURING)?)?;
    let meter = parse_name(&row.get::<_, String>(2).during(DURING)?)?;
    let instant: i64 = row.get(3).during(DURING)?;
    let bytes: Vec<u8> = row.get(6).during(DURING)?;
    let damaged = || StoreError::corrupt(DURING, format!("pack of `{meter}` at {instant}"));
    if crc32(&bytes) != row.get::<_, u32>(7).during(DURING)? {
        return Err(damaged());
    }
    let (clock, readings) = content::decode(&bytes).ok_or_else(damaged)?;
    let pack = Pack {
        meter,
        instant,
        boot: row.get(4).during(DURING)?,
        seq: row.get(5).during(DURING)?,
        clock,
        readings,
    };
    Ok(Arrival { node, received: row.get(1).during(DURING)?, pack })
}

/// Keeps the last of each instant; the rows come in ascending order of precedence.
fn visible(rows: Vec<Arrival>) -> Vec<Arrival> {
    let mut seen: Vec<Arrival> = Vec::with_capacity(rows.len());
    for row in rows {
        match seen.last_mut() {
            Some(last) if last.pack.instant == row.pack.instant => *last = row,
            _ => seen.push(row),
        }
    }
    seen
}

fn measured(arrival: &Arrival, quantity: Quantity) -> Option<(i64, i64)> {
    arrival.pack.readings.iter().find(|reading| reading.quantity == quantity).and_then(|reading| {
        match reading.value {
            Value::Measured(value) => Some((arrival.pack.instant, value)),
            Value::Absent(_) => None,
        }
    })
}

#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

/// Walks away from an instant, pack by pack, until one measured the quantity.
fn nearest(
    tx: &Transaction<'_>,
    side: Side,
    meter: &Name,
    quantity: Quantity,
    instant: i64,
) -> Result<Option<(i64, i64)>, StoreError> {
    const DURING: &str = "read a counter";
    let sql = match side {
        Side::Before => "SELECT max(instant) FROM pack WHERE meter = ?1 AND instant < ?2",
        Side::After => "SELECT min(instant) FROM pack WHERE meter = ?1 AND instant >= ?2",
    };
    let mut step = tx.prepare_cached(sql).during(DURING)?;
    let mut at = instant;
    loop {
        let found: Option<i64> = step
            .query_row(params![meter.as_str(), at], |row| row.get(0))
            .optional()
            .during(DURING)?
            .flatten();
        let Some(found) = found else { return Ok(None) };
        let rows = select(tx, "instant >= ?2 AND instant < ?3", meter, found, found + 1)?;
        if let Some(value) = visible(rows).iter().find_map(|arrival| measured(arrival, quantity)) {
            return Ok(Some(value));
        }
        at = match side {
            Side::Before => found,
            Side::After => found + 1,
        };
    }
}

fn parse_name(text: &str) -> Result<Name, StoreError> {
    Name::new(text)
        .map_err(|error| StoreError::corrupt("read a name", format!("`{text}`: {error}")))
}

#[cfg(test)]
mod tests;
