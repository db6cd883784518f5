//! Settings of the limits.
//!
//! Each limit names what happens at it: an error code, a closed connection, or the loss of the oldest data. A limit that
//! Kafka does not have is said to be so. [`LimitStats`](crate::LimitStats) counts the connections that were closed because of
//! one.

use std::time::Duration;

use super::BrokerConfig;

impl BrokerConfig {
    /// Sets the maximum size of an entry of a produced set, in bytes. A produce with a larger entry is answered with
    /// MessageSizeTooLarge, even if the entry becomes too large only when the broker compresses it again with its
    /// offsets. Default: 1,000,012, as Kafka's `message.max.bytes`.
    #[must_use]
    pub fn with_max_message(mut self, value: usize) -> Self {
        self.max_message = value;
        self
    }

    /// Sets the maximum size of a request, in bytes. The connection of a larger request is closed as soon as its length
    /// is read. Default: 8 MiB. Kafka's `socket.request.max.bytes` is 100 MiB.
    #[must_use]
    pub fn with_max_frame(mut self, value: usize) -> Self {
        self.max_frame = value;
        self
    }

    /// Sets the maximum number of bytes of messages in one Fetch answer. What lies behind is left out, as if the request had asked
    /// for less. Default: 32 MiB. Kafka has no such limit.
    #[must_use]
    pub fn with_max_answer(mut self, value: usize) -> Self {
        self.max_answer = value;
        self
    }

    /// Sets the maximum number of bytes of memory that all logs together may take. If more are produced, the oldest messages
    /// of the largest replica are removed, as by retention. If the logs are one entry each and still too large, the largest of
    /// them are emptied. Default: 256 MiB.
    #[must_use]
    pub fn with_max_log_bytes(mut self, value: usize) -> Self {
        self.max_log_bytes = value;
        self
    }

    /// Sets the maximum number of bytes of answers that clients have not read, of all connections together. If there are more, the
    /// connection that has most of them is closed. Default: 64 MiB.
    #[must_use]
    pub fn with_max_unsent(mut self, value: usize) -> Self {
        self.max_unsent = value;
        self
    }

    /// Sets the maximum number of topics. One more topic is answered with error code -1. Default: 10,000.
    #[must_use]
    pub fn with_max_topics(mut self, value: usize) -> Self {
        self.max_topics = value;
        self
    }

    /// Sets the maximum number of committed offsets. One more is answered with error code -1. An offset counts as one more for
    /// each 256 bytes of its names and its metadata. Default: 100,000.
    #[must_use]
    pub fn with_max_offsets(mut self, value: usize) -> Self {
        self.max_offsets = value;
        self
    }

    /// Sets the maximum number of partitions that one request may name, or of topics in a Metadata request. The connection of a
    /// larger request is closed. What a request names again does not count, unless it lists 16 times as many in all.
    /// Default: 4,096.
    #[must_use]
    pub fn with_max_partitions_per_request(mut self, value: usize) -> Self {
        self.max_partitions_per_request = value;
        self
    }

    /// Sets the maximum number of requests that wait for data or replicas. One more request is answered at once.
    /// Default: 100,000.
    #[must_use]
    pub fn with_max_waiting(mut self, value: usize) -> Self {
        self.max_waiting = value;
        self
    }

    /// Sets the maximum number of connections of each broker. One more connection is closed as soon as it is made. Default: 256.
    #[must_use]
    pub fn with_max_connections(mut self, value: usize) -> Self {
        self.max_connections = value;
        self
    }

    /// Sets how long a request may take to arrive, from its first byte on. After that, the connection is closed.
    /// Default: 30 s. Kafka's broker waits without a limit.
    #[must_use]
    pub fn with_frame_timeout(mut self, value: Duration) -> Self {
        self.frame_timeout = value;
        self
    }

    /// Sets how long a client may leave an answer unread without taking a byte of it. After that, the connection is closed.
    /// Default: 30 s. Kafka's broker waits without a limit.
    #[must_use]
    pub fn with_write_timeout(mut self, value: Duration) -> Self {
        self.write_timeout = value;
        self
    }

    /// Sets after what time without a request a connection is closed. Default: 10 minutes, as `connections.max.idle.ms` of
    /// 0.8.2. Earlier releases have no limit.
    #[must_use]
    pub fn with_idle_timeout(mut self, value: Duration) -> Self {
        self.idle_timeout = value;
        self
    }

    /// Sets how many of the latest requests the history keeps. Default: 1,024.
    #[must_use]
    pub fn with_history_entries(mut self, value: usize) -> Self {
        self.history_entries = value;
        self
    }

    /// Sets how many bytes of requests and answers the history keeps. Default: 4 MiB.
    #[must_use]
    pub fn with_history_bytes(mut self, value: usize) -> Self {
        self.history_bytes = value;
        self
    }

    /// The maximum size of an entry of a produced set, in bytes.
    #[must_use]
    pub fn max_message(&self) -> usize {
        self.max_message
    }

    /// The maximum size of a request, in bytes.
    #[must_use]
    pub fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// The maximum number of bytes of messages in one Fetch answer.
    #[must_use]
    pub fn max_answer(&self) -> usize {
        self.max_answer
    }

    /// The maximum number of bytes of memory of all logs.
    #[must_use]
    pub fn max_log_bytes(&self) -> usize {
        self.max_log_bytes
    }

    /// The maximum number of bytes of answers that clients have not read.
    #[must_use]
    pub fn max_unsent(&self) -> usize {
        self.max_unsent
    }

    /// The maximum number of topics.
    #[must_use]
    pub fn max_topics(&self) -> usize {
        self.max_topics
    }

    /// The maximum number of committed offsets.
    #[must_use]
    pub fn max_offsets(&self) -> usize {
        self.max_offsets
    }

    /// The maximum number of partitions that one request may name.
    #[must_use]
    pub fn max_partitions_per_request(&self) -> usize {
        self.max_partitions_per_request
    }

    /// The maximum number of requests that wait for data or replicas.
    #[must_use]
    pub fn max_waiting(&self) -> usize {
        self.max_waiting
    }

    /// The maximum number of connections of each broker.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// How long a request may take to arrive.
    #[must_use]
    pub fn frame_timeout(&self) -> Duration {
        self.frame_timeout
    }

    /// How long a client may leave an answer unread.
    #[must_use]
    pub fn write_timeout(&self) -> Duration {
        self.write_timeout
    }

    /// After what time without a request a connection is closed.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// How many requests the history keeps.
    #[must_use]
    pub fn history_entries(&self) -> usize {
        self.history_entries
    }

    /// How many bytes the history keeps.
    #[must_use]
    pub fn history_bytes(&self) -> usize {
        self.history_bytes
    }
}
