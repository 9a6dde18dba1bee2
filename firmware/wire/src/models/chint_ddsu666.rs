//! Chint (正泰) DDSU666: one phase, direct.
//!
//! All values are single floats; power comes in kilowatts.
//!
//! Source: the maker's DDSU666 register table as the Tasmota project reads it (function 4).

use super::{AMPERE, HERTZ, KILOVAR, KILOWATT, KILOWATT_HOUR, Medium, Model, ONE, VOLT, float};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn input(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Input, address, WordOrder::Abcd, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "chint-ddsu666",
    maker: "正泰 Chint",
    name: "DDSU666",
    source: "Chint DDSU666 registers, as the Tasmota project reads them",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            input(Quantity::VoltageL1, 0x2000, VOLT),
            input(Quantity::CurrentL1, 0x2002, AMPERE),
            input(Quantity::ActivePower, 0x2004, KILOWATT),
            input(Quantity::ReactivePower, 0x2006, KILOVAR),
            input(Quantity::PowerFactor, 0x200A, ONE),
            input(Quantity::Frequency, 0x200E, HERTZ),
            input(Quantity::ActiveEnergyImport, 0x4000, KILOWATT_HOUR),
            input(Quantity::ActiveEnergyExport, 0x400A, KILOWATT_HOUR),
        ],
        // What Tasmota's one request asks for is 16; more is not known to be given.
        read_limit: 16,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
