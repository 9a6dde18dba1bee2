//! Gas that burns as if people were there.
//!
//! What it means: the area is closed, and yet the boiler burns more than half of what it
//! burns while people are there: the heating's timer does not know of the weekend or the
//! holiday, or somebody set it to "always". Keeping a building from freezing takes less.
//!
//! What to do: look at the heating's timer and set back temperature; enter holidays there.
//! A building that must be warm, as a hospital's ward, is open by its hours.
//!
//! Counted is from some hours after closing (what is warm may burn out) to some hours
//! before opening (it may be heated up). The finding begins with the first hour above the
//! limit and ends with the first below it, or when heating up may begin. Waste is what
//! burns above the quietest closed hours.
//!
//! Learning: nothing is said until there were 60 open hours with gas in the last four weeks, as at
//! the beginning of each heating season.

use crate::finding::Evidence;
use crate::track::Track;

use super::spell::{Spell, amount, quantile, rounded, steps};

/// What is allowed while the area is closed.
///
/// # Source
///
/// A proposal of our own: a set back of the room temperature by 5 K at 0 °C outside takes
/// a quarter off the heat, a building kept from freezing takes less than half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GasLimits {
    /// Share of what burns in the middle hour with people.
    pub share: f64,
    /// How long it must have been above the limit, s.
    pub least_s: i64,
    /// How long after closing nothing is counted, s.
    pub grace_s: i64,
    /// How long before opening nothing is counted, s.
    pub heat_up_s: i64,
    /// How far back is learnt, s.
    pub learn_s: i64,
    /// How many open hours with gas are needed to learn.
    pub hours_min: usize,
}

impl Default for GasLimits {
    fn default() -> Self {
        Self {
            share: 0.5,
            least_s: 6 * 3_600,
            grace_s: 2 * 3_600,
            heat_up_s: 6 * 3_600,
            learn_s: 28 * 86_400,
            hours_min: 60,
        }
    }
}

/// Finds stretches in which gas burns although the area is closed.
///
/// `track` is the gas meter's amounts at steps of up to an hour; `is_open` says whether the
/// area is open at an instant, overtime included. A gap neither opens nor closes.
#[must_use]
pub fn gas_when_closed(
    track: &Track,
    is_open: impl Fn(i64) -> bool,
    limits: &GasLimits,
) -> Vec<Spell> {
    let track = track.hourly();
    let step_s = track.step_s.max(1);
    let per_day = steps(86_400, step_s);
    let back = steps(limits.learn_s, step_s);
    let (grace, heat_up) = (limits.grace_s / step_s, limits.heat_up_s / step_s);
    let ahead = usize::try_from(heat_up).unwrap_or(0);
    let open: Vec<bool> =
        (0..track.amounts.len() + ahead + 1).map(|index| is_open(track.instant(index))).collect();
    let counts = |index: usize| {
        let from = index.saturating_sub(usize::try_from(grace).unwrap_or(0));
        open[from..=index + ahead].iter().all(|it| !it)
    };
    let mut learnt: Option<(f64, f64)> = None;
    let mut run = Run::default();
    let mut spells = Vec::new();
    let least = steps(limits.least_s, step_s);
    for (index, cell) in track.amounts.iter().enumerate() {
        if index.is_multiple_of(per_day) {
            let from = index.saturating_sub(back);
            learnt = learn(&track, &open, from..index, limits);
        }
        if !counts(index) {
            spells.extend(run.end(&track, least, Some(index)));
            continue;
        }
        let Some((flow, (with_people, quiet))) = cell.map(amount).zip(learnt) else { continue };
        let limit = (with_people * limits.share).max(quiet);
        if limit < flow {
            run.add(index, flow, limit, flow - quiet);
        } else {
            spells.extend(run.end(&track, least, Some(index)));
        }
    }
    spells.extend(run.end(&track, least, None));
    spells
}

/// Returns what burns in the middle open hour and in the quiet closed ones.
fn learn(
    track: &Track,
    open: &[bool],
    range: std::ops::Range<usize>,
    limits: &GasLimits,
) -> Option<(f64, f64)> {
    let pick = |wanted: bool, least: i64| -> Vec<f64> {
        let range = range.clone();
        range
            .filter(|index| open[*index] == wanted)
            .filter_map(|index| track.amounts[index])
            .filter(|it| least <= *it)
            .map(amount)
            .collect()
    };
    let mut with_people = pick(true, 1);
    if with_people.len() < limits.hours_min {
        return None;
    }
    let quiet = quantile(&mut pick(false, 0), 0.1).unwrap_or(0.0);
    Some((quantile(&mut with_people, 0.5)?, quiet))
}

#[derive(Default)]
struct Run {
    steps: Vec<(usize, f64, f64)>,
    waste: f64,
}

impl Run {
    fn add(&mut self, index: usize, flow: f64, limit: f64, waste: f64) {
        self.steps.push((index, flow, limit));
        self.waste += waste;
    }

    fn end(&mut self, track: &Track, least: usize, until: Option<usize>) -> Option<Spell> {
        let run = std::mem::take(self);
        let noticed = run.steps.get(least - 1)?.0 + 1;
        let first = run.steps.first()?.0;
        Some(Spell {
            from: track.instant(first),
            noticed: track.instant(noticed),
            until: until.map(|index| track.instant(index)),
            waste: rounded(run.waste),
            evidence: run
                .steps
                .iter()
                .map(|&(index, flow, limit)| Evidence {
                    start: track.instant(index),
                    amount: rounded(flow),
                    limit: rounded(limit),
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    /// Day 0 is a Monday; open on weekdays from 8 to 18.
    fn is_open(instant: i64) -> bool {
        let hour = instant.div_euclid(HOUR);
        (8..18).contains(&hour.rem_euclid(24)) && hour.div_euclid(24).rem_euclid(7) < 5
    }

    /// Heating from 4 to 18 on weekdays, kept from freezing otherwise; `always` says which
    /// days it does not rest.
    fn heating(days: i64, always: impl Fn(i64) -> bool) -> Track {
        let flow = |hour: i64| {
            let (day, of_day) = (hour / 24, hour % 24);
            let is_heated = (4..18).contains(&of_day) && day % 7 < 5;
            if is_heated || always(day) { 10_000 + of_day * 100 } else { 2_000 }
        };
        Track { start: 0, step_s: HOUR, amounts: (0..days * 24).map(flow).map(Some).collect() }
    }

    fn found(track: &Track) -> Vec<Spell> {
        gas_when_closed(track, is_open, &GasLimits::default())
    }

    #[test]
    fn heating_that_rests_at_weekends_is_no_finding() {
        assert_eq!(found(&heating(60, |_| false)), []);
    }

    #[test]
    fn a_weekend_heated_like_a_working_day_is_one_finding_with_its_waste() {
        let spells = found(&heating(60, |day| day == 40 || day == 41));

        let [spell] = spells.as_slice() else { panic!("{spells:?}") };
        assert_eq!((spell.from, spell.noticed), (40 * 24 * HOUR, (40 * 24 + 6) * HOUR));
        // On Monday it may be heated up from two o'clock.
        assert_eq!(spell.until, Some(42 * 24 * HOUR));
        assert!((400_000..480_000).contains(&spell.waste), "{}", spell.waste);
    }

    #[test]
    fn heating_up_before_opening_is_no_finding() {
        let mut track = heating(60, |_| false);
        for hour in 2..8 {
            track.amounts[42 * 24 + hour] = Some(20_000);
        }

        assert_eq!(found(&track), []);
    }

    #[test]
    fn the_beginning_of_the_season_teaches_first() {
        assert_eq!(found(&heating(8, |_| true)), []);
    }

    #[test]
    fn nothing_panics_or_floods() {
        for (length, amount) in [(0, Some(1)), (1, Some(1)), (5_000, None), (5_000, Some(-4))] {
            let track = Track { start: 0, step_s: HOUR, amounts: vec![amount; length] };

            assert_eq!(found(&track), [], "{length} times {amount:?}");
        }
    }
}
