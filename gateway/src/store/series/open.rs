//! From the files to memory: snapshots first, then what the intake log holds beyond them.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, RwLock};

use rusqlite::{Transaction, params};

use super::check::{Damage, is_whole};
use super::memory::Memory;
use super::months::Months;
use super::registry::Registry;
use super::seal::{load_given_up, load_sealed};
use super::{Engine, Series};
use crate::store::database::Database;
use crate::store::error::{During, StoreError};
use crate::store::{MONTHS_FOLDER, MONTHS_LOCK_FILE};

const DURING: &str = "read the intake log";

impl Series {
    /// Opens the readings of a store; `buffer_bytes` is the bound of the buffers, where it
    /// is not to be the usual one. Returns also what was found damaged on the way.
    pub(in crate::store) fn open(
        database: Arc<Database>,
        dir: &Path,
        lock: Option<File>,
        buffer_bytes: Option<usize>,
    ) -> Result<(Self, Vec<Damage>), StoreError> {
        let (memory, damaged) = database.read(DURING, load)?;
        let mut found = Vec::new();
        if lock.is_some() {
            for seq in damaged {
                // One damaged row must not take the others' place at the door.
                database.write(DURING, |tx| set_aside(tx, seq))?;
                found.push(Damage::of_the_intake(seq));
            }
        }
        let engine = Engine {
            database,
            memory: RwLock::new(memory),
            months: Months::new(dir.join(MONTHS_FOLDER)),
            lock,
            months_lock: dir.join(MONTHS_LOCK_FILE),
            next_slice: AtomicU32::new(0),
            buffer_bytes,
        };
        if engine.lock.is_some() {
            engine.relieve();
        }
        Ok((Self { engine: Arc::new(engine) }, found))
    }
}

/// Returns the memory, and the rows of the intake log that failed their checksum.
fn load(tx: &Transaction<'_>) -> Result<(Memory, Vec<i64>), StoreError> {
    // A target's position counts: were the last row damaged and set aside, its number would
    // be given anew, to a row that the target then takes for one it has.
    let newest = "SELECT max((SELECT coalesce(max(seq), 0) FROM intake),
        (SELECT coalesce(max(seq), 0) FROM snapshot),
        (SELECT coalesce(max(seq), 0) FROM target))";
    let seq = tx.query_row(newest, (), |row| row.get(0)).during(DURING)?;
    let mut memory = Memory::new(Registry::load(tx)?, seq);
    memory.sealed = Arc::new(load_sealed(tx)?);
    memory.given_up = Arc::new(load_given_up(tx)?);
    load_snapshots(tx, &mut memory)?;

    let mut damaged = Vec::new();
    let mut query = tx.prepare("SELECT seq, crc, packs FROM intake ORDER BY seq").during(DURING)?;
    let mut rows = query.query(()).during(DURING)?;
    while let Some(row) = rows.next().during(DURING)? {
        let seq = row.get(0).during(DURING)?;
        let packs: Vec<u8> = row.get(2).during(DURING)?;
        let whole = is_whole(row.get(1).during(DURING)?, &[seq], &packs);
        if !whole || memory.apply(seq, &packs).is_none() {
            damaged.push(seq);
        }
    }
    Ok((memory, damaged))
}

fn load_snapshots(tx: &Transaction<'_>, memory: &mut Memory) -> Result<(), StoreError> {
    const DURING: &str = "read the newest readings";
    let mut query = tx.prepare("SELECT slice, seq, crc, data FROM snapshot").during(DURING)?;
    let mut rows = query.query(()).during(DURING)?;
    while let Some(row) = rows.next().during(DURING)? {
        let slice: u32 = row.get(0).during(DURING)?;
        let data: Vec<u8> = row.get(3).during(DURING)?;
        let seq = row.get(1).during(DURING)?;
        let whole = is_whole(row.get(2).during(DURING)?, &[slice.into(), seq], &data);
        if !whole || memory.restore_slice(slice, seq, &data).is_none() {
            return Err(StoreError::corrupt(DURING, format!("snapshot {slice} is not whole")));
        }
    }
    Ok(())
}

fn set_aside(tx: &Transaction<'_>, seq: i64) -> Result<(), StoreError> {
    const DURING: &str = "set a damaged row of the intake log aside";
    let insert = "INSERT INTO damaged (source, id, data) SELECT 'intake', seq, packs FROM intake
        WHERE seq = ?1";
    tx.execute(insert, params![seq]).during(DURING)?;
    tx.execute("DELETE FROM intake WHERE seq = ?1", params![seq]).during(DURING)?;
    Ok(())
}
