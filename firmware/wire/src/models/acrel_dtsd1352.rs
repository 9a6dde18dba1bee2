//! Acrel (安科瑞) DTSD1352 and ADL400: three phases, direct or behind transformers.
//!
//! All values are those of the meter's own terminals: one behind transformers needs their
//! ratios (its registers 0x008D and 0x008E) in the site book. Counters have steps of
//! 10 Wh and roll over at 2^32 of them; total, forward and reverse are separate counters,
//! and forward is what is drawn.
//!
//! Source: the maker's DTSD1352 manual, register table (function 3), and an open Arduino
//! library for it; the steps of power and energy are those of the family's manual.

use super::{CENTI_KILOWATT_HOUR, Medium, Model, VAR, VOLT_AMPERE, WATT, integer};
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

const TENTH: i32 = 100;
const HUNDREDTH: i32 = 10;

pub(super) const MODEL: Model = Model {
    id: "acrel-dtsd1352",
    maker: "安科瑞 Acrel",
    name: "DTSD1352 / ADL400",
    source: "Acrel DTSD1352 manual, register table; compared with an open Arduino library",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            holding(
                Quantity::ActiveEnergyImport,
                0x000A,
                Type::U32,
                CENTI_KILOWATT_HOUR,
                Ratio::PtCt,
            ),
            holding(
                Quantity::ActiveEnergyExport,
                0x0014,
                Type::U32,
                CENTI_KILOWATT_HOUR,
                Ratio::PtCt,
            ),
            holding(
                Quantity::ReactiveEnergyImport,
                0x001E,
                Type::U32,
                CENTI_KILOWATT_HOUR,
                Ratio::PtCt,
            ),
            holding(Quantity::VoltageL1, 0x0061, Type::U16, TENTH, Ratio::Pt),
            holding(Quantity::VoltageL2, 0x0062, Type::U16, TENTH, Ratio::Pt),
            holding(Quantity::VoltageL3, 0x0063, Type::U16, TENTH, Ratio::Pt),
            holding(Quantity::CurrentL1, 0x0064, Type::U16, HUNDREDTH, Ratio::Ct),
            holding(Quantity::CurrentL2, 0x0065, Type::U16, HUNDREDTH, Ratio::Ct),
            holding(Quantity::CurrentL3, 0x0066, Type::U16, HUNDREDTH, Ratio::Ct),
            holding(Quantity::Frequency, 0x0077, Type::U16, HUNDREDTH, Ratio::None),
            holding(Quantity::ActivePower, 0x016A, Type::I32, WATT, Ratio::PtCt),
            holding(Quantity::ReactivePower, 0x0172, Type::I32, VAR, Ratio::PtCt),
            holding(Quantity::ApparentPower, 0x017A, Type::U32, VOLT_AMPERE, Ratio::PtCt),
            holding(Quantity::PowerFactor, 0x017F, Type::I16, 1, Ratio::None),
        ],
        // Readers in the field keep to 10 to 14; larger requests go unanswered.
        read_limit: 10,
        answer_ms: 500,
        turnaround_ms: 20,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
