//! A meter that is a formula of others.

use std::sync::Arc;

use analysis::site::{Formula, Load, Medium, Meter, Supply, VIRTUAL};
use wire::{Address, Name, Quantity};

use super::name;
use crate::document::Section;

/// Reads a meter that is a formula of meters further up; so no loop can be written down.
pub(super) fn read(section: &Section<'_>, meters: &[Meter]) -> Option<Meter> {
    let id = section.need_parsed("id");
    let name = name(section);
    let text = section.text("formula").unwrap_or_default();
    let formula = Formula::parse(text);
    if formula.is_none() {
        section.mistake("formula", "looks like `main - lab - 0.5 * canteen`");
    }
    for key in ["model", "node", "unit_id", "pt", "ct", "counter", "interval_s"] {
        if section.has(key) {
            section.mistake(key, "is that of a meter that is read; this one is a formula");
        }
    }
    let load = section.choice("load", &Load::ALL.map(|it| (it.code(), it))).unwrap_or(Load::Whole);
    let area = section.need_parsed("area");
    let (parent, tariff) = (section.parsed("parent"), section.parsed("tariff"));
    let formula = formula?;
    let term = |id: &Name| meters.iter().find(|meter| meter.id == *id);
    let medium = formula.terms.iter().find_map(|it| term(&it.meter)).map(|meter| meter.medium);
    for it in &formula.terms {
        match term(&it.meter) {
            None => section.mistake(
                "formula",
                format!("has `{}`, but no meter by that name stands above it", it.meter),
            ),
            Some(found) if Some(found.medium) != medium => section
                .mistake("formula", format!("has `{}`, which counts another medium", it.meter)),
            Some(_) => {}
        }
    }
    let medium = medium?;
    section.choice("medium", &[(medium.code(), medium)]);
    let node = Name::new(VIRTUAL).ok()?;
    Some(Meter {
        id: id?,
        name,
        model: VIRTUAL.to_owned(),
        medium,
        load,
        area: area?,
        parent,
        node,
        address: Address::unit_id(0),
        pt: 1_000,
        ct: 1_000,
        interval_s: 900,
        counter: match medium {
            Medium::Electricity => Quantity::ActiveEnergyImport,
            Medium::Water | Medium::Gas => Quantity::Volume,
            Medium::Heat => Quantity::HeatEnergy,
        },
        tariff,
        rate_max: None,
        supply: Supply::default(),
        formula: Some(formula),
        own_models: Arc::default(),
    })
}
