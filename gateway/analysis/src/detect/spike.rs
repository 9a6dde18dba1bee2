//! An amount that cannot be.
//!
//! What it means: one or two steps hold far more than this meter ever had in weeks. A
//! building's load has a ceiling; a counter that jumped, a bit that fell over on the wire
//! or a doubled pulse does not.
//!
//! What to do: compare with the meter's display; correct the step if the display does not
//! show it. Reports count what is measured until it is corrected.
//!
//! The limit is learnt: a multiple of the largest amount of eight weeks. If the amounts
//! stay above it, it is no spike but a change of scale or a new load, and not said here.

use crate::finding::Evidence;
use crate::track::Track;

use super::spell::{Learner, Spell, amount, quantile, rounded, steps};

/// What is allowed of a single step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpikeLimits {
    /// How many times the largest usual amount is allowed.
    pub factor: f64,
    /// How many steps in a row may be above it and still be a spike.
    pub steps_max: usize,
    /// How far back is learnt, s.
    pub learn_s: i64,
    /// How much must have been measured before anything is said, s.
    pub learn_min_s: i64,
}

impl Default for SpikeLimits {
    fn default() -> Self {
        Self { factor: 2.0, steps_max: 2, learn_s: 56 * 86_400, learn_min_s: 14 * 86_400 }
    }
}

/// Finds steps that hold far more than the meter ever had; a gap says nothing.
#[must_use]
pub fn spike(track: &Track, limits: &SpikeLimits) -> Vec<Spell> {
    let track = track.hourly();
    let per_day = steps(86_400, track.step_s);
    let days_min = steps(limits.learn_min_s, 86_400);
    // One number a day: its largest amount.
    let mut learner = Learner::new(steps(limits.learn_s, 86_400), days_min, 1);
    let mut most: Option<f64> = None;
    let mut allowed: Option<f64> = None;
    let mut run: Option<(usize, usize, i64)> = None;
    let mut spells = Vec::new();
    for (index, cell) in track.amounts.iter().enumerate() {
        if index.is_multiple_of(per_day) {
            learner.push(most.take());
            if let Some(numbers) = learner.due() {
                allowed = quantile(numbers, 1.0).map(|most| most * limits.factor);
            }
        }
        let Some(cell) = cell.filter(|it| 0 <= *it) else { continue };
        let limit = allowed.filter(|it| 0.0 < *it);
        if limit.is_some_and(|limit| limit < amount(cell)) {
            let (first, count, peak) = run.unwrap_or((index, 0, 0));
            run = Some((first, count + 1, peak.max(cell)));
            // A new level is learnt, a spike is not.
            if limits.steps_max < count + 1 {
                most = Some(most.map_or(amount(cell), |most| most.max(amount(cell))));
            }
            continue;
        }
        if let Some((first, count, peak)) = run.take()
            && count <= limits.steps_max
        {
            let start = track.instant(first);
            let limit = rounded(limit.unwrap_or(0.0));
            spells.push(Spell {
                from: start,
                noticed: track.instant(index + 1),
                until: Some(track.instant(index)),
                waste: 0,
                evidence: vec![Evidence { start, amount: peak, limit }],
            });
        }
        most = Some(most.map_or(amount(cell), |most| most.max(amount(cell))));
    }
    spells
}
