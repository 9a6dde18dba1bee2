//! The detectors of a meter: which of them still learn, and whose limits were raised by whom.

use analysis::finding::FindingKind as FoundKind;
use analysis::interval::INTERVAL_S;
use axum::Json;
use axum::extract::{Path, State};

use super::meters::named_in;
use crate::ledger::detectors_of;
use crate::web::answer::detector::{Detector, Detectors, Quarter, RaisingMark};
use crate::web::answer::problem::Problem;
use crate::web::auth::Reader;
use crate::web::error::ApiError;
use crate::web::{Rooms, WebState, fill, time};

const DAY_S: i64 = 86_400;

/// Returns the detectors of a meter.
#[utoipa::path(
    get,
    path = "/api/v1/meters/{id}/detectors",
    tag = "meters",
    params(("id" = String, Path, description = "Identifier of the meter")),
    responses(
        (status = 200, body = Detectors),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn get_detectors(
    _: Reader,
    State(web): State<WebState>,
    Path(id): Path<String>,
) -> Result<Json<Detectors>, ApiError> {
    Ok(Json(web.ask(move |rooms| detectors(rooms, &id)).await?))
}

fn detectors(rooms: &Rooms, id: &str) -> Result<Detectors, ApiError> {
    let site = rooms.ledger.site().ok_or(ApiError::NoSiteBook)?;
    let meter = named_in(&site, id)?;
    let (zone, now) = (&site.zone, rooms.clock.now());
    let mut detectors = Vec::new();
    for kind in detectors_of(&site, meter) {
        let learning = rooms.ledger.learning(meter, kind, now)?;
        let raised = rooms.ledger.raised(&meter.id, kind, now)?;
        let rows = rooms.store.journal().view(|view| {
            raised.findings.iter().map(|&id| view.finding(id)).collect::<Result<Vec<_>, _>>()
        })?;
        let raised_by = rows.into_iter().flatten().filter_map(|row| {
            let mark = row.mark?.mark;
            Some(RaisingMark {
                finding: row.id,
                opened_at: time::written(row.draft.opened, zone),
                by: mark.author,
                at: time::written(mark.made, zone),
                note: mark.note,
            })
        });
        let limit = if kind == FoundKind::LightsLeftOn {
            // Of a quarter hour.
            rooms.ledger.lights_limit(meter, now)?.map(|mwh| mwh * 3_600 / INTERVAL_S)
        } else {
            meter.supply.contract_mw.filter(|_| kind == FoundKind::PeakDemand)
        };
        let quarter = if kind == FoundKind::PeakDemand {
            rooms.ledger.quarter_now(&site, meter, now)?
        } else {
            None
        };
        detectors.push(Detector {
            kind: kind.into(),
            learning_until: learning.map(|until| time::written(until, zone)),
            learning_days: learning.map(|until| (until - now + DAY_S - 1).div_euclid(DAY_S)),
            raised_milli: raised.milli,
            raised_by: raised_by.collect(),
            limit_mw: limit,
            quarter: quarter.map(|it| Quarter {
                ends_at: time::written(it.ends, zone),
                forecast_mw: it.forecast_mw,
                limit_mw: it.limit_mw,
                shed_mw: it.shed_mw,
            }),
        });
    }
    Ok(Detectors { meter: fill::meter(&site, &meter.id), detectors })
}
