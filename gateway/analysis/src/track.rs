//! Amounts at equal steps: what detectors of a load's shape and baselines look at.
//!
//! Quarter hours of [`crate::interval`] and hours of anybody's table look the same here.
//! A step that was not measured as a whole is `None`: a gap teaches nothing and accuses
//! nobody.

use crate::interval::{Coverage, INTERVAL_S, IntervalAmount};

/// Amounts of one meter, one for each step, without holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Start of the first step.
    pub start: i64,
    /// Length of a step, s.
    pub step_s: i64,
    /// What went through in each step, in thousandths of the meter's unit.
    pub amounts: Vec<Option<i64>>,
}

impl Track {
    /// Returns the quarter hours of a meter; only those measured as a whole count.
    ///
    /// `intervals` are complete and in order of time, as
    /// [`crate::interval::consumption`] gives them.
    #[must_use]
    pub fn of_intervals(intervals: &[IntervalAmount]) -> Self {
        let amount =
            |it: &IntervalAmount| (it.coverage() == Coverage::Measured).then(|| it.amount());
        Self {
            start: intervals.first().map_or(0, |first| first.start),
            step_s: INTERVAL_S,
            amounts: intervals.iter().map(amount).collect(),
        }
    }

    /// Returns the start of a step.
    #[must_use]
    pub fn instant(&self, index: usize) -> i64 {
        let steps = i64::try_from(index).unwrap_or(i64::MAX);
        self.start.saturating_add(steps.saturating_mul(self.step_s))
    }

    /// Returns the end of the last step.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.instant(self.amounts.len())
    }

    /// Returns the same amounts at steps of a whole hour, or as they are if theirs are that
    /// long. An hour of which a part is missing is missing.
    #[must_use]
    pub fn hourly(&self) -> Self {
        const HOUR_S: i64 = 3_600;
        if HOUR_S <= self.step_s || self.step_s <= 0 {
            return self.clone();
        }
        let start = self.start - self.start.rem_euclid(HOUR_S);
        let hours = (self.end() - start + HOUR_S - 1) / HOUR_S;
        let full = HOUR_S / self.step_s;
        let mut sums = vec![(0_i64, 0_i64); usize::try_from(hours).unwrap_or(0)];
        for (index, amount) in self.amounts.iter().enumerate() {
            let place = usize::try_from((self.instant(index) - start) / HOUR_S).ok();
            if let Some((amount, sum)) = amount.zip(place.and_then(|at| sums.get_mut(at))) {
                *sum = (sum.0.saturating_add(amount), sum.1 + 1);
            }
        }
        let amounts = sums.into_iter().map(|(sum, count)| (full <= count).then_some(sum)).collect();
        Self { start, step_s: HOUR_S, amounts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_which_a_quarter_is_missing_is_missing() {
        let quarters = [Some(1), Some(2), Some(3), Some(4), Some(5), None, Some(7), Some(8)];
        let track = Track { start: 7_200, step_s: 900, amounts: quarters.to_vec() };

        let hourly = track.hourly();

        assert_eq!(hourly, Track { start: 7_200, step_s: 3_600, amounts: vec![Some(10), None] });
        assert_eq!(hourly.hourly(), hourly);
    }

    #[test]
    fn hours_begin_at_whole_hours() {
        let track = Track { start: 9_000, step_s: 900, amounts: vec![Some(1); 6] };

        assert_eq!(track.hourly().amounts, [None, Some(4)]);
    }
}
