//! One finding per cause, across meters and detectors.
//!
//! A meter that counts in another unit since Tuesday seems to run at night, too; a leak in the
//! canteen runs through the canteen's meter and the site's. Each is one matter, told where it
//! can be ended: at the meter that is wrong, or at the one nearest to the waste.
//!
//! In: what a detector says of a meter, and what is written of it and of the meters behind it.
//! Not here: what belongs together within one meter's loads (`ledger::loads`) or water
//! (`analysis::detect::water`).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use analysis::finding::{Finding, FindingKind};
use analysis::site::{Medium, Meter, Site};
use wire::Name;

use super::Watch;
use crate::store::StoreError;
use crate::store::journal::FindingRow;

/// Faults of a meter that make its amounts wrong.
const FAULTS: [FindingKind; 3] =
    [FindingKind::DropoutWithCatchUp, FindingKind::ScaleChange, FindingKind::Spike];

/// Faults of a meter that make a sum wrong for days.
const UNEQUAL: [FindingKind; 2] = [FindingKind::ScaleChange, FindingKind::Stuck];

/// What is wrong at one time of the day and right at another.
const BY_THE_CLOCK: [FindingKind; 3] =
    [FindingKind::AfterHoursLoad, FindingKind::GasWhenClosed, FindingKind::WeekendRunning];

/// What the meters behind one must have told of its waste, for it to be theirs: percent.
const BEHIND_PERCENT: i128 = 50;

/// No campus has more meters one behind the other.
const DEPTH_MAX: usize = 20;

impl Watch {
    /// Whether a finding of a meter is told already by what is written elsewhere: of the meter
    /// itself that it counts wrongly (of a sum: of any that is in it), of its node that the clock
    /// is wrong, or of meters behind it that they waste most of this.
    pub(super) fn is_told_elsewhere(
        &self,
        tree: &Tree<'_>,
        meter: &Meter,
        finding: &Finding,
    ) -> Result<bool, StoreError> {
        if FAULTS.contains(&finding.kind) {
            return Ok(false);
        }
        if finding.kind == FindingKind::SumMismatch {
            for it in [meter].into_iter().chain(tree.parts(meter)) {
                let rows = self.written(it, &UNEQUAL, finding.opened)?;
                if rows.iter().any(|row| is_same_time(row, finding)) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        if BY_THE_CLOCK.contains(&finding.kind) && self.astray(tree.site)?.contains(&meter.node) {
            return Ok(true);
        }
        let faults = self.written(meter, &FAULTS, finding.opened)?;
        if faults.iter().any(|row| is_same_time(row, finding)) {
            return Ok(true);
        }
        let mut behind = 0;
        for part in tree.parts(meter) {
            let rows = self.written(part, &[finding.kind], finding.opened)?;
            let same = rows.iter().filter(|row| is_same_time(row, finding));
            behind += same.map(|row| i128::from(row.draft.waste)).sum::<i128>();
        }
        Ok(0 < behind && i128::from(finding.waste) * BEHIND_PERCENT <= behind * 100)
    }
}

/// Which meters count what others count as well.
pub(super) struct Tree<'a> {
    site: &'a Site,
    /// All meters, those nearest to the loads first: what they tell need not be told of those
    /// before them.
    pub(super) nearest_first: Vec<&'a Meter>,
    /// The meters of the same medium right behind one.
    behind: BTreeMap<Name, Vec<&'a Meter>>,
}

impl<'a> Tree<'a> {
    pub(super) fn of(site: &'a Site) -> Self {
        let parents: BTreeMap<Name, Name> =
            site.meters.iter().filter_map(|it| Some((it.id, it.parent?))).collect();
        let media: BTreeMap<Name, Medium> =
            site.meters.iter().map(|it| (it.id, it.medium)).collect();
        let mut behind: BTreeMap<Name, Vec<&Meter>> = BTreeMap::new();
        for meter in &site.meters {
            let parent = meter.parent.filter(|id| media.get(id) == Some(&meter.medium));
            if let Some(parent) = parent {
                behind.entry(parent).or_default().push(meter);
            }
        }
        let depth = |meter: &Meter| {
            let up = std::iter::successors(meter.parent, |id| parents.get(id).copied());
            // A loop in the site book costs a wrong order and not the process.
            up.take(DEPTH_MAX).count()
        };
        let mut nearest_first: Vec<&Meter> = site.meters.iter().collect();
        // Stable: among equals the site book's order.
        nearest_first.sort_by_cached_key(|meter| Reverse(depth(meter)));
        Self { site, nearest_first, behind }
    }

    /// Returns the meters behind one, however far, that count what it counts.
    fn parts(&self, meter: &Meter) -> Vec<&'a Meter> {
        let mut found: Vec<&Meter> = Vec::new();
        let mut next = vec![meter.id];
        while let Some(id) = next.pop() {
            for part in self.behind.get(&id).into_iter().flatten().copied() {
                if part.id != meter.id && found.iter().all(|seen| seen.id != part.id) {
                    found.push(part);
                    next.push(part.id);
                }
            }
        }
        found
    }
}

/// Whether a written finding holds, and speaks of a time that another one speaks of.
pub(super) fn is_same_time(row: &FindingRow, finding: &Finding) -> bool {
    let (opened, closed) = (row.draft.opened, row.draft.closed);
    let is_withdrawn = closed == Some(opened);
    !is_withdrawn
        && !row.is_called_false()
        && closed.is_none_or(|closed| finding.opened < closed)
        && finding.closed.is_none_or(|closed| opened < closed)
}

#[cfg(test)]
mod tests;
