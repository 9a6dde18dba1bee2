//! A stretch of time in which something holds, and what robust statistics need to find it.

use wire::Name;

use crate::finding::{Evidence, Finding, FindingKind};
use crate::tariff::Pricing;

/// A stretch of time of which a detector says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spell {
    /// Since when it holds.
    pub from: i64,
    /// When it could first be said: the end of the step that decided it. What is said
    /// rests on nothing after this instant.
    pub noticed: i64,
    /// Since when it no longer holds; `None` while it does.
    pub until: Option<i64>,
    /// What went through above what ought to have, in thousandths of the meter's unit.
    pub waste: i64,
    /// What was measured and what was allowed when it was noticed, in order of time.
    pub evidence: Vec<Evidence>,
}

impl Spell {
    /// Returns whether an instant lies within.
    #[must_use]
    pub fn holds_at(&self, instant: i64) -> bool {
        self.from <= instant && self.until.is_none_or(|until| instant < until)
    }

    /// Returns whether two stretches have an instant in common.
    #[must_use]
    pub fn touches(&self, other: &Self) -> bool {
        other.until.is_none_or(|until| self.from < until)
            && self.until.is_none_or(|until| other.from < until)
    }

    /// Returns the finding of a meter that this is; the waste is priced as of its beginning.
    #[must_use]
    pub fn finding(
        self,
        kind: FindingKind,
        meter: &Name,
        area: &Name,
        pricing: Option<&Pricing<'_>>,
    ) -> Finding {
        let cost = pricing.and_then(|pricing| pricing.cost_at(self.from, self.waste));
        Finding {
            kind,
            meter: *meter,
            area: *area,
            opened: self.from,
            closed: self.until,
            waste: self.waste,
            cost_e4: cost.map(crate::money::Cost::e4),
            evidence: self.evidence,
        }
    }
}

/// Joins stretches that lie less than a time apart, s: as of `now` the last is open until so
/// long was without. In order of time, as they are given.
#[must_use]
pub fn joined(spells: Vec<Spell>, apart_s: i64, now: i64) -> Vec<Spell> {
    let mut joined: Vec<Spell> = Vec::new();
    for spell in spells {
        match joined.last_mut() {
            Some(last)
                if last.until.is_none_or(|until| spell.from < until.saturating_add(apart_s)) =>
            {
                last.until = spell.until;
                last.waste = last.waste.saturating_add(spell.waste);
                last.evidence.extend(spell.evidence);
            }
            _ => joined.push(spell),
        }
    }
    if let Some(last) = joined.last_mut() {
        last.until = last.until.filter(|until| until.saturating_add(apart_s) <= now);
    }
    joined
}

/// Returns a quantile of numbers by nearest rank; sorts them. `None` of none.
pub(super) fn quantile(numbers: &mut [f64], share: f64) -> Option<f64> {
    if numbers.is_empty() {
        return None;
    }
    let at = rounded(share * real(numbers.len() - 1));
    let at = usize::try_from(at).unwrap_or(0).min(numbers.len() - 1);
    let (_, found, _) = numbers.select_nth_unstable_by(at, f64::total_cmp);
    Some(*found)
}

/// Returns a count as a real number.
#[expect(clippy::cast_precision_loss, reason = "counts of steps are far below 2^53")]
pub(super) fn real(count: usize) -> f64 {
    count as f64
}

/// Returns an amount as a real number.
#[expect(clippy::cast_precision_loss, reason = "statistics bear the last bit")]
pub(super) fn amount(thousandths: i64) -> f64 {
    thousandths as f64
}

/// Returns a real number as the nearest integer.
#[expect(clippy::cast_possible_truncation, reason = "it saturates; absurd is absurd")]
pub(super) fn rounded(number: f64) -> i64 {
    number.round() as i64
}

/// Returns how many steps a time is, at least one.
pub(super) fn steps(time_s: i64, step_s: i64) -> usize {
    usize::try_from(time_s / step_s.max(1)).unwrap_or(0).max(1)
}

/// Learns a limit anew each day from the days before, from what was not accused.
///
/// While what is accused hides the days before, the limit stays what it was: a fault that
/// lasts does not become usual.
pub(super) struct Learner {
    /// How far back it learns, steps.
    back: usize,
    /// Below this many numbers nothing is learnt.
    least: usize,
    per_day: usize,
    numbers: Vec<Option<f64>>,
    scratch: Vec<f64>,
}

impl Learner {
    pub(super) fn new(back: usize, least: usize, per_day: usize) -> Self {
        Self { back, least, per_day: per_day.max(1), numbers: Vec::new(), scratch: Vec::new() }
    }

    /// Takes the number of the next step, `None` for one that teaches nothing.
    pub(super) fn push(&mut self, number: Option<f64>) {
        self.numbers.push(number);
    }

    /// Forgets the last steps: they turned out to be a fault.
    pub(super) fn forget(&mut self, count: usize) {
        let from = self.numbers.len().saturating_sub(count);
        for number in self.numbers.iter_mut().skip(from) {
            *number = None;
        }
    }

    /// Returns what is learnt now, if it is time to learn and there is enough.
    pub(super) fn due(&mut self) -> Option<&mut [f64]> {
        if !self.numbers.len().is_multiple_of(self.per_day) {
            return None;
        }
        let from = self.numbers.len().saturating_sub(self.back);
        self.scratch.clear();
        self.scratch.extend(self.numbers.iter().skip(from).flatten());
        (self.least <= self.scratch.len()).then_some(self.scratch.as_mut_slice())
    }
}
