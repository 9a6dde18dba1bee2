//! Where, when, who, and what is amiss.

use axum::Json;

use crate::web::answer::problem::Problem;
use crate::web::answer::status::Status;
use crate::web::error::ApiError;

/// Returns where, when, who, and what is amiss. Needs no login.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    tag = "status",
    responses(
        (status = 200, body = Status),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_status() -> Result<Json<Status>, ApiError> {
    Err(ApiError::NoSiteBook)
}
