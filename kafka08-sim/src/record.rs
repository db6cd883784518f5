//! Records that say themselves what they are.
//!
//! ```text
//! magic: 4 bytes   run: u64   place: 2 * u16   number: u32   nonce: u64   length of the filler: u32   filler   sum: u64
//! ```
//!
//! A record is derived from the run and its number alone. So whoever finds one in a log can derive it again and compare it
//! byte for byte, and a byte that was lost, doubled or taken from another record is noticed.

use crate::{
    choices::{Choices as _, Stream},
    history::{OperationId, Place},
};

const MAGIC: [u8; 4] = *b"K8SM";
/// The partition of a record whose partition the client chooses.
pub const ANY_PARTITION: u16 = u16::MAX;

/// A record of the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic, and the partition or [`ANY_PARTITION`].
    pub place: Place,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
}

/// How the records of a run are made.
#[derive(Clone, Copy, Debug)]
pub struct Records {
    /// Tells runs apart.
    pub run: u64,
    /// The number of topics.
    pub topics: u16,
    /// The number of partitions of each.
    pub partitions: u16,
    /// The longest filler.
    pub filler: u64,
    /// Whether the client chooses partitions of some records.
    pub chosen_by: ChosenBy,
}

/// Who chooses the partitions of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// The workload, for all records.
    Workload,
    /// The client, for some records.
    Client,
}

impl Records {
    /// The record with this number.
    #[must_use]
    pub fn record(&self, id: OperationId) -> Record {
        let mut stream = Stream::of(self.run, 0x7265_636f_7264, u64::from(id));
        let topic = u16::try_from(stream.below(u64::from(self.topics))).unwrap_or(0);
        let mut partition = u16::try_from(stream.below(u64::from(self.partitions))).unwrap_or(0);
        if self.chosen_by == ChosenBy::Client && stream.chance(1, 4) {
            partition = ANY_PARTITION;
        }
        let place = (topic, partition);
        let identity = self.identity(place, id, &mut stream);
        // A tombstone has its identity in the key, everything else in the value.
        match stream.below(8) {
            0 => Record { place, key: Some(identity), value: None },
            1 => Record { place, key: Some(Vec::new()), value: Some(identity) },
            2 | 3 => Record { place, key: Some(id.to_be_bytes().to_vec()), value: Some(identity) },
            _ => Record { place, key: None, value: Some(identity) },
        }
    }

    fn identity(&self, place: Place, id: OperationId, stream: &mut Stream) -> Vec<u8> {
        let len = stream.log_up_to(self.filler);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.run.to_be_bytes());
        bytes.extend(place.0.to_be_bytes());
        bytes.extend(place.1.to_be_bytes());
        bytes.extend(id.to_be_bytes());
        bytes.extend(stream.next_number().to_be_bytes());
        bytes.extend(u32::try_from(len).unwrap_or(0).to_be_bytes());
        // Filler that repeats lets codecs do something, and filler that counts shows bytes that were moved.
        bytes.extend((0..len).map(|n| u8::try_from(n & 0x1f).unwrap_or(0)));
        let sum = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
        bytes.extend(sum.to_be_bytes());
        bytes
    }

    /// The numbers of the records of this run that bytes hold, compressed ones aside.
    pub fn named_in<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = OperationId> + use<'a> {
        let run = self.run.to_be_bytes();
        bytes.windows(MAGIC.len() + 16).filter_map(move |window| {
            let rest = window.strip_prefix(&MAGIC)?.strip_prefix(&run)?;
            Some(OperationId::from_be_bytes(*rest.last_chunk()?))
        })
    }

    /// The number of a record that was found, if it is one of this run, byte for byte. `None` if it is not.
    #[must_use]
    pub fn recognise(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<OperationId> {
        let identity = value.or(key)?;
        let number = identity.strip_prefix(&MAGIC)?.get(12..16)?;
        let id = OperationId::from_be_bytes(number.try_into().ok()?);
        let record = self.record(id);
        (record.key.as_deref() == key && record.value.as_deref() == value).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: Records = Records { run: 7, topics: 2, partitions: 3, filler: 40, chosen_by: ChosenBy::Client };

    #[test]
    fn a_record_is_recognised_and_a_changed_one_is_not() {
        for id in 0..200 {
            let record = RECORDS.record(id);
            assert_eq!(RECORDS.recognise(record.key.as_deref(), record.value.as_deref()), Some(id));
            let mut changed = record.clone();
            let bytes = changed.value.as_mut().or(changed.key.as_mut()).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            assert_eq!(RECORDS.recognise(changed.key.as_deref(), changed.value.as_deref()), None);
            // A null key is not an empty one.
            if record.key.is_none() {
                assert_eq!(RECORDS.recognise(Some(&[]), record.value.as_deref()), None);
            }
        }
    }

    #[test]
    fn all_kinds_of_keys_and_values_occur() {
        let records: Vec<Record> = (0..200).map(|id| RECORDS.record(id)).collect();
        assert!(records.iter().any(|record| record.key.is_none()));
        assert!(records.iter().any(|record| record.key.as_deref() == Some(&[])));
        assert!(records.iter().any(|record| record.value.is_none()));
        assert!(records.iter().any(|record| record.place.1 == ANY_PARTITION));
    }
}
