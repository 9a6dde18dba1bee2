//! Janitza UMG 96RM and B series: three phases behind transformers.
//!
//! The meter knows its transformers. All values are single floats, and so are the counters,
//! in watt-hours: at 16,777 kWh their steps are 1 Wh, at 134,000 kWh 8 Wh.
//!
//! Source: the maker's Modbus address list of the UMG 96RM, from 19000 (function 3);
//! addresses compared with the `janitza` map of the mbmd project.

use super::{AMPERE, HERTZ, Medium, Model, VOLT, WATT, WATT_HOUR, float};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn holding(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Holding, address, WordOrder::Abcd, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "janitza-umg",
    maker: "Janitza",
    name: "UMG 96RM / B series",
    source: "Janitza UMG 96RM Modbus address list; compared with mbmd (janitza)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            holding(Quantity::VoltageL1, 0x4A38, VOLT),
            holding(Quantity::VoltageL2, 0x4A3A, VOLT),
            holding(Quantity::VoltageL3, 0x4A3C, VOLT),
            holding(Quantity::CurrentL1, 0x4A44, AMPERE),
            holding(Quantity::CurrentL2, 0x4A46, AMPERE),
            holding(Quantity::CurrentL3, 0x4A48, AMPERE),
            holding(Quantity::ActivePowerL1, 0x4A4C, WATT),
            holding(Quantity::ActivePowerL2, 0x4A4E, WATT),
            holding(Quantity::ActivePowerL3, 0x4A50, WATT),
            holding(Quantity::ActivePower, 0x4A52, WATT),
            holding(Quantity::Frequency, 0x4A6A, HERTZ),
            holding(Quantity::ActiveEnergyImport, 0x4A7C, WATT_HOUR),
            holding(Quantity::ActiveEnergyExport, 0x4A84, WATT_HOUR),
        ],
        read_limit: 125,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
