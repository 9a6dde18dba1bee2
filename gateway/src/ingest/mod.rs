//! The front gate for readings: two doors, one gate.
//!
//! In: MQTT messages of nodes and of other people's devices, by the gateway's own listener ([`listen`]) or through
//! somebody else's broker ([`broker`]).
//! Out: accepted packs on one bounded queue, each with a receipt to be signed once it is
//! stored; what the nodes said about themselves ([`board`]).
//!
//! Afterwards:
//! - a message is acknowledged only after its receipt was signed, so what a node may
//!   forget is what the store has synced;
//! - a payload that nobody can read is put aside and acknowledged, so it blocks nothing;
//! - every rejection is counted under its reason.
//!
//! When the queue is full, the doors wait: they read no more than their windows allow,
//! the nodes keep what they have, and nothing is lost.
//!
//! Not here: storing (the recorder signs the receipts), what readings mean.
//!
//! Reading order:
//!
//! - [`gate`]: accepts or rejects one payload, with a reason;
//! - [`board`]: plans to nodes, states from nodes;
//! - [`updates`]: new programs for nodes;
//! - [`mapped`]: the same for other people's devices, by the site book's mappings;
//! - [`door`]: what both doors do with a message;
//! - [`listen`]: the gateway's own MQTT listener;
//! - [`broker`]: somebody else's broker.

pub mod board;
pub mod broker;
pub mod door;
#[cfg(test)]
pub(crate) mod fixture;
pub mod gate;
pub mod listen;
pub mod mapped;
pub mod updates;

use tokio::sync::{mpsc, oneshot};

use crate::store::{Arrival, Unreadable};

/// How many messages may wait between the doors and the recorder.
///
/// Four commits' worth (the recorder takes 1,000 at a time), so that the recorder
/// never waits for a door. A waiting pack takes about 700 bytes: 3 MiB in all.
pub const WAITING_MAX: usize = 4_096;

/// What a message turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the large variant is the one that happens")]
pub enum Intake {
    /// Readings.
    Reading(Arrival),
    /// Something that is kept aside for a person to look at.
    Quarantine(Unreadable),
    /// A message of somebody else's device: any number of packs, and the message itself
    /// if there is something in it to look at.
    Mapped(Vec<Arrival>, Option<Unreadable>),
}

/// Something to be stored, and the receipt to sign afterwards.
#[derive(Debug)]
pub struct Incoming {
    /// What is to be stored.
    pub what: Intake,
    /// Signed by sending `()` once the store has synced it. Dropped unsigned, the message
    /// is not acknowledged and will come again.
    pub receipt: oneshot::Sender<()>,
}

/// Returns the queue between the doors and the recorder.
#[must_use]
pub fn queue() -> (mpsc::Sender<Incoming>, mpsc::Receiver<Incoming>) {
    mpsc::channel(WAITING_MAX)
}
