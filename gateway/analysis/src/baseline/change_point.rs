//! Lines over temperature that bend: heating below one, cooling above another.
//!
//! The 3- and 5-parameter models of ASHRAE's research project 1050 (Kissock et al. 2003),
//! by days: a base, a slope below the heating point, a slope above the cooling point, each
//! taken only if it earns its keep, and a step for days off. For gas, and for meters whose
//! hours are not known. A slope is never negative: heating does not fall as it gets colder.

use crate::{
    baseline::rows::Row,
    least_squares::{Normal, count, product},
};

/// A model that was fitted.
#[derive(Clone, Debug)]
pub struct ChangePoint {
    heating_below: Option<f64>,
    cooling_above: Option<f64>,
    coefficients: Vec<f64>,
    has_days_off: bool,
}

impl ChangePoint {
    /// Fits days; `None` for fewer than two weeks of them with amount and temperature.
    pub(super) fn fit(days: &[Row]) -> Option<Self> {
        let whole: Vec<(&Row, f64, f64)> = days
            .iter()
            .filter_map(|it| it.known().map(|(used, degrees)| (it, used, degrees)))
            .collect();
        if whole.len() < 14 {
            return None;
        }
        let mut degrees: Vec<f64> = whole.iter().map(|it| it.2).collect();
        degrees.sort_by(f64::total_cmp);
        let at = |per_cent: usize| degrees[(degrees.len() - 1) * per_cent / 100];
        // A bend has at least a twentieth of the days beyond it.
        let points: Vec<f64> = grid(at(5), at(95));
        let mut best: Option<(f64, Self)> = None;
        let pairs = points.iter().flat_map(|&low| {
            points
                .iter()
                .filter(move |&&high| low <= high)
                .map(move |&high| (Some(low), Some(high)))
        });
        let single = points.iter().flat_map(|&it| [(Some(it), None), (None, Some(it))]);
        for (heating_below, cooling_above) in [(None, None)].into_iter().chain(single).chain(pairs)
        {
            let model = Self::with(&whole, heating_below, cooling_above);
            let slopes =
                usize::from(heating_below.is_some()) + usize::from(cooling_above.is_some());
            if model.coefficients.iter().skip(2).any(|it| *it < 0.0) {
                continue;
            }
            let squares: f64 = whole.iter().map(|it| (it.1 - model.tell(it.0, it.2)).powi(2)).sum();
            // Schwarz: a bend costs two numbers, and must tell more than they would by chance.
            let n = count(whole.len());
            let price = n.ln() * count(2 + 2 * slopes);
            let score = n * (squares / n).max(1e-9).ln() + price;
            if best.as_ref().is_none_or(|it| score < it.0) {
                best = Some((score, model));
            }
        }
        best.map(|it| it.1)
    }

    fn with(
        whole: &[(&Row, f64, f64)],
        heating_below: Option<f64>,
        cooling_above: Option<f64>,
    ) -> Self {
        let has_days_off =
            whole.iter().any(|it| !is_worked(it.0)) && whole.iter().any(|it| is_worked(it.0));
        let slopes = usize::from(heating_below.is_some()) + usize::from(cooling_above.is_some());
        let mut model =
            Self { heating_below, cooling_above, coefficients: Vec::new(), has_days_off };
        let mut sums = Normal::new(2 + slopes);
        for (row, used, degrees) in whole {
            sums.add(&model.terms(row, *degrees), *used, 1.0);
        }
        model.coefficients = sums.solve(|_| 1e-9);
        model
    }

    fn terms(&self, row: &Row, degrees: f64) -> Vec<(usize, f64)> {
        let mut terms = vec![(0, 1.0)];
        if self.has_days_off && !is_worked(row) {
            terms.push((1, 1.0));
        }
        let mut at = 2;
        if let Some(point) = self.heating_below {
            terms.push((at, (point - degrees).max(0.0) / 10.0));
            at += 1;
        }
        if let Some(point) = self.cooling_above {
            terms.push((at, (degrees - point).max(0.0) / 10.0));
        }
        terms
    }

    fn tell(&self, row: &Row, degrees: f64) -> f64 {
        product(&self.terms(row, degrees), &self.coefficients)
    }

    /// Returns what is expected of a day, in thousandths.
    pub(super) fn expect(&self, row: &Row) -> Option<f64> {
        Some(self.tell(row, row.temperature?))
    }

    /// Returns how many numbers were free: base, days off, and two for each bend.
    pub(super) fn parameters(&self) -> usize {
        let bends =
            usize::from(self.heating_below.is_some()) + usize::from(self.cooling_above.is_some());
        1 + usize::from(self.has_days_off) + 2 * bends
    }

    #[expect(clippy::unused_self, reason = "as the other model answers it")]
    pub(super) fn is_worked(&self, row: &Row) -> bool {
        is_worked(row)
    }

    /// Returns below which temperature the meter heats, °C.
    #[must_use]
    pub const fn heating_below(&self) -> Option<f64> {
        self.heating_below
    }

    /// Returns above which temperature the meter cools, °C.
    #[must_use]
    pub const fn cooling_above(&self) -> Option<f64> {
        self.cooling_above
    }
}

const fn is_worked(row: &Row) -> bool {
    row.weekday < 5 && !row.is_holiday
}

/// Returns temperatures from one to another, half a degree apart, or wider so that there
/// are at most about 40.
fn grid(from: f64, to: f64) -> Vec<f64> {
    let step = ((to - from) / 40.0).max(0.5);
    let mut points = Vec::new();
    let mut point = from;
    while point <= to {
        points.push(point);
        point += step;
    }
    points
}
