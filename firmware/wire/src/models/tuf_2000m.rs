//! TUF-2000M: ultrasonic flow meter with clamp-on transducers, for water in full pipes.
//!
//! All values are single floats with the low register first (`CDAB`). It leaves the factory
//! with Modbus ASCII and must be set to RTU in its menu first. Forward volume is counted
//! apart from what flows back.
//!
//! Source: the meter's register list (function 3; its REG 0001 is 0x0000 on the wire) as an
//! open project checked it on hardware.

use super::{CUBIC_METRE, CUBIC_METRE_PER_HOUR, Medium, Model, float};
use crate::Quantity;
use crate::modbus::{Entry, LineSettings, Parity, Ratio, RegisterMap, Table, WordOrder};

const fn holding(quantity: Quantity, address: u32, thousandths: i32) -> Entry {
    float(quantity, Table::Holding, address, WordOrder::Cdab, thousandths, Ratio::None)
}

pub(super) const MODEL: Model = Model {
    id: "tuf-2000m",
    maker: "TUF",
    name: "TUF-2000M",
    source: "TUF-2000M register list, as checked on hardware by an open project",
    medium: Medium::Water,
    counter: Quantity::Volume,
    map: RegisterMap {
        entries: &[
            holding(Quantity::VolumeFlow, 0x0000, CUBIC_METRE_PER_HOUR),
            holding(Quantity::Volume, 0x0072, CUBIC_METRE),
            holding(Quantity::VolumeReverse, 0x0074, CUBIC_METRE),
        ],
        read_limit: 60,
        answer_ms: 1_000,
        turnaround_ms: 20,
        forbidden: &[],
    },
    line: LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 },
};
