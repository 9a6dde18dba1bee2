//! A house for tests: readings into a real store, with a ledger over it.
//!
//! One building with lessons on working days from 07:00 to 18:00 (so by the calendar of
//! holidays), one area `hall`, one node `node-1` that reads each quarter hour; which meters
//! there are, each test says.

use tempfile::TempDir;
use wire::message::{Clock as NodeClock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use super::Ledger;
use crate::clock::Clock;
use crate::store::journal::{
    FindingFilter, FindingRow, MeterChange, NewMark, NewMeterEvent, SiteBookRow,
};
use crate::store::{Arrival, Store};

/// Midnight of 2026-09-07, a Monday, in Shanghai.
pub(crate) const MONDAY: i64 = 1_788_710_400;
pub(crate) const HOUR_S: i64 = 3_600;
pub(crate) const DAY_S: i64 = 86_400;
/// Polls of a day.
pub(crate) const POLLS: i64 = 96;

const PLACE: &str = r#"
[site]
id = "school"
name = "实验小学"
zone = "Asia/Shanghai"

[[building]]
id = "main"
name = "教学楼"

[[hours]]
id = "lessons"
name = "上课"
weekdays = ["07:00-18:00"]

[[area]]
id = "hall"
name = "大厅"
building = "main"
hours = "lessons"

[[node]]
id = "node-1"
name = "配电间"
interval_s = 900
"#;

pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    dir: TempDir,
}

impl House {
    /// A house with these meters of the site book, at an instant.
    pub(crate) fn new(meters: &str, now: i64) -> Self {
        // In memory where the machine has such a place: each batch is synced.
        let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        let house = Self::open(dir, now);
        let book = SiteBookRow {
            version: 0,
            made: now,
            author: "test".to_owned(),
            note: String::new(),
            text: format!("{PLACE}{meters}"),
        };
        house.store.journal().commit(|tx| tx.add_site_book(&book)).unwrap();
        assert!(house.ledger.reload().unwrap(), "the site book has mistakes");
        house
    }

    fn open(dir: TempDir, now: i64) -> Self {
        let store = Store::open(dir.path()).unwrap();
        let clock = Clock::manual(now);
        let ledger = Ledger::new(&store, &clock);
        ledger.reload().unwrap();
        Self { store, ledger, clock, dir }
    }

    /// The same house after its gateway was started again.
    pub(crate) fn reopened(self) -> Self {
        let Self { store, ledger, clock, dir } = self;
        let now = clock.now();
        drop((store, ledger));
        Self::open(dir, now)
    }

    pub(crate) fn record(&self, arrivals: &[Arrival]) {
        self.store.series().record(arrivals).unwrap();
    }

    /// Makes an event of a meter; returns its number.
    pub(crate) fn change(&self, meter: &str, change: &MeterChange) -> i64 {
        let event = NewMeterEvent {
            meter: name(meter),
            change: change.clone(),
            reason: "test".to_owned(),
            photo: None,
            author: "engineer".to_owned(),
            made: self.clock.now(),
        };
        self.store.journal().commit(|tx| tx.add_meter_event(&event)).unwrap()
    }

    /// Returns all findings.
    pub(crate) fn findings(&self) -> Vec<FindingRow> {
        self.store.journal().view(|view| view.findings(&FindingFilter::default())).unwrap()
    }

    /// Says that a finding was none.
    pub(crate) fn call_false(&self, finding: i64) {
        let mark = NewMark {
            finding,
            kind: "false_alarm".to_owned(),
            author: "engineer".to_owned(),
            made: self.clock.now(),
            until: None,
            note: None,
        };
        self.store.journal().commit(|tx| tx.mark(&mark)).unwrap();
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// What a meter told at an instant.
pub(crate) fn arrival(meter: &str, seq: i64, instant: i64, values: &[(Quantity, i64)]) -> Arrival {
    let readings: Vec<Reading> = values
        .iter()
        .map(|&(quantity, value)| Reading { quantity, value: Value::Measured(value) })
        .collect();
    let pack = Pack {
        meter: name(meter),
        instant,
        boot: 1,
        seq: u32::try_from(seq).unwrap(),
        clock: NodeClock::Synced,
        readings: List::from_slice(&readings).unwrap(),
    };
    Arrival { node: name("node-1"), received: instant + 1, pack }
}

/// What a counter told each quarter hour of some days from [`MONDAY`] on, and at the end of
/// the last; `amount` says what went through in a quarter hour, a day's number and an hour
/// at a time.
pub(crate) fn counted(
    meter: &str,
    quantity: Quantity,
    days: i64,
    amount: impl Fn(i64, i64) -> i64,
) -> Vec<Arrival> {
    let mut value = 0;
    (0..=days * POLLS)
        .map(|poll| {
            let told = arrival(meter, poll, MONDAY + poll * 900, &[(quantity, value)]);
            value += amount(poll / POLLS, poll % POLLS / 4);
            told
        })
        .collect()
}

/// Which kinds some findings are of.
pub(crate) fn kinds(found: &[FindingRow]) -> Vec<&str> {
    found.iter().map(|row| row.draft.kind.as_str()).collect()
}

/// Something between nothing and a size, other at each hour and the same in each run.
pub(crate) fn noise(day: i64, hour: i64, size: i64) -> i64 {
    (day * 7_919 + hour * 104_729).rem_euclid(97) * size / 97
}
