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
//! mapped ([`mapping`]), a meter ([`meter`]), a model of the user's own ([`model`]) and a
//! circuit that may be switched ([`switch`]).

mod formula;
mod limit;
pub mod mapping;
pub mod meter;
pub mod model;
pub mod path;
pub mod presets;
pub mod switch;
mod tariff;
pub mod topic;

use std::sync::Arc;

use analysis::calendar::{Holidays, OpeningHours, Spans};
use analysis::model::OwnModel;
use analysis::site::{
    Area, Building, Language, Meter, Person, Role, Site, Text, VIRTUAL, WASTE_MIN_E4,
};
use analysis::tariff::Tariff;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use wire::modbus::Parity;
use wire::{Name, Protocol, models};

use self::mapping::Mapping;
use self::meter::Known;
use self::model::Model;
use self::switch::Switch;
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
    /// Meter models of the user's own.
    pub models: Vec<Model>,
    /// Circuits that may be switched from afar.
    pub switches: Vec<Switch>,
}

impl SiteBook {
    /// Returns a meter model by its name, whether it comes with the program or is described
    /// here.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<Known<'_>> {
        let own = || self.models.iter().find(|model| model.id == id).map(Model::known);
        meter::built_in(id).or_else(own)
    }

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
    /// Parity of its line, if it is not that with which its meters leave the factory.
    pub parity: Option<Parity>,
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
        let mut protected = Vec::new();
        let areas = root.sections("area", |section| {
            let is_protected = section.boolean("protected").unwrap_or(false);
            let area = read_area(section)?;
            protected.extend(is_protected.then_some(area.id));
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
        let mut own: Vec<Model> = Vec::new();
        let mut broken = Vec::new();
        root.sections("model", |section| {
            match model::read(section, &own) {
                Some(model) => own.push(model),
                None => broken.extend(section.text("id").map(str::to_owned)),
            }
            Some(())
        });
        let own_models: Arc<[OwnModel]> = own.iter().map(|model| model.values.clone()).collect();
        let mut known: Vec<Known<'_>> = own.iter().map(Model::known).collect();
        for model in models::MODELS {
            known.push(meter::known(model));
        }
        let mut meters: Vec<Meter> = Vec::new();
        root.sections("meter", |section| {
            let mut meter = if section.has("mapping") {
                meter::read_mapped(section, &mut mappings)?
            } else if section.has("formula") {
                formula::read(section, &meters)?
            } else {
                let meter = meter::read_polled(section, &nodes, &known, &broken)?;
                refer(section, "node", nodes.iter().any(|it| it.id == meter.node));
                // Modbus and a protocol with numbers do not hear each other.
                let speaks = |meter: &Meter| {
                    let model = known.iter().find(|model| model.id == meter.model);
                    model.map(|model| model.map.protocol())
                };
                let same = |it: &Meter| {
                    it.node == meter.node
                        && it.address == meter.address
                        && speaks(it) == speaks(&meter)
                };
                if meters.iter().any(same) {
                    let key = if section.has("address") { "address" } else { "unit_id" };
                    section.mistake(key, "is taken by another meter of the same node");
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
            meter.own_models = Arc::clone(&own_models);
            meters.push(meter);
            Some(())
        });
        for (mapping, place) in mappings.iter().zip(places) {
            if let Some(unknown) = mapping.unknown_meter() {
                let message = format!("names `{unknown}`, but no such meter has this mapping");
                root.mistake_at(place, message);
            }
        }
        let names: Vec<Name> = areas.iter().map(|area| area.id).collect();
        let is_modbus = |meter: &Meter| {
            let model = known.iter().find(|model| model.id == meter.model);
            model.is_some_and(|model| model.map.protocol() == Protocol::Modbus)
        };
        let above = switch::Above {
            nodes: &nodes,
            meters: &meters,
            areas: &names,
            protected: &protected,
            is_modbus: &is_modbus,
        };
        let mut switches: Vec<Switch> = Vec::new();
        root.sections("switch", |section| {
            switches.push(switch::read(section, &above, &switches)?);
            Some(())
        });
        let (id, name, zone, currency, waste_min_e4) = head?;
        let site = Site {
            id,
            name,
            zone,
            currency,
            waste_min_e4,
            buildings,
            areas,
            hours,
            meters,
            tariffs,
            people,
        };
        drop(known);
        Some(SiteBook { site, nodes, mappings, models: own, switches })
    })
}

type Head = (Name, Text, TimeZone, String, i64);

fn read_head(section: &Section<'_>) -> Option<Head> {
    let id = section.need_parsed("id");
    let name = name(section);
    let currency = section.text("currency").unwrap_or("CNY").to_owned();
    let waste_min_e4 = section.decimal("waste_min", 10_000).unwrap_or(WASTE_MIN_E4);
    if waste_min_e4 < 0 {
        section.mistake("waste_min", "must not be below 0");
    }
    let zone = section.need_text("zone").and_then(|zone| match TimeZone::get(zone) {
        Ok(zone) => Some(zone),
        Err(_) => {
            section.mistake("zone", "is no time zone; `Asia/Shanghai` is one");
            None
        }
    });
    Some((id?, name, zone?, currency, waste_min_e4))
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
    let parity = [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];
    let parity = section.choice("parity", &parity);
    Some(Node {
        id: id?,
        name,
        interval_s: u16::try_from(interval_s).ok()?,
        baud: u32::try_from(baud).ok()?,
        parity,
    })
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
        assert_eq!((meter.address.number(), meter.interval_s), (0, 300));
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
