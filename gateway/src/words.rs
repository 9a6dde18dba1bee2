//! The words and numbers that people read in mails and workbooks.
//!
//! In: a key of the catalogue (`dashboards/locales/*.json`, shared with the pages) and
//! its parameters, or an integer as `analysis` makes it.
//! Out: text in the reader's language.
//!
//! Afterwards:
//! - this is the only place of the gateway that rounds for print (`dashboards` has its own,
//!   `quantity.ts`, with the same rules);
//! - local time is the site's, never the reader's.
//!
//! Not here: which words a mail needs (`alert`, `report`), how a mail looks (`letter`).

mod number;

use std::collections::BTreeMap;
use std::sync::OnceLock;

pub use analysis::site::Language;
use analysis::site::Medium;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use number::{exact, grouped};

/// Returns the tag of RFC 5646 that names a language in HTML and HTTP.
#[must_use]
pub const fn tag(language: Language) -> &'static str {
    match language {
        Language::Zh => "zh-CN",
        Language::En => "en",
    }
}

type Catalogue = BTreeMap<String, String>;

fn catalogue(language: Language) -> &'static Catalogue {
    static CHINESE: OnceLock<Catalogue> = OnceLock::new();
    static ENGLISH: OnceLock<Catalogue> = OnceLock::new();
    let (cell, json) = match language {
        Language::Zh => (&CHINESE, include_str!("../../dashboards/locales/zh-CN.json")),
        Language::En => (&ENGLISH, include_str!("../../dashboards/locales/en.json")),
    };
    // A catalogue that is no flat object fails the tests below; a person still gets a mail,
    // with keys for words.
    cell.get_or_init(|| serde_json::from_str(json).unwrap_or_default())
}

/// Returns the catalogue's text of `key`, each `{name}` replaced by its parameter.
///
/// A key that the catalogue lacks, or a parameter that is not given, stands for itself:
/// a mail with one odd word still says where the light is on. The tests of `alert` and
/// `report` see to it that none is lacking.
#[must_use]
pub fn text(language: Language, key: &str, params: &[(&str, &str)]) -> String {
    let Some(pattern) = catalogue(language).get(key) else { return key.to_owned() };
    fill(pattern, params)
}

/// Replaces each `{name}` of the pattern in one pass, so that braces in a parameter (the
/// name of an area is free text) are never taken for a place holder.
fn fill(pattern: &str, params: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(pattern.len() + 32);
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, tail)) => {
                match params.iter().find(|(known, _)| *known == name) {
                    Some((_, value)) => out.push_str(value),
                    None => out.push_str(&format!("{{{name}}}")),
                }
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Returns an energy, given in mWh: `0.84 kWh`, `4.2 kWh`, `1,234 kWh`, `12.3 万 kWh`.
#[must_use]
pub fn energy(language: Language, mwh: i64) -> String {
    // From 100,000 kWh on, Chinese readers count in units of ten thousand.
    if language == Language::Zh && 100_000_000_000 <= mwh.saturating_abs() {
        return format!("{} 万 kWh", number::readable(mwh, 10_000_000_000));
    }
    format!("{} kWh", number::readable(mwh, 1_000_000))
}

/// Returns a volume, given in mL: `0.25 m³`, `31.5 m³`.
#[must_use]
pub fn volume(ml: i64) -> String {
    format!("{} m³", number::readable(ml, 1_000_000))
}

/// Returns an amount of a medium, given in thousandths of its unit: an energy or a volume.
#[must_use]
pub fn amount(language: Language, medium: Medium, thousandths: i64) -> String {
    match medium {
        Medium::Electricity | Medium::Heat => energy(language, thousandths),
        Medium::Water | Medium::Gas => volume(thousandths),
    }
}

/// Returns a power, given in mW: `40 W`, `1.2 kW`.
#[must_use]
pub fn power(mw: i64) -> String {
    if mw.saturating_abs() < 1_000_000 {
        return format!("{} W", grouped(mw, 1_000, 0));
    }
    format!("{} kW", number::readable(mw, 1_000_000))
}

/// Returns an amount of money, given in 1/10000 of the currency: `3.36 元`, `CNY 3.36`.
#[must_use]
pub fn money(language: Language, e4: i64, currency: &str) -> String {
    let amount = grouped(e4, 10_000, 2);
    let word = self::currency(language, currency);
    match language {
        Language::Zh => format!("{amount} {word}"),
        Language::En => format!("{word} {amount}"),
    }
}

/// Returns what people call a currency, given its ISO 4217 code: `元`, `CNY`.
#[must_use]
pub fn currency(language: Language, code: &str) -> &str {
    match (language, code) {
        (Language::Zh, "CNY") => "元",
        (Language::Zh | Language::En, _) => code,
    }
}

/// Returns a share, given in thousandths: `98.7%`. Nothing is rounded, so that no share
/// short of the whole is printed as 100%.
#[must_use]
pub fn share(thousandths: i64) -> String {
    format!("{}%", grouped(thousandths, 10, 1))
}

/// Returns a local time of day at the site: `19:10`.
#[must_use]
pub fn time_of_day(zone: &TimeZone, instant: i64) -> String {
    civil(zone, instant).strftime("%H:%M").to_string()
}

/// Returns a local day and time at the site: `11月23日 19:10`, `23 Nov 19:10`; with the year
/// where it is not that of `now`.
#[must_use]
pub fn moment(language: Language, zone: &TimeZone, instant: i64, now: i64) -> String {
    let local = civil(zone, instant);
    let same_year = local.year() == civil(zone, now).year();
    if !same_year {
        return moment_with_year(language, zone, instant);
    }
    let form = match language {
        Language::Zh => "%-m月%-d日 %H:%M",
        Language::En => "%-d %b %H:%M",
    };
    local.strftime(form).to_string()
}

/// Returns a local day and time at the site with its year, for documents that are kept.
#[must_use]
pub fn moment_with_year(language: Language, zone: &TimeZone, instant: i64) -> String {
    let form = match language {
        Language::Zh => "%Y年%-m月%-d日 %H:%M",
        Language::En => "%-d %b %Y %H:%M",
    };
    civil(zone, instant).strftime(form).to_string()
}

/// Returns a local day at the site, as in the address of a page: `2026-11-23`.
#[must_use]
pub fn day(zone: &TimeZone, instant: i64) -> String {
    civil(zone, instant).date().to_string()
}

/// Returns a month: `2026年10月`, `October 2026`.
#[must_use]
pub fn month(language: Language, year: i16, month: i8) -> String {
    match language {
        Language::Zh => format!("{year}年{month}月"),
        Language::En => match jiff::civil::Date::new(year, month, 1) {
            Ok(first) => first.strftime("%B %Y").to_string(),
            Err(_) => format!("{year}-{month:02}"),
        },
    }
}

/// Returns a span of time, its two largest parts: `35 分钟`, `2 小时 5 分钟`, `3 d 4 h`.
/// What is under a minute is dropped.
#[must_use]
pub fn duration(language: Language, seconds: i64) -> String {
    let minutes = seconds.max(0) / 60;
    let (days, hours) = (minutes / 1_440, minutes / 60 % 24);
    let part = |n: i64, key: &str| (0 < n).then(|| text(language, key, &[("n", &n.to_string())]));
    let parts = if 0 < days {
        [part(days, "word.days"), part(hours, "word.hours")]
    } else {
        [part(hours, "word.hours"), part(minutes % 60, "word.minutes")]
    };
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return text(language, "word.minutes", &[("n", "0")]);
    }
    parts.join(" ")
}

fn civil(zone: &TimeZone, instant: i64) -> jiff::Zoned {
    // Instants come from the gate, which rejects what lies outside 2020 to now.
    Timestamp::from_second(instant).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
}

#[cfg(test)]
mod tests;
