//! A meter of the site book: one that a node of ours polls, or that somebody else's device
//! tells of.
//!
//! In: a section `[[meter]]`, the nodes and mappings above it. Out: the meter, or each mistake
//! in it. Not here: what it must have to do with other meters (`site_book`), meters that are
//! worked out from others ([`super::formula`]).

use std::sync::Arc;

use analysis::site::{Load, Medium, Meter};
use wire::modbus::{LineSettings, RegisterMap};
use wire::{Address, Name, Protocol, Quantity, models};

use super::mapping::{MappedMeter, Mapping};
use super::{Node, limit, name, refer};
use crate::document::Section;

/// A meter model as a site book may name it.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The word for it.
    pub id: &'a str,
    /// What it counts.
    pub medium: Medium,
    /// The counter that consumption is worked out from.
    pub counter: Quantity,
    /// Its registers or data identifiers.
    pub map: RegisterMap<'a>,
    /// How its line is set when it leaves the factory.
    pub line: LineSettings,
}

/// Returns a model that comes with the program.
#[must_use]
pub fn built_in(id: &str) -> Option<Known<'static>> {
    models::by_id(id).map(known)
}

pub(super) fn known(model: &'static models::Model) -> Known<'static> {
    let models::Model { id, counter, map, line, .. } = *model;
    Known { id, medium: medium_of(model.medium), counter, map, line }
}

/// Reads a meter that a node of ours polls.
pub(super) fn read_polled(
    section: &Section<'_>,
    nodes: &[Node],
    models: &[Known<'_>],
    broken: &[String],
) -> Option<Meter> {
    let id = section.need_parsed("id");
    let name = name(section);
    let choices: Vec<(&str, Known<'_>)> = models.iter().map(|it| (it.id, *it)).collect();
    if !section.has("model") {
        section.mistake("model", "is missing");
    }
    // What is wrong with a model is told where it stands.
    let is_broken = section.text("model").is_some_and(|id| broken.iter().any(|it| it == id));
    let model = if is_broken { None } else { section.choice("model", &choices) };
    let own = model.map_or(Medium::Electricity, |model| model.medium);
    let medium = section.choice("medium", &Medium::ALL.map(|it| (it.code(), it))).unwrap_or(own);
    if model.is_some() && medium != own {
        section
            .mistake("medium", format!("is not what this model counts, which is `{}`", own.code()));
    }
    let load = section.choice("load", &Load::ALL.map(|it| (it.code(), it))).unwrap_or(Load::Whole);
    let area = section.need_parsed("area");
    let parent = section.parsed("parent");
    let node: Option<Name> = section.need_parsed("node");
    let on = node.and_then(|id| nodes.iter().find(|it| it.id == id));
    let protocol = model.map(|model| model.map.protocol());
    let address = read_address(section, protocol);
    if on.is_some_and(|node| node.baud == 0)
        && protocol.is_some_and(|protocol| protocol != Protocol::Modbus)
    {
        section.mistake(
            "node",
            "has no line (`baud = 0`: Modbus TCP), and this meter speaks on a line only; give the node the line's `baud`, or the meter another node",
        );
    }
    let ratio = |key: &str| section.decimal(key, 1_000).unwrap_or(1_000);
    let (pt, ct) = (ratio("pt"), ratio("ct"));
    for (key, value) in [("pt", pt), ("ct", ct)] {
        if value < 1 || i64::from(u32::MAX) < value {
            section.mistake(key, "must be more than 0 and at most 4294967");
        }
    }
    let own = on.map_or(60, |it| it.interval_s);
    let interval_s = section.integer("interval_s", 1..=3_600).unwrap_or(i64::from(own));
    let tariff = section.parsed("tariff");
    let counters: Vec<(&str, Quantity)> = COUNTERS.iter().map(|it| (it.name(), *it)).collect();
    let counter = section.choice("counter", &counters);
    let has = |it: Quantity| {
        model.is_none_or(|model| model.map.entries.iter().any(|entry| entry.quantity == it))
    };
    if counter.is_some_and(|counter| !has(counter)) {
        section.mistake("counter", "is not among the registers of this model");
    }
    let counter = counter.or(model.map(|model| model.counter));
    let rate_max = limit::read(section, medium, counter, pt);
    let supply = limit::read_supply(section, medium);
    Some(Meter {
        id: id?,
        name,
        model: model?.id.to_owned(),
        medium,
        load,
        area: area?,
        parent,
        node: node?,
        address: address?,
        pt: u32::try_from(pt).ok()?,
        ct: u32::try_from(ct).ok()?,
        interval_s: u32::try_from(interval_s).ok()?,
        counter: counter?,
        tariff,
        rate_max,
        supply,
        formula: None,
        own_models: Arc::default(),
    })
}

/// Reads `unit_id`, or the number on the plate as `address`, as the meter's protocol wants it.
fn read_address(section: &Section<'_>, protocol: Option<Protocol>) -> Option<Address> {
    let digits = protocol.map_or(0, Protocol::digits);
    let (needed, other) = if digits == 0 { ("unit_id", "address") } else { ("address", "unit_id") };
    // Whoever names an unknown model need not hear that its address is unknown too.
    if protocol.is_none() {
        section.integer("unit_id", 1..=247);
        section.text("address");
        return None;
    }
    if section.has(other) {
        let message = if digits == 0 {
            "is for meters with a number; this model speaks Modbus and has a `unit_id`".to_owned()
        } else {
            format!(
                "is for Modbus; this model has a number of {digits} digits, say it as `address`"
            )
        };
        section.mistake(other, message);
        section.integer("unit_id", i64::MIN..=i64::MAX);
        section.text("address");
        return None;
    }
    if !section.has(needed) {
        section.mistake(needed, "is missing");
    }
    let Some(protocol) = protocol.filter(|_| digits != 0) else {
        let unit_id = u8::try_from(section.integer("unit_id", 1..=247)?).ok()?;
        return Some(Address::unit_id(unit_id));
    };
    let text = section.text("address")?;
    let address = Address::from_digits(text, protocol).filter(|address| address.fits(protocol));
    if address.is_none() {
        let message = format!(
            "is `{text}`, but must be the {digits} digits on the meter's plate (zeros in front may be left out; no wildcard, not all nines)"
        );
        section.mistake("address", message);
    }
    address
}

/// Reads a meter that somebody else's device tells of; notes it in its mapping.
pub(super) fn read_mapped(section: &Section<'_>, mappings: &mut [Mapping]) -> Option<Meter> {
    let id = section.need_parsed("id");
    let name = name(section);
    let medium = section.choice("medium", &Medium::ALL.map(|it| (it.code(), it)));
    let medium = medium.unwrap_or(Medium::Electricity);
    let load = section.choice("load", &Load::ALL.map(|it| (it.code(), it))).unwrap_or(Load::Whole);
    let area = section.need_parsed("area");
    let parent = section.parsed("parent");
    let tariff = section.parsed("tariff");
    let counters: Vec<(&str, Quantity)> = COUNTERS.iter().map(|it| (it.name(), *it)).collect();
    let usual = match medium {
        Medium::Electricity => Quantity::ActiveEnergyImport,
        Medium::Water | Medium::Gas => Quantity::Volume,
        Medium::Heat => Quantity::HeatEnergy,
    };
    let counter = section.choice("counter", &counters).unwrap_or(usual);
    let is_power = counter == Quantity::ActivePower && medium == Medium::Electricity;
    if counter.unit() != medium.unit() && !is_power {
        section.mistake("counter", format!("does not count {}", medium.code()));
    }
    let rate_max = limit::read(section, medium, Some(counter), 1_000);
    let supply = limit::read_supply(section, medium);
    let device = section.text("device");
    let channel = section.text("channel").unwrap_or_default().to_owned();
    let interval_s = section.integer("interval_s", 1..=86_400);
    let by: Name = section.need_parsed("mapping")?;
    let Some(mapping) = mappings.iter_mut().find(|it| it.id == by) else {
        refer(section, "mapping", false);
        return None;
    };
    let id: Name = id?;
    let device = mapping.full_device(device.unwrap_or(id.as_str()));
    if !mapping.tells_apart() && !mapping.meters.is_empty() {
        section.mistake(
            "mapping",
            "is for one meter: it needs `{device}` in its topic, or `device`, or `meter` with each value, to tell more apart",
        );
    }
    if mapping.meters.iter().any(|it| it.device == device && it.channel == channel) {
        section.mistake("device", "is taken by another meter of the same mapping");
    }
    mapping.meters.push(MappedMeter { id, device, channel });
    Some(Meter {
        id,
        name,
        model: mapping.word.clone(),
        medium,
        load,
        area: area?,
        parent,
        node: mapping.id,
        address: Address::unit_id(0),
        pt: 1_000,
        ct: 1_000,
        interval_s: u32::try_from(interval_s.unwrap_or(i64::from(mapping.interval_s))).ok()?,
        counter,
        tariff,
        rate_max,
        supply,
        formula: None,
        own_models: Arc::default(),
    })
}

/// What consumption can be taken from. The last is power alone, which is integrated.
pub(super) const COUNTERS: [Quantity; 6] = [
    Quantity::ActiveEnergyImport,
    Quantity::ActiveEnergyExport,
    Quantity::Volume,
    Quantity::StandardVolume,
    Quantity::HeatEnergy,
    Quantity::ActivePower,
];

const fn medium_of(medium: models::Medium) -> Medium {
    match medium {
        models::Medium::Electricity => Medium::Electricity,
        models::Medium::Water => Medium::Water,
        models::Medium::Gas => Medium::Gas,
        models::Medium::Heat => Medium::Heat,
    }
}
