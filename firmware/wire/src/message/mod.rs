//! MQTT payloads: what is said on each topic, byte for byte.
//!
//! CBOR (RFC 8949), definite lengths only. A reader skips map keys it does not know, so a
//! key can be added; nothing else can change without a new version in the topic. Readings
//! use the labels of SenML (RFC 8428), so that other software can read them too.
//!
//! In and out: a message and its bytes. Afterwards: decoding what was encoded gives the
//! same message; no bytes make decoding panic; a message never needs more than its
//! `BYTES_MAX`. `README.md` is the protocol document; the tests hold golden bytes.

mod cbor;
mod command;
mod pack;
mod plan;
mod state;
mod update;

pub use command::{
    Action, Command, CommandResult, Outcome, RESULT_DATA_MAX, SCAN_UNITS_MAX, Scan,
    TRACE_REGISTERS_MAX, Task, Trace,
};
pub use pack::{Clock, INSTANT_MIN, Pack, READINGS_MAX};
pub use plan::{
    ENTRIES_MAX, FORBIDDEN_MAX, MAPS_MAX, METERS_MAX, Plan, PlanFault, PlanMap, PlannedMeter,
    PlannedSwitch, SWITCHES_MAX,
};
pub use state::{Applied, AppliedResult, Faults, State, Version};
pub use update::{
    ImageMark, Manifest, PIECE, SIGNATURE_LEN, UpdateAsk, UpdateFault, UpdatePiece, UpdateState,
};

use core::fmt;

/// Why a message has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The buffer is smaller than the message.
    NoRoom,
    /// The instant is one that a reader would take for "so long ago" ([`INSTANT_MIN`]).
    Instant,
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// No CBOR, or not of the shape that the protocol asks for.
    Malformed,
    /// Something that must be said is not.
    Missing,
    /// A word or a number that stands for nothing we know.
    Unknown,
    /// A number outside what it can mean.
    OutOfRange,
    /// More items than a message can have.
    TooMany,
    /// More bytes after the message's end.
    Trailing,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRoom => "the buffer is too small for the message",
            Self::Instant => "the instant lies before 1978-07-04 and would be taken for an age",
        })
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not the CBOR that the protocol asks for",
            Self::Missing => "something that must be said is missing",
            Self::Unknown => "a word or number that stands for nothing known",
            Self::OutOfRange => "a number is out of range",
            Self::TooMany => "more items than a message can have",
            Self::Trailing => "bytes after the end of the message",
        })
    }
}

impl core::error::Error for EncodeError {}
impl core::error::Error for DecodeError {}

#[cfg(test)]
mod tests;
