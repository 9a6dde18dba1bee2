//! From accepted packs to one synced row of the intake log, and into memory.
//!
//! A batch is one row: for each pack its meter's number and the bytes of [`super::row`].
//! The log is what start-up reads back; it is shortened as flushes turn what it holds
//! into blocks.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Transaction, params};

use super::memory::{Day, Memory, day_of};
use super::quarantine::{self, Unreadable};
use super::registry::{Registry, columns_of};
use super::row::{Head, Rows, put_row, take_row};
use super::stored::Stored;
use super::{Arrival, Engine, Recorded};
use crate::store::codec::{Cursor, crc32_with, put_varint};
use crate::store::error::{During, StoreError};

const DURING: &str = "record readings";

/// A pack of a batch, as bytes.
#[derive(Clone, Debug)]
struct Encoded {
    meter: u32,
    day: Day,
    row: Range<usize>,
    /// Nothing of its meter is as new; so it cannot be there already.
    newest: bool,
}

struct Batch {
    bytes: Vec<u8>,
    packs: Vec<Encoded>,
    registry: Arc<Registry>,
}

impl Engine {
    pub(super) fn record(
        &self,
        arrivals: &[Arrival],
        unreadable: &[Unreadable],
    ) -> Result<Recorded, StoreError> {
        self.must_record(DURING)?;
        self.must_have_room()?;
        let recorded = self.database.write_then(
            DURING,
            |tx| {
                let memory = self.memory();
                let batch = encode(tx, &memory, arrivals)?;
                let registry = &batch.registry;
                let stored = Stored { tx, memory: &memory, registry, months: &self.months };
                let repeated = repeated(&stored, &batch)?;
                let seq = memory.seq + 1;
                if !arrivals.is_empty() {
                    tx.prepare_cached("INSERT INTO intake (seq, crc, packs) VALUES (?1, ?2, ?3)")
                        .during(DURING)?
                        .execute(params![seq, crc32_with(&[seq], &batch.bytes), batch.bytes])
                        .during(DURING)?;
                }
                quarantine::put(tx, unreadable)?;
                Ok((batch, seq, repeated))
            },
            |(batch, seq, repeated)| {
                let mut memory = self.memory_mut();
                memory.registry = batch.registry;
                if !arrivals.is_empty() {
                    memory.apply(seq, &batch.bytes, |number| !repeated.contains(&number));
                }
                let duplicate = repeated.len() as u64;
                Recorded {
                    new: arrivals.len() as u64 - duplicate,
                    duplicate,
                    quarantined: unreadable.len() as u64,
                }
            },
        )?;
        self.relieve();
        Ok(recorded)
    }
}

/// Returns which packs of a batch are stored already, by their place in it.
fn repeated(stored: &Stored<'_>, batch: &Batch) -> Result<HashSet<usize>, StoreError> {
    let mut repeated = HashSet::new();
    let doubtful: HashSet<(u32, Day)> =
        batch.packs.iter().filter(|pack| !pack.newest).map(|pack| (pack.meter, pack.day)).collect();
    let mut days: HashMap<(u32, Day), Known> = HashMap::new();
    for (number, pack) in batch.packs.iter().enumerate() {
        let key = (pack.meter, pack.day);
        if !doubtful.contains(&key) {
            continue;
        }
        let known = match days.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(Known::of(known_rows(stored, key)?))
            }
        };
        let row = batch.bytes.get(pack.row.clone()).unwrap_or_default();
        if !known.add(row, &batch.registry) {
            repeated.insert(number);
        }
    }
    Ok(repeated)
}

fn known_rows(stored: &Stored<'_>, (meter, day): (u32, Day)) -> Result<Rows, StoreError> {
    let read = || {
        let mut rows = stored.unsealed(meter, day)?;
        stored.push_sealed(meter, day, &mut rows)?;
        Ok(rows)
    };
    match read() {
        // A damaged block stops nobody from recording; its packs count as new.
        Err(StoreError::Corrupt { .. }) => {
            let mut rows = Rows::default();
            stored.push_buffered(meter, day, &mut rows);
            Ok(rows)
        }
        rows => rows,
    }
}

fn encode(
    tx: &Transaction<'_>,
    memory: &Memory,
    arrivals: &[Arrival],
) -> Result<Batch, StoreError> {
    let mut registry = Arc::clone(&memory.registry);
    let mut bytes = Vec::with_capacity(arrivals.len() * 64);
    let mut packs = Vec::with_capacity(arrivals.len());
    let mut newest: HashMap<u32, i64> = HashMap::with_capacity(arrivals.len());
    let mut columns = Vec::new();
    for arrival in arrivals {
        let pack = &arrival.pack;
        let meter = Registry::meter_or_new(&mut registry, tx, &pack.meter)?;
        let node = Registry::node_or_new(&mut registry, tx, &arrival.node)?;
        columns_of(&pack.readings, &mut columns);
        let layout = Registry::layout_or_new(&mut registry, tx, &columns)?;
        put_varint(&mut bytes, meter.into());
        let start = bytes.len();
        put_row(&mut bytes, arrival, node, layout);

        let before = newest
            .get(&meter)
            .copied()
            .or_else(|| memory.meter(meter).map(|state| state.last_instant));
        let is_newest = before.is_none_or(|before| before < pack.instant);
        if is_newest {
            newest.insert(meter, pack.instant);
        }
        packs.push(Encoded {
            meter,
            day: day_of(pack.instant),
            row: start..bytes.len(),
            newest: is_newest,
        });
    }
    Ok(Batch { bytes, packs, registry })
}

/// The packs of one meter and day that are there, to look packs up in.
struct Known {
    rows: Rows,
    // Two packs can have one key only if a node says two things under one number.
    keys: HashMap<(i64, u32, u32, u32), Vec<Head>>,
}

impl Known {
    fn of(rows: Rows) -> Self {
        let mut keys: HashMap<_, Vec<Head>> = HashMap::with_capacity(rows.heads.len());
        for head in &rows.heads {
            keys.entry(key(head)).or_default().push(*head);
        }
        Self { rows, keys }
    }

    /// Adds a pack, as it stands in a batch; returns whether it was not there.
    fn add(&mut self, row: &[u8], registry: &Registry) -> bool {
        let row = take_row(&mut Cursor::new(row)).unwrap_or_default();
        let Some(head) = self.rows.push_row(row, registry) else { return true };
        let same = self.keys.entry(key(&head)).or_default();
        let is_new = same.iter().all(|other| self.rows.compare(&head, other, registry).is_ne());
        if is_new {
            same.push(head);
        }
        is_new
    }
}

fn key(head: &Head) -> (i64, u32, u32, u32) {
    (head.instant, head.boot, head.seq, head.node)
}
