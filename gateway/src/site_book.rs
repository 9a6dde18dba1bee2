//! The site book (台账) as a TOML document: how it comes in, and what must hold in it.
//!
//! In: the text that `gengfu import` or the page hands over. Out: a checked
//! [`analysis::site::Site`], or every mistake with line and key.
//!
//! Afterwards every name leads somewhere: areas to buildings and hours, meters to areas,
//! nodes or mappings, models, parents and tariffs; no two meters share a unit id on one
//! node or a device in one mapping; no meter is upstream of itself; a formula is of meters
//! further up, of one medium.
//!
//! Not here: its versions and authors (the journal), how other people's devices are
//! mapped ([`mapping`]).

mod formula;
mod limit;
pub mod mapping;
pub mod path;
pub mod presets;
mod tariff;
pub mod topic;

use analysis::calendar::{Holidays, OpeningHours, Spans};
use analysis::site::{
    Area, Building, Language, Load, Medium, Meter, Person, Role, Site, Text, VIRTUAL,
};
use analysis::tariff::Tariff;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use wire::{Name, Quantity, models};

use self::mapping::{MappedMeter, Mapping};
use crate::document::{self, Mistake, Section};

/// A site, and how its nodes reach their meters.
#[derive(Clone, Debug)]
pub struct SiteBook {
    /// Everything that analysis and pages ask for.
    pub site: Site,
    /// The nodes and their buses.
    pub nodes: Vec<Node>,
    /// How other people's devices become meters.
    pub mappings: Vec<Mapping>,
}

impl SiteBook {
    /// Returns the meters that nodes of ours poll, each with its node.
    pub fn polled(&self) -> impl Iterator<Item = (Name, Name)> {
        let ours = |meter: &&Meter| self.nodes.iter().any(|node| node.id == meter.node);
        self.site.meters.iter().filter(ours).map(|meter| (meter.id, meter.node))
    }
}

/// What reads the meters of one bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its identifier: part of every topic.
    pub id: Name,
    /// What people call it.
    pub name: Text,
    /// How often its meters are polled unless they say otherwise, s.
    pub interval_s: u16,
    /// Speed of its line, baud; 0 for a bus without a line of its own.
    pub baud: u32,
}

/// Reads a site book.
///
/// # Errors
///
/// All mistakes, in the order of their lines.
pub fn parse(text: &str) -> Result<SiteBook, Vec<Mistake>> {
    document::read(text, |root| {
        let head = root.section("site", read_head);
        if !root.has("site") {
            root.mistake("site", "is missing");
        }
        let buildings = root.sections("building", |section| {
            let (id, name) = (section.need_parsed("id"), name(section));
            Some(Building { id: id?, name })
        });
        let hours = root.sections("hours", read_hours);
        let people = root.sections("person", read_person);
        let tariffs = root.sections("tariff", tariff::read);
        let areas = root.sections("area", |section| {
            let area = read_area(section)?;
            refer(section, "building", buildings.iter().any(|it| it.id == area.building));
            refer(section, "hours", hours.iter().any(|it| it.id == area.hours));
            let owned = area.owner.is_none_or(|owner| people.iter().any(|it| it.id == owner));
            refer(section, "owner", owned);
            Some(area)
        });
        let nodes = root.sections("node", read_node);
        let mut mappings: Vec<Mapping> = Vec::new();
        let mut places = Vec::new();
        root.sections("mapping", |section| {
            let mapping = mapping::read(section)?;
            let taken = mappings.iter().any(|it| it.id == mapping.id);
            if taken || nodes.iter().any(|it| it.id == mapping.id) {
                section.mistake("id", "is taken by a node or by a mapping further up");
            }
            places.push(section.place("value"));
            mappings.push(mapping);
            Some(())
        });
        let mut meters: Vec<Meter> = Vec::new();
        root.sections("meter", |section| {
            let meter = if section.has("mapping") {
                read_mapped_meter(section, &mut mappings)?
            } else if section.has("formula") {
                formula::read(section, &meters)?
            } else {
                let meter = read_meter(section, &nodes)?;
                refer(section, "node", nodes.iter().any(|it| it.id == meter.node));
                if meters.iter().any(|it| it.node == meter.node && it.unit_id == meter.unit_id) {
                    section.mistake("unit_id", "is taken by another meter of the same node");
                }
                meter
            };
            refer(section, "area", areas.iter().any(|it| it.id == meter.area));
            let tariff =
                |id| tariffs.iter().any(|it: &Tariff| it.id == id && it.medium == meter.medium);
            refer(section, "tariff", meter.tariff.is_none_or(tariff));
            // Upstream meters stand first, so no loop can be written down.
            refer(
                section,
                "parent",
                meter.parent.is_none_or(|id| meters.iter().any(|it| it.id == id)),
            );
            let is_formula = |id| meters.iter().any(|it| it.id == id && it.formula.is_some());
            if meter.parent.is_some_and(is_formula) {
                section.mistake("parent", "is a formula; upstream stands only what is read");
            }
            if meters.iter().any(|it| it.id == meter.id) {
                section.mistake("id", "is taken by a meter further up");
            }
            meters.push(meter);
            Some(())
        });
        for (mapping, place) in mappings.iter().zip(places) {
            if let Some(unknown) = mapping.unknown_meter() {
                let message = format!("names `{unknown}`, but no such meter has this mapping");
                root.mistake_at(place, message);
            }
        }
        let (id, name, zone, currency) = head?;
        let site =
            Site { id, name, zone, currency, buildings, areas, hours, meters, tariffs, people };
        Some(SiteBook { site, nodes, mappings })
    })
}

type Head = (Name, Text, TimeZone, String);

fn read_head(section: &Section<'_>) -> Option<Head> {
    let id = section.need_parsed("id");
    let name = name(section);
    let currency = section.text("currency").unwrap_or("CNY").to_owned();
    let zone = section.need_text("zone").and_then(|zone| match TimeZone::get(zone) {
        Ok(zone) => Some(zone),
        Err(_) => {
            section.mistake("zone", "is no time zone; `Asia/Shanghai` is one");
            None
        }
    });
    Some((id?, name, zone?, currency))
}

/// Reads `name` (Chinese) and `name_en`; one may stand for both.
fn name(section: &Section<'_>) -> Text {
    let zh = section.need_text("name").unwrap_or_default();
    let en = section.text("name_en").unwrap_or(zh);
    Text::new(zh, en)
}

fn refer(section: &Section<'_>, key: &str, found: bool) {
    if !found {
        section
            .mistake(key, "leads nowhere: nothing by that name stands in the site book (above it)");
    }
}

fn read_hours(section: &Section<'_>) -> Option<OpeningHours> {
    let id = section.need_parsed("id");
    let name = name(section);
    let holidays = [Holidays::FollowCalendar, Holidays::Ignore, Holidays::AlwaysOpen];
    let holidays =
        section.choice("holidays", &holidays.map(|it| (it.code(), it))).unwrap_or_default();
    let weekdays = spans(section, "weekdays");
    let mut week: [Spans; 7] = std::array::from_fn(|_| weekdays.clone());
    week[5] = spans(section, "saturday");
    week[6] = spans(section, "sunday");
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday"];
    for (day, key) in week.iter_mut().zip(days) {
        if section.has(key) {
            *day = spans(section, key);
        }
    }
    Some(OpeningHours { id: id?, name, week, holidays })
}

fn spans(section: &Section<'_>, key: &str) -> Spans {
    let mut spans = Vec::new();
    for text in section.texts(key) {
        match span(text) {
            Some(span) => spans.push(span),
            None => {
                section.mistake(key, format!("has `{text}`, but spans look like `07:00-18:30`"));
            }
        }
    }
    spans
}

fn span(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    let clock =
        |text: &str| Time::strptime("%H:%M", if text == "24:00" { "00:00" } else { text }).ok();
    Some((clock(from.trim())?, clock(to.trim())?))
}

fn read_person(section: &Section<'_>) -> Option<Person> {
    let id = section.need_parsed("id");
    let name = section.need_text("name").unwrap_or_default().to_owned();
    let email = section.text("email").map(str::to_owned);
    if email.as_ref().is_some_and(|email| email.parse::<lettre::Address>().is_err()) {
        section.mistake("email", "is no mail address");
    }
    let role = section.choice("role", &Role::ALL.map(|role| (role.code(), role)));
    let language = [("zh", Language::Zh), ("en", Language::En)];
    let language = section.choice("language", &language).unwrap_or_default();
    Some(Person { id: id?, name, email, role: role.unwrap_or(Role::Caretaker), language })
}

fn read_area(section: &Section<'_>) -> Option<Area> {
    let id = section.need_parsed("id");
    let name = name(section);
    let building = section.need_parsed("building");
    let floor = section.text("floor").unwrap_or_default().to_owned();
    let hours = section.need_parsed("hours");
    let walk_order = section.integer("walk_order", 0..=1_000_000).unwrap_or(1_000_000);
    let floor_area_m2 = section.integer("floor_area_m2", 1..=10_000_000);
    let owner = section.parsed("owner");
    Some(Area {
        id: id?,
        name,
        building: building?,
        floor,
        walk_order: u32::try_from(walk_order).ok()?,
        hours: hours?,
        floor_area_m2: floor_area_m2.and_then(|area| u32::try_from(area).ok()),
        owner,
    })
}

fn read_node(section: &Section<'_>) -> Option<Node> {
    let id = section.need_parsed("id");
    if id.is_some_and(|id: Name| id.as_str() == VIRTUAL) {
        section.mistake("id", "is the name for what nobody reads");
    }
    let name = name(section);
    let interval_s = section.integer("interval_s", 1..=3_600).unwrap_or(60);
    let baud = section.integer("baud", 0..=1_000_000).unwrap_or(9_600);
    Some(Node {
        id: id?,
        name,
        interval_s: u16::try_from(interval_s).ok()?,
        baud: u32::try_from(baud).ok()?,
    })
}

fn read_meter(section: &Section<'_>, nodes: &[Node]) -> Option<Meter> {
    let id = section.need_parsed("id");
    let name = name(section);
    let models: Vec<(&str, &models::Model)> = models::MODELS.iter().map(|it| (it.id, it)).collect();
    if !section.has("model") {
        section.mistake("model", "is missing");
    }
    let model = section.choice("model", &models);
    let own = model.map_or(Medium::Electricity, |model| medium_of(model.medium));
    let medium = section.choice("medium", &Medium::ALL.map(|it| (it.code(), it))).unwrap_or(own);
    if model.is_some() && medium != own {
        section
            .mistake("medium", format!("is not what this model counts, which is `{}`", own.code()));
    }
    let load = section.choice("load", &Load::ALL.map(|it| (it.code(), it))).unwrap_or(Load::Whole);
    let area = section.need_parsed("area");
    let parent = section.parsed("parent");
    let node: Option<Name> = section.need_parsed("node");
    if !section.has("unit_id") {
        section.mistake("unit_id", "is missing");
    }
    let unit_id = section.integer("unit_id", 1..=247);
    let ratio = |key: &str| section.decimal(key, 1_000).unwrap_or(1_000);
    let (pt, ct) = (ratio("pt"), ratio("ct"));
    for (key, value) in [("pt", pt), ("ct", ct)] {
        if value < 1 || i64::from(u32::MAX) < value {
            section.mistake(key, "must be more than 0 and at most 4294967");
        }
    }
    let own =
        node.and_then(|id| nodes.iter().find(|it| it.id == id)).map_or(60, |it| it.interval_s);
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
    Some(Meter {
        id: id?,
        name,
        model: model?.id.to_owned(),
        medium,
        load,
        area: area?,
        parent,
        node: node?,
        unit_id: u8::try_from(unit_id?).ok()?,
        pt: u32::try_from(pt).ok()?,
        ct: u32::try_from(ct).ok()?,
        interval_s: u32::try_from(interval_s).ok()?,
        counter: counter?,
        tariff,
        rate_max,
        formula: None,
    })
}

/// Reads a meter that somebody else's device tells of; notes it in its mapping.
fn read_mapped_meter(section: &Section<'_>, mappings: &mut [Mapping]) -> Option<Meter> {
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
    };
    let counter = section.choice("counter", &counters).unwrap_or(usual);
    let is_power = counter == Quantity::ActivePower && medium == Medium::Electricity;
    if counter.unit() != medium.unit() && !is_power {
        section.mistake("counter", format!("does not count {}", medium.code()));
    }
    let rate_max = limit::read(section, medium, Some(counter), 1_000);
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
        unit_id: 0,
        pt: 1_000,
        ct: 1_000,
        interval_s: u32::try_from(interval_s.unwrap_or(i64::from(mapping.interval_s))).ok()?,
        counter,
        tariff,
        rate_max,
        formula: None,
    })
}

/// What consumption can be taken from. The last is power alone, which is integrated.
const COUNTERS: [Quantity; 5] = [
    Quantity::ActiveEnergyImport,
    Quantity::ActiveEnergyExport,
    Quantity::Volume,
    Quantity::StandardVolume,
    Quantity::ActivePower,
];

const fn medium_of(medium: models::Medium) -> Medium {
    match medium {
        models::Medium::Electricity => Medium::Electricity,
        models::Medium::Water => Medium::Water,
        models::Medium::Gas => Medium::Gas,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_site_book_is_without_mistake() {
        let book = parse(include_str!("demo/site.toml")).unwrap();

        assert_eq!(book.site.meters.len(), 13);
        assert!(book.site.meters.iter().all(|meter| book.site.tariff_of(meter).is_some()));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let text = r#"
[site]
id = "school"
name = "学校"
zone = "Asia/Nowhere"

[[building]]
id = "Main Hall"
name = "主楼"

[[hours]]
id = "day"
name = "白天"
weekdays = ["7-19"]

[[area]]
id = "hall"
name = "大厅"
building = "main"
hours = "night"

[[node]]
id = "n"
name = "n"

[[meter]]
id = "m"
name = "m"
model = "sdm630"
node = "n"
area = "hall"
unit_id = 300
"#;

        let mistakes = parse(text).unwrap_err();

        let told: Vec<(usize, &str)> =
            mistakes.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect();
        assert_eq!(
            told,
            [
                (5, "site.zone"),
                (8, "building[1].id"),
                (14, "hours[1].weekdays"),
                (19, "area[1].building"),
                (20, "area[1].hours"),
                (29, "meter[1].model"),
                (32, "meter[1].unit_id"),
            ]
        );
    }

    const SITE: &str = r#"
[site]
id = "school"
name = "学校"
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
"#;

    #[test]
    fn three_lines_and_a_meter_are_enough_for_a_known_device() {
        let text = "[[mapping]]\nid = \"plugs\"\npreset = \"tasmota\"\n\
                    [[meter]]\nid = \"kettle\"\nname = \"开水器\"\narea = \"hall\"\n\
                    mapping = \"plugs\"\ndevice = \"DVES_1\"\n";

        let book = parse(&format!("{SITE}{text}")).unwrap();

        let meter = &book.site.meters[0];
        assert_eq!((meter.model.as_str(), meter.node.as_str()), ("tasmota", "plugs"));
        assert_eq!((meter.unit_id, meter.interval_s), (0, 300));
        assert_eq!(book.polled().count(), 0, "no node of ours polls it");
        assert_eq!(book.mappings[0].meters[0].device, "DVES_1");
    }

    #[test]
    fn the_examples_of_the_readme_are_right() {
        let head = include_str!("demo/site.toml");
        let readme = include_str!("../README.md");
        let blocks = readme.split("```toml\n").skip(1).filter_map(|it| it.split("```").next());
        let mut mapped = 0;

        for block in blocks {
            let book = parse(&format!("{head}\n{block}"));
            mapped += book.unwrap_or_else(|mistakes| panic!("{mistakes:#?}")).mappings.len();
        }

        let by_hand = 3;
        assert_eq!(mapped, presets::PRESETS.len() + by_hand);
    }

    #[test]
    fn every_mistake_in_a_mapping_is_told_with_its_line() {
        let text = r#"[[node]]
id = "taken"
name = "n"
[[mapping]]
id = "taken"
preset = "tasmoto"
topic = "gengfu/v1/#"
[[mapping]]
id = "own"
topic = "up/+"
sequence = "n"
[[mapping.value]]
quantity = "ActivePower"
at = "a..b"
unit = "kWh"
factor = 0.0000001
[[mapping.value]]
quantity = "Volume"
meter = "nobody"
[[mapping]]
id = "plant"
kind = "sparkplug"
edge = "a/b"
[[mapping.value]]
quantity = "ActivePower"
[[mapping]]
id = "one"
topic = "counter"
value = [{ quantity = "ActiveEnergyImport", unit = "kWh", meter = "lost" }]
[[meter]]
id = "m1"
name = "m1"
area = "hall"
mapping = "nowhere"
[[meter]]
id = "m2"
name = "m2"
area = "hall"
mapping = "one"
counter = "Volume"
"#;

        let mistakes = parse(&format!("{SITE}{text}")).unwrap_err();

        let told: Vec<(usize, &str)> =
            mistakes.iter().map(|it| (it.line - 16, it.key.as_str())).collect();
        assert_eq!(
            told,
            [
                (6, "mapping[1].preset"),
                (7, "mapping[1].topic"),
                (8, "mapping[2].boot"),
                // Names a meter that is none.
                (12, "mapping[2].value"),
                (14, "mapping[2].value[1].at"),
                (15, "mapping[2].value[1].unit"),
                (16, "mapping[2].value[1].factor"),
                (17, "mapping[2].value[2].unit"),
                (23, "mapping[3].edge"),
                (24, "mapping[3].value[1].metric"),
                (29, "mapping[4].value"),
                (34, "meter[1].mapping"),
                (40, "meter[2].counter"),
            ]
        );
    }
}
