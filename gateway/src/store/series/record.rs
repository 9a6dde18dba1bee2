//! From accepted packs to one synced row of the intake log, and into memory.
//!
//! A batch is one row: for each pack its meter's number and the bytes of [`super::row`].
//! The log is what start-up reads back; it is shortened as flushes turn what it holds
//! into blocks.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Transaction, params};
use wire::Value;

use super::memory::{Day, Memory, bit_of, day_of};
use super::quarantine::{self, Unreadable};
use super::quick::{Quick, QuickMap};
use super::registry::{Registry, columns_of, is_of};
use super::row::{Head, Rows, identity, put_row, take_row};
use super::stored::Stored;
use super::{Arrival, Engine, Recorded};
use crate::store::codec::{Cursor, crc32_with, put_varint};
use crate::store::error::{During, StoreError};

const DURING: &str = "record readings";

/// A pack of a batch, as bytes, and what of it memory wants to know.
#[derive(Clone, Debug)]
struct Encoded {
    meter: u32,
    head: Head,
    /// Bit n is set if quantity n was measured.
    measured: u64,
    /// Its bytes, without their length.
    row: Range<usize>,
    /// Nothing of its meter is as new; so it cannot be there already.
    newest: bool,
}

impl Encoded {
    fn day(&self) -> Day {
        day_of(self.head.instant)
    }
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
                    let rows = batch.packs.iter().enumerate().map(|(number, pack)| {
                        let row = batch.bytes.get(pack.row.clone()).unwrap_or_default();
                        let is_new = !repeated.contains(&number);
                        (pack.meter, pack.head, pack.measured, row, is_new)
                    });
                    memory.take_in(seq, rows);
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
    let doubtful = batch.packs.iter().filter(|pack| !pack.newest);
    let mut days: QuickMap<(u32, Day), Option<Known<'_>>> =
        doubtful.map(|pack| ((pack.meter, pack.day()), None)).collect();
    if days.is_empty() {
        return Ok(repeated);
    }
    for (number, pack) in batch.packs.iter().enumerate() {
        let key = (pack.meter, pack.day());
        let Some(known) = days.get_mut(&key) else { continue };
        let known = match known {
            Some(known) => known,
            None => known.insert(Known::of(stored, key)?),
        };
        let row = batch.bytes.get(pack.row.clone()).unwrap_or_default();
        if !known.add(row, &batch.registry) {
            repeated.insert(number);
        }
    }
    Ok(repeated)
}

fn encode(
    tx: &Transaction<'_>,
    memory: &Memory,
    arrivals: &[Arrival],
) -> Result<Batch, StoreError> {
    let mut registry = Arc::clone(&memory.registry);
    let mut bytes = Vec::with_capacity(arrivals.len() * 64);
    let mut packs = Vec::with_capacity(arrivals.len());
    let mut newest: QuickMap<u32, i64> =
        QuickMap::with_capacity_and_hasher(arrivals.len(), BuildHasherDefault::default());
    let mut columns = Vec::new();
    let mut row = Vec::new();
    let (mut node, mut layout) = (None, None);
    for arrival in arrivals {
        let pack = &arrival.pack;
        let meter = Registry::meter_or_new(&mut registry, tx, &pack.meter)?;
        // A node's packs come together, and mostly of one layout: nearly always as before.
        let node_number = match node {
            Some((name, number)) if name == arrival.node => number,
            _ => Registry::node_or_new(&mut registry, tx, &arrival.node)?,
        };
        node = Some((arrival.node, node_number));
        let layout_number = match layout {
            Some(number) if is_of(&pack.readings, &columns) => number,
            _ => {
                columns_of(&pack.readings, &mut columns);
                Registry::layout_or_new(&mut registry, tx, &columns)?
            }
        };
        layout = Some(layout_number);
        put_varint(&mut bytes, meter.into());
        put_row(&mut bytes, &mut row, arrival, node_number, layout_number);

        let known = newest
            .get(&meter)
            .copied()
            .or_else(|| memory.meter(meter).map(|state| state.last_instant));
        let is_newest = known.is_none_or(|known| known < pack.instant);
        if is_newest {
            newest.insert(meter, pack.instant);
        }
        let head = Head {
            instant: pack.instant,
            received: arrival.received,
            boot: pack.boot,
            seq: pack.seq,
            node: node_number,
            layout: layout_number,
            clock: pack.clock,
            at: 0,
            fresh: true,
        };
        let measured =
            columns.iter().zip(pack.readings.iter()).fold(0, |seen, it| match it.1.value {
                Value::Measured(_) => seen | bit_of(*it.0),
                Value::Absent(_) => seen,
            });
        let row = bytes.len() - row.len()..bytes.len();
        packs.push(Encoded { meter, head, measured, row, newest: is_newest });
    }
    Ok(Batch { bytes, packs, registry })
}

/// The packs of one meter and day that are there, to look packs up in.
struct Known<'a> {
    /// Of those in buffers and those of the batch so far. The same pack has the same bytes.
    identities: HashSet<&'a [u8], BuildHasherDefault<Quick>>,
    /// Of those in blocks.
    rows: Rows,
    // Two packs can have one key only if a node says two things under one number.
    keys: QuickMap<(i64, u32, u32, u32), Vec<Head>>,
}

impl<'a> Known<'a> {
    fn of(stored: &Stored<'a>, (meter, day): (u32, Day)) -> Result<Self, StoreError> {
        let read = || {
            let mut rows = Rows::default();
            stored.push_block(meter, day, &mut rows)?;
            stored.push_sealed(meter, day, &mut rows)?;
            Ok(rows)
        };
        let rows = match read() {
            // A damaged block stops nobody from recording; its packs count as new.
            Err(StoreError::Corrupt { .. }) => Rows::default(),
            rows => rows?,
        };
        let mut keys: QuickMap<_, Vec<Head>> = QuickMap::default();
        for head in &rows.heads {
            keys.entry(key(head)).or_default().push(*head);
        }
        let mut identities = HashSet::default();
        let buffers = stored.memory.meter(meter).into_iter().flat_map(|it| it.buffered(day, day));
        for buffer in buffers {
            let mut cursor = Cursor::new(&buffer.rows);
            while let Some(row) = take_row(&mut cursor) {
                identities.extend(identity(row));
            }
        }
        Ok(Self { identities, rows, keys })
    }

    /// Adds a pack, as it stands in a batch; returns whether it was not there.
    fn add(&mut self, row: &'a [u8], registry: &Registry) -> bool {
        identity(row).is_none_or(|identity| {
            !self.identities.contains(identity)
                && !self.is_in_block(row, registry)
                && self.identities.insert(identity)
        })
    }

    fn is_in_block(&mut self, row: &[u8], registry: &Registry) -> bool {
        if self.keys.is_empty() {
            return false;
        }
        let Some(head) = self.rows.push_row(row, registry) else { return false };
        let same = self.keys.get(&key(&head)).map_or(&[][..], Vec::as_slice);
        same.iter().any(|other| self.rows.compare(&head, other, registry).is_eq())
    }
}

fn key(head: &Head) -> (i64, u32, u32, u32) {
    (head.instant, head.boot, head.seq, head.node)
}
