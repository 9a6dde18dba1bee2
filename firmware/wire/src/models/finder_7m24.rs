//! Finder 7M.24: one phase, up to 40 A direct.
//!
//! All values are single floats; the counters are in watt-hours.
//!
//! Source: the maker's "Modbus 7M.24 7M.38" v2 of 2021 (function 4); addresses compared
//! with the `finder7m24` map of the mbmd project.

use super::{
    AMPERE, HERTZ, Medium, Model, ONE, VAR, VAR_HOUR, VOLT, VOLT_AMPERE, WATT, WATT_HOUR, float,
};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

pub(super) const fn input(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Input, address, WordOrder::Abcd, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "finder-7m24",
    maker: "Finder",
    name: "7M.24",
    source: "Finder Modbus 7M.24 7M.38 v2; compared with mbmd (finder7m24)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            input(Quantity::VoltageL1, 2500, VOLT),
            input(Quantity::CurrentL1, 2516, AMPERE),
            input(Quantity::ActivePower, 2536, WATT),
            input(Quantity::ReactivePower, 2544, VAR),
            input(Quantity::ApparentPower, 2552, VOLT_AMPERE),
            input(Quantity::PowerFactor, 2560, ONE),
            input(Quantity::Frequency, 2584, HERTZ),
            input(Quantity::ActiveEnergyImport, 2752, WATT_HOUR),
            input(Quantity::ReactiveEnergyImport, 2754, VAR_HOUR),
            input(Quantity::ActiveEnergyExport, 2756, WATT_HOUR),
            input(Quantity::ReactiveEnergyExport, 2758, VAR_HOUR),
        ],
        read_limit: 100,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 19_200, parity: Parity::None, stop_bits: 1 },
};
