//! Least squares with few settings: normal equations, a ridge, Cholesky.
//!
//! A row of these models has a dozen entries that are not nought among some hundred
//! columns, so the products are gathered entry by entry; a year of hours takes a few
//! milliseconds. Columns are of the order of one, and each has a ridge above nought:
//! a column that nothing speaks of gets nought, not a fault.

/// The sums that a fit needs.
#[derive(Clone, Debug)]
pub(crate) struct Normal {
    columns: usize,
    // The lower half, row by row; a square, so that an index stays plain.
    products: Vec<f64>,
    targets: Vec<f64>,
}

impl Normal {
    /// Returns empty sums.
    pub(crate) fn new(columns: usize) -> Self {
        Self { columns, products: vec![0.0; columns * columns], targets: vec![0.0; columns] }
    }

    /// Adds an observation; a column that is there twice counts with both values.
    pub(crate) fn add(&mut self, row: &[(usize, f64)], target: f64, weight: f64) {
        for &(a, left) in row {
            self.targets[a] += weight * left * target;
            let line = &mut self.products[a * self.columns..];
            for &(b, right) in row {
                if b <= a {
                    line[b] += weight * left * right;
                }
            }
        }
    }

    /// Forgets a share of everything: what is left counts `share` of what it did.
    pub(crate) fn fade(&mut self, share: f64) {
        for sum in self.products.iter_mut().chain(&mut self.targets) {
            *sum *= share;
        }
    }

    /// Adds another's sums, counted `share`; both have as many columns.
    pub(crate) fn blend(&mut self, other: &Self, share: f64) {
        for (sum, more) in self.products.iter_mut().zip(&other.products) {
            *sum += share * more;
        }
        for (sum, more) in self.targets.iter_mut().zip(&other.targets) {
            *sum += share * more;
        }
    }

    /// Returns the mean of the diagonal: what a ridge may be measured by.
    pub(crate) fn scale(&self) -> f64 {
        let sum: f64 = (0..self.columns).map(|at| self.products[at * self.columns + at]).sum();
        sum / count(self.columns.max(1))
    }

    /// Returns the coefficients; all nought where the sums are not of this world.
    pub(crate) fn solve(&self, ridge: impl Fn(usize) -> f64) -> Vec<f64> {
        let n = self.columns;
        let mut lower = self.products.clone();
        for at in 0..n {
            lower[at * n + at] += ridge(at);
        }
        for row in 0..n {
            let (above, below) = lower.split_at_mut(row * n);
            let line = &mut below[..n];
            for column in 0..=row {
                let other =
                    if column < row { &above[column * n..column * n + column] } else { &[] };
                let sum: f64 = if column < row {
                    line[..column].iter().zip(other).map(|(a, b)| a * b).sum()
                } else {
                    line[..column].iter().map(|it| it * it).sum()
                };
                let rest = line[column] - sum;
                line[column] = if column < row {
                    rest / above[column * n + column]
                } else if 0.0 < rest {
                    rest.sqrt()
                } else {
                    // Rounding ate what the ridge put there: the column says nothing.
                    f64::MAX.sqrt()
                };
            }
        }
        let mut solution = self.targets.clone();
        for row in 0..n {
            let known: f64 = (0..row).map(|at| lower[row * n + at] * solution[at]).sum();
            solution[row] = (solution[row] - known) / lower[row * n + row];
        }
        for row in (0..n).rev() {
            solution[row] /= lower[row * n + row];
            let value = solution[row];
            for at in 0..row {
                solution[at] -= lower[row * n + at] * value;
            }
        }
        if solution.iter().all(|it| it.is_finite()) { solution } else { vec![0.0; n] }
    }
}

/// Returns what a row comes to.
pub(crate) fn product(row: &[(usize, f64)], coefficients: &[f64]) -> f64 {
    row.iter().map(|&(at, value)| value * coefficients[at]).sum()
}

/// Returns a count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts of steps stay far below 2^52")]
pub(crate) const fn count(it: usize) -> f64 {
    it as f64
}

/// Returns an amount as a number.
#[expect(clippy::cast_precision_loss, reason = "a model is no account; sums stay integers")]
pub(crate) const fn number(it: i64) -> f64 {
    it as f64
}

/// Returns a number as an amount, the nearest.
#[expect(clippy::cast_possible_truncation, reason = "it saturates; absurd stays absurd")]
pub(crate) const fn amount(it: f64) -> i64 {
    it.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again() {
        let mut sums = Normal::new(2);
        for x in 0..50_u32 {
            let x = f64::from(x);
            sums.add(&[(0, 1.0), (1, x)], 3.0 + 2.0 * x, 1.0);
        }

        let found = sums.solve(|_| 1e-9);

        assert!((found[0] - 3.0).abs() < 1e-6 && (found[1] - 2.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn columns_that_say_the_same_share_and_one_that_says_nothing_is_nought() {
        let mut sums = Normal::new(3);
        for x in 1..50_u32 {
            let x = f64::from(x) / 10.0;
            sums.add(&[(0, x), (1, x)], 4.0 * x, 1.0);
        }

        let found = sums.solve(|_| 1e-6);

        assert!((found[0] - 2.0).abs() < 1e-3 && (found[1] - 2.0).abs() < 1e-3, "{found:?}");
        assert!(found[2].abs() < 1e-12, "{found:?}");
    }
}
