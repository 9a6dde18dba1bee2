use super::*;
use crate::ledger::house::{DAY_S, House, name};
use crate::store::journal::FindingDraft;

const NOW: i64 = 1_795_445_100;

const METERS: &str = r#"
[[meter]]
id = "all"
name = "总表"
model = "eastron-sdm630"
area = "hall"
node = "node-1"
unit_id = 1

[[meter]]
id = "wing"
name = "东翼"
model = "eastron-sdm630"
area = "hall"
parent = "all"
node = "node-1"
unit_id = 2

[[meter]]
id = "fans"
name = "风机"
model = "eastron-sdm630"
area = "hall"
parent = "wing"
node = "node-1"
unit_id = 3
"#;

fn house() -> House {
    House::new(METERS, NOW)
}

impl House {
    /// Writes a finding of the last three days; returns its number.
    fn wrote(&self, kind: FindingKind, meter: &str, closed: Option<i64>, waste: i64) -> i64 {
        let opened = NOW - 3 * DAY_S;
        let draft = FindingDraft {
            cause: format!("{}/{meter}", kind.code()),
            kind: kind.code().to_owned(),
            meter: name(meter),
            area: name("hall"),
            opened,
            closed,
            waste,
            cost_e4: 0,
            evidence: "[]".to_owned(),
        };
        self.store.journal().commit(|tx| tx.put_finding(&draft, NOW)).unwrap().0
    }

    /// Whether ten units that a meter wasted since yesterday are told elsewhere.
    fn is_elsewhere(&self, kind: FindingKind, meter: &str) -> bool {
        let site = self.ledger.site().unwrap();
        let meter = site.meter(&name(meter)).unwrap();
        let finding = Finding {
            kind,
            meter: meter.id,
            area: meter.area,
            opened: NOW - DAY_S,
            closed: None,
            waste: 10_000_000,
            cost_e4: None,
            evidence: Vec::new(),
        };
        self.watch().is_told_elsewhere(&Tree::of(&site), meter, &finding).unwrap()
    }
}

#[test]
fn meters_nearest_to_the_loads_are_looked_at_first() {
    let house = house();
    let site = house.ledger.site().unwrap();

    let order: Vec<&str> =
        Tree::of(&site).nearest_first.iter().map(|meter| meter.id.as_str()).collect();

    assert_eq!(order, ["fans", "wing", "all"]);
}

#[test]
fn what_a_meter_wastes_is_not_told_again_of_those_before_it() {
    let house = house();
    assert!(!house.is_elsewhere(FindingKind::AfterHoursLoad, "all"));

    house.wrote(FindingKind::AfterHoursLoad, "fans", None, 6_000_000);

    assert!(house.is_elsewhere(FindingKind::AfterHoursLoad, "all"));
    assert!(house.is_elsewhere(FindingKind::AfterHoursLoad, "wing"));
    // The other way round, and of another kind, it is another matter.
    assert!(!house.is_elsewhere(FindingKind::AfterHoursLoad, "fans"));
    assert!(!house.is_elsewhere(FindingKind::HighBaseLoad, "all"));
}

#[test]
fn a_small_part_behind_a_meter_does_not_hide_the_rest() {
    let house = house();

    house.wrote(FindingKind::AfterHoursLoad, "fans", None, 2_000_000);
    assert!(!house.is_elsewhere(FindingKind::AfterHoursLoad, "all"));
    house.wrote(FindingKind::AfterHoursLoad, "wing", None, 4_000_000);

    assert!(house.is_elsewhere(FindingKind::AfterHoursLoad, "all"));
}

#[test]
fn a_meter_that_counts_in_another_unit_does_not_seem_to_run_at_night_too() {
    let house = house();

    let id = house.wrote(FindingKind::ScaleChange, "fans", None, 0);
    let hidden = house.is_elsewhere(FindingKind::AfterHoursLoad, "fans");
    let itself = house.is_elsewhere(FindingKind::ScaleChange, "fans");
    house.call_false(id);

    assert!(hidden);
    assert!(!itself);
    assert!(!house.is_elsewhere(FindingKind::AfterHoursLoad, "fans"), "it was called false");
}

#[test]
fn what_is_over_or_taken_back_explains_nothing_later() {
    let house = house();

    house.wrote(FindingKind::ScaleChange, "fans", Some(NOW - 3 * DAY_S), 0);
    house.wrote(FindingKind::Spike, "fans", Some(NOW - 2 * DAY_S), 0);

    assert!(!house.is_elsewhere(FindingKind::AfterHoursLoad, "fans"));
}
