//! Sealed months: one read-only file each, `months/YYYY-MM.db`.
//!
//! A file holds every pack of its month, packed as tightly as it goes, in pages of 1 KiB:
//! a row is longer than a page and fills those it has to itself to the last byte, and what
//! is left over wastes half a page. Measured: 2 to 8 % more than the rows, in pages of
//! 16 KiB 19 to 41 %. It also holds the names its numbers stand for, so that it can be
//! read by itself.
//!
//! A month that the main file says is sealed has its file in place: the file comes
//! first. What blocks of the month the main file still has lies over the sealed packs;
//! both are sets, so a pack that is in both is one. Whoever sealed a month again has
//! raised its generation; a file may be newer than a reader asks for, never older.
//!
//! Here: where the files are, and reading them. Making them is in `seal`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Span;
use jiff::civil::{Date, date};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::block::Block;
use super::memory::Day;
use crate::store::error::{During, StoreError};

/// Files kept open; a year's curve of one meter needs twelve.
const OPEN_MAX: usize = 16;

const DURING: &str = "read a sealed month";

/// A month of UTC days, counted from January of the year 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month(pub(super) i32);

impl Month {
    /// Returns the month of a day; days that no calendar has belong to none.
    pub(super) fn of(day: Day) -> Option<Self> {
        let date = date(1970, 1, 1).checked_add(Span::new().try_days(day).ok()?).ok()?;
        Some(Self(i32::from(date.year()) * 12 + i32::from(date.month()) - 1))
    }

    fn first_date(self) -> Option<Date> {
        let year = i16::try_from(self.0.div_euclid(12)).ok()?;
        let month = i8::try_from(self.0.rem_euclid(12)).ok()?;
        Date::new(year, month + 1, 1).ok()
    }

    /// Returns the first day of the month.
    pub(super) fn first_day(self) -> Option<Day> {
        let days = self.first_date()?.since(date(1970, 1, 1)).ok()?;
        Some(days.get_days())
    }

    /// Returns the first day of the next month.
    pub(super) fn end_day(self) -> Option<Day> {
        Self(self.0.checked_add(1)?).first_day()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

/// Returns the name of a month's file.
pub(super) fn file_name(month: Month) -> String {
    format!("{month}.db")
}

/// The first month that any calendar of ours has. Days before it are never sealed.
pub(super) const FIRST_MONTH: Month = Month(0);

/// Which months are sealed, and how often each has been.
pub(super) type Sealed = BTreeMap<Month, i64>;

/// The files of sealed months.
#[derive(Debug)]
pub(super) struct Months {
    folder: PathBuf,
    open: Mutex<Vec<(Month, MonthFile)>>,
}

/// One file, open for reading.
#[derive(Debug)]
pub(super) struct MonthFile {
    month: Month,
    generation: i64,
    connection: Connection,
}

impl Months {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, open: Mutex::new(Vec::new()) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, month: Month) -> PathBuf {
        self.folder.join(file_name(month))
    }

    /// Runs `run` on a month's file of at least this generation.
    pub(super) fn read<T>(
        &self,
        month: Month,
        generation: i64,
        run: impl FnOnce(&MonthFile) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let pooled = {
            let mut open = self.open();
            // An older generation is of a file that is no longer there by that name.
            open.retain(|(known, file)| *known != month || generation <= file.generation);
            let at = open.iter().position(|(known, _)| *known == month);
            at.map(|at| open.swap_remove(at).1)
        };
        let file = match pooled {
            Some(file) => file,
            None => MonthFile::open(&self.path(month), month)?,
        };
        if file.generation < generation {
            let found = file.generation;
            let what = format!("{month}.db is of generation {found}, not {generation}");
            return Err(StoreError::corrupt(DURING, what));
        }
        let out = run(&file);
        let mut open = self.open();
        if OPEN_MAX <= open.len() {
            open.remove(0);
        }
        open.push((month, file));
        out
    }

    /// Closes what is open of a month.
    pub(super) fn close(&self, month: Month) {
        self.open().retain(|(known, _)| *known != month);
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<(Month, MonthFile)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MonthFile {
    pub(super) fn open(path: &Path, month: Month) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::corrupt(DURING, format!("{month}.db is missing")));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).during(DURING)?;
        connection.set_prepared_statement_cache_capacity(4);
        let about = "SELECT month, generation FROM about";
        let (found, generation) = connection
            .query_row(about, (), |row| Ok((row.get::<_, i32>(0)?, row.get(1)?)))
            .during(DURING)
            .map_err(|error| {
                let StoreError::Other { source, .. } = error else { return error };
                // SQLite takes an empty file for a database without tables.
                StoreError::corrupt(DURING, format!("{month}.db holds no month: {source}"))
            })?;
        if found != month.0 {
            let what = format!("{month}.db holds the month {}", Month(found));
            return Err(StoreError::corrupt(DURING, what));
        }
        Ok(Self { month, generation, connection })
    }

    pub(super) fn generation(&self) -> i64 {
        self.generation
    }

    /// Runs `each` on every part of a meter that may hold packs of days `first..=last`.
    pub(super) fn parts(
        &self,
        meter: u32,
        first: Day,
        last: Day,
        mut each: impl FnMut(&Block<'_>) -> Option<()>,
    ) -> Result<(), StoreError> {
        let Some(start) = self.month.first_day() else { return Ok(()) };
        let from = part_id(meter, first.saturating_sub(start).max(0));
        let to = part_id(meter, last.saturating_sub(start).clamp(0, 31));
        // A part begins with its first day, and that may lie before the span's.
        let begins: Option<i64> = self
            .connection
            .prepare_cached("SELECT max(id) FROM block WHERE ?1 <= id AND id <= ?2")
            .during(DURING)?
            .query_row(params![part_id(meter, 0), from], |row| row.get(0))
            .optional()
            .during(DURING)?
            .flatten();
        let mut query = self
            .connection
            .prepare_cached("SELECT id, data FROM block WHERE ?1 <= id AND id <= ?2 ORDER BY id")
            .during(DURING)?;
        let mut rows = query.query(params![begins.unwrap_or(from), to]).during(DURING)?;
        while let Some(row) = rows.next().during(DURING)? {
            let id: i64 = row.get(0).during(DURING)?;
            let data = row.get_ref(1).during(DURING)?.as_blob();
            let data = data.map_err(|error| StoreError::corrupt(DURING, error.to_string()))?;
            let block = Block::open(data, key_of(self.month, id));
            block.and_then(|block| each(&block)).ok_or_else(|| self.damaged(id))?;
        }
        Ok(())
    }

    /// Returns the first part beyond a key, with its own, as bytes.
    pub(super) fn part_after(&self, id: Option<i64>) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT id, data FROM block WHERE ?1 IS NULL OR ?1 < id ORDER BY id LIMIT 1",
            )
            .during(DURING)?
            .query_row(params![id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .during(DURING)
    }

    /// Returns whose part a key is of.
    pub(super) fn meter_of(id: i64) -> u32 {
        u32::try_from(id >> 5).unwrap_or(u32::MAX)
    }

    /// Returns how many rows all blocks together hold; reads and checks every one.
    pub(super) fn count_rows(&self) -> Result<u64, StoreError> {
        let mut query = self.connection.prepare("SELECT id, data FROM block").during(DURING)?;
        let mut rows = query.query(()).during(DURING)?;
        let mut count = 0;
        while let Some(row) = rows.next().during(DURING)? {
            let id: i64 = row.get(0).during(DURING)?;
            let data: Vec<u8> = row.get(1).during(DURING)?;
            let block = Block::open(&data, key_of(self.month, id));
            count += block.ok_or_else(|| self.damaged(id))?.len() as u64;
        }
        Ok(count)
    }

    fn damaged(&self, id: i64) -> StoreError {
        let meter = u32::try_from(id >> 5).unwrap_or(u32::MAX);
        // The file holds the names that its numbers stand for.
        let name: Option<String> = self
            .connection
            .query_row("SELECT name FROM meter WHERE id = ?1", [meter], |row| row.get(0))
            .ok();
        let name = name.unwrap_or_else(|| format!("meter number {meter}"));
        let day = (id & 31) + 1;
        let what = format!(
            "the block of `{name}` in {}.db from day {day} on fails its checksum",
            self.month
        );
        StoreError::corrupt(DURING, what)
    }
}

/// Returns the key that a part's checksum holds: the file's month, and the part's key in it.
pub(super) fn key_of(month: Month, id: i64) -> i64 {
    i64::from(month.0) << 40 ^ id
}

/// Returns the key of a part: a meter's parts lie together, by the day of the month that
/// they begin with, counted from 0.
pub(super) fn part_id(meter: u32, day_of_month: i32) -> i64 {
    i64::from(meter) << 5 | i64::from(day_of_month.clamp(0, 31))
}

/// Returns the months that days `first..=last` lie in.
pub(super) fn months_of(sealed: &Sealed, first: Day, last: Day) -> Vec<(Month, i64)> {
    // Days that no calendar has lie before or after all months.
    let month =
        |day: Day| Month::of(day).unwrap_or(Month(if day < 0 { i32::MIN } else { i32::MAX }));
    sealed
        .range(month(first)..=month(last.max(first)))
        .map(|(month, generation)| (*month, *generation))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_belongs_to_its_month_of_the_calendar() {
        let month = |day| Month::of(day).map(|month| month.to_string());

        assert_eq!(month(0).as_deref(), Some("1970-01"));
        assert_eq!(month(20_512).as_deref(), Some("2026-02"));
        assert_eq!(month(20_513).as_deref(), Some("2026-03"));
        assert_eq!(month(-1).as_deref(), Some("1969-12"));
        assert_eq!(month(Day::MAX), None);
        let february = Month::of(20_500).unwrap();
        assert_eq!((february.first_day(), february.end_day()), (Some(20_485), Some(20_513)));
    }
}
