//! How the site does today.

use axum::Json;

use crate::web::answer::problem::Problem;
use crate::web::answer::today::Today;
use crate::web::error::ApiError;

/// Returns how the site does today.
#[utoipa::path(
    get,
    path = "/api/v1/today",
    tag = "today",
    responses(
        (status = 200, body = Today),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_today() -> Result<Json<Today>, ApiError> {
    Err(ApiError::NoSiteBook)
}
