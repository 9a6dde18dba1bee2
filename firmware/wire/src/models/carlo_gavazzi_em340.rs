//! Carlo Gavazzi EM330, EM340, ET330, ET340, and the EM24 with Ethernet: three phases.
//!
//! As the EM24 with RS-485, but frequency, power factor and counters lie elsewhere.
//!
//! Source: the maker's EM330/EM340/ET330/ET340 communication protocol (function 4);
//! addresses and steps compared with the `cgex3x0` map of the mbmd project.

use super::carlo_gavazzi_em24::{TENTH, TENTH_KILOWATT_HOUR, THOUSANDTH, input};
use super::{Medium, Model};
use crate::Quantity;
use crate::modbus::{LineSettings, Parity, RegisterMap, Type};

pub(super) const MODEL: Model = Model {
    id: "carlo-gavazzi-em340",
    maker: "Carlo Gavazzi",
    name: "EM340 / EM330 / ET340 / EM24 Ethernet",
    source: "Carlo Gavazzi EM330/EM340 communication protocol; compared with mbmd (cgex3x0)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            input(Quantity::VoltageL1, 0x0000, Type::I32, TENTH),
            input(Quantity::VoltageL2, 0x0002, Type::I32, TENTH),
            input(Quantity::VoltageL3, 0x0004, Type::I32, TENTH),
            input(Quantity::CurrentL1, 0x000C, Type::I32, THOUSANDTH),
            input(Quantity::CurrentL2, 0x000E, Type::I32, THOUSANDTH),
            input(Quantity::CurrentL3, 0x0010, Type::I32, THOUSANDTH),
            input(Quantity::ActivePowerL1, 0x0012, Type::I32, TENTH),
            input(Quantity::ActivePowerL2, 0x0014, Type::I32, TENTH),
            input(Quantity::ActivePowerL3, 0x0016, Type::I32, TENTH),
            input(Quantity::ActivePower, 0x0028, Type::I32, TENTH),
            input(Quantity::PowerFactor, 0x0031, Type::I16, THOUSANDTH),
            input(Quantity::Frequency, 0x0033, Type::I16, TENTH),
            input(Quantity::ActiveEnergyImport, 0x0034, Type::I32, TENTH_KILOWATT_HOUR),
            input(Quantity::ActiveEnergyExport, 0x004E, Type::I32, TENTH_KILOWATT_HOUR),
        ],
        read_limit: 50,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
