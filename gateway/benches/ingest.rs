//! How fast messages of 8 quantities get from a socket to a synced commit and back as
//! PUBACK.
//!
//! `cargo bench -p gateway --bench ingest -- [MESSAGES [CLIENTS]]`
//!
//! Publishers are plain sockets with ready-made packets and a window, so that what is
//! measured is the gateway: its own listener, its gate, its recorder, its store. Printed
//! are messages a second by the clock on the wall, and nanoseconds of CPU a message by
//! thread, which do not depend on what else the machine does.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and may fail")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use gateway::clock::Clock;
use gateway::health::Health;
use gateway::ingest::board::{NodeStates, PlanBoard};
use gateway::ingest::door::Door;
use gateway::ingest::gate::Roster;
use gateway::ingest::listen::{Limits, Listener, anybody, bind};
use gateway::live::Live;
use gateway::record::Recorder;
use gateway::store::Store;
use tokio::sync::watch;
use wire::message::{Clock as PackClock, Pack};
use wire::topic::{Channel, Topic};
use wire::{List, Name, Quantity, Reading, Value};

const WINDOW: usize = 1_000;
const METERS_PER_NODE: usize = 20;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn main() {
    // `cargo bench` and nextest add arguments of their own, which begin with a dash.
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<usize>().ok());
    let messages = numbers.next().unwrap_or(200_000);
    let clients = numbers.next().unwrap_or(4);
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (listener, recorder) = runtime.block_on(async { start(folder.path(), clients) });
    let address = listener.address();

    #[expect(clippy::disallowed_methods, reason = "a bench measures")]
    let began = std::time::Instant::now();
    let cpu_before = cpu_ns_by_thread();
    let publishers: Vec<_> = (0..clients)
        .map(|client| {
            std::thread::Builder::new()
                .name("publisher".to_owned())
                .spawn(move || publish(address, client, messages / clients))
                .unwrap()
        })
        .collect();
    let sent: usize = publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum();
    let took = began.elapsed();
    let cpu_after = cpu_ns_by_thread();
    runtime.block_on(async {
        listener.stop(Duration::from_secs(5)).await.unwrap();
        recorder.await.unwrap().unwrap();
    });

    let sent = u64::try_from(sent).unwrap();
    let rate = sent * 1_000 / u64::try_from(took.as_millis()).unwrap();
    println!("{sent} messages, {clients} clients: {rate} a second");
    for (thread, after) in cpu_after {
        let used = after - cpu_before.get(&thread).copied().unwrap_or(0);
        println!("  {thread:<16} {:>7} ns CPU a message", used / sent);
    }
}

type Recording = tokio::task::JoinHandle<Result<(), tokio::task::JoinError>>;

fn start(folder: &std::path::Path, clients: usize) -> (Listener, Recording) {
    let store = Store::open(folder).unwrap();
    let (incoming, queue) = gateway::ingest::queue();
    let (clock, health, live) = (Clock::system(), Health::default(), Live::default());
    let recorder = Recorder::new(&store, &clock, &health, &live);
    let recording = tokio::spawn(recorder.run(queue));
    let readers = (0..clients).flat_map(|client| {
        (0..METERS_PER_NODE).map(move |meter| (meter_name(client, meter), node_name(client)))
    });
    let door = Door {
        site: name("bench"),
        roster: watch::Sender::new(Arc::new(Roster::new(readers))).subscribe(),
        board: PlanBoard::default(),
        states: NodeStates::default(),
        health,
        clock,
        incoming,
    };
    let socket = bind(([127, 0, 0, 1], 0).into()).unwrap();
    (Listener::start(socket, door, anybody(), Limits::default()).unwrap(), recording)
}

fn node_name(client: usize) -> Name {
    name(&format!("node-{client}"))
}

fn meter_name(client: usize, meter: usize) -> Name {
    name(&format!("meter-{client}-{meter}"))
}

/// Publishes with a window, until all are acknowledged.
fn publish(address: SocketAddr, client: usize, messages: usize) -> usize {
    let packets: Vec<Vec<u8>> = (0..messages).map(|number| packet(client, number)).collect();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    let id = node_name(client);
    let mut connect = b"\x10\x00\x00\x04MQTT\x05\x02\x00\x3c\x00\x00".to_vec();
    connect.push(u8::try_from(id.as_str().len()).unwrap());
    connect.extend(id.as_str().bytes());
    connect[1] = u8::try_from(connect.len() - 2).unwrap();
    socket.write_all(&connect).unwrap();
    let mut head = [0; 2];
    socket.read_exact(&mut head).unwrap();
    let mut rest = vec![0; usize::from(head[1])];
    socket.read_exact(&mut rest).unwrap();

    let (mut sent, mut acknowledged, mut out) = (0, 0, Vec::new());
    let mut pubacks = [0; 4 * WINDOW];
    let mut partial = 0;
    while acknowledged < messages {
        let until = messages.min(acknowledged + WINDOW);
        out.clear();
        for packet in &packets[sent..until] {
            out.extend_from_slice(packet);
        }
        sent = until;
        socket.write_all(&out).unwrap();
        let read = socket.read(&mut pubacks).unwrap();
        assert!(0 < read, "the listener closed the connection");
        partial += read;
        acknowledged += partial / 4;
        partial %= 4;
    }
    acknowledged
}

/// A PUBLISH packet of MQTT 5, QoS 1.
fn packet(client: usize, number: usize) -> Vec<u8> {
    const NOW: i64 = 1_767_225_600;
    let at = i64::try_from(number).unwrap();
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
        meter: meter_name(client, number % METERS_PER_NODE),
        instant: NOW + at,
        boot: 1,
        seq: u32::try_from(number / METERS_PER_NODE).unwrap(),
        clock: PackClock::Synced,
        readings: List::from_slice(&readings).unwrap(),
    };
    let mut payload = vec![0; Pack::BYTES_MAX];
    let len = pack.encode(&mut payload).unwrap();
    payload.truncate(len);
    let topic = Topic::new(name("bench"), node_name(client), Channel::Readings);
    let mut body = u16::try_from(topic.as_str().len()).unwrap().to_be_bytes().to_vec();
    body.extend(topic.as_str().bytes());
    let packet_id = u16::try_from(number % 60_000 + 1).unwrap();
    body.extend(packet_id.to_be_bytes());
    body.push(0); // no properties
    body.extend(payload);
    let mut packet = vec![0x32];
    let mut left = body.len();
    while 0x80 <= left {
        packet.push(u8::try_from(left % 0x80).unwrap() | 0x80);
        left /= 0x80;
    }
    packet.push(u8::try_from(left).unwrap());
    packet.extend(body);
    packet
}

/// Returns the CPU time that threads have used so far, in nanoseconds, by their name.
fn cpu_ns_by_thread() -> BTreeMap<String, u64> {
    // Ticks of 10 ms, on every Linux of today.
    const TICK_NS: u64 = 10_000_000;
    let mut used = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
        let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks: u64 = [fields[11], fields[12]].iter().map(|n| n.parse::<u64>().unwrap()).sum();
        *used.entry(name.to_owned()).or_insert(0) += ticks * TICK_NS;
    }
    used
}
