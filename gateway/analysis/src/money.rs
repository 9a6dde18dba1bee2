//! Exact amounts of money; the one place that rounds.
//!
//! A thousandth of a watt-hour at a ten-thousandth of a yuan per kilowatt-hour is 1e-10
//! yuan. [`Cost`] counts these, so that every sum is exact, and becomes 1/10000 of the
//! currency once: [`Cost::e4`].
//!
//! Where that happens decides whether rows equal totals. It happens per meter and local
//! day (`figures`), so rows by meter, by area and by day, and their totals, are sums of
//! the same rounded cells and equal each other to the last digit.

use std::{
    iter::Sum,
    ops::{Add, AddAssign},
};

/// A sum of money, exact, in 1e-10 of the currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(i128);

/// Counts of [`Cost`] in 1/10000 of the currency.
const PER_E4: i128 = 1_000_000;

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Returns what an amount costs at a rate.
    ///
    /// `amount` in mWh and the rate in 1/10000 of the currency per kWh, or `amount` in
    /// mL and the rate in 1/10000 per m³: a thousand thousands of thousandths either way.
    #[must_use]
    pub fn of(amount: i64, rate_e4: i64) -> Self {
        Self(i128::from(amount) * i128::from(rate_e4))
    }

    /// Returns the cost in 1/10000 of the currency, halves away from zero.
    #[must_use]
    pub fn e4(self) -> i64 {
        let half = if self.0 < 0 { -PER_E4 / 2 } else { PER_E4 / 2 };
        let rounded = (self.0 + half) / PER_E4;
        i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
    }

    /// Returns the count of 1e-10 of the currency.
    #[must_use]
    pub const fn exact(self) -> i128 {
        self.0
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kilowatt_hour_costs_its_rate() {
        assert_eq!(Cost::of(1_000_000, 6_543).e4(), 6_543);
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        assert_eq!(Cost::of(500_000, 1).e4(), 1);
        assert_eq!(Cost::of(499_999, 1).e4(), 0);
        assert_eq!(Cost::of(-500_000, 1).e4(), -1);
    }

    #[test]
    fn a_sum_of_small_costs_loses_nothing() {
        let parts: Cost = (0..1_000_000).map(|_| Cost::of(1, 7_777)).sum();

        assert_eq!(parts, Cost::of(1_000_000, 7_777));
    }
}
