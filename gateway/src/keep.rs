//! Tends the store: days into blocks, months into files, backups, and what is too old.
//!
//! In: the clock, what the configuration says of store and backups. Out: a tended store,
//! backups in a folder, notices about what went wrong.
//!
//! Afterwards:
//! - a backup that is counted as one was put back into a temporary folder, opened, and
//!   everything in it read;
//! - an old backup goes only once a newer one has passed that check;
//! - readings are given up by whole months, and only if the configuration says after how
//!   many; the sums of their days stay.
//!
//! Not here: how any of it is done (`store`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil};
use tokio::sync::watch as signal;

use crate::clock::Clock;
use crate::config::{BackupConfig, Config};
use crate::events;
use crate::health::{Code, Health, Level};
use crate::ledger::Ledger;
use crate::store::journal::LAST_BACKUP;
use crate::store::{Backup, Damage, Store, StoreError};

/// How often the store is looked after, s of the clock.
const ROUND_S: i64 = 600;

/// How long after a backup that went wrong the next is tried, s of the clock.
const RETRY_S: i64 = 3_600;

/// Without backups, which check everything, the store itself is checked this often, s.
const CHECK_S: i64 = 86_400;

/// What the folder of a backup is called: the local time it was made.
const NAME: &str = "gengfu-%Y-%m-%dT%H%M%S";

/// Where a backup is put back to be checked, inside the folder of backups.
const CHECKING: &str = "checking";

/// The keeper, before it runs.
pub struct Keeper {
    store: Store,
    ledger: Ledger,
    clock: Clock,
    health: Health,
    data_dir: PathBuf,
    keep_months: Option<u32>,
    backup: Option<BackupConfig>,
    /// When this keeper began; nothing that fell due before is made up for without need.
    begun: i64,
    next_try: i64,
    next_check: i64,
}

impl Keeper {
    /// Returns the keeper of a store.
    #[must_use]
    pub fn new(
        store: &Store,
        ledger: &Ledger,
        clock: &Clock,
        health: &Health,
        config: &Config,
    ) -> Self {
        let begun = clock.now();
        Self {
            store: store.clone(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            health: health.clone(),
            data_dir: config.data_dir.clone(),
            keep_months: config.store.keep_months,
            backup: config.backup.clone(),
            begun,
            next_try: begun,
            next_check: begun + CHECK_S,
        }
    }

    /// Looks after the store every ten minutes until told to stop.
    ///
    /// # Errors
    ///
    /// The disk fails; the process must end. All else is told, and tried again.
    pub async fn run(mut self, mut stop: signal::Receiver<bool>) -> anyhow::Result<()> {
        self.tell_of(self.store.found_damaged());
        loop {
            let now = self.clock.now();
            let (keeper, outcome) = tokio::task::spawn_blocking(move || {
                let outcome = self.round(now);
                (self, outcome)
            })
            .await?;
            self = keeper;
            outcome?;
            let clock = self.clock.clone();
            tokio::select! {
                ended = stop.wait_for(|&stop| stop) => {
                    ended.ok();
                    return Ok(());
                }
                () = clock.sleep_until(now + ROUND_S) => {}
            }
        }
    }

    /// Does what is due. Takes as long as that takes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failing`]: nothing more may be written.
    pub fn round(&mut self, now: i64) -> Result<(), StoreError> {
        let tended = self.store.series().maintain(now).and_then(|()| self.give_up(now));
        match tended {
            Ok(()) => self.health.clear(Code::WorkFailing, "store"),
            Err(error) if error.is_disk_failing() => return Err(error),
            // The recorder meets the same and tells it.
            Err(StoreError::DiskFull { .. } | StoreError::ReadOnly { .. }) => {}
            Err(error) => {
                events::upkeep_failed(&error);
                let params = [("what", events::chain(&error))];
                self.health.raise(Code::WorkFailing, "store", Level::Error, params);
            }
        }
        let zone = self.ledger.site().map_or(TimeZone::UTC, |site| site.zone.clone());
        match self.backup.clone() {
            Some(backup) if self.next_try <= now && self.is_due(&backup, &zone, now) => {
                self.next_try = now + RETRY_S;
                self.make(&backup, &zone, now);
            }
            None if self.next_check <= now => {
                self.next_check = now + CHECK_S;
                let damages = self.store.check()?;
                self.tell_of(&damages);
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives up the readings of months that are older than the configuration wants them.
    fn give_up(&self, now: i64) -> Result<(), StoreError> {
        let Some(keep) = self.keep_months else { return Ok(()) };
        let first_kept = Timestamp::from_second(now).ok().and_then(|now| {
            let month = now.to_zoned(TimeZone::UTC).date().first_of_month();
            let first = month.checked_sub(i64::from(keep).months()).ok()?;
            Some(first.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
        });
        let Some(first_kept) = first_kept else { return Ok(()) };
        let count = self.store.series().forget_before(first_kept)?;
        if 0 < count {
            events::months_given_up(count);
        }
        Ok(())
    }

    /// Whether the time of a backup has passed since the newest was made. Without any, the
    /// first one waits for its time of the day.
    fn is_due(&self, backup: &BackupConfig, zone: &TimeZone, now: i64) -> bool {
        let newest = backups(&backup.dir).last().and_then(|path| made_at(path, zone));
        let since = newest.unwrap_or(self.begun);
        last_time(backup.at, zone, now).is_some_and(|due| since < due)
    }

    /// Makes a backup, checks it and lets the oldest go.
    fn make(&self, backup: &BackupConfig, zone: &TimeZone, now: i64) {
        match self.made_and_checked(backup, zone, now) {
            Ok((made, damages)) if damages.is_empty() => {
                events::backup_made(made.files, made.bytes);
                self.tell_of(&[]);
                self.health.clear(Code::BackupFailing, "");
                let at = now.to_string();
                let kept = self.store.journal().commit(|tx| tx.set_setting(LAST_BACKUP, &at));
                if let Err(error) = kept {
                    events::upkeep_failed(&error);
                }
                if let Err(error) = let_go(&backup.dir, backup.keep) {
                    events::backup_failed(&format!("{error:#}"));
                }
            }
            Ok((_, damages)) => {
                self.tell_of(&damages);
                let first = damages.first().map(Damage::to_string).unwrap_or_default();
                self.fails(&first, zone);
            }
            Err(error) => self.fails(&format!("{error:#}"), zone),
        }
    }

    fn fails(&self, why: &str, zone: &TimeZone) {
        events::backup_failed(why);
        let mut params = vec![("error", why.to_owned())];
        let last = self.store.journal().view(|view| view.setting(LAST_BACKUP)).ok().flatten();
        let last = last.and_then(|at| Timestamp::from_second(at.parse().ok()?).ok());
        if let Some(last) = last {
            let last = last.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z");
            params.push(("last_at", last.to_string()));
        }
        self.health.raise(Code::BackupFailing, "", Level::Error, params);
    }

    fn made_and_checked(
        &self,
        backup: &BackupConfig,
        zone: &TimeZone,
        now: i64,
    ) -> anyhow::Result<(Backup, Vec<Damage>)> {
        let local = Timestamp::from_second(now)?.to_zoned(zone.clone());
        let to = backup.dir.join(local.strftime(NAME).to_string());
        let earlier = backups(&backup.dir).pop();
        let made = Store::backup(&self.data_dir, &to, earlier.as_deref(), &mut |_| {})?;
        let damages = check(&to, &backup.dir.join(CHECKING))?;
        if !damages.is_empty() {
            // It is as damaged as the store, and must not push a good one out.
            let damaged = backup.dir.join("damaged");
            remove_folder(&damaged)?;
            fs::rename(&to, &damaged).context("cannot put a damaged backup aside")?;
        }
        Ok((made, damages))
    }

    fn tell_of(&self, damages: &[Damage]) {
        let Some(first) = damages.first() else {
            self.health.clear(Code::StoreDamaged, "");
            return;
        };
        events::store_damaged(damages.len(), first);
        let params = [("count", damages.len().to_string()), ("what", first.to_string())];
        self.health.raise(Code::StoreDamaged, "", Level::Error, params);
    }
}

/// Puts a backup back into a temporary folder, opens it and reads everything in it.
fn check(backup: &Path, into: &Path) -> anyhow::Result<Vec<Damage>> {
    remove_folder(into)?;
    Store::restore(backup, into, &mut |_| {})?;
    let damages = {
        let store = Store::open(into)?;
        let mut damages = store.found_damaged().to_vec();
        damages.extend(store.check()?);
        damages
    };
    remove_folder(into)?;
    Ok(damages)
}

fn remove_folder(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

/// Removes the oldest backups until `keep` are left.
fn let_go(dir: &Path, keep: u32) -> anyhow::Result<()> {
    let all = backups(dir);
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    for path in all.iter().take(all.len().saturating_sub(keep)) {
        remove_folder(path)?;
    }
    Ok(())
}

/// Returns the folders of backups, oldest first. What has another name is somebody else's.
fn backups(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| local_time(path).is_some()).collect();
    found.sort();
    found
}

fn local_time(path: &Path) -> Option<civil::DateTime> {
    civil::DateTime::strptime(NAME, path.file_name()?.to_str()?).ok()
}

fn made_at(path: &Path, zone: &TimeZone) -> Option<i64> {
    Some(local_time(path)?.to_zoned(zone.clone()).ok()?.timestamp().as_second())
}

/// Returns the last instant at which local clocks showed a time of the day.
fn last_time(at: civil::Time, zone: &TimeZone, now: i64) -> Option<i64> {
    let today = Timestamp::from_second(now).ok()?.to_zoned(zone.clone()).date();
    let on = |date: civil::Date| {
        Some(date.to_datetime(at).to_zoned(zone.clone()).ok()?.timestamp().as_second())
    };
    let due = on(today)?;
    if due <= now { Some(due) } else { on(today.yesterday().ok()?) }
}

#[cfg(test)]
mod tests;
