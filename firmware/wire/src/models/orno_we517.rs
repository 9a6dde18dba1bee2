//! ORNO OR-WE-516 and OR-WE-517: three phases, direct or behind transformers.
//!
//! All values are single floats; power comes in kilowatts.
//!
//! Source: the maker's register description (function 3); addresses compared with the
//! `orno3p` map of the mbmd project.

use super::{
    AMPERE, HERTZ, KILOVAR, KILOVAR_HOUR, KILOVOLT_AMPERE, KILOWATT, KILOWATT_HOUR, Medium, Model,
    ONE, VOLT, float,
};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn holding(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Holding, address, WordOrder::Abcd, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "orno-we517",
    maker: "ORNO",
    name: "OR-WE-517 / OR-WE-516",
    source: "ORNO register description OR-WE-516 & OR-WE-517; compared with mbmd (orno3p)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            holding(Quantity::VoltageL1, 0x000E, VOLT),
            holding(Quantity::VoltageL2, 0x0010, VOLT),
            holding(Quantity::VoltageL3, 0x0012, VOLT),
            holding(Quantity::Frequency, 0x0014, HERTZ),
            holding(Quantity::CurrentL1, 0x0016, AMPERE),
            holding(Quantity::CurrentL2, 0x0018, AMPERE),
            holding(Quantity::CurrentL3, 0x001A, AMPERE),
            holding(Quantity::ActivePower, 0x001C, KILOWATT),
            holding(Quantity::ActivePowerL1, 0x001E, KILOWATT),
            holding(Quantity::ActivePowerL2, 0x0020, KILOWATT),
            holding(Quantity::ActivePowerL3, 0x0022, KILOWATT),
            holding(Quantity::ReactivePower, 0x0024, KILOVAR),
            holding(Quantity::ApparentPower, 0x002C, KILOVOLT_AMPERE),
            holding(Quantity::PowerFactor, 0x0034, ONE),
            holding(Quantity::ActiveEnergyImport, 0x0108, KILOWATT_HOUR),
            holding(Quantity::ActiveEnergyExport, 0x0110, KILOWATT_HOUR),
            holding(Quantity::ReactiveEnergyImport, 0x0120, KILOVAR_HOUR),
            holding(Quantity::ReactiveEnergyExport, 0x0128, KILOVAR_HOUR),
        ],
        read_limit: 60,
        answer_ms: 500,
        turnaround_ms: 20,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::Even, stop_bits: 1 },
};
