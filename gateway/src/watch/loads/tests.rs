use wire::Quantity;

use super::*;
use crate::ledger::house::{DAY_S, House, MONDAY, counted, name};
use crate::watch::house::at;

const METER: &str = r#"
[[meter]]
id = "fans"
name = "风机"
model = "eastron-sdm630"
load = "hvac"
area = "hall"
node = "node-1"
unit_id = 1
"#;

/// A school whose fans ran through the nights that follow some days, two kilowatts more.
fn school(days: i64, nights: &[i64]) -> House {
    let house = House::new(METER, MONDAY + days * DAY_S);
    house.record(&counted("fans", Quantity::ActiveEnergyImport, days, |day, hour| {
        let is_work = day % 7 < 5 && (8..18).contains(&hour);
        let ran = nights.iter().any(|night| (20..29).contains(&((day - night) * 24 + hour)));
        let load = if is_work { 1_000_000 } else { 250_000 } + i64::from(ran) * 500_000;
        load + (day * 7_919 + hour * 104_729) % 41 * 250
    }));
    house
}

#[test]
fn nights_that_run_are_one_finding_that_ends_with_the_first_that_rests() {
    let house = school(82, &[77, 78, 79]);
    let watch = house.watch();

    watch.round(at(78, 7)).unwrap();
    assert_eq!(house.findings().len(), 0);

    for (day, hour) in [(78, 8), (78, 9), (79, 8), (80, 8)] {
        watch.round(at(day, hour)).unwrap();
        let found = house.findings();
        assert_eq!(found.len(), 1, "{day} {hour}");
        assert_eq!(found[0].draft.opened, MONDAY + 77 * DAY_S + 20 * 3_600);
        assert_eq!(found[0].draft.closed, None);
    }
    watch.round(at(81, 8)).unwrap();

    let found = house.findings();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].draft.closed, Some(MONDAY + 80 * DAY_S + 5 * 3_600));
    // Two kilowatts for nine hours in three nights.
    let expected = 3 * 9 * 2_000_000;
    assert!((found[0].draft.waste - expected).abs() < expected / 20, "{}", found[0].draft.waste);
}

#[test]
fn a_false_alarm_raises_the_limit_of_that_circuit_until_it_is_taken_back() {
    let house = school(79, &[77]);
    house.watch().round(MONDAY + 78 * DAY_S + 9 * 3_600).unwrap();
    let id = house.findings()[0].id;
    let meter = name("fans");
    let now = MONDAY + 78 * DAY_S + 9 * 3_600;
    let raised = |kind| house.ledger.raised(&meter, kind, now).unwrap();

    let before = raised(FindingKind::AfterHoursLoad);
    house.call_false(id);
    let after = raised(FindingKind::AfterHoursLoad);
    let other = raised(FindingKind::WeekendRunning);
    house.store.journal().commit(|tx| tx.undo_mark(id, "engineer", now)).unwrap();
    let undone = raised(FindingKind::AfterHoursLoad);

    assert_eq!((before.milli, after.milli, other.milli, undone.milli), (0, 250, 0, 0));
    assert_eq!(after.findings, [id]);
}

#[test]
fn a_new_meter_is_learnt_from_and_nothing_is_said() {
    let house = school(14, &[12]);
    let site = house.ledger.site().unwrap();
    let now = MONDAY + 13 * DAY_S + 9 * 3_600;

    house.watch().round(now).unwrap();
    let until = house.ledger.learning(&site.meters[0], FindingKind::AfterHoursLoad, now).unwrap();

    assert_eq!(house.findings().len(), 0);
    assert_eq!(until, Some(MONDAY + crate::ledger::LEARNING_S));
}
