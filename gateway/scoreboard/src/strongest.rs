//! The strongest findings that touch no label: what looks false, to be judged by people.
//!
//! In: the tables of `injected_faults_*`, electricity and water. Out: of all findings that
//! state a waste (nights, days off, rising base loads, leaks, bursts, toilets) those that
//! touch no label of any kind of their meter, the most wasteful first: waste is told in large
//! days of the meter (nine of ten days use no more), so that a school and a kiosk rank alike.
//! Of findings of one meter that overlap the strongest stands for all. Warm-up as in [`crate::tally`].
//!
//! The labels say what was added, not what was there: the base series are real, and some of
//! these findings are right. `README.md` beside has the judgement of those of one folder.
//!
//! Not here: how they are drawn ([`crate::picture`]); faults of meters, which waste nothing.

use std::path::Path;

use analysis::calendar::HolidayCalendar;
use analysis::detect::{
    WaterLimits, after_hours_limits, after_hours_load, water, weekend_limits, weekend_running,
};
use analysis::finding::{FindingKind, Told};
use analysis::robust::quantile;
use analysis::track::Track;
use anyhow::{Result, ensure};
use jiff::tz::TimeZone;
use wire::Name;

use crate::flag::{DAY_S, hours};
use crate::labelled::{self, Labelled};
use crate::tally::WARM_UP_S;
use crate::tasks::{load_of, rising};

/// One of them.
#[derive(Clone, Debug)]
pub struct Strong {
    /// The header of its series.
    pub series: String,
    /// The table's unit.
    pub unit: &'static str,
    /// What was measured.
    pub track: Track,
    /// What was said, and when.
    pub told: Told,
    /// Its waste, in large days of the meter.
    pub days: f64,
}

impl Strong {
    /// Returns until when it holds: to the end of the table if it is open.
    #[must_use]
    pub fn until(&self) -> i64 {
        until(&self.told, &self.track)
    }
}

/// Returns the strongest findings that touch no label, at most so many.
///
/// # Errors
///
/// There is no table with labels, or a file cannot be read as what its name says.
pub fn strongest(dir: &Path, count: usize) -> Result<Vec<Strong>> {
    let (power, flow) = (labelled::read(dir, "electricity_")?, labelled::read(dir, "water_")?);
    ensure!(
        !power.is_empty() || !flow.is_empty(),
        "there is no injected_faults_*/electricity_*.csv or water_*.csv with labels.csv in {}",
        dir.display()
    );
    let name = Name::new("series")?;
    let mut all = Vec::new();
    for (meter, told) in power.iter().zip(of_loads(&power, &name)) {
        all.extend(unlabelled(meter, told, "kWh"));
    }
    for meter in &flow {
        all.extend(unlabelled(meter, of_water(meter, &name), "L"));
    }
    all.sort_by(|one, other| other.days.total_cmp(&one.days));
    all.truncate(count);
    Ok(all)
}

fn of_loads(meters: &[Labelled], name: &Name) -> Vec<Vec<Told>> {
    let (zone, calendar) = (TimeZone::UTC, HolidayCalendar::weekdays());
    let mut all = rising(meters, name, (&zone, &calendar));
    for (meter, told) in meters.iter().zip(&mut all) {
        let (load, from) = (load_of(meter, name, (&zone, &calendar)), meter.track.start);
        told.extend(after_hours_load(&load, &after_hours_limits(), from));
        told.extend(weekend_running(&load, &weekend_limits(), from));
    }
    all
}

fn of_water(meter: &Labelled, name: &Name) -> Vec<Told> {
    let found = water(&meter.track, &WaterLimits::default());
    let kinds = [
        (FindingKind::Burst, found.bursts),
        (FindingKind::Leak, found.leaks),
        (FindingKind::RunningToilet, found.toilets),
    ];
    let told = kinds.into_iter().flat_map(|(kind, spells)| {
        spells.into_iter().map(move |spell| Told {
            at: spell.noticed,
            finding: spell.finding(kind, name, name, None),
        })
    });
    told.collect()
}

/// Those of a meter that touch no label, one for each time.
fn unlabelled(meter: &Labelled, told: Vec<Told>, unit: &'static str) -> Vec<Strong> {
    let track = &meter.track;
    let large = large_day(track);
    let touches = |told: &Told| {
        let (from, to) = (told.finding.opened, until(told, track));
        meter.labels.iter().any(|label| from <= label.last && label.start <= to)
    };
    let mut left: Vec<Strong> = told
        .into_iter()
        .filter(|it| track.start + WARM_UP_S <= it.at && 0 < it.finding.waste && !touches(it))
        .map(|told| Strong {
            series: meter.name.clone(),
            unit,
            track: track.clone(),
            days: amount(told.finding.waste) / large.max(1.0),
            told,
        })
        .collect();
    left.sort_by(|one, other| other.days.total_cmp(&one.days));
    let mut kept: Vec<Strong> = Vec::new();
    for strong in left {
        let overlaps = |it: &Strong| {
            it.told.finding.opened < strong.until() && strong.told.finding.opened < it.until()
        };
        if !kept.iter().any(overlaps) {
            kept.push(strong);
        }
    }
    kept
}

fn until(told: &Told, track: &Track) -> i64 {
    told.finding.closed.unwrap_or(track.end()).max(told.finding.opened + track.step_s)
}

/// What nine of ten days of a meter do not exceed, in thousandths of its unit.
fn large_day(track: &Track) -> f64 {
    let per_day = usize::try_from(DAY_S / track.step_s.max(1)).unwrap_or(1).max(1);
    let whole =
        |day: &[Option<i64>]| day.iter().copied().try_fold(0.0, |sum, it| Some(sum + amount(it?)));
    let mut days: Vec<f64> = track.amounts.chunks(per_day).filter_map(whole).collect();
    quantile(&mut days, 900).unwrap_or(0.0)
}

/// An amount as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "2^53 thousandths are 9 TWh")]
pub(crate) const fn amount(amount: i64) -> f64 {
    amount as f64
}

/// Returns how long one lasts, days.
#[must_use]
pub fn lasts_days(strong: &Strong) -> f64 {
    hours(strong.until() - strong.told.finding.opened) / 24.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Label;

    /// A hundred days of 1 kWh an hour; from day 80 on two nights of 5 kWh.
    fn meter() -> Labelled {
        let runs = |hour: usize| (80..82).contains(&((hour + 3) / 24)) && (hour + 3) % 24 < 9;
        let amounts = (0..100 * 24)
            .map(|hour| Some(if runs(hour) { 5_000 } else { 1_000 + i64::from(hour % 7 == 0) }))
            .collect();
        let track = Track { start: 1_772_409_600, step_s: 3_600, amounts };
        Labelled { name: "a".into(), track, labels: Vec::new() }
    }

    fn found(meter: &Labelled) -> Vec<Strong> {
        let name = Name::new("series").unwrap();
        let told = of_loads(std::slice::from_ref(meter), &name).remove(0);
        unlabelled(meter, told, "kWh")
    }

    #[test]
    fn a_night_without_a_label_is_told_in_large_days() {
        let found = found(&meter());

        // 16 to 18 hours of 4 kWh above usual; a day has 24 kWh.
        let days = found.iter().map(|it| it.days).sum::<f64>();
        assert!((2.4..3.2).contains(&days), "{found:?}");
    }

    #[test]
    fn what_a_label_explains_is_not_told() {
        let mut meter = meter();
        let start = meter.track.instant(79 * 24);
        let label = Label { series: "a".into(), kind: "x".into(), start, last: start + 4 * DAY_S };
        meter.labels.push(label);

        assert!(found(&meter).is_empty());
    }
}
