//! Which readings count, and what the counter did between them.
//!
//! A reading follows from the one before if the counter did not fall and did not rise
//! faster than anything can go through. When one does not, nothing is decided by it:
//! it and what comes after are collected into *chains* of readings that follow from each
//! other, until one of two things happens.
//!
//! - A later reading follows from the last one that counted: the counter *returned*, and
//!   what lay in between were dips (zeros) or spikes.
//! - A chain has grown three times: the counter counts there now, so it *broke*. That is
//!   a rollover if the width of the counter explains it; else the chain must also have
//!   lasted an hour, and it is a reset or a jump.
//!
//! A dip may end above the level it fell from: its last reading then looks like the return.
//! If from there the counter breaks upwards, and without that reading it does not, the
//! reading was the dip's.
//!
//! If neither happens before the readings end, the rest is undecided. Zeros never grow,
//! so however many there are, they never become a reset by themselves.
//!
//! What is decided at a reading depends on the last two that counted and on what comes
//! after, not on anything before: that is why it does not matter where a batch began,
//! as long as it began two counting readings before what is asked for.

use super::chain::{Chain, Chains, Step};
use super::{
    Break, BreakKind, CounterReading, CounterRules, INTERVAL_S, Span, Suspect, SuspectReason,
};

/// Rises of a chain that prove that the counter counts there. One or two can be noise of
/// a failing module; a third in order, by the registers of our models, was never seen.
const GROWTHS_MIN: u32 = 3;

/// Rises after which a chain may pass the value the counter fell from without being taken
/// for its return: a meter that lost what it counted last counts up through it again.
const PASSES_MIN: u32 = 2;

/// How long a chain must last to be a reset or a jump, s. Half-read registers, the usual
/// cause of a false level that grows, come and go within minutes.
const BREAK_S_MIN: i64 = 3600;

/// How long we look for the first growth behind zeros at the very beginning, s.
const LEAD_S_MAX: i64 = 86_400;

/// A part of a counter's range that it may use in any time: a tap after a quiet night.
const NOTHING: i64 = 4_000;

/// Values from here on are no counter's; sums of those below cannot overflow.
const VALUE_END: i64 = 1 << 60;

/// A reading that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) instant: i64,
    /// As it arrived, or was written down at a swap.
    pub(super) raw: i64,
    /// In the right scale.
    pub(super) value: i64,
    /// What went through since the first point, swaps and breaks bridged.
    pub(super) total: i64,
    pub(super) link: Link,
}

/// What joins a point to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Nothing: it is the first.
    Start,
    /// The counter counted from there to here.
    Counted,
    /// It counted, and its scale changed on the way: one half of a gap that is cut there.
    Carried,
    /// Another life begins: a new meter took over at the same instant, or nobody can say how
    /// what it counts follows from what was counted before.
    Swapped,
    /// The counter passed its largest value.
    RolledOver,
    /// The counter broke; what went through is estimated.
    Bridged,
    /// The counter broke, and nobody can say what went through.
    Unknown,
}

/// What the readings of one counter are worth.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) points: Vec<Point>,
    pub(super) suspects: Vec<Suspect>,
    pub(super) breaks: Vec<Break>,
    pub(super) settled_until: Option<i64>,
    /// See [`super::Consumption::decided`].
    pub(super) decided: Vec<Span>,
    /// Zeros at the very beginning still wait for a verdict, and all that follows with them.
    lead_undecided: bool,
}

impl Judgement {
    fn suspect(&mut self, reading: CounterReading, reason: SuspectReason) {
        self.suspects.push(Suspect { reading, reason });
    }

    fn push(&mut self, reading: CounterReading, link: Link) {
        let CounterReading { instant, value } = reading;
        self.points.push(Point { instant, raw: value, value, total: 0, link });
    }

    /// Returns the instant of the last point but one: the last may be taken away again.
    fn before_last(&self) -> i64 {
        let at = self.points.len().saturating_sub(2);
        self.points.get(at).map_or(i64::MIN, |point| point.instant)
    }

    /// Gives every point its total, and every break its amount.
    pub(super) fn add_up(&mut self, rules: &CounterRules) {
        let mut breaks = std::mem::take(&mut self.breaks);
        let mut broken = breaks.iter_mut();
        let mut total = 0_i64;
        for index in 1..self.points.len() {
            let (before, point) = (self.points[index - 1], self.points[index]);
            let through = match point.link {
                Link::Start | Link::Swapped => 0,
                Link::Counted | Link::Carried => point.value - before.value,
                Link::RolledOver | Link::Bridged | Link::Unknown => {
                    let Some(found) = broken.next() else { continue };
                    if found.kind != BreakKind::Rollover {
                        found.amount = self.bridge(index, rules);
                        let known = found.amount.is_some();
                        self.points[index].link = if known { Link::Bridged } else { Link::Unknown };
                    }
                    found.amount.unwrap_or(0)
                }
            };
            total = total.saturating_add(through);
            self.points[index].total = total;
        }
        self.breaks = breaks;
    }

    /// Returns what is taken to have gone through in the break before a point: the mean
    /// of the rates of the measured links before and after, for as long as it took.
    fn bridge(&self, index: usize, rules: &CounterRules) -> Option<i64> {
        let through = i128::from(self.points[index].instant - self.points[index - 1].instant);
        if i128::from(rules.gap_s_max) < through {
            return None;
        }
        let rate = |to: usize| {
            let (before, point) = (self.points.get(to.checked_sub(1)?)?, self.points.get(to)?);
            let took = point.instant - before.instant;
            let measured = point.link == Link::Counted && 0 < took && took <= rules.gap_s_max;
            measured.then(|| (i128::from(point.value - before.value), i128::from(took)))
        };
        let amount = match (rate(index - 1), rate(index + 1)) {
            (Some((a, a_s)), Some((b, b_s))) => through * (a * b_s + b * a_s) / (2 * a_s * b_s),
            (Some((a, took)), None) | (None, Some((a, took))) => through * a / took,
            (None, None) => return None,
        };
        i64::try_from(amount).ok()
    }

    /// Notes until when later readings change nothing: the last point may still turn out
    /// to be a spike, and a bridge is built on the points at both its ends.
    pub(super) fn settle(&mut self) {
        if self.lead_undecided {
            return;
        }
        let Some(mut index) = self.points.len().checked_sub(2) else { return };
        if matches!(self.points[index].link, Link::Bridged | Link::Unknown) && 0 < index {
            index -= 1;
        }
        self.settled_until = Some(self.points[index].instant);
    }
}

/// The readings of one meter, from the swap that brought it to the swap that took it.
pub(super) struct Life<'a> {
    pub(super) readings: &'a [CounterReading],
    pub(super) rules: &'a CounterRules,
    /// The first reading was written down at a swap.
    pub(super) begins: bool,
    /// The last reading was written down at a swap.
    pub(super) ends: bool,
}

/// What became of a reading that does not follow from the last one that counted.
enum Outcome {
    /// The counter returned at this index.
    Returned(usize),
    /// The counter broke: from the chain's first reading on it counts anew. The reading of this
    /// instant has shown it.
    Broke(Chain, i64),
    /// No later reading says.
    Undecided,
}

impl Life<'_> {
    pub(super) fn judge_into(&self, judgement: &mut Judgement) {
        let born = judgement.points.len();
        let mut index = if self.begins { 0 } else { self.skip_lead(judgement) };
        while let Some(&reading) = self.readings.get(index) {
            if !self.is_in_range(reading) {
                judgement.suspect(reading, SuspectReason::OutOfRange);
                index += 1;
                continue;
            }
            let last = (born < judgement.points.len())
                .then(|| judgement.points.last().copied())
                .flatten()
                .map(|Point { instant, value, .. }| CounterReading { instant, value });
            let Some(last) = last else {
                let link = if born == 0 { Link::Start } else { Link::Swapped };
                judgement.push(reading, link);
                index += 1;
                continue;
            };
            if self.follows(last, reading) {
                judgement.push(reading, Link::Counted);
                index += 1;
                continue;
            }
            match self.decide(index, last) {
                Outcome::Returned(at) => {
                    self.dismiss(index..at, last, judgement);
                    index = at;
                }
                Outcome::Broke(chain, by) => {
                    self.dismiss(index..chain.start, last, judgement);
                    judgement.decided.push(Span { from: judgement.before_last(), to: by });
                    self.break_off(born, last, chain, judgement);
                    index = chain.start + 1;
                }
                Outcome::Undecided => {
                    for &reading in &self.readings[index..] {
                        judgement.suspect(reading, SuspectReason::Undecided);
                    }
                    return;
                }
            }
        }
    }

    /// Passes over zeros at the very beginning if what comes after is not within a
    /// natural step of them: the first thing a failing meter may ever have said.
    /// Returns the index of the first reading that counts.
    fn skip_lead(&self, judgement: &mut Judgement) -> usize {
        let readings = self.readings;
        let Some(&zero) = readings.first().filter(|first| first.value == 0) else { return 0 };
        let Some(at) = readings.iter().position(|r| 0 < r.value && self.is_in_range(*r)) else {
            judgement.lead_undecided = true;
            judgement.decided.push(Span { from: zero.instant, to: i64::MAX });
            return 0;
        };
        let risen = readings[at];
        let (mut growth, mut by) = (None, i64::MAX);
        for &later in &readings[at..] {
            let seconds = later.instant - risen.instant;
            if LEAD_S_MAX < seconds {
                growth = Some(Step { rise: 0, seconds: 1 });
            } else if risen.value < later.value && 0 < seconds && self.is_in_range(later) {
                growth = Some(Step::between(risen, later));
            }
            if growth.is_some() {
                by = later.instant;
                break;
            }
        }
        judgement.decided.push(Span { from: zero.instant, to: by });
        let last_zero = readings[..at].iter().rfind(|r| r.value == 0).copied().unwrap_or(zero);
        let reason = match growth {
            Some(growth) if Step::between(last_zero, risen).is_natural_beside(growth) => return 0,
            Some(_) => SuspectReason::Dip,
            None => {
                judgement.lead_undecided = true;
                SuspectReason::Undecided
            }
        };
        for &reading in &readings[..at] {
            judgement.suspect(reading, reason);
        }
        at
    }

    /// Finds out what became of the counter, which at `from` left its last value.
    fn decide(&self, from: usize, last: CounterReading) -> Outcome {
        let mut chains = Chains::default();
        let mut newest = None;
        for (index, &reading) in self.readings.iter().enumerate().skip(from) {
            if !self.is_in_range(reading) {
                continue;
            }
            let joined = chains.joined_by(|chain| self.follows(chain.last, reading));
            if self.follows(last, reading) {
                // A chain that truly counts may pass the old value on its way.
                let passes = joined.as_ref().is_some_and(|chain| {
                    PASSES_MIN <= chain.growths
                        && Step::between(chain.last, reading).is_natural_beside(chain.step())
                });
                if !passes {
                    return Outcome::Returned(index);
                }
            }
            let chain = match joined {
                Some(chain) => {
                    chain.growths += u32::from(chain.last.value < reading.value);
                    chain.last = reading;
                    *chain
                }
                None => chains.begin(index, reading),
            };
            if self.proves(last, &chain) {
                return Outcome::Broke(chain, reading.instant);
            }
            newest = Some(chain);
        }
        match newest {
            Some(chain) if self.ends => {
                let end = self.readings.last().map_or(chain.last.instant, |it| it.instant);
                Outcome::Broke(chain, end)
            }
            _ => Outcome::Undecided,
        }
    }

    /// Returns whether a chain has shown that the counter counts there now.
    fn proves(&self, last: CounterReading, chain: &Chain) -> bool {
        GROWTHS_MIN <= chain.growths
            && (self.rolls_over(last, chain).is_some()
                || BREAK_S_MIN <= chain.last.instant - chain.first.instant)
    }

    /// Enters the break between `last` and a chain; or, if `last` was a spike from which
    /// the counter came back, or the end of a dip, takes it away again.
    fn break_off(
        &self,
        born: usize,
        last: CounterReading,
        chain: Chain,
        judgement: &mut Judgement,
    ) {
        let after = chain.first;
        let before_last = judgement
            .points
            .len()
            .checked_sub(2)
            .filter(|&index| born <= index)
            .map(|index| judgement.points[index])
            .map(|Point { instant, value, .. }| CounterReading { instant, value });
        // What a swap wrote down is no spike; it is the first of its life and has none before.
        if let Some(before) = before_last
            && judgement.points.last().is_some_and(|point| point.link == Link::Counted)
            && after.value < last.value
            && self.follows(before, after)
            && !Step::between(before, last).is_natural_beside(chain.step())
        {
            judgement.points.pop();
            judgement.suspect(last, SuspectReason::Spike);
            judgement.push(after, Link::Counted);
            return;
        }
        // What rose faster than anything can, right after a dip: the last of the dip, which by
        // then stood above the level it had dipped from, was taken for the counter's return.
        if let Some(before) = before_last
            && judgement.points.last().is_some_and(|point| point.link == Link::Counted)
            && last.value < after.value
            && self.dipped_to(last, before, judgement)
            && self.follows(before, after)
            && Step::between(before, after).is_natural_beside(chain.step())
        {
            judgement.points.pop();
            judgement.suspect(last, SuspectReason::Dip);
            judgement.push(after, Link::Counted);
            return;
        }
        let (kind, link, amount) = match self.rolls_over(last, &chain) {
            Some(amount) => (BreakKind::Rollover, Link::RolledOver, Some(amount)),
            None if after.value < last.value => (BreakKind::Reset, Link::Unknown, None),
            None => (BreakKind::Jump, Link::Unknown, None),
        };
        judgement.breaks.push(Break { before: last, after, kind, amount });
        judgement.push(after, link);
    }

    /// Returns whether a reading goes on from a dip that began after `before`.
    fn dipped_to(
        &self,
        last: CounterReading,
        before: CounterReading,
        judgement: &Judgement,
    ) -> bool {
        let since = |suspect: &&Suspect| before.instant <= suspect.reading.instant;
        let between = judgement.suspects.iter().rev().take_while(since);
        between.filter(|suspect| suspect.reason == SuspectReason::Dip).any(|suspect| {
            suspect.reading.value < before.value && self.follows(suspect.reading, last)
        })
    }

    fn dismiss(
        &self,
        indices: std::ops::Range<usize>,
        last: CounterReading,
        judgement: &mut Judgement,
    ) {
        for &reading in &self.readings[indices] {
            let reason = if !self.is_in_range(reading) {
                SuspectReason::OutOfRange
            } else if reading.value < last.value {
                SuspectReason::Dip
            } else {
                SuspectReason::Spike
            };
            judgement.suspect(reading, reason);
        }
    }

    fn is_in_range(&self, reading: CounterReading) -> bool {
        0 <= reading.value && reading.value < self.rules.rollover.unwrap_or(VALUE_END)
    }

    /// Returns whether the counter can have gone from one reading to a later one.
    fn follows(&self, from: CounterReading, to: CounterReading) -> bool {
        let rise = to.value - from.value;
        if rise < 0 || (to.instant <= from.instant && rise != 0) {
            return false;
        }
        // A coarse register may show within a second what went through in minutes, hence
        // at least the amount of a whole interval.
        self.rules.rate_max.is_none_or(|rate_max| {
            rise <= rate_max / (3600 / INTERVAL_S)
                || i128::from(rise) * 3600
                    <= i128::from(rate_max) * i128::from(to.instant - from.instant)
        })
    }

    /// Returns what went through if the counter passed its largest value before a chain.
    ///
    /// A fall is taken for a rollover if it used less than a quarter of the counter's
    /// range; no meter of ours can use more between two polls. Unless that is next to
    /// nothing, it must also be natural beside how the counter ran on: a meter that is
    /// cleared in the last quarter of its range is no rollover.
    fn rolls_over(&self, from: CounterReading, chain: &Chain) -> Option<i64> {
        let (rollover, to) = (self.rules.rollover?, chain.first);
        let used = rollover - from.value + to.value;
        let fell = to.value < from.value && from.instant < to.instant;
        let unrolled = CounterReading { value: from.value + used, ..to };
        let natural = || Step::between(from, unrolled).is_natural_beside(chain.step());
        let is_one = fell && used < rollover / 4 && (used < rollover / NOTHING || natural());
        (is_one && self.follows(from, unrolled)).then_some(used)
    }
}
