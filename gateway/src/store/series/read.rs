//! What readers see: blocks and buffers as one.
//!
//! A read pins the state of the disk and of the memory at the same moment, copies the
//! meter's buffers, and goes on alone: it keeps nobody from recording.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{OptionalExtension, Transaction, params};
use wire::{Name, Quantity, Value};

use super::block::Block;
use super::counts::{Counted, Counts, Told, count, untold};
use super::course::{Course, Shown, seam_of};
use super::memory::{Day, Memory, bit_of, day_of, start_of};
use super::months::{Month, Months, Sealed, months_of};
use super::registry::{Column, Registry, column_of};
use super::rollup::{DayRollup, Found, StoredDay};
use super::row::{Again, Head, Rows, order_of_heads};
use super::seal::load_sealed;
use super::snapshot::MeterState;
use super::stored::{damaged_block, day_and_meter, decode_rollup, id_of, push_buffer};
use super::{Arrival, Engine};
use crate::store::error::{During, StoreError};

/// Days looked at first when a neighbour is searched for; each further step looks at
/// four times as many.
const NEIGHBOUR_DAYS: i64 = 1;
const NEIGHBOUR_GROWTH: i64 = 4;

/// One meter at one moment.
pub(super) struct Look<'a> {
    tx: &'a Transaction<'a>,
    registry: Arc<Registry>,
    meter: u32,
    name: Name,
    first: Day,
    last: Day,
    pub(super) measured: u64,
    buffers: Vec<(Day, Vec<u8>)>,
    months: &'a Months,
    sealed: Arc<Sealed>,
    given_up: Arc<BTreeSet<Month>>,
}

#[derive(Clone, Copy)]
enum Table {
    Block,
    Rollup,
}

#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

impl Engine {
    /// Runs `run` on a meter as it stands now; returns the default of a meter without
    /// packs.
    pub(super) fn look<T: Default>(
        &self,
        during: &'static str,
        meter: &Name,
        run: impl Fn(&Look<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            let sealed = Arc::clone(&self.memory().sealed);
            match self.look_once(during, meter, &run) {
                // A month that was given up meanwhile is no damage.
                Err(StoreError::Corrupt { .. }) if sealed != self.memory().sealed => {}
                outcome => return outcome,
            }
        }
    }

    fn look_once<T: Default>(
        &self,
        during: &'static str,
        meter: &Name,
        run: impl Fn(&Look<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.database.read(during, |tx| {
            let memory = self.memory();
            let Some(number) = memory.registry.meter(meter) else { return Ok(T::default()) };
            let Some(state) = memory.meter(number) else { return Ok(T::default()) };
            pin(tx)?;
            let sealed = sealed_now(tx, self.lock.is_some(), &memory)?;
            let named = (number, *meter);
            let look = Look::new(tx, &memory, named, state, &self.months, &sealed);
            drop(memory);
            run(&look)
        })
    }

    pub(super) fn packs(
        &self,
        meter: &Name,
        from: i64,
        to: i64,
    ) -> Result<Vec<Arrival>, StoreError> {
        self.look("read packs", meter, |look| {
            let (rows, _) = look.rows(from, to)?;
            rows.visible().map(|head| look.arrival(&rows, head)).collect()
        })
    }

    pub(super) fn counter(
        &self,
        meter: &Name,
        quantity: Quantity,
        from: i64,
        to: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let column = column_of(quantity);
        self.look("read a counter", meter, |look| {
            if look.measured & bit_of(column) == 0 {
                return Ok(Vec::new());
            }
            let pick = |from, to| look.pick(column, from, to);
            let mut values = Vec::new();
            values.extend(look.neighbour(Side::Before, from, pick)?);
            values.extend(look.pick(column, from, to)?);
            values.extend(look.neighbour(Side::After, to, pick)?);
            Ok(values)
        })
    }

    pub(super) fn counts(&self, meter: &Name, from: i64, to: i64) -> Result<Told, StoreError> {
        let counted = self.look("count packs", meter, |look| {
            let read = |from: i64, to: i64| -> Result<Vec<(i64, Counted)>, StoreError> {
                let (rows, _) = look.rows(from, to)?;
                Ok(rows.heads.iter().map(|head| (head.instant, Counted::of(head))).collect())
            };
            let mut packs = read(from, to)?;
            packs.extend(look.neighbour(Side::Before, from, read)?);
            packs.extend(look.neighbour(Side::After, to, read)?);
            let packs: Vec<_> = packs.into_iter().map(|it| it.1).collect();
            let untold = untold(&packs, from, to);
            let mut counts = count(packs, from, to);
            counts.duplicate = look.again(from, to)?;
            Ok(Some((counts, untold)))
        })?;
        // Of a meter that never sent anything there is nothing to look at.
        Ok(counted.unwrap_or_else(|| (Counts::default(), untold(&[], from, to))))
    }

    pub(super) fn day_rollups(
        &self,
        meter: &Name,
        from: i64,
        to: i64,
    ) -> Result<Vec<DayRollup>, StoreError> {
        self.look("read sums of days", meter, |look| look.rollups(from, to))
    }
}

impl<'a> Look<'a> {
    /// Copies what memory has of a meter; the transaction must be pinned.
    pub(super) fn new(
        tx: &'a Transaction<'a>,
        memory: &Memory,
        (meter, name): (u32, Name),
        state: &MeterState,
        months: &'a Months,
        sealed: &Arc<Sealed>,
    ) -> Self {
        let buffers = state.buffers.iter().map(|buffer| (buffer.day, buffer.rows.clone()));
        Self {
            tx,
            registry: Arc::clone(&memory.registry),
            meter,
            name,
            first: day_of(state.first_instant),
            last: day_of(state.last_instant),
            measured: state.measured,
            buffers: buffers.collect(),
            months,
            sealed: Arc::clone(sealed),
            given_up: Arc::clone(&memory.given_up),
        }
    }
}

impl Look<'_> {
    /// Returns the days of a span that this meter can have anything on.
    fn days(&self, from: i64, to: i64) -> Option<(Day, Day)> {
        let first = day_of(from).max(self.first);
        let last = day_of(to.saturating_sub(1)).min(self.last);
        (from < to && first <= last).then_some((first, last))
    }

    /// Runs `each` on every row that a table has of this meter within days.
    fn stored(
        &self,
        table: Table,
        first: Day,
        last: Day,
        mut each: impl FnMut(i64, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        const DURING: &str = "read the blocks of a meter";
        let sql = match table {
            Table::Block => "SELECT id, data FROM block WHERE id >= ?1 ORDER BY id LIMIT 1",
            Table::Rollup => "SELECT id, data FROM rollup WHERE id >= ?1 ORDER BY id LIMIT 1",
        };
        let mut next = self.tx.prepare_cached(sql).during(DURING)?;
        let mut day = first;
        while day <= last {
            // The next row of anybody tells how far to jump: a gap of years costs no more
            // than a gap of a day.
            let mut rows = next.query(params![id_of(day, self.meter)]).during(DURING)?;
            let Some(row) = rows.next().during(DURING)? else { break };
            let id: i64 = row.get(0).during(DURING)?;
            let (found, meter) = day_and_meter(id);
            if meter < self.meter {
                day = found;
                continue;
            }
            if meter == self.meter && found <= last {
                let data = row.get_ref(1).during(DURING)?.as_blob();
                each(id, data.map_err(|error| StoreError::corrupt(DURING, error.to_string()))?)?;
            }
            let Some(following) = found.checked_add(1) else { break };
            day = following;
        }
        Ok(())
    }

    /// Runs `each` on every block that may hold packs of this meter within days: sealed
    /// months first, then what the main file has.
    fn blocks(
        &self,
        first: Day,
        last: Day,
        mut each: impl FnMut(&Block<'_>) -> Option<()>,
    ) -> Result<(), StoreError> {
        for (month, generation) in months_of(&self.sealed, first, last) {
            self.months
                .read(month, generation, |file| file.parts(self.meter, first, last, &mut each))?;
        }
        self.stored(Table::Block, first, last, |id, bytes| {
            Block::open(bytes, id)
                .and_then(|block| each(&block))
                .ok_or_else(|| damaged_block(&self.registry, id))
        })
    }

    fn buffered(&self, first: Day, last: Day) -> impl Iterator<Item = &[u8]> {
        let within = move |day: Day| first <= day && day <= last;
        self.buffers.iter().filter(move |(day, _)| within(*day)).map(|(_, rows)| rows.as_slice())
    }

    /// Returns the rows within `[from, to)`, united, and what came again as far as it is
    /// in no block yet.
    fn rows(&self, from: i64, to: i64) -> Result<(Rows, Again), StoreError> {
        let mut rows = Rows::default();
        let Some((first, last)) = self.days(from, to) else { return Ok((rows, Again::new())) };
        self.blocks(first, last, |block| block.rows(&self.registry, &mut rows))?;
        for buffer in self.buffered(first, last) {
            push_buffer(&mut rows, buffer, (from, to), &self.registry);
        }
        rows.heads.retain(|head| from <= head.instant && head.instant < to);
        let again = rows.unite(&self.registry);
        Ok((rows, again))
    }

    /// Returns the measured values of one column within `[from, to)` as readers see them.
    pub(super) fn pick(
        &self,
        column: Column,
        from: i64,
        to: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let Some((first, last)) = self.days(from, to) else { return Ok(Vec::new()) };
        let mut picked: Vec<(Head, Option<i64>)> = Vec::new();
        self.blocks(first, last, |block| {
            picked.extend(block.pick(column, &self.registry)?);
            Some(())
        })?;
        for buffer in self.buffered(first, last) {
            let mut rows = Rows::default();
            push_buffer(&mut rows, buffer, (from, to), &self.registry);
            picked.extend(rows.heads.iter().map(|head| (*head, self.value(&rows, head, column))));
        }
        picked.retain(|(head, _)| from <= head.instant && head.instant < to);
        let order = |a: &(Head, Option<i64>), b: &(Head, Option<i64>)| {
            order_of_heads(&a.0, &b.0, &self.registry)
        };
        picked.sort_by(order);
        let conflict = |pair: &[(Head, Option<i64>)]| {
            order(&pair[0], &pair[1]).is_eq() && pair[0].1 != pair[1].1
        };
        if picked.windows(2).any(conflict) {
            // One number, two contents: which one counts only the whole packs tell.
            let (rows, _) = self.rows(from, to)?;
            picked =
                rows.heads.iter().map(|head| (*head, self.value(&rows, head, column))).collect();
        }
        let seen = picked.chunk_by(|a, b| a.0.instant == b.0.instant).filter_map(<[_]>::last);
        let mut values: Vec<(i64, i64)> =
            seen.filter_map(|(head, value)| Some((head.instant, (*value)?))).collect();
        self.add_kept(column, (first, last), (from, to), &mut values)?;
        Ok(values)
    }

    /// Adds what is left of months that were given up: of each day the first and the last
    /// reading, which its sums have kept.
    fn add_kept(
        &self,
        column: Column,
        (first, last): (Day, Day),
        (from, to): (i64, i64),
        values: &mut Vec<(i64, i64)>,
    ) -> Result<(), StoreError> {
        let before = values.len();
        for month in self.given_up.iter() {
            let (Some(start), Some(end)) = (month.first_day(), month.end_day()) else { continue };
            let (start, end) = (start.max(first), end.saturating_sub(1).min(last));
            if end < start {
                continue;
            }
            self.stored(Table::Rollup, start, end, |id, bytes| {
                let day = decode_rollup(id, bytes)?;
                let sums = day.quantities.iter().filter(|it| column_of(it.quantity) == column);
                for (sums, between) in sums.filter_map(|sums| Some((sums, sums.between?))) {
                    values.push((between.0, sums.first));
                    values.push((between.1, sums.last));
                }
                Ok(())
            })?;
        }
        if before < values.len() {
            values.retain(|(instant, _)| from <= *instant && *instant < to);
            // Stable: what is there as a reading stands before what the sums say of it.
            values.sort_by_key(|(instant, _)| *instant);
            values.dedup_by_key(|(instant, _)| *instant);
        }
        Ok(())
    }

    fn value(&self, rows: &Rows, head: &Head, column: Column) -> Option<i64> {
        let layout = self.registry.layout(head.layout)?;
        let place = layout.iter().position(|known| *known == column)?;
        match rows.values_of(head, &self.registry).get(place)? {
            Value::Measured(value) => Some(*value),
            Value::Absent(_) => None,
        }
    }

    /// Returns the nearest item before an instant, or at or after it: the last or first
    /// of what `read` finds in windows that grow.
    fn neighbour<T: Copy>(
        &self,
        side: Side,
        instant: i64,
        read: impl Fn(i64, i64) -> Result<Vec<(i64, T)>, StoreError>,
    ) -> Result<Option<(i64, T)>, StoreError> {
        let start = start_of(self.first);
        let end = start_of(self.last.saturating_add(1));
        let mut window = NEIGHBOUR_DAYS * 86_400;
        let mut at = match side {
            Side::Before => instant.min(end),
            Side::After => instant.max(start),
        };
        loop {
            match side {
                Side::Before => {
                    if at <= start {
                        return Ok(None);
                    }
                    let from = at.saturating_sub(window).max(start);
                    if let Some(found) = read(from, at)?.pop() {
                        return Ok(Some(found));
                    }
                    at = from;
                }
                Side::After => {
                    if end <= at {
                        return Ok(None);
                    }
                    let to = at.saturating_add(window).min(end);
                    if let Some(found) = read(at, to)?.into_iter().next() {
                        return Ok(Some(found));
                    }
                    at = to;
                }
            }
            window = window.saturating_mul(NEIGHBOUR_GROWTH);
        }
    }

    /// Counts the arrivals within `[from, to)` of packs that were there already.
    fn again(&self, from: i64, to: i64) -> Result<u64, StoreError> {
        let (_, mut again) = self.rows(from, to)?;
        if let Some((first, last)) = self.days(from, to) {
            self.stored(Table::Rollup, first, last, |id, bytes| {
                again.extend(decode_rollup(id, bytes)?.again);
                Ok(())
            })?;
        }
        let within = again.iter().filter(|(instant, _)| from <= *instant && *instant < to);
        Ok(within.map(|(_, count)| count).sum())
    }

    /// Returns the sums of the days that begin within `[from, to)`.
    fn rollups(&self, from: i64, to: i64) -> Result<Vec<DayRollup>, StoreError> {
        let Some((first, last)) = self.days(from, to) else { return Ok(Vec::new()) };
        let mut days: BTreeMap<Day, StoredDay> = BTreeMap::new();
        self.stored(Table::Rollup, first, last, |id, bytes| {
            days.insert(day_and_meter(id).0, decode_rollup(id, bytes)?);
            Ok(())
        })?;
        for (day, _) in self.buffers.iter().filter(|(day, _)| first <= *day && *day <= last) {
            let (rows, again) = self.rows(start_of(*day), start_of(day.saturating_add(1)))?;
            days.insert(*day, StoredDay::of(&rows, again, &self.registry));
        }
        let begins = |day: Day| from <= start_of(day) && start_of(day) < to;
        let days = days.into_iter().filter(|(day, _)| begins(*day));
        Ok(days.map(|(day, stored)| stored.into_rollup(self.name, day)).collect())
    }

    /// Returns how a counter went on a day, from its readings.
    pub(super) fn course(&self, day: Day, quantity: Quantity) -> Result<Found, StoreError> {
        let (from, to) = (start_of(day), start_of(day.saturating_add(1)));
        let seam = seam_of(day);
        let mut course: Option<Course> = None;
        for (instant, value) in self.pick(column_of(quantity), from, to)? {
            let shown = Shown { instant, value };
            match &mut course {
                Some(course) => course.add(shown, seam),
                None => course = Some(Course::new(quantity, shown, seam)),
            }
        }
        Ok(course.map_or(Found::NoReading, Found::Course))
    }

    fn arrival(&self, rows: &Rows, head: &Head) -> Result<Arrival, StoreError> {
        rows.arrival(head, self.name, &self.registry).ok_or_else(|| unnamed(&self.name))
    }
}

/// Returns which months are sealed.
pub(super) fn sealed_now(
    tx: &Transaction<'_>,
    records: bool,
    memory: &Memory,
) -> Result<Arc<Sealed>, StoreError> {
    if records {
        return Ok(Arc::clone(&memory.sealed));
    }
    // Another process may have sealed since this one looked into memory.
    Ok(Arc::new(load_sealed(tx)?))
}

/// Starts the reading transaction here and not at its first use.
pub(super) fn pin(tx: &Transaction<'_>) -> Result<(), StoreError> {
    const DURING: &str = "begin to read";
    tx.prepare_cached("SELECT 1 FROM snapshot LIMIT 1")
        .during(DURING)?
        .query_row((), |_| Ok(()))
        .optional()
        .during(DURING)?;
    Ok(())
}

pub(super) fn unnamed(meter: &Name) -> StoreError {
    StoreError::corrupt("read a pack", format!("a pack of `{meter}` names what has no number"))
}
