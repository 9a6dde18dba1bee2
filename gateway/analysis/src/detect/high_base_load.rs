//! A base load that creeps up over weeks.
//!
//! # What it means
//!
//! What the meter takes between midnight and six, when nobody is there, has been above the
//! four weeks before for days on end, and the other meters of the site have not risen with it
//! (all rise together when the heating season begins). No single night is remarkable: small
//! excesses are added up day by day, less a little that is allowed, until the sum is more
//! than chance. Usual causes: new equipment that is never off, a server room that grew,
//! water heaters, trace heating, a valve or a fan that no longer closes.
//!
//! # What to do
//!
//! Ask what was installed or altered in the first days of the finding. Go there at night and
//! open one branch after the other: the load falls with the one that has it. If it is
//! needed, mark the finding as not waste with the reason; after six weeks the new level is
//! what is compared with anyway.
//!
//! Not here: one night ([`super::after_hours_load()`]); water that never rests (leaks).

use std::collections::BTreeMap;

use super::days::{Days, Load, mean, share, whole};
use crate::{
    finding::{Evidence, Finding, FindingKind, Told},
    money::Cost,
    robust::{median, quantile},
};

/// How many days before the first one that counts should be known, so that findings before
/// it are known too.
pub const BASE_LOAD_BACK_DAYS: usize = 180;

/// The hours that are the base load.
const NIGHT: std::ops::Range<usize> = 0..6;
const NIGHT_HOURS_MIN: usize = 4;

/// Of a night's hours this share lies lower: thousandths. One late hour is no base load.
const BASE_MILLI: usize = 400;

/// Before was the median of four weeks that ended ten days ago: a rise is not yet in it.
const BEFORE_DAYS: usize = 28;
const APART_DAYS: usize = 10;
const BEFORE_MIN: usize = 10;

/// How much one night differs from the next is known over eight weeks.
const NOISE_DAYS: usize = 56;

/// After a finding the new level is known from two weeks.
const RELEARN_DAYS: usize = 14;

/// A base load below this share of the mean load is none.
const RESOLUTION: f64 = 0.02;

/// Fewer meters than this are no site that rises together.
const PEERS_MIN: usize = 3;

/// From when a risen base load is a finding.
///
/// # Source
///
/// Found on a year of 23 public buildings with a rise of a quarter over three weeks added
/// (scoreboard, task `base_load`), the same for every meter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaseLoadLimits {
    /// No night's noise is taken for less than this share of the level.
    pub noise_min: f64,
    /// What each day may lie above before, in units of noise.
    pub allowed: f64,
    /// What each day counts at most, in units of noise.
    pub day_max: f64,
    /// The sum from which it is a finding.
    pub sum_min: f64,
    /// It is over when five nights lie less than this share above before.
    pub over_below: f64,
    /// It is over after so many days: then the new level is usual.
    pub days_max: usize,
    /// What a finding must have wasted, in thousandths of the meter's unit.
    pub waste_min: i64,
}

impl Default for BaseLoadLimits {
    fn default() -> Self {
        Self {
            noise_min: 0.03,
            allowed: 0.5,
            day_max: 2.0,
            sum_min: 6.0,
            over_below: 0.03,
            days_max: 42,
            waste_min: 0,
        }
    }
}

/// How much the base load of each day lies above before: the logarithm of the ratio, by the
/// day's first instant.
pub type Rises = BTreeMap<i64, f64>;

/// Returns how much a load's base lies above before, day by day.
#[must_use]
pub fn base_rises(load: &Load<'_>) -> Rises {
    let days = Days::of(load);
    let nights = Nights::of(&days);
    (0..days.len())
        .filter_map(|day| {
            let before = nights.before(day, 0)?;
            Some((start_of(load, &days, day)?, nights.level(day, day)? - before))
        })
        .collect()
}

/// Returns by how much most meters of a site rose; never less than nothing, since that others
/// fell excuses nobody. Empty where there are fewer than three others.
#[must_use]
pub fn common_rise(others: &[&Rises]) -> Rises {
    let mut by_day: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (&day, &rise) in others.iter().copied().flatten() {
        by_day.entry(day).or_default().push(rise);
    }
    by_day
        .into_iter()
        .filter(|(_, rises)| PEERS_MIN <= rises.len())
        .filter_map(|(day, mut rises)| Some((day, median(&mut rises)?.max(0.0))))
        .collect()
}

fn start_of(load: &Load<'_>, days: &Days, day: usize) -> Option<i64> {
    let steps = days.steps(day, 0);
    (!steps.is_empty()).then(|| load.track.instant(steps.start))
}

/// The base load of each night, and the mean load of each day.
struct Nights {
    base: Vec<Option<f64>>,
    mean: Vec<Option<f64>>,
}

impl Nights {
    fn of(days: &Days) -> Self {
        let base = |day| {
            let mut hours = days.present(day, NIGHT);
            let is_known = NIGHT_HOURS_MIN <= hours.len() && days.is_over(day, NIGHT.end - 1);
            if is_known { quantile(&mut hours, BASE_MILLI) } else { None }
        };
        Self {
            base: (0..days.len()).map(base).collect(),
            mean: (0..days.len()).map(|day| mean(&days.present(day, 0..24))).collect(),
        }
    }

    /// What counts as nothing on a day.
    fn floor(&self, day: usize) -> f64 {
        let mut past: Vec<f64> =
            self.mean[day.saturating_sub(BEFORE_DAYS)..day].iter().copied().flatten().collect();
        (RESOLUTION * median(&mut past).unwrap_or(0.0)).max(f64::MIN_POSITIVE)
    }

    /// The logarithm of a night's base load, as seen on a day.
    fn level(&self, night: usize, day: usize) -> Option<f64> {
        Some(self.base[night]?.max(self.floor(day)).ln())
    }

    /// The level before a day, of nights not before `first`.
    fn before(&self, day: usize, first: usize) -> Option<f64> {
        let begin = day.saturating_sub(BEFORE_DAYS + APART_DAYS).max(first);
        let floor = self.floor(day);
        let mut levels: Vec<f64> = (begin..day.saturating_sub(APART_DAYS))
            .filter_map(|night| Some(self.base[night]?.max(floor).ln()))
            .collect();
        if levels.len() < BEFORE_MIN { None } else { median(&mut levels) }
    }

    /// How much one night differs from the next.
    fn noise(&self, day: usize) -> f64 {
        let floor = self.floor(day);
        let levels: Vec<Option<f64>> = self.base[day.saturating_sub(NOISE_DAYS)..day]
            .iter()
            .map(|base| Some((*base)?.max(floor).ln()))
            .collect();
        let mut steps: Vec<f64> =
            levels.windows(2).filter_map(|pair| Some((pair[1]? - pair[0]?).abs())).collect();
        median(&mut steps).unwrap_or(0.0)
    }
}

/// A rise that goes on.
struct Rise {
    first: usize,
    told: usize,
    /// The level before it.
    before: f64,
}

/// Finds base loads that crept up, those that could be said from `from` on.
///
/// `common` is how the site rose at large ([`common_rise`]); empty if nothing is known of
/// it. The track should begin [`BASE_LOAD_BACK_DAYS`] before `from`; nothing is said before
/// five weeks are known. A finding lasts until the load is back, or six weeks. Evidence is
/// one night a day: amount and limit are those of one step of it; waste is what lies above
/// before, around the clock.
#[must_use]
pub fn high_base_load(
    load: &Load<'_>,
    common: &Rises,
    limits: &BaseLoadLimits,
    from: i64,
) -> Vec<Told> {
    let days = Days::of(load);
    let nights = Nights::of(&days);
    let mut found = Vec::new();
    let mut open: Option<Rise> = None;
    let (mut sum, mut first) = (0.0_f64, 0_usize);
    let mut ended: Option<usize> = None;
    let keep = |told: Told| (from <= told.at).then_some(told);
    for day in BEFORE_DAYS + APART_DAYS..days.len() {
        let Some(level) = nights.level(day, day) else { continue };
        if let Some(rise) = &open {
            let mut last: Vec<f64> = (day.saturating_sub(4)..=day)
                .filter_map(|night| nights.level(night, day))
                .collect();
            let is_back = median(&mut last).is_some_and(|it| it < rise.before + limits.over_below);
            if is_back || rise.told + limits.days_max <= day {
                found.extend(finding(load, &days, &nights, limits, rise, Some(day)).and_then(keep));
                open = None;
                sum = 0.0;
                ended = Some(day);
            }
            continue;
        }
        let relearn = ended.map_or(0, |ended| {
            ended.min(day.saturating_sub(RELEARN_DAYS)).saturating_sub(APART_DAYS)
        });
        let Some(before) = nights.before(day, relearn) else { continue };
        let start = start_of(load, &days, day);
        let shared = start.and_then(|start| common.get(&start)).copied().unwrap_or(0.0);
        let noise = nights.noise(day).max(limits.noise_min);
        let excess = ((level - before - shared) / noise).clamp(-limits.day_max, limits.day_max);
        if sum <= 0.0 {
            first = day;
        }
        sum = (sum + excess - limits.allowed).max(0.0);
        if limits.sum_min < sum {
            open = Some(Rise { first, told: day, before });
        }
    }
    if let Some(rise) = &open {
        found.extend(finding(load, &days, &nights, limits, rise, None).and_then(keep));
    }
    found
}

fn finding(
    load: &Load<'_>,
    days: &Days,
    nights: &Nights,
    limits: &BaseLoadLimits,
    rise: &Rise,
    ended: Option<usize>,
) -> Option<Told> {
    let before = rise.before.exp();
    let until = ended.unwrap_or(days.len());
    let mut evidence = Vec::new();
    let mut waste = 0_i64;
    let mut cost = load.pricing.map(|_| Cost::ZERO);
    for day in rise.first..until {
        let (Some(base), Some(start)) = (nights.base[day], start_of(load, days, day)) else {
            continue;
        };
        let part = share(1, days.steps(day, 0).len());
        evidence.push(Evidence {
            start,
            amount: whole(base * part),
            limit: whole(before * (1.0 + limits.over_below) * part),
        });
        let above = whole((base - before).max(0.0));
        for hour in 0..24 {
            let steps = days.steps(day, hour);
            if steps.is_empty() {
                continue;
            }
            waste = waste.saturating_add(above);
            let at = load.track.instant(steps.start);
            cost = match (cost, load.pricing) {
                (Some(sum), Some(pricing)) => pricing.cost_at(at, above).map(|it| sum + it),
                (None, _) | (_, None) => None,
            };
        }
    }
    let told = days.steps(rise.told, NIGHT.end - 1);
    let is_enough = limits.waste_min.max(1) <= waste && !told.is_empty();
    is_enough.then(|| Told {
        at: load.track.instant(told.end),
        finding: Finding {
            kind: FindingKind::HighBaseLoad,
            meter: *load.meter,
            area: *load.area,
            opened: evidence.first().map_or(0, |first| first.start),
            closed: ended.and_then(|day| start_of(load, days, day)),
            waste,
            cost_e4: cost.map(Cost::e4),
            evidence,
        },
    })
}

#[cfg(test)]
mod tests;
