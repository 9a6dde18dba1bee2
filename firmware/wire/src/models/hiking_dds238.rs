//! Hiking DDS238-2 ZN/S: one phase, up to 65 A direct.
//!
//! Counters have steps of 10 Wh, and can be cleared by writing to them, so a reset is
//! possible at any time; we only read.
//!
//! Source: the meter's register table (function 3) as its open readers print it; an answer
//! published by one of them is checked in the tests.

use super::{CENTI_KILOWATT_HOUR, Medium, Model, VAR, WATT, integer};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, Type, Undefined};

const fn holding(quantity: Quantity, address: u32, ty: Type, thousandths: i32) -> Entry {
    integer(quantity, Table::Holding, address, ty, thousandths, Undefined::None, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "hiking-dds238",
    maker: "Hiking 海客",
    name: "DDS238-2 ZN/S",
    source: "DDS238-2 ZN/S register table, as its open readers print it",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            holding(Quantity::ActiveEnergyExport, 0x0008, Type::U32, CENTI_KILOWATT_HOUR),
            holding(Quantity::ActiveEnergyImport, 0x000A, Type::U32, CENTI_KILOWATT_HOUR),
            holding(Quantity::VoltageL1, 0x000C, Type::U16, 100),
            holding(Quantity::CurrentL1, 0x000D, Type::U16, 10),
            holding(Quantity::ActivePower, 0x000E, Type::I16, WATT),
            holding(Quantity::ReactivePower, 0x000F, Type::I16, VAR),
            holding(Quantity::PowerFactor, 0x0010, Type::U16, 1),
            holding(Quantity::Frequency, 0x0011, Type::U16, 10),
        ],
        // The 18 registers that its readers ask for at once.
        read_limit: 18,
        answer_ms: 500,
        turnaround_ms: 20,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
