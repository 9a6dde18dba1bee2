//! Statistics that one wild value in ten does not move: medians, quantiles, spreads.
//!
//! Values are finite; what is missing was left out before. Nothing here knows what the
//! values are of.

use std::cmp::Ordering;

/// A normal distribution's standard deviation is this many median distances from its middle.
const NORMAL: f64 = 1.4826;

/// Returns the median, the mean of the middle two where they are even; `None` of nothing.
/// The values are reordered.
#[must_use]
pub fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if !is_even {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some(lower.midpoint(upper))
}

/// Returns the value that a share of the values (thousandths) does not exceed, by nearest
/// rank; `None` of nothing. The values are reordered.
#[must_use]
pub fn quantile(values: &mut [f64], share_milli: usize) -> Option<f64> {
    let rank = (values.len() * share_milli.min(1000)).div_ceil(1000).max(1);
    if values.len() < rank {
        return None;
    }
    let (_, &mut value, _) = values.select_nth_unstable_by(rank - 1, f64::total_cmp);
    Some(value)
}

/// Returns how far values lie from a middle, as a standard deviation would say it were they
/// normal; `None` of nothing.
#[must_use]
pub fn spread(values: &[f64], middle: f64) -> Option<f64> {
    let mut distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    Some(NORMAL * median(&mut distances)?)
}

/// Returns how much of `cause` is found again in `effect`, from 0 to 1: both are distances
/// from what is usual, pair by pair. A half where fewer than six pairs tell.
///
/// # Source
///
/// The slope of medians of the pairs turned to one side: half of them may be wild.
#[must_use]
pub fn share_passed_on(pairs: &[(f64, f64)]) -> f64 {
    if pairs.len() < 6 {
        return 0.5;
    }
    let turn = |cause: f64| match cause.total_cmp(&0.0) {
        Ordering::Less => -1.0,
        Ordering::Equal => 0.0,
        Ordering::Greater => 1.0,
    };
    let mut causes: Vec<f64> = pairs.iter().map(|pair| pair.0.abs()).collect();
    let mut effects: Vec<f64> = pairs.iter().map(|pair| pair.1 * turn(pair.0)).collect();
    match (median(&mut causes), median(&mut effects)) {
        (Some(cause), Some(effect)) if 0.0 < cause => (effect / cause).clamp(0.0, 1.0),
        _ => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn a_quantile_is_a_value_that_is_there() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0];

        assert_eq!(quantile(&mut values, 0), Some(1.0));
        assert_eq!(quantile(&mut values, 300), Some(2.0));
        assert_eq!(quantile(&mut values, 1000), Some(5.0));
        assert_eq!(quantile(&mut [], 500), None);
    }

    #[test]
    fn one_wild_value_in_five_does_not_widen_the_spread_much() {
        let calm = spread(&[1.0, 2.0, 3.0, 4.0, 5.0], 3.0).unwrap();
        let wild = spread(&[1.0, 2.0, 3.0, 4.0, 5e9], 3.0).unwrap();

        assert!((calm - wild).abs() < 1e-9, "{calm} {wild}");
    }

    #[test]
    fn what_is_passed_on_is_found_whichever_way_it_goes() {
        let half: Vec<(f64, f64)> = (-5..=5).map(|n| (f64::from(n), 0.5 * f64::from(n))).collect();
        let none: Vec<(f64, f64)> = (-5..=5).map(|n| (f64::from(n), 0.0)).collect();

        assert!((share_passed_on(&half) - 0.5).abs() < 0.2, "{}", share_passed_on(&half));
        assert!(share_passed_on(&none).abs() < 1e-9);
    }
}
