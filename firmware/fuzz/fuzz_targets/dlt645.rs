//! Any bytes as what a meter of DL/T 645-2007 says.
//!
//! The first byte chooses how many bytes behind the identifier are asked for; the rest is what
//! comes. An answer that is taken must have the meter's address and a good sum in it.
#![no_main]

use embassy_time as _;
use firmware::bus::{Pace, Request};
use firmware::rtu::understand;
use libfuzzer_sys::fuzz_target;
use wire::modbus::Table;
use wire::{Address, Protocol};

/// Where the length of the data stands in a frame.
const LEN_AT: usize = 9;

fn is_frame(bytes: &[u8]) -> bool {
    let Some(&len) = bytes.get(LEN_AT) else { return false };
    let sum_at = LEN_AT + 1 + usize::from(len);
    let (Some(summed), Some(sum)) = (bytes.get(..sum_at), bytes.get(sum_at)) else { return false };
    bytes[0] == 0x68 && summed.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == *sum
}

fuzz_target!(|data: &[u8]| {
    let [wanted, bytes @ ..] = data else { return };
    let Some(meter) = Address::from_digits("12345678", Protocol::Dlt645) else { return };
    let pace = Pace { answer_ms: 1, turnaround_ms: 0 };
    let request = Request { meter, table: Table::Dlt645, address: 0x0001_0000, pace };
    let mut out = [0; 125];
    let out = &mut out[..usize::from(*wanted) % 126];
    if understand(&request, bytes, out).is_ok() {
        let sound = (0..bytes.len()).any(|at| is_frame(&bytes[at..]));
        assert!(sound, "an answer was taken that is no frame");
        assert!(out.iter().all(|&byte| byte < 256));
    }
});
