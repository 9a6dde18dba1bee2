//! Findings against labels: what was hit, what was said of nothing.
//!
//! A label is hit when a finding's evidence overlaps it. A finding is false when neither its
//! evidence nor the time between touches a label of any kind of its meter: what was added for
//! another task is no less odd. Findings that were said within the warm-up, mostly eight
//! weeks from the beginning of the table, count neither way; months are those after it.

use analysis::finding::Told;

use crate::flag::{hours, months};
use crate::labelled::Labelled;
use crate::resample;
use crate::score::{Goal, Score};

/// How long a meter is only learnt from where its task does not say otherwise, s.
pub const WARM_UP_S: i64 = 56 * 86_400;

/// What came of one meter.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// For each kind asked: how many labels were hit, of how many.
    pub hits: Vec<(u32, u32)>,
    /// How long after a label's beginning it was said, h, of those hit.
    pub delays_h: Vec<f64>,
    /// Findings that touch no label.
    pub false_findings: u32,
    /// How long the meter was looked at, months.
    pub months: f64,
}

impl Tally {
    /// Counts what was told of a meter against its labels of some kinds, by prefix.
    #[must_use]
    pub fn of(meter: &Labelled, told: &[Told], kinds: &[&str], warm_up_s: i64) -> Self {
        let step_s = meter.track.step_s;
        let scored_from = meter.track.start + warm_up_s;
        let counted: Vec<&Told> = told.iter().filter(|it| scored_from <= it.at).collect();
        let mut tally = Self { months: months(meter.track.end() - scored_from), ..Self::default() };
        for kind in kinds {
            let labels = meter.labels.iter().filter(|it| it.is_of(&[kind]));
            let (mut hit, mut all) = (0, 0);
            for label in labels {
                all += 1;
                let first = counted
                    .iter()
                    .filter(|it| touches(it, label.start, label.last, step_s))
                    .map(|it| it.at)
                    .min();
                if let Some(at) = first {
                    hit += 1;
                    tally.delays_h.push(hours((at - label.start).max(0)));
                }
            }
            tally.hits.push((hit, all));
        }
        let is_false = |it: &&&Told| {
            let from = it.finding.opened;
            let to = it.finding.evidence.last().map_or(from, |last| last.start);
            !meter.labels.iter().any(|label| from <= label.last && label.start <= to)
        };
        let count = counted.iter().filter(is_false).count();
        tally.false_findings = u32::try_from(count).unwrap_or(u32::MAX);
        tally
    }
}

fn touches(told: &Told, start: i64, last: i64, step_s: i64) -> bool {
    told.finding.evidence.iter().any(|it| it.start <= last && start < it.start + step_s)
}

/// Returns the share of labels hit of the kind at a place.
#[must_use]
pub fn recall(tallies: &[&Tally], kind: usize) -> Option<f64> {
    let (mut hit, mut all) = (0, 0);
    for tally in tallies {
        let &(of_it, labels) = tally.hits.get(kind)?;
        hit += of_it;
        all += labels;
    }
    (0 < all).then(|| f64::from(hit) / f64::from(all))
}

/// Returns how many false findings there are in a month of a meter.
#[must_use]
pub fn false_per_month(tallies: &[&Tally]) -> Option<f64> {
    let months: f64 = tallies.iter().map(|it| it.months).sum();
    let count: u32 = tallies.iter().map(|it| it.false_findings).sum();
    (0.0 < months).then(|| f64::from(count) / months)
}

/// Returns the median of the delays, h.
#[must_use]
pub fn median_delay_h(tallies: &[&Tally]) -> Option<f64> {
    let mut delays: Vec<f64> = tallies.iter().flat_map(|it| it.delays_h.iter().copied()).collect();
    analysis::robust::median(&mut delays)
}

/// Returns a figure of tallies with its interval; nothing where there is no such figure.
#[must_use]
pub fn score(
    key: &str,
    unit: &'static str,
    goal: Goal,
    tallies: &[Tally],
    figure: impl Fn(&[&Tally]) -> Option<f64>,
) -> Option<Score> {
    let all: Vec<&Tally> = tallies.iter().collect();
    let within = resample::interval(tallies, &figure);
    Some(Score::new(key, figure(&all)?, unit).with_goal(goal).with_interval(within))
}
