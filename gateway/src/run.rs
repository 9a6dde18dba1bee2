//! Builds the rooms, joins them, and stops them in order.
//!
//! In: a checked configuration and a clock. Out: a running house.
//!
//! Order of stopping, each with a deadline: the doors (no new message), the recorder (what
//! came in is stored and acknowledged), the watch, the mails, the pages. A core task that
//! ends by itself ends the process, so that its supervisor restarts it.
//!
//! Not here: any decision.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use analysis::figures::{MonthFigures, month_span};
use analysis::site::{Language, Site};
use anyhow::{Context, Result, anyhow};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch as signal};
use tokio::task::JoinSet;
use wire::Name;

use crate::clock::Clock;
use crate::config::{Config, MqttConfig};
use crate::courier::{Bell, Courier};
use crate::events;
use crate::health::{Code, Health, Level};
use crate::ingest::board::{NodeStates, PlanBoard};
use crate::ingest::broker::BrokerDoor;
use crate::ingest::door::Door;
use crate::ingest::gate::Roster;
use crate::ingest::listen::{self, Entrance, Limits, Listener};
use crate::ingest::mapped::{MappedGate, Mappings};
use crate::ingest::updates::{UPDATES_FOLDER, Updates};
use crate::ingest::{self, Incoming};
use crate::keep::Keeper;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::mail::{self, Outbox, Server};
use crate::plan;
use crate::record::Recorder;
use crate::report::{self, Report};
use crate::store::journal::MeterEventRow;
use crate::store::{Options, Store, StoreError};
use crate::watch::Watch;
use crate::web::{self, NodeTold, Rooms, WebState};

#[cfg(feature = "influx")]
pub(crate) mod influx;

/// How long the doors wait for acknowledgements of what is in flight.
const IN_FLIGHT: Duration = Duration::from_secs(3);
/// How long the doors may take to close.
const DOORS: Duration = Duration::from_secs(8);
/// How long the other rooms may take to stop.
const ROOMS: Duration = Duration::from_secs(10);
/// How often the journal is asked for a newer site book: `gengfu import` is another process.
const LOOK: Duration = Duration::from_secs(5);

/// A house whose rooms are joined and whose ports are open.
pub struct House {
    /// What everything is kept in.
    pub store: Store,
    /// Consumption and the site book.
    pub ledger: Ledger,
    clock: Clock,
    health: Health,
    live: Live,
    config: Config,
    pages: TcpListener,
    pages_at: SocketAddr,
    entrances: Vec<Entrance>,
    mqtt_at: Option<SocketAddr>,
    demo: bool,
}

impl House {
    /// Opens the store and the ports. Broker, mail server and meters may be away.
    ///
    /// # Errors
    ///
    /// The store cannot be opened, or a port is taken: nothing could be served then.
    pub async fn open(config: Config, clock: Clock) -> Result<Self> {
        let buffer_bytes = config
            .store
            .buffer_mib
            .and_then(|mib| usize::try_from(mib).ok()?.checked_mul(1024 * 1024));
        let store = Store::open_with(&config.data_dir, Options { buffer_bytes })
            .with_context(|| format!("cannot open the store in `{}`", config.data_dir.display()))?;
        if !store.can_record() {
            let error = StoreError::InUse { during: "record into the store" };
            return Err(error)
                .with_context(|| format!("another gateway uses `{}`", config.data_dir.display()));
        }
        let ledger = Ledger::new(&store, &clock);
        ledger.reload().context("cannot read the site book")?;
        let pages = TcpListener::bind(config.web.listen).await.with_context(|| {
            format!("cannot serve the pages on {}; is another gateway running?", config.web.listen)
        })?;
        let pages_at = pages.local_addr()?;
        let entrances = config.mqtt.listen.as_ref().map(Entrance::open_all).transpose()?;
        let entrances = entrances.unwrap_or_default();
        let mqtt_at = entrances.first().map(Entrance::address).transpose()?;
        Ok(Self {
            store,
            ledger,
            clock,
            health: Health::default(),
            live: Live::default(),
            config,
            pages,
            pages_at,
            entrances,
            mqtt_at,
            demo: false,
        })
    }

    /// Makes this a demonstration: pages say so, and show all mails.
    #[must_use]
    pub fn demonstrating(self) -> Self {
        Self { demo: true, ..self }
    }

    /// Returns where the pages are served.
    #[must_use]
    pub fn pages(&self) -> SocketAddr {
        self.pages_at
    }

    /// Returns where nodes connect, if the house has a listener of its own.
    #[must_use]
    pub fn mqtt(&self) -> Option<SocketAddr> {
        self.mqtt_at
    }

    /// Returns the watch of this house.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(
            &self.store,
            &self.ledger,
            &self.clock,
            &self.health,
            &self.live,
            &self.config.web.base_url,
        )
    }

    /// Lives until `end` completes or a core task breaks; then stops in order.
    ///
    /// # Errors
    ///
    /// What broke.
    pub async fn live(self, end: impl Future<Output = Result<()>>) -> Result<()> {
        let (incoming, queue) = ingest::queue();
        let (stop_doors, doors_stop) = signal::channel(false);
        let (stop, stopped) = signal::channel(false);
        let (roster_sender, roster) = signal::channel(Arc::new(Roster::default()));
        let (mappings_sender, mappings) = signal::channel(Arc::default());
        let (site_sender, site) = signal::channel(None);
        let watch = self.watch();
        let Self { store, ledger, clock, health, live, config, pages, entrances, demo, .. } = self;
        let board = PlanBoard::default();
        let states = NodeStates::default();
        let bell = Bell::default();
        let told = nodes_told(states.clone());
        let courier = Courier::new((&store, &clock, &live), &board, &states, &bell);

        let follow = Follow {
            ledger: ledger.clone(),
            clock: clock.clone(),
            health: health.clone(),
            site: site_sender,
            roster: roster_sender,
            mappings: mappings_sender,
            board: board.clone(),
        };
        follow.take_up();
        let doors = Doors {
            config: config.mqtt.clone(),
            entrances,
            roster,
            mapped: MappedGate::new(mappings, config.mqtt.sparkplug_host.clone()),
            board,
            states,
            updates: Updates::in_folder(config.data_dir.join(UPDATES_FOLDER)),
            health: health.clone(),
            clock: clock.clone(),
            incoming,
        };
        let recorder = Recorder::new(&store, &clock, &health, &live);
        let keeper = Keeper::new(&store, &ledger, &clock, &health, &config);
        let server = config.mail.as_ref().map(|it| Server::new(it, mail::TIMEOUT)).transpose()?;
        let outbox = Outbox::new(store.journal().clone(), server, clock.clone(), health.clone());
        let options = web::Options {
            demo,
            open_reading: config.web.open_reading,
            https: config.web.base_url.starts_with("https://"),
        };
        let mut core = JoinSet::new();
        #[cfg(not(feature = "influx"))]
        let portfolio = None;
        #[cfg(feature = "influx")]
        let portfolio = match &config.influx {
            Some(config) => {
                let feed = influx::feed(config, (&store, &clock, &health), &ledger).await?;
                core.spawn(named("influx", {
                    let stopped = stopped.clone();
                    async move {
                        feed.run(stopped).await;
                        anyhow::Ok(())
                    }
                }));
                influx::portfolio(config, &clock).await?
            }
            None => None,
        };
        let rooms = Rooms {
            portfolio,
            nodes: told,
            bell,
            ..rooms(store, ledger, clock, health, live, &config.web.base_url, options)
        };

        let mut doors = tokio::spawn(doors.keep(site, doors_stop));
        core.spawn(named("recorder", recorder.run(queue)));
        core.spawn(named("courier", courier.run(stopped.clone())));
        core.spawn(named("site book", follow.run(stopped.clone())));
        core.spawn(named("keeper", keeper.run(stopped.clone())));
        core.spawn(named("watch", watch.run(stopped.clone())));
        core.spawn(named("mail", {
            let stopped = stopped.clone();
            async move {
                outbox.run(stopped).await;
                anyhow::Ok(())
            }
        }));
        core.spawn(named("pages", web::serve(pages, WebState::new(rooms), stopped)));

        let broke = tokio::select! {
            ended = end => ended.err(),
            ended = &mut doors => Some(why("doors", ended)),
            Some(ended) = core.join_next() => Some(match ended {
                Ok((name, ended)) => why(name, Ok(ended)),
                Err(panic) => why("a core task", Err(panic)),
            }),
        };
        stop_doors.send_replace(true);
        if !doors.is_finished() && tokio::time::timeout(DOORS, &mut doors).await.is_err() {
            doors.abort();
        }
        stop.send_replace(true);
        let rest = async { while core.join_next().await.is_some() {} };
        if tokio::time::timeout(ROOMS, rest).await.is_err() {
            tracing::warn!("a room did not stop in time and is cut off");
        }
        broke.map_or(Ok(()), Err)
    }
}

type Ended = (&'static str, Result<()>);

/// Runs a core task and says whose end it is.
async fn named<E: Into<anyhow::Error>>(
    name: &'static str,
    task: impl Future<Output = Result<(), E>>,
) -> Ended {
    (name, task.await.map_err(Into::into))
}

fn why(name: &str, ended: Result<Result<()>, tokio::task::JoinError>) -> anyhow::Error {
    match ended {
        Ok(Ok(())) => anyhow!("`{name}` ended though nobody asked it to"),
        Ok(Err(error)) => error.context(format!("`{name}` broke")),
        Err(panic) => anyhow!(panic).context(format!("`{name}` panicked")),
    }
}

/// The two doors, open as soon as there is a site to open them for.
struct Doors {
    config: MqttConfig,
    entrances: Vec<Entrance>,
    roster: signal::Receiver<Arc<Roster>>,
    mapped: MappedGate,
    board: PlanBoard,
    states: NodeStates,
    updates: Updates,
    health: Health,
    clock: Clock,
    incoming: mpsc::Sender<Incoming>,
}

impl Doors {
    async fn keep(
        self,
        mut site: signal::Receiver<Option<Name>>,
        mut stop: signal::Receiver<bool>,
    ) -> Result<()> {
        let found = tokio::select! {
            site = site.wait_for(Option::is_some) => site.ok().and_then(|site| *site),
            _ = stop.wait_for(|&stop| stop) => None,
        };
        let Some(site) = found else { return Ok(()) };
        let door = Door {
            site,
            roster: self.roster,
            mapped: self.mapped,
            board: self.board,
            states: self.states,
            updates: self.updates,
            health: self.health,
            clock: self.clock,
            incoming: self.incoming,
        };
        let mut listener = None;
        if !self.entrances.is_empty() {
            let admission = match self.config.listen.and_then(|listen| listen.login) {
                Some(login) => listen::by_password(login),
                None => listen::anybody(),
            };
            let (entrances, limits) = (self.entrances, Limits::default());
            listener = Some(Listener::start_at(entrances, door.clone(), admission, limits)?);
        }
        let mut broker = self.config.broker.map(|broker| BrokerDoor::open(broker, door));
        let ended = tokio::select! {
            _ = stop.wait_for(|&stop| stop) => Ok(()),
            ended = async {
                match &mut listener {
                    Some(listener) => listener.ended().await.map_err(anyhow::Error::from),
                    None => std::future::pending().await,
                }
            } => ended,
            ended = async {
                match &mut broker {
                    Some(broker) => broker.ended().await.map_err(anyhow::Error::from),
                    None => std::future::pending().await,
                }
            } => ended,
        };
        // What is in flight gets its acknowledgement if the recorder is quick enough.
        if ended.is_ok() {
            if let Some(listener) = listener {
                listener.stop(IN_FLIGHT).await?;
            }
            if let Some(broker) = broker {
                broker.close(IN_FLIGHT).await?;
            }
        }
        ended
    }
}

/// Follows the site book: whoever changes it, doors and nodes get to know.
struct Follow {
    ledger: Ledger,
    clock: Clock,
    health: Health,
    site: signal::Sender<Option<Name>>,
    roster: signal::Sender<Arc<Roster>>,
    mappings: signal::Sender<Arc<Mappings>>,
    board: PlanBoard,
}

impl Follow {
    fn take_up(&self) {
        let Some(book) = self.ledger.book() else {
            self.health.raise(Code::SiteBookMissing, "", Level::Warn, []);
            return;
        };
        self.health.clear(Code::SiteBookMissing, "");
        self.roster.send_replace(Arc::new(Roster::new(book.book.polled())));
        let mappings = book.book.mappings.clone();
        let zone = book.book.site.zone.clone();
        self.mappings.send_replace(Arc::new(Mappings { mappings, zone }));
        match plan::plans(&book.book, book.version) {
            Ok(plans) => self.board.set_plans(plans),
            Err(error) => {
                let params = [("what", error.to_string())];
                self.health.raise(Code::WorkFailing, "plan", Level::Error, params);
            }
        }
        self.site.send_replace(Some(book.book.site.id));
    }

    async fn run(self, mut stop: signal::Receiver<bool>) -> Result<()> {
        let ending = async move { stop.wait_for(|&stop| stop).await.map(|_| ()) };
        let mut ending = std::pin::pin!(ending);
        loop {
            self.look_at_calendar();
            tokio::select! {
                _ = &mut ending => return Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
            let ledger = self.ledger.clone();
            match tokio::task::spawn_blocking(move || ledger.reload()).await? {
                Ok(true) => self.take_up(),
                Ok(false) => {}
                Err(error) => events::book_unreadable(&error),
            }
        }
    }

    /// From November on, next year's notice is out and somebody should enter it.
    fn look_at_calendar(&self) {
        let missing = self
            .ledger
            .today(self.clock.now())
            .and_then(|today| self.ledger.calendar().year_missing(today));
        match missing {
            Some(year) => {
                let params = [("year", year.to_string())];
                self.health.raise(Code::CalendarMissing, "", Level::Warn, params);
            }
            None => self.health.clear(Code::CalendarMissing, ""),
        }
    }
}

fn rooms(
    store: Store,
    ledger: Ledger,
    clock: Clock,
    health: Health,
    live: Live,
    base_url: &str,
    options: web::Options,
) -> Rooms {
    let (book, at) = (ledger.clone(), clock.clone());
    let workbook = move |figures: &MonthFigures, site: &Site| {
        let events = book.events_within(month_span(site, figures.month))?;
        Ok(report::workbook(&described(figures, site, &events, &book, at.now()))?)
    };
    let (book, at, base_url) = (ledger.clone(), clock.clone(), base_url.to_owned());
    let journal = store.journal().clone();
    let send_report = move |figures: &MonthFigures, site: &Site, to: &[String], by: &str| {
        let now = at.now();
        let events = book.events_within(month_span(site, figures.month))?;
        let report = described(figures, site, &events, &book, now);
        report::send(&journal, &report, to, by, &base_url)?;
        Ok(())
    };
    Rooms {
        store,
        ledger,
        clock,
        health,
        live,
        workbook: Box::new(workbook),
        send_report: Box::new(send_report),
        portfolio: None,
        nodes: Box::new(Vec::new),
        bell: Bell::default(),
        options,
    }
}

/// What the web asks of nodes.
fn nodes_told(states: NodeStates) -> Box<web::Nodes> {
    Box::new(move || {
        let told = states.all().into_iter();
        told.map(|(node, it)| NodeTold { node, state: it.state, update: it.update }).collect()
    })
}

fn described<'a>(
    figures: &'a MonthFigures,
    site: &'a Site,
    events: &'a [MeterEventRow],
    ledger: &'a Ledger,
    made: i64,
) -> Report<'a> {
    Report { figures, site, events, calendar: ledger.calendar(), made, language: Language::Zh }
}
