//! Reads a TOML document whole and reports all its mistakes at once, with line and key.
//!
//! A person who mends a file wants the whole list, not the first item of it six times.
//! `config` and `site_book` read through this; neither sees the TOML crate.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One mistake in a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Line, counted from 1.
    pub line: usize,
    /// The whole key, such as `mqtt.listen.address` or `meter[3].unit_id`.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "line {}: {}", self.line, self.message)
        } else {
            write!(f, "line {}: `{}` {}", self.line, self.key, self.message)
        }
    }
}

/// Reads a document with `read` and returns what it made, if there was no mistake.
///
/// # Errors
///
/// All mistakes, in the order of their lines: of syntax, of the values that `read` asked
/// for, and every key that it did not ask for.
pub fn read<T>(
    text: &str,
    read: impl FnOnce(&Section<'_>) -> Option<T>,
) -> Result<T, Vec<Mistake>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::new(text);
    let mistakes = RefCell::new(Vec::new());
    for error in errors {
        let line = lines.at(error.span().map_or(0, |span| span.start));
        let message = error.message().to_owned();
        mistakes.borrow_mut().push(Mistake { line, key: String::new(), message });
    }
    let root = Section {
        lines: &lines,
        path: String::new(),
        table: table.get_ref(),
        at: 0,
        asked: RefCell::new(BTreeSet::new()),
        mistakes: &mistakes,
    };
    let value = read(&root);
    root.finish();
    drop(root);

    let mut mistakes = mistakes.into_inner();
    mistakes.sort();
    mistakes.dedup();
    match value {
        Some(value) if mistakes.is_empty() => Ok(value),
        _ => Err(mistakes),
    }
}

/// Where a key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    line: usize,
    key: String,
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|&(_, b)| b == b'\n').map(|(at, _)| at).collect())
    }

    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|&end| end < byte) + 1
    }
}

/// One table of the document.
pub struct Section<'a> {
    lines: &'a Lines,
    path: String,
    table: &'a DeTable<'a>,
    at: usize,
    asked: RefCell<BTreeSet<String>>,
    mistakes: &'a RefCell<Vec<Mistake>>,
}

impl<'a> Section<'a> {
    /// Reports a mistake at a key of this section.
    pub fn mistake(&self, key: &str, message: impl Into<String>) {
        self.mistake_at(self.place(key), message);
    }

    /// Returns where a key stands, for a mistake that shows only further down.
    #[must_use]
    pub fn place(&self, key: &str) -> Place {
        let at = self.table.get(key).map_or(self.at, |value| value.span().start);
        Place { line: self.lines.at(at), key: self.full_key(key) }
    }

    /// Reports a mistake at a place that was left behind.
    pub fn mistake_at(&self, place: Place, message: impl Into<String>) {
        let Place { line, key } = place;
        self.mistakes.borrow_mut().push(Mistake { line, key, message: message.into() });
    }

    /// Whether the section has this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Returns a text, if the key is there.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        let value = self.value(key)?;
        value.as_str().or_else(|| self.wrong_type(key, "a text", value))
    }

    /// Returns a text that must be there.
    pub fn need_text(&self, key: &str) -> Option<&'a str> {
        self.need(key);
        self.text(key)
    }

    /// Returns what a text spells, if the key is there; `T`'s own error says what is wrong.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Option<T> {
        match self.text(key)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(key, format!("is not valid: {error}"));
                None
            }
        }
    }

    /// Returns what a text that must be there spells.
    pub fn need_parsed<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Option<T> {
        self.need(key);
        self.parsed(key)
    }

    /// Returns the choice that a text names, if the key is there.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let word = self.text(key)?;
        let found = choices.iter().find(|(name, _)| *name == word);
        if found.is_none() {
            let known: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
            self.mistake(key, format!("is `{word}`, but must be one of {}", known.join(", ")));
        }
        found.map(|&(_, value)| value)
    }

    /// Returns a whole number within a range, if the key is there.
    pub fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.value(key)?;
        let Some(integer) = value.as_integer() else {
            return self.wrong_type(key, "a whole number", value);
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let within = number.filter(|number| range.contains(number));
        if within.is_none() {
            let (low, high) = (range.start(), range.end());
            self.mistake(key, format!("is {}, but must be {low} to {high}", integer.as_str()));
        }
        within
    }

    /// Returns a decimal number in units of `1/scale`, exact, if the key is there:
    /// with a scale of 10,000, `0.85` is 8,500.
    pub fn decimal(&self, key: &str, scale: u32) -> Option<i64> {
        let value = self.value(key)?;
        let integer = value.as_integer().map(|integer| integer.as_str());
        let Some(text) = integer.or_else(|| value.as_float().map(|float| float.as_str())) else {
            return self.wrong_type(key, "a number", value);
        };
        let exact = exact_decimal(text, scale);
        if exact.is_none() {
            self.mistake(key, format!("is {text}, but at most steps of 1/{scale} can be kept"));
        }
        exact
    }

    /// Returns true or false, if the key is there.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        value.as_bool().or_else(|| self.wrong_type(key, "true or false", value))
    }

    /// Returns a list of texts; an absent key is an empty list.
    pub fn texts(&self, key: &str) -> Vec<&'a str> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.as_array() else {
            return self.wrong_type(key, "a list of texts", value).unwrap_or_default();
        };
        let mut texts = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(text),
                None => self.mistake(key, "must be a list of texts"),
            }
        }
        texts
    }

    /// Reads a sub-table, if it is there.
    pub fn section<T>(&self, key: &str, read: impl FnOnce(&Section<'_>) -> Option<T>) -> Option<T> {
        let spanned = self.spanned(key)?;
        let Some(table) = spanned.get_ref().as_table() else {
            return self.wrong_type(key, "a section", spanned.get_ref());
        };
        self.enter(key, table, spanned.span().start, read)
    }

    /// Reads each table of an array of tables (`[[meter]]`); those with mistakes are left out.
    pub fn sections<T>(
        &self,
        key: &str,
        mut read: impl FnMut(&Section<'_>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.as_array() else {
            return self.wrong_type(key, "a list of sections", value).unwrap_or_default();
        };
        let mut all = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let name = format!("{key}[{}]", index + 1);
            match item.get_ref().as_table() {
                Some(table) => all.extend(self.enter(&name, table, item.span().start, &mut read)),
                None => self.mistake(key, "must be a list of sections"),
            }
        }
        all
    }

    fn enter<T>(
        &self,
        name: &str,
        table: &DeTable<'_>,
        at: usize,
        read: impl FnOnce(&Section<'_>) -> Option<T>,
    ) -> Option<T> {
        let section = Section {
            lines: self.lines,
            path: self.full_key(name),
            table,
            at,
            asked: RefCell::new(BTreeSet::new()),
            mistakes: self.mistakes,
        };
        let value = read(&section);
        section.finish();
        value
    }

    fn finish(&self) {
        for (key, value) in self.table.iter() {
            let name: &str = key.get_ref();
            if !self.asked.borrow().contains(name) {
                let asked = self.asked.borrow();
                let known: Vec<String> = asked.iter().map(|name| format!("`{name}`")).collect();
                self.mistakes.borrow_mut().push(Mistake {
                    line: self.lines.at(key.span().start.min(value.span().start)),
                    key: self.full_key(name),
                    message: format!("is not known here; known are {}", known.join(", ")),
                });
            }
        }
    }

    fn need(&self, key: &str) {
        if !self.table.contains_key(key) {
            self.asked.borrow_mut().insert(key.to_owned());
            self.mistake(key, "is missing");
        }
    }

    fn value(&self, key: &str) -> Option<&'a DeValue<'a>> {
        self.spanned(key).map(Spanned::get_ref)
    }

    fn spanned(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.table.get(key)
    }

    fn wrong_type<T>(&self, key: &str, wanted: &str, value: &DeValue<'_>) -> Option<T> {
        self.mistake(key, format!("must be {wanted}, not a {}", value.type_str()));
        None
    }

    fn full_key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// Reads `12.345` as an integer of `1/scale`, without a float in between.
fn exact_decimal(text: &str, scale: u32) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut value = whole.parse::<i64>().ok()?.checked_mul(i64::from(scale))?;
    let mut step = i64::from(scale);
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() || (step % 10 != 0 && digit != b'0') {
            return None;
        }
        step /= 10;
        value = value.checked_add(step * i64::from(digit - b'0'))?;
    }
    value.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_told_at_once_with_line_and_key() {
        let text = "\
port = 99999
colour = \"red\"

[mqtt]
address = 5
level = \"loud\"
";

        let mistakes = read(text, |root| {
            root.need_text("data");
            root.integer("port", 1..=65_535);
            root.section("mqtt", |mqtt| {
                mqtt.text("address");
                mqtt.choice("level", &[("quiet", 1), ("normal", 2)])
            });
            Some(())
        })
        .unwrap_err();

        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "line 1: `data` is missing",
                "line 1: `port` is 99999, but must be 1 to 65535",
                "line 2: `colour` is not known here; known are `data`, `mqtt`, `port`",
                "line 5: `mqtt.address` must be a text, not a integer",
                "line 6: `mqtt.level` is `loud`, but must be one of `quiet`, `normal`",
            ]
        );
    }

    #[test]
    fn a_mistake_of_syntax_does_not_hide_the_others() {
        let mistakes = read("a = \nport = 0\n", |root| {
            root.integer("port", 1..=2);
            root.integer("a", 1..=2);
            Some(())
        })
        .unwrap_err();

        assert!(mistakes.iter().any(|mistake| mistake.line == 1), "{mistakes:?}");
        assert!(mistakes.iter().any(|mistake| mistake.key == "port"), "{mistakes:?}");
    }

    #[test]
    fn a_decimal_is_kept_exactly_or_refused() {
        assert_eq!(exact_decimal("0.85", 10_000), Some(8_500));
        assert_eq!(exact_decimal("-1.5", 1_000), Some(-1_500));
        assert_eq!(exact_decimal("3", 10_000), Some(30_000));
        assert_eq!(exact_decimal("0.5306000", 10_000), Some(5_306));
        assert_eq!(exact_decimal("0.00001", 10_000), None);
        assert_eq!(exact_decimal("1e3", 10_000), None);
    }
}
