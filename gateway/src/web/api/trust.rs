//! How far numbers can be trusted: readings counted per day, meters against those behind them.

use analysis::interval::{INTERVAL_S, Span};
use analysis::site::{Meter, Site};
use axum::Json;
use axum::extract::{Path, State};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::meters::named_in;
use crate::store::Counts;
use crate::web::answer::problem::Problem;
use crate::web::answer::trust::{
    BalanceRow, Completeness, DayCounts, MeterBalance, MeterCounts, ReadingCounts,
};
use crate::web::auth::Reader;
use crate::web::error::ApiError;
use crate::web::input::Asked;
use crate::web::{Rooms, WebState, fill, time};

/// The most days that one question is about.
const DAYS_MAX: i64 = 366;
/// The most days for which the readings of all meters are counted at once.
const SITE_DAYS_MAX: i64 = 31;
/// Days that are counted where nobody says which.
const DAYS: i64 = 7;
/// The most rows of a balance: a month of quarter hours.
const ROWS_MAX: i64 = 31 * 96;

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DaysQuery {
    /// The first day; a week up to `to` if not given.
    #[param(format = Date)]
    from: Option<String>,
    /// The last day; today if not given.
    #[param(format = Date)]
    to: Option<String>,
}

/// Which days, and in what stretches.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct BalanceQuery {
    /// The first day; a week up to `to` if not given.
    #[param(format = Date)]
    from: Option<String>,
    /// The last day; today if not given.
    #[param(format = Date)]
    to: Option<String>,
    /// How long each row is; a day if not given.
    #[serde(default)]
    #[param(inline)]
    step: Step,
}

/// How long a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// A quarter hour.
    Interval,
    /// A local day.
    #[default]
    Day,
    /// A local month, as far as it lies within the days.
    Month,
}

/// Counts the readings of a meter, day by day; at most 366 days.
#[utoipa::path(
    get,
    path = "/api/v1/meters/{id}/counts",
    tag = "meters",
    params(("id" = String, Path, description = "Identifier of the meter"), DaysQuery),
    responses(
        (status = 200, body = MeterCounts),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_counts(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
    Asked(query): Asked<DaysQuery>,
) -> Result<Json<MeterCounts>, ApiError> {
    let site = web.site()?;
    let meter = named_in(&site, &id)?.clone();
    let place = fill::meter(&site, &meter.id);
    let dates = dates(&web, query.from.as_deref(), query.to.as_deref(), DAYS_MAX)?;
    let (days, total) = web
        .ask(move |rooms| counted(rooms, &site.zone, std::slice::from_ref(&meter), &dates))
        .await?;
    Ok(Json(MeterCounts { meter: place, days, total }))
}

/// Counts the readings of all meters together, day by day; at most 31 days.
#[utoipa::path(
    get,
    path = "/api/v1/completeness",
    tag = "meters",
    params(DaysQuery),
    responses(
        (status = 200, body = Completeness),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_completeness(
    _: Reader,
    State(web): State<WebState>,
    Asked(query): Asked<DaysQuery>,
) -> Result<Json<Completeness>, ApiError> {
    let site = web.site()?;
    let dates = dates(&web, query.from.as_deref(), query.to.as_deref(), SITE_DAYS_MAX)?;
    let (days, total) =
        web.ask(move |rooms| counted(rooms, &site.zone, &site.meters, &dates)).await?;
    Ok(Json(Completeness { days, total }))
}

/// Returns a meter against those directly behind it.
#[utoipa::path(
    get,
    path = "/api/v1/meters/{id}/balance",
    tag = "meters",
    params(("id" = String, Path, description = "Identifier of the meter"), BalanceQuery),
    responses(
        (status = 200, body = MeterBalance),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_balance(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
    Asked(query): Asked<BalanceQuery>,
) -> Result<Json<MeterBalance>, ApiError> {
    let site = web.site()?;
    let meter = named_in(&site, &id)?.clone();
    let dates = dates(&web, query.from.as_deref(), query.to.as_deref(), DAYS_MAX)?;
    let stretches = stretches(&dates, query.step, &site.zone, web.clock.now());
    let rows = i64::try_from(stretches.len()).unwrap_or(i64::MAX);
    if rows == 0 || ROWS_MAX + 4 < rows {
        return Err(ApiError::Malformed { key: "from" });
    }
    Ok(Json(web.ask(move |rooms| balanced(rooms, &site, &meter, &stretches)).await?))
}

/// Returns the days that were asked for.
fn dates(
    web: &WebState,
    from: Option<&str>,
    to: Option<&str>,
    most: i64,
) -> Result<Vec<Date>, ApiError> {
    let read = |text: &str, key| time::read_day(text).ok_or(ApiError::Malformed { key });
    let to = to.map_or_else(|| Ok(web.today()), |text| read(text, "to"))?;
    let from =
        from.map_or_else(|| Ok(to.saturating_sub((DAYS - 1).days())), |text| read(text, "from"))?;
    let mut dates = Vec::new();
    let mut date = from;
    while date <= to {
        dates.push(date);
        if most < i64::try_from(dates.len()).unwrap_or(i64::MAX) {
            return Err(ApiError::Malformed { key: "from" });
        }
        let Ok(next) = date.tomorrow() else { break };
        date = next;
    }
    if dates.is_empty() { Err(ApiError::Malformed { key: "to" }) } else { Ok(dates) }
}

fn span_of(date: Date, zone: &TimeZone) -> Span {
    let next = date.tomorrow().unwrap_or(date);
    Span { from: time::start_of(date, zone), to: time::start_of(next, zone) }
}

/// Returns the stretches of some days that have begun, without quarter hours to come.
fn stretches(dates: &[Date], step: Step, zone: &TimeZone, now: i64) -> Vec<Span> {
    let over = now - now.rem_euclid(INTERVAL_S);
    let mut stretches: Vec<Span> = Vec::new();
    let mut month = None;
    for date in dates {
        let mut day = span_of(*date, zone);
        day.to = day.to.min(over);
        if day.to <= day.from {
            break;
        }
        match step {
            Step::Interval => {
                stretches.extend(day.starts().map(|from| Span { from, to: from + INTERVAL_S }));
            }
            Step::Month if month == Some(date.first_of_month()) => {
                if let Some(last) = stretches.last_mut() {
                    last.to = day.to;
                }
            }
            Step::Day | Step::Month => stretches.push(day),
        }
        month = Some(date.first_of_month());
    }
    stretches
}

fn counted(
    rooms: &Rooms,
    zone: &TimeZone,
    meters: &[Meter],
    dates: &[Date],
) -> Result<(Vec<DayCounts>, ReadingCounts), ApiError> {
    let now = rooms.clock.now();
    let mut days = Vec::new();
    let mut total = Tally::default();
    for date in dates {
        let span = span_of(*date, zone);
        let to = span.to.min(now + 1);
        let mut day = Tally::default();
        for meter in meters.iter().filter(|meter| meter.formula.is_none()) {
            if to <= span.from {
                break;
            }
            let (counts, untold) = rooms.store.series().counts_told(&meter.id, span.from, to)?;
            day.add(&counts, untold.due(meter.interval_s, now < span.to));
        }
        total.join(&day);
        days.push(DayCounts { date: date.to_string(), counts: day.answer() });
    }
    Ok((days, total.answer()))
}

/// Counts, and what the sequence of numbers does not tell of.
#[derive(Default)]
pub(super) struct Tally {
    counts: Counts,
    unknown: u64,
}

impl Tally {
    /// `due` is what should have come by the schedule where no number tells; of that what a
    /// device without numbers sent did come.
    pub(super) fn add(&mut self, counts: &Counts, due: u64) {
        self.join(&Self { counts: *counts, unknown: due.saturating_sub(counts.unnumbered) });
    }

    fn join(&mut self, other: &Self) {
        self.counts.expected += other.counts.expected;
        self.counts.received += other.counts.received;
        self.counts.late += other.counts.late;
        self.counts.lost += other.counts.lost;
        self.counts.duplicate += other.counts.duplicate;
        self.counts.unnumbered += other.counts.unnumbered;
        self.unknown += other.unknown;
    }

    pub(super) fn answer(&self) -> ReadingCounts {
        let Counts { expected, received, late, lost, duplicate, unnumbered } = self.counts;
        let unknown = self.unknown;
        let received_milli = (received * 1_000).checked_div(expected + unknown);
        ReadingCounts {
            expected,
            received,
            late,
            lost,
            duplicate,
            unnumbered,
            unknown,
            received_milli,
        }
    }
}

fn balanced(
    rooms: &Rooms,
    site: &Site,
    meter: &Meter,
    stretches: &[Span],
) -> Result<MeterBalance, ApiError> {
    let found = rooms.ledger.balance(&meter.id, stretches)?;
    let found = found.ok_or(ApiError::NotFound { what: "meter" })?;
    let row = |row: &analysis::interval::balance::BalanceRow| {
        let rest = row.rest();
        let whole_s = (row.span.to - row.span.from).max(1);
        BalanceRow {
            from: time::written(row.span.from, &site.zone),
            to: time::written(row.span.to, &site.zone),
            main: row.main,
            parts: row.parts.clone(),
            rest,
            rest_milli: rest.and_then(|rest| (rest * 1_000).checked_div(row.main)),
            compared_milli: row.compared_s * 1_000 / whole_s,
            estimated_milli: row.estimated_s * 1_000 / whole_s,
            negative: rest.is_some_and(|rest| rest < 0),
        }
    };
    Ok(MeterBalance {
        meter: fill::meter(site, &meter.id),
        parts: found.parts.iter().map(|part| fill::meter(site, part)).collect(),
        unit: meter.medium.into(),
        rows: found.rows.iter().map(row).collect(),
        total: row(&found.total),
    })
}
