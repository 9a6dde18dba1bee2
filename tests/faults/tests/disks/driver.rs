//! What the process under test does to its store.
//!
//! It records batches whose packs follow from their number, writes the journal, flushes,
//! seals and opens anew, and writes into a file beside the store how many batches the
//! store has acknowledged.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use gateway::store::{Arrival, Options, Store};
use wire::message::{Clock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use super::{DATA, ROLE};

/// 2025-10-09T16:00:00Z.
const START: i64 = 1_760_025_600;
pub(crate) const METERS: [&str; 3] = ["canteen-water", "light-2f-east", "office-main"];
/// Packs of each meter in a batch.
pub(crate) const BATCH: u32 = 20;
/// Batches of a whole run.
pub(crate) const ROUNDS: u32 = 36;
/// Small enough that every few batches are flushed.
const BUFFER_BYTES: usize = 16 * 1024;

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a test's name is a name")
}

pub(crate) fn arrival(meter: &str, seq: u32) -> Arrival {
    let value = Value::Measured(i64::from(seq) * 1_000);
    let reading = Reading { quantity: Quantity::ActiveEnergyImport, value };
    // Six a day: a run goes through several months.
    let instant = START + i64::from(seq) * 4 * 3_600;
    let readings = List::from_slice(&[reading]).expect("one reading");
    let pack = Pack { meter: name(meter), instant, boot: 1, seq, clock: Clock::Synced, readings };
    Arrival { node: name("node-office"), received: instant, pack }
}

/// Where the number of acknowledged batches is written: beside the store, on the same disk.
pub(crate) fn said(data: &Path) -> PathBuf {
    data.with_file_name("acknowledged")
}

/// The last number written there, and the bytes of whole lines: a fault may have cut the
/// last one short.
pub(crate) fn last_said(data: &Path) -> (u32, u64) {
    let text = std::fs::read_to_string(said(data)).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let last = whole.lines().last().map_or(0, |line| line.parse().expect("a number"));
    let ends = if whole.is_empty() { 0 } else { whole.len() + 1 };
    (last, u64::try_from(ends).expect("a short file"))
}

/// The name under which the driver is started, as a test that does nothing by itself.
#[test]
fn is_driven() {
    let (Ok(role), Ok(data)) = (std::env::var(ROLE), std::env::var(DATA)) else { return };
    let data = PathBuf::from(data);
    let outcome = match role.as_str() {
        "record" => record(&data, ROUNDS),
        "open" => Store::open(&data).map(drop).map_err(Into::into),
        other => panic!("`{other}` is no role"),
    };
    if let Err(error) = outcome {
        panic!("{error:#}");
    }
}

/// Records from where the store stands, and says after each batch how many there are.
fn record(data: &Path, rounds: u32) -> Result<()> {
    let mut store = open(data)?;
    let whole = last_said(data).1;
    let mut said = File::options().create(true).append(true).open(said(data))?;
    if whole < said.metadata()?.len() {
        said.set_len(whole)?;
    }
    let first = batches(&store)?;
    for round in first..rounds {
        let batch: Vec<Arrival> = (round * BATCH..(round + 1) * BATCH)
            .flat_map(|seq| METERS.map(|meter| arrival(meter, seq)))
            .collect();
        store.series().record(&batch)?;
        store.journal().commit(|tx| tx.set_setting("rounds", &round.to_string()))?;
        writeln!(said, "{}", round + 1)?;
        if round % 6 == 5 {
            // Flushes every day so far and seals the months that are over by then.
            store.series().maintain(batch[batch.len() - 1].received + 5 * 86_400)?;
        }
        if round % 14 == 13 {
            drop(store);
            store = open(data)?;
        }
    }
    Ok(())
}

pub(crate) fn open(data: &Path) -> Result<Store> {
    Ok(Store::open_with(data, Options { buffer_bytes: Some(BUFFER_BYTES) })?)
}

/// How many whole batches a store holds; that it holds nothing else is checked.
pub(crate) fn batches(store: &Store) -> Result<u32> {
    let mut lengths = Vec::new();
    for meter in METERS {
        let packs = store.series().packs(&name(meter), 0, i64::MAX)?;
        let count = u32::try_from(packs.len())?;
        ensure!(count.is_multiple_of(BATCH), "{count} packs of {meter}: half a batch");
        for (seq, pack) in (0..count).zip(&packs) {
            ensure!(*pack == arrival(meter, seq), "{meter} {seq} is not what was sent: {pack:?}");
        }
        let counts = store.series().counts(&name(meter), 0, i64::MAX)?;
        ensure!((counts.lost, counts.duplicate) == (0, 0), "{counts:?}");
        lengths.push(count / BATCH);
    }
    ensure!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
    Ok(lengths[0])
}
