//! Meters: now, a day, a year.

use axum::Json;
use axum::extract::{Path, Query};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::web::answer::meter::{MeterDay, MeterDetail, MeterYear, Meters};
use crate::web::answer::problem::Problem;
use crate::web::error::ApiError;

/// Which day.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DayQuery {
    /// The day; today if not given.
    #[param(value_type = Option<String>, format = Date)]
    date: Option<String>,
}

/// Which year.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct YearQuery {
    /// Its last day; today if not given.
    #[param(value_type = Option<String>, format = Date)]
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
pub(crate) async fn list_meters() -> Result<Json<Meters>, ApiError> {
    Err(ApiError::NoSiteBook)
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
pub(crate) async fn get_meter(Path(_): Path<String>) -> Result<Json<MeterDetail>, ApiError> {
    Err(ApiError::NoSiteBook)
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
    Path(_): Path<String>,
    Query(_): Query<DayQuery>,
) -> Result<Json<MeterDay>, ApiError> {
    Err(ApiError::NoSiteBook)
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
    Path(_): Path<String>,
    Query(_): Query<YearQuery>,
) -> Result<Json<MeterYear>, ApiError> {
    Err(ApiError::NoSiteBook)
}
