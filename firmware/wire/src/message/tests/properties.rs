//! What holds for every message and for any bytes.

use super::*;
use proptest::prelude::*;
use std::hint::black_box;
use std::vec;

prop_compose! {
    fn any_name()(text in "[a-z0-9-]{1,32}") -> Name { name(&text) }
}

fn any_value() -> impl Strategy<Value = Value> {
    let reason = (0..Absence::ALL.len()).prop_map(|at| Value::Absent(Absence::ALL[at]));
    let whole = (-1_000_000_000..1_000_000_000_i64).prop_map(|n| Value::Measured(n * 1000));
    prop_oneof![any::<i64>().prop_map(Value::Measured), whole, reason]
}

prop_compose! {
    fn any_pack()(
        meter in any_name(),
        instant in INSTANT_MIN..,
        boot: u32,
        seq: u32,
        synced: bool,
        quantities in proptest::sample::subsequence(Quantity::ALL.to_vec(), 0..=READINGS_MAX),
        values in proptest::collection::vec(any_value(), READINGS_MAX),
    ) -> Pack {
        let readings = quantities.into_iter().zip(values);
        let readings = readings.map(|(quantity, value)| Reading { quantity, value });
        Pack {
            meter, instant, boot, seq,
            clock: if synced { Clock::Synced } else { Clock::Estimated },
            readings: List::from_slice(&readings.collect::<Vec<_>>()).unwrap(),
        }
    }
}

prop_compose! {
    fn any_entry()(
        quantity in 0..Quantity::ALL.len(),
        (table, order, undefined, ratio) in (0..6_usize, 0..4_usize, 0..5_usize, 0..4_usize),
        (address, offset) in any::<(u32, u8)>(),
        ty in prop_oneof![
            Just(Type::U16), Just(Type::I16), Just(Type::U32), Just(Type::I32), Just(Type::U64),
            Just(Type::I64), Just(Type::F32), Just(Type::F64),
            (0..32_u8).prop_map(|digits| Type::Bcd { digits }),
            (0..80_u8).prop_map(|digits| Type::SignedBcd { digits }),
            (0..128_u8).prop_map(|unit| Type::WithUnit { unit }),
        ],
        numerator in any::<i32>().prop_filter("not zero", |n| *n != 0),
        denominator in 1_u32..,
    ) -> Entry {
        Entry {
            quantity: Quantity::ALL[quantity],
            table: Table::ALL[table],
            address,
            offset: if Table::ALL[table].holds_bytes() { offset } else { 0 },
            ty,
            order: WordOrder::ALL[order],
            scale: Scale::fraction(numerator, denominator).unwrap(),
            undefined: Undefined::ALL[undefined],
            ratio: Ratio::ALL[ratio],
        }
    }
}

fn any_list<T: Copy + Default + core::fmt::Debug, const N: usize>(
    item: impl Strategy<Value = T>,
) -> impl Strategy<Value = List<T, N>> {
    proptest::collection::vec(item, 0..=N).prop_map(|items| List::from_slice(&items).unwrap())
}

prop_compose! {
    fn any_map()(
        entries in any_list(any_entry()),
        (read_limit, answer_ms, turnaround_ms) in any::<(u16, u16, u16)>(),
        forbidden in any_list(any::<(u16, u16)>()),
    ) -> PlanMap {
        PlanMap { entries, read_limit, answer_ms, turnaround_ms, forbidden }
    }
}

prop_compose! {
    fn any_meter()(
        meter in any_name(),
        (address, map) in any::<(u64, u8)>(),
        interval_s: u16,
        (pt, ct) in any::<(u32, u32)>(),
    ) -> PlannedMeter {
        PlannedMeter {
            meter,
            address: Address::from_number(address),
            map,
            interval_s,
            ratios: Ratios { pt, ct },
        }
    }
}

prop_compose! {
    fn any_switch()(circuit in any_name(), unit_id: u8, coil: u16) -> PlannedSwitch {
        PlannedSwitch { circuit, unit_id, coil }
    }
}

prop_compose! {
    fn any_plan()(
        revision: u32,
        interval_s: u16,
        (baud, parity, stop_bits) in (any::<u32>(), 0..3_usize, any::<u8>()),
        maps in any_list(any_map()),
        meters in any_list(any_meter()),
        switches in any_list(any_switch()),
    ) -> Plan {
        let line = LineSettings { baud, parity: Parity::ALL[parity], stop_bits: stop_bits % 24 };
        Plan { revision, interval_s, line, maps, meters, switches }
    }
}

fn any_state() -> impl Strategy<Value = State> {
    type Numbers = ((u32, u32, u32, u32, u32), (u16, u16, u16), (u32, u32, u32, u32));
    let online = any::<Numbers>().prop_map(
        |((boot, plan_revision, queued, dropped, uptime_s), (major, minor, patch), faults)| {
            let version = Version { major, minor, patch };
            let (plans, commands, connections, polls) = faults;
            let faults = Faults { plans, commands, connections, polls };
            State::Online { boot, version, plan_revision, queued, dropped, uptime_s, faults }
        },
    );
    prop_oneof![Just(State::Gone), online]
}

fn any_task() -> impl Strategy<Value = Task> {
    let switch = (any_name(), any::<bool>());
    let asked = any::<((u32, u8), (u8, u8), (u16, u8))>();
    prop_oneof![
        (0..Action::ALL.len()).prop_map(|at| Task::Act(Action::ALL[at])),
        switch.prop_map(|(circuit, on)| Task::Switch { circuit, on }),
        (any::<bool>(), asked).prop_map(
            |(scan, ((baud, stop_bits), (one, two), (address, at)))| {
                let line =
                    LineSettings { baud, parity: Parity::ALL[usize::from(at % 3)], stop_bits };
                let table = Table::ALL[usize::from(at % 4)];
                if scan {
                    Task::Scan(Scan { line, first: one, last: two, table, address })
                } else {
                    Task::Trace(Trace { line, unit_id: one, table, address, count: two })
                }
            }
        ),
    ]
}

/// Says what became of a message that was encoded into the room it may take.
fn there_and_back<M: Message>(message: &M) -> Result<M, DecodeError> {
    let mut bytes = std::vec![0; M::MAX];
    let len = message.write(&mut bytes).unwrap();
    M::read(&bytes[..len])
}

proptest! {
    #[test]
    fn what_was_encoded_decodes_to_itself(
        pack in any_pack(),
        plan in any_plan(),
        state in any_state(),
        fault in 0..PlanFault::ALL.len(),
        (id, load_permille, until, answer_ms) in any::<(u32, u32, i64, u16)>(),
        which in 0..Outcome::ALL.len(),
        task in any_task(),
        data in any_list(any::<u8>()),
    ) {
        prop_assert_eq!(there_and_back(&pack), Ok(pack));
        prop_assert_eq!(there_and_back(&plan), Ok(plan));
        prop_assert_eq!(there_and_back(&state), Ok(state));
        for result in [AppliedResult::Ok, AppliedResult::Rejected(PlanFault::ALL[fault])] {
            let applied = Applied { revision: id, result, load_permille };
            prop_assert_eq!(there_and_back(&applied), Ok(applied));
        }
        let command = Command { id, until, task };
        prop_assert_eq!(there_and_back(&command), Ok(command));
        let result = CommandResult { id, outcome: Outcome::ALL[which], data, answer_ms };
        prop_assert_eq!(there_and_back(&result), Ok(result));
        black_box(plan.check()).ok();
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        black_box((Pack::decode(&bytes), State::decode(&bytes), Applied::decode(&bytes))).0.ok();
        black_box((Plan::decode(&bytes), Command::decode(&bytes))).0.ok();
        black_box(CommandResult::decode(&bytes)).ok();
    }

    // Bytes near to a message reach further into the reader than noise does.
    #[test]
    fn no_damage_to_a_message_makes_decoding_panic(
        pack in any_pack(),
        plan in any_plan(),
        damage in proptest::collection::vec(any::<(proptest::sample::Index, u8)>(), 1..6),
        cut: proptest::sample::Index,
    ) {
        let mut bytes = std::vec![0; Plan::BYTES_MAX];
        for pass in 0..2 {
            let len = if pass == 0 { pack.write(&mut bytes) } else { plan.write(&mut bytes) };
            let message = &mut bytes[..len.unwrap()];
            for (at, byte) in &damage {
                message[at.index(message.len())] = *byte;
            }
            let cut = cut.index(message.len());
            black_box((Pack::decode(message), Plan::decode(message))).0.ok();
            black_box((Pack::decode(&message[..cut]), Plan::decode(&message[..cut]))).0.ok();
        }
    }
}
