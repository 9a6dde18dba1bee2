//! The site book, in and out as TOML.

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};

use crate::site_book;
use crate::store::journal::{NewAudit, SiteBookRow};
use crate::web::WebState;
use crate::web::answer::problem::{Mistake, Problem};
use crate::web::auth::Editor;
use crate::web::error::ApiError;

/// Returns the site book. Needs an engineer: it names people and their addresses.
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
pub(crate) async fn get_site_book(
    _: Editor,
    State(web): State<WebState>,
) -> Result<([(HeaderName, &'static str); 1], String), ApiError> {
    let newest = web.journal(|journal| journal.view(|view| view.site_book())).await?;
    let book = newest.ok_or(ApiError::NotFound { what: "site book" })?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], book.text))
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
pub(crate) async fn put_site_book(
    Editor(person): Editor,
    State(web): State<WebState>,
    text: String,
) -> Result<StatusCode, ApiError> {
    let now = web.clock.now();
    web.ask(move |rooms| {
        site_book::parse(&text).map_err(|mistakes| {
            let told = mistakes.into_iter().map(|mistake| Mistake {
                line: mistake.line,
                key: mistake.key,
                message: mistake.message,
            });
            ApiError::SiteBookMistakes(told.collect())
        })?;
        rooms.store.journal().commit(|tx| {
            let draft = SiteBookRow {
                version: 0,
                made: now,
                author: person.name.clone(),
                note: String::new(),
                text,
            };
            let version = tx.add_site_book(&draft)?;
            tx.append_audit(&NewAudit {
                at: now,
                author: person.name,
                action: "put_site_book".to_owned(),
                subject: format!("site_book/{version}"),
                details: "{}".to_owned(),
            })
        })?;
        Ok(rooms.ledger.reload()?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
