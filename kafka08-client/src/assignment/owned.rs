//! A message that owns its bytes.

use std::fmt;

use bytes::Bytes;
use kafka08_proto::{
    ids::{Offset, TopicPartition},
    message::Message,
};

use super::Fetched;

/// A message that owns its bytes.
///
/// Those of an uncompressed message share the memory of the whole response, and keep it alive: [`OwnedMessage::detach`] copies
/// them. Those of a compressed message are copies.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedMessage {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset.
    pub offset: Offset,
    /// The key. `None` if there is none.
    pub key: Option<Bytes>,
    /// The value. `None` if it is null, which deletes the key in a compacted topic.
    pub value: Option<Bytes>,
}

impl OwnedMessage {
    pub(super) fn of(message: &Message<'_>, fetched: &Fetched) -> Self {
        let share = |part| fetched.set.share(part);
        Self {
            partition: fetched.of.clone(),
            offset: message.offset,
            key: message.key.map(share),
            value: message.value.map(share),
        }
    }

    /// Copies the bytes, so that the message keeps nothing else alive.
    #[must_use]
    pub fn detach(mut self) -> Self {
        for part in [&mut self.key, &mut self.value].into_iter().flatten() {
            *part = Bytes::copy_from_slice(part);
        }
        self
    }
}

impl fmt::Debug for OwnedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads are never told.
        f.debug_struct("OwnedMessage")
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .field("key", &self.key.as_ref().map(Bytes::len))
            .field("value", &self.value.as_ref().map(Bytes::len))
            .finish()
    }
}
