//! From readings in the store to findings about how electricity is taken from the grid.

use wire::Quantity;

use crate::ledger::house::{DAY_S, House, MONDAY, POLLS, arrival, kinds};
use crate::store::journal::FindingRow;

const DAYS: i64 = 12;

const METER: &str = r#"
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
    let now = MONDAY + DAYS * DAY_S;
    let house = House::new(METER, now);
    let (mut active, mut reactive) = (0, 0);
    let mut arrivals = Vec::new();
    for poll in 0..=DAYS * POLLS {
        let told = told(poll / POLLS, poll % POLLS / 4);
        let [l1, l2, l3] = told.currents;
        let values = [
            (Quantity::ActiveEnergyImport, active),
            (Quantity::ReactiveEnergyImport, reactive),
            (Quantity::CurrentL1, l1 * 1_000),
            (Quantity::CurrentL2, l2 * 1_000),
            (Quantity::CurrentL3, l3 * 1_000),
        ];
        arrivals.push(arrival("all", poll, MONDAY + poll * 900, &values));
        active += told.power * 1_000 / 4;
        reactive += told.reactive * 1_000 / 4;
    }
    house.record(&arrivals);
    house.watch().round(now).unwrap();
    house.findings()
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

#[test]
fn a_quarter_hour_under_way_says_what_it_comes_to_and_what_must_go() {
    let house = House::new(METER, MONDAY + 600);
    // Twenty-four kilowatts for half an hour, and since the quarter hour began, ten minutes ago.
    let told: Vec<_> = (0..=40)
        .map(|minute| {
            let values = [(Quantity::ActiveEnergyImport, minute * 400_000)];
            arrival("all", minute, MONDAY + (minute - 30) * 60, &values)
        })
        .collect();
    house.record(&told);
    let site = house.ledger.site().unwrap();
    let quarter = |at: i64| house.ledger.quarter_now(&site, &site.meters[0], at).unwrap();

    let now = quarter(MONDAY + 600 + 20).unwrap();

    assert_eq!((now.ends, now.limit_mw), (MONDAY + 900, 20_000_000));
    assert_eq!(now.forecast_mw, 24_000_000);
    // Four kilowatt-hours of five are gone; one is left for five minutes: half of it must go.
    assert!(now.shed_mw.is_some_and(|it| (it - 12_000_000).abs() < 10), "{now:?}");
    // Nothing came for five minutes, or the quarter hour has hardly begun.
    assert_eq!(quarter(MONDAY + 899), None);
    assert_eq!(quarter(MONDAY + 960), None);
}
