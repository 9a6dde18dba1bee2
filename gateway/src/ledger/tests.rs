//! Readings and events through the store and the ledger: in any order, with everything that
//! may happen to a store in between.

use analysis::interval::{IntervalAmount, Span};
use proptest::prelude::*;
use wire::{Quantity, Value};

use super::house::{DAY_S, House, name};
use super::*;
use crate::store::Arrival;
use crate::store::journal::{Amounts, MeterChange, MeterPart};

/// 2025-09-30T16:00:00Z, midnight of 1 October in Shanghai.
const OCTOBER: i64 = 1_759_248_000;
const DAYS: i64 = 31;
const NOW: i64 = OCTOBER + 60 * DAY_S;

const METERS: &str = r#"
[[meter]]
id = "main"
name = "总表"
model = "eastron-sdm630"
area = "hall"
node = "node-1"
unit_id = 1

[[meter]]
id = "lab"
name = "实验室"
model = "eastron-sdm630"
area = "hall"
parent = "main"
node = "node-1"
unit_id = 2

[[meter]]
id = "panel"
name = "只有功率的表"
model = "eastron-sdm630"
counter = "ActivePower"
area = "hall"
parent = "main"
node = "node-1"
unit_id = 3

[[meter]]
id = "rest"
name = "其余"
formula = "main - lab - 0.5 * panel"
area = "hall"
parent = "main"
"#;

fn house() -> House {
    House::new(METERS, NOW)
}

fn arrival(meter: &str, quantity: Quantity, seq: i64, instant: i64, value: i64) -> Arrival {
    super::house::arrival(meter, seq, instant, &[(quantity, value)])
}

fn rows(ledger: &Ledger, meter: &str, span: Span) -> Vec<IntervalAmount> {
    let site = ledger.site().unwrap();
    ledger.intervals(site.meter(&name(meter)).unwrap(), span).unwrap()
}

fn month() -> Span {
    Span { from: OCTOBER, to: OCTOBER + DAYS * DAY_S }
}

/// A month of a meter each quarter hour: some zeros, some holes, a swap at noon of the tenth.
fn messages(holes: &[(i64, i64)], zeros: &[i64], swap: i64) -> Vec<Arrival> {
    let polls = DAYS * 96 + 16;
    let mut all = Vec::new();
    let mut value = 5_000_000;
    for poll in -8..polls {
        value += 100_000 + (poll * 7_919).rem_euclid(40_000) * i64::from(poll.rem_euclid(96) > 30);
        let is_lost = holes.iter().any(|(from, length)| (*from..from + length).contains(&poll));
        if is_lost && 0 <= poll {
            continue;
        }
        let instant = OCTOBER + poll * 900 + 20;
        let shown = if zeros.contains(&poll) {
            0
        } else if instant < swap {
            value
        } else {
            value - 4_900_000
        };
        all.push(arrival("main", Quantity::ActiveEnergyImport, poll + 8, instant, shown));
    }
    all
}

fn changes(swap: i64, at: i64) -> Vec<MeterChange> {
    let part = MeterPart::default();
    vec![
        MeterChange::Swap {
            at: swap,
            last: 200_000_000,
            first: 195_100_000,
            old: part.clone(),
            new: part,
        },
        MeterChange::Correction {
            from: OCTOBER + at * 900,
            to: OCTOBER + (at + 40) * 900,
            amounts: Amounts::Total(7_000_001),
        },
        MeterChange::Correction {
            from: OCTOBER + (at + 20) * 900,
            to: OCTOBER + (at + 23) * 900,
            amounts: Amounts::Each(vec![1, 2, 3]),
        },
        MeterChange::Estimate {
            from: OCTOBER + (at + 30) * 900,
            to: OCTOBER + (at + 90) * 900,
            amount: 3_000_000,
        },
        MeterChange::Scale {
            from: OCTOBER + (at + 200) * 900,
            to: Some(OCTOBER + (at + 300) * 900),
            num: 11,
            den: 10,
        },
    ]
}

proptest! {
    // Each case is a store on a disk, opened, sealed and opened again.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 8,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_month_comes_out_the_same_however_it_arrived(
        holes in prop::collection::vec((0..2_900_i64, 1..400_i64), 0..4),
        zeros in prop::collection::vec(0..2_900_i64, 0..12),
        at in 0..2_000_i64,
        swap_at in 100..2_800_i64,
        seed in any::<u64>(),
        steps in prop::collection::vec(0..6_u8, 12),
    ) {
        let swap = OCTOBER + swap_at * 900 + 5;
        let sent = messages(&holes, &zeros, swap);
        let mut changes = changes(swap, at);
        // What both meters showed at the swap.
        if let MeterChange::Swap { last, first, .. } = &mut changes[0] {
            let before = sent.iter().rev().find(|it| it.pack.instant < swap && shown(it) != 0);
            *last = before.map_or(5_000_000, shown) + 20_000;
            *first = *last - 4_900_000;
        }
        let plain = house();
        plain.record(&sent);
        for change in &changes {
            plain.change("main", change);
        }

        let mut house = house();
        let mut shuffled = sent.clone();
        shuffled.extend(sent.iter().step_by(7).copied());
        let mut state = seed;
        for index in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let other = usize::try_from(state >> 33).unwrap() % (index + 1);
            shuffled.swap(index, other);
        }
        let size = shuffled.len().div_ceil(steps.len());
        let mut events = changes.iter();
        for (batch, step) in shuffled.chunks(size).zip(&steps) {
            house.record(batch);
            match step {
                0 => house.store.series().maintain(OCTOBER + 33 * DAY_S).unwrap(),
                1 => house = house.reopened(),
                2 => drop(rows(&house.ledger, "main", month())),
                3 => {
                    let day = OCTOBER + (at % 31) * DAY_S;
                    drop(rows(&house.ledger, "main", Span { from: day, to: day + DAY_S }));
                }
                4 => {
                    if let Some(change) = events.next() {
                        house.change("main", change);
                    }
                }
                _ => {
                    // Made and taken back: as if it never was.
                    let wrong = MeterChange::Correction {
                        from: OCTOBER,
                        to: OCTOBER + DAY_S,
                        amounts: Amounts::Total(1),
                    };
                    let id = house.change("main", &wrong);
                    drop(rows(&house.ledger, "main", month()));
                    let journal = house.store.journal();
                    journal.commit(|tx| tx.undo_meter_event(id, "engineer", NOW)).unwrap();
                }
            }
        }
        for change in events {
            house.change("main", change);
        }

        let expected = rows(&plain.ledger, "main", month());
        prop_assert_eq!(&rows(&house.ledger, "main", month()), &expected);
        // Day by day, and all anew from the disk: the span that is asked for changes nothing.
        let fresh = house.reopened();
        for (day, expected) in (0..).zip(expected.chunks(96)) {
            let from = OCTOBER + day * DAY_S;
            let found = rows(&fresh.ledger, "main", Span { from, to: from + DAY_S });
            prop_assert_eq!(&found[..], expected, "day {}", day);
        }
    }
}

fn shown(arrival: &Arrival) -> i64 {
    match arrival.pack.readings.iter().next().map(|reading| reading.value) {
        Some(Value::Measured(value)) => value,
        _ => 0,
    }
}

#[test]
fn a_formula_and_a_meter_of_power_alone_are_worked_out_from_what_is_read() {
    let house = house();
    let ledger = &house.ledger;
    let mut sent = Vec::new();
    for poll in -1..=8_i64 {
        let at = OCTOBER + poll * 900;
        let energy = Quantity::ActiveEnergyImport;
        sent.push(arrival("main", energy, poll + 1, at, 9_000_000 + poll * 1_000_000));
        if poll < 5 {
            sent.push(arrival("lab", energy, poll + 1, at, 1_000_000 + poll * 300_000));
        }
        sent.push(arrival("panel", Quantity::ActivePower, poll + 1, at, 800_000));
    }
    house.record(&sent);
    let span = Span { from: OCTOBER, to: OCTOBER + 6 * 900 };

    let rest = rows(ledger, "rest", span);
    let panel = rows(ledger, "panel", span);
    let balance = ledger.balance(&name("main"), &[span]).unwrap().unwrap();

    let known: Vec<_> = rest.iter().map(IntervalAmount::known).collect();
    assert_eq!(known, [Some(600_000), Some(600_000), Some(600_000), Some(600_000), None, None]);
    assert!(panel.iter().all(|it| (it.measured, it.estimated) == (0, 200_000)));
    assert_eq!(balance.parts, [name("lab"), name("panel")]);
    assert_eq!((balance.total.main, balance.total.rest()), (4_000_000, Some(2_000_000)));
    assert_eq!(balance.total.compared_s, 3_600);
    let site = ledger.site().unwrap();
    let tops: Vec<_> = site.meters.iter().filter(|meter| site.is_top(meter)).collect();
    assert_eq!(tops.len(), 1, "a formula counts nothing that is not counted already");
}

#[test]
fn what_cannot_be_done_to_a_meter_is_refused_with_its_reason() {
    let house = house();
    let site = house.ledger.site().unwrap();
    let main = site.meter(&name("main")).unwrap();
    let correction = |from: i64, to: i64| MeterChange::Correction {
        from: OCTOBER + from,
        to: OCTOBER + to,
        amounts: Amounts::Total(1),
    };
    let scale = |from: i64, to: Option<i64>, num: i64| MeterChange::Scale {
        from: OCTOBER + from,
        to: to.map(|to| OCTOBER + to),
        num,
        den: 10,
    };
    let swap = |at: i64, last: i64, model: Option<&str>| MeterChange::Swap {
        at: OCTOBER + at,
        last,
        first: 0,
        old: MeterPart::default(),
        new: MeterPart { model: model.map(str::to_owned), ..MeterPart::default() },
    };
    house.change("main", &scale(0, Some(900), 1));
    house.change("main", &swap(5, 7, None));
    house.change("main", &correction(0, 1_800));
    let held = house.ledger.events_of(&main.id).unwrap();
    let checked = |change: &MeterChange| check(main, change, &held, NOW);

    assert_eq!(checked(&correction(900, 900)), Err(EventFault::Backwards));
    assert_eq!(checked(&correction(0, 901)), Err(EventFault::Unaligned));
    assert_eq!(checked(&correction(70 * DAY_S, 71 * DAY_S)), Err(EventFault::Future));
    assert_eq!(checked(&correction(-400 * DAY_S, 0)), Err(EventFault::TooLong));
    assert_eq!(checked(&scale(800, None, 5)), Err(EventFault::ScaleTaken));
    assert_eq!(checked(&scale(900, None, 10)), Err(EventFault::Factor));
    assert_eq!(checked(&swap(5, 7, None)), Err(EventFault::SwapTaken));
    assert_eq!(checked(&swap(6, -1, None)), Err(EventFault::Value));
    assert_eq!(checked(&swap(6, 7, Some("nobody-1"))), Err(EventFault::Model));
    // Corrections may meet, and a swap may lie within one.
    assert_eq!(checked(&correction(900, 2_700)), Ok(()));
    assert_eq!(checked(&swap(950, 7, Some("chint-dtsu666"))), Ok(()));
    let each = MeterChange::Correction {
        from: OCTOBER,
        to: OCTOBER + 1_800,
        amounts: Amounts::Each(vec![1]),
    };
    assert_eq!(checked(&each), Err(EventFault::Amounts));
    let (panel, rest) = (site.meter(&name("panel")).unwrap(), site.meter(&name("rest")).unwrap());
    assert_eq!(check(panel, &swap(6, 7, None), &[], NOW), Err(EventFault::NoCounter));
    assert_eq!(check(rest, &correction(0, 900), &[], NOW), Err(EventFault::Formula));
}
