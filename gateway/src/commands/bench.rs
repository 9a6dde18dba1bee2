//! `bench`: the figures that are promised, measured on this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

use super::{note, say};
use crate::bench::fleet::Pattern;
use crate::bench::{Sheet, crash, findings, ingest, nodes, query, run, store};

/// What is measured, and how its figures are printed.
#[derive(Debug, Args)]
pub(super) struct BenchArguments {
    #[command(subcommand)]
    bench: Bench,

    /// Print the figures as JSON.
    #[arg(long, global = true)]
    json: bool,

    /// Keep the data in this folder, which must be empty, instead of a temporary one.
    #[arg(long, global = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// From packs in memory to sealed months: CPU, commits, bytes, memory.
    #[command(after_help = "Example: gengfu bench store \
        --against 'http://127.0.0.1:8428/write?precision=s' --against-dir /var/lib/victoria")]
    Store(StoreArguments),
    /// From a message on a socket to a synced commit and back as PUBACK.
    #[command(after_help = "Example: gengfu bench ingest --own --through mosquitto\n\
        Example: gengfu bench ingest --rate 33333 --minutes 60")]
    Ingest(ingest::IngestArguments),
    /// What `ingest` starts to publish; prints `ready`, begins at a line, tells at the end.
    #[command(hide = true)]
    Publish(ingest::publisher::PublishArguments),
    /// How long answers take: last values, a month by building, a meter's year.
    #[command(after_help = "Example: gengfu bench query --month-meters 10000")]
    Query(QueryArguments),
    /// How well detectors and baselines do on measured data with an answer key.
    #[command(after_help = "Example: gengfu bench findings\n\
        Example: gengfu bench findings --data measured\n\
        The folder has tables (CSV, also .gz; first column the time) and labels.csv \
        (series,kind,start,end); a task whose files are missing is skipped.\n\
        Example: gengfu bench findings --strongest 10 --html strongest.html")]
    Findings(FindingsArguments),
    /// The memory of a whole gateway, `gengfu run`, whose meters are read each minute.
    #[command(after_help = "Example: gengfu bench run --meters 2000 --minutes 12\n\
        Example: gengfu bench run --minutes 26 --speed 60")]
    Run(run::RunArguments),
    /// What nodes on Linux read and publish: many buses in one process, each meter each second.
    #[command(after_help = "Example: gengfu bench nodes --nodes 100 --meters 10 --registers 100\n\
        Example: gengfu bench nodes --nodes 200 --meters 5 --words 1\n\
        The outboxes are files in --data-dir, or in a temporary folder.")]
    Nodes(nodes::NodesArguments),
    /// What is around them: meters and a broker that only acknowledges.
    #[command(hide = true)]
    NodesWorld(nodes::NodesArguments),
    /// Kill a store at full speed, at moments that nobody foresees, and look what is there.
    #[command(after_help = "Example: gengfu bench crash --kills 20")]
    Crash(CrashArguments),
    /// What is killed.
    #[command(hide = true)]
    CrashChild {
        /// How many meters send.
        #[arg(long)]
        meters: u32,
        /// The first batch to record.
        #[arg(long)]
        from: u64,
    },
}

#[derive(Debug, Args)]
struct QueryArguments {
    /// Meters whose last values are asked for.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last_meters: u32,
    /// Meters whose month is summed up by building.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    month_meters: u32,
}

#[derive(Debug, Args)]
struct FindingsArguments {
    /// The folder with the data; without it the small set in the repository, from whose
    /// root it is then run.
    #[arg(long, default_value = "gateway/scoreboard/data")]
    data: PathBuf,
    /// Instead, list so many findings that touch no label, the most wasteful first: some may
    /// be right.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=100))]
    strongest: Option<u16>,
    /// Draw them on this page.
    #[arg(long, requires = "strongest")]
    html: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CrashArguments {
    /// How often.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    kills: u32,
    /// How many meters send.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    meters: u32,
    /// A life lasts at most so long, ms.
    #[arg(long, default_value_t = 500)]
    life_ms: u64,
}

#[derive(Debug, Args)]
struct StoreArguments {
    /// What the readings look like.
    #[arg(long, value_enum, default_value = "quarter")]
    pattern: Pattern,
    /// How many meters send; the campus of the minute pattern has thirteen.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    meters: u32,
    /// Days of a round.
    #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(1..=28))]
    days: u32,
    /// Rounds; each is the beginning of another month.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=12))]
    rounds: u32,
    /// Packs of one commit, and of one request to a server.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    packs: u32,
    /// Leave out the same readings as JSON.
    #[arg(long)]
    decoded_only: bool,
    /// A server that takes the same readings as line protocol; may be given more than once.
    #[arg(long)]
    against: Vec<String>,
    /// The process of each server, in their order; without it, found by the port.
    #[arg(long)]
    against_pid: Vec<u32>,
    /// The data folder of each server, in their order.
    #[arg(long)]
    against_dir: Vec<PathBuf>,
}

/// Runs a bench and prints its figures.
pub(super) fn bench(arguments: BenchArguments) -> Result<()> {
    let BenchArguments { bench, json, data_dir } = arguments;
    if let Bench::CrashChild { meters, from } = bench {
        let folder = data_dir.context("a child needs --data-dir")?;
        return crash::child(&folder, meters, from, &mut std::io::stdout().lock());
    }
    if let Bench::Findings(arguments) = bench {
        return scoreboard(&arguments, json);
    }
    if let Bench::NodesWorld(arguments) = bench {
        return nodes::world::serve(&arguments, &|line| say(line));
    }
    let folder = Folder::new(data_dir)?;
    let sheet = match bench {
        Bench::Publish(arguments) => {
            return ingest::publisher::publish(&arguments, &|line| say(line));
        }
        Bench::Ingest(arguments) => ingest::run(&arguments, &folder.path, &note)?,
        Bench::Store(arguments) => store::run(&arguments.options(&folder.path)?, &note)?,
        Bench::Crash(CrashArguments { kills, meters, life_ms }) => {
            let folder = folder.path.join("data");
            crash::run(&crash::Options { meters, kills, life_ms, folder }, &note)?
        }
        Bench::Query(QueryArguments { last_meters, month_meters }) => {
            let folder = folder.path.clone();
            query::run(
                &query::Options { last_meters, month_meters, year_days: 365, folder },
                &note,
            )?
        }
        Bench::Run(arguments) => run::run(&arguments, &folder.path, &note)?,
        Bench::Nodes(arguments) => nodes::run(&arguments, &folder.path, &note)?,
        Bench::Findings(_) | Bench::CrashChild { .. } | Bench::NodesWorld(_) => return Ok(()),
    };
    print(&sheet, json);
    Ok(())
}

fn scoreboard(arguments: &FindingsArguments, json: bool) -> Result<()> {
    let FindingsArguments { data, strongest, html } = arguments;
    let Some(count) = *strongest else {
        for sheet in findings::run(data, &note)? {
            print(&sheet, json);
        }
        return Ok(());
    };
    let strong = findings::unlabelled(data, usize::from(count), html.as_deref())?;
    if json {
        say(findings::json_of(&strong));
    } else {
        for (number, it) in (1..).zip(&strong) {
            say(findings::line_of(number, it));
        }
    }
    Ok(())
}

fn print(sheet: &Sheet, json: bool) {
    if json { say(sheet.to_json()) } else { say(sheet) }
}

impl StoreArguments {
    fn options(self, folder: &Path) -> Result<store::Options> {
        let fits = |count: usize| count == 0 || count == self.against.len();
        ensure!(
            fits(self.against_pid.len()) && fits(self.against_dir.len()),
            "give --against-pid and --against-dir once for each --against, or not at all"
        );
        let against = self.against.iter().enumerate().map(|(at, url)| store::Against {
            url: url.clone(),
            process: self.against_pid.get(at).copied(),
            folder: self.against_dir.get(at).cloned(),
        });
        Ok(store::Options {
            pattern: self.pattern,
            meters: self.meters,
            days: self.days,
            rounds: self.rounds,
            packs: usize::try_from(self.packs)?,
            json: !self.decoded_only,
            folder: folder.to_path_buf(),
            against: against.collect(),
        })
    }
}

/// Where a bench keeps its data; one of our own is gone with it.
struct Folder {
    path: PathBuf,
    is_ours: bool,
}

impl Folder {
    fn new(given: Option<PathBuf>) -> Result<Self> {
        let is_ours = given.is_none();
        let path = given.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("gengfu-bench-{}", std::process::id()))
        });
        let cannot = || format!("cannot make `{}`", path.display());
        std::fs::create_dir_all(&path).with_context(cannot)?;
        let mut entries = std::fs::read_dir(&path).with_context(cannot)?;
        ensure!(entries.next().is_none(), "`{}` is not empty", path.display());
        Ok(Self { path, is_ours })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            note(&format!("cannot remove `{}`: {error}", self.path.display()));
        }
    }
}
