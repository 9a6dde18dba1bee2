//! Meters: now, a day, a year.

use analysis::interval::{INTERVAL_S, WHOLE_S};
use analysis::site::{Meter, Site};
use axum::Json;
use axum::extract::{Path, State};
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::IntoParams;
use wire::{Name, Value};

use super::row::Rows;
use crate::web::answer::meter::{
    Counts, LastValue, MeterDay, MeterDetail, MeterRow, MeterYear, Meters, YearDay,
};
use crate::web::answer::problem::Problem;
use crate::web::auth::Reader;
use crate::web::error::ApiError;
use crate::web::input::Asked;
use crate::web::{Rooms, WebState, fill, time};

/// Days of a year on the page: whole weeks, so that weekdays stand below each other.
const YEAR_DAYS: u16 = 364;

/// Which day.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DayQuery {
    /// The day; today if not given.
    #[param(format = Date)]
    date: Option<String>,
}

/// Which year.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct YearQuery {
    /// Its last day; today if not given.
    #[param(format = Date)]
    to: Option<String>,
}

/// Returns all meters and what they show now.
#[utoipa::path(
    get,
    path = "/api/v1/meters",
    tag = "meters",
    responses(
        (status = 200, body = Meters),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn list_meters(
    _: Reader,
    State(web): State<WebState>,
) -> Result<Json<Meters>, ApiError> {
    let meters = web
        .ask(|rooms| {
            let rows = Rows::read(rooms)?;
            rows.site.meters.iter().map(|meter| row(rooms, &rows, meter)).collect()
        })
        .await?;
    Ok(Json(Meters { meters }))
}

/// Returns one meter with all that it last said.
#[utoipa::path(
    get,
    path = "/api/v1/meters/{id}",
    tag = "meters",
    params(("id" = String, Path, description = "Identifier of the meter")),
    responses(
        (status = 200, body = MeterDetail),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_meter(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
) -> Result<Json<MeterDetail>, ApiError> {
    Ok(Json(web.ask(move |rooms| detail(rooms, &id)).await?))
}

/// Returns a day of one meter against the typical day.
#[utoipa::path(
    get,
    path = "/api/v1/meters/{id}/day",
    tag = "meters",
    params(("id" = String, Path, description = "Identifier of the meter"), DayQuery),
    responses(
        (status = 200, body = MeterDay),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_meter_day(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
    Asked(query): Asked<DayQuery>,
) -> Result<Json<MeterDay>, ApiError> {
    let date = asked_day(&web, query.date.as_deref(), "date")?;
    Ok(Json(web.ask(move |rooms| day(rooms, &id, date)).await?))
}

/// Returns 364 days of one meter, hour by hour.
#[utoipa::path(
    get,
    path = "/api/v1/meters/{id}/year",
    tag = "meters",
    params(("id" = String, Path, description = "Identifier of the meter"), YearQuery),
    responses(
        (status = 200, body = MeterYear),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_meter_year(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
    Asked(query): Asked<YearQuery>,
) -> Result<Json<MeterYear>, ApiError> {
    let to = asked_day(&web, query.to.as_deref(), "to")?;
    Ok(Json(web.ask(move |rooms| year(rooms, &id, to)).await?))
}

/// Returns the day that was asked for; today if none was.
fn asked_day(web: &WebState, asked: Option<&str>, key: &'static str) -> Result<Date, ApiError> {
    match asked {
        Some(text) => time::read_day(text).ok_or(ApiError::Malformed { key }),
        None => Ok(web.today()),
    }
}

/// Returns the meter that an address names.
fn named<'a>(rows: &'a Rows, id: &str) -> Result<&'a Meter, ApiError> {
    named_in(&rows.site, id)
}

/// Returns the meter of a site that an address names.
pub(super) fn named_in<'a>(site: &'a Site, id: &str) -> Result<&'a Meter, ApiError> {
    const NO_METER: ApiError = ApiError::NotFound { what: "meter" };
    let id = Name::new(id).map_err(|_| NO_METER)?;
    site.meter(&id).ok_or(NO_METER)
}

fn row(rooms: &Rooms, rows: &Rows, meter: &Meter) -> Result<MeterRow, ApiError> {
    let site = &*rows.site;
    let newest = rows.newest(meter);
    let area = site.area(&meter.area);
    Ok(MeterRow {
        id: meter.id.as_str().to_owned(),
        name: (&meter.name).into(),
        medium: meter.medium.into(),
        load: meter.load.into(),
        model: meter.model.clone(),
        area: fill::area(site, &meter.area),
        building: fill::building(site, area.map_or(&meter.area, |area| &area.building)),
        parent: meter.parent.map(|parent| parent.as_str().to_owned()),
        unit: meter.medium.into(),
        state: rows.state(meter),
        last_at: rows.heard(&meter.id).map(|heard| time::written(heard, &site.zone)),
        power_mw: newest.and_then(|newest| newest.power_mw),
        flow_ml_h: newest.and_then(|newest| newest.flow_ml_h),
        today_amount: rooms.ledger.amount_today(&meter.id)?,
    })
}

fn detail(rooms: &Rooms, id: &str) -> Result<MeterDetail, ApiError> {
    let rows = Rows::read(rooms)?;
    let meter = named(&rows, id)?;
    let zone = &rows.site.zone;
    let today = time::day_of(rows.now, zone);
    let counts =
        rooms.store.series().counts(&meter.id, time::start_of(today, zone), rows.now + 1)?;
    let last = rows.last(&meter.id).into_iter();
    let last_values = last.flat_map(|last| {
        last.pack.readings.iter().map(|reading| {
            let (value, absence) = match reading.value {
                Value::Measured(value) => (Some(value), None),
                Value::Absent(absence) => (None, Some(absence.code().to_owned())),
            };
            LastValue {
                quantity: reading.quantity.name().to_owned(),
                unit: reading.quantity.unit().symbol().to_owned(),
                value,
                absence,
                at: time::written(last.pack.instant, zone),
            }
        })
    });
    let is_numbered = counts.unnumbered == 0;
    Ok(MeterDetail {
        row: row(rooms, &rows, meter)?,
        last_values: last_values.collect(),
        counts: Counts {
            date: today.to_string(),
            expected: is_numbered.then_some(counts.expected),
            received: counts.received,
            late: counts.late,
            lost: is_numbered.then_some(counts.lost),
            duplicate: counts.duplicate,
        },
    })
}

fn day(rooms: &Rooms, id: &str, date: Date) -> Result<MeterDay, ApiError> {
    let rows = Rows::read(rooms)?;
    let meter = named(&rows, id)?;
    let day = rooms.ledger.day(&meter.id, date)?.ok_or(ApiError::NotFound { what: "meter" })?;
    let shares = day.figure.shares();
    let amount: Vec<Option<i64>> = day.intervals.iter().map(|interval| interval.known()).collect();
    let running = day.intervals.iter().find(|it| it.start <= rows.now && rows.now < it.end());
    let is_known = amount.iter().any(Option::is_some);
    Ok(MeterDay {
        date: date.to_string(),
        day_type: day.day.into(),
        unit: meter.medium.into(),
        start_at: time::written(day.start, &rows.site.zone),
        interval_s: u32::try_from(INTERVAL_S).unwrap_or(900),
        amount,
        running_s: running.map(|it| WHOLE_S - it.missing_s).filter(|&known_s| 0 < known_s),
        quality: day.intervals.iter().map(|interval| interval.coverage().into()).collect(),
        typical: day.typical.iter().map(|typical| typical.map(|it| it.median)).collect(),
        typical_low: day.typical.iter().map(|typical| typical.map(|it| it.low)).collect(),
        typical_high: day.typical.iter().map(|typical| typical.map(|it| it.high)).collect(),
        open: day.open,
        total: is_known.then_some(day.figure.amount),
        cost_e4: (is_known && day.has_tariff).then_some(day.figure.cost_e4),
        measured_milli: shares.measured_milli.into(),
        estimated_milli: shares.estimated_milli.into(),
        missing_milli: shares.missing_milli.into(),
    })
}

fn year(rooms: &Rooms, id: &str, to: Date) -> Result<MeterYear, ApiError> {
    let rows = Rows::read(rooms)?;
    let meter = named(&rows, id)?;
    let days = rooms.ledger.year(&meter.id, to, YEAR_DAYS)?;
    let days = days.ok_or(ApiError::NotFound { what: "meter" })?;
    Ok(MeterYear {
        from: days.first().map_or(to, |first| first.date).to_string(),
        to: to.to_string(),
        unit: meter.medium.into(),
        days: days
            .into_iter()
            .map(|day| YearDay {
                date: day.date.to_string(),
                day_type: day.day.into(),
                hours: day.hours,
                total: day.total,
            })
            .collect(),
    })
}
