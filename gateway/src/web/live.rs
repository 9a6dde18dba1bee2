//! What happens now, told to the pages as it happens.
//!
//! First a snapshot, then what changes. A page that cannot follow is told to fetch
//! everything anew; it never holds up who tells. Streams end when the process stops, since
//! an open one would hold up the server for ever.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use jiff::tz::TimeZone;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use super::answer::finding;
use super::answer::live::{LiveCommand, LiveFinding, LiveNotices, LiveReading, LiveSnapshot};
use super::answer::problem::Problem;
use super::api::status;
use super::auth::Reader;
use super::error::ApiError;
use super::{VERSION, WebState, stopped, time};
use crate::live::{Happening, Newest};
use crate::store::journal::{FindingFilter, FindingState};

/// Says when the process stops.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(pub(crate) watch::Receiver<bool>);

/// Streams server-sent events: `snapshot` (LiveSnapshot) first, then `reading` (LiveReading),
/// `finding` (LiveFinding), `command` (LiveCommand) and `notice` (LiveNotices); `resync` asks to fetch everything anew.
#[utoipa::path(
    get,
    path = "/api/v1/live",
    tag = "live",
    responses(
        (status = 200, description = "Server-sent events", body = String,
            content_type = "text/event-stream"),
        (status = "4XX", description = "Refused, and why", body = Problem),
        (status = "5XX", description = "Not possible now, and why", body = Problem),
    )
)]
pub(crate) async fn watch_live(
    _: Reader,
    State(web): State<WebState>,
    Extension(Shutdown(shutdown)): Extension<Shutdown>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let slot = Arc::clone(&web.0.streams).try_acquire_owned().map_err(|_| ApiError::Busy)?;
    // Listens before it looks, so that nothing falls between the two.
    let happenings = web.live.listen();
    let health = web.health.watch();
    let snapshot = take_snapshot(&web).await?;
    let listener = Listener {
        ready: VecDeque::from([event("snapshot", &snapshot)]),
        web,
        happenings,
        health,
        shutdown,
        _slot: slot,
    };
    let events = futures_util::stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

async fn take_snapshot(web: &WebState) -> Result<LiveSnapshot, ApiError> {
    let zone = web.zone();
    web.ask(move |rooms| {
        let mut latest = Vec::new();
        rooms
            .store
            .series()
            .each_last(|last| latest.push(reading(&Newest::of(&last.pack), &zone)))?;
        latest.sort_unstable_by(|a, b| a.meter.cmp(&b.meter));
        let open = FindingFilter { state: FindingState::Open, ..FindingFilter::default() };
        let findings = rooms.store.journal().view(|view| view.findings(&open))?;
        Ok(LiveSnapshot { latest, open_findings: findings.len(), version: VERSION.to_owned() })
    })
    .await
}

/// One open page.
struct Listener {
    web: WebState,
    /// What is told before anything else.
    ready: VecDeque<Event>,
    happenings: broadcast::Receiver<Happening>,
    health: watch::Receiver<u64>,
    shutdown: watch::Receiver<bool>,
    _slot: OwnedSemaphorePermit,
}

impl Listener {
    /// Returns the next event; `None` when the process stops.
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.ready.pop_front() {
            return Some(event);
        }
        tokio::select! {
            () = stopped(self.shutdown.clone()) => None,
            changed = self.health.changed() => {
                changed.ok()?;
                // A store that cannot be read has more to tell than that readings are late.
                let latest = self.web.ask(status::latest).await.unwrap_or_default();
                Some(event("notice", &LiveNotices { notices: status::notices(&self.web, latest) }))
            }
            happening = self.happenings.recv() => match happening {
                Ok(happening) => Some(self.tell(&happening)),
                // What was lost is lost, what is queued is newer than anything the page has;
                // but only a fresh look is sure to be whole.
                Err(RecvError::Lagged(_)) => Some(event("resync", &Resync {})),
                Err(RecvError::Closed) => None,
            },
        }
    }

    fn tell(&self, happening: &Happening) -> Event {
        match happening {
            Happening::Reading(newest) => event("reading", &reading(newest, &self.web.zone())),
            Happening::Finding { id, kind, open } => {
                let state =
                    if *open { finding::FindingState::Open } else { finding::FindingState::Closed };
                event("finding", &LiveFinding { id: *id, state, kind: (*kind).into() })
            }
            Happening::Command { id, node } => {
                event("command", &LiveCommand { id: *id, node: node.to_string() })
            }
        }
    }
}

fn reading(newest: &Newest, zone: &TimeZone) -> LiveReading {
    LiveReading {
        meter: newest.meter.as_str().to_owned(),
        at: time::written(newest.instant, zone),
        power_mw: newest.power_mw,
        flow_ml_h: newest.flow_ml_h,
    }
}

#[derive(Serialize)]
struct Resync {}

fn event(name: &str, data: &impl Serialize) -> Event {
    // Our own types have no maps with odd keys and no numbers that JSON lacks.
    Event::default().event(name).json_data(data).unwrap_or_default()
}
