//! Nothing is told of a producer.

use std::ops::Range;

use kafka08_client::{
    accumulator::BatchId,
    producer::{Outcome, ProducerStats},
};
use kafka08_proto::ids::NodeId;

/// When a batch was opened.
#[derive(Debug, Default)]
pub(crate) struct Opened {}

/// What was told of the counts of a producer.
#[derive(Debug, Default)]
pub(crate) struct Counts {}

impl Counts {
    pub(crate) fn tell(&mut self, _: ProducerStats) {}
}

pub(crate) fn batch_ended(_: BatchId, _: &Range<u32>, _: &Outcome, _: &Opened) {}

pub(crate) fn unconfirmed(_: NodeId, _: u64) {}
