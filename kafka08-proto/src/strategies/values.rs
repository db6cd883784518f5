//! Strategies for names, numbers, message sets, and groups of items by topic.

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};

use crate::{
    api::{ByTopic, TopicItems},
    error_code::ErrorCode,
    ids::{Epoch, NodeId, Offset, PartitionId, Text, TopicPartition},
    message::{MessageSet, MessageSetBuilder, Origin},
};

/// A string that is empty, has a few letters, or has a few characters of any kind.
pub fn text() -> impl Strategy<Value = Text> {
    prop_oneof![Just(String::new()), "[a-z]{1,8}", "\\PC{0,6}"].prop_map(Text::from)
}

/// A string that may be null.
pub fn maybe_text() -> impl Strategy<Value = Option<Text>> {
    option::of(text())
}

/// An error code. At least half of the codes are known to 0.8.
pub fn error() -> impl Strategy<Value = ErrorCode> {
    prop_oneof![-1i16..=20, any::<i16>()].prop_map(ErrorCode)
}

/// A partition number. About half of the numbers are small, so that duplicates occur.
pub fn partition() -> impl Strategy<Value = PartitionId> {
    prop_oneof![0..5i32, any::<i32>()].prop_map(PartitionId)
}

/// An offset, valid or not.
pub fn offset() -> impl Strategy<Value = Offset> {
    any::<i64>().prop_map(Offset)
}

/// A broker id, valid or not.
pub fn node() -> impl Strategy<Value = NodeId> {
    any::<i32>().prop_map(NodeId)
}

/// A few broker ids.
pub fn nodes() -> impl Strategy<Value = Vec<NodeId>> {
    vec(node(), 0..4)
}

/// A leader or controller epoch, valid or not.
pub fn epoch() -> impl Strategy<Value = Epoch> {
    any::<i32>().prop_map(Epoch)
}

/// A topic and a partition.
pub fn topic_partition() -> impl Strategy<Value = TopicPartition> {
    (text(), partition()).prop_map(|(topic, partition)| TopicPartition { topic, partition })
}

/// A few items of partitions, grouped by topic. Groups can be empty, and a topic can occur more than once.
pub fn by_topic<T: std::fmt::Debug + Clone>(item: impl Strategy<Value = T>) -> impl Strategy<Value = ByTopic<T>> {
    let group =
        (text(), vec((partition(), item), 0..4)).prop_map(|(topic, partitions)| TopicItems { topic, partitions });
    vec(group, 0..4).prop_map(ByTopic::from)
}

/// A message set with valid messages or random bytes.
pub fn message_set(origin: Origin) -> impl Strategy<Value = MessageSet> {
    let part = || option::of(vec(any::<u8>(), 0..6));
    let sound = vec((part(), part()), 0..3).prop_map(|parts| {
        let mut builder = MessageSetBuilder::default();
        for (key, value) in parts {
            builder.push(key.as_deref(), value.as_deref()).expect("small");
        }
        builder.build().bytes().clone()
    });
    // Some sets are so long that the encoder splices them instead of copying them.
    let anything = prop_oneof![9 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 2040..2060)].prop_map(Bytes::from);
    prop_oneof![sound, anything].prop_map(move |bytes| MessageSet::new(bytes, origin))
}
