//! Eastron SDM72D-M: three phases, up to 100 A direct, totals only.
//!
//! It shows power and the two counters and nothing of its phases. Its successor has the
//! phases as well and is [`super::eastron_sdm72_v2`].
//!
//! Source: the maker's SDM72 Modbus protocol, input registers (function 4); addresses
//! compared with the `sdm72` map of the mbmd project.

use super::{KILOWATT_HOUR, Medium, Model, WATT, float};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn input(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Input, address, WordOrder::Abcd, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "eastron-sdm72",
    maker: "Eastron",
    name: "SDM72D-M",
    source: "Eastron SDM72 Modbus protocol, input registers; compared with mbmd (sdm72)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            input(Quantity::ActivePower, 0x0034, WATT),
            input(Quantity::ActiveEnergyImport, 0x0048, KILOWATT_HOUR),
            input(Quantity::ActiveEnergyExport, 0x004A, KILOWATT_HOUR),
        ],
        read_limit: 60,
        answer_ms: 500,
        turnaround_ms: 0,
        // Nothing lies between power and counters; asked for, the meter refuses all of it.
        forbidden: &[(0x0036, 0x0047)],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
