//! How busy a plan keeps its bus, worked out before anybody goes live with it.
//!
//! In: a plan, whether its bus has a line, how long meters take to think. Out: the share
//! of each second that the bus is taken. Above one whole second a second, readings come
//! ever later and no time-out of ours can help; that is told before it happens.
//!
//! A request of `n` registers takes, as [`crate::rtu`] sends it:
//! the silent time before it (3.5 characters, or the meter's turnaround if that is longer),
//! 8 characters, the meter's thinking, 5 characters and 2 for each register. One of `n` bytes
//! behind an identifier takes 20 characters, and 20 and one for each byte: 4 lead bytes each
//! way, address, identifier, sum.
//!
//! Not counted: time-outs of dead meters (their rest keeps those small, see
//! [`crate::schedule`]), repetitions after a broken answer, what an operating system adds.

use wire::message::Plan;
use wire::modbus::LineSettings;

use crate::planner::{self, Block, GAP_MAX};

/// How long a meter thinks before its answer, if nobody has measured it: readers in the
/// field see 60 to 80 ms for two registers at 9,600 baud, of which some 25 ms are
/// characters and silence.
pub const THINKING_MS: u32 = 50;

/// From here on a plan works but has no room for repetitions: 80 %, in thousandths.
pub const CROWDED: u32 = 800;

/// From here on a plan cannot be kept: 100 %, in thousandths.
pub const FULL: u32 = 1_000;

/// What a plan asks of its bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How much of the time the bus is taken, in thousandths; above [`FULL`] it cannot keep up.
    pub permille: u32,
    /// Requests in a round of all meters.
    pub requests: u32,
    /// How long a round of all meters takes, ms.
    pub round_ms: u32,
}

impl Load {
    /// Works out what a plan asks. `thinking_ms` is how long a meter takes before its answer
    /// begins; a bus without a line (Modbus TCP) has that alone.
    #[must_use]
    pub fn of(plan: &Plan, has_line: bool, thinking_ms: u32) -> Self {
        let mut load = Self::default();
        // A round of more than 71 minutes is as good as one that long.
        let mut round_us: u32 = 0;
        // Microseconds of bus a second, for each meter by its own interval.
        let mut busy_us: u32 = 0;
        for meter in plan.meters.iter() {
            let Some(map) = plan.maps.get(usize::from(meter.map)) else { continue };
            let map = map.as_map();
            let mut meter_us: u32 = 0;
            for block in planner::blocks(&map, GAP_MAX).iter() {
                let thinking_us = thinking_ms.min(u32::from(map.answer_ms)).saturating_mul(1_000);
                let line_us =
                    if has_line { request_us(plan.line, block, map.turnaround_ms) } else { 0 };
                meter_us = meter_us.saturating_add(thinking_us).saturating_add(line_us);
                load.requests = load.requests.saturating_add(1);
            }
            let interval_s =
                if meter.interval_s == 0 { plan.interval_s } else { meter.interval_s }.max(1);
            let share = meter_us.checked_div(u32::from(interval_s)).unwrap_or(0);
            busy_us = busy_us.saturating_add(share);
            round_us = round_us.saturating_add(meter_us);
        }
        // Rounded up, so that a full bus never looks as if it had room.
        load.permille = busy_us.div_ceil(1_000);
        load.round_ms = round_us.div_ceil(1_000);
        load
    }
}

/// Time that the request of a block and its answer take the line, without the meter's thinking.
fn request_us(line: LineSettings, block: &Block, turnaround_ms: u16) -> u32 {
    // Of half a character, in tenths: 12 bits are the most, and 1,200 baud the least.
    let half_us = line.bits_per_character().saturating_mul(5_000_000);
    let half_us = half_us.checked_div(line.baud).unwrap_or(0);
    let halves = |count: u32| half_us.saturating_mul(count).checked_div(10).unwrap_or(0);
    let silent_us = halves(7).max(1_750).max(u32::from(turnaround_ms).saturating_mul(1_000));
    let count = u32::from(block.count);
    let characters = if block.table.holds_bytes() {
        40_u32.saturating_add(count)
    } else {
        13_u32.saturating_add(count.saturating_mul(2))
    };
    silent_us.saturating_add(halves(characters.saturating_mul(2)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;
    use wire::message::{PlanMap, PlannedMeter};
    use wire::modbus::Parity;
    use wire::{Address, List, Name, models};

    fn plan(model: &str, meters: u8, interval_s: u16, baud: u32) -> Plan {
        let map = models::by_id(model).unwrap().map;
        let meters = (1..=meters).map(|unit_id| PlannedMeter {
            meter: Name::new(&std::format!("meter-{unit_id}")).unwrap(),
            address: Address::unit_id(unit_id),
            ..Default::default()
        });
        Plan {
            revision: 1,
            interval_s,
            line: LineSettings { baud, ..LineSettings::default() },
            maps: List::from_slice(&[PlanMap::new(&map).unwrap()]).unwrap(),
            meters: List::from_slice(&meters.collect::<Vec<_>>()).unwrap(),
            switches: List::new(),
        }
    }

    #[test]
    fn one_request_takes_what_its_characters_silence_and_thinking_take() {
        // 13 registers of a water meter at 9,600 8N1: a character is 1.0417 ms. 20 ms of
        // turnaround, 8 + 5 + 26 characters = 40.6 ms, 50 ms of thinking: 110.6 ms a minute.
        let load = Load::of(&plan("xintai-water", 1, 60, 9_600), true, 50);

        assert_eq!(load.requests, 1);
        assert!((110..=112).contains(&load.round_ms), "{load:?}");
        assert_eq!(load.permille, 2);
    }

    #[test]
    fn an_identifier_takes_what_its_frames_take() {
        // At 2,400 baud 8E1 a character is 4.583 ms. 14 requests of a three-phase meter: 30 ms
        // of turnaround (3.5 characters are 16), 50 ms of thinking, 40 characters and the data,
        // which are 8 totals of 4 bytes, 6 + 9 + 12 of phases, 3 + 2 + 2: 66. In all
        // 14 * 80 + (14 * 40 + 66) * 4.583 = 3,989 ms.
        let mut plan = plan("dlt645-three-phase", 1, 60, 2_400);
        plan.line.parity = Parity::Even;
        let load = Load::of(&plan, true, 50);

        assert_eq!(load.requests, 14);
        assert!((3_985..=3_993).contains(&load.round_ms), "{load:?}");
        assert_eq!(load.permille, 67);
    }

    #[test]
    fn thirty_meters_each_second_are_too_many_for_9600_baud_and_none_each_minute() {
        let each_second = Load::of(&plan("eastron-sdm630", 30, 1, 9_600), true, THINKING_MS);
        let each_minute = Load::of(&plan("eastron-sdm630", 30, 60, 9_600), true, THINKING_MS);

        assert!(FULL < each_second.permille, "{each_second:?}");
        assert!(each_minute.permille < CROWDED, "{each_minute:?}");
        assert_eq!(each_second.round_ms, each_minute.round_ms);
    }

    #[test]
    fn twice_the_speed_takes_less_but_not_half_because_meters_think() {
        let slow = Load::of(&plan("eastron-sdm630", 10, 60, 9_600), true, THINKING_MS);
        let fast = Load::of(&plan("eastron-sdm630", 10, 60, 19_200), true, THINKING_MS);

        assert!(fast.round_ms < slow.round_ms && slow.round_ms < 2 * fast.round_ms);
    }

    #[test]
    fn a_bus_without_a_line_has_thinking_alone() {
        let load = Load::of(&plan("eastron-sdm630", 10, 60, 9_600), false, 5);

        assert_eq!(load.round_ms, 5 * load.requests);
    }
}
