//! What is written down of a meter, beside what is found of it now.
//!
//! Detectors that look at weeks find the same matter again each time: it stays the one that
//! people were told of. What is no longer found is withdrawn: it ends where it began, with
//! nothing wasted. Not so a meter's fault that somebody put right by an event of the meter
//! (a factor, a correction): it held, and is over.

use analysis::calendar::Exception;
use analysis::finding::{Evidence, Finding, FindingKind};
use analysis::interval::Span;
use analysis::site::{Meter, Site};

use super::{Watch, WatchError, withdrawn};
use crate::store::StoreError;
use crate::store::journal::{FindingFilter, FindingRow, WrittenEvidence, WrittenInterval};

impl Watch {
    /// Returns the findings of some kinds of a meter that were open at an instant or later.
    pub(super) fn written(
        &self,
        meter: &Meter,
        kinds: &[FindingKind],
        from: i64,
    ) -> Result<Vec<FindingRow>, StoreError> {
        let of_kind = |kind: &FindingKind| {
            let filter = FindingFilter {
                kind: Some(kind.code().to_owned()),
                meter: Some(meter.id),
                from: Some(from),
                ..FindingFilter::default()
            };
            self.store.journal().view(|view| view.findings(&filter))
        };
        let lists: Vec<_> = kinds.iter().map(of_kind).collect::<Result<_, _>>()?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// Ends those that are open: they are not found any more.
    pub(super) fn withdraw(
        &self,
        site: &Site,
        rows: &[FindingRow],
        exceptions: &[Exception],
        now: i64,
    ) -> Result<(), WatchError> {
        for row in rows.iter().filter(|row| row.draft.closed.is_none()) {
            let Some(kind) = FindingKind::from_code(&row.draft.kind) else { continue };
            let finding = match self.put_right(site, row, kind, now)? {
                Some(finding) => finding,
                None => withdrawn(row, kind),
            };
            self.put_one(site, &finding, &row.draft.cause, exceptions, now)?;
        }
        Ok(())
    }

    /// Takes back what is written of a finding, open or over: another one tells of its cause.
    pub(super) fn take_back(
        &self,
        site: &Site,
        rows: &mut Vec<FindingRow>,
        finding: &Finding,
        exceptions: &[Exception],
        now: i64,
    ) -> Result<(), WatchError> {
        let Some(row) = take_same(rows, finding) else { return Ok(()) };
        self.put_one(site, &withdrawn(&row, finding.kind), &row.draft.cause, exceptions, now)
    }

    /// Returns the end of a meter's fault that somebody put right since it was written.
    fn put_right(
        &self,
        site: &Site,
        row: &FindingRow,
        kind: FindingKind,
        now: i64,
    ) -> Result<Option<Finding>, StoreError> {
        let meter = site.meter(&row.draft.meter).filter(|_| CORRIGIBLE.contains(&kind));
        let Some(meter) = meter else { return Ok(None) };
        let touched = Span { from: row.draft.opened - NEAR_S, to: now };
        let events = self.ledger.events_beneath(meter, touched)?;
        if events.iter().all(|it| it.event.made < row.recorded) {
            return Ok(None);
        }
        // What cannot be read any more keeps no finding from its end.
        let written = WrittenEvidence::read(&row.draft.evidence).unwrap_or_default().intervals;
        let evidence =
            |it: WrittenInterval| Evidence { start: it.start, amount: it.amount, limit: it.limit };
        Ok(Some(Finding {
            kind,
            meter: row.draft.meter,
            area: row.draft.area,
            opened: row.draft.opened,
            closed: Some(now),
            waste: row.draft.waste,
            cost_e4: Some(row.draft.cost_e4).filter(|it| *it != 0),
            evidence: written.into_iter().map(evidence).collect(),
        }))
    }
}

/// Faults of a meter that an event of it puts right: what they were found by is then gone.
const CORRIGIBLE: [FindingKind; 2] = [FindingKind::ScaleChange, FindingKind::Stuck];

/// How long before the beginning that was found a meter's event may be dated, s: a change of
/// scale is seen by quarters of a day, and dated by who was there.
const NEAR_S: i64 = 86_400;

/// Takes from what is written the finding that speaks of the same time.
pub(super) fn take_same(rows: &mut Vec<FindingRow>, finding: &Finding) -> Option<FindingRow> {
    let is_same = |row: &FindingRow| {
        row.draft.kind == finding.kind.code()
            && row.draft.meter == finding.meter
            && row.draft.closed.is_none_or(|closed| finding.opened < closed)
            && finding.closed.is_none_or(|closed| row.draft.opened < closed)
    };
    rows.iter().position(is_same).map(|at| rows.swap_remove(at))
}
