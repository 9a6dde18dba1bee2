//! Meter events: what was done to a meter, or is said of what went through it.

use std::collections::HashSet;

use analysis::figures::Figure;
use analysis::site::{Meter, Role};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use wire::Name;

use super::meters::named_in;
use crate::ledger::{EventFault, Preview, check};
use crate::store::StoreError;
use crate::store::journal::{self, Amounts, JournalView, MeterChange, NewAudit, NewMeterEvent};
use crate::web::answer::event::{
    EventKind, EventPreview, EventPreviewDay, EventRequest, EventSum, MeterEvent, MeterEvents,
    MeterPart,
};
use crate::web::answer::problem::Problem;
use crate::web::auth::{Marker, Person, Reader};
use crate::web::error::ApiError;
use crate::web::input::Body;
use crate::web::{Rooms, WebState, fill, time};

/// Characters of the longest reason and the longest note on a photo.
const TEXT_LEN_MAX: usize = 500;

/// Returns the events of a meter, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/meters/{id}/events",
    tag = "events",
    params(("id" = String, Path, description = "Identifier of the meter")),
    responses(
        (status = 200, body = MeterEvents),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn list_events(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
) -> Result<Json<MeterEvents>, ApiError> {
    let site = web.site()?;
    let meter = named_in(&site, &id)?.clone();
    let name = meter.id;
    let (rows, caretakers) = web
        .journal(move |journal| {
            journal.view(|view| Ok((view.meter_events(Some(&name))?, Caretakers::of(view)?)))
        })
        .await?;
    Ok(Json(MeterEvents {
        meter: fill::meter(&site, &meter.id),
        unit: meter.medium.into(),
        events: rows.iter().rev().map(|row| answer(row, &caretakers, &site.zone)).collect(),
    }))
}

/// Makes an event. Needs an engineer; a caretaker may report a swap, which counts at once.
#[utoipa::path(
    post,
    path = "/api/v1/meters/{id}/events",
    tag = "events",
    params(("id" = String, Path, description = "Identifier of the meter")),
    request_body = EventRequest,
    responses(
        (status = 201, description = "Made; figures follow at once", body = MeterEvent),
        (status = 422, description = "Cannot be, and why", body = Problem),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn add_event(
    Marker(person): Marker,
    State(web): State<WebState>,
    Path(id): Path<String>,
    Body(request): Body<EventRequest>,
) -> Result<(StatusCode, Json<MeterEvent>), ApiError> {
    let now = web.clock.now();
    let site = web.site()?;
    let meter = named_in(&site, &id)?.clone();
    may_make(&person, &request)?;
    let wanted = Wanted::checked(request)?;
    if wanted.reason.is_empty() {
        return Err(ApiError::Event(EventFault::Reason));
    }
    let row = web
        .ask(move |rooms| {
            let preview = previewed(rooms, &meter, &wanted.change, now)?;
            let (before, after) = preview.sums();
            let (id, event) = rooms
                .store
                .journal()
                .commit(|tx| {
                    let event = NewMeterEvent {
                        meter: meter.id,
                        change: wanted.change,
                        reason: wanted.reason,
                        photo: wanted.photo,
                        author: person.name.clone(),
                        made: now,
                    };
                    // Somebody may have been quicker since it was checked.
                    let held = tx.meter_events(Some(&meter.id))?;
                    let held: Vec<_> =
                        held.into_iter().filter(|row| row.undone.is_none()).collect();
                    if let Err(fault) = check(&meter, &event.change, &held, now) {
                        return Ok(Err(fault));
                    }
                    let id = tx.add_meter_event(&event)?;
                    let details = serde_json::json!({
                        "event": id,
                        "kind": event.change.code(),
                        "from": event.change.from(),
                        "to": event.change.to(),
                        "reason": event.reason,
                        "before": before.amount,
                        "after": after.amount,
                    });
                    tx.append_audit(&audit(
                        "add_meter_event",
                        &meter.id,
                        person.name,
                        now,
                        &details,
                    ))?;
                    Ok(Ok((id, event)))
                })?
                .map_err(ApiError::Event)?;
            let caretakers = rooms.store.journal().view(Caretakers::of)?;
            let row = journal::MeterEventRow { id, event, undone: None };
            Ok(answer(&row, &caretakers, &site.zone))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(row)))
}

/// Says what an event would change, without making it. Needs whom making it needs.
#[utoipa::path(
    post,
    path = "/api/v1/meters/{id}/events/preview",
    tag = "events",
    params(("id" = String, Path, description = "Identifier of the meter")),
    request_body = EventRequest,
    responses(
        (status = 200, body = EventPreview),
        (status = 422, description = "Cannot be, and why", body = Problem),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn preview_event(
    Marker(person): Marker,
    State(web): State<WebState>,
    Path(id): Path<String>,
    Body(request): Body<EventRequest>,
) -> Result<Json<EventPreview>, ApiError> {
    let now = web.clock.now();
    let site = web.site()?;
    let meter = named_in(&site, &id)?.clone();
    may_make(&person, &request)?;
    let wanted = Wanted::checked(request)?;
    let unit = meter.medium.into();
    let preview = web.ask(move |rooms| previewed(rooms, &meter, &wanted.change, now)).await?;
    let (before, after) = preview.sums();
    let (first, last) = (preview.days.first(), preview.days.last());
    let date = |day: Option<&(jiff::civil::Date, Figure, Figure)>| {
        day.map_or_else(String::new, |(date, _, _)| date.to_string())
    };
    Ok(Json(EventPreview {
        unit,
        from: date(first),
        to: date(last),
        before: sum(&before),
        after: sum(&after),
        days: preview
            .days
            .iter()
            .map(|(date, before, after)| EventPreviewDay {
                date: date.to_string(),
                before: sum(before),
                after: sum(after),
            })
            .collect(),
    }))
}

/// Takes an event back; it stays on record. Needs an engineer, or the caretaker who reported
/// it.
#[utoipa::path(
    delete,
    path = "/api/v1/meters/{id}/events/{event}",
    tag = "events",
    params(
        ("id" = String, Path, description = "Identifier of the meter"),
        ("event" = i64, Path, description = "Number of the event"),
    ),
    responses(
        (status = 200, description = "Taken back; figures follow at once", body = MeterEvent),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn undo_event(
    Marker(person): Marker,
    State(web): State<WebState>,
    Path((id, event)): Path<(String, String)>,
) -> Result<Json<MeterEvent>, ApiError> {
    const NO_EVENT: ApiError = ApiError::NotFound { what: "event" };
    let now = web.clock.now();
    let site = web.site()?;
    let meter = named_in(&site, &id)?.id;
    let number: i64 = event.parse().map_err(|_| NO_EVENT)?;
    let row = web
        .ask(move |rooms| {
            let row = rooms.store.journal().commit(|tx| {
                let found = tx.meter_event(number)?.filter(|row| row.event.meter == meter);
                let Some(found) = found else { return Ok(None) };
                if person.role != Role::Engineer && found.event.author != person.name {
                    return Ok(Some(Err(ApiError::Forbidden)));
                }
                // A phone with bad reception asks again until it hears of it.
                let Some(undone) = tx.undo_meter_event(number, &person.name, now)? else {
                    return Ok(Some(Ok(found)));
                };
                let details = serde_json::json!({
                    "event": number,
                    "kind": undone.event.change.code(),
                });
                tx.append_audit(&audit("undo_meter_event", &meter, person.name, now, &details))?;
                Ok(Some(Ok(undone)))
            })?;
            let caretakers = rooms.store.journal().view(Caretakers::of)?;
            Ok(answer(&row.ok_or(NO_EVENT)??, &caretakers, &site.zone))
        })
        .await?;
    Ok(Json(row))
}

fn audit(
    action: &str,
    meter: &Name,
    author: String,
    now: i64,
    details: &serde_json::Value,
) -> NewAudit {
    NewAudit {
        at: now,
        author,
        action: action.to_owned(),
        subject: format!("meter/{meter}"),
        details: details.to_string(),
    }
}

/// Refuses what a person may not say of a meter: who stands before it with both displays in
/// sight may report a swap; the rest is an engineer's.
fn may_make(person: &Person, request: &EventRequest) -> Result<(), ApiError> {
    match (person.role, request) {
        (Role::Engineer, _) | (_, EventRequest::Swap(_)) => Ok(()),
        (_, _) => Err(ApiError::Forbidden),
    }
}

/// Who is a caretaker now: what they report an engineer should look at.
pub(super) struct Caretakers(HashSet<String>);

impl Caretakers {
    pub(super) fn of(view: &JournalView<'_>) -> Result<Self, StoreError> {
        let users = view.users()?.into_iter();
        let caretakers = users.filter(|row| row.user.role == Role::Caretaker.code());
        Ok(Self(caretakers.map(|row| row.user.name).collect()))
    }
}

/// Returns the events of these numbers, as they are now.
pub(super) fn numbered(
    rooms: &Rooms,
    numbers: &[i64],
    zone: &TimeZone,
) -> Result<Vec<MeterEvent>, ApiError> {
    Ok(rooms.store.journal().view(|view| {
        let caretakers = Caretakers::of(view)?;
        let rows = numbers.iter().map(|number| view.meter_event(*number));
        let rows: Vec<_> = rows.collect::<Result<_, StoreError>>()?;
        let rows = rows.iter().flatten();
        Ok(rows.map(|row| answer(row, &caretakers, zone)).collect())
    })?)
}

/// Checks an event against those that hold, and works out what it would change.
fn previewed(
    rooms: &Rooms,
    meter: &Meter,
    change: &MeterChange,
    now: i64,
) -> Result<Preview, ApiError> {
    let held = rooms.ledger.events_of(&meter.id)?;
    check(meter, change, &held, now).map_err(ApiError::Event)?;
    let preview = rooms.ledger.preview(&meter.id, change)?;
    preview.ok_or(ApiError::NotFound { what: "meter" })
}

/// An event that can be read.
struct Wanted {
    change: MeterChange,
    reason: String,
    photo: Option<String>,
}

impl Wanted {
    fn checked(request: EventRequest) -> Result<Self, ApiError> {
        let at = |text: &str, key| time::read(text).ok_or(ApiError::Malformed { key });
        let (change, reason, photo) = match request {
            EventRequest::Swap(swap) => {
                let change = MeterChange::Swap {
                    at: at(&swap.from, "from")?,
                    last: swap.last,
                    first: swap.first,
                    old: part(swap.old),
                    new: part(swap.new),
                };
                (change, swap.reason, swap.photo)
            }
            EventRequest::Scale(scale) => {
                let change = MeterChange::Scale {
                    from: at(&scale.from, "from")?,
                    to: scale.to.map(|to| at(&to, "to")).transpose()?,
                    num: scale.num,
                    den: scale.den,
                };
                (change, scale.reason, scale.photo)
            }
            EventRequest::Correction(correction) => {
                let amounts = match (correction.amount, correction.amounts) {
                    (Some(total), None) => Amounts::Total(total),
                    (None, Some(each)) => Amounts::Each(each),
                    (Some(_), Some(_)) | (None, None) => {
                        return Err(ApiError::Event(EventFault::Amounts));
                    }
                };
                let change = MeterChange::Correction {
                    from: at(&correction.from, "from")?,
                    to: at(&correction.to, "to")?,
                    amounts,
                };
                (change, correction.reason, correction.photo)
            }
            EventRequest::Estimate(estimate) => {
                let change = MeterChange::Estimate {
                    from: at(&estimate.from, "from")?,
                    to: at(&estimate.to, "to")?,
                    amount: estimate.amount,
                };
                (change, estimate.reason, None)
            }
        };
        let reason = reason.trim().to_owned();
        let photo = photo.map(|photo| photo.trim().to_owned()).filter(|photo| !photo.is_empty());
        let is_long = |text: &str| TEXT_LEN_MAX < text.chars().count();
        if is_long(&reason) {
            return Err(ApiError::Malformed { key: "reason" });
        }
        if photo.as_deref().is_some_and(is_long) {
            return Err(ApiError::Malformed { key: "photo" });
        }
        Ok(Self { change, reason, photo })
    }
}

fn part(part: Option<MeterPart>) -> journal::MeterPart {
    let MeterPart { model, pt, ct } = part.unwrap_or_default();
    journal::MeterPart { model, pt, ct }
}

fn sum(figure: &Figure) -> EventSum {
    let shares = figure.shares();
    EventSum {
        amount: figure.amount,
        estimated: figure.estimated,
        measured_milli: shares.measured_milli.into(),
        estimated_milli: shares.estimated_milli.into(),
        missing_milli: shares.missing_milli.into(),
    }
}

/// Returns a stored event as it is answered.
pub(super) fn answer(
    row: &journal::MeterEventRow,
    caretakers: &Caretakers,
    zone: &TimeZone,
) -> MeterEvent {
    let event = &row.event;
    let told = |part: &journal::MeterPart| {
        let journal::MeterPart { model, pt, ct } = part.clone();
        (*part != journal::MeterPart::default()).then_some(MeterPart { model, pt, ct })
    };
    let mut answer = MeterEvent {
        id: row.id,
        kind: EventKind::Swap,
        from: time::written(event.change.from(), zone),
        to: event.change.to().map(|to| time::written(to, zone)),
        last: None,
        first: None,
        old: None,
        new: None,
        num: None,
        den: None,
        amount: None,
        amounts: None,
        reason: event.reason.clone(),
        photo: event.photo.clone(),
        by: event.author.clone(),
        reported: caretakers.0.contains(&event.author),
        at: time::written(event.made, zone),
        undone_by: row.undone.as_ref().map(|(_, by)| by.clone()),
        undone_at: row.undone.as_ref().map(|(at, _)| time::written(*at, zone)),
    };
    match &event.change {
        MeterChange::Swap { last, first, old, new, .. } => {
            (answer.last, answer.first) = (Some(*last), Some(*first));
            (answer.old, answer.new) = (told(old), told(new));
        }
        MeterChange::Scale { num, den, .. } => {
            answer.kind = EventKind::Scale;
            (answer.num, answer.den) = (Some(*num), Some(*den));
        }
        MeterChange::Correction { amounts, .. } => {
            answer.kind = EventKind::Correction;
            match amounts {
                Amounts::Total(total) => answer.amount = Some(*total),
                Amounts::Each(each) => {
                    answer.amount = Some(each.iter().sum());
                    answer.amounts = Some(each.clone());
                }
            }
        }
        MeterChange::Estimate { amount, .. } => {
            answer.kind = EventKind::Estimate;
            answer.amount = Some(*amount);
        }
    }
    answer
}
