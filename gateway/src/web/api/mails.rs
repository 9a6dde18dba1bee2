//! Mails that were written.

use axum::Json;
use axum::extract::Query;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::web::answer::mail::Mails;
use crate::web::answer::problem::Problem;
use crate::web::error::ApiError;

/// How many mails.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MailQuery {
    /// At most so many, up to 500; 50 if not given.
    limit: Option<u32>,
}

/// Returns mails, newest first. Needs an engineer, or a demo.
#[utoipa::path(
    get,
    path = "/api/v1/mails",
    tag = "mails",
    params(MailQuery),
    responses(
        (status = 200, body = Mails),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn list_mails(Query(_): Query<MailQuery>) -> Result<Json<Mails>, ApiError> {
    Err(ApiError::NoSiteBook)
}
