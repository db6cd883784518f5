//! A record, as a producer takes it.

use kafka08_proto::ids::PartitionId;

/// A record that is to be appended, borrowed from the caller. Its bytes are copied once, into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The name of the topic.
    pub topic: &'a str,
    /// The partition. `None` leaves the choice to the partitioner.
    pub partition: Option<PartitionId>,
    /// The key. `None` is a null key, which differs from an empty one.
    pub key: Option<&'a [u8]>,
    /// The value. `None` is a null value: in a compacted topic it deletes the key.
    pub value: Option<&'a [u8]>,
}

/// A record that is sent: the short name of [`RecordRef`].
///
/// ```
/// use kafka08_client::record::Record;
///
/// let record = Record::to("access-log").key("session-7").value("GET /").partition(2);
/// assert_eq!(record.key, Some(&b"session-7"[..]));
/// ```
pub type Record<'a> = RecordRef<'a>;

impl<'a> RecordRef<'a> {
    /// Creates a record for a topic, with a null key and a null value.
    #[must_use]
    pub const fn to(topic: &'a str) -> Self {
        Self { topic, partition: None, key: None, value: None }
    }

    /// Sets the key.
    #[must_use]
    pub fn key<K: AsRef<[u8]> + ?Sized>(self, key: &'a K) -> Self {
        Self { key: Some(key.as_ref()), ..self }
    }

    /// Sets the value.
    #[must_use]
    pub fn value<V: AsRef<[u8]> + ?Sized>(self, value: &'a V) -> Self {
        Self { value: Some(value.as_ref()), ..self }
    }

    /// Sets the partition, so that the partitioner is not asked.
    #[must_use]
    pub fn partition(self, partition: impl Into<PartitionId>) -> Self {
        Self { partition: Some(partition.into()), ..self }
    }

    /// Creates a record with a value and without a key.
    #[must_use]
    pub const fn new(topic: &'a str, value: &'a [u8]) -> Self {
        Self { topic, partition: None, key: None, value: Some(value) }
    }

    /// Sets the key.
    #[must_use]
    pub const fn with_key(mut self, key: &'a [u8]) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the partition, so that the partitioner is not asked.
    #[must_use]
    pub const fn with_partition(mut self, partition: PartitionId) -> Self {
        self.partition = Some(partition);
        self
    }
}
