//! A day, a year and a month, put together for pages, sheets and the watch.

use std::collections::HashMap;

use analysis::calendar::{Day, Exception, Opening};
use analysis::detect::Circuit;
use analysis::figures::{self, Figure, MonthFigures, month_figures_one_by_one, month_span};
use analysis::finding::{Finding, FindingKind};
use analysis::interval::{IntervalAmount, Span};
use analysis::money::Cost;
use analysis::pace::{self, Pace};
use analysis::profile::{
    LEVEL_S, Levels, TYPICAL_DAYS, Typical, TypicalDays, day_span, day_start, within,
};
use analysis::site::{Medium, Meter, Site};
use analysis::tariff::Pricing;
use jiff::ToSpan;
use jiff::civil::Date;
use wire::Name;

use super::Ledger;
use crate::store::StoreError;
use crate::store::journal::FindingFilter;

/// One local day of a meter, or of the whole site: 96 intervals, or 92 or 100 where clocks
/// change.
#[derive(Clone, Debug)]
pub struct DayView {
    /// What the calendar says of the day.
    pub day: Day,
    /// Its first instant.
    pub start: i64,
    /// What went through; missing where time has not come yet.
    pub intervals: Vec<IntervalAmount>,
    /// What is usual for each interval of such a day.
    pub typical: Vec<Option<Typical>>,
    /// Whether the area is meant to be in use at the start of each interval.
    pub open: Vec<bool>,
    /// Sum, cost and shares of the intervals that have begun.
    pub figure: Figure,
    /// The day so far against such days at the same time.
    pub pace: Pace,
    /// Whether a tariff covers all of it; else its cost is not known.
    pub has_tariff: bool,
}

/// One day of a year of one meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YearDay {
    /// The local day.
    pub date: Date,
    /// What the calendar says of it.
    pub day: Day,
    /// Each of its 23 to 25 hours; `None` is a gap in it.
    pub hours: Vec<Option<i64>>,
    /// The hours that are known together; `None` if there is none.
    pub total: Option<i64>,
}

impl Ledger {
    /// Returns a local day of a meter; `None` if the site book has no such meter.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn day(&self, meter: &Name, date: Date) -> Result<Option<DayView>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let Some(meter) = site.meter(meter) else { return Ok(None) };
        let now = self.0.clock.now();
        let span = day_span(date, &site.zone);
        let intervals = self.intervals(meter, weeks_before(date, &site, span))?;
        let exceptions = self.exceptions(span)?;
        let open = site.hours_of(&meter.area).map(|hours| Opening {
            area: &meter.area,
            hours,
            calendar: self.calendar(),
            zone: &site.zone,
            exceptions: &exceptions,
        });
        let open = span.starts().map(|start| open.is_none_or(|it| it.is_open(start))).collect();
        let figure = self.figure(&site, meter, date, &intervals, now);
        let has_tariff = self.pricing(&site, meter).is_some() && figure.unpriced == 0;
        Ok(Some(self.view(&site, date, &intervals, open, figure, has_tariff, now)))
    }

    /// Returns the electricity of the whole site on a local day: all meters at the top
    /// together. What is missing of one of them is missing. Empty without a site book.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn site_day(&self, date: Date) -> Result<Option<DayView>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let now = self.0.clock.now();
        let span = day_span(date, &site.zone);
        let history = weeks_before(date, &site, span);
        let mut together: Vec<IntervalAmount> = Vec::new();
        let mut figure = Figure::default();
        let mut has_tariff = true;
        for meter in tops(&site, Medium::Electricity) {
            let own = self.intervals(meter, history)?;
            let figured = self.figure(&site, meter, date, &own, now);
            has_tariff &= self.pricing(&site, meter).is_some() && figured.unpriced == 0;
            figure += figured;
            add_up(&mut together, own);
        }
        if together.is_empty() {
            together = history.starts().map(IntervalAmount::missing).collect();
            has_tariff = false;
        }
        let open = vec![true; span.starts().count()];
        Ok(Some(self.view(&site, date, &together, open, figure, has_tariff, now)))
    }

    #[expect(clippy::too_many_arguments, reason = "one place that puts a view together")]
    fn view(
        &self,
        site: &Site,
        date: Date,
        intervals: &[IntervalAmount],
        open: Vec<bool>,
        figure: Figure,
        has_tariff: bool,
        now: i64,
    ) -> DayView {
        let (zone, calendar) = (&site.zone, self.calendar());
        let span = day_span(date, zone);
        let usual = TypicalDays::learn(intervals, date, zone, calendar);
        DayView {
            day: calendar.day(date),
            start: span.from,
            intervals: within(intervals, span).to_vec(),
            typical: span.starts().map(|start| usual.at(start, zone, calendar)).collect(),
            open,
            figure,
            pace: Pace::of(intervals, date, now.min(span.to), zone, calendar),
            has_tariff,
        }
    }

    /// A day of a meter as the month's figures have it, up to now.
    fn figure(
        &self,
        site: &Site,
        meter: &Meter,
        date: Date,
        intervals: &[IntervalAmount],
        now: i64,
    ) -> Figure {
        figures::day_so_far(site, self.calendar(), meter, date, now, intervals)
    }

    /// Returns what went through a meter in the quarter hours of today that are over, as its
    /// day has it; `None` if it or all of it is unknown.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn amount_today(&self, meter: &Name) -> Result<Option<i64>, StoreError> {
        Ok(self.figure_today(meter)?.map(|figure| figure.amount))
    }

    /// Returns a meter's figure of the quarter hours of today that are over; `None` if it or
    /// all of it is unknown.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn figure_today(&self, meter: &Name) -> Result<Option<Figure>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let Some(meter) = site.meter(meter) else { return Ok(None) };
        let now = self.0.clock.now();
        let Some(today) = self.today(now) else { return Ok(None) };
        let intervals = self.intervals(meter, day_span(today, &site.zone))?;
        let is_known = intervals.iter().any(|interval| interval.known().is_some());
        Ok(is_known.then(|| self.figure(&site, meter, today, &intervals, now)))
    }

    /// Returns what all media cost today so far, 1/10000 of the currency.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn cost_today(&self, now: i64) -> Result<Option<i64>, StoreError> {
        let (Some(site), Some(today)) = (self.site(), self.today(now)) else { return Ok(None) };
        let mut cost = None;
        for meter in site.meters.iter().filter(|meter| site.is_top(meter)) {
            if self.pricing(&site, meter).is_some() {
                let intervals = self.intervals(meter, day_span(today, &site.zone))?;
                let figure = self.figure(&site, meter, today, &intervals, now);
                cost = Some(cost.unwrap_or(0) + figure.cost_e4);
            }
        }
        Ok(cost)
    }

    /// Returns what all media cost today so far against what is usual by this time of such
    /// a day: whole quarter hours, in 1/10000 of the currency.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn cost_pace(&self, now: i64) -> Result<Pace, StoreError> {
        let (Some(site), Some(today)) = (self.site(), self.today(now)) else {
            return Ok(Pace::default());
        };
        let span = day_span(today, &site.zone);
        let history = weeks_before(today, &site, Span { to: now.min(span.to), ..span });
        let mut rates: HashMap<Name, Vec<Option<i64>>> = HashMap::new();
        let mut together = Vec::new();
        for meter in site.meters.iter().filter(|meter| site.is_top(meter)) {
            let Some(pricing) = self.pricing(&site, meter) else { continue };
            // Looked up once per tariff, not once per meter.
            let rates = rates.entry(pricing.tariff.id).or_insert_with(|| {
                let rate = |start| Some(pricing.rate_at(start)?.rate_e4);
                history.starts().map(rate).collect()
            });
            let amounts = self.intervals(meter, history)?;
            let costs = amounts.iter().zip(rates.iter()).map(|(it, rate)| pace::priced(it, *rate));
            add_up(&mut together, costs.collect());
        }
        Ok(Pace::of_cost(&together, today, now.min(span.to), &site.zone, self.calendar()))
    }

    /// Returns what a lighting circuit may use in a quarter hour while its area is closed;
    /// `None` while too little of it is known to say.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn lights_limit(&self, meter: &Meter, now: i64) -> Result<Option<i64>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let Some(hours) = site.hours_of(&meter.area) else { return Ok(None) };
        let (calendar, zone) = (self.calendar(), &site.zone);
        let opening = Opening { area: &meter.area, hours, calendar, zone, exceptions: &[] };
        let intervals = self.intervals(meter, Span { from: now - LEVEL_S, to: now })?;
        let levels = Levels::learn(&intervals, now, |at| opening.is_open_by_hours(at));
        let floor_area_m2 = site.area(&meter.area).and_then(|area| area.floor_area_m2);
        let circuit = Circuit { meter: &meter.id, area: &meter.area, floor_area_m2, levels };
        let raised = self.raised(&meter.id, FindingKind::LightsLeftOn, now)?;
        Ok(raised.lights().energy_max(&circuit))
    }

    /// Returns the share of readings accepted, of those that should be there between the
    /// beginning of a local day and now, in thousandths of a percent: those that numbers
    /// tell of, and where none do, those that the polling interval says were due. Meters whose
    /// sender numbers nothing are left out: of them nobody knows what should be there.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn completeness(&self, date: Date, now: i64) -> Result<Option<i64>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let from = day_start(date, &site.zone);
        let (mut received, mut expected) = (0, 0);
        for meter in site.meters.iter().filter(|meter| meter.formula.is_none()) {
            let (counts, untold) = self.0.store.series().counts_told(&meter.id, from, now)?;
            if 0 < counts.unnumbered {
                continue;
            }
            received += counts.received;
            expected += counts.expected + untold.due(meter.interval_s, true);
        }
        let share = (received * 100_000).checked_div(expected);
        Ok(share.and_then(|share| i64::try_from(share.min(100_000)).ok()))
    }

    /// Returns what an hour of these powers (meter, mW) costs now, 1/10000 of the currency;
    /// `None` if one of them is not known or has no tariff.
    #[must_use]
    pub fn cost_per_hour<'a>(
        &self,
        powers: impl Iterator<Item = (&'a str, Option<i64>)>,
        now: i64,
    ) -> Option<i64> {
        let site = self.site()?;
        let mut cost = Cost::ZERO;
        for (meter, power_mw) in powers {
            let meter = site.meter(&meter.parse().ok()?)?;
            // One hour at so many mW is as many mWh.
            cost += self.pricing(&site, meter)?.cost_at(now, power_mw?)?;
        }
        Some(cost.e4())
    }

    /// Returns some days of a meter up to and with a local day, hour by hour; `None` if the
    /// site book has no such meter.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn year(
        &self,
        meter: &Name,
        to: Date,
        days: u16,
    ) -> Result<Option<Vec<YearDay>>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let Some(meter) = site.meter(meter) else { return Ok(None) };
        let zone = &site.zone;
        let from = to.saturating_sub((i64::from(days) - 1).days());
        let span = Span { from: day_start(from, zone), to: day_span(to, zone).to };
        let intervals = self.intervals(meter, span)?;
        let mut year = Vec::new();
        let mut date = from;
        while date <= to {
            let today = within(&intervals, day_span(date, zone));
            let hours: Vec<Option<i64>> = today.chunks(PER_HOUR).map(whole).collect();
            let total = hours.iter().flatten().copied().reduce(|a, b| a + b);
            year.push(YearDay { date, day: self.calendar().day(date), hours, total });
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        Ok(Some(year))
    }

    /// Returns the figures of the month that a local day lies in, up to now.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn month(&self, day: Date) -> Result<Option<MonthFigures>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let span = month_span(&site, day);
        let filter = FindingFilter {
            from: Some(span.from),
            to: Some(span.to),
            limit: u32::MAX,
            ..FindingFilter::default()
        };
        let rows = self.0.store.journal().view(|view| view.findings(&filter))?;
        let findings: Vec<Finding> = rows
            .into_iter()
            .filter(|row| !row.is_called_false())
            .filter_map(|row| {
                Some(Finding {
                    kind: FindingKind::from_code(&row.draft.kind)?,
                    meter: row.draft.meter,
                    area: row.draft.area,
                    opened: row.draft.opened,
                    closed: row.draft.closed,
                    waste: row.draft.waste,
                    cost_e4: Some(row.draft.cost_e4),
                    evidence: Vec::new(),
                })
            })
            .collect();
        let now = self.0.clock.now();
        let profile = |meter: &Meter| self.intervals(meter, span);
        month_figures_one_by_one(&site, self.calendar(), day, now, profile, &findings).map(Some)
    }

    /// Returns what it takes to price a meter's consumption, if a tariff covers it.
    #[must_use]
    pub fn pricing<'a>(&'a self, site: &'a Site, meter: &Meter) -> Option<Pricing<'a>> {
        let tariff = site.tariff_of(meter)?;
        Some(Pricing { tariff, zone: &site.zone, calendar: self.calendar() })
    }

    /// Returns the permits that touch a span and were not revoked.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the journal cannot be read.
    pub fn exceptions(&self, span: Span) -> Result<Vec<Exception>, StoreError> {
        let rows = self.0.store.journal().view(|view| view.exceptions(span.from, span.to))?;
        let permits = rows.into_iter().map(|row| row.exception);
        Ok(permits.map(|it| Exception { area: it.area, from: it.start, until: it.until }).collect())
    }
}

const PER_HOUR: usize = 4;

/// The amount of some intervals together, if none of them has a gap.
fn whole(intervals: &[IntervalAmount]) -> Option<i64> {
    intervals.iter().map(IntervalAmount::complete).sum()
}

/// A day's span and the weeks before it that teach what is usual.
fn weeks_before(date: Date, site: &Site, day: Span) -> Span {
    let first = date.checked_sub(TYPICAL_DAYS.days()).unwrap_or(date);
    Span { from: day_start(first, &site.zone), to: day.to }
}

/// The meters of a medium whose amounts no other one of it counts as well.
fn tops(site: &Site, medium: Medium) -> impl Iterator<Item = &Meter> {
    site.meters.iter().filter(move |meter| meter.medium == medium && site.is_top(meter))
}

/// Adds a meter's intervals to those of others, which are of the same span.
fn add_up(together: &mut Vec<IntervalAmount>, other: Vec<IntervalAmount>) {
    if together.is_empty() {
        *together = other;
    } else {
        for (sum, other) in together.iter_mut().zip(other) {
            *sum = sum.with(&other);
        }
    }
}
