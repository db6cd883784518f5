//! Offsets as messages of `__consumer_offsets` (`OffsetManager`, 0.8.2).
//!
//! The layout is that of 0.8.2, so a data directory can change hands between this broker and a real one.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka08_proto::{
    ids::{Offset, PartitionId, Text, Timestamp},
    message::{Entry, MessageSet, MessageSetBuilder, Origin},
    wire::{DecodeError, EncodeError, Encoder, Reader},
};

use super::{Committed, OffsetKey};

/// The version of keys and values. 0.8.2 has no other.
const VERSION: i16 = 0;

/// The message set of commits. An offset of `None` is a tombstone.
pub(crate) fn commits_of<'a>(commits: impl IntoIterator<Item = (&'a OffsetKey, Option<&'a Committed>)>) -> Bytes {
    let mut set = MessageSetBuilder::default();
    for (key, committed) in commits {
        // Names of a request always fit, because they came in fields of the same size.
        let Ok(key) = write_key(key) else { continue };
        let value = committed.map(write_value).transpose().unwrap_or_default();
        let _ = set.push(Some(&key), value.as_deref());
    }
    set.build().bytes().clone()
}

fn write_key(key: &OffsetKey) -> Result<Bytes, EncodeError> {
    let mut to = Encoder::new();
    to.int16(VERSION);
    to.text("group", &key.group)?;
    to.text("topic", &key.topic)?;
    to.int32(key.partition.0);
    Ok(to.into_bytes())
}

fn write_value(committed: &Committed) -> Result<Bytes, EncodeError> {
    let mut to = Encoder::new();
    to.int16(VERSION);
    to.int64(committed.offset.0);
    // Null metadata is stored as an empty string.
    to.text("metadata", committed.metadata.as_deref().unwrap_or_default())?;
    to.int64(committed.timestamp.0);
    Ok(to.into_bytes())
}

/// Reads all offsets of a partition of `__consumer_offsets`. Messages that are not offsets are left out: the topic can be
/// written only by brokers, but a folder of logs can be written by anyone.
pub(crate) fn read_all(set: Bytes) -> BTreeMap<OffsetKey, Committed> {
    let set = MessageSet::new(set, Origin::Fetched);
    let mut offsets = BTreeMap::new();
    for entry in set.entries() {
        // Brokers store commits uncompressed: `offsets.topic.compression.codec` is none by default.
        let Ok(Entry::Plain(message)) = entry else { continue };
        let Some(key) = message.key.and_then(|key| read_key(&Bytes::copy_from_slice(key)).ok()) else { continue };
        match message.value {
            None => drop(offsets.remove(&key)),
            Some(value) => {
                if let Ok(value) = read_value(&Bytes::copy_from_slice(value)) {
                    offsets.insert(key, value);
                }
            }
        }
    }
    offsets
}

fn read_key(key: &Bytes) -> Result<OffsetKey, DecodeError> {
    let mut reader = Reader::new("offset key", key);
    reader.int16("version")?;
    let group = reader.text("group")?;
    let topic = reader.text("topic")?;
    Ok(OffsetKey { group, topic, partition: PartitionId(reader.int32("partition")?) })
}

fn read_value(value: &Bytes) -> Result<Committed, DecodeError> {
    let mut reader = Reader::new("offset value", value);
    reader.int16("version")?;
    let offset = Offset(reader.int64("offset")?);
    let metadata: Text = reader.text("metadata")?;
    Ok(Committed { offset, metadata: Some(metadata), timestamp: Timestamp(reader.int64("timestamp")?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Group g, partition 0 of t, offset 7, metadata "m", timestamp 1000, as 0.8.2.2 stores it.
    #[test]
    fn an_offset_is_stored_as_0_8_2_stores_it() {
        let key = OffsetKey { group: "g".into(), topic: "t".into(), partition: PartitionId(0) };
        let committed = Committed { offset: Offset(7), metadata: Some("m".into()), timestamp: Timestamp(1000) };
        // version, group "g", topic "t", partition
        assert_eq!(&write_key(&key).expect("short")[..], b"\0\0\0\x01g\0\x01t\0\0\0\0");
        // version, offset, metadata "m", timestamp
        assert_eq!(&write_value(&committed).expect("short")[..], b"\0\0\0\0\0\0\0\0\0\x07\0\x01m\0\0\0\0\0\0\x03\xe8");
        let set = commits_of([(&key, Some(&committed))]);
        assert_eq!(read_all(set), BTreeMap::from([(key, committed)]));
    }

    #[test]
    fn a_tombstone_removes_an_offset_and_null_metadata_becomes_empty() {
        let key = |topic: &str| OffsetKey { group: "g".into(), topic: topic.into(), partition: PartitionId(0) };
        let committed = Committed { offset: Offset(7), metadata: None, timestamp: Timestamp(1000) };
        let (a, b) = (key("a"), key("b"));
        // Offsets of a log ascend: each set is built with offsets from 0 on, so one set holds all.
        let set = commits_of([(&a, Some(&committed)), (&b, Some(&committed)), (&a, None)]);
        let expected = Committed { metadata: Some("".into()), ..committed };
        assert_eq!(read_all(set), BTreeMap::from([(b, expected)]));
    }
}
