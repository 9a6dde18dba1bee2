//! Whether everything that was once written still reads as it was.
//!
//! In: a store, in use or not. Out: what is damaged, each with file, meter and day.
//!
//! Reading finds a block that fails its checksum; it cannot find one that is gone. So here
//! the packs of every day are counted and compared with the day's sums, which were made
//! when the day was written, and SQLite looks through the main file. It reads everything,
//! one slice of meters and one month at a time, and keeps nobody from recording.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Transaction;
use wire::Name;

use super::block::Block;
use super::memory::{Day, day_of, meters_of, start_of};
use super::months::{Month, Sealed, file_name};
use super::registry::Registry;
use super::rollup::StoredDay;
use super::seal::each_row;
use super::stored::{day_and_meter, id_of};
use super::{Engine, Series};
use crate::store::MAIN_FILE;
use crate::store::codec::{crc32, crc32_with};
use crate::store::error::{During, StoreError};

const DURING: &str = "check the store";

/// More say no more.
const DAMAGES_MAX: usize = 1_000;

/// Something that is not what was once written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, below the data directory.
    pub file: String,
    /// Whose readings, if of one meter.
    pub meter: Option<Name>,
    /// The first second of the UTC day, if of one day.
    pub day: Option<i64>,
    /// What about it.
    pub what: String,
}

impl Damage {
    pub(in crate::store) fn of_the_log(what: String) -> Self {
        Self { file: format!("{MAIN_FILE}-wal"), meter: None, day: None, what }
    }

    pub(super) fn of_the_intake(seq: i64) -> Self {
        let what = format!("batch {seq} of the intake log fails its checksum and was set aside");
        Self { file: String::from(MAIN_FILE), meter: None, day: None, what }
    }

    pub(super) fn of_a_snapshot(slice: u32) -> Self {
        let Range { start, end } = meters_of(slice);
        Self::of_main(format!(
            "what was known of meters {start} to {} fails its checksum; it was read anew from \
             their days, and nothing of them is missing",
            end - 1
        ))
    }

    fn of_main(what: impl fmt::Display) -> Self {
        Self { file: String::from(MAIN_FILE), meter: None, day: None, what: what.to_string() }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if let Some(meter) = &self.meter {
            write!(f, "`{meter}` ")?;
        }
        if let Some(day) = self.day {
            write!(f, "on {} ", written(day))?;
        }
        write!(f, "{}", self.what)
    }
}

/// Returns the UTC day of an instant as text.
pub(super) fn written(instant: i64) -> String {
    match Timestamp::from_second(instant) {
        Ok(at) => at.strftime("%Y-%m-%d").to_string(),
        Err(_) => instant.to_string(),
    }
}

impl Series {
    /// Reads everything there is; returns what is damaged.
    pub(in crate::store) fn check(&self) -> Result<Vec<Damage>, StoreError> {
        self.engine.check()
    }
}

impl Engine {
    fn check(&self) -> Result<Vec<Damage>, StoreError> {
        let mut found = Vec::new();
        tell(&mut found, self.database.read(DURING, look_through))?;
        tell(&mut found, self.database.read(DURING, check_intake))?;
        let mut months = BTreeSet::new();
        let listed = self.database.read(DURING, |tx| {
            months.extend(Arc::clone(&self.memory().sealed).keys());
            months.extend(months_in(tx)?);
            Ok(Vec::new())
        });
        tell(&mut found, listed)?;
        for month in months {
            for slice in 0..self.memory().slice_count() {
                let checked = self.database.read(DURING, |tx| self.check_slice(tx, month, slice));
                tell(&mut found, checked)?;
                if DAMAGES_MAX <= found.len() {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    fn check_slice(
        &self,
        tx: &Transaction<'_>,
        month: Month,
        slice: u32,
    ) -> Result<Vec<Damage>, StoreError> {
        let (Some(first), Some(end)) = (month.first_day(), month.end_day()) else {
            return Ok(Vec::new());
        };
        let (registry, sealed, given_up) = {
            let memory = self.memory();
            let (sealed, given_up) = (Arc::clone(&memory.sealed), Arc::clone(&memory.given_up));
            (Arc::clone(&memory.registry), sealed, given_up)
        };
        let mut look = Look { registry, days: BTreeMap::new(), found: Vec::new() };
        let meters = meters_of(slice);
        for day in first..end {
            let keys = (id_of(day, meters.start), id_of(day, meters.end));
            each_row(tx, "rollup", keys, |id, data| {
                look.take_sums(id, data);
                Ok(())
            })?;
            each_row(tx, "block", keys, |id, data| {
                look.take_block(id, data);
                Ok(())
            })?;
        }
        self.take_sealed(&mut look, &sealed, month, slice)?;
        if !given_up.contains(&month) {
            look.compare();
        }
        Ok(look.found)
    }

    fn take_sealed(
        &self,
        look: &mut Look,
        sealed: &Sealed,
        month: Month,
        slice: u32,
    ) -> Result<(), StoreError> {
        let Some(&generation) = sealed.get(&month) else { return Ok(()) };
        let (Some(first), Some(end)) = (month.first_day(), month.end_day()) else {
            return Ok(());
        };
        for meter in meters_of(slice) {
            if look.registry.meter_name(meter).is_none() {
                break;
            }
            let mut instants = Vec::new();
            let read = self.months.read(month, generation, |file| {
                file.parts(meter, first, end, |block| {
                    let heads = block.heads(&look.registry)?;
                    instants.extend(heads.iter().map(|head| head.instant));
                    Some(())
                })
            });
            for instant in instants {
                look.day(day_of(instant), meter).instants.push(instant);
            }
            match read {
                Ok(()) => {}
                Err(StoreError::Corrupt { what, .. }) => {
                    for day in first..end {
                        look.day(day, meter).is_known = false;
                    }
                    let name = look.registry.meter_name(meter);
                    let file = format!("months/{}", file_name(month));
                    look.found.push(Damage { file, meter: name, day: None, what });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What a slice has in a month.
struct Look {
    registry: Arc<Registry>,
    days: BTreeMap<(Day, u32), Counted>,
    found: Vec<Damage>,
}

struct Counted {
    sums: Option<StoredDay>,
    instants: Vec<i64>,
    /// Whether all of it could be read.
    is_known: bool,
}

impl Look {
    fn day(&mut self, day: Day, meter: u32) -> &mut Counted {
        let counted = Counted { sums: None, instants: Vec::new(), is_known: true };
        self.days.entry((day, meter)).or_insert(counted)
    }

    fn tell(&mut self, (day, meter): (Day, u32), what: impl fmt::Display) {
        self.found.push(Damage {
            file: String::from(MAIN_FILE),
            meter: self.registry.meter_name(meter),
            day: Some(start_of(day)),
            what: what.to_string(),
        });
    }

    fn take_sums(&mut self, id: i64, data: &[u8]) {
        let (day, meter) = day_and_meter(id);
        let sums = StoredDay::decode(data, id);
        if sums.is_none() {
            self.tell((day, meter), "has sums that fail their checksum");
            self.day(day, meter).is_known = false;
        }
        self.day(day, meter).sums = sums;
    }

    fn take_block(&mut self, id: i64, data: &[u8]) {
        let (day, meter) = day_and_meter(id);
        let registry = Arc::clone(&self.registry);
        let heads = Block::open(data, id).and_then(|block| block.heads(&registry));
        match heads {
            Some(heads) if heads.iter().all(|head| day_of(head.instant) == day) => {
                let instants = heads.iter().map(|head| head.instant);
                self.day(day, meter).instants.extend(instants);
            }
            _ => {
                self.tell((day, meter), "has a block that fails its checksum");
                self.day(day, meter).is_known = false;
            }
        }
    }

    /// What a flush once counted must be here.
    fn compare(&mut self) {
        for (key, mut counted) in std::mem::take(&mut self.days) {
            if !counted.is_known {
                continue;
            }
            counted.instants.sort_unstable();
            counted.instants.dedup();
            let has = counted.instants.len() as u64;
            let name = self.registry.meter_name(key.1);
            match counted.sums {
                _ if name.is_none() => self.tell(key, "is of a meter that has no name"),
                None => self.tell(key, format_args!("has {has} packs and no sums")),
                Some(sums) if sums.packs != has => {
                    let says = sums.packs;
                    self.tell(key, format_args!("has {has} packs, its sums say {says}"));
                }
                Some(_) => {}
            }
        }
    }
}

/// Adds what was found; that something is damaged does not end the search.
fn tell(
    found: &mut Vec<Damage>,
    outcome: Result<Vec<Damage>, StoreError>,
) -> Result<(), StoreError> {
    match outcome {
        Ok(damages) => found.extend(damages),
        Err(StoreError::Corrupt { what, .. }) => found.push(Damage::of_main(what)),
        Err(error) => return Err(error),
    }
    Ok(())
}

fn look_through(tx: &Transaction<'_>) -> Result<Vec<Damage>, StoreError> {
    let mut query = tx.prepare("PRAGMA integrity_check(20)").during(DURING)?;
    let rows = query.query_map((), |row| row.get::<_, String>(0)).during(DURING)?;
    let verdicts: Vec<String> = rows.collect::<rusqlite::Result<_>>().during(DURING)?;
    Ok(verdicts.iter().filter(|verdict| *verdict != "ok").map(Damage::of_main).collect())
}

fn check_intake(tx: &Transaction<'_>) -> Result<Vec<Damage>, StoreError> {
    let mut query = tx.prepare("SELECT seq, crc, packs FROM intake").during(DURING)?;
    let mut rows = query.query(()).during(DURING)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().during(DURING)? {
        let seq: i64 = row.get(0).during(DURING)?;
        let packs: Vec<u8> = row.get(2).during(DURING)?;
        if !is_whole(row.get(1).during(DURING)?, &[seq], &packs) {
            found.push(Damage::of_main(format_args!("batch {seq} of the intake log is damaged")));
        }
    }
    Ok(found)
}

/// Compares bytes with their checksum. It holds the row's keys; in rows of the first
/// program it did not.
pub(super) fn is_whole(crc: i64, keys: &[i64], bytes: &[u8]) -> bool {
    [crc32_with(keys, bytes), crc32(bytes)].map(i64::from).contains(&crc)
}

/// Returns the months that the main file has anything of.
fn months_in(tx: &Transaction<'_>) -> Result<BTreeSet<Month>, StoreError> {
    let mut months = BTreeSet::new();
    for table in ["block", "rollup"] {
        let sql = format!("SELECT min(id) FROM {table} WHERE ?1 <= id");
        let mut from = i64::MIN;
        loop {
            let id: Option<i64> = tx.query_row(&sql, [from], |row| row.get(0)).during(DURING)?;
            let Some(day) = id.map(|id| day_and_meter(id).0) else { break };
            let month = Month::of(day);
            months.extend(month);
            // Days that no calendar has lie before or after all months.
            let next = month.and_then(Month::end_day).unwrap_or(day.saturating_add(1));
            if next == Day::MAX {
                break;
            }
            from = id_of(next, 0);
        }
    }
    Ok(months)
}
