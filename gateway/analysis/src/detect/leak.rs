//! Water that never stops.
//!
//! What it means: in a building there are hours, mostly at night, in which nobody draws
//! water. If a day and a half pass without one, something lets water through: a dripping
//! valve, a toilet that no longer closes, a broken pipe underground. On a meter that never
//! rests (a hospital, a hostel, many households behind one meter) the same is seen in its
//! smallest hour: it stays above what the smallest hours of the weeks before were.
//!
//! What to do: close the taps, look whether the meter still turns; close the branches one
//! after the other until it stands still.
//!
//! The finding begins with the first hour that did not rest. It ends, "stopped", with the
//! first hour that does: after a repair that is the next quiet hour. Litres lost are the
//! smallest flow above the usual one, over its time.
//!
//! Learning: nothing is said until two weeks were measured.

use crate::finding::Evidence;
use crate::track::Track;

use super::spell::{Learner, Spell, amount, quantile, rounded, steps};

/// What is allowed of a flow that does not rest.
///
/// # Source
///
/// Minimum night flow (UKWIR 99/WM/08/21: smallest hour of the night against its usual
/// low percentile), taken over the whole day, so that schools and hostels need no hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakLimits {
    /// How long there must have been no hour at rest, s.
    pub window_s: i64,
    /// Which share of that window must have been measured.
    pub measured: f64,
    /// Which quantile of the smallest hours of the weeks before is usual.
    pub usual: f64,
    /// How much above the usual smallest hour is allowed, thousandths of the unit an hour.
    pub margin: f64,
    /// How far back is learnt, s.
    pub learn_s: i64,
    /// How much must have been measured before anything is said, s.
    pub learn_min_s: i64,
}

impl Default for LeakLimits {
    fn default() -> Self {
        Self {
            window_s: 36 * 3_600,
            measured: 0.75,
            usual: 0.95,
            margin: 1_500.0,
            learn_s: 56 * 86_400,
            learn_min_s: 14 * 86_400,
        }
    }
}

/// How often something is learnt, s.
const LEARN_EVERY_S: i64 = 6 * 3_600;

/// Finds stretches in which water never rested.
///
/// `track` is the meter's amounts at steps of up to an hour, in thousandths of a litre. A
/// gap neither opens nor closes; a negative amount is a gap.
#[must_use]
pub fn leak(track: &Track, limits: &LeakLimits) -> Vec<Spell> {
    let track = track.hourly();
    let window = steps(limits.window_s, track.step_s);
    let enough = steps(rounded(limits.measured * amount(limits.window_s)), track.step_s);
    let margin = limits.margin * amount(track.step_s) / 3_600.0;
    // The smallest of a window changes slowly: four a day are enough to learn from.
    let every = steps(LEARN_EVERY_S, track.step_s);
    let learn_min = steps(limits.learn_min_s, LEARN_EVERY_S);
    let per_day = steps(86_400, LEARN_EVERY_S);
    let mut learner =
        Learner::new(steps(limits.learn_s, LEARN_EVERY_S), learn_min * 3 / 4, per_day);
    let mut lowest = Lowest::new(window);
    let mut usual: Option<f64> = None;
    let mut spells: Vec<Spell> = Vec::new();
    let mut open: Option<Open> = None;
    for (index, cell) in track.amounts.iter().enumerate() {
        let flow = cell.filter(|it| 0 <= *it).map(amount);
        let teaches = index.is_multiple_of(every);
        if teaches && let Some(numbers) = learner.due() {
            usual = quantile(numbers, limits.usual);
        }
        lowest.push(flow);
        let low = (enough <= lowest.measured()).then(|| lowest.min()).flatten();
        let Some(allowed) = usual.map(|usual| usual + margin) else {
            if teaches {
                learner.push(low);
            }
            continue;
        };
        match &mut open {
            Some(leak) => {
                if teaches {
                    learner.push(None);
                }
                if flow.is_some_and(|flow| flow <= leak.allowed) {
                    spells.push(leak.spell(&track, Some(track.instant(index))));
                    open = None;
                    lowest.clear();
                } else if flow.is_some() {
                    leak.lost += low.map_or(leak.rate, |low| (low - leak.usual).max(0.0));
                }
            }
            None if low.is_some_and(|low| allowed < low) => {
                let low = low.unwrap_or(0.0);
                let began = began(&track, index, allowed);
                let rate = low - usual.unwrap_or(0.0);
                let measured = track.amounts[began..=index].iter().flatten().count();
                learner.forget((index - began).div_ceil(every));
                if teaches {
                    learner.push(None);
                }
                open = Some(Open {
                    began,
                    noticed: index + 1,
                    allowed,
                    usual: usual.unwrap_or(0.0),
                    rate,
                    lost: rate * super::spell::real(measured),
                    low,
                });
            }
            None if teaches => learner.push(low),
            None => {}
        }
    }
    spells.extend(open.map(|leak| leak.spell(&track, None)));
    spells
}

/// Returns the first step since when the flow was above what is allowed; gaps count as
/// flow, but are not begun with.
fn began(track: &Track, index: usize, allowed: f64) -> usize {
    let mut first = index;
    for at in (0..=index).rev() {
        match track.amounts[at].filter(|it| 0 <= *it).map(amount) {
            Some(flow) if flow <= allowed => break,
            Some(_) => first = at,
            None => {}
        }
    }
    first
}

struct Open {
    began: usize,
    noticed: usize,
    allowed: f64,
    usual: f64,
    rate: f64,
    lost: f64,
    low: f64,
}

impl Open {
    fn spell(&self, track: &Track, until: Option<i64>) -> Spell {
        let start = track.instant(self.began);
        let evidence =
            vec![Evidence { start, amount: rounded(self.low), limit: rounded(self.allowed) }];
        Spell {
            from: start,
            noticed: track.instant(self.noticed),
            until,
            waste: rounded(self.lost),
            evidence,
        }
    }
}

/// The smallest of the last steps.
struct Lowest {
    window: usize,
    count: usize,
    /// Candidates, growing: step and flow.
    queue: std::collections::VecDeque<(usize, f64)>,
    /// Which of the last steps were measured.
    known: std::collections::VecDeque<bool>,
    measured: usize,
}

impl Lowest {
    fn new(window: usize) -> Self {
        Self {
            window,
            count: 0,
            queue: std::collections::VecDeque::new(),
            known: std::collections::VecDeque::new(),
            measured: 0,
        }
    }

    fn push(&mut self, flow: Option<f64>) {
        self.known.push_back(flow.is_some());
        self.measured += usize::from(flow.is_some());
        if self.window < self.known.len() {
            self.measured -= usize::from(self.known.pop_front() == Some(true));
        }
        if let Some(flow) = flow {
            while self.queue.back().is_some_and(|&(_, last)| flow <= last) {
                self.queue.pop_back();
            }
            self.queue.push_back((self.count, flow));
        }
        self.count += 1;
        while self.queue.front().is_some_and(|&(at, _)| at + self.window < self.count) {
            self.queue.pop_front();
        }
    }

    fn measured(&self) -> usize {
        self.measured
    }

    fn min(&self) -> Option<f64> {
        self.queue.front().map(|&(_, flow)| flow)
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.known.clear();
        self.measured = 0;
    }
}
