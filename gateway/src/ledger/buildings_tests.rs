//! A building's month is what the quarter hours of its meters add up to.

use analysis::figures::{Figure, month_span};
use jiff::civil::date;
use proptest::prelude::*;
use wire::message::{Clock as PackClock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use super::{Ledger, risen};
use crate::clock::Clock;
use crate::ledger::intervals::rules;
use crate::store::journal::SiteBookRow;
use crate::store::{Arrival, Store};

const BOOK: &str = r#"
[site]
id = "school"
name = "实验小学"
name_en = "Primary school"
zone = "Asia/Shanghai"
currency = "CNY"

[[building]]
id = "main"
name = "教学楼"
name_en = "Teaching block"

[[hours]]
id = "lessons"
name = "上课"
name_en = "Lessons"
weekdays = ["07:00-18:00"]

[[area]]
id = "hall"
name = "大厅"
name_en = "Hall"
building = "main"
floor = "1F"
hours = "lessons"
walk_order = 10

[[node]]
id = "node-1"
name = "配电间"
name_en = "Cabinet"
interval_s = 900

[[meter]]
id = "hall-main"
name = "大厅总表"
name_en = "Hall, main"
model = "eastron-sdm630"
medium = "electricity"
load = "whole"
area = "hall"
node = "node-1"
unit_id = 1

[[meter]]
id = "hall-light"
name = "大厅照明"
name_en = "Hall, lights"
model = "eastron-sdm630"
medium = "electricity"
load = "lighting"
area = "hall"
parent = "hall-main"
node = "node-1"
unit_id = 2
"#;

/// 2026-02-01T00:00 in Shanghai.
const FEBRUARY: i64 = 1_769_875_200;
const DAY_S: i64 = 86_400;

/// What happens to a reading on its way.
#[derive(Clone, Debug)]
enum Fate {
    Comes(i64),
    Lost(u8),
    Dip,
    Spike,
    Reset,
    Late(i64),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2_000 => (0..15_i64).prop_map(Fate::Comes),
        1 => (1..200_u8).prop_map(Fate::Lost),
        1 => Just(Fate::Dip),
        1 => Just(Fate::Spike),
        1 => Just(Fate::Reset),
        4 => (0..15_i64).prop_map(Fate::Late),
    ]
}

fn arrival(instant: i64, seq: u32, value: i64) -> Arrival {
    let value = Value::Measured(value);
    let reading = Reading { quantity: Quantity::ActiveEnergyImport, value };
    let pack = Pack {
        meter: Name::new("hall-main").unwrap(),
        instant,
        boot: 1,
        seq,
        clock: PackClock::Synced,
        readings: List::from_slice(&[reading]).unwrap(),
    };
    Arrival { node: Name::new("node-1").unwrap(), received: instant + 1, pack }
}

/// Records a quarter-hourly counter with such fates from `begin` on, late ones at the end.
fn record(store: &Store, begin: i64, fates: &[Fate], flush_at: usize) {
    let (mut counter, mut late, mut batch) = (5_000_000_i64, Vec::new(), Vec::new());
    let mut lost = 0;
    for (number, fate) in (0_u32..).zip(fates) {
        counter += 1_000 * i64::from(number % 7);
        let at = begin + i64::from(number) * 900;
        let sent = match fate {
            Fate::Comes(jitter) => arrival(at + jitter, number, counter),
            Fate::Late(jitter) => {
                late.push(arrival(at + jitter, number, counter));
                continue;
            }
            Fate::Lost(count) => {
                lost = *count;
                continue;
            }
            Fate::Dip => arrival(at, number, 0),
            Fate::Spike => arrival(at, number, counter * 10),
            Fate::Reset => {
                counter = 1_000;
                arrival(at, number, counter)
            }
        };
        if 0 < lost {
            lost -= 1;
        } else {
            batch.push(sent);
        }
        if batch.len() == 96 {
            store.series().record(&batch).unwrap();
            batch.clear();
        }
        if usize::try_from(number).unwrap() == flush_at {
            store.series().maintain(at).unwrap();
        }
    }
    store.series().record(&batch).unwrap();
    store.series().record(&late).unwrap();
}

fn ledger(store: &Store, now: i64) -> Ledger {
    let (author, note, text) = ("test".to_owned(), String::new(), BOOK.to_owned());
    let book = SiteBookRow { version: 0, made: FEBRUARY, author, note, text };
    store.journal().commit(|tx| tx.add_site_book(&book)).unwrap();
    let ledger = Ledger::new(store, &Clock::manual(now));
    ledger.reload().unwrap();
    ledger
}

/// Compares the quick sum with the quarter hours; returns it, and whether it was quick.
fn check(ledger: &Ledger) -> (Figure, bool) {
    let site = ledger.site().unwrap();
    let meter = site.meter(&Name::new("hall-main").unwrap()).unwrap();
    let month = date(2026, 2, 10);
    let span = month_span(&site, month);
    let now = ledger.0.clock.now();
    let until = analysis::interval::Span { from: span.from, to: span.to.min(now) }.aligned().to;

    let rows = ledger.month_by_building(month).unwrap().unwrap();

    let counters = [(meter.id, meter.counter)];
    let rises = ledger.0.store.series().rises(&counters, span.from, span.to).unwrap();
    let own = rules(meter);
    let quick = rises[0].and_then(|rise| risen(&rise, &own, span, until));
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].meters, 1, "the lights hang below the main meter");
    assert_eq!(rows[0].figure, ledger.added_up(meter, span, until).unwrap());
    (rows[0].figure, quick.is_some())
}

#[test]
fn a_month_of_a_counter_that_rose_is_told_by_its_days() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    record(&store, FEBRUARY - 3 * DAY_S, &vec![Fate::Comes(7); 96 * 40], 96 * 36);

    let (figure, is_quick) = check(&ledger(&store, FEBRUARY + 40 * DAY_S));

    assert!(is_quick);
    assert_eq!(figure.missing_s, 0);
    // Seven readings rise by 21 Wh; 28 days have 2,688 readings.
    assert_eq!(figure.amount, 2_688 / 7 * 21_000);
}

#[test]
fn a_month_that_is_not_over_is_told_up_to_its_last_reading() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    record(&store, FEBRUARY - 3 * DAY_S, &vec![Fate::Comes(0); 96 * 13], 96 * 8);

    let (figure, is_quick) = check(&ledger(&store, FEBRUARY + 10 * DAY_S));

    assert!(is_quick);
    assert_eq!((figure.measured_s, figure.missing_s), (10 * DAY_S - 900, 900));
}

#[test]
fn a_meter_that_was_not_heard_for_hours_is_told_by_its_quarter_hours() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut fates = vec![Fate::Comes(0); 96 * 40];
    fates[1_000] = Fate::Lost(30);
    record(&store, FEBRUARY - 3 * DAY_S, &fates, 96 * 36);

    let (figure, is_quick) = check(&ledger(&store, FEBRUARY + 40 * DAY_S));

    assert!(!is_quick);
    assert!(0 < figure.estimated_s && 0 < figure.estimated, "{figure:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_counter_did_a_building_s_month_is_the_sum_of_its_quarter_hours(
        begin in -4..3_i64,
        fates in prop::collection::vec(fate(), 96 * 20..96 * 34),
        flush_at in 0..3_000_usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        record(&store, FEBRUARY + begin * DAY_S, &fates, flush_at);
        let end = FEBRUARY + begin * DAY_S + i64::try_from(fates.len()).unwrap() * 900;

        check(&ledger(&store, end));
    }
}
