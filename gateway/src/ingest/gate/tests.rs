use wire::message::Pack;
use wire::{Absence, List, Quantity, Reading, Value};

use super::{AHEAD_MAX_S, EARLIEST, Reason, Verdict, check, possible};
use crate::ingest::fixture::{NOW, bytes_of, name, pack, roster};

fn check_pack(node: &str, pack: &Pack) -> Result<Pack, Reason> {
    check_bytes(node, &bytes_of(pack))
}

fn check_bytes(node: &str, payload: &[u8]) -> Result<Pack, Reason> {
    match check(&name(node), payload, NOW, &roster()) {
        Verdict::Accept(arrival) => {
            assert_eq!((arrival.node, arrival.received), (name(node), NOW));
            Ok(arrival.pack)
        }
        Verdict::Reject { reason, quarantine } => {
            assert_eq!(quarantine, reason.is_kept());
            Err(reason)
        }
    }
}

#[test]
fn a_pack_of_a_known_meter_comes_through_unchanged() {
    let pack = pack("meter-1", 7);

    assert_eq!(check_pack("node-1", &pack), Ok(pack));
}

#[test]
fn bytes_that_are_no_pack_are_unreadable_and_kept() {
    let cut = &bytes_of(&pack("meter-1", 7))[..20];

    assert_eq!(check_bytes("node-1", cut), Err(Reason::Unreadable));
    assert_eq!(check_bytes("node-1", b""), Err(Reason::Unreadable));
    assert!(Reason::Unreadable.is_kept());
}

#[test]
fn a_node_that_the_site_book_does_not_know_is_rejected_and_not_kept() {
    assert_eq!(check_pack("node-9", &pack("meter-1", 7)), Err(Reason::UnknownNode));
    assert!(!Reason::UnknownNode.is_kept());
}

#[test]
fn a_node_cannot_speak_for_a_meter_that_another_one_reads() {
    assert_eq!(check_pack("node-1", &pack("meter-3", 7)), Err(Reason::UnknownMeter));
    assert_eq!(check_pack("node-1", &pack("meter-9", 7)), Err(Reason::UnknownMeter));
}

#[test]
fn a_clock_may_be_five_minutes_ahead_and_no_more() {
    let at = |instant| check_pack("node-1", &Pack { instant, ..pack("meter-1", 7) });

    assert!(at(NOW + AHEAD_MAX_S).is_ok());
    assert_eq!(at(NOW + AHEAD_MAX_S + 1), Err(Reason::Future));
    assert!(at(EARLIEST).is_ok());
    assert_eq!(at(EARLIEST - 1), Err(Reason::TooOld));
}

#[test]
fn a_value_that_cannot_be_is_absent_and_the_others_stay() {
    let readings = [
        Reading { quantity: Quantity::VoltageL1, value: Value::Measured(230_000) },
        Reading { quantity: Quantity::PowerFactor, value: Value::Measured(3_276_700) },
        Reading { quantity: Quantity::ActiveEnergyImport, value: Value::Measured(-1) },
        Reading { quantity: Quantity::Frequency, value: Value::Absent(Absence::Timeout) },
    ];
    let sent = Pack { readings: List::from_slice(&readings).unwrap(), ..pack("meter-1", 7) };

    let accepted = check_pack("node-1", &sent).unwrap();

    let values: Vec<Value> = accepted.readings.iter().map(|reading| reading.value).collect();
    assert_eq!(
        values,
        [
            Value::Measured(230_000),
            Value::Absent(Absence::OutOfRange),
            Value::Absent(Absence::OutOfRange),
            Value::Absent(Absence::Timeout),
        ]
    );
    assert_eq!((accepted.seq, accepted.instant), (sent.seq, sent.instant));
}

#[test]
fn what_a_meter_at_rest_shows_is_possible_for_every_quantity() {
    for quantity in Quantity::ALL {
        assert!(possible(quantity).contains(&0), "{quantity:?}");
        assert!(!possible(quantity).contains(&i64::MAX), "{quantity:?}");
        assert!(!possible(quantity).contains(&i64::MIN), "{quantity:?}");
    }
}

#[test]
fn every_reason_has_a_word_of_its_own() {
    let reasons = [
        Reason::Unreadable,
        Reason::UnknownNode,
        Reason::UnknownMeter,
        Reason::Future,
        Reason::TooOld,
        Reason::ForeignTopic,
        Reason::TooLong,
        Reason::UnknownDevice,
        Reason::WrongType,
        Reason::NoValue,
        Reason::NoTime,
        Reason::NoUnit,
        Reason::Repeat,
        Reason::Retained,
        Reason::Unwanted,
        Reason::NoBirth,
    ];
    let words: std::collections::BTreeSet<_> = reasons.map(Reason::word).into_iter().collect();

    assert_eq!(words.len(), reasons.len());
}
