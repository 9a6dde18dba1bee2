//! From counter readings to an amount per quarter hour.
//!
//! A counter only says "so much since I was installed". Everything we show, bill or
//! warn about needs "so much between 14:00 and 14:15". This is the only place where the
//! one becomes the other.
//!
//! In: readings of one counter, in thousandths of its unit, in any order and any number
//! of times; events such as a meter swap; the rules of that counter.
//! Out: one [`IntervalAmount`] per quarter hour of the span that was asked for.
//!
//! Afterwards:
//! - amounts are never negative;
//! - the intervals add up to the last accepted reading minus the first: rollovers
//!   counted through, swaps by their event, resets as [`Break`] says, nothing rounded;
//! - what happened in a gap is spread over the gap as *estimated*, never booked when the
//!   meter came back;
//! - an interval without an accepted reading at or beyond both its ends is missing, not
//!   zero;
//! - order, duplication and the borders of the span change nothing.
//!
//! Steps, one file each: `lives` cuts the readings where a meter was swapped or its scale
//! changed, `judge` decides which readings count, `spread` lays what they say over the
//! quarter hours, `overlay` lays corrections and estimates by people over that. `explain`
//! gives the same steps as a list, for who asks why a number is so.
//!
//! Beside counters: `power` (a meter that tells only power), `combine` (a meter that is a
//! formula of others), `balance` (a meter against those behind it), `level` (a counter that
//! suddenly counts in another scale).
//!
//! Not here: cost (`tariff`), storage (`gateway::store`), the time now.

pub mod balance;
mod chain;
pub mod combine;
mod event;
mod explain;
mod judge;
pub mod level;
mod lives;
mod overlay;
pub mod power;
mod spread;

use std::borrow::Cow;

pub use event::{Amounts, MeterEvent, Width};
pub use explain::{Explanation, Piece, PieceKind, Stand, explain};
pub use overlay::shares;

/// Length of an interval, s. Every civil offset in use today is a multiple of it, so
/// intervals nest in local days.
pub const INTERVAL_S: i64 = 900;

/// One reading of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterReading {
    /// When it was read.
    pub instant: i64,
    /// What the counter showed, in thousandths of its unit.
    pub value: i64,
}

/// A stretch of time, `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first instant.
    pub from: i64,
    /// The first instant that is no longer part of it.
    pub to: i64,
}

impl Span {
    /// Returns the smallest span of whole intervals that holds this one.
    #[must_use]
    pub const fn aligned(self) -> Self {
        let to = interval_start(self.to);
        Self {
            from: interval_start(self.from),
            to: if to == self.to { to } else { to + INTERVAL_S },
        }
    }

    /// Returns the starts of the intervals of the aligned span.
    pub fn starts(self) -> impl Iterator<Item = i64> + use<> {
        let Self { from, to } = self.aligned();
        let count = ((to - from) / INTERVAL_S).max(0);
        (0..count).map(move |index| from + index * INTERVAL_S)
    }
}

/// Returns the start of the interval in which an instant lies.
#[must_use]
pub const fn interval_start(instant: i64) -> i64 {
    instant - instant.rem_euclid(INTERVAL_S)
}

/// How much of an interval is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coverage {
    /// All of it was measured.
    Measured,
    /// Something of it is missing; the amount is that of the rest.
    Partly,
    /// Nothing is missing, and some or all of it was estimated.
    Estimated,
    /// Nothing is known. Not zero.
    Missing,
}

impl Coverage {
    /// Returns the word that stands for this coverage in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Partly => "partly",
            Self::Estimated => "estimated",
            Self::Missing => "missing",
        }
    }
}

/// What went through a meter in `[start, start + 900 s)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IntervalAmount {
    /// Start of the interval, a multiple of [`INTERVAL_S`].
    pub start: i64,
    /// What was measured, in thousandths of the counter's unit.
    pub measured: i64,
    /// What was estimated, in thousandths of the counter's unit.
    pub estimated: i64,
    /// Seconds of the interval that were estimated.
    pub estimated_s: u16,
    /// Seconds of the interval that nothing is known of.
    pub missing_s: u16,
}

impl IntervalAmount {
    /// Returns an interval of which nothing is known.
    #[must_use]
    pub const fn missing(start: i64) -> Self {
        Self { start, measured: 0, estimated: 0, estimated_s: 0, missing_s: WHOLE_S }
    }

    /// Returns measured and estimated together, in thousandths of the counter's unit.
    #[must_use]
    pub const fn amount(&self) -> i64 {
        self.measured + self.estimated
    }

    /// Returns measured and estimated together; `None` if nothing is known.
    #[must_use]
    pub const fn known(&self) -> Option<i64> {
        if self.missing_s < WHOLE_S { Some(self.amount()) } else { None }
    }

    /// Returns measured and estimated together; `None` if something of it is missing.
    #[must_use]
    pub const fn complete(&self) -> Option<i64> {
        if self.missing_s == 0 { Some(self.amount()) } else { None }
    }

    /// Returns this interval and the same one of another meter together. What is missing
    /// or estimated of either is so of both.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let missing_s = self.missing_s.max(other.missing_s);
        let estimated_s = self.estimated_s.max(other.estimated_s).min(WHOLE_S - missing_s);
        Self {
            start: self.start,
            measured: self.measured + other.measured,
            estimated: self.estimated + other.estimated,
            estimated_s,
            missing_s,
        }
    }

    /// Returns the end of the interval, which is the start of the next.
    #[must_use]
    pub const fn end(&self) -> i64 {
        self.start + INTERVAL_S
    }

    /// Returns the seconds of the interval that were measured.
    #[must_use]
    pub const fn measured_s(&self) -> u16 {
        WHOLE_S - self.missing_s - self.estimated_s
    }

    /// Returns how much of the interval is known.
    #[must_use]
    pub const fn coverage(&self) -> Coverage {
        match (self.missing_s, self.estimated_s) {
            (0, 0) => Coverage::Measured,
            (0, _) => Coverage::Estimated,
            (WHOLE_S, _) => Coverage::Missing,
            _ => Coverage::Partly,
        }
    }

    /// Returns the mean power over the interval, mW; for volume the mean flow, mL/h.
    /// `None` if something of it is missing.
    #[must_use]
    pub const fn demand(&self) -> Option<i64> {
        if self.missing_s == 0 { Some(self.amount() * (3600 / INTERVAL_S)) } else { None }
    }
}

/// Seconds of a whole interval, as the counts of seconds in [`IntervalAmount`] have them.
pub const WHOLE_S: u16 = 900;
const _: () = assert!(WHOLE_S as i64 == INTERVAL_S);

/// What is known of a counter before any reading of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CounterRules {
    /// The first value the counter cannot show, in thousandths of its unit and after the
    /// ratio; `None` if it is too wide ever to roll over.
    pub rollover: Option<i64>,
    /// The longest time between two accepted readings that still counts as measured, s.
    /// What went through in a longer one is spread over it as estimated.
    pub gap_s_max: i64,
    /// The most that can go through in an hour, in thousandths of the counter's unit:
    /// what fuses or the pipe let through, amply. `None` if nobody knows. It is what
    /// tells a lasting jump of the counter from consumption.
    pub rate_max: Option<i64>,
}

/// Between two readings further apart than this there is a gap, s; meters that are
/// polled more rarely have more, see [`CounterRules::polled_every`].
pub const GAP_S: i64 = 20 * 60;

impl CounterRules {
    /// Returns the rules of a counter that is polled every `interval_s`: a gap is what
    /// is longer than twenty minutes and longer than two polls. One lost reading of a
    /// meter polled each quarter hour (and the jitter of the others) is thus no gap.
    #[must_use]
    pub fn polled_every(interval_s: u32) -> Self {
        let two_polls = 2 * i64::from(interval_s) + i64::from(interval_s) / 10;
        Self { rollover: None, gap_s_max: GAP_S.max(two_polls), rate_max: None }
    }

    /// Returns these rules for a counter whose first unshowable value is `rollover`.
    #[must_use]
    pub fn rolling_over_at(self, rollover: Option<i64>) -> Self {
        Self { rollover, ..self }
    }

    /// Returns these rules for a counter through which at most `rate_max` goes in an hour.
    #[must_use]
    pub fn at_most(self, rate_max: Option<i64>) -> Self {
        Self { rate_max, ..self }
    }
}

/// What the readings of one counter say about a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumption {
    /// One entry per quarter hour of the span, in order of time.
    pub intervals: Vec<IntervalAmount>,
    /// The same before corrections and estimates by people; `None` where there are none in
    /// the span.
    pub uncorrected: Option<Vec<IntervalAmount>>,
    /// Readings that do not count, and why, in order of time; of all readings given, not
    /// only of those within the span.
    pub suspects: Vec<Suspect>,
    /// Where the counter stopped being the same counter, in order of time.
    pub breaks: Vec<Break>,
    /// Later readings change nothing in intervals that end here or earlier. `None` if
    /// nothing is certain yet. Readings that arrive late, from before it, still do.
    pub settled_until: Option<i64>,
    /// Where more than the next readings that count decided: from the last that counted before
    /// the doubt up to the one that decided it, or for ever where none has yet. A reading that
    /// arrives late, anywhere in it, may decide otherwise.
    pub decided: Vec<Span>,
}

/// A reading that does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suspect {
    /// The reading, as it arrived.
    pub reading: CounterReading,
    /// Why.
    pub reason: SuspectReason,
}

/// Why a reading does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SuspectReason {
    /// The counter fell and later readings went on above the fall: a zero, a dip.
    Dip,
    /// The counter rose and later readings went on below the rise.
    Spike,
    /// No counter of this width shows such a value.
    OutOfRange,
    /// The counter jumped and no later reading says yet what it was.
    Undecided,
}

impl SuspectReason {
    /// Returns the word that stands for this reason in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Dip => "dip",
            Self::Spike => "spike",
            Self::OutOfRange => "out_of_range",
            Self::Undecided => "undecided",
        }
    }
}

/// Two readings that count, between which the counter started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Break {
    /// The last reading before.
    pub before: CounterReading,
    /// The first reading after.
    pub after: CounterReading,
    /// What it was.
    pub kind: BreakKind,
    /// What is taken to have gone through in between, in thousandths of the counter's
    /// unit; `None` if nobody can say.
    pub amount: Option<i64>,
}

/// How a counter started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BreakKind {
    /// It passed its largest value. The amount is counted through.
    Rollover,
    /// It fell and no rollover explains it: cleared, or swapped without an event. The
    /// amount is estimated from the rates just before and just after; a longer gap than
    /// counts as measured stays missing.
    Reset,
    /// It rose faster than anything can go through and went on from there: swapped
    /// without an event, or scaled anew. The amount is estimated as for a reset.
    Jump,
}

/// How a meter's use is shaped: given the start of a gap and the start of an interval in
/// it, what typically goes through in that interval. Only the proportions count; `None`
/// anywhere in the gap makes it a straight line. [`crate::profile::OwnShape`] makes one.
pub type Shape<'a> = &'a dyn Fn(i64, i64) -> Option<i64>;

/// Returns what went through a counter in each quarter hour of a span.
///
/// Readings and events come in any order and any number of times. They should begin at
/// least two readings that count before the span, and go on for as long as there are
/// any: then the result is to the last digit the one that all readings ever would give.
/// A day before the span and all that came after it is a good habit; where there is a gap
/// at its beginning, also the two readings before the gap.
///
/// `shape` says how what went through in a gap is spread; so that it stays the same whenever
/// it is computed, it should come from before the gap. Without it, a gap is a straight line.
#[must_use]
pub fn consumption(
    readings: &[CounterReading],
    events: &[MeterEvent],
    rules: &CounterRules,
    shape: Option<Shape<'_>>,
    span: Span,
) -> Consumption {
    let readings = in_order(readings);
    let judgement = lives::judge(&readings, events, rules);
    let mut intervals = spread::spread(&judgement.points, rules, shape, span.aligned());
    let uncorrected = overlay::lay_over(&mut intervals, events, shape);
    let judge::Judgement { suspects, breaks, settled_until, decided, .. } = judgement;
    Consumption { intervals, uncorrected, suspects, breaks, settled_until, decided }
}

/// Returns the readings in order of time, each once.
fn in_order(readings: &[CounterReading]) -> Cow<'_, [CounterReading]> {
    if readings.is_sorted_by(|a, b| a < b) {
        return Cow::Borrowed(readings);
    }
    let mut sorted = readings.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    Cow::Owned(sorted)
}

#[cfg(test)]
mod tests;
