//! A meter that stands still: no amounts, or the same amount for ever.
//!
//! What it means. No amounts at a meter that never rests so long: its pulse wire came off,
//! its converter lost power, its counter no longer moves; if the sum of what is missing
//! then comes in one step, it counted on and only the transmission was away (a *catch-up*,
//! told with the standstill and not as a spike). The same amount for a whole day and night:
//! a value is repeated by something on the way. No building draws the same by day and by
//! night to the last digit.
//!
//! What to do: look at the meter's own display twice, an hour apart. If it moves, look at
//! wire, converter and node; if it does not, have it changed.
//!
//! How long a meter usually rests is learnt from the longest rests that ended in its days, so a
//! school at weekends and a household at night are not accused; a rest counts once, however
//! long it was, so a month of absence is not what is usual. It begins with the first step
//! that stood still, and ends with the first that does not.

use crate::finding::Evidence;
use crate::track::Track;

use super::spell::{Learner, Spell, amount, quantile, real, rounded, steps};

/// What is allowed of a meter at rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StandstillLimits {
    /// No rest shorter than this is accused, s.
    pub rest_s: i64,
    /// No repetition of an amount shorter than this is accused, s: a day and a night.
    pub same_s: i64,
    /// How many times its usual rest (the longest of nine days in ten) a meter may rest.
    pub factor: f64,
    /// A meter that has counted nothing for that long since its first reading is accused
    /// before anything is learnt of it, s.
    pub never_s: i64,
    /// Nothing measured for that long is an outage too, s.
    pub gap_s: i64,
    /// How far back is learnt, s.
    pub learn_s: i64,
    /// How much must have been measured before anything is said, s.
    pub learn_min_s: i64,
}

impl Default for StandstillLimits {
    fn default() -> Self {
        Self {
            rest_s: 6 * 3_600,
            same_s: 24 * 3_600,
            factor: 4.0,
            never_s: 7 * 86_400,
            gap_s: 36 * 3_600,
            learn_s: 56 * 86_400,
            learn_min_s: 14 * 86_400,
        }
    }
}

impl StandstillLimits {
    /// Returns what is allowed of a meter that people turn on and off, as one of water:
    /// over a long weekend nobody may be there.
    #[must_use]
    pub fn by_people() -> Self {
        Self { rest_s: 72 * 3_600, factor: 3.0, ..Self::default() }
    }
}

/// How a meter stood still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standstill {
    /// No amounts; `true` if what was missing came in one step afterwards.
    Rest(Spell, bool),
    /// The same amount again and again.
    Same(Spell),
    /// Nothing measured.
    Gap(Spell),
}

impl Standstill {
    /// Returns its stretch of time.
    #[must_use]
    pub fn spell(&self) -> &Spell {
        match self {
            Self::Rest(spell, _) | Self::Same(spell) | Self::Gap(spell) => spell,
        }
    }
}

/// Finds stretches in which a meter stood still, in order of their beginnings.
///
/// `expected` says for a step whether use is to be expected in it, as a heating's by the
/// weather; a rest in steps without use is no standstill.
#[must_use]
pub fn standstill(
    track: &Track,
    limits: &StandstillLimits,
    expected: impl Fn(usize) -> bool,
) -> Vec<Standstill> {
    let track = track.hourly();
    let mut found = runs(&track, limits, limits.rest_s, |cell, _| cell == 0, &expected)
        .into_iter()
        .map(|(run, spell)| {
            let caught_up = caught_up(&track, &run);
            let mut spell = spell;
            if let Some(evidence) = caught_up {
                // The step that brings the sum belongs to it.
                spell.until = spell.until.map(|it| it + track.step_s);
                spell.evidence = vec![evidence];
            }
            Standstill::Rest(spell, caught_up.is_some())
        })
        .collect::<Vec<_>>();
    let same = |cell: i64, before: Option<i64>| cell != 0 && before == Some(cell);
    let same = runs(&track, limits, limits.same_s, same, |_| true);
    found.extend(same.into_iter().map(|(_, spell)| Standstill::Same(spell)));
    found.extend(gaps(&track, limits).into_iter().map(Standstill::Gap));
    found.sort_by_key(|it| it.spell().from);
    found
}

/// A sum is at most so many times what was missing; a counter that jumped brings any amount.
const SUM_MAX: f64 = 5.0;

/// Steps of a run: first, and the one after the last that belongs to it.
pub(super) type Run = std::ops::Range<usize>;

/// Finds runs of steps that are so, longer than is usual of this meter. A gap belongs to
/// the run it lies in, but does not make it longer.
fn runs(
    track: &Track,
    limits: &StandstillLimits,
    least_s: i64,
    is_so: impl Fn(i64, Option<i64>) -> bool,
    expected: impl Fn(usize) -> bool,
) -> Vec<(Run, Spell)> {
    let per_day = steps(86_400, track.step_s);
    let least = real(steps(least_s, track.step_s));
    let days_min = steps(limits.learn_min_s, 86_400);
    // One number a day: how long a run was in it.
    let mut learner = Learner::new(steps(limits.learn_s, 86_400), days_min, 1);
    let mut allowed: Option<f64> = None;
    let mut longest: Option<f64> = None;
    let never = real(steps(limits.never_s, track.step_s));
    let mut has_moved = false;
    let mut before: Option<i64> = None;
    let (mut began, mut count, mut noticed) = (0, 0_usize, None);
    let mut found = Vec::new();
    let spell = |run: &Run, noticed: usize, allowed: f64, until: Option<i64>| Spell {
        from: track.instant(run.start),
        noticed: track.instant(noticed),
        until,
        waste: 0,
        evidence: vec![Evidence {
            start: track.instant(run.start),
            amount: track.instant(noticed) - track.instant(run.start),
            limit: rounded(allowed) * track.step_s,
        }],
    };
    for (index, cell) in track.amounts.iter().enumerate() {
        if index.is_multiple_of(per_day) {
            // A rest is one number, however many days it lasts: a month in which nobody was
            // there would else be what is usual.
            learner.push(longest.take().filter(|_| count < per_day));
            if let Some(numbers) = learner.due() {
                let usual = quantile(numbers, 0.9).unwrap_or(0.0);
                allowed = Some((usual * limits.factor).max(least));
            }
        }
        let Some(cell) = *cell else { continue };
        has_moved |= cell != 0;
        if is_so(cell, before) {
            if count == 0 {
                began = index;
            }
            count += usize::from(expected(index) || noticed.is_some());
        } else {
            if noticed.is_none() && 0 < count {
                longest = Some(longest.map_or(real(count), |it| it.max(real(count))));
            }
            if let Some((noticed, allowed)) = noticed.take() {
                let run = began..index;
                let until = Some(track.instant(index));
                found.push((run.clone(), spell(&run, noticed, allowed, until)));
            }
            count = 0;
        }
        before = Some(cell);
        if noticed.is_none() {
            // Until it first moves there is nothing to learn from.
            let allowed = if has_moved { allowed } else { Some(never) };
            match allowed {
                Some(allowed) if allowed <= real(count) && 0 < count => {
                    noticed = Some((index + 1, allowed));
                    longest = None;
                }
                _ if !has_moved => {}
                _ => longest = Some(longest.map_or(real(count), |it| it.max(real(count)))),
            }
        }
    }
    if let Some((noticed, allowed)) = noticed {
        let run = began..track.amounts.len();
        found.push((run.clone(), spell(&run, noticed, allowed, None)));
    }
    found
}

/// Returns the step after a run, if it brings at least half of what was missing and not far
/// more, as the steps a day and a week before say it: what it brings, and what was missing.
pub(super) fn caught_up(track: &Track, run: &Run) -> Option<Evidence> {
    let lump = track.amounts.get(run.end).copied().flatten()?;
    let day = steps(86_400, track.step_s);
    let usual = |index: usize| {
        [day, 7 * day]
            .iter()
            .filter_map(|back| index.checked_sub(*back))
            .filter_map(|at| track.amounts[at].filter(|it| 0 < *it))
            .min()
    };
    let known: Vec<f64> = run.clone().filter_map(usual).map(amount).collect();
    if known.is_empty() {
        return None;
    }
    let mean = known.iter().sum::<f64>() / real(known.len());
    let missing = mean * real(run.len());
    // What went through in the step itself comes on top.
    let is_sum = missing / 2.0 <= amount(lump) && amount(lump) <= SUM_MAX * (missing + mean);
    let evidence =
        Evidence { start: track.instant(run.end), amount: lump, limit: rounded(missing) };
    (is_sum && 2 <= run.len()).then_some(evidence)
}

fn gaps(track: &Track, limits: &StandstillLimits) -> Vec<Spell> {
    let least = steps(limits.gap_s, track.step_s);
    let mut found = Vec::new();
    let mut began = None;
    let known = track.amounts.iter().map(Option::is_some).chain([true]).enumerate();
    for (index, is_known) in known {
        match (is_known, began) {
            // Before its first reading a meter is not there.
            (false, None) if 0 < index => began = Some(index),
            (true, Some(first)) => {
                began = None;
                if least <= index - first {
                    let is_over = index < track.amounts.len();
                    found.push(Spell {
                        from: track.instant(first),
                        noticed: track.instant(first + least),
                        until: is_over.then(|| track.instant(index)),
                        waste: 0,
                        evidence: vec![Evidence {
                            start: track.instant(first),
                            amount: limits.gap_s,
                            limit: limits.gap_s,
                        }],
                    });
                }
            }
            (false, _) | (true, None) => {}
        }
    }
    found
}
