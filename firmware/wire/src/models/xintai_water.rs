//! Xintai (开封新泰) electromagnetic water meter.
//!
//! All values are single floats, little endian throughout (`DCBA`); the volume shows steps
//! of 1 litre from 8,192 m³ on and of 8 litres from 65,536 m³ on, which is the meter's
//! limit. Its totals can be written, so a reset is possible at any time; we only read.
//!
//! Source: register list of the maker's communication protocol (function 3, 9,600 8N1) as
//! an open Elixir driver for the meter states it; the byte order is proved by its sample
//! `1E 85 0B 3F` = 0.545.

use super::{CELSIUS, CUBIC_METRE, CUBIC_METRE_PER_HOUR, MEGAPASCAL, Medium, Model, float};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn holding(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Holding, address, WordOrder::Dcba, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "xintai-water",
    maker: "开封新泰 Xintai",
    name: "电磁水表",
    source: "Xintai water meter communication protocol, as in its open Elixir driver",
    medium: Medium::Water,
    counter: Quantity::Volume,
    map: RegisterMap {
        entries: &[
            holding(Quantity::Volume, 0x0001, CUBIC_METRE),
            holding(Quantity::VolumeReverse, 0x0003, CUBIC_METRE),
            holding(Quantity::VolumeFlow, 0x0005, CUBIC_METRE_PER_HOUR),
            holding(Quantity::Pressure, 0x000A, MEGAPASCAL),
            holding(Quantity::Temperature, 0x000C, CELSIUS),
        ],
        // Battery meters answer slowly and in small pieces; the five values lie in 13.
        read_limit: 16,
        answer_ms: 1_000,
        turnaround_ms: 20,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
