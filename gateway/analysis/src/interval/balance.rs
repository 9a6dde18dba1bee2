//! A meter against those behind it: what nobody behind it explains.
//!
//! In: the intervals of the main meter and of each meter directly behind it.
//! Out: sums over a stretch, and the rest.
//!
//! The rest is that of the intervals of which nothing is missing at any of the meters, and
//! `compared_s` says how much time that is: a meter behind that was silent for a day must not
//! turn its use into loss. A rest below zero is kept: the meters behind count more than the
//! main one, so one of them is wrong or stands at the wrong place.

use super::{INTERVAL_S, IntervalAmount, Span};

/// A stretch of a balance. Amounts in thousandths of the meters' unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceRow {
    /// What it is of.
    pub span: Span,
    /// What went through the main meter while all were known.
    pub main: i64,
    /// What went through each meter behind it in the same time.
    pub parts: Vec<i64>,
    /// Seconds of the stretch in which all of them were known.
    pub compared_s: i64,
    /// Of these, seconds in which one of them was estimated.
    pub estimated_s: i64,
}

impl BalanceRow {
    /// Returns what the meters behind do not explain; `None` if nothing could be compared.
    #[must_use]
    pub fn rest(&self) -> Option<i64> {
        (0 < self.compared_s).then(|| self.main - self.parts.iter().sum::<i64>())
    }
}

/// Returns the balance of each stretch.
///
/// All lists of intervals are in order of time; stretches are of whole intervals.
#[must_use]
pub fn balance(
    main: &[IntervalAmount],
    parts: &[Vec<IntervalAmount>],
    stretches: &[Span],
) -> Vec<BalanceRow> {
    stretches.iter().map(|span| row(main, parts, *span)).collect()
}

fn row(main: &[IntervalAmount], parts: &[Vec<IntervalAmount>], span: Span) -> BalanceRow {
    let mut row =
        BalanceRow { span, main: 0, parts: vec![0; parts.len()], compared_s: 0, estimated_s: 0 };
    for start in span.starts() {
        let Some(own) = complete(main, start) else { continue };
        let behind: Option<Vec<_>> = parts.iter().map(|part| complete(part, start)).collect();
        let Some(behind) = behind else { continue };
        row.main += own.amount();
        row.compared_s += INTERVAL_S;
        let estimated_s = behind.iter().map(|it| it.estimated_s).chain([own.estimated_s]).max();
        row.estimated_s += i64::from(estimated_s.unwrap_or_default());
        for (sum, part) in row.parts.iter_mut().zip(behind) {
            *sum += part.amount();
        }
    }
    row
}

fn complete(intervals: &[IntervalAmount], start: i64) -> Option<&IntervalAmount> {
    let at = intervals.binary_search_by_key(&start, |interval| interval.start).ok()?;
    intervals.get(at).filter(|interval| interval.missing_s == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(start: i64, measured: i64) -> IntervalAmount {
        IntervalAmount { measured, missing_s: 0, ..IntervalAmount::missing(start) }
    }

    #[test]
    fn the_rest_is_of_the_time_in_which_all_were_known() {
        let main = [known(0, 100), known(900, 100), known(1_800, 100)];
        let parts = vec![
            vec![known(0, 40), IntervalAmount::missing(900), known(1_800, 40)],
            vec![known(0, 50), known(900, 50), known(1_800, 70)],
        ];
        let span = |from, to| Span { from, to };

        let rows = balance(&main, &parts, &[span(0, 900), span(900, 1_800), span(0, 2_700)]);

        let rests: Vec<_> = rows.iter().map(BalanceRow::rest).collect();
        assert_eq!(rests, [Some(10), None, Some(0)]);
        assert_eq!((rows[2].main, rows[2].compared_s), (200, 1_800));
        assert_eq!(rows[2].parts, [80, 120]);
    }
}
