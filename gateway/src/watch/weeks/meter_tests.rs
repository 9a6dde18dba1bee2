//! From readings in the store to findings about meters that count wrongly, and to their end.

use wire::Quantity;

use crate::ledger::house::{DAY_S, HOUR_S, House, MONDAY, counted, kinds, noise};
use crate::store::Arrival;
use crate::store::journal::{FindingRow, MeterChange};
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

/// What the fans take in a quarter hour, mWh: four kilowatts by day, one at night.
fn usual(day: i64, hour: i64) -> i64 {
    let is_work = day % 7 < 5 && (8..18).contains(&hour);
    let load = if is_work { 1_000_000 } else { 250_000 };
    load + noise(day, hour, 20_000)
}

fn since(day: i64, hour: i64) -> i64 {
    MONDAY + day * DAY_S + hour * HOUR_S
}

fn instants(rounds: &[(i64, i64)]) -> Vec<i64> {
    rounds.iter().map(|&(day, hour)| at(day, hour)).collect()
}

/// The findings that hold or held: not those that were taken back.
fn held(found: &[FindingRow]) -> Vec<FindingRow> {
    found.iter().filter(|row| row.draft.closed != Some(row.draft.opened)).cloned().collect()
}

#[test]
fn a_meter_that_stops_counting_is_told_the_same_day_and_ends_when_it_counts_again() {
    let house = House::new(METER, MONDAY);
    // Its display stands from Wednesday at nine to Friday at ten.
    let stands = |day: i64, hour: i64| (44 * 24 + 9..46 * 24 + 10).contains(&(day * 24 + hour));
    let told = counted("fans", Quantity::ActiveEnergyImport, 48, |day, hour| {
        if stands(day, hour) { 0 } else { usual(day, hour) }
    });

    let rounds = house.walked(&told, &instants(&[(44, 12), (44, 16), (46, 9), (46, 12), (47, 9)]));

    let [early, found, still, mended, later] = &rounds[..] else { panic!("{rounds:?}") };
    assert_eq!(kinds(early), [] as [&str; 0]);
    assert_eq!(kinds(found), ["stuck"]);
    assert_eq!((found[0].draft.opened, found[0].draft.closed), (since(44, 9), None));
    assert_eq!((found[0].draft.waste, still[0].draft.closed), (0, None));
    assert_eq!(mended[0].draft.closed, Some(since(46, 10)));
    assert_eq!(later, mended);
}

#[test]
fn an_amount_that_cannot_be_is_told_once_it_is_over_and_not_as_a_high_demand() {
    let house = House::new(METER, MONDAY);
    // Sixty days teach the highest demand, too: this is a meter before which there is no other.
    let told = counted("fans", Quantity::ActiveEnergyImport, 62, |day, hour| {
        usual(day, hour) + 3_000_000 * i64::from((day, hour) == (60, 11))
    });

    let rounds = house.walked(&told, &instants(&[(60, 11), (60, 12), (60, 13), (61, 9)]));

    let [before, at_once, known, later] = &rounds[..] else { panic!("{rounds:?}") };
    assert_eq!(kinds(before), [] as [&str; 0]);
    // Until the next hour it may as well be a demand that is high.
    assert_eq!(kinds(at_once), ["peak_demand"]);
    let held = held(known);
    assert_eq!(kinds(&held), ["spike"]);
    let draft = &held[0].draft;
    assert_eq!((draft.opened, draft.closed), (since(60, 11), Some(since(60, 12))));
    assert_eq!(later, known);
}

/// A converter that repeats its last value for some hours, and then tells what came meanwhile.
fn told_late(from: i64, hours: i64) -> Vec<Arrival> {
    let mut told = counted("fans", Quantity::ActiveEnergyImport, 48, usual);
    let at = |hour: i64| usize::try_from((44 * 24 + hour) * 4).unwrap();
    let repeated = told[at(from)].pack.readings;
    for late in &mut told[at(from)..at(from + hours)] {
        late.pack.readings = repeated;
    }
    told
}

#[test]
fn a_sum_that_comes_after_a_standstill_is_told_instead_of_it() {
    let house = House::new(METER, MONDAY);
    let told = told_late(9, 8);

    let rounds = house.walked(&told, &instants(&[(44, 16), (44, 18), (45, 9), (47, 9)]));

    assert_eq!(kinds(&rounds[0]), ["stuck"]);
    for found in &rounds[1..] {
        let held = held(found);
        assert_eq!(kinds(&held), ["dropout_with_catch_up"]);
        let draft = &held[0].draft;
        assert_eq!((draft.opened, draft.closed), (since(44, 9), Some(since(44, 17))));
        assert_eq!(draft.waste, 0);
    }
}

#[test]
fn a_sum_that_comes_after_a_few_hours_is_no_amount_that_cannot_be() {
    let house = House::new(METER, MONDAY);
    let told = told_late(10, 4);

    let rounds = house.walked(&told, &instants(&[(44, 13), (44, 16), (45, 9)]));

    assert_eq!(kinds(&rounds[0]), [] as [&str; 0]);
    for found in &rounds[1..] {
        assert_eq!(kinds(found), ["dropout_with_catch_up"]);
        assert_eq!(found[0].draft.closed, Some(since(44, 14)));
    }
}

/// A meter that counts twice as much from a Thursday at nine on.
fn doubled(until: i64) -> impl Fn(i64, i64) -> i64 {
    move |day, hour| {
        let is_doubled = (59 * 24 + 9..until * 24).contains(&(day * 24 + hour));
        usual(day, hour) * if is_doubled { 2 } else { 1 }
    }
}

#[test]
fn a_ratio_that_doubled_is_one_finding_and_ends_when_it_is_put_right_at_the_meter() {
    let house = House::new(METER, MONDAY);
    let told = counted("fans", Quantity::ActiveEnergyImport, 68, doubled(65));

    let rounds = house.walked(&told, &instants(&[(61, 8), (63, 8), (63, 9), (64, 9), (66, 12)]));

    // What it seemed to be first is taken back once it is known.
    let known = held(&rounds[3]);
    assert_eq!(kinds(&known), ["scale_change"]);
    assert_eq!(known[0].draft.closed, None);
    assert!((since(59, 0)..since(59, 13)).contains(&known[0].draft.opened));
    assert!(known[0].draft.evidence.starts_with('['));
    let back = held(&rounds[4]);
    assert_eq!(kinds(&back), ["scale_change"]);
    assert!(back[0].draft.closed.is_some_and(|it| (since(65, 0)..since(66, 0)).contains(&it)));
}

#[test]
fn a_ratio_that_doubled_is_at_an_end_once_its_factor_is_entered() {
    let house = House::new(METER, MONDAY);
    let told = counted("fans", Quantity::ActiveEnergyImport, 68, doubled(99));
    let rounds = house.walked(&told, &instants(&[(63, 9), (64, 9)]));
    assert_eq!(kinds(&held(&rounds[1])), ["scale_change"]);

    house.change("fans", &MeterChange::Scale { from: since(59, 9), to: None, num: 1, den: 2 });
    let rounds = house.walked(&told, &instants(&[(64, 10), (67, 9)]));

    for found in &rounds {
        assert!(found.iter().all(|row| row.draft.closed.is_some()), "{found:?}");
    }
    // It held, and was put right: it is not taken back.
    assert_eq!(kinds(&held(&rounds[1])), ["scale_change"]);
}
