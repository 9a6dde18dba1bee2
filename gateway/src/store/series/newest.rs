//! What came since an instant: a read that costs what it finds.

use wire::{Name, Quantity};

use super::Engine;
use super::memory::bit_of;
use super::registry::column_of;
use crate::store::error::StoreError;

impl Engine {
    pub(super) fn counter_since(
        &self,
        meter: &Name,
        quantity: Quantity,
        from: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let column = column_of(quantity);
        self.look("read a counter", meter, |look| {
            if look.measured & bit_of(column) == 0 {
                return Ok(Vec::new());
            }
            look.pick(column, from, i64::MAX)
        })
    }
}
