//! Accepts or rejects one payload of readings, with a reason.
//!
//! In: the node that a topic names, the bytes that came by it, and the site book's list
//! of who reads what.
//! Out: an [`Arrival`], or the reason why not.
//!
//! Afterwards an accepted pack is of a known meter of a known node, its instant lies
//! between 2020 and five minutes from now, and each of its values is one that the
//! quantity can physically have; a value that is not is absent, as out of range.
//!
//! Not here: whether a value is plausible for this meter (`analysis::interval` decides
//! that, with later readings at hand).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use wire::message::Pack;
use wire::{Absence, List, Name, Quantity, Reading, Value};

use crate::store::Arrival;

/// How far a node's clock may be ahead of ours, in seconds. Nodes keep time by NTP or by
/// a crystal that loses seconds a day; five minutes is neither.
pub const AHEAD_MAX_S: i64 = 300;

/// 2020-01-01T00:00:00Z: no meter was read before this product existed. A node without a
/// clock starts in 1970 or 2000.
pub const EARLIEST: i64 = 1_577_836_800;

/// Why a payload is no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The bytes are no pack.
    Unreadable,
    /// The site book does not know this node.
    UnknownNode,
    /// The site book does not know this meter, or another node reads it.
    UnknownMeter,
    /// The instant lies more than [`AHEAD_MAX_S`] ahead.
    Future,
    /// The instant lies before [`EARLIEST`].
    TooOld,
    /// The topic is none of ours, or belongs to another node.
    ForeignTopic,
    /// Longer than any message about meters.
    TooLong,
    /// No meter of the site book is that device of that mapping.
    UnknownDevice,
    /// What stands at a mapped place is no number.
    WrongType,
    /// Nothing stands at any mapped place.
    NoValue,
    /// There is no time where the mapping says that there is one.
    NoTime,
    /// Neither the mapping nor the device tells the unit.
    NoUnit,
    /// The same again, without a time of its own: nobody knows how old it is.
    Repeat,
    /// Kept by a broker, without a time of its own: nobody knows how old it is.
    Retained,
    /// A condition of the mapping does not hold.
    Unwanted,
    /// The edge node's birth is missing, so its aliases mean nothing yet.
    NoBirth,
}

impl Reason {
    /// Returns the word for counters, rows and pages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::UnknownNode => "unknown-node",
            Self::UnknownMeter => "unknown-meter",
            Self::Future => "future",
            Self::TooOld => "too-old",
            Self::ForeignTopic => "foreign-topic",
            Self::TooLong => "too-long",
            Self::UnknownDevice => "unknown-device",
            Self::WrongType => "wrong-type",
            Self::NoValue => "no-value",
            Self::NoTime => "no-time",
            Self::NoUnit => "no-unit",
            Self::Repeat => "repeat",
            Self::Retained => "retained",
            Self::Unwanted => "unwanted",
            Self::NoBirth => "no-birth",
        }
    }

    /// Returns whether the payload is kept aside for a person.
    ///
    /// What a stranger sends is not: it would push out what belongs to the site. Of what
    /// a mapping cannot use, [`super::mapped`] keeps one message of each kind.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        matches!(self, Self::Unreadable | Self::UnknownMeter | Self::Future | Self::TooOld)
    }
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the large variant is the one that happens")]
pub enum Verdict {
    /// Store it.
    Accept(Arrival),
    /// Do not store it as a reading.
    Reject {
        /// Why.
        reason: Reason,
        /// Whether it is kept aside for a person.
        quarantine: bool,
    },
}

/// Who reads what, by the site book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    nodes: BTreeSet<Name>,
    readers: BTreeMap<Name, Name>,
}

impl Roster {
    /// Returns the roster of these pairs of meter and node that reads it. Of a meter
    /// named twice, the last node counts.
    pub fn new(readers: impl IntoIterator<Item = (Name, Name)>) -> Self {
        let readers: BTreeMap<Name, Name> = readers.into_iter().collect();
        Self { nodes: readers.values().copied().collect(), readers }
    }

    /// Returns whether there is nobody to hear from.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns whether any meter is read by this node.
    #[must_use]
    pub fn knows(&self, node: &Name) -> bool {
        self.nodes.contains(node)
    }

    /// Returns the node that reads a meter.
    #[must_use]
    pub fn reader(&self, meter: &Name) -> Option<&Name> {
        self.readers.get(meter)
    }
}

/// Accepts or rejects a payload that came by a node's `readings` topic.
///
/// `received` is now, in Unix seconds.
#[must_use]
pub fn check(node: &Name, payload: &[u8], received: i64, known: &Roster) -> Verdict {
    if !known.knows(node) {
        return reject(Reason::UnknownNode);
    }
    let Ok(mut pack) = Pack::decode(payload) else {
        return reject(Reason::Unreadable);
    };
    if known.reader(&pack.meter) != Some(node) {
        return reject(Reason::UnknownMeter);
    }
    if received.saturating_add(AHEAD_MAX_S) < pack.instant {
        return reject(Reason::Future);
    }
    if pack.instant < EARLIEST {
        return reject(Reason::TooOld);
    }
    if !pack.readings.iter().all(is_possible) {
        pack.readings = pack.readings.iter().map(without_impossible).fold(
            List::new(),
            |mut readings, reading| {
                // As many as there were, so there is room.
                readings.push(reading).ok();
                readings
            },
        );
    }
    Verdict::Accept(Arrival { node: *node, received, pack })
}

fn reject(reason: Reason) -> Verdict {
    Verdict::Reject { reason, quarantine: reason.is_kept() }
}

fn is_possible(reading: &Reading) -> bool {
    match reading.value {
        Value::Measured(value) => possible(reading.quantity).contains(&value),
        Value::Absent(_) => true,
    }
}

pub(super) fn without_impossible(reading: &Reading) -> Reading {
    if is_possible(reading) {
        *reading
    } else {
        Reading { value: Value::Absent(Absence::OutOfRange), ..*reading }
    }
}

/// Returns the values that a quantity can have at a building's meter, in thousandths of
/// its unit. Wide on purpose: what lies outside is a broken register, not a strange day.
#[must_use]
pub fn possible(quantity: Quantity) -> RangeInclusive<i64> {
    const THOUSAND: i64 = 1_000;
    const MILLION: i64 = 1_000_000;
    const BILLION: i64 = 1_000_000_000;
    let units = match quantity {
        // A campus of the size of a town draws 100 MW.
        Quantity::ActivePower
        | Quantity::ActivePowerL1
        | Quantity::ActivePowerL2
        | Quantity::ActivePowerL3
        | Quantity::ReactivePower
        | Quantity::HeatPower => -100 * MILLION..=100 * MILLION,
        Quantity::ApparentPower => 0..=100 * MILLION,
        // Some meters round to 1.01.
        Quantity::PowerFactor => return -1_100..=1_100,
        // A dead phase shows 0; grids run at 50 or 60.
        Quantity::Frequency => 0..=100,
        // Primary side of the largest voltage transformer in a user's hands: 110 kV.
        Quantity::VoltageL1 | Quantity::VoltageL2 | Quantity::VoltageL3 => 0..=150 * THOUSAND,
        Quantity::CurrentL1 | Quantity::CurrentL2 | Quantity::CurrentL3 => {
            -100 * THOUSAND..=100 * THOUSAND
        }
        // 100 MW for ten years is 9 TWh.
        Quantity::ActiveEnergyImport
        | Quantity::ActiveEnergyExport
        | Quantity::ReactiveEnergyImport
        | Quantity::ReactiveEnergyExport
        | Quantity::ActiveEnergyImportT1
        | Quantity::ActiveEnergyImportT2
        | Quantity::ActiveEnergyImportT3
        | Quantity::ActiveEnergyImportT4
        | Quantity::HeatEnergy => 0..=10_000 * BILLION,
        // A billion cubic metres.
        Quantity::Volume | Quantity::VolumeReverse | Quantity::StandardVolume => {
            0..=1_000 * BILLION
        }
        Quantity::VolumeFlow | Quantity::StandardVolumeFlow => -BILLION..=BILLION,
        // Absolute zero to molten glass, rounded.
        Quantity::Temperature | Quantity::ReturnTemperature => -273..=1_500,
        // Vacuum to 1,000 bar, gauge or absolute.
        Quantity::Pressure => -110 * THOUSAND..=100 * MILLION,
        // Full sun is 130,000 lx.
        Quantity::Illuminance => 0..=200 * THOUSAND,
        // Wet sensors show a little over 100.
        Quantity::Humidity => 0..=110,
        Quantity::Presence => 0..=1,
        // Sixteen bits at the most.
        Quantity::Status => 0..=65_535,
    };
    units.start() * THOUSAND..=units.end() * THOUSAND
}

#[cfg(test)]
mod tests;
