//! The hash functions that the Java and Scala producers of 0.8 use to choose the partition of a key.
//!
//! The two producers use different hash functions, and the rule of the Scala producer changed between releases. If the
//! producers of one topic use different rules, messages with the same key go to several partitions. Use the same rule
//! as the other producers of the topic.

use crate::ids::PartitionId;

/// Java's `String.hashCode`, computed over UTF-16 code units. The Scala producer's `DefaultPartitioner` uses this hash
/// for string keys.
#[must_use]
pub fn java_string_hash(key: &str) -> i32 {
    // In Java, a character outside the Basic Multilingual Plane is two units. `chars` would yield only one value.
    key.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Java's `Arrays.hashCode` of a byte array. The Scala producer's `ByteArrayPartitioner` uses this hash.
///
/// The partitions of a Scala producer with byte array keys and the `DefaultPartitioner` cannot be reproduced. That
/// partitioner hashes the identity of the array object, which is random.
#[must_use]
pub fn java_bytes_hash(key: &[u8]) -> i32 {
    // Bytes are signed in Java. Unsigned bytes would change the hash of all keys that are not ASCII.
    key.iter().fold(1i32, |hash, &byte| hash.wrapping_mul(31).wrapping_add(i32::from(i8::from_be_bytes([byte]))))
}

/// The 32-bit MurmurHash2 of the Java producer (`Utils.murmur2`, 0.8.2), over the serialized key.
#[must_use]
pub fn murmur2(key: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Java's arrays have at most 2^31 - 1 bytes, so Java has no hash for a longer key. The high bytes are ignored.
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

/// The rule that a producer of 0.8 uses to choose the partition of a message with a key.
///
/// ```
/// use kafka08_proto::{ids::PartitionId, partitioner::{KeyHash, ScalaRule}};
///
/// let partition = |hash: KeyHash| hash.partition(b"user42", 10);
/// assert_eq!(partition(KeyHash::ScalaString(ScalaRule::Masked)), Some(PartitionId(1)));
/// assert_eq!(partition(KeyHash::ScalaString(ScalaRule::Absolute)), Some(PartitionId(7)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyHash {
    /// The rule of the Java producer of 0.8.2 and later releases: [`murmur2`] of the key's bytes, without the sign bit.
    Murmur2,
    /// The rule of the Scala producer with string keys (`DefaultPartitioner`): [`java_string_hash`].
    ScalaString(ScalaRule),
    /// The rule of the Scala producer with byte array keys (`ByteArrayPartitioner`): [`java_bytes_hash`].
    ScalaBytes(ScalaRule),
}

/// The method that the Scala producer uses to make a hash non-negative. 0.8.2 changed the method (KAFKA-1469). The
/// change moved keys with a negative hash to other partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScalaRule {
    /// 0.8.0 and 0.8.1 clear the sign bit of the hash.
    Masked,
    /// 0.8.2 takes the absolute value of the hash. For `i32::MIN`, which has none, the result is 0.
    Absolute,
}

impl KeyHash {
    /// The partition of a key. `partitions` is the number of all partitions of the topic, with and without a leader.
    ///
    /// Returns `None` if `partitions` is 0 or above `i32::MAX`. Also returns `None` if the rule is for string keys and
    /// `key` is not UTF-8.
    #[must_use]
    pub fn partition(self, key: &[u8], partitions: usize) -> Option<PartitionId> {
        let (hash, rule) = match self {
            // The Java producer has always cleared the sign bit.
            Self::Murmur2 => (murmur2(key), ScalaRule::Masked),
            Self::ScalaString(rule) => (java_string_hash(std::str::from_utf8(key).ok()?), rule),
            Self::ScalaBytes(rule) => (java_bytes_hash(key), rule),
        };
        let hash = match rule {
            ScalaRule::Masked => hash & i32::MAX,
            ScalaRule::Absolute => hash.checked_abs().unwrap_or(0),
        };
        hash.checked_rem(i32::try_from(partitions).ok()?).map(PartitionId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are in `protocol.md`, section 6.1.
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
        // A character outside the Basic Multilingual Plane is two units: 0xd83d * 31 + 0xde00.
        assert_eq!(java_string_hash("\u{1f600}"), 0xd83d * 31 + 0xde00);
        assert_eq!(java_bytes_hash(&[]), 1);
        // (31 * 1 + -1) * 31 + 127
        assert_eq!(java_bytes_hash(&[0xff, 0x7f]), 1057);
    }

    #[test]
    fn a_key_with_a_negative_hash_moved_with_0_8_2() {
        use ScalaRule::{Absolute, Masked};
        let of = |hash: KeyHash, key: &[u8]| hash.partition(key, 10).map(|PartitionId(number)| number);
        for (key, hash, before, after) in [
            ("user42", -836_031_607, 1, 7),
            ("0", 48, 8, 8),
            // The absolute value of `i32::MIN` is not an `i32`. Without the sign bit, the number is 0 too.
            ("polygenelubricants", i32::MIN, 0, 0),
        ] {
            assert_eq!(java_string_hash(key), hash, "{key}");
            let rules = [Masked, Absolute].map(|rule| of(KeyHash::ScalaString(rule), key.as_bytes()));
            assert_eq!(rules, [Some(before), Some(after)], "{key}");
        }
        // [0x80]: 31 * 1 - 128 = -97, and -97 without its sign bit is 2147483551.
        assert_eq!([Masked, Absolute].map(|rule| of(KeyHash::ScalaBytes(rule), &[0x80])), [Some(1), Some(7)]);
        // -973932308 without its sign bit is 1173551340.
        assert_eq!(of(KeyHash::Murmur2, b"21"), Some(0));
    }

    #[test]
    fn there_is_no_partition_of_none_nor_of_a_string_that_is_none() {
        let of_any = |hash: KeyHash| hash.partition(b"k", 0).is_some() || hash.partition(b"k", usize::MAX).is_some();
        for rule in [ScalaRule::Masked, ScalaRule::Absolute] {
            assert!(![KeyHash::Murmur2, KeyHash::ScalaString(rule), KeyHash::ScalaBytes(rule)].into_iter().any(of_any));
            assert_eq!(KeyHash::ScalaString(rule).partition(&[0xe9], 10), None);
            assert!(KeyHash::ScalaBytes(rule).partition(&[0xe9], 10).is_some());
        }
    }
}
