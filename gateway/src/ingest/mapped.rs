//! Other people's devices through the same gate: their messages by the site book's mappings.
//!
//! In: topic and payload of a device that knows nothing of us; the mappings.
//! Out: packs as of a node of ours, and what was wrong with the rest.
//!
//! Afterwards:
//! - a number is the very decimal that was sent, in thousandths of our unit;
//! - the instant is the device's own, or, if the mapping says so, that of receipt; the
//!   clock of such a pack is marked [`Clock::Estimated`], which for a sender without
//!   numbers means just that ([`crate::store::UNNUMBERED`]);
//! - a sender that numbers nothing gets boot 0: the same message twice is the same row,
//!   and nobody claims to know what was lost;
//! - a value of unknown age is no reading: what a broker retained, and what a bridge
//!   repeats unchanged (`mapping::Repeats`);
//! - the same messages give the same readings in any order and number (`tray`).
//!
//! Reading order: `message` a JSON message from end to end, `json` what stands where, `number` and `instant` what it means, `tray`
//! how messages are joined, `sparkplug` (with `protobuf`) the other kind of message.

mod instant;
mod json;
mod message;
mod number;
mod protobuf;
mod sparkplug;
mod tray;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use tokio::sync::{broadcast, watch};
use wire::message::{Clock, Pack};
use wire::{Name, Quantity, Reading, Value};

use self::message::JsonMessage;
pub use self::sparkplug::NAMESPACE;
use self::sparkplug::{Edges, SparkplugTopic};
use self::tray::Tray;
use super::gate::{self, Reason};
use crate::site_book::mapping::{JsonRoute, MappedMeter, Mapping, Route, SparkplugRoute, TimeRule};
use crate::site_book::topic::Named;
use crate::store::{Arrival, UNNUMBERED};

/// The longest payload that is looked at; as much as is kept of one aside.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1_024;

/// How many (mapping, device, reason) are kept aside once each. A bridge that tells of a
/// hundred sensors nobody mapped would push everything else out of the quarantine.
const ONCE_MAX: usize = 1_000;

/// How many requests may wait for a door.
const REQUESTS_MAX: usize = 64;

/// All mappings of a site.
#[derive(Clone, Debug)]
pub struct Mappings {
    /// In the order of the site book; of two that take a topic, the first one gets it.
    pub mappings: Vec<Mapping>,
    /// Whose clocks a time without an offset is of.
    pub zone: TimeZone,
}

impl Default for Mappings {
    fn default() -> Self {
        Self { mappings: Vec::new(), zone: TimeZone::UTC }
    }
}

/// A filter to subscribe to at a broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The filter.
    pub filter: String,
    /// Whether messages have times of their own, so that those are worth having that
    /// waited at the broker. Others must not wait, or they would seem to be of now.
    pub timed: bool,
    /// Whether a group of gateways may divide them.
    pub divisible: bool,
}

impl Mappings {
    /// Returns what there is to subscribe to, each filter once.
    #[must_use]
    pub fn wanted(&self) -> BTreeSet<Wanted> {
        let mut wanted = BTreeSet::new();
        for route in self.mappings.iter().flat_map(|mapping| &mapping.routes) {
            match route {
                Route::Json(json) => {
                    let timed = matches!(json.time, TimeRule::At(..));
                    let filter = json.topic.filter();
                    wanted.insert(Wanted { filter, timed, divisible: true });
                }
                Route::Sparkplug(SparkplugRoute { group, edge, .. }) => {
                    let group = group.as_deref().unwrap_or("+");
                    let edge = edge.as_deref().unwrap_or("+");
                    for (kind, below, divisible) in [
                        ("NBIRTH", "", false),
                        ("NDEATH", "", false),
                        ("DBIRTH", "/+", false),
                        ("DDEATH", "/+", false),
                        ("NDATA", "", true),
                        ("DDATA", "/+", true),
                    ] {
                        let filter = format!("{NAMESPACE}/{group}/{kind}/{edge}{below}");
                        wanted.insert(Wanted { filter, timed: true, divisible });
                    }
                }
            }
        }
        wanted
    }

    /// Returns whether a mapping names this topic: whether a device may publish there.
    #[must_use]
    pub fn names(&self, topic: &str) -> bool {
        self.route(topic).is_some()
    }

    fn route<'a>(&'a self, topic: &'a str) -> Option<(&'a Mapping, Taken<'a>)> {
        let sparkplug = SparkplugTopic::parse(topic);
        self.mappings.iter().find_map(|mapping| {
            let taken = mapping.routes.iter().find_map(|route| match route {
                Route::Json(json) => json.topic.matches(topic).map(|it| Taken::Json(json, it)),
                Route::Sparkplug(route) => {
                    let topic = sparkplug.filter(|topic| route.takes(topic))?;
                    Some(Taken::Sparkplug(route, topic))
                }
            });
            taken.map(|taken| (mapping, taken))
        })
    }
}

enum Taken<'a> {
    Json(&'a JsonRoute, Named<'a>),
    Sparkplug(&'a SparkplugRoute, SparkplugTopic<'a>),
}

/// How a message came, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// A broker had kept it: nobody knows for how long.
    pub retained: bool,
    /// Other gateways get a part of what this one would.
    pub shared: bool,
}

/// One thing that was wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub reason: Reason,
    /// Of what: a device, a quantity, a place in the message; may be empty.
    pub about: String,
}

/// What a message came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What is to be stored.
    pub arrivals: Vec<Arrival>,
    /// What was wrong, each reason once.
    pub faults: Vec<Fault>,
    /// Whether the message is kept aside for a person, because of a fault.
    pub quarantine: bool,
    /// A Sparkplug edge node that is back (`true`) or gone.
    pub alive: Option<(String, bool)>,
}

/// Something to be published to a device, with QoS 0 if nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
}

/// The gate for mapped messages. Cheap to clone; all clones know the same devices.
#[derive(Clone, Debug)]
pub struct MappedGate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mappings: watch::Receiver<Arc<Mappings>>,
    known: Mutex<Known>,
    requests: broadcast::Sender<Request>,
    host: Option<String>,
}

/// What was seen of the devices. All of it may be lost: it only saves rows and requests.
#[derive(Debug, Default)]
struct Known {
    tray: Tray,
    edges: Edges,
    last: BTreeMap<(Name, Quantity), Value>,
    once: BTreeSet<(Name, Reason, String)>,
    /// The mappings for which all this holds.
    of: Option<Arc<Mappings>>,
}

impl MappedGate {
    /// Returns a gate that follows these mappings, and the name under which Sparkplug edge
    /// nodes look for it, if they do.
    #[must_use]
    pub fn new(mappings: watch::Receiver<Arc<Mappings>>, host: Option<String>) -> Self {
        let requests = broadcast::Sender::new(REQUESTS_MAX);
        Self(Arc::new(Inner { mappings, known: Mutex::default(), requests, host }))
    }

    /// Returns a gate for mappings that do not change, as for a trial.
    #[must_use]
    pub fn fixed(mappings: Mappings) -> Self {
        Self::new(watch::Sender::new(Arc::new(mappings)).subscribe(), None)
    }

    /// Returns the mappings, and wakes when they change.
    #[must_use]
    pub fn mappings(&self) -> watch::Receiver<Arc<Mappings>> {
        self.0.mappings.clone()
    }

    /// Returns what is to be published to devices from now on.
    #[must_use]
    pub fn requests(&self) -> broadcast::Receiver<Request> {
        self.0.requests.subscribe()
    }

    /// Returns what tells Sparkplug edge nodes whether their host is there, since when;
    /// `None` if they do not ask. It is published retained, with QoS 1.
    #[must_use]
    pub fn state(&self, is_online: bool, since: i64) -> Option<Request> {
        let (topic, payload) = sparkplug::state(self.0.host.as_ref()?, is_online, since);
        Some(Request { topic, payload })
    }

    /// Returns whether a mapping names this topic.
    #[must_use]
    pub fn names(&self, topic: &str) -> bool {
        self.0.mappings.borrow().names(topic)
    }

    /// Accepts or rejects a message; `None` if no mapping names its topic. `received` is
    /// now, in Unix seconds.
    #[must_use]
    pub fn check(
        &self,
        topic: &str,
        payload: &[u8],
        received: i64,
        delivery: Delivery,
    ) -> Option<Outcome> {
        let mappings = Arc::clone(&self.0.mappings.borrow());
        let (mapping, taken) = mappings.route(topic)?;
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.follow(&mappings);
        let mut faults = Faults::default();
        let mut outcome = Outcome::default();
        if PAYLOAD_BYTES_MAX < payload.len() {
            faults.note(Reason::TooLong, "");
        } else {
            match taken {
                // An empty message only takes a retained one back.
                Taken::Json(..) if payload.is_empty() => {}
                Taken::Json(route, named) => {
                    let message = JsonMessage {
                        mapping,
                        route,
                        named,
                        payload,
                        received,
                        zone: &mappings.zone,
                    };
                    outcome.arrivals = message.read(delivery, &mut known, &mut faults);
                }
                Taken::Sparkplug(route, about) => {
                    let told = known.edges.take(
                        (mapping, route),
                        &about,
                        payload,
                        received,
                        delivery.shared,
                        &mut faults,
                    );
                    if told.ask {
                        let (topic, payload) = sparkplug::rebirth(&about, received);
                        // Nobody listens in a trial.
                        self.0.requests.send(Request { topic, payload }).ok();
                    }
                    let alive = |alive| (format!("{}/{}", about.group, about.edge), alive);
                    outcome.alive = told.alive.map(alive);
                    outcome.arrivals = known.pack(mapping, told.raws, received, &mut faults);
                }
            }
        }
        outcome.quarantine = faults.0.iter().any(|fault| known.keeps(mapping.id, fault));
        outcome.faults = faults.0;
        Some(outcome)
    }
}

/// What was wrong so far, each reason once.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn note(&mut self, reason: Reason, about: &str) {
        if !self.0.iter().any(|fault| fault.reason == reason) {
            self.0.push(Fault { reason, about: about.to_owned() });
        }
    }
}

/// A reading and whose it is, as the message calls it.
#[derive(Clone, Debug)]
struct Raw {
    /// The meter that the mapping names, if it does.
    meter: Option<Name>,
    device: String,
    channel: String,
    instant: i64,
    reading: Reading,
}

impl Known {
    /// Forgets what does not hold for these mappings.
    fn follow(&mut self, mappings: &Arc<Mappings>) {
        if self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, mappings)) {
            return;
        }
        let meters: BTreeSet<Name> = mappings
            .mappings
            .iter()
            .flat_map(|mapping| mapping.meters.iter().map(|meter| meter.id))
            .collect();
        self.tray.keep(|meter| meters.contains(meter));
        self.last.retain(|(meter, _), _| meters.contains(meter));
        self.edges = Edges::default();
        self.once.clear();
        self.of = Some(Arc::clone(mappings));
    }

    /// Returns whether a message is kept aside because of a fault: what is broken always,
    /// what only does not fit once for each device.
    fn keeps(&mut self, mapping: Name, fault: &Fault) -> bool {
        match fault.reason {
            Reason::Unreadable | Reason::TooLong | Reason::Future | Reason::TooOld => true,
            Reason::WrongType
            | Reason::UnknownDevice
            | Reason::NoTime
            | Reason::NoUnit
            | Reason::NoValue => {
                self.once.len() < ONCE_MAX
                    && self.once.insert((mapping, fault.reason, fault.about.clone()))
            }
            Reason::UnknownNode
            | Reason::UnknownMeter
            | Reason::ForeignTopic
            | Reason::Repeat
            | Reason::Retained
            | Reason::Unwanted
            | Reason::NoBirth => false,
        }
    }

    /// Makes packs of readings with times of their own.
    fn pack(
        &mut self,
        mapping: &Mapping,
        raws: Vec<Raw>,
        received: i64,
        faults: &mut Faults,
    ) -> Vec<Arrival> {
        let mut by_instant: BTreeMap<(Name, i64), Vec<Reading>> = BTreeMap::new();
        for raw in raws {
            let Some(meter) = meter_of(mapping, &raw) else {
                faults.note(Reason::UnknownDevice, &raw.device);
                continue;
            };
            let readings = by_instant.entry((meter, raw.instant)).or_default();
            if readings.iter().all(|reading| reading.quantity != raw.reading.quantity) {
                readings.push(raw.reading);
            }
        }
        let mut arrivals = Vec::with_capacity(by_instant.len());
        for ((meter, instant), readings) in by_instant {
            if let Err(reason) = in_time(instant, received) {
                faults.note(reason, meter.as_str());
                continue;
            }
            let (readings, seq) = self.tray.join(meter, instant, &possible(readings));
            let boot = UNNUMBERED;
            let pack = Pack { meter, instant, boot, seq, clock: Clock::Synced, readings };
            arrivals.push(Arrival { node: mapping.id, received, pack });
        }
        arrivals
    }

    /// Returns whether a meter said just this the last time; notes that it did.
    fn repeats(&mut self, meter: Name, readings: &[Reading]) -> bool {
        let mut same = true;
        for reading in readings {
            let before = self.last.insert((meter, reading.quantity), reading.value);
            same &= before == Some(reading.value);
        }
        same
    }
}

fn meter_of(mapping: &Mapping, raw: &Raw) -> Option<Name> {
    if raw.meter.is_some() {
        return raw.meter;
    }
    let fits = |it: &&MappedMeter| it.device == raw.device && it.channel == raw.channel;
    mapping.meters.iter().find(fits).map(|meter| meter.id)
}

fn in_time(instant: i64, received: i64) -> Result<(), Reason> {
    if received.saturating_add(gate::AHEAD_MAX_S) < instant {
        Err(Reason::Future)
    } else if instant < gate::EARLIEST {
        Err(Reason::TooOld)
    } else {
        Ok(())
    }
}

fn possible(mut readings: Vec<Reading>) -> Vec<Reading> {
    for reading in &mut readings {
        *reading = gate::without_impossible(reading);
    }
    readings
}

#[cfg(test)]
mod tests;
