//! Acrel (安科瑞) ADW300: three phases behind clamp-on transformers.
//!
//! Values are those behind the transformers that the maker delivers with it; others need
//! their ratios in the site book. Counters have steps of 10 Wh.
//!
//! Source: register addresses (function 3) as the evcc project's template for the meter
//! states them.

use super::{CENTI_KILOWATT_HOUR, Medium, Model, integer};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, Type, Undefined};

const fn holding(
    quantity: Quantity,
    address: u32,
    ty: Type,
    thousandths: i32,
    ratio: Ratio,
) -> Entry {
    integer(quantity, Table::Holding, address, ty, thousandths, Undefined::None, ratio)
}

const WATT: i32 = super::WATT;

pub(super) const MODEL: Model = Model {
    id: "acrel-adw300",
    maker: "安科瑞 Acrel",
    name: "ADW300",
    source: "Acrel ADW300 registers, as in evcc's template",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            holding(Quantity::VoltageL1, 20, Type::U16, 100, Ratio::Pt),
            holding(Quantity::VoltageL2, 21, Type::U16, 100, Ratio::Pt),
            holding(Quantity::VoltageL3, 22, Type::U16, 100, Ratio::Pt),
            holding(Quantity::CurrentL1, 26, Type::U16, 10, Ratio::Ct),
            holding(Quantity::CurrentL2, 27, Type::U16, 10, Ratio::Ct),
            holding(Quantity::CurrentL3, 28, Type::U16, 10, Ratio::Ct),
            holding(Quantity::ActivePowerL1, 30, Type::I32, WATT, Ratio::PtCt),
            holding(Quantity::ActivePowerL2, 32, Type::I32, WATT, Ratio::PtCt),
            holding(Quantity::ActivePowerL3, 34, Type::I32, WATT, Ratio::PtCt),
            holding(Quantity::ActivePower, 36, Type::I32, WATT, Ratio::PtCt),
            holding(Quantity::ActiveEnergyImport, 62, Type::U32, CENTI_KILOWATT_HOUR, Ratio::PtCt),
            holding(Quantity::ActiveEnergyExport, 64, Type::U32, CENTI_KILOWATT_HOUR, Ratio::PtCt),
        ],
        // As for the rest of the family.
        read_limit: 10,
        answer_ms: 500,
        turnaround_ms: 20,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
