//! Nothing is told of a producer.

use std::ops::Range;

use kafka08_client::{
    accumulator::BatchId,
    config::ProducerConfig,
    producer::{Outcome, ProducerStats},
};
use kafka08_proto::ids::NodeId;

/// When a batch was opened.
#[derive(Debug, Default)]
pub(crate) struct Opened {}

/// Tells what a producer does.
#[derive(Debug)]
pub(crate) struct ProducerTeller;

impl ProducerTeller {
    pub(crate) fn new(_: &ProducerConfig) -> Self {
        Self
    }

    pub(crate) fn tell_counts(&mut self, _: ProducerStats) {}

    pub(crate) fn batch_ended(&self, _: BatchId, _: &Range<u32>, _: &Outcome, _: &Opened) {}

    pub(crate) fn unconfirmed(&self, _: NodeId, _: u64) {}
}
