//! What a target of readings has yet to get: everything recorded since its position.
//!
//! New packs are read from the intake log, in order of arrival. The log is shortened as
//! flushes make blocks, and waits for no target: what left it before a target had it is
//! *owed*, and found again where it went. Every block knows the newest row of the log
//! that is in it, every sealed month up to which row it has all: so the blocks with newer
//! rows than the position, and then the months sealed since, hold everything owed.
//!
//! Packs walk from the log into blocks and from blocks into months, never back. The search
//! goes the same way and comes to each place after all that might still walk into it, so
//! nothing slips past, though each step is a transaction of its own.
//!
//! Afterwards: a pack may be told twice and is never left out, whatever happens between
//! two steps. What fails its checksum is counted and passed over.

use std::sync::Arc;

use rusqlite::{Transaction, params};

use super::block::Block;
use super::check::is_whole;
use super::months::{Month, MonthFile, key_of};
use super::registry::Registry;
use super::row::{Head, Rows, take_row};
use super::stored::day_and_meter;
use super::{Arrival, Engine};
use crate::store::codec::Cursor;
use crate::store::error::{During, StoreError};

const DURING: &str = "read what a target has yet to get";

/// Blocks looked at in one step: most hold nothing new, and are passed without reading them.
const BLOCKS_A_STEP: u32 = 4_096;

/// Packs counted at most when asked how many wait.
const WAITING_MAX: u64 = 1_000_000;

/// Up to where a target has everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The last row of the intake log that is delivered.
    pub seq: i64,
    /// What left the log before it was delivered.
    pub owed: Option<Owed>,
    /// From which row on more is owed, once that is delivered.
    pub owed_next: Option<i64>,
}

/// What left the log before it was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The last row of the log that was delivered before the gap.
    pub since: i64,
    /// Up to where it has been searched.
    pub place: Place,
}

/// Where the search for owed packs has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among the day blocks.
    Blocks {
        /// The last block that is done.
        after: Option<i64>,
    },
    /// Among the sealed months.
    Month {
        /// The month, as year × 12 + month − 1.
        month: i32,
        /// Which sealing of it; another one is begun anew.
        generation: i64,
        /// The last part of it that is done.
        after: Option<i64>,
    },
}

/// What one step found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// The position once everything told in this step is delivered.
    pub position: Position,
    /// Packs that were told.
    pub packs: u64,
    /// When the first of them reached the gateway, Unix seconds.
    pub first_received: Option<i64>,
    /// Rows or blocks that failed their checksum and were passed over.
    pub damaged: u64,
}

/// What waits in the log beyond a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Readings, counted up to a million packs.
    pub readings: u64,
    /// When the oldest of them reached the gateway, Unix seconds.
    pub since: Option<i64>,
}

/// Hands packs on, with what must be remembered of them.
struct Telling<'a> {
    fed: Fed,
    each: &'a mut dyn FnMut(&Arrival),
}

impl Telling<'_> {
    /// Tells rows of one meter; `None` if they name what the registry does not know.
    fn tell<'h>(
        &mut self,
        rows: &Rows,
        heads: impl Iterator<Item = &'h Head>,
        meter: u32,
        registry: &Registry,
    ) -> Option<()> {
        let meter = registry.meter_name(meter)?;
        for head in heads {
            let arrival = rows.arrival(head, meter, registry)?;
            self.fed.packs += 1;
            self.fed.first_received.get_or_insert(arrival.received);
            (self.each)(&arrival);
        }
        Some(())
    }
}

impl Engine {
    /// Tells what came since a position and is in the log, whole batches, until there are
    /// `packs_max` or more.
    pub(super) fn feed_new(
        &self,
        position: &Position,
        packs_max: u64,
        each: &mut dyn FnMut(&Arrival),
    ) -> Result<Fed, StoreError> {
        self.database.read(DURING, |tx| {
            let mut names = Names::new(self, tx);
            let fed = Fed { position: beyond_gap(tx, position)?, ..Fed::default() };
            let mut telling = Telling { fed, each };
            let sql = "SELECT seq, crc, packs FROM intake WHERE seq > ?1 ORDER BY seq";
            let mut query = tx.prepare_cached(sql).during(DURING)?;
            let mut rows = query.query(params![telling.fed.position.seq]).during(DURING)?;
            while telling.fed.packs < packs_max
                && let Some(row) = rows.next().during(DURING)?
            {
                let batch = row.get_ref(2).during(DURING)?.as_blob();
                let batch =
                    batch.map_err(|error| StoreError::corrupt(DURING, error.to_string()))?;
                let seq: i64 = row.get(0).during(DURING)?;
                let whole = is_whole(row.get(1).during(DURING)?, &[seq], batch);
                if !whole || names.decode(|names| tell_batch(batch, names, &mut telling))?.is_none()
                {
                    telling.fed.damaged += 1;
                }
                telling.fed.position.seq = seq;
            }
            Ok(telling.fed)
        })
    }

    /// Tells a part of what is owed; nothing is owed once the returned position says so.
    pub(super) fn feed_owed(
        &self,
        position: &Position,
        packs_max: u64,
        each: &mut dyn FnMut(&Arrival),
    ) -> Result<Fed, StoreError> {
        let mut telling = Telling { fed: Fed { position: *position, ..Fed::default() }, each };
        let Some(owed) = position.owed else { return Ok(telling.fed) };
        let next = self.database.read(DURING, |tx| {
            let mut names = Names::new(self, tx);
            match owed.place {
                Place::Blocks { after } => {
                    self.feed_blocks(tx, &mut names, owed.since, after, packs_max, &mut telling)
                }
                Place::Month { month, generation, after } => {
                    let at = (month, generation, after);
                    self.feed_months(tx, &mut names, owed.since, at, packs_max, &mut telling)
                }
            }
        })?;
        telling.fed.position.owed = match next {
            Some(place) => Some(Owed { place, ..owed }),
            None => {
                position.owed_next.map(|since| Owed { since, place: Place::Blocks { after: None } })
            }
        };
        if next.is_none() {
            telling.fed.position.owed_next = None;
        }
        Ok(telling.fed)
    }

    fn feed_blocks(
        &self,
        tx: &Transaction<'_>,
        names: &mut Names<'_>,
        since: i64,
        after: Option<i64>,
        packs_max: u64,
        telling: &mut Telling<'_>,
    ) -> Result<Option<Place>, StoreError> {
        let sql =
            "SELECT id, seq, data FROM block WHERE ?1 IS NULL OR ?1 < id ORDER BY id LIMIT ?2";
        let mut query = tx.prepare_cached(sql).during(DURING)?;
        let mut rows = query.query(params![after, BLOCKS_A_STEP]).during(DURING)?;
        let mut done = None;
        while telling.fed.packs < packs_max {
            let Some(row) = rows.next().during(DURING)? else { break };
            let id: i64 = row.get(0).during(DURING)?;
            done = Some(id);
            if row.get::<_, i64>(1).during(DURING)? <= since {
                continue;
            }
            let data = row.get_ref(2).during(DURING)?.as_blob();
            let data = data.map_err(|error| StoreError::corrupt(DURING, error.to_string()))?;
            let meter = day_and_meter(id).1;
            if names.decode(|names| tell_block((data, id), meter, names, telling))?.is_none() {
                telling.fed.damaged += 1;
            }
        }
        // A step without a block was the last.
        let first_month = Place::Month { month: i32::MIN, generation: 0, after: None };
        Ok(Some(done.map_or(first_month, |id| Place::Blocks { after: Some(id) })))
    }

    fn feed_months(
        &self,
        tx: &Transaction<'_>,
        names: &mut Names<'_>,
        since: i64,
        (month, generation, after): (i32, i64, Option<i64>),
        packs_max: u64,
        telling: &mut Telling<'_>,
    ) -> Result<Option<Place>, StoreError> {
        let sql = "SELECT month, generation FROM month WHERE ?1 <= month AND upto > ?2
            ORDER BY month LIMIT 1";
        let mut query = tx.prepare_cached(sql).during(DURING)?;
        let mut rows = query.query(params![month, since]).during(DURING)?;
        let Some(row) = rows.next().during(DURING)? else { return Ok(None) };
        let found: i32 = row.get(0).during(DURING)?;
        let newest: i64 = row.get(1).during(DURING)?;
        // A month that was sealed anew may be cut into other parts.
        let same = found == month && newest == generation;
        let mut after = if same { after } else { None };
        let over = Place::Month { month: found.saturating_add(1), generation: 0, after: None };
        let read = self.months.read(Month(found), newest, |file| {
            let generation = file.generation();
            while telling.fed.packs < packs_max {
                let Some((id, data)) = file.part_after(after)? else { return Ok(over) };
                let (meter, key) = (MonthFile::meter_of(id), key_of(Month(found), id));
                if names.decode(|names| tell_block((&data, key), meter, names, telling))?.is_none()
                {
                    telling.fed.damaged += 1;
                }
                after = Some(id);
            }
            Ok(Place::Month { month: found, generation, after })
        });
        match read {
            // Given up meanwhile, or damaged: a restored file is sent by hand (`export`).
            Err(StoreError::Corrupt { .. }) => {
                telling.fed.damaged += 1;
                Ok(Some(over))
            }
            read => read.map(Some),
        }
    }

    /// Counts what waits in the log beyond a position.
    pub(super) fn feed_waiting(&self, position: &Position) -> Result<Waiting, StoreError> {
        let (mut waiting, mut packs) = (Waiting::default(), 0_u64);
        let mut at = *position;
        while packs < WAITING_MAX {
            let fed = self.feed_new(&at, 10_000, &mut |arrival| {
                waiting.readings += arrival.pack.readings.len() as u64;
                let received = arrival.received;
                waiting.since = Some(waiting.since.map_or(received, |since| since.min(received)));
            })?;
            if fed.packs == 0 {
                break;
            }
            packs += fed.packs;
            at = fed.position;
        }
        Ok(waiting)
    }
}

/// Returns the position with what left the log since added to what is owed.
fn beyond_gap(tx: &Transaction<'_>, position: &Position) -> Result<Position, StoreError> {
    // Rows leave the log from its beginning and carry numbers without a gap, so the first
    // one tells what has left; where there is none, the newest snapshot does.
    let bounds = "SELECT (SELECT min(seq) FROM intake),
        (SELECT coalesce(max(seq), 0) FROM snapshot)";
    let (first, newest): (Option<i64>, i64) = tx
        .prepare_cached(bounds)
        .during(DURING)?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?)))
        .during(DURING)?;
    let left = first.map_or(newest, |first| first.saturating_sub(1));
    let mut position = *position;
    if position.seq < left {
        let since = position.seq;
        match position.owed {
            None => {
                let place = Place::Blocks { after: None };
                position.owed = Some(Owed { since, place });
            }
            Some(_) => {
                position.owed_next = Some(position.owed_next.map_or(since, |at| at.min(since)));
            }
        }
        position.seq = left;
    }
    Ok(position)
}

/// The names that numbers stand for: the memory's, or the file's where it knows more.
struct Names<'a> {
    tx: &'a Transaction<'a>,
    registry: Arc<Registry>,
    reloaded: bool,
}

impl<'a> Names<'a> {
    fn new(engine: &Engine, tx: &'a Transaction<'a>) -> Self {
        Self { tx, registry: Arc::clone(&engine.memory().registry), reloaded: false }
    }

    /// Decodes with the memory's names and, where that fails, with the file's: a row is on
    /// the disk a moment before its names are in memory, and in a process that only reads
    /// they never get there.
    fn decode(
        &mut self,
        mut decode: impl FnMut(&Registry) -> Option<()>,
    ) -> Result<Option<()>, StoreError> {
        if let Some(done) = decode(&self.registry) {
            return Ok(Some(done));
        }
        if !self.reloaded {
            self.registry = Arc::new(Registry::load(self.tx, Vec::new())?);
            self.reloaded = true;
            return Ok(decode(&self.registry));
        }
        Ok(None)
    }
}

/// Tells a row of the intake log. What came before a fault was told, and is told again.
fn tell_batch(batch: &[u8], registry: &Registry, telling: &mut Telling<'_>) -> Option<()> {
    let mut cursor = Cursor::new(batch);
    let mut rows = Rows::default();
    while !cursor.is_at_end() {
        let meter = u32::try_from(cursor.varint()?).ok()?;
        rows.heads.clear();
        rows.values.clear();
        let head = rows.push_row(take_row(&mut cursor)?, registry)?;
        telling.tell(&rows, std::iter::once(&head), meter, registry)?;
    }
    Some(())
}

/// Tells what readers see of a block, given with its key.
fn tell_block(
    (data, key): (&[u8], i64),
    meter: u32,
    registry: &Registry,
    telling: &mut Telling<'_>,
) -> Option<()> {
    let mut rows = Rows::default();
    Block::open(data, key)?.rows(registry, &mut rows)?;
    rows.unite(registry);
    telling.tell(&rows, rows.visible(), meter, registry)
}

#[cfg(test)]
mod tests;
