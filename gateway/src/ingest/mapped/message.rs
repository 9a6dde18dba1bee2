//! A JSON message, or a bare number, from end to end.
//!
//! In: a message, the route that took it, what was seen of its devices before.
//! Out: packs with instant, boot and number.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use wire::message::{Clock, Pack, READINGS_MAX};
use wire::{Absence, List, Name, Quantity, Reading, Value};

use super::json::{Found, Message};
use super::number::Decimal;
use super::{Delivery, Faults, Known, Reason, in_time, instant, possible};
use crate::site_book::mapping::{JsonRoute, Mapping, Repeats, TimeRule, ValueRule};
use crate::site_book::path::Path;
use crate::site_book::topic::Named;
use crate::store::{Arrival, UNNUMBERED};

/// A JSON message that a route took.
pub(super) struct JsonMessage<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) route: &'a JsonRoute,
    pub(super) named: Named<'a>,
    pub(super) payload: &'a [u8],
    pub(super) received: i64,
    pub(super) zone: &'a TimeZone,
}

/// What a message is, before its paths are walked.
enum Body<'a> {
    Json(Message<'a>),
    /// No JSON; whole, as it came.
    Bare(&'a str),
}

impl<'a> Body<'a> {
    fn at(&self, path: &Path) -> Option<Found<'a>> {
        match self {
            Self::Json(message) => message.at(path),
            Self::Bare(text) => path.steps.is_empty().then(|| Found::Text((*text).into())),
        }
    }
}

impl JsonMessage<'_> {
    /// Returns what it came to.
    pub(super) fn read(
        &self,
        delivery: Delivery,
        known: &mut Known,
        faults: &mut Faults,
    ) -> Vec<Arrival> {
        let Ok(text) = std::str::from_utf8(self.payload) else {
            faults.note(Reason::Unreadable, "");
            return Vec::new();
        };
        let bare = self.route.values.iter().all(|value| value.at.steps.is_empty());
        let body = match Message::parse(text) {
            Some(message) => Body::Json(message),
            None if bare => Body::Bare(text.trim()),
            None => {
                faults.note(Reason::Unreadable, "");
                return Vec::new();
            }
        };
        for condition in &self.route.when {
            let found = body.at(&condition.at);
            if found.is_none_or(|found| found.word() != Some(&condition.equals)) {
                faults.note(Reason::Unwanted, &condition.equals);
                return Vec::new();
            }
        }
        let (instant, clock) = match &self.route.time {
            TimeRule::Receipt if delivery.retained => {
                faults.note(Reason::Retained, "");
                return Vec::new();
            }
            TimeRule::Receipt => (self.received, Clock::Estimated),
            TimeRule::At(paths, format) => {
                let found = paths.iter().find_map(|path| body.at(path));
                let instant = found.and_then(|found| instant::read(&found, *format, self.zone));
                let Some(instant) = instant else {
                    faults.note(Reason::NoTime, &self.device(&body));
                    return Vec::new();
                };
                (instant, Clock::Synced)
            }
        };
        let device = self.device(&body);
        let by_meter = self.values(&body, &device, faults);
        let mut arrivals = Vec::with_capacity(by_meter.len());
        for (meter, readings) in by_meter {
            let readings = possible(readings);
            if let Err(reason) = in_time(instant, self.received) {
                faults.note(reason, meter.as_str());
                continue;
            }
            let timeless = self.route.time == TimeRule::Receipt;
            if timeless && known.repeats(meter, &readings) && self.route.repeats == Repeats::Stale {
                faults.note(Reason::Repeat, &device);
                continue;
            }
            let Some((boot, seq, readings)) =
                self.numbered(&body, meter, instant, &readings, known)
            else {
                faults.note(Reason::WrongType, "sequence");
                continue;
            };
            let pack = Pack { meter, instant, boot, seq, clock, readings };
            arrivals.push(Arrival { node: self.mapping.id, received: self.received, pack });
        }
        arrivals
    }

    /// Returns how the message calls the device.
    fn device(&self, body: &Body<'_>) -> String {
        let told = self.route.device.as_ref().and_then(|path| body.at(path));
        let told = told.and_then(|found| found.word().map(str::to_owned));
        told.or_else(|| self.named.device.map(str::to_owned)).unwrap_or_default()
    }

    /// Returns what is taken out, by meter.
    fn values(
        &self,
        body: &Body<'_>,
        device: &str,
        faults: &mut Faults,
    ) -> BTreeMap<Name, Vec<Reading>> {
        let mut by_meter: BTreeMap<Name, Vec<Reading>> = BTreeMap::new();
        let own = self.own_meter(device);
        let mut is_empty = true;
        for rule in &self.route.values {
            let Some(found) = body.at(&rule.at) else { continue };
            is_empty = false;
            let Some(meter) = rule.meter.or(own) else {
                faults.note(Reason::UnknownDevice, device);
                continue;
            };
            let readings = by_meter.entry(meter).or_default();
            if readings.iter().any(|reading| reading.quantity == rule.quantity) {
                continue;
            }
            match value(rule, &found) {
                Some(value) => readings.push(Reading { quantity: rule.quantity, value }),
                None => faults.note(Reason::WrongType, rule.quantity.name()),
            }
        }
        if is_empty {
            faults.note(Reason::NoValue, device);
        }
        by_meter.retain(|_, readings| !readings.is_empty());
        by_meter
    }

    fn own_meter(&self, device: &str) -> Option<Name> {
        let tells = self.named.device.is_some() || self.route.device.is_some();
        let channel = self.named.channel.unwrap_or_default();
        match self.mapping.meters.as_slice() {
            [only] if !tells => Some(only.id),
            meters => meters
                .iter()
                .find(|it| it.device == device && it.channel == channel)
                .map(|it| it.id),
        }
    }

    /// Numbers a pack by its sender, or by the tray if it does not.
    fn numbered(
        &self,
        body: &Body<'_>,
        meter: Name,
        instant: i64,
        readings: &[Reading],
        known: &mut Known,
    ) -> Option<(u32, u32, List<Reading, READINGS_MAX>)> {
        let Some(numbering) = &self.route.numbering else {
            let (readings, seq) = known.tray.join(meter, instant, readings);
            return Some((UNNUMBERED, seq, readings));
        };
        let seq = body.at(&numbering.seq)?;
        let seq = u32::try_from(Decimal::parse(seq.word()?)?.whole()?).ok()?;
        let boot = match &numbering.boot {
            None => 1,
            Some(path) => run_of(body.at(path)?.word()?),
        };
        Some((boot, seq, List::from_slice(readings).ok()?))
    }
}

/// Returns a number for what a device writes that changes at each start, never
/// [`UNNUMBERED`]: a small number as it is, anything else by FNV-1a.
fn run_of(word: &str) -> u32 {
    const BASIS: u32 = 0x811C_9DC5;
    const PRIME: u32 = 0x0100_0193;
    let small = Decimal::parse(word).and_then(Decimal::whole);
    let small = small.and_then(|it| u32::try_from(it).ok()).and_then(|it| it.checked_add(1));
    small.unwrap_or_else(|| {
        let mix = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME);
        word.bytes().fold(BASIS, mix).max(UNNUMBERED + 1)
    })
}

/// Returns what a device says; `None` if it is nothing that such a quantity can be.
fn value(rule: &ValueRule, found: &Found<'_>) -> Option<Value> {
    let text = match found {
        Found::Number(text) => *text,
        Found::Text(text) => text.trim(),
        Found::Null => return Some(Value::Absent(Absence::DeviceFault)),
        Found::Truth(truth) if rule.quantity == Quantity::Presence => {
            return Some(Value::Measured(if *truth { 1_000 } else { 0 }));
        }
        Found::Truth(_) | Found::Nested => return None,
    };
    // How devices and bridges write that there is no value.
    let none = ["nan", "null", "none", "unavailable", "unknown"];
    if none.iter().any(|none| text.eq_ignore_ascii_case(none)) {
        return Some(Value::Absent(Absence::DeviceFault));
    }
    let decimal = Decimal::parse(text)?;
    let scaled = decimal.scaled(rule.scale?, rule.factor_e6);
    Some(scaled.map_or(Value::Absent(Absence::OutOfRange), Value::Measured))
}
