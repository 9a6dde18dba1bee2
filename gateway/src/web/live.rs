//! What happens now, told to the pages as it happens.

use crate::web::answer::problem::Problem;
use crate::web::error::ApiError;

/// Streams server-sent events: `snapshot` (LiveSnapshot) first, then `reading` (LiveReading),
/// `finding` (LiveFinding) and `notice` (LiveNotices); `resync` asks to fetch everything anew.
#[utoipa::path(
    get,
    path = "/api/v1/live",
    tag = "live",
    responses(
        (status = 200, description = "Server-sent events", body = String,
            content_type = "text/event-stream"),
        (status = "4XX", description = "Refused, and why", body = Problem),
    )
)]
pub(crate) async fn watch_live() -> Result<String, ApiError> {
    Err(ApiError::NoSiteBook)
}
