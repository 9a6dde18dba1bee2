//! The meter models we know: one file each, with the register map and where it comes from.
//!
//! Addresses are those on the wire. A model that is not here needs no new program: its map
//! is written in the site book with the words of [`crate::modbus`] and travels in the plan.

mod chint_dtsu666;
mod eastron_sdm630;
mod fuxin_gas;
mod xintai_water;

use crate::Quantity;
use crate::modbus::{
    Entry, LineSettings, Ratio, RegisterMap, Scale, Table, Type, Undefined, WordOrder,
};

/// What a meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    /// Electrical energy.
    Electricity,
    /// Water.
    Water,
    /// Combustible gas.
    Gas,
}

/// A make and type of meter whose register map we know.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// The word for it in the site book; never changed, never used again for another.
    pub id: &'static str,
    /// Who makes it, in their own writing.
    pub maker: &'static str,
    /// What it says on the plate.
    pub name: &'static str,
    /// The maker's document, and what else the addresses were compared with.
    pub source: &'static str,
    /// What it counts.
    pub medium: Medium,
    /// The counter that consumption is worked out from.
    pub counter: Quantity,
    /// Its registers.
    pub map: RegisterMap<'static>,
    /// How it leaves the factory.
    pub line: LineSettings,
}

/// Every model, in the order of its identifier.
pub const MODELS: &[Model] =
    &[chint_dtsu666::MODEL, eastron_sdm630::MODEL, fuxin_gas::MODEL, xintai_water::MODEL];

/// Returns the model with this identifier, if we know it.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.id == id)
}

// Thousandths of our unit in one of theirs.
const VOLT: i64 = 1_000;
const AMPERE: i64 = 1_000;
const WATT: i64 = 1_000;
const VAR: i64 = 1_000;
const HERTZ: i64 = 1_000;
const KILOWATT_HOUR: i64 = 1_000_000;
const CUBIC_METRE: i64 = 1_000_000;
const CUBIC_METRE_PER_HOUR: i64 = 1_000_000;
const CELSIUS: i64 = 1_000;
const KILOPASCAL: i64 = 1_000_000;
const MEGAPASCAL: i64 = 1_000_000_000;

/// A single float; not-a-number stands for "no value" whatever the maker says.
const fn float(
    quantity: Quantity,
    table: Table,
    address: u16,
    order: WordOrder,
    thousandths: i64,
    ratio: Ratio,
) -> Entry {
    Entry {
        quantity,
        table,
        address,
        ty: Type::F32,
        order,
        scale: Scale::thousandths(thousandths),
        undefined: Undefined::Nan,
        ratio,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::{Ratios, decode, encode};
    use crate::quantity::Kind;
    use crate::reading::Value;

    #[test]
    fn identifiers_are_names_in_order_so_no_two_models_share_one() {
        assert!(MODELS.windows(2).all(|pair| pair[0].id < pair[1].id));
        for model in MODELS {
            assert!(crate::Name::new(model.id).is_ok(), "{}", model.id);
            assert_eq!(by_id(model.id).map(|found| found.id), Some(model.id));
        }
        assert!(by_id("eastron-sdm999").is_none());
    }

    #[test]
    fn a_model_has_its_counter_and_no_quantity_or_register_twice() {
        for model in MODELS {
            let entries = model.map.entries;
            assert_eq!(model.counter.kind(), Kind::Counter, "{}", model.id);
            assert!(entries.iter().any(|entry| entry.quantity == model.counter), "{}", model.id);
            for (at, entry) in entries.iter().enumerate() {
                for other in &entries[at + 1..] {
                    assert_ne!(entry.quantity, other.quantity, "{}", model.id);
                    let apart = entry.address + entry.ty.words() <= other.address
                        || other.address + other.ty.words() <= entry.address;
                    assert!(apart, "{}: {entry:?} {other:?}", model.id);
                }
                assert!(entry.ty.words() <= model.map.read_limit, "{}", model.id);
            }
        }
    }

    #[track_caller]
    fn check(id: &str, quantity: Quantity, words: &[u16], expected: i64) {
        let model = by_id(id).unwrap();
        let entry = model.map.entries.iter().find(|entry| entry.quantity == quantity).unwrap();
        assert_eq!(decode(entry, words, Ratios::ONE), Value::Measured(expected));
        let mut back = [0; 4];
        encode(entry, expected, Ratios::ONE, &mut back[..words.len()]).unwrap();
        let again = decode(entry, &back[..words.len()], Ratios::ONE);
        assert_eq!(again, Value::Measured(expected));
    }

    #[test]
    fn registers_as_the_meters_send_them_become_our_units() {
        // 230.2 V, and 1,234.5 kWh as the float 0x449A5000.
        check("eastron-sdm630", Quantity::VoltageL1, &[0x4366, 0x3334], 230_200);
        check("eastron-sdm630", Quantity::ActiveEnergyImport, &[0x449A, 0x5000], 1_234_500_000);
        // 2,302 tenths of a volt.
        check("chint-dtsu666", Quantity::VoltageL1, &[0x450F, 0xE000], 230_200);
        check("chint-dtsu666", Quantity::CurrentL1, &[0x449A, 0x5000], 1_235);
        // 12.5 m³, little endian.
        check("xintai-water", Quantity::Volume, &[0x0000, 0x4841], 12_500_000);
        // 12,345,686.4222 m³ in twelve digits.
        let total = [0x1234, 0x5686, 0x4222];
        check("fuxin-gas", Quantity::StandardVolume, &total, 12_345_686_422_200);
        check("fuxin-gas", Quantity::Pressure, &[0x42CA, 0xA666], 101_324_997);
    }
}
