//! From readings in the store to findings about a main meter and those behind it.

use wire::Quantity;

use crate::ledger::house::{DAY_S, House, MONDAY, counted, kinds, name, noise};
use crate::store::journal::FindingRow;
use crate::watch::house::at;

const METERS: &str = r#"
[[meter]]
id = "all"
name = "总表"
model = "eastron-sdm630"
area = "hall"
node = "node-1"
unit_id = 1

[[meter]]
id = "servers"
name = "机房"
model = "eastron-sdm630"
load = "it"
area = "hall"
parent = "all"
node = "node-1"
unit_id = 2

[[meter]]
id = "office"
name = "办公"
model = "eastron-sdm630"
load = "plug"
area = "hall"
parent = "all"
node = "node-1"
unit_id = 3
"#;

/// What the two take in a quarter hour, mWh.
fn takes(meter: &str, day: i64, hour: i64) -> i64 {
    // Each day alike: the autumn's holidays are in these weeks.
    let is_work = (8..18).contains(&hour);
    match meter {
        "servers" => 1_000_000 + noise(day, hour, 20_000),
        _ => (if is_work { 1_500_000 } else { 200_000 }) + noise(day, hour, 40_000),
    }
}

/// A main meter with corridors that have none of their own; `shown` says what a meter shows of
/// what goes through it. Returns what is written down after each round.
fn check(
    days: i64,
    shown: impl Fn(&str, i64, i64) -> i64,
    rounds: &[(i64, i64)],
) -> Vec<Vec<FindingRow>> {
    let house = House::new(METERS, MONDAY);
    let energy = Quantity::ActiveEnergyImport;
    let corridors = |hour: i64| if (6..22).contains(&hour) { 150_000 } else { 60_000 };
    let mut told = counted("all", energy, days, |day, hour| {
        takes("servers", day, hour) + takes("office", day, hour) + corridors(hour)
    });
    for meter in ["servers", "office"] {
        told.extend(counted(meter, energy, days, |day, hour| {
            takes(meter, day, hour) * shown(meter, day, hour) / 100
        }));
    }
    told.sort_by_key(|it| it.received);
    let instants: Vec<i64> = rounds.iter().map(|&(day, hour)| at(day, hour)).collect();
    house.walked(&told, &instants)
}

#[test]
fn meters_that_agree_as_ever_are_not_spoken_of() {
    let rounds = check(50, |_, _, _| 100, &[(30, 2), (45, 2), (49, 2)]);

    assert!(rounds.iter().all(Vec::is_empty), "{rounds:?}");
}

#[test]
fn a_meter_that_lost_a_third_is_named_and_over_three_days_after_its_repair() {
    // A phase of three, too little to be another ratio.
    let lost = |meter: &str, day: i64, _: i64| {
        if meter == "servers" && (40..47).contains(&day) { 70 } else { 100 }
    };
    let rounds = check(54, lost, &[(42, 2), (43, 1), (46, 2), (49, 3), (50, 1), (53, 9)]);

    assert_eq!(kinds(&rounds[0]), [] as [&str; 0]);
    for found in &rounds[1..] {
        assert_eq!(kinds(found), ["sum_mismatch"]);
        assert_eq!(found[0].draft.meter, name("servers"));
        assert_eq!((found[0].draft.opened, found[0].draft.waste), (MONDAY + 40 * DAY_S, 0));
    }
    assert_eq!(rounds[3][0].draft.closed, None);
    assert_eq!(rounds[4][0].draft.closed, Some(MONDAY + 47 * DAY_S));
    assert_eq!(rounds[5], rounds[4]);
}

#[test]
fn a_meter_that_stands_still_is_stuck_and_no_sum_beside_it() {
    let stands = |meter: &str, day: i64, _: i64| {
        if meter == "servers" && 40 <= day { 0 } else { 100 }
    };
    let rounds = check(48, stands, &[(41, 2), (44, 2), (47, 2)]);

    for found in &rounds {
        assert_eq!(kinds(found), ["stuck"], "{found:?}");
    }
}
