//! Records that say what they are.

use std::{fmt, sync::Arc};

use kafka08_proto::partitioner::KeyHash;

use crate::Seed;

/// The most bytes of filler in a value.
const FILLER: u64 = 1024;

/// How the records of a book choose their partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Each record names its partition, in turn. Keys are null, empty or some bytes. Some values are null or empty.
    Any,
    /// Each record has a key and no partition. The key is expected where this hash puts it.
    Choose(KeyHash),
}

/// A record to be submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number in its book.
    pub number: u64,
    /// The partition to send it to. `None` leaves the choice to the partitioner.
    pub partition: Option<u16>,
    /// The key. `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// The value. `None` is a null value.
    pub value: Option<Vec<u8>>,
}

/// What the records of one book have in common. A record follows from it and the record's number, so a book need not keep
/// bytes.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) run: u64,
    pub(super) topic: Arc<str>,
    pub(super) producer: u16,
    pub(super) partitions: u16,
    pub(super) keys: Keys,
}

/// What a message says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) producer: u16,
    pub(super) number: u64,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} of producer {}", self.number, self.producer)
    }
}

impl Recipe {
    /// The record with this number.
    pub(super) fn record(&self, number: u64) -> Record {
        let mut seed = Seed::new(self.run).part(u64::from(self.producer)).part(number);
        let shape = seed.below(50);
        match self.keys {
            Keys::Any => {
                let partition = u16::try_from(number % u64::from(self.partitions)).expect("below a u16");
                let (key, value) = match shape {
                    // The name stands in the key if the value has no room for it.
                    0 => (Some(self.text(number, Some(partition), &mut seed)), None),
                    1 => (Some(self.text(number, Some(partition), &mut seed)), Some(Vec::new())),
                    2 => (Some(Vec::new()), Some(self.text(number, Some(partition), &mut seed))),
                    3..20 => (Some(bytes(&mut seed, 40)), Some(self.text(number, Some(partition), &mut seed))),
                    _ => (None, Some(self.text(number, Some(partition), &mut seed))),
                };
                Record { number, partition: Some(partition), key, value }
            }
            Keys::Choose(_) => {
                let key = Some(bytes(&mut seed, 40));
                Record { number, partition: None, key, value: Some(self.text(number, None, &mut seed)) }
            }
        }
    }

    /// The partition in which a record belongs.
    pub(super) fn partition_of(&self, record: &Record) -> u16 {
        let by_key = || match self.keys {
            Keys::Any => None,
            Keys::Choose(hash) => hash.partition(record.key.as_deref()?, usize::from(self.partitions)),
        };
        let chosen = || by_key().and_then(|partition| u16::try_from(partition.0).ok());
        record.partition.or_else(chosen).expect("the record names a partition, or a key chooses one")
    }

    /// The record's name, filler, and a checksum of both.
    fn text(&self, number: u64, partition: Option<u16>, seed: &mut Seed) -> Vec<u8> {
        let partition = partition.map_or_else(|| "by-key".to_owned(), |partition| partition.to_string());
        let filler = bytes(seed, FILLER);
        let Self { run, topic, producer, .. } = self;
        let mut text = format!("{run:x}/{producer}/{topic}/{partition}/{number}/{}/", filler.len()).into_bytes();
        text.extend(filler);
        let checksum = crc32fast::hash(&text);
        text.extend(checksum.to_be_bytes());
        text
    }

    /// What a message of this run and topic says it is. `Err` says why it is none.
    pub(super) fn name(run: u64, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Name, String> {
        let text = value.filter(|value| !value.is_empty()).or(key).unwrap_or_default();
        let (text, checksum) = text.split_last_chunk().ok_or("it is too short")?;
        let mut parts = text.splitn(7, |byte| *byte == b'/').map(String::from_utf8_lossy);
        let mut part = || parts.next().unwrap_or_default();
        if crc32fast::hash(text) != u32::from_be_bytes(*checksum) {
            return Err(format!("its checksum is wrong; it begins with {:?}", part()));
        }
        if part() != format!("{run:x}") {
            return Err("it belongs to another run".to_owned());
        }
        let producer = part().parse().map_err(|_| "it names no producer")?;
        if part() != topic {
            return Err("it belongs to another topic".to_owned());
        }
        // The partition follows from the number, and is compared with the rest of the record.
        part();
        Ok(Name { producer, number: part().parse().map_err(|_| "it has no number")? })
    }
}

/// From 1 to about `most` bytes.
fn bytes(seed: &mut Seed, most: u64) -> Vec<u8> {
    let length = seed.up_to(most);
    (0..length).map(|_| u8::try_from(seed.below(256)).expect("below 256")).collect()
}
