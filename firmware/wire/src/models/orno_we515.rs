//! ORNO OR-WE-514 and OR-WE-515: one phase, direct.
//!
//! Whole numbers; the counter has steps of 10 Wh and counts both directions together, so it
//! is not for a circuit with its own generation.
//!
//! Source: the maker's "Register description OR-WE-514 & OR-WE-515" (function 3); addresses
//! and steps compared with the `orno1p` map of the mbmd project.

use super::{CENTI_KILOWATT_HOUR, Medium, Model, VAR, VOLT_AMPERE, WATT, integer};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, Type, Undefined};

const fn holding(quantity: Quantity, address: u32, ty: Type, thousandths: i32) -> Entry {
    integer(quantity, Table::Holding, address, ty, thousandths, Undefined::None, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "orno-we515",
    maker: "ORNO",
    name: "OR-WE-515 / OR-WE-514",
    source: "ORNO register description OR-WE-514 & OR-WE-515; compared with mbmd (orno1p)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            holding(Quantity::Frequency, 0x0130, Type::U16, 10),
            holding(Quantity::VoltageL1, 0x0131, Type::U16, 10),
            holding(Quantity::CurrentL1, 0x0139, Type::U32, 1),
            holding(Quantity::ActivePower, 0x0140, Type::I32, WATT),
            holding(Quantity::ReactivePower, 0x0148, Type::I32, VAR),
            holding(Quantity::ApparentPower, 0x0150, Type::I32, VOLT_AMPERE),
            holding(Quantity::PowerFactor, 0x0158, Type::I16, 1),
            holding(Quantity::ActiveEnergyImport, 0xA000, Type::U32, CENTI_KILOWATT_HOUR),
        ],
        read_limit: 60,
        answer_ms: 500,
        turnaround_ms: 20,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::Even, stop_bits: 1 },
};
