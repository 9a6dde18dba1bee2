//! Meter models of the user's own: `[[model]]`, with its registers or data identifiers.
//!
//! In: a section of the site book. Out: a model that nodes read like one that comes with the
//! program, or each mistake in it with its line. What a node can work by is said by
//! `wire::message::Plan::check`; here the same rules are told in words, one by one.
//!
//! Afterwards no model has the name of another one, its own or one that comes with the
//! program; it has its counter among its values, none twice; each value has a unit of its
//! quantity.

use analysis::model::OwnModel;
use analysis::site::Medium;
use wire::message::{ENTRIES_MAX, FORBIDDEN_MAX, PlanFault, PlanMap};
use wire::modbus::{
    BCD_DIGITS_MAX, Entry, LineSettings, Parity, Ratio, RegisterMap, Scale, Table, Type, Undefined,
    WordOrder, unit,
};
use wire::quantity::Kind;
use wire::{Name, Protocol, Quantity, models};

use super::mapping::scale_of;
use super::meter::{COUNTERS, Known};
use crate::document::Section;

/// The scale's steps: a millionth.
const MILLION: i64 = 1_000_000;

/// A meter model of the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The word for it.
    pub id: String,
    /// What it says on the plate.
    pub name: String,
    /// The document that says so.
    pub source: String,
    /// What it counts.
    pub medium: Medium,
    /// The counter that consumption is worked out from.
    pub counter: Quantity,
    /// How its line is set when it leaves the factory.
    pub line: LineSettings,
    /// Its values, each with the first that its counter cannot show if that is not what its
    /// type says; thousandths of the unit, before any ratio.
    pub values: OwnModel,
    forbidden: Vec<(u16, u16)>,
    entries: Vec<Entry>,
    read_limit: u16,
    answer_ms: u16,
    turnaround_ms: u16,
}

impl Model {
    /// Returns it as a meter names it.
    #[must_use]
    pub fn known(&self) -> Known<'_> {
        let map = RegisterMap {
            entries: &self.entries,
            read_limit: self.read_limit,
            answer_ms: self.answer_ms,
            turnaround_ms: self.turnaround_ms,
            forbidden: &self.forbidden,
        };
        let (medium, counter, line) = (self.medium, self.counter, self.line);
        Known { id: &self.id, medium, counter, map, line }
    }
}

/// Reads a `[[model]]`, which no other may be called like.
pub(super) fn read(section: &Section<'_>, others: &[Model]) -> Option<Model> {
    let id: Option<Name> = section.need_parsed("id");
    if let Some(id) = id {
        if models::by_id(id.as_str()).is_some() {
            section.mistake(
                "id",
                "is the name of a model that comes with the program; give yours another, such as one that begins with `my-`",
            );
        } else if others.iter().any(|other| other.id == id.as_str()) {
            section.mistake("id", "is taken by a model further up");
        }
    }
    let name = section.text("name").unwrap_or_default().to_owned();
    let source = section.need_text("source").unwrap_or_default().to_owned();
    if !section.has("medium") {
        section.mistake("medium", "is missing");
    }
    let medium = section.choice("medium", &Medium::ALL.map(|it| (it.code(), it)));
    let protocols = Protocol::ALL.map(|it| (it.code(), it));
    let protocol = section.choice("protocol", &protocols).unwrap_or(Protocol::Modbus);
    let line = read_line(section, protocol);
    let read_limit = section.integer("read_limit", 1..=125);
    let answer_ms = section.integer("answer_ms", 10..=5_000).unwrap_or(1_000);
    let turnaround_ms = section.integer("turnaround_ms", 0..=1_000).unwrap_or(20);
    let forbidden = if protocol == Protocol::Modbus { read_forbidden(section) } else { Vec::new() };
    let meter_type = (protocol == Protocol::Cjt188).then(|| hex(section, "type", 2)).flatten();

    let mut entries: Vec<Entry> = Vec::new();
    let mut rollovers = Vec::new();
    section.sections("register", |register| {
        let (entry, rollover) = read_register(register, protocol, meter_type)?;
        if entries.iter().any(|it| it.quantity == entry.quantity) {
            register.mistake("quantity", "is there twice in this model");
        }
        if entries.len() == ENTRIES_MAX {
            register
                .mistake("quantity", format!("is one too many: a model has at most {ENTRIES_MAX}"));
            return None;
        }
        entries.push(entry);
        rollovers.push(rollover);
        Some(())
    });
    if !section.has("register") {
        section.mistake(
            "register",
            "is missing: a model needs one `[[model.register]]` for each value",
        );
    }
    let longest = entries.iter().map(|entry| entry.span() + u16::from(entry.offset)).max();
    let read_limit = read_limit.unwrap_or(if protocol == Protocol::Modbus { 60 } else { 125 });
    let read_limit = u16::try_from(read_limit).unwrap_or(u16::MAX);
    if let Some(longest) = longest.filter(|longest| read_limit < *longest) {
        section.mistake(
            "read_limit",
            format!("must be {longest} at least, as long as the longest value"),
        );
    }

    let counters: Vec<(&str, Quantity)> = COUNTERS.iter().map(|it| (it.name(), *it)).collect();
    let usual = medium.map(|medium| match medium {
        Medium::Electricity => Quantity::ActiveEnergyImport,
        Medium::Water | Medium::Gas => Quantity::Volume,
        Medium::Heat => Quantity::HeatEnergy,
    });
    let counter = section.choice("counter", &counters).or(usual);
    if let (Some(counter), Some(medium)) = (counter, medium) {
        let is_power = counter == Quantity::ActivePower && medium == Medium::Electricity;
        if counter.unit() != medium.unit() && !is_power {
            section.mistake("counter", format!("does not count {}", medium.code()));
        } else if !entries.is_empty() && !entries.iter().any(|entry| entry.quantity == counter) {
            section.mistake(
                "counter",
                format!("is `{}`, but no register of this model has that quantity", counter.name()),
            );
        }
    }
    if entries.is_empty() {
        return None;
    }
    let id = id?.to_string();
    let values =
        OwnModel { id: id.clone(), values: entries.iter().copied().zip(rollovers).collect() };
    let model = Model {
        id,
        name,
        source,
        medium: medium?,
        counter: counter?,
        line: line?,
        values,
        forbidden,
        entries,
        read_limit,
        answer_ms: u16::try_from(answer_ms).ok()?,
        turnaround_ms: u16::try_from(turnaround_ms).ok()?,
    };
    // What the rules above leave to the node's own check, such as a value in a forbidden range.
    if let Ok(map) = PlanMap::new(&model.known().map)
        && map.check() == Err(PlanFault::Entry)
    {
        section.mistake("register", "has a value where nothing may be read: see `forbidden`");
    }
    Some(model)
}

fn read_line(section: &Section<'_>, protocol: Protocol) -> Option<LineSettings> {
    let even = protocol != Protocol::Modbus;
    let baud = section.integer("baud", 1_200..=115_200);
    let baud = baud.unwrap_or(if even { 2_400 } else { 9_600 });
    let parity = [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];
    let parity = section.choice("parity", &parity);
    if even && parity.is_some_and(|parity| parity != Parity::Even) {
        section
            .mistake("parity", format!("is always even with `{}`; leave it out", protocol.code()));
    }
    let parity = parity.unwrap_or(if even { Parity::Even } else { Parity::None });
    let stop_bits = section.integer("stop_bits", 1..=2).unwrap_or(1);
    Some(LineSettings {
        baud: u32::try_from(baud).ok()?,
        parity,
        stop_bits: u8::try_from(stop_bits).ok()?,
    })
}

fn read_forbidden(section: &Section<'_>) -> Vec<(u16, u16)> {
    let mut ranges = Vec::new();
    for text in section.texts("forbidden") {
        let number = |text: &str| {
            let text = text.trim();
            match text.strip_prefix("0x") {
                Some(digits) => u16::from_str_radix(digits, 16).ok(),
                None => text.parse().ok(),
            }
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => ranges.push((first, last)),
            _ => section.mistake(
                "forbidden",
                format!("has `{text}`, but ranges look like `16-19` or `0x10-0x13`"),
            ),
        }
    }
    if FORBIDDEN_MAX < ranges.len() {
        section.mistake("forbidden", format!("has more than {FORBIDDEN_MAX} ranges"));
        ranges.clear();
    }
    ranges
}

/// Reads so many hexadecimal digits.
fn hex(section: &Section<'_>, key: &str, digits: usize) -> Option<u32> {
    let text = section.need_text(key)?;
    let number = u32::from_str_radix(text, 16).ok().filter(|_| text.len() == digits);
    if number.is_none() {
        section.mistake(key, format!("is `{text}`, but must be {digits} hexadecimal digits"));
    }
    number
}

/// Reads one value of a model, and where its counter rolls over if that is said.
fn read_register(
    section: &Section<'_>,
    protocol: Protocol,
    meter_type: Option<u32>,
) -> Option<(Entry, Option<i64>)> {
    let quantities: Vec<(&str, Quantity)> = Quantity::ALL.map(|it| (it.name(), it)).to_vec();
    if !section.has("quantity") {
        section.mistake("quantity", "is missing");
    }
    let quantity = section.choice("quantity", &quantities);
    let place = read_place(section, protocol, meter_type);
    let (unit_word, scale) = read_scale(section, quantity);
    let ty = read_type(section, protocol, unit_word);
    let orders = [
        ("ABCD", WordOrder::Abcd),
        ("CDAB", WordOrder::Cdab),
        ("BADC", WordOrder::Badc),
        ("DCBA", WordOrder::Dcba),
    ];
    let usual = if protocol == Protocol::Modbus { WordOrder::Abcd } else { WordOrder::Dcba };
    let order = section.choice("order", &orders).unwrap_or(usual);
    let order_is_good =
        protocol == Protocol::Modbus || matches!(order, WordOrder::Abcd | WordOrder::Dcba);
    if !order_is_good {
        section.mistake("order", "is `DCBA` (low byte first) or `ABCD` behind an identifier");
    }
    let undefined = [
        ("none", Undefined::None),
        ("all-ones", Undefined::AllOnes),
        ("max-signed", Undefined::MaxSigned),
        ("min-signed", Undefined::MinSigned),
        ("nan", Undefined::Nan),
    ];
    let undefined = section.choice("undefined", &undefined).unwrap_or(Undefined::None);
    let ratios =
        [("none", Ratio::None), ("pt", Ratio::Pt), ("ct", Ratio::Ct), ("pt-ct", Ratio::PtCt)];
    let ratio = section.choice("ratio", &ratios).unwrap_or(Ratio::None);
    let rollover = read_rollover(section, quantity, unit_word);
    let (table, address, offset) = place?;
    let ty = ty?;
    let bits_are_bits = !table.holds_bits() || ty == Type::U16;
    if !bits_are_bits {
        section.mistake("type", "is `u16` in a table of bits: one bit, 0 or 1");
    }
    let last = u64::from(address) + u64::from(ty.words()) - 1;
    let fits = table.holds_bytes() || last <= u64::from(table.address_max());
    if !fits {
        section.mistake("address", "lies too high: the value would end behind the last register");
    }
    if !(order_is_good && bits_are_bits && fits) {
        return None;
    }
    let (quantity, scale) = (quantity?, scale?);
    let entry = Entry { quantity, table, address, offset, ty, order, scale, undefined, ratio };
    Some((entry, rollover))
}

fn read_place(
    section: &Section<'_>,
    protocol: Protocol,
    meter_type: Option<u32>,
) -> Option<(Table, u32, u8)> {
    if protocol == Protocol::Modbus {
        let function = section.integer("function", 1..=4).unwrap_or(3);
        let table = u8::try_from(function).ok().and_then(Table::from_id);
        if !section.has("address") {
            section.mistake("address", "is missing (as on the wire; manuals often count from 1)");
        }
        let address = section.integer("address", 0..=0xFFFF)?;
        return Some((table?, u32::try_from(address).ok()?, 0));
    }
    let offset = section.integer("offset", 0..=124).unwrap_or(0);
    let offset = u8::try_from(offset).ok()?;
    if protocol == Protocol::Dlt645 {
        return Some((Table::Dlt645, hex(section, "identifier", 8)?, offset));
    }
    let identifier = hex(section, "identifier", 4);
    Some((Table::Cjt188, meter_type? << 16 | identifier?, offset))
}

/// Reads `unit` and `scale`: what one step is worth.
fn read_scale<'a>(
    section: &Section<'a>,
    quantity: Option<Quantity>,
) -> (Option<&'a str>, Option<Scale>) {
    let word = section.text("unit");
    let unitless = quantity.is_some_and(|quantity| quantity.unit() == wire::Unit::One);
    if word.is_none() && quantity.is_some() && !unitless {
        section.mistake("unit", "is missing");
    }
    let word = word.or(unitless.then_some("1"));
    let factor_e6 = section.decimal("scale", 1_000_000).unwrap_or(MILLION);
    let (Some(quantity), Some(known)) = (quantity, word) else { return (word, None) };
    let Some(unit) = scale_of(known, quantity) else {
        let symbol = quantity.unit().symbol();
        section.mistake(
            "unit",
            format!("is `{known}`, which is no unit of {}; `{symbol}` is one", quantity.name()),
        );
        return (word, None);
    };
    let above = i128::from(unit.numerator) * i128::from(factor_e6);
    let below = i128::from(unit.denominator) * i128::from(MILLION);
    let common = common_divisor(above.abs(), below).max(1);
    let scale = i32::try_from(above / common)
        .ok()
        .zip(u32::try_from(below / common).ok())
        .and_then(|(above, below)| Scale::fraction(above, below));
    if scale.is_none() {
        section.mistake("scale", "is 0, or a step of it is larger or finer than can be counted");
    }
    (word, scale)
}

fn common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn read_type(section: &Section<'_>, protocol: Protocol, unit_word: Option<&str>) -> Option<Type> {
    let text = section.need_text("type")?;
    let digits =
        |text: &str| text.parse().ok().filter(|digits| (1..=BCD_DIGITS_MAX).contains(digits));
    let ty = match text {
        "u16" => Some(Type::U16),
        "i16" => Some(Type::I16),
        "u32" => Some(Type::U32),
        "i32" => Some(Type::I32),
        "u64" => Some(Type::U64),
        "i64" => Some(Type::I64),
        "f32" => Some(Type::F32),
        "f64" => Some(Type::F64),
        "bcd+unit" if protocol == Protocol::Cjt188 => {
            let code = unit_word.and_then(unit_code);
            if code.is_none() && unit_word.is_some() {
                section.mistake(
                    "unit",
                    "has no code in CJ/T 188; `m3`, `L`, `kWh`, `MJ`, `GJ`, `kW` or `m3/h` have one",
                );
            }
            return code.map(|unit| Type::WithUnit { unit });
        }
        _ => match text.strip_prefix("signed-bcd") {
            Some(rest) => digits(rest).map(|digits| Type::SignedBcd { digits }),
            None => text.strip_prefix("bcd").and_then(digits).map(|digits| Type::Bcd { digits }),
        },
    };
    if ty.is_none() {
        section.mistake(
            "type",
            format!(
                "is `{text}`, but must be one of `u16`, `i16`, `u32`, `i32`, `u64`, `i64`, `f32`, `f64`, `bcd8` (1 to 16 digits), `signed-bcd6`, or with CJ/T 188 `bcd+unit`"
            ),
        );
    }
    ty
}

fn unit_code(word: &str) -> Option<u8> {
    Some(match word {
        "m3" | "m³" => unit::CUBIC_METRE,
        "L" | "l" => unit::LITRE,
        "m3/h" | "m³/h" => unit::CUBIC_METRE_PER_HOUR,
        "kWh" => unit::KILOWATT_HOUR,
        "MJ" => unit::MEGAJOULE,
        "GJ" => unit::GIGAJOULE,
        "kW" => unit::KILOWATT,
        _ => return None,
    })
}

/// Reads the first value that a counter cannot show, in the register's unit.
fn read_rollover(
    section: &Section<'_>,
    quantity: Option<Quantity>,
    unit_word: Option<&str>,
) -> Option<i64> {
    if !section.has("rollover") {
        return None;
    }
    let rollover = section.decimal("rollover", 1_000)?;
    if quantity.is_some_and(|quantity| quantity.kind() != Kind::Counter) {
        section.mistake("rollover", "is for counters; this quantity is none");
        return None;
    }
    let unit = scale_of(unit_word?, quantity?)?;
    let value =
        i128::from(rollover) * i128::from(unit.numerator) / (i128::from(unit.denominator) * 1_000);
    let value = i64::try_from(value).ok().filter(|value| 0 < *value && *value < 1 << 62);
    if value.is_none() {
        section.mistake("rollover", "must be more than 0, and no more than any meter counts");
    }
    value
}

#[cfg(test)]
mod tests {
    use crate::document::Mistake;
    use crate::site_book::{SiteBook, parse};

    const SITE: &str = r#"[site]
id = "school"
name = "学校"
zone = "Asia/Shanghai"
"#;

    /// Reads a site book with these lines behind four of its own.
    fn book(text: &str) -> Result<SiteBook, Vec<Mistake>> {
        parse(&format!("{SITE}{text}"))
    }

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str, &str)]) {
        let mistakes = book(text).err().unwrap_or_default();
        let told: Vec<_> =
            mistakes.iter().map(|it| (it.line - 4, it.key.as_str(), it.message.as_str())).collect();
        assert_eq!(told, expected);
    }

    const REGISTER: &str = r#"
[[model.register]]
quantity = "ActiveEnergyImport"
address = 0x0100
type = "u32"
unit = "kWh"
scale = 0.01
"#;

    #[test]
    fn a_model_of_a_few_lines_is_one_like_those_of_the_program() {
        let head = "[[model]]\nid = \"my-meter\"\nmedium = \"electricity\"\nsource = \"manual\"\n";

        let book = book(&format!("{head}{REGISTER}")).unwrap_or_else(|it| panic!("{it:#?}"));

        let known = book.model("my-meter").unwrap();
        let entry = known.map.entries[0];
        assert_eq!(
            (entry.address, entry.scale.numerator(), entry.scale.denominator()),
            (256, 10_000, 1)
        );
        assert_eq!((known.line.baud, known.map.read_limit), (9_600, 60));
    }

    #[test]
    fn a_model_that_takes_the_name_of_another_is_refused() {
        let head =
            |id| format!("[[model]]\nid = \"{id}\"\nmedium = \"electricity\"\nsource = \"m\"\n");
        check(
            &format!("{}{REGISTER}", head("eastron-sdm630")),
            &[(
                2,
                "model[1].id",
                "is the name of a model that comes with the program; give yours another, such as one that begins with `my-`",
            )],
        );
        check(
            &format!("{0}{REGISTER}{0}{REGISTER}", head("mine")),
            &[(13, "model[2].id", "is taken by a model further up")],
        );
    }

    #[test]
    fn every_mistake_in_a_model_is_told_with_its_line_and_what_would_be_right() {
        let text = r#"[[model]]
id = "mine"
medium = "electricity"
protocol = "dlt645"
parity = "none"
counter = "Volume"
[[model.register]]
quantity = "ActiveEnergyImport"
identifier = "0001"
type = "bcd80"
unit = "m3"
[[model.register]]
quantity = "ActivePower"
identifier = "02030000"
order = "CDAB"
type = "signed-bcd6"
unit = "kW"
rollover = 80
[[model]]
id = "other"
medium = "water"
source = "s"
read_limit = 1
[[model.register]]
quantity = "Volume"
address = 65535
type = "f32"
unit = "m3"
scale = 0
[[model]]
id = "empty"
medium = "gas"
source = "s"
[[meter]]
id = "m"
name = "m"
area = "hall"
node = "n"
model = "mine"
address = "1"
"#;
        let mistakes = book(text).unwrap_err();

        let told: Vec<_> = mistakes.iter().map(|it| (it.line - 4, it.key.as_str())).collect();
        assert_eq!(
            told,
            [
                (1, "model[1].source"),
                (5, "model[1].parity"),
                (6, "model[1].counter"),
                (9, "model[1].register[1].identifier"),
                (10, "model[1].register[1].type"),
                (11, "model[1].register[1].unit"),
                (15, "model[1].register[2].order"),
                (18, "model[1].register[2].rollover"),
                (26, "model[2].register[1].address"),
                (29, "model[2].register[1].scale"),
                (30, "model[3].register"),
            ]
        );
        assert!(mistakes.iter().all(|mistake| !mistake.message.is_empty()));
    }
}
