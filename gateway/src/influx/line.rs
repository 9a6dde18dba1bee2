//! From packs and day sums to lines of InfluxDB's line protocol.
//!
//! ```text
//! electricity,site=school,area=hall,meter=hall-main ActivePower=12.5,Frequency=50.02 1760025600
//! site_day,site=school,medium=electricity amount=5120000i,…,day="2025-10-10" 1760025600
//! ```
//!
//! One line for each pack: all its quantities as fields, seconds precision, values in the
//! quantity's unit, printed digit by digit from thousandths, so that no value is rounded
//! and none can be infinite or not a number. What has no value is no field; a pack without
//! any is no line: a gap stays a gap.
//!
//! The node is no tag: a meter that another node reads is still the same series. What
//! would end a line or leave a tag empty is taken out or left out, whoever wrote it.
//!
//! # Source
//!
//! InfluxData, "Line protocol" reference of InfluxDB 2: which characters are escaped where.

use std::collections::HashMap;

use analysis::figures::SiteDay;
use analysis::site::Site;
use wire::{Name, Value};

use crate::store::Arrival;

/// Where a meter that the site book no longer knows is put.
const OTHER: &str = "other";

/// What the site book says of meters, as tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    site: String,
    meters: HashMap<Name, (&'static str, Name)>,
}

impl Labels {
    /// Returns the tags of a site's meters.
    #[must_use]
    pub fn of(site: &Site) -> Self {
        let label = |meter: &analysis::site::Meter| (meter.id, (meter.medium.code(), meter.area));
        Self { site: site.id.as_str().to_owned(), meters: site.meters.iter().map(label).collect() }
    }
}

/// Lines ready to be sent, each with its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    text: String,
    ends: Vec<usize>,
}

impl Lines {
    /// Returns how many lines there are.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the lines `from..to`, each with the character that ends it.
    #[must_use]
    pub(super) fn part(&self, from: usize, to: usize) -> &str {
        let end = |count: usize| match count.checked_sub(1) {
            Some(last) => self.ends.get(last).copied().unwrap_or(self.text.len()),
            None => 0,
        };
        self.text.get(end(from)..end(to)).unwrap_or_default()
    }

    /// Returns how many lines from `from` on fit into so many bytes, at least one.
    #[must_use]
    pub(super) fn fitting(&self, from: usize, lines_max: usize, bytes_max: usize) -> usize {
        let to = self.len().min(from.saturating_add(lines_max));
        let mut end = from + 1;
        while end < to && self.part(from, end + 1).len() <= bytes_max {
            end += 1;
        }
        end.min(to)
    }

    /// Adds a pack; one without any value adds nothing.
    pub(super) fn push(&mut self, arrival: &Arrival, labels: &Labels) {
        let pack = &arrival.pack;
        let known = labels.meters.get(&pack.meter);
        let begin = self.text.len();
        self.text.push_str(known.map_or(OTHER, |(medium, _)| medium));
        self.tag("site", &labels.site);
        if let Some((_, area)) = known {
            self.tag("area", area.as_str());
        }
        self.tag("meter", pack.meter.as_str());
        let mut fields = 0;
        for (at, reading) in pack.readings.iter().enumerate() {
            let Value::Measured(value) = reading.value else { continue };
            // A quantity twice would be one field with two values; the first one counts, as
            // everywhere.
            if pack.readings.iter().take(at).any(|it| it.quantity == reading.quantity) {
                continue;
            }
            self.text.push(if fields == 0 { ' ' } else { ',' });
            self.text.push_str(reading.quantity.name());
            self.text.push('=');
            put_thousandths(&mut self.text, value);
            fields += 1;
        }
        if fields == 0 {
            self.text.truncate(begin);
            return;
        }
        self.end(pack.instant);
    }

    /// Adds what a site used on a day.
    pub(super) fn push_day(&mut self, day: &SiteDay) {
        self.text.push_str("site_day");
        self.tag("site", day.site.as_str());
        self.tag("medium", day.medium.code());
        let figure = &day.figure;
        let numbers = [
            ("amount", figure.amount),
            ("estimated", figure.estimated),
            ("cost_e4", figure.cost_e4),
            ("unpriced", figure.unpriced),
            ("measured_s", figure.measured_s),
            ("estimated_s", figure.estimated_s),
            ("missing_s", figure.missing_s),
        ];
        for (at, (key, value)) in numbers.iter().enumerate() {
            self.text.push(if at == 0 { ' ' } else { ',' });
            self.text.push_str(&format!("{key}={value}i"));
        }
        let texts = [
            ("day", &day.date.to_string()),
            ("currency", &day.currency),
            ("name_zh", &day.name.zh),
            ("name_en", &day.name.en),
        ];
        for (key, text) in texts {
            self.text.push_str(&format!(",{key}=\""));
            put_string(&mut self.text, text);
            self.text.push('"');
        }
        self.end(day.start);
    }

    fn tag(&mut self, key: &str, value: &str) {
        let begin = self.text.len();
        self.text.push(',');
        self.text.push_str(key);
        self.text.push('=');
        let before = self.text.len();
        put_tag(&mut self.text, value);
        if self.text.len() == before {
            self.text.truncate(begin);
        }
    }

    fn end(&mut self, instant: i64) {
        self.text.push_str(&format!(" {instant}\n"));
        self.ends.push(self.text.len());
    }
}

/// Appends thousandths as a decimal: `-0.005`, `12`, `231.4`.
fn put_thousandths(out: &mut String, value: i64) {
    let (whole, rest) = (value.unsigned_abs() / 1_000, value.unsigned_abs() % 1_000);
    if value < 0 {
        out.push('-');
    }
    out.push_str(&whole.to_string());
    if rest != 0 {
        let digits = format!("{rest:03}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

/// Appends the value of a tag. A backslash has no escape there and could swallow the
/// character after the tag; what ends a line ends a line.
fn put_tag(out: &mut String, value: &str) {
    for c in value.trim().chars() {
        match c {
            ',' | '=' | ' ' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push('/'),
            c if c.is_control() => out.push('_'),
            c => out.push(c),
        }
    }
}

/// Appends the inside of a string field.
fn put_string(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use analysis::figures::Figure;
    use analysis::site::{Medium, Text};
    use proptest::prelude::*;
    use wire::message::{Clock, Pack};
    use wire::{Absence, List, Quantity, Reading};

    use super::*;

    pub(in crate::influx) fn labels() -> Labels {
        let book = crate::site_book::parse(include_str!("../demo/site.toml")).unwrap();
        Labels::of(&book.site)
    }

    pub(in crate::influx) fn arrival(meter: &str, instant: i64, readings: &[Reading]) -> Arrival {
        let meter = Name::new(meter).unwrap();
        let readings = List::from_slice(readings).unwrap();
        let seq = u32::try_from(instant % 1_000_000).unwrap();
        let pack = Pack { meter, instant, boot: 1, seq, clock: Clock::Synced, readings };
        Arrival { node: Name::new("n").unwrap(), received: instant + 2, pack }
    }

    pub(in crate::influx) fn measured(quantity: Quantity, value: i64) -> Reading {
        Reading { quantity, value: Value::Measured(value) }
    }

    pub(in crate::influx) fn site_day() -> SiteDay {
        SiteDay {
            site: Name::new("school").unwrap(),
            name: Text::new("第一\\小学\"\n", "School"),
            currency: "CNY".to_owned(),
            date: jiff::civil::date(2025, 10, 10),
            start: 1_760_025_600,
            medium: Medium::Electricity,
            figure: Figure {
                amount: 5_120_000,
                cost_e4: 43_000,
                measured_s: 86_400,
                ..Figure::default()
            },
        }
    }

    #[test]
    fn a_pack_is_one_line_with_all_it_measured() {
        let mut lines = Lines::default();
        let absent =
            Reading { quantity: Quantity::VoltageL1, value: Value::Absent(Absence::Timeout) };
        let readings = [
            measured(Quantity::ActivePower, 12_500),
            absent,
            measured(Quantity::Frequency, 50_020),
            measured(Quantity::Frequency, 49_000),
            measured(Quantity::ReactivePower, -5),
            measured(Quantity::ActiveEnergyImport, i64::MIN),
        ];
        lines.push(&arrival("office-main", 1_760_025_600, &readings), &labels());
        lines.push(&arrival("office-main", 1_760_025_660, &[absent]), &labels());
        lines.push(&arrival("gone", 1_760_025_660, &readings[..1]), &labels());

        assert_eq!(lines.len(), 2, "a pack without a value is no line");
        insta::assert_snapshot!(lines.part(0, 2), @"
        electricity,site=demo-campus,area=office-whole,meter=office-main ActivePower=12.5,Frequency=50.02,ReactivePower=-0.005,ActiveEnergyImport=-9223372036854775.808 1760025600
        other,site=demo-campus,meter=gone ActivePower=12.5 1760025660
        ");
    }

    #[test]
    fn texts_of_people_cannot_end_a_line_or_a_field() {
        let mut lines = Lines::default();
        lines.push_day(&site_day());
        lines.tag("a", "a b,c=d\\\ne");
        lines.tag("b", " \t");

        insta::assert_snapshot!(lines.text, @r#"
        site_day,site=school,medium=electricity amount=5120000i,estimated=0i,cost_e4=43000i,unpriced=0i,measured_s=86400i,estimated_s=0i,missing_s=0i,day="2025-10-10",currency="CNY",name_zh="第一\\小学\" ",name_en="School" 1760025600
        ,a=a\ b\,c\=d/_e
        "#);
    }

    #[test]
    fn parts_fit_and_leave_nothing_out() {
        let mut lines = Lines::default();
        for n in 0..10 {
            lines.push(&arrival("m", n, &[measured(Quantity::ActivePower, 1_000)]), &labels());
        }
        let one = lines.part(0, 1).len();

        assert_eq!(lines.fitting(0, 4, usize::MAX), 4);
        assert_eq!(lines.fitting(0, 100, one * 3), 3);
        assert_eq!(lines.fitting(9, 100, 1), 10, "a line that is too long goes alone");
        assert_eq!(lines.part(3, 5).lines().count(), 2);
        assert_eq!([lines.part(0, 3), lines.part(3, 10)].concat(), lines.part(0, 10));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

        #[test]
        fn thousandths_are_printed_to_the_last_digit(value: i64) {
            let mut text = String::new();
            put_thousandths(&mut text, value);

            let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
            let sign = if value < 0 { -1 } else { 1 };
            let whole: i128 = whole.trim_start_matches('-').parse().unwrap();
            let rest: i128 = format!("{rest:0<3}").parse().unwrap();
            prop_assert_eq!(sign * (whole * 1_000 + rest), i128::from(value));
        }

        #[test]
        fn whatever_a_tag_holds_a_line_stays_one_line(text: String) {
            let mut lines = Lines::default();
            lines.tag("tag", &text);
            lines.push_day(&SiteDay { name: Text::new(&text, &text), ..site_day() });

            prop_assert_eq!(lines.text.matches(['\n', '\r']).count(), 1);
        }
    }
}
