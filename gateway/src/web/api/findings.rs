//! Findings, and what people say to them.

use std::cmp::Reverse;

use analysis::finding::FindingKind as FoundKind;
use axum::Json;
use axum::extract::{Path, State};
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use wire::Name;

use super::events;
use super::row::Rows;
use crate::live::Happening;
use crate::store::journal::{
    FindingFilter, FindingState, JournalTx, NewAudit, NewException, NewMark, WrittenEvidence,
};
use crate::store::{StoreError, journal};
use crate::web::answer::finding::{
    EvidenceRow, EvidenceUnit, FindingDetail, FindingKind, FindingRow, FindingState as RowState,
    Findings, MarkKind, MarkRequest, cost_per_day,
};
use crate::web::answer::problem::Problem;
use crate::web::auth::{Marker, Reader};
use crate::web::error::ApiError;
use crate::web::input::{Asked, Body};
use crate::web::{Rooms, WebState, time};

/// The longest overtime that one tap permits, s: a week.
const OVERTIME_S_MAX: i64 = 7 * 86_400;
/// Characters of the longest note.
const NOTE_LEN_MAX: usize = 500;

/// Which findings to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindingQuery {
    /// Open ones, closed ones, or all; all if not given.
    #[serde(default)]
    #[param(inline)]
    state: StateFilter,
    /// First day on which they were open.
    #[param(format = Date)]
    from: Option<String>,
    /// Last day on which they were open.
    #[param(format = Date)]
    to: Option<String>,
    /// Of one kind only.
    kind: Option<FindingKind>,
    /// Of one meter only.
    meter: Option<String>,
    /// Newest first if not given.
    #[serde(default)]
    #[param(inline)]
    order: Order,
}

/// What stands first in a list of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// What opened last.
    #[default]
    Newest,
    /// What is open, and of that what costs most a day; what costs nothing as it opened.
    Money,
}

/// Open ones, closed ones, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateFilter {
    /// Those that still hold.
    Open,
    /// Those that are over.
    Closed,
    /// Both.
    #[default]
    All,
}

/// Returns findings, at most 500: the newest, in the order that was asked for.
#[utoipa::path(
    get,
    path = "/api/v1/findings",
    tag = "findings",
    params(FindingQuery),
    responses(
        (status = 200, body = Findings),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn list_findings(
    _: Reader,
    State(web): State<WebState>,
    Asked(query): Asked<FindingQuery>,
) -> Result<Json<Findings>, ApiError> {
    let zone = web.zone();
    let from = asked_day(query.from.as_deref(), "from")?;
    let to = asked_day(query.to.as_deref(), "to")?;
    let after = to.and_then(|to| to.tomorrow().ok());
    let meter = query.meter.as_deref().map(Name::new).transpose();
    let meter = meter.map_err(|_| ApiError::NotFound { what: "meter" })?;
    let filter = FindingFilter {
        meter,
        state: match query.state {
            StateFilter::Open => FindingState::Open,
            StateFilter::Closed => FindingState::Closed,
            StateFilter::All => FindingState::All,
        },
        kind: query.kind.map(|kind| FoundKind::from(kind).code().to_owned()),
        from: from.map(|from| time::start_of(from, &zone)),
        to: after.map(|after| time::start_of(after, &zone)),
        ..FindingFilter::default()
    };
    let findings = web
        .ask(move |rooms| {
            let found = rooms.store.journal().view(|view| view.findings(&filter))?;
            Rows::read(rooms)?.findings(&found)
        })
        .await
        .map(|findings| in_order(findings, query.order))?;
    let open = findings.iter().filter(|row| row.state == RowState::Open);
    Ok(Json(Findings { cost_e4_per_day: cost_per_day(open), findings }))
}

/// Returns one finding with its evidence.
#[utoipa::path(
    get,
    path = "/api/v1/findings/{id}",
    tag = "findings",
    params(("id" = i64, Path, description = "Number of the finding")),
    responses(
        (status = 200, body = FindingDetail),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_finding(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
) -> Result<Json<FindingDetail>, ApiError> {
    let id = number(&id)?;
    let zone = web.zone();
    let detail = web
        .ask(move |rooms| {
            let found = rooms.store.journal().view(|view| view.finding(id))?;
            let found = found.ok_or(ApiError::NotFound { what: "finding" })?;
            let evidence = WrittenEvidence::read(&found.draft.evidence)?;
            Ok(FindingDetail {
                row: Rows::read(rooms)?.finding(&found)?,
                evidence_unit: evidence_unit(&found.draft.kind),
                evidence: evidence
                    .intervals
                    .iter()
                    .map(|interval| EvidenceRow {
                        start_at: time::written(interval.start, &zone),
                        amount: interval.amount,
                        limit: interval.limit,
                    })
                    .collect(),
                events: events::numbered(rooms, &evidence.events, &zone)?,
                detector_text_code: format!("kind.{}.about", found.draft.kind),
            })
        })
        .await?;
    Ok(Json(detail))
}

/// Marks a finding: switched off, overtime until a given time, or a false alarm.
#[utoipa::path(
    post,
    path = "/api/v1/findings/{id}/mark",
    tag = "findings",
    params(("id" = i64, Path, description = "Number of the finding")),
    request_body = MarkRequest,
    responses(
        (status = 200, body = FindingRow),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn mark_finding(
    Marker(person): Marker,
    State(web): State<WebState>,
    Path(id): Path<String>,
    Body(request): Body<MarkRequest>,
) -> Result<Json<FindingRow>, ApiError> {
    let id = number(&id)?;
    let now = web.clock.now();
    let wanted = Wanted::checked(request, now)?;
    let row = web
        .ask(move |rooms| {
            rooms.store.journal().commit(|tx| {
                let Some(found) = tx.finding(id)? else { return Ok(()) };
                wanted.write(tx, &found, &person.name, now)
            })?;
            tell(rooms, id)
        })
        .await?;
    Ok(Json(row))
}

/// Takes a mark back, and the overtime permit that it made.
#[utoipa::path(
    delete,
    path = "/api/v1/findings/{id}/mark",
    tag = "findings",
    params(("id" = i64, Path, description = "Number of the finding")),
    responses(
        (status = 200, body = FindingRow),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn unmark_finding(
    Marker(person): Marker,
    State(web): State<WebState>,
    Path(id): Path<String>,
) -> Result<Json<FindingRow>, ApiError> {
    let id = number(&id)?;
    let now = web.clock.now();
    let row = web
        .ask(move |rooms| {
            rooms.store.journal().commit(|tx| {
                if let Some(undone) = tx.undo_mark(id, &person.name, now)? {
                    let details = serde_json::json!({ "kind": undone.mark.kind });
                    audit(tx, id, "unmark_finding", &person.name, now, &details)?;
                }
                Ok(())
            })?;
            tell(rooms, id)
        })
        .await?;
    Ok(Json(row))
}

fn in_order(mut findings: Vec<FindingRow>, order: Order) -> Vec<FindingRow> {
    if order == Order::Money {
        // Stable: what costs the same stays newest first.
        findings.sort_by_key(|row| {
            let is_open = row.state == RowState::Open;
            Reverse((is_open, row.cost_e4_per_day.unwrap_or(0)))
        });
    }
    findings
}

fn asked_day(asked: Option<&str>, key: &'static str) -> Result<Option<Date>, ApiError> {
    let read = |text| time::read_day(text).ok_or(ApiError::Malformed { key });
    asked.map(read).transpose()
}

/// Returns what the numbers of a kind's evidence are.
fn evidence_unit(kind: &str) -> EvidenceUnit {
    match FoundKind::from_code(kind) {
        Some(FoundKind::ClockWrong | FoundKind::SilentMeter) => EvidenceUnit::Seconds,
        Some(FoundKind::PowerFactorLow) => EvidenceUnit::Factor,
        Some(FoundKind::PhaseImbalance) => EvidenceUnit::Share,
        _ => EvidenceUnit::Amount,
    }
}

/// Returns the number of the finding that an address names.
pub(super) fn number(id: &str) -> Result<i64, ApiError> {
    id.parse().map_err(|_| ApiError::NotFound { what: "finding" })
}

/// A mark that makes sense.
struct Wanted {
    kind: &'static str,
    until: Option<i64>,
    note: Option<String>,
}

impl Wanted {
    fn checked(request: MarkRequest, now: i64) -> Result<Self, ApiError> {
        let note = request.note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
        if note.as_ref().is_some_and(|note| NOTE_LEN_MAX < note.chars().count()) {
            return Err(ApiError::Malformed { key: "note" });
        }
        let until = match (request.kind, request.until) {
            (MarkKind::Overtime, Some(until)) => {
                let until = time::read(&until).ok_or(ApiError::Malformed { key: "until" })?;
                if until <= now || now + OVERTIME_S_MAX < until {
                    return Err(ApiError::Malformed { key: "until" });
                }
                Some(until)
            }
            (MarkKind::SwitchedOff | MarkKind::FalseAlarm | MarkKind::Done, None) => None,
            (_, _) => return Err(ApiError::Malformed { key: "until" }),
        };
        Ok(Self { kind: request.kind.code(), until, note })
    }

    /// Writes the mark, and with overtime the permit, in the place of what was said before.
    fn write(
        self,
        tx: &mut JournalTx<'_>,
        found: &journal::FindingRow,
        author: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        if let Some(row) = &found.mark {
            let mark = &row.mark;
            // A phone with bad reception sends a tap again until it hears of it.
            if mark.kind == self.kind && mark.until == self.until && mark.note == self.note {
                return Ok(());
            }
            tx.undo_mark(found.id, author, now)?;
        }
        let details =
            serde_json::json!({ "kind": self.kind, "until": self.until, "note": self.note });
        let mark = tx.mark(&NewMark {
            finding: found.id,
            kind: self.kind.to_owned(),
            author: author.to_owned(),
            made: now,
            until: self.until,
            note: self.note.clone(),
        })?;
        if let Some(until) = self.until {
            tx.add_exception(&NewException {
                area: found.draft.area,
                start: now,
                until,
                reason: self.note.unwrap_or_default(),
                author: author.to_owned(),
                made: now,
                mark: Some(mark),
            })?;
        }
        audit(tx, found.id, "mark_finding", author, now, &details)
    }
}

fn audit(
    tx: &mut JournalTx<'_>,
    finding: i64,
    action: &str,
    author: &str,
    now: i64,
    details: &serde_json::Value,
) -> Result<(), StoreError> {
    tx.append_audit(&NewAudit {
        at: now,
        author: author.to_owned(),
        action: action.to_owned(),
        subject: format!("finding/{finding}"),
        details: details.to_string(),
    })?;
    Ok(())
}

/// Returns a finding as it is now, and tells all open pages of it.
fn tell(rooms: &Rooms, id: i64) -> Result<FindingRow, ApiError> {
    let found = rooms.store.journal().view(|view| view.finding(id))?;
    let found = found.ok_or(ApiError::NotFound { what: "finding" })?;
    if let Some(kind) = FoundKind::from_code(&found.draft.kind) {
        let open = found.draft.closed.is_none();
        rooms.live.tell(Happening::Finding { id, kind, open });
    }
    Rows::read(rooms)?.finding(&found)
}
