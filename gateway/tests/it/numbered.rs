//! Meters with numbers (DL/T 645-2007, CJ/T 188) beside Modbus on one line, read as a node
//! reads them.
//!
//! The simulator's meters answer as the standards say, by code of their own; the node's bus,
//! planner and poll read them. What comes out must be what the campus says is shown, and each
//! fault of the line must be told for what it is.

#![expect(clippy::unwrap_used, reason = "a test outside a #[test] function")]

use std::sync::Arc;

use embedded_io_adapters::tokio_1::FromTokio;
use firmware::bus::{Bus as _, Pace, PollError, Request};
use firmware::planner::GAP_MAX;
use firmware::poll::{Manner, Polled, poll};
use firmware::rtu::{NoDriverEnable, RtuBus};
use simulator::{BusAddress, BusKind, Campus, Column, MeterSpec, ScriptedEvent, Set, Source};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wire::modbus::{LineSettings, Parity, Ratios, Table};
use wire::reading::{Absence, Value};
use wire::{Address, Name, Protocol, Quantity, models};

use crate::models::Line;

/// A Wednesday morning, when everything runs.
const NOW: i64 = 1_789_516_800;

const CURRENT_TRANSFORMERS: Ratios = Ratios { pt: 1_000, ct: 40_000 };

/// The meters on the line, and what each is called there.
const METERS: [(&str, &str, &str, Column, Ratios); 6] = [
    ("main", "dlt645-three-phase", "000012345678", Column::OfficeElectricity, CURRENT_TRANSFORMERS),
    ("shop", "dlt645-single-phase", "1", Column::OfficePlug, Ratios::ONE),
    ("modbus", "eastron-sdm630", "1", Column::OfficeLighting, Ratios::ONE),
    ("water", "cjt188-water", "78330011223344", Column::Water, Ratios::ONE),
    ("heat", "cjt188-heat", "78330011223345", Column::OfficeCooling, Ratios::ONE),
    ("gas", "cjt188-gas", "78330011223344", Column::LibraryGas, Ratios::ONE),
];

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn specs() -> Vec<MeterSpec> {
    let spec = |(meter, model, digits, column, ratios): (&str, &str, &str, Column, Ratios)| {
        let protocol = models::by_id(model).unwrap().map.protocol();
        let address = Address::from_digits(digits, protocol).unwrap_or(Address::unit_id(1));
        MeterSpec {
            meter: name(meter),
            parent: None,
            model: model.to_owned(),
            bus: name("cabinet"),
            address,
            source: Source { column, share: 100 },
            dial: 1_234_560_000,
            ratios,
        }
    };
    let mut specs: Vec<MeterSpec> = METERS.map(spec).to_vec();
    // Water and gas may have one number: their type tells them apart, here they have two.
    specs[5].address = Address::from_digits("78330011223399", Protocol::Cjt188).unwrap();
    specs
}

/// The line, and the meters on it; it stops when it is dropped.
struct Cabinet {
    campus: Arc<Campus>,
    bus: RtuBus<Line, NoDriverEnable>,
    _stop: watch::Sender<bool>,
}

async fn cabinet() -> Cabinet {
    let campus = Arc::new(Campus::load(&specs()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bus = BusAddress { bus: name("cabinet"), kind: BusKind::RtuOverTcp, listener };
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(simulator::serve(Arc::clone(&campus), vec![bus], Arc::new(|| NOW), stopped));
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut bus = RtuBus::new(Line(FromTokio::new(stream)), NoDriverEnable);
    bus.set_line(LineSettings { baud: 9_600, parity: Parity::Even, stop_bits: 1 });
    Cabinet { campus, bus, _stop: stop }
}

impl Cabinet {
    async fn poll(&mut self, meter: &str, attempts: u8) -> Polled {
        let spec = specs().into_iter().find(|spec| spec.meter == name(meter)).unwrap();
        let map = models::by_id(&spec.model).unwrap().map;
        let manner = Manner { gap_max: GAP_MAX, attempts };
        poll(&mut self.bus, &map, spec.address, spec.ratios, manner, || {}).await
    }

    fn set(&self, meter: &str, set: Set) {
        self.campus.set(ScriptedEvent { at: NOW, meter: name(meter), set }).unwrap();
    }

    /// Polls a meter and compares with what it shows.
    async fn check(&mut self, meter: &str) {
        let shown = self.campus.readings_at(&name(meter), NOW).unwrap();
        let polled = self.poll(meter, 1).await;
        assert_eq!(polled.error, None, "{meter}");
        assert_eq!(polled.readings.as_slice(), shown.readings.as_slice(), "{meter}");
    }

    async fn check_fails(&mut self, meter: &str, error: PollError, absence: Absence) {
        let polled = self.poll(meter, 1).await;
        assert_eq!(polled.error, Some(error), "{meter}");
        let absent = |reading: &wire::Reading| reading.value == Value::Absent(absence);
        assert!(polled.readings.iter().all(absent), "{meter}: {:?}", polled.readings);
    }
}

#[tokio::test]
async fn meters_of_three_protocols_on_one_line_say_what_they_show() {
    let mut cabinet = cabinet().await;
    for (meter, ..) in METERS {
        cabinet.check(meter).await;
        let polled = cabinet.poll(meter, 1).await;
        let measured = |reading: &wire::Reading| matches!(reading.value, Value::Measured(_));
        assert!(polled.readings.iter().all(measured), "{meter}: {:?}", polled.readings);
    }
}

#[tokio::test]
async fn what_is_read_is_what_was_counted_to_the_last_digit_of_the_meter() {
    let mut cabinet = cabinet().await;
    // A hundredth of a kilowatt-hour behind 40-fold transformers, of a kWh, a m³, a kWh of heat.
    for (meter, step) in [("main", 400_000), ("shop", 10_000), ("water", 10_000), ("heat", 10_000)]
    {
        let counter = models::by_id(METERS.iter().find(|it| it.0 == meter).unwrap().1).unwrap();
        let exact = cabinet.campus.counter_at(&name(meter), NOW).unwrap();
        let polled = cabinet.poll(meter, 1).await;
        let read = polled.readings.iter().find(|it| it.quantity == counter.counter).unwrap();
        let Value::Measured(read) = read.value else { panic!("{meter} says nothing") };
        assert!((read - exact).abs() <= step / 2 + 1, "{meter}: {read} is not {exact}");
        assert_eq!(read % step, 0, "{meter}");
    }
}

#[tokio::test]
async fn four_tariffs_make_the_whole() {
    let mut cabinet = cabinet().await;
    let polled = cabinet.poll("shop", 1).await;
    let value = |quantity| match polled.readings.iter().find(|it| it.quantity == quantity) {
        Some(wire::Reading { value: Value::Measured(value), .. }) => *value,
        other => panic!("{quantity:?}: {other:?}"),
    };

    let parts = value(Quantity::ActiveEnergyImportT1)
        + value(Quantity::ActiveEnergyImportT2)
        + value(Quantity::ActiveEnergyImportT3)
        + value(Quantity::ActiveEnergyImportT4);

    // Each is rounded to hundredths of a kWh by itself.
    assert!((parts - value(Quantity::ActiveEnergyImport)).abs() <= 25_000);
}

#[tokio::test]
async fn each_fault_of_the_line_is_told_for_what_it_is() {
    let mut cabinet = cabinet().await;
    type Fault = (fn(bool) -> Set, PollError, Absence);
    let faults: [Fault; 3] = [
        (|on| Set::BadCrc { on }, PollError::BadCrc, Absence::Garbled),
        (|on| Set::WrongAddress { on }, PollError::WrongUnit, Absence::Garbled),
        (|on| Set::Silent { on }, PollError::Silent, Absence::Timeout),
    ];
    for (set, error, absence) in faults {
        cabinet.set("water", set(true));
        cabinet.check_fails("water", error, absence).await;
        cabinet.set("water", set(false));
        cabinet.check("water").await;

        cabinet.set("shop", set(true));
        let meter = Address::from_digits("1", Protocol::Dlt645).unwrap();
        let pace = Pace { answer_ms: 200, turnaround_ms: 0 };
        let request = Request { meter, table: Table::Dlt645, address: 0x0001_0000, pace };
        let outcome = cabinet.bus.read(&request, &mut [0; 4]).await;
        assert_eq!(outcome, Err(error));
        cabinet.set("shop", set(false));
    }
    cabinet.check("shop").await;
}

#[tokio::test]
async fn split_frames_noise_and_any_number_of_lead_bytes_do_no_harm() {
    let mut cabinet = cabinet().await;
    for meter in ["water", "gas", "heat"] {
        for set in [Set::Split { on: true }, Set::Noise { on: true }] {
            cabinet.set(meter, set);
            cabinet.check(meter).await;
        }
        for count in 0..=4 {
            cabinet.set(meter, Set::Leads { count });
            cabinet.check(meter).await;
        }
    }
    cabinet.set("shop", Set::Noise { on: true });
    cabinet.set("shop", Set::Leads { count: 1 });
    cabinet.check("shop").await;
}

#[tokio::test]
async fn a_late_answer_is_not_taken_for_the_next_and_spoils_no_neighbour() {
    let mut cabinet = cabinet().await;
    // Water has a second to begin; its answer comes after that, while the gas meter is asked.
    cabinet.set("water", Set::DelayMs { ms: 1_050 });
    cabinet.check_fails("water", PollError::Silent, Absence::Timeout).await;
    cabinet.check("gas").await;
    cabinet.set("water", Set::DelayMs { ms: 0 });
    cabinet.check("water").await;
}

#[tokio::test]
async fn what_a_meter_does_not_have_it_refuses_and_the_rest_is_read() {
    let mut cabinet = cabinet().await;
    // A broken meter shows no value at all: it refuses each identifier by itself.
    cabinet.set("shop", Set::Nonsense { on: true });
    let polled = cabinet.poll("shop", 1).await;
    assert_eq!((polled.error, polled.answered), (Some(PollError::Refused(2)), true));
    let refused = Value::Absent(Absence::Refused);
    assert!(polled.readings.iter().all(|reading| reading.value == refused));
}

#[tokio::test]
async fn a_lone_meter_is_asked_for_its_number_by_whoever_installs_it() {
    let mut cabinet = cabinet().await;
    let pace = Pace { answer_ms: 1_000, turnaround_ms: 0 };

    let electricity = cabinet.bus.ask_number(Protocol::Dlt645, pace).await.unwrap();
    let counted = cabinet.bus.ask_number(Protocol::Cjt188, pace).await.unwrap();

    assert_eq!(electricity.number(), 0x1234_5678);
    assert_eq!(counted.number(), 0x0078_3300_1122_3344);
}

/// The models that a user might write down for meters of the cabinet, from their manuals.
const OWN: &str = r#"
[site]
id = "school"
name = "学校"
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
[[node]]
id = "cabinet"
name = "柜"
baud = 2400
parity = "even"
[[model]]
id = "my-panel-meter"
medium = "electricity"
source = "manual, page 12"
read_limit = 40
[[model.register]]
quantity = "ActiveEnergyImport"
function = 4
address = 0x0048
type = "f32"
unit = "kWh"
[[model.register]]
quantity = "VoltageL1"
function = 4
address = 0
type = "f32"
unit = "V"
[[model]]
id = "my-dlt645"
medium = "electricity"
protocol = "dlt645"
source = "DL/T 645-2007, annex A"
[[model.register]]
quantity = "ActiveEnergyImport"
identifier = "00010000"
type = "bcd8"
unit = "kWh"
scale = 0.01
ratio = "pt-ct"
rollover = 1000000
[[model.register]]
quantity = "ActivePowerL2"
identifier = "0203FF00"
offset = 6
type = "signed-bcd6"
unit = "kW"
scale = 0.0001
ratio = "pt-ct"
[[model]]
id = "my-water"
medium = "water"
protocol = "cjt188"
type = "10"
source = "CJ/T 188-2018"
[[model.register]]
quantity = "Volume"
identifier = "1F90"
type = "bcd+unit"
unit = "m3"
scale = 0.01
[[meter]]
id = "modbus"
name = "m"
area = "hall"
node = "cabinet"
model = "my-panel-meter"
unit_id = 1
[[meter]]
id = "main"
name = "m"
area = "hall"
node = "cabinet"
model = "my-dlt645"
address = "000012345678"
ct = 40
[[meter]]
id = "water"
name = "m"
area = "hall"
node = "cabinet"
model = "my-water"
address = "78330011223344"
"#;

#[tokio::test]
async fn a_model_that_the_user_wrote_down_reads_what_its_meter_shows() {
    let mut cabinet = cabinet().await;
    let book = gateway::site_book::parse(OWN).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let plans = gateway::plan::plans(&book, 1).unwrap();
    let plan = wire::message::Plan::decode(&plans[&name("cabinet")]).unwrap();
    assert_eq!(plan.check(), Ok(()));

    for meter in plan.meters.iter() {
        let map = plan.maps[usize::from(meter.map)];
        let shown = cabinet.campus.readings_at(&meter.meter, NOW).unwrap();
        let manner = Manner { gap_max: GAP_MAX, attempts: 1 };
        let bus = &mut cabinet.bus;
        let polled = poll(bus, &map.as_map(), meter.address, meter.ratios, manner, || {}).await;

        assert_eq!(polled.error, None, "{}", meter.meter);
        assert!(!polled.readings.is_empty());
        for reading in polled.readings.iter() {
            let expected = shown.readings.iter().find(|it| it.quantity == reading.quantity);
            assert_eq!(Some(reading), expected, "{}", meter.meter);
            assert!(matches!(reading.value, Value::Measured(_)));
        }
    }
}
