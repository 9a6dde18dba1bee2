//! The site book, in and out as TOML.

use axum::http::StatusCode;

use crate::web::answer::problem::Problem;
use crate::web::error::ApiError;

/// Returns the site book.
#[utoipa::path(
    get,
    path = "/api/v1/site-book",
    tag = "site-book",
    responses(
        (status = 200, description = "TOML", body = String, content_type = "text/plain"),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_site_book() -> Result<String, ApiError> {
    Err(ApiError::NoSiteBook)
}

/// Checks a site book whole and stores it as a new version. Needs an engineer.
#[utoipa::path(
    put,
    path = "/api/v1/site-book",
    tag = "site-book",
    request_body(content = String, content_type = "text/plain", description = "TOML"),
    responses(
        (status = 204, description = "Stored, and in use"),
        (status = 422, description = "All mistakes at once", body = Problem),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn put_site_book(_: String) -> Result<StatusCode, ApiError> {
    Err(ApiError::NoSiteBook)
}
