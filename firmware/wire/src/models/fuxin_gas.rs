//! Fuxin (福鑫) gas volume corrector.
//!
//! Totals come twice, as a single float and as twelve decimal digits with four decimals.
//! At 12 million m³ the float has steps of one whole cubic metre, so the digits are taken.
//! The utility bills the volume at standard conditions.
//!
//! Source: the maker's block of 20 registers from 0x000A (function 3) as documented in a
//! PLC function block for it; its sample 12345686.4222 m³ is checked in the tests.

use super::{CELSIUS, CUBIC_METRE, CUBIC_METRE_PER_HOUR, KILOPASCAL, Medium, Model, float};
use crate::Quantity;
use crate::modbus::{
    Entry, LineSettings, Parity, Ratio, RegisterMap, Scale, Table, Type, Undefined, WordOrder,
};

const fn holding(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Holding, address, WordOrder::Abcd, thousandths, Ratio::None)
}

const fn total(quantity: Quantity, address: u32) -> Entry {
    Entry {
        quantity,
        table: Table::Holding,
        address,
        offset: 0,
        ty: Type::Bcd { digits: 12 },
        order: WordOrder::Abcd,
        scale: Scale::thousandths(CUBIC_METRE / 10_000),
        undefined: Undefined::AllOnes,
        ratio: Ratio::None,
    }
}

pub(super) const MODEL: Model = Model {
    id: "fuxin-gas",
    maker: "福鑫 Fuxin",
    name: "气体体积修正仪",
    source: "Fuxin gas corrector, registers 0x000A to 0x001D, as in its PLC function block",
    medium: Medium::Gas,
    counter: Quantity::StandardVolume,
    map: RegisterMap {
        entries: &[
            holding(Quantity::StandardVolumeFlow, 0x0010, CUBIC_METRE_PER_HOUR),
            total(Quantity::StandardVolume, 0x0012),
            holding(Quantity::VolumeFlow, 0x0015, CUBIC_METRE_PER_HOUR),
            total(Quantity::Volume, 0x0017),
            holding(Quantity::Temperature, 0x001A, CELSIUS),
            holding(Quantity::Pressure, 0x001C, KILOPASCAL),
        ],
        // The block that the maker documents as one read.
        read_limit: 20,
        answer_ms: 1_000,
        turnaround_ms: 20,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
