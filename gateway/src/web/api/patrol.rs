//! The evening round.

use analysis::calendar::{Exception, Opening};
use analysis::detect::LightsLimits;
use analysis::finding::FindingKind as FoundKind;
use analysis::interval::Span;
use analysis::site::{Area, Meter};
use axum::Json;
use axum::extract::State;

use super::row::Rows;
use crate::store::journal::{self, FindingFilter};
use crate::web::answer::patrol::{AreaState, Patrol, PatrolArea};
use crate::web::answer::problem::Problem;
use crate::web::auth::Reader;
use crate::web::error::ApiError;
use crate::web::{Rooms, WebState, fill, time};

/// How far ahead a closing time is looked for, and how far back a finished round, s.
const DAY_S: i64 = 86_400;

/// Returns the evening round, in walking order.
#[utoipa::path(
    get,
    path = "/api/v1/patrol",
    tag = "patrol",
    responses(
        (status = 200, body = Patrol),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_patrol(
    _: Reader,
    State(web): State<WebState>,
) -> Result<Json<Patrol>, ApiError> {
    Ok(Json(web.ask(walk).await?))
}

fn walk(rooms: &Rooms) -> Result<Patrol, ApiError> {
    let rows = Rows::read(rooms)?;
    let (site, now) = (&*rows.site, rows.now);
    let lately = FindingFilter { from: Some(now - DAY_S), ..FindingFilter::default() };
    let found = rooms.store.journal().view(|view| view.findings(&lately))?;
    let permits = rooms.ledger.exceptions(Span { from: now - DAY_S, to: now + DAY_S })?;
    let (open, closed): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|row| row.draft.closed.is_none());

    let mut areas: Vec<&Area> = site.areas.iter().filter(|area| has_lights(&rows, area)).collect();
    areas.sort_by_key(|area| (area.walk_order, area.id));
    let areas: Vec<PatrolArea> = areas
        .into_iter()
        .map(|area| stop(rooms, &rows, area, &open, &permits))
        .collect::<Result<_, _>>()?;

    let lights: Vec<_> = open.iter().filter(|row| is_lights(row)).collect();
    let marked = lights.iter().filter(|row| row.mark.is_some()).count();
    let left = lights.len() - marked;
    // A place that is open, has just closed or tells nothing is not done.
    let is_seen = |area: &PatrolArea| {
        matches!(area.state, AreaState::On | AreaState::Off | AreaState::Overtime)
    };
    let done = left == 0 && !areas.is_empty() && areas.iter().all(is_seen);
    // The last thing that was still to do: a mark that was made, or lights that went off.
    let marks = lights.iter().filter_map(|row| row.mark.as_ref()).map(|row| row.mark.made);
    let ends = closed.iter().filter(|row| is_lights(row)).filter_map(|row| row.draft.closed);
    let done_since = marks.chain(ends).max().filter(|_| done);
    Ok(Patrol {
        as_of_at: time::written(now, &site.zone),
        done,
        done_since_at: done_since.map(|since| time::written(since, &site.zone)),
        open: left,
        marked,
        areas,
    })
}

/// Returns what stands about one area on the round.
fn stop(
    rooms: &Rooms,
    rows: &Rows,
    area: &Area,
    open: &[journal::FindingRow],
    permits: &[Exception],
) -> Result<PatrolArea, ApiError> {
    let (site, now) = (&*rows.site, rows.now);
    let here: Vec<_> = open.iter().filter(|row| row.draft.area == area.id).cloned().collect();
    let lit = |it: &&Meter| it.area == area.id && it.load.has_lights();
    let meters: Vec<&Meter> = site.meters.iter().filter(lit).collect();
    let powers: Vec<Option<i64>> =
        meters.iter().map(|meter| rows.newest(meter).and_then(|newest| newest.power_mw)).collect();
    let power_mw = fill::together(&powers);
    let hours = site.hours_of(&area.id);
    let opening = hours.map(|hours| Opening {
        area: &area.id,
        hours,
        calendar: rooms.ledger.calendar(),
        zone: &site.zone,
        exceptions: permits,
    });
    let is_open = opening.as_ref().is_some_and(|opening| opening.is_open_by_hours(now));
    let permit = opening.as_ref().and_then(|opening| opening.exception_at(now));
    let verdict_after_s = LightsLimits::default().verdict_after_s();
    let closed = opening.as_ref().and_then(|it| it.closed_since(now, verdict_after_s));
    let judged_from = closed.map(|closed| closed + verdict_after_s).filter(|&from| now < from);
    let mut is_judged = true;
    for meter in &meters {
        is_judged &= rooms.ledger.lights_limit(meter, now)?.is_some();
    }
    let state = if is_open {
        AreaState::OpenHours
    } else if permit.is_some() {
        AreaState::Overtime
    } else if here.iter().any(is_lights) {
        AreaState::On
    } else if power_mw.is_none() {
        AreaState::Unknown
    } else if judged_from.is_some() {
        AreaState::JustClosed
    } else if !is_judged {
        AreaState::Learning
    } else {
        AreaState::Off
    };
    let closes = opening.filter(|_| is_open).and_then(|it| it.next_change(now, DAY_S));
    Ok(PatrolArea {
        area: fill::area(site, &area.id),
        building: fill::building(site, &area.building),
        floor: area.floor.clone(),
        walk_order: area.walk_order,
        state,
        closes_at: closes.map(|closes| time::written(closes, &site.zone)),
        judged_from_at: judged_from
            .filter(|_| state == AreaState::JustClosed)
            .map(|from| time::written(from, &site.zone)),
        overtime_until: permit.map(|permit| time::written(permit.until, &site.zone)),
        power_mw,
        findings: rows.findings(&here)?,
    })
}

fn has_lights(rows: &Rows, area: &Area) -> bool {
    rows.site.meters.iter().any(|meter| meter.area == area.id && meter.load.has_lights())
}

fn is_lights(row: &journal::FindingRow) -> bool {
    row.draft.kind == FoundKind::LightsLeftOn.code()
}
