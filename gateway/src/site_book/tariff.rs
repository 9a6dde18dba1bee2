//! A tariff and its dated rules.

use analysis::site::Medium;
use analysis::tariff::{Band, BandName, DatedRule, Days, Rate, Rule, Tariff};

use super::{name, spans};
use crate::document::Section;

pub(super) fn read(section: &Section<'_>) -> Option<Tariff> {
    let id = section.need_parsed("id");
    let name = name(section);
    let medium = section.choice("medium", &Medium::ALL.map(|it| (it.code(), it)));
    if medium.is_none() && !section.has("medium") {
        section.mistake("medium", "is missing");
    }
    let rules = section.sections("rule", read_rule);
    if rules.is_empty() {
        section.mistake("rule", "is missing: a tariff needs at least one `[[tariff.rule]]`");
    }
    Some(Tariff { id: id?, name, medium: medium?, rules })
}

fn read_rule(section: &Section<'_>) -> Option<DatedRule> {
    let from = section.need_parsed("from");
    let source = section.need_text("source").unwrap_or_default().to_owned();
    if !section.has("rate") {
        section.mistake("rate", "is missing");
    }
    let rate = section.decimal("rate", 10_000);
    let names = BandName::ALL.map(|it| (it.code(), it));
    let otherwise = section.choice("rate_name", &names).unwrap_or(BandName::Shoulder);
    let bands = section.sections("band", |section| {
        let name = section.choice("name", &names);
        if !section.has("name") {
            section.mistake("name", "is missing");
        }
        let rate = section.decimal("rate", 10_000);
        if !section.has("rate") {
            section.mistake("rate", "is missing");
        }
        let days = [("all", Days::All), ("worked", Days::Worked), ("off", Days::Off)];
        let days = section.choice("days", &days).unwrap_or_default();
        let times = spans(section, "times");
        let mut months = Vec::new();
        for month in section.texts("months") {
            match month.parse() {
                Ok(number @ 1..=12) => months.push(number),
                _ => section
                    .mistake("months", format!("has `{month}`, but months are \"1\" to \"12\"")),
            }
        }
        Some(Band { rate: Rate { name: name?, rate_e4: rate? }, months, days, times })
    });
    let rule = if bands.is_empty() {
        Rule::Flat(rate?)
    } else {
        Rule::Banded { bands, otherwise: Rate { name: otherwise, rate_e4: rate? } }
    };
    Some(DatedRule { from: from?, source, rule })
}
