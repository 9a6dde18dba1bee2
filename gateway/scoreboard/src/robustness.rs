//! The same task on worse data: what readings are like when nodes and clocks misbehave.
//!
//! [`falls`] is for every task: give it the measured data and the function that scores
//! them, and it returns how many points (hundredths) the scores that were promised fell.

use std::path::Path;

use anyhow::Result;

use crate::label::{self, Label};
use crate::score::{Goal, Score};
use crate::table::{self, Table};

/// A table and its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What was measured.
    pub table: Table,
    /// What is known of it.
    pub labels: Vec<Label>,
}

impl Measured {
    /// Reads every table of a kind that has labels beside it, as one; `None` without any.
    ///
    /// # Errors
    ///
    /// A file is not what its name says.
    pub fn read(dir: &Path, begins: &str) -> Result<Option<Self>> {
        let mut all: Option<Self> = None;
        for (path, key) in table::injected(dir, begins) {
            let (table, labels) = (table::read(&path)?, label::read(&key)?);
            if let Some(all) = &mut all {
                all.table.append(table);
                // Tables of one folder share their labels.
                let new: Vec<_> =
                    labels.into_iter().filter(|it| !all.labels.contains(it)).collect();
                all.labels.extend(new);
            } else {
                all = Some(Self { table, labels });
            }
        }
        Ok(all)
    }
}

/// A way in which data get worse: its name, and what it does.
pub type Disturbance = (&'static str, fn(&Measured) -> Measured);

/// Every way.
pub const DISTURBANCES: [Disturbance; 3] =
    [("gaps", with_gaps), ("late_and_repeated", late_and_repeated), ("clock_change", clock_change)];

/// Returns for each disturbance how many points the promised shares (goal at least, unit
/// `1`) fell, the worst of them, at most 3 being promised; and how the promised rates
/// (goal at most) changed, without a promise.
///
/// `scores` is the task; it is run once for the data as they are and once for each
/// disturbance.
pub fn falls(measured: &Measured, scores: impl Fn(&Measured) -> Vec<Score>) -> Vec<Score> {
    falls_by(|disturb| scores(&disturb(measured)))
}

/// As [`falls`], for a task that needs more than one table: it is given what to do to each.
pub fn falls_by(scores: impl Fn(fn(&Measured) -> Measured) -> Vec<Score>) -> Vec<Score> {
    let usual = scores(Measured::clone);
    let mut figures = Vec::new();
    for (name, disturb) in DISTURBANCES {
        let worse = scores(disturb);
        let pairs = usual.iter().zip(&worse).filter(|(usual, worse)| usual.key == worse.key);
        let (mut fall, mut growth) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        for (usual, worse) in pairs {
            match usual.goal {
                Goal::AtLeast(_) if usual.unit == "1" => {
                    fall = fall.max((usual.value - worse.value) * 100.0);
                }
                Goal::AtMost(_) => growth = growth.max(worse.value - usual.value),
                Goal::AtLeast(_) | Goal::Between(..) | Goal::None => {}
            }
        }
        if fall.is_finite() {
            let key = format!("fall_{name}");
            figures.push(Score::new(key, fall.max(0.0), "points").with_goal(Goal::AtMost(3.0)));
        }
        if growth.is_finite() {
            figures.push(Score::new(format!("growth_of_rate_{name}"), growth, "1/month"));
        }
    }
    figures
}

/// Returns the data with one reading in twenty missing, in each series others.
#[must_use]
pub fn with_gaps(measured: &Measured) -> Measured {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut worse = measured.clone();
    for column in &mut worse.table.columns {
        for cell in &mut column.cells {
            if random.below(20) == 0 {
                *cell = None;
            }
        }
    }
    worse
}

/// Returns the data with one row in twenty repeated, and one in twenty arriving up to two
/// days late.
#[must_use]
pub fn late_and_repeated(measured: &Measured) -> Measured {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let instants = &measured.table.instants;
    let mut order: Vec<(i64, usize)> = Vec::new();
    for (row, &instant) in instants.iter().enumerate() {
        let late = if random.below(20) == 0 { random.below(48) * 3_600 } else { 0 };
        order.push((instant + late, row));
        if random.below(20) == 0 {
            order.push((instant + late, row));
        }
    }
    order.sort_unstable();
    let mut worse = measured.clone();
    worse.table.instants = order.iter().map(|&(_, row)| instants[row]).collect();
    for (column, usual) in worse.table.columns.iter_mut().zip(&measured.table.columns) {
        column.cells = order.iter().filter_map(|&(_, row)| usual.cells.get(row).copied()).collect();
    }
    worse
}

/// Returns the data as a clock writes them that is put forward an hour in the middle of the
/// second quarter of their time, and back in the middle of the fourth: an hour is missing,
/// and later one is there twice.
#[must_use]
pub fn clock_change(measured: &Measured) -> Measured {
    let mut worse = measured.clone();
    let Some((first, last)) =
        worse.table.instants.iter().min().copied().zip(worse.table.instants.iter().max().copied())
    else {
        return worse;
    };
    let eighth = (last - first) / 8;
    let shown = |instant: i64| {
        let is_forward = first + 3 * eighth <= instant && instant < first + 7 * eighth;
        if is_forward { instant + 3_600 } else { instant }
    };
    for instant in &mut worse.table.instants {
        *instant = shown(*instant);
    }
    for label in &mut worse.labels {
        (label.start, label.last) = (shown(label.start), shown(label.last));
    }
    worse
}

/// The same numbers for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, end: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 >> 11).unwrap_or(0) % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    fn measured() -> Measured {
        let rows = 0..2_400_i32;
        let cells = rows.clone().map(|row| Some(f64::from(row))).collect();
        Measured {
            table: Table {
                instants: rows.map(|row| i64::from(row) * 3_600).collect(),
                columns: vec![Column { name: "a".to_owned(), cells }],
            },
            labels: Vec::new(),
        }
    }

    fn track(measured: &Measured) -> Vec<Option<i64>> {
        measured.table.track(&measured.table.columns[0]).amounts
    }

    #[test]
    fn one_reading_in_twenty_is_missing() {
        let worse = with_gaps(&measured());

        let gaps = track(&worse).iter().filter(|it| it.is_none()).count();
        assert!((80..160).contains(&gaps), "{gaps} of 2400");
    }

    #[test]
    fn late_and_repeated_readings_are_the_same_readings() {
        let worse = late_and_repeated(&measured());

        assert!(2_450 < worse.table.instants.len());
        assert!(!worse.table.instants.is_sorted());
        assert_eq!(track(&worse), track(&measured()));
    }

    #[test]
    fn a_clock_put_forward_leaves_an_hour_out() {
        let amounts = track(&clock_change(&measured()));

        assert_eq!(amounts.iter().filter(|it| it.is_none()).count(), 1);
        assert_eq!(amounts.len(), 2_400);
    }

    #[test]
    fn a_share_that_fell_is_told_in_points() {
        let falling = |measured: &Measured| {
            let known = measured.table.columns[0].cells.iter().flatten().count();
            let value = if known < 2_400 { 0.9 } else { 1.0 };
            vec![Score::new("recall_x", value, "1").with_goal(Goal::AtLeast(0.5))]
        };

        let figures = falls(&measured(), falling);

        let values: Vec<i64> = figures.iter().map(|it| rounded(it.value)).collect();
        assert_eq!(values, [10, 0, 0]);
    }

    #[expect(clippy::cast_possible_truncation, reason = "small")]
    fn rounded(value: f64) -> i64 {
        value.round() as i64
    }
}
