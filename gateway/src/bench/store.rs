//! How much work readings are: from packs in memory to sealed months.
//!
//! Each round is the beginning of another month. In each, turn by turn, the same packs go
//! into our own store, decoded and as JSON that is decoded first, and as line protocol
//! into other servers. Ours commits each batch and syncs it before it goes on; then the
//! days are flushed into blocks and the month is sealed: all of it counts. A server's
//! work is counted until it rests.
//!
//! Measured: points (one value of one quantity at one instant) a CPU-second; the time of
//! a commit; bytes written to the disk for a point from its arrival to its sealing; bytes
//! of the sealed month's file and of the whole folder; memory.
//!
//! Not measured: MQTT and the gate (`bench ingest`), queries (`bench query`), and what
//! making the packs costs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use super::Progress;
use super::fleet::{Fleet, Pattern};
use super::gauge::{self, Process, disk_bytes};
use super::line::{fits_json, from_json, put_json};
use super::server::Server;
use super::sheet::{Sheet, Target, mib, per, share};
use crate::store::{Arrival, Store};

/// How a store is fed.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the readings look like.
    pub pattern: Pattern,
    /// How many meters send.
    pub meters: u32,
    /// Days of a round, at most 28.
    pub days: u32,
    /// How often each has its turn.
    pub rounds: u32,
    /// Packs of one commit, and of one request.
    pub packs: usize,
    /// Whether our own store also gets the same points as JSON.
    pub json: bool,
    /// Where our own data lie while it runs.
    pub folder: PathBuf,
    /// Servers that get the same readings.
    pub against: Vec<Against>,
}

/// Another server.
#[derive(Clone, Debug)]
pub struct Against {
    /// Where it takes line protocol of seconds.
    pub url: String,
    /// Its process, where it cannot be found by its port.
    pub process: Option<u32>,
    /// Its data folder, to see what they take.
    pub folder: Option<PathBuf>,
}

/// Feeds all, and returns what it took.
///
/// # Errors
///
/// If a folder or a server fails.
pub fn run(options: &Options, progress: Progress<'_>) -> Result<Sheet> {
    let mut ours = vec![Own::open(options, "decoded", false)?];
    // The campus has meters of many models; a message of eight fields fits none of them.
    if options.json && options.pattern == Pattern::Quarter {
        ours.push(Own::open(options, "json", true)?);
    }
    let mut others = Vec::new();
    for against in &options.against {
        let server = Server::connect(&against.url, against.process, against.folder.clone())?;
        others.push(Other { server, fleet: options.fleet()?, work: Work::default() });
    }
    for round in 0..options.rounds {
        let (begin, end) = options.round(round)?;
        for own in &mut ours {
            own.feed(options, begin, end)?;
            progress(&own.work.told(&own.name, round));
        }
        for other in &mut others {
            other.feed(options, begin, end)?;
            progress(&other.work.told(&other.server.name, round));
        }
    }
    let mut sheet = Sheet::new(format!(
        "store: {} meters, {} rounds of {} days, {:?}",
        ours.first().map_or(0, |own| own.fleet.meters()),
        options.rounds,
        options.days,
        options.pattern,
    ));
    let mut sealed = 0.0;
    let mut rates = Vec::new();
    for own in ours {
        rates.push((own.decodes, own.work.rate()));
        sealed = own.tell(&mut sheet)?;
    }
    for other in &others {
        other.tell(&mut sheet, &rates, sealed)?;
    }
    Ok(sheet)
}

impl Options {
    fn fleet(&self) -> Result<Fleet> {
        Fleet::new(self.pattern, self.meters)
    }

    /// Returns the span of a round.
    fn round(&self, round: u32) -> Result<(i64, i64)> {
        let month = date(2026, 1, 1).checked_add(Span::new().try_months(round)?)?;
        let end = month.checked_add(i64::from(self.days.min(28)).days())?;
        let instant = |day: jiff::civil::Date| -> Result<i64> {
            Ok(day.to_zoned(TimeZone::UTC)?.timestamp().as_second())
        };
        Ok((instant(month)?, instant(end)?))
    }
}

/// What was done, and what it took.
#[derive(Clone, Debug, Default)]
struct Work {
    points: u64,
    cpu_s: f64,
    wall_s: f64,
    before: (u64, f64),
    commits_ms: Vec<f64>,
}

impl Work {
    fn rate(&self) -> f64 {
        per(self.points, self.cpu_s)
    }

    /// One line on the last round.
    fn told(&mut self, name: &str, round: u32) -> String {
        let (points, cpu_s) = (self.points - self.before.0, self.cpu_s - self.before.1);
        self.before = (self.points, self.cpu_s);
        let rate = per(points, cpu_s) / 1e6;
        format!("round {}: {name} {rate:.2} M points a CPU-second", round + 1)
    }

    fn tell(&self, sheet: &mut Sheet, name: &str) {
        sheet.add(format!("{name}_points_per_cpu_s"), self.rate(), "points/CPU-s");
        sheet.add(format!("{name}_points_per_s"), per(self.points, self.wall_s), "points/s");
        sheet.add_times(&format!("{name}_commit"), self.commits_ms.clone());
    }
}

fn points_of(batch: &[Arrival]) -> u64 {
    batch.iter().map(|arrival| arrival.pack.readings.len() as u64).sum()
}

struct Own {
    name: String,
    decodes: bool,
    folder: PathBuf,
    store: Store,
    fleet: Fleet,
    work: Work,
    written: u64,
    /// Repetitions are work, but take no room.
    stored: u64,
    peak: u64,
}

impl Own {
    fn open(options: &Options, name: &str, decodes: bool) -> Result<Self> {
        let folder = options.folder.join(name);
        let store = Store::open(&folder)
            .with_context(|| format!("cannot open a store in {}", folder.display()))?;
        let fleet = options.fleet()?;
        Ok(Self {
            name: name.to_owned(),
            decodes,
            folder,
            store,
            fleet,
            work: Work::default(),
            written: 0,
            stored: 0,
            peak: 0,
        })
    }

    fn feed(&mut self, options: &Options, begin: i64, end: i64) -> Result<()> {
        self.fleet.skip_to(begin);
        let written = Process::own().written()?;
        let (mut batch, mut texts) = (Vec::new(), Vec::new());
        loop {
            self.fleet.next_until(end, options.packs, &mut batch);
            if batch.is_empty() {
                break;
            }
            if self.decodes {
                texts_of(&batch, &mut texts);
            }
            let (cpu_s, wall) = (gauge::own_cpu_s(), gauge::start());
            if self.decodes {
                for (arrival, text) in batch.iter_mut().zip(&texts) {
                    *arrival = from_json(text, arrival.node, arrival.received)?;
                }
            }
            let committing = gauge::start();
            let recorded = self.store.series().record(&batch)?;
            self.work.commits_ms.push(committing.elapsed().as_secs_f64() * 1e3);
            self.work.wall_s += wall.elapsed().as_secs_f64();
            self.work.cpu_s += gauge::own_cpu_s() - cpu_s;
            self.work.points += points_of(&batch);
            let packs = u64::try_from(batch.len())?.max(1);
            self.stored += points_of(&batch) * recorded.new / packs;
        }
        self.peak = self.peak.max(Process::own().memory()?.peak);
        let (cpu_s, wall) = (gauge::own_cpu_s(), gauge::start());
        // By then the month is long over, whatever it had of days.
        self.store.series().maintain(end + 40 * 86_400)?;
        self.work.wall_s += wall.elapsed().as_secs_f64();
        self.work.cpu_s += gauge::own_cpu_s() - cpu_s;
        self.written += Process::own().written()? - written;
        Ok(())
    }

    /// Tells the figures; returns the bytes of a sealed point.
    fn tell(self, sheet: &mut Sheet) -> Result<f64> {
        let Self { name, folder, store, work, mut written, stored, peak, decodes, .. } = self;
        let before = Process::own().written()?;
        drop(store);
        written += Process::own().written()? - before;
        work.tell(sheet, &name);
        let sealed = share(disk_bytes(&folder.join("months")), stored);
        if !decodes {
            sheet.add_with("written_per_point", share(written, stored), "B", Target::AtMost(30.0));
            sheet.add_with("sealed_per_point", sealed, "B", Target::AtMost(1.0));
            sheet.add("folder_per_point", share(disk_bytes(&folder), stored), "B");
            sheet.add("memory_peak", mib(peak), "MiB");
            sheet.add("points", per(stored, 1.0), "points");
        }
        Ok(sealed)
    }
}

fn texts_of(batch: &[Arrival], texts: &mut Vec<String>) {
    texts.resize_with(batch.len(), String::new);
    for (arrival, text) in batch.iter().zip(texts) {
        debug_assert!(fits_json(arrival), "only a quarter-hour fleet is sent as JSON");
        text.clear();
        put_json(text, arrival);
    }
}

struct Other {
    server: Server,
    fleet: Fleet,
    work: Work,
}

impl Other {
    fn feed(&mut self, options: &Options, begin: i64, end: i64) -> Result<()> {
        self.fleet.skip_to(begin);
        self.server.connect_again()?;
        let cpu_s = self.server.process.cpu_s()?;
        let mut batch = Vec::new();
        loop {
            self.fleet.next_until(end, options.packs, &mut batch);
            if batch.is_empty() {
                break;
            }
            let wall = gauge::start();
            self.server.write(&batch)?;
            let took = wall.elapsed().as_secs_f64();
            self.work.commits_ms.push(took * 1e3);
            self.work.wall_s += took;
            self.work.points += points_of(&batch);
        }
        self.server.settle()?;
        self.work.cpu_s += self.server.process.cpu_s()? - cpu_s;
        Ok(())
    }

    fn tell(&self, sheet: &mut Sheet, rates: &[(bool, f64)], sealed: f64) -> Result<()> {
        let name = self.server.name.replace('-', "_");
        self.work.tell(sheet, &name);
        sheet.add(format!("{name}_memory_peak"), mib(self.server.process.memory()?.peak), "MiB");
        let promised = |decodes: bool| match name.as_str() {
            it if it.starts_with("victoria") => Some(if decodes { 2.0 } else { 4.0 }),
            it if it.starts_with("influx") => Some(if decodes { 4.0 } else { 8.0 }),
            _ => None,
        };
        for &(decodes, rate) in rates {
            let key = format!("{}_to_{name}", if decodes { "json" } else { "decoded" });
            let ratio = rate / self.work.rate();
            match promised(decodes) {
                Some(least) => sheet.add_with(key, ratio, "x", Target::AtLeast(least)),
                None => sheet.add(key, ratio, "x"),
            }
        }
        let Some(folder) = &self.server.folder else { return Ok(()) };
        let taken = share(disk_bytes(Path::new(folder)), self.work.points);
        sheet.add(format!("{name}_folder_per_point"), taken, "B");
        let key = format!("sealed_to_{name}");
        if name.starts_with("victoria") {
            sheet.add_with(key, sealed / taken, "x", Target::AtMost(0.75));
        } else {
            sheet.add(key, sealed / taken, "x");
        }
        Ok(())
    }
}
