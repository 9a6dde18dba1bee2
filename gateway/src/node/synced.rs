//! The outbox of a node on Linux: readings are on the disk before they are offered.
//!
//! In: packs, as fast as meters are read; nobody waits for the disk with one. Out: the same
//! packs, once a sync has covered them. [`keep_synced`] syncs soon after something was pushed,
//! and what comes while the disk works shares the next sync.
//!
//! Afterwards: a pack that was offered to a broker is there after a power cut, until it is
//! settled; one that the power cut takes had been offered to nobody, as if its meter had not
//! been read. A number of a command is on the disk before the command is carried out. That a
//! pack was settled is not synced: it may come again, and whoever gets it twice knows it. While
//! a disk fails, what does not fit into a bounded memory beside it is dropped and counted, and
//! what is on the disk already stays there and is offered.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use firmware::outbox::{Outbox, Ticket};
use firmware::{FlashFault, FlashOutbox};
use wire::Name;

use super::file::{Backing, Disk, FileFlash};
use crate::events;

/// How long a pack waits for others before the sync: the meters of a bus are due together.
const GATHER: Duration = Duration::from_millis(20);

/// How long a disk that failed is left alone.
const REST: Duration = Duration::from_secs(1);

/// An outbox that shows only what is on the disk.
pub(super) struct SyncedOutbox<D> {
    outbox: FlashOutbox<FileFlash<D>>,
    backing: Arc<Backing<D>>,
    /// All before it are settled, on a disk that fails in this run only.
    floor: Ticket,
    /// How many found no room beside a disk that fails.
    refused: u32,
}

impl<D: Disk> SyncedOutbox<D> {
    /// Opens what the last run left, and begins a new run: its number is on the disk.
    pub(super) async fn open(backing: Arc<Backing<D>>, fresh_boot: u32) -> io::Result<Self> {
        let outbox = FlashOutbox::open(FileFlash(Arc::clone(&backing)), fresh_boot).await;
        let outbox = outbox.map_err(|fault| match fault {
            FlashFault::TooSmall => io::Error::other("it is too small"),
            FlashFault::Broken => io::Error::other("it cannot be read or written"),
        })?;
        // What the last run left may be in the system's memory only, if it was killed.
        backing.pushed(outbox.next());
        backing.sync_apart().await?;
        let floor = outbox.first();
        Ok(Self { outbox, backing, floor, refused: 0 })
    }

    /// Returns which run this is.
    pub(super) fn boot(&self) -> u32 {
        self.outbox.boot()
    }
}

impl<D: Disk> Outbox for SyncedOutbox<D> {
    async fn push(&mut self, payload: &[u8]) {
        // The flash is not asked: it would look for a better page, and give up old ones for it.
        if !self.backing.has_room().await {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        self.outbox.push(payload).await;
        self.backing.pushed(self.outbox.next());
    }

    async fn peek(&mut self, from: Ticket, out: &mut [u8]) -> Option<(Ticket, usize)> {
        let (from, synced) = (from.max(self.first()), self.backing.synced());
        if synced <= from {
            return None;
        }
        self.outbox.peek(from, out).await.filter(|&(ticket, _)| ticket < synced)
    }

    async fn settle(&mut self, before: Ticket) {
        self.floor = self.floor.max(before.min(self.next()));
        if !self.backing.is_full() {
            self.outbox.settle(self.floor).await;
        }
    }

    fn first(&self) -> Ticket {
        self.floor.max(self.outbox.first())
    }

    fn next(&self) -> Ticket {
        self.outbox.next()
    }

    fn dropped(&self) -> u32 {
        self.outbox.dropped().saturating_add(self.refused)
    }

    async fn keep_command(&mut self, id: u32) -> bool {
        self.backing.has_room().await
            && self.outbox.keep_command(id).await
            && self.backing.sync_apart().await.is_ok()
    }

    fn last_command(&self) -> u32 {
        self.outbox.last_command()
    }

    async fn keep_plan(&mut self, plan: &[u8]) {
        if self.backing.has_room().await {
            self.outbox.keep_plan(plan).await;
            // A disk that refuses is told of and tried again with the next pack.
            self.backing.sync_apart().await.unwrap_or_default();
        }
    }

    async fn kept_plan(&mut self, out: &mut [u8]) -> Option<usize> {
        self.outbox.kept_plan(out).await
    }
}

/// Syncs whenever something was pushed, and calls `offer` when there is more to offer.
pub(super) async fn keep_synced<D: Disk>(
    backing: &Arc<Backing<D>>,
    node: Name,
    offer: impl Fn(),
) -> Infallible {
    loop {
        backing.due().await;
        tokio::time::sleep(GATHER).await;
        let mut told = false;
        while let Err(error) = backing.sync_apart().await {
            if !told {
                events::outbox_not_synced(&node, &error);
                told = true;
            }
            tokio::time::sleep(REST).await;
        }
        if told {
            tracing::info!(%node, "outbox is on the disk again");
        }
        offer();
    }
}

#[cfg(test)]
mod tests;
