//! The front door: pages, API, live stream.
//!
//! In: HTTP requests of browsers and of Prometheus. Out: answers.
//!
//! Reading order:
//!
//! - [`answer`]: what is answered, field by field;
//! - `input`, `error`: what a request brings, or why it is refused, and how we say so;
//! - `auth`, with `password` and `attempts`: who asks, and whether they may;
//! - `fill`: from what the rooms say to what is answered;
//! - `api`: each route and its handler;
//! - `live`: what happens now, as server-sent events;
//! - `assets`, `headers`: the pages, and what every answer says to the browser.
//!
//! Afterwards:
//! - no write without a role and without the header that foreign pages cannot send;
//! - no request blocks the executor: the store, the ledger and password hashes are asked on
//!   threads of their own;
//! - when the process stops, live streams end first and the rest has a deadline.
//!
//! Not here: arithmetic on energy or money (`analysis`), anything that reads a meter.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use analysis::figures::{MonthFigures, SiteDay};
use analysis::site::Site;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::get;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use wire::Name;
use wire::message::{self, UpdateAsk};

use crate::clock::Clock;
use crate::health::Health;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::store::{Journal, Store, StoreError};

pub mod answer;
mod api;
#[cfg(feature = "web")]
mod assets;
mod attempts;
mod auth;
mod error;
mod fill;
mod headers;
mod input;
mod live;
mod password;
mod time;

use attempts::Attempts;
use error::ApiError;
pub use password::{PASSWORD_LEN_MIN, PasswordError, hash_password};

/// What the page compares with its own, to know that it is outdated.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long requests in progress have when the process stops.
const DRAIN: Duration = Duration::from_secs(5);
/// Pages that may listen at the same time.
const STREAMS_MAX: usize = 256;
/// Passwords that may be hashed at the same time: each takes 19 MiB and a core.
const HASHES_MAX: usize = 2;

/// What may go wrong in a room that the web does not know.
pub type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Makes the workbook of a month; the report room's, handed in by `run`, since siblings do
/// not know each other.
pub type Workbook = dyn Fn(&MonthFigures, &Site) -> Result<Vec<u8>, AnyError> + Send + Sync;

/// Puts the mail with a month's workbook into the outbox; the report room's, as above.
/// Arguments: figures, site, recipients, and the name of who asks.
pub type SendReport =
    dyn Fn(&MonthFigures, &Site, &[String], &str) -> Result<(), AnyError> + Send + Sync;

/// Reads the days of all sites that begin within `[from, to)` (Unix seconds) from where they
/// are kept together; another room's, as above. May block for as long as a server takes.
pub type Portfolio = dyn Fn(i64, i64) -> Result<Vec<SiteDay>, AnyError> + Send + Sync;

/// What a node last told of itself, and when (Unix seconds).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeTold {
    /// Which node.
    pub node: Name,
    /// That it is there, or its last will.
    pub state: Option<(message::State, i64)>,
    /// Its program, and how far it is with a new one; nothing if it is updated otherwise.
    pub update: Option<(UpdateAsk, i64)>,
}

/// Returns what all nodes last told of themselves; another room's, as above.
pub type Nodes = dyn Fn() -> Vec<NodeTold> + Send + Sync;

/// The rooms that the web asks.
pub struct Rooms {
    /// What was measured, and what was decided.
    pub store: Store,
    /// Consumption, typical days, months.
    pub ledger: Ledger,
    /// The time.
    pub clock: Clock,
    /// What is wrong right now.
    pub health: Health,
    /// What happens right now.
    pub live: Live,
    /// Makes the workbook of a month.
    pub workbook: Box<Workbook>,
    /// Sends the workbook of a month.
    pub send_report: Box<SendReport>,
    /// Reads the days of all sites; `None` where only this site is known.
    pub portfolio: Option<Box<Portfolio>>,
    /// What nodes told of themselves.
    pub nodes: Box<Nodes>,
    /// Rung when a command to a node was written.
    pub bell: Arc<Notify>,
    /// How the web behaves.
    pub options: Options,
}

/// How the web behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether the meters are simulated: the page says so, and shows all mails to everyone.
    pub demo: bool,
    /// Whether reading needs no login.
    pub open_reading: bool,
    /// Whether people reach the page by HTTPS: the cookie then never travels without.
    pub https: bool,
}

/// What the handlers need. Cheap to clone.
#[derive(Clone)]
pub struct WebState(Arc<Shared>);

/// See [`WebState`].
pub struct Shared {
    rooms: Rooms,
    attempts: Attempts,
    hashes: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl std::ops::Deref for WebState {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0.rooms
    }
}

impl WebState {
    /// Returns a state that asks these rooms.
    #[must_use]
    pub fn new(rooms: Rooms) -> Self {
        Self(Arc::new(Shared {
            rooms,
            attempts: Attempts::default(),
            hashes: Arc::new(Semaphore::new(HASHES_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }))
    }

    /// Asks a room on a thread where it may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Rooms) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let web = self.clone();
        tokio::task::spawn_blocking(move || question(&web))
            .await
            .map_err(|error| ApiError::Internal(error.into()))?
    }

    /// Asks the journal on a thread where it may block.
    async fn journal<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Journal) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.ask(move |rooms| question(rooms.store.journal()).map_err(ApiError::from)).await
    }

    /// Returns the zone in which times are written: the site's, if there is a site.
    fn zone(&self) -> TimeZone {
        self.ledger.site().map_or(TimeZone::UTC, |site| site.zone.clone())
    }

    /// Returns the local day now.
    fn today(&self) -> Date {
        time::day_of(self.clock.now(), &self.zone())
    }

    /// Returns the site as the newest site book says.
    fn site(&self) -> Result<Arc<Site>, ApiError> {
        self.ledger.site().ok_or(ApiError::NoSiteBook)
    }
}

/// Serves pages and API on a listener until `shutdown` says true.
///
/// Live streams end at once; requests in progress have a few seconds.
///
/// # Errors
///
/// What the listener meets.
pub async fn serve(
    listener: TcpListener,
    state: WebState,
    shutdown: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let app = router(state, shutdown.clone());
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(stopped(shutdown.clone()));
    let server = pin!(server.into_future());
    let deadline = pin!(async {
        stopped(shutdown).await;
        tokio::time::sleep(DRAIN).await;
    });
    match futures_util::future::select(server, deadline).await {
        futures_util::future::Either::Left((outcome, _)) => outcome,
        // What is still open after the deadline is cut off when the runtime ends.
        futures_util::future::Either::Right(((), _)) => Ok(()),
    }
}

/// Returns once `shutdown` says true, or once nobody is left who could say so.
async fn stopped(mut shutdown: watch::Receiver<bool>) {
    shutdown.wait_for(|&stop| stop).await.ok();
}

/// Returns the whole front door.
fn router(state: WebState, shutdown: watch::Receiver<bool>) -> Router {
    let router = Router::new()
        .merge(api::routes())
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(get_ready))
        .route("/metrics", get(get_metrics))
        .layer(axum::Extension(live::Shutdown(shutdown)));
    #[cfg(feature = "web")]
    let router = router.fallback(assets::serve_page);
    #[cfg(not(feature = "web"))]
    let router = router.fallback(no_pages);
    router
        .layer(middleware::from_fn(auth::refuse_foreign_pages))
        .layer(middleware::from_fn(error::word_errors))
        .layer(middleware::from_fn(headers::secure))
        .with_state(state)
}

#[cfg(not(feature = "web"))]
async fn no_pages(uri: axum::http::Uri) -> impl IntoResponse {
    if uri.path() == "/" {
        "Gengfu was built without its pages; the API is at /api/v1/openapi.json\n".into_response()
    } else {
        ApiError::NotFound { what: "route" }.into_response()
    }
}

/// Says whether the store can be read, which is what every other answer needs.
async fn get_ready(State(web): State<WebState>) -> impl IntoResponse {
    match web.journal(|journal| journal.view(|view| view.has_users())).await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "store cannot be read\n"),
    }
}

async fn get_metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], crate::events::metrics())
}

#[cfg(test)]
mod tests;
