//! Files that an earlier program wrote, byte for byte as it left them.
//!
//! `golden/main-0001.db.gz` and `golden/month-1.db.gz` are the whole store that
//! [`furnish`] made when the schema had its first number, `main-0004` and `month-2` the same
//! with its fourth and with blocks of version 2, `main-0005` and `month-3` with its fifth and
//! snapshots of form 2; `phases-0004` and `phases-3` are what
//! [`furnish_phases`] made, with blocks of version 3. Beside them lie the rows whose bytes
//! are a format of ours. None is ever made anew: they stand for what customers have on
//! their disks.

use std::io::Read as _;

use data_encoding::HEXLOWER;
use tempfile::TempDir;
use wire::message::{Clock, Pack};
use wire::{Absence, List, Name, Quantity, Reading, Value};

use super::journal::{NewAudit, NewMail, NewUser, SiteBookRow};
use super::series::Unreadable;
use super::*;

/// 2025-10-09T16:00:00Z.
const START: i64 = 1_760_025_600;
/// 2025-11-12T16:00:00Z: October is over and sealed.
const NOVEMBER: i64 = START + 34 * 86_400;

const MAIN_0001: &[u8] = include_bytes!("golden/main-0001.db.gz");
const MONTH_1: &[u8] = include_bytes!("golden/month-1.db.gz");
const MAIN_0004: &[u8] = include_bytes!("golden/main-0004.db.gz");
const MONTH_2: &[u8] = include_bytes!("golden/month-2.db.gz");
const MAIN_0005: &[u8] = include_bytes!("golden/main-0005.db.gz");
const MONTH_3: &[u8] = include_bytes!("golden/month-3.db.gz");
const PHASES_0004: &[u8] = include_bytes!("golden/phases-0004.db.gz");
const PHASES_3: &[u8] = include_bytes!("golden/phases-3.db.gz");
const INTAKE_1: &str = include_str!("golden/intake-1.hex");
const SNAPSHOT_1: &str = include_str!("golden/snapshot-1.hex");
const PART_1: &str = include_str!("golden/part-1.hex");

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn arrival(meter: &str, seq: u32, instant: i64) -> Arrival {
    let value = match seq % 7 {
        3 => Value::Absent(Absence::Timeout),
        _ => Value::Measured(81_234_560_000 + i64::from(seq * seq) * 10_000),
    };
    let power = Value::Measured(1_234_567 - i64::from(seq % 11) * 1_000);
    let readings = [
        Reading { quantity: Quantity::ActivePower, value: power },
        Reading { quantity: Quantity::ActiveEnergyImport, value },
    ];
    let readings = List::from_slice(&readings[usize::from(seq.is_multiple_of(5))..]).unwrap();
    let clock = if seq == 8 { Clock::Estimated } else { Clock::Synced };
    let pack = Pack { meter: name(meter), instant, boot: 77, seq, clock, readings };
    let node = name(if meter == "canteen-water" { "node-campus" } else { "node-office" });
    Arrival { node, received: instant + 2 + i64::from(seq % 3), pack }
}

/// What the golden store holds, by meter and in order of instant.
fn sent() -> Vec<Arrival> {
    let day = |meter: &'static str, seq: u32, start: i64| {
        (0..30_u32).map(move |n| arrival(meter, seq + n, start + i64::from(n) * 900))
    };
    let mut sent: Vec<Arrival> = day("office-main", 0, START).collect();
    sent.extend(day("office-main", 30, START + 30 * 86_400));
    sent.push(arrival("office-main", 60, NOVEMBER));
    sent.extend(day("canteen-water", 0, START + 86_400));
    sent.push(arrival("canteen-water", 30, NOVEMBER + 60));
    sent
}

/// Makes the golden store: a sealed October with a late pack over it, blocks of November,
/// rows in the intake log, and something of everything in the journal.
fn furnish(dir: &Path) -> Store {
    let store = Store::open(dir).unwrap();
    let sent = sent();
    let late = sent[7];
    let first: Vec<Arrival> = sent.iter().filter(|it| **it != late).copied().collect();
    let (early, newest): (Vec<_>, Vec<_>) =
        first.into_iter().partition(|it| it.pack.instant < NOVEMBER);
    store.series().record(&early).unwrap();
    store.series().maintain(NOVEMBER).unwrap();
    let unreadable = Unreadable {
        topic: String::from("gengfu/v1/school/node-office/readings"),
        payload: vec![1, 2, 3],
        reason: String::from("not CBOR"),
        received: NOVEMBER,
    };
    store.series().record_with_unreadable(&newest, &[unreadable]).unwrap();
    store.series().record(&[late]).unwrap();
    store
        .journal()
        .commit(|tx| {
            tx.set_setting("site", "school")?;
            tx.add_site_book(&SiteBookRow {
                version: 0,
                made: START,
                author: String::from("command line"),
                note: String::new(),
                text: String::from("[site]\n"),
            })?;
            tx.append_audit(&NewAudit {
                at: START,
                author: String::from("command line"),
                action: String::from("put_site_book"),
                subject: String::from("site_book/1"),
                details: String::from("{}"),
            })?;
            tx.add_user(&NewUser {
                name: String::from("张师傅"),
                role: String::from("caretaker"),
                language: String::from("zh-CN"),
                email: None,
                password_hash: String::from("$argon2id$"),
                created: START,
            })?;
            tx.enqueue(&NewMail {
                dedupe: String::from("lights/1"),
                to: vec![String::from("zhang@school.example")],
                subject: String::from("二楼东的灯还亮着"),
                text: String::from("……"),
                html: None,
                attachments: Vec::new(),
                finding: None,
                created: START,
            })
        })
        .unwrap();
    store
}

/// Two days of a meter of which one quantity follows from another: the currents from power
/// and voltages, a phase's voltage from the one beside it; and power holds for a while.
fn phases() -> Vec<Arrival> {
    let quantities = [
        Quantity::ActivePower,
        Quantity::ReactivePower,
        Quantity::VoltageL1,
        Quantity::VoltageL2,
        Quantity::CurrentL1,
        Quantity::CurrentL2,
        Quantity::ActiveEnergyImport,
    ];
    let pack = |seq: u32| {
        let (n, held) = (i64::from(seq), i64::from(seq / 3));
        let power = 40_000_000 + held * held * 7_919 % 9_000_000;
        let voltage = 229_000 + n * n * 611 % 1_900;
        let second = voltage - 700;
        let current = |voltage: i64| power * 333 / voltage;
        let values = [
            power,
            power * 363 / 1_000,
            voltage,
            second,
            current(voltage),
            current(second),
            81_234_560_000 + n * 10_000_000 + n % 3 * 1_000,
        ];
        let mut readings = List::new();
        for (quantity, value) in quantities.into_iter().zip(values) {
            readings.push(Reading { quantity, value: Value::Measured(value) }).unwrap();
        }
        let instant = START + n * 900;
        let meter = name("substation");
        let pack = Pack { meter, instant, boot: 77, seq, clock: Clock::Synced, readings };
        Arrival { node: name("node-office"), received: instant + 1, pack }
    };
    (0..192).map(pack).collect()
}

/// Makes the store of [`phases`]; its month is sealed.
fn furnish_phases(dir: &Path) -> Store {
    let store = Store::open(dir).unwrap();
    store.series().record(&phases()).unwrap();
    store.series().maintain(NOVEMBER + 5 * 86_400).unwrap();
    store
}

fn check_phases(store: &Store) {
    let (meter, sent) = (name("substation"), phases());
    assert!(store.series().packs(&meter, 0, i64::MAX).unwrap() == sent);
    for (at, quantity) in [(0, Quantity::ActivePower), (5, Quantity::CurrentL2)] {
        let measured = |it: &Arrival| match it.pack.readings[at].value {
            Value::Measured(value) => (it.pack.instant, value),
            Value::Absent(_) => unreachable!("all are measured"),
        };
        let read = store.series().counter(&meter, quantity, 0, i64::MAX).unwrap();
        assert_eq!(read, sent.iter().map(measured).collect::<Vec<_>>(), "{quantity:?}");
    }
    assert_eq!(store.check().unwrap(), []);
}

fn check_everything(store: &Store) {
    let sent = sent();
    for meter in ["office-main", "canteen-water"] {
        let packs = store.series().packs(&name(meter), 0, i64::MAX).unwrap();
        let expected: Vec<Arrival> =
            sent.iter().filter(|it| it.pack.meter == name(meter)).copied().collect();
        assert!(packs == expected, "{meter}: {packs:?}");
        let last = store.series().last(&name(meter)).unwrap();
        assert_eq!(last.as_ref(), expected.last());
        let days = store.series().day_rollups(&name(meter), 0, i64::MAX).unwrap();
        let counted: u64 = days.iter().map(|day| day.packs).sum();
        assert_eq!(counted, expected.len() as u64);
    }
    store
        .journal()
        .view(|view| {
            assert_eq!(view.setting("site")?.as_deref(), Some("school"));
            assert_eq!(view.site_book()?.map(|book| book.text).as_deref(), Some("[site]\n"));
            assert_eq!(view.users()?[0].user.name, "张师傅");
            assert_eq!(view.due_mails(START, 9)?[0].mail.subject, "二楼东的灯还亮着");
            assert_eq!(view.audit(None, 9)?.len(), 1);
            Ok(())
        })
        .unwrap();
    assert_eq!(store.series().quarantine(9).unwrap().rows, 1);
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Puts the golden store into a folder.
pub(super) fn put(dir: &Path) {
    put_files(dir, MAIN_0001, MONTH_1);
}

fn put_files(dir: &Path, main: &[u8], month: &[u8]) {
    std::fs::create_dir_all(dir.join(MONTHS_FOLDER)).unwrap();
    std::fs::write(dir.join(MAIN_FILE), unpacked(main)).unwrap();
    std::fs::write(dir.join(MONTHS_FOLDER).join("2025-10.db"), unpacked(month)).unwrap();
}

#[test]
fn what_the_golden_store_is_made_of_reads_back_today() {
    let dir = TempDir::new().unwrap();
    drop(furnish(dir.path()));
    drop(furnish_phases(&dir.path().join("phases")));

    check_everything(&Store::open(dir.path()).unwrap());
    check_phases(&Store::open(&dir.path().join("phases")).unwrap());
}

#[test]
fn stores_of_earlier_schemas_are_opened_by_this_program() {
    let of_version = [(MAIN_0001, MONTH_1, 1), (MAIN_0004, MONTH_2, 2), (MAIN_0005, MONTH_3, 3)];
    for (main, month, version) in of_version {
        let dir = TempDir::new().unwrap();
        put_files(dir.path(), main, month);
        assert_eq!(row(month, "SELECT data FROM block ORDER BY id LIMIT 1")[0], version);

        let store = Store::open(dir.path()).unwrap();

        check_everything(&store);
        let more = arrival("office-main", 61, NOVEMBER + 900);
        store.series().record(&[more]).unwrap();
        store.series().maintain(NOVEMBER + 40 * 86_400).unwrap();
        let packs = store.series().packs(&name("office-main"), 0, i64::MAX).unwrap();
        assert_eq!((packs.len(), packs.last()), (62, Some(&more)), "also once it is sealed again");
    }
}

#[test]
fn columns_that_lead_each_other_read_back_whoever_wrote_them() {
    let dir = TempDir::new().unwrap();
    put_files(dir.path(), PHASES_0004, PHASES_3);
    let block = row(PHASES_3, "SELECT data FROM block ORDER BY id LIMIT 1");
    assert_eq!(block[0], 3);

    let store = Store::open(dir.path()).unwrap();

    check_phases(&store);
    // Seven columns of 192 numbers: one of them noise, and the others follow.
    assert!(block.len() < 900, "{}", block.len());
}

fn bytes_of(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.trim().as_bytes()).unwrap()
}

/// The one row of a query on a golden file.
fn row(packed: &[u8], sql: &str) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("golden.db");
    std::fs::write(&path, unpacked(packed)).unwrap();
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn the_golden_rows_are_those_of_the_golden_files() {
    let intake = row(MAIN_0001, "SELECT packs FROM intake ORDER BY seq LIMIT 1");
    let snapshot = row(MAIN_0001, "SELECT data FROM snapshot");
    let part = row(MONTH_1, "SELECT data FROM block ORDER BY id LIMIT 1");

    assert_eq!(intake, bytes_of(INTAKE_1));
    assert_eq!(snapshot, bytes_of(SNAPSHOT_1));
    assert_eq!(part, bytes_of(PART_1));
}
