//! Any bytes as the answer of a Modbus meter.
//!
//! The first byte chooses the table, the second how many registers are asked for; the rest is
//! what comes. An answer that is taken must be a frame with a good check sum.
#![no_main]

use embassy_time as _;
use firmware::bus::{Pace, Request};
use firmware::rtu::understand;
use libfuzzer_sys::fuzz_target;
use wire::Address;
use wire::modbus::Table;

fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xFFFF_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 };
        }
    }
    crc.to_le_bytes()
}

fuzz_target!(|data: &[u8]| {
    let [table, count, bytes @ ..] = data else { return };
    let tables = [Table::Coil, Table::DiscreteInput, Table::Holding, Table::Input];
    let table = tables[usize::from(*table) % tables.len()];
    let pace = Pace { answer_ms: 1, turnaround_ms: 0 };
    let request = Request { meter: Address::unit_id(1), table, address: 0, pace };
    let mut out = [0; 125];
    let out = &mut out[..usize::from(*count) % 126];
    if understand(&request, bytes, out).is_ok() {
        let sound = bytes.windows(2).enumerate().any(|(at, tail)| {
            (0..at).any(|from| bytes[from] == 1 && crc(&bytes[from..at]) == tail)
        });
        assert!(sound, "an answer was taken that has no good check sum");
    }
});
