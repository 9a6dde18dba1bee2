//! A base load that creeps up over weeks.
//!
//! # What it means
//!
//! What the meter takes when nobody is there has been above the four weeks before for days on
//! end, and the other meters of the site have not risen with it (all rise together when the
//! heating season begins; how far this meter goes with them is learnt from its past). A day's
//! base load is the middle, as ratios go, of what it takes between midnight and six and of the
//! lowest hours of the day that ends at six: equipment that is never off is in both, a night on
//! which something ran is only in one. No single day is remarkable: small excesses are added up
//! day by day, less a little that is allowed, until the sum is more than chance; a day far above
//! did not creep there and does not count, and less than a twelfth is not told. Usual causes:
//! new equipment that is never off, a server room that grew, water heaters, trace heating, a
//! valve or a fan that no longer closes.
//!
//! Waste is what lies above before and above what the other meters rose by, around the clock.
//! A meter whose base load wanders as far by itself within half a year wastes nothing that
//! could be told from that: the finding stands, its waste is nought. That is so, too, while
//! too little of the meter is known.
//!
//! # What to do
//!
//! Ask what was installed or altered in the first days of the finding. Go there at night and
//! open one branch after the other: the load falls with the one that has it. If it is
//! needed, mark the finding as not waste with the reason; four weeks after it was said the new
//! level is what a further rise is measured from, and the finding ends after six weeks.
//!
//! Not here: one night ([`super::after_hours_load()`]); a meter that counts in another unit
//! ([`super::scale_change()`]); water that never rests (leaks).

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

/// The hours in which nobody is there, and how many of them must be known.
const NIGHT: std::ops::Range<usize> = 0..6;
const NIGHT_HOURS_MIN: usize = 4;

/// Of a night's hours this share lies lower: thousandths. One late hour is no base load.
const NIGHT_MILLI: usize = 400;

/// Of the hours of a day that ends with the night this share lies lower, thousandths: one
/// hour may be a hole. So many of them must be known.
const LOWEST_MILLI: usize = 50;
const DAY_HOURS_MIN: usize = 16;

/// Before was the median of four weeks that ended ten days ago: a rise is not yet in it.
const BEFORE_DAYS: usize = 28;
const APART_DAYS: usize = 10;
const BEFORE_MIN: usize = 10;

/// How much one day differs from the next is known over eight weeks.
const NOISE_DAYS: usize = 56;

/// How far the base load wanders by itself is known over half a year, from so many days at
/// least: seven in ten days lay nearer to before.
const WANDER_DAYS: usize = 180;
const WANDER_MIN: usize = 20;
const WANDER_MILLI: usize = 700;

/// That is compared with what six in ten days of a finding do not exceed.
const HEIGHT_MILLI: usize = 600;

/// After a finding the new level is known from two weeks.
const RELEARN_DAYS: usize = 14;

/// How far a meter goes with its site is learnt over four months: all of the way, unless so
/// much of the site's own rising and falling (the sum of squares of logarithms) says otherwise.
const GOES_WITH_DAYS: usize = 120;
const GOES_WITH_PRIOR: f64 = 0.05;
/// A day on which something else happened is no more than this to it.
const GOES_WITH_MAX: f64 = 0.4;

/// A base load below this share of the mean load is none.
const RESOLUTION: f64 = 0.02;

/// Fewer meters than this are no site that rises together.
const PEERS_MIN: usize = 3;

/// From when a risen base load is a finding.
///
/// # Source
///
/// Chosen on 24 public buildings in two years and ten university buildings in four, with a
/// rise of a quarter over three weeks added (scoreboard, task `base_load`); the same for every
/// meter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaseLoadLimits {
    /// No day's noise is taken for less than this share of the level.
    pub noise_min: f64,
    /// What each day may lie above before, in units of noise.
    pub allowed: f64,
    /// What each day counts at most, in units of noise.
    pub day_max: f64,
    /// A day that lies so many times above before did not creep there, and does not count:
    /// what ran at night, or a meter that counts otherwise, is told by others.
    pub creep_max: f64,
    /// The sum from which it is a finding.
    pub sum_min: f64,
    /// It lies at least so much above before, as a logarithm, when it is said.
    pub height_min: f64,
    /// So much of it must be found in the lowest hours of the day.
    pub lowest_part: f64,
    /// It is over when five days lie less than this share above before,
    pub over_below: f64,
    /// or less than this part of what they lay above it when it was said.
    pub over_part: f64,
    /// So many days after it was said a further rise is looked for, against the new level. Of
    /// 32 rises that were missed on other dates, 20 fell into a finding that was open already.
    pub known_days: usize,
    /// It is over so many days after it was said: then the new level is usual.
    pub days_max: usize,
    /// Its waste counts if it rose by so many times what this meter wanders by itself.
    pub wander: f64,
    /// What must lie above before in all, whether it counts as waste or not, in thousandths
    /// of the meter's unit.
    pub waste_min: i64,
}

impl Default for BaseLoadLimits {
    fn default() -> Self {
        Self {
            noise_min: 0.03,
            allowed: 0.65,
            day_max: 2.0,
            creep_max: 1.6,
            sum_min: 5.5,
            height_min: 0.08,
            lowest_part: 0.7,
            over_below: 0.03,
            over_part: 0.7,
            known_days: 28,
            days_max: 42,
            wander: 1.1,
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
    let nights = Nights::of(&days, base_of);
    (0..days.len())
        .filter_map(|day| Some((start_of(load, &days, day)?, nights.rise(day)?)))
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

/// The base load of each day, and the mean load of it.
struct Nights {
    base: Vec<Option<f64>>,
    mean: Vec<Option<f64>>,
}

impl Nights {
    fn of(days: &Days, base: impl Fn(&Days, usize) -> Option<f64>) -> Self {
        Self {
            base: (0..days.len()).map(|day| base(days, day)).collect(),
            mean: (0..days.len()).map(|day| mean(&days.present(day, 0..24))).collect(),
        }
    }

    /// What counts as nothing on a day.
    fn floor(&self, day: usize) -> f64 {
        let mut past: Vec<f64> =
            self.mean[day.saturating_sub(BEFORE_DAYS)..day].iter().copied().flatten().collect();
        (RESOLUTION * median(&mut past).unwrap_or(0.0)).max(f64::MIN_POSITIVE)
    }

    /// The logarithm of a day's base load, as seen on a later day.
    fn level(&self, day: usize, later: usize) -> Option<f64> {
        Some(self.base[day]?.max(self.floor(later)).ln())
    }

    /// The level before a day, of days not before `first`.
    fn before(&self, day: usize, first: usize) -> Option<f64> {
        let begin = day.saturating_sub(BEFORE_DAYS + APART_DAYS).max(first);
        let end = day.saturating_sub(APART_DAYS).max(begin);
        let floor = self.floor(day);
        let mut levels: Vec<f64> =
            self.base[begin..end].iter().flatten().map(|base| base.max(floor).ln()).collect();
        if levels.len() < BEFORE_MIN { None } else { median(&mut levels) }
    }

    /// How much a day lies above before.
    fn rise(&self, day: usize) -> Option<f64> {
        Some(self.level(day, day)? - self.before(day, 0)?)
    }

    /// The middle of what up to five days that end with one lie above a level.
    fn height(&self, first: usize, day: usize, before: f64) -> Option<f64> {
        let days = first.max(day.saturating_sub(4))..=day;
        let mut levels: Vec<f64> = days.filter_map(|it| self.level(it, day)).collect();
        Some(median(&mut levels)? - before)
    }

    /// How much one day differs from the next.
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

/// The lowest hours of the day that ends with a night.
fn lowest_of(days: &Days, day: usize) -> Option<f64> {
    let before = day.checked_sub(1)?;
    let hours = NIGHT.end..24 + NIGHT.end;
    let is_known = NIGHT_HOURS_MIN <= days.present(day, NIGHT).len()
        && DAY_HOURS_MIN <= days.present(before, hours.clone()).len()
        && days.is_over(day, NIGHT.end - 1);
    if is_known { quantile(&mut days.bridged(before, hours), LOWEST_MILLI) } else { None }
}

/// The base load of the day that ends with a night: the middle of its lowest hours and of the
/// night.
fn base_of(days: &Days, day: usize) -> Option<f64> {
    let lowest = lowest_of(days, day)?;
    let night = quantile(&mut days.bridged(day, NIGHT), NIGHT_MILLI)?;
    Some(lowest.max(0.0).sqrt() * night.max(0.0).sqrt())
}

/// A rise that goes on.
struct Rise {
    first: usize,
    told: usize,
    /// The level before it.
    before: f64,
    /// What it lay above that when it was said.
    height: f64,
    /// How far the meter wanders by itself, where that is known.
    wander: Option<f64>,
    /// Whether a further rise is looked for already.
    is_learnt: bool,
}

/// Finds base loads that crept up, those that could be said from `from` on.
///
/// `common` is how the site rose at large ([`common_rise`]); empty if nothing is known of
/// it. The track should begin [`BASE_LOAD_BACK_DAYS`] before `from`; nothing is said before
/// five weeks are known. A finding lasts until the load is back, or a further rise begins, or
/// six weeks. Evidence is one day each: amount is its base load and limit what it was before,
/// with what the site rose by, both in one step of that day. Waste is the sum of what lies
/// above in every step of those days in which something was measured; nought while the rise is
/// not larger than what the meter does by itself.
#[must_use]
pub fn high_base_load(
    load: &Load<'_>,
    common: &Rises,
    limits: &BaseLoadLimits,
    from: i64,
) -> Vec<Told> {
    let days = Days::of(load);
    let (nights, lowest) = (Nights::of(&days, base_of), Nights::of(&days, lowest_of));
    let rises: Vec<Option<f64>> = (0..days.len()).map(|day| nights.rise(day)).collect();
    let shared = shared_rise(&rises, |day| common.get(&start_of(load, &days, day)?).copied());
    let own: Vec<Option<f64>> =
        rises.iter().zip(&shared).map(|(rise, shared)| Some((*rise)? - shared)).collect();
    let looker = Looker { load, days, nights, lowest, shared, own, limits };
    let mut found = looker.look();
    found.retain(|told| from <= told.at);
    found
}

/// What of the site's rise is to be expected of a meter each day: as much as it went with the
/// site in the days before.
fn shared_rise(rises: &[Option<f64>], common: impl Fn(usize) -> Option<f64>) -> Vec<f64> {
    let common: Vec<f64> = (0..rises.len()).map(|day| common(day).unwrap_or(0.0)).collect();
    let part = |day: usize| {
        let past = day.saturating_sub(GOES_WITH_DAYS)..day;
        let (mut both, mut site) = (GOES_WITH_PRIOR, GOES_WITH_PRIOR);
        for (rise, common) in rises[past.clone()].iter().zip(&common[past]) {
            let common = common.min(GOES_WITH_MAX);
            if let Some(rise) = rise {
                both += rise.clamp(-GOES_WITH_MAX, GOES_WITH_MAX) * common;
                site += common * common;
            }
        }
        (both / site).clamp(0.0, 1.0)
    };
    (0..rises.len()).map(|day| part(day) * common[day]).collect()
}

struct Looker<'a> {
    load: &'a Load<'a>,
    days: Days,
    nights: Nights,
    /// The same of the lowest hours alone.
    lowest: Nights,
    /// How far it rose with the site.
    shared: Vec<f64>,
    /// How the meter rose beyond that.
    own: Vec<Option<f64>>,
    limits: &'a BaseLoadLimits,
}

impl Looker<'_> {
    fn look(&self) -> Vec<Told> {
        let (nights, limits) = (&self.nights, self.limits);
        let mut found = Vec::new();
        let mut open: Option<Rise> = None;
        let (mut sum, mut first) = (0.0_f64, 0_usize);
        let mut ended: Option<usize> = None;
        for day in BEFORE_DAYS + APART_DAYS..self.days.len() {
            let Some(level) = nights.level(day, day) else { continue };
            if let Some(rise) = &mut open {
                let height = nights.height(rise.first, day, rise.before);
                let end = limits.over_below.max(limits.over_part * rise.height);
                let is_back = height.is_some_and(|height| height < end);
                let was_learnt = rise.is_learnt;
                rise.is_learnt = rise.told + limits.known_days <= day;
                if is_back || was_learnt != rise.is_learnt {
                    sum = 0.0;
                    ended = Some(day);
                }
                if is_back || rise.told + limits.days_max <= day {
                    found.extend(self.finding(rise, Some(day)));
                    open = None;
                }
                if is_back || !was_learnt {
                    continue;
                }
            }
            let relearn = ended.map_or(0, |ended| {
                ended.min(day.saturating_sub(RELEARN_DAYS)).saturating_sub(APART_DAYS)
            });
            let Some(before) = nights.before(day, relearn) else { continue };
            let noise = nights.noise(day).max(limits.noise_min);
            let rise = level - before - self.shared[day];
            if limits.creep_max.ln() < rise {
                continue;
            }
            let excess = rise / noise;
            if sum <= 0.0 {
                first = day;
            }
            sum = (sum + excess.clamp(-limits.day_max, limits.day_max) - limits.allowed).max(0.0);
            if limits.sum_min < sum {
                let height = nights.height(first, day, before).unwrap_or(0.0);
                let lowest = self.lowest.before(day, relearn);
                let lowest = lowest.and_then(|before| self.lowest.height(first, day, before));
                let is_all_day = lowest.is_none_or(|it| limits.lowest_part * height < it);
                if is_all_day && limits.height_min < height {
                    let wander = self.wander(day);
                    let new = Rise { first, told: day, before, height, wander, is_learnt: false };
                    if let Some(old) = open.replace(new) {
                        found.extend(self.finding(&old, Some(first)));
                    }
                } else {
                    // It ran at night and not for the whole day, or is not worth a word yet.
                    sum = limits.sum_min;
                }
            }
        }
        if let Some(rise) = &open {
            found.extend(self.finding(rise, None));
        }
        found
    }

    /// How far from before the meter lay by itself, before a day.
    fn wander(&self, day: usize) -> Option<f64> {
        let past = &self.own[day.saturating_sub(WANDER_DAYS)..day];
        let mut past: Vec<f64> = past.iter().flatten().map(|rise| rise.abs()).collect();
        if past.len() < WANDER_MIN { None } else { quantile(&mut past, WANDER_MILLI) }
    }

    fn finding(&self, rise: &Rise, ended: Option<usize>) -> Option<Told> {
        let Self { load, days, limits, .. } = self;
        let until = ended.unwrap_or(days.len());
        let mut evidence = Vec::new();
        let mut heights = Vec::new();
        let mut waste = 0_i64;
        let mut cost = load.pricing.map(|_| Cost::ZERO);
        for day in rise.first..until {
            let (Some(base), Some(start)) = (self.nights.base[day], start_of(load, days, day))
            else {
                continue;
            };
            let before = (rise.before + self.shared[day]).exp();
            heights.push((base / before).max(f64::MIN_POSITIVE).ln());
            if limits.creep_max * before < base {
                continue;
            }
            let part = share(1, days.steps(day, 0).len());
            let (amount, limit) = (whole(base * part), whole(before * part));
            evidence.push(Evidence { start, amount, limit });
            let above = amount.saturating_sub(limit).max(0);
            let is_measured = |step: &usize| load.track.amounts[*step].is_some();
            for step in (0..24).flat_map(|hour| days.steps(day, hour)).filter(is_measured) {
                waste = waste.saturating_add(above);
                let at = load.track.instant(step);
                cost = match (cost, load.pricing) {
                    (Some(sum), Some(pricing)) => pricing.cost_at(at, above).map(|it| sum + it),
                    (None, _) | (_, None) => None,
                };
            }
        }
        let told = days.steps(rise.told, NIGHT.end - 1);
        if waste < limits.waste_min.max(1) || told.is_empty() {
            return None;
        }
        let height = quantile(&mut heights, HEIGHT_MILLI)?;
        if rise.wander.is_none_or(|wander| height < limits.wander * wander) {
            waste = 0;
            cost = cost.map(|_| Cost::ZERO);
        }
        Some(Told {
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
}

#[cfg(test)]
mod tests;
