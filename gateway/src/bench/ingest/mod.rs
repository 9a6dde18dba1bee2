//! How fast messages of 8 quantities get from a socket to a synced commit and back as
//! PUBACK, and whether none is lost on the way.
//!
//! Three ways to ask:
//! - `--own`: the gateway's own listener at full speed, then at half the speed that is
//!   promised, where the time from publishing to acknowledgement is looked at;
//! - `--through`: a broker, turn by turn with a subscriber that does nothing but count, in
//!   one run, so that what else the machine does falls on both;
//! - `--rate` and `--minutes`: at a pace, with numbers; at the end every number must be in
//!   the store.
//!
//! Whoever publishes is another process ([`publisher`]), so that CPU and memory here are
//! the gateway's alone.

mod house;
mod mosquitto;
pub mod publisher;
mod subscriber;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use self::house::{Fleet, House, Proof, prove};
use self::mosquitto::Broker;
use self::publisher::PublishArguments;
use super::Progress;
use super::gauge::{self, Process};
use super::sheet::{Sheet, Target, mib, per};
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::ingest::listen::Limits;

/// Messages a second that the own listener is promised to take.
const PROMISED: u32 = 50_000;

/// Quantities in a message.
const QUANTITIES: u32 = 8;

/// Meters of a node where the pace does not say.
const METERS: u32 = 20;

/// How long the run at half speed takes.
const HALF_SPEED_S: u64 = 10;

/// How long a broker may be silent in the middle of a round.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be measured.
#[derive(Clone, Debug, clap::Args)]
pub struct IngestArguments {
    /// Through the gateway's own listener (also if nothing else is asked).
    #[arg(long)]
    own: bool,
    /// Through a broker at HOST:PORT; `mosquitto` starts one as we ship it.
    #[arg(long, value_name = "BROKER")]
    through: Option<String>,
    /// Messages in each run, of all nodes.
    #[arg(long, default_value_t = 400_000)]
    messages: u64,
    /// Nodes that publish.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    nodes: u32,
    /// Turns of each side, through a broker.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// At a pace: so many values a second.
    #[arg(long, value_name = "VALUES")]
    rate: Option<u32>,
    /// How long to keep the pace.
    #[arg(long, default_value_t = 1)]
    minutes: u32,
    /// Connections that only stand there, beside those that publish.
    #[arg(long, default_value_t = 0)]
    idle: u32,
}

/// Measures what is asked.
///
/// # Errors
///
/// No room, no broker, a publisher that was refused; or a message that was lost.
pub fn run(arguments: &IngestArguments, folder: &Path, progress: Progress<'_>) -> Result<Sheet> {
    let mut sheet = Sheet::new("ingest: messages of 8 quantities, QoS 1, acknowledged after sync");
    let runtime = Runtime::new()?;
    let broker = match arguments.through.as_deref() {
        None => None,
        Some("mosquitto") => Some(Broker::start(folder)?),
        Some(address) => Some(Broker::at(address.parse().context("--through HOST:PORT")?)),
    };
    let bench = Bench { arguments, progress, folder, runtime };
    match (arguments.rate, &broker) {
        (Some(values), broker) => bench.at_pace(&mut sheet, values, broker.as_ref())?,
        (None, Some(broker)) => bench.through(&mut sheet, broker)?,
        (None, None) => {}
    }
    if arguments.rate.is_none() && (arguments.own || broker.is_none()) {
        bench.own(&mut sheet)?;
    }
    Ok(sheet)
}

struct Bench<'a> {
    arguments: &'a IngestArguments,
    progress: Progress<'a>,
    folder: &'a Path,
    runtime: Runtime,
}

impl Bench<'_> {
    fn own(&self, sheet: &mut Sheet) -> Result<()> {
        let nodes = self.arguments.nodes;
        let fleet = Fleet { nodes, meters: METERS };
        (self.progress)("own listener, at full speed");
        let each = self.arguments.messages / u64::from(nodes);
        let full = self.own_run("full", fleet, each, 0)?;
        let rate = per(full.run.acknowledged, full.run.took_s);
        sheet.add_with("own_rate", rate, "messages/s", Target::AtLeast(PROMISED.into()));
        sheet.add("own_cpu_us", full.cpu_s * 1e6 / count(full.run.acknowledged), "us/message");
        for (thread, cpu_s) in full.threads {
            let used = cpu_s * 1e6 / count(full.run.acknowledged);
            sheet.add(format!("own_cpu_{}_us", thread.replace('-', "_")), used, "us/message");
        }
        sheet.add(
            "own_publishers_cpu_us",
            full.publishers_cpu_s * 1e6 / count(full.run.acknowledged),
            "us/message",
        );
        add_latency(sheet, "own_full", &full.run);
        add_proof(sheet, "own_full", full.proof);
        sheet.add("own_resident_mib", mib(full.resident), "MiB");
        if 0 < self.arguments.idle {
            let one = full.idle_bytes / u64::from(self.arguments.idle);
            sheet.add("own_idle_connection_kib", count(one) / 1_024.0, "KiB");
        }

        (self.progress)("own listener, at half the promised speed");
        let pace = PROMISED / 2 / nodes;
        let half = self.own_run("half", fleet, u64::from(pace) * HALF_SPEED_S, pace)?;
        add_latency(sheet, "own_half", &half.run);
        sheet.add_with("own_half_p99", half.run.p99_ms, "ms", Target::AtMost(1_000.0));
        add_proof(sheet, "own_half", half.proof);
        Ok(())
    }

    fn own_run(&self, name: &str, fleet: Fleet, messages: u64, pace: u32) -> Result<OwnRun> {
        let folder = self.folder.join(name);
        let idle = self.arguments.idle;
        let sessions = usize::try_from(fleet.nodes + idle)? + 16;
        let limits =
            Limits { sessions: sessions.max(Limits::default().sessions), ..Limits::default() };
        let open = async { House::open(&folder, fleet, limits, None) };
        let house = self.runtime.block_on(open)?;
        let address = house.listener.as_ref().context("a listener")?.address();
        let before = Process::own().memory()?.resident;
        let publishers = Publishers::start(address, fleet, messages, pace, idle)?;
        let with_idle = Process::own().memory()?.resident;
        let (cpu_before, threads_before) = (gauge::own_cpu_s(), threads_cpu_s()?);
        let (run, publishers_cpu_s) = publishers.run()?;
        let cpu_s = gauge::own_cpu_s() - cpu_before;
        let threads = since(&threads_before, threads_cpu_s()?);
        let resident = Process::own().memory()?.resident;
        let store = self.runtime.block_on(house.close())?;
        let proof = prove(&store, fleet, messages)?;
        let idle_bytes = with_idle.saturating_sub(before);
        Ok(OwnRun { run, cpu_s, threads, publishers_cpu_s, proof, resident, idle_bytes })
    }

    /// Turn by turn: a subscriber that does nothing, and the gateway.
    fn through(&self, sheet: &mut Sheet, broker: &Broker) -> Result<()> {
        let nodes = self.arguments.nodes;
        let fleet = Fleet { nodes, meters: METERS };
        let each = self.arguments.messages / u64::from(nodes);
        let all = each * u64::from(nodes);
        let (mut nothing_s, mut gateway_s) = (0.0, 0.0);
        let (mut nothing_cpu, mut gateway_cpu) = (0.0, 0.0);
        for round in 0..self.arguments.rounds {
            (self.progress)(&format!("round {}: a subscriber that does nothing", round + 1));
            let counting = self.runtime.block_on(subscriber::Counting::start(broker.address))?;
            let publishers = Publishers::start(broker.address, fleet, each, 0, 0)?;
            let (began, cpu) = (gauge::start(), gauge::own_cpu_s());
            let publishing = publishers.go()?;
            self.runtime.block_on(counting.until(all, PATIENCE))?;
            nothing_s += began.elapsed().as_secs_f64();
            nothing_cpu += gauge::own_cpu_s() - cpu;
            publishing.end()?;

            (self.progress)(&format!("round {}: the gateway", round + 1));
            let folder = self.folder.join(format!("through-{round}"));
            let config = broker_config(broker.address, &format!("gengfu-bench-{round}"));
            let house = self.runtime.block_on(async {
                let house = House::open(&folder, fleet, Limits::default(), Some(config.clone()))?;
                subscriber::wait_until_subscribed(broker.address, &house.door).await?;
                anyhow::Ok(house)
            })?;
            let publishers = Publishers::start(broker.address, fleet, each, 0, 0)?;
            let (began, cpu) = (gauge::start(), gauge::own_cpu_s());
            let publishing = publishers.go()?;
            wait_for_last(&house, fleet, each)?;
            gateway_s += began.elapsed().as_secs_f64();
            gateway_cpu += gauge::own_cpu_s() - cpu;
            publishing.end()?;
            let store = self.runtime.block_on(house.close())?;
            let proof = prove(&store, fleet, each)?;
            ensure!(proof.stored == proof.expected, "through the broker: {proof:?}");
            self.runtime.block_on(subscriber::forget(broker.address, &config.client_id))?;
        }
        let total = count(all * u64::from(self.arguments.rounds));
        let (nothing, gateway) = (total / nothing_s, total / gateway_s);
        sheet.add("through_nothing_rate", nothing, "messages/s");
        sheet.add("through_gateway_rate", gateway, "messages/s");
        sheet.add_with("through_ratio", gateway / nothing, "x", Target::AtLeast(0.9));
        sheet.add("through_nothing_cpu_us", nothing_cpu * 1e6 / total, "us/message");
        sheet.add("through_gateway_cpu_us", gateway_cpu * 1e6 / total, "us/message");
        sheet.add("through_broker_cpu_us", broker.cpu_s()? * 1e6 / total / 2.0, "us/message");
        Ok(())
    }

    fn at_pace(&self, sheet: &mut Sheet, values: u32, broker: Option<&Broker>) -> Result<()> {
        let nodes = self.arguments.nodes;
        // Each meter is read once a second.
        let pace = values.div_ceil(QUANTITIES).div_ceil(nodes);
        let fleet = Fleet { nodes, meters: pace };
        let messages = u64::from(pace) * 60 * u64::from(self.arguments.minutes);
        let folder = self.folder.join("pace");
        let config = broker.map(|broker| broker_config(broker.address, "gengfu-bench"));
        let house = self.runtime.block_on(async {
            let house = House::open(&folder, fleet, Limits::default(), config.clone())?;
            if let Some(broker) = broker {
                subscriber::wait_until_subscribed(broker.address, &house.door).await?;
            }
            anyhow::Ok(house)
        })?;
        let to = match (&house.listener, broker) {
            (Some(listener), _) => listener.address(),
            (None, Some(broker)) => broker.address,
            (None, None) => anyhow::bail!("there is no door"),
        };
        let publishers = Publishers::start(to, fleet, messages, pace, self.arguments.idle)?;
        (self.progress)(&format!(
            "{} messages a second of {QUANTITIES} values from {} meters, {} min",
            pace * nodes,
            fleet.nodes * fleet.meters,
            self.arguments.minutes
        ));
        let (began, cpu) = (gauge::start(), gauge::own_cpu_s());
        let (run, publishers_cpu_s) = publishers.run()?;
        if broker.is_some() {
            wait_for_last(&house, fleet, messages)?;
        }
        let (took_s, cpu_s) = (began.elapsed().as_secs_f64(), gauge::own_cpu_s() - cpu);
        let memory = Process::own().memory()?;
        let store = self.runtime.block_on(house.close())?;
        (self.progress)("reading all of it back");
        let proof = prove(&store, fleet, messages)?;
        if let Some(config) = config {
            let address = broker.context("a broker")?.address;
            self.runtime.block_on(subscriber::forget(address, &config.client_id))?;
        }
        let sent = run.acknowledged;
        sheet.add("pace_rate", per(sent * u64::from(QUANTITIES), took_s), "values/s");
        sheet.add("pace_messages", count(sent), "messages");
        add_latency(sheet, "pace", &run);
        add_proof(sheet, "pace", proof);
        sheet.add("pace_cpu_share", cpu_s / took_s, "cores");
        sheet.add("pace_publishers_cpu_share", publishers_cpu_s / took_s, "cores");
        sheet.add("pace_resident_peak_mib", mib(memory.peak), "MiB");
        sheet.add("pace_disk_mib", mib(gauge::disk_bytes(&folder)), "MiB");
        ensure!(proof.stored == proof.expected && proof.lost == 0, "readings were lost: {sheet}");
        Ok(())
    }
}

struct OwnRun {
    run: Run,
    cpu_s: f64,
    threads: Vec<(String, f64)>,
    publishers_cpu_s: f64,
    proof: Proof,
    resident: u64,
    idle_bytes: u64,
}

fn add_latency(sheet: &mut Sheet, key: &str, run: &Run) {
    sheet.add(format!("{key}_puback_p50_ms"), run.p50_ms, "ms");
    sheet.add(format!("{key}_puback_p99_ms"), run.p99_ms, "ms");
    sheet.add(format!("{key}_puback_max_ms"), run.max_ms, "ms");
}

fn add_proof(sheet: &mut Sheet, key: &str, proof: Proof) {
    sheet.add(format!("{key}_expected"), count(proof.expected), "packs");
    sheet.add(format!("{key}_stored"), count(proof.stored), "packs");
    sheet.add(format!("{key}_counted"), count(proof.counted), "packs");
    sheet.add(format!("{key}_duplicate"), count(proof.duplicate), "packs");
    sheet.add_with(
        format!("{key}_lost"),
        count(proof.lost.max(proof.expected - proof.stored)),
        "packs",
        Target::AtMost(0.0),
    );
}

#[expect(clippy::cast_precision_loss, reason = "figures for people: 52 bits are plenty")]
fn count(number: u64) -> f64 {
    number as f64
}

/// The process that publishes, connected and waiting for the word.
struct Publishers {
    child: Child,
    said: BufReader<ChildStdout>,
}

/// What it told at its end.
struct Run {
    acknowledged: u64,
    took_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Publishers {
    fn start(to: SocketAddr, fleet: Fleet, messages: u64, pace: u32, idle: u32) -> Result<Self> {
        // One reading a second of each meter: its instants are those at which it is read.
        // Otherwise they run ahead, and must not run into what the gate takes for a wrong
        // clock.
        let now = Clock::system().now();
        let begin = if pace == fleet.meters {
            now
        } else {
            now - i64::try_from(messages / u64::from(fleet.meters))? - 3_600
        };
        let arguments = PublishArguments {
            to,
            nodes: fleet.nodes,
            meters: fleet.meters,
            messages,
            pace,
            begin,
            window: 1_000,
            idle,
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "publish"])
            .args(arguments.to_arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the publishers")?;
        let said = BufReader::new(child.stdout.take().context("its output")?);
        let mut publishers = Self { child, said };
        let line = publishers.line()?;
        ensure!(line == "ready", "the publishers said `{line}`");
        Ok(publishers)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn go(mut self) -> Result<Self> {
        self.child.stdin.as_mut().context("its input")?.write_all(b"go\n")?;
        Ok(self)
    }

    fn run(self) -> Result<(Run, f64)> {
        self.go()?.end()
    }

    /// Waits for its end; returns what it tells, and the CPU it used, s.
    fn end(mut self) -> Result<(Run, f64)> {
        let line = self.line()?;
        let told: Json = serde_json::from_str(&line).context("the publishers broke")?;
        // It has told all and waits to be let go, so its status can still be read.
        let cpu_s = Process(self.child.id()).cpu_s().unwrap_or(0.0);
        drop(self.child.stdin.take());
        ensure!(self.child.wait()?.success(), "the publishers ended badly");
        let figure = |key: &str| told[key].as_f64().with_context(|| format!("no `{key}`"));
        let run = Run {
            acknowledged: told["acknowledged"].as_u64().context("no `acknowledged`")?,
            took_s: figure("took_s")?,
            p50_ms: figure("p50_ms")?,
            p99_ms: figure("p99_ms")?,
            max_ms: figure("max_ms")?,
        };
        Ok((run, cpu_s))
    }
}

impl Drop for Publishers {
    fn drop(&mut self) {
        // Ended already, as a rule.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until the last pack of every meter is stored.
fn wait_for_last(house: &House, fleet: Fleet, messages: u64) -> Result<()> {
    let (mut began, mut seen) = (gauge::start(), 0);
    loop {
        let mut newest = 0;
        let mut all = true;
        for node in 0..fleet.nodes {
            for meter in 0..fleet.meters {
                let own =
                    messages.saturating_sub(u64::from(meter)).div_ceil(u64::from(fleet.meters));
                let last = house.store.series().last(&publisher::meter_name(node, meter)?)?;
                let got = last.map_or(0, |last| u64::from(last.pack.seq) + 1);
                newest += got;
                all &= own <= got;
            }
        }
        if all {
            return Ok(());
        }
        if seen < newest {
            (began, seen) = (gauge::start(), newest);
        }
        ensure!(began.elapsed() < PATIENCE, "the broker delivers no more; {newest} packs came");
        gauge::rest(Duration::from_millis(5));
    }
}

fn broker_config(address: SocketAddr, client_id: &str) -> BrokerConfig {
    BrokerConfig {
        host: address.ip().to_string(),
        port: address.port(),
        tls: None,
        client_id: client_id.to_owned(),
        login: None,
        shared_group: None,
    }
}

/// Returns the CPU time that threads have used so far, s, by their names.
fn threads_cpu_s() -> Result<Vec<(String, f64)>> {
    // Ticks of 10 ms, on every Linux of today.
    const TICKS_A_SECOND: f64 = 100.0;
    let mut used: std::collections::BTreeMap<String, f64> = std::collections::BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        // It may have ended since.
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
        let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
        let (name, rest) = name.context("the status of a thread")?;
        let mut fields = rest.split_whitespace().skip(11);
        let mut ticks = || fields.next().and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
        let (user, system) = (ticks(), ticks());
        *used.entry(name.to_owned()).or_default() += (user + system) / TICKS_A_SECOND;
    }
    Ok(used.into_iter().collect())
}

fn since(before: &[(String, f64)], after: Vec<(String, f64)>) -> Vec<(String, f64)> {
    let earlier =
        |name: &str| before.iter().find(|(it, _)| it == name).map_or(0.0, |(_, cpu)| *cpu);
    let used = after.into_iter().map(|(name, cpu)| (name.clone(), cpu - earlier(&name)));
    used.filter(|(_, cpu)| 0.05 < *cpu).collect()
}
