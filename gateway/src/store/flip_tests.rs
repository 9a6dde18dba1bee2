//! Bits that flip on the disk, and what is read then.
//!
//! Whatever flips in the main file, its log or a sealed month: a reading that comes back is
//! one that was sent. What does not come back is told, when it is read or by the check: with
//! file, and meter and day where it is one's; or the store does not open and says so.
//!
//! `GENGFU_FLIPS` says how many flips (300 in `make test`, 10,000 in `make soak`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use tempfile::TempDir;
use wire::message::{Clock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use super::*;

/// 2025-10-09T16:00:00Z.
const START: i64 = 1_760_025_600;
const METERS: [&str; 3] = ["canteen-water", "light-2f-east", "office-main"];

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn arrival(meter: &str, seq: u32) -> Arrival {
    let value = Value::Measured(i64::from(seq) * 1_000);
    let reading = Reading { quantity: Quantity::ActiveEnergyImport, value };
    let instant = START + i64::from(seq) * 2 * 3_600;
    let readings = List::from_slice(&[reading]).unwrap();
    let pack = Pack { meter: name(meter), instant, boot: 1, seq, clock: Clock::Synced, readings };
    Arrival { node: name("node-office"), received: instant, pack }
}

/// Packs of each meter: a sealed month, blocks of the next, and some in the log.
const SENT: u32 = 450;

/// Makes a store with something in every place, as a process that was killed leaves it.
pub(super) fn furnish(dir: &Path) {
    let made = dir.join("made");
    let store = Store::open(&made).unwrap();
    for seq in (0..SENT).step_by(50) {
        let batch: Vec<Arrival> =
            (seq..seq + 50).flat_map(|seq| METERS.map(|meter| arrival(meter, seq))).collect();
        store.series().record(&batch).unwrap();
        if seq == 350 {
            store.series().maintain(arrival("m", 399).received + 2 * 86_400).unwrap();
        }
    }
    let data = dir.join("data");
    std::fs::create_dir_all(data.join(MONTHS_FOLDER)).unwrap();
    for name in files_of(&made) {
        std::fs::copy(made.join(&name), data.join(&name)).unwrap();
    }
}

pub(super) fn files_of(data: &Path) -> Vec<PathBuf> {
    let mut names = vec![PathBuf::from(MAIN_FILE), PathBuf::from("main.db-wal")];
    for entry in std::fs::read_dir(data.join(MONTHS_FOLDER)).unwrap() {
        names.push(Path::new(MONTHS_FOLDER).join(entry.unwrap().file_name()));
    }
    names
}

/// What came of one flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// Everything reads as it was.
    Whole,
    /// What is left reads right, and the rest is told.
    Told,
    /// It does not open, and says that it is damaged.
    Refused,
    /// The newest commits are gone, as after a power cut: the counts say what is missing.
    Newest,
}

pub(super) fn outcome(data: &Path) -> Outcome {
    let store = match Store::open(data) {
        Ok(store) => store,
        Err(error) => {
            let told = matches!(error, StoreError::Corrupt { .. } | StoreError::Newer { .. });
            let told = told || error.to_string().contains("cannot");
            assert!(told && !error.is_disk_full(), "{error:?}");
            return Outcome::Refused;
        }
    };
    let mut damages = store.found_damaged().to_vec();
    let mut newest = BTreeMap::new();
    let mut gone = Vec::new();
    for meter in METERS {
        let expected: Vec<Arrival> = (0..SENT).map(|seq| arrival(meter, seq)).collect();
        match store.series().packs(&name(meter), i64::MIN, i64::MAX) {
            Ok(packs) => {
                for pack in &packs {
                    assert!(expected.contains(pack), "never sent: {pack:?}");
                }
                let quantity = Quantity::ActiveEnergyImport;
                let values = store.series().counter(&name(meter), quantity, 0, i64::MAX);
                for (instant, value) in values.unwrap_or_default() {
                    let seq = (instant - START) / 7_200;
                    assert_eq!((seq * 7_200 + START, seq * 1_000), (instant, value));
                }
                if packs.len() < expected.len() {
                    let prefix = packs[..] == expected[..packs.len()];
                    newest.insert(meter, prefix.then_some(packs.len()));
                    gone.push(meter);
                }
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
                let what = error.to_string();
                damages.push(Damage { file: String::new(), meter: None, day: None, what });
            }
        }
    }
    damages.extend(store.check().unwrap());
    match (damages.is_empty(), gone.is_empty()) {
        (true, true) => Outcome::Whole,
        (false, _) => Outcome::Told,
        (true, false) => {
            // SQLite's log ends at the flip, and nothing was synced after it.
            let cut = newest.values().all(|length| length.is_some_and(|it| 400 <= it));
            assert!(cut, "gone without a word: {newest:?}");
            Outcome::Newest
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how `make soak` asks for more")]
fn no_bit_that_flips_makes_a_reading_that_was_not_sent() {
    let flips = std::env::var("GENGFU_FLIPS").ok().and_then(|flips| flips.parse().ok());
    let flips: u32 = flips.unwrap_or(300);
    let dir = TempDir::new().unwrap();
    furnish(dir.path());
    let data = dir.path().join("data");
    let names = files_of(&data);
    let mut outcomes: BTreeMap<(PathBuf, Outcome), u32> = BTreeMap::new();
    let mut chance =
        Chance(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) | 1);
    println!("seed {}", chance.0);

    for flip in 0..flips {
        let place = TempDir::new_in(memory()).unwrap();
        std::fs::create_dir_all(place.path().join(MONTHS_FOLDER)).unwrap();
        for name in &names {
            std::fs::copy(data.join(name), place.path().join(name)).unwrap();
        }
        let name = &names[chance.below(names.len())];
        let path = place.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(8);
        std::fs::write(&path, bytes).unwrap();
        println!("flip {flip}: byte {at} of {}", name.display());

        let came = outcome(place.path());

        *outcomes.entry((name.clone(), came)).or_default() += 1;
    }

    for ((name, came), count) in &outcomes {
        println!("{}: {came:?} {count}", name.display());
    }
    let told: u32 = outcomes
        .iter()
        .filter(|((_, came), _)| matches!(came, Outcome::Told | Outcome::Refused))
        .map(|(_, count)| count)
        .sum();
    assert!(0 < told, "the test does flip something that matters");
}

/// Damages the snapshot with a statement, opens, and looks at everything.
fn open_with_snapshot(damage: &str) -> (TempDir, Store) {
    let dir = TempDir::new_in(memory()).unwrap();
    furnish(dir.path());
    let data = dir.path().join("data");
    let connection = rusqlite::Connection::open(data.join(MAIN_FILE)).unwrap();
    connection.execute(damage, ()).unwrap();
    drop(connection);
    let store = Store::open(&data).unwrap();
    (dir, store)
}

#[test]
fn a_damaged_snapshot_is_read_anew_from_the_days() {
    let flipped =
        "UPDATE snapshot SET data = CAST(substr(data, 1, 20) || x'ff' || substr(data, 22) AS BLOB)";
    let elsewhere = "UPDATE snapshot SET slice = 4096";
    let cut = "UPDATE snapshot SET data = x''";
    for damage in [flipped, elsewhere, cut] {
        let (dir, store) = open_with_snapshot(damage);
        let whole = TempDir::new_in(memory()).unwrap();
        furnish(whole.path());
        let expected = Store::open(&whole.path().join("data")).unwrap();

        assert_eq!(store.found_damaged().len(), 1, "{damage}");
        let told = store.found_damaged()[0].to_string();
        assert!(told.contains("read anew"), "{told}");
        for meter in METERS.map(name) {
            let all = |store: &Store| store.series().packs(&meter, i64::MIN, i64::MAX).unwrap();
            assert_eq!(all(&store), all(&expected), "{damage}");
            let last = |store: &Store| store.series().last(&meter).unwrap();
            assert_eq!(last(&store), last(&expected), "{damage}");
            let counts =
                |store: &Store| store.series().counts(&meter, START, START + 40 * 86_400).unwrap();
            assert_eq!(counts(&store), counts(&expected), "{damage}");
        }
        assert_eq!(store.series().first_instant(), expected.series().first_instant());
        assert_eq!(store.check().unwrap(), []);
        // It was written again: the next start finds nothing.
        drop(store);
        let store = Store::open(&dir.path().join("data")).unwrap();
        assert_eq!(store.found_damaged(), [], "{damage}");
        assert_eq!(store.series().last(&name(METERS[0])).unwrap().unwrap().pack.seq, SENT - 1);
    }
}

pub(super) fn memory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// Xorshift: enough to choose bits, and its seed can be printed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % (end as u64)).unwrap()
    }
}
