//! A month's figures, and the workbook that is made of them.

use std::sync::Arc;

use analysis::figures::{Figure, MonthFigures, Reference, month_span, references};
use analysis::site::Site;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};

use crate::store::journal::MeterEventRow;
use crate::web::answer::month::{
    AreaMonth, BuildingMonth, DayMonth, FactorVersion, Figures, MediumMonth, MeterMonth, Month,
    MonthBuildings, MonthWaste, ReportRequest,
};
use crate::web::answer::problem::Problem;
use crate::web::auth::{Editor, Reader};
use crate::web::error::ApiError;
use crate::web::input::Body;
use crate::web::{WebState, fill, time};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// Addresses that one request may name.
const ADDRESSES_MAX: usize = 20;

/// Returns the figures of a month.
#[utoipa::path(
    get,
    path = "/api/v1/months/{month}",
    tag = "months",
    params(("month" = String, Path, description = "`YYYY-MM`")),
    responses(
        (status = 200, body = Month),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_month(
    _: Reader,
    State(web): State<WebState>,
    Path(month): Path<String>,
) -> Result<Json<Month>, ApiError> {
    let (figures, site) = figures_of(&web, &month).await?;
    let book = web.ledger.book().map(|book| FactorVersion {
        kind: "site_book".to_owned(),
        id: site.id.as_str().to_owned(),
        version: book.version.to_string(),
    });
    let references = references(&site, web.ledger.calendar(), figures.month);
    let span = month_span(&site, figures.month);
    let events = web.ask(move |rooms| Ok(rooms.ledger.events_within(span)?)).await?;
    let events = events.iter().map(event_factor);
    let factors = book.into_iter().chain(references.into_iter().map(factor)).chain(events);
    Ok(Json(answer(&figures, &site, factors.collect(), month)))
}

/// Returns what went through each building in a month.
#[utoipa::path(
    get,
    path = "/api/v1/months/{month}/buildings",
    tag = "months",
    params(("month" = String, Path, description = "`YYYY-MM`")),
    responses(
        (status = 200, body = MonthBuildings),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_buildings(
    _: Reader,
    State(web): State<WebState>,
    Path(month): Path<String>,
) -> Result<Json<MonthBuildings>, ApiError> {
    let first = time::read_month(&month).ok_or(ApiError::Malformed { key: "month" })?;
    let site = web.site()?;
    let sums = web.ask(move |rooms| Ok(rooms.ledger.month_by_building(first)?)).await?;
    let rows = sums.ok_or(ApiError::NoSiteBook)?.into_iter().map(|row| {
        let shares = row.figure.shares();
        BuildingMonth {
            id: row.building.as_str().to_owned(),
            name: fill::building(&site, &row.building).name,
            medium: row.medium.into(),
            unit: row.medium.into(),
            meters: row.meters,
            amount: row.figure.amount,
            estimated: row.figure.estimated,
            measured_milli: shares.measured_milli.into(),
            estimated_milli: shares.estimated_milli.into(),
            missing_milli: shares.missing_milli.into(),
        }
    });
    Ok(Json(MonthBuildings { month, buildings: rows.collect() }))
}

/// Returns a month's figures as a workbook.
#[utoipa::path(
    get,
    path = "/api/v1/reports/{month}.xlsx",
    tag = "months",
    params(("month" = String, Path, description = "`YYYY-MM`")),
    responses(
        (status = 200, description = "The workbook", body = Vec<u8>,
            content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_report(
    _: Reader,
    State(web): State<WebState>,
    Path(file): Path<String>,
) -> Result<([(HeaderName, String); 2], Vec<u8>), ApiError> {
    let month = file.strip_suffix(".xlsx").ok_or(ApiError::NotFound { what: "report" })?;
    let (figures, site) = figures_of(&web, month).await?;
    let workbook =
        web.ask(move |rooms| (rooms.workbook)(&figures, &site).map_err(ApiError::Internal)).await?;
    // An ASCII name: some programs show any other as gibberish.
    let disposition = format!("attachment; filename=\"energy-report-{month}.xlsx\"");
    let headers =
        [(header::CONTENT_TYPE, XLSX.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, workbook))
}

/// Sends a month's workbook by mail.
#[utoipa::path(
    post,
    path = "/api/v1/reports/{month}/send",
    tag = "months",
    params(("month" = String, Path, description = "`YYYY-MM`")),
    request_body = ReportRequest,
    responses(
        (status = 202, description = "The mail waits in the outbox"),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn send_report(
    Editor(person): Editor,
    State(web): State<WebState>,
    Path(month): Path<String>,
    Body(request): Body<ReportRequest>,
) -> Result<StatusCode, ApiError> {
    let count = request.to.len();
    let are_addresses = request.to.iter().all(|to| to.parse::<lettre::Address>().is_ok());
    if count == 0 || ADDRESSES_MAX < count || !are_addresses {
        return Err(ApiError::Malformed { key: "to" });
    }
    let (figures, site) = figures_of(&web, &month).await?;
    web.ask(move |rooms| {
        (rooms.send_report)(&figures, &site, &request.to, &person.name).map_err(ApiError::Internal)
    })
    .await?;
    Ok(StatusCode::ACCEPTED)
}

async fn figures_of(web: &WebState, month: &str) -> Result<(MonthFigures, Arc<Site>), ApiError> {
    let first = time::read_month(month).ok_or(ApiError::Malformed { key: "month" })?;
    let site = web.site()?;
    let figures = web.ask(move |rooms| Ok(rooms.ledger.month(first)?)).await?;
    Ok((figures.ok_or(ApiError::NoSiteBook)?, site))
}

/// A meter event as reference data that figures rest on.
pub(super) fn event_factor(row: &MeterEventRow) -> FactorVersion {
    FactorVersion {
        kind: "meter_event".to_owned(),
        id: row.id.to_string(),
        version: format!("{} {}", row.event.meter, row.event.change.code()),
    }
}

pub(super) fn factor(reference: Reference) -> FactorVersion {
    match reference {
        Reference::TariffRule { tariff, from, source } => FactorVersion {
            kind: "tariff".to_owned(),
            id: tariff.as_str().to_owned(),
            version: format!("{from} {source}").trim_end().to_owned(),
        },
        Reference::Holidays { year, notice } => FactorVersion {
            kind: "calendar".to_owned(),
            id: year.to_string(),
            version: notice.unwrap_or_default(),
        },
    }
}

fn answer(
    figures: &MonthFigures,
    site: &Site,
    factors: Vec<FactorVersion>,
    month: String,
) -> Month {
    let meters = figures.meters.iter().filter_map(|row| {
        let meter = site.meter(&row.meter)?;
        Some(MeterMonth {
            id: row.meter.as_str().to_owned(),
            name: (&meter.name).into(),
            medium: row.medium.into(),
            load: meter.load.into(),
            area_id: meter.area.as_str().to_owned(),
            counts_in_total: row.counts_in_total,
            unit: row.medium.into(),
            figures: (&row.figure).into(),
        })
    });
    let areas = figures.areas.iter().map(|row| AreaMonth {
        id: row.area.as_str().to_owned(),
        name: fill::area(site, &row.area).name,
        medium: row.medium.into(),
        unit: row.medium.into(),
        figures: (&row.figure).into(),
    });
    let days = figures.days.iter().map(|row| DayMonth {
        date: row.date.to_string(),
        medium: row.medium.into(),
        unit: row.medium.into(),
        figures: (&row.figure).into(),
    });
    let totals = figures.totals.iter().map(|row| MediumMonth {
        medium: row.medium.into(),
        unit: row.medium.into(),
        figures: (&row.figure).into(),
    });
    let waste = figures.waste.iter().map(|row| MonthWaste {
        kind: row.kind.into(),
        medium: row.medium.into(),
        unit: row.medium.into(),
        findings: row.count,
        open: row.open,
        amount: row.amount,
        cost_e4: row.cost_e4,
    });
    Month {
        month,
        site: (&site.name).into(),
        factors,
        meters: meters.collect(),
        areas: areas.collect(),
        days: days.collect(),
        totals: totals.collect(),
        waste: waste.collect(),
    }
}

impl From<&Figure> for Figures {
    fn from(figure: &Figure) -> Self {
        let shares = figure.shares();
        Self {
            amount: figure.amount,
            cost_e4: figure.cost_e4,
            unpriced: figure.unpriced,
            measured_milli: shares.measured_milli.into(),
            estimated_milli: shares.estimated_milli.into(),
            missing_milli: shares.missing_milli.into(),
        }
    }
}
