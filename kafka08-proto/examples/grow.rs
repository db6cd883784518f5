//! Does one thing to something of a given size: `.ci/linear` counts the instructions of each case as the size doubles.

use std::{error::Error, ops::ControlFlow};

use bytes::Bytes;
use kafka08_proto::{
    api::{
        Body, Broker, Encode as _, ListOffsetsRequest, ListOffsetsResponse, MetadataResponse, PartitionMetadata,
        PartitionOffsets, TopicMetadata,
    },
    error_code::ErrorCode,
    ids::{NodeId, Offset, OffsetTime, PartitionId, Text},
    message::{Budget, Cursor, Inflater, MessageSetBuilder},
};

const USAGE: &str = "usage: grow push-topics|find-topics|find-partitions|duplicates|leaders|resume SIZE";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let case = arguments.next().ok_or(USAGE)?;
    let size: i32 = arguments.next().ok_or(USAGE)?.parse()?;
    let found = match case.as_str() {
        "push-topics" => push_topics(size),
        "find-topics" => find(size, 1)?,
        "find-partitions" => find(1, size)?,
        "duplicates" => duplicates(size),
        "leaders" => leaders(size)?,
        "resume" => resume(size)?,
        _ => return Err(USAGE.into()),
    };
    println!("{case} {size}: {found}");
    Ok(())
}

/// Visits a set of so many messages, and breaks off behind each.
fn resume(messages: i32) -> Result<usize, Box<dyn Error>> {
    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    for _ in 0..messages {
        builder.push(None, Some(b"value"))?;
    }
    let set = builder.build();
    let (mut inflater, mut budget) = (Inflater::new(), Budget::new(0));
    let (mut cursor, mut visited) = (Cursor::new(Offset(0)), 0);
    while set.visit(&mut cursor, &mut inflater, &mut budget, |_| ControlFlow::Break(())).tail.is_none() {
        visited += 1;
    }
    Ok(visited)
}

/// The names of topics, not in the order of the alphabet.
fn names(count: i32) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("topic-{:08x}", n.wrapping_mul(0x0101_6b2d)))
}

/// Adds topics to a request one by one.
fn push_topics(topics: i32) -> usize {
    let request =
        names(topics).fold(ListOffsetsRequest::new(), |request, name| request.with(name, 0, OffsetTime::LATEST));
    request.topics.len()
}

/// Adds partitions to four topics of a request in turn, and looks for one that stands twice.
fn duplicates(partitions: i32) -> usize {
    let each = (0..partitions).rev().flat_map(|partition| ["a", "b", "c", "d"].map(|topic| (topic, partition)));
    let request = ListOffsetsRequest::latest(each);
    request.topics.len() - usize::from(request.topics.duplicate().is_some())
}

/// Reads a response, and looks up each of its partitions.
fn find(topics: i32, partitions: i32) -> Result<usize, Box<dyn Error>> {
    let mut response = ListOffsetsResponse::default();
    for name in names(topics).map(Text::from) {
        for partition in (0..partitions).rev().map(PartitionId) {
            response.topics.push(&name, partition, PartitionOffsets { error: ErrorCode::NONE, offsets: vec![] });
        }
    }
    let read = decode::<ListOffsetsResponse>(&response.to_bytes()?)?;
    let each = names(topics).flat_map(|name| (0..partitions).map(move |partition| (name.clone(), partition)));
    Ok(each.filter(|(name, partition)| read.topics.find(name, *partition).is_some()).count())
}

/// Reads metadata, and looks up each partition's leader.
fn leaders(topics: i32) -> Result<usize, Box<dyn Error>> {
    let brokers = (0..topics / 10).map(|node| Broker { node: NodeId(node), host: Text::from("host"), raw_port: 9092 });
    let topic = |name| {
        let partition = |partition| PartitionMetadata {
            error: ErrorCode::NONE,
            partition: PartitionId(partition),
            leader: Some(NodeId(partition % (topics / 10).max(1))),
            replicas: vec![],
            isr: vec![],
        };
        TopicMetadata { error: ErrorCode::NONE, name: Text::from(name), partitions: (0..4).map(partition).collect() }
    };
    let response = MetadataResponse::new(brokers.collect(), names(topics).map(topic).collect());
    let read = decode::<MetadataResponse>(&response.to_bytes()?)?;
    let each = names(topics).flat_map(|name| (0..4).map(move |partition| (name.clone(), PartitionId(partition))));
    Ok(each.filter(|(name, partition)| read.leader_of(name, *partition).is_ok()).count())
}

fn decode<B: Body>(bytes: &Bytes) -> Result<B, Box<dyn Error>> {
    Ok(B::decode(bytes)?)
}
