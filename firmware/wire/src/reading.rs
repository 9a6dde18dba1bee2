//! A value, or the reason why there is none.

use crate::Quantity;

/// What one read of one quantity came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// In thousandths of the quantity's unit: mWh, mW, mV, mL.
    Measured(i64),
    /// There is no value, and this is why. Never a zero that means "don't know".
    Absent(Absence),
}

/// Why there is no value.
///
/// The codes are the protocol: they stand in stored rows and in messages of nodes that
/// hang in ceilings. A code is never given a second meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Absence {
    /// The meter did not answer in time.
    Timeout = 1,
    /// The meter answered with a Modbus exception.
    Refused = 2,
    /// The value lies outside what the register map or the unit can carry.
    OutOfRange = 3,
    /// The meter says that it is broken, or that this register is undefined.
    DeviceFault = 4,
    /// What came back was no valid answer: bad CRC, wrong unit id, wrong length.
    Garbled = 5,
    /// The bus itself could not be reached (no converter, no cable).
    BusDown = 6,
}

impl Absence {
    /// Every reason, in the order of its code.
    pub const ALL: [Self; 6] = [
        Self::Timeout,
        Self::Refused,
        Self::OutOfRange,
        Self::DeviceFault,
        Self::Garbled,
        Self::BusDown,
    ];

    /// Returns the number that stands for this reason in rows.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Returns the reason with this number, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.id() == id)
    }

    /// Returns the word that stands for this reason in messages and in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::OutOfRange => "out-of-range",
            Self::DeviceFault => "device-fault",
            Self::Garbled => "garbled",
            Self::BusDown => "bus-down",
        }
    }

    /// Returns the reason that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// One quantity of one meter at the instant of its pack: a fact, never altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reading {
    /// What was read.
    pub quantity: Quantity,
    /// What it came to.
    pub value: Value,
}

// A default only so that readings can lie in a `List`; it is never sent.
impl Default for Reading {
    fn default() -> Self {
        Self { quantity: Quantity::ActivePower, value: Value::Absent(Absence::Timeout) }
    }
}
