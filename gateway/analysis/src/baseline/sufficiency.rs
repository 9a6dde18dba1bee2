//! Whether a training year may speak, and whether a reporting period may be judged by it.
//!
//! A figure that ought not to be shown is not shown with a star: it is refused, with the
//! reason in plain words.
//!
//! # Source
//!
//! `OpenDSM` (the Linux Foundation's successor of `CalTRACK`), settings of June 2026: at
//! least nine tenths of 365 days of training and at most 366, nine days in ten with amount
//! and temperature, nine tenths of each month; a model is no good beyond a CV(RMSE) of 1.4
//! (hours) or 1.0 (days). ASHRAE Guideline 14-2014: uncertainty at most half the saving;
//! the reporting period stays within a tenth of the training's temperatures.

use jiff::civil::Date;

use crate::{
    baseline::{Baseline, Method, rows::Row},
    least_squares::count,
};

/// Fewest days of training.
pub const DAYS_MIN: usize = 329;

/// Most days of training: a second year would count one season twice.
pub const DAYS_MAX: usize = 366;

/// Least share of days, and of each month's hours or days, with amount and temperature.
pub const SHARE_MIN: f64 = 0.9;

/// Most of a reporting period that may lie beyond the temperatures of the training.
pub const BEYOND_MAX: f64 = 0.1;

/// Why a number is not shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refusal {
    /// Amount and temperature were never known together.
    NoData,
    /// No outdoor temperature is known of the training.
    NoWeather,
    /// So many days of training; at least [`DAYS_MIN`] are needed.
    TooShort {
        /// Days from the first to the last.
        days: usize,
    },
    /// So many days of training; at most [`DAYS_MAX`] make sense.
    TooLong {
        /// Days from the first to the last.
        days: usize,
    },
    /// Too few days have amount and temperature.
    Holes {
        /// Per cent that have both.
        percent: u8,
    },
    /// A month of the training has too little.
    MonthWithHoles {
        /// Its first day.
        month: Date,
        /// Per cent of it that is there.
        percent: u8,
    },
    /// The model tells too little of its own training.
    PoorModel {
        /// Per cent of CV(RMSE).
        cv_percent: u32,
    },
    /// The reporting period has too little that was measured.
    PeriodWithHoles {
        /// Per cent of it that is there.
        percent: u8,
    },
    /// The reporting period was colder or hotter than anything the training knows.
    WeatherBeyond {
        /// Per cent of it that lies beyond.
        percent: u8,
    },
    /// The saving is lost in the uncertainty: it is less than twice as large.
    Uncertain {
        /// The saving, in thousandths.
        avoided: i64,
        /// How far it may be off, 90 times in 100, in thousandths.
        uncertainty: i64,
    },
}

impl Refusal {
    /// Returns the word that stands for this reason in the API and the catalogue.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::NoWeather => "no_weather",
            Self::TooShort { .. } => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::Holes { .. } => "holes",
            Self::MonthWithHoles { .. } => "month_with_holes",
            Self::PoorModel { .. } => "poor_model",
            Self::PeriodWithHoles { .. } => "period_with_holes",
            Self::WeatherBeyond { .. } => "weather_beyond",
            Self::Uncertain { .. } => "uncertain",
        }
    }
}

impl Baseline {
    /// Returns whether the training is good enough to judge a saving by.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn sufficient(&self) -> Result<(), Refusal> {
        let rows = &self.training;
        let per_day = if matches!(self.method, Method::Hourly(_)) { 24 } else { 1 };
        let days = rows.len().div_ceil(per_day);
        if days < DAYS_MIN {
            return Err(Refusal::TooShort { days });
        }
        if DAYS_MAX < days {
            return Err(Refusal::TooLong { days });
        }
        let share = |rows: &[Row]| {
            count(rows.iter().filter(|it| it.known().is_some()).count()) / count(rows.len().max(1))
        };
        let all = share(rows);
        if all < SHARE_MIN {
            return Err(Refusal::Holes { percent: percent(all) });
        }
        let mut at = 0;
        while at < rows.len() {
            let month = rows[at].date.first_of_month();
            let end =
                at + rows[at..].iter().take_while(|it| it.date.first_of_month() == month).count();
            let share = share(&rows[at..end]);
            // The first and the last month may be parts of one, with a day of it missing.
            if share < SHARE_MIN && 14 * per_day <= end - at {
                return Err(Refusal::MonthWithHoles { month, percent: percent(share) });
            }
            at = end;
        }
        let most = if per_day == 24 { 1.4 } else { 1.0 };
        if most < self.accuracy.cv_rmse || self.accuracy.mean <= 0.0 {
            return Err(Refusal::PoorModel { cv_percent: percent_wide(self.accuracy.cv_rmse) });
        }
        Ok(())
    }

    /// Returns whether a reporting period may be judged.
    pub(super) fn may_judge(&self, rows: &[Row]) -> Result<(), Refusal> {
        let all = count(rows.len().max(1));
        let known = rows.iter().filter(|it| it.known().is_some());
        let there = count(known.clone().count());
        if there / all < SHARE_MIN {
            return Err(Refusal::PeriodWithHoles { percent: percent(there / all) });
        }
        let (low, high) = self.range;
        let slack = (high - low) / 10.0;
        let beyond = known
            .filter_map(|it| it.temperature)
            .filter(|it| *it < low - slack || high + slack < *it)
            .count();
        if BEYOND_MAX < count(beyond) / there {
            return Err(Refusal::WeatherBeyond { percent: percent(count(beyond) / there) });
        }
        Ok(())
    }
}

fn percent(share: f64) -> u8 {
    u8::try_from(percent_wide(share)).unwrap_or(u8::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn percent_wide(share: f64) -> u32 {
    (share * 100.0).floor() as u32
}
