//! What runs at hours at which it usually rests: the statistic that [`super::after_hours_load()`]
//! and [`super::weekend_running()`] share.
//!
//! A day's stretch of the clock is compared with the same hours of days of its kind, worked
//! or off, in the weeks before. What the hours beside the stretch say of the day at large
//! (warm weather, the first week of a term) is taken off first, as far as it went through in
//! the past. What remains must be large against the meter's own nights (their spread) and
//! against the step from its night to its working day; less is asked of several days in a
//! row. Two thirds of the hours must say so: a late event is no load that nobody switched off.
//!
//! Causal: a day is judged by the days before it and by its own hours, when the last of them
//! is over.

use std::ops::Range;

use super::days::{Days, Load, bridged, mean, real, share, whole};
use crate::{
    finding::{Evidence, Finding, FindingKind, Told},
    money::Cost,
    robust::{median, quantile, share_passed_on, spread},
};

/// How many days before the first one judged must be known for a verdict that does not
/// depend on where the track begins.
pub const RUNNING_BACK_DAYS: usize = HISTORY_DAYS + REFERENCE_DAYS + 8;

/// Usual is the median of the days of the same kind in at most the six weeks before.
const REFERENCE_DAYS: usize = 42;

/// Six weeks are more than the middle needs, and by then the weather is another: from four as
/// many are found with fewer false ones (scoreboard, task `running`). Nights before days off
/// keep six.
pub(super) const USUAL_DAYS: usize = 28;
pub(super) const USUAL_NIGHTS_OFF: usize = REFERENCE_DAYS;

/// How far the days before lay from usual is known over eight weeks.
const HISTORY_DAYS: usize = 56;

/// Usual is not known from fewer days than this.
const REFERENCE_MIN: usize = 3;

/// How far days lie from usual is not known from fewer than this.
const HISTORY_MIN: usize = 6;

/// What of the hours of a stretch may lie lower: thousandths. A late event ends.
const LOW_HOURS_MILLI: usize = 300;

/// A meter reads no finer than this share of its working level.
const RESOLUTION: f64 = 0.02;

/// How far beyond its stretch a finding may reach, hours.
const REACH_H: usize = 4;

/// A step counts as waste up to so many times what the whole stretch lies above usual: a sum
/// that came late, or a spike, is no waste.
const ABOVE_MAX: f64 = 2.0;

/// A day without a verdict does not end a finding; so many days do.
const APART_DAYS: usize = 8;

/// From when a load at unusual hours is a finding.
///
/// # Source
///
/// Found on a year of 23 public buildings with running nights and weekends added, and on other
/// dates, years and buildings (scoreboard, task `running`), the same for every meter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunningLimits {
    /// Share of the step from the meter's night to its working day.
    pub share_of_step: f64,
    /// How many spreads of the meter's own past.
    pub spreads: f64,
    /// Each further day in a row eases the limit by this share of it.
    pub ease_per_day: f64,
    /// So many days in a row ease the limit, no more.
    pub days_max: usize,
    /// A day that lies above usual by less than this part of the limit for a single one wastes
    /// nothing that could be told from chance; nor is a finding of such days alone one.
    pub waste_from: f64,
    /// What a finding must have wasted, in thousandths of the meter's unit.
    pub waste_min: i64,
}

/// A stretch of the clock that is looked at each day.
pub(super) struct Stretch<'a> {
    pub(super) kind: FindingKind,
    /// Its hours, counted from midnight.
    pub(super) hours: Range<usize>,
    /// Hours that say how the day is anyway; some lie after the stretch, so it is judged
    /// when the last of them is over.
    pub(super) beside: &'a [usize],
    /// Only days off are looked at.
    pub(super) only_off: bool,
    /// From how many days before usual is known, of a worked day and of a day off.
    pub(super) usual_days: (usize, usize),
    pub(super) limits: &'a RunningLimits,
}

/// How a day lies to what is usual.
struct Excess {
    within: f64,
    beside: f64,
}

/// A day's verdict.
struct Verdict {
    day: usize,
    is_worked: bool,
    /// Excess in units of its limit for a single day.
    score: f64,
    /// Excess that the hours beside explain: on top of usual.
    explained: f64,
    /// Excess that they do not.
    excess: f64,
    /// The limit for a single day.
    limit: f64,
}

struct Looker<'a> {
    load: &'a Load<'a>,
    stretch: &'a Stretch<'a>,
    days: Days,
    excesses: Vec<Option<Excess>>,
    /// Mean of each day's working hours, and of each day's stretch.
    working: Vec<Option<f64>>,
    resting: Vec<Option<f64>>,
}

/// Finds days on which a stretch ran, judging those from `from` on.
pub(super) fn running(load: &Load<'_>, stretch: &Stretch<'_>, from: i64) -> Vec<Told> {
    let days = Days::of(load);
    let first = (0..days.len())
        .find(|&day| days.steps(day, 23).end != 0 && from <= end_of(load, &days, day, 23));
    let Some(first) = first else { return Vec::new() };
    let begin = first.saturating_sub(RUNNING_BACK_DAYS);
    let looker = Looker::new(load, stretch, days, begin);
    let verdicts: Vec<Verdict> = (first.saturating_sub(APART_DAYS)..looker.days.len())
        .filter_map(|day| looker.judge(day))
        .collect();
    let flagged = flag(&verdicts, stretch.limits);
    looker.episodes(&verdicts, &flagged)
}

fn end_of(load: &Load<'_>, days: &Days, day: usize, hour: usize) -> i64 {
    load.track.instant(days.steps(day, hour).end)
}

/// Says of each verdict whether it is part of a finding, and with which verdict it was.
fn flag(verdicts: &[Verdict], limits: &RunningLimits) -> Vec<Option<usize>> {
    let mut told = vec![None; verdicts.len()];
    for (at, verdict) in verdicts.iter().enumerate() {
        let mut low = f64::INFINITY;
        let same = verdicts[..=at]
            .iter()
            .enumerate()
            .rev()
            .take_while(|(_, it)| verdict.day - it.day < APART_DAYS)
            .filter(|(_, it)| it.is_worked == verdict.is_worked);
        for (count, (before, it)) in same.take(limits.days_max.max(1)).enumerate() {
            low = low.min(it.score);
            if 1.0 <= low * (1.0 + limits.ease_per_day * share(count, 1)) {
                // All days from there on are part of it.
                for (index, told) in told.iter_mut().enumerate().take(at + 1).skip(before) {
                    if verdicts[index].is_worked == verdict.is_worked {
                        *told = told.or(Some(at));
                    }
                }
            }
        }
    }
    told
}

impl<'a> Looker<'a> {
    fn new(load: &'a Load<'a>, stretch: &'a Stretch<'a>, days: Days, begin: usize) -> Self {
        let working = |day| days.is_worked(day).then(|| mean(&days.present(day, 9..17))).flatten();
        let resting = |day| mean(&days.present(day, 21..29));
        let mut looker = Self {
            load,
            stretch,
            working: (0..days.len()).map(working).collect(),
            resting: (0..days.len()).map(resting).collect(),
            excesses: Vec::new(),
            days,
        };
        looker.excesses =
            (0..looker.days.len()).map(|day| (begin <= day).then(|| looker.excess(day))?).collect();
        looker
    }

    fn is_looked_at(&self, day: usize) -> bool {
        !(self.stretch.only_off && self.days.is_worked(day))
    }

    /// Days before one, of its kind, of the last so many.
    fn same_kind(&self, day: usize, back: usize) -> impl Iterator<Item = usize> {
        let worked = self.days.is_worked(day);
        (day.saturating_sub(back)..day).filter(move |&it| self.days.is_worked(it) == worked)
    }

    /// What an hour usually has on a day of this kind.
    fn usual(&self, day: usize, hour: usize) -> Option<f64> {
        let (worked, off) = self.stretch.usual_days;
        let mut past: Vec<f64> = self
            .same_kind(day, if self.days.is_worked(day) { worked } else { off })
            .filter_map(|before| self.days.hour(before, hour))
            .collect();
        if past.len() < REFERENCE_MIN { None } else { median(&mut past) }
    }

    fn over_usual(&self, day: usize, hour: usize) -> Option<f64> {
        Some(self.days.hour(day, hour)? - self.usual(day, hour)?)
    }

    fn excess(&self, day: usize) -> Option<Excess> {
        if !self.is_looked_at(day) {
            return None;
        }
        let over = |hour| self.over_usual(day, hour);
        let within: Vec<Option<f64>> = self.stretch.hours.clone().map(over).collect();
        let beside: Vec<Option<f64>> = self.stretch.beside.iter().copied().map(over).collect();
        // Of a night of which a third is missing nothing is said.
        if within.iter().flatten().count() * 3 < within.len() * 2 {
            return None;
        }
        let within = quantile(&mut bridged(&within), LOW_HOURS_MILLI)?;
        Some(Excess { within, beside: mean(&bridged(&beside)).unwrap_or(0.0) })
    }

    /// Judges a day whose hours are over.
    fn judge(&self, day: usize) -> Option<Verdict> {
        if !self.days.is_over(day, self.last_hour()) {
            return None;
        }
        let excess = self.excesses.get(day)?.as_ref()?;
        let pairs: Vec<(f64, f64)> = self
            .same_kind(day, HISTORY_DAYS)
            .filter_map(|before| self.excesses[before].as_ref())
            .map(|it| (it.beside, it.within))
            .collect();
        if pairs.len() < HISTORY_MIN {
            return None;
        }
        let passed_on = share_passed_on(&pairs);
        let past: Vec<f64> = pairs.iter().map(|it| it.1 - passed_on * it.0).collect();
        let explained = passed_on * excess.beside;
        let excess = excess.within - explained;
        let (step, level) = self.step(day);
        let limits = self.stretch.limits;
        let limit = limits.share_of_step * step
            + limits.spreads * spread(&past, 0.0)?.max(RESOLUTION * level);
        (0.0 < limit).then(|| Verdict {
            day,
            is_worked: self.days.is_worked(day),
            score: excess / limit,
            explained,
            excess,
            limit,
        })
    }

    fn last_hour(&self) -> usize {
        let beside = self.stretch.beside.iter().copied().max().unwrap_or(0);
        beside.max(self.stretch.hours.end.saturating_sub(1))
    }

    /// When a day can be judged: its last hour is over.
    fn told_at(&self, day: usize) -> Option<i64> {
        let steps = self.days.steps(day, self.last_hour());
        (!steps.is_empty()).then(|| self.load.track.instant(steps.end))
    }

    /// The step from resting to working over the last four weeks, and the working level.
    fn step(&self, day: usize) -> (f64, f64) {
        let weeks = day.saturating_sub(28)..day;
        let mut working: Vec<f64> = weeks.clone().filter_map(|it| self.working[it]).collect();
        let mut resting: Vec<f64> = weeks.filter_map(|it| self.resting[it]).collect();
        let level = median(&mut working).unwrap_or(0.0);
        let rest = median(&mut resting).unwrap_or(0.0);
        ((level - rest).max(0.0), level.max(rest))
    }

    /// Joins flagged days into findings: one ends with a day of its kind that is as usual,
    /// or after a week without one.
    fn episodes(&self, verdicts: &[Verdict], flagged: &[Option<usize>]) -> Vec<Told> {
        let mut found = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        for (at, verdict) in verdicts.iter().enumerate() {
            if let Some(&last) = open.last() {
                let last = &verdicts[last];
                let is_apart = last.day + APART_DAYS < verdict.day;
                let is_usual = flagged[at].is_none() && last.is_worked == verdict.is_worked;
                if is_apart || is_usual {
                    found.extend(self.finding(verdicts, flagged, &open, true));
                    open.clear();
                }
            }
            if flagged[at].is_some() {
                open.push(at);
            }
        }
        if let Some(&last) = open.last() {
            let is_over = verdicts[last].day + APART_DAYS < self.days.len();
            found.extend(self.finding(verdicts, flagged, &open, is_over));
        }
        found
    }

    fn finding(
        &self,
        verdicts: &[Verdict],
        flagged: &[Option<usize>],
        open: &[usize],
        is_over: bool,
    ) -> Option<Told> {
        let mut evidence = Vec::new();
        let mut above = Vec::new();
        for &at in open {
            self.evidence(&verdicts[at], &mut evidence, &mut above);
        }
        let waste = above.iter().fold(0_i64, |sum, &(_, amount)| sum.saturating_add(amount));
        let first = evidence.first()?.start;
        let last = evidence.last()?.start.saturating_add(self.load.track.step_s);
        if waste < self.stretch.limits.waste_min.max(1) {
            return None;
        }
        let cost: Option<Cost> = self.load.pricing.and_then(|pricing| {
            above.iter().map(|&(start, amount)| pricing.cost_at(start, amount)).sum()
        });
        let told = open.iter().filter_map(|&at| flagged[at]).min()?;
        Some(Told {
            at: self.told_at(verdicts[told].day)?,
            finding: Finding {
                kind: self.stretch.kind,
                meter: *self.load.meter,
                area: *self.load.area,
                opened: first,
                closed: is_over.then_some(last),
                waste,
                cost_e4: cost.map(Cost::e4),
                evidence,
            },
        })
    }

    /// The steps of a flagged day: those of the stretch, and those beside it as long as
    /// they lie as high.
    fn evidence(
        &self,
        verdict: &Verdict,
        evidence: &mut Vec<Evidence>,
        above: &mut Vec<(i64, i64)>,
    ) {
        let day = verdict.day;
        let is_high = |hour: usize| {
            self.over_usual(day, hour)
                .is_some_and(|over| 0.5 * verdict.excess < over - verdict.explained)
        };
        let Range { mut start, mut end } = self.stretch.hours;
        let reach = (start.saturating_sub(REACH_H), end + REACH_H);
        while reach.0 < start && is_high(start - 1) {
            start -= 1;
        }
        while end < reach.1 && is_high(end) {
            end += 1;
        }
        for hour in start..end {
            let (Some(usual), steps) = (self.usual(day, hour), self.days.steps(day, hour)) else {
                continue;
            };
            let part = share(1, steps.len());
            let expected = (usual + verdict.explained).max(0.0) * part;
            for step in steps {
                let Some(amount) = self.load.track.amounts[step] else { continue };
                let start = self.load.track.instant(step);
                if evidence.last().is_some_and(|last| start <= last.start) {
                    continue;
                }
                evidence.push(Evidence {
                    start,
                    amount,
                    limit: whole(expected + verdict.limit.max(0.0) * part),
                });
                if verdict.score < self.stretch.limits.waste_from {
                    continue;
                }
                let most = ABOVE_MAX * verdict.excess.max(0.0) * part;
                above.push((start, whole((real(amount) - expected).clamp(0.0, most))));
            }
        }
    }
}

#[cfg(test)]
mod tests;
