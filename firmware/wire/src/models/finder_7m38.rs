//! Finder 7M.38: three phases, up to 80 A direct.
//!
//! The map of the 7M.24 with all three phases.
//!
//! Source: the maker's "Modbus 7M.24 7M.38" v2 of 2021 (function 4); addresses compared
//! with the `finder7m38` map of the mbmd project.

use super::finder_7m24::input;
use super::{AMPERE, HERTZ, Medium, Model, ONE, VAR, VAR_HOUR, VOLT, VOLT_AMPERE, WATT, WATT_HOUR};
use crate::Quantity;
use crate::modbus::{LineSettings, Parity, RegisterMap};

pub(super) const MODEL: Model = Model {
    id: "finder-7m38",
    maker: "Finder",
    name: "7M.38",
    source: "Finder Modbus 7M.24 7M.38 v2; compared with mbmd (finder7m38)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            input(Quantity::VoltageL1, 2500, VOLT),
            input(Quantity::VoltageL2, 2502, VOLT),
            input(Quantity::VoltageL3, 2504, VOLT),
            input(Quantity::CurrentL1, 2516, AMPERE),
            input(Quantity::CurrentL2, 2518, AMPERE),
            input(Quantity::CurrentL3, 2520, AMPERE),
            input(Quantity::ActivePowerL1, 2530, WATT),
            input(Quantity::ActivePowerL2, 2532, WATT),
            input(Quantity::ActivePowerL3, 2534, WATT),
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
