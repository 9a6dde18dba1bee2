//! Siemens SENTRON PAC2200: three phases, direct or behind transformers.
//!
//! The meter knows its transformers. Power and voltage are single floats, the counters
//! double floats in watt-hours, so they show every one of them. There are two tariffs;
//! these are the counters of the first, which is the only one unless somebody set a second.
//!
//! Source: the maker's PAC2200 manual, table of measured variables (function 4); addresses
//! compared with the `pac2200` map of the mbmd project.

use super::{AMPERE, Medium, Model, ONE, VAR, VOLT, VOLT_AMPERE, WATT, WATT_HOUR, float};
use crate::Quantity;
use crate::modbus::{
    Entry, LineSettings, Parity, Ratio, RegisterMap, Scale, Table, Type, Undefined, WordOrder,
};

const fn input(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Input, address, WordOrder::Abcd, thousandths, Ratio::None)
}

const fn counter(quantity: Quantity, address: u32) -> Entry {
    Entry {
        quantity,
        table: Table::Input,
        address,
        offset: 0,
        ty: Type::F64,
        order: WordOrder::Abcd,
        scale: Scale::thousandths(WATT_HOUR),
        undefined: Undefined::Nan,
        ratio: Ratio::None,
    }
}

pub(super) const MODEL: Model = Model {
    id: "siemens-pac2200",
    maker: "Siemens 西门子",
    name: "SENTRON PAC2200",
    source: "Siemens PAC2200 manual, measured variables; compared with mbmd (pac2200)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            input(Quantity::VoltageL1, 1, VOLT),
            input(Quantity::VoltageL2, 3, VOLT),
            input(Quantity::VoltageL3, 5, VOLT),
            input(Quantity::CurrentL1, 13, AMPERE),
            input(Quantity::CurrentL2, 15, AMPERE),
            input(Quantity::CurrentL3, 17, AMPERE),
            input(Quantity::ActivePowerL1, 25, WATT),
            input(Quantity::ActivePowerL2, 27, WATT),
            input(Quantity::ActivePowerL3, 29, WATT),
            input(Quantity::ApparentPower, 63, VOLT_AMPERE),
            input(Quantity::ActivePower, 65, WATT),
            input(Quantity::ReactivePower, 67, VAR),
            input(Quantity::PowerFactor, 69, ONE),
            counter(Quantity::ActiveEnergyImport, 801),
            counter(Quantity::ActiveEnergyExport, 809),
        ],
        read_limit: 120,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 19_200, parity: Parity::None, stop_bits: 1 },
};
