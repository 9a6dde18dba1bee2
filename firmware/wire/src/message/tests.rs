use super::*;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, Ratios, Scale, Table, Type, Undefined};
use crate::modbus::{RegisterMap, WordOrder};
use crate::reading::{Absence, Reading, Value};
use crate::{Address, List, Name, Protocol, Quantity, models};
use std::format;
use std::string::String;
use std::vec::Vec;

mod properties;
mod updates;

const BREAKS: &str = "deployed nodes will break: a change of these bytes is a new version of the \
                      protocol, beside this one";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares a message with its golden bytes, written in hex with spaces where it helps.
macro_rules! check_golden {
    ($message:expr, $golden:expr) => {{
        let message = $message;
        let mut bytes = [0; 8192];
        let len = message.encode(&mut bytes).unwrap();
        let golden = $golden.split_whitespace().collect::<String>();
        assert_eq!(hex(&bytes[..len]), golden, "{BREAKS}");
        assert_eq!(decoded(&message, &bytes[..len]), Ok(message), "{BREAKS}");
    }};
}

trait Message: Sized {
    fn read(bytes: &[u8]) -> Result<Self, DecodeError>;
    fn write(&self, out: &mut [u8]) -> Result<usize, EncodeError>;
    const MAX: usize;
}

macro_rules! messages {
    ($($message:ty),*) => {$(
        impl Message for $message {
            fn read(bytes: &[u8]) -> Result<Self, DecodeError> { Self::decode(bytes) }
            fn write(&self, out: &mut [u8]) -> Result<usize, EncodeError> { self.encode(out) }
            const MAX: usize = Self::BYTES_MAX;
        }
    )*};
}

messages!(Pack, Plan, State, Applied, Command, CommandResult);

fn decoded<M: Message>(_same_type: &M, bytes: &[u8]) -> Result<M, DecodeError> {
    M::read(bytes)
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn reading(quantity: Quantity, value: i64) -> Reading {
    Reading { quantity, value: Value::Measured(value) }
}

fn pack() -> Pack {
    let readings = [
        reading(Quantity::ActivePower, 3_450_000),
        reading(Quantity::VoltageL1, 230_200),
        reading(Quantity::ActiveEnergyImport, 1_234_500_000_001),
        Reading { quantity: Quantity::Frequency, value: Value::Absent(Absence::DeviceFault) },
    ];
    Pack {
        meter: name("light-2f-east"),
        instant: 1_795_881_600,
        boot: 7,
        seq: 1000,
        clock: Clock::Synced,
        readings: List::from_slice(&readings).unwrap(),
    }
}

#[test]
fn a_pack_has_its_golden_bytes() {
    check_golden!(
        pack(),
        "85
         a5 21 6e 6c696768742d32662d656173742f 22 1a 6b0afa80
            64 626f6f74 07 63 736571 1903e8 65 636c6f636b 00
         a2 00 61 70 02 190d7a
         a2 00 62 7531 02 c4 82 22 1a 00038338
         a2 00 62 6569 02 c4 82 22 1b 0000011f6def1901
         a2 00 61 66 03 6c 6465766963652d6661756c74"
    );
}

#[test]
fn a_pack_of_a_silent_meter_has_its_golden_bytes() {
    let silent = Reading { quantity: Quantity::Volume, value: Value::Absent(Absence::Timeout) };
    let pack = Pack {
        meter: name("canteen-water"),
        boot: 0xFFFF_FFFF,
        seq: 0,
        clock: Clock::Estimated,
        readings: List::from_slice(&[silent]).unwrap(),
        ..pack()
    };
    check_golden!(
        pack,
        "82
         a5 21 6e 63616e7465656e2d77617465722f 22 1a 6b0afa80
            64 626f6f74 1affffffff 63 736571 00 65 636c6f636b 01
         a2 00 63 766f6c 03 67 74696d656f7574"
    );
}

fn plan() -> Plan {
    let maps = ["xintai-water", "fuxin-gas"].map(|id| {
        let map = models::by_id(id).unwrap().map;
        PlanMap::new(&RegisterMap { entries: &map.entries[..2], forbidden: &[(32, 33)], ..map })
            .unwrap()
    });
    let meters = [
        PlannedMeter {
            meter: name("canteen-water"),
            address: Address::unit_id(5),
            ..PlannedMeter::default()
        },
        PlannedMeter {
            meter: name("library-gas"),
            address: Address::unit_id(3),
            map: 1,
            interval_s: 900,
            ratios: Ratios { pt: 1000, ct: 40_000 },
        },
    ];
    Plan {
        revision: 3,
        interval_s: 60,
        line: LineSettings { baud: 9600, parity: Parity::Even, stop_bits: 1 },
        maps: List::from_slice(&maps).unwrap(),
        meters: List::from_slice(&meters).unwrap(),
        switches: List::new(),
    }
}

#[test]
fn a_plan_has_its_golden_bytes() {
    check_golden!(
        plan(),
        "a6
         68 7265766973696f6e 03
         68 696e74657276616c 183c
         64 6c696e65 83 192580 01 01
         64 6d617073 82
            85 10 1903e8 14 81 82 1820 1821 82
               89 181e 03 01 06 03 1a000f4240 01 04 00
               89 181f 03 03 06 03 1a000f4240 01 04 00
            85 14 1903e8 14 81 82 1820 1821 82
               89 1822 03 10 06 00 1a000f4240 01 04 00
               89 1820 03 12 181c 00 1864 01 01 00
         66 6d6574657273 82
            86 6d 63616e7465656e2d7761746572 05 00 00 1903e8 1903e8
            86 6b 6c6962726172792d676173 03 01 190384 1903e8 199c40
         63 73756d 1aca3e8fd6"
    );
}

#[test]
fn a_plan_whose_bits_turned_over_is_none_and_one_without_a_sum_is_read() {
    let mut bytes = [0; 1024];
    let len = plan().encode(&mut bytes).unwrap();
    for bit in 0..len * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let read = Plan::decode(&bytes[..len]);
        // In the word `sum` itself: then it is a key that nobody knows.
        assert!(read.is_err() || read == Ok(plan()), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    // As gateways sent it before there was a sum: nine bytes and one pair less.
    bytes[0] = 0xA5;
    assert_eq!(Plan::decode(&bytes[..len - 9]), Ok(plan()));
}

#[test]
fn the_circuits_of_a_plan_follow_its_meters() {
    let switch = PlannedSwitch { circuit: name("light"), unit_id: 20, coil: 3 };
    let switches = List::from_slice(&[switch]).unwrap();
    let plan = Plan { maps: List::new(), meters: List::new(), switches, ..plan() };
    check_golden!(
        plan,
        "a7
         68 7265766973696f6e 03
         68 696e74657276616c 183c
         64 6c696e65 83 192580 01 01
         64 6d617073 80
         66 6d6574657273 80
         68 7377697463686573 81 83 65 6c69676874 14 03
         63 73756d 1af7a94691"
    );
}

/// An electricity meter with two values and a water meter with one, by their numbers.
fn plan_of_numbers() -> Plan {
    let part = |id, wanted: &[Quantity]| {
        let map = models::by_id(id).unwrap().map;
        let entries = map.entries.iter().filter(|entry| wanted.contains(&entry.quantity));
        let entries = entries.copied().collect::<Vec<_>>();
        PlanMap::new(&RegisterMap { entries: &entries, ..map }).unwrap()
    };
    let maps = [
        part("dlt645-three-phase", &[Quantity::ActiveEnergyImport, Quantity::VoltageL2]),
        part("cjt188-water", &[Quantity::Volume]),
    ];
    let meter = |text, map, digits, protocol| PlannedMeter {
        meter: name(text),
        address: Address::from_digits(digits, protocol).unwrap(),
        map,
        ..PlannedMeter::default()
    };
    let meters = [
        meter("main", 0, "000012345678", Protocol::Dlt645),
        meter("water", 1, "00002020120218", Protocol::Cjt188),
    ];
    Plan {
        revision: 3,
        interval_s: 60,
        line: LineSettings { baud: 2400, parity: Parity::Even, stop_bits: 1 },
        maps: List::from_slice(&maps).unwrap(),
        meters: List::from_slice(&meters).unwrap(),
        switches: List::new(),
    }
}

#[test]
fn a_plan_of_meters_with_numbers_has_its_golden_bytes() {
    assert_eq!(plan_of_numbers().check(), Ok(()));
    check_golden!(
        plan_of_numbers(),
        "a6
         68 7265766973696f6e 03
         68 696e74657276616c 183c
         64 6c696e65 83 190960 01 01
         64 6d617073 82
            85 1820 1902bc 181e 80 82
               8a 14 11 1a00010000 1818 03 192710 01 01 03 00
               8a 0a 11 1a0201ff00 14 03 1864 01 01 01 02
            85 1840 1903e8 181e 80 81
               8a 181e 12 1a0010901f 18ac 03 192710 01 01 00 00
         66 6d6574657273 82
            86 64 6d61696e 1a12345678 00 00 1903e8 1903e8
            86 65 7761746572 1b0000002020120218 01 00 1903e8 1903e8
         63 73756d 1a2d417bac"
    );
}

#[test]
fn only_the_number_of_one_meter_is_an_address() {
    let fits = |digits, protocol| {
        Address::from_digits(digits, protocol).is_some_and(|address| address.fits(protocol))
    };
    assert!(fits("000012345678", Protocol::Dlt645) && fits("1", Protocol::Dlt645));
    assert!(fits("78330011223344", Protocol::Cjt188));
    // Everybody; too long; a wildcard in the text; nothing.
    assert!(!fits("999999999999", Protocol::Dlt645) && !fits("99999999999999", Protocol::Cjt188));
    assert!(!fits("0000123456789", Protocol::Dlt645));
    assert!(!fits("AAAAAAAAAAAA", Protocol::Dlt645) && !fits("", Protocol::Dlt645));
    // A wildcard that somebody puts into the bytes of a plan: any one digit above 9.
    for place in 0..12 {
        for digit in 0xA..=0xF_u64 {
            let wild = Address::from_number(
                0x0000_1234_5678 & !(0xF << (place * 4)) | digit << (place * 4),
            );
            assert!(!wild.fits(Protocol::Dlt645) && !wild.fits(Protocol::Cjt188), "{wild:?}");
        }
    }
    assert!(!Address::from_number(u64::MAX).fits(Protocol::Cjt188));
    assert!(!Address::from_number(0x0001_0000_0000_0001).fits(Protocol::Dlt645));
    assert!(!Address::from_number(1 << 32 | 1).fits(Protocol::Modbus));
}

#[test]
fn a_birth_and_a_last_will_have_their_golden_bytes() {
    check_golden!(
        State::Online {
            boot: 7,
            version: Version { major: 0, minor: 1, patch: 0 },
            plan_revision: 3,
            queued: 12,
            dropped: 0,
            uptime_s: 86_400,
            faults: Faults::default(),
        },
        "a7 66 6f6e6c696e65 f5 64 626f6f74 07 67 76657273696f6e 83 00 01 00
            64 706c616e 03 66 717565756564 0c 67 64726f70706564 00
            66 757074696d65 1a00015180"
    );
    check_golden!(State::Gone, "a1 66 6f6e6c696e65 f4");
}

#[test]
fn what_a_node_refused_stands_in_its_state() {
    check_golden!(
        State::Online {
            boot: 7,
            version: Version { major: 0, minor: 1, patch: 0 },
            plan_revision: 3,
            queued: 0,
            dropped: 0,
            uptime_s: 9,
            faults: Faults { plans: 1, commands: 2, connections: 0, polls: 300 },
        },
        "a8 66 6f6e6c696e65 f5 64 626f6f74 07 67 76657273696f6e 83 00 01 00
            64 706c616e 03 66 717565756564 00 67 64726f70706564 00
            66 757074696d65 09 66 6661756c7473 84 01 02 00 19012c"
    );
}

#[test]
fn the_answer_to_a_plan_has_its_golden_bytes() {
    check_golden!(
        Applied { revision: 3, result: AppliedResult::Ok, load_permille: 0 },
        "a2 68 7265766973696f6e 03 66 726573756c74 62 6f6b"
    );
    check_golden!(
        Applied {
            revision: 0,
            result: AppliedResult::Rejected(PlanFault::Unreadable),
            load_permille: 0,
        },
        "a2 68 7265766973696f6e 00 66 726573756c74 6a 756e7265616461626c65"
    );
    check_golden!(
        Applied {
            revision: 3,
            result: AppliedResult::Rejected(PlanFault::Overload),
            load_permille: 1_260,
        },
        "a3 68 7265766973696f6e 03 66 726573756c74 68 6f7665726c6f6164
            64 6c6f6164 1904ec"
    );
}

#[test]
fn a_command_and_its_result_have_their_golden_bytes() {
    check_golden!(
        Command { id: 42, until: 0, task: Task::Act(Action::Identify) },
        "a2 62 6964 182a 62 646f 68 6964656e74696679"
    );
    check_golden!(
        CommandResult::of(42, Outcome::Done),
        "a2 62 6964 182a 66 726573756c74 64 646f6e65"
    );
}

#[test]
fn what_is_asked_of_a_bus_has_its_golden_bytes() {
    let line = LineSettings { baud: 9600, parity: Parity::Even, stop_bits: 1 };
    check_golden!(
        Command {
            id: 43,
            until: 1_795_881_600,
            task: Task::Switch { circuit: name("light"), on: true },
        },
        "a4 62 6964 182b 62 646f 66 737769746368 65 756e74696c 1a6b0afa80
            64 77697468 82 65 6c69676874 f5"
    );
    let scan = Scan { line, first: 1, last: 32, table: Table::Holding, address: 0 };
    check_golden!(
        Command { id: 44, until: 0, task: Task::Scan(scan) },
        "a3 62 6964 182c 62 646f 64 7363616e 64 77697468 87 192580 01 01 01 1820 03 00"
    );
    let trace = Trace { line, unit_id: 7, table: Table::Input, address: 52, count: 2 };
    check_golden!(
        Command { id: 45, until: 0, task: Task::Trace(trace) },
        "a3 62 6964 182d 62 646f 65 7472616365 64 77697468 87 192580 01 01 07 04 1834 02"
    );
    check_golden!(
        CommandResult {
            data: List::from_slice(&[7, 4, 4]).unwrap(),
            answer_ms: 31,
            ..CommandResult::of(45, Outcome::Done)
        },
        "a4 62 6964 182d 66 726573756c74 64 646f6e65 64 64617461 43 070404 62 6d73 181f"
    );
    // The word may stand behind what it is about.
    let turned = unhex("a3 64 77697468 82 65 6c69676874 f4 62 646f 66 737769746368 62 6964 01");
    let off = Task::Switch { circuit: name("light"), on: false };
    assert_eq!(Command::decode(&turned), Ok(Command { id: 1, until: 0, task: off }));
    let unknown = unhex("a2 62 6964 01 62 646f 63 666c79");
    assert_eq!(Command::decode(&unknown), Err(DecodeError::Unknown));
}

#[test]
fn words_of_the_protocol_keep_their_meaning() {
    assert_eq!(Action::ALL.map(Action::code), ["identify", "reboot"], "{BREAKS}");
    let outcomes = ["done", "refused", "expired", "repeated", "failed"];
    assert_eq!(Outcome::ALL.map(Outcome::code), outcomes, "{BREAKS}");
    for fault in PlanFault::ALL {
        assert_eq!(PlanFault::from_code(fault.code()), Some(fault), "{BREAKS}");
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.chars().filter_map(|digit| digit.to_digit(16)).collect::<Vec<_>>();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

#[test]
fn keys_that_a_later_version_adds_are_passed_over() {
    // "x": [1, {2: "y"}] in front of the words we know.
    let state = unhex("a2 61 78 82 01 a1 02 61 79 66 6f6e6c696e65 f4");
    assert_eq!(State::decode(&state), Ok(State::Gone));
    // 99: null in a base record, "note": "y" in a reading.
    let pack = Pack::decode(&unhex(
        "82 a6 21 62 612f 22 1a6b0acc80 64626f6f74 07 63736571 00 65636c6f636b 00 1863 f6
            a3 00 61 70 646e6f7465 6179 02 05",
    ));
    let pack = pack.unwrap();
    assert_eq!(pack.readings.as_slice(), [reading(Quantity::ActivePower, 5_000)]);
}

#[track_caller]
fn check_value(value: &str, expected: Result<i64, DecodeError>) {
    let base = "82 a5 21 62 612f 22 1a6b0acc80 64626f6f74 07 63736571 00 65636c6f636b 00";
    let pack = Pack::decode(&unhex(&format!("{base} a2 00 61 70 02 {value}")));
    let readings = expected.map(|value| [reading(Quantity::ActivePower, value)].to_vec());
    assert_eq!(pack.map(|pack| pack.readings.to_vec()), readings);
}

#[test]
fn a_value_finer_than_thousandths_or_too_large_is_refused_and_not_rounded() {
    check_value("05", Ok(5_000));
    check_value("24", Ok(-5_000));
    check_value("c4 82 21 05", Ok(50));
    check_value("c4 82 02 05", Ok(500_000));
    check_value("c4 82 23 05", Err(DecodeError::OutOfRange));
    check_value("c4 82 1863 05", Err(DecodeError::OutOfRange));
    check_value("1b 7fffffffffffffff", Err(DecodeError::OutOfRange));
    check_value("1b ffffffffffffffff", Err(DecodeError::OutOfRange));
    check_value("3b ffffffffffffffff", Err(DecodeError::OutOfRange));
    check_value("fb 4014000000000000", Err(DecodeError::Malformed));
    check_value("c5 82 21 05", Err(DecodeError::Malformed));
}

#[test]
fn what_would_change_the_meaning_of_a_pack_is_refused() {
    let base = "21 62 612f 64626f6f74 07 63736571 00 65636c6f636b 00";
    let refused = |bytes: &str| Pack::decode(&unhex(bytes)).unwrap_err();
    // A base value; an instant that means "a second ago"; a unit; a quantity twice.
    let with_base_value = format!("81 a6 {base} 22 1a6b0acc80 24 05");
    assert_eq!(refused(&with_base_value), DecodeError::Unknown);
    assert_eq!(refused(&format!("81 a5 {base} 22 20")), DecodeError::OutOfRange);
    let head = format!("a5 {base} 22 1a6b0acc80");
    let with_unit = format!("82 {head} a3 00 61 70 01 61 57 02 05");
    assert_eq!(refused(&with_unit), DecodeError::Unknown);
    let twice = format!("83 {head} a2 00 61 70 02 05 a2 00 61 70 02 06");
    assert_eq!(refused(&twice), DecodeError::Malformed);
    assert_eq!(refused(&format!("81 {head} 00")), DecodeError::Trailing);
    assert_eq!(refused("80"), DecodeError::Missing);
    assert_eq!(refused(""), DecodeError::Malformed);
}

#[test]
fn an_instant_that_a_reader_would_misread_is_not_sent() {
    let early = Pack { instant: INSTANT_MIN - 1, ..pack() };
    assert_eq!(early.encode(&mut [0; Pack::BYTES_MAX]), Err(EncodeError::Instant));
}

/// Encodes a message whose every part is as long as can be: it fills its bound exactly.
#[track_caller]
fn check_size<M: Message + Copy + PartialEq + core::fmt::Debug>(message: M) {
    let mut bytes = [0; 8192];
    assert_eq!(message.write(&mut bytes), Ok(M::MAX));
    assert_eq!(message.write(&mut bytes[..M::MAX - 1]), Err(EncodeError::NoRoom));
    message.write(&mut bytes).unwrap();
    assert_eq!(M::read(&bytes[..M::MAX]), Ok(message));
}

#[test]
fn the_largest_of_each_message_fits_its_bound_to_the_byte() {
    let longest = name("abcdefghijklmnopqrstuvwxyz-12345");
    let m = u32::MAX;
    check_size(State::Online {
        boot: u32::MAX,
        version: Version { major: u16::MAX, minor: u16::MAX, patch: u16::MAX },
        plan_revision: u32::MAX,
        queued: u32::MAX,
        dropped: u32::MAX,
        uptime_s: u32::MAX,
        faults: Faults { plans: m, commands: m, connections: m, polls: m },
    });
    let fault = AppliedResult::Rejected(PlanFault::QuantityTwice);
    check_size(Applied { revision: m, result: fault, load_permille: m });
    let task = Task::Switch { circuit: longest, on: true };
    check_size(Command { id: m, until: i64::MAX, task });
    check_size(CommandResult {
        id: m,
        outcome: Outcome::Repeated,
        data: List::from_slice(&[7; RESULT_DATA_MAX]).unwrap(),
        answer_ms: u16::MAX,
    });

    let entry = Entry {
        quantity: Quantity::Pressure,
        table: Table::Cjt188,
        address: u32::MAX,
        offset: u8::MAX,
        ty: Type::WithUnit { unit: 127 },
        order: WordOrder::Dcba,
        scale: Scale::fraction(i32::MIN, u32::MAX).unwrap(),
        undefined: Undefined::Nan,
        ratio: Ratio::PtCt,
    };
    let map = PlanMap {
        entries: List::from_slice(&[entry; ENTRIES_MAX]).unwrap(),
        read_limit: u16::MAX,
        answer_ms: u16::MAX,
        turnaround_ms: u16::MAX,
        forbidden: List::from_slice(&[(u16::MAX, u16::MAX); FORBIDDEN_MAX]).unwrap(),
    };
    let meter = PlannedMeter {
        meter: longest,
        address: Address::from_number(u64::MAX),
        map: u8::MAX,
        interval_s: u16::MAX,
        ratios: Ratios { pt: u32::MAX, ct: u32::MAX },
    };
    let switch = PlannedSwitch { circuit: longest, unit_id: u8::MAX, coil: u16::MAX };
    check_size(Plan {
        revision: u32::MAX,
        interval_s: u16::MAX,
        line: LineSettings { baud: u32::MAX, parity: Parity::Odd, stop_bits: 2 },
        maps: List::from_slice(&[map; MAPS_MAX]).unwrap(),
        meters: List::from_slice(&[meter; METERS_MAX]).unwrap(),
        switches: List::from_slice(&[switch; SWITCHES_MAX]).unwrap(),
    });
}

// Codes differ in length, so a pack of all quantities stays a little below its bound.
#[test]
fn the_largest_pack_fits_its_bound() {
    let readings = Quantity::ALL.map(|quantity| reading(quantity, i64::MIN + 1));
    let pack = Pack {
        meter: name("abcdefghijklmnopqrstuvwxyz-12345"),
        instant: i64::MAX,
        boot: u32::MAX,
        seq: u32::MAX,
        clock: Clock::Estimated,
        readings: List::from_slice(&readings[..READINGS_MAX]).unwrap(),
    };
    let mut bytes = [0; Pack::BYTES_MAX];
    let len = pack.encode(&mut bytes).unwrap();
    assert_eq!(Pack::decode(&bytes[..len]), Ok(pack));
}

// What a node sets aside for its messages: more, and a microcontroller may not have it.
const _: () = assert!(Pack::BYTES_MAX <= 640);
const _: () = assert!(Plan::BYTES_MAX <= 6144);
const _: () = assert!(State::BYTES_MAX <= 128);
const _: () = assert!(size_of::<Plan>() <= 6144);

#[track_caller]
fn check_fault(fault: PlanFault, spoil: impl Fn(&mut Plan)) {
    let mut plan = plan();
    spoil(&mut plan);
    assert_eq!(plan.check(), Err(fault));
}

#[test]
fn a_plan_that_a_node_cannot_work_by_is_told_why() {
    assert_eq!(plan().check(), Ok(()));
    let meters = |spoil: &dyn Fn(&mut PlannedMeter)| {
        let mut meters = plan().meters.to_vec();
        spoil(&mut meters[1]);
        List::from_slice(&meters).unwrap()
    };
    let maps = |spoil: &dyn Fn(&mut PlanMap)| {
        let mut maps = plan().maps.to_vec();
        spoil(&mut maps[0]);
        List::from_slice(&maps).unwrap()
    };
    let entry = |spoil: &dyn Fn(&mut Entry)| {
        maps(&|map: &mut PlanMap| {
            let mut entries = map.entries.to_vec();
            spoil(&mut entries[0]);
            map.entries = List::from_slice(&entries).unwrap();
        })
    };
    check_fault(PlanFault::Interval, |plan| plan.interval_s = 0);
    check_fault(PlanFault::Line, |plan| plan.line.baud = 300);
    check_fault(PlanFault::Line, |plan| plan.line.stop_bits = 3);
    check_fault(PlanFault::UnitId, |plan| {
        plan.meters = meters(&|meter| meter.address = Address::unit_id(0));
    });
    check_fault(PlanFault::UnitId, |plan| {
        plan.meters = meters(&|meter| meter.address = Address::unit_id(248));
    });
    check_fault(PlanFault::UnitId, |plan| {
        let relay = PlannedSwitch { unit_id: 0, ..PlannedSwitch::default() };
        plan.switches = List::from_slice(&[relay]).unwrap();
    });
    check_fault(PlanFault::MapMissing, |plan| plan.meters = meters(&|meter| meter.map = 2));
    check_fault(PlanFault::Ratio, |plan| plan.meters = meters(&|meter| meter.ratios.ct = 0));
    check_fault(PlanFault::MeterTwice, |plan| {
        plan.meters = meters(&|meter| meter.meter = name("canteen-water"));
    });
    check_fault(PlanFault::ReadLimit, |plan| plan.maps = maps(&|map| map.read_limit = 0));
    check_fault(PlanFault::ReadLimit, |plan| plan.maps = maps(&|map| map.read_limit = 126));
    check_fault(PlanFault::ReadLimit, |plan| plan.maps = maps(&|map| map.read_limit = 1));
    check_fault(PlanFault::Entry, |plan| plan.maps = entry(&|entry| entry.address = 0xFFFF));
    check_fault(PlanFault::Entry, |plan| plan.maps = entry(&|entry| entry.table = Table::Coil));
    check_fault(PlanFault::Entry, |plan| {
        plan.maps = entry(&|entry| entry.ty = Type::Bcd { digits: 0 });
    });
    check_fault(PlanFault::Entry, |plan| {
        plan.maps = maps(&|map| map.forbidden = List::from_slice(&[(2, 2)]).unwrap());
    });
    check_fault(PlanFault::Entry, |plan| plan.maps = entry(&|entry| entry.table = Table::Dlt645));
    check_fault(PlanFault::Entry, |plan| plan.maps = entry(&|entry| entry.offset = 1));
    check_fault(PlanFault::Entry, |plan| {
        plan.maps = entry(&|entry| entry.ty = Type::WithUnit { unit: 0x2C });
    });
    check_fault(PlanFault::QuantityTwice, |plan| {
        plan.maps = entry(&|entry| entry.quantity = Quantity::VolumeReverse);
    });
}

#[test]
fn a_plan_of_meters_with_numbers_that_a_node_cannot_work_by_is_told_why() {
    let check_fault = |fault, spoil: &dyn Fn(&mut Plan)| {
        let mut plan = plan_of_numbers();
        spoil(&mut plan);
        assert_eq!(plan.check(), Err(fault));
    };
    let address = |number| {
        move |plan: &mut Plan| {
            let mut meters = plan.meters.to_vec();
            meters[0].address = Address::from_number(number);
            plan.meters = List::from_slice(&meters).unwrap();
        }
    };
    let entry = |spoil: &dyn Fn(&mut Entry), plan: &mut Plan| {
        let mut maps = plan.maps.to_vec();
        let mut entries = maps[1].entries.to_vec();
        spoil(&mut entries[0]);
        maps[1].entries = List::from_slice(&entries).unwrap();
        plan.maps = List::from_slice(&maps).unwrap();
    };
    // Wildcards: two meters would answer at once.
    check_fault(PlanFault::UnitId, &address(0xAAAA_AAAA_AAAA));
    check_fault(PlanFault::UnitId, &address(0x0000_1234_AAAA));
    check_fault(PlanFault::UnitId, &address(0x9999_9999_9999));
    check_fault(PlanFault::UnitId, &address(0x1_0000_0000_0000));
    let unknown_unit = |entry: &mut Entry| entry.ty = Type::WithUnit { unit: 0x7F };
    check_fault(PlanFault::Entry, &|plan| entry(&unknown_unit, plan));
    check_fault(PlanFault::Entry, &|plan| entry(&|entry| entry.order = WordOrder::Cdab, plan));
    check_fault(PlanFault::Entry, &|plan| entry(&|entry| entry.address = 0x0110_901F, plan));
    check_fault(PlanFault::ReadLimit, &|plan| entry(&|entry| entry.offset = 60, plan));
}

#[test]
fn a_plan_with_more_than_a_node_can_hold_is_refused() {
    let mut bytes = [0; 8192];
    let len = plan().encode(&mut bytes).unwrap();
    // The list of meters is the last thing; its head says 2, then says 33 of the same.
    let meters = bytes[..len].windows(6).position(|part| part == b"meters").unwrap() + 6;
    let meter = bytes[meters + 1..].split(|&byte| byte == 0x86).nth(1).unwrap().to_vec();
    let mut many = bytes[..meters].to_vec();
    many.extend([0x98, 33]);
    for _ in 0..33 {
        many.push(0x86);
        many.extend(&meter);
    }
    assert_eq!(Plan::decode(&many), Err(DecodeError::TooMany));
}

#[test]
fn the_protocol_document_states_the_sizes_that_the_code_has() {
    let document = include_str!("../../README.md").replace(',', "");
    for (message, bytes) in
        [("Pack", Pack::BYTES_MAX), ("Plan", Plan::BYTES_MAX), ("State", State::BYTES_MAX)]
    {
        let line = format!("`{message}::BYTES_MAX` = {bytes} bytes");
        assert!(document.contains(&line), "README.md lacks: {line}");
    }
}
