//! Scans of the simulated campus, whole and broken. What takes long on a real line is in
//! `gateway/tests/scan`, in virtual time.

use super::*;
use std::collections::BTreeMap;
use std::sync::Arc;

use simulator::campus::{MeterSpec, Source};
use simulator::{BusAddress, BusKind, Campus, Column, ScriptedEvent, Set, demo, demo_campus};
use tokio::net::TcpListener;
use tokio::sync::watch;
use wire::Name;
use wire::modbus::Ratios;

const NOW: i64 = 1_760_000_000;

/// Scans a bus of a campus in which some things are broken.
async fn scan_of(
    meters: &[MeterSpec],
    bus: &str,
    kind: BusKind,
    broken: &[(&str, Set)],
    candidates: &'static [Candidate<'static>],
) -> Scanned<'static> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let campus = Campus::load(meters).unwrap();
    for (meter, set) in broken {
        let meter = Name::new(meter).unwrap();
        campus.set(ScriptedEvent { at: NOW - 60, meter, set: *set }).unwrap();
    }
    let (_stop, shutdown) = watch::channel(false);
    let buses = vec![BusAddress { bus: Name::new(bus).unwrap(), kind, listener }];
    let served = simulator::serve(Arc::new(campus), buses, Arc::new(|| NOW), shutdown);
    let answering = tokio::spawn(served);
    let (config, numbers) = match kind {
        BusKind::RtuOverTcp => (BusConfig::RtuOverTcp(address), true),
        BusKind::ModbusTcp => (BusConfig::ModbusTcp(address), false),
    };
    let lines = vec![LineSettings::default()];
    let (first, last) = (1, 12);
    let search = Search { lines, first, last, thorough: false, numbers, candidates };
    let scanned = scan(config, &search, |_| {}).await;
    answering.abort();
    scanned
}

fn all() -> &'static [Candidate<'static>] {
    Box::leak(built_in().into_boxed_slice())
}

fn taken_for(scanned: &Scanned<'_>) -> BTreeMap<u64, String> {
    let id = |it: &Found<'_>| it.model.as_ref().map_or("?", |is| is.model.id).to_owned();
    scanned.meters.iter().map(|it| (it.address.number(), id(it))).collect()
}

fn truth(meters: &[MeterSpec], bus: &str) -> BTreeMap<u64, String> {
    let on_bus = meters.iter().filter(|it| it.bus.as_str() == bus);
    on_bus.map(|it| (it.address.number(), it.model.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn electricity_gas_and_water_meters_of_a_bus_are_found_with_model_and_word_order() {
    let meters = demo_campus();

    let scanned = scan_of(&meters, demo::CAMPUS_BUS, BusKind::ModbusTcp, &[], all()).await;

    assert_eq!(taken_for(&scanned), truth(&meters, demo::CAMPUS_BUS));
    assert_eq!(scanned.troubles, []);
    for meter in &scanned.meters {
        let is = meter.model.as_ref().unwrap();
        assert!(is.is_usual && !is.telling().is_empty(), "{is:?}");
        assert_eq!(meter.errors, 0, "{meter:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_is_read_through_a_silent_meter_is_not_there_and_a_garbled_one_is_told() {
    let meters = demo_campus();
    let broken = [
        ("light-1f-hall", Set::Noise { on: true }),
        ("light-2f-east", Set::Silent { on: true }),
        ("light-2f-west", Set::BadCrc { on: true }),
        ("light-3f", Set::Split { on: true }),
        ("office-plug", Set::Nonsense { on: true }),
    ];

    let scanned = scan_of(&meters, demo::OFFICE_BUS, BusKind::RtuOverTcp, &broken, all()).await;

    let found = taken_for(&scanned);
    let sdm630 = |unit: u64| (unit, "eastron-sdm630".to_owned());
    let mut expected = BTreeMap::from([1, 2, 5, 7, 8].map(sdm630));
    expected.insert(6, "?".to_owned());
    assert_eq!(found, expected);
    let garbled = Trouble::Garbled(Address::unit_id(4), LineSettings::default());
    assert_eq!(scanned.troubles, [garbled]);
    let share = |unit: u64| scanned.meters.iter().find(|it| it.address.number() == unit).unwrap();
    assert!(identify::load_of(share(1), 60, true) > 0);
    assert_eq!(identify::load_of(share(6), 60, true), 0);
}

fn numbered(meter: &str, model: &str, digits: &str, column: Column) -> MeterSpec {
    let protocol = if model.starts_with("dlt645") { Protocol::Dlt645 } else { Protocol::Cjt188 };
    MeterSpec {
        meter: Name::new(meter).unwrap(),
        parent: None,
        model: model.to_owned(),
        bus: Name::new("cellar").unwrap(),
        address: Address::from_digits(digits, protocol).unwrap(),
        source: Source { column, share: 1_000 },
        dial: 5_000_000_000,
        ratios: Ratios::ONE,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meters_with_numbers_are_asked_for_them_and_recognised() {
    let meters = [
        numbered("incoming", "dlt645-three-phase", "000012345678", Column::OfficeElectricity),
        numbered("water", "cjt188-water", "78330011223344", Column::Water),
    ];

    let scanned = scan_of(&meters, "cellar", BusKind::RtuOverTcp, &[], all()).await;

    assert_eq!(taken_for(&scanned), truth(&meters, "cellar"));
    let plates = scanned.meters.iter().map(|it| identify::plate(it.address, it.protocol.digits()));
    assert_eq!(plates.collect::<Vec<_>>(), ["000012345678", "78330011223344"]);
    assert_eq!(scanned.troubles, []);
}

#[tokio::test]
async fn a_converter_that_is_away_is_told_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let lines = vec![LineSettings::default()];
    let search =
        Search { lines, first: 1, last: 247, thorough: false, numbers: true, candidates: &[] };

    let scanned = scan(BusConfig::RtuOverTcp(address), &search, |_| {}).await;

    assert_eq!(scanned.troubles, [Trouble::Down]);
    assert_eq!((scanned.asked, scanned.meters.len()), (1, 0));
}
