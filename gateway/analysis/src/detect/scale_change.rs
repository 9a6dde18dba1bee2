//! A meter that from one day on counts in another unit or with another ratio.
//!
//! What it means: everything is multiplied at once, the quiet night as much as the busy
//! noon. No change of use does that; a current transformer of another ratio, a pulse
//! weight typed in wrongly, or cubic feet that became cubic metres does. It happens when
//! meters are changed or connected again, often after an outage.
//!
//! What to do: compare ratio and unit in the site book with the plate of the meter and of
//! its transformers; enter the meter's event with the day it happened. The figures since
//! then are wrong by the factor in the evidence (measured, and what was to be expected).
//!
//! Three ways to see it:
//! - without an outage: for three days nearly every quarter of a day lies above (or below)
//!   the same quarter of the weeks before by far more than a quarter of it;
//! - from one quarter of a day to the next nearly all of five days lie otherwise, by as
//!   much, than the three days just before did against the same weeks: a meter that has
//!   wandered from its past hides a change from the first way, or is accused of one already;
//! - after an outage of days to years: the days since, each against days as cold as it
//!   before the outage where the temperature is known, else against days of the same
//!   season, differ by a factor of more than two, nearly all of them.
//!
//! Learning: nothing is said until two weeks were measured, after an outage two weeks
//! before it. It ends when amounts are back where they were; a change that lasts for four
//! weeks is taken for lasting, stays open, and the new level is learnt.

use crate::finding::Evidence;
use crate::track::Track;

use super::spell::{Spell, amount, quantile, real, rounded, steps};

mod step;

/// Two changes seen both ways within this time are one, s.
const NEAR_S: i64 = 21 * 86_400;

/// A step that is seen so near another change is that change, s.
const SAME_S: i64 = 4 * 86_400;

/// Blocks of a day.
const DAY_BLOCKS: usize = 4;

/// What is allowed of a meter's scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaleLimits {
    /// How long it must have lasted, blocks of a quarter of a day.
    pub blocks: usize,
    /// How long a step from one block to the next must have lasted, blocks: a long weekend
    /// or a hot spell is over by then.
    pub step_blocks: usize,
    /// How many of those blocks may be otherwise.
    pub blocks_otherwise: usize,
    /// By which factor all of the others must differ.
    pub each: f64,
    /// By which factor the middle one must differ.
    pub middle: f64,
    /// After an outage: how many days must have been measured, and within how many.
    pub days: (usize, usize),
    /// After an outage: by which factor the middle day must differ.
    pub days_middle: f64,
    /// After an outage: by which factor all days but one must differ.
    pub days_each: f64,
    /// What is an outage, s.
    pub outage_s: i64,
    /// How much warmer or colder a comparable day may be, thousandths of a degree.
    pub degrees_milli: i64,
    /// A change that lasts so long is learnt, blocks.
    pub lasting: usize,
}

impl Default for ScaleLimits {
    fn default() -> Self {
        Self {
            blocks: 12,
            step_blocks: 20,
            blocks_otherwise: 1,
            each: 1.32,
            middle: 1.5,
            days: (5, 14),
            days_middle: 2.5,
            days_each: 1.8,
            outage_s: 2 * 86_400,
            degrees_milli: 2_000,
            lasting: 4 * 28,
        }
    }
}

impl ScaleLimits {
    /// Returns what is allowed of a meter whose use follows the weather, as gas for heating:
    /// autumn multiplies it within days, but not by so much at every hour.
    #[must_use]
    pub fn weather_driven() -> Self {
        Self { blocks: 20, blocks_otherwise: 2, each: 3.0, middle: 6.0, ..Self::default() }
    }
}

/// Finds changes of a meter's scale, in order of their beginnings.
///
/// `track` should be without spikes and standstills (gaps in their place). `temperature`
/// has the outdoor temperature of each step, thousandths of a degree Celsius, where known:
/// it is what heating and cooling follow.
#[must_use]
pub fn scale_change(
    track: &Track,
    temperature: Option<&Track>,
    limits: &ScaleLimits,
) -> Vec<Spell> {
    let track = track.hourly();
    let blocks = Blocks::new(&track);
    let mut spells = sudden(&track, &blocks, limits);
    for spell in after_outage(&track, temperature, limits) {
        if !spells.iter().any(|it| (it.from - spell.from).abs() < NEAR_S) {
            spells.push(spell);
        }
    }
    spells.extend(step::from_one_day(&track, &blocks, limits));
    // What was said first is said; what is near it, or is where it ends, is the same change.
    spells.sort_by_key(|it| it.noticed);
    let mut told: Vec<Spell> = Vec::new();
    for spell in spells {
        let is_near = |it: i64| (it - spell.from).abs() < SAME_S;
        let is_end = |it: &Spell| it.until.is_some_and(is_near) && is_up(it) != is_up(&spell);
        if !told.iter().any(|it| is_near(it.from) || is_end(it)) {
            told.push(spell);
        }
    }
    told.sort_by_key(|it| it.from);
    told
}

fn is_up(spell: &Spell) -> bool {
    spell.evidence.iter().any(|it| it.limit < it.amount)
}

/// Mean amounts of quarters of a day; `None` with less than two thirds measured or nothing
/// used.
struct Blocks {
    length: usize,
    per_week: usize,
    means: Vec<Option<f64>>,
}

impl Blocks {
    fn new(track: &Track) -> Self {
        let length = steps(6 * 3_600, track.step_s);
        let per_week = steps(7 * 86_400, track.step_s) / length;
        let mean = |chunk: &[Option<i64>]| {
            let known: Vec<f64> = chunk.iter().flatten().map(|it| amount(*it)).collect();
            let sum: f64 = known.iter().sum();
            let is_enough = 2 * length <= 3 * known.len();
            (is_enough && 0.0 < sum).then(|| sum / real(known.len()))
        };
        // A quarter of a day that is not over yet would say otherwise later.
        let means = track.amounts.chunks_exact(length).map(mean).collect();
        Self { length, per_week, means }
    }
}

/// Returns the middle of the same block of the weeks before: four of the last eight that
/// are known.
fn before(learnt: &[Option<f64>], block: usize, per_week: usize) -> Option<f64> {
    let mut known: Vec<f64> = (1..=8)
        .filter_map(|weeks| block.checked_sub(weeks * per_week))
        .filter_map(|at| learnt.get(at).copied().flatten())
        .take(4)
        .collect();
    if known.len() < 2 {
        return None;
    }
    known.sort_unstable_by(f64::total_cmp);
    let (low, high) = (known[(known.len() - 1) / 2], known[known.len() / 2]);
    Some(f64::midpoint(low, high))
}

/// Returns the block from some block on at which the ratios make their largest step: a meter
/// that wandered before lay above already, and the change began later.
fn largest_step(ratios: &[Option<f64>], first: usize, sign: f64) -> usize {
    let step = |at: usize| {
        let middle = |part: &[Option<f64>]| {
            let known: Vec<f64> = part.iter().flatten().copied().collect();
            (3 <= known.len()).then(|| known.iter().sum::<f64>() / real(known.len()))
        };
        let before = middle(&ratios[at.checked_sub(DAY_BLOCKS)?..at])?;
        let after = middle(ratios.get(at..at + DAY_BLOCKS)?)?;
        Some((after - before) * sign)
    };
    (first..ratios.len())
        .filter_map(|at| Some((at, step(at)?)))
        .max_by(|one, other| one.1.total_cmp(&other.1).then(other.0.cmp(&one.0)))
        .map_or(first, |it| it.0)
}

fn sudden(track: &Track, blocks: &Blocks, limits: &ScaleLimits) -> Vec<Spell> {
    let mut learnt = blocks.means.clone();
    let mut ratios: Vec<Option<f64>> = Vec::with_capacity(learnt.len());
    let mut spells: Vec<Spell> = Vec::new();
    let mut open: Option<(usize, f64, Spell)> = None;
    for (block, mean) in blocks.means.iter().enumerate() {
        let expected = before(&learnt, block, blocks.per_week);
        ratios.push(mean.zip(expected).map(|(mean, expected)| (mean / expected).ln()));
        let start = |block: usize| track.instant(block * blocks.length);
        match &mut open {
            Some((first, factor, spell)) => {
                let back = |it: &f64| it.abs() < factor.abs() / 2.0;
                let recent = &ratios[block.saturating_sub(3)..];
                let is_back = recent.iter().flatten().count() == 4
                    && recent.iter().flatten().filter(|it| back(it)).count() == 4;
                if is_back {
                    spell.until = Some(start(block - 3));
                    let these = block - 3..=block;
                    learnt[these.clone()].copy_from_slice(&blocks.means[these]);
                    spells.extend(open.take().map(|(.., spell)| spell));
                } else if limits.lasting <= block - *first {
                    learnt[..*first].fill(None);
                    learnt[*first..=block].clone_from_slice(&blocks.means[*first..=block]);
                    spells.extend(open.take().map(|(.., spell)| spell));
                } else {
                    learnt[block] = None;
                }
            }
            None => {
                let from = (block + 1).saturating_sub(limits.blocks);
                // What comes back time and again is how this meter is used.
                let since = start(block.saturating_sub(limits.lasting));
                let recent = spells.iter().filter(|it| since <= it.from).count();
                if 3 <= recent {
                    continue;
                }
                let Some(factor) = changed(&ratios[from..], limits) else { continue };
                // The first block of the run that differs by half of the factor.
                let differs = |at: usize| {
                    ratios[at].is_none_or(|it| factor.abs() / 2.0 < it * factor.signum())
                };
                let mut first = from;
                while first < block && !(ratios[first].is_some() && differs(first)) {
                    first += 1;
                }
                while 0 < first && ratios[first - 1].is_some() && differs(first - 1) {
                    first -= 1;
                }
                let first = largest_step(&ratios, first, factor.signum());
                learnt[first..=block].fill(None);
                let measured = blocks.means[block].unwrap_or(0.0);
                let spell = Spell {
                    from: start(first),
                    noticed: track.instant(((block + 1) * blocks.length).min(track.amounts.len())),
                    until: None,
                    waste: 0,
                    evidence: vec![Evidence {
                        start: start(first),
                        amount: rounded(measured),
                        limit: rounded(measured / factor.exp()),
                    }],
                };
                open = Some((first, factor, spell));
            }
        }
    }
    spells.extend(open.map(|(.., spell)| spell));
    spells
}

/// Returns the logarithm of the factor by which nearly all of some blocks differ.
fn changed(ratios: &[Option<f64>], limits: &ScaleLimits) -> Option<f64> {
    let mut known: Vec<f64> = ratios.iter().flatten().copied().collect();
    if ratios.len() < limits.blocks || known.len() + 2 < limits.blocks {
        return None;
    }
    known.sort_unstable_by(f64::total_cmp);
    let middle = known[known.len() / 2];
    let low = *known.get(limits.blocks_otherwise)?;
    let high = *known.get(known.len().checked_sub(1 + limits.blocks_otherwise)?)?;
    let is_up = limits.middle.ln() < middle && limits.each.ln() < low;
    let is_down = middle < -limits.middle.ln() && high < -limits.each.ln();
    (is_up || is_down).then_some(middle)
}

/// One measured day: its index, its mean amount, its temperature.
type Day = (usize, f64, Option<i64>);

fn after_outage(track: &Track, temperature: Option<&Track>, limits: &ScaleLimits) -> Vec<Spell> {
    let per_day = steps(86_400, track.step_s);
    let days: Vec<Day> = track
        .amounts
        .chunks(per_day)
        .enumerate()
        .filter_map(|(index, chunk)| {
            let known: Vec<f64> = chunk.iter().flatten().map(|it| amount(*it)).collect();
            let sum: f64 = known.iter().sum();
            let is_enough = 2 * per_day <= 3 * known.len() && 0.0 < sum;
            let start = track.instant(index * per_day);
            is_enough.then(|| (index, sum / real(known.len()), mean_at(temperature, start)))
        })
        .collect();
    let outage = steps(limits.outage_s, 86_400);
    let mut spells = Vec::new();
    // A lasting change begins a new past: days before it say nothing of days after.
    let mut past = 0;
    for (at, pair) in days.windows(2).enumerate() {
        let returned = at + 1;
        if pair[1].0 - pair[0].0 <= outage || returned - past < 14 {
            continue;
        }
        let since: Vec<&Day> =
            days[returned..].iter().take_while(|it| it.0 < pair[1].0 + limits.days.1).collect();
        for count in limits.days.0..=since.len() {
            let ratio =
                |day: &&Day| comparable(&days[past..returned], day, limits).map(|it| day.1 / it);
            let mut ratios: Vec<f64> =
                since[..count].iter().filter_map(ratio).map(f64::ln).collect();
            if ratios.len() < limits.days.0 {
                continue;
            }
            ratios.sort_unstable_by(f64::total_cmp);
            let middle = ratios[ratios.len() / 2];
            let is_up = limits.days_middle.ln() < middle && limits.days_each.ln() < ratios[1];
            let is_down = middle < -limits.days_middle.ln()
                && ratios[ratios.len() - 2] < -limits.days_each.ln();
            if is_up || is_down {
                let start = track.instant(pair[1].0 * per_day);
                let last = since[count - 1];
                spells.push(Spell {
                    from: start,
                    noticed: track.instant(((last.0 + 1) * per_day).min(track.amounts.len())),
                    until: None,
                    waste: 0,
                    evidence: vec![Evidence {
                        start,
                        amount: rounded(last.1),
                        limit: rounded(last.1 / middle.exp()),
                    }],
                });
                past = returned;
                break;
            }
        }
    }
    spells
}

/// Returns the middle of the days before that are comparable with one: as cold, or of the
/// same season, or, failing both, the last four weeks.
fn comparable(before: &[Day], day: &Day, limits: &ScaleLimits) -> Option<f64> {
    let alike = |is_alike: &dyn Fn(&Day) -> bool| {
        let mut found: Vec<f64> = before.iter().filter(|it| is_alike(it)).map(|it| it.1).collect();
        (5 <= found.len()).then(|| quantile(&mut found, 0.5)).flatten()
    };
    let as_cold = |it: &Day| {
        it.2.zip(day.2).is_some_and(|(then, now)| (then - now).abs() <= limits.degrees_milli)
    };
    let same_season = |it: &Day| {
        let apart = (day.0 - it.0) % 365;
        apart.min(365 - apart) <= 30
    };
    let last = before.last().map_or(0, |it| it.0);
    let latest = |it: &Day| last < it.0 + 28;
    alike(&as_cold).or_else(|| alike(&same_season)).or_else(|| alike(&latest))
}

/// Returns the mean temperature of the day that begins at an instant.
fn mean_at(temperature: Option<&Track>, start: i64) -> Option<i64> {
    let temperature = temperature?;
    let at = usize::try_from((start - temperature.start) / temperature.step_s.max(1)).ok()?;
    let count = steps(86_400, temperature.step_s);
    let known: Vec<i64> =
        temperature.amounts.get(at..)?.iter().take(count).flatten().copied().collect();
    let number = i64::try_from(known.len()).ok().filter(|it| 0 < *it)?;
    Some(known.iter().sum::<i64>() / number)
}
