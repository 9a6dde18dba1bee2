//! Frames from the standards' side: published ones, and those that the PyPI package `dlt645`
//! 3.2.0 builds. Every sum was computed apart from this program.

use super::super::frame;
use super::*;
use crate::bus::Pace;
use proptest::prelude::*;
use std::vec::Vec;

fn unhex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn ask(table: Table, digits: &str, address: u32) -> Request {
    let meter = Address::from_digits(digits, Protocol::of(table)).unwrap();
    Request { meter, table, address, pace: Pace { answer_ms: 500, turnaround_ms: 0 } }
}

fn dlt645(identifier: u32, wanted: usize) -> Question {
    Question::data(&ask(Table::Dlt645, "12345678", identifier), wanted).unwrap()
}

fn cjt188(digits: &str, identifier: u32, wanted: usize) -> Question {
    Question::data(&ask(Table::Cjt188, digits, identifier), wanted).unwrap()
}

#[track_caller]
fn check_sent(question: &Question, expected: &str) {
    assert_eq!(question.sent(), unhex(expected));
}

#[test]
fn requests_are_byte_for_byte_those_that_meters_know() {
    check_sent(
        &dlt645(0x0001_0000, 4),
        "FE FE FE FE 68 78 56 34 12 00 00 68 11 04 33 33 34 33 C6 16",
    );
    check_sent(
        &cjt188("00002020120218", 0x10_901F, 5),
        "FE FE FE FE 68 10 18 02 12 20 20 00 00 01 03 90 1F 00 97 16",
    );
    // A meter that wants its identifier the other way round.
    check_sent(
        &cjt188("78330011223344", 0x10_1F90, 5),
        "FE FE FE FE 68 10 44 33 22 11 00 33 78 01 03 1F 90 00 80 16",
    );
    check_sent(
        &Question::number(Protocol::Dlt645).unwrap(),
        "FE FE FE FE 68 AA AA AA AA AA AA 68 13 00 DF 16",
    );
    check_sent(
        &Question::number(Protocol::Cjt188).unwrap(),
        "FE FE FE FE 68 AA AA AA AA AA AA AA AA 03 03 81 0A 00 49 16",
    );
    assert!(Question::number(Protocol::Modbus).is_none());
}

#[test]
fn a_request_to_everybody_or_to_nobody_cannot_be_made() {
    let with = |table, number| {
        let meter = Address::from_number(number);
        let request = Request { meter, table, ..ask(Table::Dlt645, "1", 0x0001_0000) };
        Question::data(&request, 4).is_some()
    };
    assert!(with(Table::Dlt645, 0x1234_5678));
    assert!(!with(Table::Dlt645, 0xAAAA_AAAA_AAAA) && !with(Table::Dlt645, 0x9999_9999_9999));
    assert!(!with(Table::Cjt188, 0xAA_AAAA_AAAA_AAAA) && !with(Table::Holding, 1));
}

const ENERGY: &str = "68 78 56 34 12 00 00 68 91 08 33 33 34 33 AB 89 67 45 2A 16";

#[track_caller]
fn check(question: &Question, bytes: &[u8], expected: &str) {
    let Search::Answer { at } = question.search(bytes) else {
        panic!("{:?}", question.blame(bytes));
    };
    let mut out = [0xFFFF; 50];
    let out = &mut out[..question.wanted];
    question.unpack(&bytes[at..], out);
    let expected = unhex(expected).into_iter().map(u16::from).collect::<Vec<_>>();
    assert_eq!(out, expected);
}

#[test]
fn answers_are_found_and_unpacked() {
    check(&dlt645(0x0001_0000, 4), &unhex(ENERGY), "78 56 34 12");
    check(
        &dlt645(0x0201_FF00, 6),
        &unhex("FE FE FE FE 68 78 56 34 12 00 00 68 91 0A 33 32 34 35 35 56 43 56 CB 55 91 16"),
        "02 23 10 23 98 22",
    );
    check(
        &dlt645(0x0203_0000, 3),
        &unhex("FE 68 78 56 34 12 00 00 68 91 07 33 33 36 35 54 76 B6 CD 16"),
        "21 43 83",
    );
    check(
        &cjt188("00002020120218", 0x10_901F, 19),
        &unhex(
            "FE FE FE 68 10 18 02 12 20 20 00 00 81 16 90 1F 00 00 02 00 00 2C 00 02 00 00 2C
             00 00 00 00 00 00 00 00 FF 85 16",
        ),
        "00 02 00 00 2C 00 02 00 00 2C 00 00 00 00 00 00 00 00 FF",
    );
    check(
        &cjt188("78330011223344", 0x10_1F90, 5),
        &unhex(
            "68 10 44 33 22 11 00 33 78 81 16 1F 90 00 00 77 66 55 2C 00 77 66 55 2C
             31 01 22 11 05 15 20 21 84 13 16",
        ),
        "00 77 66 55 2C",
    );
    let heat = "68 20 01 00 00 11 22 33 44 81 2E 90 1F 00 00 10 00 00 05 56 34 12 00 05
                50 12 00 00 17 00 50 00 00 35 00 05 40 00 2C 50 75 00 25 50 00 23 01 00
                00 00 10 01 12 26 20 04 00 81 16";
    let question = cjt188("44332211000001", 0x20_901F, 43);
    let Search::Answer { at } = question.search(&unhex(heat)) else { panic!("no answer") };
    let mut out = [0; 43];
    question.unpack(&unhex(heat)[at..], &mut out);
    assert_eq!((&out[5..10], &out[25..28]), (&[0x56, 0x34, 0x12, 0, 5][..], &[0x50, 0x75, 0][..]));
}

#[test]
fn a_lone_meter_tells_its_number() {
    let number = |protocol, frame: &str| {
        let (question, frame) = (Question::number(protocol).unwrap(), unhex(frame));
        let Search::Answer { at } = question.search(&frame) else { panic!("no answer") };
        question.sender(&frame[at..]).number()
    };
    let found =
        number(Protocol::Dlt645, "FE 68 78 56 34 12 00 00 68 93 06 AB 89 67 45 33 33 C3 16");
    assert_eq!(found, 0x1234_5678);
    let found = number(Protocol::Cjt188, "68 10 44 33 22 11 00 33 78 83 03 81 0A 00 DE 16");
    assert_eq!(found, 0x0078_3300_1122_3344);
}

#[track_caller]
fn check_blame(question: &Question, bytes: &[u8], expected: PollError) {
    assert!(!matches!(question.search(bytes), Search::Answer { .. } | Search::Refused { .. }));
    assert_eq!(question.blame(bytes), expected);
}

#[test]
fn what_came_instead_of_an_answer_is_told_apart() {
    let question = dlt645(0x0001_0000, 4);
    let answer = unhex(ENERGY);
    let damaged = |at: usize| {
        let mut bytes = answer.clone();
        bytes[at] ^= 1;
        bytes
    };
    check_blame(&question, &[], PollError::Silent);
    check_blame(&question, &damaged(15), PollError::BadCrc);
    check_blame(&question, &damaged(19), PollError::BadCrc);
    check_blame(&question, &answer[..19], PollError::Truncated);
    check_blame(&question, &[0x55, 0xAA, 0xFE, 0x16], PollError::Noise);
    // Our own request, as an RS-485 adapter may echo it.
    let echo = unhex("68 78 56 34 12 00 00 68 11 04 33 33 34 33 C6 16");
    check_blame(&question, &echo, PollError::Noise);
    // Meter 12345679 answers; meter 12345678 says its voltages; it says too little.
    let other = unhex("68 79 56 34 12 00 00 68 91 08 33 33 34 33 AB 89 67 45 2B 16");
    check_blame(&question, &other, PollError::WrongUnit);
    let voltages = unhex("68 78 56 34 12 00 00 68 91 0A 33 32 34 35 35 56 43 56 CB 55 91 16");
    check_blame(&question, &voltages, PollError::WrongAnswer);
    check_blame(&dlt645(0x0001_0000, 5), &answer, PollError::WrongAnswer);
    check_blame(&cjt188("1", 0x10_901F, 5), &answer, PollError::Noise);
}

#[test]
fn a_refusal_is_read_with_its_code() {
    let refused = unhex("FE FE 68 78 56 34 12 00 00 68 D1 01 35 EB 16");
    let found = dlt645(0x0001_0000, 4).search(&refused);
    assert!(matches!(found, Search::Refused { code: 2 }));
    let refused = unhex("68 10 18 02 12 20 20 00 00 C1 03 00 04 00 AC 16");
    let found = cjt188("00002020120218", 0x10_901F, 5).search(&refused);
    assert!(matches!(found, Search::Refused { code: 4 }));
}

#[test]
fn a_frame_that_is_under_way_is_waited_for() {
    let question = dlt645(0x0001_0000, 4);
    let answer = unhex(ENERGY);
    for len in 1..answer.len() {
        assert!(matches!(question.search(&answer[..len]), Search::Begun), "{len}");
    }
    assert!(matches!(question.search(&[0x00, 0xFE]), Search::Begun));
    assert!(matches!(question.search(&[0x68, 0x79]), Search::Nothing));
}

proptest! {
    // Whatever a request asks for, its control code is one that reads: 11 and 13 by DL/T 645,
    // 01 and 03 by CJ/T 188, functions 1 to 4 by Modbus.
    #[test]
    fn nothing_that_is_sent_writes_clears_or_switches(
        number: u64,
        address: u32,
        table in 0_usize..6,
        wanted in 0_usize..130,
    ) {
        let table = Table::ALL[table];
        let meter = Address::from_number(number);
        let pace = Pace { answer_ms: 1, turnaround_ms: 0 };
        let request = Request { meter, table, address, pace };
        match super::super::Expected::new(&request, wanted) {
            Some(super::super::Expected::Data(question)) => {
                let (sent, control) = (question.sent(), question.sent()[LEADS + question.head_len]);
                let reads = if table == Table::Dlt645 { 0x11 } else { 0x01 };
                prop_assert_eq!((sent.len(), control), (20, reads));
            }
            Some(super::super::Expected::Registers(_)) => {
                let sent = frame::request(&request, u16::try_from(wanted).unwrap());
                prop_assert!((1..=4).contains(&sent[1]));
            }
            None => {}
        }
    }

    #[test]
    fn no_bytes_make_the_search_panic(bytes in proptest::collection::vec(any::<u8>(), 0..330)) {
        for question in [dlt645(0x0001_0000, 4), cjt188("1", 0x10_901F, 19)] {
            std::hint::black_box((question.search(&bytes), question.blame(&bytes)));
            question.unpack(&bytes, &mut [0; 125]);
            std::hint::black_box(question.sender(&bytes));
        }
    }

    // Bytes near to a frame reach further into the reader than noise does.
    #[test]
    fn no_damage_to_an_answer_makes_the_search_panic_or_lie(
        damage in proptest::collection::vec((0_usize..20, any::<u8>()), 1..4),
        cut in 0_usize..=20,
    ) {
        let question = dlt645(0x0001_0000, 4);
        let mut bytes = unhex(ENERGY);
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        let found = question.search(&bytes[..cut]);
        if matches!(found, Search::Answer { .. }) {
            // The sum is right and the head is ours: one byte went up by what another fell.
            let sum = bytes[..18].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            prop_assert_eq!((sum, &bytes[..8]), (bytes[18], &unhex(ENERGY)[..8]));
        }
        std::hint::black_box(question.blame(&bytes[..cut]));
    }

    #[test]
    fn an_answer_is_found_behind_any_noise_and_before_it(
        before in proptest::collection::vec(prop_oneof![any::<u8>(), Just(START), Just(LEAD)], 0..60),
        after in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let bytes = [&before[..], &unhex(ENERGY), &after].concat();
        check(&dlt645(0x0001_0000, 4), &bytes, "78 56 34 12");
    }
}
