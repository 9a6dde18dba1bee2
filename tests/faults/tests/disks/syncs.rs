//! A sync that fails, and what is believed afterwards.

use std::path::Path;

use faults::chance::Chance;
use faults::disk::Disk;
use faults::recording;
use faults::{Fault, Faults};
use tempfile::TempDir;

use super::driver::{batches, last_said, open};
use super::power::{on_disks, opens_whole};
use super::{disks, drive};

/// After a sync that failed, Linux shows what it should have written as written. The
/// process ends; the next one must write it again before it acknowledges it, or a power
/// cut then takes it.
#[test]
fn a_sync_that_failed_is_not_believed_by_the_next_start() {
    let mut chance = Chance::new();
    println!("seed {}", chance.seed());
    let mut failed = 0;
    for round in 0..4 {
        let dir = TempDir::new().unwrap();
        let disk = dir.path().join("disk");
        let faults = Faults::on(&disk).unwrap().recorded();
        let mut before = Disk::new(&disk, &disk).unwrap();
        let nth = 20 + chance.below(60);
        let fault = if round % 2 == 0 { Fault::Syncs(nth) } else { Fault::OneSync(nth) };
        faults.set(fault).unwrap();

        let first = drive("record", &faults, &disk.join("data")).unwrap();
        faults.set(Fault::None).unwrap();
        let second = drive("record", &faults, &disk.join("data")).unwrap();
        let calls = recording::read(faults.log().unwrap()).unwrap();
        let whole = |disk: &Path, said: u32| opens_whole(disk, said, 2);
        on_disks((&mut before, &calls), (disks() / 4, &mut chance), whole).unwrap();

        assert!(second.success());
        failed += u32::from(!first.success());
    }
    assert_eq!(failed, 4, "the process ends when a sync fails");
}

#[test]
fn a_write_that_fails_or_stops_halfway_costs_nothing_acknowledged() {
    let mut chance = Chance::new();
    println!("seed {}", chance.seed());
    let dir = TempDir::new().unwrap();
    let disk = dir.path().join("disk");
    let data = disk.join("data");
    let faults = Faults::on(&disk).unwrap();
    let mut rounds = 0;
    let mut ended_badly = 0;

    // Each start does some of the work and meets a fault, until one has done the rest of it
    // first. A start that opens the store and records one batch writes some 20 times, a whole
    // run some 1,000.
    for round in 0..48 {
        let nth = 20 + chance.below(80);
        let fault = [Fault::Writes(nth), Fault::Torn(nth), Fault::Full(nth * 512)][round % 3];
        faults.set(fault).unwrap();
        ended_badly += u32::from(!drive("record", &faults, &data).unwrap().success());
        faults.set(Fault::None).unwrap();
        let (said, _) = last_said(&data);
        let store = open(&data).unwrap();
        let found = batches(&store).unwrap();
        assert!(said <= found, "{fault:?}: {said} were acknowledged, {found} are there");
        assert_eq!(store.check().unwrap(), []);
        rounds = found;
    }
    assert!(0 < rounds && 4 < ended_badly, "{rounds} batches, {ended_badly} starts met a fault");
    println!("{rounds} batches came through {ended_badly} faults");
}
