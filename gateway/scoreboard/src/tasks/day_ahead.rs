//! The next day's hours: BDG2 electricity.
//!
//! # Protocol
//!
//! `bdg2/electricity_*`, raw: every day of every building from its 29th on is told at its
//! beginning, by nothing but that meter's own days before; no weather, no calendar. An hour
//! that was not measured is not scored; faults of the meters are.
//!
//! NRMSE of a building is the root of the mean squared miss of all its hours over the mean
//! of those hours. The previous day, told again, is printed beside.
//!
//! - `coverage_of_range`: hours within the range of nine in ten.
//! - `growth_...`: by how many points the median NRMSE grows when the data are disturbed as
//!   [`crate::robustness`] says.
//! - `month_end_...`: on the 10th day of January, April, July and October, what the month will
//!   have come to: the median amount of the miss, and how many months lie within the range.
//!   Months of which an hour is missing are left out.

use std::path::Path;
use std::time::Instant;

use analysis::calendar::HolidayCalendar;
use analysis::forecast::{DayAhead, HOURS, Hours, PastDay, month_end};
use analysis::track::Track;
use anyhow::Result;

use crate::resample;
use crate::robustness::{DISTURBANCES, Measured};
use crate::score::{Goal, Outcome, Score};
use crate::table;
use crate::years::{median, ratio};

const TASK: &str = "day_ahead";
const WARM_UP_DAYS: usize = 28;
const HISTORY_DAYS: usize = 182;
/// Fewer days before than this are no trial of a month's end.
const HISTORY_DAYS_MIN: usize = 90;

struct Told {
    nrmse: f64,
    previous_day: f64,
    within: f64,
    ms_per_year: f64,
}

/// Runs the task.
///
/// # Errors
///
/// A file cannot be read as a table.
pub(super) fn run(dir: &Path) -> Result<Outcome> {
    let paths = table::files(&dir.join("bdg2"), "electricity_");
    if paths.is_empty() {
        return Ok(Outcome::Skipped {
            task: TASK,
            why: "bdg2/electricity_*.csv is not there".into(),
        });
    }
    let mut tables = Vec::new();
    for path in paths {
        tables.push(Measured { table: table::read(&path)?, labels: Vec::new() });
    }
    let told = tell_all(&tables, Clone::clone);
    let middle = |it: &[&Told]| median(it.iter().map(|it| 100.0 * it.nrmse).collect());
    let all: Vec<&Told> = told.iter().collect();
    let mut scores = Vec::new();
    if let Some(value) = middle(&all) {
        scores.push(
            Score::new("nrmse", value, "%")
                .with_goal(Goal::AtMost(14.0))
                .with_interval(resample::interval(&told, middle)),
        );
    }
    for (key, unit, figure) in [
        ("nrmse_previous_day", "%", (|it: &Told| 100.0 * it.previous_day) as fn(&Told) -> f64),
        ("coverage_of_range", "%", |it| 100.0 * it.within),
        ("time_per_meter_year", "ms", |it| it.ms_per_year),
    ] {
        let value = median(told.iter().map(figure).collect());
        scores.extend(value.map(|it| Score::new(key, it, unit)));
    }
    for (name, disturb) in DISTURBANCES {
        let worse = tell_all(&tables, disturb);
        let growth = middle(&worse.iter().collect::<Vec<_>>()).zip(middle(&all));
        scores.extend(growth.map(|(worse, usual)| {
            let growth = (worse - usual).max(0.0);
            Score::new(format!("growth_{name}"), growth, "points").with_goal(Goal::AtMost(3.0))
        }));
    }
    let ends: Vec<(f64, bool)> = tables
        .iter()
        .flat_map(|it| it.table.columns.iter().map(|column| it.table.track(column)))
        .flat_map(|track| month_ends(&track))
        .collect();
    let within = ends.iter().filter(|it| it.1).count();
    scores.extend(
        median(ends.iter().map(|it| 100.0 * it.0.abs()).collect())
            .map(|it| Score::new("month_end_miss", it, "%")),
    );
    scores.push(Score::new("month_end_within_range", 100.0 * ratio(within, ends.len()), "%"));
    Ok(Outcome::Scored { task: TASK, scores })
}

fn tell_all(tables: &[Measured], disturb: fn(&Measured) -> Measured) -> Vec<Told> {
    let mut told = Vec::new();
    for measured in tables {
        let table = disturb(measured).table;
        told.extend(table.columns.iter().filter_map(|it| tell(&table.track(it))));
    }
    told
}

/// Returns for each month that is tried how far off its end was told, as a share, and
/// whether it lay within the range.
fn month_ends(track: &Track) -> Vec<(f64, bool)> {
    let calendar = HolidayCalendar::weekdays();
    let days: Vec<PastDay> = (0_i64..)
        .zip(days_of(track))
        .filter_map(|(at, (_, hours))| {
            let stamp = table::stamp_of(track.start + at * 86_400);
            Some(PastDay { date: stamp.get(..10)?.parse().ok()?, hours })
        })
        .collect();
    let mut ends = Vec::new();
    for (at, day) in days.iter().enumerate() {
        if day.date.day() != 9 || day.date.month() % 3 != 1 || at < HISTORY_DAYS_MIN {
            continue;
        }
        let of_month = |it: &&PastDay| it.date.first_of_month() == day.date.first_of_month();
        let truth: Option<f64> = days
            .iter()
            .filter(of_month)
            .flat_map(|it| it.hours)
            .try_fold(0.0, |sum, it| Some(sum + it?));
        let is_whole = days.iter().filter(of_month).count()
            == usize::from(day.date.days_in_month().unsigned_abs());
        let Some(truth) = truth.filter(|it| is_whole && 0.0 < *it) else { continue };
        let from = (at + 1).saturating_sub(HISTORY_DAYS);
        // Whole amounts are what the product has; here they are thousandths already.
        if let Some(end) = month_end(&days[from..=at], &calendar)
            && let Some((low, high)) = end.range
        {
            let is_within = whole(low) <= truth && truth <= whole(high);
            ends.push((whole(end.expected) / truth - 1.0, is_within));
        }
    }
    ends
}

#[expect(clippy::cast_precision_loss, reason = "amounts of a month")]
const fn whole(amount: i64) -> f64 {
    amount as f64
}

fn tell(track: &Track) -> Option<Told> {
    let days = days_of(track);
    let mut teller = DayAhead::default();
    let (mut misses, mut previous, mut within) = (Miss::default(), Miss::default(), (0, 0));
    #[expect(clippy::disallowed_methods, reason = "the time is what is asked")]
    let begun = Instant::now();
    for (at, (weekday, day)) in days.iter().enumerate() {
        let told = teller.tell(*weekday);
        if WARM_UP_DAYS <= at {
            for hour in 0..HOURS {
                let Some(amount) = day[hour] else { continue };
                if let Some(told) = told[hour] {
                    misses.add(amount, told.amount);
                    within.0 += usize::from(told.low <= amount && amount <= told.high);
                    within.1 += 1;
                }
                if let Some(before) = days[at - 1].1[hour] {
                    previous.add(amount, before);
                }
            }
        }
        teller.learn(*weekday, day);
    }
    let ms = begun.elapsed().as_secs_f64() * 1000.0;
    Some(Told {
        nrmse: misses.nrmse()?,
        previous_day: previous.nrmse()?,
        within: ratio(within.0, within.1),
        ms_per_year: ms * 365.0 / ratio(days.len(), 1),
    })
}

fn days_of(track: &Track) -> Vec<(usize, Hours)> {
    let per_hour = usize::try_from(3600 / track.step_s.max(1)).unwrap_or(1).max(1);
    let mut days = Vec::new();
    for (at, steps) in track.amounts.chunks(HOURS * per_hour).enumerate() {
        let mut day = [None; HOURS];
        for (hour, steps) in day.iter_mut().zip(steps.chunks(per_hour)) {
            *hour = steps.iter().try_fold(0.0, |sum, it| it.map(|it| sum + thousandths(it)));
        }
        // 1 January 1970 was a Thursday.
        let instant = track.instant(at * HOURS * per_hour);
        let weekday = (instant.div_euclid(86_400) + 3).rem_euclid(7);
        days.push((usize::try_from(weekday).unwrap_or(0), day));
    }
    days
}

#[derive(Default)]
struct Miss {
    squares: f64,
    sum: f64,
    count: f64,
}

impl Miss {
    fn add(&mut self, amount: f64, told: f64) {
        self.squares += (amount - told).powi(2);
        self.sum += amount;
        self.count += 1.0;
    }

    fn nrmse(&self) -> Option<f64> {
        (0.0 < self.sum).then(|| (self.squares / self.count).sqrt() / (self.sum / self.count))
    }
}

#[expect(clippy::cast_precision_loss, reason = "amounts of an hour")]
const fn thousandths(amount: i64) -> f64 {
    amount as f64
}
