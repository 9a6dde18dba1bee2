//! The codes by which meters of CJ/T 188 say what they count in.
//!
//! Source: CJ/T 188-2004, the table of units (same in the edition of 2018). Within a kind the
//! codes count in powers of ten, so L, 10 L, 100 L, m³ are four in a row.

/// What a unit is a unit of, and how many of the smallest one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sized {
    /// Units of one kind can be converted.
    pub kind: Kind,
    /// How many joules, watts, litres or litres an hour.
    pub size: u64,
}

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Energy, in joules.
    Energy,
    /// Power, in watts.
    Power,
    /// Volume, in litres.
    Volume,
    /// Flow, in litres an hour.
    Flow,
}

/// Kilowatt-hour.
pub const KILOWATT_HOUR: u8 = 0x05;
/// Megajoule.
pub const MEGAJOULE: u8 = 0x0E;
/// Gigajoule.
pub const GIGAJOULE: u8 = 0x11;
/// Kilowatt.
pub const KILOWATT: u8 = 0x17;
/// Litre.
pub const LITRE: u8 = 0x29;
/// Cubic metre.
pub const CUBIC_METRE: u8 = 0x2C;
/// Cubic metre an hour.
pub const CUBIC_METRE_PER_HOUR: u8 = 0x35;

/// Returns what a code stands for, if it is one of those that meters of a building count in.
#[must_use]
pub fn sized(code: u8) -> Option<Sized> {
    let (kind, first, smallest): (Kind, u8, u64) = match code {
        0x01 => (Kind::Energy, 0x01, 1),
        // Wh to 100 MWh.
        0x02..=0x0A => (Kind::Energy, 0x02, 3_600),
        // kJ to 100 GJ.
        0x0B..=0x13 => (Kind::Energy, 0x0B, 1_000),
        0x14..=0x1C => (Kind::Power, 0x14, 1),
        0x29..=0x2E => (Kind::Volume, 0x29, 1),
        0x32..=0x37 => (Kind::Flow, 0x32, 1),
        _ => return None,
    };
    // At most ten steps: 100 MWh are 3.6 × 10^11 J.
    let size = (first..code).fold(smallest, |size, _| size.wrapping_mul(10));
    Some(Sized { kind, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: u8, kind: Kind, size: u64) {
        assert_eq!(sized(code), Some(Sized { kind, size }), "{code:#04x}");
    }

    // The rows of the standard's table, one by one.
    #[test]
    fn codes_mean_what_the_standard_says() {
        const GJ: u64 = 1_000_000_000;
        check(0x01, Kind::Energy, 1);
        check(0x02, Kind::Energy, 3_600);
        check(KILOWATT_HOUR, Kind::Energy, 3_600_000);
        check(0x08, Kind::Energy, 3_600_000_000);
        check(0x0A, Kind::Energy, 360_000_000_000);
        check(0x0B, Kind::Energy, 1_000);
        check(MEGAJOULE, Kind::Energy, 1_000_000);
        check(GIGAJOULE, Kind::Energy, GJ);
        check(0x13, Kind::Energy, 100 * GJ);
        check(0x14, Kind::Power, 1);
        check(KILOWATT, Kind::Power, 1_000);
        check(0x1A, Kind::Power, 1_000_000);
        check(LITRE, Kind::Volume, 1);
        check(CUBIC_METRE, Kind::Volume, 1_000);
        check(0x32, Kind::Flow, 1);
        check(CUBIC_METRE_PER_HOUR, Kind::Flow, 1_000);
        assert_eq!([0x00, 0x1D, 0x28, 0x2F, 0x38, 0xFF].map(sized), [None; 6]);
    }
}
