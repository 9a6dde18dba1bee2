//! What a meter speaks, and what it is called on its line.
//!
//! Modbus counts its meters from 1 to 247. The two national protocols give each meter the
//! number on its plate: twelve decimal digits in DL/T 645-2007, fourteen in CJ/T 188, two to
//! a byte, the lowest first. An [`Address`] is that number with one digit to four bits, so
//! its bytes are those on the line; a unit id is a plain number.
//!
//! A digit above 9 is a wildcard on those lines. No plan can carry one ([`Address::fits`]):
//! with it two meters would answer at once. Asking a lone meter for its number is for whoever
//! installs it (`firmware::rtu`).

use crate::modbus::Table;

/// What meters speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Modbus: registers.
    Modbus,
    /// DL/T 645-2007: electricity.
    Dlt645,
    /// CJ/T 188-2004 and -2018: water, gas, heat.
    Cjt188,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Modbus, Self::Dlt645, Self::Cjt188];

    /// Returns the protocol that reads a table.
    #[must_use]
    pub const fn of(table: Table) -> Self {
        match table {
            Table::Coil | Table::DiscreteInput | Table::Holding | Table::Input => Self::Modbus,
            Table::Dlt645 => Self::Dlt645,
            Table::Cjt188 => Self::Cjt188,
        }
    }

    /// Returns how many digits a meter's number has; 0 where meters have a unit id.
    #[must_use]
    pub const fn digits(self) -> u32 {
        match self {
            Self::Modbus => 0,
            Self::Dlt645 => 12,
            Self::Cjt188 => 14,
        }
    }

    /// Returns the word for it in the site book.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Modbus => "modbus",
            Self::Dlt645 => "dlt645",
            Self::Cjt188 => "cjt188",
        }
    }
}

/// What a meter is called on its line.
// Packed, so that a meter of a plan takes 52 bytes and not 56 in the RAM of a microcontroller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(Rust, packed(4))]
pub struct Address(u64);

impl Address {
    /// Returns the address of a Modbus meter.
    #[must_use]
    pub const fn unit_id(unit_id: u8) -> Self {
        Self(unit_id as u64)
    }

    /// Returns the address that a plan writes as this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number that stands for this address in plans.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Returns the address that the digits on a plate spell, with or without the zeros in
    /// front; `None` if there is another character or there are too many.
    #[must_use]
    pub fn from_digits(text: &str, protocol: Protocol) -> Option<Self> {
        let digits = text.len();
        if digits == 0 || usize::try_from(protocol.digits()).ok()? < digits {
            return None;
        }
        let append = |number: u64, byte: u8| {
            byte.is_ascii_digit().then(|| number << 4 | u64::from(byte & 0xF))
        };
        text.bytes().try_fold(0, append).map(Self)
    }

    /// Returns whether one meter can be meant by this address: a unit id from 1 to 247, or
    /// decimal digits that are not all nines, which is everybody.
    #[must_use]
    pub const fn fits(self, protocol: Protocol) -> bool {
        let number = self.0;
        let digits = protocol.digits();
        if digits == 0 {
            return 1 <= number && number <= 247;
        }
        let everybody = 0x9999_9999_9999_9999 >> (64 - digits * 4);
        // A carry out of four bits shows a digit above 9.
        let sixes = 0x6666_6666_6666_6666;
        let decimal = (number.wrapping_add(sixes) ^ number ^ sixes) & 0x1111_1111_1111_1110 == 0;
        decimal && number < everybody
    }
}
