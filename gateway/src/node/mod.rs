//! The node as a Linux process, or as a task of the gateway.
//!
//! The code is `firmware`'s; here are only the parts that a microcontroller would bring
//! itself: sockets and serial ports ([`port`]), Modbus TCP ([`tcp`]), a file for a flash
//! ([`mod@file`], [`synced`]), the clock and the log ([`host`]), and the way to the broker
//! ([`broker`]).
//!
//! It starts with everything else away, waits for its plan, and goes on for ever: neither
//! a broker nor a bus that is gone ends it. What it has read waits in a file, through any
//! power cut, or in RAM if it is given none; when it is asked to stop it reads no more and
//! publishes what waits, as long as that takes at most [`FAREWELL`].

mod broker;
mod file;
mod host;
mod port;
pub mod scan;
mod synced;
mod tcp;

use std::convert::Infallible;
use std::fs::File;
use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use firmware::outbox::Outbox;
use firmware::rtu::{NoDriverEnable, RtuBus};
use firmware::{Bus, Identity, NoUpdates, Pace, PollError, RamOutbox, Request, UplinkBuffers};
// What `embassy-time` waits by.
use line_time as _;
use tokio::sync::watch;
use wire::modbus::LineSettings;
use wire::{Address, Name, Protocol};

use crate::clock::Clock;
use crate::config::{BrokerTls, Login};
use crate::events;
use crate::tls::{self, TlsError};
use broker::Broker;
use file::Backing;
use host::{Machine, SiteTime};
use port::LinePort;
use synced::{SyncedOutbox, keep_synced};
use tcp::ModbusTcp;

/// What waits in RAM at most: some 40,000 packs of twelve readings, three days of ten meters
/// that are read each minute.
const OUTBOX_BYTES: usize = 4 << 20;

/// The authority's certificate, in the folder of an enrolled node.
pub const AUTHORITY_FILE: &str = "ca.crt";
/// The node's certificate.
pub const CERTIFICATE_FILE: &str = "node.crt";
/// Its private key.
pub const KEY_FILE: &str = "node.key";

/// How long a node that is asked to stop goes on publishing what waits.
pub const FAREWELL: Duration = Duration::from_secs(5);

/// Who a node is, and where its broker and its meters are.
#[derive(Clone)]
pub struct NodeConfig {
    /// Where it is.
    pub site: Name,
    /// Which of the site's nodes it is.
    pub node: Name,
    /// The gateway's own listener, or a broker.
    pub broker: SocketAddr,
    /// How the connection is protected; not at all if it is absent.
    pub tls: Option<NodeTls>,
    /// What the broker lets it in by, if it asks.
    pub login: Option<Login>,
    /// Its meters.
    pub bus: BusConfig,
    /// The file in which readings wait; without one they wait in RAM.
    pub outbox: Option<PathBuf>,
}

/// How a node's connection is protected: by TLS 1.3, with certificates on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTls {
    /// The authority, and the node's own certificate and key, as `gengfu node enroll` makes them.
    pub files: BrokerTls,
    /// The name that the other side's certificate must have.
    pub host: String,
}

impl NodeTls {
    /// Returns what lies in the folder of a node that was enrolled.
    #[must_use]
    pub fn in_folder(folder: &Path, host: String) -> Self {
        let client = Some((folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE)));
        Self { files: BrokerTls { ca: Some(folder.join(AUTHORITY_FILE)), client }, host }
    }
}

/// What the meters hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusConfig {
    /// A serial server that passes RTU frames on as they are.
    RtuOverTcp(SocketAddr),
    /// Modbus TCP: a meter, or a gateway before several.
    ModbusTcp(SocketAddr),
    /// A serial port of this machine.
    Serial {
        /// The device.
        path: String,
        /// How the line is set, if whoever stands before it knows better than the plan.
        line: Option<LineSettings>,
    },
}

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The machine has no randomness to tell this run from others.
    #[error("cannot draw a number for this run")]
    Random(#[from] getrandom::Error),
    /// The readings have nowhere to wait.
    #[error("cannot keep readings in `{}`", path.display())]
    Outbox {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What should protect its connection is of no use.
    #[error("cannot protect the connection of node `{node}`")]
    Tls {
        /// Which node.
        node: Name,
        /// Why.
        source: TlsError,
    },
    /// The meter on the line did not tell its number.
    #[error("no number: {0}")]
    Number(&'static str),
    /// The names or the login do not fit into MQTT.
    #[error("node `{0}` cannot be announced: user or password is too long")]
    Login(Name),
}

/// Reads the meters of one bus and publishes what they say, until it is asked to stop.
///
/// # Errors
///
/// [`NodeError`] if it cannot begin. A broker or a bus that is away is no error: it is
/// logged, and tried again.
pub async fn run(
    config: NodeConfig,
    clock: Clock,
    shutdown: watch::Receiver<bool>,
) -> Result<(), NodeError> {
    if let Some(by) = &config.tls {
        let node = config.node;
        tls::node_config(&by.files).map_err(|source| NodeError::Tls { node, source })?;
    }
    let boot = getrandom::u32()?;
    let Some(path) = config.outbox.clone() else {
        let outbox = RamOutbox::new(vec![0; OUTBOX_BYTES]);
        return run_with(config, outbox, None, boot, clock, shutdown).await;
    };
    let opened = async {
        let backing = Backing::open(&path)?;
        Ok((SyncedOutbox::open(Arc::clone(&backing), boot).await?, backing))
    };
    let opened = opened.await.map_err(|source| NodeError::Outbox { path, source });
    let (outbox, backing) = opened?;
    let boot = outbox.boot();
    run_with(config, outbox, Some(backing), boot, clock, shutdown).await
}

/// How long a lone meter may think before it tells its number.
const NUMBER_ANSWER_MS: u16 = 2_000;

/// Asks the only meter on a line for the number on its plate.
///
/// # Errors
///
/// [`NodeError::Number`] if none is understood.
pub async fn ask_number(bus: BusConfig, protocol: Protocol) -> Result<Address, NodeError> {
    let pace = Pace { answer_ms: NUMBER_ANSWER_MS, turnaround_ms: 0 };
    let AnyBus::Rtu { mut bus, .. } = AnyBus::new(bus) else {
        return Err(NodeError::Number("Modbus TCP leads to no such meter"));
    };
    bus.ask_number(protocol, pace).await.map_err(|error| NodeError::Number(host::reason(error)))
}

async fn run_with<O: Outbox>(
    config: NodeConfig,
    outbox: O,
    backing: Option<Arc<Backing<File>>>,
    boot: u32,
    clock: Clock,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), NodeError> {
    let identity = Identity { site: config.site, node: config.node, boot };
    let mut node = firmware::Node::<CriticalSectionRawMutex, _>::new(identity, outbox);
    if matches!(config.bus, BusConfig::ModbusTcp(_)) {
        node = node.without_line();
    }
    let (time, machine) = (SiteTime(clock), Machine::new(config.node));
    let broker = Broker::new(config.node, config.broker, config.tls);
    let (mut bus, mut broker) = (AnyBus::new(config.bus), broker);
    let login = config.login.as_ref().map(|login| firmware::Login {
        user: &login.user,
        password: login.password.reveal().as_bytes(),
    });
    let (mut buffers, mut updates) = (Box::new(UplinkBuffers::new()), NoUpdates);

    let mut publishing =
        Box::pin(node.publish(&mut broker, &machine, login, &mut buffers, &mut updates));
    let reading = Box::pin(node.read_meters(&mut bus, &time, &machine));
    let mut syncing = pin!(async {
        match &backing {
            Some(backing) => keep_synced(backing, config.node, || node.look_again()).await,
            None => pending::<Infallible>().await,
        }
    });
    tokio::select! {
        () = &mut publishing => return Err(NodeError::Login(config.node)),
        () = reading => {}
        never = &mut syncing => match never {},
        // The sender is gone when nobody is left to ask: then it is time to stop as well.
        _ = shutdown.wait_for(|stop| *stop) => {}
    }
    let sent = async {
        while 0 < node.waiting().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = publishing => {}
        never = syncing => match never {},
        _ = tokio::time::timeout(FAREWELL, sent) => {}
    }
    if let Some(backing) = &backing
        && let Err(error) = backing.sync_apart().await
    {
        events::outbox_not_synced(&config.node, &error);
    }
    Ok(())
}

/// One of the buses there are.
enum AnyBus {
    Rtu {
        bus: Box<RtuBus<LinePort, NoDriverEnable>>,
        /// The settings are those of the command line and not those of the plan.
        fixed: bool,
    },
    Tcp(ModbusTcp),
}

impl AnyBus {
    fn new(config: BusConfig) -> Self {
        match config {
            BusConfig::RtuOverTcp(address) => {
                let port = LinePort::tcp(address);
                Self::Rtu { bus: Box::new(RtuBus::new(port, NoDriverEnable)), fixed: false }
            }
            BusConfig::ModbusTcp(address) => Self::Tcp(ModbusTcp::new(address)),
            BusConfig::Serial { path, line } => {
                let mut bus = Box::new(RtuBus::new(LinePort::serial(path), NoDriverEnable));
                if let Some(line) = line {
                    bus.set_line(line);
                }
                Self::Rtu { bus, fixed: line.is_some() }
            }
        }
    }
}

impl Bus for AnyBus {
    fn set_line(&mut self, line: LineSettings) {
        match self {
            Self::Rtu { bus, fixed: false } => bus.set_line(line),
            Self::Rtu { fixed: true, .. } | Self::Tcp(_) => {}
        }
    }

    async fn read(&mut self, request: &Request, out: &mut [u16]) -> Result<(), PollError> {
        match self {
            Self::Rtu { bus, .. } => bus.read(request, out).await,
            Self::Tcp(bus) => bus.read(request, out).await,
        }
    }

    async fn write_coil(&mut self, request: &Request, on: bool) -> Result<(), PollError> {
        match self {
            Self::Rtu { bus, .. } => bus.write_coil(request, on).await,
            Self::Tcp(bus) => bus.write_coil(request, on).await,
        }
    }

    fn heard(&self) -> &[u8] {
        match self {
            Self::Rtu { bus, .. } => bus.heard(),
            Self::Tcp(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests;
