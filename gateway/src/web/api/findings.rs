//! Findings, and what people say to them.

use axum::Json;
use axum::extract::{Path, Query};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::web::answer::finding::{FindingDetail, FindingKind, FindingRow, Findings, MarkRequest};
use crate::web::answer::problem::Problem;
use crate::web::error::ApiError;

/// Which findings to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindingFilter {
    /// Open ones, closed ones, or all; all if not given.
    #[serde(default)]
    #[param(inline)]
    state: StateFilter,
    /// First day on which they were open.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<String>,
    /// Last day on which they were open.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<String>,
    /// Of one kind only.
    kind: Option<FindingKind>,
}

/// Open ones, closed ones, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateFilter {
    /// Those that still hold.
    Open,
    /// Those that are over.
    Closed,
    /// Both.
    #[default]
    All,
}

/// Returns findings, newest first, at most 500.
#[utoipa::path(
    get,
    path = "/api/v1/findings",
    tag = "findings",
    params(FindingFilter),
    responses(
        (status = 200, body = Findings),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn list_findings(
    Query(_): Query<FindingFilter>,
) -> Result<Json<Findings>, ApiError> {
    Err(ApiError::NoSiteBook)
}

/// Returns one finding with its evidence.
#[utoipa::path(
    get,
    path = "/api/v1/findings/{id}",
    tag = "findings",
    params(("id" = i64, Path, description = "Number of the finding")),
    responses(
        (status = 200, body = FindingDetail),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_finding(Path(_): Path<i64>) -> Result<Json<FindingDetail>, ApiError> {
    Err(ApiError::NoSiteBook)
}

/// Marks a finding: switched off, overtime until a given time, or a false alarm.
#[utoipa::path(
    post,
    path = "/api/v1/findings/{id}/mark",
    tag = "findings",
    params(("id" = i64, Path, description = "Number of the finding")),
    request_body = MarkRequest,
    responses(
        (status = 200, body = FindingRow),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn mark_finding(
    Path(_): Path<i64>,
    Json(_): Json<MarkRequest>,
) -> Result<Json<FindingRow>, ApiError> {
    Err(ApiError::NoSiteBook)
}

/// Takes a mark back, and the overtime permit that it made.
#[utoipa::path(
    delete,
    path = "/api/v1/findings/{id}/mark",
    tag = "findings",
    params(("id" = i64, Path, description = "Number of the finding")),
    responses(
        (status = 200, body = FindingRow),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn unmark_finding(Path(_): Path<i64>) -> Result<Json<FindingRow>, ApiError> {
    Err(ApiError::NoSiteBook)
}
