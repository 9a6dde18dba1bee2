//! Figures of a bench, for people and for programs.

#![expect(clippy::cast_precision_loss, reason = "figures for people: 52 bits are plenty")]

use std::fmt;

use serde_json::{Map, Value, json};

/// The figures of one bench, in the order in which they are told.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    title: String,
    figures: Vec<Figure>,
}

#[derive(Clone, Debug)]
struct Figure {
    key: String,
    value: f64,
    unit: &'static str,
    target: Option<Target>,
}

/// What was promised of a figure.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// It is reached from here on.
    AtLeast(f64),
    /// It is reached up to here.
    AtMost(f64),
    /// It is reached from the first to the second.
    Between(f64, f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => least <= value,
            Self::AtMost(most) => value <= most,
            Self::Between(least, most) => least <= value && value <= most,
        }
    }
}

impl Sheet {
    /// Returns a sheet without figures.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), figures: Vec::new() }
    }

    /// Adds a figure; `key` is what programs know it by, as `commit_p50_ms`.
    pub fn add(&mut self, key: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { key: key.into(), value, unit, target: None });
    }

    /// Adds a figure of which something was promised.
    pub fn add_with(
        &mut self,
        key: impl Into<String>,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        self.figures.push(Figure { key: key.into(), value, unit, target: Some(target) });
    }

    /// Adds the middle, the 99th of a hundred and the greatest of some times, ms.
    pub fn add_times(&mut self, key: &str, mut times_ms: Vec<f64>) {
        times_ms.sort_by(f64::total_cmp);
        let at = |share: usize| {
            times_ms.get((times_ms.len() * share / 100).min(times_ms.len().saturating_sub(1)))
        };
        for (name, value) in [("p50", at(50)), ("p99", at(99)), ("max", times_ms.last())] {
            if let Some(&value) = value {
                self.add(format!("{key}_{name}_ms"), value, "ms");
            }
        }
    }

    /// Returns the figures as one JSON object: title, and by key value, unit and target.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut figures = Map::new();
        for Figure { key, value, unit, target } in &self.figures {
            let mut figure = json!({ "value": value, "unit": unit });
            if let Some(target) = target {
                let (least, most) = match *target {
                    Target::AtLeast(least) => (Some(least), None),
                    Target::AtMost(most) => (None, Some(most)),
                    Target::Between(least, most) => (Some(least), Some(most)),
                };
                for (bound, limit) in [("at_least", least), ("at_most", most)] {
                    if let Some(limit) = limit {
                        figure[bound] = json!(limit);
                    }
                }
                figure["met"] = json!(target.is_met(*value));
            }
            figures.insert(key.clone(), figure);
        }
        json!({ "bench": self.title, "figures": figures })
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.title)?;
        let width = self.figures.iter().map(|figure| figure.key.len()).max().unwrap_or(0);
        for Figure { key, value, unit, target } in &self.figures {
            write!(f, "\n  {key:<width$} {:>12} {unit:<14}", short(*value))?;
            let Some(target) = target else { continue };
            let bound = match *target {
                Target::AtLeast(limit) => format!(">= {}", short(limit)),
                Target::AtMost(limit) => format!("<= {}", short(limit)),
                Target::Between(least, most) => format!("{} to {}", short(least), short(most)),
            };
            let verdict = if target.is_met(*value) { "met" } else { "MISSED" };
            write!(f, " target {bound}: {verdict}")?;
        }
        Ok(())
    }
}

/// Three digits that count, or all digits before the point.
fn short(value: f64) -> String {
    let decimals = match value.abs() {
        size if 1_000_000.0 <= size => return format!("{:.2} M", value / 1e6),
        size if 100.0 <= size || size == 0.0 => 0,
        size if 10.0 <= size => 1,
        size if 1.0 <= size => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// Returns how many there are to one; 0 of none.
#[must_use]
pub fn per(many: u64, one: f64) -> f64 {
    if one == 0.0 { 0.0 } else { many as f64 / one }
}

/// Returns a share of two counts; 0 of none.
#[must_use]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Returns bytes as MiB.
#[must_use]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_whether_its_target_is_met() {
        let mut sheet = Sheet::new("bench");
        sheet.add_with("fast", 4.2, "x", Target::AtLeast(4.0));
        sheet.add_with("large", 31.0, "B/point", Target::AtMost(30.0));

        let (text, json) = (sheet.to_string(), sheet.to_json());

        assert!(text.contains("target >= 4.00: met"), "{text}");
        assert!(text.contains("target <= 30.0: MISSED"), "{text}");
        assert_eq!(json["figures"]["fast"]["met"], json!(true));
        assert_eq!(json["figures"]["large"]["at_most"], json!(30.0));
    }

    #[test]
    fn times_are_told_by_their_middle_and_their_end() {
        let mut sheet = Sheet::new("bench");

        sheet.add_times("commit", (1..=100).rev().map(f64::from).collect());

        let json = sheet.to_json();
        let value = |key: &str| json["figures"][key]["value"].clone();
        assert_eq!(value("commit_p50_ms"), json!(51.0));
        assert_eq!(value("commit_p99_ms"), json!(100.0));
        assert_eq!(value("commit_max_ms"), json!(100.0));
    }
}
