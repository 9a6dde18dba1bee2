//! The readings: facts, stored once, whatever the order and number of their arrivals.
//!
//! In: packs that the gate accepted, each the readings of one meter at one instant.
//! Out: packs, counter readings, last values and counts, by meter and span.
//!
//! Afterwards:
//! - the same pack twice is the same row, counted as duplicate;
//! - two different packs of one meter and instant are both kept; readers see the one
//!   with the higher (boot, seq), then the greater node name and content, so what they
//!   see is a function of what was stored and not of when;
//! - spans are half open, `[from, to)`.
//!
//! How it is kept (each file tells its part): a batch is one synced row of the intake
//! log (`record`) and waits in memory (`memory`); a flush makes blocks of it, one for
//! each meter and UTC day, with a column for each quantity, and sums of the days
//! (`flush`, `block`, `ints`, `led`, `rollup`). A month that is over becomes one read-only file
//! (`seal`, `months`); what comes later lies over it. Readers see all as one (`read`). Bytes of
//! packs are in `row`, numbers for names in `registry`, and `stored` finds a day for
//! those who write; `feed` tells a target of readings what it has yet to get.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use wire::message::{Clock, Pack};
use wire::{Name, Quantity};

use super::database::Database;
use super::error::StoreError;

mod block;
mod check;
mod counts;
mod course;
mod feed;
mod flush;
mod ints;
mod led;
mod memory;
mod months;
mod newest;
mod open;
mod quarantine;
mod quick;
mod read;
mod rebuild;
mod record;
mod registry;
mod rise;
mod rollup;
mod row;
mod seal;
mod snapshot;
mod stored;

pub use check::Damage;
pub use counts::{Counts, LATE_AFTER_S, UNNUMBERED, Untold};
pub use course::{Course, SEAM_S, Shown};
pub use feed::{Fed, Owed, Place, Position, Waiting};
use memory::Memory;
use months::Months;
pub use quarantine::{Quarantine, Quarantined, Unreadable};
pub use rise::Rise;
pub use rollup::{DayRollup, QuantityRollup};

/// Returns the name of the file of a sealed month, counted from January of the year 0.
pub(super) fn month_file_name(month: i32) -> String {
    months::file_name(months::Month(month))
}

/// A pack that the gate accepted, as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The node that sent it.
    pub node: Name,
    /// When it reached the gateway, Unix seconds.
    pub received: i64,
    /// What it says.
    pub pack: Pack,
}

impl Arrival {
    /// Returns the word for how its instant is known: `synced` or `estimated` by its
    /// sender, or `receipt` where the sender told none.
    #[must_use]
    pub fn clock_word(&self) -> &'static str {
        match self.pack.clock {
            Clock::Synced => "synced",
            Clock::Estimated if self.pack.boot == UNNUMBERED => "receipt",
            Clock::Estimated => "estimated",
        }
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Packs that were not there before.
    pub new: u64,
    /// Packs that were there already; nothing of theirs was written twice.
    pub duplicate: u64,
    /// Unreadable payloads put into quarantine.
    pub quarantined: u64,
}

/// A point in the sequence of writes. What was written later is a change since it.
///
/// It may be kept across a restart (in a setting, as a number).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub i64);

/// What changed since a mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The mark to ask with next time.
    pub mark: Mark,
    /// The meters with new packs, in order of name.
    pub spans: Vec<ChangedSpan>,
}

/// The span in which a meter got new packs; every new one lies within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedSpan {
    /// The meter.
    pub meter: Name,
    /// The earliest instant of a new pack.
    pub first: i64,
    /// The latest instant of a new pack.
    pub last: i64,
}

/// The readings of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Series {
    engine: Arc<Engine>,
}

/// The database, and what of it is held in memory.
///
/// Whoever writes holds the database's writer first and the memory second.
#[derive(Debug)]
struct Engine {
    database: Arc<Database>,
    memory: RwLock<Memory>,
    months: Months,
    /// Held as long as this process records; without it, it only reads.
    lock: Option<File>,
    /// Locked by whoever seals months, gives them up or copies them, in any process.
    months_lock: PathBuf,
    /// Which slice is flushed next.
    next_slice: AtomicU32,
    /// The bound of the buffers, where it is not the usual one.
    buffer_bytes: Option<usize>,
}

impl Engine {
    // What a panicking thread left behind is what was applied so far; the log has all.
    fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what only the process that records may do.
    fn must_record(&self, during: &'static str) -> Result<(), StoreError> {
        if self.lock.is_some() { Ok(()) } else { Err(StoreError::InUse { during }) }
    }

    fn memory_mut(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Series {
    pub(super) fn can_record(&self) -> bool {
        self.engine.lock.is_some()
    }

    /// Stores a batch in one transaction; it is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::DiskFull`] and others; nothing of the batch is stored then.
    /// [`StoreError::InUse`] beside another process.
    pub fn record(&self, batch: &[Arrival]) -> Result<Recorded, StoreError> {
        self.engine.record(batch, &[])
    }

    /// Stores a batch and, in the same transaction, payloads that nobody could read.
    ///
    /// # Errors
    ///
    /// As [`Series::record`].
    pub fn record_with_unreadable(
        &self,
        batch: &[Arrival],
        unreadable: &[Unreadable],
    ) -> Result<Recorded, StoreError> {
        self.engine.record(batch, unreadable)
    }

    /// Returns the packs of a meter within `[from, to)`, one for each instant, in order
    /// of instant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a block of the span is not what was once written.
    pub fn packs(&self, meter: &Name, from: i64, to: i64) -> Result<Vec<Arrival>, StoreError> {
        self.engine.packs(meter, from, to)
    }

    /// Returns the measured values of one quantity within `[from, to)` in order of
    /// instant, with the nearest one before `from` and the nearest one at or after `to`.
    ///
    /// Values are thousandths of the quantity's unit.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a block on the way is not what was once written.
    pub fn counter(
        &self,
        meter: &Name,
        quantity: Quantity,
        from: i64,
        to: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        self.engine.counter(meter, quantity, from, to)
    }

    /// Returns the measured values of one quantity at or after an instant, in order of
    /// instant: what came since, without its neighbours.
    ///
    /// # Errors
    ///
    /// As [`Series::counter`].
    pub fn counter_since(
        &self,
        meter: &Name,
        quantity: Quantity,
        from: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        self.engine.counter_since(meter, quantity, from)
    }

    /// Returns the newest pack of a meter.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it names what the store has no name for.
    pub fn last(&self, meter: &Name) -> Result<Option<Arrival>, StoreError> {
        self.engine.last(meter)
    }

    /// Runs `each` on the newest pack of every meter, in the order in which meters were first
    /// met. It is the same place each time: what is to be kept is copied.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if one names what the store has no name for.
    pub fn each_last(&self, each: impl FnMut(&Arrival)) -> Result<(), StoreError> {
        self.engine.each_last(each)
    }

    /// Counts the packs of a meter within `[from, to)`, and those that are missing from
    /// the sequence.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a block on the way is not what was once written.
    pub fn counts(&self, meter: &Name, from: i64, to: i64) -> Result<Counts, StoreError> {
        Ok(self.engine.counts(meter, from, to)?.0)
    }

    /// Returns the same, and of which time of the span no numbers tell.
    ///
    /// # Errors
    ///
    /// As [`Series::counts`].
    pub fn counts_told(
        &self,
        meter: &Name,
        from: i64,
        to: i64,
    ) -> Result<(Counts, Untold), StoreError> {
        self.engine.counts(meter, from, to)
    }

    /// Returns the sums of a meter's UTC days that begin within `[from, to)`. They are
    /// there also when the readings have been given up.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a day is not what was once written.
    pub fn day_rollups(
        &self,
        meter: &Name,
        from: i64,
        to: i64,
    ) -> Result<Vec<DayRollup>, StoreError> {
        self.engine.day_rollups(meter, from, to)
    }

    /// Returns how counters went from one instant to another, in their order, from the sums
    /// of their days: `None` of those whose days do not tell, and of all if an instant is
    /// neither the start of a UTC day nor its seam ([`SEAM_S`]).
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a block of a day that is not summed up yet is not what
    /// was once written.
    pub fn rises(
        &self,
        counters: &[(Name, Quantity)],
        from: i64,
        to: i64,
    ) -> Result<Vec<Option<Rise>>, StoreError> {
        self.engine.rises(counters, from, to)
    }

    /// Returns the meters that got new packs since a mark, and where. Of a mark from
    /// before this start it names every meter, with all it has. Answered from memory.
    ///
    /// # Errors
    ///
    /// None today; a series kept elsewhere would have some.
    pub fn changes_since(&self, mark: Mark) -> Result<Changes, StoreError> {
        Ok(self.engine.memory().changes_since(mark))
    }

    /// Does what falls due with time: writes days that are over into blocks, and seals
    /// months that are over. To be called now and then, say every ten minutes; it may
    /// take minutes itself, and keeps nobody from recording or reading.
    ///
    /// # Errors
    ///
    /// [`StoreError::DiskFull`] and others; everything recorded stays readable, and the
    /// next call tries again.
    pub fn maintain(&self, now: i64) -> Result<(), StoreError> {
        self.engine.must_record("tend the store")?;
        self.engine.flush_days_before(now)?;
        self.engine.seal_due(now)?;
        self.engine.database.checkpoint()
    }

    /// Gives up the readings of sealed months that end at or before an instant; the
    /// days' sums stay. Returns how many months went.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause; what has gone by then stays away.
    pub fn forget_before(&self, instant: i64) -> Result<u32, StoreError> {
        self.engine.must_record("give up a month")?;
        self.engine.forget_before(instant)
    }

    /// Returns the earliest instant that any pack has.
    #[must_use]
    pub fn first_instant(&self) -> Option<i64> {
        let memory = self.engine.memory();
        let all = 0..u32::try_from(memory.registry.meter_count()).unwrap_or(u32::MAX);
        memory.meters(all).map(|(_, state)| state.first_instant).min()
    }

    /// Tells what came since a target's position, in order of arrival: whole batches, until
    /// there are `packs_max` packs or more. Nothing has come if it tells of none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn feed_new(
        &self,
        position: &Position,
        packs_max: u64,
        mut each: impl FnMut(&Arrival),
    ) -> Result<Fed, StoreError> {
        self.engine.feed_new(position, packs_max, &mut each)
    }

    /// Tells a part of what a target is owed: what left the log before the target had it.
    /// Some steps tell of no pack; all is told once the position owes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn feed_owed(
        &self,
        position: &Position,
        packs_max: u64,
        mut each: impl FnMut(&Arrival),
    ) -> Result<Fed, StoreError> {
        self.engine.feed_owed(position, packs_max, &mut each)
    }

    /// Counts what waits in the log beyond a target's position.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn feed_waiting(&self, position: &Position) -> Result<Waiting, StoreError> {
        self.engine.feed_waiting(position)
    }

    /// Returns what is in quarantine: the newest rows, at most `limit`, and the sums.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] with the cause.
    pub fn quarantine(&self, limit: u32) -> Result<Quarantine, StoreError> {
        self.engine.database.read("read the quarantine", |tx| quarantine::list(tx, limit))
    }
}

#[cfg(test)]
mod tests;
