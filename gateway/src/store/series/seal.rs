//! From the day blocks of a month that is over to one file, and again when late packs
//! have come.
//!
//! The file is built under another name, checked against what went in and against the
//! days' sums, synced and renamed. Only then the main file says that the month is
//! sealed, and its blocks go, a few at a time. Nobody waits for any of it, and a power
//! cut leaves either the blocks, or the file with blocks that say the same once more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Engine;
use super::block::{Block, encode};
use super::ints::Effort;
use super::memory::{Day, day_of, meters_of, start_of};
use super::months::{FIRST_MONTH, Month, MonthFile, Sealed, key_of, part_id};
use super::registry::Registry;
use super::row::{Head, Rows};
use super::stored::{damaged_block, day_and_meter, decode_rollup, id_of};
use crate::store::error::{During, StoreError};
use crate::store::{files, lock};

const DURING: &str = "seal a month";

/// A month is sealed when it has been over for this long: most late packs are in.
const SEAL_AFTER_S: i64 = 3 * 86_400;

/// A sealed month with late packs is sealed again at most this often.
const RESEAL_AFTER_S: i64 = 86_400;

/// Rows in one part of a meter's month: pco gains little beyond (measured), and a day is
/// read by decoding a part.
const PART_ROWS: usize = 16_384;

/// Blocks removed in one transaction.
const REMOVE_BLOCKS: u32 = 2_048;

struct Span {
    month: Month,
    first: Day,
    end: Day,
}

/// How many packs a meter has on each day, as its sums say.
type Sums = Vec<(Day, u64)>;

/// A meter's packs of one month, encoded: the key and the bytes of each part.
type Parts = Vec<(i64, Vec<u8>)>;

impl Engine {
    /// Seals what is due, and forgets blocks that a sealed month has.
    pub(super) fn seal_due(&self, now: i64) -> Result<(), StoreError> {
        let Some(_alone) = lock::take(&self.months_lock)? else {
            // A backup copies the months; the next round seals.
            return Ok(());
        };
        let mut from = FIRST_MONTH.first_day().unwrap_or(0);
        while let Some(span) = self.next_month(from)? {
            from = span.end;
            if now < start_of(span.end).saturating_add(SEAL_AFTER_S) {
                break;
            }
            let sealed_at = self.remove_sealed_blocks(&span)?;
            let rests = sealed_at.is_some_and(|at| now < at.saturating_add(RESEAL_AFTER_S));
            if !rests && self.has_blocks(&span)? {
                self.seal(&span, now)?;
                self.remove_sealed_blocks(&span)?;
            }
        }
        Ok(())
    }

    /// Returns the first month from a day on that has blocks in the main file.
    fn next_month(&self, from: Day) -> Result<Option<Span>, StoreError> {
        let id: Option<i64> = self.database.read(DURING, |tx| {
            tx.query_row("SELECT min(id) FROM block WHERE ?1 <= id", [id_of(from, 0)], |row| {
                row.get(0)
            })
            .during(DURING)
        })?;
        let month = id.and_then(|id| Month::of(day_and_meter(id).0));
        Ok(month.and_then(|month| {
            Some(Span { month, first: month.first_day()?, end: month.end_day()? })
        }))
    }

    fn has_blocks(&self, span: &Span) -> Result<bool, StoreError> {
        Ok(self.next_month(span.first)?.is_some_and(|next| next.month == span.month))
    }

    fn seal(&self, span: &Span, now: i64) -> Result<(), StoreError> {
        // First the number, then the flush: every pack of the month up to it is then in
        // blocks, and a block that changes from here on gets a higher one.
        let (upto, sealed) = {
            let memory = self.memory();
            (memory.seq, Arc::clone(&memory.sealed))
        };
        self.flush_days(span.first, span.end.saturating_sub(1))?;
        let before = sealed.get(&span.month).copied();
        let generation = before.unwrap_or(0) + 1;

        files::make_folder(self.months.folder())?;
        let path = self.months.path(span.month);
        let building = path.with_extension("building");
        files::remove_if_there(&building)?;
        let rows = self.build(&building, span, before, generation)?;
        check(&building, span.month, generation, rows)?;
        files::put_in_place(&building, &path)?;
        self.months.close(span.month);

        self.database.write_then(
            DURING,
            |tx| {
                tx.execute(
                    "INSERT OR REPLACE INTO month (month, generation, upto, sealed, packs)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![span.month.0, generation, upto, now, i64::try_from(rows).unwrap_or(0)],
                )
                .during(DURING)?;
                // From here to the end of the commit readers wait.
                Ok(self.memory_mut())
            },
            |mut memory| {
                Arc::make_mut(&mut memory.sealed).insert(span.month, generation);
            },
        )
    }

    /// Writes the file; returns how many rows it has.
    fn build(
        &self,
        path: &Path,
        span: &Span,
        before: Option<i64>,
        generation: i64,
    ) -> Result<u64, StoreError> {
        let mut file = Connection::open(path).during(DURING)?;
        // The file is nobody's until it is synced and renamed.
        file.execute_batch(
            "PRAGMA page_size = 1024; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;",
        )
        .during(DURING)?;
        let out = file.transaction().during(DURING)?;
        out.execute_batch(include_str!("month.sql")).during(DURING)?;
        let mut total = 0;
        for slice in 0..self.memory().slice_count() {
            let (parts, rows) =
                self.database.read(DURING, |tx| self.encode_slice(tx, slice, span, before))?;
            let mut insert = out
                .prepare_cached("INSERT INTO block (id, data) VALUES (?1, ?2)")
                .during(DURING)?;
            for (id, data) in parts {
                insert.execute(params![id, data]).during(DURING)?;
            }
            total += rows;
        }
        Arc::clone(&self.memory().registry).copy_into(&out)?;
        out.execute(
            "INSERT INTO about (version, month, generation, packs) VALUES (1, ?1, ?2, ?3)",
            params![span.month.0, generation, i64::try_from(total).unwrap_or(0)],
        )
        .during(DURING)?;
        out.commit().during(DURING)?;
        file.close().map_err(|(_, error)| error).during(DURING)?;
        Ok(total)
    }

    fn encode_slice(
        &self,
        tx: &Transaction<'_>,
        slice: u32,
        span: &Span,
        before: Option<i64>,
    ) -> Result<(Parts, u64), StoreError> {
        let registry = Arc::clone(&self.memory().registry);
        let meters = meters_of(slice);
        let mut blocks: BTreeMap<u32, Vec<(i64, Vec<u8>)>> = BTreeMap::new();
        let mut sums: BTreeMap<u32, Sums> = BTreeMap::new();
        for day in span.first..span.end {
            let keys = (id_of(day, meters.start), id_of(day, meters.end));
            each_row(tx, "block", keys, |id, data| {
                blocks.entry(day_and_meter(id).1).or_default().push((id, data.to_vec()));
                Ok(())
            })?;
            each_row(tx, "rollup", keys, |id, data| {
                let (day, meter) = day_and_meter(id);
                sums.entry(meter).or_default().push((day, decode_rollup(id, data)?.packs));
                Ok(())
            })?;
        }
        let mut parts = Parts::new();
        let mut total = 0;
        let (mut rows, mut back) = (Rows::default(), Rows::default());
        for meter in meters.start..meters.end {
            rows.clear();
            for (id, data) in blocks.remove(&meter).unwrap_or_default() {
                Block::open(&data, id)
                    .and_then(|block| block.rows(&registry, &mut rows))
                    .ok_or_else(|| damaged_block(&registry, id))?;
            }
            if let Some(generation) = before {
                self.months.read(span.month, generation, |file| {
                    file.parts(meter, span.first, span.end, |block| {
                        block.rows(&registry, &mut rows)
                    })
                })?;
            }
            if rows.heads.is_empty() {
                continue;
            }
            rows.unite(&registry);
            check_sums(&rows, meter, &sums.remove(&meter).unwrap_or_default(), &registry)?;
            total += rows.heads.len() as u64;
            encode_parts((&rows, &mut back), meter, span, &registry, &mut parts)?;
        }
        Ok((parts, total))
    }

    /// Removes the blocks that the month's file has; returns when it was sealed.
    fn remove_sealed_blocks(&self, span: &Span) -> Result<Option<i64>, StoreError> {
        const DURING: &str = "remove blocks of a sealed month";
        let sealed: Option<(i64, i64)> = self.database.read(DURING, |tx| {
            tx.query_row(
                "SELECT upto, sealed FROM month WHERE month = ?1",
                params![span.month.0],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .during(DURING)
        })?;
        let Some((upto, sealed_at)) = sealed else { return Ok(None) };
        let remove = "DELETE FROM block WHERE id IN (SELECT id FROM block
            WHERE ?1 <= id AND id < ?2 AND seq <= ?3 LIMIT ?4)";
        let keys = (id_of(span.first, 0), id_of(span.end, 0));
        loop {
            let removed = self.database.write(DURING, |tx| {
                tx.execute(remove, params![keys.0, keys.1, upto, REMOVE_BLOCKS]).during(DURING)
            })?;
            if removed == 0 {
                return Ok(Some(sealed_at));
            }
        }
    }

    /// Gives up the readings of sealed months that end at or before an instant. Their
    /// days' sums stay. Returns how many months went.
    pub(super) fn forget_before(&self, instant: i64) -> Result<u32, StoreError> {
        const DURING: &str = "give up a month";
        let Some(_alone) = lock::take(&self.months_lock)? else { return Ok(0) };
        let sealed = Arc::clone(&self.memory().sealed);
        let mut count = 0;
        for &month in sealed.keys() {
            let (Some(first), Some(end)) = (month.first_day(), month.end_day()) else { continue };
            if instant < start_of(end) {
                break;
            }
            self.database.write_then(
                DURING,
                |tx| {
                    tx.execute("DELETE FROM month WHERE month = ?1", [month.0]).during(DURING)?;
                    tx.execute("INSERT OR IGNORE INTO given_up (month) VALUES (?1)", [month.0])
                        .during(DURING)?;
                    tx.execute(
                        "DELETE FROM block WHERE ?1 <= id AND id < ?2",
                        [id_of(first, 0), id_of(end, 0)],
                    )
                    .during(DURING)?;
                    Ok(self.memory_mut())
                },
                |mut memory| {
                    Arc::make_mut(&mut memory.sealed).remove(&month);
                    Arc::make_mut(&mut memory.given_up).insert(month);
                },
            )?;
            self.months.close(month);
            files::remove_if_there(&self.months.path(month))?;
            files::sync_folder_of(&self.months.path(month))?;
            count += 1;
        }
        Ok(count)
    }
}

/// Reads which months the main file says are sealed.
pub(super) fn load_sealed(tx: &Transaction<'_>) -> Result<Sealed, StoreError> {
    const DURING: &str = "read which months are sealed";
    let mut query = tx.prepare("SELECT month, generation FROM month").during(DURING)?;
    let rows = query.query_map((), |row| Ok((Month(row.get(0)?), row.get(1)?))).during(DURING)?;
    rows.collect::<rusqlite::Result<_>>().during(DURING)
}

/// Reads which months' readings were given up.
pub(super) fn load_given_up(tx: &Transaction<'_>) -> Result<BTreeSet<Month>, StoreError> {
    const DURING: &str = "read which months were given up";
    let mut query = tx.prepare("SELECT month FROM given_up").during(DURING)?;
    let rows = query.query_map((), |row| Ok(Month(row.get(0)?))).during(DURING)?;
    rows.collect::<rusqlite::Result<_>>().during(DURING)
}

pub(super) fn each_row(
    tx: &Transaction<'_>,
    table: &str,
    (from, end): (i64, i64),
    mut each: impl FnMut(i64, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let sql = format!("SELECT id, data FROM {table} WHERE ?1 <= id AND id < ?2 ORDER BY id");
    let mut query = tx.prepare_cached(&sql).during(DURING)?;
    let mut rows = query.query(params![from, end]).during(DURING)?;
    while let Some(row) = rows.next().during(DURING)? {
        let data = row.get_ref(1).during(DURING)?.as_blob();
        let data = data.map_err(|error| StoreError::corrupt(DURING, error.to_string()))?;
        each(row.get(0).during(DURING)?, data)?;
    }
    Ok(())
}

/// Compares the packs of each day with its sums: what a flush once counted must be here.
fn check_sums(rows: &Rows, meter: u32, sums: &Sums, registry: &Registry) -> Result<(), StoreError> {
    let mut found: BTreeMap<Day, u64> = BTreeMap::new();
    for of_day in rows.heads.chunk_by(|a, b| day_of(a.instant) == day_of(b.instant)) {
        let packs = of_day.chunk_by(|a, b| a.instant == b.instant).count();
        found.insert(day_of(of_day[0].instant), u64::try_from(packs).unwrap_or(u64::MAX));
    }
    for (day, packs) in sums {
        let has = found.get(day).copied().unwrap_or(0);
        if has != *packs {
            let name = registry.meter_name(meter).map(|name| name.to_string());
            let name = name.unwrap_or_default();
            let start = start_of(*day);
            let what = format!("`{name}` has {has} packs from {start}, its sums say {packs}");
            return Err(StoreError::corrupt(DURING, what));
        }
    }
    Ok(())
}

/// Cuts a meter's month at days into parts, and encodes them; `back` is room to work in.
fn encode_parts(
    (rows, back): (&Rows, &mut Rows),
    meter: u32,
    span: &Span,
    registry: &Registry,
    parts: &mut Parts,
) -> Result<(), StoreError> {
    let day = |head: &Head| day_of(head.instant);
    let mut rest = rows.heads.as_slice();
    while let Some(first) = rest.first() {
        let mut len = 0;
        for day in rest.chunk_by(|a, b| day(a) == day(b)) {
            len += day.len();
            if PART_ROWS <= len {
                break;
            }
        }
        let (part, others) = rest.split_at(len);
        let id = part_id(meter, day(first).saturating_sub(span.first));
        let key = key_of(span.month, id);
        let data = encode(part, &rows.values, registry, Effort::Thorough, key);
        check_part(&data, key, part, (rows, back), registry)?;
        parts.push((id, data));
        rest = others;
    }
    Ok(())
}

/// Decodes what was just encoded: the blocks it is made of will go.
fn check_part(
    data: &[u8],
    key: i64,
    part: &[Head],
    (rows, back): (&Rows, &mut Rows),
    registry: &Registry,
) -> Result<(), StoreError> {
    back.clear();
    let same = Block::open(data, key).and_then(|block| block.rows(registry, back)).is_some()
        && back.heads.len() == part.len()
        && back.heads.iter().zip(part).all(|(found, head)| {
            Head { at: 0, fresh: false, ..*found } == Head { at: 0, fresh: false, ..*head }
                && back.values_of(found, registry) == rows.values_of(head, registry)
        });
    if same { Ok(()) } else { Err(StoreError::corrupt(DURING, "a block does not read back")) }
}

/// Reads the built file as a reader will.
fn check(path: &Path, month: Month, generation: i64, rows: u64) -> Result<(), StoreError> {
    let file = MonthFile::open(path, month)?;
    let found = (file.generation(), file.count_rows()?);
    if found == (generation, rows) {
        return Ok(());
    }
    let what = format!("{month}.db was built with {rows} packs and has {}", found.1);
    Err(StoreError::corrupt(DURING, what))
}
