use std::collections::BTreeSet;

use proptest::prelude::*;
use tempfile::TempDir;
use wire::message::{Clock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use super::*;
use crate::store::Store;

/// 2025-10-01T00:00:00Z.
const START: i64 = 1_759_276_800;
const DAY: i64 = 86_400;

fn arrival(meter: u32, seq: u32, instant: i64) -> Arrival {
    let reading = Reading { quantity: Quantity::ActivePower, value: Value::Measured(seq.into()) };
    let meter = Name::new(&format!("m{meter}")).unwrap();
    let readings = List::from_slice(&[reading]).unwrap();
    let pack = Pack { meter, instant, boot: 1, seq, clock: Clock::Synced, readings };
    Arrival { node: Name::new("n").unwrap(), received: instant + 2, pack }
}

fn seqs(told: &[Arrival]) -> BTreeSet<u32> {
    told.iter().map(|arrival| arrival.pack.seq).collect()
}

/// Takes one step of each kind; returns what was told and where it led.
fn step(store: &Store, position: &Position, packs_max: u64) -> (Vec<Arrival>, Position) {
    let mut told = Vec::new();
    let fed = store.series().feed_new(position, packs_max, |it| told.push(*it)).unwrap();
    let fed = store.series().feed_owed(&fed.position, packs_max, |it| told.push(*it)).unwrap();
    (told, fed.position)
}

/// Goes on until nothing is left.
fn drain(store: &Store, mut position: Position) -> (Vec<Arrival>, Position) {
    let mut all = Vec::new();
    loop {
        let (told, next) = step(store, &position, 7);
        let ended = told.is_empty() && next == position;
        all.extend(told);
        position = next;
        if ended {
            return (all, position);
        }
    }
}

#[test]
fn what_is_in_the_log_is_told_once_and_in_order_of_arrival() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let sent = [arrival(1, 2, START + 60), arrival(1, 1, START), arrival(2, 3, START)];
    store.series().record(&sent[..2]).unwrap();
    store.series().record(&sent[2..]).unwrap();

    let (told, position) = drain(&store, Position::default());

    assert_eq!(told, sent);
    assert_eq!(position, Position { seq: 2, owed: None, owed_next: None });
    assert_eq!(drain(&store, position).0, []);
}

#[test]
fn what_left_the_log_before_it_was_told_is_found_in_blocks_and_in_months() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let day = |from: u32, day: i64| -> Vec<Arrival> {
        (from..from + 4).map(|n| arrival(n % 2, n, START + day * DAY + i64::from(n))).collect()
    };
    store.series().record(&day(0, 0)).unwrap();
    let (told, position) = drain(&store, Position::default());
    assert_eq!(told.len(), 4);

    store.series().record(&day(10, 1)).unwrap();
    store.series().record(&day(20, 40)).unwrap();
    store.series().maintain(START + 45 * DAY).unwrap();
    store.series().record(&day(30, 46)).unwrap();
    let (told, position) = drain(&store, position);

    // The month that was sealed is told whole: it does not know which part of it is new.
    assert_eq!(seqs(&told), seqs(&[day(0, 0), day(10, 1), day(20, 40), day(30, 46)].concat()));
    assert_eq!((position.owed, position.owed_next), (None, None));
    assert_eq!(drain(&store, position).0, [], "nothing is told for ever");
}

#[test]
fn a_target_that_follows_is_told_nothing_again_when_days_become_blocks() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.series().record(&[arrival(1, 1, START), arrival(2, 2, START)]).unwrap();
    let (_, position) = drain(&store, Position::default());

    store.series().maintain(START + 3 * DAY).unwrap();

    assert_eq!(drain(&store, position), (vec![], position));
}

#[test]
fn new_packs_are_told_while_old_ones_are_still_owed() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let old: Vec<Arrival> = (0..50).map(|n| arrival(n, n, START)).collect();
    store.series().record(&old).unwrap();
    store.series().maintain(START + 3 * DAY).unwrap();
    store.series().record(&[arrival(1, 100, START + 3 * DAY)]).unwrap();

    let (told, position) = step(&store, &Position::default(), 5);

    assert_eq!(told[0].pack.seq, 100);
    assert_eq!(told.len(), 1 + 5);
    assert!(position.owed.is_some());
    assert_eq!(drain(&store, position).0.len(), 45);
}

#[test]
fn a_process_beside_the_gateway_is_told_also_what_it_has_no_names_for() {
    let dir = TempDir::new().unwrap();
    let gateway = Store::open(dir.path()).unwrap();
    let beside = Store::open(dir.path()).unwrap();
    gateway.series().record(&[arrival(7, 1, START)]).unwrap();

    let (told, _) = drain(&beside, Position::default());

    assert_eq!(told, [arrival(7, 1, START)]);
}

#[test]
fn a_damaged_row_is_counted_and_holds_nobody_up() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for seq in 1..=3 {
        store.series().record(&[arrival(1, seq, START + i64::from(seq))]).unwrap();
    }
    let spoil = "UPDATE intake SET packs = zeroblob(3) WHERE seq = 2";
    rusqlite::Connection::open(dir.path().join("main.db")).unwrap().execute(spoil, ()).unwrap();

    let mut told = Vec::new();
    let fed =
        store.series().feed_new(&Position::default(), 100, |arrival| told.push(*arrival)).unwrap();

    assert_eq!((fed.packs, fed.damaged, fed.position.seq), (2, 1, 3));
    assert_eq!(seqs(&told), [1, 3].into());
}

#[test]
fn a_number_of_the_log_is_never_given_anew_below_a_target() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.series().record(&[arrival(1, 1, START)]).unwrap();
    store.series().record(&[arrival(1, 2, START + 1)]).unwrap();
    let (_, position) = drain(&store, Position::default());
    store.targets().moved("t", &position, 2, &[], START).unwrap();
    let spoil = "UPDATE intake SET packs = zeroblob(3) WHERE seq = 2";
    rusqlite::Connection::open(dir.path().join("main.db")).unwrap().execute(spoil, ()).unwrap();
    drop(store);

    // The first start sets the damaged row aside; the second finds it gone.
    drop(Store::open(dir.path()).unwrap());
    let store = Store::open(dir.path()).unwrap();
    store.series().record(&[arrival(1, 3, START + 2)]).unwrap();

    assert_eq!(seqs(&drain(&store, position).0), [3].into());
}

#[test]
fn what_waits_is_counted_with_the_age_of_the_oldest() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.series().record(&[arrival(1, 1, START + 60), arrival(2, 2, START)]).unwrap();

    let waiting = store.series().feed_waiting(&Position::default()).unwrap();

    assert_eq!(waiting, Waiting { readings: 2, since: Some(START + 2) });
    let (_, position) = drain(&store, Position::default());
    assert_eq!(store.series().feed_waiting(&position).unwrap(), Waiting::default());
}

#[derive(Clone, Debug)]
enum Happening {
    /// So many packs of meters arrive, of a day within three months.
    Record { packs: u32, meters: u32, day: i64 },
    /// Days that are over by then become blocks; months that are over are sealed.
    Maintain { day: i64 },
    /// The process ends and starts again.
    Restart,
    /// The target takes a step; in a crash it is delivered and not remembered.
    Step { crash: bool },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1_u32..30, 1_u32..4, 0_i64..90)
            .prop_map(|(packs, meters, day)| Happening::Record { packs, meters, day }),
        2 => (0_i64..110).prop_map(|day| Happening::Maintain { day }),
        1 => Just(Happening::Restart),
        5 => prop::bool::weighted(0.3).prop_map(|crash| Happening::Step { crash }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 10))]

    #[test]
    fn no_pack_is_left_out_whatever_happens_between_two_steps(
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let dir = TempDir::new().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mut recorded = BTreeSet::new();
        let mut told = BTreeSet::new();
        let mut next = 0;

        for happening in happenings {
            match happening {
                Happening::Record { packs, meters, day } => {
                    let batch: Vec<Arrival> = (next..next + packs)
                        .map(|n| arrival(n % meters, n, START + day * DAY + i64::from(n)))
                        .collect();
                    next += packs;
                    recorded.extend(seqs(&batch));
                    store.series().record(&batch).unwrap();
                }
                Happening::Maintain { day } => store.series().maintain(START + day * DAY).unwrap(),
                Happening::Restart => {
                    drop(store);
                    store = Store::open(dir.path()).unwrap();
                }
                Happening::Step { crash } => {
                    let position = store.targets().progress("t").unwrap().position;
                    let (packs, position) = step(&store, &position, 10);
                    told.extend(seqs(&packs));
                    if !crash {
                        store.targets().moved("t", &position, 0, &[], START).unwrap();
                    }
                }
            }
        }
        let position = store.targets().progress("t").unwrap().position;
        let (packs, position) = drain(&store, position);
        told.extend(seqs(&packs));

        prop_assert_eq!(recorded, told);
        prop_assert_eq!((position.owed, position.owed_next), (None, None));
    }
}
