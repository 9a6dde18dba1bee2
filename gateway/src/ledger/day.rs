//! A day and a year of one meter, put together for a page.

use analysis::calendar::{Day, Exception, Opening};
use analysis::figures::Figure;
use analysis::interval::{INTERVAL_S, IntervalAmount, Span};
use analysis::profile::{TYPICAL_DAYS, Typical, TypicalDays, day_span, day_start};
use analysis::site::{Meter, Site};
use analysis::tariff::Pricing;
use jiff::ToSpan;
use jiff::civil::Date;

use super::Ledger;
use crate::store::StoreError;

/// One local day of one meter: 96 intervals, or 92 or 100 where clocks change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterDay {
    /// The local day.
    pub date: Date,
    /// What the calendar says of it.
    pub day: Day,
    /// Its first instant and the first of the next.
    pub span: Span,
    /// What went through, quarter hour by quarter hour; missing where time has not come yet.
    pub intervals: Vec<IntervalAmount>,
    /// What is usual for such a day, interval by interval.
    pub typical: Vec<Option<Typical>>,
    /// Whether the meter's area is meant to be in use, at the start of each interval.
    pub open: Vec<bool>,
    /// Its sum, cost and shares up to now.
    pub figure: Figure,
    /// Whether a tariff covers it; else the cost is not known.
    pub priced: bool,
}

/// One day of a year of one meter, hour by hour.
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

/// How many days a year on a page has: whole weeks, so that weekdays line up.
pub const YEAR_DAYS: i64 = 364;

impl Ledger {
    /// Returns a local day of a meter. `now` tells how much of today has passed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn day(
        &self,
        site: &Site,
        meter: &Meter,
        date: Date,
        now: i64,
    ) -> Result<MeterDay, StoreError> {
        let span = day_span(date, &site.zone);
        let intervals = self.intervals(meter, span)?;
        let exceptions = self.exceptions(span)?;
        let open = site.hours_of(&meter.area).map(|hours| Opening {
            area: &meter.area,
            hours,
            calendar: self.calendar(),
            zone: &site.zone,
            exceptions: &exceptions,
        });
        let open = span.starts().map(|start| open.is_none_or(|it| it.is_open(start))).collect();
        let past = |interval: &&IntervalAmount| interval.start < now;
        let passed: Vec<IntervalAmount> = intervals.iter().filter(past).copied().collect();
        let pricing = self.pricing(site, meter);
        let figure = Figure::of(&passed, pricing.as_ref(), &site.zone);
        Ok(MeterDay {
            date,
            day: self.calendar().day(date),
            span,
            typical: self.typical(site, meter, date, span)?,
            intervals,
            open,
            figure,
            priced: pricing.is_some() && figure.unpriced == 0,
        })
    }

    /// Returns the 364 days of a meter up to and with a local day.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn year(&self, site: &Site, meter: &Meter, to: Date) -> Result<Vec<YearDay>, StoreError> {
        let from = to.saturating_sub((YEAR_DAYS - 1).days());
        let span = Span { from: day_span(from, &site.zone).from, to: day_span(to, &site.zone).to };
        let intervals = self.intervals(meter, span)?;
        let mut days = Vec::new();
        let mut rest = intervals.as_slice();
        let mut date = from;
        while date <= to {
            let end = day_span(date, &site.zone).to;
            let (today, later) = rest.split_at(rest.partition_point(|it| it.start < end));
            rest = later;
            let hours: Vec<Option<i64>> = today.chunks(PER_HOUR).map(whole).collect();
            let total = hours.iter().flatten().copied().reduce(|a, b| a + b);
            days.push(YearDay { date, day: self.calendar().day(date), hours, total });
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        Ok(days)
    }

    /// Returns what is usual for each interval of a local day, by the eight weeks before.
    fn typical(
        &self,
        site: &Site,
        meter: &Meter,
        date: Date,
        span: Span,
    ) -> Result<Vec<Option<Typical>>, StoreError> {
        let first = date.checked_sub(TYPICAL_DAYS.days()).unwrap_or(date);
        let before = Span { from: day_start(first, &site.zone), to: span.from };
        let intervals = self.intervals(meter, before)?;
        let days = TypicalDays::learn(&intervals, date, &site.zone, self.calendar());
        Ok(span.starts().map(|start| days.at(start, &site.zone, self.calendar())).collect())
    }

    /// Returns what it takes to price a meter's consumption, if a tariff covers it.
    pub(super) fn pricing<'a>(&'a self, site: &'a Site, meter: &Meter) -> Option<Pricing<'a>> {
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
const _: () = assert!(PER_HOUR as i64 * INTERVAL_S == 3_600);

/// The amount of some intervals together, if none of them has a gap.
fn whole(intervals: &[IntervalAmount]) -> Option<i64> {
    intervals.iter().map(IntervalAmount::complete).sum()
}
