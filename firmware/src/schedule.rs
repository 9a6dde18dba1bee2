//! Which meter next, and when.
//!
//! Each meter is due at whole multiples of its interval in UTC, so that readings of
//! different meters, nodes and days meet on the same grid. The one that has been due the
//! longest comes first; a meter whose time was missed is not read twice to make up for it.
//!
//! A meter that says nothing is asked more and more rarely, up to each [`REST_MAX_S`], so
//! that dead meters cost the others nothing but a probe. One answer, and it is back.

use wire::Name;
use wire::message::{METERS_MAX, Plan};

/// The longest rest of a silent meter, in seconds.
pub const REST_MAX_S: i64 = 300;

/// What is known of one meter of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    meter: Name,
    interval_s: i64,
    due: i64,
    failures: u32,
    failing: bool,
    polls: u32,
}

/// A meter's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its place in the plan, counted from 0.
    pub index: usize,
    /// When it is due, Unix seconds.
    pub due: i64,
    /// How many polls of it the run made before: the sequence number of this one.
    pub seq: u32,
    /// How many of the last polls in a row it did not answer.
    pub failures: u32,
    /// Whether its last poll came without some of its values.
    pub failing: bool,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All values, or a reason for each in a good answer.
    Whole,
    /// The meter is there, or its line is not, and something is missing.
    Partly,
    /// The meter said nothing.
    Silent,
}

/// The turns of the meters of one plan.
#[derive(Debug, Default)]
pub struct Schedule {
    places: [Option<Place>; METERS_MAX],
}

impl Schedule {
    /// Returns a schedule without meters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over a plan. A meter that was there before keeps its count of polls, so that
    /// no sequence number comes twice in one run, and its failures.
    pub fn follow(&mut self, plan: &Plan, now: i64) {
        let before = self.places;
        let mut places = [None; METERS_MAX];
        for (slot, planned) in places.iter_mut().zip(plan.meters.iter()) {
            let interval_s =
                if planned.interval_s == 0 { plan.interval_s } else { planned.interval_s };
            let interval_s = i64::from(interval_s).max(1);
            let old = before.iter().flatten().find(|old| old.meter == planned.meter);
            *slot = Some(Place {
                meter: planned.meter,
                interval_s,
                due: next_multiple(now, interval_s),
                failures: old.map_or(0, |old| old.failures),
                failing: old.is_some_and(|old| old.failing),
                polls: old.map_or(0, |old| old.polls),
            });
        }
        self.places = places;
    }

    /// Returns whose turn is next; it may be due already, or not yet.
    #[must_use]
    pub fn next(&mut self, now: i64) -> Option<Turn> {
        for place in self.places.iter_mut().flatten() {
            // The clock was set back: what was near would be far away.
            let furthest = place.interval_s.max(REST_MAX_S).saturating_add(place.interval_s);
            if now.saturating_add(furthest) < place.due {
                place.due = next_multiple(now, place.interval_s);
            }
        }
        let turns = self.places.iter().enumerate();
        let turns = turns.filter_map(|(index, place)| place.map(|place| (index, place)));
        let (index, place) = turns.min_by_key(|(_, place)| place.due)?;
        let Place { due, polls, failures, failing, .. } = place;
        Some(Turn { index, due, seq: polls, failures, failing })
    }

    /// Notes that a turn was taken, and what it came to.
    pub fn taken(&mut self, turn: &Turn, outcome: Outcome, now: i64) {
        let Some(Some(place)) = self.places.get_mut(turn.index) else { return };
        place.polls = place.polls.wrapping_add(1);
        place.failing = outcome != Outcome::Whole;
        place.failures = match outcome {
            Outcome::Silent => place.failures.saturating_add(1),
            Outcome::Whole | Outcome::Partly => 0,
        };
        let rest = rest(place.interval_s, place.failures);
        // At least a second later, and on the grid.
        place.due = next_multiple(now.saturating_add(rest), place.interval_s);
    }
}

/// Returns how many seconds a meter rests beyond the wait for its next regular turn.
fn rest(interval_s: i64, failures: u32) -> i64 {
    // The second silence may be chance; from then on the time doubles.
    let doublings = failures.saturating_sub(1).min(16);
    let times = 1_i64.checked_shl(doublings).unwrap_or(i64::MAX).saturating_sub(1);
    let longest = REST_MAX_S.saturating_sub(interval_s).max(0);
    interval_s.saturating_mul(times).min(longest)
}

/// Returns the first multiple of the interval after an instant.
fn next_multiple(instant: i64, interval_s: i64) -> i64 {
    let into = instant.checked_rem_euclid(interval_s).unwrap_or(0);
    instant.saturating_sub(into).saturating_add(interval_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::vec::Vec;
    use wire::List;
    use wire::message::{PlanMap, PlannedMeter};
    use wire::modbus::LineSettings;

    fn outcome(silent: bool) -> Outcome {
        if silent { Outcome::Silent } else { Outcome::Whole }
    }

    fn plan(meters: usize, interval_s: u16) -> Plan {
        let name = |n| Name::new(&format!("meter-{n}")).unwrap();
        let meters = (0..meters).map(|n| PlannedMeter { meter: name(n), ..Default::default() });
        Plan {
            revision: 1,
            interval_s,
            line: LineSettings::default(),
            maps: List::from_slice(&[PlanMap::default()]).unwrap(),
            meters: List::from_slice(&meters.collect::<Vec<_>>()).unwrap(),
            switches: List::new(),
        }
    }

    /// Runs a schedule for a while on a bus where an answer takes `answer_s` and a silence
    /// `silence_s`, and returns the instants at which each meter was read.
    fn run(
        meters: usize,
        interval_s: u16,
        dead: &[usize],
        cost: (i64, i64),
        span: i64,
    ) -> Vec<Vec<i64>> {
        let mut schedule = Schedule::new();
        schedule.follow(&plan(meters, interval_s), 0);
        let mut reads = std::vec![Vec::new(); meters];
        let mut now = 0;
        loop {
            let turn = schedule.next(now).unwrap();
            now = now.max(turn.due);
            if span < now {
                return reads;
            }
            reads[turn.index].push(now);
            let silent = dead.contains(&turn.index);
            now += if silent { cost.1 } else { cost.0 };
            schedule.taken(&turn, outcome(silent), now);
        }
    }

    #[test]
    fn a_meter_is_due_at_whole_multiples_of_its_interval() {
        let reads = run(1, 60, &[], (1, 1), 300);
        assert_eq!(reads, [[60, 120, 180, 240, 300].to_vec()]);
    }

    #[test]
    fn a_meter_with_its_own_interval_has_its_own_grid() {
        let mut schedule = Schedule::new();
        let mut plan = plan(1, 60);
        let slow = PlannedMeter { interval_s: 900, ..plan.meters[0] };
        plan.meters = List::from_slice(&[slow]).unwrap();
        schedule.follow(&plan, 1000);
        assert_eq!(schedule.next(1000).map(|turn| turn.due), Some(1800));
    }

    #[test]
    fn a_silent_meter_is_asked_more_and_more_rarely_and_at_last_each_five_minutes() {
        let reads = run(1, 60, &[0], (0, 0), 2000);
        assert_eq!(reads, [[60, 120, 240, 480, 780, 1080, 1380, 1680, 1980].to_vec()]);
        // Where five minutes are less than the interval, the interval is rare enough.
        let reads = run(1, 900, &[0], (0, 0), 3600);
        assert_eq!(reads, [[900, 1800, 2700, 3600].to_vec()]);
    }

    #[test]
    fn five_dead_meters_of_thirty_cost_the_others_nothing_but_a_probe() {
        // Thirty meters a minute, a second each: an answer fits, a silence of two more not.
        let day = 86_400;
        let healthy = run(30, 60, &[], (1, 3), day);
        let dead = [3, 4, 11, 20, 29];

        let reads = run(30, 60, &dead, (1, 3), day);

        for index in (0..30).filter(|index| !dead.contains(index)) {
            let kept = reads[index].len() * 100 / healthy[index].len();
            assert!(95 <= kept, "meter {index} kept {kept} % of its schedule");
        }
        for index in dead {
            assert!(reads[index].len() <= 300, "a dead meter was probed too often");
        }
    }

    #[test]
    fn an_answer_brings_a_meter_back_to_its_schedule() {
        let mut schedule = Schedule::new();
        schedule.follow(&plan(1, 60), 0);
        let mut now = 0;
        for _ in 0..10 {
            let turn = schedule.next(now).unwrap();
            now = turn.due;
            schedule.taken(&turn, Outcome::Silent, now);
        }
        let turn = schedule.next(now).unwrap();
        now = turn.due;
        schedule.taken(&turn, Outcome::Whole, now);
        let turn = schedule.next(now).unwrap();
        assert_eq!((turn.due, turn.failures, turn.seq), (now + 60, 0, 11));
    }

    #[test]
    fn a_bus_that_is_too_slow_serves_all_meters_in_turn() {
        let reads = run(4, 10, &[], (5, 5), 200);
        assert!(reads.iter().all(|reads| (9..=11).contains(&reads.len())), "{reads:?}");
    }

    #[test]
    fn a_new_plan_repeats_no_sequence_number() {
        let mut schedule = Schedule::new();
        schedule.follow(&plan(2, 60), 0);
        for _ in 0..4 {
            let turn = schedule.next(0).unwrap();
            schedule.taken(&turn, Outcome::Whole, turn.due);
        }
        schedule.follow(&plan(3, 30), 121);
        assert_eq!(
            schedule.next(121).map(|turn| (turn.index, turn.due, turn.seq)),
            Some((0, 150, 2))
        );
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_the_node() {
        let mut schedule = Schedule::new();
        schedule.follow(&plan(1, 60), 1_000_000);
        assert_eq!(schedule.next(500_000).map(|turn| turn.due), Some(500_040));
    }

    proptest! {
        #[test]
        fn no_clock_and_no_plan_make_the_schedule_panic(
            meters in 1_usize..METERS_MAX,
            interval_s: u16,
            steps in proptest::collection::vec(any::<(i64, bool)>(), 0..40),
        ) {
            let mut schedule = Schedule::new();
            schedule.follow(&plan(meters, interval_s), 0);
            for (now, silent) in steps {
                let turn = schedule.next(now).unwrap();
                schedule.taken(&turn, outcome(silent), now);
            }
        }
    }
}
