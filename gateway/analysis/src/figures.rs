//! The numbers of a month, before any ink.
//!
//! In: the site book, every meter's intervals of the month, the findings.
//! Out: figures per meter, area and day, and their totals, each with its cost and the
//! shares of time that were measured, estimated and missing.
//!
//! Afterwards:
//! - the totals are the sums of the days, and of the meters with `counts_in_total`, to
//!   the last digit of amount and cost: cost is rounded once, per meter and local day;
//! - what a meter counts that its parent counts too is in no total twice;
//! - a gap is a share of missing time, not a zero.
//!
//! Not here: what it looks like (`gateway::report`, the pages).

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    ops::AddAssign,
};

use jiff::civil::Date;
use wire::Name;

use crate::{
    calendar::HolidayCalendar,
    finding::{Finding, FindingKind},
    interval::{INTERVAL_S, IntervalAmount, Span},
    money::Cost,
    profile::{day_span, within},
    site::{Medium, Meter, Site, Text},
    tariff::{Pricing, Tariff},
};

/// One number of a report with all that is needed to judge it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// Measured and estimated, in thousandths of the medium's unit.
    pub amount: i64,
    /// The part of `amount` that was estimated.
    pub estimated: i64,
    /// What `amount` came to, in 1/10000 of the currency, `unpriced` left out.
    pub cost_e4: i64,
    /// The part of `amount` that no tariff covers.
    pub unpriced: i64,
    /// Seconds that were measured, summed over meters.
    pub measured_s: i64,
    /// Seconds that were estimated, summed over meters.
    pub estimated_s: i64,
    /// Seconds that nothing is known of, summed over meters.
    pub missing_s: i64,
}

/// Shares of time in thousandths; they add up to 1000 exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Measured.
    pub measured_milli: u16,
    /// Estimated.
    pub estimated_milli: u16,
    /// Missing.
    pub missing_milli: u16,
}

/// The figures of one site for one month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthFigures {
    /// The first local day of the month.
    pub month: Date,
    /// One row per meter, in the order of the site book.
    pub meters: Vec<MeterFigure>,
    /// One row per area and medium that has a meter there, in the order of the site book.
    pub areas: Vec<AreaFigure>,
    /// One row per local day and medium, by day, then medium.
    pub days: Vec<DayFigure>,
    /// One row per medium.
    pub totals: Vec<TotalFigure>,
    /// One row per kind of finding and medium.
    pub waste: Vec<WasteFigure>,
}

/// What one meter counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterFigure {
    /// The meter.
    pub meter: Name,
    /// What it counts.
    pub medium: Medium,
    /// Whether it is part of its medium's days and total: no meter of the same medium
    /// lies upstream of it.
    pub counts_in_total: bool,
    /// Its figure.
    pub figure: Figure,
}

/// What one area used of one medium: the meters of that area that have no meter of the
/// same medium and area upstream. Areas may overlap (a building's main meter and its
/// floors), so they do not add up to the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaFigure {
    /// The area.
    pub area: Name,
    /// What was used.
    pub medium: Medium,
    /// Its figure.
    pub figure: Figure,
}

/// What the site used of one medium on one local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayFigure {
    /// The local day.
    pub date: Date,
    /// What was used.
    pub medium: Medium,
    /// Its figure.
    pub figure: Figure,
}

/// What one of several sites used of one medium on one of its local days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteDay {
    /// The site.
    pub site: Name,
    /// What people call it.
    pub name: Text,
    /// ISO 4217 code of its money.
    pub currency: String,
    /// The local day.
    pub date: Date,
    /// Its first instant.
    pub start: i64,
    /// What was used.
    pub medium: Medium,
    /// Its figure.
    pub figure: Figure,
}

/// What the site used of one medium in the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalFigure {
    /// What was used.
    pub medium: Medium,
    /// Its figure.
    pub figure: Figure,
}

/// What findings of one kind wasted in the month. Of one that went on beyond it, that part of
/// its waste counts which its time in the month is of all its time: base loads stay up for
/// weeks, and the parts of the months are the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasteFigure {
    /// The kind of the findings.
    pub kind: FindingKind,
    /// What was wasted.
    pub medium: Medium,
    /// How many findings were open at some time of it.
    pub count: u32,
    /// How many of them are still open.
    pub open: u32,
    /// In thousandths of the medium's unit.
    pub amount: i64,
    /// What that came to, in 1/10000 of the currency; findings without a tariff left out.
    pub cost_e4: i64,
}

impl Figure {
    /// Returns the shares of time that were measured, estimated and missing. They add up
    /// to 1000; where there was no time at all, all of it is missing.
    #[must_use]
    pub fn shares(&self) -> Shares {
        let whole = self.measured_s + self.estimated_s + self.missing_s;
        if whole == 0 {
            return Shares { measured_milli: 0, estimated_milli: 0, missing_milli: 1000 };
        }
        let share = |seconds: i64| {
            // A little that is missing or estimated is never rounded to nothing.
            let milli = (seconds * 1000 + whole / 2) / whole;
            let shown = milli.clamp(i64::from(0 < seconds), 1000 - i64::from(seconds < whole));
            u16::try_from(shown).unwrap_or(1000)
        };
        let missing_milli = share(self.missing_s);
        let estimated_milli = share(self.estimated_s).min(1000 - missing_milli);
        let measured_milli = 1000 - missing_milli - estimated_milli;
        Shares { measured_milli, estimated_milli, missing_milli }
    }

    fn add_interval(&mut self, interval: &IntervalAmount) {
        self.amount += interval.amount();
        self.estimated += interval.estimated;
        self.measured_s += i64::from(interval.measured_s());
        self.estimated_s += i64::from(interval.estimated_s);
        self.missing_s += i64::from(interval.missing_s);
    }
}

impl AddAssign for Figure {
    fn add_assign(&mut self, other: Self) {
        self.amount += other.amount;
        self.estimated += other.estimated;
        self.cost_e4 += other.cost_e4;
        self.unpriced += other.unpriced;
        self.measured_s += other.measured_s;
        self.estimated_s += other.estimated_s;
        self.missing_s += other.missing_s;
    }
}

/// The intervals of one meter, in order of time.
#[derive(Clone, Copy, Debug)]
pub struct MeterProfile<'a> {
    /// The meter.
    pub meter: Name,
    /// What went through it; those of other months are passed over.
    pub intervals: &'a [IntervalAmount],
}

/// Returns the figures of the month that a local day lies in.
///
/// Only intervals that end by `as_of` count, so the figures of a month that is not over
/// are those of its days so far. An interval that no profile lists is missing: a meter of
/// the site book without a profile is missing for the whole month.
#[must_use]
pub fn month_figures(
    site: &Site,
    calendar: &HolidayCalendar,
    month: Date,
    as_of: i64,
    profiles: &[MeterProfile<'_>],
    findings: &[Finding],
) -> MonthFigures {
    let profiles: HashMap<Name, &[IntervalAmount]> =
        profiles.iter().map(|profile| (profile.meter, profile.intervals)).collect();
    let of = |meter: &Meter| {
        Ok::<_, Infallible>(profiles.get(&meter.id).copied().unwrap_or_default().to_vec())
    };
    let Ok(figures) = month_figures_one_by_one(site, calendar, month, as_of, of, findings);
    figures
}

/// Returns the same of profiles that are fetched one meter at a time: of 2,000 meters a month
/// takes 190 MiB, of one 95 KiB.
///
/// # Errors
///
/// What fetching a profile gave.
pub fn month_figures_one_by_one<E>(
    site: &Site,
    calendar: &HolidayCalendar,
    month: Date,
    as_of: i64,
    mut profile: impl FnMut(&Meter) -> Result<Vec<IntervalAmount>, E>,
    findings: &[Finding],
) -> Result<MonthFigures, E> {
    let days = days_so_far(site, month, as_of);
    let mut rates: HashMap<Name, Rates> = HashMap::new();

    let mut meters = Vec::new();
    let mut by_area: BTreeMap<(usize, Medium), Figure> = BTreeMap::new();
    let mut by_day: BTreeMap<(Date, Medium), Figure> = BTreeMap::new();
    let mut totals: BTreeMap<Medium, Figure> = BTreeMap::new();
    for meter in &site.meters {
        let intervals = profile(meter)?;
        let tariff = site.tariff_of(meter).filter(|tariff| tariff.medium == meter.medium);
        let rates = tariff.map(|tariff| {
            &*rates.entry(tariff.id).or_insert_with(|| rates_of(tariff, site, calendar, &days))
        });
        let counts_in_total = site.is_top(meter);
        let area = site.areas.iter().position(|area| area.id == meter.area);
        let area = area.filter(|_| site.is_top_in_area(meter));

        let mut figure = Figure::default();
        for day in &days {
            let cell = day_figure(day, &intervals, rates);
            figure += cell;
            if let Some(area) = area {
                *by_area.entry((area, meter.medium)).or_default() += cell;
            }
            if counts_in_total {
                *by_day.entry((day.date, meter.medium)).or_default() += cell;
                *totals.entry(meter.medium).or_default() += cell;
            }
        }
        meters.push(MeterFigure { meter: meter.id, medium: meter.medium, counts_in_total, figure });
    }

    Ok(MonthFigures {
        month: month.first_of_month(),
        meters,
        areas: by_area
            .into_iter()
            .map(|((area, medium), figure)| AreaFigure {
                area: site.areas[area].id,
                medium,
                figure,
            })
            .collect(),
        days: by_day
            .into_iter()
            .map(|((date, medium), figure)| DayFigure { date, medium, figure })
            .collect(),
        totals: totals.into_iter().map(|(medium, figure)| TotalFigure { medium, figure }).collect(),
        waste: waste(site, month, as_of, findings),
    })
}

/// Returns the instants of the month that a local day lies in.
#[must_use]
pub fn month_span(site: &Site, month: Date) -> Span {
    Span {
        from: day_span(month.first_of_month(), &site.zone).from,
        to: day_span(month.last_of_month(), &site.zone).to,
    }
}

/// A local day of the month, as far as it is over.
struct Day {
    date: Date,
    span: Span,
    /// Its place among the quarter hours of the month.
    first: usize,
}

/// The rate of each quarter hour of the month, in 1/10000 per kWh or m³. Looked up once
/// per tariff, not once per meter: that is what makes 200 meters a matter of milliseconds.
type Rates = Vec<Option<i64>>;

fn days_so_far(site: &Site, month: Date, as_of: i64) -> Vec<Day> {
    let mut days = Vec::new();
    let mut first = 0;
    for date in month.first_of_month().series(jiff::Span::new().days(1)) {
        let Span { from, to } = day_span(date, &site.zone);
        let over = (as_of.min(to) - from).div_euclid(INTERVAL_S);
        if date.month() != month.month() || over <= 0 {
            break;
        }
        days.push(Day { date, span: Span { from, to: from + over * INTERVAL_S }, first });
        first += usize::try_from(over).unwrap_or_default();
    }
    days
}

fn rates_of(tariff: &Tariff, site: &Site, calendar: &HolidayCalendar, days: &[Day]) -> Rates {
    let pricing = Pricing { tariff, zone: &site.zone, calendar };
    days.iter()
        .flat_map(|day| day.span.starts())
        .map(|start| pricing.rate_at(start).map(|rate| rate.rate_e4))
        .collect()
}

/// Returns a meter's figure of a local day, as far as it is over by `as_of`: the same cell
/// that the month's rows are sums of.
#[must_use]
pub fn day_so_far(
    site: &Site,
    calendar: &HolidayCalendar,
    meter: &Meter,
    date: Date,
    as_of: i64,
    intervals: &[IntervalAmount],
) -> Figure {
    let Span { from, to } = day_span(date, &site.zone);
    let over = (as_of.min(to) - from).div_euclid(INTERVAL_S).max(0);
    let day = Day { date, span: Span { from, to: from + over * INTERVAL_S }, first: 0 };
    let tariff = site.tariff_of(meter).filter(|tariff| tariff.medium == meter.medium);
    let rates = tariff.map(|tariff| rates_of(tariff, site, calendar, std::slice::from_ref(&day)));
    day_figure(&day, intervals, rates.as_ref())
}

/// Returns a meter's figure of one day: the cell that all rows are sums of, and the one
/// place where cost is rounded.
fn day_figure(day: &Day, intervals: &[IntervalAmount], rates: Option<&Rates>) -> Figure {
    let mut figure = Figure::default();
    let mut cost = Cost::ZERO;
    for interval in within(intervals, day.span) {
        figure.add_interval(interval);
        let slot = usize::try_from((interval.start - day.span.from) / INTERVAL_S)
            .map_or(usize::MAX, |slot| day.first + slot);
        match rates.and_then(|rates| *rates.get(slot)?) {
            Some(rate_e4) => cost += Cost::of(interval.amount(), rate_e4),
            None => figure.unpriced += interval.amount(),
        }
    }
    let known_s = figure.measured_s + figure.estimated_s;
    figure.missing_s = (day.span.to - day.span.from - known_s).max(0);
    figure.cost_e4 = cost.e4();
    figure
}

fn waste(site: &Site, month: Date, as_of: i64, findings: &[Finding]) -> Vec<WasteFigure> {
    let span = month_span(site, month);
    let mut rows: BTreeMap<(FindingKind, Medium), WasteFigure> = BTreeMap::new();
    for finding in findings {
        let Some(meter) = site.meter(&finding.meter) else { continue };
        let end = finding.closed.unwrap_or(as_of).max(finding.opened.saturating_add(1));
        if end <= span.from || span.to <= finding.opened {
            continue;
        }
        let part = |whole: i64| {
            let until = |instant: i64| {
                let passed = i128::from(instant.clamp(finding.opened, end) - finding.opened);
                i128::from(whole) * passed / i128::from(end - finding.opened)
            };
            i64::try_from(until(span.to) - until(span.from)).unwrap_or(whole)
        };
        let (kind, medium) = (finding.kind, meter.medium);
        let empty = WasteFigure { kind, medium, count: 0, open: 0, amount: 0, cost_e4: 0 };
        let row = rows.entry((kind, medium)).or_insert(empty);
        row.count += 1;
        row.open += u32::from(finding.is_open());
        row.amount += part(finding.waste);
        row.cost_e4 += part(finding.cost_e4.unwrap_or(0));
    }
    rows.into_values().collect()
}

/// A version of reference data that figures rest on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A rule of a tariff, since when it holds, and where it was published.
    TariffRule {
        /// The tariff.
        tariff: Name,
        /// The first local day of the rule.
        from: Date,
        /// Where it was published.
        source: String,
    },
    /// The holiday notice of a year; `None` if there is none and weekdays were used.
    Holidays {
        /// The year.
        year: i16,
        /// The notice.
        notice: Option<String>,
    },
}

/// Returns the versions of reference data that the figures of a month rest on.
#[must_use]
pub fn references(site: &Site, calendar: &HolidayCalendar, month: Date) -> Vec<Reference> {
    let (first, last) = (month.first_of_month(), month.last_of_month());
    let used = |tariff: &&Tariff| site.meters.iter().any(|m| m.tariff == Some(tariff.id));
    let mut references = Vec::new();
    for tariff in site.tariffs.iter().filter(used) {
        let mut rules: Vec<_> = tariff.rules.iter().filter(|rule| rule.from <= last).collect();
        rules.sort_by_key(|rule| rule.from);
        let holding = rules.partition_point(|rule| rule.from <= first).saturating_sub(1);
        references.extend(rules[holding..].iter().map(|rule| Reference::TariffRule {
            tariff: tariff.id,
            from: rule.from,
            source: rule.source.clone(),
        }));
    }
    let year = month.year();
    references
        .push(Reference::Holidays { year, notice: calendar.notice(year).map(ToOwned::to_owned) });
    references
}

#[cfg(test)]
mod tests;
