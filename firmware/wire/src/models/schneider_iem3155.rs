//! Schneider Electric iEM3155 and the other iEM3000 with Modbus: three phases, direct.
//!
//! Power and voltage are single floats, power in kilowatts; the counters are 64-bit whole
//! watt-hours, so they show every one of them.
//!
//! Source: the maker's iEM3000 user guide (DOCA0005EN), Modbus register list (function 3);
//! addresses compared with the `iem3000` map of the mbmd project.

use super::{
    AMPERE, HERTZ, KILOVAR, KILOVOLT_AMPERE, KILOWATT, Medium, Model, VAR_HOUR, VOLT, WATT_HOUR,
    float, integer,
};
use crate::Quantity;
use crate::modbus::{
    Entry, LineSettings, Parity, Ratio, RegisterMap, Table, Type, Undefined, WordOrder,
};

const fn holding(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Holding, address, WordOrder::Abcd, thousandths, Ratio::None)
}

const fn counter(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    integer(
        quantity,
        Table::Holding,
        address,
        Type::I64,
        thousandths,
        Undefined::MinSigned,
        Ratio::None,
    )
}

pub(super) const MODEL: Model = Model {
    id: "schneider-iem3155",
    maker: "Schneider Electric 施耐德",
    name: "iEM3155 (iEM3000)",
    source: "Schneider iEM3000 user guide, Modbus registers; compared with mbmd (iem3000)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            holding(Quantity::CurrentL1, 0x0BB7, AMPERE),
            holding(Quantity::CurrentL2, 0x0BB9, AMPERE),
            holding(Quantity::CurrentL3, 0x0BBB, AMPERE),
            holding(Quantity::VoltageL1, 0x0BD3, VOLT),
            holding(Quantity::VoltageL2, 0x0BD5, VOLT),
            holding(Quantity::VoltageL3, 0x0BD7, VOLT),
            holding(Quantity::ActivePowerL1, 0x0BED, KILOWATT),
            holding(Quantity::ActivePowerL2, 0x0BEF, KILOWATT),
            holding(Quantity::ActivePowerL3, 0x0BF1, KILOWATT),
            holding(Quantity::ActivePower, 0x0BF3, KILOWATT),
            holding(Quantity::ReactivePower, 0x0BFB, KILOVAR),
            holding(Quantity::ApparentPower, 0x0C03, KILOVOLT_AMPERE),
            holding(Quantity::Frequency, 0x0C25, HERTZ),
            counter(Quantity::ActiveEnergyImport, 0x0C83, WATT_HOUR),
            counter(Quantity::ActiveEnergyExport, 0x0C87, WATT_HOUR),
            counter(Quantity::ReactiveEnergyImport, 0x0C93, VAR_HOUR),
            counter(Quantity::ReactiveEnergyExport, 0x0C97, VAR_HOUR),
        ],
        read_limit: 125,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 19_200, parity: Parity::Even, stop_bits: 1 },
};
