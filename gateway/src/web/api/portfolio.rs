//! Several sites, read from where their gateways write to.

use std::collections::BTreeMap;

use analysis::figures::{Figure, SiteDay};
use analysis::site::Medium;
use axum::Json;
use axum::extract::State;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use wire::Name;

use crate::web::answer::month::{DayMonth, MediumMonth};
use crate::web::answer::portfolio::{Portfolio, PortfolioState, SiteMonth};
use crate::web::answer::problem::Problem;
use crate::web::auth::Reader;
use crate::web::error::ApiError;
use crate::web::input::Asked;
use crate::web::{WebState, time};

/// Days begin up to 14 hours before and 12 hours after those of UTC.
const ZONES_S: i64 = 86_400;

#[derive(Debug, Deserialize)]
pub(crate) struct Query {
    month: Option<String>,
}

/// Returns what all sites used in a month, day by day; a part of this one is not known yet.
#[utoipa::path(
    get,
    path = "/api/v1/portfolio",
    tag = "months",
    params(("month" = Option<String>, Query, description = "`YYYY-MM`; the current one if absent")),
    responses(
        (status = 200, body = Portfolio),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_portfolio(
    _: Reader,
    State(web): State<WebState>,
    Asked(query): Asked<Query>,
) -> Result<Json<Portfolio>, ApiError> {
    let first = match &query.month {
        Some(month) => time::read_month(month).ok_or(ApiError::Malformed { key: "month" })?,
        None => web.today().first_of_month(),
    };
    let next = first.saturating_add(1.month());
    let (from, to) = (time::start_of(first, &TimeZone::UTC), time::start_of(next, &TimeZone::UTC));
    let read = web
        .ask(move |rooms| {
            let read = rooms.portfolio.as_ref();
            Ok(read.map(|read| read(from - ZONES_S, to.saturating_add(ZONES_S))))
        })
        .await?;
    let (state, reason, days) = match read {
        None => (PortfolioState::Off, None, Vec::new()),
        Some(Ok(days)) => (PortfolioState::Ready, None, days),
        Some(Err(error)) => {
            (PortfolioState::Failing, Some(crate::events::chain(&*error)), Vec::new())
        }
    };
    let month = first.strftime("%Y-%m").to_string();
    let within = |day: &SiteDay| first <= day.date && day.date < next;
    let sites = sites(days.into_iter().filter(within).collect());
    Ok(Json(Portfolio { month, state, reason, sites }))
}

/// Puts the days of each site together, by site, day and medium.
fn sites(days: Vec<SiteDay>) -> Vec<SiteMonth> {
    // A site whose gateway moved to another zone has told of a day under two instants: the
    // later one counts.
    let mut known: BTreeMap<Name, BTreeMap<(Date, Medium), SiteDay>> = BTreeMap::new();
    let mut days = days;
    days.sort_by_key(|day| day.start);
    for day in days {
        known.entry(day.site).or_default().insert((day.date, day.medium), day);
    }
    let site = |(id, days): (Name, BTreeMap<(Date, Medium), SiteDay>)| {
        let newest = days.values().next_back()?;
        let (name, currency) = ((&newest.name).into(), newest.currency.clone());
        let mut totals: BTreeMap<Medium, Figure> = BTreeMap::new();
        for day in days.values() {
            *totals.entry(day.medium).or_default() += day.figure;
        }
        let days = days.values().map(|day| DayMonth {
            date: day.date.to_string(),
            medium: day.medium.into(),
            unit: day.medium.into(),
            figures: (&day.figure).into(),
        });
        let totals = totals.iter().map(|(medium, figure)| MediumMonth {
            medium: (*medium).into(),
            unit: (*medium).into(),
            figures: figure.into(),
        });
        let (days, totals) = (days.collect(), totals.collect());
        Some(SiteMonth { id: id.as_str().to_owned(), name, currency, days, totals })
    };
    known.into_iter().filter_map(site).collect()
}
