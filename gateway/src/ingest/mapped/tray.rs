//! Joins readings of one meter and instant that come in several messages.
//!
//! Many devices publish each value on a topic of its own; the store shows one pack for
//! each meter and instant. So each message becomes a pack of all that is known of its
//! instant, numbered by how much that is, and the fullest one is seen.
//!
//! Whatever their order, the same messages end in the same pack. The tray holds the last
//! [`INSTANTS_MAX`] instants of a meter; of an older one each message stands for itself.

use std::collections::BTreeMap;

use wire::message::READINGS_MAX;
use wire::{List, Name, Quantity, Reading, Value};

/// How many instants of a meter are held: two minutes of a device that tells each second.
pub(super) const INSTANTS_MAX: usize = 128;

/// What was told of each meter lately. Bounded by the meters of the site book.
#[derive(Debug, Default)]
pub(super) struct Tray {
    meters: BTreeMap<Name, BTreeMap<i64, Known>>,
}

type Known = BTreeMap<Quantity, Value>;

impl Tray {
    /// Adds readings; returns all of that meter and instant, in order of quantity, and
    /// how many there were besides the first.
    pub(super) fn join(
        &mut self,
        meter: Name,
        instant: i64,
        readings: &[Reading],
    ) -> (List<Reading, READINGS_MAX>, u32) {
        let instants = self.meters.entry(meter).or_default();
        let known = instants.entry(instant).or_default();
        for reading in readings {
            if READINGS_MAX <= known.len() && !known.contains_key(&reading.quantity) {
                continue;
            }
            let value = known.entry(reading.quantity).or_insert(reading.value);
            // Two answers for one instant: the same one wins whatever came first, and of
            // a counter that moved within the second it is the later.
            if rank(*value) < rank(reading.value) {
                *value = reading.value;
            }
        }
        let mut joined = List::new();
        for (&quantity, &value) in &*known {
            // Never more than there is room for.
            joined.push(Reading { quantity, value }).ok();
        }
        let besides = u32::try_from(joined.len().saturating_sub(1)).unwrap_or(u32::MAX);
        while INSTANTS_MAX < instants.len() {
            instants.pop_first();
        }
        (joined, besides)
    }

    /// Forgets meters that are none any more.
    pub(super) fn keep(&mut self, known: impl Fn(&Name) -> bool) {
        self.meters.retain(|meter, _| known(meter));
    }
}

fn rank(value: Value) -> (bool, i64) {
    match value {
        Value::Measured(value) => (true, value),
        Value::Absent(reason) => (false, i64::from(reason.id())),
    }
}
