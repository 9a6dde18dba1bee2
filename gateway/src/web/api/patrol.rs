//! The evening round.

use axum::Json;

use crate::web::answer::patrol::Patrol;
use crate::web::answer::problem::Problem;
use crate::web::error::ApiError;

/// Returns the evening round, in walking order.
#[utoipa::path(
    get,
    path = "/api/v1/patrol",
    tag = "patrol",
    responses(
        (status = 200, body = Patrol),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_patrol() -> Result<Json<Patrol>, ApiError> {
    Err(ApiError::NoSiteBook)
}
