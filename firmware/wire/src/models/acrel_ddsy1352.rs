//! Acrel (安科瑞) DDSY1352: one phase, prepaid, direct.
//!
//! The counter has steps of 10 Wh. What is prepaid is none of ours: we only read.
//!
//! Source: the maker's DDSY1352 manual, register table (function 3).

use super::{CENTI_KILOWATT_HOUR, Medium, Model, integer};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, Type, Undefined};

const fn holding(quantity: Quantity, address: u32, ty: Type, thousandths: i32) -> Entry {
    integer(quantity, Table::Holding, address, ty, thousandths, Undefined::None, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "acrel-ddsy1352",
    maker: "安科瑞 Acrel",
    name: "DDSY1352",
    source: "Acrel DDSY1352 manual, register table",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            holding(Quantity::ActiveEnergyImport, 0x0000, Type::U32, CENTI_KILOWATT_HOUR),
            holding(Quantity::VoltageL1, 0x000B, Type::U16, 100),
            holding(Quantity::CurrentL1, 0x000C, Type::U16, 10),
            holding(Quantity::ActivePower, 0x000D, Type::I16, 1_000),
            holding(Quantity::ApparentPower, 0x000F, Type::U16, 1_000),
            holding(Quantity::PowerFactor, 0x0010, Type::I16, 1),
        ],
        // As for the rest of the family.
        read_limit: 10,
        answer_ms: 500,
        turnaround_ms: 20,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
