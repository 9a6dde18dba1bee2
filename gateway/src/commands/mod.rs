//! The commands of the one binary: what each takes, and what it prints.
//!
//! Exit codes: 0 done, 1 it went wrong (the last line says why and what to do next),
//! 2 the arguments are not understood.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::clock::Clock;
use crate::store::{Store, StoreError};

mod bench;
mod book;
mod enroll;
mod field;
mod house;
mod memory;
mod month;
mod safe;
mod scan;
#[cfg(feature = "influx")]
mod target;
mod trial;
mod update;
mod weather;

/// 更夫 Gengfu: walks a building's meters and calls out waste.
#[derive(Debug, Parser)]
#[command(name = "gengfu", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Live at another time: START_MS@ANCHOR_MSxSPEED. For tests and demonstrations.
    #[arg(long, global = true, hide = true, value_parser = parse_clock)]
    clock: Option<Clock>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    #[command(after_help = "Example: gengfu run --config /etc/gengfu/gengfu.toml")]
    Run {
        /// The configuration file.
        #[arg(long, default_value = "gengfu.toml")]
        config: PathBuf,
    },
    /// Show a simulated campus that replays real measurements; needs nothing else.
    #[command(after_help = "Example: gengfu demo --speed 60")]
    Demo {
        /// How many seconds of the campus pass in one of ours.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
        speed: u32,
        /// Where the page is served.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Keep the data in this folder instead of a temporary one.
        #[arg(long)]
        data: Option<PathBuf>,
        /// How many weeks of history to load first.
        #[arg(long, default_value_t = 52, value_parser = clap::value_parser!(u32).range(1..=104))]
        weeks: u32,
    },
    /// Answer Modbus like the meters of the demo campus.
    #[command(
        after_help = "Example: gengfu simulate --office 127.0.0.1:5020 --campus 127.0.0.1:5021 --control 127.0.0.1:5022"
    )]
    Simulate {
        /// The bus of the office: RTU over TCP.
        #[arg(long, default_value = "127.0.0.1:5020")]
        office: SocketAddr,
        /// The bus of the other buildings: Modbus TCP.
        #[arg(long, default_value = "127.0.0.1:5021")]
        campus: SocketAddr,
        /// Where orders are taken: lights on, a silent meter, a bad CRC, a delay.
        #[arg(long, default_value = "127.0.0.1:5022")]
        control: SocketAddr,
    },
    /// Read the meters of one bus and publish what they say.
    #[command(
        after_help = "Examples: gengfu node --site school --id node-1 --bus serial:/dev/ttyUSB0 --broker 10.0.4.2:8883 --tls node-1\n          gengfu node enroll node-1",
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true
    )]
    Node(Box<NodeCommand>),
    /// Ask the only meter on a line for the number on its plate (DL/T 645, CJ/T 188).
    #[command(
        after_help = "Example: gengfu number --bus serial:/dev/ttyUSB0:2400:even --protocol dlt645\nTwo meters on the line answer at once, and neither is understood: unplug all but one."
    )]
    Number(field::NumberArguments),
    /// Check a configuration file and, if given, a site book.
    #[command(
        after_help = "Examples: gengfu check gengfu.toml --site-book site.toml\n          gengfu check --site-book site.toml --try-payload sample.json --topic tele/plug-1/SENSOR"
    )]
    Check {
        /// The configuration file.
        #[arg(required_unless_present = "try_payload")]
        config: Option<PathBuf>,
        /// A site book to check as well.
        #[arg(long)]
        site_book: Option<PathBuf>,
        /// Show what a message of somebody else's device would become; nothing is stored.
        /// May be given more than once, such as for a Sparkplug birth and the data after it.
        #[arg(long, requires = "site_book", requires = "topic")]
        try_payload: Vec<PathBuf>,
        /// The topic of the message; one for each `--try-payload`.
        #[arg(long)]
        topic: Vec<String>,
    },
    /// Take in a site book: buildings, meters, hours, tariffs, people.
    #[command(after_help = "Example: gengfu import --config gengfu.toml site.toml")]
    Import {
        /// The configuration file.
        #[arg(long, default_value = "gengfu.toml")]
        config: PathBuf,
        /// The site book.
        site_book: PathBuf,
        /// Who takes it in, for the record.
        #[arg(long, default_value = "command line")]
        author: String,
        /// What changed, for the record.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Take in outdoor temperatures: lines `time,temperature`, hourly or finer, in °C.
    #[command(
        after_help = "Example: gengfu weather --config gengfu.toml temperatures-2026.csv\n\nA time is by the site's clock (2026-11-24 08:00) or bears its offset (2026-11-24T08:00:00+08:00).\nWhat is taken in again lies over what was there. Savings need it: a year before, and all since."
    )]
    Weather {
        /// The configuration file.
        #[arg(long, default_value = "gengfu.toml")]
        config: PathBuf,
        /// The table (CSV).
        temperatures: PathBuf,
        /// Who takes it in, for the record.
        #[arg(long, default_value = "command line")]
        author: String,
    },
    /// Print the newest site book, or send all readings to an InfluxDB.
    #[command(
        after_help = "Examples: gengfu export --config gengfu.toml > site.toml\n          gengfu export --config gengfu.toml --to influx"
    )]
    Export {
        /// The configuration file.
        #[arg(long, default_value = "gengfu.toml")]
        config: PathBuf,
        /// Where to: print the site book, or send all readings to the `[influx]` of the
        /// configuration. An interrupted sending goes on where it was.
        #[arg(long, default_value = "site-book", value_parser = ["site-book", "influx"])]
        to: String,
    },
    /// Copy everything the gateway keeps into a new folder; the gateway may go on running.
    #[command(
        after_help = "Example: gengfu backup --config gengfu.toml /mnt/stick/gengfu-2026-11-22"
    )]
    Backup {
        /// The configuration file.
        #[arg(long, default_value = "gengfu.toml")]
        config: PathBuf,
        /// The folder to make; it must not exist yet.
        to: PathBuf,
    },
    /// Put a backup back where the gateway keeps its data; nothing may be there yet.
    #[command(
        after_help = "Example: gengfu restore --config gengfu.toml /mnt/stick/gengfu-2026-11-22"
    )]
    Restore {
        /// The configuration file.
        #[arg(long, default_value = "gengfu.toml")]
        config: PathBuf,
        /// The folder of the backup.
        from: PathBuf,
    },
    /// Write a month's consumption as a workbook (XLSX).
    #[command(
        after_help = "Example: gengfu report --config gengfu.toml --month 2026-10 --out reports"
    )]
    Report {
        /// The configuration file.
        #[arg(long, default_value = "gengfu.toml")]
        config: PathBuf,
        /// The month, as 2026-10.
        #[arg(long, value_parser = month::parse_month)]
        month: jiff::civil::Date,
        /// The folder to write it to.
        #[arg(long, default_value = ".")]
        out: PathBuf,
        /// The language of the workbook.
        #[arg(long, default_value = "zh", value_parser = ["zh", "en"])]
        language: String,
        /// Also mail it to this address; may be given more than once.
        #[arg(long = "mail-to")]
        mail_to: Vec<String>,
    },
    /// Measure on this machine what is promised.
    #[command(after_help = "Example: gengfu bench store --json")]
    Bench(bench::BenchArguments),
}

/// Runs a node, or does something for one.
#[derive(Debug, clap::Args)]
struct NodeCommand {
    #[command(subcommand)]
    what: Option<NodeTask>,
    #[command(flatten)]
    run: Option<field::NodeArguments>,
}

#[derive(Debug, Subcommand)]
enum NodeTask {
    /// Make a certificate for a node, and the site's own authority at its first use.
    #[command(after_help = "Example: gengfu node enroll node-1 --out /mnt/stick/node-1")]
    Enroll(enroll::EnrollArguments),
    /// Make the key that signs new programs for boards; it stays where it is made.
    #[command(after_help = "Example: gengfu node keys --out /mnt/stick")]
    Keys(update::KeysArguments),
    /// Sign an image for boards, on the machine that has the key.
    #[command(
        after_help = "Example: gengfu node sign firmware/boards/target/images/nucleo-h743 --key update.key"
    )]
    Sign(update::SignArguments),
    /// Look who is on a bus: addresses, speed, models, word order; with a sheet to print and sign.
    #[command(
        after_help = "Examples: gengfu node scan --port /dev/ttyUSB0 --sheet bus-1.html\n          gengfu node scan --bus rtu-over-tcp:10.0.4.12:4001 --last 32 --lang en\n          gengfu node scan --config gengfu.toml --node node-office --sheet office.html\nNothing is ever written to a meter. With `--port` or `--bus`, stop the node that reads it meanwhile."
    )]
    Scan(Box<scan::ScanArguments>),
    /// Ask one meter once, and show every byte that goes and comes.
    #[command(
        after_help = "Examples: gengfu node trace --port /dev/ttyUSB0 --unit 1 --function 4 --count 2\n          gengfu node trace --config gengfu.toml --node node-office --unit 1 --address 0x2006"
    )]
    Trace(scan::TraceArguments),
    /// Give a node a new program: it loads it piece by piece from the running gateway. Tells how
    /// far it is until the node runs it or says why not.
    #[command(after_help = "Example: gengfu node update node-1 nucleo-h743.update")]
    Update(update::UpdateArguments),
}

/// Writes a checked site book into the journal; returns its version.
pub(crate) fn put_site_book(
    store: &Store,
    text: &str,
    author: &str,
    note: &str,
    now: i64,
) -> Result<i64> {
    book::put(store, text, author, note, now)
}

/// Runs the command that the arguments name and returns the exit code of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let clock = cli.clock.unwrap_or_else(Clock::system);
    match carry_out(cli.command, clock) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn carry_out(command: Command, clock: Clock) -> Result<()> {
    match command {
        Command::Run { config } => house::run(&config, clock),
        Command::Demo { speed, listen, data, weeks } => house::demo(speed, listen, data, weeks),
        Command::Simulate { office, campus, control } => {
            field::simulate(office, campus, control, clock)
        }
        Command::Node(command) => carry_out_for_node(*command, clock),
        Command::Number(arguments) => field::number(arguments),
        Command::Check { config, site_book, try_payload, topic } => {
            let trial = trial::Trial { payloads: &try_payload, topics: &topic };
            book::check(config.as_deref(), site_book.as_deref(), &trial, &clock)
        }
        Command::Import { config, site_book, author, note } => {
            book::import(&config, &site_book, &author, &note, &clock)
        }
        Command::Weather { config, temperatures, author } => {
            weather::take_in(&config, &temperatures, &author, &clock)
        }
        #[cfg(feature = "influx")]
        Command::Export { config, to } if to == "influx" => target::export(&config, &clock),
        #[cfg(not(feature = "influx"))]
        Command::Export { to, .. } if to == "influx" => {
            anyhow::bail!("this gengfu was built without the feature `influx`")
        }
        Command::Export { config, .. } => book::export(&config),
        Command::Backup { config, to } => safe::backup(&config, &to),
        Command::Restore { config, from } => safe::restore(&config, &from),
        Command::Report { config, month, out, language, mail_to } => {
            month::report(&config, month, &out, &language, &mail_to, &clock)
        }
        Command::Bench(arguments) => bench::bench(arguments),
    }
}

fn carry_out_for_node(command: NodeCommand, clock: Clock) -> Result<()> {
    match command.what {
        Some(NodeTask::Enroll(arguments)) => enroll::enroll(&arguments, &clock),
        Some(NodeTask::Scan(arguments)) => scan::scan(&arguments, &clock),
        Some(NodeTask::Trace(arguments)) => scan::trace(&arguments, &clock),
        Some(NodeTask::Keys(arguments)) => update::keys(&arguments),
        Some(NodeTask::Sign(arguments)) => update::sign(&arguments),
        Some(NodeTask::Update(arguments)) => update::update(&arguments, &clock),
        None => {
            let arguments = command.run.context("which node? `gengfu node --help` shows one")?;
            field::node(arguments, clock)
        }
    }
}

/// Prints a line for the person at the terminal, or for the script that started us.
#[expect(clippy::print_stdout, reason = "this is where commands print")]
fn say(line: impl std::fmt::Display) {
    println!("{line}");
}

/// Tells who waits how far a long piece of work is; not a part of what is printed.
#[expect(clippy::print_stderr, reason = "this is where commands tell how far they are")]
fn note(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::print_stderr, reason = "this is where commands complain")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
    let hint = error.chain().find_map(|cause| cause.downcast_ref::<StoreError>()?.hint());
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
}

/// A runtime for commands that talk to the network.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")
}

/// Returns once the process is asked to end, by Ctrl-C or by its supervisor.
async fn asked_to_end() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn parse_clock(text: &str) -> Result<Clock, String> {
    let read = || {
        let (start, rest) = text.split_once('@')?;
        let (anchor, speed) = rest.split_once('x')?;
        Some(Clock::anchored(start.parse().ok()?, anchor.parse().ok()?, speed.parse().ok()?))
    };
    read().ok_or_else(|| "expected START_MS@ANCHOR_MSxSPEED".to_owned())
}
