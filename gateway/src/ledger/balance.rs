//! A meter against those directly behind it, and when they no longer agree as they used to.

use analysis::detect::{Spell, SumLimits, sum_mismatch};
use analysis::finding::FindingKind;
use analysis::interval::Span;
use analysis::interval::balance::{BalanceRow, balance};
use analysis::profile::day_start;
use analysis::site::{Meter, Site};
use analysis::track::Track;
use wire::Name;

use super::Ledger;
use crate::store::StoreError;

/// A meter against those directly behind it, stretch by stretch.
pub struct Balance {
    /// The meters behind, in the order of the site book.
    pub parts: Vec<Name>,
    /// One row per stretch.
    pub rows: Vec<BalanceRow>,
    /// All of it.
    pub total: BalanceRow,
}

impl Ledger {
    /// Returns the balance of a meter over stretches of whole quarter hours that follow each
    /// other; `None` if the site book has no such meter or there is no stretch.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn balance(&self, meter: &Name, stretches: &[Span]) -> Result<Option<Balance>, StoreError> {
        let Some(site) = self.site() else { return Ok(None) };
        let Some(meter) = site.meter(meter) else { return Ok(None) };
        let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else {
            return Ok(None);
        };
        let span = Span { from: first.from, to: last.to };
        let main = self.intervals(meter, span)?;
        let mut parts = Vec::new();
        let mut intervals = Vec::new();
        for part in site.behind(meter) {
            parts.push(part.id);
            intervals.push(self.intervals(part, span)?);
        }
        let rows = balance(&main, &intervals, stretches);
        let Some(total) = balance(&main, &intervals, &[span]).pop() else { return Ok(None) };
        Ok(Some(Balance { parts, rows, total }))
    }

    /// Returns when a meter and those behind it did not agree, as of a span's end, each with the
    /// meter that explains it: the meter itself where none behind does. A meter with others
    /// behind it is not named, for it has a balance of its own.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    pub fn mismatches<'a>(
        &self,
        site: &'a Site,
        meter: &'a Meter,
        span: Span,
    ) -> Result<Vec<(&'a Meter, Spell)>, StoreError> {
        let parts: Vec<&Meter> = site.behind(meter).collect();
        let Some(first) = self.today(span.from).filter(|_| !parts.is_empty()) else {
            return Ok(Vec::new());
        };
        // Whole days of the site.
        let span = Span { from: day_start(first, &site.zone), to: span.to };
        let track = |meter: &Meter| -> Result<Track, StoreError> {
            Ok(Track::of_intervals(&self.intervals(meter, span)?).hourly())
        };
        let main = track(meter)?;
        let behind: Vec<Track> = parts.iter().map(|part| track(part)).collect::<Result<_, _>>()?;
        let mut factor = self.raised(&meter.id, FindingKind::SumMismatch, span.to)?.factor();
        for part in parts.iter().filter(|part| is_leaf(site, part)) {
            let raised = self.raised(&part.id, FindingKind::SumMismatch, span.to)?;
            factor = factor.max(raised.factor());
        }
        let usual = SumLimits::default();
        let (share_min, width) = (usual.share_min * factor, usual.width * factor);
        let found = sum_mismatch(&main, &behind, &SumLimits { share_min, width, ..usual });
        let named = |part: Option<usize>| {
            let part = part.and_then(|at| parts.get(at).copied());
            part.filter(|part| is_leaf(site, part)).unwrap_or(meter)
        };
        Ok(found.into_iter().map(|it| (named(it.part), it.spell)).collect())
    }
}

/// Whether no meter is behind one.
pub(crate) fn is_leaf(site: &Site, meter: &Meter) -> bool {
    site.behind(meter).next().is_none()
}
