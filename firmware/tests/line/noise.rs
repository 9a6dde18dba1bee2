//! A line on which somebody speaks who should not.

use std::collections::BTreeSet;

use wire::message::Pack;
use wire::reading::{Absence, Value};

use crate::bench::{EPOCH, Meters, NOISE_US, plan, read};

#[test]
fn a_minute_of_random_bytes_ends_with_true_values_or_reasons_and_nothing_else() {
    let plan = plan("eastron-sdm630", 8, 10, 9_600);
    let clean = Meters { thinking_us: 20_000, dead: vec![5], babbling: Vec::new(), noise: None };
    let (clean_packs, _) = read(&plan, &clean, 180);
    let truth: BTreeSet<Vec<u8>> = clean_packs.iter().filter(is_whole).map(values).collect();
    println!("random bytes a second  polls  with all values  afterwards  with all values");

    for each_second in [20, 100, 400, 960] {
        let noisy = Meters { noise: Some(each_second), ..clean.clone() };
        let (packs, log) = read(&plan, &noisy, 180);

        let quiet = EPOCH + i64::try_from(NOISE_US / 1_000_000).unwrap() + 2;
        let after = packs.partition_point(|pack| pack.instant < quiet);
        let (during, after) = packs.split_at(after);
        let whole = |packs: &[Pack]| packs.iter().filter(is_whole).count();
        println!(
            "{each_second:>21}  {:>5}  {:>15}  {:>10}  {:>15}",
            during.len(),
            whole(during),
            after.len(),
            whole(after)
        );
        for pack in packs.iter().filter(is_whole) {
            assert!(truth.contains(&values(pack)), "noise became a value: {pack:?}");
        }
        // Each poll is one pack, with a number of its own, and counted once: good or failed.
        for meter in 1..=8 {
            let own = packs.iter().filter(|pack| pack.meter.as_str() == format!("meter-{meter}"));
            let numbers: Vec<u32> = own.map(|pack| pack.seq).collect();
            assert_eq!(numbers, (0..).take(numbers.len()).collect::<Vec<u32>>());
        }
        assert_eq!(whole(&packs) + log.failed, packs.len());
        assert_eq!(packs.iter().filter(is_garbled).count(), log.garbled);
        // The node goes on asking each while it lasts, more rarely the longer it was not
        // understood; from a minute after it on, each living meter has its six turns a minute.
        let minute = EPOCH + 120..EPOCH + 180;
        let turns = |packs: &[Pack], meter: u8| {
            let name = format!("meter-{meter}");
            packs.iter().filter(|pack| pack.meter.as_str() == name).count()
        };
        let last: Vec<Pack> =
            packs.iter().filter(|p| minute.contains(&p.instant)).copied().collect();
        for meter in (1..=8).filter(|meter| !clean.dead.contains(meter)) {
            assert!(3 <= turns(during, meter), "meter-{meter}: {}", turns(during, meter));
            assert_eq!(turns(&last, meter), 6, "meter-{meter}");
        }
        assert!(during.windows(2).all(|two| two[0].instant <= two[1].instant));
        let living = after.iter().filter(|pack| pack.meter.as_str() != "meter-5");
        assert!(living.clone().all(|pack| is_whole(&pack)));
        assert_eq!(living.map(|pack| pack.meter).collect::<BTreeSet<_>>().len(), 7);
    }
}

fn is_whole(pack: &&Pack) -> bool {
    pack.readings.iter().all(|reading| matches!(reading.value, Value::Measured(_)))
}

fn is_garbled(pack: &&Pack) -> bool {
    let garbled = Value::Absent(Absence::Garbled);
    pack.readings.iter().any(|reading| reading.value == garbled)
}

/// What a pack says, whoever says it and when.
fn values(pack: &Pack) -> Vec<u8> {
    let mut bytes = Vec::new();
    for reading in pack.readings.iter() {
        bytes.push(reading.quantity.id());
        match reading.value {
            Value::Measured(value) => bytes.extend(value.to_le_bytes()),
            Value::Absent(reason) => bytes.push(reason.id()),
        }
    }
    bytes
}
