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
}
