//! A meter against those directly behind it.

use analysis::interval::Span;
use analysis::interval::balance::{BalanceRow, balance};
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
}
