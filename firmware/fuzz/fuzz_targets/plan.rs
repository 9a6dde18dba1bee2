//! Any bytes as a plan.
//!
//! A plan that can be read can be written and read again, unchanged; one that is good can be
//! planned, weighed and decoded, whatever its registers hold.
#![no_main]

use embassy_time as _;
use firmware::load::{Load, THINKING_MS};
use firmware::planner::{GAP_MAX, blocks};
use libfuzzer_sys::fuzz_target;
use wire::message::Plan;
use wire::modbus::{decode, rollover};

fuzz_target!(|data: &[u8]| {
    let Ok(plan) = Plan::decode(data) else { return };
    let mut bytes = vec![0; Plan::BYTES_MAX];
    if let Ok(len) = plan.encode(&mut bytes) {
        assert_eq!(Plan::decode(&bytes[..len]), Ok(plan), "a plan changed on its way");
    }
    if plan.check().is_err() {
        return;
    }
    for map in plan.maps.iter() {
        let map = map.as_map();
        let blocks = blocks(&map, GAP_MAX);
        for entry in map.entries {
            assert!(blocks.iter().any(|block| block.offset_of(entry).is_some()));
            for meter in plan.meters.iter() {
                let words = data.iter().map(|byte| u16::from(*byte)).cycle();
                let words: Vec<u16> = words.take(usize::from(entry.span())).collect();
                let _value = decode(entry, &words, meter.ratios);
                let _rollover = rollover(entry, meter.ratios);
            }
        }
        assert!(blocks.iter().all(|block| block.count <= map.read_limit));
    }
    let _load = Load::of(&plan, true, THINKING_MS);
});
