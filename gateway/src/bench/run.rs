//! What a whole gateway needs: `gengfu run` as a process of its own, fed by a fleet's nodes.
//!
//! In: how many meters, how long, how fast time passes. Out: the memory that the process has
//! and had at most, its CPU, how many packs it acknowledged. Each node is a connection; each
//! meter is read each minute of the gateway's clock; once a minute somebody looks at today,
//! the meters, the patrol and, at the end, the month.
//!
//! Faster than the clock on the wall a day passes in minutes, so that what a day gathers is
//! in the figure, too.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use wire::Name;
use wire::topic::{Channel, Topic};

use super::fleet::Fleet;
use super::gauge::{self, Process};
use super::ingest::publisher::{Pubacks, SITE, connect, publish_packet};
use super::query::ask;
use super::sheet::{Sheet, Target, mib, per};
use super::{Progress, book};
use crate::clock::Clock;
use crate::store::Arrival;

/// Seconds between two readings of a meter.
const POLL_S: i64 = 60;

/// Packs that are sent before their acknowledgements are read.
const BATCH: usize = 2_000;

/// What a gateway of 2,000 meters may take, MiB.
const PROMISED_MIB: f64 = 100.0;

/// How often is looked whether packs are due, or the gateway's memory moved.
const LOOK: Duration = Duration::from_millis(100);

/// How long the gateway may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is run, and how long.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArguments {
    /// How many meters are read each minute.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub meters: u32,
    /// How long, minutes on the wall.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub minutes: u32,
    /// How many seconds pass for the gateway in one of ours.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub speed: u32,
    /// The program that is run; this one if nothing is said.
    #[arg(long)]
    pub program: Option<PathBuf>,
}

/// Runs a gateway and feeds it.
///
/// # Errors
///
/// It does not start, ends by itself, or does not acknowledge what is sent.
pub fn run(arguments: &RunArguments, folder: &Path, progress: Progress<'_>) -> Result<Sheet> {
    let RunArguments { meters, minutes, speed, .. } = *arguments;
    let mut sheet = Sheet::new(format!(
        "run: {meters} meters each minute, {minutes} min at {speed} x, `gengfu run`"
    ));
    let now_ms = Clock::system().now_ms();
    let clock = Clock::anchored(now_ms, now_ms, speed);
    let mut gateway = Gateway::start(arguments, folder, now_ms)?;
    let mut fleet = Fleet::every(meters, POLL_S)?;
    fleet.skip_to(clock.now() - POLL_S);
    let mut nodes = BTreeMap::new();
    let began = gauge::start();
    let (mut sent, mut asked, mut today_ms) = (0, 0, Vec::new());
    let mut batch = Vec::new();
    let end = Duration::from_secs(u64::from(minutes) * 60);
    while began.elapsed() < end {
        gateway.must_live()?;
        fleet.next_until(clock.now(), BATCH, &mut batch);
        if batch.is_empty() {
            gauge::rest(LOOK);
        } else {
            sent += send(gateway.mqtt, &mut nodes, &batch)?;
        }
        let passed = began.elapsed().as_secs();
        if asked <= passed / 60 {
            asked = passed / 60 + 1;
            today_ms.push(ask(gateway.pages, "/api/v1/today")?);
            ask(gateway.pages, "/api/v1/meters")?;
            ask(gateway.pages, "/api/v1/patrol")?;
            let memory = gateway.process.memory()?;
            progress(&format!("minute {}: {:.1} MiB resident", asked - 1, mib(memory.resident)));
        }
    }
    let month = jiff::Timestamp::from_second(clock.now())?.strftime("%Y-%m").to_string();
    let month_ms = ask(gateway.pages, &format!("/api/v1/months/{month}"))?;
    let memory = gateway.process.memory()?;
    sheet.add("run_packs", count(sent), "packs");
    sheet.add("run_hours", f64::from(minutes * speed) / 60.0, "h of its clock");
    sheet.add("run_resident_mib", mib(memory.resident), "MiB");
    sheet.add_with("run_resident_peak_mib", mib(memory.peak), "MiB", Target::AtMost(PROMISED_MIB));
    sheet.add("run_cpu_share", gateway.process.cpu_s()? / began.elapsed().as_secs_f64(), "cores");
    sheet.add("run_packs_rate", per(sent, began.elapsed().as_secs_f64()), "packs/s");
    sheet.add_times("run_today", today_ms);
    sheet.add("run_month_ms", month_ms, "ms");
    Ok(sheet)
}

/// Sends packs over the connections of their nodes, and waits until all are acknowledged;
/// returns how many.
fn send(to: SocketAddr, nodes: &mut BTreeMap<Name, Node>, batch: &[Arrival]) -> Result<u64> {
    for arrival in batch {
        let node = match nodes.entry(arrival.node) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(Node::open(to, arrival.node)?)
            }
        };
        node.next_id = node.next_id % 60_000 + 1;
        node.out.extend(publish_packet(&node.topic, node.next_id, &arrival.pack)?);
        node.awaited += 1;
    }
    for node in nodes.values_mut() {
        node.socket.write_all(&node.out).context("cannot publish")?;
        node.out.clear();
    }
    for node in nodes.values_mut() {
        while 0 < node.awaited {
            let got = node.pubacks.read(&mut node.socket)?.len();
            ensure!(0 < got, "the gateway does not acknowledge what it was sent");
            node.awaited = node.awaited.saturating_sub(got);
        }
    }
    Ok(u64::try_from(batch.len())?)
}

/// The connection of one node.
struct Node {
    socket: TcpStream,
    topic: Topic,
    next_id: u16,
    awaited: usize,
    out: Vec<u8>,
    pubacks: Pubacks,
}

impl Node {
    fn open(to: SocketAddr, name: Name) -> Result<Self> {
        let socket = connect(to, name.as_str())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let site = Name::new(SITE).context("the site's name")?;
        let topic = Topic::new(site, name, Channel::Readings);
        let (out, pubacks) = (Vec::new(), Pubacks::default());
        Ok(Self { socket, topic, next_id: 0, awaited: 0, out, pubacks })
    }
}

/// A running gateway.
struct Gateway {
    child: Child,
    process: Process,
    pages: SocketAddr,
    mqtt: SocketAddr,
}

impl Gateway {
    fn start(arguments: &RunArguments, folder: &Path, now_ms: i64) -> Result<Self> {
        let (config, book) = (folder.join("gengfu.toml"), folder.join("site.toml"));
        fs::write(&book, book::of_buildings(arguments.meters))?;
        fs::write(
            &config,
            "data_dir = \"data\"\n[web]\nlisten = \"127.0.0.1:0\"\n\
             base_url = \"http://127.0.0.1\"\nopen_reading = true\n\
             [mqtt.listen]\naddress = \"127.0.0.1:0\"\n",
        )?;
        let program = match &arguments.program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?,
        };
        let imported = Command::new(&program)
            .args(["import", "--config"])
            .args([&config, &book])
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("cannot start `{}`", program.display()))?;
        ensure!(imported.success(), "the site book was refused");
        let log = fs::File::create(folder.join("gateway.log"))?;
        let mut child = Command::new(&program)
            .arg(format!("--clock={now_ms}@{now_ms}x{}", arguments.speed))
            .args(["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut said = BufReader::new(child.stdout.take().context("its output")?);
        let mut told = |key: &str| -> Result<SocketAddr> {
            let mut line = String::new();
            said.read_line(&mut line)?;
            let address = line.trim().strip_prefix(key);
            address
                .with_context(|| format!("the gateway said `{line}`"))?
                .parse()
                .context(key.to_owned())
        };
        let (pages, mqtt) = (told("pages http://")?, told("mqtt ")?);
        Ok(Self { process: Process(child.id()), child, pages, mqtt })
    }

    fn must_live(&mut self) -> Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "the gateway ended by itself");
        Ok(())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people: 52 bits are plenty")]
fn count(number: u64) -> f64 {
    number as f64
}
