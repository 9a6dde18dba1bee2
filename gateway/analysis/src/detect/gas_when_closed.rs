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
//! limit and ends with the first below it, or when heating up may begin. A weekend that
//! burns like the one before is the same matter: stretches that lie less than six days
//! apart are one finding, which ends when a weekend rested. Waste is what burns above the
//! quietest closed hours.
//!
//! Cold weather is no waste. Gas is compared with what burnt with people in the middle of
//! four weeks, or in the last open days if that is more; where the outdoor temperature is
//! known and it is colder now than in those hours, with as much more as the cold asks for.
//!
//! Learning: nothing is said until there were 60 open hours with gas in the last four weeks, as at
//! the beginning of each heating season. A meter whose quietest closed hours burn as much
//! as its open ones has no rest to compare with: of it only what lies far above them is told.

use crate::finding::Evidence;
use crate::track::Track;

use super::spell::{Spell, amount, joined, quantile, rounded, steps};

/// What is allowed while the area is closed.
///
/// # Source
///
/// A proposal of our own: a set back of the room temperature by 5 K at 0 °C outside takes
/// a quarter off the heat, a building kept from freezing takes less than half. Half a day:
/// of ten university buildings over five years, the one whose boiler burns in bursts was told
/// 92 times with six hours and 7 times with twelve; of what the others wasted
/// half to nearly all is still told.
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
    /// The last open days: how many open hours with gas.
    pub hours_last: usize,
    /// How far above the quietest closed hours gas must burn, times those.
    pub above_quiet: f64,
    /// Below which outdoor temperature it is heated, thousandths of a degree Celsius.
    pub heated_milli: i64,
    /// Stretches that lie less than this apart are one matter, s.
    pub apart_s: i64,
}

impl Default for GasLimits {
    fn default() -> Self {
        Self {
            share: 0.5,
            least_s: 12 * 3_600,
            grace_s: 2 * 3_600,
            heat_up_s: 6 * 3_600,
            learn_s: 28 * 86_400,
            hours_min: 60,
            hours_last: 20,
            above_quiet: 1.25,
            heated_milli: 16_000,
            apart_s: 6 * 86_400,
        }
    }
}

/// Finds stretches in which gas burns although the area is closed.
///
/// `track` is the gas meter's amounts at steps of up to an hour; `is_open` says whether the
/// area is open at an instant, overtime included. `temperature` is the outdoor temperature
/// in thousandths of a degree Celsius, where it is known. A gap neither opens nor closes.
#[must_use]
pub fn gas_when_closed(
    track: &Track,
    is_open: impl Fn(i64) -> bool,
    temperature: Option<&Track>,
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
    let cold = |index: usize| cold_at(temperature, track.instant(index), limits.heated_milli);
    let mut learnt: Option<Learnt> = None;
    let mut run = Run::default();
    let mut spells = Vec::new();
    let least = steps(limits.least_s, step_s);
    for (index, cell) in track.amounts.iter().enumerate() {
        if index.is_multiple_of(per_day) {
            let from = index.saturating_sub(back);
            learnt = Learnt::of(&track, &open, from..index, cold, limits);
        }
        if !counts(index) {
            spells.extend(run.end(&track, least, Some(index)));
            continue;
        }
        let Some((flow, learnt)) = cell.map(amount).zip(learnt.as_ref()) else { continue };
        let limit = learnt.limit(cold(index), limits);
        if limit < flow {
            run.add(index, flow, limit, flow - learnt.quiet);
        } else {
            spells.extend(run.end(&track, least, Some(index)));
        }
    }
    spells.extend(run.end(&track, least, None));
    joined(spells, limits.apart_s, track.end())
}

/// How much colder than what is heated it is outside at an instant, degrees.
fn cold_at(temperature: Option<&Track>, instant: i64, heated_milli: i64) -> Option<f64> {
    let track = temperature?;
    let at = usize::try_from((instant - track.start).div_euclid(track.step_s.max(1))).ok()?;
    let degrees = track.amounts.get(at).copied().flatten()?;
    Some(amount(heated_milli.saturating_sub(degrees).max(0)) / 1_000.0)
}

/// What is known of a meter.
struct Learnt {
    /// What burns in an open hour.
    with_people: f64,
    /// What burns in the quiet closed ones.
    quiet: f64,
    /// How cold it was in the open hours, where that is known of most of them.
    cold: Option<f64>,
}

impl Learnt {
    fn of(
        track: &Track,
        open: &[bool],
        range: std::ops::Range<usize>,
        cold: impl Fn(usize) -> Option<f64>,
        limits: &GasLimits,
    ) -> Option<Self> {
        let pick = |wanted: bool, least: i64| -> Vec<(usize, f64)> {
            let range = range.clone();
            range
                .filter(|index| open[*index] == wanted)
                .filter_map(|index| Some((index, track.amounts[index]?)))
                .filter(|it| least <= it.1)
                .map(|(index, it)| (index, amount(it)))
                .collect()
        };
        let middle = |hours: &[(usize, f64)]| {
            quantile(&mut hours.iter().map(|it| it.1).collect::<Vec<_>>(), 0.5)
        };
        let hours = pick(true, 1);
        if hours.len() < limits.hours_min {
            return None;
        }
        let last = &hours[hours.len().saturating_sub(limits.hours_last)..];
        let with_people = middle(&hours)?.max(middle(last)?);
        let mut closed: Vec<f64> = pick(false, 0).into_iter().map(|it| it.1).collect();
        let mut colds: Vec<f64> = hours.iter().filter_map(|it| cold(it.0)).collect();
        let is_known = hours.len() <= 2 * colds.len();
        Some(Self {
            with_people,
            quiet: quantile(&mut closed, 0.1).unwrap_or(0.0),
            cold: quantile(&mut colds, 0.5).filter(|_| is_known),
        })
    }

    /// Returns what may burn in a closed hour that is so cold.
    fn limit(&self, now: Option<f64>, limits: &GasLimits) -> f64 {
        // Below a degree the ratio says nothing.
        let colder = now.zip(self.cold).map_or(1.0, |(now, then)| now / then.max(1.0)).max(1.0);
        (self.with_people * limits.share * colder).max(self.quiet * limits.above_quiet)
    }
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
        gas_when_closed(track, is_open, None, &GasLimits::default())
    }

    #[test]
    fn heating_that_rests_at_weekends_is_no_finding() {
        assert_eq!(found(&heating(60, |_| false)), []);
    }

    #[test]
    fn a_weekend_heated_like_a_working_day_is_one_finding_with_its_waste() {
        let spells = found(&heating(60, |day| day == 40 || day == 41));

        let [spell] = spells.as_slice() else { panic!("{spells:?}") };
        assert_eq!((spell.from, spell.noticed), (40 * 24 * HOUR, (40 * 24 + 12) * HOUR));
        // On Monday it may be heated up from two o'clock.
        assert_eq!(spell.until, Some(42 * 24 * HOUR));
        assert!((400_000..480_000).contains(&spell.waste), "{}", spell.waste);
    }

    #[test]
    fn weekend_after_weekend_is_one_finding_that_is_over_when_one_rests() {
        let weekends = |day: i64| (38..55).contains(&day) && 5 <= day % 7;

        let open = found(&heating(55, weekends));
        let over = found(&heating(62, weekends));

        let [spell] = open.as_slice() else { panic!("{open:?}") };
        // Heating rests from six on Friday: the first weekend begins at midnight.
        assert_eq!((spell.from, spell.until), (40 * 24 * HOUR, None));
        let [spell] = over.as_slice() else { panic!("{over:?}") };
        assert_eq!((spell.from, spell.until), (40 * 24 * HOUR, Some(55 * 24 * HOUR)));
    }

    /// How cold it is outside, thousandths of a degree; a cold spell comes on a Friday night.
    fn degrees(hour: i64) -> i64 {
        if hour < 39 * 24 + 18 { 8_000 } else { -9_000 }
    }

    #[test]
    fn a_cold_weekend_is_no_waste_where_the_weather_is_known() {
        // Kept at a third less than by day, as cold as it is: that is more than half of
        // what burns on a mild day with people.
        let flow = |hour: i64| {
            let (day, of_day) = (hour / 24, hour % 24);
            let is_heated = (4..18).contains(&of_day) && day % 7 < 5;
            let heat = if is_heated { 3 } else { 1 };
            (16_000 - degrees(hour)) * heat / 3
        };
        let hours = 42 * 24;
        let amounts = (0..hours).map(flow).map(Some).collect();
        let track = Track { start: 0, step_s: HOUR, amounts };
        let amounts = (0..hours).map(degrees).map(Some).collect();
        let weather = Track { start: 0, step_s: HOUR, amounts };
        let with = |weather| gas_when_closed(&track, is_open, weather, &GasLimits::default());

        assert_eq!(with(None).len(), 1);
        assert_eq!(with(Some(&weather)), []);
    }

    #[test]
    fn a_meter_that_never_rests_is_not_accused_of_its_noise() {
        let flow = |hour: i64| 10_000 + hour * 7_919 % 97 * 20;
        let amounts = (0..60 * 24).map(flow).map(Some).collect();

        assert_eq!(found(&Track { start: 0, step_s: HOUR, amounts }), []);
    }

    #[test]
    fn what_was_said_is_not_changed_by_what_comes_later() {
        let track = heating(60, |day| day == 40 || day == 41);
        let all = found(&track);

        for hours in (40 * 24..50 * 24).step_by(5) {
            let amounts = track.amounts[..hours].to_vec();
            let now = i64::try_from(hours).unwrap() * HOUR;
            let told = found(&Track { amounts, ..track.clone() });
            let expected: Vec<i64> =
                all.iter().filter(|it| it.noticed <= now).map(|it| it.from).collect();
            assert_eq!(told.iter().map(|it| it.from).collect::<Vec<_>>(), expected, "{hours}");
        }
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
