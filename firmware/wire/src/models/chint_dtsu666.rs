//! Chint (正泰) DTSU666: three phases, direct or behind transformers.
//!
//! All values are single floats in tenths or thousandths, of the meter's own terminals: a
//! meter behind transformers needs their ratios (its registers IrAt and UrAt) in the site
//! book. The counter's float shows steps of 2 Wh from 16,384 kWh on, times the ratio.
//! The "-H" variants have another map.
//!
//! Source: the maker's DTSU666 user manual, table of Modbus registers (function 3);
//! addresses and steps compared with the map of the mbmd project and with the emulation
//! in the smart-stuff P1 dongle's documents.

use super::{Medium, Model, float};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn holding(quantity: Quantity, address: u32, thousandths: i32, ratio: Ratio) -> Entry {
    float(quantity, Table::Holding, address, WordOrder::Abcd, thousandths, ratio)
}

const TENTH: i32 = 100;
const HUNDREDTH: i32 = 10;
const THOUSANDTH: i32 = 1;

pub(super) const MODEL: Model = Model {
    id: "chint-dtsu666",
    maker: "正泰 Chint",
    name: "DTSU666",
    source: "Chint DTSU666 user manual, Modbus registers; compared with mbmd (dtsu666)",
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: RegisterMap {
        entries: &[
            holding(Quantity::ActiveEnergyImport, 0x101E, super::KILOWATT_HOUR, Ratio::PtCt),
            holding(Quantity::ActiveEnergyExport, 0x1028, super::KILOWATT_HOUR, Ratio::PtCt),
            holding(Quantity::VoltageL1, 0x2006, TENTH, Ratio::Pt),
            holding(Quantity::VoltageL2, 0x2008, TENTH, Ratio::Pt),
            holding(Quantity::VoltageL3, 0x200A, TENTH, Ratio::Pt),
            holding(Quantity::CurrentL1, 0x200C, THOUSANDTH, Ratio::Ct),
            holding(Quantity::CurrentL2, 0x200E, THOUSANDTH, Ratio::Ct),
            holding(Quantity::CurrentL3, 0x2010, THOUSANDTH, Ratio::Ct),
            holding(Quantity::ActivePower, 0x2012, TENTH, Ratio::PtCt),
            holding(Quantity::ReactivePower, 0x201A, TENTH, Ratio::PtCt),
            holding(Quantity::PowerFactor, 0x202A, THOUSANDTH, Ratio::None),
            holding(Quantity::Frequency, 0x2044, HUNDREDTH, Ratio::None),
        ],
        // Not stated by the maker: what readers in the field are known to ask for at once.
        read_limit: 64,
        answer_ms: 500,
        turnaround_ms: 0,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
