//! How much nodes on Linux read: many buses in one process, each meter once a second.
//!
//! In: how many nodes, meters a node, registers a meter, registers a value. Out: registers and
//! readings a second that arrived, the share of polls that were on time, CPU and memory of the
//! process, and what was lost by the sequence numbers.
//!
//! The nodes are those of `gengfu node`: Modbus TCP in, an outbox that syncs, MQTT 5 with QoS 1
//! out. Meters and a broker that only counts and acknowledges are a process of their own
//! ([`world`]), so that their work is not in the figures. A meter of 100 registers is more
//! values than a register map has entries, so it is planned as several maps of one unit id, as
//! channels of one box are: each is a request and a pack.

mod plan;
mod tally;
pub mod world;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire::Name;

use self::plan::Shape;
use self::tally::Tally;
use self::world::Doors;
use super::Progress;
use super::gauge::{self, Process};
use super::ingest::publisher::{SITE, node_name};
use super::sheet::{Sheet, Target, mib, per, share};
use crate::clock::Clock;
use crate::node::{self, BusConfig, NodeConfig};

/// What NG Gateway publishes for 100,000 values a second, MiB; it keeps nothing.
const NG_GATEWAY_MIB: f64 = 153.0;

/// What EMQX Neuron publishes for as much, MB; it keeps nothing either.
const NEURON_MIB: f64 = 497.0 * 1e6 / 1_048_576.0;

/// Seconds from the last node's plan to the first that is counted.
const RUN_UP_S: i64 = 3;

/// How long all nodes may take to connect and to take their plans.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is read, and how long.
#[derive(Clone, Debug, clap::Args)]
pub struct NodesArguments {
    /// How many nodes, each with a bus of its own.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub nodes: u32,
    /// How many meters each node reads each second.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub meters: u8,
    /// How many registers of each meter.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=125))]
    pub registers: u16,
    /// How many registers a value has: 1, 2 or 4.
    #[arg(long, default_value_t = 2)]
    pub words: u16,
    /// How many seconds are counted.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// Keep what is read in memory only, as others do.
    #[arg(long)]
    pub ram: bool,
}

/// Runs the nodes.
///
/// # Errors
///
/// The nodes cannot read as much by one plan, do not start, or their plans are refused.
pub fn run(arguments: &NodesArguments, folder: &Path, progress: Progress<'_>) -> Result<Sheet> {
    let shape = Shape::of(arguments.meters, arguments.registers, arguments.words)?;
    let mut world = World::start(arguments)?;
    let doors: Doors = world.hear()?;
    let runtime = Runtime::new().context("cannot start")?;
    let (stop, shutdown) = watch::channel(false);
    let mut nodes = JoinSet::new();
    for (number, &meters) in (0..).zip(&doors.meters) {
        let config = NodeConfig {
            site: Name::new(SITE).context("the site's name")?,
            node: node_name(number)?,
            broker: doors.broker,
            tls: None,
            login: None,
            bus: BusConfig::ModbusTcp(meters),
            outbox: (!arguments.ram).then(|| folder.join(format!("node-{number}.outbox"))),
        };
        nodes.spawn_on(node::run(config, Clock::system(), shutdown.clone()), runtime.handle());
    }
    let line: String = world.hear()?;
    ensure!(line == "planned", "the nodes did not take their plans: {line}");
    let seconds = i64::from(arguments.seconds);
    let clock = Clock::system();
    let begin = clock.now() + RUN_UP_S;
    world.tell(&format!("{begin} {}", begin + seconds))?;
    progress(&format!("{} nodes have their plans; {seconds} s are counted", arguments.nodes));

    runtime.block_on(clock.sleep_until(begin));
    let (began, cpu, around) = (gauge::start(), gauge::own_cpu_s(), world.process.cpu_s()?);
    let written = Process::own().written()?;
    runtime.block_on(clock.sleep_until(begin + seconds));
    let took_s = began.elapsed().as_secs_f64();
    let (cpu, around) = (gauge::own_cpu_s() - cpu, world.process.cpu_s()? - around);
    let written = Process::own().written()? - written;
    let memory = Process::own().memory()?;

    stop.send_replace(true);
    while let Some(ended) = runtime.block_on(nodes.join_next()) {
        ended.context("a node broke")?.context("a node ended")?;
    }
    world.tell("end")?;
    let tally: Tally = world.hear()?;

    let mut sheet = Sheet::new(format!(
        "nodes: {} x {} meters x {} registers each second in one process, {}, {} s",
        arguments.nodes,
        arguments.meters,
        arguments.registers,
        if arguments.ram { "kept in memory" } else { "synced before they are offered" },
        arguments.seconds
    ));
    let expected = shape.packs(arguments.nodes) * u64::from(arguments.seconds);
    let asked = shape.registers(arguments.nodes);
    let on_time = share(tally.on_time, expected);
    let reached = per(asked, 1.0) * on_time;
    sheet.add("nodes_asked_rate", per(asked, 1.0), "registers/s");
    let nearly = Target::AtLeast(per(asked, 1.0) * 0.99);
    sheet.add_with("nodes_registers_rate", reached, "registers/s", nearly);
    sheet.add("nodes_readings_rate", per(tally.readings, f64::from(arguments.seconds)), "values/s");
    sheet.add("nodes_polls_rate", per(tally.on_time, f64::from(arguments.seconds)), "polls/s");
    sheet.add_with("nodes_polls_on_time", on_time, "of 1", Target::AtLeast(0.99));
    sheet.add_with("nodes_absent", per(tally.absent, 1.0), "values", Target::AtMost(0.0));
    sheet.add_with("nodes_lost", per(tally.lost, 1.0), "packs", Target::AtMost(0.0));
    sheet.add("nodes_twice", per(tally.twice, 1.0), "packs");
    sheet.add("nodes_due_to_broker_p50_ms", tally.p50_ms, "ms");
    sheet.add("nodes_due_to_broker_p99_ms", tally.p99_ms, "ms");
    sheet.add("nodes_cpu_share", cpu / took_s, "cores");
    let polled = f64::from(arguments.seconds) * per(shape.packs(arguments.nodes), 1.0);
    sheet.add("nodes_cpu_us", cpu * 1e6 / (polled * on_time.max(0.001)), "us/poll");
    sheet.add("nodes_resident_mib", mib(memory.resident), "MiB");
    sheet.add_with("nodes_resident_peak_mib", mib(memory.peak), "MiB", Target::AtMost(150.0));
    sheet.add("nodes_memory_to_ng_gateway", mib(memory.peak) / NG_GATEWAY_MIB, "x");
    sheet.add("nodes_memory_to_neuron", mib(memory.peak) / NEURON_MIB, "x");
    sheet.add("nodes_written_rate", mib(written) / took_s, "MiB/s");
    sheet.add("nodes_world_cpu_share", around / took_s, "cores, not ours");
    Ok(sheet)
}

/// The process with the meters and the broker.
struct World {
    child: Child,
    process: Process,
    word: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl World {
    fn start(arguments: &NodesArguments) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "nodes-world"])
            .arg(format!("--nodes={}", arguments.nodes))
            .arg(format!("--meters={}", arguments.meters))
            .arg(format!("--registers={}", arguments.registers))
            .arg(format!("--words={}", arguments.words))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the meters and the broker")?;
        let said = BufReader::new(child.stdout.take().context("its output")?);
        let word = child.stdin.take().context("its input")?;
        Ok(Self { process: Process(child.id()), child, word, said })
    }

    fn tell(&mut self, line: &str) -> Result<()> {
        writeln!(self.word, "{line}").context("the meters and the broker are gone")
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("meters and broker said `{line}`"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Ended already, as a rule.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
