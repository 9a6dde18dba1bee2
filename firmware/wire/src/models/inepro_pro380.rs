//! Inepro PRO380, also sold as WAGO 879: three phases, direct or behind transformers.
//!
//! All values are single floats; power comes in kilowatts.
//!
//! Source: the maker's PRO380 user manual V2.18, Modbus register map (function 3);
//! addresses compared with the `inepro` map of the mbmd project.

use super::{
    AMPERE, HERTZ, KILOVAR, KILOVAR_HOUR, KILOVOLT_AMPERE, KILOWATT, KILOWATT_HOUR, Medium, Model,
    ONE, VOLT, float,
};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn holding(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Holding, address, WordOrder::Abcd, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "inepro-pro380",
    maker: "Inepro",
    name: "PRO380 / WAGO 879",
    source: "Inepro PRO380 user manual V2.18; compared with mbmd (inepro)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            holding(Quantity::VoltageL1, 0x5002, VOLT),
            holding(Quantity::VoltageL2, 0x5004, VOLT),
            holding(Quantity::VoltageL3, 0x5006, VOLT),
            holding(Quantity::Frequency, 0x5008, HERTZ),
            holding(Quantity::CurrentL1, 0x500C, AMPERE),
            holding(Quantity::CurrentL2, 0x500E, AMPERE),
            holding(Quantity::CurrentL3, 0x5010, AMPERE),
            holding(Quantity::ActivePower, 0x5012, KILOWATT),
            holding(Quantity::ActivePowerL1, 0x5014, KILOWATT),
            holding(Quantity::ActivePowerL2, 0x5016, KILOWATT),
            holding(Quantity::ActivePowerL3, 0x5018, KILOWATT),
            holding(Quantity::ReactivePower, 0x501A, KILOVAR),
            holding(Quantity::ApparentPower, 0x5022, KILOVOLT_AMPERE),
            holding(Quantity::PowerFactor, 0x502A, ONE),
            holding(Quantity::ActiveEnergyImport, 0x600C, KILOWATT_HOUR),
            holding(Quantity::ActiveEnergyExport, 0x6018, KILOWATT_HOUR),
            holding(Quantity::ReactiveEnergyImport, 0x6030, KILOVAR_HOUR),
            holding(Quantity::ReactiveEnergyExport, 0x603C, KILOVAR_HOUR),
        ],
        read_limit: 60,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::Even, stop_bits: 1 },
};
