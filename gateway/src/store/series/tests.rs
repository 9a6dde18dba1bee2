use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use tempfile::TempDir;
use wire::message::{Clock, Pack};
use wire::{Absence, List, Name, Quantity, Reading, Value};

use super::quarantine::{BYTES_MAX, PAYLOAD_BYTES_MAX, ROWS_MAX};
use super::*;
use crate::store::{Options, Store};

/// 2025-10-09T16:00:00Z, a midnight in Shanghai.
const START: i64 = 1_760_025_600;
const QUARTER_HOUR: i64 = 900;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn energy(value: i64) -> Reading {
    Reading { quantity: Quantity::ActiveEnergyImport, value: Value::Measured(value) }
}

fn absent(reason: Absence) -> Reading {
    Reading { quantity: Quantity::ActiveEnergyImport, value: Value::Absent(reason) }
}

fn arrival(meter: &str, boot: u32, seq: u32, instant: i64, readings: &[Reading]) -> Arrival {
    let readings = List::from_slice(readings).unwrap();
    let pack = Pack { meter: name(meter), instant, boot, seq, clock: Clock::Synced, readings };
    Arrival { node: name("node-office"), received: instant + 2, pack }
}

/// A meter's packs at a quarter hour, 1 kWh apart.
fn quarter_hours(meter: &str, count: u32) -> Vec<Arrival> {
    (0..count)
        .map(|seq| {
            let instant = START + i64::from(seq) * QUARTER_HOUR;
            let power = Reading { quantity: Quantity::ActivePower, value: Value::Measured(-5) };
            arrival(meter, 1, seq, instant, &[energy(i64::from(seq) * 1_000_000), power])
        })
        .collect()
}

fn open() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

#[test]
fn what_was_recorded_is_read_back_also_after_a_restart() {
    let (dir, store) = open();
    let sent = quarter_hours("light-2f-east", 10);

    let recorded = store.series().record(&sent).unwrap();

    assert_eq!(recorded, Recorded { new: 10, duplicate: 0, quarantined: 0 });
    let read = |store: &Store| store.series().packs(&name("light-2f-east"), START, i64::MAX);
    assert_eq!(read(&store).unwrap(), sent);
    drop(store);
    assert_eq!(read(&Store::open(dir.path()).unwrap()).unwrap(), sent);
}

#[test]
fn the_same_pack_twice_is_one_row_and_counted() {
    let (_dir, store) = open();
    let sent = quarter_hours("office-main", 4);
    store.series().record(&sent).unwrap();

    let again = store.series().record(&sent[1..3]).unwrap();

    assert_eq!((again.new, again.duplicate), (0, 2));
    assert_eq!(store.series().packs(&name("office-main"), START, i64::MAX).unwrap(), sent);
    let counts = store.series().counts(&name("office-main"), START, i64::MAX).unwrap();
    assert_eq!((counts.received, counts.duplicate), (4, 2));
}

/// The newest packs of all meters, in order of name.
fn last_all(store: &Store) -> Vec<Arrival> {
    let mut last = Vec::new();
    store.series().each_last(|arrival| last.push(*arrival)).unwrap();
    last.sort_unstable_by_key(|arrival| arrival.pack.meter);
    last
}

#[test]
fn a_start_knows_meters_of_snapshots_and_those_that_came_since() {
    let (dir, store) = open();
    let of = |numbers: std::ops::Range<u32>, seq: u32| -> Vec<Arrival> {
        let one = |number| quarter_hours(&format!("m-{number}"), seq + 1).remove(seq as usize);
        numbers.map(one).collect()
    };
    // Two slices, the second begun; it goes on after the flush, and a third begins.
    store.series().record(&of(0..300, 0)).unwrap();
    store.series().maintain(START + 2 * 86_400).unwrap();
    store.series().record(&of(290..600, 1)).unwrap();
    let expected: Vec<Arrival> = of(0..290, 0).into_iter().chain(of(290..600, 1)).collect();
    drop(store);

    for round in 0..3 {
        let store = Store::open(dir.path()).unwrap();

        let mut last = Vec::new();
        store.series().each_last(|arrival| last.push(*arrival)).unwrap();
        assert!(last == expected, "start {round}");
        for number in [0, 255, 256, 299, 300, 599] {
            let meter = name(&format!("m-{number}"));
            let packs = store.series().packs(&meter, 0, i64::MAX).unwrap();
            assert_eq!(packs.last(), expected.get(number));
        }
        assert_eq!(store.check().unwrap(), []);
        if round == 1 {
            store.series().maintain(START + 2 * 86_400).unwrap();
        }
    }
}

#[test]
fn a_pack_twice_in_one_batch_is_one_row() {
    let (_dir, store) = open();
    let sent = quarter_hours("office-main", 1)[0];

    let recorded = store.series().record(&[sent, sent]).unwrap();

    assert_eq!((recorded.new, recorded.duplicate), (1, 1));
    assert_eq!(last_all(&store), [sent]);
}

#[test]
fn of_two_packs_of_one_instant_the_later_boot_and_number_is_seen() {
    let older = arrival("office-main", 3, 900, START, &[energy(1)]);
    let newer_seq = arrival("office-main", 3, 901, START, &[energy(2)]);
    let newer_boot = arrival("office-main", 4, 0, START, &[energy(3)]);
    let mut order = vec![older, newer_seq, newer_boot];

    for _ in 0..order.len() {
        order.rotate_left(1);
        let (_dir, store) = open();
        store.series().record(&order).unwrap();

        assert_eq!(store.series().last(&name("office-main")).unwrap(), Some(newer_boot));
        let counts = store.series().counts(&name("office-main"), START, START + 1).unwrap();
        assert_eq!(counts.received, 3, "the others are kept");
    }
}

#[test]
fn a_counter_comes_with_its_neighbours_on_both_sides() {
    let (_dir, store) = open();
    store.series().record(&quarter_hours("office-main", 10)).unwrap();

    let counter = |from, to| {
        let quantity = Quantity::ActiveEnergyImport;
        store.series().counter(&name("office-main"), quantity, START + from, START + to).unwrap()
    };

    let expected: Vec<(i64, i64)> =
        (2_i64..=5).map(|n| (START + n * QUARTER_HOUR, n * 1_000_000)).collect();
    assert_eq!(counter(3 * QUARTER_HOUR, 5 * QUARTER_HOUR), expected);
    assert_eq!(counter(-500, -400), [(START, 0)]);
    assert_eq!(counter(90_000, 91_000), [(START + 9 * QUARTER_HOUR, 9_000_000)]);
}

#[test]
fn absent_values_are_no_counter_readings_and_no_neighbours() {
    let (_dir, store) = open();
    let sent = [
        arrival("office-main", 1, 0, START, &[energy(10)]),
        arrival("office-main", 1, 1, START + 900, &[absent(Absence::Timeout)]),
        arrival("office-main", 1, 2, START + 1_800, &[energy(30)]),
        arrival("office-main", 1, 3, START + 2_700, &[]),
        arrival("office-main", 1, 4, START + 3_600, &[energy(50)]),
    ];
    store.series().record(&sent).unwrap();

    let quantity = Quantity::ActiveEnergyImport;
    let counter =
        store.series().counter(&name("office-main"), quantity, START + 1_000, START + 2_000);

    let expected = [(START, 10), (START + 1_800, 30), (START + 3_600, 50)];
    assert_eq!(counter.unwrap(), expected);
    assert_eq!(store.series().packs(&name("office-main"), START, i64::MAX).unwrap(), sent);
}

#[test]
fn every_value_and_every_reason_comes_back() {
    let (_dir, store) = open();
    let mut readings = vec![
        Reading { quantity: Quantity::ActivePower, value: Value::Measured(i64::MIN) },
        Reading { quantity: Quantity::ActiveEnergyImport, value: Value::Measured(i64::MAX) },
    ];
    for (reason, quantity) in Absence::ALL.into_iter().zip(&Quantity::ALL[3..]) {
        readings.push(Reading { quantity: *quantity, value: Value::Absent(reason) });
    }
    let mut sent = arrival("office-main", u32::MAX, u32::MAX, START, &readings);
    sent.pack.clock = Clock::Estimated;

    store.series().record(&[sent]).unwrap();

    assert_eq!(last_all(&store), [sent]);
}

#[test]
fn the_last_of_every_meter_comes_in_the_order_in_which_they_were_met() {
    let (_dir, store) = open();
    let mut batch = quarter_hours("teaching-gas", 3);
    batch.extend(quarter_hours("canteen-water", 5));
    store.series().record(&batch).unwrap();

    let mut last = Vec::new();
    store.series().each_last(|arrival| last.push(*arrival)).unwrap();

    assert_eq!(last, [batch[2], batch[7]]);
    assert_eq!(store.series().last(&name("nobody")).unwrap(), None);
}

#[test]
fn a_gap_in_the_numbers_is_lost_and_a_day_late_is_late() {
    let (_dir, store) = open();
    let mut sent = quarter_hours("office-main", 96);
    sent.drain(40..44);
    sent[0].received = sent[0].pack.instant + LATE_AFTER_S;
    store.series().record(&sent).unwrap();

    let counts = store.series().counts(&name("office-main"), START, START + 86_400).unwrap();

    let expected =
        Counts { expected: 96, received: 92, late: 1, lost: 4, duplicate: 0, unnumbered: 0 };
    assert_eq!(counts, expected);
}

#[test]
fn a_gap_over_midnight_is_counted_once() {
    let (_dir, store) = open();
    let mut sent = quarter_hours("office-main", 192);
    sent.drain(90..100);
    store.series().record(&sent).unwrap();

    let lost = |from: i64, to: i64| {
        store.series().counts(&name("office-main"), START + from, START + to).unwrap().lost
    };

    assert_eq!((lost(0, 86_400), lost(86_400, 172_800)), (6, 4));
}

#[test]
fn changes_since_a_mark_are_the_packs_recorded_after_it() {
    let (_dir, store) = open();
    store.series().record(&quarter_hours("office-main", 4)).unwrap();
    let before = store.series().changes_since(Mark::default()).unwrap();

    let mut batch = quarter_hours("office-main", 6);
    batch.extend(quarter_hours("canteen-water", 1));
    store.series().record(&batch).unwrap();
    let after = store.series().changes_since(before.mark).unwrap();

    assert_eq!(before.spans.len(), 1);
    let span = |changes: &Changes, at: usize| {
        let span = changes.spans[at];
        (span.meter, span.first <= START + 3_600, START + 4_500 <= span.last)
    };
    assert_eq!(after.spans.len(), 2);
    assert_eq!(span(&after, 0).0, name("canteen-water"));
    assert_eq!(span(&after, 1), (name("office-main"), true, true));
    let none = store.series().changes_since(after.mark).unwrap();
    assert_eq!(none, Changes { mark: after.mark, spans: Vec::new() });
}

#[test]
fn what_was_known_already_is_no_change() {
    let (_dir, store) = open();
    store.series().record(&quarter_hours("office-main", 4)).unwrap();
    let mark = store.series().changes_since(Mark::default()).unwrap().mark;

    store.series().record(&quarter_hours("office-main", 4)).unwrap();

    assert_eq!(store.series().changes_since(mark).unwrap().spans, []);
}

fn unreadable(payload: Vec<u8>) -> Unreadable {
    Unreadable {
        topic: String::from("gengfu/v1/demo-campus/node-office/readings"),
        payload,
        reason: String::from("not CBOR"),
        received: START,
    }
}

#[test]
fn the_quarantine_keeps_the_newest_rows_and_counts_the_others() {
    let (_dir, store) = open();
    let rows = u8::MAX;
    let batch: Vec<Unreadable> = (0..rows).map(|n| unreadable(vec![n; 1])).collect();
    let rounds = ROWS_MAX / i64::from(rows) + 1;
    for _ in 0..rounds {
        store.series().record_with_unreadable(&[], &batch).unwrap();
    }

    let quarantine = store.series().quarantine(2).unwrap();

    let put = rounds * i64::from(rows);
    assert_eq!(quarantine.rows, ROWS_MAX.unsigned_abs());
    assert_eq!(quarantine.dropped, (put - ROWS_MAX).unsigned_abs());
    let newest: Vec<&Unreadable> = quarantine.newest.iter().map(|row| &row.unreadable).collect();
    assert_eq!(newest, [&batch[254], &batch[253]].map(|row| row));
}

#[test]
fn the_quarantine_is_bounded_in_bytes_and_cuts_a_huge_payload() {
    let (_dir, store) = open();
    let huge = unreadable(vec![7; 10 * 1024 * 1024]);
    let rows = usize::try_from(BYTES_MAX).unwrap() / PAYLOAD_BYTES_MAX + 5;
    for _ in 0..rows {
        store.series().record_with_unreadable(&[], std::slice::from_ref(&huge)).unwrap();
    }

    let quarantine = store.series().quarantine(1).unwrap();

    assert_eq!((quarantine.bytes, quarantine.dropped), (BYTES_MAX.unsigned_abs(), 5));
    assert_eq!(quarantine.newest[0].length, 10 * 1024 * 1024);
    assert_eq!(quarantine.newest[0].unreadable.payload.len(), PAYLOAD_BYTES_MAX);
}

type Seen = (Vec<Arrival>, Vec<(i64, i64)>, Counts, Vec<DayRollup>);

/// Everything a reader can see.
fn everything(store: &Store, meters: &[&str]) -> Vec<Seen> {
    let series = store.series();
    let (from, to) = (START + 3 * QUARTER_HOUR, START + 20 * QUARTER_HOUR);
    meters
        .iter()
        .map(|meter| {
            let meter = name(meter);
            let counts = series.counts(&meter, from, to).unwrap();
            (
                series.packs(&meter, i64::MIN, i64::MAX).unwrap(),
                series.counter(&meter, Quantity::ActiveEnergyImport, from, to).unwrap(),
                // How often a pack came again does depend on how often it was sent.
                Counts { duplicate: 0, ..counts },
                series.day_rollups(&meter, i64::MIN, i64::MAX).unwrap(),
            )
        })
        .collect()
}

fn any_arrival() -> impl Strategy<Value = Arrival> {
    (0..2_usize, 0..3_u32, 0..6_u32, 0..30_i64, -2..40_i64, 0..3_i64).prop_map(
        |(meter, boot, seq, slot, value, node)| {
            let reading = match value {
                ..0 => absent(Absence::Garbled),
                _ => energy(value),
            };
            let instant = START + slot * QUARTER_HOUR;
            let mut made = arrival(["a", "b"][meter], boot, seq, instant, &[reading]);
            made.node = name(["node-x", "node-y", "node-z"][usize::try_from(node).unwrap()]);
            made.received = instant + value.abs() * 60;
            made
        },
    )
}

/// What readers must see, worked out the slow way.
fn expected_packs(sent: &[Arrival], meter: &str) -> Vec<Arrival> {
    let mut seen: BTreeMap<i64, Arrival> = BTreeMap::new();
    let precedence = |arrival: &Arrival| (arrival.pack.boot, arrival.pack.seq, arrival.node);
    let content = |arrival: &Arrival| {
        let Reading { value, .. } = arrival.pack.readings[0];
        match value {
            Value::Absent(reason) => (u8::from(false), i64::from(reason.id())),
            Value::Measured(value) => (u8::from(true), value),
        }
    };
    for arrival in sent.iter().filter(|arrival| arrival.pack.meter == name(meter)) {
        let kept = seen.entry(arrival.pack.instant).or_insert(*arrival);
        let (new, old) =
            ((precedence(arrival), content(arrival)), (precedence(kept), content(kept)));
        if old < new || (old == new && arrival.received < kept.received) {
            *kept = *arrival;
        }
    }
    seen.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    #[test]
    fn any_order_any_repetition_any_batches_and_any_flushes_read_the_same(
        sent in prop::collection::vec(any_arrival(), 1..60),
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0..5_i64), 0..80),
        cut in 1..9_usize,
        buffer_bytes in prop::sample::select(vec![None, Some(0), Some(150), Some(600)]),
        (restart, upkeep) in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let (_dir, straight) = open();
        straight.series().record(&sent).unwrap();
        let again = |(pick, delay): &(prop::sample::Index, i64)| {
            let arrival = pick.get(&sent);
            Arrival { received: arrival.received + delay, ..*arrival }
        };
        let mut shuffled: Vec<Arrival> = picks.iter().map(again).collect();
        shuffled.extend(sent.iter().rev());
        let batches: Vec<&[Arrival]> = shuffled.chunks(cut).collect();

        let dir = TempDir::new().unwrap();
        let mut store = Store::open_with(dir.path(), Options { buffer_bytes }).unwrap();
        let mut recorded = Recorded::default();
        for (number, batch) in batches.iter().enumerate() {
            if number == restart.index(batches.len()) {
                drop(store);
                store = Store::open_with(dir.path(), Options { buffer_bytes }).unwrap();
            }
            if number == upkeep.index(batches.len()) {
                // What comes after is late for a sealed month.
                store.series().maintain(START + 400 * 86_400).unwrap();
            }
            let part = store.series().record(batch).unwrap();
            recorded.new += part.new;
            recorded.duplicate += part.duplicate;
        }

        let expected = everything(&straight, &["a", "b"]);
        for (seen, meter) in expected.iter().zip(["a", "b"]) {
            prop_assert_eq!(&seen.0, &expected_packs(&sent, meter));
        }
        prop_assert_eq!(&everything(&store, &["a", "b"]), &expected);
        prop_assert_eq!(last_all(&store), last_all(&straight));
        let mut different: Vec<_> = sent.iter().map(|it| (it.node, format!("{:?}", it.pack))).collect();
        different.sort();
        different.dedup();
        prop_assert_eq!(recorded.new, different.len() as u64);
        prop_assert_eq!(recorded.new + recorded.duplicate, shuffled.len() as u64);
        let duplicates = |store: &Store| -> u64 {
            let count = |meter| store.series().counts(&name(meter), i64::MIN, i64::MAX).unwrap();
            count("a").duplicate + count("b").duplicate
        };
        prop_assert_eq!(duplicates(&store), recorded.duplicate);
        store.series().maintain(START + 402 * 86_400).unwrap();
        prop_assert_eq!(rows_in(&store, "block"), 0, "all is sealed");
        prop_assert_eq!(&everything(&store, &["a", "b"]), &expected);
        prop_assert_eq!(duplicates(&store), recorded.duplicate);
        drop(store);
        let store = Store::open(dir.path()).unwrap();
        prop_assert_eq!(&everything(&store, &["a", "b"]), &expected);
        prop_assert_eq!(duplicates(&store), recorded.duplicate);
    }
}

fn rows_in(store: &Store, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    store.database.writer().query_row(&sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn a_day_that_is_over_is_in_blocks_and_its_log_is_gone() {
    let (_dir, store) = open();
    let sent = quarter_hours("office-main", 3 * 96);
    for batch in sent.chunks(10) {
        store.series().record(batch).unwrap();
    }

    store.series().maintain(START + 3 * 86_400 + 7_200).unwrap();

    // From 16:00 UTC on, three days touch four days of UTC.
    assert_eq!((rows_in(&store, "intake"), rows_in(&store, "block")), (0, 4));
    assert_eq!(store.series().packs(&name("office-main"), 0, i64::MAX).unwrap(), sent);
    let rollups = store.series().day_rollups(&name("office-main"), 0, i64::MAX).unwrap();
    let packs: Vec<u64> = rollups.iter().map(|day| day.packs).collect();
    assert_eq!(packs, [32, 96, 96, 64]);
    let day = &rollups[1];
    let energy = day.quantities.iter().find(|it| it.quantity == Quantity::ActiveEnergyImport);
    let expected = QuantityRollup {
        quantity: Quantity::ActiveEnergyImport,
        readings: 96,
        first: 32_000_000,
        last: 127_000_000,
        least: 32_000_000,
        greatest: 127_000_000,
        sum: (32..128).map(|n| n * 1_000_000).sum(),
        between: Some((START + 32 * QUARTER_HOUR, START + 127 * QUARTER_HOUR)),
    };
    assert_eq!(energy, Some(&expected));
}

#[test]
fn today_stays_in_memory_until_it_is_over() {
    let (_dir, store) = open();
    store.series().record(&quarter_hours("office-main", 20)).unwrap();

    store.series().maintain(START + 20 * QUARTER_HOUR).unwrap();

    assert_eq!((rows_in(&store, "intake"), rows_in(&store, "block")), (1, 0));
}

/// 2025-11-12T16:00:00Z: October has been over for long enough.
const NOVEMBER: i64 = START + 34 * 86_400;

/// A store whose October is sealed, and what it holds.
fn sealed() -> (TempDir, Store, Vec<Arrival>) {
    let (dir, store) = open();
    let mut sent = quarter_hours("office-main", 30 * 96);
    sent.extend(quarter_hours("canteen-water", 30 * 96));
    store.series().record(&sent).unwrap();
    store.series().maintain(NOVEMBER).unwrap();
    sent.truncate(30 * 96);
    (dir, store, sent)
}

fn month_file(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("months").join("2025-10.db")
}

#[test]
fn a_month_that_is_over_lies_in_a_file_of_its_own() {
    let (dir, store, sent) = sealed();

    // 31 days of two meters went; those of November stay.
    assert_eq!(rows_in(&store, "block"), 2 * 8);
    let file = rusqlite::Connection::open(month_file(&dir)).unwrap();
    let about: (i64, i64) = file
        .query_row("SELECT generation, packs FROM about", (), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(about, (1, 2 * (22 * 96 + 32)));
    let read = |store: &Store| {
        let meter = name("office-main");
        let quantity = Quantity::ActiveEnergyImport;
        (
            store.series().packs(&meter, 0, i64::MAX).unwrap(),
            store.series().counter(&meter, quantity, START + 86_400, START + 90_000).unwrap().len(),
            store.series().counts(&meter, START, NOVEMBER).unwrap().expected,
        )
    };
    assert_eq!(read(&store), (sent.clone(), 4 + 2, 30 * 96));
    drop(store);
    assert_eq!(read(&Store::open(dir.path()).unwrap()), (sent, 4 + 2, 30 * 96));
}

#[test]
fn what_comes_late_lies_over_a_sealed_month_and_is_sealed_with_it_a_day_later() {
    let (dir, store, mut sent) = sealed();
    let late = arrival("office-main", 2, 0, START + 450, &[energy(500_000)]);

    let recorded = store.series().record(&[late, sent[0]]).unwrap();

    sent.insert(1, late);
    assert_eq!((recorded.new, recorded.duplicate), (1, 1));
    let packs = |store: &Store| store.series().packs(&name("office-main"), 0, i64::MAX).unwrap();
    assert_eq!(packs(&store), sent);
    store.series().maintain(NOVEMBER + 3_600).unwrap();
    assert_eq!((packs(&store) == sent, rows_in(&store, "block")), (true, 2 * 8 + 1));
    store.series().maintain(NOVEMBER + 2 * 86_400).unwrap();
    assert_eq!((packs(&store) == sent, rows_in(&store, "block")), (true, 2 * 8));
    let file = rusqlite::Connection::open(month_file(&dir)).unwrap();
    let generation: i64 =
        file.query_row("SELECT generation FROM about", (), |row| row.get(0)).unwrap();
    assert_eq!(generation, 2);
    let counts = store.series().counts(&name("office-main"), START, START + 900).unwrap();
    assert_eq!((counts.received, counts.duplicate), (2, 1));
}

#[test]
fn of_a_month_given_up_the_sums_of_its_days_stay() {
    let (dir, store, sent) = sealed();
    let rollups =
        |to| store.series().day_rollups(&name("office-main"), START - 86_400, to).unwrap();
    let before = rollups(NOVEMBER);

    assert_eq!(store.series().forget_before(START + 86_400).unwrap(), 0, "it is not over by then");
    assert_eq!(store.series().forget_before(NOVEMBER).unwrap(), 1);

    assert!(!month_file(&dir).exists());
    let november = 22 * 96 + 32;
    let packs = store.series().packs(&name("office-main"), 0, i64::MAX).unwrap();
    assert_eq!(packs, sent[november..]);
    assert_eq!(rollups(NOVEMBER), before);
    assert_eq!(before.iter().map(|day| day.packs).sum::<u64>(), 30 * 96);
}

#[test]
fn a_sealed_month_that_is_missing_says_so_and_harms_nothing_else() {
    let (dir, store, sent) = sealed();
    drop(store);
    std::fs::remove_file(month_file(&dir)).unwrap();

    let store = Store::open(dir.path()).unwrap();

    let read = |from| store.series().packs(&name("office-main"), from, i64::MAX);
    let error = read(START).unwrap_err();
    let expected = "cannot read a sealed month: the store is damaged: 2025-10.db is missing";
    assert_eq!(error.to_string(), expected);
    let november = START + 23 * 86_400;
    assert_eq!(read(november).unwrap(), sent[23 * 96..]);
    let late = arrival("office-main", 2, 0, START + 450, &[energy(500_000)]);
    store.series().record(&[late]).unwrap();
    store.series().maintain(NOVEMBER).unwrap();
}

#[test]
fn a_month_with_a_flipped_bit_says_so() {
    let (dir, store, _) = sealed();
    drop(store);
    let file = rusqlite::Connection::open(month_file(&dir)).unwrap();
    let first = "SELECT id, data FROM block ORDER BY id LIMIT 1";
    let (id, mut data): (i64, Vec<u8>) =
        file.query_row(first, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    *data.last_mut().unwrap() ^= 1;
    file.execute("UPDATE block SET data = ?1 WHERE id = ?2", (data, id)).unwrap();
    drop(file);

    let store = Store::open(dir.path()).unwrap();
    let error = store.series().packs(&name("office-main"), START, NOVEMBER).unwrap_err();

    let expected = "cannot read a sealed month: the store is damaged: \
                    the block of `office-main` in 2025-10.db from day 9 on fails its checksum";
    assert_eq!(error.to_string(), expected);
    assert_eq!(store.series().packs(&name("canteen-water"), START, NOVEMBER).unwrap().len(), 2_880);
}

#[test]
fn a_damaged_block_says_so_and_harms_nothing_else() {
    let (_dir, store) = open();
    let sent = quarter_hours("office-main", 2 * 96);
    store.series().record(&sent).unwrap();
    store.series().maintain(START + 3 * 86_400).unwrap();
    let (first, end) = (START, START + 2 * 86_400);
    store
        .database
        .writer()
        .execute("UPDATE block SET data = zeroblob(100) WHERE id = (SELECT min(id) FROM block)", ())
        .unwrap();

    let read = |from, to| store.series().packs(&name("office-main"), from, to);
    let error = read(first, end).unwrap_err();

    let expected = "cannot read a day block: the store is damaged: \
                    the block of `office-main` on 2025-10-09 fails its checksum";
    assert_eq!(error.to_string(), expected);
    assert_eq!(read(START + 8 * 3_600, end).unwrap(), sent[32..]);
    let late = arrival("office-main", 2, 0, START + 1, &[energy(7)]);
    store.series().record(&[late]).unwrap();
    store.series().maintain(START + 3 * 86_400).unwrap();
    assert_eq!(read(START, START + 8 * 3_600).unwrap(), [late]);
    assert_eq!(rows_in(&store, "damaged"), 1, "what was there is kept for a repair");
}

#[test]
fn a_damaged_row_of_the_log_costs_only_itself() {
    let (dir, store) = open();
    let sent = quarter_hours("office-main", 30);
    for batch in sent.chunks(10) {
        store.series().record(batch).unwrap();
    }
    store.database.writer().execute("UPDATE intake SET crc = crc + 1 WHERE seq = 2", ()).unwrap();
    drop(store);

    let store = Store::open(dir.path()).unwrap();

    let packs = store.series().packs(&name("office-main"), 0, i64::MAX).unwrap();
    assert_eq!(packs, [&sent[..10], &sent[20..]].concat());
    assert_eq!(rows_in(&store, "damaged"), 1);
}

/// Packs with everything that a block can hold: a second layout, reasons, a second boot
/// and node, two packs of one instant, an estimated clock, an instant off the beat.
fn one_of_each() -> Vec<Arrival> {
    let power = |value| Reading { quantity: Quantity::ActivePower, value: Value::Measured(value) };
    let mut sent: Vec<Arrival> = (0..12_u32)
        .map(|seq| {
            let instant = START + i64::from(seq) * QUARTER_HOUR + i64::from(seq == 5) * 7;
            let counter = energy(81_234_560_000 + i64::from(seq * seq) * 10_000);
            arrival("office-main", 77, seq, instant, &[power(1_234 - i64::from(seq)), counter])
        })
        .collect();
    sent[3].pack.readings = List::from_slice(&[power(-1), absent(Absence::Refused)]).unwrap();
    sent[4].pack.readings = List::from_slice(&[energy(81_234_720_000)]).unwrap();
    sent[8].pack.clock = Clock::Estimated;
    sent[9].received += 4_000;
    let mut other = arrival("office-main", 78, 0, START + 900, &[energy(5)]);
    other.node = name("node-campus");
    sent.push(other);
    sent
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn bytes_of(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.trim().as_bytes()).unwrap()
}

const BLOCK_1_DAY: &str = include_str!("golden/block-1-day.hex");
const BLOCK_2_DAY: &str = include_str!("golden/block-2-day.hex");
const BLOCK_3_DAY: &str = include_str!("golden/block-3-day.hex");
const ROLLUP_1: &str = include_str!("golden/rollup-1.hex");
const ROLLUP_2: &str = include_str!("golden/rollup-2.hex");
const ROLLUP_3: &str = include_str!("golden/rollup-3.hex");

#[test]
fn a_day_block_and_its_sums_have_the_bytes_of_version_3() {
    let (_dir, store) = open();
    store.series().record(&one_of_each()).unwrap();

    store.series().maintain(START + 2 * 86_400).unwrap();

    let data = |table: &str| -> Vec<u8> {
        let sql = format!("SELECT data FROM {table}");
        store.database.writer().query_row(&sql, (), |row| row.get(0)).unwrap()
    };
    assert_eq!(hex(&data("block")), BLOCK_3_DAY.trim());
    assert_eq!(hex(&data("rollup")), ROLLUP_3.trim());
}

#[test]
fn sums_of_version_2_are_read_for_ever_and_do_not_tell_how_a_counter_went() {
    let (_dir, store) = open();
    store.series().record(&one_of_each()).unwrap();
    store.series().maintain(START + 2 * 86_400).unwrap();
    let meter = name("office-main");
    let sums = || store.series().day_rollups(&meter, 0, i64::MAX).unwrap();
    let fresh = sums();

    store.database.writer().execute("UPDATE rollup SET data = ?1", [bytes_of(ROLLUP_2)]).unwrap();

    let day = START - START.rem_euclid(86_400);
    let counters = [(meter, Quantity::ActiveEnergyImport)];
    assert_eq!(sums(), fresh);
    assert_eq!(store.series().rises(&counters, day, day + 86_400).unwrap(), [None]);
}

#[test]
fn a_block_and_sums_of_version_1_are_read_for_ever() {
    for (block, rollup) in [(BLOCK_1_DAY, ROLLUP_1), (BLOCK_2_DAY, ROLLUP_2)] {
        let (_dir, store) = open();
        // The same names get the same numbers; the rest comes from the golden files.
        store.series().record(&one_of_each()).unwrap();
        store.series().maintain(START + 2 * 86_400).unwrap();
        let written = store.series().day_rollups(&name("office-main"), 0, i64::MAX).unwrap();
        for (table, golden) in [("block", block), ("rollup", rollup)] {
            let sql = format!("UPDATE {table} SET data = ?1");
            store.database.writer().execute(&sql, [bytes_of(golden)]).unwrap();
        }

        let packs = store.series().packs(&name("office-main"), 0, i64::MAX).unwrap();
        let mut days = store.series().day_rollups(&name("office-main"), 0, i64::MAX).unwrap();

        let mut expected = one_of_each();
        expected[1] = expected.pop().unwrap();
        assert_eq!(packs, expected);
        for (sums, written) in days[0].quantities.iter_mut().zip(&written[0].quantities) {
            // What version 1 did not keep.
            sums.between = sums.between.or(written.between);
        }
        assert_eq!(days, written);
        assert_eq!(store.check().unwrap(), []);
    }
}

#[test]
fn of_a_month_given_up_each_day_keeps_its_first_and_last_reading() {
    let (_dir, store, sent) = sealed();
    let day = |instant: i64| instant.div_euclid(86_400);
    let energy = |from: i64, to: i64| {
        let quantity = Quantity::ActiveEnergyImport;
        store.series().counter(&name("office-main"), quantity, from, to).unwrap()
    };
    let all = energy(START, NOVEMBER);

    store.series().forget_before(NOVEMBER).unwrap();

    let october = START + 22 * 86_400 + 8 * 3_600;
    let kept: Vec<(i64, i64)> = all
        .iter()
        .enumerate()
        .filter(|&(at, (instant, _))| {
            let same_day =
                |other: Option<&(i64, i64)>| other.is_some_and(|it| day(it.0) == day(*instant));
            october <= *instant
                || !same_day(all.get(at.wrapping_sub(1)))
                || !same_day(all.get(at + 1))
        })
        .map(|(_, value)| *value)
        .collect();
    assert_eq!(energy(START, NOVEMBER), kept);
    assert_eq!(kept.first().map(|it| it.0), Some(sent[0].pack.instant));
    // A span inside one day has the day's ends as its neighbours.
    assert_eq!(energy(START + 90_000, START + 90_100).len(), 2);
    // What comes late for a month that was given up goes the same way, and its sums stay.
    let before = store.series().day_rollups(&name("office-main"), 0, october).unwrap();
    let late = arrival("office-main", 9, 0, START + 450, &[super::tests::energy(500_000)]);
    store.series().record(&[late]).unwrap();
    store.series().maintain(NOVEMBER + 86_400).unwrap();
    assert_eq!(store.series().day_rollups(&name("office-main"), 0, october).unwrap(), before);
    assert_eq!(store.series().packs(&name("office-main"), 0, october).unwrap(), []);
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn buffers_stay_within_their_bytes_whatever_comes() {
    const LIMIT: usize = 64 * 1024;
    let dir = TempDir::new().unwrap();
    let store = Store::open_with(dir.path(), Options { buffer_bytes: Some(LIMIT) }).unwrap();
    let meters: Vec<String> = (0..600).map(|number| format!("meter-{number}")).collect();
    let mut most = 0;

    // A reading of each meter now; then years of one meter, each day a buffer of its own;
    // then one day of one meter over and over.
    for round in 0..120_u32 {
        let batch: Vec<Arrival> = (0..100_u32)
            .map(|n| {
                let number = round * 100 + n;
                let (meter, instant) = match round {
                    0..40 => (number % 600, START + i64::from(number / 600) * QUARTER_HOUR),
                    40..80 => (7, START - i64::from(number) * 86_400),
                    _ => (8, START + i64::from(number)),
                };
                let meter = &meters[usize::try_from(meter).unwrap()];
                arrival(meter, 1, number, instant, &[energy(i64::from(number))])
            })
            .collect();
        store.series().record(&batch).unwrap();
        most = most.max(store.series().engine.memory().bytes);
    }

    let a_batch = 100 * 300;
    assert!(most <= LIMIT + LIMIT / 4 + a_batch, "{most} bytes");
    assert!(LIMIT < most, "the test fills them: {most} bytes");
}

#[test]
fn what_cannot_be_flushed_stops_the_recording_before_memory_runs_out() {
    const LIMIT: usize = 16 * 1024;
    let dir = TempDir::new().unwrap();
    let store = Store::open_with(dir.path(), Options { buffer_bytes: Some(LIMIT) }).unwrap();
    // No flush goes through, and every commit of the log does.
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON snapshot BEGIN
        SELECT RAISE(ABORT, 'refused'); END";
    store.database.writer().execute_batch(refuse).unwrap();
    let sent = quarter_hours("office-main", 20_000);
    let mut recorded = 0;

    let refused = sent.chunks(50).find_map(|batch| match store.series().record(batch) {
        Ok(_) => {
            recorded += batch.len();
            None
        }
        Err(error) => Some(error),
    });

    assert!(refused.is_some(), "it took {recorded} packs");
    let bytes = store.series().engine.memory().bytes;
    assert!(bytes <= 2 * LIMIT + 50 * 300, "{bytes} bytes");
    store.database.writer().execute_batch("DROP TRIGGER refuse").unwrap();
    store.series().record(&sent[recorded..]).unwrap();
    assert_eq!(store.series().packs(&name("office-main"), 0, i64::MAX).unwrap(), sent);
}
