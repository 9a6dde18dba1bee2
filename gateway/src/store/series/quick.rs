//! A quick hash for short keys of our own: names, layouts, numbers.
//!
//! The standard hash withstands keys that somebody chose to collide, and takes 30 ns for a
//! name, twice a pack. Whoever could choose names here, the site book has named already.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map with this hash.
pub(super) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;

/// Folds words of 8 bytes into one, by rotation and multiplication.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quick(u64);

impl Quick {
    fn fold(&mut self, word: u64) {
        // The multiplier of FxHash: odd, and its bits are well mixed.
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(rest) {
                *to = *from;
            }
            self.fold(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.fold(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.fold(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.fold(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.fold(number as u64);
    }

    fn finish(&self) -> u64 {
        // A product's low bits depend on few of the key's; tables look at those first.
        self.0.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use wire::Name;

    use super::*;

    #[test]
    fn names_that_count_up_do_not_share_a_place() {
        let build = BuildHasherDefault::<Quick>::default();
        let name = |number: u32| Name::new(&format!("meter-{number:05}")).unwrap();

        let places: HashSet<u64> =
            (0..4_096).map(|number| build.hash_one(name(number)) % 8_192).collect();

        // Of random places so many would be different: 8192 * (1 - exp(-1/2)) = 3223.
        assert!(3_000 < places.len(), "{}", places.len());
    }
}
