//! What is recorded here goes there, and waits here as long as it must.
//!
//! In: the store, from the target's position on. Out: requests, one at a time; a position
//! that moves once they are taken; a notice while something is wrong.
//!
//! Afterwards:
//! - nobody here waits for the target: readings are stored and acknowledged without it;
//! - a pack may be sent twice, which is the same row there, and none is left out;
//! - what is new goes first; what is owed from before follows beside it;
//! - a target that is away is tried again, ever more slowly; one that turns us away is
//!   tried each five minutes, since only a person can help.
//!
//! Beside the readings go the sums of days, as the pages of this site say them: who reads
//! several sites must not work them out anew, without tariffs and without the site book.

use std::sync::Arc;
use std::time::Duration;

use analysis::figures::SiteDay;
use tokio::sync::watch;

use super::client::Client;
use super::deliver::{Delivered, Trouble, deliver};
use super::line::{Labels, Lines};
use crate::clock::Clock;
use crate::events;
use crate::health::{Code, Health, Level};
use crate::store::series::{Fed, Position};
use crate::store::targets::Progress;
use crate::store::{Store, StoreError};

/// Packs read from the store at a time; most are one line.
pub(super) const PACKS_MAX: u64 = 5_000;

/// How often the store is asked for more. Real time: a look is one query by key.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// First and longest wait after trouble that may pass by itself, s.
const BACK_OFF_S: i64 = 2;
const BACK_OFF_MAX_S: i64 = 300;

/// Wait after trouble that only a person can help, s.
const STOPPED_S: i64 = 300;

/// How often the sums of days are looked at, s.
const DAYS_EVERY_S: i64 = 900;

/// How long the notice of refused lines stands, s.
const REFUSED_NOTICE_S: i64 = 86_400;

/// Works out the sums of the days of this month and the last. May block.
pub type DaySums = dyn Fn() -> Result<Vec<SiteDay>, StoreError> + Send + Sync;

/// Returns the tags of the meters as the site book says now; `None` without one.
pub type LabelsNow = dyn Fn() -> Option<Arc<Labels>> + Send + Sync;

/// What feeds one InfluxDB.
pub struct Feed {
    target: String,
    store: Store,
    clock: Clock,
    health: Health,
    client: Client,
    labels: Box<LabelsNow>,
    day_sums: Arc<DaySums>,
    progress: Option<Progress>,
    tries: u32,
    held_until: i64,
    refused_until: Option<i64>,
    days_due: i64,
    days_sent: Lines,
}

/// What a target is called in the store: another bucket is another target.
#[must_use]
pub fn target_name(config: &crate::config::InfluxConfig) -> String {
    let address = &config.address;
    let scheme = if address.tls { "https" } else { "http" };
    let (at, path) = (address.authority(), &address.path);
    format!("{scheme}://{at}{path} {}/{}", config.org, config.bucket)
}

impl Feed {
    /// Returns what feeds `target` through `client`, once there are labels.
    #[must_use]
    pub fn new(
        target: String,
        client: Client,
        (store, clock, health): (&Store, &Clock, &Health),
        labels: Box<LabelsNow>,
        day_sums: Arc<DaySums>,
    ) -> Self {
        Self {
            target,
            store: store.clone(),
            clock: clock.clone(),
            health: health.clone(),
            client,
            labels,
            day_sums,
            progress: None,
            tries: 0,
            held_until: i64::MIN,
            refused_until: None,
            days_due: i64::MIN,
            days_sent: Lines::default(),
        }
    }

    /// Feeds the target until told to stop; a request under way is cut off: its rows are
    /// sent again.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let round = async {
                looks.tick().await;
                loop {
                    match self.round().await {
                        Ok(true) => {}
                        Ok(false) => return,
                        Err(error) => return events::store_failed(&error),
                    }
                }
            };
            tokio::select! {
                () = round => {}
                // An error means that whoever could stop us is gone.
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Takes one step: what is new, then a part of what is owed, then sums of days.
    /// Returns whether there may be more to do at once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read or written; the position stays.
    pub async fn round(&mut self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        if self.refused_until.is_some_and(|until| until <= now) {
            self.refused_until = None;
            self.health.clear(Code::InfluxLinesRefused, "");
        }
        if now < self.held_until {
            return Ok(false);
        }
        let Some(labels) = (self.labels)() else { return Ok(false) };
        let progress = match self.progress {
            Some(progress) => progress,
            None => {
                let (store, target) = (self.store.clone(), self.target.clone());
                let progress = off_the_executor(move || store.targets().progress(&target)).await?;
                *self.progress.insert(progress)
            }
        };
        let new = read(&self.store, progress.position, Kind::New, &labels).await?;
        let lag = new.fed.first_received.map_or(0, |first| now.saturating_sub(first));
        let mut more = PACKS_MAX <= new.fed.packs;
        if !self.took(new).await? {
            return Ok(false);
        }
        if !more {
            events::target_lags(0, lag.max(0).unsigned_abs());
        }
        let position = self.progress.unwrap_or_default().position;
        if position.owed.is_some() {
            let owed = read(&self.store, position, Kind::Owed, &labels).await?;
            if !self.took(owed).await? {
                return Ok(false);
            }
            more = true;
        }
        if self.days_due <= now && !self.send_days().await? {
            return Ok(false);
        }
        Ok(more)
    }

    /// Delivers what was read and moves on; returns whether the target took it.
    async fn took(&mut self, part: Part) -> Result<bool, StoreError> {
        let Part { fed, lines } = part;
        let before = self.progress.unwrap_or_default();
        if fed.position == before.position {
            return Ok(true);
        }
        let Delivered { lines, refused } = match deliver(&self.client, &lines, &self.clock).await {
            Ok(delivered) => delivered,
            Err(trouble) => {
                self.tell(trouble, &before.position).await?;
                return Ok(false);
            }
        };
        if 0 < fed.damaged {
            events::target_misses(fed.damaged);
        }
        let count = refused.len() as u64;
        let (store, target, now) = (self.store.clone(), self.target.clone(), self.clock.now());
        off_the_executor(move || {
            store.targets().moved(&target, &fed.position, lines, &refused, now)
        })
        .await?;
        events::target_took(lines, count);
        let progress = Progress {
            position: fed.position,
            lines: before.lines + lines,
            refused: before.refused + count,
        };
        self.progress = Some(progress);
        if 0 < count {
            self.refused_until = Some(now + REFUSED_NOTICE_S);
            let params = [("count", progress.refused.to_string())];
            self.health.raise(Code::InfluxLinesRefused, "", Level::Warn, params);
        }
        if 0 < lines + count {
            self.well();
        }
        Ok(true)
    }

    /// Sends the sums of days that are others than before; returns whether all is well.
    async fn send_days(&mut self) -> Result<bool, StoreError> {
        let sums = Arc::clone(&self.day_sums);
        let days = off_the_executor(move || sums()).await?;
        let mut lines = Lines::default();
        days.iter().for_each(|day| lines.push_day(day));
        self.days_due = self.clock.now() + DAYS_EVERY_S;
        if lines == self.days_sent {
            return Ok(true);
        }
        match deliver(&self.client, &lines, &self.clock).await {
            Ok(delivered) => {
                if let Some(first) = delivered.refused.first() {
                    events::target_refuses_days(&first.reason);
                }
                events::target_took(delivered.lines, 0);
                self.days_sent = lines;
                self.well();
                Ok(true)
            }
            Err(trouble) => {
                self.days_due = i64::MIN;
                let position = self.progress.unwrap_or_default().position;
                self.tell(trouble, &position).await?;
                Ok(false)
            }
        }
    }

    fn well(&mut self) {
        if 0 < self.tries {
            events::target_back();
        }
        self.tries = 0;
        self.health.clear(Code::InfluxAway, "");
        self.health.clear(Code::InfluxRefuses, "");
    }

    /// Says what is wrong and how much waits, and holds the next try back.
    async fn tell(&mut self, trouble: Trouble, position: &Position) -> Result<(), StoreError> {
        let (store, position) = (self.store.clone(), *position);
        let waiting = off_the_executor(move || store.series().feed_waiting(&position)).await?;
        let now = self.clock.now();
        let lag_s = waiting.since.map_or(0, |since| now.saturating_sub(since)).max(0);
        events::target_lags(waiting.readings, lag_s.unsigned_abs());
        let mut params =
            vec![("readings", waiting.readings.to_string()), ("seconds", lag_s.to_string())];
        self.tries = self.tries.saturating_add(1);
        match trouble {
            Trouble::Later { class, reason, after_s } => {
                let wait = back_off_s(self.tries, &self.target).max(after_s.unwrap_or(0));
                self.held_until = now.saturating_add(wait);
                events::target_failed(class, &reason, wait);
                params.extend([("class", class.to_owned()), ("reason", reason)]);
                self.health.clear(Code::InfluxRefuses, "");
                self.health.raise(Code::InfluxAway, "", Level::Warn, params);
            }
            Trouble::Stopped { status, reason } => {
                self.held_until = now.saturating_add(STOPPED_S);
                events::target_failed("refused", &reason, STOPPED_S);
                params.extend([("status", status.to_string()), ("reason", reason)]);
                self.health.clear(Code::InfluxAway, "");
                self.health.raise(Code::InfluxRefuses, "", Level::Error, params);
            }
        }
        Ok(())
    }
}

/// Returns how long to wait after so many failed tries, s: twice as long each time up to a
/// bound, and of that a random part, so that gateways that lost the same server do not come
/// back all at once.
pub(super) fn back_off_s(tries: u32, target: &str) -> i64 {
    let full = BACK_OFF_S.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(BACK_OFF_MAX_S);
    let mut random = [0; 4];
    // Without a source of randomness the name of the target is as good.
    if getrandom::fill(&mut random).is_err() {
        random = crc32fast::hash(target.as_bytes()).to_le_bytes();
    }
    let part = i64::from(u32::from_le_bytes(random)) % (full / 2 + 1);
    full / 2 + part
}

/// What was read from the store, as lines, and where it leads.
pub(super) struct Part {
    pub(super) fed: Fed,
    pub(super) lines: Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    New,
    Owed,
}

/// Reads what comes after a position.
pub(super) async fn read(
    store: &Store,
    position: Position,
    kind: Kind,
    labels: &Arc<Labels>,
) -> Result<Part, StoreError> {
    let (store, labels) = (store.clone(), Arc::clone(labels));
    off_the_executor(move || {
        let mut lines = Lines::default();
        let mut each = |arrival: &crate::store::Arrival| lines.push(arrival, &labels);
        let series = store.series();
        let fed = match kind {
            Kind::New => series.feed_new(&position, PACKS_MAX, &mut each)?,
            Kind::Owed => series.feed_owed(&position, PACKS_MAX, &mut each)?,
        };
        Ok(Part { fed, lines })
    })
    .await
}

/// Runs what waits for the disk where it holds up nobody else.
pub(super) async fn off_the_executor<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        // We never cancel it, so it panicked, and so do we.
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
