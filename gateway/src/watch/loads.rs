//! The part of the round that needs weeks: loads at night, on days off, rising base loads,
//! gas that burns while nobody is there.
//!
//! They can change three times a day, when a night, a day or its first six hours are over.
//! Half a year of each meter is looked at then, so a round takes some meters of a large
//! site and the next goes on.

use analysis::calendar::Exception;
use analysis::finding::{FindingKind, Told};
use analysis::interval::{Span, interval_start};
use analysis::profile::day_start;
use analysis::site::{Medium, Meter, Site};
use jiff::civil::Date;

use super::cause::Tree;
use super::written::take_same;
use super::{GRACE_S, Watch, WatchError};
use crate::ledger::Risen;

/// The detectors of loads.
const KINDS: [FindingKind; 4] = [
    FindingKind::AfterHoursLoad,
    FindingKind::GasWhenClosed,
    FindingKind::HighBaseLoad,
    FindingKind::WeekendRunning,
];

/// How far back a round looks, s: longer than any of their findings lasts.
const BACK_S: i64 = 70 * 86_400;

/// What was said earlier than this and was not written down then is history, s.
const NEW_S: i64 = 3 * 86_400;

/// So many meters at least in one round, and all of them within so many rounds.
const METERS_MIN: usize = 20;
const ROUNDS: usize = 120;

/// How far the looking has come.
#[derive(Default)]
pub(super) struct LoadRound {
    /// The part of a day that was looked at, or is being.
    part: Option<(Date, i64)>,
    /// Its next meter.
    next: usize,
    electricity: Risen,
}

impl Watch {
    /// Looks at loads, if a part of the day is over that has not been looked at.
    pub(super) fn loads(
        &self,
        site: &Site,
        exceptions: &[Exception],
        today: Date,
        now: i64,
    ) -> Result<(), WatchError> {
        let end = interval_start(now - GRACE_S);
        let hour = (end - day_start(today, &site.zone)).div_euclid(3_600);
        let part = match hour {
            ..6 => 0,
            6..8 => 1,
            8.. => 2,
        };
        let span = Span { from: end - BACK_S, to: end };
        let mut round = self.load_round();
        if round.next == 0 {
            if round.part == Some((today, part)) {
                return Ok(());
            }
            round.electricity = self.ledger.risen(site, Medium::Electricity, span)?;
            round.part = Some((today, part));
        }
        let count = site.meters.len().div_ceil(ROUNDS).max(METERS_MIN);
        let tree = Tree::of(site);
        for meter in tree.nearest_first.iter().copied().skip(round.next).take(count) {
            // Lights whose opening hours are known have a detector of their own.
            let has_hours = meter.load.has_lights() && site.hours_of(&meter.area).is_some();
            let kinds = if has_hours { &[FindingKind::HighBaseLoad][..] } else { &KINDS[..] };
            let told = self.ledger.loads(site, meter, kinds, &round.electricity, span)?;
            self.put_loads(site, (&tree, meter), told, exceptions, now)?;
        }
        round.next += count;
        if site.meters.len() <= round.next {
            round.next = 0;
        }
        Ok(())
    }

    fn put_loads(
        &self,
        site: &Site,
        (tree, meter): (&Tree<'_>, &Meter),
        told: Vec<Told>,
        exceptions: &[Exception],
        now: i64,
    ) -> Result<(), WatchError> {
        let mut rows = self.written(meter, &KINDS, now - BACK_S)?;
        for Told { at, mut finding } in told {
            if self.is_told_elsewhere(tree, meter, &finding)? {
                self.take_back(site, &mut rows, &finding, exceptions, now)?;
                continue;
            }
            let cause = match take_same(&mut rows, &finding) {
                // What people were told keeps its beginning.
                Some(row) => {
                    finding.opened = row.draft.opened;
                    row.draft.cause
                }
                None if now - at <= NEW_S || finding.is_open() => finding.cause(),
                None => continue,
            };
            self.put_one(site, &finding, &cause, exceptions, now)?;
        }
        self.withdraw(site, &rows, exceptions, now)
    }
}

#[cfg(test)]
mod gas_tests;
#[cfg(test)]
mod tests;
