//! Register maps: what the registers of a meter mean, or its data identifiers.
//!
//! A map is data. It stands in [`crate::models`] for the meters we know, travels inside
//! the plan for the node, and may be written by a user; the node knows no meter model.
//!
//! In: registers as they came off the wire, the entry that describes them, the ratios of
//! the meter's transformers. Out: a [`crate::Value`] in thousandths of the quantity's unit.
//!
//! Afterwards ([`value`]):
//! - integers, decimals and floats are scaled exactly and rounded once, half away from zero;
//! - a pattern that the maker calls undefined is absent, not a number.
//!
//! DL/T 645-2007 and CJ/T 188 have no registers but data identifiers with some bytes behind
//! each. For a map they are two more tables: the identifier is the address, an entry lies some
//! bytes into its data, and one byte comes as one word.
//!
//! Not here: frames, CRC, sockets, requests (`firmware::rtu`, `firmware::planner`).

mod float;
pub mod unit;
pub mod value;

pub use value::{EncodeError, decode, encode, rollover};

use crate::{Protocol, Quantity};

/// Where values lie: the four tables of a Modbus device, or what data identifiers name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Read and write bits, function 1.
    Coil = 1,
    /// Read-only bits, function 2.
    DiscreteInput = 2,
    /// Read and write registers, function 3 ("4x").
    Holding = 3,
    /// Read-only registers, function 4 ("3x").
    Input = 4,
    /// Data of DL/T 645-2007. The address is the identifier DI3 DI2 DI1 DI0, as printed.
    Dlt645 = 17,
    /// Data of CJ/T 188. The address is the type of meter (10 cold water, 20 heat, 30 gas…)
    /// and the two bytes of the identifier in the order in which they are sent: meters differ.
    Cjt188 = 18,
}

impl Table {
    /// Every table, in the order of its number.
    pub const ALL: [Self; 6] =
        [Self::Coil, Self::DiscreteInput, Self::Holding, Self::Input, Self::Dlt645, Self::Cjt188];

    /// Returns the number that stands for this table in plans: for those of Modbus the function
    /// that reads it.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Returns the table with this number, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.id() == id)
    }

    /// Returns whether one address is one bit; it is read as a word of 0 or 1.
    #[must_use]
    pub const fn holds_bits(self) -> bool {
        matches!(self, Self::Coil | Self::DiscreteInput)
    }

    /// Returns whether one address is an identifier with bytes behind it; each of them is read
    /// as a word of 0 to 255.
    #[must_use]
    pub const fn holds_bytes(self) -> bool {
        matches!(self, Self::Dlt645 | Self::Cjt188)
    }

    /// Returns the highest address.
    #[must_use]
    pub const fn address_max(self) -> u32 {
        match self {
            Self::Coil | Self::DiscreteInput | Self::Holding | Self::Input => 0xFFFF,
            Self::Dlt645 => 0xFFFF_FFFF,
            Self::Cjt188 => 0xFF_FFFF,
        }
    }
}

/// The order of the bytes of a value within its registers, for 1 to 4 registers.
///
/// `A` is the most significant byte of a two-register value, as in Telegraf. Longer and
/// shorter values follow the same two rules: are the registers in order, and are the bytes
/// within each register in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum WordOrder {
    /// Registers in order, bytes in order: big endian, the Modbus norm.
    Abcd = 0,
    /// Registers reversed, bytes in order.
    Cdab = 1,
    /// Registers in order, bytes swapped.
    Badc = 2,
    /// Registers reversed, bytes swapped: little endian.
    Dcba = 3,
}

impl WordOrder {
    /// Every order, by its number in plans.
    pub const ALL: [Self; 4] = [Self::Abcd, Self::Cdab, Self::Badc, Self::Dcba];

    /// Returns the number that stands for this order in plans.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Returns the order with this number, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.id() == id)
    }

    pub(crate) const fn reverses_registers(self) -> bool {
        matches!(self, Self::Cdab | Self::Dcba)
    }

    pub(crate) const fn swaps_bytes(self) -> bool {
        matches!(self, Self::Badc | Self::Dcba)
    }
}

/// How a value lies in its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// 16-bit unsigned; also one bit of a table of bits.
    U16,
    /// 16-bit two's complement.
    I16,
    /// 32-bit unsigned.
    U32,
    /// 32-bit two's complement.
    I32,
    /// 64-bit unsigned.
    U64,
    /// 64-bit two's complement.
    I64,
    /// IEEE 754 single: 24 significant bits.
    F32,
    /// IEEE 754 double: 53 significant bits.
    F64,
    /// Packed decimal digits, four to a register; decimals are part of the scale.
    Bcd {
        /// 1 to [`BCD_DIGITS_MAX`].
        digits: u8,
    },
    /// Packed decimal digits whose highest bit is a minus, as DL/T 645 sends power and current.
    SignedBcd {
        /// 1 to [`BCD_DIGITS_MAX`].
        digits: u8,
    },
    /// Eight packed decimal digits and the code of their unit, as CJ/T 188 sends what it
    /// counts; in five bytes, so only where one address is one identifier.
    WithUnit {
        /// The unit that the scale is of ([`mod@unit`]). A meter that sends another one of the
        /// same kind is converted, one of another kind is out of range.
        unit: u8,
    },
}

/// The most decimal digits in one value: four registers of four.
pub const BCD_DIGITS_MAX: u8 = 16;

/// The most registers that one value takes.
pub const VALUE_WORDS_MAX: usize = 4;

/// The most words that one value takes: registers, or bytes behind an identifier.
pub const VALUE_LEN_MAX: usize = 8;

impl Type {
    /// Returns how many registers a value takes, 1 to [`VALUE_WORDS_MAX`] for a checked entry.
    #[must_use]
    pub const fn words(self) -> u16 {
        match self {
            Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
            Self::Bcd { digits } | Self::SignedBcd { digits } => (digits as u16).div_ceil(4),
            Self::WithUnit { .. } => 3,
        }
    }

    /// Returns how many bytes a value takes behind a data identifier.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        match self {
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::Bcd { digits } | Self::SignedBcd { digits } => (digits as u16).div_ceil(2),
            Self::WithUnit { .. } => 5,
        }
    }
}

/// What a meter puts into a register when it has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Undefined {
    /// The maker names no such pattern.
    None = 0,
    /// All bits set (ABB, unsigned).
    AllOnes = 1,
    /// The largest signed value, 7FFF… (ABB, signed).
    MaxSigned = 2,
    /// The smallest signed value, 8000… (SunSpec, signed).
    MinSigned = 3,
    /// Not-a-number, in a float.
    Nan = 4,
}

impl Undefined {
    /// Every pattern, by its number in plans.
    pub const ALL: [Self; 5] =
        [Self::None, Self::AllOnes, Self::MaxSigned, Self::MinSigned, Self::Nan];

    /// Returns the number that stands for this pattern in plans.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Returns the pattern with this number, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|pattern| pattern.id() == id)
    }
}

/// Which transformer ratio turns the register's value into that of the circuit.
///
/// A meter behind transformers that shows values of its own terminals needs them; one that
/// already shows values of the circuit does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ratio {
    /// The register already counts the circuit.
    None = 0,
    /// Voltage: times the voltage transformer's ratio.
    Pt = 1,
    /// Current: times the current transformer's ratio.
    Ct = 2,
    /// Power and energy: times both.
    PtCt = 3,
}

impl Ratio {
    /// Every ratio, by its number in plans.
    pub const ALL: [Self; 4] = [Self::None, Self::Pt, Self::Ct, Self::PtCt];

    /// Returns the number that stands for this ratio in plans.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Returns the ratio with this number, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|ratio| ratio.id() == id)
    }
}

/// The ratios of a meter's transformers, in thousandths: 1,000 is a ratio of 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratios {
    /// Of the voltage transformers.
    pub pt: u32,
    /// Of the current transformers: 200:5 is 40,000.
    pub ct: u32,
}

impl Ratios {
    /// No transformers.
    pub const ONE: Self = Self { pt: 1000, ct: 1000 };
}

impl Default for Ratios {
    fn default() -> Self {
        Self::ONE
    }
}

/// How many thousandths of the quantity's unit one step of the register is: an exact
/// fraction, never zero.
// 32 bits, so that an entry takes 20 bytes: a plan holds up to 144 of them in the RAM of a
// microcontroller. The largest step of any meter we know is a megapascal, 10^9 thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scale {
    numerator: i32,
    denominator: u32,
}

impl Scale {
    /// Returns a scale of whole thousandths; 0, which is no scale, becomes 1.
    #[must_use]
    pub const fn thousandths(numerator: i32) -> Self {
        Self { numerator: if numerator == 0 { 1 } else { numerator }, denominator: 1 }
    }

    /// Returns a fraction as a scale, or `None` if either part is zero.
    #[must_use]
    pub const fn fraction(numerator: i32, denominator: u32) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        Some(Self { numerator, denominator })
    }

    /// Returns the upper part of the fraction; negative if the meter's sign is not ours.
    #[must_use]
    pub const fn numerator(self) -> i32 {
        self.numerator
    }

    /// Returns the lower part of the fraction.
    #[must_use]
    pub const fn denominator(self) -> u32 {
        self.denominator
    }
}

/// One value in a meter's registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What is measured; fixes unit and sign.
    pub quantity: Quantity,
    /// Where it lies.
    pub table: Table,
    /// The first register, as on the wire (manuals often count from 1), or the identifier.
    pub address: u32,
    /// How many bytes behind the identifier the value begins; 0 for registers.
    pub offset: u8,
    /// How it lies there.
    pub ty: Type,
    /// In which order its bytes come.
    pub order: WordOrder,
    /// What one step is worth.
    pub scale: Scale,
    /// What stands there when there is no value.
    pub undefined: Undefined,
    /// Which transformers stand before it.
    pub ratio: Ratio,
}

// A default only so that entries can lie in a `List`; it is never polled.
impl Default for Entry {
    fn default() -> Self {
        Self {
            quantity: Quantity::ActivePower,
            table: Table::Holding,
            address: 0,
            offset: 0,
            ty: Type::U16,
            order: WordOrder::Abcd,
            scale: Scale::thousandths(1),
            undefined: Undefined::None,
            ratio: Ratio::None,
        }
    }
}

impl Entry {
    /// Returns how many words the value comes in: registers, bits, or bytes behind an
    /// identifier; at most [`VALUE_LEN_MAX`] for a checked entry.
    #[must_use]
    pub const fn span(&self) -> u16 {
        if self.table.holds_bytes() { self.ty.bytes() } else { self.ty.words() }
    }
}

/// The registers of one meter model, and how it wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterMap<'a> {
    /// The values, in any order.
    pub entries: &'a [Entry],
    /// The most registers (or bits) the meter gives in one answer, 1 to 125; of the bytes
    /// behind an identifier, how many are looked at.
    pub read_limit: u16,
    /// How long the meter may think before its answer begins.
    pub answer_ms: u16,
    /// How long it wants to be left alone after an answer, beyond the silent time.
    pub turnaround_ms: u16,
    /// Registers that must not be read, first to last: some meters refuse the whole request.
    pub forbidden: &'a [(u16, u16)],
}

impl RegisterMap<'_> {
    /// Returns what the meter speaks: what the first entry of the map is read with.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.entries.first().map_or(Protocol::Modbus, |entry| Protocol::of(entry.table))
    }
}

/// Parity of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Parity {
    /// No parity bit.
    None = 0,
    /// Even parity: what Modbus asks for.
    Even = 1,
    /// Odd parity.
    Odd = 2,
}

impl Parity {
    /// Every parity, by its number in plans.
    pub const ALL: [Self; 3] = [Self::None, Self::Even, Self::Odd];

    /// Returns the number that stands for this parity in plans.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Returns the parity with this number, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|parity| parity.id() == id)
    }
}

/// How a serial line is set. A bus over TCP ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineSettings {
    /// Bits per second, 1,200 to 115,200.
    pub baud: u32,
    /// Parity.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}

impl LineSettings {
    /// Returns how many bits one character takes on the line: start, eight, parity, stop.
    #[must_use]
    pub const fn bits_per_character(self) -> u32 {
        let parity = match self.parity {
            Parity::None => 0,
            Parity::Even | Parity::Odd => 1,
        };
        let stop = if self.stop_bits == 2 { 2 } else { 1 };
        1 + 8 + parity + stop
    }
}

impl Default for LineSettings {
    /// 9,600 baud 8N1: what meters in the field leave the factory with.
    fn default() -> Self {
        Self { baud: 9600, parity: Parity::None, stop_bits: 1 }
    }
}
