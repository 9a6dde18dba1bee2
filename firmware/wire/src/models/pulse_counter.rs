//! A box that counts pulses: one for each medium, with the weight of a pulse in the site book.
//!
//! An unsigned 32-bit count at register 0 of the holding table, which such boxes have in
//! common. One pulse is one watt-hour or one litre times the meter's `ct`, so a water meter
//! of 10 litres a pulse has `ct = 10`, and an electricity meter of 1,600 pulses a
//! kilowatt-hour `ct = 0.625`. The box must keep its count through a power cut; one that
//! starts at zero is a reset each time.
//!
//! Source: ours; a box with its count elsewhere has a map of its own in the site book.

use super::{LITRE, Medium, Model, WATT_HOUR, integer};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, Type, Undefined};

const fn count(quantity: Quantity, thousandths: i32) -> Entry {
    integer(quantity, Table::Holding, 0, Type::U32, thousandths, Undefined::None, Ratio::Ct)
}

const LINE: LineSettings = LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 };

const fn map(entries: &'static [Entry]) -> RegisterMap<'static> {
    RegisterMap { entries, read_limit: 2, answer_ms: 500, turnaround_ms: 0, forbidden: &[] }
}

const SOURCE: &str = "a 32-bit count at holding register 0, weight as `ct`";

pub(super) const ELECTRICITY: Model = Model {
    id: "pulse-electricity",
    maker: "–",
    name: "脉冲 pulses, electricity",
    source: SOURCE,
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: map(&[count(Quantity::ActiveEnergyImport, WATT_HOUR)]),
    line: LINE,
};

pub(super) const GAS: Model = Model {
    id: "pulse-gas",
    maker: "–",
    name: "脉冲 pulses, gas",
    source: SOURCE,
    medium: Medium::Gas,
    counter: Quantity::Volume,
    map: map(&[count(Quantity::Volume, LITRE)]),
    line: LINE,
};

pub(super) const WATER: Model = Model {
    id: "pulse-water",
    maker: "–",
    name: "脉冲 pulses, water",
    source: SOURCE,
    medium: Medium::Water,
    counter: Quantity::Volume,
    map: map(&[count(Quantity::Volume, LITRE)]),
    line: LINE,
};
