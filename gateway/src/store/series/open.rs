//! From the files to memory: snapshots first, then what the intake log holds beyond them.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, RwLock};

use rusqlite::{Transaction, params};
use wire::Name;

use super::check::{Damage, is_whole};
use super::memory::{Memory, meters_of};
use super::months::Months;
use super::registry::Registry;
use super::seal::{load_given_up, load_sealed};
use super::snapshot::Slice;
use super::{Engine, Series, rebuild};
use crate::store::codec::crc32_with;
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
        let months = Months::new(dir.join(MONTHS_FOLDER));
        let Loaded { memory, damaged, rebuilt, strays } =
            database.read(DURING, |tx| load(tx, &months))?;
        let mut found: Vec<Damage> =
            rebuilt.iter().map(|slice| Damage::of_a_snapshot(*slice)).collect();
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
            months,
            lock,
            months_lock: dir.join(MONTHS_LOCK_FILE),
            next_slice: AtomicU32::new(0),
            buffer_bytes,
        };
        if engine.lock.is_some() {
            // A flush writes a slice's snapshot. Should it fail, the next start reads it anew
            // again, and the next flush meets the same fault and says so.
            if rebuilt.iter().all(|slice| engine.flush_slice(*slice).is_ok()) {
                engine.database.write(DURING, |tx| remove_strays(tx, &strays)).ok();
            }
            engine.relieve();
        }
        Ok((Self { engine: Arc::new(engine) }, found))
    }
}

/// What a start has read.
struct Loaded {
    memory: Memory,
    /// Rows of the intake log that failed their checksum.
    damaged: Vec<i64>,
    /// Slices whose snapshot did, or that have none while another's did: the number that it
    /// stands under may be what is damaged.
    rebuilt: Vec<u32>,
    /// Numbers of damaged snapshots that no slice has.
    strays: Vec<u32>,
}

fn load(tx: &Transaction<'_>, months: &Months) -> Result<Loaded, StoreError> {
    // A target's position counts: were the last row damaged and set aside, its number would
    // be given anew, to a row that the target then takes for one it has.
    let newest = "SELECT max((SELECT coalesce(max(seq), 0) FROM intake),
        (SELECT coalesce(max(seq), 0) FROM snapshot),
        (SELECT coalesce(max(seq), 0) FROM target))";
    let seq = tx.query_row(newest, (), |row| row.get(0)).during(DURING)?;
    let Snapshots { named, slices, damaged: unreadable } = load_snapshots(tx)?;
    let mut memory = Memory::new(Registry::load(tx, named)?, seq);
    let mut missing: Vec<u32> = match unreadable.is_empty() {
        true => Vec::new(),
        false => (0..memory.slice_count()).collect(),
    };
    missing.retain(|number| slices.iter().all(|(known, _)| known != number));
    for (number, slice) in slices {
        memory.restore_slice(number, slice);
    }
    memory.sealed = Arc::new(load_sealed(tx)?);
    memory.given_up = Arc::new(load_given_up(tx)?);
    for &number in &missing {
        let slice = rebuild::slice(tx, &memory, months, number)?;
        memory.restore_slice(number, slice);
    }

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
    let strays = unreadable.into_iter().filter(|it| !missing.contains(it)).collect();
    Ok(Loaded { memory, damaged, rebuilt: missing, strays })
}

/// What snapshots tell.
#[derive(Default)]
struct Snapshots {
    /// Names: the number of the first, and the names of those in a row.
    named: Vec<(u32, Vec<Name>)>,
    slices: Vec<(u32, Slice)>,
    /// Those that are not what was once written.
    damaged: Vec<u32>,
}

fn load_snapshots(tx: &Transaction<'_>) -> Result<Snapshots, StoreError> {
    const DURING: &str = "read the newest readings";
    let sql = "SELECT slice, seq, crc, form, data FROM snapshot ORDER BY slice";
    let mut query = tx.prepare(sql).during(DURING)?;
    let mut rows = query.query(()).during(DURING)?;
    let mut found = Snapshots::default();
    while let Some(row) = rows.next().during(DURING)? {
        let number: u32 = row.get(0).during(DURING)?;
        let (seq, crc, form) =
            (row.get(1).during(DURING)?, row.get(2).during(DURING)?, row.get(3).during(DURING)?);
        let data = row.get_ref(4).during(DURING)?.as_blob();
        let data = data.map_err(|error| StoreError::corrupt(DURING, error.to_string()))?;
        let is_whole = match form {
            1 => is_whole(crc, &[number.into(), seq], data),
            form => crc == i64::from(crc32_with(&[number.into(), seq, form], data)),
        };
        let restored = if is_whole { Slice::restore(form, seq, data) } else { None };
        let Some((names, slice)) = restored else {
            found.damaged.push(number);
            continue;
        };
        if !names.is_empty() {
            found.named.push((meters_of(number).start, names));
        }
        found.slices.push((number, slice));
    }
    Ok(found)
}

fn remove_strays(tx: &Transaction<'_>, strays: &[u32]) -> Result<(), StoreError> {
    const DURING: &str = "remove a damaged snapshot";
    for stray in strays {
        tx.execute("DELETE FROM snapshot WHERE slice = ?1", params![stray]).during(DURING)?;
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
