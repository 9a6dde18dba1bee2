//! Whatever comes in whatever order, and whenever somebody asks in between: what is kept of
//! the day and added to is what a count from the beginning gives, to the digit.

use analysis::interval::{IntervalAmount, Span};
use proptest::prelude::*;
use tempfile::TempDir;
use wire::message::{Clock as NodeClock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use super::*;
use crate::store::Arrival;
use crate::store::journal::{Amounts, MeterChange, MeterPart, NewMeterEvent, SiteBookRow};

/// 2025-10-09T22:00:00Z: two hours before a UTC day ends.
const START: i64 = 1_760_047_200;
const DAY_S: i64 = 86_400;

/// Hours that readings may fill.
const HOURS: i64 = 14;

/// 2^32 steps of 10 Wh: where the counter of an Acrel DDSY1352 begins anew, mWh.
const ROLLOVER: i64 = (1 << 32) * 10_000;

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

[[area]]
id = "hall"
name = "大厅"
building = "main"
hours = "lessons"

[[node]]
id = "node-1"
name = "配电间"
interval_s = 60

[[meter]]
id = "main"
name = "总表"
model = "acrel-ddsy1352"
area = "hall"
node = "node-1"
unit_id = 1

[[meter]]
id = "panel"
name = "只有功率的表"
model = "eastron-sdm630"
counter = "ActivePower"
area = "hall"
node = "node-1"
unit_id = 2
"#;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// In memory where the machine has such a place: a case is a store that syncs each batch.
fn folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

fn arrival(meter: &str, (instant, value): (i64, i64), boot: u32) -> Arrival {
    let quantity =
        if meter == "panel" { Quantity::ActivePower } else { Quantity::ActiveEnergyImport };
    let readings =
        List::from_slice(&[Reading { quantity, value: Value::Measured(value) }]).unwrap();
    let seq = u32::try_from(instant - START + DAY_S).unwrap();
    let pack = Pack { meter: name(meter), instant, boot, seq, clock: NodeClock::Synced, readings };
    Arrival { node: name("node-1"), received: instant + 1, pack }
}

fn house() -> (TempDir, Store, Ledger) {
    let dir = folder();
    let store = Store::open(dir.path()).unwrap();
    let book = SiteBookRow {
        version: 0,
        made: START,
        author: "test".to_owned(),
        note: String::new(),
        text: BOOK.to_owned(),
    };
    store.journal().commit(|tx| tx.add_site_book(&book)).unwrap();
    let ledger = Ledger::new(&store, &Clock::manual(START + DAY_S));
    assert!(ledger.reload().unwrap(), "the site book has mistakes");
    (dir, store, ledger)
}

fn rows(ledger: &Ledger, meter: &str, span: Span) -> Vec<IntervalAmount> {
    let site = ledger.site().unwrap();
    ledger.intervals(site.meter(&name(meter)).unwrap(), span).unwrap()
}

/// What may happen to a counter, at a reading and for so many.
#[derive(Clone, Debug)]
enum Fault {
    Zeros(usize, usize),
    Dip(usize, usize, i64),
    Spike(usize, usize, i64),
    Reset(usize),
    Lost(usize, usize),
    Still(usize, usize),
}

fn fault() -> impl Strategy<Value = Fault> {
    let at = 0..220_usize;
    prop_oneof![
        (at.clone(), 1..20_usize).prop_map(|(at, count)| Fault::Zeros(at, count)),
        (at.clone(), 1..5_usize, 2..50_i64).prop_map(|(at, n, part)| Fault::Dip(at, n, part)),
        (at.clone(), 1..4_usize, 1..9_000_000_i64).prop_map(|(at, n, up)| Fault::Spike(at, n, up)),
        at.clone().prop_map(Fault::Reset),
        (at.clone(), 1..100_usize).prop_map(|(at, count)| Fault::Lost(at, count)),
        (at, 1..100_usize).prop_map(|(at, count)| Fault::Still(at, count)),
    ]
}

/// Readings of a counter that begins anywhere in its range, also just before its end.
fn readings() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let begin = prop_oneof![Just(0), 0..9_000_000_i64, ROLLOVER - 20_000_000..ROLLOVER];
    let polls = prop::sample::select(vec![60_i64, 60, 240, 900]);
    let steps = prop::collection::vec((0..7_i64, 0..400_i64), 30..220);
    (begin, polls, steps, prop::collection::vec(fault(), 0..4)).prop_map(
        |(begin, poll_s, steps, faults)| {
            let mut value = begin;
            let mut readings = Vec::new();
            for (at, (jitter, step)) in (0..).zip(steps) {
                let instant = START + at * poll_s + jitter;
                if START + HOURS * 3_600 <= instant {
                    break;
                }
                value = (value + step * 10_000 / 60 * poll_s / 60) % ROLLOVER;
                readings.push((instant, value));
            }
            for fault in faults {
                apply(&mut readings, &fault);
            }
            readings
        },
    )
}

fn apply(readings: &mut Vec<(i64, i64)>, fault: &Fault) {
    let len = readings.len();
    let within = |from: usize, count: usize| from.min(len)..(from + count).min(len);
    let mut each = |from, count, change: &dyn Fn(i64) -> i64| {
        readings[within(from, count)].iter_mut().for_each(|it| it.1 = change(it.1));
    };
    match *fault {
        Fault::Zeros(at, count) => each(at, count, &|_| 0),
        Fault::Dip(at, count, part) => each(at, count, &|value| value - value / part),
        Fault::Spike(at, count, rise) => each(at, count, &|value| value + rise),
        Fault::Reset(at) => {
            let first = readings.get(at).map_or(0, |it| it.1);
            readings[within(at, len)].iter_mut().for_each(|it| it.1 = (it.1 - first).max(0));
        }
        Fault::Still(at, count) => {
            let first = readings.get(at).map_or(0, |it| it.1);
            readings[within(at, count)].iter_mut().for_each(|it| it.1 = first);
        }
        Fault::Lost(at, count) => drop(readings.drain(within(at, count))),
    }
}

/// What happens between two batches.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks for hours from an hour on.
    Ask(i64, i64),
    /// An event is made: its kind, its hour, two values.
    Event(u8, i64, i64, i64),
    /// The newest event is taken back.
    Undo,
    /// The buffers become blocks.
    Tend,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (-4..30_i64, 1..30_i64).prop_map(|(from, hours)| Step::Ask(from, hours)),
        2 => (0..4_u8, 0..4 * HOURS, 0..9_000_000_i64, 0..9_000_000_i64)
            .prop_map(|(kind, at, a, b)| Step::Event(kind, at, a, b)),
        1 => Just(Step::Undo),
        1 => Just(Step::Tend),
    ]
}

fn change(kind: u8, at: i64, a: i64, b: i64) -> MeterChange {
    let from = START + at * 900;
    let to = from + (a % 12 + 1) * 900;
    let part = MeterPart::default();
    match kind {
        0 => MeterChange::Swap {
            at: from + b % 900,
            last: a,
            first: b,
            old: part.clone(),
            new: part,
        },
        1 => MeterChange::Correction { from, to, amounts: Amounts::Total(b) },
        2 => MeterChange::Estimate { from, to, amount: b },
        _ => MeterChange::Scale {
            from: from + b % 900,
            to: (a % 2 == 0).then_some(to + 900),
            num: a % 30 + 1,
            den: b % 30 + 1,
        },
    }
}

/// Puts readings into an order of arrival: some late by a few, some twice.
fn arrivals(meter: &str, readings: &[(i64, i64)], late: &[(usize, usize)]) -> Vec<Arrival> {
    let mut order: Vec<usize> = (0..readings.len()).collect();
    for &(at, by) in late {
        if at < order.len() {
            let moved = order.remove(at);
            order.insert((at + by).min(order.len()), moved);
        }
    }
    let twice = late.iter().filter(|(at, by)| (at + by) % 3 == 0);
    let twice: Vec<usize> = twice.map(|(at, _)| *at).filter(|at| *at < readings.len()).collect();
    order.extend(twice);
    order.into_iter().map(|at| arrival(meter, readings[at], 1)).collect()
}

proptest! {
    // Each case is a store, asked a dozen times.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 2,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_day_that_is_added_to_is_the_day_counted_from_its_beginning(
        readings in readings(),
        late in prop::collection::vec((0..220_usize, 1..60_usize), 0..5),
        is_power in prop::bool::weighted(0.15),
        steps in prop::collection::vec(step(), 8..18),
    ) {
        let meter = if is_power { "panel" } else { "main" };
        let (_dir, store, ledger) = house();
        let sent = arrivals(meter, &readings, &late);
        let mut events = Vec::new();
        let size = sent.len().div_ceil(steps.len()).max(1);
        let mut batches = sent.chunks(size);

        for step in &steps {
            if let Some(batch) = batches.next() {
                store.series().record(batch).unwrap();
            }
            match *step {
                Step::Event(kind, at, a, b) => {
                    let event = NewMeterEvent {
                        meter: name(meter),
                        change: change(kind, at, a, b),
                        reason: "test".to_owned(),
                        photo: None,
                        author: "engineer".to_owned(),
                        made: START,
                    };
                    events.push(store.journal().commit(|tx| tx.add_meter_event(&event)).unwrap());
                }
                Step::Undo => {
                    if let Some(id) = events.pop() {
                        let undo = |tx: &mut crate::store::journal::JournalTx<'_>| {
                            tx.undo_meter_event(id, "engineer", START)
                        };
                        store.journal().commit(undo).unwrap();
                    }
                }
                Step::Tend => store.series().maintain(START + 3 * DAY_S).unwrap(),
                Step::Ask(..) => {}
            }
            let (from, hours) = match *step {
                Step::Ask(from, hours) => (from, hours),
                Step::Event(..) | Step::Undo | Step::Tend => (0, HOURS),
            };
            let from = START + from * 3_600;
            let span = Span { from, to: from + hours * 3_600 };

            let found = rows(&ledger, meter, span);

            prop_assert_eq!(found, rows(&ledger.anew(), meter, span));
        }
        let all = Span { from: START - DAY_S, to: START + 2 * DAY_S };
        prop_assert_eq!(rows(&ledger, meter, all), rows(&ledger.anew(), meter, all));
    }
}

/// Zeros count until a reading before them says that they are a failing meter's.
#[test]
fn a_late_reading_before_zeros_that_counted_makes_the_day_anew() {
    let (_dir, store, ledger) = house();
    let reading = |minute: i64| {
        let value = match minute {
            113 => 1,
            129..=134 => 166,
            135.. => 332,
            _ => 0,
        };
        arrival("main", (START + minute * 60, value), 1)
    };
    let sent: Vec<Arrival> = (0..=135).filter(|it| *it != 113).map(reading).collect();
    store.series().record(&sent).unwrap();
    let span = Span { from: START, to: START + 3 * 3_600 };
    rows(&ledger, "main", span);

    store.series().record(&[reading(113)]).unwrap();

    assert_eq!(rows(&ledger, "main", span), rows(&ledger.anew(), "main", span));
}

/// A day each minute, a reading at a time, with somebody who looks at the day after each.
#[test]
fn a_reading_in_order_is_judged_with_those_that_decide_it_and_no_others() {
    let (_dir, store, ledger) = house();
    let midnight = START + 2 * 3_600;
    let today = Span { from: midnight, to: midnight + DAY_S };
    let minutes = 20 * 60;
    let reading = |minute: i64| (midnight + minute * 60 + 7, 5_000_000 + minute * 30_000);
    let before: Vec<Arrival> = (-60..minutes).map(|it| arrival("main", reading(it), 1)).collect();
    store.series().record(&before).unwrap();
    rows(&ledger, "main", today);
    let first = ledger.readings_judged();

    let more = 120;
    for minute in minutes..minutes + more {
        store.series().record(&[arrival("main", reading(minute), 1)]).unwrap();
        rows(&ledger, "main", today);
    }

    let each = (ledger.readings_judged() - first) / u64::try_from(more).unwrap();
    println!("{first} readings judged for the day, then {each} for each further one");
    assert!(1_200 <= first, "{first}");
    // Judged once with the new one, and once more to see that a shorter tail says the same:
    // the four before the open quarter hour, and up to seventeen in it.
    assert!(each <= 32, "{each}");
}

/// A level that a meter broke to an hour before midnight is shown by a reading after it; another
/// that comes in between, before a swap that was entered already, shows another.
#[test]
fn a_reading_before_the_one_that_decided_makes_the_day_before_it_anew() {
    let (_dir, store, ledger) = house();
    let reading = |minute: i64| {
        let value = match minute {
            // A little too high, so that the counter seems to fall and to count on from there.
            18..20 => minute * 40_000 + 130_000,
            ..47 => minute * 40_000,
            47..72 => 47 * 40_000,
            72..92 => 0,
            _ => (minute - 91) * 35_000,
        };
        arrival("main", (START + minute * 60, value), 1)
    };
    let span = Span { from: START, to: START + 3_600 };
    for (minute, last) in [(150, 47 * 40_000), (135, 47 * 40_000)] {
        let swap = MeterChange::Swap {
            at: START + minute * 60,
            last,
            first: 0,
            old: MeterPart::default(),
            new: MeterPart::default(),
        };
        let event = NewMeterEvent {
            meter: name("main"),
            change: swap,
            reason: "test".to_owned(),
            photo: None,
            author: "engineer".to_owned(),
            made: START,
        };
        store.journal().commit(|tx| tx.add_meter_event(&event)).unwrap();
    }
    let sent: Vec<Arrival> = (0..141).map(reading).collect();
    let (before, after) = sent.split_at(132);
    store.series().record(before).unwrap();
    let first = rows(&ledger, "main", span);

    store.series().record(after).unwrap();

    let found = rows(&ledger, "main", span);
    assert_ne!(found, first);
    assert_eq!(found, rows(&ledger.anew(), "main", span));
}
