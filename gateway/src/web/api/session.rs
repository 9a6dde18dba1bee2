//! The first user, logging in, logging out.

use axum::Json;
use axum::http::StatusCode;

use crate::web::answer::problem::Problem;
use crate::web::answer::session::Credentials;
use crate::web::error::ApiError;

/// Makes the first user, an engineer, and logs them in. Works once.
#[utoipa::path(
    post,
    path = "/api/v1/setup",
    tag = "session",
    request_body = Credentials,
    responses(
        (status = 201, description = "Made and logged in"),
        (status = "4XX", description = "Refused, and why: 400 password too short, 409 a user exists", body = Problem),
    )
)]
pub(crate) async fn set_up(Json(_): Json<Credentials>) -> Result<StatusCode, ApiError> {
    Err(ApiError::NoSiteBook)
}

/// Logs a person in.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    request_body = Credentials,
    responses(
        (status = 204, description = "Logged in"),
        (status = "4XX", description = "Refused, and why: 401 wrong name or password, 429 too many attempts", body = Problem),
    )
)]
pub(crate) async fn log_in(Json(_): Json<Credentials>) -> Result<StatusCode, ApiError> {
    Err(ApiError::NoSiteBook)
}

/// Logs out; does nothing for who is not logged in.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    tag = "session",
    responses(
        (status = 204, description = "Logged out"),
        (status = "4XX", description = "Refused, and why", body = Problem),
    )
)]
pub(crate) async fn log_out() -> Result<StatusCode, ApiError> {
    Err(ApiError::NoSiteBook)
}
