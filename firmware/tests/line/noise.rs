//! A line on which somebody speaks who should not.

use std::collections::BTreeSet;

use wire::message::Pack;
use wire::reading::Value;

use crate::bench::{EPOCH, Meters, NOISE_US, plan, read};

#[test]
fn a_minute_of_random_bytes_ends_with_true_values_or_reasons_and_nothing_else() {
    let plan = plan("eastron-sdm630", 8, 10, 9_600);
    let clean = Meters { thinking_us: 20_000, dead: vec![5], noise: None };
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
        // The node goes on asking while it lasts, and afterwards all is as if it had not been.
        assert!(30 <= log.requests, "{}", log.requests);
        assert!(during.windows(2).all(|two| two[0].instant <= two[1].instant));
        let living = after.iter().filter(|pack| pack.meter.as_str() != "meter-5");
        assert!(living.clone().all(|pack| is_whole(&pack)));
        assert_eq!(living.map(|pack| pack.meter).collect::<BTreeSet<_>>().len(), 7);
    }
}

fn is_whole(pack: &&Pack) -> bool {
    pack.readings.iter().all(|reading| matches!(reading.value, Value::Measured(_)))
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
