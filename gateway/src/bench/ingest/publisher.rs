//! Nodes that cost next to nothing: plain sockets, ready-made packets, a window.
//!
//! In: where to connect, how many nodes and meters, how many messages or which pace.
//! Out: how many messages were acknowledged and how long each took, from the moment when
//! it was due (not when it could be sent, which would hide a server that stops).
//!
//! It runs as a process of its own, `gengfu bench publish`, so that its CPU and its file
//! handles are not the gateway's. It says `ready` once it is connected, and begins when a
//! line comes in.

use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};
use wire::message::{Clock as PackClock, Pack};
use wire::topic::{Channel, Topic};
use wire::{List, Name, Quantity, Reading, Value};

use crate::bench::gauge;

/// The site of every bench.
pub const SITE: &str = "bench";

/// Packet ids that are used in turn; the window is smaller.
const PACKET_IDS: u64 = 60_000;

/// Who publishes what.
#[derive(Clone, Debug, clap::Args)]
pub struct PublishArguments {
    /// Where to connect.
    #[arg(long)]
    pub to: SocketAddr,
    /// How many nodes, each with a connection and a thread of its own.
    #[arg(long, default_value_t = 4)]
    pub nodes: u32,
    /// How many meters each node reads.
    #[arg(long, default_value_t = 20)]
    pub meters: u32,
    /// How many messages each node sends.
    #[arg(long, default_value_t = 50_000)]
    pub messages: u64,
    /// Messages a second of each node; 0: as fast as they are acknowledged.
    #[arg(long, default_value_t = 0)]
    pub pace: u32,
    /// The instant of each meter's first reading, Unix seconds; one a second from there.
    #[arg(long)]
    pub begin: i64,
    /// Messages of a node that may be unacknowledged.
    #[arg(long, default_value_t = 1_000)]
    pub window: u64,
    /// Connections that only stand there, beside those that publish.
    #[arg(long, default_value_t = 0)]
    pub idle: u32,
}

impl PublishArguments {
    /// Returns them as a command line has them.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<String> {
        [
            format!("--to={}", self.to),
            format!("--nodes={}", self.nodes),
            format!("--meters={}", self.meters),
            format!("--messages={}", self.messages),
            format!("--pace={}", self.pace),
            format!("--begin={}", self.begin),
            format!("--window={}", self.window),
            format!("--idle={}", self.idle),
        ]
        .into()
    }
}

/// Returns the name of a node.
///
/// # Errors
///
/// None: it is a name.
pub fn node_name(node: u32) -> Result<Name> {
    Name::new(&format!("node-{node}")).context("a node's name")
}

/// Returns the name of a meter.
///
/// # Errors
///
/// None: it is a name.
pub fn meter_name(node: u32, meter: u32) -> Result<Name> {
    Name::new(&format!("meter-{node}-{meter}")).context("a meter's name")
}

/// Publishes as told; `tell` prints a line to whoever started us.
///
/// # Errors
///
/// The server refused, closed, or acknowledged what was not sent.
pub fn publish(arguments: &PublishArguments, tell: &dyn Fn(&str)) -> Result<()> {
    let idle = (0..arguments.idle)
        .map(|number| connect(arguments.to, &format!("node-idle-{number}")))
        .collect::<Result<Vec<_>>>()?;
    // All have their packets, then the word is given, then all begin.
    let barrier = Arc::new(Barrier::new(usize::try_from(arguments.nodes)? + 1));
    let nodes = (0..arguments.nodes)
        .map(|node| {
            let (arguments, barrier) = (arguments.clone(), Arc::clone(&barrier));
            std::thread::Builder::new().name(format!("node-{node}")).spawn(move || {
                let line = Line::open(&arguments, node);
                barrier.wait();
                barrier.wait();
                line?.run()
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    barrier.wait();
    tell("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    barrier.wait();
    let began = gauge::start();
    let mut latencies = Latencies::default();
    for node in nodes {
        let own = node.join().map_err(|_| anyhow::anyhow!("a node panicked"))??;
        latencies.add_all(&own);
    }
    let took = began.elapsed();
    drop(idle);
    tell(&latencies.to_json(took).to_string());
    // Whoever started us looks at what we used, then lets us go.
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// One node, connected.
struct Line {
    socket: TcpStream,
    topic: Topic,
    node: u32,
    meters: Vec<Name>,
    messages: u64,
    pace: u32,
    begin: i64,
    window: u64,
    /// Ready-made, unless they are sent at a pace that leaves time to make them.
    packets: Vec<Vec<u8>>,
}

impl Line {
    fn open(arguments: &PublishArguments, node: u32) -> Result<Self> {
        let id = node_name(node)?;
        let site = Name::new(SITE).context("the site's name")?;
        let meters = (0..arguments.meters).map(|meter| meter_name(node, meter));
        let mut line = Self {
            socket: connect(arguments.to, id.as_str())?,
            topic: Topic::new(site, id, Channel::Readings),
            node,
            meters: meters.collect::<Result<_>>()?,
            messages: arguments.messages,
            pace: arguments.pace,
            begin: arguments.begin,
            window: arguments.window.clamp(1, PACKET_IDS / 2),
            packets: Vec::new(),
        };
        if line.pace == 0 {
            line.packets =
                (0..line.messages).map(|number| line.packet(number)).collect::<Result<_>>()?;
        }
        Ok(line)
    }

    fn run(mut self) -> Result<Latencies> {
        // At a pace a read that finds nothing is the pause between two rounds.
        let pause = (0 < self.pace).then_some(Duration::from_millis(1));
        self.socket.set_read_timeout(pause)?;
        let began = gauge::start();
        let (mut sent, mut acknowledged) = (0, 0);
        let mut due_at: VecDeque<Instant> = VecDeque::new();
        let mut latencies = Latencies::default();
        let (mut out, mut pubacks) = (Vec::new(), Pubacks::default());
        while acknowledged < self.messages {
            let now = gauge::start();
            let due = if self.pace == 0 {
                self.messages
            } else {
                let micros = u64::try_from(now.duration_since(began).as_micros())?;
                micros * u64::from(self.pace) / 1_000_000 + 1
            };
            let until = due.min(self.messages).min(acknowledged + self.window);
            out.clear();
            for number in sent..until {
                match self.packets.get(usize::try_from(number)?) {
                    Some(packet) => out.extend_from_slice(packet),
                    None => out.extend(self.packet(number)?),
                }
                due_at.push_back(self.due_at(number, began, now));
            }
            sent = sent.max(until);
            self.socket.write_all(&out).context("cannot publish")?;
            for packet_id in pubacks.read(&mut self.socket)? {
                ensure!(packet_id == packet_id_of(acknowledged), "acknowledged out of order");
                acknowledged += 1;
                if let Some(due_at) = due_at.pop_front() {
                    latencies.add(gauge::start().duration_since(due_at));
                }
            }
        }
        Ok(latencies)
    }

    fn due_at(&self, number: u64, began: Instant, now: Instant) -> Instant {
        match (number * 1_000_000).checked_div(u64::from(self.pace)) {
            None => now,
            Some(micros) => began + Duration::from_micros(micros),
        }
    }

    /// A PUBLISH packet of MQTT 5, QoS 1: eight quantities of one meter.
    fn packet(&self, number: u64) -> Result<Vec<u8>> {
        let meters = u64::try_from(self.meters.len())?;
        let (seq, at) = (number / meters, i64::try_from(number)?);
        let meter = *self.meters.get(usize::try_from(number % meters)?).context("a meter")?;
        let value = |quantity, value| Reading { quantity, value: Value::Measured(value) };
        let readings = [
            value(Quantity::ActivePower, 1_234_500 + at % 997),
            value(Quantity::ActivePowerL1, 411_500 + at % 331),
            value(Quantity::ActivePowerL2, 401_500 + at % 337),
            value(Quantity::VoltageL1, 230_100 + at % 13),
            value(Quantity::CurrentL1, 5_340 + at % 101),
            value(Quantity::Frequency, 49_980 + at % 7),
            value(Quantity::ActiveEnergyImport, 123_456_789 + 20 * at),
            value(Quantity::ReactiveEnergyImport, 23_456_789 + 3 * at),
        ];
        let pack = Pack {
            meter,
            instant: self.begin + i64::try_from(seq)?,
            boot: self.node + 1,
            seq: u32::try_from(seq)?,
            clock: PackClock::Synced,
            readings: List::from_slice(&readings).ok().context("eight fit")?,
        };
        publish_packet(&self.topic, packet_id_of(number), &pack)
    }
}

/// Returns a PUBLISH packet of MQTT 5, QoS 1.
pub(in crate::bench) fn publish_packet(
    topic: &Topic,
    packet_id: u16,
    pack: &Pack,
) -> Result<Vec<u8>> {
    let mut payload = vec![0; Pack::BYTES_MAX];
    let len = pack.encode(&mut payload).ok().context("a pack has bytes")?;
    payload.truncate(len);
    let topic = topic.as_str();
    let mut body = u16::try_from(topic.len())?.to_be_bytes().to_vec();
    body.extend(topic.bytes());
    body.extend(packet_id.to_be_bytes());
    body.push(0); // no properties
    body.extend(payload);
    let mut packet = vec![0x32];
    let mut left = body.len();
    while 0x80 <= left {
        packet.push(u8::try_from(left % 0x80)? | 0x80);
        left /= 0x80;
    }
    packet.push(u8::try_from(left)?);
    packet.extend(body);
    Ok(packet)
}

fn packet_id_of(number: u64) -> u16 {
    u16::try_from(number % PACKET_IDS + 1).unwrap_or(u16::MAX)
}

/// Connects as MQTT 5, clean, and waits for the CONNACK.
pub(in crate::bench) fn connect(to: SocketAddr, id: &str) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(to).with_context(|| format!("cannot reach {to}"))?;
    socket.set_nodelay(true)?;
    let mut connect = b"\x10\x00\x00\x04MQTT\x05\x02\x0e\x10\x00\x00".to_vec();
    connect.push(u8::try_from(id.len())?);
    connect.extend(id.bytes());
    connect[1] = u8::try_from(connect.len() - 2)?;
    socket.write_all(&connect)?;
    let mut head = [0; 4];
    socket.read_exact(&mut head).with_context(|| format!("{to} does not greet `{id}`"))?;
    ensure!(head[0] == 0x20 && head[3] == 0, "{to} refused `{id}`: {head:02x?}");
    let mut rest = vec![0; usize::from(head[1]) - 2];
    socket.read_exact(&mut rest)?;
    Ok(socket)
}

/// Reads acknowledgements.
pub(in crate::bench) struct Pubacks {
    bytes: Vec<u8>,
    filled: usize,
}

impl Default for Pubacks {
    fn default() -> Self {
        Self { bytes: vec![0; 16 * 1_024], filled: 0 }
    }
}

impl Pubacks {
    /// Returns the packet ids of what has come; none if nothing came in time.
    pub(in crate::bench) fn read(&mut self, socket: &mut TcpStream) -> Result<Vec<u16>> {
        let room = self.bytes.get_mut(self.filled..).unwrap_or_default();
        match socket.read(room) {
            Ok(0) => anyhow::bail!("the server closed the connection"),
            Ok(read) => self.filled += read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error).context("cannot read acknowledgements"),
        }
        let mut ids = Vec::new();
        let mut at = 0;
        while let Some(&[kind, len]) = self.bytes.get(at..self.filled.min(at + 2)) {
            let end = at + 2 + usize::from(len);
            if self.filled < end {
                break;
            }
            let body = self.bytes.get(at + 2..end).unwrap_or_default();
            match (kind, body) {
                // With a reason of 0x80 or more it is a refusal (MQTT 5, 3.4.2.1).
                (0x40, [_, _, reason, ..]) if 0x80 <= *reason => {
                    anyhow::bail!("the server refused a message: reason {reason:#04x}")
                }
                (0x40, [high, low, ..]) => ids.push(u16::from_be_bytes([*high, *low])),
                (0xD0, _) => {}
                _ => anyhow::bail!("the server sent a packet {kind:#04x} that is no PUBACK"),
            }
            at = end;
        }
        self.bytes.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(ids)
    }
}

/// How long acknowledgements took: counts by size, 16 steps to each doubling.
pub struct Latencies {
    counts: Vec<u64>,
    max: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; 64 * 16], max: Duration::ZERO }
    }
}

impl Latencies {
    fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(16);
        let doublings = 63 - micros.leading_zeros();
        let step = (micros >> (doublings - 4)) & 0xF;
        let at = u64::from(doublings) * 16 + step;
        if let Some(count) = usize::try_from(at).ok().and_then(|at| self.counts.get_mut(at)) {
            *count += 1;
        }
        self.max = self.max.max(latency);
    }

    fn add_all(&mut self, others: &Self) {
        for (count, other) in self.counts.iter_mut().zip(&others.counts) {
            *count += other;
        }
        self.max = self.max.max(others.max);
    }

    fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the time within which so many of a thousand came, in milliseconds; rounded
    /// up by a sixteenth at most.
    fn within_ms(&self, of_a_thousand: u64) -> f64 {
        let wanted = (self.count() * of_a_thousand).div_ceil(1_000);
        let mut seen = 0;
        for (at, count) in (0_u32..).zip(&self.counts) {
            seen += count;
            if wanted <= seen && 0 < *count {
                let (doublings, step) = (at / 16, at % 16);
                let micros = f64::from(17 + step) / 16.0 * 2_f64.powi(doublings.cast_signed());
                return (micros / 1_000.0).min(self.max.as_secs_f64() * 1_000.0);
            }
        }
        0.0
    }

    fn to_json(&self, took: Duration) -> Json {
        json!({
            "acknowledged": self.count(),
            "took_s": took.as_secs_f64(),
            "p50_ms": self.within_ms(500),
            "p99_ms": self.within_ms(990),
            "p999_ms": self.within_ms(999),
            "max_ms": self.max.as_secs_f64() * 1_000.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_told_within_a_sixteenth() {
        let mut latencies = Latencies::default();
        for millis in 1..=1_000 {
            latencies.add(Duration::from_millis(millis));
        }

        let (middle, end) = (latencies.within_ms(500), latencies.within_ms(990));

        assert!((500.0..=532.0).contains(&middle), "{middle}");
        assert!((990.0..=1_000.0).contains(&end), "{end}");
        assert_eq!(latencies.count(), 1_000);
    }
}
