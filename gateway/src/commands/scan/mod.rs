//! `node scan`: who is on a bus, told line by line, as JSON, and as a sheet to print and sign.

mod book;
mod sheet;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use wire::Protocol;
use wire::modbus::{LineSettings, Parity, WordOrder};

use super::field::{BusArgument, serial};
use super::{note, runtime, say};
use crate::clock::Clock;
use crate::node::BusConfig;
use crate::node::scan::identify::plate;
use crate::node::scan::{self, Candidate, Found, Search, Step, Trouble};
use crate::site_book::{self, SiteBook};
use crate::words::{self, Language};
use sheet::Sheet;

/// What to look for, and where.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("where").required(true)))]
pub(super) struct ScanArguments {
    /// A serial port: `/dev/ttyUSB0` tries the usual speeds and parities, and
    /// `/dev/ttyUSB0:19200:even` that one alone.
    #[arg(long, group = "where")]
    port: Option<String>,
    /// Another bus, as for `gengfu node`: `rtu-over-tcp:10.0.4.12:4001`, `modbus-tcp:10.0.4.13:502`.
    #[arg(long, group = "where")]
    bus: Option<BusArgument>,
    /// The first unit id to ask.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=247))]
    first: u8,
    /// The last unit id to ask.
    #[arg(long, default_value_t = 247, value_parser = clap::value_parser!(u8).range(1..=247))]
    last: u8,
    /// Ask every address at every speed, and wait a second for each: hours on a slow line.
    #[arg(long)]
    thorough: bool,
    /// How often each meter will be read, in seconds: for the load of the bus.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    interval: u16,
    /// A site book whose own meter models are known as well.
    #[arg(long)]
    site_book: Option<PathBuf>,
    /// Write the sheet to print and sign to this file (HTML).
    #[arg(long)]
    sheet: Option<PathBuf>,
    /// What the sheet calls the bus.
    #[arg(long, default_value = "")]
    name: String,
    /// Print what was found as JSON instead of lines.
    #[arg(long)]
    json: bool,
    /// The language of lines and sheet.
    #[arg(long, default_value = "zh", value_parser = ["zh", "en"])]
    lang: String,
}

/// Looks who is on a bus; prints it, and writes the sheet. Nothing is written to any meter.
pub(super) fn scan(arguments: &ScanArguments, clock: &Clock) -> Result<()> {
    let language = if arguments.lang == "en" { Language::En } else { Language::Zh };
    if arguments.last < arguments.first {
        bail!("`--last` is below `--first`");
    }
    let bus = match (&arguments.port, &arguments.bus) {
        (Some(port), _) => serial(port)?,
        (None, Some(BusArgument(bus))) => bus.clone(),
        (None, None) => bail!("which bus? `--port` or `--bus`"),
    };
    let own = arguments.site_book.as_deref().map(own_models).transpose()?;
    let mut candidates = scan::built_in();
    candidates.extend(own.iter().flat_map(|book| &book.models).map(|model| {
        let known = model.known();
        let (counter, map) = (known.counter, known.map);
        Candidate { id: &model.id, maker: "", name: &model.name, counter, map }
    }));
    let has_line = !matches!(bus, BusConfig::ModbusTcp(_));
    let search = Search {
        lines: match &bus {
            BusConfig::Serial { line: None, .. } => scan::usual_lines(),
            BusConfig::Serial { line: Some(line), .. } => vec![*line],
            // A converter sets its line itself.
            BusConfig::RtuOverTcp(_) | BusConfig::ModbusTcp(_) => vec![LineSettings::default()],
        },
        first: arguments.first,
        last: arguments.last,
        thorough: arguments.thorough,
        numbers: has_line,
        candidates: &candidates,
    };
    let place = told_bus(&bus);
    let tell = |step| note(&told_step(language, step));
    let scanned = runtime()?.block_on(scan::scan(bus, &search, tell));
    if scanned.troubles.contains(&Trouble::Down) && scanned.meters.is_empty() {
        bail!("{}", words::text(language, "scan.trouble.down", &[("bus", &place)]));
    }
    let name = if arguments.name.is_empty() { &place } else { &arguments.name };
    let sheet = Sheet {
        name,
        place: &place,
        scanned: &scanned,
        interval_s: arguments.interval,
        has_line,
        made: clock.now(),
        language,
    };
    show(&sheet, arguments.json, arguments.sheet.as_deref())
}

/// Prints what was found, and writes the sheet.
fn show(sheet: &Sheet<'_>, as_json: bool, path: Option<&std::path::Path>) -> Result<()> {
    if as_json {
        say(serde_json::to_string_pretty(&sheet.json())?);
    } else {
        for meter in &sheet.scanned.meters {
            say(sheet.line(meter));
        }
        sheet.remarks().into_iter().for_each(say);
    }
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, sheet.html())
        .with_context(|| format!("cannot write the sheet `{}`", path.display()))?;
    let shown = path.display().to_string();
    let written = words::text(sheet.language, "scan.written", &[("path", &shown)]);
    // JSON stands alone on the output.
    if as_json {
        note(&written);
    } else {
        say(written);
    }
    Ok(())
}

fn own_models(path: &std::path::Path) -> Result<SiteBook> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read site book `{}`", path.display()))?;
    site_book::parse(&text).map_err(|mistakes| {
        let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
        anyhow::anyhow!("site book `{}` has mistakes, such as {first}", path.display())
    })
}

fn told_bus(bus: &BusConfig) -> String {
    match bus {
        BusConfig::RtuOverTcp(address) => format!("rtu-over-tcp:{address}"),
        BusConfig::ModbusTcp(address) => format!("modbus-tcp:{address}"),
        BusConfig::Serial { path, .. } => path.clone(),
    }
}

/// Returns settings as they stand on a converter's page: `9600 8N1`.
fn told_line(line: LineSettings) -> String {
    let parity = match line.parity {
        Parity::None => 'N',
        Parity::Even => 'E',
        Parity::Odd => 'O',
    };
    format!("{} 8{parity}{}", line.baud, line.stop_bits)
}

fn told_protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Modbus => "Modbus",
        Protocol::Dlt645 => "DL/T 645",
        Protocol::Cjt188 => "CJ/T 188",
    }
}

const fn told_order(order: WordOrder) -> &'static str {
    match order {
        WordOrder::Abcd => "ABCD",
        WordOrder::Cdab => "CDAB",
        WordOrder::Badc => "BADC",
        WordOrder::Dcba => "DCBA",
    }
}

fn told_step(language: Language, step: Step) -> String {
    match step {
        Step::Asking(line, count, wait_ms) => {
            let (line, count, wait) = (told_line(line), count.to_string(), wait_ms.to_string());
            let params = [("line", &*line), ("count", &*count), ("wait", &*wait)];
            words::text(language, "scan.step.asking", &params)
        }
        Step::Answers(address) => {
            // Longer than any unit id: a number on a plate.
            let digits = if address.number() <= 247 { 0 } else { 12 };
            let address = plate(address, digits);
            words::text(language, "scan.step.answers", &[("address", &address)])
        }
        Step::Number(protocol, line) => {
            let params = [("protocol", told_protocol(protocol)), ("line", &told_line(line))];
            words::text(language, "scan.step.number", &params)
        }
    }
}

fn told_address(meter: &Found<'_>) -> String {
    plate(meter.address, meter.protocol.digits())
}

#[cfg(test)]
mod tests;
