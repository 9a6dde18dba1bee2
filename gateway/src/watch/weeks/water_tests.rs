//! From readings in the store to findings about water that runs away, and to their end.

use wire::Quantity;

use crate::ledger::house::{DAY_S, HOUR_S, House, MONDAY, counted, kinds, noise};
use crate::store::journal::FindingRow;
use crate::watch::house::at;

const METER: &str = r#"
[[meter]]
id = "water"
name = "水表"
model = "pulse-water"
area = "hall"
node = "node-1"
unit_id = 1
"#;

/// By day twenty litres an hour and more, at night nothing; beside it what runs away, litres
/// an hour. Returns what is written down after each round.
fn check(days: i64, runs: impl Fn(i64, i64) -> i64, rounds: &[(i64, i64)]) -> Vec<Vec<FindingRow>> {
    let house = House::new(METER, MONDAY);
    let told = counted("water", Quantity::Volume, days, |day, hour| {
        let used = if (7..19).contains(&hour) { 20_000 + noise(day, hour, 12_000) } else { 0 };
        (used + runs(day, hour) * 1_000) / 4
    });
    let instants: Vec<i64> = rounds.iter().map(|&(day, hour)| at(day, hour)).collect();
    house.walked(&told, &instants)
}

fn since(day: i64, hour: i64) -> i64 {
    MONDAY + day * DAY_S + hour * HOUR_S
}

/// How much of a sum some litres are off by, of a hundred.
fn percent_off(found: i64, litres: i64) -> i64 {
    (found - litres * 1_000).abs() * 100 / (litres * 1_000)
}

#[test]
fn a_leak_is_told_after_a_day_and_a_half_and_ends_with_the_first_hour_at_rest() {
    // From Tuesday at two in the morning until it is mended on Friday at ten.
    let leaks = |day: i64, hour: i64| {
        let hours = day * 24 + hour;
        60 * i64::from((50 * 24 + 2..53 * 24 + 10).contains(&hours))
    };
    let rounds = check(56, leaks, &[(51, 8), (51, 20), (53, 9), (53, 21), (55, 0)]);

    let [early, told, still, mended, later] = &rounds[..] else { panic!("{rounds:?}") };
    assert_eq!(kinds(early), [] as [&str; 0]);
    assert_eq!(kinds(told), ["leak"]);
    assert_eq!((told[0].draft.opened, told[0].draft.closed), (since(50, 2), None));
    assert_eq!(still[0].draft.closed, None);
    // Sixty litres an hour for 79 hours.
    assert!(percent_off(still[0].draft.waste, 79 * 60) < 5, "{}", still[0].draft.waste);
    assert_eq!(kinds(mended), ["leak"]);
    assert!(mended[0].draft.closed.is_some_and(|closed| closed <= since(53, 20)));
    assert_eq!(later, mended);
}

#[test]
fn a_burst_is_told_within_three_hours_and_ends_when_the_valve_is_closed() {
    let bursts = |day: i64, hour: i64| 400 * i64::from(day == 50 && (3..13).contains(&hour));
    let rounds = check(52, bursts, &[(50, 5), (50, 6), (50, 12), (50, 14), (51, 8)]);

    let [early, told, still, closed, later] = &rounds[..] else { panic!("{rounds:?}") };
    assert_eq!(kinds(early), [] as [&str; 0]);
    assert_eq!(kinds(told), ["burst"]);
    assert_eq!((told[0].draft.opened, told[0].draft.closed), (since(50, 3), None));
    assert_eq!(still[0].draft.closed, None);
    assert_eq!(closed[0].draft.closed, Some(since(50, 13)));
    assert!(percent_off(closed[0].draft.waste, 10 * 400) < 10, "{}", closed[0].draft.waste);
    assert_eq!(later, closed);
}

#[test]
fn a_toilet_that_runs_with_pauses_is_told_and_ends_after_quiet_nights() {
    // Two hours of three at night, until a new seal is put in on the fourth day.
    let runs = |day: i64, hour: i64| {
        let is_night = !(7..19).contains(&hour);
        90 * i64::from((49..53).contains(&day) && is_night && hour % 3 != 0)
    };
    let rounds = check(56, runs, &[(49, 8), (51, 8), (53, 8), (55, 12)]);

    let [early, told, last, quiet] = &rounds[..] else { panic!("{rounds:?}") };
    assert_eq!(kinds(early), [] as [&str; 0]);
    assert_eq!(kinds(told), ["running_toilet"]);
    assert_eq!(told[0].draft.closed, None);
    assert!((since(49, 0)..since(50, 0)).contains(&told[0].draft.opened));
    assert_eq!(last[0].draft.closed, None);
    assert_eq!(kinds(quiet), ["running_toilet"]);
    assert!(quiet[0].draft.closed.is_some_and(|closed| closed <= since(53, 8)), "{quiet:?}");
    // Ninety litres in eight hours of four nights.
    assert!(percent_off(quiet[0].draft.waste, 4 * 8 * 90) < 15, "{}", quiet[0].draft.waste);
}

#[test]
fn water_that_is_used_as_ever_is_not_spoken_of() {
    let rounds = check(56, |_, _| 0, &[(20, 8), (41, 8), (55, 8), (55, 20)]);

    assert!(rounds.iter().all(Vec::is_empty), "{rounds:?}");
}
