//! Carlo Gavazzi EM24 with RS-485: three phases, direct or behind transformers.
//!
//! Signed 32-bit numbers with the low register first (`CDAB`). The counters have steps of
//! 100 Wh. The EM24 with Ethernet and the EM340 have another map: [`super::carlo_gavazzi_em340`].
//!
//! Source: the maker's EM24-DIN communication protocol (function 4); addresses and steps
//! compared with the `cgem24` map of the mbmd project.

use super::{Medium, Model};
use crate::Quantity;
use crate::modbus::{
    Entry, LineSettings, Parity, Ratio, RegisterMap, Scale, Table, Type, Undefined, WordOrder,
};

pub(super) const fn input(quantity: Quantity, address: u32, ty: Type, thousandths: i32) -> Entry {
    Entry {
        quantity,
        table: Table::Input,
        address,
        offset: 0,
        ty,
        order: WordOrder::Cdab,
        scale: Scale::thousandths(thousandths),
        // What the meter's display shows as EEE.
        undefined: Undefined::MaxSigned,
        ratio: Ratio::None,
    }
}

pub(super) const TENTH: i32 = 100;
pub(super) const THOUSANDTH: i32 = 1;
pub(super) const TENTH_KILOWATT_HOUR: i32 = 100_000;

pub(super) const MODEL: Model = Model {
    id: "carlo-gavazzi-em24",
    maker: "Carlo Gavazzi",
    name: "EM24-DIN (RS-485)",
    source: "Carlo Gavazzi EM24-DIN communication protocol; compared with mbmd (cgem24)",
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
            input(Quantity::ActivePower, 0x0028, Type::I32, TENTH),
            input(Quantity::PowerFactor, 0x0035, Type::I16, THOUSANDTH),
            input(Quantity::Frequency, 0x0037, Type::I16, TENTH),
            input(Quantity::ActiveEnergyImport, 0x0042, Type::I32, TENTH_KILOWATT_HOUR),
            input(Quantity::ActiveEnergyExport, 0x005C, Type::I32, TENTH_KILOWATT_HOUR),
        ],
        // Older ones answer no more than 11 registers at once.
        read_limit: 11,
        answer_ms: 500,
        turnaround_ms: 20,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
