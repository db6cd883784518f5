//! The hashes by which the Java and Scala producers of 0.8 choose a partition for a key, bit by bit.
//!
//! They differ from each other, and one of them changed between releases: a topic whose producers mix them has each key in
//! several partitions. Choose the one that the topic's other producers use.

/// `String.hashCode` of Java: what the Scala producer's `DefaultPartitioner` takes of a string key. Over UTF-16 units.
#[must_use]
pub fn java_string_hash(key: &str) -> i32 {
    key.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `Arrays.hashCode` of Java: what the Scala producer's `ByteArrayPartitioner` takes of a key of bytes.
///
/// `DefaultPartitioner` with such keys hashes the identity of the array, which is random: nothing can follow it.
#[must_use]
pub fn java_bytes_hash(key: &[u8]) -> i32 {
    key.iter().fold(1i32, |hash, &byte| hash.wrapping_mul(31).wrapping_add(i32::from(i8::from_be_bytes([byte]))))
}

/// The 32-bit MurmurHash2 of the Java producer (`Utils.murmur2`, 0.8.2), over the serialized key.
#[must_use]
pub fn murmur2(key: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // The length is mixed in modulo 2^32; Java's arrays end at 2^31 - 1.
    let [l0, l1, l2, l3, ..] = (key.len() as u64).to_le_bytes();
    let (words, tail) = key.as_chunks::<4>();
    let mut hash = words.iter().fold(SEED ^ u32::from_le_bytes([l0, l1, l2, l3]), |hash, word| {
        let k = u32::from_le_bytes(*word).wrapping_mul(M);
        hash.wrapping_mul(M) ^ (k ^ (k >> R)).wrapping_mul(M)
    });
    if !tail.is_empty() {
        hash ^= tail.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash.cast_signed()
}

/// The partition of a hash, of `partitions` in all, as the Scala producer of 0.8.0 and 0.8.1 and the Java producer of 0.8.2
/// choose it: the hash without its sign bit. `None` of no partitions.
///
/// `partitions` counts all of the topic's, with and without a leader.
#[must_use]
pub fn by_masked_hash(hash: i32, partitions: i32) -> Option<i32> {
    (hash & i32::MAX).checked_rem(partitions).filter(|_| partitions > 0)
}

/// The partition of a hash as the Scala producer of 0.8.2 chooses it: the hash's absolute value, and 0 for the number that
/// has none (KAFKA-1469). Keys with a negative hash move when a producer is upgraded. `None` of no partitions.
#[must_use]
pub fn by_absolute_hash(hash: i32, partitions: i32) -> Option<i32> {
    hash.checked_abs().unwrap_or(0).checked_rem(partitions).filter(|_| partitions > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `protocol.md` section 6.1.
    #[test]
    fn the_hashes_are_those_of_java_bit_by_bit() {
        for (key, hash) in [
            ("", 275_646_681),
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
        assert_eq!(java_string_hash("user42"), -836_031_607);
        assert_eq!(java_string_hash(""), 0);
        // One character beyond the basic plane is two units: 0xd83d * 31 + 0xde00.
        assert_eq!(java_string_hash("\u{1f600}"), 0xd83d * 31 + 0xde00);
        assert_eq!(java_bytes_hash(&[]), 1);
        // (31 * 1 + -1) * 31 + 127
        assert_eq!(java_bytes_hash(&[0xff, 0x7f]), 1057);
    }

    #[test]
    fn a_key_with_a_negative_hash_moved_with_0_8_2() {
        let hash = java_string_hash("user42");
        assert_eq!((by_masked_hash(hash, 10), by_absolute_hash(hash, 10)), (Some(1), Some(7)));
        assert_eq!((by_masked_hash(i32::MIN, 10), by_absolute_hash(i32::MIN, 10)), (Some(0), Some(0)));
        assert_eq!((by_masked_hash(5, 0), by_absolute_hash(5, -1)), (None, None));
    }
}
