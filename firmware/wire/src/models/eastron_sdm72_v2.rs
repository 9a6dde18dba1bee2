//! Eastron SDM72D-M-2: three phases, up to 100 A direct, with its phases.
//!
//! The map is a part of the SDM630's, without reactive counters.
//!
//! Source: the maker's SDM72D-M v2 Modbus protocol, input registers (function 4); addresses
//! compared with the `sdm72v2` map of the mbmd project.

use super::{
    AMPERE, HERTZ, KILOWATT_HOUR, Medium, Model, ONE, VAR, VOLT, VOLT_AMPERE, WATT, float,
};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn input(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Input, address, WordOrder::Abcd, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "eastron-sdm72-v2",
    maker: "Eastron",
    name: "SDM72D-M-2",
    source: "Eastron SDM72D-M v2 Modbus protocol, input registers; compared with mbmd (sdm72v2)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            input(Quantity::VoltageL1, 0x0000, VOLT),
            input(Quantity::VoltageL2, 0x0002, VOLT),
            input(Quantity::VoltageL3, 0x0004, VOLT),
            input(Quantity::CurrentL1, 0x0006, AMPERE),
            input(Quantity::CurrentL2, 0x0008, AMPERE),
            input(Quantity::CurrentL3, 0x000A, AMPERE),
            input(Quantity::ActivePowerL1, 0x000C, WATT),
            input(Quantity::ActivePowerL2, 0x000E, WATT),
            input(Quantity::ActivePowerL3, 0x0010, WATT),
            input(Quantity::ActivePower, 0x0034, WATT),
            input(Quantity::ApparentPower, 0x0038, VOLT_AMPERE),
            input(Quantity::ReactivePower, 0x003C, VAR),
            input(Quantity::PowerFactor, 0x003E, ONE),
            input(Quantity::Frequency, 0x0046, HERTZ),
            input(Quantity::ActiveEnergyImport, 0x0048, KILOWATT_HOUR),
            input(Quantity::ActiveEnergyExport, 0x004A, KILOWATT_HOUR),
        ],
        read_limit: 60,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
