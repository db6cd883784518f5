//! What a producer tells its user.

use std::ops::Range;

use kafka08_proto::{
    error_code::ErrorCode,
    ids::{NodeId, Offset, Text, TopicPartition},
    message::MessageSet,
};

use super::ProduceError;
use crate::accumulator::{BatchId, FlushId};

/// What a [`Producer`](super::Producer) tells its user.
///
/// Each record that was appended ends exactly once. The events of one batch have ranges that are disjoint, and that cover
/// all its records together: usually one event, or several if the batch was split.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProducerEvent<C> {
    /// Records of a batch have ended.
    Ended {
        /// What the batch carries. The event that covers the batch's last record is not necessarily the last one.
        completion: C,
        /// The batch.
        batch: BatchId,
        /// The positions of the records in the batch, as in [`Appended::index`](crate::accumulator::Appended::index).
        records: Range<u32>,
        /// How they have ended.
        outcome: Outcome,
    },
    /// A flush is over: every record that was appended before it has ended.
    Flushed {
        /// The flush.
        id: FlushId,
        /// Records that have ended as [`Outcome::Failed`] since the last flush was over.
        failed: u64,
        /// With acks 0: records that were told as [`ProducerEvent::Unconfirmed`] since the last flush was over. All other
        /// records that were written before the flush have reached their broker, which has not refused them.
        unconfirmed: u64,
    },
    /// With acks 0: a connection has ended, or did not answer a flush, and it is not known whether the broker has stored
    /// these records, which were written to it since it was last heard of. They had ended as [`Outcome::Written`] before,
    /// and are not sent again. A broker closes the connection when it cannot store a batch with acks 0.
    Unconfirmed {
        /// The broker.
        node: NodeId,
        /// The number of records.
        records: u64,
    },
    /// A topic that was asked for was listed. Without a problem, append again: its partitions are known. With one, it is
    /// asked for again, as long as somebody appends to it after each of these events.
    Topic {
        /// The topic.
        topic: Text,
        /// Why it cannot be used now. [`ErrorCode::retry`] tells whether waiting can help.
        problem: Option<ErrorCode>,
    },
    /// A record was refused because the buffer was full, and there is room now. Append again.
    Room,
}

/// How records have ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A broker has acknowledged the records.
    Delivered {
        /// Where they are stored.
        to: TopicPartition,
        /// The offset of the first record of the range. The others follow in order. `None` if the broker did not say it,
        /// or if its release is not known: brokers before 0.8.2 answer with another number when acks is -1.
        base: Option<Offset>,
        /// How many earlier attempts may have stored the records too, so that they may be stored this many times more.
        maybe_applied: u32,
    },
    /// With acks 0: the operating system has taken the last byte of the request. Whether a broker stores the records is
    /// not known. [`ProducerEvent::Unconfirmed`] counts those that may be lost.
    Written {
        /// Where they were sent.
        to: TopicPartition,
    },
    /// The records were not acknowledged, and are not sent again.
    Failed {
        /// The records, uncompressed, to be read or sent again with
        /// [`Accumulator::append_set`](crate::accumulator::Accumulator::append_set).
        records: MessageSet,
        /// Why, and whether a broker may have stored them.
        error: ProduceError,
    },
}
