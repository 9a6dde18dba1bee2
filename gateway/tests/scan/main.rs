//! A scan on a line whose characters take their time, in virtual time.
//!
//! There is one time in a process, so these tests have a binary of their own. The line and the
//! meters are in `wire_of`; each byte travels as on RS-485, two answers at once destroy each
//! other, and a meter whose settings are others hears nothing.
//!
//! `cargo nextest run -p gateway -E 'binary(scan) & test(/ten_meters/)' --no-capture` prints how long a scan takes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod wire_of;

use firmware::rtu::{NoDriverEnable, RtuBus};
use gateway::node::scan::{self, Found, Scanned, Search, Trouble};
use wire::Address;
use wire::Protocol;
use wire::modbus::{LineSettings, Parity, WordOrder};
use wire::models::MODELS;
use wire_of::{Meter, Wire};

fn line(baud: u32, parity: Parity) -> LineSettings {
    LineSettings { baud, parity, stop_bits: 1 }
}

/// Scans a line with these meters.
fn scanned(
    meters: Vec<Meter>,
    lines: Vec<LineSettings>,
    last: u8,
    numbers: bool,
) -> Scanned<'static> {
    let candidates = Box::leak(scan::built_in().into_boxed_slice());
    let search = Search { lines, first: 1, last, thorough: false, numbers, candidates };
    line_time::virtually(async move {
        let mut bus = RtuBus::new(Wire::new(meters), NoDriverEnable);
        scan::scan_line(&mut bus, &search, |_| {}).await
    })
}

fn units(scanned: &Scanned<'_>) -> Vec<u64> {
    scanned.meters.iter().map(|it| it.address.number()).collect()
}

fn id<'a>(found: &Found<'a>) -> Option<&'a str> {
    found.model.as_ref().map(|is| is.model.id)
}

/// Ten meters as they are found: most numbered from one on, some far away, 20 ms of thinking.
fn ten() -> Vec<Meter> {
    let units = [1, 2, 3, 4, 5, 6, 17, 33, 101, 200];
    let models = ["eastron-sdm630", "chint-dtsu666", "acrel-dtsd1352", "xintai-water"];
    let of = |(at, unit): (usize, u8)| Meter::new(unit, models[at % models.len()]);
    units.into_iter().enumerate().map(of).collect()
}

#[test]
fn ten_meters_among_247_addresses_take_less_than_a_minute_at_9600_baud() {
    let known = scanned(ten(), vec![LineSettings::default()], 247, false);
    let unknown = scanned(ten(), scan::usual_lines(), 247, true);

    let all = [1, 2, 3, 4, 5, 6, 17, 33, 101, 200];
    assert_eq!((units(&known), units(&unknown)), (all.to_vec(), all.to_vec()));
    println!(
        "addresses 1 to 247 at 9600 8N1, 10 meters: {} ms, {} addresses asked, {} ms for each",
        known.took_ms, known.asked, known.wait_ms
    );
    println!(
        "the same with {} settings tried first, and numbers asked for: {} ms, {} asked",
        scan::usual_lines().len(),
        unknown.took_ms,
        unknown.asked
    );
    assert!(known.took_ms < 60_000, "{} ms", known.took_ms);
    assert!(unknown.took_ms < 120_000, "{} ms", unknown.took_ms);
}

#[test]
fn every_model_is_recognised_or_stands_among_those_that_are_as_good() {
    let modbus = MODELS.iter().filter(|it| it.map.protocol() == Protocol::Modbus);
    let mut first = 0;
    let mut missed = Vec::new();
    for model in modbus {
        let scanned =
            scanned(vec![Meter::new(3, model.id)], vec![LineSettings::default()], 3, false);

        let [meter] = &scanned.meters[..] else { panic!("{}: {scanned:?}", model.id) };
        let also = meter.model.as_ref().map(|is| is.also.clone()).unwrap_or_default();
        let is_first = id(meter) == Some(model.id);
        first += usize::from(is_first);
        // One register that counts is like any other.
        if !is_first && !also.contains(&model.id) && 1 < model.map.entries.len() {
            missed.push(format!("{} taken for {:?}, also {also:?}", model.id, id(meter)));
        }
    }
    println!("{first} models recognised at the first place; missed: {missed:?}");
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn words_that_come_the_wrong_way_round_are_found_by_what_makes_sense() {
    for model in ["eastron-sdm630", "carlo-gavazzi-em340", "schneider-iem3155", "siemens-pac2200"] {
        for order in WordOrder::ALL {
            let meter = Meter { order: Some(order), ..Meter::new(7, model) };

            let scanned = scanned(vec![meter], vec![LineSettings::default()], 8, false);

            let [meter] = &scanned.meters[..] else { panic!("{model} {order:?}: {scanned:?}") };
            let is = meter.model.as_ref().unwrap();
            assert_eq!((is.model.id, is.order), (model, Some(order)), "{is:?}");
        }
    }
}

#[test]
fn meters_are_found_whatever_speed_and_parity_they_are_set_to() {
    let (slow, fast) = (line(2_400, Parity::Even), line(19_200, Parity::None));
    let meters = vec![
        Meter { line: slow, ..Meter::new(1, "eastron-sdm630") },
        Meter { line: fast, ..Meter::new(42, "chint-dtsu666") },
        Meter { line: fast, ..Meter::new(2, "acrel-adw300") },
    ];

    let scanned = scanned(meters, scan::usual_lines(), 60, false);

    let found: Vec<_> =
        scanned.meters.iter().map(|it| (it.address.number(), it.line, id(it))).collect();
    assert_eq!(
        found,
        [
            (1, slow, Some("eastron-sdm630")),
            (2, fast, Some("acrel-adw300")),
            (42, fast, Some("chint-dtsu666")),
        ]
    );
}

#[test]
fn a_lone_meter_at_an_unlikely_address_and_speed_is_found_as_well() {
    let set = line(38_400, Parity::Even);
    let meter = Meter { line: set, ..Meter::new(77, "eastron-sdm120") };

    let scanned = scanned(vec![meter], scan::usual_lines(), 80, false);

    assert_eq!(units(&scanned), [77]);
    assert_eq!(scanned.meters[0].line, set);
}

#[test]
fn two_meters_at_one_address_are_told_and_not_taken_for_one() {
    let meters = vec![
        Meter::new(1, "eastron-sdm630"),
        Meter::new(2, "eastron-sdm630"),
        Meter { thinking_us: 21_300, ..Meter::new(2, "eastron-sdm630") },
    ];

    let scanned = scanned(meters, vec![LineSettings::default()], 10, false);

    assert_eq!(units(&scanned), [1]);
    let at = Address::unit_id(2);
    assert_eq!(scanned.troubles, [Trouble::Garbled(at, LineSettings::default())]);
}

#[test]
fn a_meter_that_is_slower_than_all_before_it_is_heard_late_and_asked_again() {
    let slow = Meter { thinking_us: 150_000, ..Meter::new(60, "eastron-sdm630") };
    let meters = vec![Meter::new(1, "eastron-sdm630"), slow];

    let scanned = scanned(meters, vec![LineSettings::default()], 100, false);

    assert!(scanned.wait_ms < 150, "{}", scanned.wait_ms);
    assert_eq!(units(&scanned), [1, 60]);
    assert_eq!(scanned.meters.iter().map(id).collect::<Vec<_>>(), [Some("eastron-sdm630"); 2]);
}

#[test]
fn nothing_but_questions_is_ever_sent() {
    // `Wire` panics at any frame that is no reading of registers, and no asking for a number.
    let scanned = scanned(ten(), scan::usual_lines(), 247, true);

    assert_eq!(scanned.meters.len(), 10);
}
