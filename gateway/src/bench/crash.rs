//! Whether what was acknowledged is there after kill -9, at any moment and at full speed.
//!
//! A child process of the same program records batch after batch as fast as it can, with
//! flushes and sealed months on the way, and says the number of each batch once it is
//! committed. At a moment that nobody foresees it is killed. Then the folder is opened, as
//! any start opens it, and every pack of every acknowledged batch is looked up and
//! compared; the next child goes on from there.
//!
//! Measured: packs lost, packs there twice or with other content, batches there in part;
//! how long opening took, with reading back the intake log.
//!
//! Not measured: a power cut. The kernel lives on here, and with it what it was handed;
//! the stories cut the power of a node, and nothing here can cut that of a disk.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use wire::Name;

use super::Progress;
use super::fleet::{BEGIN, Fleet, Pattern, QUARTER_S};
use super::gauge;
use super::sheet::{Sheet, Target, per};
use crate::store::{Arrival, Store};

/// Packs of one batch.
const PACKS: usize = 1_000;

/// Kills of one store; then another is begun. Each kill reads all that was ever acknowledged,
/// so a thousand of one store would read its beginning a thousand times.
const KILLS_A_STORE: u32 = 100;

/// What a child says when its life begins: it is about to open the store.
const READY: &str = "ready";

/// Batches between two turns of what falls due with time: half a day of 500 meters.
const TURN: u64 = 24;

/// How a store is killed.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many meters send.
    pub meters: u32,
    /// How often.
    pub kills: u32,
    /// A child lives at most so long, ms.
    pub life_ms: u64,
    /// Where its data lie.
    pub folder: PathBuf,
}

/// Kills, opens, compares.
///
/// # Errors
///
/// If no child can be started, or the store does not open.
pub fn run(options: &Options, progress: Progress<'_>) -> Result<Sheet> {
    let mut expected = Expected::new(options.meters)?;
    let (mut lost, mut wrong, mut torn, mut acknowledged) = (0, 0, 0, 0);
    let mut opened_ms = Vec::new();
    let (mut folder, mut before_it) = (options.folder.join("0"), 0);
    for kill in 0..options.kills {
        if 0 < kill && kill.is_multiple_of(KILLS_A_STORE) {
            std::fs::remove_dir_all(&folder).context("cannot remove a store that was checked")?;
            folder = options.folder.join(kill.to_string());
            (expected, before_it) = (Expected::new(options.meters)?, acknowledged);
        }
        let mut child = start(options.meters, &folder, expected.batches)?;
        let mut told = BufReader::new(child.stdout.take().context("the child's output")?);
        wait_until_ready(&mut told)?;
        let reader = std::thread::spawn(move || newest_of(told));
        // From right before it opens the store to a whole life: seconds pass in which it seals,
        // too.
        let life_ms = gauge::chance(kill.into()) % options.life_ms.max(1);
        gauge::rest(Duration::from_millis(life_ms));
        child.kill().context("cannot kill the child")?;
        child.wait().context("cannot wait for the child")?;
        let newest = reader.join().map_err(|_| anyhow::anyhow!("the reader has panicked"))?;

        let began = gauge::start();
        let store = Store::open(&folder)?;
        opened_ms.push(began.elapsed().as_secs_f64() * 1e3);
        if let Some(newest) = newest {
            expected.advance_to(newest + 1);
        }
        acknowledged = before_it + expected.packs;
        let mut found = expected.compare(&store)?;
        if found != Difference::default() {
            // One batch may have been committed whose number the child could not tell any
            // more. It must be there as a whole.
            let before = expected.batches;
            expected.advance_to(before + 1);
            let with_next = expected.compare(&store)?;
            if with_next == Difference::default() {
                found = with_next;
            } else {
                torn += 1;
            }
        }
        lost += found.lost;
        wrong += found.wrong;
        progress(&format!(
            "kill {} after {life_ms} ms: {acknowledged} packs acknowledged, {} lost, {} wrong",
            kill + 1,
            found.lost,
            found.wrong
        ));
    }
    let mut sheet =
        Sheet::new(format!("crash: {} kills, {} meters", options.kills, options.meters));
    sheet.add("acknowledged", per(acknowledged, 1.0), "packs");
    sheet.add_with("lost", per(lost, 1.0), "packs", Target::AtMost(0.0));
    sheet.add_with("twice_or_wrong", per(wrong, 1.0), "packs", Target::AtMost(0.0));
    sheet.add_with("torn", per(torn, 1.0), "batches", Target::AtMost(0.0));
    sheet.add_times("reopen", opened_ms.clone());
    let worst = opened_ms.iter().copied().fold(0.0, f64::max);
    sheet.add_with("reopen_worst", worst, "ms", Target::AtMost(1_000.0));
    Ok(sheet)
}

fn start(meters: u32, folder: &Path, from: u64) -> Result<Child> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let mut child = Command::new(own);
    child
        .args(["bench", "crash-child", "--meters", &meters.to_string()])
        .args(["--from", &from.to_string(), "--data-dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    child.spawn().context("cannot start a child")
}

/// Waits until a child has come to where the last one ended, which is no part of its life.
fn wait_until_ready(told: &mut impl BufRead) -> Result<()> {
    let mut line = String::new();
    told.read_line(&mut line).context("cannot hear the child")?;
    ensure!(line.trim_end() == READY, "a child has ended before it began");
    Ok(())
}

/// Returns the last whole number of a stream of lines.
fn newest_of(mut told: impl BufRead) -> Option<u64> {
    let (mut newest, mut line) = (None, String::new());
    while told.read_line(&mut line).is_ok_and(|read| 0 < read) {
        if let Some(number) = line.strip_suffix('\n').and_then(|line| line.parse().ok()) {
            newest = Some(number);
        }
        line.clear();
    }
    newest
}

/// Records from a batch on until it is killed, and tells the number of each to `out`.
///
/// # Errors
///
/// If the store fails, or nobody listens any more.
pub fn child(folder: &Path, meters: u32, from: u64, out: &mut impl Write) -> Result<()> {
    let mut fleet = Fleet::new(Pattern::Quarter, meters)?;
    let mut batch = Vec::new();
    for _ in 0..from {
        fleet.next_until(i64::MAX, PACKS, &mut batch);
    }
    writeln!(out, "{READY}")?;
    out.flush()?;
    let store = Store::open(folder)?;
    ensure!(store.can_record(), "somebody else records into {}", folder.display());
    for number in from.. {
        fleet.next_until(i64::MAX, PACKS, &mut batch);
        store.series().record(&batch)?;
        writeln!(out, "{number}")?;
        out.flush()?;
        if number % TURN == 0
            && let Some(newest) = batch.last()
        {
            store.series().maintain(newest.received)?;
        }
    }
    Ok(())
}

/// What the acknowledged batches came to.
struct Expected {
    fleet: Fleet,
    batches: u64,
    packs: u64,
    meters: BTreeMap<Name, Sum>,
    /// Packs of the last intervals, to know repetitions by.
    recent: BTreeMap<(Name, u32), ()>,
    batch: Vec<Arrival>,
}

/// Packs of a meter, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    packs: u64,
    digest: u64,
}

impl Sum {
    fn add(&mut self, arrival: &Arrival) {
        let mut hasher = DefaultHasher::new();
        let pack = &arrival.pack;
        (pack.instant, pack.boot, pack.seq, arrival.node).hash(&mut hasher);
        for reading in pack.readings.iter() {
            reading.hash(&mut hasher);
        }
        self.packs += 1;
        self.digest = self.digest.wrapping_add(hasher.finish());
    }
}

/// How the store differs from what it must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Difference {
    lost: u64,
    wrong: u64,
}

impl Expected {
    fn new(meters: u32) -> Result<Self> {
        Ok(Self {
            fleet: Fleet::new(Pattern::Quarter, meters)?,
            batches: 0,
            packs: 0,
            meters: BTreeMap::new(),
            recent: BTreeMap::new(),
            batch: Vec::new(),
        })
    }

    /// Takes in all batches before this one.
    fn advance_to(&mut self, batches: u64) {
        while self.batches < batches {
            self.fleet.next_until(i64::MAX, PACKS, &mut self.batch);
            self.batches += 1;
            for arrival in &self.batch {
                let key = (arrival.pack.meter, arrival.pack.seq);
                if self.recent.insert(key, ()).is_none() {
                    self.meters.entry(arrival.pack.meter).or_default().add(arrival);
                    self.packs += 1;
                }
            }
            // A repetition follows at once; what is older is never repeated.
            if let Some(newest) = self.batch.last() {
                let old = newest.pack.seq.saturating_sub(50);
                if self.batches.is_multiple_of(64) {
                    self.recent.retain(|(_, seq), ()| old <= *seq);
                }
            }
        }
    }

    fn compare(&self, store: &Store) -> Result<Difference> {
        let mut difference = Difference::default();
        let end = BEGIN + i64::from(u32::MAX) * QUARTER_S;
        for (meter, expected) in &self.meters {
            let mut found = Sum::default();
            for arrival in store.series().packs(meter, BEGIN, end)? {
                found.add(&arrival);
            }
            difference.lost += expected.packs.saturating_sub(found.packs);
            difference.wrong += found.packs.saturating_sub(expected.packs);
            if found.packs == expected.packs && found.digest != expected.digest {
                difference.wrong += 1;
            }
        }
        Ok(difference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_acknowledges_nothing() {
        assert_eq!(newest_of(&b"0\n1\n12"[..]), Some(1));
        assert_eq!(newest_of(&b""[..]), None);
    }

    #[test]
    fn a_missing_pack_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut expected = Expected::new(20).unwrap();
        expected.advance_to(1);
        let (last, others) = expected.batch.split_last().unwrap();

        store.series().record(others).unwrap();
        let without = expected.compare(&store).unwrap();
        store.series().record(&[*last]).unwrap();
        let with = expected.compare(&store).unwrap();

        assert_eq!(without, Difference { lost: 1, wrong: 0 });
        assert_eq!(with, Difference::default());
    }
}
