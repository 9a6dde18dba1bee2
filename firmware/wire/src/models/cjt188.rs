//! Any water, gas or heat meter that speaks CJ/T 188, of the edition of 2004 or of 2018.
//!
//! One answer (identifier 901F) holds all a meter counts: for water and gas the total so far
//! (8 digits and a unit), the total at the last settlement day, the meter's time, two bytes of
//! status; for heat the settled and the current heat, heat power, flow and volume (each 8 digits
//! and a unit), the two temperatures (6 digits, hundredths), hours, time, status. The two
//! lowest bits of the status are the valve (0 open, 1 closed, 3 broken), the third the battery.
//!
//! Each total says its unit itself; the one named here decides where the counter rolls over.
//! The bytes of the identifier go out as `90 1F`; a meter that wants them as `1F 90`, or is of
//! another type (11 hot, 12 drinking, 13 reclaimed water, 21 cold), has a model of its own in
//! the site book.
//!
//! Source: CJ/T 188-2004 and -2018, data frames and the tables of identifiers, types and units;
//! frames compared with published ones whose check sums were recomputed.

use super::{CELSIUS, LITRE, Medium, Model, WATT};
use crate::Quantity;
use crate::modbus::unit;
use crate::modbus::{
    Entry, LineSettings, Parity, Ratio, RegisterMap, Scale, Table, Type, Undefined, WordOrder,
};

/// Metering data of a type of meter.
const fn identifier(meter_type: u8) -> u32 {
    (meter_type as u32) << 16 | 0x901F
}

const COLD_WATER: u32 = identifier(0x10);
const HEATING: u32 = identifier(0x20);
const FUEL_GAS: u32 = identifier(0x30);

const fn data(
    quantity: Quantity,
    (address, offset): (u32, u8),
    ty: Type,
    scale: Scale,
    undefined: Undefined,
) -> Entry {
    Entry {
        quantity,
        table: Table::Cjt188,
        address,
        offset,
        ty,
        order: WordOrder::Dcba,
        scale,
        undefined,
        ratio: Ratio::None,
    }
}

/// XXXXXX.XX of a unit; `hundredth` is what a hundredth of it is worth, in thousandths.
const fn counted(quantity: Quantity, place: (u32, u8), unit: u8, hundredth: i32) -> Entry {
    let ty = Type::WithUnit { unit };
    data(quantity, place, ty, Scale::thousandths(hundredth), Undefined::AllOnes)
}

/// XXXX.XX °C.
const fn temperature(quantity: Quantity, offset: u8) -> Entry {
    let ty = Type::Bcd { digits: 6 };
    let scale = Scale::thousandths(CELSIUS / 100);
    data(quantity, (HEATING, offset), ty, scale, Undefined::AllOnes)
}

const fn status(place: (u32, u8)) -> Entry {
    let scale = Scale::thousandths(1_000);
    data(Quantity::Status, place, Type::U16, scale, Undefined::None)
}

const CUBIC_METRE_HUNDREDTH: i32 = 10 * LITRE;
const KILOWATT_HUNDREDTH: i32 = 10 * WATT;

const fn map(entries: &'static [Entry]) -> RegisterMap<'static> {
    // Meters on batteries wake up for the lead bytes and take their time.
    RegisterMap { entries, read_limit: 64, answer_ms: 1_000, turnaround_ms: 30, forbidden: &[] }
}

const SOURCE: &str = "CJ/T 188-2004 and -2018, identifier 901F; compared with published frames";

const LINE: LineSettings = LineSettings { baud: 2400, parity: Parity::Even, stop_bits: 1 };

pub(super) const GAS: Model = Model {
    id: "cjt188-gas",
    maker: "–",
    name: "CJ/T 188 燃气表",
    source: SOURCE,
    medium: Medium::Gas,
    counter: Quantity::Volume,
    map: map(&[
        counted(Quantity::Volume, (FUEL_GAS, 0), unit::CUBIC_METRE, CUBIC_METRE_HUNDREDTH),
        status((FUEL_GAS, 17)),
    ]),
    line: LINE,
};

pub(super) const HEAT: Model = Model {
    id: "cjt188-heat",
    maker: "–",
    name: "CJ/T 188 热量表",
    source: SOURCE,
    medium: Medium::Heat,
    counter: Quantity::HeatEnergy,
    map: map(&[
        counted(Quantity::HeatEnergy, (HEATING, 5), unit::KILOWATT_HOUR, KILOWATT_HUNDREDTH),
        counted(Quantity::HeatPower, (HEATING, 10), unit::KILOWATT, KILOWATT_HUNDREDTH),
        Entry {
            // XXXX.XXXX m³/h.
            scale: Scale::thousandths(LITRE / 10),
            ..counted(Quantity::VolumeFlow, (HEATING, 15), unit::CUBIC_METRE_PER_HOUR, 1)
        },
        counted(Quantity::Volume, (HEATING, 20), unit::CUBIC_METRE, CUBIC_METRE_HUNDREDTH),
        temperature(Quantity::Temperature, 25),
        temperature(Quantity::ReturnTemperature, 28),
        status((HEATING, 41)),
    ]),
    line: LINE,
};

pub(super) const WATER: Model = Model {
    id: "cjt188-water",
    maker: "–",
    name: "CJ/T 188 水表",
    source: SOURCE,
    medium: Medium::Water,
    counter: Quantity::Volume,
    map: map(&[
        counted(Quantity::Volume, (COLD_WATER, 0), unit::CUBIC_METRE, CUBIC_METRE_HUNDREDTH),
        status((COLD_WATER, 17)),
    ]),
    line: LINE,
};
