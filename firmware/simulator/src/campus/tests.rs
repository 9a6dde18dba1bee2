use proptest::prelude::*;

use super::*;
use crate::demo::demo_campus;

/// Wednesday 2026-09-16 08:00 on site.
const MORNING: i64 = 1_789_516_800;
const WEEK_S: i64 = 604_800;
const YEAR_S: i64 = 52 * WEEK_S;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn campus() -> Campus {
    Campus::load(&demo_campus()).unwrap()
}

fn lights(at: i64, meter: &str, on: bool, watts: u32) -> ScriptedEvent {
    ScriptedEvent { at, meter: name(meter), set: Set::Lights { on, watts } }
}

fn value(readings: &MeterReadings, quantity: Quantity) -> i64 {
    let reading = readings.readings.iter().find(|reading| reading.quantity == quantity).unwrap();
    match reading.value {
        Value::Measured(value) => value,
        Value::Absent(reason) => panic!("{quantity:?} is absent: {reason:?}"),
    }
}

#[test]
fn history_holds_what_is_read_live_at_the_same_instants() {
    let campus = campus();
    campus.script(&[lights(MORNING + 2_000, "light-2f-east", true, 4_000)]).unwrap();
    for spec in demo_campus() {
        let history: Vec<_> =
            campus.history(&spec.meter, MORNING, MORNING + 7_200, 900).unwrap().collect();

        assert_eq!(history.len(), 8, "{}", spec.meter);
        for read in history {
            assert_eq!(campus.readings_at(&spec.meter, read.instant), Some(read));
        }
    }
}

#[test]
fn two_campuses_say_the_same_whatever_they_were_asked_before() {
    let (asked, fresh) = (campus(), campus());
    let meter = name("canteen-water");
    for at in (MORNING - YEAR_S..MORNING).step_by(86_401) {
        assert!(asked.counter_at(&meter, at).is_some());
    }
    assert_eq!(asked.readings_at(&meter, MORNING), fresh.readings_at(&meter, MORNING));
}

#[test]
fn no_counter_falls_in_two_and_a_half_years() {
    let campus = campus();
    for spec in demo_campus() {
        let mut before = spec.dial;
        for at in (MORNING - YEAR_S..MORNING + YEAR_S * 3 / 2).step_by(901) {
            let counter = campus.counter_at(&spec.meter, at).unwrap();
            assert!(before <= counter, "{} fell at {at}", spec.meter);
            before = counter;
        }
        assert!(spec.dial < before, "{} stands still", spec.meter);
    }
}

#[test]
fn a_meter_shows_its_first_dial_reading_before_it_was_installed() {
    let campus = campus();
    for spec in demo_campus() {
        assert_eq!(campus.counter_at(&spec.meter, 0), Some(spec.dial));
        assert_eq!(campus.power_at(&spec.meter, 0), Some(0));
    }
}

/// The days of a week by what a meter counts in them, Monday first.
fn days(campus: &Campus, meter: &str, monday: i64) -> Vec<i64> {
    let counter = |at| campus.counter_at(&name(meter), at).unwrap();
    let day = |day: i64| monday + day * 86_400;
    (0..7).map(|at| counter(day(at + 1)) - counter(day(at))).collect()
}

#[test]
fn a_weekday_stays_a_weekday_whatever_the_year() {
    let campus = campus();
    // Mondays at 00:00 on site, in September of five years.
    for year in 0..5 {
        let monday = MORNING - 2 * 86_400 - 8 * 3_600 + (year - 2) * YEAR_S;
        for meter in ["light-2f-east", "teaching-power"] {
            let days = days(&campus, meter, monday);
            let (working, weekend) = (&days[..5], &days[5..]);
            let (busy, quiet) = (working.iter().sum::<i64>() / 5, weekend.iter().sum::<i64>() / 2);
            assert!(quiet * 11 < busy * 10, "{meter}: {days:?}");
        }
    }
}

#[test]
fn a_season_stays_a_season_whatever_the_year() {
    let campus = campus();
    let month = |meter: &str, from: i64| {
        let counter = |at| campus.counter_at(&name(meter), at).unwrap();
        counter(from + 28 * 86_400) - counter(from)
    };
    // 1 January and 1 July of each year, days counted with leap years.
    for year in 2024..2100_i64 {
        let january = ((year - 1970) * 365 + (year - 1969) / 4) * 86_400 - 8 * 3_600;
        let july = january + 182 * 86_400;
        for gas in ["library-gas", "teaching-gas"] {
            assert!(month(gas, july) * 2 < month(gas, january), "{gas} in {year}");
        }
        let cooling = "office-cooling";
        assert!(month(cooling, january) < month(cooling, july), "cooling in {year}");
    }
}

#[test]
fn parts_never_come_to_more_than_their_whole() {
    let campus = campus();
    let children: Vec<_> =
        demo_campus().into_iter().filter(|spec| spec.parent == Some(name("office-main"))).collect();
    assert_eq!(children.len(), 7);
    for at in (MORNING..MORNING + 2 * 86_400).step_by(61) {
        let parts: i64 =
            children.iter().map(|spec| campus.power_at(&spec.meter, at).unwrap()).sum();
        assert!(parts <= campus.power_at(&name("office-main"), at).unwrap());
    }
}

#[test]
fn a_circuit_left_on_is_counted_to_the_milliwatt_hour_by_it_and_its_parent_only() {
    let (with, without) = (campus(), campus());
    with.script(&[
        lights(MORNING + 17, "light-2f-east", true, 4_000),
        lights(MORNING + 17 + 5_000, "light-2f-east", false, 0),
    ])
    .unwrap();
    let more = |meter: &str, at| {
        let counter = |campus: &Campus| campus.counter_at(&name(meter), at).unwrap();
        counter(&with) - counter(&without)
    };

    // 4 kW for 90 s are 100 Wh; for 5,000 s 5,555.555… Wh, counted down to whole mWh.
    for meter in ["light-2f-east", "office-main"] {
        assert_eq!(more(meter, MORNING + 17), 0);
        assert_eq!(more(meter, MORNING + 17 + 90), 100_000);
        let whole = more(meter, MORNING + YEAR_S);
        assert!((5_555_555..=5_555_556).contains(&whole), "{meter}: {whole} mWh");
    }
    assert_eq!(more("light-2f-west", MORNING + YEAR_S), 0);
    let power = |campus: &Campus| campus.power_at(&name("office-main"), MORNING + 60).unwrap();
    assert_eq!(power(&with) - power(&without), 4_000_000);
}

#[test]
fn a_silent_hour_is_missing_from_history() {
    let campus = campus();
    let meter = name("office-plug");
    let silent = |at, on| ScriptedEvent { at, meter, set: Set::Silent { on } };
    campus.script(&[silent(MORNING + 900, true), silent(MORNING + 2_700, false)]).unwrap();

    let heard: Vec<_> = campus
        .history(&meter, MORNING, MORNING + 4_500, 900)
        .unwrap()
        .map(|read| read.instant - MORNING)
        .collect();

    assert_eq!(heard, [0, 2_700, 3_600]);
}

#[test]
fn registers_of_one_request_are_those_of_one_second() {
    let campus = campus();
    let place = campus.on_bus(&name("campus"), 3).unwrap();
    let once = campus.registers_at(place, Table::Holding, 0x0010, 14, MORNING).unwrap();
    for (at, word) in once.iter().enumerate() {
        let address = 0x0010 + u16::try_from(at).unwrap();
        let alone = campus.registers_at(place, Table::Holding, address, 1, MORNING);
        assert_eq!(alone.as_deref(), Ok(&[*word][..]), "register {address:#06x}");
    }
}

#[test]
fn a_request_outside_the_map_is_refused() {
    let campus = campus();
    let place = campus.on_bus(&name("office"), 1).unwrap();
    let ask = |table, address, count| campus.registers_at(place, table, address, count, MORNING);
    assert_eq!(ask(Table::Input, 0x004C, 2), Err(Refusal::Address));
    assert_eq!(ask(Table::Input, 0xFFFF, 2), Err(Refusal::Address));
    assert_eq!(ask(Table::Input, 0, 61), Err(Refusal::Count));
    assert_eq!(ask(Table::Input, 0, 0), Err(Refusal::Count));
    assert_eq!(ask(Table::Holding, 0, 2), Err(Refusal::Function));
    assert!(ask(Table::Input, 0, 60).is_ok());
}

#[test]
fn registers_of_nonsense_decode_to_nothing_measured() {
    let campus = campus();
    let meter = name("light-3f");
    campus.set(ScriptedEvent { at: MORNING, meter, set: Set::Nonsense { on: true } }).unwrap();

    let read = campus.readings_at(&meter, MORNING).unwrap();

    assert!(read.readings.iter().all(|reading| matches!(reading.value, Value::Absent(_))));
}

#[test]
fn what_a_node_reads_is_what_was_counted_as_far_as_a_register_shows_it() {
    let campus = campus();
    for spec in demo_campus() {
        let model = models::by_id(&spec.model).unwrap();
        let read = campus.readings_at(&spec.meter, MORNING).unwrap();
        let counter = campus.counter_at(&spec.meter, MORNING).unwrap();
        // Half a step of 24 significant bits at the coarsest.
        let apart = (value(&read, model.counter) - counter).abs();
        assert!(apart <= counter / (1 << 24), "{}: {apart} thousandths", spec.meter);
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Vec<MeterSpec>), expected: &str) {
    let mut site = demo_campus();
    change(&mut site);
    let error = Campus::load(&site).err().expect("the campus is wrong");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_site_that_cannot_be_is_refused_by_name() {
    let known = models::MODELS.iter().map(|model| model.id).collect::<Vec<_>>().join(", ");
    check(
        |site| site[2].model = "eastron-sdm999".to_owned(),
        &format!("meter `light-2f-east` is of model `eastron-sdm999`; known are {known}"),
    );
    check(|site| site[2].meter = site[1].meter, "two meters are called `light-1f-hall`");
    check(
        |site| site[2].address = Address::unit_id(1),
        "meter `light-2f-east` cannot have address 1 on bus `office`",
    );
    check(
        |site| site[2].address = Address::unit_id(0),
        "meter `light-2f-east` cannot have address 0 on bus `office`",
    );
    check(
        |site| site[0].parent = Some(site[1].meter),
        "meter `office-main` has parent `light-1f-hall`, which is not described before it",
    );
    check(
        |site| site[12].source.column = Column::OfficePlug,
        "meter `canteen-water` of model `xintai-water` cannot count Wh",
    );
}

#[test]
fn a_script_with_one_mistake_changes_nothing() {
    let campus = campus();
    let mistake = campus.script(&[
        lights(MORNING, "light-3f", true, 4_000),
        lights(MORNING, "canteen-water", true, 4_000),
    ]);

    assert_eq!(mistake, Err(ScriptError::NoElectricity { meter: name("canteen-water") }));
    let meter = name("light-3f");
    assert_eq!(campus.power_at(&meter, MORNING), self::campus().power_at(&meter, MORNING));
}

proptest! {
    /// Rows equal totals: however a span is cut, its parts count what the whole counts, and
    /// a switched load adds exactly what it says.
    #[test]
    fn a_switched_load_adds_its_energy_to_any_span(
        on in 0_i64..100_000, lasts in 0_i64..100_000, watts in 0_u32..100_000, at in 0_i64..300_000,
    ) {
        let (with, without) = (campus_of_one(), campus_of_one());
        with.script(&[
            lights(MORNING + on, "light", true, watts),
            lights(MORNING + on + lasts, "light", false, watts),
        ]).unwrap();
        let counter = |campus: &Campus| campus.counter_at(&name("light"), MORNING + at).unwrap();

        let more = counter(&with) - counter(&without);

        let seconds = (at - on).clamp(0, lasts);
        let exact = i64::from(watts) * 1_000 * seconds / 3_600;
        prop_assert!(more == exact || more == exact + 1, "{more} mWh instead of {exact}");
    }
}

fn campus_of_one() -> Campus {
    let mut site = demo_campus();
    site.retain(|spec| spec.meter == name("light-3f"));
    site[0].meter = name("light");
    site[0].parent = None;
    Campus::load(&site).unwrap()
}
