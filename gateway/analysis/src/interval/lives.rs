//! A counter's lives: from swap to swap, from one scale to the next.
//!
//! Each life is judged by itself, on readings as they arrived; its points are then brought to
//! the right scale. Between two lives:
//!
//! - at a swap, both values were written down, and what the counters show in between is the
//!   new meter's beginning;
//! - at a change of scale either what is shown jumps (a ratio was set: the register is the
//!   same, multiplied) and the *scaled* values go on, or only the rate changes (a pulse
//!   weight was set: what is counted from now on) and the *raw* values go on. Of the two the
//!   one with the smaller rise is taken; if both would fall, what went through in between is
//!   missing.

use super::judge::{Judgement, Life, Link, Point};
use super::{CounterReading, CounterRules, MeterEvent, Width};

/// A cut between two lives.
#[derive(Clone, Copy, Debug)]
struct Cut {
    instant: i64,
    swap: Option<Swap>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Swap {
    last: i64,
    first: i64,
    old: Option<Option<i64>>,
    new: Option<Option<i64>>,
}

/// How a counter came from its last life with points to the next.
struct Way {
    /// What readings of that life are multiplied by.
    factor: Factor,
    /// When the scale changed since, and what holds from there on.
    edges: Vec<(i64, Factor)>,
}

/// What readings are multiplied by: a fraction above 0, in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Factor {
    num: i128,
    den: i128,
}

impl Factor {
    const ONE: Self = Self { num: 1, den: 1 };

    /// Returns the product of the scales that hold at an instant.
    fn at(instant: i64, events: &[MeterEvent]) -> Self {
        let mut factor = Self::ONE;
        for event in events {
            let MeterEvent::Scale { from, to, num, den } = *event else { continue };
            if from <= instant && to.is_none_or(|to| instant < to) && 0 < num && 0 < den {
                factor = factor.times(i128::from(num), i128::from(den));
            }
        }
        factor
    }

    fn times(self, num: i128, den: i128) -> Self {
        let product = self.num.checked_mul(num).zip(self.den.checked_mul(den));
        // Scales that leave 128 bits are no scales of a meter; the one before them holds.
        let Some((num, den)) = product else { return self };
        let common = gcd(num, den);
        Self { num: num / common, den: den / common }
    }

    /// Returns a value in the right scale, rounded down.
    fn of(self, value: i64) -> i64 {
        if self == Self::ONE {
            return value;
        }
        let scaled = i128::from(value).saturating_mul(self.num).div_euclid(self.den);
        i64::try_from(scaled).unwrap_or(i64::MAX)
    }

    /// Returns the raw value that this one is in the right scale, rounded up.
    fn back(self, value: i64) -> i64 {
        let raw = i128::from(value).saturating_mul(self.den) + self.num - 1;
        i64::try_from(raw.div_euclid(self.num)).unwrap_or(i64::MAX)
    }
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// Judges readings in order of instant and value, each once.
pub(super) fn judge(
    readings: &[CounterReading],
    events: &[MeterEvent],
    rules: &CounterRules,
) -> Judgement {
    let cuts = cuts(events);
    let mut judgement = Judgement::default();
    judgement.points.reserve(readings.len() + 2 * cuts.len());
    let mut rest = readings;
    let mut before: Option<Cut> = None;
    // The factor of the last life that had points, and the changes of scale since.
    let mut way: Option<Way> = None;
    for at in 0..=cuts.len() {
        let next = cuts.get(at).copied();
        let (own, later) = match next {
            Some(cut) => rest.split_at(rest.partition_point(|it| it.instant < cut.instant)),
            None => (rest, &[][..]),
        };
        rest = later;
        let from = before.map(|cut| cut.instant);
        let factor = Factor::at(from.unwrap_or(i64::MIN), events);
        let width = width_after(&cuts, at);
        let own_rules = rules_of_life(rules, width, factor);
        let (begins, ends) = (before.and_then(|cut| cut.swap), next.and_then(|cut| cut.swap));
        let born = judgement.points.len();
        let broken = judgement.breaks.len();
        let life = |readings: &[CounterReading], judgement: &mut Judgement| {
            let (begins, ends) = (begins.is_some(), ends.is_some());
            Life { readings, rules: &own_rules, begins, ends }.judge_into(judgement);
        };
        if begins.is_none() && ends.is_none() {
            life(own, &mut judgement);
        } else {
            // With its ends put in, the life of one meter is a list like any other. Copying it
            // costs nothing where nobody ever swapped a meter, and little where somebody did.
            let first = begins.zip(from);
            let first = first.map(|(swap, instant)| CounterReading { instant, value: swap.first });
            let last = ends.zip(next);
            let last = last
                .map(|(swap, Cut { instant, .. })| CounterReading { instant, value: swap.last });
            let own: Vec<_> = first.into_iter().chain(own.iter().copied()).chain(last).collect();
            life(&own, &mut judgement);
        }
        judgement.bring_to_scale(born, broken, factor);
        match (before, &mut way) {
            (Some(Cut { instant, swap: None }), Some(way)) => way.edges.push((instant, factor)),
            // From a swap on what was before is joined by what was written down, or not at all.
            (Some(Cut { swap: Some(_), .. }), way) => *way = None,
            (None, _) | (Some(Cut { swap: None, .. }), None) => {}
        }
        if born < judgement.points.len() {
            if let Some(way) = way.filter(|way| !way.edges.is_empty()) {
                judgement.join(born, &way, rules.gap_s_max);
            }
            way = Some(Way { factor, edges: Vec::new() });
        }
        before = next;
    }
    judgement.suspects.sort_unstable();
    judgement.add_up(rules);
    judgement.settle();
    judgement
}

/// Returns where one life ends and the next begins, in order.
fn cuts(events: &[MeterEvent]) -> Vec<Cut> {
    let mut swaps: Vec<(i64, Swap)> = Vec::new();
    let mut edges: Vec<i64> = Vec::new();
    for event in events {
        match *event {
            MeterEvent::Swap { instant, last, first, old, new } => {
                swaps.push((instant, Swap { last, first, old: known(old), new: known(new) }));
            }
            MeterEvent::Scale { from, to, .. } => {
                edges.push(from);
                edges.extend(to);
            }
            MeterEvent::Correction { .. } | MeterEvent::Estimate { .. } => {}
        }
    }
    swaps.sort_unstable();
    swaps.dedup();
    edges.sort_unstable();
    edges.dedup();
    edges.retain(|edge| swaps.iter().all(|(instant, _)| instant != edge));
    let swaps = swaps.into_iter().map(|(instant, swap)| Cut { instant, swap: Some(swap) });
    let edges = edges.into_iter().map(|instant| Cut { instant, swap: None });
    let mut cuts: Vec<Cut> = swaps.chain(edges).collect();
    cuts.sort_by_key(|cut| cut.instant);
    cuts
}

fn known(width: Width) -> Option<Option<i64>> {
    match width {
        Width::AsRules => None,
        Width::RollsOverAt(rollover) => Some(Some(rollover)),
        Width::Endless => Some(None),
    }
}

/// Returns the width of the meter that lives before the cut at `at`: what the swap that
/// brought it says, else what the swap that took it says.
fn width_after(cuts: &[Cut], at: usize) -> Option<Option<i64>> {
    let brought = cuts[..at].iter().rev().find_map(|cut| cut.swap);
    let took = cuts[at..].iter().find_map(|cut| cut.swap);
    brought.and_then(|swap| swap.new).or_else(|| took.and_then(|swap| swap.old))
}

/// A life is judged as it arrived, so what is known in the right scale is brought to its own.
fn rules_of_life(rules: &CounterRules, width: Option<Option<i64>>, factor: Factor) -> CounterRules {
    let rules = match width {
        Some(rollover) => rules.rolling_over_at(rollover),
        None => *rules,
    };
    let rate_max = rules.rate_max.map(|rate| factor.back(rate));
    rules.at_most(rate_max)
}

impl Judgement {
    /// Brings what a life was judged to be into the right scale.
    fn bring_to_scale(&mut self, born: usize, broken: usize, factor: Factor) {
        if factor == Factor::ONE {
            return;
        }
        for point in &mut self.points[born..] {
            point.value = factor.of(point.raw);
        }
        for found in &mut self.breaks[broken..] {
            found.amount = found.amount.map(|amount| factor.of(amount));
        }
    }

    /// Joins a life that begins with a change of scale to the last one that had points.
    fn join(&mut self, born: usize, way: &Way, gap_s_max: i64) {
        let (Some(before), Some(after)) =
            (born.checked_sub(1).map(|at| self.points[at]), self.points.get(born).copied())
        else {
            return;
        };
        let took = i128::from(after.instant - before.instant);
        let rise = after.raw - before.raw;
        // What the raw counter shows at an edge, if it went on.
        let at_edge = |edge: i64| {
            let share = i128::from(rise) * i128::from(edge - before.instant) / took.max(1);
            before.raw + i64::try_from(share).unwrap_or_default()
        };
        let link = if i128::from(gap_s_max) < took { Link::Carried } else { Link::Counted };
        let mut ends = Vec::new();
        let (mut factor, mut from, mut raw) = (way.factor, before.value, 0);
        for &(edge, next) in &way.edges {
            let shown = at_edge(edge);
            let point =
                |value: i64, link: Link| Point { instant: edge, raw: shown, value, total: 0, link };
            raw += factor.of(shown) - from;
            ends.push(point(factor.of(shown), link));
            ends.push(point(next.of(shown), Link::Swapped));
            (factor, from) = (next, next.of(shown));
        }
        raw += after.value - from;
        let scaled = after.value - before.value;
        if 0 <= scaled && (rise < 0 || scaled <= raw) {
            self.points[born].link = Link::Counted;
        } else if 0 <= rise {
            self.points[born].link = link;
            self.points.splice(born..born, ends);
        }
    }
}
