//! Where, when, who, and what is amiss.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

use super::row::{heard, tells_something};
use super::session::set_cookie;
use crate::store::journal::LAST_BACKUP;
use crate::web::answer::problem::Problem;
use crate::web::answer::session::User;
use crate::web::answer::status::{Notice, NoticeCode, NoticeLevel, SiteSummary, Status};
use crate::web::auth::{Anyone, SESSION_S};
use crate::web::error::ApiError;
use crate::web::{Rooms, VERSION, WebState, fill, time};

/// Readings are late when the newest of all meters is older than this, s: two intervals
/// without any are no accident of one bus.
const LATE_AFTER_S: i64 = 1_800;

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
pub(crate) async fn get_status(
    State(web): State<WebState>,
    Anyone(person): Anyone,
) -> Result<(HeaderMap, Json<Status>), ApiError> {
    let now = web.clock.now();
    let zone = web.zone();
    let mut headers = HeaderMap::new();
    if let Some(person) = &person {
        // Each time a page is opened its session lives on.
        let token_hash = person.token.hash();
        // On a disk that is full or read-only the page is needed most, and this can wait.
        web.journal(move |journal| {
            journal.commit(|tx| tx.extend_session(&token_hash, now + SESSION_S))
        })
        .await
        .ok();
        headers.extend(set_cookie(&web, &person.token));
    }
    let (has_users, last_backup, latest) = web
        .ask(|rooms| {
            let (has_users, backup) = rooms
                .store
                .journal()
                .view(|view| Ok((view.has_users()?, view.setting(LAST_BACKUP)?)))?;
            Ok((has_users, backup.and_then(|at| at.parse().ok()), latest(rooms)?))
        })
        .await?;
    let status = Status {
        version: VERSION.to_owned(),
        now_at: time::written(now, &zone),
        speed: web.clock.speed(),
        site: web.ledger.site().map(|site| SiteSummary {
            id: site.id.as_str().to_owned(),
            name: (&site.name).into(),
            zone: site.zone.iana_name().unwrap_or("UTC").to_owned(),
            currency: site.currency.clone(),
        }),
        demo: web.options.demo,
        setup_needed: !has_users,
        user: person.map(|person| User { name: person.name, role: person.role.into() }),
        open_reading: web.options.open_reading,
        last_backup_at: last_backup.map(|at| time::written(at, &zone)),
        latest_reading_at: latest.map(|latest| time::written(latest, &zone)),
        notices: notices(&web, latest),
    };
    Ok((headers, Json(status)))
}

/// Returns when any meter last told a value.
pub(crate) fn latest(rooms: &Rooms) -> Result<Option<i64>, ApiError> {
    let mut latest = None;
    let mut failed = Vec::new();
    rooms.store.series().each_last(|newest| {
        if tells_something(newest) {
            latest = latest.max(Some(newest.pack.instant));
        } else {
            failed.push(*newest);
        }
    })?;
    for newest in failed {
        latest = latest.max(heard(rooms, &newest)?);
    }
    Ok(latest)
}

/// Returns what is amiss, worst first.
pub(crate) fn notices(web: &WebState, latest: Option<i64>) -> Vec<Notice> {
    let mut notices = fill::notices(&web.health);
    if let Some(latest) = latest
        && latest + LATE_AFTER_S < web.clock.now()
    {
        let since = ("since_at".to_owned(), time::written(latest, &web.zone()));
        notices.push(Notice {
            code: NoticeCode::ReadingsLate,
            level: NoticeLevel::Warn,
            params: [since].into(),
        });
        notices.sort_by_key(|notice| notice.level);
    }
    notices
}
