//! The meter models we know: one file each, with the register map and where it comes from.
//!
//! Addresses are those on the wire. A model that is not here needs no new program: its map
//! is written in the site book with the words of [`crate::modbus`] and travels in the plan.

mod abb_b23;
mod acrel_adw300;
mod acrel_ddsy1352;
mod acrel_dtsd1352;
mod carlo_gavazzi_em24;
mod carlo_gavazzi_em340;
mod chint_ddsu666;
mod chint_dtsu666;
mod cjt188;
mod dlt645;
mod eastron_sdm120;
mod eastron_sdm630;
mod eastron_sdm72;
mod eastron_sdm72_v2;
mod finder_7m24;
mod finder_7m38;
mod fuxin_gas;
mod hiking_dds238;
mod inepro_pro380;
mod janitza_umg;
mod orno_we515;
mod orno_we517;
mod pulse_counter;
mod schneider_iem3155;
mod schneider_pm5110;
mod siemens_pac2200;
mod tuf_2000m;
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
    /// Heat, or cold, that a water circuit carries.
    Heat,
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
pub const MODELS: &[Model] = &[
    abb_b23::MODEL,
    acrel_adw300::MODEL,
    acrel_ddsy1352::MODEL,
    acrel_dtsd1352::MODEL,
    carlo_gavazzi_em24::MODEL,
    carlo_gavazzi_em340::MODEL,
    chint_ddsu666::MODEL,
    chint_dtsu666::MODEL,
    cjt188::GAS,
    cjt188::HEAT,
    cjt188::WATER,
    dlt645::SINGLE_PHASE,
    dlt645::THREE_PHASE,
    eastron_sdm120::MODEL,
    eastron_sdm630::MODEL,
    eastron_sdm72::MODEL,
    eastron_sdm72_v2::MODEL,
    finder_7m24::MODEL,
    finder_7m38::MODEL,
    fuxin_gas::MODEL,
    hiking_dds238::MODEL,
    inepro_pro380::MODEL,
    janitza_umg::MODEL,
    orno_we515::MODEL,
    orno_we517::MODEL,
    pulse_counter::ELECTRICITY,
    pulse_counter::GAS,
    pulse_counter::WATER,
    schneider_iem3155::MODEL,
    schneider_pm5110::MODEL,
    siemens_pac2200::MODEL,
    tuf_2000m::MODEL,
    xintai_water::MODEL,
];

/// Returns the model with this identifier, if we know it.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.id == id)
}

// Thousandths of our unit in one of theirs.
const ONE: i32 = 1_000;
const VOLT: i32 = 1_000;
const AMPERE: i32 = 1_000;
const WATT: i32 = 1_000;
const VAR: i32 = 1_000;
const VOLT_AMPERE: i32 = 1_000;
const HERTZ: i32 = 1_000;
const KILOWATT: i32 = 1_000_000;
const KILOVAR: i32 = 1_000_000;
const KILOVOLT_AMPERE: i32 = 1_000_000;
const WATT_HOUR: i32 = 1_000;
const VAR_HOUR: i32 = 1_000;
const CENTI_KILOWATT_HOUR: i32 = 10_000;
const KILOWATT_HOUR: i32 = 1_000_000;
const KILOVAR_HOUR: i32 = 1_000_000;
const LITRE: i32 = 1_000;
const CUBIC_METRE: i32 = 1_000_000;
const CUBIC_METRE_PER_HOUR: i32 = 1_000_000;
const CELSIUS: i32 = 1_000;
const KILOPASCAL: i32 = 1_000_000;
const MEGAPASCAL: i32 = 1_000_000_000;

/// A single float; not-a-number stands for "no value" whatever the maker says.
const fn float(
    quantity: Quantity,
    table: Table,
    address: u32,
    order: WordOrder,
    thousandths: i32,
    ratio: Ratio,
) -> Entry {
    Entry {
        quantity,
        table,
        address,
        offset: 0,
        ty: Type::F32,
        order,
        scale: Scale::thousandths(thousandths),
        undefined: Undefined::Nan,
        ratio,
    }
}

/// A whole number, big end first.
const fn integer(
    quantity: Quantity,
    table: Table,
    address: u32,
    ty: Type,
    thousandths: i32,
    undefined: Undefined,
    ratio: Ratio,
) -> Entry {
    Entry {
        quantity,
        table,
        address,
        offset: 0,
        ty,
        order: WordOrder::Abcd,
        scale: Scale::thousandths(thousandths),
        undefined,
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
                    let end = |entry: &Entry| {
                        let start = if entry.table.holds_bytes() {
                            u32::from(entry.offset)
                        } else {
                            entry.address
                        };
                        (start, start + u32::from(entry.span()))
                    };
                    let other_place = entry.table.holds_bytes() && entry.address != other.address;
                    let ((start, stop), (from, to)) = (end(entry), end(other));
                    let apart = other_place || stop <= from || to <= start;
                    assert!(apart, "{}: {entry:?} {other:?}", model.id);
                }
                let end = entry.span() + u16::from(entry.offset);
                assert!(end <= model.map.read_limit, "{}", model.id);
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
    fn what_a_maker_calls_undefined_is_absent() {
        use crate::reading::Absence;
        let undefined: [(&str, Quantity, &[u16]); 7] = [
            ("abb-b23", Quantity::ActiveEnergyImport, &[0xFFFF; 4]),
            ("abb-b23", Quantity::VoltageL1, &[0xFFFF; 2]),
            ("abb-b23", Quantity::ActivePower, &[0x7FFF, 0xFFFF]),
            ("carlo-gavazzi-em24", Quantity::VoltageL1, &[0xFFFF, 0x7FFF]),
            ("schneider-iem3155", Quantity::ActiveEnergyImport, &[0x8000, 0, 0, 0]),
            ("eastron-sdm630", Quantity::VoltageL1, &[0x7FC0, 0]),
            ("siemens-pac2200", Quantity::ActiveEnergyImport, &[0x7FF8, 0, 0, 0]),
        ];
        for (id, quantity, words) in undefined {
            let entries = by_id(id).unwrap().map.entries;
            let entry = entries.iter().find(|entry| entry.quantity == quantity).unwrap();

            let value = decode(entry, words, Ratios::ONE);

            assert_eq!(value, Value::Absent(Absence::DeviceFault), "{id} {quantity:?}");
        }
    }

    #[test]
    fn a_pulse_is_worth_what_the_site_book_says() {
        let ten_litres = Ratios { pt: 1_000, ct: 10_000 };
        let one_of_1600 = Ratios { pt: 1_000, ct: 625 };
        let count = |id| &by_id(id).unwrap().map.entries[0];

        let water = decode(count("pulse-water"), &[0, 123], ten_litres);
        let electricity = decode(count("pulse-electricity"), &[0, 1_600], one_of_1600);

        assert_eq!(water, Value::Measured(1_230_000));
        assert_eq!(electricity, Value::Measured(1_000_000));
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
        // An answer of a DDS238 as published by one of its readers: 47.33 kWh, 230.6 V,
        // 0.62 A, 132 W, -2 var, 0.917, 49.99 Hz.
        check("hiking-dds238", Quantity::ActiveEnergyImport, &[0, 4733], 47_330_000);
        check("hiking-dds238", Quantity::VoltageL1, &[2306], 230_600);
        check("hiking-dds238", Quantity::CurrentL1, &[62], 620);
        check("hiking-dds238", Quantity::ActivePower, &[132], 132_000);
        check("hiking-dds238", Quantity::ReactivePower, &[65_534], -2_000);
        check("hiking-dds238", Quantity::PowerFactor, &[917], 917);
        check("hiking-dds238", Quantity::Frequency, &[4999], 49_990);
        // 123,456.78 kWh in hundredths, 64 bits; -1,234.56 W in hundredths.
        let total = [0, 0, 0x00BC, 0x614E];
        check("abb-b23", Quantity::ActiveEnergyImport, &total, 123_456_780_000);
        check("abb-b23", Quantity::ActivePower, &[0xFFFE, 0x1DC0], -1_234_560);
        // 230.1 V and 12,345.6 kWh in tenths, low register first.
        check("carlo-gavazzi-em24", Quantity::VoltageL1, &[0x08FD, 0x0000], 230_100);
        check(
            "carlo-gavazzi-em340",
            Quantity::ActiveEnergyImport,
            &[0xE240, 0x0001],
            12_345_600_000,
        );
        // 987,654,321 Wh; 7.5 kW as a float.
        let total = [0, 0, 0x3ADE, 0x68B1];
        check("schneider-iem3155", Quantity::ActiveEnergyImport, &total, 987_654_321_000);
        check("schneider-pm5110", Quantity::ActivePower, &[0x40F0, 0x0000], 7_500_000);
        // 1,234,567.25 Wh as a double.
        let total = [0x4132, 0xD687, 0x4000, 0x0000];
        check("siemens-pac2200", Quantity::ActiveEnergyImport, &total, 1_234_567_250);
        // 12.5 m³, low register first.
        check("tuf-2000m", Quantity::Volume, &[0x0000, 0x4148], 12_500_000);
    }
}
