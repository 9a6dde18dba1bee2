//! A toilet that runs now and then.
//!
//! What it means: water runs again and again at times at which this meter is mostly at
//! rest, a little each time, with pauses: a cistern that loses water and fills up, a flush
//! valve that sticks. It is no leak that never stops, so the smallest hour does not show
//! it; many quiet hours that are not quiet do.
//!
//! What to do: listen in the toilets. A strip of paper against the back of the bowl gets
//! wet where a cistern loses water.
//!
//! Each hour is weighed: how often does an hour at this time of the day draw water on this
//! meter, and how often would it with a toilet running. The weights are added up (a
//! cumulative sum, Page 1954); ordinary hours take the sum back to nothing.
//!
//! The finding begins with the first hour of that sum. It ends where the sum last grew,
//! when a whole day's weights have taken it back. Litres lost are what ran above the usual
//! amount of those hours.
//!
//! Learning: nothing is said until two weeks were measured.

use crate::finding::Evidence;
use crate::track::Track;

use super::spell::{Spell, amount, real, rounded, steps};

/// What is allowed of quiet hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToiletLimits {
    /// From which amount on an hour draws water, thousandths of the unit an hour: a cistern
    /// that fills up now and then takes 20 litres an hour and more.
    pub least: f64,
    /// In which share of the hours a toilet that runs now and then draws water.
    pub share: f64,
    /// No hour is taken for more at rest than this: people do come back at night.
    pub usual_least: f64,
    /// The sum of weights from which it is said.
    pub sum: f64,
    /// Which share of its hours must be at rest: without pauses it is a leak.
    pub pauses: f64,
    /// After a gap that long the weighing begins anew, s.
    pub gap_s: i64,
    /// How far back is learnt, days.
    pub learn_days: usize,
    /// How many days must have been measured before anything is said.
    pub learn_days_min: usize,
}

impl Default for ToiletLimits {
    fn default() -> Self {
        Self {
            least: 20_000.0,
            share: 0.6,
            usual_least: 0.1,
            sum: 9.0,
            pauses: 0.15,
            gap_s: 6 * 3_600,
            learn_days: 42,
            learn_days_min: 14,
        }
    }
}

/// How often each time of the day draws water, of the days before.
struct Usual {
    per_day: usize,
    /// For each step of the day: days that drew water, days measured, sum of their amounts.
    counts: Vec<(usize, usize, f64)>,
}

impl Usual {
    fn learn(cells: &[Option<f64>], from: usize, per_day: usize, least: f64) -> Self {
        let mut counts = vec![(0, 0, 0.0); per_day];
        for (index, flow) in cells.iter().enumerate().skip(from) {
            if let Some(flow) = flow {
                let count = &mut counts[index % per_day];
                *count = (count.0 + usize::from(least <= *flow), count.1 + 1, count.2 + flow);
            }
        }
        Self { per_day, counts }
    }

    /// Returns in which share of the days this time and its neighbours drew water, and how
    /// much on average.
    fn at(&self, index: usize) -> (f64, f64) {
        let around = [index + self.per_day - 1, index, index + 1];
        let (drew, measured, sum) = around
            .iter()
            .map(|at| self.counts[at % self.per_day])
            .fold((0, 0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1, sum.2 + it.2));
        let share = (real(drew) + 1.0) / (real(measured) + 2.0);
        (share, if measured == 0 { 0.0 } else { sum / real(measured) })
    }
}

/// Finds stretches in which quiet hours are not quiet, with pauses.
///
/// `track` is the meter's amounts at steps of up to an hour, in thousandths of a litre. A
/// gap says nothing; a negative amount is a gap.
#[must_use]
pub fn running_toilet(track: &Track, limits: &ToiletLimits) -> Vec<Spell> {
    let track = track.hourly();
    let per_day = steps(86_400, track.step_s);
    let least = limits.least * amount(track.step_s) / 3_600.0;
    let cells: Vec<Option<f64>> =
        track.amounts.iter().map(|it| it.filter(|it| 0 <= *it).map(amount)).collect();
    let mut learnt = cells.clone();
    let mut usual: Option<Usual> = None;
    let gap_max = steps(limits.gap_s, track.step_s);
    let mut sum = Sum::default();
    let mut spells = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        if index.is_multiple_of(per_day) {
            let from = index.saturating_sub(limits.learn_days * per_day);
            let measured = learnt[from..index].iter().flatten().count();
            if limits.learn_days_min * per_day * 3 / 4 <= measured {
                usual = Some(Usual::learn(&learnt[..index], from, per_day, least));
            }
        }
        let (Some(flow), Some(usual)) = (*cell, &usual) else {
            sum.gap += 1;
            if sum.noticed.is_none() && gap_max < sum.gap {
                sum = Sum::default();
            }
            continue;
        };
        let (share, mean) = usual.at(index);
        let share = share.max(limits.usual_least);
        let with = limits.share + (1.0 - limits.share) * share;
        let weight = if least <= flow { (with / share).ln() } else { (1.0 - limits.share).ln() };
        let was_open = sum.noticed.is_some();
        sum.add(index, flow, mean, weight, least, limits);
        if let Some(noticed) = sum.noticed {
            if !was_open {
                learnt[sum.began..index].fill(None);
            }
            learnt[index] = None;
            if sum.sum <= 0.0 {
                let end = (sum.last + 1).max(noticed);
                spells.push(sum.spell(&track, limits, Some(track.instant(end))));
                sum = Sum::default();
            }
        }
    }
    if sum.noticed.is_some() {
        spells.push(sum.spell(&track, limits, None));
    }
    spells
}

/// How far the sum may grow above what it is said from: two quiet nights take it back.
const CEILING: f64 = 2.0;

/// The cumulative sum since it was last nothing.
#[derive(Default)]
struct Sum {
    sum: f64,
    peak: f64,
    began: usize,
    last: usize,
    noticed: Option<usize>,
    hours: usize,
    gap: usize,
    rested: usize,
    lost: f64,
    lost_last: f64,
    drew: usize,
}

impl Sum {
    fn add(
        &mut self,
        index: usize,
        flow: f64,
        mean: f64,
        weight: f64,
        least: f64,
        limits: &ToiletLimits,
    ) {
        if self.noticed.is_none() && self.sum + weight <= 0.0 {
            *self = Self::default();
            return;
        }
        if self.hours == 0 {
            self.began = index;
        }
        self.sum = (self.sum + weight).min(limits.sum + CEILING);
        self.hours += 1;
        self.gap = 0;
        self.lost += flow - mean;
        if self.peak <= self.sum {
            (self.peak, self.last, self.lost_last) = (self.sum, index, self.lost);
        }
        if least <= flow {
            self.drew += 1;
        } else {
            self.rested += 1;
        }
        let pauses = limits.pauses * real(self.hours) <= real(self.rested);
        if self.noticed.is_none() && limits.sum <= self.sum && pauses {
            self.noticed = Some(index + 1);
        }
    }

    fn spell(&self, track: &Track, limits: &ToiletLimits, until: Option<i64>) -> Spell {
        let start = track.instant(self.began);
        Spell {
            from: start,
            noticed: track.instant(self.noticed.unwrap_or(self.last + 1)),
            until,
            waste: rounded(self.lost_last.max(0.0)),
            evidence: vec![Evidence {
                start,
                amount: i64::try_from(self.drew).unwrap_or(i64::MAX),
                limit: rounded(limits.share * real(self.hours)),
            }],
        }
    }
}
