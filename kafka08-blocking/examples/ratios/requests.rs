//! The library under test, as far as it knows no socket: the requests, and what is done with their answers.

use std::{hint::black_box, ops::ControlFlow};

use kafka08_proto::{
    api::{FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, ProduceRequest, ProduceResponse},
    ids::{Acks, Millis, Offset, OffsetTime},
    message::{Budget, Entry, Inflater, MessageSet, MessageSetBuilder},
};

use crate::{
    measure::Result,
    wire::{BATCH, LISTED, SET, TOPIC},
};

/// A request of 64 bytes.
pub(crate) fn small() -> ListOffsetsRequest {
    ListOffsetsRequest::new().with(TOPIC, 0, OffsetTime::LATEST)
}

/// A request with a set of [`BATCH`] messages that have this value.
pub(crate) fn produce(value: &[u8]) -> Result<ProduceRequest> {
    produce_with(&mut MessageSet::builder(), value)
}

/// The same, built in the memory of earlier ones.
pub(crate) fn produce_with(set: &mut MessageSetBuilder, value: &[u8]) -> Result<ProduceRequest> {
    for _ in 0..BATCH {
        set.push(None, Some(value))?;
    }
    Ok(ProduceRequest::new(Acks::LEADER, Millis(10_000)).with(TOPIC, 0, set.take()))
}

/// A fetch of one partition, for which the peer always has the same set.
pub(crate) fn fetch() -> Result<FetchRequest> {
    Ok(FetchRequest::new(Millis(100), 1).with(TOPIC, 0, Offset(0), i32::try_from(SET)?))
}

pub(crate) fn check_small(answer: &ListOffsetsResponse) -> Result<()> {
    let listed = answer.topics.find(TOPIC, 0).ok_or("a partition is missing")?;
    match listed.offsets.as_slice() {
        [offset] if offset.0 == LISTED => Ok(()),
        _ => Err("not the offset that the peer has".into()),
    }
}

pub(crate) fn check_produced(answer: &ProduceResponse) -> Result<()> {
    Ok(answer.topics.find(TOPIC, 0).ok_or("a partition is missing")?.error.ok()?)
}

pub(crate) fn fetched(answer: &FetchResponse) -> Result<&MessageSet> {
    Ok(&answer.topics.find(TOPIC, 0).ok_or("a partition is missing")?.messages)
}

/// Looks at each message by iterating.
pub(crate) fn see_entries(set: &MessageSet) -> Result<usize> {
    let mut messages = 0;
    for entry in set.entries() {
        if let Entry::Plain(message) = entry? {
            black_box((message.offset, message.key, message.value));
            messages += 1;
        }
    }
    Ok(messages)
}

/// Looks at each message in a visitor.
pub(crate) fn see_visited(set: &MessageSet) -> Result<usize> {
    let mut messages = 0;
    let mut damaged = None;
    set.for_each_message(Offset(0), &mut Inflater::new(), &mut Budget::new(SET), |message| match message {
        Ok(message) => {
            black_box((message.offset, message.key, message.value));
            messages += 1;
            ControlFlow::Continue(())
        }
        Err(error) => {
            damaged = Some(error);
            ControlFlow::Break(())
        }
    });
    damaged.map_or(Ok(messages), |error| Err(error.into()))
}
