//! What has come, counted by sequence numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wire::message::Pack;
use wire::reading::Value;

/// What came of the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Packs of the seconds that are counted, each meter's of each second once.
    pub(super) on_time: u64,
    /// Measured values in them.
    pub(super) readings: u64,
    /// Values that are absent in them.
    pub(super) absent: u64,
    /// Sequence numbers that never came, of all seconds.
    pub(super) lost: u64,
    /// Packs that came again.
    pub(super) twice: u64,
    /// From the second in which a pack was due to its arrival, half of them, ms.
    pub(super) p50_ms: f64,
    /// The same, 99 of a hundred.
    pub(super) p99_ms: f64,
}

/// Takes packs.
#[derive(Debug, Default)]
pub(super) struct Counter {
    /// Seconds that are counted, from the first until before the second.
    span: Option<(i64, i64)>,
    /// By node and place in its plan.
    meters: BTreeMap<(u32, usize), Seen>,
    /// How many packs took so many milliseconds.
    took: BTreeMap<u16, u64>,
    tally: Tally,
}

/// What came of one meter.
#[derive(Debug, Default)]
struct Seen {
    /// All before this number came.
    through: u32,
    /// Later ones that came.
    ahead: BTreeSet<u32>,
}

impl Seen {
    /// Notes a number; returns whether it is new.
    fn insert(&mut self, seq: u32) -> bool {
        if seq < self.through || !self.ahead.insert(seq) {
            return false;
        }
        while self.ahead.remove(&self.through) {
            self.through += 1;
        }
        true
    }

    fn lost(&self) -> u64 {
        let next = self.ahead.last().map_or(self.through, |last| last + 1);
        u64::from(next - self.through) - self.ahead.len() as u64
    }
}

impl Counter {
    /// Counts the packs of these seconds.
    pub(super) fn count(&mut self, from: i64, until: i64) {
        self.span = Some((from, until));
    }

    /// Takes a pack that came at an instant, Unix ms.
    pub(super) fn take(&mut self, node: u32, place: usize, pack: &Pack, now_ms: i64) {
        if !self.meters.entry((node, place)).or_default().insert(pack.seq) {
            self.tally.twice += 1;
            return;
        }
        if !self.span.is_some_and(|(from, until)| from <= pack.instant && pack.instant < until) {
            return;
        }
        let readings = pack.readings.iter();
        let measured = readings.filter(|it| matches!(it.value, Value::Measured(_))).count() as u64;
        self.tally.on_time += 1;
        self.tally.readings += measured;
        self.tally.absent += pack.readings.len() as u64 - measured;
        let took_ms = now_ms.saturating_sub(pack.instant.saturating_mul(1_000));
        let took_ms = u16::try_from(took_ms.max(0)).unwrap_or(u16::MAX);
        *self.took.entry(took_ms).or_default() += 1;
    }

    /// Returns what came so far.
    pub(super) fn tally(&self) -> Tally {
        let lost = self.meters.values().map(Seen::lost).sum();
        Tally { lost, p50_ms: self.within(50), p99_ms: self.within(99), ..self.tally }
    }

    fn within(&self, of_a_hundred: u64) -> f64 {
        let wanted = (self.took.values().sum::<u64>() * of_a_hundred).div_ceil(100);
        let mut seen = 0;
        for (&took_ms, count) in &self.took {
            seen += count;
            if wanted <= seen {
                return f64::from(took_ms);
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::message::Clock;
    use wire::reading::Reading;
    use wire::{List, Name, Quantity};

    fn pack(seq: u32, instant: i64) -> Pack {
        let reading = Reading { quantity: Quantity::ActivePower, value: Value::Measured(1) };
        Pack {
            meter: Name::new("meter-0").unwrap(),
            instant,
            boot: 1,
            seq,
            clock: Clock::Synced,
            readings: List::from_slice(&[reading]).unwrap(),
        }
    }

    #[test]
    fn what_never_came_is_lost_and_what_came_again_is_not_counted_twice() {
        let mut counter = Counter::default();
        counter.take(0, 0, &pack(0, 9), 9_100);
        counter.count(10, 13);
        for (seq, instant) in [(1, 10), (4, 13), (3, 12), (3, 12), (0, 9)] {
            counter.take(0, 0, &pack(seq, instant), instant * 1_000 + 40);
        }

        let tally = counter.tally();

        assert_eq!((tally.on_time, tally.readings, tally.lost, tally.twice), (2, 2, 1, 2));
        assert_eq!((tally.p50_ms, tally.p99_ms), (40.0, 40.0));
        counter.take(0, 0, &pack(2, 11), 11_500);
        assert_eq!((counter.tally().lost, counter.tally().on_time), (0, 3));
    }
}
