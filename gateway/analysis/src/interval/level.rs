//! A counter that after an outage counts in another scale: a suspicion for a person.
//!
//! In: the intervals of one meter, in order of time. Out: outages after which everything is
//! lastingly so many times more or less, by a factor that somebody's screwdriver explains: a
//! power of ten, twice, cubic feet for cubic metres, the ratio of a current transformer.
//!
//! Each measured quarter hour of the week after an outage is set against the same one of the
//! week before it, so that neither night nor weekend makes a level. Nothing is applied: an
//! occupied building does double its use. A person who knows makes a scale event of it.

use super::{Coverage, INTERVAL_S, IntervalAmount};

/// The shortest outage after which a level is looked at, intervals.
const OUTAGE_MIN: usize = 1;

/// How far levels are compared, intervals: a week.
const WEEK: usize = 7 * DAY;
const DAY: usize = 96;

/// Pairs of measured quarter hours that a day needs to tell anything: half of it.
const PAIRS_MIN: usize = 48;

/// Days that must tell. A household that comes home or goes away makes a day or two.
const DAYS_MIN: usize = 5;

/// How far from the factor each of these days may lie, in thousandths of it. What people do
/// differs from day to day; what a setting does is the same on each. Of 25 households' water
/// of a year, 15 gave false levels without this.
const DAY_NEAR_MILLI: i128 = 250;

/// How far from a factor a level may lie, in thousandths of it. Weeks of the buildings whose
/// data the tests use differ by less than 30 in a hundred, so only what lies near counts.
const NEAR_MILLI: i128 = 60;

/// Factors that a wrong setting makes, in thousandths: powers of ten, double, cubic feet in a
/// cubic metre, and the usual current transformers to 5 A (50/5 is 10).
const FACTORS_MILLI: [i64; 13] = [
    2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 35_315, 40_000, 60_000, 80_000, 100_000, 120_000,
    1_000_000,
];

/// A lasting change of a counter's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelChange {
    /// The end of the outage, from when on the other scale holds.
    pub from: i64,
    /// How many times more there is now, in thousandths; below 1000 it is less.
    pub level_milli: i64,
    /// The setting that explains it: readings multiplied by `num / den` are as before.
    pub num: i64,
    /// The factor's denominator.
    pub den: i64,
}

/// Returns the lasting changes of level after outages.
#[must_use]
pub fn level_changes(intervals: &[IntervalAmount]) -> Vec<LevelChange> {
    let mut changes = Vec::new();
    let measured = |at: usize| {
        let interval = intervals.get(at)?;
        (interval.coverage() == Coverage::Measured).then_some(interval.measured)
    };
    let mut at = 0;
    while at < intervals.len() {
        if measured(at).is_some() {
            at += 1;
            continue;
        }
        let length = intervals[at..]
            .iter()
            .take_while(|interval| interval.coverage() != Coverage::Measured)
            .count();
        let (from, to) = (at, at + length);
        at = to;
        if length < OUTAGE_MIN || intervals.len() <= to {
            continue;
        }
        let (mut before, mut after) = (0_i128, 0_i128);
        let mut days: Vec<(i128, i128)> = Vec::new();
        for day in (to..(to + WEEK).min(intervals.len())).step_by(DAY) {
            let (mut was, mut is, mut pairs) = (0, 0, 0);
            for later in day..(day + DAY).min(intervals.len()) {
                // The same quarter hour of the newest week that ended before the outage.
                let weeks = (later - from) / WEEK + 1;
                let earlier = later.checked_sub(weeks * WEEK).and_then(measured);
                if let (Some(earlier), Some(later)) = (earlier, measured(later)) {
                    was += i128::from(earlier);
                    is += i128::from(later);
                    pairs += 1;
                }
            }
            (before, after) = (before + was, after + is);
            if PAIRS_MIN <= pairs {
                days.push((was, is));
            }
        }
        if days.len() < DAYS_MIN || before <= 0 || after <= 0 {
            continue;
        }
        if let Some((num, den)) = explained(before, after)
            && days.iter().all(|&(was, is)| {
                let (as_before, was) = (is * i128::from(num), was * i128::from(den));
                (as_before - was).abs() * 1_000 <= was * DAY_NEAR_MILLI
            })
        {
            changes.push(LevelChange {
                from: intervals[to - 1].start + INTERVAL_S,
                level_milli: i64::try_from(after * 1_000 / before).unwrap_or(i64::MAX),
                num,
                den,
            });
        }
    }
    changes
}

/// Returns the fraction that brings a level back, if a setting explains it.
fn explained(before: i128, after: i128) -> Option<(i64, i64)> {
    let (small, large) = (before.min(after), before.max(after));
    let off = |factor: &i64| (large * 1_000 - small * i128::from(*factor)).abs();
    let factor = FACTORS_MILLI.into_iter().min_by_key(off)?;
    if small * i128::from(factor) * NEAR_MILLI / 1_000 < off(&factor) {
        return None;
    }
    Some(if before < after { (1_000, factor) } else { (factor, 1_000) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four weeks with a day's shape, an outage of three hours after two of them, and the
    /// given factor from then on, in thousandths.
    fn weeks(factor_milli: i64) -> Vec<IntervalAmount> {
        (0..28 * 96_i64)
            .map(|slot| {
                let start = slot * INTERVAL_S;
                let day = 40_000 + 3_000 * (slot % 96) - 4_000 * i64::from(slot / 96 % 7 == 6);
                let level = if slot < 14 * 96 { 1_000 } else { factor_milli };
                if (14 * 96..14 * 96 + 12).contains(&slot) {
                    return IntervalAmount::missing(start);
                }
                let measured = day * level / 1_000;
                IntervalAmount { measured, missing_s: 0, ..IntervalAmount::missing(start) }
            })
            .collect()
    }

    #[test]
    fn a_level_that_a_setting_explains_is_told_with_its_factor() {
        for (factor_milli, num, den) in [
            (10_000, 1_000, 10_000),
            (100, 10_000, 1_000),
            (2_030, 1_000, 2_000),
            (35_315, 1_000, 35_315),
            (25, 40_000, 1_000),
            (1_000_000, 1_000, 1_000_000),
        ] {
            let found = level_changes(&weeks(factor_milli));

            assert_eq!(found.len(), 1, "{factor_milli}");
            assert_eq!((found[0].num, found[0].den), (num, den), "{factor_milli}");
            assert_eq!(found[0].from, (14 * 96 + 12) * INTERVAL_S);
        }
    }

    #[test]
    fn what_a_building_does_by_itself_is_no_change_of_scale() {
        for factor_milli in [600, 1_000, 1_400, 1_700, 2_400, 3_300, 7_000] {
            assert!(level_changes(&weeks(factor_milli)).is_empty(), "{factor_milli}");
        }
    }
}
