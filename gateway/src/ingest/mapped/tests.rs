//! Mapped messages, as their makers publish them.

use proptest::prelude::*;

use super::*;
use crate::ingest::fixture::{NOW, name};
use crate::site_book;

/// A site book with these sections at its end.
pub(super) fn book(sections: &str) -> Mappings {
    let head = r#"
[site]
id = "campus"
name = "校园"
zone = "Asia/Shanghai"

[[building]]
id = "main"
name = "主楼"

[[hours]]
id = "day"
name = "白天"

[[area]]
id = "hall"
name = "大厅"
building = "main"
hours = "day"
"#;
    match site_book::parse(&format!("{head}{sections}")) {
        Ok(book) => Mappings { mappings: book.mappings, zone: book.site.zone },
        Err(mistakes) => panic!("{mistakes:#?}"),
    }
}

pub(super) fn meter(id: &str, mapping: &str, more: &str) -> String {
    format!(
        "[[meter]]\nid = \"{id}\"\nname = \"{id}\"\narea = \"hall\"\nmapping = \"{mapping}\"\n{more}\n"
    )
}

fn preset(preset: &str, more: &str) -> MappedGate {
    let mapping = format!("[[mapping]]\nid = \"m\"\npreset = \"{preset}\"\n");
    MappedGate::fixed(book(&format!("{mapping}{}", meter("meter-1", "m", more))))
}

/// What a message became: `quantity=thousandths` of each reading, by meter and instant.
fn check(gate: &MappedGate, topic: &str, payload: &str, now: i64) -> Vec<String> {
    check_bytes(gate, topic, payload.as_bytes(), now)
}

pub(super) fn check_bytes(gate: &MappedGate, topic: &str, payload: &[u8], now: i64) -> Vec<String> {
    let outcome = gate.check(topic, payload, now, Delivery::default());
    let outcome = outcome.expect("a mapped topic");
    let mut told = Vec::new();
    for Arrival { pack, .. } in &outcome.arrivals {
        let values: Vec<String> = pack
            .readings
            .iter()
            .map(|it| match it.value {
                Value::Measured(value) => format!("{}={value}", it.quantity.code()),
                Value::Absent(reason) => format!("{}=none:{}", it.quantity.code(), reason.code()),
            })
            .collect();
        told.push(format!("{}@{} {}", pack.meter.as_str(), pack.instant, values.join(" ")));
    }
    told.extend(outcome.faults.iter().map(|it| format!("{} {}", it.reason.word(), it.about)));
    told
}

fn instant(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// As the documentation of Tasmota shows it, and as devices in the field send it.
const TASMOTA: &str = r#"{"Time":"2023-05-19T20:52:56","ENERGY":{"TotalStartTime":"2022-03-20T15:20:48","Total":514.153,"Yesterday":1.495,"Today":0.537,"Period":0,"Power":56,"ApparentPower":92,"ReactivePower":73,"Factor":0.61,"Voltage":234,"Current":0.392}}"#;

#[test]
fn tasmota_tells_its_energy_with_a_local_time() {
    let gate = preset("tasmota", "device = \"sonoff_desk\"");
    let at = instant("2023-05-19T12:52:56Z");

    let told = check(&gate, "tele/sonoff_desk/SENSOR", TASMOTA, at + 1);

    assert_eq!(
        told,
        [format!("meter-1@{at} p=56000 q=73000 s=92000 pf=610 u1=234000 i1=392 ei=514153000")]
    );
}

#[test]
fn a_tasmota_device_with_two_channels_is_mapped_by_place() {
    let values = r#"
[[mapping]]
id = "dual"
topic = "tele/{device}/SENSOR"
time = "Time"
value = [
  { quantity = "ActiveEnergyImport", at = "ENERGY.Total[0]", unit = "kWh", meter = "first" },
  { quantity = "ActiveEnergyImport", at = "/ENERGY/Total/1", unit = "kWh", meter = "second" },
]
"#;
    let meters = meter("first", "dual", "") + &meter("second", "dual", "");
    let gate = MappedGate::fixed(book(&format!("{values}{meters}")));
    let sent = r#"{"Time":"2026-05-04T07:59:21","ENERGY":{"TotalStartTime":"2026-09-16T00:00:00","Total":[2.813,0.254],"Power":[52,5]}}"#;

    let told = check(&gate, "tele/any/SENSOR", sent, NOW);

    let at = NOW - 39;
    assert_eq!(told, [format!("first@{at} ei=2813000"), format!("second@{at} ei=254000")]);
}

#[test]
fn shelly_of_the_first_generation_tells_each_value_by_itself_and_they_are_joined() {
    let gate = preset("shelly-gen1-em", "device = \"shellyem-B9E265\"\nchannel = \"0\"");
    let topic = |last: &str| format!("shellies/shellyem-B9E265/emeter/0/{last}");

    let power = check(&gate, &topic("power"), "501.83", NOW);
    let total = check(&gate, &topic("total"), "6644.9", NOW);
    let voltage = check(&gate, &topic("voltage"), "224.60", NOW);
    let other = check(&gate, "shellies/shellyem-B9E265/emeter/1/total", "1.0", NOW);

    assert_eq!(power, [format!("meter-1@{NOW} p=501830")]);
    assert_eq!(total, [format!("meter-1@{NOW} p=501830 ei=6644900")]);
    assert_eq!(voltage, [format!("meter-1@{NOW} p=501830 u1=224600 ei=6644900")]);
    assert_eq!(other, ["unknown-device shellyem-B9E265"]);
}

#[test]
fn a_shelly_plug_counts_watt_minutes() {
    let gate = preset("shelly-gen1-plug", "device = \"shellyplug-s-1\"\nchannel = \"0\"");

    let told = check(&gate, "shellies/shellyplug-s-1/relay/0/energy", "90061", NOW);

    assert_eq!(told, [format!("meter-1@{NOW} ei=1501017")]);
}

#[test]
fn shelly_of_the_second_generation_tells_three_phases_and_one_counter() {
    let gate = preset("shelly-gen2-em", "device = \"shellypro3em-1\"");
    // Values as in the documentation of EMData.
    let data = r#"{"id":0,"a_total_act_energy":400.0,"a_total_act_ret_energy":70.0,"b_total_act_energy":350.0,"b_total_act_ret_energy":80.0,"c_total_act_energy":260.0,"c_total_act_ret_energy":60.0,"total_act":1010.0,"total_act_ret":210.0}"#;
    let now = r#"{"id":0,"a_current":4.029,"a_voltage":236.1,"a_act_power":951.2,"a_aprt_power":951.9,"a_pf":1,"a_freq":50,"b_current":4.027,"b_voltage":236.201,"b_act_power":-951.1,"b_freq":50,"c_voltage":236.402,"c_act_power":715.4,"n_current":11.029,"total_current":11.083,"total_act_power":2484.782,"total_aprt_power":2486.7,"user_calibrated_phase":[],"errors":["phase_sequence"]}"#;

    let energy = check(&gate, "shellypro3em-1/status/emdata:0", data, NOW);
    let power = check(&gate, "shellypro3em-1/status/em:0", now, NOW + 5);

    assert_eq!(energy, [format!("meter-1@{NOW} ei=1010000 ee=210000")]);
    assert_eq!(
        power,
        [format!(
            "meter-1@{} p=2484782 p1=951200 p2=-951100 p3=715400 s=2486700 f=50000 u1=236100 \
             u2=236201 u3=236402 i1=4029 i2=4027",
            NOW + 5
        )]
    );
}

#[test]
fn a_shelly_of_one_phase_and_a_switch_tell_their_totals() {
    let em1 = preset("shelly-gen2-em1", "device = \"pro\"\nchannel = \"1\"");
    let switch = preset("shelly-gen2-switch", "device = \"plus\"\nchannel = \"0\"");
    let status = r#"{"id":0,"source":"WS_in","output":true,"apower":8.9,"voltage":237.5,"current":0.043,"aenergy":{"total":6.532,"by_minute":[45.199,47.141,88.397],"minute_ts":1626935779},"temperature":{"tC":23.5,"tF":74.4}}"#;
    let data = r#"{"id":1,"total_act_energy":6644.90,"total_act_ret_energy":2595.26}"#;

    let energy = check(&em1, "pro/status/em1data:1", data, NOW);
    let plug = check(&switch, "plus/status/switch:0", status, NOW);

    assert_eq!(energy, [format!("meter-1@{NOW} ei=6644900 ee=2595260")]);
    assert_eq!(plug, [format!("meter-1@{NOW} p=8900 u1=237500 i1=43 ei=6532")]);
}

#[test]
fn zigbee2mqtt_counts_only_with_the_time_at_which_the_device_was_seen() {
    let gate = preset("zigbee2mqtt", "device = \"kettle\"");
    let seen = r#"{"current":0.06,"energy":12.47,"last_seen":"2026-05-04T07:59:00+08:00","linkquality":102,"power":7,"state":"ON","voltage":231}"#;
    let unseen = r#"{"current":0.06,"energy":12.47,"linkquality":102,"power":7,"state":"ON"}"#;

    let at = NOW - 60;
    let told = check(&gate, "zigbee2mqtt/kettle", seen, NOW);

    assert_eq!(told, [format!("meter-1@{at} p=7000 u1=231000 i1=60 ei=12470000")]);
    assert_eq!(check(&gate, "zigbee2mqtt/kettle", unseen, NOW), ["no-time kettle"]);
}

#[test]
fn a_dtu_tells_a_list_of_named_values() {
    let gate = preset("dtu", "device = \"NX\"");
    // As in the protocol document, the blank in "ts " included.
    let sent = r#"{"version":"1.0","location_code":"A1","dynamic_location_code":"A1","ts ":1777852685,"properties":[{"type":"AI","key":"A相电流","value":0.25,"unit":"A","timestamp":1777852680},{"type":"AI","key":"A相电压","value":220.5,"unit":"V","timestamp":1777852680},{"type":"SOE","key":"电压越限","value":1,"unit":"V","timestamp":1777852680}]}"#;

    let told = check(&gate, "CET/NX/upload", sent, NOW);

    assert_eq!(told, [format!("meter-1@{} u1=220500 i1=250", NOW - 120)]);
}

#[test]
fn a_bare_state_is_a_reading_once_and_its_repetition_is_none() {
    let gate = preset("home-assistant", "device = \"pv_meter_energy\"");
    let topic = "homeassistant/sensor/pv_meter_energy/state";

    assert_eq!(check(&gate, topic, "1234.5", NOW), [format!("meter-1@{NOW} ei=1234500000")]);
    assert_eq!(check(&gate, topic, "1234.5", NOW + 9), ["repeat pv_meter_energy"]);
    let later = NOW + 60;
    assert_eq!(check(&gate, topic, "1234.6", later), [format!("meter-1@{later} ei=1234600000")]);
    let gone = NOW + 90;
    let none = format!("meter-1@{gone} ei=none:device-fault");
    assert_eq!(check(&gate, topic, "unavailable", gone), [none]);
}

#[test]
fn what_a_broker_retained_is_a_reading_only_with_a_time_of_its_own() {
    let bare = preset("home-assistant", "device = \"pv\"");
    let timed = preset("tasmota", "device = \"d\"");
    let retained = Delivery { retained: true, shared: false };
    let topic = "homeassistant/sensor/pv/state";
    let at = instant("2023-05-19T13:00:00Z");

    let old = bare.check(topic, b"1234.5", NOW, retained).unwrap();
    let known = timed.check("tele/d/SENSOR", TASMOTA.as_bytes(), at, retained).unwrap();

    assert_eq!((old.arrivals.len(), old.faults[0].reason), (0, Reason::Retained));
    assert_eq!(known.arrivals.len(), 1);
}

#[test]
fn a_time_of_receipt_is_marked_and_nothing_is_numbered() {
    let gate = preset("home-assistant", "device = \"pv\"");

    let outcome = gate.check("homeassistant/sensor/pv/state", b"1", NOW, Delivery::default());

    let arrival = outcome.unwrap().arrivals[0];
    assert_eq!((arrival.node, arrival.pack.boot, arrival.pack.seq), (name("m"), UNNUMBERED, 0));
    assert_eq!(arrival.clock_word(), "receipt");
    let gate = preset("tasmota", "device = \"d\"");
    let at = instant("2023-05-19T13:00:00Z");
    let outcome = gate.check("tele/d/SENSOR", TASMOTA.as_bytes(), at, Delivery::default());
    assert_eq!(outcome.unwrap().arrivals[0].clock_word(), "synced");
}

#[test]
fn a_sender_that_numbers_its_messages_is_believed() {
    let mapping = r#"
[[mapping]]
id = "m"
topic = "dtu/{device}/up"
time = "ts"
sequence = "n"
boot = "start"
value = [{ quantity = "Volume", at = "m3", unit = "m3" }]
"#;
    let meter = meter("meter-1", "m", "device = \"D1\"\nmedium = \"water\"");
    let gate = MappedGate::fixed(book(&format!("{mapping}{meter}")));
    let send = |n: u32, start: &str| {
        let sent = format!("{{\"ts\":{NOW},\"n\":{n},\"start\":{start},\"m3\":\"1.25\"}}");
        let outcome = gate.check("dtu/D1/up", sent.as_bytes(), NOW, Delivery::default()).unwrap();
        let pack = outcome.arrivals[0].pack;
        (pack.boot, pack.seq, pack.readings[0].value)
    };

    assert_eq!(send(7, "4"), (5, 7, Value::Measured(1_250_000)));
    assert_eq!(send(8, "4"), (5, 8, Value::Measured(1_250_000)));
    assert_ne!(send(0, "\"2026-05-04 08:00:00\"").0, UNNUMBERED);
}

#[test]
fn a_condition_that_does_not_hold_leaves_the_message_alone() {
    let mapping = r#"
[[mapping]]
id = "m"
topic = "up"
value = [{ quantity = "ActivePower", at = "v[0]", unit = "kW", factor = 0.1 }]
when = [{ at = "type", equals = "realtime" }]
"#;
    let gate = MappedGate::fixed(book(&format!("{mapping}{}", meter("meter-1", "m", ""))));

    let told = check(&gate, "up", r#"{"type":"realtime","v":[23.05]}"#, NOW);

    assert_eq!(told, [format!("meter-1@{NOW} p=2305000")]);
    assert_eq!(check(&gate, "up", r#"{"type":"event","v":[1]}"#, NOW), ["unwanted realtime"]);
}

#[test]
fn what_cannot_be_a_reading_has_its_reason_and_the_rest_of_the_message_counts() {
    let gate = preset("tasmota", "device = \"d\"");
    let topic = "tele/d/SENSOR";
    let with = |energy: &str| format!("{{\"Time\":{NOW},\"ENERGY\":{energy}}}");
    let told = |sent: &str| check(&gate, topic, sent, NOW);

    assert_eq!(told(&with("{\"Power\":NaN}")), ["unreadable"].map(|it| format!("{it} ")));
    assert_eq!(
        told(&with("{\"Power\":[1],\"Voltage\":230}")),
        [format!("meter-1@{NOW} u1=230000"), "wrong-type ActivePower".to_owned()]
    );
    assert_eq!(told(&with("{\"Power\":true}")), ["wrong-type ActivePower"]);
    assert_eq!(
        told(&with("{\"Power\":null,\"Current\":1e9}")),
        [format!("meter-1@{NOW} p=none:device-fault u1=230000 i1=none:out-of-range")]
    );
    assert_eq!(told(&with("{\"Today\":1}")), ["no-value d"]);
    assert_eq!(told("{\"ENERGY\":{\"Power\":1}}"), ["no-time d"]);
    assert_eq!(
        told("{\"Time\":\"1970-01-01T00:00:20\",\"ENERGY\":{\"Power\":1}}"),
        ["too-old meter-1"]
    );
    let ahead = format!("{{\"Time\":{},\"ENERGY\":{{\"Power\":1}}}}", NOW + 301);
    assert_eq!(told(&ahead), ["future meter-1"]);
    let nested = format!("{{\"Time\":{NOW},\"ENERGY\":{}", "[".repeat(50_000));
    assert_eq!(told(&nested), ["unreadable "]);
    let long = format!("{{\"Time\":{NOW},\"x\":\"{}\"}}", "x".repeat(10 << 20));
    assert_eq!(told(&long), ["too-long "]);
    assert!(told("").is_empty());
    assert!(gate.check("tele/d/STATE", b"{}", NOW, Delivery::default()).is_none());
}

#[test]
fn a_stranger_on_a_wide_topic_is_kept_aside_once() {
    let gate = preset("zigbee2mqtt", "device = \"kettle\"");
    let sent = format!("{{\"last_seen\":{NOW},\"power\":1}}");
    let keep = |topic: &str| {
        gate.check(topic, sent.as_bytes(), NOW, Delivery::default()).unwrap().quarantine
    };

    let kept = ["a", "a", "b", "a"].map(|device| keep(&format!("zigbee2mqtt/{device}")));

    assert_eq!(kept, [true, false, true, false]);
}

#[test]
fn only_topics_that_a_mapping_names_are_taken_and_timeless_ones_must_not_wait() {
    let sections = "[[mapping]]\nid = \"a\"\npreset = \"tasmota\"\n\
                    [[mapping]]\nid = \"b\"\npreset = \"home-assistant\"\n\
                    [[mapping]]\nid = \"c\"\nkind = \"sparkplug\"\ngroup = \"G\"\n\
                    value = [{ quantity = \"ActivePower\", metric = \"P\", unit = \"W\" }]\n";
    let mappings = book(sections);

    let wanted = mappings.wanted();

    let filters: Vec<(&str, bool, bool)> =
        wanted.iter().map(|it| (it.filter.as_str(), it.timed, it.divisible)).collect();
    assert_eq!(
        filters,
        [
            ("homeassistant/sensor/+/state", false, true),
            ("spBv1.0/G/DBIRTH/+/+", true, false),
            ("spBv1.0/G/DDATA/+/+", true, true),
            ("spBv1.0/G/DDEATH/+/+", true, false),
            ("spBv1.0/G/NBIRTH/+", true, false),
            ("spBv1.0/G/NDATA/+", true, true),
            ("spBv1.0/G/NDEATH/+", true, false),
            ("tele/+/SENSOR", true, true),
        ]
    );
    assert!(mappings.names("tele/x/SENSOR") && mappings.names("spBv1.0/G/NDATA/e"));
    for other in ["tele/x/STATE", "spBv1.0/H/NDATA/e", "spBv1.0/G/NCMD/e", "tele/x/SENSOR/y"] {
        assert!(!mappings.names(other), "{other}");
    }
}

proptest! {
    #[test]
    fn any_payload_on_any_mapped_topic_is_accepted_or_rejected(
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        text in r#"\{"Time":[0-9"T:-]{0,12},"ENERGY":[\[{}\]",:a-zA-Z0-9.]{0,40}\}?"#,
    ) {
        let gate = preset("tasmota", "device = \"d\"");
        for sent in [payload.as_slice(), text.as_bytes()] {
            let outcome = gate.check("tele/d/SENSOR", sent, NOW, Delivery::default());
            prop_assert!(outcome.is_some());
        }
    }
}

proptest! {
    // Each case opens two stores on the disk.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    /// A day's messages in any order, some of them twice: what a reader sees is the same.
    #[test]
    fn the_order_and_number_of_a_days_messages_change_no_stored_reading(
        order in Just((0_usize..40).collect::<Vec<_>>()).prop_shuffle(),
        twice in proptest::collection::vec(0_usize..40, 0..12),
    ) {
        // Two topics that share their instants, as of a device that splits its message.
        let sections = "[[mapping]]\nid = \"m\"\ntopic = \"up/{device}/#\"\ntime = \"t\"\n\
             value = [\n{ quantity = \"ActivePower\", at = \"p\", unit = \"W\" },\n\
             { quantity = \"ActiveEnergyImport\", at = \"e\", unit = \"kWh\" },\n]\n";
        let mappings = book(&format!("{sections}{}", meter("meter-1", "m", "device = \"d\"")));
        let messages: Vec<(String, String)> = (0..40_i64)
            .map(|n| {
                let at = NOW - 3_600 + n / 2 * 60;
                let value = if n % 2 == 0 { format!("\"p\":{n}.5") } else { format!("\"e\":{n}") };
                (format!("up/d/{}", n % 2), format!("{{\"t\":{at},{value}}}"))
            })
            .collect();
        let seen = |order: &[usize]| {
            let folder = tempfile::tempdir().unwrap();
            let store = crate::store::Store::open(folder.path()).unwrap();
            let gate = MappedGate::fixed(mappings.clone());
            let mut arrivals = Vec::new();
            for &n in order {
                let (topic, payload) = &messages[n];
                let payload = payload.as_bytes();
                arrivals.extend(gate.check(topic, payload, NOW, Delivery::default()).unwrap().arrivals);
            }
            for batch in arrivals.chunks(17) {
                store.series().record(batch).unwrap();
            }
            let packs = store.series().packs(&name("meter-1"), 0, NOW + 1).unwrap();
            packs.into_iter().map(|arrival| arrival.pack).collect::<Vec<_>>()
        };

        let in_order = seen(&(0..40).collect::<Vec<_>>());
        let shuffled: Vec<usize> = order.into_iter().chain(twice).collect();

        prop_assert_eq!(in_order.len(), 20);
        prop_assert!(in_order.iter().all(|pack| pack.readings.len() == 2));
        prop_assert_eq!(seen(&shuffled), in_order);
    }
}
