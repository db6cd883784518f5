//! Nothing is told of a consumer.

use kafka08_client::{
    config::ConsumerConfig,
    consumer::{ConsumerEvent, ConsumerStats},
};

/// Tells what a consumer does.
#[derive(Debug)]
pub(crate) struct ConsumerTeller;

impl ConsumerTeller {
    pub(crate) fn new(_: &ConsumerConfig) -> Self {
        Self
    }

    pub(crate) fn tell_counts(&mut self, _: ConsumerStats) {}

    pub(crate) fn tell(&self, _: &ConsumerEvent) {}
}
