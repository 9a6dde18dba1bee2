//! The contract rule from load profile to cost.
//!
//! A tariff is a dated list of rules: agency prices of electricity change every month,
//! and what was used in March is paid by March's rule whenever it is computed. A rule is
//! a flat rate (water, gas, the price for offices of administrative units) or bands by
//! month, day type and time of day (尖峰平谷).
//!
//! Not here: demand and standing charges, steps, power factor (issue of its own).

use jiff::{
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use wire::Name;

use crate::{
    calendar::{DayType, HolidayCalendar, local_time},
    interval::IntervalAmount,
    money::Cost,
    site::{Medium, Text},
};

/// What one unit of a medium costs, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// Its identifier.
    pub id: Name,
    /// What people call it.
    pub name: Text,
    /// The medium it prices.
    pub medium: Medium,
    /// Its rules, each from a local day on until the next; in any order.
    pub rules: Vec<DatedRule>,
}

/// A rule of a tariff from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedRule {
    /// The first local day it holds for.
    pub from: Date,
    /// Where it was published, for the report.
    pub source: String,
    /// The rule.
    pub rule: Rule,
}

/// How a rate is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One rate, in 1/10000 of the currency per kWh or m³.
    Flat(i64),
    /// The rate of the first band that covers the local time; else `otherwise`.
    ///
    /// The first counts, so a sharp band for July evenings is written above the peak
    /// band it cuts into. Bands therefore always partition the week.
    Banded {
        /// Stretches with a rate of their own, most particular first.
        bands: Vec<Band>,
        /// The band of all other times.
        otherwise: Rate,
    },
}

/// A rate and what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// The band's name.
    pub name: BandName,
    /// 1/10000 of the currency per kWh or m³.
    pub rate_e4: i64,
}

/// The name of a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BandName {
    /// 尖
    Sharp,
    /// 峰
    Peak,
    /// 平
    Shoulder,
    /// 谷
    Valley,
    /// 深谷
    DeepValley,
    /// The one rate of a tariff without bands.
    Flat,
}

impl BandName {
    /// Every name, dearest first.
    pub const ALL: [Self; 6] =
        [Self::Sharp, Self::Peak, Self::Shoulder, Self::Valley, Self::DeepValley, Self::Flat];

    /// Returns the word that stands for this band in the site book and the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Sharp => "sharp",
            Self::Peak => "peak",
            Self::Shoulder => "shoulder",
            Self::Valley => "valley",
            Self::DeepValley => "deep_valley",
            Self::Flat => "flat",
        }
    }

    /// Returns the band that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.code() == code)
    }
}

/// A stretch of the week, in some months, with its own rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Its name and rate.
    pub rate: Rate,
    /// Months it holds in, 1 to 12; empty means all.
    pub months: Vec<i8>,
    /// Days it holds on.
    pub days: Days,
    /// Spans of those days, `[from, to)`; `to` at or before `from` goes on past
    /// midnight. On whole quarter hours: an interval has the rate of its start.
    pub times: Vec<(Time, Time)>,
}

/// Days a band holds on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Days {
    /// Every day.
    #[default]
    All,
    /// Days that are worked, make-up days included.
    Worked,
    /// Weekends and holidays.
    Off,
}

impl Band {
    fn covers(&self, local: DateTime, day_type: DayType) -> bool {
        let day_fits = match self.days {
            Days::All => true,
            Days::Worked => day_type.is_worked(),
            Days::Off => !day_type.is_worked(),
        };
        let month_fits = self.months.is_empty() || self.months.contains(&local.month());
        let time = local.time();
        // A span past midnight counts on both its days as that day's own: tariffs are
        // printed by the clock, "23:00 to 7:00 valley", not by the evening it began.
        day_fits
            && month_fits
            && self.times.iter().any(|&(from, to)| {
                if from < to { from <= time && time < to } else { from <= time || time < to }
            })
    }
}

impl Rule {
    /// Returns the rate at a local time of a day of some type.
    #[must_use]
    pub fn rate(&self, local: DateTime, day_type: DayType) -> Rate {
        match self {
            Self::Flat(rate_e4) => Rate { name: BandName::Flat, rate_e4: *rate_e4 },
            Self::Banded { bands, otherwise } => bands
                .iter()
                .find(|band| band.covers(local, day_type))
                .map_or(*otherwise, |band| band.rate),
        }
    }
}

impl Tariff {
    /// Returns the rule that holds on a local day; `None` before the first.
    #[must_use]
    pub fn rule_on(&self, date: Date) -> Option<&DatedRule> {
        self.rules.iter().filter(|rule| rule.from <= date).max_by_key(|rule| rule.from)
    }

    /// Returns the rate at a local time; `None` before the first rule. An unknown year's
    /// days are taken by their weekday.
    #[must_use]
    pub fn rate(&self, local: DateTime, calendar: &HolidayCalendar) -> Option<Rate> {
        let rule = &self.rule_on(local.date())?.rule;
        Some(rule.rate(local, calendar.day(local.date()).or_weekday()))
    }
}

/// A tariff together with what it takes to read it.
#[derive(Clone, Copy, Debug)]
pub struct Pricing<'a> {
    /// The tariff.
    pub tariff: &'a Tariff,
    /// The site's zone.
    pub zone: &'a TimeZone,
    /// The calendar that day types come from.
    pub calendar: &'a HolidayCalendar,
}

impl Pricing<'_> {
    /// Returns the rate of the interval that starts at an instant.
    #[must_use]
    pub fn rate_at(&self, start: i64) -> Option<Rate> {
        self.tariff.rate(local_time(self.zone, start)?, self.calendar)
    }

    /// Returns what an amount in the interval that starts at an instant costs; `None`
    /// before the tariff's first rule.
    #[must_use]
    pub fn cost_at(&self, start: i64, amount: i64) -> Option<Cost> {
        Some(Cost::of(amount, self.rate_at(start)?.rate_e4))
    }

    /// Returns what a load profile came to. What is missing costs nothing here; its
    /// share stands beside the figure.
    #[must_use]
    pub fn bill(&self, intervals: &[IntervalAmount]) -> Bill {
        let mut bill = Bill::default();
        for interval in intervals {
            let amount = interval.amount();
            match self.rate_at(interval.start) {
                Some(rate) => bill.add(rate, amount),
                None => bill.unpriced += amount,
            }
        }
        bill
    }
}

/// What a load profile came to under a tariff.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// One row per band and rate, in the order in which they first occurred.
    pub rows: Vec<BillRow>,
    /// What no rule of the tariff covers, in thousandths of the meter's unit.
    pub unpriced: i64,
}

/// What was used in a band at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BillRow {
    /// The band and its rate.
    pub rate: Rate,
    /// In thousandths of the meter's unit.
    pub amount: i64,
    /// Exactly `amount` times the rate.
    pub cost: Cost,
}

impl Bill {
    fn add(&mut self, rate: Rate, amount: i64) {
        let cost = Cost::of(amount, rate.rate_e4);
        match self.rows.iter_mut().find(|row| row.rate == rate) {
            Some(row) => {
                row.amount += amount;
                row.cost += cost;
            }
            None => self.rows.push(BillRow { rate, amount, cost }),
        }
    }

    /// Returns the cost of all rows, exact.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.rows.iter().map(|row| row.cost).sum()
    }
}

#[cfg(test)]
mod tests;
