//! The newest of everything, told to whoever listens now.
//!
//! In: what the recorder has stored and what the journal has decided. Out: the same, to
//! every page that is open. Lossy by design: a listener that is too slow loses the oldest,
//! is told so, and fetches everything anew. The sender never waits.

use analysis::finding::FindingKind;
use tokio::sync::broadcast;
use wire::message::Pack;
use wire::{Name, Quantity, Value};

/// What a slow listener may be behind before it loses the oldest.
const BACKLOG: usize = 1_024;

/// What a meter told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Which meter.
    pub meter: Name,
    /// When it was read, Unix seconds.
    pub instant: i64,
    /// Active power, mW, if the meter told it.
    pub power_mw: Option<i64>,
    /// Flow, mL/h, if the meter told it; at the conditions that are billed where it can.
    pub flow_ml_h: Option<i64>,
}

/// Something that has just happened and is already stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A meter was read.
    Reading(Newest),
    /// A finding opened, closed, or was marked.
    Finding {
        /// Its number in the journal.
        id: i64,
        /// What was found.
        kind: FindingKind,
        /// Whether it is open.
        open: bool,
    },
    /// A command was given, sent, answered, or given up.
    Command {
        /// Its number in the journal.
        id: u32,
        /// Whom it is for.
        node: Name,
    },
}

impl Newest {
    /// Returns what a pack tells.
    #[must_use]
    pub fn of(pack: &Pack) -> Self {
        Self {
            meter: pack.meter,
            instant: pack.instant,
            power_mw: measured(pack, Quantity::ActivePower),
            flow_ml_h: measured(pack, Quantity::StandardVolumeFlow)
                .or_else(|| measured(pack, Quantity::VolumeFlow)),
        }
    }
}

fn measured(pack: &Pack, quantity: Quantity) -> Option<i64> {
    let reading = pack.readings.iter().find(|reading| reading.quantity == quantity)?;
    match reading.value {
        Value::Measured(value) => Some(value),
        Value::Absent(_) => None,
    }
}

/// Tells what happens to whoever listens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live(broadcast::Sender<Happening>);

impl Default for Live {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Live {
    /// Tells all who listen; that nobody does is fine.
    pub fn tell(&self, happening: Happening) {
        self.0.send(happening).ok();
    }

    /// Returns a receiver of everything from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Happening> {
        self.0.subscribe()
    }
}
