//! The commissioning sheet of a bus: HTML that needs nothing from elsewhere, made to be printed
//! on A4 across and read on a telephone; and the same as lines and as JSON.

use std::fmt::Write as _;

use firmware::load::{CROWDED, FULL};
use minijinja::HtmlEscape;
use wire::modbus::Parity;
use wire::{Reading, Unit, Value};

use super::book::{snippet, usual};
use super::{told_address, told_line, told_order, told_protocol};
use crate::node::scan::identify::load_of;
use crate::node::scan::{Found, Scanned, Trouble};
use crate::words::{Language, grouped, tag, text};

/// One answer in ten that is not whole is more than an electrical noise now and then.
const ERRORS_IN: u32 = 10;

/// What a sheet is made from.
pub(super) struct Sheet<'a> {
    /// What people call the bus.
    pub(super) name: &'a str,
    /// Where it is.
    pub(super) place: &'a str,
    pub(super) scanned: &'a Scanned<'a>,
    /// How often its meters will be read, s.
    pub(super) interval_s: u16,
    /// Characters take time on it.
    pub(super) has_line: bool,
    /// Unix seconds.
    pub(super) made: i64,
    pub(super) language: Language,
}

const STYLE: &str = "
*{box-sizing:border-box}
body{font:15px/1.5 'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC',sans-serif;
color:#111;background:#fff;margin:0 auto;padding:1rem;max-width:72rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:1.4rem 0 .4rem}
p{margin:.3rem 0}.quiet{color:#555;font-size:.85rem}
.trouble{border-left:4px solid #b3261e;background:#fdecea;padding:.4rem .8rem;margin:.5rem 0}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{border:1px solid #888;padding:.35rem .5rem;text-align:left;vertical-align:top}
th{background:#f0f0ee;font-size:.85rem}td .quiet{display:block}
.number{text-align:right;white-space:nowrap}.values{white-space:nowrap}.write{min-width:7rem}
.unknown td{background:#fff6dd}
pre{background:#f6f6f4;border:1px solid #ccc;padding:.8rem;font:12px/1.45 monospace;
white-space:pre-wrap;overflow-wrap:anywhere}
.sign{display:flex;gap:2rem;flex-wrap:wrap;margin-top:3rem}
.sign p{flex:1 1 10rem;border-top:1px solid #111;padding-top:.3rem}
@media screen and (max-width:44rem){thead{display:none}table,tbody,tr,td{display:block}
tr{border:1px solid #888;margin-bottom:.8rem}td{border:0;border-bottom:1px solid #ddd;
display:grid;grid-template-columns:7rem 1fr;gap:.5rem;text-align:left}
td::before{content:attr(data-label);color:#555;font-size:.85rem}
td.number,td.values{text-align:left;white-space:normal}.write{min-height:2.2rem}}
@media print{body{padding:0;max-width:none;font-size:10pt}@page{size:A4 landscape;margin:12mm}
tr,.sign{break-inside:avoid}pre{font-size:8pt}.write{min-width:3.2cm}h2.book{break-before:page}}
";

/// The columns by their key; the last two are for a pen.
const COLUMNS: [&str; 10] =
    ["address", "model", "line", "order", "values", "answer", "errors", "load", "place", "sign"];

impl Sheet<'_> {
    fn word(&self, key: &str, params: &[(&str, &str)]) -> String {
        text(self.language, key, params)
    }

    fn load(&self) -> u32 {
        let of = |it| load_of(it, self.interval_s, self.has_line);
        self.scanned.meters.iter().map(of).sum()
    }

    /// Returns what is said of a meter: one text for each column but the last two, and what is
    /// said below it.
    fn cells(&self, meter: &Found<'_>) -> [(String, String); 8] {
        let plain = |text: String| (text, String::new());
        let is = meter.model.as_ref();
        let model = match is {
            None => (self.word("scan.unknown", &[]), self.word("scan.unknown.hint", &[])),
            Some(is) => {
                let name = format!("{} {}", is.model.maker, is.model.name);
                let mut below = is.model.id.to_owned();
                if !is.also.is_empty() {
                    let also = is.also.join(", ");
                    write!(below, "; {}", self.word("scan.also", &[("models", &also)]))
                        .unwrap_or_default();
                }
                (name.trim().to_owned(), below)
            }
        };
        let order = is.and_then(|is| Some((is.order?, is.is_usual)));
        let order = order.map_or_else(
            || plain("–".to_owned()),
            |(order, is_usual)| {
                let below =
                    if is_usual { String::new() } else { self.word("scan.order.unusual", &[]) };
                (told_order(order).to_owned(), below)
            },
        );
        let values = is.map(|is| is.telling()).unwrap_or_default();
        let values: Vec<String> = values.iter().filter_map(|it| self.value(it)).collect();
        let line = if self.has_line { told_line(meter.line) } else { "–".to_owned() };
        let is_bad = meter.requests <= meter.errors.saturating_mul(ERRORS_IN);
        let errors = (
            format!("{} / {}", meter.errors, meter.requests),
            if is_bad { self.word("scan.errors.many", &[]) } else { String::new() },
        );
        let load = match is {
            Some(_) => percent(load_of(meter, self.interval_s, self.has_line)),
            None => "–".to_owned(),
        };
        [
            (told_address(meter), told_protocol(meter.protocol).to_owned()),
            model,
            plain(line),
            order,
            plain(values.join("\n")),
            plain(match meter.answer_ms {
                0 => "< 1 ms".to_owned(),
                ms => format!("{ms} ms"),
            }),
            errors,
            plain(load),
        ]
    }

    fn value(&self, reading: &Reading) -> Option<String> {
        let Value::Measured(value) = reading.value else { return None };
        let unit = reading.quantity.unit();
        let (size, decimals, symbol) = match unit {
            Unit::Volt => (1_000, 1, "V"),
            Unit::Hertz => (1_000, 2, "Hz"),
            Unit::Watt => (1_000_000, 3, "kW"),
            Unit::WattHour => (1_000_000, 2, "kWh"),
            Unit::Litre => (1_000_000, 3, "m³"),
            Unit::Pascal => (1_000_000, 3, "kPa"),
            Unit::LitrePerHour => (1_000_000, 3, "m³/h"),
            Unit::Var
            | Unit::VoltAmpere
            | Unit::One
            | Unit::Ampere
            | Unit::VarHour
            | Unit::Celsius
            | Unit::Lux
            | Unit::Percent => (1_000, 3, unit.symbol()),
        };
        let quantity = self.word(&format!("quantity.{}", reading.quantity.name()), &[]);
        let number = grouped(value, size, decimals);
        Some(format!("{quantity} {number} {symbol}").trim_end().to_owned())
    }

    /// Returns a meter as one line.
    pub(super) fn line(&self, meter: &Found<'_>) -> String {
        let told = self.cells(meter).map(|(text, below)| {
            let text = text.replace('\n', ", ");
            if below.is_empty() { text } else { format!("{text} ({below})") }
        });
        told.join("  ")
    }

    /// Returns what is said of the bus as a whole, one sentence each.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = self.troubles();
        remarks.extend([self.summary(), self.load_told(), self.word("scan.only_read", &[])]);
        remarks
    }

    fn summary(&self) -> String {
        let Scanned { meters, asked, took_ms, wait_ms, .. } = self.scanned;
        let count = meters.len().to_string();
        let (asked, wait) = (asked.to_string(), wait_ms.to_string());
        let seconds = took_ms.div_ceil(1_000).to_string();
        let params =
            [("count", &*count), ("asked", &*asked), ("seconds", &*seconds), ("wait", &*wait)];
        self.word("scan.summary", &params)
    }

    fn load_told(&self) -> String {
        let load = self.load();
        let verdict = match load {
            _ if FULL < load => "scan.load.full",
            _ if CROWDED < load => "scan.load.crowded",
            _ => "scan.load.good",
        };
        let interval = self.interval_s.to_string();
        let verdict = self.word(verdict, &[]);
        let params =
            [("interval", &*interval), ("percent", &*percent(load)), ("verdict", &*verdict)];
        self.word("scan.load", &params)
    }

    fn troubles(&self) -> Vec<String> {
        let told = |it: &Trouble| match it {
            Trouble::Down => self.word("scan.trouble.down", &[("bus", self.place)]),
            Trouble::Garbled(address, line) => {
                let address = address.number().to_string();
                let params = [("address", &*address), ("line", &*told_line(*line))];
                self.word("scan.trouble.garbled", &params)
            }
            Trouble::Crowd(protocol, line) => {
                let params = [("protocol", told_protocol(*protocol)), ("line", &*told_line(*line))];
                self.word("scan.trouble.crowd", &params)
            }
        };
        let mut troubles: Vec<String> = self.scanned.troubles.iter().map(told).collect();
        let meters = &self.scanned.meters;
        let usual = usual(meters);
        if let Some(usual) = usual.filter(|usual| meters.iter().any(|it| it.line != *usual)) {
            let odd: Vec<String> =
                meters.iter().filter(|it| it.line != usual).map(told_address).collect();
            let params = [("line", &*told_line(usual)), ("addresses", &*odd.join(", "))];
            troubles.push(self.word("scan.trouble.lines", &params));
        }
        if meters.is_empty() {
            troubles.push(self.word("scan.nobody", &[]));
        }
        troubles
    }

    /// Returns what was found for another program.
    pub(super) fn json(&self) -> serde_json::Value {
        let meters = self.scanned.meters.iter().map(|meter| {
            let is = meter.model.as_ref();
            let values = is.map(|is| is.readings.as_slice()).unwrap_or_default();
            let values: Vec<_> = values
                .iter()
                .filter_map(|it| {
                    let Value::Measured(thousandths) = it.value else { return None };
                    Some(serde_json::json!({
                        "quantity": it.quantity.name(),
                        "thousandths": thousandths,
                        "unit": it.quantity.unit().symbol(),
                    }))
                })
                .collect();
            serde_json::json!({
                "address": told_address(meter),
                "protocol": meter.protocol.code(),
                "line": line_json(meter.line),
                "model": is.map(|is| is.model.id),
                "also": is.map(|is| is.also.clone()).unwrap_or_default(),
                "order": is.and_then(|is| is.order).map(told_order),
                "order_is_usual": is.map(|is| is.is_usual),
                "answer_ms": meter.answer_ms,
                "requests": meter.requests,
                "errors": meter.errors,
                "load_permille": load_of(meter, self.interval_s, self.has_line),
                "values": values,
            })
        });
        let troubles = self.scanned.troubles.iter().map(|it| match it {
            Trouble::Down => serde_json::json!({ "kind": "down" }),
            Trouble::Garbled(address, line) => serde_json::json!({
                "kind": "garbled", "address": address.number(), "line": line_json(*line),
            }),
            Trouble::Crowd(protocol, line) => serde_json::json!({
                "kind": "crowd", "protocol": protocol.code(), "line": line_json(*line),
            }),
        });
        serde_json::json!({
            "bus": self.place,
            "made": self.made,
            "meters": meters.collect::<Vec<_>>(),
            "troubles": troubles.collect::<Vec<_>>(),
            "interval_s": self.interval_s,
            "load_permille": self.load(),
            "asked": self.scanned.asked,
            "took_ms": self.scanned.took_ms,
            "wait_ms": self.scanned.wait_ms,
            "site_book": self.snippet(),
        })
    }

    fn snippet(&self) -> String {
        snippet(self.language, &self.scanned.meters, self.interval_s, self.has_line)
    }

    /// Returns the sheet.
    pub(super) fn html(&self) -> String {
        let mut page = String::new();
        let title = self.word("scan.title", &[]);
        let zone = jiff::tz::TimeZone::system();
        let made = jiff::Timestamp::from_second(self.made)
            .map(|at| at.to_zoned(zone).strftime("%Y-%m-%d %H:%M %:z").to_string());
        let made = self.word("scan.made", &[("at", &made.unwrap_or_default())]);
        write!(
            page,
            "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{title} {name}</title><style>{STYLE}</style></head><body>\
             <h1>{title}</h1><p><b>{name}</b> <span class=\"quiet\">{place} · {made}</span></p>",
            tag(self.language),
            name = escaped(self.name),
            place = if self.place == self.name { String::new() } else { escaped(self.place) },
        )
        .unwrap_or_default();
        for trouble in self.troubles() {
            write!(page, "<p class=\"trouble\">{}</p>", escaped(&trouble)).unwrap_or_default();
        }
        let (summary, load) = (escaped(&self.summary()), escaped(&self.load_told()));
        write!(page, "<p>{summary} {load}</p><table><thead><tr>").unwrap_or_default();
        let columns = COLUMNS.map(|key| self.word(&format!("scan.column.{key}"), &[]));
        for column in &columns {
            write!(page, "<th>{column}</th>").unwrap_or_default();
        }
        page.push_str("</tr></thead><tbody>");
        for meter in &self.scanned.meters {
            self.row(&mut page, meter, &columns);
        }
        let remark = |key: &str| escaped(&self.word(key, &[]));
        write!(
            page,
            "</tbody></table><p>{}</p><p class=\"quiet\">{} {}</p><div class=\"sign\"><p>{}</p>\
             <p>{}</p><p>{}</p></div>",
            remark("scan.compare"),
            remark("scan.silent"),
            remark("scan.only_read"),
            remark("scan.installer"),
            remark("scan.accepted"),
            remark("scan.date"),
        )
        .unwrap_or_default();
        if self.scanned.meters.iter().any(|it| it.model.is_some()) {
            let (title, book) = (remark("scan.book"), escaped(&self.snippet()));
            write!(page, "<h2 class=\"book\">{title}</h2><pre>{book}</pre>").unwrap_or_default();
        }
        page.push_str("</body></html>\n");
        page
    }

    fn row(&self, page: &mut String, meter: &Found<'_>, columns: &[String]) {
        let is_unknown = meter.model.is_none();
        page.push_str(if is_unknown { "<tr class=\"unknown\">" } else { "<tr>" });
        let cells = self.cells(meter);
        for (at, column) in columns.iter().enumerate() {
            let class = match COLUMNS.get(at) {
                Some(&("answer" | "errors" | "load")) => "number",
                Some(&"values") => "values",
                Some(&("place" | "sign")) => "write",
                _ => "",
            };
            write!(page, "<td class=\"{class}\" data-label=\"{column}\"><span>")
                .unwrap_or_default();
            if let Some((text, below)) = cells.get(at) {
                page.push_str(&escaped(text).replace('\n', "<br>"));
                if !below.is_empty() {
                    write!(page, "<span class=\"quiet\">{}</span>", escaped(below))
                        .unwrap_or_default();
                }
            }
            page.push_str("</span></td>");
        }
        page.push_str("</tr>");
    }
}

fn line_json(line: wire::modbus::LineSettings) -> serde_json::Value {
    let parity = match line.parity {
        Parity::None => "none",
        Parity::Even => "even",
        Parity::Odd => "odd",
    };
    serde_json::json!({ "baud": line.baud, "parity": parity, "stop_bits": line.stop_bits })
}

/// Returns thousandths as percent: `12.3%`.
fn percent(permille: u32) -> String {
    match permille {
        0 => "< 0.1%".to_owned(),
        _ => format!("{}.{}%", permille / 10, permille % 10),
    }
}

fn escaped(text: &str) -> String {
    HtmlEscape(text).to_string()
}
