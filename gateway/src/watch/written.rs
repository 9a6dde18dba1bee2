//! What is written down of a meter, beside what is found of it now.
//!
//! Detectors that look at weeks find the same matter again each time: it stays the one that
//! people were told of. What is no longer found is withdrawn.

use analysis::calendar::Exception;
use analysis::finding::{Finding, FindingKind};
use analysis::site::{Meter, Site};

use super::{Watch, WatchError, withdrawn};
use crate::store::StoreError;
use crate::store::journal::{FindingFilter, FindingRow};

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
            self.put_one(site, &withdrawn(row, kind), &row.draft.cause, exceptions, now)?;
        }
        Ok(())
    }
}

/// Takes from what is written the finding that speaks of the same time.
pub(super) fn take_same(rows: &mut Vec<FindingRow>, finding: &Finding) -> Option<FindingRow> {
    let is_same = |row: &FindingRow| {
        row.draft.kind == finding.kind.code()
            && row.draft.closed.is_none_or(|closed| finding.opened < closed)
            && finding.closed.is_none_or(|closed| row.draft.opened < closed)
    };
    rows.iter().position(is_same).map(|at| rows.swap_remove(at))
}
