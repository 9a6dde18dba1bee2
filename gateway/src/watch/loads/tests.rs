use tempfile::TempDir;
use wire::message::{Clock as NodeClock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use super::*;
use crate::clock::Clock;
use crate::health::Health;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::store::journal::{FindingFilter, FindingRow, NewMark, SiteBookRow};
use crate::store::{Arrival, Store};

/// 2026-09-06T16:00:00Z, midnight of a Monday in Shanghai.
const MONDAY: i64 = 1_788_710_400;
const DAY_S: i64 = 86_400;

const BOOK: &str = r#"
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

[[meter]]
id = "fans"
name = "风机"
model = "eastron-sdm630"
load = "hvac"
area = "hall"
node = "node-1"
unit_id = 1
"#;

struct House {
    store: Store,
    ledger: Ledger,
    watch: Watch,
    _dir: TempDir,
}

/// A school whose fans ran through the nights that follow some days, two kilowatts more.
fn house(days: i64, nights: &[i64]) -> House {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let book = SiteBookRow {
        version: 0,
        made: MONDAY,
        author: "test".to_owned(),
        note: String::new(),
        text: BOOK.to_owned(),
    };
    store.journal().commit(|tx| tx.add_site_book(&book)).unwrap();
    let clock = Clock::manual(MONDAY + days * DAY_S);
    let ledger = Ledger::new(&store, &clock);
    assert!(ledger.reload().unwrap(), "the site book has mistakes");
    let (meter, node) = (Name::new("fans").unwrap(), Name::new("node-1").unwrap());
    let mut value = 0;
    let mut arrivals = Vec::new();
    for quarter in 0..=days * 96 {
        let instant = MONDAY + quarter * 900;
        let reading =
            Reading { quantity: Quantity::ActiveEnergyImport, value: Value::Measured(value) };
        let pack = Pack {
            meter,
            instant,
            boot: 1,
            seq: u32::try_from(quarter).unwrap(),
            clock: NodeClock::Synced,
            readings: List::from_slice(&[reading]).unwrap(),
        };
        arrivals.push(Arrival { node, received: instant + 1, pack });
        let (day, hour) = (quarter / 96, quarter % 96 / 4);
        let is_work = day % 7 < 5 && (8..18).contains(&hour);
        let ran = nights.iter().any(|night| (20..29).contains(&((day - night) * 24 + hour)));
        value += if is_work { 1_000_000 } else { 250_000 } + i64::from(ran) * 500_000;
        value += (day * 7_919 + hour * 104_729) % 41 * 250;
    }
    store.series().record(&arrivals).unwrap();
    let watch = Watch::new(&store, &ledger, &clock, &Health::default(), &Live::default(), "");
    House { store, ledger, watch, _dir: dir }
}

impl House {
    fn findings(&self) -> Vec<FindingRow> {
        let filter = FindingFilter {
            kind: Some(FindingKind::AfterHoursLoad.code().to_owned()),
            ..FindingFilter::default()
        };
        self.store.journal().view(|view| view.findings(&filter)).unwrap()
    }

    fn mark(&self, finding: i64) {
        let mark = NewMark {
            finding,
            kind: "false_alarm".to_owned(),
            author: "engineer".to_owned(),
            made: MONDAY,
            until: None,
            note: Some("exam papers".to_owned()),
        };
        self.store.journal().commit(|tx| tx.mark(&mark)).unwrap();
    }
}

#[test]
fn nights_that_run_are_one_finding_that_ends_with_the_first_that_rests() {
    let house = house(82, &[77, 78, 79]);
    let at = |day: i64, hour: i64| MONDAY + day * DAY_S + hour * 3_600 + 300;

    house.watch.round(at(78, 7)).unwrap();
    assert_eq!(house.findings().len(), 0);

    for (day, hour) in [(78, 8), (78, 9), (79, 8), (80, 8)] {
        house.watch.round(at(day, hour)).unwrap();
        let found = house.findings();
        assert_eq!(found.len(), 1, "{day} {hour}");
        assert_eq!(found[0].draft.opened, MONDAY + 77 * DAY_S + 20 * 3_600);
        assert_eq!(found[0].draft.closed, None);
    }
    house.watch.round(at(81, 8)).unwrap();

    let found = house.findings();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].draft.closed, Some(MONDAY + 80 * DAY_S + 5 * 3_600));
    // Two kilowatts for nine hours in three nights.
    let expected = 3 * 9 * 2_000_000;
    assert!((found[0].draft.waste - expected).abs() < expected / 20, "{}", found[0].draft.waste);
}

#[test]
fn a_false_alarm_raises_the_limit_of_that_circuit_until_it_is_taken_back() {
    let house = house(79, &[77]);
    house.watch.round(MONDAY + 78 * DAY_S + 9 * 3_600).unwrap();
    let id = house.findings()[0].id;
    let meter = Name::new("fans").unwrap();
    let now = MONDAY + 78 * DAY_S + 9 * 3_600;
    let raised = |kind| house.ledger.raised(&meter, kind, now).unwrap();

    let before = raised(FindingKind::AfterHoursLoad);
    house.mark(id);
    let after = raised(FindingKind::AfterHoursLoad);
    let other = raised(FindingKind::WeekendRunning);
    house.store.journal().commit(|tx| tx.undo_mark(id, "engineer", now)).unwrap();
    let undone = raised(FindingKind::AfterHoursLoad);

    assert_eq!((before.milli, after.milli, other.milli, undone.milli), (0, 250, 0, 0));
    assert_eq!(after.findings, [id]);
}

#[test]
fn a_new_meter_is_learnt_from_and_nothing_is_said() {
    let house = house(14, &[12]);
    let site = house.ledger.site().unwrap();
    let now = MONDAY + 13 * DAY_S + 9 * 3_600;

    house.watch.round(now).unwrap();
    let until = house.ledger.learning(&site.meters[0], FindingKind::AfterHoursLoad, now).unwrap();

    assert_eq!(house.findings().len(), 0);
    assert_eq!(until, Some(MONDAY + crate::ledger::LEARNING_S));
}
