//! `/api/v1`: each route, its handler and its place in the OpenAPI document.

use axum::Router;
use axum::routing::{delete, get, post};
use utoipa::OpenApi;

use super::WebState;
use super::answer::live::{LiveCommand, LiveFinding, LiveNotices, LiveReading, LiveSnapshot};

mod commands;
mod detectors;
mod events;
mod finding_days;
mod findings;
mod mails;
mod meters;
mod months;
mod nodes;
mod patrol;
mod portfolio;
mod preview;
mod row;
mod savings;
mod session;
mod site_book;
pub(super) mod status;
mod today;
mod today_rows;
mod trust;
mod why;

/// The contract with the pages.
#[derive(OpenApi)]
#[openapi(
    info(title = "Gengfu", description = "The energy watchman's HTTP API"),
    paths(
        status::get_status,
        session::set_up,
        session::log_in,
        session::log_out,
        today::get_today,
        today_rows::get_today_rows,
        patrol::get_patrol,
        findings::list_findings,
        findings::get_finding,
        finding_days::get_finding_days,
        findings::mark_finding,
        findings::unmark_finding,
        preview::get_preview,
        meters::list_meters,
        meters::get_meter,
        meters::get_meter_day,
        meters::get_meter_year,
        nodes::list_nodes,
        detectors::get_detectors,
        commands::list_commands,
        commands::give_command,
        commands::list_switches,
        events::list_events,
        events::add_event,
        events::preview_event,
        events::undo_event,
        trust::get_counts,
        trust::get_completeness,
        trust::get_balance,
        why::get_why,
        savings::get_savings,
        savings::get_forecast,
        months::get_month,
        months::get_buildings,
        months::get_report,
        months::send_report,
        portfolio::get_portfolio,
        mails::list_mails,
        super::live::watch_live,
        site_book::get_site_book,
        site_book::put_site_book,
    ),
    components(schemas(LiveSnapshot, LiveReading, LiveFinding, LiveCommand, LiveNotices))
)]
struct Document;

/// Returns the OpenAPI document, as JSON with a line feed at its end.
pub(crate) fn document() -> String {
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Returns the routes of `/api/v1`.
pub(crate) fn routes() -> Router<WebState> {
    Router::new()
        .route("/api/v1/status", get(status::get_status))
        .route("/api/v1/setup", post(session::set_up))
        .route("/api/v1/session", post(session::log_in).delete(session::log_out))
        .route("/api/v1/today", get(today::get_today))
        .route("/api/v1/today/rows", get(today_rows::get_today_rows))
        .route("/api/v1/patrol", get(patrol::get_patrol))
        .route("/api/v1/findings", get(findings::list_findings))
        .route("/api/v1/findings/{id}", get(findings::get_finding))
        .route("/api/v1/findings/{id}/days", get(finding_days::get_finding_days))
        .route(
            "/api/v1/findings/{id}/mark",
            post(findings::mark_finding).delete(findings::unmark_finding),
        )
        .route("/api/v1/preview", get(preview::get_preview))
        .route("/api/v1/meters", get(meters::list_meters))
        .route("/api/v1/meters/{id}", get(meters::get_meter))
        .route("/api/v1/meters/{id}/day", get(meters::get_meter_day))
        .route("/api/v1/meters/{id}/year", get(meters::get_meter_year))
        .route("/api/v1/meters/{id}/detectors", get(detectors::get_detectors))
        .route("/api/v1/meters/{id}/events", get(events::list_events).post(events::add_event))
        .route("/api/v1/meters/{id}/events/preview", post(events::preview_event))
        .route("/api/v1/meters/{id}/events/{event}", delete(events::undo_event))
        .route("/api/v1/nodes", get(nodes::list_nodes))
        .route("/api/v1/switches", get(commands::list_switches))
        .route(
            "/api/v1/nodes/{id}/commands",
            get(commands::list_commands).post(commands::give_command),
        )
        .route("/api/v1/meters/{id}/counts", get(trust::get_counts))
        .route("/api/v1/meters/{id}/balance", get(trust::get_balance))
        .route("/api/v1/completeness", get(trust::get_completeness))
        .route("/api/v1/why", get(why::get_why))
        .route("/api/v1/savings", get(savings::get_savings))
        .route("/api/v1/meters/{id}/forecast", get(savings::get_forecast))
        .route("/api/v1/months/{month}", get(months::get_month))
        .route("/api/v1/months/{month}/buildings", get(months::get_buildings))
        .route("/api/v1/reports/{month}", get(months::get_report))
        .route("/api/v1/reports/{month}/send", post(months::send_report))
        .route("/api/v1/portfolio", get(portfolio::get_portfolio))
        .route("/api/v1/mails", get(mails::list_mails))
        .route("/api/v1/live", get(super::live::watch_live))
        .route("/api/v1/site-book", get(site_book::get_site_book).put(site_book::put_site_book))
        .route("/api/v1/openapi.json", get(get_document))
}

async fn get_document() -> impl axum::response::IntoResponse {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], document())
}
