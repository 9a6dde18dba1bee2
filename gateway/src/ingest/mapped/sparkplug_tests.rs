//! Against bytes that Eclipse Tahu's encoder made (`golden/sparkplug.txt`).

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;

use super::super::tests::{book, check_bytes, meter};
use super::super::{Delivery, MappedGate};
use super::*;

/// When the golden messages begin.
const T: i64 = 1_777_852_800;

fn golden() -> BTreeMap<&'static str, Vec<u8>> {
    let lines = include_str!("golden/sparkplug.txt").lines().filter(|it| !it.starts_with('#'));
    let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap();
    lines.map(|line| line.split_once(' ').unwrap()).map(|(name, hex)| (name, bytes(hex))).collect()
}

fn gate() -> MappedGate {
    let mapping = r#"
[[mapping]]
id = "plant"
kind = "sparkplug"
group = "Hospital"
edge = "edge-1"
value = [
  { quantity = "ActiveEnergyImport", metric = "Energy/Import" },
  { quantity = "ActivePower", metric = "Power", unit = "W" },
  { quantity = "ReactivePower", metric = "Reactive" },
  { quantity = "Frequency", metric = "Supply/Frequency", meter = "grid" },
]
"#;
    let meters = meter("ward", "plant", "device = \"meter-a\"") + &meter("grid", "plant", "");
    MappedGate::fixed(book(&format!("{mapping}{meters}")))
}

/// Sends golden messages; what each became.
fn send(gate: &MappedGate, now: i64, names: &[&str]) -> Vec<Vec<String>> {
    let golden = golden();
    let topic = |name: &str| {
        let kind = name.split('_').next().unwrap().to_uppercase();
        let device = if kind.starts_with('D') { "/meter-a" } else { "" };
        format!("spBv1.0/Hospital/{kind}/edge-1{device}")
    };
    names.iter().map(|name| check_bytes(gate, &topic(name), &golden[name], now)).collect()
}

#[test]
fn births_give_meaning_to_the_aliases_of_data() {
    let gate = gate();

    let told = send(&gate, T + 100, &["nbirth", "dbirth", "ddata"]);

    assert_eq!(told[0], [format!("grid@{T} f=49980")]);
    assert_eq!(told[1], [format!("ward@{T} p=56100 q=-73000 ei=514153000")]);
    assert_eq!(told[2], [format!("ward@{} p=60500 q=-70000 ei=514160000", T + 60)]);
}

#[test]
fn what_was_flushed_has_the_times_at_which_it_was_read() {
    let gate = gate();

    let told = send(&gate, T + 3_600, &["nbirth", "dbirth", "ddata", "ddata_historical"]);

    let at = |n: i64| format!("ward@{} ei={}", T + 60 + n * 60, 514_160_000 + n * 10_000);
    assert_eq!(told[3], [at(1), at(2), at(3)]);
}

#[test]
fn no_value_is_told_as_none_and_a_stale_one_not_at_all() {
    let gate = gate();
    let names = ["nbirth", "dbirth", "ddata", "ddata_historical", "ddata_null_stale_bad"];

    let told = send(&gate, T + 3_700, &names);

    let none = format!("ward@{} q=none:device-fault ei=none:device-fault", T + 3_660);
    assert_eq!(told[4], [none, "repeat Power".to_owned()]);
}

#[test]
fn after_a_hole_an_alias_means_nothing_until_the_next_birth() {
    let gate = gate();
    let mut requests = gate.requests();
    send(&gate, T + 3_700, &["nbirth", "dbirth", "ddata", "ddata_historical"]);

    // 3 was the last one; 6 follows.
    let lost = send(&gate, T + 3_720, &["ddata_after_a_hole", "ddata_by_name"]);
    let again = send(&gate, T + 7_200, &["nbirth_again", "dbirth_again"]);

    assert_eq!(lost[0], ["no-birth edge-1"]);
    // A name means what it says, but without the birth nobody knows the unit.
    assert_eq!(lost[1], ["no-unit Energy/Import"]);
    assert_eq!(again[1], [format!("ward@{} p=60000 ei=516000000", T + 7_200)]);
    let asked = requests.try_recv().unwrap();
    assert_eq!(asked.topic, "spBv1.0/Hospital/NCMD/edge-1");
    // Eclipse Tahu's decoder reads this as `Node Control/Rebirth`, Boolean, true.
    let command = Payload::decode(&asked.payload).unwrap();
    assert_eq!(command.metrics[0].name, Some("Node Control/Rebirth"));
    assert_eq!(command.metrics[0].value, Some(Content::Boolean(true)));
    assert!(requests.try_recv().is_err(), "asked once, though two messages had no birth");
}

#[test]
fn an_edge_node_that_nobody_saw_born_is_asked_once_a_minute() {
    let gate = gate();
    let mut requests = gate.requests();

    for now in [T, T + 1, T + 59, T + 60, T + 61] {
        assert_eq!(send(&gate, now, &["ndata"])[0], ["no-birth edge-1"]);
    }

    assert_eq!([requests.try_recv().is_ok(), requests.try_recv().is_ok()], [true, true]);
    assert!(requests.try_recv().is_err());
}

#[test]
fn a_death_counts_if_it_is_of_this_birth_and_then_there_is_silence() {
    let gate = gate();
    send(&gate, T, &["nbirth", "dbirth"]);
    let golden = golden();
    let alive = |name: &str| {
        let bytes = &golden[name];
        gate.check("spBv1.0/Hospital/NDEATH/edge-1", bytes, T, Delivery::default()).unwrap().alive
    };

    let of_before = alive("ndeath_of_before");
    let of_this = alive("ndeath");
    let after = send(&gate, T + 60, &["ddata"]);

    assert_eq!(of_before, None);
    assert_eq!(of_this, Some(("Hospital/edge-1".to_owned(), false)));
    assert_eq!(after[0], ["no-birth edge-1"]);
}

#[test]
fn a_device_that_died_says_nothing_until_its_birth() {
    let gate = gate();
    send(&gate, T, &["nbirth", "dbirth", "ddeath"]);

    assert_eq!(send(&gate, T + 60, &["ddata"])[0], ["no-birth edge-1"]);
    assert!(send(&gate, T + 60, &["dbirth"])[0][0].starts_with("ward@"));
}

#[test]
fn the_same_messages_again_are_the_same_readings() {
    let (once, twice) = (gate(), gate());

    let told = send(&once, T + 100, &["nbirth", "dbirth", "ddata"]);
    let again = send(&twice, T + 100, &["nbirth", "dbirth", "dbirth", "ddata", "ddata"]);

    assert_eq!(told[2], again[3]);
    assert_eq!(again[3], again[4]);
}

#[test]
fn gateways_that_share_the_data_do_not_take_each_others_messages_for_lost() {
    let gate = gate();
    let golden = golden();
    let shared = Delivery { retained: false, shared: true };
    let send = |kind: &str, name: &str| {
        let topic = format!(
            "spBv1.0/Hospital/{kind}/edge-1{}",
            if kind.starts_with('D') { "/meter-a" } else { "" }
        );
        gate.check(&topic, &golden[name], T + 3_720, shared).unwrap()
    };

    send("NBIRTH", "nbirth");
    send("DBIRTH", "dbirth");
    let outcome = send("DDATA", "ddata_after_a_hole");

    assert_eq!((outcome.arrivals.len(), outcome.faults.len()), (1, 0));
}

#[test]
fn a_payload_that_is_none_is_unreadable_and_kept() {
    let gate = gate();

    let topic = "spBv1.0/Hospital/NBIRTH/edge-1";
    let outcome = gate.check(topic, &[0xFF; 40], T, Delivery::default()).unwrap();

    assert_eq!((outcome.faults[0].reason, outcome.quarantine), (Reason::Unreadable, true));
}
