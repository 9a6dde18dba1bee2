//! What the tests of both doors are given: a site of two nodes, and packs of theirs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use wire::message::{Clock as PackClock, Faults, Pack, State, Version};
use wire::topic::{Channel, Topic};
use wire::{List, Name, Quantity, Reading, Value};

use super::board::{NodeStates, PlanBoard};
use super::door::Door;
use super::gate::Roster;
use super::mapped::{MappedGate, Mappings};
use super::updates::Updates;
use super::{Incoming, Intake};
use crate::clock::Clock;
use crate::health::Health;

/// Now, for every test: 2026-05-04 08:00 in Shanghai.
pub(crate) const NOW: i64 = 1_777_852_800;

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a test's name is a name")
}

/// Meters `meter-1` and `meter-2` are read by `node-1`, `meter-3` by `node-2`.
pub(crate) fn roster() -> Roster {
    let pairs = [("meter-1", "node-1"), ("meter-2", "node-1"), ("meter-3", "node-2")];
    Roster::new(pairs.map(|(meter, node)| (name(meter), name(node))))
}

/// What maps the messages of a plug, of a bare counter and of a Sparkplug edge node.
pub(crate) fn mappings() -> Mappings {
    let text = r#"
[site]
id = "campus"
name = "校园"
zone = "Asia/Shanghai"
[[building]]
id = "main"
name = "主楼"
[[hours]]
id = "day"
name = "白天"
[[area]]
id = "hall"
name = "大厅"
building = "main"
hours = "day"
[[mapping]]
id = "plugs"
preset = "tasmota"
[[mapping]]
id = "states"
preset = "home-assistant"
[[mapping]]
id = "plant"
kind = "sparkplug"
group = "Hospital"
value = [{ quantity = "Frequency", metric = "Supply/Frequency" }]
[[meter]]
id = "plug-1"
name = "插座"
area = "hall"
mapping = "plugs"
device = "DVES_8F3A21"
[[meter]]
id = "state-1"
name = "状态"
area = "hall"
mapping = "states"
device = "total"
[[meter]]
id = "edge-1"
name = "边缘"
area = "hall"
mapping = "plant"
"#;
    let book = crate::site_book::parse(text).expect("a test's site book is right");
    Mappings { mappings: book.mappings, zone: book.site.zone }
}

/// The door of [`door`], open for other people's devices too.
pub(crate) fn door_for_devices(places: usize) -> (Door, mpsc::Receiver<Incoming>) {
    let (door, queue) = door(places);
    (Door { mapped: MappedGate::fixed(mappings()), ..door }, queue)
}

/// What a plug says, read a minute ago.
pub(crate) fn plug_message() -> Vec<u8> {
    br#"{"Time":"2026-05-04T07:59:00","ENERGY":{"Total":514.153,"Power":56}}"#.to_vec()
}

/// A door of site `campus`, and the queue behind it.
pub(crate) fn door(places: usize) -> (Door, mpsc::Receiver<Incoming>) {
    let (incoming, queue) = mpsc::channel(places);
    let door = Door {
        site: name("campus"),
        roster: watch::Sender::new(Arc::new(roster())).subscribe(),
        mapped: MappedGate::fixed(Mappings::default()),
        board: PlanBoard::default(),
        states: NodeStates::default(),
        updates: Updates::default(),
        health: Health::default(),
        clock: Clock::manual(NOW),
        incoming,
    };
    (door, queue)
}

pub(crate) fn topic(node: &str, channel: Channel) -> String {
    Topic::new(name("campus"), name(node), channel).to_string()
}

pub(crate) fn pack(meter: &str, seq: u32) -> Pack {
    let value = |quantity, value| Reading { quantity, value: Value::Measured(value) };
    let readings = [
        value(Quantity::ActivePower, 1_234_500),
        value(Quantity::ActivePowerL1, 411_500),
        value(Quantity::VoltageL1, 230_100),
        value(Quantity::VoltageL2, 229_800),
        value(Quantity::CurrentL1, 5_340),
        value(Quantity::Frequency, 49_980),
        value(Quantity::ActiveEnergyImport, 123_456_789 + i64::from(seq)),
        value(Quantity::ReactiveEnergyImport, 23_456_789),
    ];
    Pack {
        meter: name(meter),
        instant: NOW - 60 + i64::from(seq % 60),
        boot: 1,
        seq,
        clock: PackClock::Synced,
        readings: List::from_slice(&readings).expect("eight fit"),
    }
}

pub(crate) fn bytes_of(pack: &Pack) -> Vec<u8> {
    let mut bytes = vec![0; Pack::BYTES_MAX];
    let len = pack.encode(&mut bytes).expect("a pack has bytes");
    bytes.truncate(len);
    bytes
}

pub(crate) fn online() -> State {
    let version = Version { major: 1, minor: 2, patch: 3 };
    let faults = Faults::default();
    State::Online { boot: 7, version, plan_revision: 0, queued: 0, dropped: 0, uptime_s: 1, faults }
}

pub(crate) fn state_bytes(state: State) -> Vec<u8> {
    let mut bytes = vec![0; State::BYTES_MAX];
    let len = state.encode(&mut bytes).expect("a state has bytes");
    bytes.truncate(len);
    bytes
}

/// Returns the sequence number of what came in, which must be a pack.
pub(crate) fn seq_of(incoming: &Incoming) -> u32 {
    match &incoming.what {
        Intake::Reading(arrival) => arrival.pack.seq,
        other @ (Intake::Quarantine(_) | Intake::Mapped(..)) => {
            panic!("no pack of a node: {other:?}")
        }
    }
}

/// Waits for a state, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(20), future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within 20 s"),
    }
}
