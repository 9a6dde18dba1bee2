//! The next day, hour by hour.
//!
//! What is usual for the weekday, with recent weeks counting more; and what the last days
//! were off by, hour by hour and as a whole, of which the meter's own past has taught how
//! much comes back. No weather is needed: yesterday's misses carry it.

use std::collections::VecDeque;

use crate::least_squares::{Normal, count, product};

/// Hours of a day.
pub const HOURS: usize = 24;

/// A day of hours, in thousandths; `None` where something is missing.
pub type Hours = [Option<f64>; HOURS];

/// After this many weeks a weekday's day counts half (measured: 2, 4 and 8 give a median
/// error of 13.1, 12.8 and 12.7 % on 24 public buildings).
const USUAL_WEEKS: f64 = 8.0;

/// The same for working days and days off as such, in days of the kind; they stand in for
/// a weekday that was never seen.
const KIND_DAYS: f64 = 10.0;

/// A day's lesson counts half after so many days.
const LESSON_DAYS: f64 = 90.0;

/// How strongly lessons are held back, of the mean square of what they are about.
const RIDGE: f64 = 0.03;

/// How much an hour learns from the hours before and after it.
const NEIGHBOURS: f64 = 0.5;

/// Nothing is corrected before so many days were seen.
const DAYS_MIN: usize = 14;

/// Misses that the range is taken from, days.
const MISSES: usize = 56;

const TERMS: usize = 8;

/// What is known of a meter after each of its days.
#[derive(Clone, Debug)]
pub struct DayAhead {
    usual: [Usual; 7],
    kinds: [Usual; 2],
    // What the last seven days were off by the usual, the newest first.
    off: VecDeque<[f64; HOURS]>,
    yesterday: Option<Hours>,
    lessons: Vec<Normal>,
    learned: Vec<Vec<f64>>,
    days: usize,
    misses: VecDeque<[Option<f64>; HOURS]>,
}

#[derive(Clone, Debug)]
struct Usual {
    sums: [f64; HOURS],
    weights: [f64; HOURS],
}

impl Usual {
    const EMPTY: Self = Self { sums: [0.0; HOURS], weights: [0.0; HOURS] };

    fn at(&self, hour: usize) -> Option<f64> {
        (1e-6 < self.weights[hour]).then(|| self.sums[hour] / self.weights[hour])
    }

    fn learn(&mut self, day: &Hours, half_life: f64) {
        let share = 0.5_f64.powf(1.0 / half_life);
        for (hour, amount) in day.iter().enumerate() {
            self.sums[hour] = self.sums[hour] * share + amount.unwrap_or(0.0);
            self.weights[hour] = self.weights[hour] * share + f64::from(u8::from(amount.is_some()));
        }
    }
}

/// What is expected of an hour, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// The most likely.
    pub amount: f64,
    /// Nine times in ten it was not less, by the last eight weeks' misses.
    pub low: f64,
    /// Nine times in ten it was not more.
    pub high: f64,
}

impl Default for DayAhead {
    fn default() -> Self {
        Self {
            usual: [const { Usual::EMPTY }; 7],
            kinds: [const { Usual::EMPTY }; 2],
            off: VecDeque::new(),
            yesterday: None,
            lessons: vec![Normal::new(TERMS); HOURS],
            learned: vec![vec![0.0; TERMS]; HOURS],
            days: 0,
            misses: VecDeque::new(),
        }
    }
}

impl DayAhead {
    /// Returns what to expect of the next day; `weekday` counts from Monday, 0, and is 6
    /// for a day off by the calendar. `None` for an hour that nothing is known of.
    #[must_use]
    pub fn tell(&self, weekday: usize) -> [Option<Told>; HOURS] {
        let mut told = [None; HOURS];
        for (hour, told) in told.iter_mut().enumerate() {
            let Some(usual) = self.usual(weekday, hour) else { continue };
            let correction = if self.days < DAYS_MIN {
                0.0
            } else {
                product(&self.terms(hour), &self.learned[hour])
            };
            let amount = (usual + correction).max(0.0);
            let (low, high) = self.range(hour);
            *told = Some(Told { amount, low: (amount + low).max(0.0), high: amount + high });
        }
        told
    }

    /// Takes a day that is over.
    pub fn learn(&mut self, weekday: usize, day: &Hours) {
        let told = self.tell(weekday);
        let mut miss = [None; HOURS];
        for hour in 0..HOURS {
            miss[hour] = day[hour].zip(told[hour]).map(|(amount, told)| amount - told.amount);
        }
        let mut off = [0.0; HOURS];
        let fade = 0.5_f64.powf(1.0 / LESSON_DAYS);
        for hour in 0..HOURS {
            self.lessons[hour].fade(fade);
            if let Some((amount, usual)) = day[hour].zip(self.usual(weekday, hour)) {
                off[hour] = amount - usual;
                let terms = self.terms(hour);
                self.lessons[hour].add(&terms, off[hour], 1.0);
            }
        }
        self.see(weekday, day, off);
        self.days += 1;
        if DAYS_MIN < self.days {
            self.misses.push_front(miss);
            self.misses.truncate(MISSES);
        }
        self.draw_lessons();
    }

    /// Takes a day that was told only: what comes after it is told by it, but it teaches
    /// nothing.
    pub fn suppose(&mut self, weekday: usize, day: &Hours) {
        let mut off = [0.0; HOURS];
        for (hour, off) in off.iter_mut().enumerate() {
            if let Some((amount, usual)) = day[hour].zip(self.usual(weekday, hour)) {
                *off = amount - usual;
            }
        }
        self.off.push_front(off);
        self.off.truncate(7);
        self.yesterday = Some(*day);
    }

    fn see(&mut self, weekday: usize, day: &Hours, off: [f64; HOURS]) {
        self.usual[weekday.min(6)].learn(day, USUAL_WEEKS);
        self.kinds[usize::from(5 <= weekday)].learn(day, KIND_DAYS);
        self.off.push_front(off);
        self.off.truncate(7);
        self.yesterday = Some(*day);
    }

    fn usual(&self, weekday: usize, hour: usize) -> Option<f64> {
        self.usual[weekday.min(6)]
            .at(hour)
            .or_else(|| self.kinds[usize::from(5 <= weekday)].at(hour))
            .or_else(|| self.yesterday.and_then(|it| it[hour]))
    }

    fn terms(&self, hour: usize) -> [(usize, f64); TERMS] {
        let of = |ago: usize| self.off.get(ago - 1).map_or(0.0, |it| it[hour]);
        let mean = |ago: usize| {
            self.off.get(ago - 1).map_or(0.0, |it| it.iter().sum::<f64>() / count(HOURS))
        };
        let late = self.off.front().map_or(0.0, |it| it[HOURS - 4..].iter().sum::<f64>() / 4.0);
        let level = (mean(1) + mean(2) + mean(3)) / 3.0;
        let values = [of(1), of(2), of(7), mean(1), mean(2), mean(7), late, level];
        let mut terms = [(0, 0.0); TERMS];
        for (at, (term, value)) in terms.iter_mut().zip(values).enumerate() {
            *term = (at, value);
        }
        terms
    }

    fn draw_lessons(&mut self) {
        let scale: f64 = self.lessons.iter().map(Normal::scale).sum::<f64>() / count(HOURS);
        let ridge = RIDGE * scale + 1e-9;
        for hour in 0..HOURS {
            let mut sums = self.lessons[hour].clone();
            sums.blend(&self.lessons[(hour + HOURS - 1) % HOURS], NEIGHBOURS);
            sums.blend(&self.lessons[(hour + 1) % HOURS], NEIGHBOURS);
            self.learned[hour] = sums.solve(|_| ridge);
        }
    }

    fn range(&self, hour: usize) -> (f64, f64) {
        let mut misses: Vec<f64> = self.misses.iter().filter_map(|it| it[hour]).collect();
        misses.sort_by(f64::total_cmp);
        let at =
            |per_cent: usize| misses.get(misses.len() * per_cent / 100).copied().unwrap_or(0.0);
        (at(5).min(0.0), at(95).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn work_day(weekday: usize) -> Hours {
        let mut day = [Some(1000.0); HOURS];
        if weekday < 5 {
            day[8..18].fill(Some(5000.0));
        }
        day
    }

    fn after(days: usize) -> DayAhead {
        let mut teller = DayAhead::default();
        for day in 0..days {
            teller.learn(day % 7, &work_day(day % 7));
        }
        teller
    }

    #[test]
    fn a_week_that_repeats_is_told_to_the_last() {
        let teller = after(70);

        for weekday in 0..7 {
            for (told, amount) in teller.tell(weekday).iter().zip(work_day(weekday)) {
                let (told, amount) = (told.unwrap(), amount.unwrap());
                assert!((told.amount - amount).abs() < 1e-6, "{weekday}: {told:?} {amount}");
                assert!(told.low <= told.amount && told.amount <= told.high);
            }
        }
    }

    #[test]
    fn nothing_is_told_of_a_meter_that_nobody_read() {
        assert_eq!(DayAhead::default().tell(0), [None; HOURS]);
    }

    #[test]
    fn a_gap_is_no_hour_of_nothing() {
        let mut teller = after(70);
        teller.learn(0, &[None; HOURS]);

        let noon = teller.tell(1)[12].unwrap();

        assert!((noon.amount - 5000.0).abs() < 1e-6, "{noon:?}");
    }

    #[test]
    fn a_level_that_stays_is_believed_after_some_days() {
        let mut teller = after(70);
        for day in 0..21 {
            teller.learn(day % 7, &work_day(day % 7).map(|it| it.map(|it| it * 1.5)));
        }

        let noon = teller.tell(0)[12].unwrap();

        assert!((6800.0..7900.0).contains(&noon.amount), "{noon:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

        #[test]
        fn no_day_is_too_absurd(
            days in prop::collection::vec(
                prop::collection::vec(prop::option::of(prop_oneof![
                    Just(0.0), -1e4..1e6_f64, Just(1e300), Just(-1e300),
                ]), HOURS), 0..40),
        ) {
            let mut teller = DayAhead::default();
            for (at, day) in days.iter().enumerate() {
                teller.learn(at % 7, &std::array::from_fn(|hour| day[hour]));
            }

            for told in teller.tell(3).into_iter().flatten() {
                prop_assert!(!told.amount.is_nan() && 0.0 <= told.amount);
            }
        }
    }
}
