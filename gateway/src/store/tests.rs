use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use wire::message::{Clock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use super::migrate::{Due, Migration, due, kept_path, migrate, run_steps, schema_version};
use super::*;

const START: i64 = 1_760_025_600;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn arrival(meter: &str, seq: u32) -> Arrival {
    let reading = Reading {
        quantity: Quantity::ActiveEnergyImport,
        value: Value::Measured(i64::from(seq) * 1_000),
    };
    // Four a day: twenty batches of a test go through several months.
    let instant = START + i64::from(seq) * 6 * 3_600;
    let readings = List::from_slice(&[reading]).unwrap();
    let pack = Pack { meter: name(meter), instant, boot: 1, seq, clock: Clock::Synced, readings };
    Arrival { node: name("node-office"), received: instant, pack }
}

#[test]
fn a_full_disk_is_told_apart_and_nothing_is_half_written() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let limit = |pages: i64| {
        store.database.writer().pragma_update(None, "max_page_count", pages).unwrap();
    };
    limit(100);
    let mut stored = 0;

    let error = loop {
        let batch: Vec<Arrival> = (stored..stored + 100).map(|seq| arrival("m", seq)).collect();
        match store.series().record(&batch) {
            Ok(_) => stored += 100,
            Err(error) => break error,
        }
    };

    assert!(error.is_disk_full(), "{error:?}");
    assert_eq!(error.to_string(), "cannot record readings: the disk is full");
    let count = |store: &Store| store.series().packs(&name("m"), 0, i64::MAX).unwrap().len();
    assert_eq!(count(&store), usize::try_from(stored).unwrap());
    limit(100_000);
    store.series().record(&[arrival("m", stored)]).unwrap();
    assert_eq!(count(&store), usize::try_from(stored + 1).unwrap());
}

#[test]
fn beside_the_process_that_records_another_reads_and_decides() {
    let dir = TempDir::new().unwrap();
    let owner = Store::open(dir.path()).unwrap();
    let sent: Vec<Arrival> = (0..500).map(|seq| arrival("m", seq)).collect();
    owner.series().record(&sent[..100]).unwrap();

    let beside = Store::open(dir.path()).unwrap();

    assert_eq!((owner.can_record(), beside.can_record()), (true, false));
    let error = beside.series().record(&sent[100..]).unwrap_err();
    let expected = "cannot record readings: another process has the store open";
    assert_eq!(error.to_string(), expected);
    beside.journal().commit(|tx| tx.set_setting("by", "a command")).unwrap();
    let setting = owner.journal().view(|view| view.setting("by")).unwrap();
    assert_eq!(setting.as_deref(), Some("a command"));
    owner.series().record(&sent[100..]).unwrap();
    owner.series().maintain(START + 400 * 86_400).unwrap();
    let packs = beside.series().packs(&name("m"), 0, i64::MAX).unwrap();
    assert_eq!(packs[..100], sent[..100], "what it saw stays readable, also when it was sealed");
    drop(owner);
    assert!(Store::open(dir.path()).unwrap().can_record());
}

/// A store with sealed months, blocks and buffers, and what it holds.
fn furnished(dir: &Path) -> (Store, Vec<Arrival>) {
    let store = Store::open(dir).unwrap();
    let sent: Vec<Arrival> = (0..400).map(|seq| arrival("m", seq)).collect();
    store.series().record(&sent[..380]).unwrap();
    store.series().maintain(sent[379].received + 86_400).unwrap();
    store.series().record(&sent[380..]).unwrap();
    store.journal().commit(|tx| tx.set_setting("site", "school")).unwrap();
    (store, sent)
}

fn backup(dir: &Path, to: &Path) -> Result<Backup, StoreError> {
    Store::backup(dir, to, None, &mut |_| {})
}

fn restore(from: &Path, dir: &Path) -> Result<Backup, StoreError> {
    Store::restore(from, dir, &mut |_| {})
}

#[test]
fn a_backup_taken_while_the_store_is_in_use_comes_back_whole() {
    let dir = TempDir::new().unwrap();
    let (store, sent) = furnished(&dir.path().join("data"));
    let (copy, other) = (dir.path().join("copy"), dir.path().join("other"));

    let made = backup(&dir.path().join("data"), &copy).unwrap();
    store.series().record(&[arrival("m", 900)]).unwrap();

    // Main file, October, November, December of 2025.
    assert_eq!((made.files, Store::check_backup(&copy).unwrap()), (4, made));
    assert_eq!(restore(&copy, &other).unwrap(), made);
    let restored = Store::open(&other).unwrap();
    assert!(restored.series().packs(&name("m"), 0, i64::MAX).unwrap() == sent);
    let setting = restored.journal().view(|view| view.setting("site")).unwrap();
    assert_eq!(setting.as_deref(), Some("school"));
    let error = restore(&copy, &other).unwrap_err();
    assert!(matches!(error, StoreError::Other { .. }), "a store is never overwritten: {error:?}");
    assert!(backup(&dir.path().join("data"), &copy).is_err(), "nor is a backup");
}

#[test]
fn a_backup_that_was_changed_is_not_put_back() {
    let dir = TempDir::new().unwrap();
    let (_store, _) = furnished(&dir.path().join("data"));
    let (copy, other) = (dir.path().join("copy"), dir.path().join("other"));
    backup(&dir.path().join("data"), &copy).unwrap();
    let month = copy.join("months").join("2025-11.db");
    let mut bytes = std::fs::read(&month).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::File::create(&month).unwrap().write_all(&bytes).unwrap();

    let error = restore(&copy, &other).unwrap_err();

    let expected = "cannot put a backup back: the store is damaged: \
                    `months/2025-11.db` is not the file that was backed up";
    assert_eq!(error.to_string(), expected);
    assert!(!other.join("main.db").exists());
}

#[test]
fn a_list_that_leads_out_of_the_backup_is_refused() {
    let dir = TempDir::new().unwrap();
    let list = "gengfu backup 1\n00000000 0 main.db\n00000000 0 months/../../passwd\n";
    let mut file = std::fs::File::create(dir.path().join("backup.txt")).unwrap();
    file.write_all(list.as_bytes()).unwrap();

    let error = Store::check_backup(dir.path()).unwrap_err();

    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

fn steps(sql: &[&'static str]) -> Vec<Migration> {
    (1..).zip(sql).map(|(number, &sql)| Migration { number, sql }).collect()
}

const FIRST: &str = "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);";
const SECOND: &str = "ALTER TABLE t ADD COLUMN b INTEGER; UPDATE t SET b = 2;";

fn make(path: &Path, sql: &[&'static str]) {
    run_steps(&mut database::open_writer(path).unwrap(), &steps(sql)).unwrap();
}

#[test]
fn a_file_of_before_is_copied_migrated_and_kept_under_another_name() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("main.db");
    make(&path, &[FIRST]);
    let steps = steps(&[FIRST, SECOND]);
    assert_eq!(due(&path, &steps).unwrap(), Due::Copy { found: 1 });

    migrate(&path, 1, &steps).unwrap();

    let row = |path: &Path, sql: &str| -> i64 {
        rusqlite::Connection::open(path).unwrap().query_row(sql, (), |row| row.get(0)).unwrap()
    };
    assert_eq!(row(&path, "SELECT a + b FROM t"), 3);
    assert_eq!(due(&path, &steps).unwrap(), Due::Nothing);
    let kept = kept_path(&path, 1);
    assert_eq!(kept.file_name().unwrap(), "main.db.before-0001");
    assert_eq!(row(&kept, "SELECT a FROM t"), 1);
    assert!(rusqlite::Connection::open(&kept).unwrap().prepare("SELECT b FROM t").is_err());
}

#[test]
fn a_step_that_fails_or_loses_rows_leaves_the_file_as_it_was() {
    let broken =
        ["ALTER TABLE t ADD COLUMN b INTEGER; INSERT INTO nowhere VALUES (1);", "DELETE FROM t;"];
    for (sql, why) in broken.into_iter().zip(["cannot migrate", "`t` had 1 rows and has 0"]) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("main.db");
        make(&path, &[FIRST]);

        let error = migrate(&path, 1, &steps(&[FIRST, sql])).unwrap_err();

        assert!(error.to_string().contains(why), "{error}");
        let connection = database::open_writer(&path).unwrap();
        assert_eq!(schema_version(&connection).unwrap(), 1);
        assert!(connection.prepare("SELECT b FROM t").is_err());
        drop(connection);
        assert!(!kept_path(&path, 1).exists());
        migrate(&path, 1, &steps(&[FIRST, SECOND])).unwrap();
    }
}

#[test]
fn the_file_of_before_goes_at_the_next_start_that_goes_well() {
    let dir = TempDir::new().unwrap();
    golden_tests::put(dir.path());
    let kept = kept_path(&dir.path().join(MAIN_FILE), 1);

    drop(Store::open(dir.path()).unwrap());
    assert!(kept.exists(), "the start that migrated keeps it");
    drop(Store::open(dir.path()).unwrap());

    assert!(!kept.exists());
}

#[test]
fn a_store_that_others_have_open_is_not_migrated() {
    let dir = TempDir::new().unwrap();
    golden_tests::put(dir.path());
    let other = lock::share(&dir.path().join(OPEN_FILE)).unwrap();

    let error = Store::open(dir.path()).unwrap_err();

    assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
    drop(other);
    assert!(Store::open(dir.path()).unwrap().can_record());
}

#[test]
fn a_file_of_a_newer_program_is_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let path = dir.path().join(MAIN_FILE);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 1_000).unwrap();
    drop(connection);

    let error = Store::open(dir.path()).unwrap_err();

    assert!(matches!(error, StoreError::Newer { found: 1_000, .. }), "{error:?}");
}

#[test]
fn a_file_that_is_no_database_is_damaged_and_not_overwritten() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(MAIN_FILE);
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&[b'x'; 8_192]).unwrap();
    drop(file);

    let error = Store::open(dir.path()).unwrap_err();

    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert_eq!(std::fs::read(&path).unwrap(), [b'x'; 8_192]);
}

// The power cut. The parent starts this test program again, as a process that records
// and acknowledges in a loop, and kills it at moments that nobody chose.

const POWER_CUT_DIR: &str = "GENGFU_TEST_POWER_CUT_DIR";
const BATCH: u32 = 40;
const METERS: [&str; 3] = ["canteen-water", "light-2f-east", "office-main"];

/// Records batch after batch; prints a batch's number once `record` has returned.
fn record_and_acknowledge(dir: &Path, rounds: u32) {
    // Buffers this small are flushed every few batches.
    let store = Store::open_with(dir, Options { buffer_bytes: Some(16 * 1024) }).unwrap();
    let done = store.series().packs(&name(METERS[0]), 0, i64::MAX).unwrap().len();
    let first = u32::try_from(done).unwrap() / BATCH;
    for round in first..first.saturating_add(rounds) {
        let batch: Vec<Arrival> = (round * BATCH..(round + 1) * BATCH)
            .flat_map(|seq| METERS.map(|meter| arrival(meter, seq)))
            .collect();
        store.series().record(&batch).unwrap();
        store.journal().commit(|tx| tx.set_setting("rounds", &round.to_string())).unwrap();
        if round % 5 == 4 {
            // Flushes every day so far and seals the months that are over by then.
            store.series().maintain(batch[batch.len() - 1].received + 5 * 86_400).unwrap();
        }
        writeln!(std::io::stdout(), "acknowledged {round}").unwrap();
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how the parent tells this process what it is")]
fn every_acknowledged_batch_can_be_read() {
    if let Ok(dir) = std::env::var(POWER_CUT_DIR) {
        record_and_acknowledge(Path::new(&dir), u32::MAX);
    }
    let dir = TempDir::new().unwrap();

    record_and_acknowledge(dir.path(), 3);

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.journal().view(|view| view.setting("rounds")).unwrap().as_deref(), Some("2"));
    check_whole_batches(&store, 2);
}

/// Everything up to the acknowledged batch is there, whole batches only, none twice.
fn check_whole_batches(store: &Store, acknowledged: u32) {
    for meter in METERS {
        let packs = store.series().packs(&name(meter), 0, i64::MAX).unwrap();
        let count = u32::try_from(packs.len()).unwrap();
        assert!(BATCH * (acknowledged + 1) <= count, "{count} packs, acknowledged {acknowledged}");
        assert_eq!(count % BATCH, 0, "a batch is there whole or not at all");
        let expected: Vec<Arrival> = (0..count).map(|seq| arrival(meter, seq)).collect();
        assert!(packs == expected, "what is there is what was sent");
        let counts = store.series().counts(&name(meter), 0, i64::MAX).unwrap();
        assert_eq!((counts.received, counts.duplicate, counts.lost), (count.into(), 0, 0));
    }
}

#[test]
fn twenty_power_cuts_lose_nothing_acknowledged() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = 0;
    for cut in 0..20_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::every_acknowledged_batch_can_be_read", "--nocapture"])
            .env(POWER_CUT_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();

        // Between 1 and 13 acknowledgements, then somewhere in the middle of the next.
        let mut rounds = lines.filter_map(|line| {
            line.unwrap().strip_prefix("acknowledged ").map(|round| round.parse::<u32>().unwrap())
        });
        let seen = rounds.nth(cut * 5 % 13).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // What was said between the last line read and the kill was acknowledged too.
        acknowledged = rounds.last().unwrap_or(seen);
        let store = Store::open(dir.path()).unwrap();
        check_whole_batches(&store, acknowledged);
    }
    assert!(20 <= acknowledged);
    assert!(dir.path().join("months").read_dir().unwrap().next().is_some(), "it sealed");
}
