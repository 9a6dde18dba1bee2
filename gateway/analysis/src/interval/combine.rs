//! Meters that are a formula of others: `main - lab - 0.5 canteen`.
//!
//! In: the intervals of each term and its factor. Out: their sum per quarter hour.
//!
//! An interval of which something is missing in any term is missing: the known part of one
//! and the known part of another may be of different minutes. What is estimated of a term is
//! estimated of the sum. A sum below zero is kept, so that days add up to the month, and is
//! named in `negative`: terms that count in coarse steps cause it for an interval, a wrong
//! formula for days.

use super::{IntervalAmount, Span};

/// A term's factor of 1, in thousandths.
pub const ONE_MILLI: i64 = 1_000;

/// A term of a sum.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a> {
    /// What the term is multiplied by, in thousandths; below 0 it is taken away.
    pub factor_milli: i64,
    /// Its intervals, in order of time.
    pub intervals: &'a [IntervalAmount],
}

/// The sum of some meters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Combined {
    /// One entry per quarter hour of the span.
    pub intervals: Vec<IntervalAmount>,
    /// Starts of those that came out below zero.
    pub negative: Vec<i64>,
}

/// Returns the sum of some meters in each quarter hour of a span; all is missing without a
/// term.
#[must_use]
pub fn combine(terms: &[Term<'_>], span: Span) -> Combined {
    let span = span.aligned();
    let mut combined = Combined::default();
    for start in span.starts() {
        let sum = sum_at(terms, start).unwrap_or(IntervalAmount::missing(start));
        if sum.amount() < 0 {
            combined.negative.push(start);
        }
        combined.intervals.push(sum);
    }
    combined
}

fn sum_at(terms: &[Term<'_>], start: i64) -> Option<IntervalAmount> {
    let mut sum: Option<IntervalAmount> = None;
    let (mut measured, mut estimated) = (0_i128, 0_i128);
    for term in terms {
        let at = term.intervals.binary_search_by_key(&start, |interval| interval.start).ok()?;
        let own = term.intervals.get(at).filter(|own| own.missing_s == 0)?;
        measured += i128::from(own.measured) * i128::from(term.factor_milli);
        estimated += i128::from(own.estimated) * i128::from(term.factor_milli);
        let estimated_s = sum.map_or(0, |sum| sum.estimated_s).max(own.estimated_s);
        sum = Some(IntervalAmount { estimated_s, missing_s: 0, ..IntervalAmount::missing(start) });
    }
    // Rounded once, together: what halves lose in one part the other has.
    let whole = (measured + estimated).div_euclid(i128::from(ONE_MILLI));
    let measured = measured.div_euclid(i128::from(ONE_MILLI));
    Some(IntervalAmount {
        measured: i64::try_from(measured).ok()?,
        estimated: i64::try_from(whole - measured).ok()?,
        ..sum?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(start: i64, measured: i64, estimated: i64, missing_s: u16) -> IntervalAmount {
        let estimated_s = if estimated == 0 { 0 } else { 300 };
        IntervalAmount { start, measured, estimated, estimated_s, missing_s }
    }

    const SPAN: Span = Span { from: 0, to: 2_700 };

    #[test]
    fn a_rest_is_the_main_meter_without_the_others_factor_by_factor() {
        let main = [interval(0, 1_000, 0, 0), interval(900, 1_001, 0, 0), interval(1_800, 9, 0, 0)];
        let lab = [interval(0, 300, 0, 0), interval(900, 201, 100, 0), interval(1_800, 0, 0, 0)];

        let terms = [
            Term { factor_milli: 1_000, intervals: &main },
            Term { factor_milli: -500, intervals: &lab },
        ];
        let found = combine(&terms, SPAN);

        let amounts: Vec<_> = found.intervals.iter().map(IntervalAmount::amount).collect();
        assert_eq!(amounts, [850, 850, 9]);
        assert_eq!((found.intervals[0].estimated_s, found.intervals[1].estimated_s), (0, 300));
        assert!(found.negative.is_empty());
    }

    #[test]
    fn what_is_missing_of_a_term_is_missing_of_the_sum() {
        let main = [interval(0, 1_000, 0, 0), interval(900, 500, 0, 450), interval(1_800, 7, 0, 0)];
        let lab = [interval(0, 300, 0, 0), interval(900, 100, 0, 0)];

        let terms = [
            Term { factor_milli: 1_000, intervals: &main },
            Term { factor_milli: -1_000, intervals: &lab },
        ];
        let found = combine(&terms, SPAN);

        let known: Vec<_> = found.intervals.iter().map(IntervalAmount::known).collect();
        assert_eq!(known, [Some(700), None, None]);
    }

    #[test]
    fn a_sum_below_zero_is_kept_and_named() {
        let main = [interval(0, 100, 0, 0), interval(900, 100, 0, 0), interval(1_800, 100, 0, 0)];
        let lab = [interval(0, 0, 0, 0), interval(900, 150, 0, 0), interval(1_800, 0, 0, 0)];

        let terms = [
            Term { factor_milli: 1_000, intervals: &main },
            Term { factor_milli: -1_000, intervals: &lab },
        ];
        let found = combine(&terms, SPAN);

        assert_eq!(found.negative, [900]);
        assert_eq!(found.intervals.iter().map(IntervalAmount::amount).sum::<i64>(), 150);
    }
}
