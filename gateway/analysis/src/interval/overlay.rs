//! Corrections and estimates by people, laid over what the readings say.
//!
//! In the order in which they were made: a later one lies over an earlier one where they
//! meet. What they make counts as estimated, whoever measured it by whatever means: the
//! readings did not. The share of each interval depends on the event and the shape alone, not
//! on what is asked for.

use super::{Amounts, INTERVAL_S, IntervalAmount, MeterEvent, Shape, Span, WHOLE_S};

/// The largest weight of an interval; see `spread`.
const WEIGHT_MAX: i64 = 1 << 36;

/// Lays corrections and estimates over intervals in order of time; returns the intervals as
/// they were if any was touched.
pub(super) fn lay_over(
    intervals: &mut [IntervalAmount],
    events: &[MeterEvent],
    shape: Option<Shape<'_>>,
) -> Option<Vec<IntervalAmount>> {
    let (first, last) = (intervals.first()?.start, intervals.last()?.end());
    let mut laid: Vec<(i64, Span, &MeterEvent)> = events
        .iter()
        .filter_map(|event| event.laid_over().map(|(order, span)| (order, span.aligned(), event)))
        .filter(|(_, span, _)| span.from < last && first < span.to)
        .collect();
    if laid.is_empty() {
        return None;
    }
    let before = intervals.to_vec();
    laid.sort_by_key(|&(order, span, event)| {
        let kind = matches!(event, MeterEvent::Estimate { .. });
        (order, span.from, span.to, kind)
    });
    laid.dedup_by(|one, other| one.2 == other.2);
    for (_, span, event) in laid {
        let amounts = match event {
            MeterEvent::Correction { amounts: Amounts::Each(each), .. } => each.clone(),
            MeterEvent::Correction { amounts: Amounts::Total(amount), .. }
            | MeterEvent::Estimate { amount, .. } => shares(span, *amount, shape),
            MeterEvent::Swap { .. } | MeterEvent::Scale { .. } => continue,
        };
        let fills = matches!(event, MeterEvent::Estimate { .. });
        let within = |interval: &&mut IntervalAmount| {
            span.from <= interval.start && interval.start < span.to
        };
        for interval in intervals.iter_mut().filter(within) {
            let index = usize::try_from((interval.start - span.from) / INTERVAL_S);
            let share = index.ok().and_then(|at| amounts.get(at)).copied().unwrap_or_default();
            if fills {
                fill(interval, share);
            } else {
                *interval = IntervalAmount {
                    start: interval.start,
                    measured: 0,
                    estimated: share,
                    estimated_s: WHOLE_S,
                    missing_s: 0,
                };
            }
        }
    }
    Some(before)
}

/// Gives what is missing of an interval its part of the interval's share.
fn fill(interval: &mut IntervalAmount, share: i64) {
    let part = i128::from(share) * i128::from(interval.missing_s) / i128::from(WHOLE_S);
    interval.estimated += i64::try_from(part).unwrap_or_default();
    interval.estimated_s += interval.missing_s;
    interval.missing_s = 0;
}

/// Returns the share that each interval of an aligned span has of an amount, by the meter's
/// own shape; equal shares where it has none. They add up to the amount.
#[must_use]
pub fn shares(span: Span, amount: i64, shape: Option<Shape<'_>>) -> Vec<i64> {
    let weights: Option<Vec<i128>> = shape.and_then(|shape| {
        span.starts()
            .map(|start| Some(shape(span.from, start)?.clamp(0, WEIGHT_MAX).into()))
            .collect()
    });
    let weights = weights.filter(|weights| weights.iter().any(|weight| 0 < *weight));
    let weights = weights.unwrap_or_else(|| span.starts().map(|_| 1).collect());
    let whole: i128 = weights.iter().sum();
    let (mut weight, mut before) = (0, 0);
    let mut shares = Vec::with_capacity(weights.len());
    for own in weights {
        weight += own;
        let after = i64::try_from(i128::from(amount) * weight / whole).unwrap_or_default();
        shares.push(after - before);
        before = after;
    }
    shares
}
