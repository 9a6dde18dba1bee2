//! Any bytes as a command, its result, the answer to a plan, a state or a pack.
//!
//! What can be read can be written and read again, unchanged.
#![no_main]

use embassy_time as _;
use libfuzzer_sys::fuzz_target;
use wire::message::{Applied, Command, CommandResult, Pack, State};

macro_rules! there_and_back {
    ($message:ty, $data:expr) => {
        if let Ok(message) = <$message>::decode($data) {
            let mut bytes = vec![0; <$message>::BYTES_MAX];
            if let Ok(len) = message.encode(&mut bytes) {
                assert_eq!(<$message>::decode(&bytes[..len]), Ok(message));
            }
        }
    };
}

fuzz_target!(|data: &[u8]| {
    there_and_back!(Command, data);
    there_and_back!(CommandResult, data);
    there_and_back!(Applied, data);
    there_and_back!(State, data);
    there_and_back!(Pack, data);
});
