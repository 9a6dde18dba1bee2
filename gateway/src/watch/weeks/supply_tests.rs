//! From readings in the store to findings about how electricity is taken from the grid.

use tempfile::TempDir;
use wire::message::{Clock as NodeClock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use crate::clock::Clock;
use crate::health::Health;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::store::journal::{FindingFilter, FindingRow, SiteBookRow};
use crate::store::{Arrival, Store};
use crate::watch::Watch;

/// Midnight of 2026-09-07, a Monday, in Shanghai.
const MONDAY: i64 = 1_788_710_400;
const DAY_S: i64 = 86_400;
const DAYS: i64 = 12;

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
id = "all"
name = "总表"
model = "acrel-dtsd1352"
area = "hall"
node = "node-1"
unit_id = 1
contract_kw = 20
power_factor_min = 0.9
"#;

/// What a meter told in a quarter hour.
#[derive(Clone, Copy)]
struct Quarter {
    /// Mean power, W, and reactive power, var.
    power: i64,
    reactive: i64,
    /// Currents, A.
    currents: [i64; 3],
}

/// As it should be: ten kilowatts, a factor of 0.97, even phases.
const USUAL: Quarter = Quarter { power: 10_000, reactive: 2_500, currents: [15, 15, 15] };

/// Returns what is found of a meter that told this, a day's number and an hour at a time.
fn check(told: impl Fn(i64, i64) -> Quarter) -> Vec<FindingRow> {
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
    let now = MONDAY + DAYS * DAY_S;
    let clock = Clock::manual(now);
    let ledger = Ledger::new(&store, &clock);
    assert!(ledger.reload().unwrap(), "the site book has mistakes");
    let (meter, node) = (Name::new("all").unwrap(), Name::new("node-1").unwrap());
    let (mut active, mut reactive) = (0, 0);
    let mut arrivals = Vec::new();
    for quarter in 0..=DAYS * 96 {
        let instant = MONDAY + quarter * 900;
        let now = told(quarter / 96, quarter % 96 / 4);
        let [l1, l2, l3] = now.currents;
        let readings = [
            (Quantity::ActiveEnergyImport, active),
            (Quantity::ReactiveEnergyImport, reactive),
            (Quantity::CurrentL1, l1 * 1_000),
            (Quantity::CurrentL2, l2 * 1_000),
            (Quantity::CurrentL3, l3 * 1_000),
        ]
        .map(|(quantity, value)| Reading { quantity, value: Value::Measured(value) });
        let pack = Pack {
            meter,
            instant,
            boot: 1,
            seq: u32::try_from(quarter).unwrap(),
            clock: NodeClock::Synced,
            readings: List::from_slice(&readings).unwrap(),
        };
        arrivals.push(Arrival { node, received: instant + 1, pack });
        active += now.power * 1_000 / 4;
        reactive += now.reactive * 1_000 / 4;
    }
    store.series().record(&arrivals).unwrap();
    let watch = Watch::new(&store, &ledger, &clock, &Health::default(), &Live::default(), "");
    watch.round(now).unwrap();
    store.journal().view(|view| view.findings(&FindingFilter::default())).unwrap()
}

fn kinds(found: &[FindingRow]) -> Vec<&str> {
    found.iter().map(|row| row.draft.kind.as_str()).collect()
}

#[test]
fn a_supply_that_is_as_it_should_be_is_not_spoken_of() {
    assert_eq!(kinds(&check(|_, _| USUAL)), [] as [&str; 0]);
}

#[test]
fn a_demand_above_the_contract_is_one_open_finding_without_money() {
    let found = check(|day, hour| {
        let is_peak = hour == 10 && (day == 10 || day == 11);
        if is_peak { Quarter { power: 24_000, reactive: 6_000, ..USUAL } } else { USUAL }
    });

    assert_eq!(kinds(&found), ["peak_demand"]);
    let draft = &found[0].draft;
    assert_eq!(draft.opened, MONDAY + 10 * DAY_S + 10 * 3_600);
    assert_eq!((draft.closed, draft.waste, draft.cost_e4), (None, 0, 0));
    // 24 kW for a quarter hour, where 20 kW are allowed; twice four of them.
    let first = format!("[{},6000000,5000000]", draft.opened);
    assert!(draft.evidence.contains(&first), "{}", draft.evidence);
    assert_eq!(draft.evidence.matches(",5000000]").count(), 8);
}

#[test]
fn two_days_of_a_low_power_factor_are_a_finding() {
    let found = check(|day, _| if 9 <= day { Quarter { reactive: 8_000, ..USUAL } } else { USUAL });

    assert_eq!(kinds(&found), ["power_factor_low"]);
    assert_eq!(found[0].draft.opened, MONDAY + 9 * DAY_S);
    // 10 kW beside 8 kvar are a factor of 0.781.
    assert!(found[0].draft.evidence.contains(",781,900]"), "{}", found[0].draft.evidence);
    assert_eq!(found[0].draft.waste, 0);
}

#[test]
fn a_phase_that_carries_twice_the_others_is_found_while_it_lasts() {
    let found = check(|day, hour| {
        let is_uneven = day == 11 && 20 <= hour;
        if is_uneven { Quarter { currents: [15, 15, 30], ..USUAL } } else { USUAL }
    });

    assert_eq!(kinds(&found), ["phase_imbalance"]);
    assert_eq!(found[0].draft.opened, MONDAY + 11 * DAY_S + 20 * 3_600);
    // 30 A where the mean is 20 A: half of it more.
    assert!(found[0].draft.evidence.contains(",500,150]"), "{}", found[0].draft.evidence);
}
