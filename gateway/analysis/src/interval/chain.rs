//! Readings that follow from each other, while nothing says yet what they are worth.

use super::CounterReading;

/// A step up to this many times the rate known from elsewhere is natural: a building's
/// morning rise is about ten times its night.
const NATURAL_FACTOR: i128 = 16;

/// Readings that follow from each other.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    /// The index of its first reading.
    pub(super) start: usize,
    pub(super) first: CounterReading,
    pub(super) last: CounterReading,
    /// How often it rose.
    pub(super) growths: u32,
}

impl Chain {
    pub(super) fn step(&self) -> Step {
        Step::between(self.first, self.last)
    }
}

/// So much in such a time.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) rise: i128,
    pub(super) seconds: i128,
}

impl Step {
    pub(super) fn between(from: CounterReading, to: CounterReading) -> Self {
        Self {
            rise: i128::from(to.value) - i128::from(from.value),
            seconds: i128::from(to.instant) - i128::from(from.instant),
        }
    }

    /// Returns whether this step is no wonder where the counter runs like `known`.
    pub(super) fn is_natural_beside(self, known: Self) -> bool {
        self.rise * known.seconds <= NATURAL_FACTOR * known.rise * self.seconds
    }
}

/// A few chains; when a fifth begins, the least grown and then the oldest is given up.
#[derive(Default)]
pub(super) struct Chains {
    chains: Vec<Chain>,
}

const CHAINS_MAX: usize = 4;

impl Chains {
    /// Returns the highest of the chains that a reading may join.
    pub(super) fn joined_by(&mut self, may_join: impl Fn(&Chain) -> bool) -> Option<&mut Chain> {
        self.chains
            .iter_mut()
            .filter(|chain| may_join(chain))
            .max_by_key(|chain| (chain.last.value, chain.growths))
    }

    pub(super) fn begin(&mut self, start: usize, reading: CounterReading) -> Chain {
        let chain = Chain { start, first: reading, last: reading, growths: 0 };
        if self.chains.len() == CHAINS_MAX {
            let weakest = (0..CHAINS_MAX)
                .min_by_key(|&index| (self.chains[index].growths, self.chains[index].last.instant));
            self.chains.remove(weakest.unwrap_or_default());
        }
        self.chains.push(chain);
        chain
    }
}
