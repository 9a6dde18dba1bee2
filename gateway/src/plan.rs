//! From the site book to the plan of each node.
//!
//! A node knows no meter models: its plan carries the registers and data identifiers. In: a checked site book
//! and its version. Out: one encoded `wire::message::Plan` per node.

use std::collections::BTreeMap;

use analysis::site::Meter;
use bytes::Bytes;
use firmware::load::{Load, THINKING_MS};
use wire::List;
use wire::message::{Plan, PlanFault, PlanMap, PlannedMeter, PlannedSwitch};
use wire::modbus::{LineSettings, Parity, Ratios};
use wire::{Name, Protocol};

use crate::site_book::meter::Known;
use crate::site_book::switch::Switch;
use crate::site_book::{Node, SiteBook};

/// Why a node cannot be given a plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// More meters on one node than a plan can carry.
    #[error("node `{node}` has more than {} meters", wire::message::METERS_MAX)]
    TooManyMeters {
        /// The node.
        node: Name,
    },
    /// More meter models on one node than a plan can carry.
    #[error("node `{node}` has more than {} meter models", wire::message::MAPS_MAX)]
    TooManyModels {
        /// The node.
        node: Name,
    },
    /// More circuits to be switched on one node than a plan can carry.
    #[error("node `{node}` has more than {} switches", wire::message::SWITCHES_MAX)]
    TooManySwitches {
        /// The node.
        node: Name,
    },
    /// A meter's model is not known.
    #[error("meter `{meter}` is a `{model}`, which is not known")]
    UnknownModel {
        /// The meter.
        meter: Name,
        /// What the site book says.
        model: String,
    },
    /// Meters on one bus whose lines cannot be set alike.
    #[error(
        "node `{node}` has meters of two parities on one bus: `{first}` speaks {}, `{second}` {}; \
         put them on two nodes, or set the meters alike and say so with `parity` at the node",
        word(parities.0), word(parities.1)
    )]
    Parity {
        /// The node.
        node: Name,
        /// A meter.
        first: Name,
        /// Another.
        second: Name,
        /// Of the one and the other.
        parities: Box<(Parity, Parity)>,
    },
    /// A meter whose protocol fixes its parity, on a node whose line is set otherwise.
    #[error(
        "node `{node}` has `parity = \"{}\"`, but meter `{meter}` speaks {}, which is always even; \
         put it on a node of its own, or set the other meters and the node to even parity",
        word(*parity), protocol.code()
    )]
    FixedParity {
        /// The node.
        node: Name,
        /// The meter.
        meter: Name,
        /// Of the node.
        parity: Parity,
        /// What the meter speaks.
        protocol: Protocol,
    },
    /// The plan breaks a rule of the protocol.
    #[error("plan of node `{node}` is refused: {}", fault.code())]
    Fault {
        /// The node.
        node: Name,
        /// The rule.
        fault: PlanFault,
    },
}

/// Returns the encoded plan of each node of a site book.
///
/// # Errors
///
/// The first node that cannot be given one, and why.
pub fn plans(book: &SiteBook, version: i64) -> Result<BTreeMap<Name, Bytes>, PlanError> {
    let revision = u32::try_from(version).unwrap_or(u32::MAX);
    book.nodes.iter().map(|node| Ok((node.id, encoded(book, node, revision)?))).collect()
}

/// Returns how busy each node's bus will be, in the order of the site book.
///
/// # Errors
///
/// As [`plans`].
pub fn loads(book: &SiteBook) -> Result<Vec<(Name, Load)>, PlanError> {
    let load = |node: &Node| {
        // A bus without a line of its own (Modbus TCP) has 0 baud in the site book.
        Ok((node.id, Load::of(&plan(book, node, 0)?, node.baud != 0, THINKING_MS)))
    };
    book.nodes.iter().map(load).collect()
}

fn encoded(book: &SiteBook, node: &Node, revision: u32) -> Result<Bytes, PlanError> {
    let plan = plan(book, node, revision)?;
    plan.check().map_err(|fault| PlanError::Fault { node: node.id, fault })?;
    let mut buffer = vec![0; Plan::BYTES_MAX];
    match plan.encode(&mut buffer) {
        Ok(len) => Ok(Bytes::copy_from_slice(buffer.get(..len).unwrap_or_default())),
        // The buffer holds the largest plan there is.
        Err(_) => Err(PlanError::TooManyMeters { node: node.id }),
    }
}

fn plan(book: &SiteBook, node: &Node, revision: u32) -> Result<Plan, PlanError> {
    let mut known: Vec<&str> = Vec::new();
    let mut first = None;
    let mut plan = Plan {
        revision,
        interval_s: node.interval_s,
        line: LineSettings::default(),
        maps: List::new(),
        meters: List::new(),
        switches: List::new(),
    };
    for meter in book.site.meters.iter().filter(|meter| meter.node == node.id) {
        let model = book.model(&meter.model).ok_or_else(|| PlanError::UnknownModel {
            meter: meter.id,
            model: meter.model.clone(),
        })?;
        if plan.meters.is_empty() {
            plan.line = LineSettings {
                baud: if node.baud == 0 { model.line.baud } else { node.baud },
                parity: node.parity.unwrap_or(model.line.parity),
                ..model.line
            };
        }
        check_parity(node, plan.line, &first, meter, &model)?;
        first.get_or_insert((meter.id, model.line.parity));
        let map = match known.iter().position(|id| *id == model.id) {
            Some(map) => map,
            None => {
                let too_many = |_| PlanError::TooManyModels { node: node.id };
                plan.maps.push(PlanMap::new(&model.map).map_err(too_many)?).map_err(too_many)?;
                known.push(model.id);
                known.len() - 1
            }
        };
        let too_many = |_| PlanError::TooManyMeters { node: node.id };
        plan.meters.push(planned(meter, map)).map_err(too_many)?;
    }
    for switch in book.switches.iter().filter(|switch| switch.node == node.id) {
        let Switch { id: circuit, unit_id, coil, .. } = *switch;
        let too_many = |_| PlanError::TooManySwitches { node: node.id };
        let planned = PlannedSwitch { circuit, unit_id, coil };
        plan.switches.push(planned).map_err(too_many)?;
    }
    Ok(plan)
}

/// Checks that a meter can be heard on a line: a bus has one parity, and protocols that fix
/// theirs leave no choice. Without a line (Modbus TCP) there is nothing to set.
fn check_parity(
    node: &Node,
    line: LineSettings,
    first: &Option<(Name, Parity)>,
    meter: &Meter,
    model: &Known<'_>,
) -> Result<(), PlanError> {
    let (own, protocol) = (model.line.parity, model.map.protocol());
    if node.baud == 0 || own == line.parity {
        return Ok(());
    }
    match (node.parity, first) {
        // Whoever says what the line is has set the meters that can be set.
        (Some(_), _) if protocol == Protocol::Modbus => Ok(()),
        (Some(parity), _) => {
            Err(PlanError::FixedParity { node: node.id, meter: meter.id, parity, protocol })
        }
        (None, Some((first, parity))) => Err(PlanError::Parity {
            node: node.id,
            first: *first,
            second: meter.id,
            parities: Box::new((*parity, own)),
        }),
        (None, None) => Ok(()),
    }
}

fn word(parity: Parity) -> &'static str {
    match parity {
        Parity::None => "none",
        Parity::Even => "even",
        Parity::Odd => "odd",
    }
}

fn planned(meter: &Meter, map: usize) -> PlannedMeter {
    PlannedMeter {
        meter: meter.id,
        address: meter.address,
        map: u8::try_from(map).unwrap_or(u8::MAX),
        interval_s: u16::try_from(meter.interval_s).unwrap_or(u16::MAX),
        ratios: Ratios { pt: meter.pt, ct: meter.ct },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site_book;

    #[test]
    fn each_node_of_the_demo_gets_its_meters_and_their_registers() {
        let book = site_book::parse(include_str!("demo/site.toml")).unwrap();

        let plans = plans(&book, 7).unwrap();

        let office = Plan::decode(&plans[&Name::new("node-office").unwrap()]).unwrap();
        let campus = Plan::decode(&plans[&Name::new("node-campus").unwrap()]).unwrap();
        assert_eq!((office.revision, office.maps.len(), office.meters.len()), (7, 1, 8));
        assert_eq!((campus.maps.len(), campus.meters.len()), (3, 5));
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

    /// A node, and a meter of each model on it, with its address.
    fn book(node: &str, meters: &[(&str, &str)]) -> SiteBook {
        let mut text = format!("{SITE}[[node]]\nid = \"cabinet\"\nname = \"n\"\n{node}\n");
        for (number, (model, address)) in meters.iter().enumerate() {
            text += &format!(
                "[[meter]]\nid = \"m{number}\"\nname = \"m\"\narea = \"hall\"\n\
                 node = \"cabinet\"\nmodel = \"{model}\"\n{address}\n"
            );
        }
        site_book::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
    }

    const NUMBERED: (&str, &str) = ("dlt645-three-phase", "address = \"000012345678\"");
    const EVEN: (&str, &str) = ("abb-b23", "unit_id = 7");
    const NONE: (&str, &str) = ("eastron-sdm630", "unit_id = 8");

    #[test]
    fn meters_of_three_protocols_share_a_bus_of_one_parity() {
        let water = ("cjt188-water", "address = \"2020120218\"");
        let book = book("baud = 2400", &[NUMBERED, EVEN, water]);

        let plan = Plan::decode(&plans(&book, 1).unwrap()[&book.nodes[0].id]).unwrap();

        assert_eq!((plan.line.baud, plan.line.parity), (2_400, Parity::Even));
        let addresses: Vec<u64> = plan.meters.iter().map(|it| it.address.number()).collect();
        assert_eq!(addresses, [0x0000_1234_5678, 7, 0x0020_2012_0218]);
    }

    #[test]
    fn only_circuits_that_the_book_marks_are_in_the_plan_of_their_node() {
        let meter = |book: &SiteBook| {
            let plan = Plan::decode(&plans(book, 1).unwrap()[&book.nodes[0].id]).unwrap();
            plan.switches.as_slice().to_vec()
        };
        let lights = ("abb-b23", "unit_id = 7\nload = \"lighting\"");
        let switch = "[[switch]]\nid = \"hall-lights\"\nname = \"s\"\nnode = \"cabinet\"\n\
                      unit_id = 20\ncoil = 4\nmeters = [\"m0\"]\n";

        let without = meter(&book("", &[lights]));
        // What the helper puts behind a meter may be another section.
        let behind = format!("{}\n{switch}", lights.1);
        let with = meter(&book("", &[(lights.0, &behind)]));

        assert_eq!(without, []);
        let circuit = Name::new("hall-lights").unwrap();
        assert_eq!(with, [PlannedSwitch { circuit, unit_id: 20, coil: 4 }]);
    }

    #[test]
    fn a_bus_of_two_parities_is_refused_in_plain_words() {
        let refused = |book: &SiteBook| plans(book, 1).unwrap_err().to_string();

        assert_eq!(
            refused(&book("baud = 2400", &[NUMBERED, NONE])),
            "node `cabinet` has meters of two parities on one bus: `m0` speaks even, `m1` none; \
             put them on two nodes, or set the meters alike and say so with `parity` at the node"
        );
        assert_eq!(
            refused(&book("baud = 2400\nparity = \"none\"", &[NONE, NUMBERED])),
            "node `cabinet` has `parity = \"none\"`, but meter `m1` speaks dlt645, which is always \
             even; put it on a node of its own, or set the other meters and the node to even parity"
        );
        // The Modbus meter was set to even parity, and the node says so.
        assert!(plans(&book("parity = \"even\"", &[NONE, NUMBERED]), 1).is_ok());
        // Modbus TCP has no parity.
        assert!(plans(&book("baud = 0", &[NONE, EVEN]), 1).is_ok());
    }

    #[test]
    fn a_bus_that_cannot_keep_up_is_seen_before_it_is_built() {
        let text = include_str!("demo/site.toml");
        let calm = site_book::parse(text).unwrap();
        // The demo's nodes poll each minute.
        let hasty = site_book::parse(&text.replace("interval_s = 60", "interval_s = 1")).unwrap();

        let calm = loads(&calm).unwrap();
        let hasty = loads(&hasty).unwrap();

        assert!(calm.iter().all(|(_, load)| load.permille < firmware::load::CROWDED), "{calm:?}");
        assert!(firmware::load::FULL < hasty[0].1.permille, "{hasty:?}");
    }
}
