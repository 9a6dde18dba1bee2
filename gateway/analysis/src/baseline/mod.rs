//! Baselines: what a meter would have used if nothing had been changed.
//!
//! In: a year of amounts before a measure, the outdoor temperature, the calendar. Out: what
//! to expect of every hour or day afterwards, and so the energy avoided, with an interval
//! of confidence; or a [`Refusal`] with its reason. This is option C of the International
//! Performance Measurement and Verification Protocol (the whole meter before and after),
//! with the uncertainty of ASHRAE Guideline 14.
//!
//! Two models: [`Recipe`] by time of week and temperature, and [`change_point`] lines over
//! temperature by days. Nothing after the training period teaches either of them.
//!
//! Temperatures are tracks too, in thousandths of a degree Celsius.

pub mod avoided;
pub mod change_point;
mod rows;
pub mod sufficiency;
mod towt;

pub use avoided::{Avoided, avoided};
pub use rows::Place;
pub use sufficiency::Refusal;
pub use towt::Recipe;

use jiff::civil::Date;

use crate::{
    baseline::{change_point::ChangePoint, rows::Row, towt::Towt},
    least_squares::{amount, count},
    track::Track,
};

/// What else was different about some days: 0 or 1, or a share, for each way in which a
/// building may run (a school's summer, a ward that moved).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Modes {
    // Sorted by day; each as long as the others.
    days: Vec<(Date, Vec<f64>)>,
}

impl Modes {
    /// Takes the days that run in some other way; a day that is not there runs as usual.
    /// Days of unlike length are cut to the shortest.
    #[must_use]
    pub fn new(mut days: Vec<(Date, Vec<f64>)>) -> Self {
        let count = days.iter().map(|it| it.1.len()).min().unwrap_or(0);
        for day in &mut days {
            day.1.truncate(count);
        }
        days.sort_by_key(|it| it.0);
        Self { days }
    }

    fn count(&self) -> usize {
        self.days.first().map_or(0, |it| it.1.len())
    }

    fn of(&self, date: Date) -> &[f64] {
        self.days
            .binary_search_by_key(&date, |it| it.0)
            .map_or(&[], |at| self.days[at].1.as_slice())
    }
}

/// By what steps, and which model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Hours, by time of week and temperature.
    Hourly(Recipe),
    /// Days, by weekday and temperature.
    Daily(Recipe),
    /// Days, by lines over temperature that bend at most twice.
    ChangePoint,
}

impl Method {
    /// Returns the word that stands for this method in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Hourly(_) => "hourly",
            Self::Daily(_) => "daily",
            Self::ChangePoint => "change_point",
        }
    }
}

/// How well a model tells its own training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Steps that it was fitted to.
    pub steps: usize,
    /// Numbers that the fit was free to choose.
    pub parameters: usize,
    /// What a step used in the mean, in thousandths.
    pub mean: f64,
    /// Root of the mean squared miss over the mean, with steps less parameters as divisor.
    pub cv_rmse: f64,
    /// Sum of what was expected less what was used, over what was used.
    pub nmbe: f64,
    /// Share of the variance that is told.
    pub r_squared: f64,
    /// Correlation of a miss with the next one.
    pub autocorrelation: f64,
}

/// A model of one meter, fitted.
#[derive(Clone, Debug)]
pub struct Baseline {
    method: Method,
    model: Model,
    modes: Modes,
    accuracy: Accuracy,
    training: Vec<Row>,
    // °C.
    range: (f64, f64),
    // Misses that one step in twenty falls below or above, in thousandths: closed, in use.
    misses: [(f64, f64); 2],
    drift: f64,
}

#[derive(Clone, Debug)]
enum Model {
    Towt(Towt),
    ChangePoint(ChangePoint),
}

/// What is expected of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its start.
    pub start: i64,
    /// What would have gone through, in thousandths.
    pub amount: i64,
    /// Nineteen steps in twenty have more.
    pub low: i64,
    /// Nineteen steps in twenty have less.
    pub high: i64,
    /// What did; `None` where it was not measured as a whole.
    pub measured: Option<i64>,
}

impl Baseline {
    /// Fits a model to a training period.
    ///
    /// Whether the period is good enough to say anything by is
    /// [`Self::sufficient`]'s to say: a model of a poor year is a model all the same.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoData`] if there are not two weeks of steps with amount and temperature;
    /// [`Refusal::NoWeather`] if it is the temperature that is not there at all.
    pub fn fit(
        track: &Track,
        weather: &Track,
        place: &Place<'_>,
        modes: Modes,
        method: Method,
    ) -> Result<Self, Refusal> {
        let training = method.rows(track, weather, place);
        if !training.is_empty() && training.iter().all(|it| it.temperature.is_none()) {
            return Err(Refusal::NoWeather);
        }
        let learns = place.calendar.is_none();
        let model = match method {
            Method::Hourly(recipe) | Method::Daily(recipe) => {
                Towt::fit(&training, &modes, recipe, learns).map(Model::Towt)
            }
            Method::ChangePoint => ChangePoint::fit(&training).map(Model::ChangePoint),
        };
        let model = model.ok_or(Refusal::NoData)?;
        let degrees =
            || training.iter().filter(|it| it.amount.is_some()).filter_map(|it| it.temperature);
        let range = (degrees().fold(f64::MAX, f64::min), degrees().fold(f64::MIN, f64::max));
        let mut baseline = Self {
            method,
            model,
            modes,
            accuracy: Accuracy {
                steps: 0,
                parameters: 0,
                mean: 0.0,
                cv_rmse: 0.0,
                nmbe: 0.0,
                r_squared: 0.0,
                autocorrelation: 0.0,
            },
            training,
            range,
            misses: [(0.0, 0.0); 2],
            drift: 0.0,
        };
        baseline.look_back();
        Ok(baseline)
    }

    /// Returns how the model was made.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Returns how well it tells its own training.
    #[must_use]
    pub const fn accuracy(&self) -> Accuracy {
        self.accuracy
    }

    /// Returns how far the level of four weeks wanders about the model, as a share.
    #[must_use]
    pub const fn drift(&self) -> f64 {
        self.drift
    }

    /// Returns the weekdays of the training that looked like Sundays.
    #[must_use]
    pub fn days_off(&self) -> &[Date] {
        match &self.model {
            Model::Towt(model) => &model.learned,
            Model::ChangePoint(_) => &[],
        }
    }

    /// Returns what is expected of each hour, or day, of a reporting period; a step without
    /// weather is left out.
    #[must_use]
    pub fn expect(&self, track: &Track, weather: &Track, place: &Place<'_>) -> Vec<Expected> {
        let rows = self.method.rows(track, weather, place);
        rows.iter().filter_map(|row| self.expected(row)).collect()
    }

    fn expected(&self, row: &Row) -> Option<Expected> {
        let expected = self.tell(row)?;
        let (low, high) = self.misses[usize::from(self.is_in_use(row))];
        Some(Expected {
            start: row.start,
            amount: amount(expected),
            low: amount(expected + low),
            high: amount(expected + high),
            measured: row.amount.map(amount),
        })
    }

    fn tell(&self, row: &Row) -> Option<f64> {
        match &self.model {
            Model::Towt(model) => model.expect(row, &self.modes),
            Model::ChangePoint(model) => model.expect(row),
        }
    }

    fn is_in_use(&self, row: &Row) -> bool {
        match &self.model {
            Model::Towt(model) => model.is_in_use(row),
            Model::ChangePoint(model) => model.is_worked(row),
        }
    }

    /// Compares the model with its training.
    fn look_back(&mut self) {
        let pairs: Vec<(&Row, f64, f64)> = self
            .training
            .iter()
            .filter_map(|row| Some((row, row.amount?, self.tell(row)?)))
            .collect();
        let steps = pairs.len();
        let parameters = match &self.model {
            Model::Towt(model) => model.parameters(),
            Model::ChangePoint(model) => model.parameters(),
        };
        let used: f64 = pairs.iter().map(|it| it.1).sum();
        let mean = used / count(steps.max(1));
        let squares: f64 = pairs.iter().map(|it| (it.1 - it.2).powi(2)).sum();
        let variance: f64 = pairs.iter().map(|it| (it.1 - mean).powi(2)).sum();
        let free = count(steps.saturating_sub(parameters).max(1));
        let ratio = |above: f64, below: f64| if below.abs() < 1e-9 { 0.0 } else { above / below };
        let misses: Vec<f64> = pairs.iter().map(|it| it.1 - it.2).collect();
        self.accuracy = Accuracy {
            steps,
            parameters,
            mean,
            cv_rmse: ratio((squares / free).sqrt(), mean),
            nmbe: ratio(-misses.iter().sum::<f64>(), used),
            r_squared: 1.0 - ratio(squares, variance),
            autocorrelation: autocorrelation(&misses),
        };
        let mut by_use = [Vec::new(), Vec::new()];
        for (row, used, told) in &pairs {
            by_use[usize::from(self.is_in_use(row))].push(used - told);
        }
        let misses = by_use.map(|mut misses| {
            misses.sort_by(f64::total_cmp);
            let at = |per_cent: usize| misses.get(misses.len() * per_cent / 100).copied();
            (at(5).unwrap_or(0.0).min(0.0), at(95).unwrap_or(0.0).max(0.0))
        });
        let drift = drift(&pairs, mean);
        self.misses = misses;
        self.drift = drift;
    }
}

/// Returns how far the level of four weeks wanders about the model, as a share of the mean:
/// the standard deviation of the four-weekly misses.
fn drift(pairs: &[(&Row, f64, f64)], mean: f64) -> f64 {
    let mut sums: Vec<(i64, f64, f64)> = Vec::new();
    for (row, used, told) in pairs {
        let block = row.start.div_euclid(28 * 86_400);
        if sums.last().is_none_or(|it| it.0 != block) {
            sums.push((block, 0.0, 0.0));
        }
        if let Some(last) = sums.last_mut() {
            last.1 += used - told;
            last.2 += 1.0;
        }
    }
    let misses: Vec<f64> = sums.iter().map(|it| it.1 / it.2).collect();
    let squares: f64 = misses.iter().map(|it| it * it).sum();
    if mean.abs() < 1e-9 { 0.0 } else { (squares / count(misses.len().max(1))).sqrt() / mean.abs() }
}

/// Returns the correlation of each value with the next one.
fn autocorrelation(values: &[f64]) -> f64 {
    let Some((first, last)) = values.split_last().map(|(_, first)| (first, &values[1..])) else {
        return 0.0;
    };
    let mean = |it: &[f64]| it.iter().sum::<f64>() / count(it.len().max(1));
    let (a, b) = (mean(first), mean(last));
    let (mut product, mut left, mut right) = (0.0, 0.0, 0.0);
    for (x, y) in first.iter().zip(last) {
        product += (x - a) * (y - b);
        left += (x - a).powi(2);
        right += (y - b).powi(2);
    }
    let below = (left * right).sqrt();
    if below < 1e-9 { 0.0 } else { product / below }
}

impl Method {
    fn rows(self, track: &Track, weather: &Track, place: &Place<'_>) -> Vec<Row> {
        match self {
            Self::Hourly(_) => rows::hours(track, Some(weather), place),
            Self::Daily(_) | Self::ChangePoint => rows::days(track, Some(weather), place),
        }
    }
}

#[cfg(test)]
mod tests;
