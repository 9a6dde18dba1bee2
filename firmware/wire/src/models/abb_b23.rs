//! ABB B23, B24 and A43: three phases, direct (B23) or behind transformers (B24).
//!
//! A meter behind transformers knows them, so all values are those of the circuit. The
//! counters have steps of 10 Wh in 64 bits. A value that the meter does not have is all
//! ones, or the largest number for a signed one.
//!
//! Source: the maker's B23/B24 user manual, chapter "Communication with Modbus"
//! (function 3); addresses, steps and patterns compared with the `abb` map of mbmd.

use super::{CENTI_KILOWATT_HOUR, Medium, Model, integer};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, Type, Undefined};

const fn unsigned(quantity: Quantity, address: u32, ty: Type, thousandths: i32) -> Entry {
    integer(quantity, Table::Holding, address, ty, thousandths, Undefined::AllOnes, Ratio::None)
}

const fn signed(quantity: Quantity, address: u32, ty: Type, thousandths: i32) -> Entry {
    integer(quantity, Table::Holding, address, ty, thousandths, Undefined::MaxSigned, Ratio::None)
}

const TENTH: i32 = 100;
const HUNDREDTH: i32 = 10;

pub(super) const MODEL: Model = Model {
    id: "abb-b23",
    maker: "ABB",
    name: "B23 / B24 / A43",
    source: "ABB B23/B24 user manual, Modbus mapping tables; compared with mbmd (abb)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            unsigned(Quantity::ActiveEnergyImport, 0x5000, Type::U64, CENTI_KILOWATT_HOUR),
            unsigned(Quantity::ActiveEnergyExport, 0x5004, Type::U64, CENTI_KILOWATT_HOUR),
            unsigned(Quantity::VoltageL1, 0x5B00, Type::U32, TENTH),
            unsigned(Quantity::VoltageL2, 0x5B02, Type::U32, TENTH),
            unsigned(Quantity::VoltageL3, 0x5B04, Type::U32, TENTH),
            unsigned(Quantity::CurrentL1, 0x5B0C, Type::U32, HUNDREDTH),
            unsigned(Quantity::CurrentL2, 0x5B0E, Type::U32, HUNDREDTH),
            unsigned(Quantity::CurrentL3, 0x5B10, Type::U32, HUNDREDTH),
            signed(Quantity::ActivePower, 0x5B14, Type::I32, HUNDREDTH),
            signed(Quantity::ActivePowerL1, 0x5B16, Type::I32, HUNDREDTH),
            signed(Quantity::ActivePowerL2, 0x5B18, Type::I32, HUNDREDTH),
            signed(Quantity::ActivePowerL3, 0x5B1A, Type::I32, HUNDREDTH),
            unsigned(Quantity::Frequency, 0x5B2C, Type::U16, HUNDREDTH),
            signed(Quantity::PowerFactor, 0x5B3A, Type::I16, 1),
        ],
        read_limit: 125,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    // The manual names no factory setting; this is what the meters are usually found with.
    line: LineSettings { baud: 9600, parity: Parity::Even, stop_bits: 1 },
};
