//! Eastron SDM630-Modbus: three phases, up to 100 A direct.
//!
//! All values are single floats of the circuit itself, so the energy counter shows steps of
//! 2 Wh from 16,384 kWh on and of 8 Wh from 65,536 kWh on; that is the meter's limit.
//!
//! Source: the maker's "SDM630-Modbus protocol", input registers (function 4); addresses
//! compared with the `sdm` map of the mbmd project.

use super::{AMPERE, HERTZ, KILOWATT_HOUR, Medium, Model, VAR, VOLT, WATT, float};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn input(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Input, address, WordOrder::Abcd, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "eastron-sdm630",
    maker: "Eastron",
    name: "SDM630-Modbus",
    source: "Eastron SDM630-Modbus protocol, input registers; compared with mbmd (sdm)",
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
            input(Quantity::ActivePower, 0x0034, WATT),
            input(Quantity::ReactivePower, 0x003C, VAR),
            input(Quantity::PowerFactor, 0x003E, 1_000),
            input(Quantity::Frequency, 0x0046, HERTZ),
            input(Quantity::ActiveEnergyImport, 0x0048, KILOWATT_HOUR),
            input(Quantity::ActiveEnergyExport, 0x004A, KILOWATT_HOUR),
        ],
        // The maker allows 30 values in one request, two registers each; more is refused.
        read_limit: 60,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
