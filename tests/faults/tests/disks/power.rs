//! The power fails at any moment, and the disk is what it can be then.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use faults::Faults;
use faults::chance::Chance;
use faults::disk::Disk;
use faults::recording::{self, Call};
use gateway::store::Store;
use tempfile::TempDir;

use super::driver::{BATCH, METERS, ROUNDS, arrival, batches, open, said};
use super::{disks, drive};

/// Tries `count` disks of a recording, each at a moment of its own; returns the longest
/// time that opening the store took. `acknowledged` is what was, at each moment.
pub(crate) fn on_disks(
    (disk, calls): (&mut Disk, &[Call]),
    (count, chance): (u64, &mut Chance),
    mut check: impl FnMut(&Path, u32) -> Result<Duration>,
) -> Result<Duration> {
    let mut moments: Vec<u64> = (0..count).map(|_| chance.below(calls.len() as u64)).collect();
    moments.sort_unstable();
    let mut said = Said::default();
    let mut longest = Duration::ZERO;
    let mut moments = moments.into_iter().peekable();
    for (number, call) in (0..).zip(calls) {
        disk.step(call)?;
        said.step(call);
        while moments.next_if_eq(&number).is_some() {
            let seed = chance.seed();
            let place = in_memory()?;
            disk.cut(chance, place.path())?;
            let opened = check(place.path(), said.batches).with_context(|| {
                let kept = place.path().display();
                format!("after call {number} of {}, seed {seed}, in {kept}", calls.len())
            });
            if opened.is_err() {
                let kept = place.keep();
                println!("left behind: {}", kept.display());
            }
            longest = longest.max(opened?);
        }
    }
    Ok(longest)
}

/// A folder whose syncs cost nothing: the disk is put together, nobody cuts it again.
fn in_memory() -> Result<TempDir> {
    let memory = Path::new("/dev/shm");
    Ok(if memory.is_dir() { TempDir::new_in(memory)? } else { TempDir::new()? })
}

/// How many batches the store had acknowledged: what was written into the file about it.
#[derive(Default)]
struct Said {
    inode: Option<u64>,
    batches: u32,
}

impl Said {
    fn step(&mut self, call: &Call) {
        if let Call::Open { inode, path, .. } = call
            && path.ends_with("acknowledged")
        {
            self.inode = Some(*inode);
        }
        if let Call::Write { inode, bytes, .. } = call
            && self.inode == Some(*inode)
        {
            let text = String::from_utf8_lossy(bytes);
            let last = text.lines().last().and_then(|line| line.parse().ok());
            self.batches = last.unwrap_or(self.batches);
        }
    }
}

/// Opens the store of a disk and compares it with what was acknowledged; so many batches
/// may be there that were sent and not acknowledged yet: one for each start.
pub(crate) fn opens_whole(disk: &Path, acknowledged: u32, under_way: u32) -> Result<Duration> {
    let data = disk.join("data");
    #[expect(clippy::disallowed_methods, reason = "how long a person would wait")]
    let begun = Instant::now();
    let store = open(&data)?;
    let took = begun.elapsed();
    let found = batches(&store)?;
    ensure!(acknowledged <= found, "{acknowledged} were acknowledged, {found} are there");
    ensure!(
        found <= acknowledged + under_way,
        "{found} are there, {acknowledged} were acknowledged"
    );
    let setting = store.journal().view(|view| view.setting("rounds"))?;
    let rounds = setting.map_or(0, |round| round.parse::<u32>().map_or(0, |round| round + 1));
    ensure!(acknowledged <= rounds && rounds <= found, "the journal has {rounds} of {found}");
    ensure!(store.found_damaged().is_empty(), "{:?}", store.found_damaged());
    let damages = store.check()?;
    ensure!(damages.is_empty(), "{damages:?}");
    // It needs no repair: it goes on.
    let next: Vec<_> = (found * BATCH..(found + 1) * BATCH)
        .flat_map(|seq| METERS.map(|meter| arrival(meter, seq)))
        .collect();
    store.series().record(&next)?;
    store.series().maintain(next[0].received + 40 * 86_400)?;
    ensure!(batches(&store)? == found + 1, "what came after it is not there");
    Ok(took)
}

#[test]
fn every_disk_that_a_power_cut_can_leave_has_what_was_acknowledged() {
    let dir = TempDir::new().unwrap();
    let disk = dir.path().join("disk");
    let faults = Faults::on(&disk).unwrap().recorded();
    let mut chance = Chance::new();
    println!("seed {}", chance.seed());
    let mut before = Disk::new(&disk, &disk).unwrap();

    let ended = drive("record", &faults, &disk.join("data")).unwrap();
    let calls = recording::read(faults.log().unwrap()).unwrap();
    let whole = |disk: &Path, said: u32| opens_whole(disk, said, 1);
    let tried = on_disks((&mut before, &calls), (disks(), &mut chance), whole).unwrap();

    assert!(ended.success());
    let all = fs::read_to_string(said(&disk.join("data"))).unwrap();
    assert_eq!(all.lines().count(), usize::try_from(ROUNDS).unwrap());
    let months = fs::read_dir(disk.join("data").join("months")).unwrap().count();
    assert!(1 < months, "it sealed {months} months");
    println!(
        "{} disks of {} calls: none lost, none invented, longest open {} ms",
        disks(),
        calls.len(),
        tried.as_millis()
    );
    assert!(tried < Duration::from_secs(1) || cfg!(debug_assertions), "{tried:?}");
}

const MAIN_0001: &[u8] = include_bytes!("../../../../gateway/src/store/golden/main-0001.db.gz");
const MONTH_1: &[u8] = include_bytes!("../../../../gateway/src/store/golden/month-1.db.gz");

/// Puts a store of the first schema into a folder.
fn put_first_schema(data: &Path) -> Result<()> {
    fs::create_dir_all(data.join("months"))?;
    for (packed, name) in [(MAIN_0001, "main.db"), (MONTH_1, "months/2025-10.db")] {
        let mut file = fs::File::create(data.join(name))?;
        std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut file)?;
    }
    Ok(())
}

#[test]
fn a_migration_that_the_power_cuts_short_leaves_a_store_that_opens() {
    let dir = TempDir::new().unwrap();
    let disk = dir.path().join("disk");
    let faults = Faults::on(&disk).unwrap().recorded();
    put_first_schema(&disk.join("data")).unwrap();
    let mut before = Disk::new(&disk, &disk).unwrap();
    let mut chance = Chance::new();
    println!("seed {}", chance.seed());

    let ended = drive("open", &faults, &disk.join("data")).unwrap();
    let calls = recording::read(faults.log().unwrap()).unwrap();
    let opens = |disk: &Path, _: u32| {
        #[expect(clippy::disallowed_methods, reason = "how long a person would wait")]
        let begun = Instant::now();
        let store = Store::open(&disk.join("data"))?;
        let took = begun.elapsed();
        let counts = ["office-main", "canteen-water"].map(|meter| {
            let packs = store.series().packs(&super::driver::name(meter), 0, i64::MAX);
            packs.map(|packs| packs.len()).ok()
        });
        ensure!(counts == [Some(61), Some(31)], "{counts:?}");
        ensure!(store.journal().view(|view| view.setting("site"))?.as_deref() == Some("school"));
        ensure!(store.check()?.is_empty());
        Ok(took)
    };
    let tried = on_disks((&mut before, &calls), (disks(), &mut chance), opens).unwrap();

    assert!(ended.success());
    let renamed =
        calls.iter().any(|call| matches!(call, Call::Rename { to, .. } if to.ends_with("main.db")));
    assert!(renamed, "it migrated");
    println!("{} disks of {} calls, longest open {} ms", disks(), calls.len(), tried.as_millis());
}
