//! What needs weeks of readings: water that runs away, meters that count wrongly or do not
//! agree.
//!
//! Each meter is walked once an hour, for it is hours that the detectors look at; a large
//! house in shares, one each minute, so that nobody waits for it. Each meter is seen with
//! its last ten weeks, and with ten weeks before what is still open, so that a finding is
//! found again with what was learnt when it began. What ended days ago is left as it was
//! written.
//!
//! Afterwards, beside what `watch` promises: a meter of whose last week less than three
//! quarters were measured is neither accused nor excused.

use std::ops::Range;
use std::sync::PoisonError;

use analysis::calendar::Exception;
use analysis::finding::{Finding, FindingKind};
use analysis::interval::Span;
use analysis::profile::day_start;
use analysis::site::{Meter, Site};
use analysis::track::Track;

use super::cause::Tree;
use super::written::take_same;
use super::{GRACE_S, Watch, WatchError};
use crate::ledger::{is_leaf, is_worth};
use crate::store::journal::FindingRow;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;

/// How far back a meter is seen, s: eight weeks to learn from, two to look at.
const BACK_S: i64 = 70 * DAY_S;

/// However long a finding is open, no meter is seen further back than this, s.
const BACK_MAX_S: i64 = 400 * DAY_S;

/// Currents are read each minute, so no more of them than it takes: three days, or as long as
/// an imbalance is open, up to a month, s.
const PHASES_BACK_S: i64 = 3 * DAY_S;
const PHASES_BACK_MAX_S: i64 = 31 * DAY_S;

/// What ended longer ago is left as it was written, s.
const SETTLED_S: i64 = 2 * DAY_S;

/// How many of the last steps must have been measured for a verdict: of a week, percent.
const MEASURED_PERCENT: usize = 75;

/// Whole days are compared, and all meters behind one are read for it: only in the hours after
/// midnight, in more than one of them in case that the gateway was away.
const SUM_HOURS: Range<i64> = 1..4;

/// In how many shares a large house is walked, and how many meters a share has at least:
/// ten weeks of a meter are read and judged in some milliseconds.
const SHARES: usize = 50;
const SHARE_MIN: usize = 50;

/// How far the walk through the meters is.
#[derive(Debug)]
pub(super) struct Walk {
    /// The hour it was begun for.
    hour: Option<i64>,
    /// How many meters were walked.
    walked: usize,
}

impl Default for Walk {
    /// None was begun, so the next round begins one.
    fn default() -> Self {
        Self { hour: None, walked: usize::MAX }
    }
}

impl Walk {
    /// Returns which of the meters come next, if any: a walk that was begun is finished
    /// before the next.
    fn next(&mut self, hour: i64, count: usize) -> Range<usize> {
        if count <= self.walked {
            if self.hour == Some(hour) {
                return 0..0;
            }
            self.hour = Some(hour);
            self.walked = 0;
        }
        let share = count.div_ceil(SHARES).max(SHARE_MIN);
        self.walked..count.min(self.walked + share)
    }
}

/// What may be said of a meter by its medium.
const KINDS: [FindingKind; 10] = [
    FindingKind::Leak,
    FindingKind::Burst,
    FindingKind::DropoutWithCatchUp,
    FindingKind::PeakDemand,
    FindingKind::PhaseImbalance,
    FindingKind::PowerFactorLow,
    FindingKind::RunningToilet,
    FindingKind::Stuck,
    FindingKind::Spike,
    FindingKind::ScaleChange,
];

impl Watch {
    /// Walks the meters that come next, if an hour closed since they were last walked:
    /// blocks.
    pub(super) fn weeks(
        &self,
        site: &Site,
        exceptions: &[Exception],
        now: i64,
    ) -> Result<(), WatchError> {
        let hour = (now - GRACE_S).div_euclid(HOUR_S) * HOUR_S;
        let walk = || self.walk.lock().unwrap_or_else(PoisonError::into_inner);
        let range = walk().next(hour, site.meters.len());
        if range.is_empty() {
            return Ok(());
        }
        let tree = Tree::of(site);
        let aside = self.ledger.aside()?;
        for meter in tree.nearest_first.get(range.clone()).unwrap_or_default() {
            // A formula is no meter: what is wrong with its terms is said of them.
            if meter.formula.is_none() {
                self.clock_of(site, &tree, meter, &aside, exceptions, now)?;
                self.weeks_of(site, &tree, meter, exceptions, hour, now)?;
                self.sums_of(site, &tree, meter, exceptions, hour, now)?;
            }
        }
        let mut walk = walk();
        walk.walked = walk.walked.max(range.end);
        Ok(())
    }

    fn weeks_of(
        &self,
        site: &Site,
        tree: &Tree<'_>,
        meter: &Meter,
        exceptions: &[Exception],
        hour: i64,
        now: i64,
    ) -> Result<(), WatchError> {
        let mut known = self.written(meter, &KINDS, hour - BACK_S)?;
        let Some(day) = self.ledger.today(seen_from(&known, hour)) else { return Ok(()) };
        let span = Span { from: day_start(day, &site.zone), to: hour };
        let track = Track::of_intervals(&self.ledger.intervals(meter, span)?).hourly();
        if !is_complete(&track) {
            return Ok(());
        }
        let pricing = self.ledger.pricing(site, meter);
        let mut found = self.ledger.water_and_truth(meter, &track, hour)?;
        let uneven = known.iter().filter(|row| {
            row.draft.kind == FindingKind::PhaseImbalance.code() && row.draft.closed.is_none()
        });
        let since = uneven.map(|row| row.draft.opened).min().unwrap_or(hour);
        let phases_from = since.min(hour - PHASES_BACK_S).max(hour - PHASES_BACK_MAX_S);
        found.extend(self.ledger.supply(site, meter, span, phases_from)?);
        let found = found
            .into_iter()
            .map(|(kind, spell)| spell.finding(kind, &meter.id, &meter.area, pricing.as_ref()));
        self.put_weeks(site, (tree, meter), &mut known, found.collect(), exceptions, now)
    }

    /// What a meter and those behind it do not agree about; that is written of the one that
    /// explains it.
    fn sums_of(
        &self,
        site: &Site,
        tree: &Tree<'_>,
        meter: &Meter,
        exceptions: &[Exception],
        hour: i64,
        now: i64,
    ) -> Result<(), WatchError> {
        let kind = [FindingKind::SumMismatch];
        let Some(today) = self.ledger.today(hour) else { return Ok(()) };
        let of_day = (hour - day_start(today, &site.zone)).div_euclid(HOUR_S);
        if is_leaf(site, meter) || !SUM_HOURS.contains(&of_day) {
            return Ok(());
        }
        let mut known = self.written(meter, &kind, hour - BACK_S)?;
        for part in site.behind(meter).filter(|part| is_leaf(site, part)) {
            known.extend(self.written(part, &kind, hour - BACK_S)?);
        }
        let from = seen_from(&known, hour);
        let found = self.ledger.mismatches(site, meter, Span { from, to: hour })?;
        let found = found.into_iter().map(|(named, spell)| {
            spell.finding(FindingKind::SumMismatch, &named.id, &named.area, None)
        });
        self.put_weeks(site, (tree, meter), &mut known, found.collect(), exceptions, now)
    }

    /// Writes down what was found of a meter over weeks, beside what is known of it.
    fn put_weeks(
        &self,
        site: &Site,
        (tree, meter): (&Tree<'_>, &Meter),
        known: &mut Vec<FindingRow>,
        found: Vec<Finding>,
        exceptions: &[Exception],
        now: i64,
    ) -> Result<(), WatchError> {
        for mut finding in found {
            let settled = finding.closed.is_some_and(|closed| closed < now - SETTLED_S);
            if self.is_told_elsewhere(tree, meter, &finding)? {
                self.take_back(site, known, &finding, exceptions, now)?;
                continue;
            }
            let cause = match take_same(known, &finding) {
                Some(row) => {
                    if settled && row.draft.closed.is_some() {
                        continue;
                    }
                    // It stays the same one, with the beginning that people were told.
                    finding.opened = row.draft.opened;
                    row.draft.cause
                }
                None if settled || !is_worth_telling(site, &finding) => continue,
                None => finding.cause(),
            };
            self.put_one(site, &finding, &cause, exceptions, now)?;
        }
        self.withdraw(site, known, exceptions, now)
    }
}

/// Returns from when on a meter is seen: with as long before what is still open as it takes to
/// learn.
fn seen_from(known: &[FindingRow], hour: i64) -> i64 {
    let open = known.iter().filter(|row| row.draft.closed.is_none());
    let first = open.map(|row| row.draft.opened).min().unwrap_or(hour).min(hour);
    (first - BACK_S).max(hour - BACK_MAX_S)
}

/// Whether a finding is worth telling: of water that runs away slowly not before it has cost
/// something. A burst pipe is told at once, and a meter that is wrong whatever it costs.
fn is_worth_telling(site: &Site, finding: &Finding) -> bool {
    let is_slow = matches!(finding.kind, FindingKind::Leak | FindingKind::RunningToilet);
    !is_slow || is_worth(site, finding)
}

/// Returns whether enough of the last week was measured to say anything.
fn is_complete(track: &Track) -> bool {
    let week = usize::try_from(7 * DAY_S / HOUR_S).unwrap_or(1);
    let last = &track.amounts[track.amounts.len().saturating_sub(week)..];
    let measured = last.iter().filter(|amount| amount.is_some()).count();
    week * MEASURED_PERCENT <= measured * 100
}

#[cfg(test)]
mod meter_tests;
#[cfg(test)]
mod sum_tests;
#[cfg(test)]
mod supply_tests;
#[cfg(test)]
mod water_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn track(hours: usize, amount: impl Fn(usize) -> Option<i64>) -> Track {
        Track { start: 0, step_s: HOUR_S, amounts: (0..hours).map(amount).collect() }
    }

    #[test]
    fn a_week_with_too_little_measured_is_neither_accused_nor_excused() {
        assert!(is_complete(&track(500, |hour| (hour % 5 != 0).then_some(1))));
        assert!(!is_complete(&track(500, |hour| (hour % 3 != 0).then_some(1))));
        assert!(!is_complete(&track(3, |_| Some(1))));
    }

    #[test]
    fn a_large_house_is_walked_in_shares_and_each_meter_once_an_hour() {
        let mut walk = Walk::default();
        let mut walked = Vec::new();

        for minute in 0..60 {
            let range = walk.next(minute / 40, 5_000);
            walk.walked = walk.walked.max(range.end);
            walked.extend(range);
        }

        // The walk of the first hour is finished before that of the second begins.
        let first: Vec<usize> = (0..5_000).collect();
        assert_eq!(walked[..5_000], first);
        assert_eq!(walked[5_000..], first[..1_000]);
    }

    #[test]
    fn a_small_house_is_walked_at_once() {
        let mut walk = Walk::default();

        let range = walk.next(7, 30);

        assert_eq!(range, 0..30);
        walk.walked = range.end;
        assert_eq!(walk.next(7, 30), 0..0);
        assert_eq!(walk.next(8, 30), 0..30);
    }
}
