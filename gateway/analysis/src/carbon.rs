//! What a kilowatt hour or a cubic metre comes to in carbon dioxide: dated factors with
//! their sources.
//!
//! A year takes its own factor; a year whose factor is not published yet takes the newest
//! one before it, and the answer says of which year it is. A year before the first factor
//! has none. Tenths of a gram per kWh or m³ are what the published figures are exact to.

use crate::site::Medium;

/// What a unit of a medium comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarbonFactor {
    /// What it is for.
    pub medium: Medium,
    /// The year that it describes.
    pub year: i16,
    /// Tenths of a gram of CO₂ per kWh or m³.
    pub decigrams: i64,
    /// Who published it.
    pub source: &'static str,
}

/// The factors known, each medium's by year.
pub const FACTORS: [CarbonFactor; 4] = [
    CarbonFactor {
        medium: Medium::Electricity,
        year: 2021,
        decigrams: 5568,
        source: "生态环境部 国家统计局 公告 2024 年第 12 号，全国电力平均二氧化碳排放因子",
    },
    CarbonFactor {
        medium: Medium::Electricity,
        year: 2022,
        decigrams: 5366,
        source: "生态环境部 国家统计局 2024-12 公告，全国电力平均二氧化碳排放因子",
    },
    CarbonFactor {
        medium: Medium::Electricity,
        year: 2023,
        decigrams: 5306,
        source: "生态环境部 国家统计局 2026-01 公告，全国电力平均二氧化碳排放因子",
    },
    CarbonFactor {
        medium: Medium::Gas,
        year: 2021,
        decigrams: 21_622,
        source: "天然气 2.1622 kgCO2/m³，缺省值，各年同值",
    },
];

impl CarbonFactor {
    /// Returns the factor for what was used in a year; `None` for a medium or a year that
    /// has none.
    #[must_use]
    pub fn of(medium: Medium, year: i16) -> Option<Self> {
        FACTORS.iter().rev().find(|it| it.medium == medium && it.year <= year).copied()
    }

    /// Returns what an amount, in thousandths of the medium's unit (mWh, mL), comes to, g.
    #[must_use]
    pub fn grams(self, amount: i64) -> i64 {
        let grams = i128::from(amount) * i128::from(self.decigrams) / 10_000_000;
        i64::try_from(grams).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_takes_its_own_factor_or_the_newest_before_it() {
        let year = |year| CarbonFactor::of(Medium::Electricity, year).map(|it| it.decigrams);

        assert_eq!([year(2020), year(2022), year(2026)], [None, Some(5366), Some(5306)]);
        assert_eq!(CarbonFactor::of(Medium::Water, 2026), None);
    }

    #[test]
    fn a_thousand_kilowatt_hours_are_half_a_ton() {
        let electricity = CarbonFactor::of(Medium::Electricity, 2023).unwrap();
        let gas = CarbonFactor::of(Medium::Gas, 2026).unwrap();

        assert_eq!(electricity.grams(1_000_000_000), 530_600);
        assert_eq!(gas.grams(1_000_000), 2_162);
    }
}
