//! Eastron SDM120-Modbus: one phase, up to 45 A direct.
//!
//! All values are single floats of the circuit itself; see [`super::eastron_sdm630`] for
//! the steps that its counter shows.
//!
//! Source: the maker's "SDM120 Modbus protocol", input registers (function 4); addresses
//! compared with the `sdm120` map of the mbmd project.

use super::{
    AMPERE, HERTZ, KILOVAR_HOUR, KILOWATT_HOUR, Medium, Model, ONE, VAR, VOLT, VOLT_AMPERE, WATT,
    float,
};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn input(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Input, address, WordOrder::Abcd, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "eastron-sdm120",
    maker: "Eastron",
    name: "SDM120-Modbus",
    source: "Eastron SDM120 Modbus protocol, input registers; compared with mbmd (sdm120)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            input(Quantity::VoltageL1, 0x0000, VOLT),
            input(Quantity::CurrentL1, 0x0006, AMPERE),
            input(Quantity::ActivePower, 0x000C, WATT),
            input(Quantity::ApparentPower, 0x0012, VOLT_AMPERE),
            input(Quantity::ReactivePower, 0x0018, VAR),
            input(Quantity::PowerFactor, 0x001E, ONE),
            input(Quantity::Frequency, 0x0046, HERTZ),
            input(Quantity::ActiveEnergyImport, 0x0048, KILOWATT_HOUR),
            input(Quantity::ActiveEnergyExport, 0x004A, KILOWATT_HOUR),
            input(Quantity::ReactiveEnergyImport, 0x004C, KILOVAR_HOUR),
            input(Quantity::ReactiveEnergyExport, 0x004E, KILOVAR_HOUR),
        ],
        // As for its larger sister: 30 values in one request.
        read_limit: 60,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    // Unlike its sisters it leaves the factory at 2,400 baud.
    line: LineSettings { baud: 2400, parity: Parity::None, stop_bits: 1 },
};
