//! The campus that the demo shows: an office building, a library, a teaching building and a
//! canteen.
//!
//! The site book of the demo describes the same meters for people; names, unit ids, models
//! and parents must agree with it.

use wire::modbus::Ratios;
use wire::{Address, Name};

use crate::campus::{MeterSpec, Source};
use crate::column::Column;
use crate::relay::Relay;

/// The bus of the office building: RTU over TCP.
pub const OFFICE_BUS: &str = "office";
/// The bus of the other buildings: Modbus TCP.
pub const CAMPUS_BUS: &str = "campus";

const SDM630: &str = "eastron-sdm630";
const DTSU666: &str = "chint-dtsu666";
const GAS: &str = "fuxin-gas";
const WATER: &str = "xintai-water";

/// A line of the table below: meter, parent, model, unit id, column, share in thousandths,
/// dial reading at installation in kWh or m³.
type Row = (&'static str, &'static str, &'static str, u8, Column, u32, i64);

#[rustfmt::skip]
const OFFICE: &[Row] = &[
    ("office-main",       "",            SDM630, 1, Column::OfficeElectricity, 1_000, 184_205),
    ("light-1f-hall",     "office-main", SDM630, 2, Column::OfficeLighting,      300,  21_473),
    ("light-2f-east",     "office-main", SDM630, 3, Column::OfficeLighting,      250,  17_908),
    ("light-2f-west",     "office-main", SDM630, 4, Column::OfficeLighting,      250,  18_114),
    ("light-3f",          "office-main", SDM630, 5, Column::OfficeLighting,      200,   9_362),
    ("office-plug",       "office-main", SDM630, 6, Column::OfficePlug,        1_000,  73_550),
    ("office-cooling",    "office-main", SDM630, 7, Column::OfficeCooling,     1_000,   2_618),
    ("office-datacentre", "office-main", SDM630, 8, Column::OfficeDatacentre,  1_000,  95_731),
];

#[rustfmt::skip]
const CAMPUS: &[Row] = &[
    ("library-power",  "", DTSU666, 1, Column::LibraryElectricity,   1_000, 312_940),
    ("teaching-power", "", DTSU666, 2, Column::TeachingElectricity,  1_000, 140_377),
    ("library-gas",    "", GAS,     3, Column::LibraryGas,           1_000,  40_286),
    ("teaching-gas",   "", GAS,     4, Column::TeachingGas,          1_000,   8_125),
    // The recording is of one household; a canteen draws twenty times as much.
    ("canteen-water",  "", WATER,   5, Column::Water,               20_000,   1_047),
];

/// The address of the relay module on the office's bus. Its coils switch, from 0 on, the
/// lights of the hall, of the second floor east and west, and of the third floor.
pub const RELAY_UNIT_ID: u8 = 20;

/// Returns the relay module of the demo campus.
#[must_use]
pub fn demo_relay() -> Option<Relay> {
    let lights = OFFICE.iter().filter(|row| row.4 == Column::OfficeLighting);
    let meters: Vec<Name> = lights.filter_map(|row| Name::new(row.0).ok()).collect();
    Some(Relay::new(Name::new(OFFICE_BUS).ok()?, RELAY_UNIT_ID, &meters))
}

/// Returns the meters of the demo campus, parents before their children.
#[must_use]
pub fn demo_campus() -> Vec<MeterSpec> {
    let on = |bus: &'static str, rows: &'static [Row]| {
        rows.iter().filter_map(move |&(meter, parent, model, unit_id, column, share, dial)| {
            Some(MeterSpec {
                meter: Name::new(meter).ok()?,
                parent: Name::new(parent).ok(),
                model: model.to_owned(),
                bus: Name::new(bus).ok()?,
                address: Address::unit_id(unit_id),
                source: Source { column, share },
                dial: dial * 1_000_000,
                ratios: Ratios::ONE,
            })
        })
    };
    on(OFFICE_BUS, OFFICE).chain(on(CAMPUS_BUS, CAMPUS)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campus::Campus;

    #[test]
    fn the_demo_campus_has_thirteen_meters_on_two_buses() {
        let site = demo_campus();
        assert_eq!(site.len(), OFFICE.len() + CAMPUS.len());
        assert_eq!(site.iter().filter(|meter| meter.bus.as_str() == OFFICE_BUS).count(), 8);
        assert!(Campus::load(&site).is_ok());
    }

    #[test]
    fn the_lighting_circuits_share_the_whole_of_the_measured_lighting() {
        let shares = OFFICE.iter().filter(|row| row.4 == Column::OfficeLighting).map(|row| row.5);
        assert_eq!(shares.sum::<u32>(), 1_000);
    }
}
