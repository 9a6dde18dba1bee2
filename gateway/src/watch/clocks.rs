//! Clocks that are wrong: each hour, beside what needs weeks.
//!
//! A clock belongs to a node, or to somebody's device; a finding belongs to a meter. So it is
//! told of one of the meters that are dated alike, and what else their wrong dates look like
//! (silence, a load at night) is not told while it lasts.

use std::collections::BTreeSet;

use analysis::calendar::Exception;
use analysis::finding::{Finding, FindingKind};
use analysis::site::{Meter, Site};
use wire::Name;

use super::cause::{Tree, is_same_time};
use super::written::take_same;
use super::{Watch, WatchError};
use crate::ledger::Aside;
use crate::store::StoreError;
use crate::store::journal::{FindingFilter, FindingRow, FindingState, WrittenEvidence};

/// What is looked at again each hour, s.
const BACK_S: i64 = 14 * 86_400;

/// Clocks this far from each other are different ones, s.
const APART_S: i64 = 120;

impl Watch {
    /// Walks one meter.
    pub(super) fn clock_of(
        &self,
        site: &Site,
        tree: &Tree<'_>,
        meter: &Meter,
        aside: &Aside,
        exceptions: &[Exception],
        now: i64,
    ) -> Result<(), WatchError> {
        let kind = FindingKind::ClockWrong;
        let mut known = self.written(meter, &[kind], now - BACK_S)?;
        let open = known.iter().find(|row| row.draft.closed.is_none());
        let since = open.map(|row| (row.draft.opened, late_of(row)));
        for spell in self.ledger.wrong_dates(meter, aside, since, now)? {
            let mut finding = spell.finding(kind, &meter.id, &meter.area, None);
            let cause = match take_same(&mut known, &finding) {
                Some(row) if row.draft.closed.is_some() && !finding.is_open() => continue,
                Some(row) => {
                    finding.opened = row.draft.opened;
                    row.draft.cause
                }
                None if !finding.is_open() || self.is_told_beside(tree, meter, &finding)? => {
                    continue;
                }
                None => finding.cause(),
            };
            self.put_one(site, &finding, &cause, exceptions, now)?;
        }
        self.withdraw(site, &known, exceptions, now)
    }

    /// Whether the same is written of another meter of the node.
    fn is_told_beside(
        &self,
        tree: &Tree<'_>,
        meter: &Meter,
        finding: &Finding,
    ) -> Result<bool, StoreError> {
        let late_s = finding.evidence.first().map_or(0, |it| it.amount);
        let others = tree.nearest_first.iter();
        for other in others.filter(|it| it.node == meter.node && it.id != meter.id) {
            let rows = self.written(other, &[finding.kind], finding.opened)?;
            let is_same = |row: &FindingRow| {
                is_same_time(row, finding)
                    && late_of(row).abs_diff(late_s) <= APART_S.unsigned_abs()
            };
            if rows.iter().any(is_same) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the nodes whose clocks are wrong now, as far as is written and nobody has called
    /// it right.
    pub(super) fn astray(&self, site: &Site) -> Result<BTreeSet<Name>, StoreError> {
        let filter = FindingFilter {
            state: FindingState::Open,
            kind: Some(FindingKind::ClockWrong.code().to_owned()),
            ..FindingFilter::default()
        };
        let rows = self.store.journal().view(|view| view.findings(&filter))?;
        let believed = rows.iter().filter(|row| !row.is_called_false());
        Ok(believed.filter_map(|row| Some(site.meter(&row.draft.meter)?.node)).collect())
    }
}

/// How much later than their date readings came, as it was written, s.
fn late_of(row: &FindingRow) -> i64 {
    let written = WrittenEvidence::read(&row.draft.evidence).unwrap_or_default();
    written.intervals.first().map_or(0, |it| it.amount)
}

#[cfg(test)]
mod tests;
