//! Stores what the doors let in, and signs the receipts.
//!
//! In: [`Incoming`] from the queue, as many at a time as wait there.
//! Out: group commits; signed receipts; the newest reading of each meter, for live pages.
//!
//! Afterwards a receipt is signed only after the commit that holds its message was synced.
//! While the store cannot write, the batch is kept, nothing is signed, a notice stands on
//! the page, and it is tried again, ever more slowly: the nodes keep what is not
//! acknowledged. When there is room it goes on with the very same batch.
//!
//! It ends when every door is closed and all that came in is stored.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;
use wire::Name;

use crate::clock::Clock;
use crate::events;
use crate::health::{Code, Health, Level};
use crate::ingest::{Incoming, Intake};
use crate::live::{Happening, Live, Newest};
use crate::store::{Arrival, Recorded, Series, Store, StoreError, Unreadable};

/// How many messages one commit takes at most: at 8 quantities each some 150 kB, written
/// and synced in a few milliseconds.
pub const BATCH_MAX: usize = 1_000;

/// A failed commit is tried again after one second, then twice that, up to this.
const RETRY_S_MAX: u64 = 30;

/// How long the notice about payloads in quarantine stands after the last of them.
const QUARANTINE_NOTICE_S: i64 = 3_600;

/// Why the recorder ended though it was not asked to.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The store panicked.
    #[error("the store panicked")]
    Panicked(#[from] JoinError),
    /// The disk fails: what it says of earlier writes cannot be believed by this process.
    #[error("the gateway ends so that nothing is believed that is not on the disk")]
    DiskFails(#[source] StoreError),
}

/// The recorder, before it runs.
#[derive(Debug)]
pub struct Recorder {
    series: Series,
    clock: Clock,
    health: Health,
    live: Live,
    quarantined_at: Option<i64>,
}

/// What one commit is to hold.
#[derive(Debug, Default)]
struct Batch {
    arrivals: Vec<Arrival>,
    unreadable: Vec<Unreadable>,
    receipts: Vec<oneshot::Sender<()>>,
}

impl Recorder {
    /// Returns a recorder of this store, which tells its troubles to `health` and what
    /// it has stored to `live`.
    #[must_use]
    pub fn new(store: &Store, clock: &Clock, health: &Health, live: &Live) -> Self {
        Self {
            series: store.series().clone(),
            clock: clock.clone(),
            health: health.clone(),
            live: live.clone(),
            quarantined_at: None,
        }
    }

    /// Stores what comes by the queue, until every sender of it is gone and it is empty.
    ///
    /// # Errors
    ///
    /// The store panicked, or the disk fails. What was not signed comes again after a
    /// restart.
    pub async fn run(mut self, mut incoming: mpsc::Receiver<Incoming>) -> Result<(), RecordError> {
        let mut taken = Vec::with_capacity(BATCH_MAX);
        // Whatever waits: under load the next batch gathers while this one is written.
        while 0 < incoming.recv_many(&mut taken, BATCH_MAX).await {
            let mut batch = Batch::default();
            for Incoming { what, receipt } in taken.drain(..) {
                match what {
                    Intake::Reading(arrival) => batch.arrivals.push(arrival),
                    Intake::Quarantine(unreadable) => batch.unreadable.push(unreadable),
                    Intake::Mapped(arrivals, unreadable) => {
                        batch.arrivals.extend(arrivals);
                        batch.unreadable.extend(unreadable);
                    }
                }
                batch.receipts.push(receipt);
            }
            self.store(batch).await?;
        }
        Ok(())
    }

    /// Stores a batch, however long that takes, then signs.
    async fn store(&mut self, mut batch: Batch) -> Result<(), RecordError> {
        let mut retry_s = 0;
        let recorded = loop {
            let (back, result) = self.commit(batch).await?;
            batch = back;
            match result {
                Ok(recorded) => break recorded,
                Err(error) if error.is_disk_failing() => {
                    events::store_failed(&error);
                    return Err(RecordError::DiskFails(error));
                }
                Err(error) => {
                    let first = retry_s == 0;
                    retry_s = (retry_s * 2).clamp(1, RETRY_S_MAX);
                    self.complain(&error, first);
                    tokio::time::sleep(Duration::from_secs(retry_s)).await;
                }
            }
        };
        if 0 < retry_s {
            events::store_has_room();
            self.health.clear(Code::DiskFull, "");
            self.health.clear(Code::DiskReadOnly, "");
            self.health.clear(Code::WorkFailing, "record");
        }
        for receipt in batch.receipts {
            // The sender of the message may be gone; it will send again, to no effect.
            receipt.send(()).ok();
        }
        self.tell(&batch.arrivals, &recorded);
        Ok(())
    }

    /// Tries to store a batch, and gives it back.
    async fn commit(
        &self,
        batch: Batch,
    ) -> Result<(Batch, Result<Recorded, StoreError>), JoinError> {
        let series = self.series.clone();
        tokio::task::spawn_blocking(move || {
            let recorded = series.record_with_unreadable(&batch.arrivals, &batch.unreadable);
            (batch, recorded)
        })
        .await
    }

    fn complain(&self, error: &StoreError, first: bool) {
        if error.is_disk_full() {
            self.health.raise(Code::DiskFull, "", Level::Error, []);
            if first {
                events::store_full();
            }
        } else if matches!(error, StoreError::ReadOnly { .. }) {
            self.health.raise(Code::DiskReadOnly, "", Level::Error, []);
            if first {
                events::store_failed(error);
            }
        } else {
            let params = [("error", events::chain(error))];
            self.health.raise(Code::WorkFailing, "record", Level::Error, params);
            if first {
                events::store_failed(error);
            }
        }
    }

    fn tell(&mut self, arrivals: &[Arrival], recorded: &Recorded) {
        let readings = arrivals.iter().map(|arrival| arrival.pack.readings.len() as u64).sum();
        events::packs_accepted(arrivals.len() as u64);
        events::stored(readings, recorded.duplicate);
        // Of a node that catches up, pages want the end, not the way there.
        let mut newest: BTreeMap<Name, Newest> = BTreeMap::new();
        for arrival in arrivals {
            let told = Newest::of(&arrival.pack);
            let known = newest.entry(told.meter).or_insert(told);
            if known.instant < told.instant {
                *known = told;
            }
        }
        for told in newest.into_values() {
            self.live.tell(Happening::Reading(told));
        }
        let now = self.clock.now();
        if 0 < recorded.quarantined {
            self.quarantined_at = Some(now);
            self.health.raise(Code::PayloadsRejected, "", Level::Warn, []);
        } else if self.quarantined_at.is_some_and(|at| at + QUARANTINE_NOTICE_S <= now) {
            self.quarantined_at = None;
            self.health.clear(Code::PayloadsRejected, "");
        }
    }
}

#[cfg(test)]
mod tests;
