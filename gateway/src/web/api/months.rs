//! A month's figures, and the workbook that is made of them.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;

use crate::web::answer::month::{Month, ReportRequest};
use crate::web::answer::problem::Problem;
use crate::web::error::ApiError;

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
pub(crate) async fn get_month(Path(_): Path<String>) -> Result<Json<Month>, ApiError> {
    Err(ApiError::NoSiteBook)
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
pub(crate) async fn get_report(Path(_): Path<String>) -> Result<Vec<u8>, ApiError> {
    Err(ApiError::NoSiteBook)
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
    Path(_): Path<String>,
    Json(_): Json<ReportRequest>,
) -> Result<StatusCode, ApiError> {
    Err(ApiError::NoSiteBook)
}
