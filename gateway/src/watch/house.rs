//! The house of tests (`ledger::house`), with a watchman in it.

use super::Watch;
use crate::health::Health;
use crate::ledger::house::{House, MONDAY};
use crate::live::Live;
use crate::store::Arrival;
use crate::store::journal::FindingRow;

impl House {
    pub(super) fn watch(&self) -> Watch {
        let (health, live) = (Health::default(), Live::default());
        Watch::new(&self.store, &self.ledger, &self.clock, &health, &live, "")
    }
}

/// So many days and hours after the Monday on which the tests begin, and five minutes: past
/// the grace for what is late.
pub(super) const fn at(day: i64, hour: i64) -> i64 {
    MONDAY + day * 86_400 + hour * 3_600 + 300
}

impl House {
    /// Walks a round at each of some instants, each with what had come in by then; returns
    /// what was written down after each.
    pub(super) fn walked(&self, told: &[Arrival], instants: &[i64]) -> Vec<Vec<FindingRow>> {
        let (watch, mut told) = (self.watch(), told);
        let mut rounds = Vec::new();
        for &now in instants {
            let come = told.partition_point(|it| it.received <= now);
            let (before, after) = told.split_at(come);
            self.record(before);
            told = after;
            self.clock.set(now);
            watch.round(now).unwrap();
            rounds.push(self.findings());
        }
        rounds
    }
}
