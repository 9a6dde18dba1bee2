//! Chance that can be had again: its seed is printed with what it found.

use std::hash::{BuildHasher as _, RandomState};

/// Xorshift. Enough to choose moments and sectors.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Returns a chance that nobody chose.
    #[must_use]
    pub fn new() -> Self {
        Self::of(RandomState::new().hash_one(0))
    }

    /// Returns the chance of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Returns what [`Chance::of`] needs to begin again from here.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0
    }

    /// Returns a number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits of xorshift are its weakest.
        (self.0 >> 11).checked_rem(end).unwrap_or(0)
    }

    /// Returns true once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}
