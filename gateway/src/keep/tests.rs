use jiff::civil::time;
use tempfile::TempDir;
use wire::message::{Clock as PackClock, Pack};
use wire::{List, Name, Quantity, Reading, Value};

use super::*;
use crate::config::Config;
use crate::store::Arrival;

/// 2026-05-04T00:00:00Z.
const NOW: i64 = 1_777_852_800;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn pack(meter: &str, seq: u32) -> Pack {
    let value = Value::Measured(i64::from(seq) * 1_000);
    let readings =
        List::from_slice(&[Reading { quantity: Quantity::ActiveEnergyImport, value }]).unwrap();
    Pack { meter: name(meter), instant: NOW, boot: 1, seq, clock: PackClock::Synced, readings }
}

struct World {
    dir: TempDir,
    store: Store,
    health: Health,
    keeper: Keeper,
}

impl World {
    fn new(sections: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let text =
            format!("data_dir = \"data\"\n[mqtt.listen]\naddress = \"0.0.0.0:0\"\n{sections}");
        let config = Config::parse(&text, dir.path()).unwrap();
        let store = Store::open(&config.data_dir).unwrap();
        let (clock, health) = (Clock::manual(NOW), Health::default());
        let ledger = Ledger::new(&store, &clock);
        let keeper = Keeper::new(&store, &ledger, &clock, &health, &config);
        Self { dir, store, health, keeper }
    }

    /// Records a pack for each day of so many, from a day on.
    fn record_days(&self, from: i64, days: i64) {
        let batch: Vec<Arrival> = (0..days)
            .map(|day| {
                let mut pack = pack("meter-1", u32::try_from(day).unwrap());
                pack.instant = from + day * 86_400;
                Arrival { node: name("node-1"), received: pack.instant, pack }
            })
            .collect();
        self.store.series().record(&batch).unwrap();
    }

    fn backups(&self) -> Vec<PathBuf> {
        backups(&self.dir.path().join("copies"))
    }

    fn notice(&self, code: Code) -> Option<String> {
        let all = self.health.all();
        let found = all.iter().find(|notice| notice.code == code)?;
        Some(found.params.values().cloned().collect::<Vec<_>>().join(" "))
    }
}

const NIGHTLY: &str = "[backup]\ndir = \"copies\"\nat = \"02:30\"\nkeep = 2\n";

/// Half past two (UTC), so many days after now, which is a midnight.
fn night(days: i64) -> i64 {
    let midnight = NOW - NOW.rem_euclid(86_400);
    midnight + days * 86_400 + 9_000
}

#[test]
fn a_backup_is_made_each_night_checked_and_the_oldest_go() {
    let mut world = World::new(NIGHTLY);
    world.record_days(NOW - 100 * 86_400, 90);

    world.keeper.round(night(0) - 60).unwrap();
    assert_eq!(world.backups().len(), 0, "it is not time yet");
    for day in 0..4 {
        world.keeper.round(night(day)).unwrap();
        world.keeper.round(night(day) + 600).unwrap();
    }

    let kept = world.backups();
    assert_eq!(kept.len(), 2);
    assert!(kept[1].to_str().unwrap().ends_with("T023000"), "{kept:?}");
    let said = world.store.journal().view(|view| view.setting(LAST_BACKUP)).unwrap();
    assert_eq!(said, Some(night(3).to_string()));
    assert_eq!(world.notice(Code::BackupFailing), None);
    // Sealed months are one file with two names.
    use std::os::unix::fs::MetadataExt as _;
    let months = fs::read_dir(kept[0].join("months")).unwrap();
    let links: Vec<u64> = months.map(|it| it.unwrap().metadata().unwrap().nlink()).collect();
    assert!(!links.is_empty() && links.iter().all(|links| *links == 2), "{links:?}");
    let other = world.dir.path().join("other");
    Store::restore(&kept[0], &other, &mut |_| {}).unwrap();
    let packs = |store: &Store| store.series().packs(&name("meter-1"), 0, i64::MAX).unwrap();
    assert_eq!(packs(&Store::open(&other).unwrap()), packs(&world.store));
}

#[test]
fn a_missed_backup_is_made_up_for_at_the_next_start() {
    let mut world = World::new(NIGHTLY);
    world.keeper.round(night(0)).unwrap();
    assert_eq!(world.backups().len(), 1);

    world.keeper.begun = night(2) + 7_200;
    world.keeper.round(night(2) + 7_200).unwrap();

    assert_eq!(world.backups().len(), 2);
}

#[test]
fn a_backup_that_cannot_be_made_is_a_notice_until_one_is() {
    let mut world = World::new(NIGHTLY);
    let folder = world.dir.path().join("copies");
    fs::write(&folder, "a file where the folder should be").unwrap();

    world.keeper.round(night(0)).unwrap();
    let said = world.notice(Code::BackupFailing).unwrap();
    fs::remove_file(&folder).unwrap();
    world.keeper.round(night(0) + 600).unwrap();
    assert!(world.notice(Code::BackupFailing).is_some(), "an hour has not passed");
    world.keeper.round(night(0) + RETRY_S).unwrap();

    assert!(said.starts_with("cannot make a folder"), "{said}");
    assert_eq!((world.notice(Code::BackupFailing), world.backups().len()), (None, 1));
}

#[test]
fn a_damaged_store_is_told_and_pushes_no_good_backup_out() {
    let mut world = World::new(NIGHTLY);
    world.record_days(NOW - 100 * 86_400, 90);
    world.keeper.round(night(0)).unwrap();
    world.keeper.round(night(1)).unwrap();
    let good = world.backups();
    let months = world.dir.path().join("data").join("months");
    let month = fs::read_dir(months).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&month).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&month, bytes).unwrap();

    world.keeper.round(night(2)).unwrap();

    assert_eq!(world.backups(), good);
    let said = world.notice(Code::StoreDamaged).unwrap();
    assert!(said.contains("`meter-1`") && said.contains("checksum"), "{said}");
    assert!(world.notice(Code::BackupFailing).is_some());
}

#[test]
fn readings_are_given_up_by_whole_months_and_only_if_asked_to() {
    for (sections, left) in [("", 90), ("[store]\nkeep_months = 1\n", 0)] {
        let mut world = World::new(sections);
        // From 150 days before now to 60.
        world.record_days(NOW - 150 * 86_400, 90);
        let keep_all = world.store.series().day_rollups(&name("meter-1"), 0, i64::MAX).unwrap();

        world.keeper.round(NOW).unwrap();
        world.keeper.round(NOW + ROUND_S).unwrap();

        let packs = world.store.series().packs(&name("meter-1"), 0, i64::MAX).unwrap();
        assert_eq!(packs.len(), left);
        let days = world.store.series().day_rollups(&name("meter-1"), 0, i64::MAX).unwrap();
        assert_eq!(days, keep_all, "the sums stay");
    }
}

#[test]
fn the_last_time_of_day_is_that_of_the_site() {
    let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
    // 2026-11-20T00:00:00Z is 08:00 there.
    let now = 1_795_132_800;

    let last = |hour| last_time(time(hour, 30, 0, 0), &shanghai, now).unwrap();

    assert_eq!(last(2), now - 5 * 3_600 - 1_800);
    assert_eq!(last(8), now + 1_800 - 86_400, "half past eight has not come yet");
}
