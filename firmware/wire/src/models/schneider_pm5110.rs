//! Schneider Electric PM5110 and the other PM5100: three phases behind transformers.
//!
//! The meter knows its transformers, so all values are those of the circuit. Its manual
//! counts registers from 1; here, as on the wire, from 0. The counters are 64-bit whole
//! watt-hours. The power factor is coded in four quadrants and left out.
//!
//! Source: the maker's PM5100 register list (function 3); the float addresses as a list of
//! meter models that cites it states them. The 64-bit counters (3204, 3208) are from the
//! same list and were not seen on a meter by us.

use super::{
    AMPERE, HERTZ, KILOVAR, KILOVOLT_AMPERE, KILOWATT, Medium, Model, VOLT, WATT_HOUR, float,
    integer,
};
use crate::Quantity;
use crate::modbus::{
    Entry, LineSettings, Parity, Ratio, RegisterMap, Table, Type, Undefined, WordOrder,
};

/// A float at the number that the manual prints.
const fn manual(quantity: Quantity, number: u32, thousandths: i32) -> Entry {
    let address = number.saturating_sub(1);
    float(quantity, Table::Holding, address, WordOrder::Abcd, thousandths, Ratio::None)
}

/// A counter at the number that the manual prints.
const fn counter(quantity: Quantity, number: u32) -> Entry {
    integer(
        quantity,
        Table::Holding,
        number.saturating_sub(1),
        Type::I64,
        WATT_HOUR,
        Undefined::MinSigned,
        Ratio::None,
    )
}

pub(super) const MODEL: Model = Model {
    id: "schneider-pm5110",
    maker: "Schneider Electric 施耐德",
    name: "PM5110 (PM5100)",
    source: "Schneider PM5100 register list, wire address = printed number - 1",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            manual(Quantity::CurrentL1, 3000, AMPERE),
            manual(Quantity::CurrentL2, 3002, AMPERE),
            manual(Quantity::CurrentL3, 3004, AMPERE),
            manual(Quantity::VoltageL1, 3028, VOLT),
            manual(Quantity::VoltageL2, 3030, VOLT),
            manual(Quantity::VoltageL3, 3032, VOLT),
            manual(Quantity::ActivePowerL1, 3054, KILOWATT),
            manual(Quantity::ActivePowerL2, 3056, KILOWATT),
            manual(Quantity::ActivePowerL3, 3058, KILOWATT),
            manual(Quantity::ActivePower, 3060, KILOWATT),
            manual(Quantity::ReactivePower, 3068, KILOVAR),
            manual(Quantity::ApparentPower, 3076, KILOVOLT_AMPERE),
            manual(Quantity::Frequency, 3110, HERTZ),
            counter(Quantity::ActiveEnergyImport, 3204),
            counter(Quantity::ActiveEnergyExport, 3208),
        ],
        read_limit: 125,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 19_200, parity: Parity::Even, stop_bits: 1 },
};
