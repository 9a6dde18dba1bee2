//! Readings to feed a bench with: deterministic, in the order in which meters send them.
//!
//! *Quarter hour* (or another pace, [`Fleet::every`]): 500 meters of 8 quantities: four counters in whole Wh and varh, power
//! in W, voltage in 0.1 V, current in 0.01 A, frequency in 0.01 Hz; a daily and weekly
//! profile with noise. 10 % of the meters give energy to the grid at noon. 30 % are read
//! 2 to 14 s late. One pack of a thousand is missing, 3 come up to 10 h late, 5 twice.
//!
//! *Minute*: the campus of the simulator, read each minute: its thirteen meters replay
//! measurements of real buildings (their sources are in `firmware/simulator/data`), with
//! all values that their models have.
//!
//! Not here: what receives them.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result};
use simulator::{Campus, demo};
use wire::message::{Clock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use crate::store::Arrival;

/// 2026-01-01T00:00:00Z: where every fleet begins.
pub const BEGIN: i64 = 1_767_225_600;

/// Seconds between two readings of a meter at a quarter hour.
pub const QUARTER_S: i64 = 900;

const MINUTE_S: i64 = 60;

/// Meters that one node reads.
const METERS_A_NODE: u32 = 20;

/// How far behind its time a late pack may come, in intervals: ten hours.
const LATE_MAX: u64 = 40;

/// Quantities of a meter at a quarter hour.
pub const QUANTITIES: [Quantity; 8] = [
    Quantity::ActiveEnergyImport,
    Quantity::ActiveEnergyExport,
    Quantity::ReactiveEnergyImport,
    Quantity::ReactiveEnergyExport,
    Quantity::ActivePower,
    Quantity::VoltageL1,
    Quantity::CurrentL1,
    Quantity::Frequency,
];

/// A share of a working day's greatest load for each hour, in percent, and of a day off.
const WORKING: [i64; 24] = [
    12, 11, 10, 10, 11, 14, 25, 48, 80, 92, 97, 100, 88, 90, 98, 96, 90, 74, 46, 32, 25, 20, 16, 14,
];
const OFF: [i64; 24] = [
    11, 10, 10, 10, 10, 11, 12, 14, 18, 22, 24, 25, 24, 23, 22, 21, 20, 19, 18, 17, 15, 14, 13, 12,
];

/// What a fleet looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pattern {
    /// Many meters of 8 quantities, a quarter hour apart.
    Quarter,
    /// The simulated campus, which replays real buildings, each minute.
    Minute,
}

/// Meters that send, for ever; [`Fleet::next_until`] gives their packs.
pub struct Fleet {
    source: Source,
    step_s: i64,
    /// The interval that is being sent, and the meter whose turn it is.
    step: u64,
    turn: usize,
    ready: VecDeque<Arrival>,
    /// What comes late, by the interval in which it comes.
    late: BTreeMap<u64, Vec<Arrival>>,
}

enum Source {
    Made(Vec<MadeMeter>),
    Campus { campus: Box<Campus>, meters: Vec<Name>, node: Name },
}

struct MadeMeter {
    name: Name,
    node: Name,
    seed: u64,
    peak_w: i64,
    has_sun: bool,
    jitter_s: i64,
    /// Import, export, reactive import, reactive export; Wh and varh.
    counters: [i64; 4],
}

impl Fleet {
    /// Returns a fleet; the campus has as many meters as it has, whatever is asked for.
    ///
    /// # Errors
    ///
    /// None that a user could cause: names that are no names, measurements that do not load.
    pub fn new(pattern: Pattern, meters: u32) -> Result<Self> {
        let (source, step_s) = match pattern {
            Pattern::Quarter => return Self::every(meters, QUARTER_S),
            Pattern::Minute => {
                let campus = Campus::load(&demo::demo_campus())?;
                let meters = campus.meters().map(|meter| meter.meter).collect();
                let node = Name::new("node-0").context("a name")?;
                (Source::Campus { campus: Box::new(campus), meters, node }, MINUTE_S)
            }
        };
        Ok(Self::of(source, step_s))
    }

    /// Returns the fleet of the quarter hour at another pace.
    ///
    /// # Errors
    ///
    /// As [`Fleet::new`].
    pub fn every(meters: u32, step_s: i64) -> Result<Self> {
        let made = (0..meters).map(MadeMeter::new).collect::<Result<_>>()?;
        Ok(Self::of(Source::Made(made), step_s))
    }

    fn of(source: Source, step_s: i64) -> Self {
        let (ready, late) = (VecDeque::new(), BTreeMap::new());
        Self { source, step_s, step: 0, turn: 0, ready, late }
    }

    /// Goes on at an instant: what lies between was not read.
    pub fn skip_to(&mut self, instant: i64) {
        self.step = u64::try_from((instant - BEGIN) / self.step_s).unwrap_or(0).max(self.step);
        self.turn = 0;
        self.late.clear();
    }

    /// Returns how many meters send.
    #[must_use]
    pub fn meters(&self) -> usize {
        match &self.source {
            Source::Made(meters) => meters.len(),
            Source::Campus { meters, .. } => meters.len(),
        }
    }

    /// Fills `batch` with up to `packs` packs that arrive before an instant; empty once
    /// all have.
    pub fn next_until(&mut self, end: i64, packs: usize, batch: &mut Vec<Arrival>) {
        batch.clear();
        while batch.len() < packs {
            if let Some(arrival) = self.ready.pop_front() {
                batch.push(arrival);
                continue;
            }
            let now = BEGIN + self.step.cast_signed() * self.step_s;
            if end <= now {
                return;
            }
            if self.turn < self.meters() {
                self.send(now);
                self.turn += 1;
            } else {
                let late = self.late.remove(&self.step).unwrap_or_default();
                self.ready.extend(late.into_iter().map(|it| Arrival { received: now + 2, ..it }));
                self.step += 1;
                self.turn = 0;
            }
        }
    }

    /// Sends what the meter whose turn it is reads in this interval.
    fn send(&mut self, now: i64) {
        let step = self.step;
        match &mut self.source {
            Source::Campus { campus, meters, node } => {
                let Some(&meter) = meters.get(self.turn) else { return };
                let Some(said) = campus.readings_at(&meter, now) else { return };
                let seq = u32::try_from(step).unwrap_or(u32::MAX);
                let readings = said.readings;
                let pack =
                    Pack { meter, instant: now, boot: 1, seq, clock: Clock::Synced, readings };
                self.ready.push_back(Arrival { node: *node, received: now + 1, pack });
            }
            Source::Made(meters) => {
                let Some(meter) = meters.get_mut(self.turn) else { return };
                let arrival = meter.read(step, now, self.step_s);
                let luck = mixed(meter.seed ^ step.rotate_left(32)) % 1_000;
                match luck {
                    0 => {}
                    1..=3 => {
                        let due = step + 1 + mixed(luck ^ meter.seed ^ step) % LATE_MAX;
                        self.late.entry(due).or_default().push(arrival);
                    }
                    4..=8 => self.ready.extend([arrival, arrival]),
                    _ => self.ready.push_back(arrival),
                }
            }
        }
    }
}

impl MadeMeter {
    fn new(number: u32) -> Result<Self> {
        let seed = mixed(u64::from(number) + 1);
        let within = |count: u64, salt: u64| mixed(seed ^ salt) % count;
        let node = number / METERS_A_NODE;
        Ok(Self {
            name: Name::new(&format!("meter-{number:05}")).context("a meter's name")?,
            node: Name::new(&format!("node-{node:04}")).context("a node's name")?,
            seed,
            peak_w: 500 + within(40_000, 1).cast_signed(),
            has_sun: within(10, 2) == 0,
            jitter_s: if within(10, 3) < 3 { 13 } else { 0 },
            counters: [
                within(90_000_000, 4).cast_signed(),
                0,
                within(9_000_000, 5).cast_signed(),
                within(900_000, 6).cast_signed(),
            ],
        })
    }

    fn read(&mut self, step: u64, now: i64, step_s: i64) -> Arrival {
        let mut noise = mixed(self.seed ^ step);
        let mut below = |count: u64| {
            noise = mixed(noise);
            (noise % count).cast_signed()
        };
        // 2026-01-01 was a Thursday.
        let (day, hour) = ((now - BEGIN) / 86_400, (now - BEGIN) % 86_400 / 3_600);
        let profile = if (day + 3) % 7 < 5 { &WORKING } else { &OFF };
        let share = usize::try_from(hour).ok().and_then(|hour| profile.get(hour)).unwrap_or(&10);
        let power_w = self.peak_w * share * (850 + below(300)) / 100_000;
        let sun_w = if self.has_sun && (8..17).contains(&hour) {
            self.peak_w * (hour - 7).min(17 - hour) * (60 + below(40)) / 400
        } else {
            0
        };
        let net_w = power_w - sun_w;
        let reactive_var = power_w * (18 + below(6)) / 100;
        let [import, export, inductive, capacitive] = &mut self.counters;
        *import += net_w.max(0) * step_s / 3_600;
        *export += (-net_w).max(0) * step_s / 3_600;
        *inductive += reactive_var * step_s / 3_600;
        *capacitive += below(50) / 49;
        let voltage = 2_280 + below(60);
        let current = net_w.abs() * 1_000 / voltage;
        let values = [
            *import * 1_000,
            *export * 1_000,
            *inductive * 1_000,
            *capacitive * 1_000,
            net_w * 1_000,
            voltage * 100,
            current * 10,
            (4_995 + below(11)) * 10,
        ];
        let mut values = QUANTITIES.into_iter().zip(values);
        let readings: [Reading; QUANTITIES.len()] = std::array::from_fn(|_| {
            let (quantity, value) = values.next().unwrap_or((Quantity::Frequency, 0));
            Reading { quantity, value: Value::Measured(value) }
        });
        let readings = List::from_slice(&readings).unwrap_or_else(|_| List::new());
        let late_s = if self.jitter_s == 0 { 0 } else { 2 + below(13) };
        let pack = Pack {
            meter: self.name,
            instant: now + late_s,
            boot: 1,
            seq: u32::try_from(step).unwrap_or(u32::MAX),
            clock: Clock::Synced,
            readings,
        };
        let received = now + late_s + 1 + below(4) / 3;
        Arrival { node: self.node, received, pack }
    }
}

/// A number that looks random, of another: the finaliser of splitmix64.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn packs(days: i64) -> Vec<Arrival> {
        let mut fleet = Fleet::new(Pattern::Quarter, 100).unwrap();
        let (mut all, mut batch) = (Vec::new(), Vec::new());
        loop {
            fleet.next_until(BEGIN + days * 86_400, 777, &mut batch);
            if batch.is_empty() {
                return all;
            }
            all.extend_from_slice(&batch);
        }
    }

    #[test]
    fn the_same_fleet_sends_the_same_packs_with_gaps_and_repetitions() {
        let all = packs(8);

        let unique: HashSet<_> = all.iter().map(|it| (it.pack.meter, it.pack.seq)).collect();
        let late = all.iter().filter(|it| 900 <= it.received - it.pack.instant).count();
        assert_eq!(all, packs(8));
        assert!((76_500..76_800).contains(&unique.len()), "{}", unique.len());
        assert!((250..550).contains(&(all.len() - unique.len())), "{}", all.len());
        assert!((100..350).contains(&late), "{late}");
    }

    #[test]
    fn counters_never_fall_and_some_meters_have_the_sun() {
        let mut all = packs(2);
        all.sort_by_key(|it| (it.pack.meter, it.pack.instant));

        let value = |it: &Arrival, at: usize| it.pack.readings[at].value;
        let rising = |pair: &[Arrival]| match (value(&pair[0], 0), value(&pair[1], 0)) {
            (Value::Measured(a), Value::Measured(b)) => a <= b,
            _ => false,
        };
        assert!(
            all.chunk_by(|a, b| a.pack.meter == b.pack.meter).all(|own| own.windows(2).all(rising))
        );
        let exporting: HashSet<_> = all
            .iter()
            .filter(|it| value(it, 1) != Value::Measured(0))
            .map(|it| it.pack.meter)
            .collect();
        assert!((3..25).contains(&exporting.len()), "{}", exporting.len());
    }
}
