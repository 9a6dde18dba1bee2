//! What the site book says: buildings, areas, meters, people.
//!
//! Plain data without a file format; whoever reads or writes one converts. Things
//! refer to each other by [`Name`]. Nothing here promises that a name leads somewhere,
//! so every look-up answers with an `Option`; whoever takes a site book in checks it.
//!
//! Not here: how a site book is read (`gateway::site_book`), its history (the journal).
//!
//! Long because a site is one description: each part is small and means nothing alone.

use std::sync::Arc;

use jiff::tz::TimeZone;
use wire::{Address, Name, Quantity, Unit};

use crate::{calendar::OpeningHours, model::OwnModel, tariff::Tariff};

/// A text that people read, in both languages of the product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Text {
    /// Returns a text in both languages.
    #[must_use]
    pub fn new(zh: &str, en: &str) -> Self {
        Self { zh: zh.to_owned(), en: en.to_owned() }
    }

    /// Returns the text in a language; the other one if it is empty in this one.
    #[must_use]
    pub fn get(&self, language: Language) -> &str {
        let (wanted, other) = match language {
            Language::Zh => (&self.zh, &self.en),
            Language::En => (&self.en, &self.zh),
        };
        if wanted.is_empty() { other } else { wanted }
    }
}

/// A language that pages, mails and reports are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// Chinese, simplified.
    #[default]
    Zh,
    /// English.
    En,
}

/// Where a site book does not say: less than one yuan is worth nobody's walk. At what offices
/// pay that is 1 to 3 kWh, or a quarter of a cubic metre of water.
pub const WASTE_MIN_E4: i64 = 10_000;

/// One building or campus with one time zone, one currency, one utility contract.
#[derive(Clone, Debug)]
pub struct Site {
    /// Part of every topic and row.
    pub id: Name,
    /// What people call it.
    pub name: Text,
    /// The zone of its clocks. Fixed: a day is a day here, whoever looks from wherever.
    pub zone: TimeZone,
    /// ISO 4217 code of its money, such as `CNY`.
    pub currency: String,
    /// What a finding must have cost to be told, 1/10000 of the currency; see [`WASTE_MIN_E4`].
    pub waste_min_e4: i64,
    /// Its buildings.
    pub buildings: Vec<Building>,
    /// Its areas, in no particular order; see [`Area::walk_order`].
    pub areas: Vec<Area>,
    /// The opening hours that areas refer to.
    pub hours: Vec<OpeningHours>,
    /// Its meters.
    pub meters: Vec<Meter>,
    /// The tariffs that meters refer to.
    pub tariffs: Vec<Tariff>,
    /// Those who answer for something or get mail.
    pub people: Vec<Person>,
}

/// What a contract of supply says of a meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supply {
    /// The highest demand it allows, mW.
    pub contract_mw: Option<i64>,
    /// The least power factor of a day it asks for, thousandths.
    pub factor_least_milli: Option<u16>,
}

/// A building of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Building {
    /// Its identifier.
    pub id: Name,
    /// What people call it.
    pub name: Text,
}

/// A part of a site that people name ("second floor east").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Its identifier.
    pub id: Name,
    /// What people call it.
    pub name: Text,
    /// The building it lies in.
    pub building: Name,
    /// The floor as signs in the building write it, such as `2F`.
    pub floor: String,
    /// Its place in the patrol's round; smaller comes first.
    pub walk_order: u32,
    /// Its opening hours.
    pub hours: Name,
    /// Floor area, m².
    pub floor_area_m2: Option<u32>,
    /// The person who answers for it.
    pub owner: Option<Name>,
}

/// What a meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Medium {
    /// Electrical energy.
    Electricity,
    /// Water.
    Water,
    /// Gas.
    Gas,
    /// Heat or cold that a water circuit carries.
    Heat,
}

impl Medium {
    /// Every medium, in the order in which pages and reports show them.
    pub const ALL: [Self; 4] = [Self::Electricity, Self::Water, Self::Gas, Self::Heat];

    /// Returns the word that stands for this medium in the API and in rows.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Electricity => "electricity",
            Self::Water => "water",
            Self::Gas => "gas",
            Self::Heat => "heat",
        }
    }

    /// Returns the medium that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|medium| medium.code() == code)
    }

    /// Returns the unit whose thousandths amounts of this medium are counted in.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::Electricity | Self::Heat => Unit::WattHour,
            Self::Water | Self::Gas => Unit::Litre,
        }
    }
}

/// What draws on a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Load {
    /// Everything behind it: the main meter of a building, a whole campus.
    Whole,
    /// Lighting alone.
    Lighting,
    /// Lighting and the sockets of the same rooms on one circuit.
    LightingAndSockets,
    /// Heating, ventilation, air conditioning.
    Hvac,
    /// Sockets.
    Plug,
    /// Servers and network.
    It,
    /// Lifts, pumps, kitchens and the like.
    Process,
}

impl Load {
    /// Every kind of load.
    pub const ALL: [Self; 7] = [
        Self::Whole,
        Self::Lighting,
        Self::LightingAndSockets,
        Self::Hvac,
        Self::Plug,
        Self::It,
        Self::Process,
    ];

    /// Returns the word that stands for this load in the API and in the site book.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Lighting => "lighting",
            Self::LightingAndSockets => "lighting_and_sockets",
            Self::Hvac => "hvac",
            Self::Plug => "plug",
            Self::It => "it",
            Self::Process => "process",
        }
    }

    /// Returns the load that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|load| load.code() == code)
    }

    /// Returns whether this circuit's lights are the patrol's business.
    #[must_use]
    pub const fn has_lights(self) -> bool {
        matches!(self, Self::Lighting | Self::LightingAndSockets)
    }
}

/// A device that counts energy or volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Its identifier: part of every topic and row.
    pub id: Name,
    /// What people call it.
    pub name: Text,
    /// The meter model's identifier in `wire::models`, such as `eastron-sdm630`.
    pub model: String,
    /// What it counts.
    pub medium: Medium,
    /// What draws behind it.
    pub load: Load,
    /// The area it serves.
    pub area: Name,
    /// The meter of the same medium upstream of it: what this one counts, that one counts too.
    pub parent: Option<Name>,
    /// The node that polls it.
    pub node: Name,
    /// Its address on the node's bus: a unit id, or the number on its plate; a unit id of 0 for
    /// one that no node polls.
    pub address: Address,
    /// Ratio of the voltage transformer in thousandths; 1000 is none.
    pub pt: u32,
    /// Ratio of the current transformer in thousandths; 1000 is none.
    pub ct: u32,
    /// How often it is polled, s.
    pub interval_s: u32,
    /// The counter that consumption is taken from.
    pub counter: Quantity,
    /// The tariff its consumption is paid under.
    pub tariff: Option<Name>,
    /// The most that can go through in an hour, amply, in thousandths of the counter's unit;
    /// `None` if nothing tells it.
    pub rate_max: Option<i64>,
    /// What the contract says of what is taken through it.
    pub supply: Supply,
    /// What it is made of, if nobody reads it: then its node is [`VIRTUAL`], and model, unit id
    /// and interval mean nothing.
    pub formula: Option<Formula>,
    /// The models that the site book describes beside those of the program; the same of all
    /// meters of a site, since a swapped meter may have been of any.
    pub own_models: Arc<[OwnModel]>,
}

/// The node and the model of meters that are a formula; no real one has this name.
pub const VIRTUAL: &str = "virtual";

/// A meter as a sum of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formula {
    /// Its terms, in the order in which they were written.
    pub terms: Vec<FormulaTerm>,
}

/// A term of a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormulaTerm {
    /// The meter.
    pub meter: Name,
    /// What it is multiplied by, in thousandths; below 0 it is taken away.
    pub factor_milli: i64,
}

impl Formula {
    /// Returns the formula that a text such as `main - lab - 0.5 * canteen` writes: names with
    /// `+` or `-` between them and blanks around these, each with a factor of at most three
    /// decimals before it, or none. `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut terms = Vec::new();
        let mut words = text.split_whitespace().peekable();
        while let Some(&word) = words.peek() {
            let sign = match word {
                "+" => Some(1),
                "-" => Some(-1),
                _ => None,
            };
            // Only the first term may do without.
            let sign = match (sign, terms.is_empty()) {
                (Some(sign), _) => {
                    words.next();
                    sign
                }
                (None, true) => 1,
                (None, false) => return None,
            };
            let mut word = words.next()?;
            let mut factor_milli = 1_000;
            if word.starts_with(|c: char| c.is_ascii_digit())
                && let Some(milli) = milli(word)
            {
                factor_milli = milli;
                word = words.next()?;
                if word == "*" {
                    word = words.next()?;
                }
            }
            let meter = Name::new(word).ok()?;
            terms.push(FormulaTerm { meter, factor_milli: sign * factor_milli });
        }
        (!terms.is_empty()).then_some(Self { terms })
    }
}

/// Reads a decimal with at most three places, in thousandths; above 0 and at most 1,000,000.
fn milli(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || 7 < whole.len() || 3 < part.len() || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let part: i64 = format!("{part:0<3}").parse().ok()?;
    let milli = whole * 1_000 + part;
    (0 < milli && milli <= 1_000_000_000).then_some(milli)
}

/// Somebody who answers for areas, gets mail, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their identifier.
    pub id: Name,
    /// Their name, as they write it.
    pub name: String,
    /// Where their mail goes, if they get any.
    pub email: Option<String>,
    /// What they may do.
    pub role: Role,
    /// The language they are written to in.
    pub language: Language,
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Marks findings on the evening round.
    Caretaker,
    /// Marks, and edits the site book.
    Engineer,
    /// Reads.
    Leader,
    /// Reads, down to the readings.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Caretaker, Self::Engineer, Self::Leader, Self::Auditor];

    /// Returns the word that stands for this role in the API and in the site book.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Caretaker => "caretaker",
            Self::Engineer => "engineer",
            Self::Leader => "leader",
            Self::Auditor => "auditor",
        }
    }

    /// Returns the role that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }
}

impl Site {
    /// Returns the building with this identifier.
    #[must_use]
    pub fn building(&self, id: &Name) -> Option<&Building> {
        self.buildings.iter().find(|building| building.id == *id)
    }

    /// Returns the area with this identifier.
    #[must_use]
    pub fn area(&self, id: &Name) -> Option<&Area> {
        self.areas.iter().find(|area| area.id == *id)
    }

    /// Returns the opening hours with this identifier.
    #[must_use]
    pub fn opening_hours(&self, id: &Name) -> Option<&OpeningHours> {
        self.hours.iter().find(|hours| hours.id == *id)
    }

    /// Returns the opening hours of an area.
    #[must_use]
    pub fn hours_of(&self, area: &Name) -> Option<&OpeningHours> {
        self.opening_hours(&self.area(area)?.hours)
    }

    /// Returns the meter with this identifier.
    #[must_use]
    pub fn meter(&self, id: &Name) -> Option<&Meter> {
        self.meters.iter().find(|meter| meter.id == *id)
    }

    /// Returns the meters whose readings make a meter's figures: itself, or the terms of a
    /// formula.
    #[must_use]
    pub fn read_beneath(&self, meter: &Meter) -> Vec<Name> {
        let Some(formula) = &meter.formula else { return vec![meter.id] };
        // Terms stand above the formula in the site book, so this ends.
        let terms = formula.terms.iter().filter_map(|term| self.meter(&term.meter));
        let mut read: Vec<Name> = terms.flat_map(|term| self.read_beneath(term)).collect();
        read.sort_unstable();
        read.dedup();
        read
    }

    /// Returns the tariff with this identifier.
    #[must_use]
    pub fn tariff(&self, id: &Name) -> Option<&Tariff> {
        self.tariffs.iter().find(|tariff| tariff.id == *id)
    }

    /// Returns the tariff a meter's consumption is paid under.
    #[must_use]
    pub fn tariff_of(&self, meter: &Meter) -> Option<&Tariff> {
        self.tariff(meter.tariff.as_ref()?)
    }

    /// Returns the person with this identifier.
    #[must_use]
    pub fn person(&self, id: &Name) -> Option<&Person> {
        self.people.iter().find(|person| person.id == *id)
    }

    /// Returns the meters upstream of a meter, nearest first. Ends at a meter already
    /// seen, so a loop in the site book costs a wrong answer and not the process.
    #[must_use]
    pub fn upstream(&self, meter: &Meter) -> Vec<&Meter> {
        let mut found: Vec<&Meter> = Vec::new();
        let mut next = meter.parent;
        while let Some(parent) = next.and_then(|id| self.meter(&id)) {
            if parent.id == meter.id || found.iter().any(|seen| seen.id == parent.id) {
                break;
            }
            found.push(parent);
            next = parent.parent;
        }
        found
    }

    /// Returns whether a meter counts towards its medium's total: nothing of the same
    /// medium upstream counts the same once more, and it is no formula of what counts
    /// already.
    #[must_use]
    pub fn is_top(&self, meter: &Meter) -> bool {
        meter.formula.is_none()
            && self.upstream(meter).iter().all(|above| above.medium != meter.medium)
    }

    /// Returns whether a meter counts towards its area: nothing of the same medium
    /// upstream *in the same area* counts the same once more, nor is it a formula of a meter
    /// of that area.
    #[must_use]
    pub fn is_top_in_area(&self, meter: &Meter) -> bool {
        let terms = meter.formula.iter().flat_map(|formula| &formula.terms);
        let of_this_area = |term: &FormulaTerm| {
            self.meter(&term.meter).is_some_and(|term| term.area == meter.area)
        };
        !terms.into_iter().any(of_this_area)
            && self
                .upstream(meter)
                .iter()
                .all(|above| above.medium != meter.medium || above.area != meter.area)
    }

    /// Returns the meters of the same medium directly behind a meter, in the order of the site
    /// book.
    pub fn behind(&self, meter: &Meter) -> impl Iterator<Item = &Meter> {
        let (id, medium) = (meter.id, meter.medium);
        let is_behind =
            move |it: &&Meter| it.parent == Some(id) && it.medium == medium && it.formula.is_none();
        self.meters.iter().filter(is_behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_not_translated_is_shown_in_the_other_language() {
        let text = Text::new("二楼东", "");

        assert_eq!((text.get(Language::Zh), text.get(Language::En)), ("二楼东", "二楼东"));
    }

    #[test]
    fn a_formula_is_names_with_signs_and_factors() {
        let formula = Formula::parse("main-hall - lab + 0.5 * canteen - 2 gym").unwrap();

        let terms: Vec<_> =
            formula.terms.iter().map(|it| (it.meter.as_str(), it.factor_milli)).collect();
        assert_eq!(
            terms,
            [("main-hall", 1_000), ("lab", -1_000), ("canteen", 500), ("gym", -2_000)]
        );
        for broken in ["", "-", "main lab", "main - ", "0.1234 lab", "main -- lab", "main * lab"] {
            assert_eq!(Formula::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn every_word_leads_back_to_what_it_stands_for() {
        for medium in Medium::ALL {
            assert_eq!(Medium::from_code(medium.code()), Some(medium));
        }
        for load in Load::ALL {
            assert_eq!(Load::from_code(load.code()), Some(load));
        }
        for role in Role::ALL {
            assert_eq!(Role::from_code(role.code()), Some(role));
        }
    }
}
