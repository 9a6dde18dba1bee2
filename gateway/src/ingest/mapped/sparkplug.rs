//! Who of the Sparkplug edge nodes is alive, what their aliases mean, and what they tell.
//!
//! In: messages of `spBv1.0/<group>/<type>/<edge>[/<device>]`. Out: readings with the
//! instants of their metrics; a request for a new birth where something was missed.
//!
//! Afterwards:
//! - an alias is only believed if every message since the birth that gave it has come:
//!   after a hole in `seq` (0 to 255) it may have another meaning by now;
//! - what was flushed from a node's own store (`is_historical`) has its own instants and
//!   is read like anything else;
//! - a birth repeats what is known already, so a metric in it counts only by a time of its
//!   own; stale metrics and dead nodes tell nothing.
//!
//! Sparkplug publishes with QoS 0: only what an edge node keeps while it does not see our
//! STATE message survives our absence.
//!
//! Source: Eclipse Sparkplug 3.0.0, chapters 4 to 6.

use std::collections::{BTreeMap, BTreeSet};

use wire::{Absence, Quantity, Reading, Value};

use super::number::Decimal;
use super::protobuf::{self, Content, Metric, Payload};
use super::{Faults, Raw, Reason};
use crate::site_book::mapping::{Mapping, SparkplugRoute, ValueRule, scale_of};

/// How all Sparkplug topics begin.
pub const NAMESPACE: &str = "spBv1.0";

/// An edge node is asked for its birth at most so often, in seconds: a birth of a large
/// node is hundreds of metrics, and it needs some time to answer.
const ASK_AGAIN_S: i64 = 60;

/// What a topic says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SparkplugTopic<'a> {
    pub(super) group: &'a str,
    pub(super) kind: Kind,
    pub(super) edge: &'a str,
    pub(super) device: Option<&'a str>,
}

/// The messages that a host listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    NodeBirth,
    NodeData,
    NodeDeath,
    DeviceBirth,
    DeviceData,
    DeviceDeath,
}

impl Kind {
    const ALL: [(&'static str, Self); 6] = [
        ("NBIRTH", Self::NodeBirth),
        ("NDATA", Self::NodeData),
        ("NDEATH", Self::NodeDeath),
        ("DBIRTH", Self::DeviceBirth),
        ("DDATA", Self::DeviceData),
        ("DDEATH", Self::DeviceDeath),
    ];

    const fn is_birth(self) -> bool {
        matches!(self, Self::NodeBirth | Self::DeviceBirth)
    }
}

impl<'a> SparkplugTopic<'a> {
    pub(super) fn parse(topic: &'a str) -> Option<Self> {
        let rest = topic.strip_prefix(NAMESPACE)?.strip_prefix('/')?;
        let mut levels = rest.split('/');
        let (group, word, edge) = (levels.next()?, levels.next()?, levels.next()?);
        let device = levels.next();
        let (_, kind) = Kind::ALL.into_iter().find(|(known, _)| *known == word)?;
        let of_device = matches!(kind, Kind::DeviceBirth | Kind::DeviceData | Kind::DeviceDeath);
        let whole = of_device == device.is_some() && levels.next().is_none();
        whole.then_some(Self { group, kind, edge, device })
    }

    /// Returns how the site book calls what it is about.
    fn full_device(&self) -> String {
        match self.device {
            Some(device) => format!("{}/{device}", self.edge),
            None => self.edge.to_owned(),
        }
    }
}

impl SparkplugRoute {
    pub(super) fn takes(&self, topic: &SparkplugTopic<'_>) -> bool {
        self.group.as_deref().is_none_or(|group| group == topic.group)
            && self.edge.as_deref().is_none_or(|edge| edge == topic.edge)
    }
}

/// The edge nodes that meters of the site book are on.
#[derive(Debug, Default)]
pub(super) struct Edges {
    edges: BTreeMap<(String, String), Edge>,
}

#[derive(Debug, Default)]
struct Edge {
    alive: bool,
    /// Whether every message since the birth has come.
    whole: bool,
    bd_seq: Option<u64>,
    last_seq: Option<u8>,
    /// What aliases stand for; only those of metrics that are mapped.
    aliases: BTreeMap<u64, Known>,
    devices: BTreeSet<String>,
    asked_at: Option<i64>,
}

/// What a birth told of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    device: Option<String>,
    name: String,
    datatype: Option<u32>,
    unit: Option<String>,
}

/// What an edge node's message came to.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) raws: Vec<Raw>,
    /// `Some(true)`: it is back; `Some(false)`: it is gone.
    pub(super) alive: Option<bool>,
    /// It is to be asked for its birth.
    pub(super) ask: bool,
}

impl Edges {
    /// Reads a message of an edge node that the mapping listens to. `shared`: other
    /// gateways get a part of its messages, so a hole in their numbers means nothing.
    pub(super) fn take(
        &mut self,
        (mapping, route): (&Mapping, &SparkplugRoute),
        topic: &SparkplugTopic<'_>,
        payload: &[u8],
        received: i64,
        shared: bool,
        faults: &mut Faults,
    ) -> Told {
        let of_edge = |device: &str| {
            device.strip_prefix(topic.edge).is_some_and(|it| it.is_empty() || it.starts_with('/'))
        };
        let any_named = route.values.iter().any(|value| value.meter.is_some());
        if !any_named && !mapping.meters.iter().any(|meter| of_edge(&meter.device)) {
            faults.note(Reason::UnknownDevice, topic.edge);
            return Told::default();
        }
        let Ok(payload) = Payload::decode(payload) else {
            faults.note(Reason::Unreadable, "");
            return Told::default();
        };
        let key = (topic.group.to_owned(), topic.edge.to_owned());
        let edge = self.edges.entry(key).or_default();
        let mut told = Told::default();
        if !edge.follow(topic, &payload, shared, &mut told) {
            if topic.kind != Kind::NodeDeath {
                faults.note(Reason::NoBirth, topic.edge);
                told.ask = edge.may_ask(received);
            }
            return told;
        }
        if !edge.whole {
            told.ask = edge.may_ask(received);
        }
        if matches!(topic.kind, Kind::NodeDeath | Kind::DeviceDeath) {
            return told;
        }
        for metric in &payload.metrics {
            edge.read(route, topic, metric, &payload, faults, &mut told.raws);
        }
        told
    }
}

impl Edge {
    /// Follows births, deaths and numbers; returns whether the message may be read.
    fn follow(
        &mut self,
        topic: &SparkplugTopic<'_>,
        payload: &Payload<'_>,
        shared: bool,
        told: &mut Told,
    ) -> bool {
        let seq = payload.seq.and_then(|seq| u8::try_from(seq).ok());
        match topic.kind {
            Kind::NodeBirth => {
                let asked_at = self.asked_at;
                let bd_seq = bd_seq(payload);
                *self = Self {
                    alive: true,
                    whole: true,
                    bd_seq,
                    last_seq: seq,
                    asked_at,
                    ..Self::default()
                };
                told.alive = Some(true);
                return true;
            }
            Kind::NodeDeath => {
                // The will of an older connection says nothing about this one.
                let of_this = self.bd_seq.is_none() || bd_seq(payload) == self.bd_seq;
                if self.alive && of_this {
                    *self = Self { asked_at: self.asked_at, ..Self::default() };
                    told.alive = Some(false);
                }
                return false;
            }
            Kind::NodeData | Kind::DeviceBirth | Kind::DeviceData | Kind::DeviceDeath => {}
        }
        if !self.alive {
            return false;
        }
        if !shared {
            let expected = self.last_seq.map(|last| last.wrapping_add(1));
            // The same number again is the same message again.
            if seq != expected && seq != self.last_seq {
                self.whole = false;
            }
            self.last_seq = seq;
        }
        match (topic.kind, topic.device) {
            (Kind::DeviceBirth, Some(device)) => {
                self.aliases.retain(|_, known| known.device.as_deref() != Some(device));
                self.devices.insert(device.to_owned());
                true
            }
            (Kind::DeviceDeath, Some(device)) => {
                self.aliases.retain(|_, known| known.device.as_deref() != Some(device));
                self.devices.remove(device);
                true
            }
            (Kind::DeviceData, Some(device)) => self.devices.contains(device),
            _ => true,
        }
    }

    fn may_ask(&mut self, now: i64) -> bool {
        let may = self.asked_at.is_none_or(|asked| asked + ASK_AGAIN_S <= now || now < asked);
        if may {
            self.asked_at = Some(now);
        }
        may
    }

    fn read(
        &mut self,
        route: &SparkplugRoute,
        topic: &SparkplugTopic<'_>,
        metric: &Metric<'_>,
        payload: &Payload<'_>,
        faults: &mut Faults,
        raws: &mut Vec<Raw>,
    ) {
        if topic.kind.is_birth() {
            self.learn(route, topic, metric);
        }
        let known = metric.alias.and_then(|alias| self.aliases.get(&alias));
        let name = match (metric.name, known) {
            (Some(name), _) => name,
            (None, Some(known)) if self.whole && known.device.as_deref() == topic.device => {
                known.name.as_str()
            }
            // Of a metric that nobody mapped; or one of a message that was missed.
            (None, None) if self.whole => return,
            (None, _) => return faults.note(Reason::NoBirth, topic.edge),
        };
        let datatype = metric.datatype.or(known.and_then(|known| known.datatype));
        let unit = metric.unit.or(known.and_then(|known| known.unit.as_deref()));
        for rule in route.values.iter().filter(|rule| rule.metric == name) {
            let at_ms = if topic.kind.is_birth() {
                metric.timestamp_ms
            } else {
                metric.timestamp_ms.or(payload.timestamp_ms)
            };
            let instant = at_ms.and_then(|ms| i64::try_from(ms / 1_000).ok());
            let Some(instant) = instant else {
                // What a birth repeats without a time is known already.
                if !topic.kind.is_birth() {
                    faults.note(Reason::NoTime, name);
                }
                continue;
            };
            if let Some(value) = value(rule, metric, datatype, unit, faults) {
                let reading = Reading { quantity: rule.quantity, value };
                raws.push(Raw {
                    meter: rule.meter,
                    device: topic.full_device(),
                    channel: String::new(),
                    instant,
                    reading,
                });
            }
        }
    }

    fn learn(&mut self, route: &SparkplugRoute, topic: &SparkplugTopic<'_>, metric: &Metric<'_>) {
        let (Some(name), Some(alias)) = (metric.name, metric.alias) else { return };
        if route.values.iter().any(|rule| rule.metric == name) {
            let known = Known {
                device: topic.device.map(str::to_owned),
                name: name.to_owned(),
                datatype: metric.datatype,
                unit: metric.unit.map(str::to_owned),
            };
            self.aliases.insert(alias, known);
        }
    }
}

fn bd_seq(payload: &Payload<'_>) -> Option<u64> {
    let metric = payload.metrics.iter().find(|metric| metric.name == Some("bdSeq"))?;
    match metric.value? {
        Content::Long(value) => Some(value),
        Content::Int(value) => Some(value.into()),
        Content::Float(_)
        | Content::Double(_)
        | Content::Boolean(_)
        | Content::Text(_)
        | Content::Other => None,
    }
}

/// Returns what a metric says; `None` if it says nothing new, or nothing that fits.
fn value(
    rule: &ValueRule,
    metric: &Metric<'_>,
    datatype: Option<u32>,
    unit: Option<&str>,
    faults: &mut Faults,
) -> Option<Value> {
    const BAD: u32 = 0;
    const STALE: u32 = 500;
    match metric.quality {
        Some(STALE) => {
            faults.note(Reason::Repeat, &rule.metric);
            return None;
        }
        Some(BAD) => return Some(Value::Absent(Absence::DeviceFault)),
        Some(_) | None => {}
    }
    if metric.is_null {
        return Some(Value::Absent(Absence::DeviceFault));
    }
    let Some(decimal) = decimal(metric.value, datatype, rule.quantity) else {
        faults.note(Reason::WrongType, &rule.metric);
        return None;
    };
    let Some(scale) = rule.scale.or_else(|| scale_of(unit?, rule.quantity)) else {
        faults.note(Reason::NoUnit, &rule.metric);
        return None;
    };
    Some(match decimal {
        Some(decimal) => decimal
            .scaled(scale, rule.factor_e6)
            .map_or(Value::Absent(Absence::OutOfRange), Value::Measured),
        None => Value::Absent(Absence::OutOfRange),
    })
}

/// Returns the number, `Some(None)` if it is none that can be, `None` if it is no number.
#[expect(clippy::option_option, reason = "not a number and no such number are two things")]
fn decimal(
    content: Option<Content<'_>>,
    datatype: Option<u32>,
    quantity: Quantity,
) -> Option<Option<Decimal>> {
    // Sparkplug 3.0, 6.4.16: signed numbers lie in unsigned fields as two's complement.
    const INT8: u32 = 1;
    const INT16: u32 = 2;
    const INT32: u32 = 3;
    const INT64: u32 = 4;
    Some(Some(match content? {
        Content::Int(value) => {
            let [a, b, c, d] = value.to_le_bytes();
            Decimal::of_integer(match datatype {
                Some(INT8) => i8::from_le_bytes([a]).into(),
                Some(INT16) => i16::from_le_bytes([a, b]).into(),
                Some(INT32) => i32::from_le_bytes([a, b, c, d]).into(),
                Some(_) | None => value.into(),
            })
        }
        Content::Long(value) if datatype == Some(INT64) => {
            Decimal::of_integer(i64::from_le_bytes(value.to_le_bytes()).into())
        }
        Content::Long(value) => Decimal::of_integer(value.into()),
        Content::Float(value) => return Some(Decimal::of_float(value)),
        Content::Double(value) => return Some(Decimal::of_double(value)),
        Content::Boolean(value) if quantity == Quantity::Presence => {
            Decimal::of_integer(value.into())
        }
        Content::Text(text) => Decimal::parse(text.trim())?,
        Content::Boolean(_) | Content::Other => return None,
    }))
}

/// Returns the topic and the payload of a host's STATE message, which is retained. The one
/// that says it is gone has the time of the one that said it was there (5.14).
pub(super) fn state(host: &str, is_online: bool, since: i64) -> (String, Vec<u8>) {
    let since_ms = since.saturating_mul(1_000);
    let payload = format!("{{\"online\":{is_online},\"timestamp\":{since_ms}}}");
    (format!("{NAMESPACE}/STATE/{host}"), payload.into_bytes())
}

/// Returns the topic and the payload that ask an edge node for its birth.
pub(super) fn rebirth(topic: &SparkplugTopic<'_>, now: i64) -> (String, Vec<u8>) {
    let now_ms = u64::try_from(now).unwrap_or_default().saturating_mul(1_000);
    let (group, edge) = (topic.group, topic.edge);
    (format!("{NAMESPACE}/{group}/NCMD/{edge}"), protobuf::rebirth(now_ms))
}

#[cfg(test)]
#[path = "sparkplug_tests.rs"]
mod tests;
