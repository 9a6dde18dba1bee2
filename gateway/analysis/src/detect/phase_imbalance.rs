//! Three phases that are not loaded alike.
//!
//! # What it means
//!
//! For half an hour one phase carried clearly more or less than the mean of the three. The
//! neutral then carries the difference; transformer and cables reach their limit in one phase
//! while the others idle, and losses grow. Usual causes: too many single-phase circuits on
//! one phase, a fuse of one phase blown, a three-phase motor that runs on two.
//!
//! # What to do
//!
//! A phase at nothing while the others are loaded: look at its fuse first. Otherwise list the
//! single-phase circuits by their currents and move some, with an electrician.
//!
//! # Source
//!
//! 15 % of the mean is the usual rule for the operation of distribution transformers; the
//! half hour and the least current are proposals of our own.

use super::spell::Spell;
use crate::finding::Evidence;

/// The currents of three phases at an instant, mA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currents {
    /// When they were read.
    pub instant: i64,
    /// L1, L2, L3.
    pub phases_ma: [i64; 3],
}

/// What is allowed of three phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImbalanceLimits {
    /// How far a phase may lie from the mean of the three, thousandths of it.
    pub most_milli: i64,
    /// Below this mean current nothing is said, mA: single lamps are no imbalance.
    pub least_ma: i64,
    /// How long it must last, s.
    pub lasts_s: i64,
    /// Readings further apart than this do not belong together, s.
    pub gap_s: i64,
}

impl Default for ImbalanceLimits {
    fn default() -> Self {
        Self { most_milli: 150, least_ma: 10_000, lasts_s: 1_800, gap_s: 900 }
    }
}

/// Returns how far the phase that differs most lies from the mean of the three, thousandths of
/// it; `None` below the least current. Currents count by their size.
#[must_use]
pub fn imbalance_milli(phases_ma: [i64; 3], least_ma: i64) -> Option<i64> {
    let phases = phases_ma.map(|phase| i128::from(phase).abs());
    let sum: i128 = phases.iter().sum();
    if sum <= 0 || sum < i128::from(least_ma) * 3 {
        return None;
    }
    // Three times each, so that the mean stays whole.
    let most = phases.iter().map(|phase| (3 * phase - sum).abs()).max()?;
    i64::try_from(most * 1_000 / sum).ok()
}

/// Finds stretches in which the phases are not loaded alike.
///
/// `currents` in order of time. A spell begins with the first reading of its kind, is noticed
/// with the one by which it has lasted long enough, and ends with the first that is within the
/// limit or too small to say; a gap in the readings begins the count anew but ends nothing.
/// Evidence is the imbalance when it was noticed and whenever it became worse, thousandths.
#[must_use]
pub fn phase_imbalance(currents: &[Currents], limits: &ImbalanceLimits) -> Vec<Spell> {
    let mut spells: Vec<Spell> = Vec::new();
    let mut since: Option<i64> = None;
    let mut last = i64::MIN;
    for reading in currents {
        let at = reading.instant;
        if at < last {
            continue;
        }
        if limits.gap_s < at.saturating_sub(last) {
            since = None;
        }
        last = at;
        let found = imbalance_milli(reading.phases_ma, limits.least_ma)
            .filter(|&found| limits.most_milli < found);
        let open = spells.last_mut().filter(|spell| spell.until.is_none());
        let Some(found) = found else {
            since = None;
            if let Some(spell) = open {
                spell.until = Some(at);
            }
            continue;
        };
        let evidence = Evidence { start: at, amount: found, limit: limits.most_milli };
        let began = *since.get_or_insert(at);
        match open {
            Some(spell) if spell.evidence.last().is_none_or(|worst| worst.amount < found) => {
                spell.evidence.push(evidence);
            }
            None if limits.lasts_s <= at.saturating_sub(began) => spells.push(Spell {
                from: began,
                noticed: at,
                until: None,
                waste: 0,
                evidence: vec![evidence],
            }),
            Some(_) | None => {}
        }
    }
    spells
}

#[cfg(test)]
mod tests;
