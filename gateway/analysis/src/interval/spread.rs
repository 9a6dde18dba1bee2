//! What counting readings say, laid over quarter hours.
//!
//! Between two points the total is known at both ends. At a border in between it is
//! interpolated, rounded down once, and used for the interval before the border and the
//! one after it: so the intervals telescope, whatever was rounded.
//!
//! A short way between points is measured, by a straight line. A long one is a gap: what
//! went through is spread by the shape that is given (the meter's own typical day), by a
//! straight line where there is none, and is estimated either way.

use super::{
    CounterRules, INTERVAL_S, IntervalAmount, Shape, Span, interval_start,
    judge::{Link, Point},
};

/// The largest weight of an interval: 68 MWh in a quarter hour. Keeps products within `i128`.
const WEIGHT_MAX: i64 = 1 << 36;

/// Lays the points over the intervals of an aligned span.
pub(super) fn spread(
    points: &[Point],
    rules: &CounterRules,
    shape: Option<Shape<'_>>,
    span: Span,
) -> Vec<IntervalAmount> {
    let mut rows = Rows { span, intervals: span.starts().map(IntervalAmount::missing).collect() };
    let first = points.partition_point(|point| point.instant < span.from).saturating_sub(1);
    for pair in points[first..].windows(2) {
        let (from, to) = (pair[0], pair[1]);
        if span.to <= from.instant {
            break;
        }
        let long = rules.gap_s_max < to.instant - from.instant;
        match to.link {
            Link::Start | Link::Unknown | Link::Swapped => {}
            Link::Counted | Link::RolledOver if !long => rows.lay_straight(from, to, false),
            Link::Counted | Link::Carried | Link::RolledOver | Link::Bridged => match shape {
                Some(shape) => rows.lay_shaped(from, to, shape),
                None => rows.lay_straight(from, to, true),
            },
        }
    }
    rows.intervals
}

/// Returns the weight of each interval of the way between two points; `None` where it is a
/// straight line.
pub(super) fn weights(from: Point, to: Point, shape: Option<Shape<'_>>) -> Option<Vec<i64>> {
    let gap = Span { from: from.instant, to: to.instant };
    let through = i128::from(to.total - from.total);
    let shape = shape?;
    let weights: Vec<i64> = gap
        .starts()
        .map(|start| Some(shape(gap.from, start)?.clamp(0, WEIGHT_MAX)))
        .collect::<Option<_>>()?;
    let seconds = |start: i64| (start + INTERVAL_S).min(gap.to) - start.max(gap.from);
    let whole: i128 = gap
        .starts()
        .zip(&weights)
        .map(|(start, weight)| i128::from(*weight) * i128::from(seconds(start)))
        .sum();
    (whole != 0 && through.checked_mul(whole).is_some()).then_some(weights)
}

struct Rows {
    span: Span,
    intervals: Vec<IntervalAmount>,
}

impl Rows {
    /// Enters `amount` for `[from, to)`, which lies within one interval.
    fn enter(&mut self, from: i64, to: i64, amount: i64, estimated: bool) {
        let Ok(index) = usize::try_from((from - self.span.from).div_euclid(INTERVAL_S)) else {
            return;
        };
        let Some(row) = self.intervals.get_mut(index) else { return };
        let seconds = u16::try_from(to - from).unwrap_or_default();
        row.missing_s -= seconds;
        if estimated {
            row.estimated += amount;
            row.estimated_s += seconds;
        } else {
            row.measured += amount;
        }
    }

    fn lay_straight(&mut self, from: Point, to: Point, estimated: bool) {
        let took = i128::from(to.instant - from.instant);
        let through = to.total - from.total;
        // Within one interval, as most are; and both at once, which only a swap can be.
        if to.instant <= interval_start(from.instant) + INTERVAL_S {
            self.enter(from.instant, to.instant, through, estimated);
            return;
        }
        let through_at = |instant: i64| {
            i64::try_from(i128::from(through) * i128::from(instant - from.instant) / took)
                .unwrap_or(through)
        };
        let mut start = from.instant.max(self.span.from);
        let mut before = through_at(start);
        let end = to.instant.min(self.span.to);
        while start < end {
            let border = (interval_start(start) + INTERVAL_S).min(end);
            let after = through_at(border);
            self.enter(start, border, after - before, estimated);
            (start, before) = (border, after);
        }
    }

    fn lay_shaped(&mut self, from: Point, to: Point, shape: Shape<'_>) {
        let through = i128::from(to.total - from.total);
        let gap = Span { from: from.instant, to: to.instant };
        let Some(weights) = weights(from, to, Some(shape)) else {
            self.lay_straight(from, to, true);
            return;
        };
        let pieces: Vec<(i64, i64, i128)> = gap
            .starts()
            .zip(weights)
            .map(|(start, weight)| {
                let (begin, end) = (start.max(gap.from), (start + INTERVAL_S).min(gap.to));
                (begin, end, i128::from(weight) * i128::from(end - begin))
            })
            .collect();
        let whole: i128 = pieces.iter().map(|&(_, _, weight)| weight).sum();
        let (mut weight, mut before) = (0, 0);
        for (begin, end, piece) in pieces {
            weight += piece;
            let after = i64::try_from(through * weight / whole).unwrap_or_default();
            self.enter(begin, end, after - before, true);
            before = after;
        }
    }
}
