//! `node scan` and `node trace`: who is on a bus, told line by line, as JSON, and as a sheet to
//! print and sign; and what goes over it, byte by byte.

mod book;
mod remote;
mod sheet;
mod trace;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use wire::message::SCAN_UNITS_MAX;
use wire::modbus::{LineSettings, Parity, WordOrder};
use wire::{Address, Name, Protocol};

use super::field::{BusArgument, serial};
use super::{note, runtime, say};
use crate::clock::Clock;
use crate::node::BusConfig;
use crate::node::scan::identify::plate;
use crate::node::scan::{self, Candidate, Found, Scanned, Search, Step, Trouble};
use crate::site_book::{self, SiteBook};
use crate::words::{self, Language};
use remote::Remote;
use sheet::Sheet;
pub(super) use trace::{TraceArguments, trace};

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
    /// The bus of this node, which goes on reading its meters: asked through the running gateway.
    #[arg(long, group = "where")]
    node: Option<Name>,
    /// The configuration file of the gateway, with `--node`.
    #[arg(long, default_value = "gengfu.toml")]
    config: PathBuf,
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
    if let Some(node) = arguments.node {
        return scan_remote(arguments, node, clock, language);
    }
    let bus = bus_of(arguments.port.as_deref(), arguments.bus.as_ref())?;
    let own = arguments.site_book.as_deref().map(own_models).transpose()?;
    let mut candidates = scan::built_in();
    candidates.extend(own.iter().flat_map(of_book));
    let has_line = !matches!(bus, BusConfig::ModbusTcp(_));
    let lines = match &bus {
        BusConfig::Serial { line: None, .. } => scan::usual_lines(),
        BusConfig::Serial { line: Some(line), .. } => vec![*line],
        // A converter sets its line itself.
        BusConfig::RtuOverTcp(_) | BusConfig::ModbusTcp(_) => vec![LineSettings::default()],
    };
    let search = arguments.search(lines, has_line, &candidates);
    let place = told_bus(&bus);
    let tell = |step| note(&told_step(language, step));
    let scanned = runtime()?.block_on(scan::scan(bus, &search, tell));
    if scanned.troubles.contains(&Trouble::Down) && scanned.meters.is_empty() {
        bail!("{}", words::text(language, "scan.trouble.down", &[("bus", &place)]));
    }
    arguments.show(&scanned, (&place, has_line), clock, language)
}

/// Scans the bus of a node: addresses by one command for 32 of them, then what each is, register
/// by register; first by the models of the site book, by all others only what is none of those.
fn scan_remote(
    arguments: &ScanArguments,
    node: Name,
    clock: &Clock,
    language: Language,
) -> Result<()> {
    let (mut remote, book, has_line) = Remote::open(&arguments.config, node, clock)?;
    let is_used = |it: &Candidate<'_>| book.site.meters.iter().any(|meter| meter.model == it.id);
    let (used, others): (Vec<_>, Vec<_>) =
        scan::built_in().into_iter().chain(of_book(&book)).partition(is_used);
    let lines =
        if arguments.thorough && has_line { scan::usual_lines() } else { vec![remote.line()] };
    let mut scanned = Scanned { wait_ms: scan::UNKNOWN_MS, ..Scanned::default() };
    let begun = clock.now_ms();
    let tell = |step| note(&told_step(language, step));
    runtime()?.block_on(async {
        for line in lines {
            firmware::Bus::set_line(&mut remote, line);
            let count = usize::from(arguments.last - arguments.first) + 1;
            tell(Step::Asking(line, count, scan::UNKNOWN_MS));
            let mut units = Vec::new();
            for first in (arguments.first..=arguments.last).step_by(SCAN_UNITS_MAX.into()) {
                let last = first.saturating_add(SCAN_UNITS_MAX - 1).min(arguments.last);
                units.extend(remote.answering(first, last).await?);
                scanned.asked += u32::from(last - first) + 1;
            }
            let search = arguments.search(vec![line], false, &used);
            scan::look_at(&mut remote, &search, (line, &units), &mut scanned, tell).await;
            let known = |it: &u8| {
                let is = |meter: &Found<'_>| meter.address == Address::unit_id(*it);
                scanned.meters.iter().any(|meter| is(meter) && meter.model.is_some())
            };
            units.retain(|it| !known(it));
            scanned.meters.retain(|it| it.model.is_some() || it.line != line);
            let search = arguments.search(vec![line], false, &others);
            scan::look_at(&mut remote, &search, (line, &units), &mut scanned, tell).await;
        }
        anyhow::Ok(())
    })?;
    if let Some(failed) = remote.failed {
        bail!("{failed}");
    }
    scanned.meters.sort_by_key(|it| it.address.number());
    scanned.took_ms = u64::try_from(clock.now_ms() - begun).unwrap_or_default();
    arguments.show(&scanned, (node.as_str(), has_line), clock, language)
}

impl ScanArguments {
    fn search<'a>(
        &self,
        lines: Vec<LineSettings>,
        numbers: bool,
        candidates: &'a [Candidate<'a>],
    ) -> Search<'a> {
        let Self { first, last, thorough, .. } = *self;
        Search { lines, first, last, thorough, numbers, candidates }
    }

    fn show(
        &self,
        scanned: &Scanned<'_>,
        (place, has_line): (&str, bool),
        clock: &Clock,
        language: Language,
    ) -> Result<()> {
        let name = if self.name.is_empty() { place } else { &self.name };
        let (interval_s, made) = (self.interval, clock.now());
        let sheet = Sheet { name, place, scanned, interval_s, has_line, made, language };
        show(&sheet, self.json, self.sheet.as_deref())
    }
}

/// Returns the bus that the command line names.
fn bus_of(port: Option<&str>, bus: Option<&BusArgument>) -> Result<BusConfig> {
    match (port, bus) {
        (Some(port), _) => serial(port),
        (None, Some(BusArgument(bus))) => Ok(bus.clone()),
        (None, None) => bail!("which bus? `--port`, `--bus` or `--node`"),
    }
}

/// Returns the models of a site book's own.
fn of_book(book: &SiteBook) -> impl Iterator<Item = Candidate<'_>> {
    book.models.iter().map(|model| {
        let known = model.known();
        let (counter, map) = (known.counter, known.map);
        Candidate { id: &model.id, maker: "", name: &model.name, counter, map }
    })
}

/// Prints what was found, and writes the sheet.
fn show(sheet: &Sheet<'_>, as_json: bool, path: Option<&Path>) -> Result<()> {
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

fn own_models(path: &Path) -> Result<SiteBook> {
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
