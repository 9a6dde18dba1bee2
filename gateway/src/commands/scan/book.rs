//! What was found, as a piece of a site book.

use std::fmt::Write as _;

use wire::Protocol;
use wire::modbus::{Entry, LineSettings, Parity, Ratio, Table, Type, Undefined, WordOrder};
use wire::models;

use super::{told_address, told_order};
use crate::node::scan::{Found, Identified};
use crate::words::{Language, text};

/// Returns the piece that a person pastes into the site book, and fills in where it says so.
pub(super) fn snippet(
    language: Language,
    found: &[Found<'_>],
    interval_s: u16,
    has_line: bool,
) -> String {
    let mut book = String::new();
    let fill = text(language, "scan.book.fill", &[]);
    let node = text(language, "scan.book.node", &[]);
    write!(book, "[[node]]\nid = \"node-1\"  # {fill}\nname = \"{node}\"  # {fill}\n")
        .unwrap_or_default();
    writeln!(book, "interval_s = {interval_s}").unwrap_or_default();
    match usual(found).filter(|_| has_line) {
        Some(line) => {
            let parity = match line.parity {
                Parity::None => "none",
                Parity::Even => "even",
                Parity::Odd => "odd",
            };
            writeln!(book, "baud = {}\nparity = \"{parity}\"", line.baud).unwrap_or_default();
        }
        None => book.push_str("baud = 0\n"),
    }
    let mut models: Vec<String> = Vec::new();
    for meter in found {
        let Some(is) = &meter.model else { continue };
        let model = model_of(is);
        if model != is.model.id && !models.contains(&model) {
            book.push('\n');
            own_model(&mut book, &model, meter, is);
            models.push(model.clone());
        }
        let address = told_address(meter);
        let name = text(language, "scan.book.meter", &[("address", &address)]);
        write!(
            book,
            "\n[[meter]]\nid = \"meter-{address}\"  # {fill}\nname = \"{name}\"  # {fill}\n\
             model = \"{model}\"\n"
        )
        .unwrap_or_default();
        let key = match meter.protocol {
            Protocol::Modbus => format!("unit_id = {address}"),
            Protocol::Dlt645 | Protocol::Cjt188 => format!("address = \"{address}\""),
        };
        writeln!(book, "{key}").unwrap_or_default();
        write!(book, "node = \"node-1\"\narea = \"\"  # {fill}\n").unwrap_or_default();
    }
    book
}

/// Returns the settings that most of the meters have.
pub(super) fn usual(found: &[Found<'_>]) -> Option<LineSettings> {
    let count = |line: LineSettings| found.iter().filter(|it| it.line == line).count();
    // The first of several: a later one must have more.
    found.iter().rev().max_by_key(|it| count(it.line)).map(|it| it.line)
}

/// The model's own word, or one of its own if the meter turns the words round.
fn model_of(is: &Identified<'_>) -> String {
    match is.order.filter(|_| !is.is_usual) {
        Some(order) => format!("my-{}-{}", is.model.id, told_order(order).to_lowercase()),
        None => is.model.id.to_owned(),
    }
}

/// Writes a model out whose words come in another order than its maker's manual says.
fn own_model(book: &mut String, id: &str, meter: &Found<'_>, is: &Identified<'_>) {
    let map = &is.model.map;
    let medium = match models::by_id(is.model.id).map(|it| it.medium) {
        Some(models::Medium::Water) => "water",
        Some(models::Medium::Gas) => "gas",
        Some(models::Medium::Heat) => "heat",
        Some(models::Medium::Electricity) | None => "electricity",
    };
    write!(
        book,
        "[[model]]\nid = \"{id}\"\nmedium = \"{medium}\"\nsource = \"gengfu node scan: {} {}\"\n\
         counter = \"{}\"\nbaud = {}\nread_limit = {}\nanswer_ms = {}\nturnaround_ms = {}\n",
        is.model.maker,
        is.model.name,
        is.model.counter.name(),
        meter.line.baud,
        map.read_limit,
        map.answer_ms,
        map.turnaround_ms,
    )
    .unwrap_or_default();
    if !map.forbidden.is_empty() {
        let ranges: Vec<String> =
            map.forbidden.iter().map(|(from, to)| format!("\"{from:#06x}-{to:#06x}\"")).collect();
        writeln!(book, "forbidden = [{}]", ranges.join(", ")).unwrap_or_default();
    }
    for entry in map.entries {
        register(book, entry, is.order);
    }
}

fn register(book: &mut String, entry: &Entry, order: Option<WordOrder>) {
    let order = order.filter(|_| 1 < entry.ty.words()).unwrap_or(entry.order);
    let function = match entry.table {
        Table::Coil | Table::DiscreteInput | Table::Holding | Table::Input => entry.table.id(),
        // They have no order to turn, so none of them comes here.
        Table::Dlt645 | Table::Cjt188 => return,
    };
    write!(
        book,
        "\n[[model.register]]\nquantity = \"{}\"\nfunction = {function}\naddress = {:#06x}\n\
         type = \"{}\"\norder = \"{}\"\n",
        entry.quantity.name(),
        entry.address,
        type_of(entry.ty),
        told_order(order),
    )
    .unwrap_or_default();
    let symbol = entry.quantity.unit().symbol();
    if !symbol.is_empty() {
        writeln!(book, "unit = \"{symbol}\"").unwrap_or_default();
    }
    writeln!(book, "scale = {}", step(entry)).unwrap_or_default();
    let undefined = match entry.undefined {
        Undefined::None => "",
        Undefined::AllOnes => "all-ones",
        Undefined::MaxSigned => "max-signed",
        Undefined::MinSigned => "min-signed",
        Undefined::Nan => "nan",
    };
    if !undefined.is_empty() {
        writeln!(book, "undefined = \"{undefined}\"").unwrap_or_default();
    }
    let ratio = match entry.ratio {
        Ratio::None => "",
        Ratio::Pt => "pt",
        Ratio::Ct => "ct",
        Ratio::PtCt => "pt-ct",
    };
    if !ratio.is_empty() {
        writeln!(book, "ratio = \"{ratio}\"").unwrap_or_default();
    }
}

fn type_of(ty: Type) -> String {
    match ty {
        Type::U16 => "u16".to_owned(),
        Type::I16 => "i16".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::I32 => "i32".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::I64 => "i64".to_owned(),
        Type::F32 => "f32".to_owned(),
        Type::F64 => "f64".to_owned(),
        Type::Bcd { digits } => format!("bcd{digits}"),
        Type::SignedBcd { digits } => format!("signed-bcd{digits}"),
        Type::WithUnit { .. } => "bcd+unit".to_owned(),
    }
}

/// What one step is worth, in the unit itself: the scale is in thousandths of it.
fn step(entry: &Entry) -> String {
    let millionths = i64::from(entry.scale.numerator()) * 1_000;
    let millionths = millionths / i64::from(entry.scale.denominator().max(1));
    let sign = if millionths < 0 { "-" } else { "" };
    let (whole, part) =
        (millionths.unsigned_abs() / 1_000_000, millionths.unsigned_abs() % 1_000_000);
    let number = format!("{sign}{whole}.{part:06}");
    let short = number.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}
