//! From the site book to the plan of each node.
//!
//! A node knows no meter models: its plan carries the registers. In: a checked site book
//! and its version. Out: one encoded `wire::message::Plan` per node.

use std::collections::BTreeMap;

use analysis::site::Meter;
use bytes::Bytes;
use firmware::load::{Load, THINKING_MS};
use wire::List;
use wire::message::{Plan, PlanFault, PlanMap, PlannedMeter};
use wire::modbus::{LineSettings, Ratios};
use wire::{Name, models};

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
    /// A meter's model is not known.
    #[error("meter `{meter}` is a `{model}`, which is not known")]
    UnknownModel {
        /// The meter.
        meter: Name,
        /// What the site book says.
        model: String,
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
    let mut plan = Plan {
        revision,
        interval_s: node.interval_s,
        line: LineSettings::default(),
        maps: List::new(),
        meters: List::new(),
        switches: List::new(),
    };
    for meter in book.site.meters.iter().filter(|meter| meter.node == node.id) {
        let model = models::by_id(&meter.model).ok_or_else(|| PlanError::UnknownModel {
            meter: meter.id,
            model: meter.model.clone(),
        })?;
        if plan.meters.is_empty() {
            plan.line = LineSettings {
                baud: if node.baud == 0 { model.line.baud } else { node.baud },
                ..model.line
            };
        }
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
    Ok(plan)
}

fn planned(meter: &Meter, map: usize) -> PlannedMeter {
    PlannedMeter {
        meter: meter.id,
        unit_id: meter.unit_id,
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
