//! A meter and those behind it that no longer agree as they used to.
//!
//! # What it means
//!
//! A main meter counts more than its sub-meters together: what has no meter of its own, and
//! the errors of all. That rest, as a share of the main meter, is a habit of the building. If
//! it leaves what it was for days, one of the meters counts wrongly: a current transformer
//! of one phase came off, a pulse wire loses every other pulse, something was connected past
//! its meter. A meter that stands still or counts in another unit is told as that.
//!
//! # What to do
//!
//! Look at the meter that is named first: its phases, its transformers, its pulse wire.
//! Where none is named, ask what was connected or rewired on that day.
//!
//! A day counts if enough of its hours were measured by all of them. It begins with the first
//! of three such days in a row outside of what is usual, on the same side, and ends with the
//! first of three that are within. A meter behind is named if its own days differ from those
//! of its last weeks by about what is missing, and no other's do.
//!
//! Where much has no meter of its own, the rest follows weather and use like any load: it is
//! told only if a meter behind explains it.
//!
//! Learning: nothing is said until two weeks of days counted. While it lasts nothing is learnt.

use crate::finding::Evidence;
use crate::track::Track;

use super::spell::{Spell, amount, quantile, rounded, steps};

/// What is allowed of the rest.
///
/// # Source
///
/// A proposal of our own. Meters of class 1 and transformers of class 0.5 err by 1.5 % of
/// what they carry, and the more the less they carry: a twentieth of the main meter is
/// beyond what a whole board of them can be off by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SumLimits {
    /// How many hours of a day all of them must have measured.
    pub hours_min: usize,
    /// For how many days in a row it must be so, and be over.
    pub days: usize,
    /// How far beyond the usual shares at least, of the main meter.
    pub share_min: f64,
    /// How far beyond them, times their width.
    pub width: f64,
    /// From which usual share on a rest of which no meter is named is not told.
    pub rest_max: f64,
    /// How far back is learnt, days.
    pub learn_days: usize,
    /// How many days must have counted before anything is said.
    pub learn_days_min: usize,
}

impl Default for SumLimits {
    fn default() -> Self {
        Self {
            hours_min: 18,
            days: 3,
            share_min: 0.05,
            width: 0.5,
            rest_max: 0.3,
            learn_days: 56,
            learn_days_min: 14,
        }
    }
}

/// A time in which they do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// When; its evidence has a row for each day, shares in thousandths.
    pub spell: Spell,
    /// Which of the meters behind explains it, by its place, if one does.
    pub part: Option<usize>,
}

/// In a day that counts: what the main meter measured, and each behind it, in the hours that
/// all of them measured.
struct Day {
    main: f64,
    parts: Vec<f64>,
}

impl Day {
    fn share(&self) -> f64 {
        (self.main - self.parts.iter().sum::<f64>()) / self.main
    }
}

/// Finds times in which the rest between a meter and those behind it is not what it was.
///
/// `main` and `parts` begin at the same local midnight, at steps of up to an hour; a
/// negative amount is a gap. Of parts that begin elsewhere nothing is said.
#[must_use]
pub fn sum_mismatch(main: &Track, parts: &[Track], limits: &SumLimits) -> Vec<Mismatch> {
    let main = main.hourly();
    let parts: Vec<Track> = parts.iter().map(Track::hourly).collect();
    let alike = |it: &Track| (it.start, it.step_s) == (main.start, main.step_s);
    if parts.is_empty() || !parts.iter().all(alike) {
        return Vec::new();
    }
    let days = days(&main, &parts, limits);
    let start = |day: usize| main.instant(day * steps(86_400, main.step_s));
    // What is learnt from: not from days that are accused.
    let mut learnt: Vec<Option<f64>> = Vec::new();
    let mut open: Option<Mismatch> = None;
    let mut run: Vec<usize> = Vec::new();
    // Above what is usual or below it.
    let mut side = 0_i8;
    let mut found = Vec::new();
    for (at, day) in days.iter().enumerate() {
        learnt.push(None);
        let Some(day) = day else { continue };
        let share = day.share();
        let Some((low, high)) = usual(&learnt, limits) else {
            learnt[at] = Some(share);
            continue;
        };
        let margin = limits.share_min.max((high - low) * limits.width);
        let beyond = if high + margin < share {
            1
        } else if share < low - margin {
            -1
        } else {
            0
        };
        let allowed = if 0.0 <= share - low { high + margin } else { low - margin };
        let evidence = Evidence { start: start(at), amount: milli(share), limit: milli(allowed) };
        if let Some(mismatch) = &mut open {
            if beyond == 0 {
                run.push(at);
            } else {
                run.clear();
                mismatch.spell.evidence.push(evidence);
            }
            if let [first, ..] = run[..]
                && limits.days <= run.len()
            {
                mismatch.spell.until = Some(start(first));
                found.extend(open.take());
                run.clear();
            }
            continue;
        }
        if beyond == 0 {
            run.clear();
            learnt[at] = Some(share);
            continue;
        }
        if beyond != side {
            run.clear();
            side = beyond;
        }
        run.push(at);
        if let [first, ..] = run[..]
            && limits.days <= run.len()
        {
            let middle = f64::midpoint(low, high);
            let rows = run.iter().filter_map(|it| {
                let share = days[*it].as_ref()?.share();
                Some(Evidence { start: start(*it), amount: milli(share), limit: milli(allowed) })
            });
            let spell = Spell {
                from: start(first),
                noticed: start(at + 1).min(main.end()),
                until: None,
                waste: 0,
                evidence: rows.collect(),
            };
            let part = culprit(&days, &run, middle, &learnt);
            if part.is_some() || high < limits.rest_max {
                open = Some(Mismatch { spell, part });
            } else {
                for at in &run {
                    learnt[*at] = days[*at].as_ref().map(Day::share);
                }
            }
            run.clear();
        }
    }
    found.extend(open);
    found
}

/// A share of the main meter in thousandths.
fn milli(share: f64) -> i64 {
    rounded(share * 1_000.0)
}

fn days(main: &Track, parts: &[Track], limits: &SumLimits) -> Vec<Option<Day>> {
    let per_day = steps(86_400, main.step_s);
    let measured = |track: &Track, step: usize| {
        track.amounts.get(step).copied().flatten().filter(|it| 0 <= *it).map(amount)
    };
    let one = |day: usize| {
        let mut sums = Day { main: 0.0, parts: vec![0.0; parts.len()] };
        let mut compared = 0;
        for step in day * per_day..(day + 1) * per_day {
            let each: Option<Vec<f64>> = parts.iter().map(|it| measured(it, step)).collect();
            if let (Some(all), Some(each)) = (measured(main, step), each) {
                compared += 1;
                sums.main += all;
                sums.parts.iter_mut().zip(each).for_each(|(sum, it)| *sum += it);
            }
        }
        let is_enough = limits.hours_min * per_day <= compared * 24;
        (is_enough && 0.0 < sums.main).then_some(sums)
    };
    // A day that is not over is not judged.
    (0..main.amounts.len() / per_day).map(one).collect()
}

/// Returns between which shares the rest of nine days in ten lay.
fn usual(learnt: &[Option<f64>], limits: &SumLimits) -> Option<(f64, f64)> {
    let from = learnt.len().saturating_sub(limits.learn_days);
    let mut known: Vec<f64> = learnt.iter().skip(from).flatten().copied().collect();
    if known.len() < limits.learn_days_min {
        return None;
    }
    Some((quantile(&mut known, 0.05)?, quantile(&mut known, 0.95)?))
}

/// What a meter's days must differ by, of what is missing, to explain it.
const EXPLAINS: std::ops::RangeInclusive<f64> = 0.5..=2.0;
/// What they must differ by, of themselves: less is weather.
const DIFFERS: f64 = 0.2;

/// Returns the only meter behind whose days differ from those of the weeks before by about
/// what is missing.
fn culprit(
    days: &[Option<Day>],
    run: &[usize],
    middle: f64,
    learnt: &[Option<f64>],
) -> Option<usize> {
    let accused = || run.iter().filter_map(|at| Some((*at, days.get(*at)?.as_ref()?)));
    let missing: f64 = accused().map(|(_, day)| (day.share() - middle) * day.main).sum();
    let count = accused().next()?.1.parts.len();
    let explains = |part: &usize| {
        let mut gone = 0.0;
        let mut usual_sum = 0.0;
        for (at, day) in accused() {
            let Some(usual) = usual_of(days, learnt, at, *part) else { return false };
            gone += usual - day.parts.get(*part).copied().unwrap_or(0.0);
            usual_sum += usual;
        }
        EXPLAINS.contains(&(gone / missing)) && usual_sum * DIFFERS <= gone.abs()
    };
    let mut parts = (0..count).filter(explains);
    parts.next().filter(|_| parts.next().is_none())
}

/// Returns what a meter behind measured on such a day of the four weeks before.
fn usual_of(days: &[Option<Day>], learnt: &[Option<f64>], at: usize, part: usize) -> Option<f64> {
    let mut known: Vec<f64> = (1..=4)
        .filter_map(|weeks| at.checked_sub(weeks * 7))
        .filter(|at| learnt.get(*at).is_some_and(Option::is_some))
        .filter_map(|at| days.get(at)?.as_ref()?.parts.get(part).copied())
        .collect();
    quantile(&mut known, 0.5)
}

#[cfg(test)]
#[path = "sum_tests.rs"]
mod tests;
