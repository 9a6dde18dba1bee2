//! From readings in the store to findings about gas that burns while nobody is there.

use jiff::ToSpan;
use wire::Quantity;

use crate::ledger::house::{DAY_S, HOUR_S, House, MONDAY, counted, kinds, noise};
use crate::store::journal::FindingRow;
use crate::watch::house::at;

const METER: &str = r#"
[[meter]]
id = "boiler"
name = "锅炉"
model = "pulse-gas"
load = "hvac"
area = "hall"
node = "node-1"
unit_id = 1
"#;

/// A boiler that burns twenty cubic metres an hour from four in the morning to six in the
/// evening of working days, and three at other hours; and what burns beside that. Returns
/// what is written down after each round.
fn check(days: i64, more: impl Fn(i64, i64) -> i64, rounds: &[(i64, i64)]) -> Vec<Vec<FindingRow>> {
    let house = House::new(METER, MONDAY);
    let calendar = house.ledger.calendar().clone();
    let monday = house.ledger.today(MONDAY).unwrap();
    // The autumn's holidays are in these weeks.
    let is_worked = |day: i64| calendar.day(monday + day.days()).or_weekday().is_worked();
    let worked: Vec<bool> = (0..=days).map(is_worked).collect();
    let told = counted("boiler", Quantity::Volume, days, |day, hour| {
        let is_heated = worked[usize::try_from(day).unwrap()] && (4..18).contains(&hour);
        let heat = if is_heated { 20_000_000 } else { 3_000_000 };
        (heat + more(day, hour) * 1_000_000 + noise(day, hour, 1_000_000)) / 4
    });
    let instants: Vec<i64> = rounds.iter().map(|&(day, hour)| at(day, hour)).collect();
    house.walked(&told, &instants)
}

fn since(day: i64, hour: i64) -> i64 {
    MONDAY + day * DAY_S + hour * HOUR_S
}

#[test]
fn a_weekend_that_is_heated_like_a_working_day_is_one_finding_and_nothing_beside_it() {
    // From Friday evening to Monday morning the boiler goes on.
    let goes_on = |day: i64, hour: i64| {
        let hours = day * 24 + hour;
        17 * i64::from((60 * 24 + 18..63 * 24 + 4).contains(&hours))
    };
    let rounds = check(71, goes_on, &[(60, 23), (61, 8), (62, 8), (62, 22), (63, 9), (70, 9)]);

    assert_eq!(kinds(&rounds[0]), [] as [&str; 0]);
    for found in &rounds[1..] {
        assert_eq!(kinds(found), ["gas_when_closed"]);
        // Two hours after closing what is warm has burnt out.
        assert_eq!(found[0].draft.opened, since(60, 20));
    }
    // It goes on until a weekend has shown that it rests: then it ended when heating up began.
    assert_eq!(rounds[4][0].draft.closed, None);
    let draft = &rounds[5][0].draft;
    assert_eq!(draft.closed, Some(since(63, 1)));
    // Seventeen cubic metres for 53 hours.
    let expected = 53 * 17_000_000;
    assert!((draft.waste - expected).abs() < expected / 20, "{}", draft.waste);
}

#[test]
fn heating_that_rests_when_nobody_is_there_is_not_spoken_of_in_the_cold_either() {
    // From the sixtieth day on it burns a third more, by day and by night.
    let colder = |day: i64, hour: i64| {
        let is_cold = 60 <= day;
        i64::from(is_cold) * if (4..18).contains(&hour) && day % 7 < 5 { 7 } else { 1 }
    };
    let rounds = check(71, colder, &[(30, 8), (61, 8), (63, 8), (70, 8)]);

    assert!(rounds.iter().all(Vec::is_empty), "{rounds:?}");
}
