//! What can be asked of the meters' line, and how it can fail.

use wire::Address;
use wire::modbus::{LineSettings, RegisterMap, Table};
use wire::reading::Absence;

/// How a meter wants to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long it may think before its answer begins.
    pub answer_ms: u16,
    /// How long it wants to be left alone after an answer, beyond the silent time.
    pub turnaround_ms: u16,
}

impl Pace {
    /// That of a unit that nobody knows yet. Meters answer within 60 to 80 ms, slow ones within
    /// 200; a serial server adds some.
    pub const UNKNOWN: Self = Self { answer_ms: 300, turnaround_ms: 0 };

    /// Returns the pace that a register map asks for.
    #[must_use]
    pub const fn of(map: &RegisterMap<'_>) -> Self {
        Self { answer_ms: map.answer_ms, turnaround_ms: map.turnaround_ms }
    }
}

/// Some registers (or bits) of one meter, in a row, or the data behind one identifier.
///
/// There is no request to write, clear, switch or set anything, in any protocol: neither this
/// type nor what makes frames of it has a word for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the meter is called on its line.
    pub meter: Address,
    /// In which table they lie.
    pub table: Table,
    /// The first of them, as on the wire, or the identifier.
    pub address: u32,
    /// How the meter wants to be treated.
    pub pace: Pace,
}

/// Why there are no registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PollError {
    /// Not a byte came within the meter's time.
    Silent,
    /// The meter refused, with this Modbus exception code, or the error byte of its protocol.
    Refused(u8),
    /// An answer of the right shape with the wrong check sum.
    BadCrc,
    /// An answer that began and did not end.
    Truncated,
    /// A good answer of another meter.
    WrongUnit,
    /// A good answer of this meter to another question.
    WrongAnswer,
    /// Bytes that are no answer at all.
    Noise,
    /// The line itself cannot be reached: no converter, no cable.
    BusDown,
}

impl PollError {
    /// Returns the reason that readings are absent for.
    #[must_use]
    pub const fn absence(self) -> Absence {
        match self {
            Self::Silent => Absence::Timeout,
            Self::Refused(_) => Absence::Refused,
            Self::BadCrc | Self::Truncated | Self::WrongUnit | Self::WrongAnswer | Self::Noise => {
                Absence::Garbled
            }
            Self::BusDown => Absence::BusDown,
        }
    }
}

/// A line with meters on it.
pub trait Bus {
    /// Takes over the settings of the line; a bus without any does nothing.
    fn set_line(&mut self, line: LineSettings) {
        let _unused = line;
    }

    /// Reads `out.len()` registers in a row, 1 to 125; a bit comes as a word of 0 or 1, and of
    /// the data behind an identifier each of the first bytes as a word of 0 to 255.
    ///
    /// # Errors
    ///
    /// [`PollError`] says what came instead; `out` is unchanged or partly written then.
    async fn read(&mut self, request: &Request, out: &mut [u16]) -> Result<(), PollError>;

    /// Switches the coil that a request names. Whether it did is for [`Self::read`] to say: a
    /// converter that echoes says yes to everything.
    ///
    /// # Errors
    ///
    /// [`PollError`] says what came instead of the meter's answer; a bus that cannot write
    /// refuses as a meter does that knows no such function.
    async fn write_coil(&mut self, request: &Request, on: bool) -> Result<(), PollError> {
        let _unused = (request, on);
        Err(PollError::Refused(1))
    }

    /// Returns the bytes that came in answer to the last request, if the bus has bytes to show.
    fn heard(&self) -> &[u8] {
        &[]
    }
}
