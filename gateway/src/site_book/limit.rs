//! What can go through a meter in an hour at most, from what the site book tells.
//!
//! Given outright (`rate_max`, kWh or m³ an hour), or by what would melt or burst: the fuse
//! before the circuit (`fuse_a`), the bore of the pipe (`pipe_mm`). All of them amply: the
//! limit tells a counter's jump from consumption, and must never be in consumption's way.
//!
//! Not here: a meter model's largest current. Times the ratio it is ten times what its
//! circuit carries, and says nothing.

use analysis::site::{Medium, Supply};
use wire::Quantity;

use crate::document::Section;

/// Thousandths of a Wh in a kWh, and of a litre in a m³.
const PER_UNIT: u32 = 1_000_000;

/// Nothing behind a meter of a building takes more, kWh or m³ an hour.
const UNITS_MAX: i64 = 1_000_000;

/// What a fuse lets through for an hour before it melts, times its current, in tenths
/// (IEC 60269-1, table 2: the conventional fusing current of gG fuses from 16 A on).
const FUSE_TENTHS: i64 = 16;

/// Three phases at the highest voltage of a grid of 230 V (EN 50160: 10 % above), V.
const THREE_PHASES_V: i64 = 3 * 253;

/// A pipe of 1 mm bore at 1 m/s, mL an hour: π / 4 × 3,600.
const BORE_ML_H: i64 = 2_828;

/// The swiftest water that a pipe of a building stands, m/s: three times what it is laid out
/// for.
const WATER_M_S: i64 = 6;

/// The same of gas at the pressure of buildings, m/s.
const GAS_M_S: i64 = 30;

/// Reads what the contract of supply says: the highest demand (`contract_kw`) and the least
/// power factor of a day (`power_factor_min`).
pub(super) fn read_supply(section: &Section<'_>, medium: Medium) -> Supply {
    let contract_mw = section.decimal("contract_kw", PER_UNIT);
    let factor = section.decimal("power_factor_min", 1_000);
    if medium != Medium::Electricity {
        for key in ["contract_kw", "power_factor_min"] {
            if section.has(key) {
                section.mistake(key, "is for meters of electricity");
            }
        }
        return Supply::default();
    }
    if contract_mw.is_some_and(|it| it < 1) {
        section.mistake("contract_kw", "must be more than 0");
    }
    let factor_least_milli =
        factor.and_then(|it| u16::try_from(it).ok()).filter(|it| (500..=1_000).contains(it));
    if factor.is_some() && factor_least_milli.is_none() {
        section.mistake("power_factor_min", "must be from 0.5 to 1");
    }
    Supply { contract_mw, factor_least_milli }
}

/// Reads the limit of a meter, in thousandths of its counter's unit an hour; `None` if
/// nothing tells it.
pub(super) fn read(
    section: &Section<'_>,
    medium: Medium,
    counter: Option<Quantity>,
    pt: i64,
) -> Option<i64> {
    let given = section.decimal("rate_max", PER_UNIT);
    let most = UNITS_MAX * i64::from(PER_UNIT);
    if given.is_some_and(|rate| rate < 1 || most < rate) {
        section.mistake("rate_max", format!("must be more than 0 and at most {UNITS_MAX}"));
    }
    let fuse_a = section.integer("fuse_a", 1..=10_000);
    let pipe_mm = section.integer("pipe_mm", 5..=3_000);
    if counter == Some(Quantity::ActivePower) {
        for key in ["rate_max", "fuse_a", "pipe_mm"] {
            if section.has(key) {
                section.mistake(key, "is for counters; this meter tells power");
            }
        }
        return None;
    }
    let is_electric = medium == Medium::Electricity;
    if fuse_a.is_some() && !is_electric {
        section.mistake("fuse_a", format!("is of electricity, not of {}", medium.code()));
    }
    if pipe_mm.is_some() && is_electric {
        section.mistake("pipe_mm", "is of water and gas; a circuit has `fuse_a`");
    }
    if pipe_mm.is_some() && counter == Some(Quantity::StandardVolume) {
        let hint = "tells nothing of gas under pressure, which this counter brings to the volume \
                    that it would have without; give `rate_max`";
        section.mistake("pipe_mm", hint);
    }
    let by_fuse = fuse_a.map(|fuse| {
        // mWh an hour; `pt` in thousandths makes thousandths of them.
        THREE_PHASES_V * fuse * FUSE_TENTHS * 100 * pt.max(1_000) / 1_000
    });
    let by_pipe = pipe_mm.map(|bore| {
        let swiftest = if medium == Medium::Gas { GAS_M_S } else { WATER_M_S };
        BORE_ML_H * bore * bore * swiftest
    });
    given.or(by_fuse).or(by_pipe)
}

#[cfg(test)]
mod tests {
    use crate::site_book::parse;

    /// A site book whose only meter has these lines besides what it must have.
    fn book(lines: &str) -> String {
        let head = "[site]\nid = \"s\"\nname = \"s\"\nzone = \"Asia/Shanghai\"\n\
                    [[building]]\nid = \"b\"\nname = \"b\"\n[[hours]]\nid = \"h\"\nname = \"h\"\n\
                    [[area]]\nid = \"a\"\nname = \"a\"\nbuilding = \"b\"\nhours = \"h\"\n\
                    [[node]]\nid = \"n\"\nname = \"n\"\n\
                    [[meter]]\nid = \"m\"\nname = \"m\"\narea = \"a\"\nnode = \"n\"\nunit_id = 1\n";
        format!("{head}{lines}")
    }

    #[test]
    fn what_goes_through_at_most_is_told_outright_by_a_fuse_or_by_a_pipe() {
        for (lines, rate_max) in [
            ("model = \"eastron-sdm630\"", None),
            ("model = \"eastron-sdm630\"\nrate_max = 40.5", Some(40_500_000)),
            // 3 x 253 V x 63 A x 1.6 are 76.5 kW.
            ("model = \"eastron-sdm630\"\nfuse_a = 63", Some(76_507_200)),
            ("model = \"eastron-sdm630\"\nfuse_a = 63\npt = 100", Some(7_650_720_000)),
            ("model = \"eastron-sdm630\"\nfuse_a = 63\nrate_max = 40", Some(40_000_000)),
            // A bore of 20 mm at 6 m/s is 6.8 m3 an hour; a meter of that size takes 5.
            ("model = \"xintai-water\"\npipe_mm = 20", Some(6_787_200)),
            ("model = \"xintai-water\"\nrate_max = 5", Some(5_000_000)),
        ] {
            let book = parse(&book(lines)).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));

            assert_eq!(book.site.meters[0].rate_max, rate_max, "{lines}");
        }
    }

    #[test]
    fn a_limit_that_says_nothing_of_its_meter_is_a_mistake() {
        for (lines, key) in [
            ("model = \"eastron-sdm630\"\nrate_max = 0", "rate_max"),
            ("model = \"eastron-sdm630\"\nrate_max = 1000001", "rate_max"),
            ("model = \"eastron-sdm630\"\nrate_max = \"40 kW\"", "rate_max"),
            ("model = \"eastron-sdm630\"\npipe_mm = 20", "pipe_mm"),
            ("model = \"xintai-water\"\nfuse_a = 16", "fuse_a"),
            ("model = \"xintai-water\"\npipe_mm = 4", "pipe_mm"),
            ("model = \"fuxin-gas\"\ncounter = \"StandardVolume\"\npipe_mm = 50", "pipe_mm"),
            ("model = \"eastron-sdm630\"\ncounter = \"ActivePower\"\nfuse_a = 16", "fuse_a"),
        ] {
            let mistakes = parse(&book(lines)).unwrap_err();

            let keys: Vec<_> = mistakes.iter().map(|it| it.key.as_str()).collect();
            assert_eq!(keys, [format!("meter[1].{key}")], "{lines}");
        }
    }
}
