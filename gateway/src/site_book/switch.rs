//! Circuits that may be switched from afar: `[[switch]]`.
//!
//! In: a section, and the nodes, meters and areas above it. Out: the switch, or each mistake
//! in it. A site book without such a section switches nothing: that is how it begins.
//!
//! Two people must have agreed before anything can go dark: who writes the switch, and who
//! described what hangs on it. So afterwards
//! - everything behind a switch is lighting, down to the last meter, and no area in which it
//!   goes dark is `protected`;
//! - nothing is ever written to the address of a meter;
//! - no relay and no meter belongs to two switches, and a node has as many as its plan
//!   carries.

use analysis::site::{Load, Meter, Role, Text};
use wire::message::SWITCHES_MAX;
use wire::{Address, Name};

use super::{Node, name, refer};
use crate::document::Section;

/// A circuit that may be switched from afar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// What commands call it.
    pub id: Name,
    /// What people call it.
    pub name: Text,
    /// The node whose bus the relay is on.
    pub node: Name,
    /// The address of the relay, 1 to 247.
    pub unit_id: u8,
    /// Its coil, as on the wire; on is light.
    pub coil: u16,
    /// The meters it feeds: what proves that it was switched.
    pub meters: Vec<Name>,
    /// Every area that goes dark with it.
    pub areas: Vec<Name>,
    /// Who may switch it besides engineers.
    pub who: Role,
}

/// What stands above the switches in a site book.
pub(super) struct Above<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) meters: &'a [Meter],
    pub(super) areas: &'a [Name],
    /// Areas in which nothing is ever switched.
    pub(super) protected: &'a [Name],
    /// Whether a meter speaks Modbus.
    pub(super) is_modbus: &'a dyn Fn(&Meter) -> bool,
}

/// Reads a switch, which must have nothing in common with those before it.
pub(super) fn read(section: &Section<'_>, above: &Above<'_>, others: &[Switch]) -> Option<Switch> {
    let id: Option<Name> = section.need_parsed("id");
    if others.iter().any(|other| Some(other.id) == id) {
        section.mistake("id", "is taken by a switch further up");
    }
    let name = name(section);
    let node: Option<Name> = section.need_parsed("node");
    if let Some(node) = node {
        refer(section, "node", above.nodes.iter().any(|it| it.id == node));
        if others.iter().filter(|other| other.node == node).count() == SWITCHES_MAX {
            let message = format!(
                "has {SWITCHES_MAX} switches already, which is all that it can carry; \
                 put this relay on the bus of another node"
            );
            section.mistake("node", message);
        }
    }
    for key in ["unit_id", "coil"] {
        if !section.has(key) {
            section.mistake(key, "is missing");
        }
    }
    let unit_id = section.integer("unit_id", 1..=247).and_then(|it| u8::try_from(it).ok());
    let coil = section.integer("coil", 0..=0xFFFF).and_then(|it| u16::try_from(it).ok());
    if let (Some(node), Some(unit_id)) = (node, unit_id) {
        let address = Address::unit_id(unit_id);
        let taken = above
            .meters
            .iter()
            .find(|it| it.node == node && it.address == address && (above.is_modbus)(it));
        if let Some(meter) = taken {
            let message = format!(
                "is the address of meter `{}`, and nothing is ever written to a meter; \
                 give the relay an address of its own",
                meter.id
            );
            section.mistake("unit_id", message);
        }
        let is_same = |it: &&Switch| it.node == node && it.unit_id == unit_id;
        if let Some(other) = others.iter().find(|it| is_same(it) && Some(it.coil) == coil) {
            section.mistake("coil", format!("is that of switch `{}` already", other.id));
        }
    }
    let (meters, areas) = read_fed(section, above, others);
    let who = [(Role::Engineer.code(), Role::Engineer), (Role::Caretaker.code(), Role::Caretaker)];
    let who = section.choice("who", &who).unwrap_or(Role::Engineer);
    let (id, node, unit_id, coil) = (id?, node?, unit_id?, coil?);
    Some(Switch { id, name, node, unit_id, coil, meters, areas, who })
}

/// Reads the meters that a switch feeds and the areas that go dark with it.
fn read_fed(section: &Section<'_>, above: &Above<'_>, others: &[Switch]) -> (Vec<Name>, Vec<Name>) {
    let (mut meters, mut areas): (Vec<Name>, Vec<Name>) = (Vec::new(), Vec::new());
    for text in section.texts("meters") {
        let Some(meter) = above.meters.iter().find(|it| it.id.as_str() == text) else {
            let message =
                format!("has `{text}`, but no meter by that name stands in the site book");
            section.mistake("meters", message);
            continue;
        };
        if let Some(other) = others.iter().find(|it| it.meters.contains(&meter.id)) {
            let message = format!("has `{text}`, which switch `{}` feeds already", other.id);
            section.mistake("meters", message);
        }
        meters.push(meter.id);
        for fed in above.meters.iter().filter(|it| is_below(it, meter, above.meters)) {
            if fed.load != Load::Lighting {
                let message = format!(
                    "has `{text}`, and so `{}`, whose load is `{}`: only lighting can be \
                     switched; if it is lighting, say so there with `load = \"lighting\"`",
                    fed.id,
                    fed.load.code()
                );
                section.mistake("meters", message);
            }
            areas.push(fed.area);
        }
    }
    if !section.has("meters") || (meters.is_empty() && section.texts("meters").is_empty()) {
        section.mistake(
            "meters",
            "is missing: name the meters it feeds, which prove that it was switched",
        );
    }
    for text in section.texts("areas") {
        match above.areas.iter().find(|it| it.as_str() == text) {
            Some(area) => areas.push(*area),
            None => {
                let message =
                    format!("has `{text}`, but no area by that name stands in the site book");
                section.mistake("areas", message);
            }
        }
    }
    areas.sort_unstable();
    areas.dedup();
    for area in areas.iter().filter(|it| above.protected.contains(it)) {
        let key = if section.has("areas") { "areas" } else { "meters" };
        let message = format!(
            "would make area `{area}` dark, which is `protected`; leave it out of the switch, \
             or have whoever protected it take that back"
        );
        section.mistake(key, message);
    }
    (meters, areas)
}

/// Returns whether a meter is `top`, or is fed through it.
fn is_below(meter: &Meter, top: &Meter, meters: &[Meter]) -> bool {
    let mut at = Some(meter);
    // Upstream meters stand first, so this ends; the bound is for books with mistakes.
    for _ in 0..=meters.len() {
        match at {
            Some(it) if it.id == top.id => return true,
            Some(it) => at = it.parent.and_then(|id| meters.iter().find(|it| it.id == id)),
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Mistake;
    use crate::site_book::{SiteBook, parse};

    const HEAD: &str = r#"[site]
id = "hospital"
name = "医院"
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
[[area]]
id = "corridor"
name = "走廊"
building = "main"
hours = "day"
[[area]]
id = "theatre"
name = "手术室"
building = "main"
hours = "day"
protected = true
[[node]]
id = "cabinet"
name = "配电间"
[[node]]
id = "other"
name = "另一间"
"#;

    const METERS: &[(&str, &str, &str, &str, u8)] = &[
        ("whole", "whole", "hall", "", 1),
        ("light-hall", "lighting", "hall", "whole", 2),
        ("light-corridor", "lighting", "corridor", "light-hall", 3),
        ("light-theatre", "lighting", "theatre", "whole", 4),
        ("light-all", "lighting", "hall", "whole", 5),
        ("server", "it", "hall", "light-all", 6),
        ("light-6", "lighting", "hall", "whole", 7),
        ("light-7", "lighting", "hall", "whole", 8),
        ("light-8", "lighting", "hall", "whole", 9),
    ];

    fn book(switches: &str) -> Result<SiteBook, Vec<Mistake>> {
        let mut text = HEAD.to_owned();
        for (id, load, area, parent, unit_id) in METERS {
            text += &format!(
                "[[meter]]\nid = \"{id}\"\nname = \"{id}\"\nmodel = \"eastron-sdm630\"\n\
                 load = \"{load}\"\narea = \"{area}\"\nnode = \"cabinet\"\nunit_id = {unit_id}\n"
            );
            if !parent.is_empty() {
                text += &format!("parent = \"{parent}\"\n");
            }
        }
        parse(&(text + switches))
    }

    fn switch(id: &str, unit_id: u8, coil: u16, meters: &str, more: &str) -> String {
        format!(
            "[[switch]]\nid = \"{id}\"\nname = \"{id}\"\nnode = \"cabinet\"\nunit_id = {unit_id}\n\
             coil = {coil}\nmeters = [{meters}]\n{more}\n"
        )
    }

    #[track_caller]
    fn refused(switches: &str, key: &str, words: &str) {
        let mistakes = book(switches).expect_err("a mistake");
        let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(mistakes.len(), 1, "{told:#?}");
        assert!(mistakes[0].key.ends_with(key), "{told:#?}");
        assert!(told[0].contains(words), "{told:#?}");
    }

    #[test]
    fn a_book_without_switches_switches_nothing() {
        assert_eq!(book("").unwrap().switches, []);
    }

    #[test]
    fn a_switch_names_its_relay_its_meters_and_all_that_goes_dark() {
        let name = |text| Name::new(text).unwrap();
        let more = "name_en = \"Hall\"\nwho = \"caretaker\"";

        let book = book(&switch("hall", 20, 3, "\"light-hall\"", more)).unwrap();

        let switch = &book.switches[0];
        assert_eq!((switch.id, switch.node), (name("hall"), name("cabinet")));
        assert_eq!((switch.unit_id, switch.coil, switch.who), (20, 3, Role::Caretaker));
        assert_eq!(switch.meters, [name("light-hall")]);
        // The corridor is fed through the hall's meter.
        assert_eq!(switch.areas, [name("corridor"), name("hall")]);
    }

    #[test]
    fn nobody_but_engineers_may_switch_unless_the_book_says_so() {
        let book = book(&switch("hall", 20, 0, "\"light-hall\"", "")).unwrap();
        assert_eq!(book.switches[0].who, Role::Engineer);
        refused(&switch("a", 20, 0, "\"light-hall\"", "who = \"leader\""), "who", "`caretaker`");
    }

    #[test]
    fn only_lighting_is_switched_down_to_the_last_meter() {
        refused(&switch("a", 20, 0, "\"light-all\"", ""), "meters", "`server`, whose load is `it`");
        let whole = book(&switch("a", 20, 0, "\"whole\"", "")).unwrap_err();
        let told = |words: &str| whole.iter().any(|it| it.message.contains(words));
        assert!(told("`whole`, whose load is `whole`"), "{whole:#?}");
        assert!(told("`server`, whose load is `it`"), "{whole:#?}");
    }

    #[test]
    fn what_is_protected_never_goes_dark() {
        refused(&switch("a", 20, 0, "\"light-theatre\"", ""), "meters", "`theatre` dark");
        let more = "areas = [\"theatre\"]";
        refused(&switch("a", 20, 0, "\"light-6\"", more), "areas", "`theatre` dark");
    }

    #[test]
    fn nothing_is_written_to_a_meter() {
        refused(&switch("a", 3, 0, "\"light-hall\"", ""), "unit_id", "meter `light-corridor`");
        // On another bus the same address is another device.
        let other = switch("a", 3, 0, "\"light-hall\"", "").replace("cabinet", "other");
        assert_eq!(book(&other).unwrap().switches.len(), 1);
    }

    #[test]
    fn no_relay_and_no_meter_belongs_to_two_switches() {
        let first = switch("a", 20, 0, "\"light-6\"", "");
        let with = |second: String| format!("{first}{second}");
        refused(&with(switch("a", 20, 1, "\"light-7\"", "")), "[2].id", "taken");
        refused(&with(switch("b", 20, 0, "\"light-7\"", "")), "[2].coil", "switch `a`");
        refused(&with(switch("b", 20, 1, "\"light-6\"", "")), "[2].meters", "switch `a`");
        let apart = with(switch("b", 20, 1, "\"light-7\"", ""));
        assert_eq!(book(&apart).unwrap().switches.len(), 2);
    }

    #[test]
    fn a_node_has_no_more_switches_than_its_plan_carries() {
        let meters = ["light-6", "light-7", "light-8", "light-corridor", "light-hall"];
        let all: Vec<String> = (0..)
            .zip(meters)
            .map(|(coil, meter)| switch(&format!("s{coil}"), 20, coil, &format!("\"{meter}\""), ""))
            .collect();
        assert_eq!(book(&all[..4].concat()).unwrap().switches.len(), SWITCHES_MAX);
        refused(&all.concat(), "[5].node", "another node");
    }

    #[test]
    fn what_leads_nowhere_or_is_missing_is_told() {
        refused(&switch("a", 20, 0, "\"nobody\"", ""), "meters", "`nobody`");
        refused(&switch("a", 20, 0, "", ""), "meters", "is missing");
        refused(&switch("a", 20, 0, "\"light-6\"", "areas = [\"x\"]"), "areas", "`x`");
        let nowhere = switch("a", 20, 0, "\"light-6\"", "").replace("cabinet", "attic");
        refused(&nowhere, "node", "leads nowhere");
        let no_coil = switch("a", 20, 0, "\"light-6\"", "").replace("coil = 0\n", "");
        refused(&no_coil, "coil", "is missing");
        let far = switch("a", 20, 0, "\"light-6\"", "").replace("unit_id = 20", "unit_id = 248");
        refused(&far, "unit_id", "1 to 247");
    }
}
