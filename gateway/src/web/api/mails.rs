//! Mails that were written.

use analysis::site::Role;
use axum::Json;
use axum::extract::State;
use jiff::tz::TimeZone;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::store::journal;
use crate::web::answer::mail::{MailRow, MailState, Mails};
use crate::web::answer::problem::Problem;
use crate::web::auth::Anyone;
use crate::web::error::ApiError;
use crate::web::input::Asked;
use crate::web::{WebState, time};

const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 500;

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
pub(crate) async fn list_mails(
    State(web): State<WebState>,
    Anyone(person): Anyone,
    Asked(query): Asked<MailQuery>,
) -> Result<Json<Mails>, ApiError> {
    if !web.options.demo {
        let person = person.ok_or(ApiError::LoginNeeded)?;
        if person.role != Role::Engineer {
            return Err(ApiError::Forbidden);
        }
    }
    let limit = query.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
    let rows = web.journal(move |journal| journal.view(|view| view.mails(limit))).await?;
    let zone = web.zone();
    Ok(Json(Mails { mails: rows.into_iter().map(|row| mail(row, &zone)).collect() }))
}

fn mail(row: journal::MailRow, zone: &TimeZone) -> MailRow {
    let state = match (row.sent, row.next_at) {
        (Some(_), _) => MailState::Sent,
        (None, Some(_)) => MailState::Waiting,
        (None, None) => MailState::Failed,
    };
    MailRow {
        id: row.id,
        to: row.mail.to.join(", "),
        subject: row.mail.subject,
        text: row.mail.text,
        html: row.mail.html,
        created_at: time::written(row.mail.created, zone),
        sent_at: row.sent.map(|sent| time::written(sent, zone)),
        state,
        last_error: row.last_error,
    }
}
