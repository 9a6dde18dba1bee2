use super::*;
use crate::planner::GAP_MAX;
use std::vec::Vec;
use wire::modbus::{Entry, Scale, Type};
use wire::reading::Absence;
use wire::{Quantity, models};

/// A meter whose registers hold their own address, with a list of what goes wrong.
#[derive(Default)]
struct Fake {
    asked: Vec<(u32, usize)>,
    faults: Vec<(u32, PollError)>,
    /// Registers it does not have.
    missing: Vec<u32>,
}

impl Bus for Fake {
    async fn read(&mut self, request: &Request, out: &mut [u16]) -> Result<(), PollError> {
        self.asked.push((request.address, out.len()));
        if let Some(at) = self.faults.iter().position(|(address, _)| *address == request.address) {
            return Err(self.faults.remove(at).1);
        }
        let end = request.address + u32::try_from(out.len()).unwrap();
        if (request.address..end).any(|address| self.missing.contains(&address)) {
            return Err(PollError::Refused(ILLEGAL_ADDRESS));
        }
        let address = u16::try_from(request.address).unwrap();
        out.iter_mut().zip(address..).for_each(|(slot, address)| *slot = address);
        Ok(())
    }
}

const QUANTITIES: [Quantity; 3] =
    [Quantity::ActivePower, Quantity::Frequency, Quantity::ActiveEnergyImport];

/// Registers 10 and 12 in one request, 100 in another.
fn entries() -> [Entry; 3] {
    let entry = |quantity, address| Entry {
        quantity,
        address,
        ty: Type::U16,
        scale: Scale::thousandths(1000),
        ..Entry::default()
    };
    [entry(QUANTITIES[0], 100), entry(QUANTITIES[1], 10), entry(QUANTITIES[2], 12)]
}

fn polled(meter: &mut Fake, attempts: u8) -> (Polled, u32) {
    let entries = entries();
    let map = RegisterMap { entries: &entries, ..models::by_id("eastron-sdm630").unwrap().map };
    let mut answers = 0;
    let manner = Manner { gap_max: GAP_MAX, attempts };
    let poll = poll(meter, &map, Address::unit_id(1), Ratios::ONE, manner, || answers += 1);
    let polled = embassy_futures::block_on(poll);
    (polled, answers)
}

#[track_caller]
fn check(polled: &Polled, expected: [Value; 3]) {
    let readings = QUANTITIES.into_iter().zip(expected);
    let readings = readings.map(|(quantity, value)| Reading { quantity, value });
    assert_eq!(polled.readings.as_slice(), readings.collect::<Vec<_>>());
}

#[test]
fn a_meter_is_read_in_few_requests_and_its_readings_keep_their_order() {
    let mut meter = Fake::default();
    let (polled, answers) = polled(&mut meter, 1);
    let values = [100_000, 10_000, 12_000].map(Value::Measured);
    check(&polled, values);
    assert_eq!((meter.asked, answers, polled.answered), ([(10, 3), (100, 1)].to_vec(), 2, true));
}

#[test]
fn a_meter_known_for_silence_or_noise_costs_one_request_and_all_its_readings_say_why() {
    for (fault, why) in
        [(PollError::Silent, Absence::Timeout), (PollError::Noise, Absence::Garbled)]
    {
        let mut meter = Fake { faults: [(10, fault)].to_vec(), ..Fake::default() };
        let (polled, answers) = polled(&mut meter, 1);
        check(&polled, [Value::Absent(why); 3]);
        assert_eq!((meter.asked.len(), answers, polled.answered), (1, 0, false));
    }
}

#[test]
fn a_healthy_meter_gets_a_second_chance_but_not_after_a_refusal() {
    let mut meter = Fake { faults: [(10, PollError::BadCrc)].to_vec(), ..Fake::default() };
    let (polled_again, _) = polled(&mut meter, 2);
    assert_eq!((polled_again.error, meter.asked.len()), (None, 3));

    let mut meter = Fake { faults: [(100, PollError::Refused(4))].to_vec(), ..Fake::default() };
    let (refused, _) = polled(&mut meter, 2);
    assert_eq!((refused.error, meter.asked.len()), (Some(PollError::Refused(4)), 2));
    let refused_value = Value::Absent(Absence::Refused);
    check(&refused, [refused_value, Value::Measured(10_000), Value::Measured(12_000)]);
    assert!(refused.answered);
}

#[test]
fn a_garbled_block_does_not_take_the_others_with_it() {
    let faults = [(10, PollError::BadCrc), (10, PollError::BadCrc)].to_vec();
    let mut meter = Fake { faults, ..Fake::default() };
    let (polled, answers) = polled(&mut meter, 2);
    let garbled = Value::Absent(Absence::Garbled);
    check(&polled, [Value::Measured(100_000), garbled, garbled]);
    assert_eq!((answers, polled.answered), (1, true));
}

#[test]
fn a_meter_that_refuses_a_gap_is_asked_for_each_value_by_itself() {
    let mut meter = Fake { missing: [11].to_vec(), ..Fake::default() };
    let (polled, _) = polled(&mut meter, 1);
    check(&polled, [100_000, 10_000, 12_000].map(Value::Measured));
    assert!(polled.gaps_refused && polled.error.is_none());
    assert_eq!(meter.asked, [(10, 3), (10, 1), (12, 1), (100, 1)]);
}

#[test]
fn a_line_that_is_away_is_told_from_a_silent_meter() {
    let mut meter = Fake { faults: [(10, PollError::BusDown)].to_vec(), ..Fake::default() };
    let (polled, _) = polled(&mut meter, 2);
    check(&polled, [Value::Absent(Absence::BusDown); 3]);
    assert_eq!((meter.asked.len(), polled.error), (1, Some(PollError::BusDown)));
}
