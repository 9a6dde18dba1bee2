//! What a meter saved after a day on which something was changed, and what its month will
//! come to.

use analysis::baseline::{
    Accuracy, Avoided, Baseline, Method, Modes, Place, Recipe, Refusal, avoided,
};
use analysis::carbon::CarbonFactor;
use analysis::forecast::{HISTORY_DAYS, HOURS, MonthEnd, PastDay, month_end};
use analysis::interval::{Coverage, IntervalAmount, Span};
use analysis::profile::{day_span, day_start, within};
use analysis::site::{Medium, Meter, Site};
use analysis::track::Track;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use wire::Name;

use super::Ledger;
use crate::store::StoreError;

/// Days of training before a measure: a year of whole weeks and a day.
const TRAINING_DAYS: i64 = 365;

/// A saving, or why there is none to be told.
#[derive(Clone, Debug)]
pub struct Savings {
    /// First and last day of the training.
    pub training: (Date, Date),
    /// The model, if there was enough to fit one.
    pub model: Option<SavingsModel>,
    /// The saving.
    pub figure: Result<SavingsFigure, Refusal>,
}

/// The model that a saving rests on.
#[derive(Clone, Debug)]
pub struct SavingsModel {
    /// How it was made.
    pub method: Method,
    /// How well it tells its own training.
    pub accuracy: Accuracy,
}

/// A saving, in thousandths of the meter's unit, money and carbon dioxide.
#[derive(Clone, Copy, Debug)]
pub struct SavingsFigure {
    /// Measured, expected, avoided, and how far that may be off.
    pub avoided: Avoided,
    /// What was avoided at the price of its hours, 1/10000 of the currency; `None` where an
    /// hour has no tariff.
    pub cost_e4: Option<i64>,
    /// The factor for carbon dioxide, if the medium has one.
    pub carbon: Option<CarbonFactor>,
}

impl SavingsFigure {
    /// Returns how far an amount that goes with the energy avoided may be off, as it is.
    #[must_use]
    pub fn uncertainty_of(&self, value: i64) -> i64 {
        let (avoided, uncertainty) = (self.avoided.avoided, self.avoided.uncertainty);
        let scaled = i128::from(value) * i128::from(uncertainty);
        scaled
            .checked_div(i128::from(avoided))
            .and_then(|it| i64::try_from(it.abs()).ok())
            .unwrap_or(i64::MAX)
    }
}

impl Ledger {
    /// Returns what a meter saved from one local day to another, both of them included,
    /// against the year before the first; `None` if the site book has no such meter.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn savings(
        &self,
        meter: &Name,
        from: Date,
        to: Date,
    ) -> Result<Option<Savings>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let Some(meter) = site.meter(meter) else { return Ok(None) };
        let first = from.saturating_sub(TRAINING_DAYS.days());
        let zone = &site.zone;
        let before = Span { from: day_start(first, zone), to: day_start(from, zone) };
        let after = Span { from: before.to, to: day_span(to, zone).to };
        let training = Track::of_intervals(&self.intervals(meter, before)?);
        let reporting = Track::of_intervals(&self.intervals(meter, after)?);
        let weather = self.weather_for(meter, Span { from: before.from, to: after.to })?;
        let place = Place { zone, calendar: Some(self.calendar()) };
        let last = from.yesterday().unwrap_or(from);
        let fitted =
            Baseline::fit(&training, &weather, &place, Modes::default(), method_for(meter.medium));
        let mut savings =
            Savings { training: (first, last), model: None, figure: Err(Refusal::NoData) };
        savings.figure = fitted.and_then(|baseline| {
            savings.model =
                Some(SavingsModel { method: baseline.method(), accuracy: baseline.accuracy() });
            baseline.sufficient()?;
            let avoided = avoided(&baseline, &reporting, &weather, &place)?;
            avoided.certain()?;
            let cost_e4 = self.cost_of(&site, meter, &baseline, &reporting, &weather);
            Ok(SavingsFigure {
                avoided,
                cost_e4,
                carbon: CarbonFactor::of(meter.medium, to.year()),
            })
        });
        Ok(Some(savings))
    }

    /// Water does not follow the weather: its weather is the same for ever, and what is left
    /// of the model is the time of the week.
    fn weather_for(&self, meter: &Meter, span: Span) -> Result<Track, StoreError> {
        let mut weather = self.weather(span)?;
        if meter.medium == Medium::Water {
            weather.amounts.fill(Some(0));
        }
        Ok(weather)
    }

    /// Prices what was expected less what was measured, step by step.
    fn cost_of(
        &self,
        site: &Site,
        meter: &Meter,
        baseline: &Baseline,
        reporting: &Track,
        weather: &Track,
    ) -> Option<i64> {
        let pricing = self.pricing(site, meter)?;
        let place = Place { zone: &site.zone, calendar: Some(self.calendar()) };
        let mut cost = analysis::money::Cost::ZERO;
        for step in baseline.expect(reporting, weather, &place) {
            if let Some(measured) = step.measured {
                cost += pricing.cost_at(step.start, step.amount.saturating_sub(measured))?;
            }
        }
        Some(cost.e4())
    }

    /// Returns what this month of a meter will come to; `None` within if too little is
    /// known, `None` if the site book has no such meter.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn month_end(&self, meter: &Name) -> Result<Option<Option<MonthEnd>>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let Some(meter) = site.meter(meter) else { return Ok(None) };
        let Some(today) = self.today(self.0.clock.now()) else { return Ok(None) };
        let first = today.saturating_sub(HISTORY_DAYS.days());
        let zone = &site.zone;
        let span = Span { from: day_start(first, zone), to: day_start(today, zone) };
        let intervals = self.intervals(meter, span)?;
        let mut days = Vec::new();
        let mut date = first;
        while date < today {
            days.push(past_day(date, &site, &intervals));
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        // Before its first reading a meter had no days.
        let unknown = days.iter().take_while(|it| it.hours.iter().all(Option::is_none)).count();
        Ok(Some(month_end(&days[unknown..], self.calendar())))
    }
}

/// Returns the model for a medium: gas and heat follow the day's weather, not its hours.
const fn method_for(medium: Medium) -> Method {
    match medium {
        Medium::Gas | Medium::Heat => Method::ChangePoint,
        Medium::Electricity | Medium::Water => Method::Hourly(Recipe::RECENT),
    }
}

/// Returns the hours of a local day; an hour counts if each quarter of it was measured.
fn past_day(date: Date, site: &Site, intervals: &[IntervalAmount]) -> PastDay {
    let mut sums = [(0_i64, 0_i64, true); HOURS];
    for interval in within(intervals, day_span(date, &site.zone)) {
        let Ok(instant) = Timestamp::from_second(interval.start) else { continue };
        let hour = usize::from(instant.to_zoned(site.zone.clone()).hour().unsigned_abs());
        let sum = &mut sums[hour];
        sum.0 = sum.0.saturating_add(interval.amount());
        sum.1 += 1;
        sum.2 &= interval.coverage() == Coverage::Measured;
    }
    #[expect(clippy::cast_precision_loss, reason = "amounts of an hour, for a forecast")]
    let hours = sums.map(|(sum, quarters, whole)| (whole && 0 < quarters).then_some(sum as f64));
    PastDay { date, hours }
}
