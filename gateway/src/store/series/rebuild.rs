//! What is known of a slice of meters, read anew from their days.
//!
//! A snapshot only saves a start from looking at every day; what it says stands in blocks,
//! months and sums as well. So one that is damaged costs the time to look, and nothing else:
//! what of its slice is in the intake log only is taken from there as ever, and the same pack
//! twice is the same row.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params};

use super::memory::{Day, Memory, SLICE_METERS, bit_of, day_of, measured, meters_of, start_of};
use super::months::Months;
use super::registry::column_of;
use super::rollup::StoredDay;
use super::row::{Head, Rows, put_row};
use super::seal::each_row;
use super::snapshot::{Slice, put_entry};
use super::stored::{Stored, day_and_meter, id_of};
use crate::store::error::{During, StoreError};

const DURING: &str = "read the newest readings anew";

/// What the sums of a meter's days tell.
#[derive(Default)]
struct Days {
    days: Vec<Day>,
    measured: u64,
}

/// Returns a slice as its days tell it, with the row of the intake log up to which it is in
/// blocks for sure.
///
/// # Errors
///
/// If SQLite fails, or if a meter has days and not one reading of them is left: then only
/// the snapshot knew its newest.
pub(super) fn slice(
    tx: &Transaction<'_>,
    memory: &Memory,
    months: &Months,
    slice: u32,
) -> Result<Slice, StoreError> {
    let registry = &memory.registry;
    let stored = Stored { tx, memory, registry, months };
    let mut bytes = Vec::new();
    let mut row = Vec::new();
    for (meter, known) in days_of(tx, slice)? {
        let lost = || StoreError::corrupt(DURING, format!("snapshot {slice} is not whole"));
        let name = registry.meter_name(meter).ok_or_else(lost)?;
        let mut seen = known.measured;
        let newest = known.days.iter().rev().find_map(|day| {
            let (rows, head) = newest(&stored, meter, *day)?;
            seen |= measured(&rows, &head, registry);
            Some((rows.arrival(&head, name, registry)?, head))
        });
        let (arrival, head) = newest.ok_or_else(lost)?;
        let first = known.days.first().copied().unwrap_or_else(|| day_of(head.instant));
        let first = match rows(&stored, meter, first).heads.first() {
            Some(head) => head.instant,
            // Its readings were given up, or are damaged: sums are left of it.
            None => start_of(first),
        };
        put_row(&mut Vec::new(), &mut row, &arrival, head.node, head.layout);
        put_entry(&mut bytes, meter % SLICE_METERS, (first, head.instant), seen, &row);
    }
    let whole = Slice::restore_entries(flushed(tx, slice)?, &bytes);
    whole.ok_or_else(|| StoreError::corrupt(DURING, format!("snapshot {slice} is not whole")))
}

/// Returns the days of each meter of a slice that have sums.
fn days_of(tx: &Transaction<'_>, slice: u32) -> Result<BTreeMap<u32, Days>, StoreError> {
    let mut meters: BTreeMap<u32, Days> = BTreeMap::new();
    let own = meters_of(slice);
    let mut from = i64::MIN;
    let next = "SELECT min(id) FROM rollup WHERE ?1 <= id";
    let mut next = tx.prepare_cached(next).during(DURING)?;
    // From day to day: the sums of other slices are passed over.
    while let Some(id) =
        next.query_row(params![from], |row| row.get::<_, Option<i64>>(0)).during(DURING)?
    {
        let (day, _) = day_and_meter(id);
        each_row(tx, "rollup", (id_of(day, own.start), id_of(day, own.end)), |id, data| {
            let known = meters.entry(day_and_meter(id).1).or_default();
            known.days.push(day);
            let sums = StoredDay::decode(data, id).map(|day| day.quantities).unwrap_or_default();
            known.measured |=
                sums.iter().fold(0, |seen, sums| seen | bit_of(column_of(sums.quantity)));
            Ok(())
        })?;
        let Some(after) = day.checked_add(1) else { break };
        from = id_of(after, 0);
    }
    Ok(meters)
}

/// Returns up to which row of the intake log a slice is in blocks: a flush leaves nothing of
/// it behind, so the newest block tells. Earlier rows that are taken in again change nothing.
fn flushed(tx: &Transaction<'_>, slice: u32) -> Result<i64, StoreError> {
    let own = meters_of(slice);
    tx.query_row(
        "SELECT coalesce(max(seq), 0) FROM block WHERE id & 4294967295 BETWEEN ?1 AND ?2 - 1",
        params![own.start, own.end],
        |row| row.get(0),
    )
    .during(DURING)
}

fn newest(stored: &Stored<'_>, meter: u32, day: Day) -> Option<(Rows, Head)> {
    let rows = rows(stored, meter, day);
    let head = *rows.visible().last()?;
    Some((rows, head))
}

/// Returns the packs of a meter's day, united; what is damaged of it is left out, and told
/// when it is read.
fn rows(stored: &Stored<'_>, meter: u32, day: Day) -> Rows {
    let mut rows = Rows::default();
    let mut whole = Rows::default();
    if stored.push_block(meter, day, &mut rows).is_ok() {
        whole.clone_from(&rows);
    }
    if stored.push_sealed(meter, day, &mut whole).is_ok() {
        rows = whole;
    }
    rows.heads.retain(|head| day_of(head.instant) == day);
    rows.unite(stored.registry);
    rows
}
