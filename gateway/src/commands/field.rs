//! `simulate` and `node`: meters and what reads them, as processes of their own.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use simulator::{BusAddress, BusKind, Campus, Now, demo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use wire::modbus::{LineSettings, Parity};
use wire::{Name, Protocol};

use super::{asked_to_end, runtime, say};
use crate::authority::GATEWAY;
use crate::clock::Clock;
use crate::config::{Login, Secret};
use crate::node::{self, BusConfig, NodeConfig, NodeTls};

/// Answers Modbus like the meters of the demo campus until it is asked to end.
pub(super) fn simulate(
    office: SocketAddr,
    campus: SocketAddr,
    control: SocketAddr,
    clock: Clock,
) -> Result<()> {
    runtime()?.block_on(async {
        let relay = demo::demo_relay().context("the relay of the demo")?;
        let meters = Arc::new(Campus::load(&simulator::demo_campus())?.with_relay(relay));
        let now: Now = Arc::new(move || clock.now());
        let (stop, shutdown) = watch::channel(false);

        let office = bus(demo::OFFICE_BUS, BusKind::RtuOverTcp, office).await?;
        let campus = bus(demo::CAMPUS_BUS, BusKind::ModbusTcp, campus).await?;
        let control = TcpListener::bind(control)
            .await
            .with_context(|| format!("cannot take orders on {control}"))?;
        say(format!("office {}", office.listener.local_addr()?));
        say(format!("campus {}", campus.listener.local_addr()?));
        say(format!("control {}", control.local_addr()?));

        let orders = simulator::control::listen(
            Arc::clone(&meters),
            control,
            Arc::clone(&now),
            shutdown.clone(),
        );
        let answers = simulator::serve(meters, vec![office, campus], now, shutdown);
        let end = async {
            asked_to_end().await?;
            stop.send_replace(true);
            anyhow::Ok(())
        };
        let ((), (), ended) = tokio::join!(orders, answers, end);
        ended
    })
}

async fn bus(name: &str, kind: BusKind, address: SocketAddr) -> Result<BusAddress> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot answer for bus `{name}` on {address}"))?;
    Ok(BusAddress { bus: name.parse()?, kind, listener })
}

/// What a node needs to know before it has its plan.
#[derive(Debug, Args)]
pub(super) struct NodeArguments {
    /// The site, as in the site book.
    #[arg(long)]
    site: Name,
    /// The node, as in the site book.
    #[arg(long)]
    id: Name,
    /// Its bus: `rtu-over-tcp:10.0.4.12:4001`, `modbus-tcp:10.0.4.13:502`,
    /// `serial:/dev/ttyUSB0` or `serial:/dev/ttyUSB0:19200:even`.
    #[arg(long)]
    bus: BusArgument,
    /// Where its readings go: the gateway's own MQTT listener or a broker.
    #[arg(long)]
    broker: SocketAddr,
    /// File in which readings wait until the gateway has them, through any power cut; at most
    /// 64 MiB. Without it: `<id>.outbox` in the working directory.
    #[arg(long)]
    outbox: Option<std::path::PathBuf>,
    /// Folder of certificate and key, as `gengfu node enroll` made it: the connection is
    /// protected by TLS 1.3, and both sides know whom they talk to.
    #[arg(long, required_unless_present = "plain")]
    tls: Option<std::path::PathBuf>,
    /// The name that the gateway's certificate must have.
    #[arg(long, default_value = GATEWAY, requires = "tls")]
    host: String,
    /// Connect without protection: only in a closed network.
    #[arg(long, conflicts_with = "tls")]
    plain: bool,
    /// User name at the broker.
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// File that holds the password at the broker.
    #[arg(long, requires = "user")]
    password_file: Option<std::path::PathBuf>,
}

/// Whom to ask for a number, and how.
#[derive(Debug, Args)]
pub(super) struct NumberArguments {
    /// The line: `serial:/dev/ttyUSB0:2400:even` or `rtu-over-tcp:10.0.4.12:4001`.
    #[arg(long)]
    bus: BusArgument,
    /// What the meter speaks: `dlt645` or `cjt188`.
    #[arg(long)]
    protocol: ProtocolArgument,
}

#[derive(Clone, Copy, Debug)]
struct ProtocolArgument(Protocol);

impl FromStr for ProtocolArgument {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Protocol::ALL.into_iter().filter(|protocol| protocol.digits() != 0);
        let found = known.clone().find(|protocol| protocol.code() == text);
        let codes: Vec<&str> = known.map(Protocol::code).collect();
        found.map(Self).with_context(|| format!("`{text}` is not one of {}", codes.join(", ")))
    }
}

/// Asks the only meter on a line for its number and says it.
pub(super) fn number(arguments: NumberArguments) -> Result<()> {
    let NumberArguments { bus, protocol: ProtocolArgument(protocol) } = arguments;
    let address = runtime()?.block_on(node::ask_number(bus.0, protocol))?;
    let width = usize::try_from(protocol.digits())?;
    say(format!("address = \"{:0>width$x}\"", address.number()));
    Ok(())
}

/// A bus as the command line names it.
#[derive(Clone, Debug)]
pub(super) struct BusArgument(pub(super) BusConfig);

impl FromStr for BusArgument {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, rest) = text.split_once(':').context("begins with its kind and a colon")?;
        let bus = match kind {
            "rtu-over-tcp" => BusConfig::RtuOverTcp(rest.parse().context("an address and a port")?),
            "modbus-tcp" => BusConfig::ModbusTcp(rest.parse().context("an address and a port")?),
            "serial" => serial(rest)?,
            _ => bail!("`{kind}` is not `rtu-over-tcp`, `modbus-tcp` or `serial`"),
        };
        Ok(Self(bus))
    }
}

/// A device, and its line settings if they are not to be the plan's.
pub(super) fn serial(text: &str) -> Result<BusConfig> {
    let mut parts = text.split(':');
    let path = parts.next().unwrap_or_default().to_owned();
    let Some(baud) = parts.next() else {
        return Ok(BusConfig::Serial { path, line: None });
    };
    let baud = baud.parse().context("baud is a whole number")?;
    let parity = match parts.next() {
        None | Some("none") => Parity::None,
        Some("even") => Parity::Even,
        Some("odd") => Parity::Odd,
        Some(other) => bail!("parity `{other}` is not `none`, `even` or `odd`"),
    };
    let line = Some(LineSettings { baud, parity, stop_bits: 1 });
    Ok(BusConfig::Serial { path, line })
}

/// Reads the meters of one bus until it is asked to end.
pub(super) fn node(arguments: NodeArguments, clock: Clock) -> Result<()> {
    let login = match (arguments.user, arguments.password_file) {
        (Some(user), Some(file)) => {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read `{}`", file.display()))?;
            let password = Secret::new(text.trim_end_matches(['\r', '\n']).to_owned());
            Some(Login { user, password })
        }
        _ => None,
    };
    let outbox = arguments.outbox.unwrap_or_else(|| format!("{}.outbox", arguments.id).into());
    let config = NodeConfig {
        site: arguments.site,
        node: arguments.id,
        broker: arguments.broker,
        tls: arguments.tls.map(|folder| NodeTls::in_folder(&folder, arguments.host)),
        login,
        bus: arguments.bus.0,
        outbox: Some(outbox),
    };
    super::house::log_to_terminal();
    runtime()?.block_on(async {
        let (stop, shutdown) = watch::channel(false);
        let reading = node::run(config, clock, shutdown);
        let end = async {
            asked_to_end().await?;
            stop.send_replace(true);
            anyhow::Ok(())
        };
        let (read, ended) = tokio::join!(reading, end);
        read?;
        ended
    })
}
