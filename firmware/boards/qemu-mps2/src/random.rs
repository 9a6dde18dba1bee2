//! Numbers that look random and are no secret.
//!
//! The emulated machine has no source of randomness. What comes from here can be worked out by
//! whoever knows when the emulator was started: good for tests, and for nothing else. The real
//! boards use their chip's own generator.

use rand_core::{CryptoRng, Error, RngCore};
use sha2::{Digest, Sha256};

/// SHA-256 of a seed and a count.
pub(crate) struct NoSecret {
    seed: u64,
    count: u64,
}

impl NoSecret {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        self.count = self.count.wrapping_add(1);
        let hash = Sha256::new().chain_update(self.seed.to_be_bytes());
        hash.chain_update(self.count.to_be_bytes()).finalize().into()
    }
}

impl RngCore for NoSecret {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(32) {
            let block = self.block();
            piece.iter_mut().zip(block).for_each(|(slot, byte)| *slot = byte);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

// What TLS asks for; that it is not true here is said above.
impl CryptoRng for NoSecret {}
