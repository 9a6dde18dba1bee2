//! `node trace`: one question, and every byte that comes back.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use firmware::{Pace, PollError, Request};
use wire::modbus::{LineSettings, Table};
use wire::{Address, Name};

use super::remote::Remote;
use super::{bus_of, told_bus, told_line};
use crate::clock::Clock;
use crate::commands::field::BusArgument;
use crate::commands::{runtime, say};
use crate::node::BusConfig;
use crate::node::scan::{self, Traced};
use crate::words::{self, Language};

/// How long a meter may think that is traced: three times what a node gives it, so that a slow
/// one is seen to be slow. Through a node it is the node's time.
const PACE: Pace = Pace { answer_ms: 1_000, turnaround_ms: 0 };

/// Whom to ask for what, and where.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("where").required(true)))]
pub(in crate::commands) struct TraceArguments {
    /// A serial port and its settings, 9600 8N1 without: `/dev/ttyUSB0:19200:even`.
    #[arg(long, group = "where")]
    port: Option<String>,
    /// Another bus, as for `gengfu node`.
    #[arg(long, group = "where")]
    bus: Option<BusArgument>,
    /// The bus of this node, through the running gateway.
    #[arg(long, group = "where")]
    node: Option<Name>,
    /// The configuration file of the gateway, with `--node`.
    #[arg(long, default_value = "gengfu.toml")]
    config: PathBuf,
    /// Who is asked.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=247))]
    unit: u8,
    /// From which table: 1 coil, 2 discrete input, 3 holding, 4 input.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=4))]
    function: u8,
    /// The first register, as on the wire: `0`, `0x2006`.
    #[arg(long, default_value = "0", value_parser = register)]
    address: u16,
    /// How many.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=60))]
    count: u8,
    /// The language of what is told.
    #[arg(long, default_value = "zh", value_parser = ["zh", "en"])]
    lang: String,
}

fn register(text: &str) -> Result<u16, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| "a register is 0 to 65535 or 0x0 to 0xFFFF".to_owned())
}

/// Asks once, and shows what went and what came.
pub(in crate::commands) fn trace(arguments: &TraceArguments, clock: &Clock) -> Result<()> {
    let language = if arguments.lang == "en" { Language::En } else { Language::Zh };
    let table = Table::from_id(arguments.function).context("no such table")?;
    let (meter, address) = (Address::unit_id(arguments.unit), u32::from(arguments.address));
    let request = Request { meter, table, address, pace: PACE };
    let count = arguments.count;
    let (place, line, traced) = if let Some(node) = arguments.node {
        let (mut remote, _, _) = Remote::open(&arguments.config, node, clock)?;
        let result = runtime()?.block_on(remote.trace(&request, count))?;
        let heard: Vec<u8> = result.data.iter().copied().collect();
        let mut words = vec![0; usize::from(count)];
        let understood = firmware::rtu::understand(&request, &heard, &mut words);
        let answer_ms = u64::from(result.answer_ms);
        let traced = Traced { heard, answer_ms, understood: understood.map(|()| words) };
        (node.to_string(), remote.line(), traced)
    } else {
        let bus = bus_of(arguments.port.as_deref(), arguments.bus.as_ref())?;
        let line = match &bus {
            BusConfig::Serial { line: Some(line), .. } => *line,
            BusConfig::Serial { line: None, .. }
            | BusConfig::RtuOverTcp(_)
            | BusConfig::ModbusTcp(_) => LineSettings::default(),
        };
        let place = told_bus(&bus);
        let traced = runtime()?.block_on(scan::trace(bus, &request, count));
        (place, line, traced)
    };
    if traced.understood == Err(PollError::BusDown) {
        bail!("{}", words::text(language, "scan.trouble.down", &[("bus", &place)]));
    }
    say(format!("{place}  {}", told_line(line)));
    say(format!("→ {}", hex(&firmware::rtu::frame::request(&request, u16::from(count)))));
    say(format!("← {}  {} ms", hex(&traced.heard), traced.answer_ms));
    say(match &traced.understood {
        Ok(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("{word:04X}")).collect();
            let first = format!("0x{:04X}", arguments.address);
            let params = [("first", &*first), ("words", &*words.join(" "))];
            words::text(language, "scan.trace.words", &params)
        }
        Err(error) => words::text(language, why(*error), &[("code", &code(*error))]),
    });
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

fn code(error: PollError) -> String {
    match error {
        PollError::Refused(code) => code.to_string(),
        PollError::Silent
        | PollError::BadCrc
        | PollError::Truncated
        | PollError::WrongUnit
        | PollError::WrongAnswer
        | PollError::Noise
        | PollError::BusDown => String::new(),
    }
}

/// The key of what an error means to whoever holds the cable.
const fn why(error: PollError) -> &'static str {
    match error {
        PollError::Silent | PollError::BusDown => "scan.trace.silent",
        PollError::Refused(_) => "scan.trace.refused",
        PollError::BadCrc => "scan.trace.crc",
        PollError::Truncated => "scan.trace.truncated",
        PollError::WrongUnit => "scan.trace.unit",
        PollError::WrongAnswer => "scan.trace.answer",
        PollError::Noise => "scan.trace.noise",
    }
}
