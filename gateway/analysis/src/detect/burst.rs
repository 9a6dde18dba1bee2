//! A pipe that has burst.
//!
//! What it means: for hours on end more water runs than this meter ever draws for so long.
//! An hour of much water is a bath or a lawn; a large amount that does not let up, at any
//! time of the day, is a pipe, a hose that came off or a valve that broke.
//!
//! What to do: now. Close the main valve, then look for the water.
//!
//! The finding begins with the first hour of the flow and ends with the first hour that is
//! back within what is usual. Litres lost are what ran above the usual amount.
//!
//! Learning: nothing is said until two weeks were measured.

use std::ops::RangeInclusive;

use crate::finding::Evidence;
use crate::track::Track;

use super::spell::{Learner, Spell, amount, quantile, rounded, steps};

/// What is allowed of a large flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurstLimits {
    /// How long the flow must have lasted, s.
    pub window_s: i64,
    /// How many times the largest usual flow of that length is allowed.
    pub factor: f64,
    /// Which quantile of the days' largest flows of that length is usual.
    pub usual: f64,
    /// Flow below which nothing is a burst, thousandths of the unit an hour: 100 litres an
    /// hour are a tap, not a pipe.
    pub least: f64,
    /// How far back is learnt, s.
    pub learn_s: i64,
    /// How much must have been measured before anything is said, s.
    pub learn_min_s: i64,
}

impl Default for BurstLimits {
    fn default() -> Self {
        Self {
            window_s: 3 * 3_600,
            factor: 2.0,
            usual: 0.95,
            least: 100_000.0,
            learn_s: 56 * 86_400,
            learn_min_s: 14 * 86_400,
        }
    }
}

/// Finds stretches in which far more ran than this meter ever draws for so long.
///
/// `track` is the meter's amounts at steps of up to an hour, in thousandths of a litre. A
/// gap neither opens nor closes; a negative amount is a gap.
#[must_use]
pub fn burst(track: &Track, limits: &BurstLimits) -> Vec<Spell> {
    let track = track.hourly();
    let window = steps(limits.window_s, track.step_s);
    let per_day = steps(86_400, track.step_s);
    let days = steps(limits.learn_s, 86_400);
    let days_min = steps(limits.learn_min_s, 86_400);
    let least = limits.least * amount(track.step_s) / 3_600.0;
    // One number a day: the largest flow that lasted.
    let mut learner = Learner::new(days, days_min, 1);
    let mut most: Option<f64> = None;
    let mut usual: Option<f64> = None;
    let mut open: Option<(usize, usize, f64, f64)> = None;
    let mut spells = Vec::new();
    let flow = |at: usize| track.amounts[at].filter(|it| 0 <= *it).map(amount);
    for index in 0..track.amounts.len() {
        if index.is_multiple_of(per_day) {
            learner.push(most.take());
            if let Some(numbers) = learner.due() {
                usual = quantile(numbers, limits.usual);
            }
        }
        let held = (window <= index + 1).then(|| held(index + 1 - window..=index, flow)).flatten();
        let allowed = usual.map(|usual| (usual * limits.factor).max(least));
        match open {
            Some((began, noticed, limit, low)) => {
                if flow(index).is_some_and(|flow| flow <= limit) {
                    let until = Some(track.instant(index));
                    spells.push(spell(&track, (began, index), noticed, (low, limit), until));
                    open = None;
                }
            }
            None => match (held, allowed) {
                (Some(held), Some(allowed)) if allowed < held => {
                    let mut began = index + 1 - window;
                    while 0 < began && flow(began - 1).is_some_and(|flow| allowed < flow) {
                        began -= 1;
                    }
                    open = Some((began, index + 1, allowed, held));
                }
                (Some(held), _) => most = Some(most.map_or(held, |most| most.max(held))),
                (None, _) => {}
            },
        }
    }
    if let Some((began, noticed, limit, low)) = open {
        let end = track.amounts.len();
        spells.push(spell(&track, (began, end), noticed, (low, limit), None));
    }
    spells
}

/// Returns the flow that was held over some steps, of which one may be missing.
fn held(steps: RangeInclusive<usize>, flow: impl Fn(usize) -> Option<f64>) -> Option<f64> {
    let count = steps.clone().count();
    let flows = steps.filter_map(flow);
    let (known, least) =
        flows.fold((0, f64::INFINITY), |(known, least), flow| (known + 1, least.min(flow)));
    (2 <= known && count <= known + 1).then_some(least)
}

/// Litres lost are what ran above the median hour of the week before.
fn spell(
    track: &Track,
    (began, end): (usize, usize),
    noticed: usize,
    (low, limit): (f64, f64),
    until: Option<i64>,
) -> Spell {
    let day = steps(86_400, track.step_s);
    let mut before: Vec<f64> = track.amounts[began.saturating_sub(7 * day)..began]
        .iter()
        .flatten()
        .filter(|it| 0 <= **it)
        .map(|it| amount(*it))
        .collect();
    let usual = quantile(&mut before, 0.5).unwrap_or(0.0);
    let ran = track.amounts[began..end].iter().flatten().map(|it| (amount(*it) - usual).max(0.0));
    let start = track.instant(began);
    Spell {
        from: start,
        noticed: track.instant(noticed),
        until,
        waste: rounded(ran.sum()),
        evidence: vec![Evidence { start, amount: rounded(low), limit: rounded(limit) }],
    }
}
