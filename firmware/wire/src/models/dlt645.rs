//! Any electricity meter that speaks DL/T 645-2007, with one phase or three.
//!
//! The standard names what a meter says by data identifiers of four bytes; all meters of the
//! edition of 2007 know those here, and what one lacks it refuses by itself. Values are packed
//! decimals, the lowest byte first. Power, current and power factor have their sign in the
//! highest bit; ours of power is the same: drawn is positive. Energies end at 999,999.99 kWh.
//!
//! The three phases of a voltage, current or power come in one answer (identifier ending in
//! `FF00`), so that a round of a three-phase meter takes few requests at 2,400 baud. Meters
//! behind transformers send values of their own terminals: ratios are the site book's.
//!
//! Writing, clearing and switching exist in the standard and not here: nothing of ours can
//! build such a frame (`firmware::rtu`).
//!
//! Source: DL/T 645-2007, annex A (tables A.1 and A.3: identifiers and formats), 5 (frames),
//! 7.1 (reading); even parity and 2,400 baud by 4.2. Identifiers compared with the PyPI package
//! `dlt645` 3.2.0.

use super::{AMPERE, CENTI_KILOWATT_HOUR, HERTZ, KILOVAR, KILOWATT, Medium, Model, VOLT};
use crate::Quantity;
use crate::modbus::{
    Entry, LineSettings, Parity, Ratio, RegisterMap, Scale, Table, Type, Undefined, WordOrder,
};

const fn data(
    quantity: Quantity,
    (address, offset): (u32, u8),
    ty: Type,
    thousandths: i32,
    ratio: Ratio,
) -> Entry {
    Entry {
        quantity,
        table: Table::Dlt645,
        address,
        offset,
        ty,
        order: WordOrder::Dcba,
        scale: Scale::thousandths(thousandths),
        // A meter fills what it cannot say with FF.
        undefined: Undefined::AllOnes,
        ratio,
    }
}

/// XXXXXX.XX kWh, or kvarh.
const fn energy(quantity: Quantity, identifier: u32) -> Entry {
    let ty = Type::Bcd { digits: 8 };
    data(quantity, (identifier, 0), ty, CENTI_KILOWATT_HOUR, Ratio::PtCt)
}

/// XXX.X V.
const fn voltage(quantity: Quantity, place: (u32, u8)) -> Entry {
    data(quantity, place, Type::Bcd { digits: 4 }, VOLT / 10, Ratio::Pt)
}

/// XXX.XXX A.
const fn current(quantity: Quantity, place: (u32, u8)) -> Entry {
    data(quantity, place, Type::SignedBcd { digits: 6 }, AMPERE / 1_000, Ratio::Ct)
}

/// XX.XXXX kW, or kvar.
const fn power(quantity: Quantity, place: (u32, u8), kilo: i32) -> Entry {
    data(quantity, place, Type::SignedBcd { digits: 6 }, kilo / 10_000, Ratio::PtCt)
}

/// X.XXX.
const fn power_factor(identifier: u32) -> Entry {
    let ty = Type::SignedBcd { digits: 4 };
    data(Quantity::PowerFactor, (identifier, 0), ty, 1, Ratio::None)
}

/// XX.XX Hz.
const FREQUENCY: Entry =
    data(Quantity::Frequency, (0x0280_0002, 0), Type::Bcd { digits: 4 }, HERTZ / 100, Ratio::None);

const fn map(entries: &'static [Entry]) -> RegisterMap<'static> {
    // The answer begins within 500 ms (7.3); bytes of one answer may lie 500 ms apart too,
    // which no meter in the field uses.
    RegisterMap { entries, read_limit: 32, answer_ms: 700, turnaround_ms: 30, forbidden: &[] }
}

const SOURCE: &str = "DL/T 645-2007, annex A; identifiers compared with the package dlt645 3.2.0";

const LINE: LineSettings = LineSettings { baud: 2400, parity: Parity::Even, stop_bits: 1 };

pub(super) const SINGLE_PHASE: Model = Model {
    id: "dlt645-single-phase",
    maker: "–",
    name: "DL/T 645-2007 单相表",
    source: SOURCE,
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: map(&[
        energy(Quantity::ActiveEnergyImport, 0x0001_0000),
        energy(Quantity::ActiveEnergyImportT1, 0x0001_0100),
        energy(Quantity::ActiveEnergyImportT2, 0x0001_0200),
        energy(Quantity::ActiveEnergyImportT3, 0x0001_0300),
        energy(Quantity::ActiveEnergyImportT4, 0x0001_0400),
        energy(Quantity::ActiveEnergyExport, 0x0002_0000),
        voltage(Quantity::VoltageL1, (0x0201_0100, 0)),
        current(Quantity::CurrentL1, (0x0202_0100, 0)),
        power(Quantity::ActivePower, (0x0203_0000, 0), KILOWATT),
        power_factor(0x0206_0000),
        FREQUENCY,
    ]),
    line: LINE,
};

pub(super) const THREE_PHASE: Model = Model {
    id: "dlt645-three-phase",
    maker: "–",
    name: "DL/T 645-2007 三相表",
    source: SOURCE,
    medium: Medium::Electricity,
    counter: Quantity::ActiveEnergyImport,
    map: map(&[
        energy(Quantity::ActiveEnergyImport, 0x0001_0000),
        energy(Quantity::ActiveEnergyImportT1, 0x0001_0100),
        energy(Quantity::ActiveEnergyImportT2, 0x0001_0200),
        energy(Quantity::ActiveEnergyImportT3, 0x0001_0300),
        energy(Quantity::ActiveEnergyImportT4, 0x0001_0400),
        energy(Quantity::ActiveEnergyExport, 0x0002_0000),
        energy(Quantity::ReactiveEnergyImport, 0x0003_0000),
        energy(Quantity::ReactiveEnergyExport, 0x0004_0000),
        voltage(Quantity::VoltageL1, (0x0201_FF00, 0)),
        voltage(Quantity::VoltageL2, (0x0201_FF00, 2)),
        voltage(Quantity::VoltageL3, (0x0201_FF00, 4)),
        current(Quantity::CurrentL1, (0x0202_FF00, 0)),
        current(Quantity::CurrentL2, (0x0202_FF00, 3)),
        current(Quantity::CurrentL3, (0x0202_FF00, 6)),
        power(Quantity::ActivePower, (0x0203_FF00, 0), KILOWATT),
        power(Quantity::ActivePowerL1, (0x0203_FF00, 3), KILOWATT),
        power(Quantity::ActivePowerL2, (0x0203_FF00, 6), KILOWATT),
        power(Quantity::ActivePowerL3, (0x0203_FF00, 9), KILOWATT),
        power(Quantity::ReactivePower, (0x0204_0000, 0), KILOVAR),
        power_factor(0x0206_0000),
        FREQUENCY,
    ]),
    line: LINE,
};
