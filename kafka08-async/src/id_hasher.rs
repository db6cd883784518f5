//! Spreads correlation ids over the buckets of a map.

use std::hash::Hasher;

/// Hashes correlation ids. The client chooses the ids, so a peer cannot make them collide.
#[derive(Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_i32(&mut self, id: i32) {
        self.write_u64(u64::from(id.cast_unsigned()));
    }

    fn write_u64(&mut self, number: u64) {
        // An odd number whose bits are evenly spread. Successive ids also differ in the upper bits, which the map
        // compares.
        self.0 = (self.0.rotate_left(32) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        hash::{BuildHasher as _, BuildHasherDefault},
    };

    use kafka08_proto::ids::CorrelationId;

    use super::*;

    #[test]
    fn ids_that_count_up_fall_into_different_buckets() {
        // A map chooses the bucket by the lowest bits of a hash, and compares the seven highest before it compares ids.
        let hashes: Vec<_> =
            (0..1024).map(|id| BuildHasherDefault::<IdHasher>::default().hash_one(CorrelationId(id))).collect();
        let lowest: BTreeSet<_> = hashes.iter().map(|hash| hash & 1023).collect();
        let highest: BTreeSet<_> = hashes.iter().map(|hash| hash >> 57).collect();
        assert_eq!((lowest.len(), highest.len()), (1024, 128));
    }
}
