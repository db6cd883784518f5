//! What a request is about, and what its answer says, in a few words.

use kafka08_proto::{
    api::{AnyRequest, AnyResponse, ByTopic, Topics},
    error_code::ErrorCode,
};

/// How many topics of a request are named.
const NAMED: usize = 3;

/// The topics and the group that a request names. `None` if it names none.
pub(crate) fn subject(request: &AnyRequest) -> Option<String> {
    match request {
        AnyRequest::Produce(request) => topics(&request.topics),
        AnyRequest::Fetch(request) => topics(&request.topics),
        AnyRequest::ListOffsets(request) => topics(&request.topics),
        AnyRequest::Metadata(request) => match &request.topics {
            Topics::All => Some("all topics".to_owned()),
            Topics::Named(names) => some_of(names.iter().map(|name| name.to_string())),
        },
        AnyRequest::OffsetCommitV0(request) => of_group(&request.group, topics(&request.topics)),
        AnyRequest::OffsetCommitV1(request) => of_group(&request.group, topics(&request.topics)),
        AnyRequest::OffsetFetchV0(request) => of_group(&request.group, topics(&request.topics)),
        AnyRequest::OffsetFetchV1(request) => of_group(&request.group, topics(&request.topics)),
        AnyRequest::ConsumerMetadata(request) => of_group(&request.group, None),
        // The requests of controllers name partitions too, but the brokers do not act on them.
        _ => None,
    }
}

fn of_group(group: &str, topics: Option<String>) -> Option<String> {
    Some(match topics {
        Some(topics) => format!("group {group}, {topics}"),
        None => format!("group {group}"),
    })
}

/// The topics and partitions of a request: `t:0,1 u:0`.
fn topics<T>(items: &ByTopic<T>) -> Option<String> {
    some_of(items.topics().iter().map(|topic| {
        // A request of a consumer of hundreds of partitions would fill the screen.
        let mut partitions: Vec<String> = topic.partitions.iter().map(|(partition, _)| partition.to_string()).collect();
        if partitions.len() > NAMED {
            partitions = vec![format!("{} partitions", partitions.len())];
        }
        format!("{}:{}", topic.topic, partitions.join(","))
    }))
}

fn some_of(names: impl ExactSizeIterator<Item = String>) -> Option<String> {
    let more = names.len().saturating_sub(NAMED);
    let mut named: Vec<String> = names.take(NAMED).collect();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    (!named.is_empty()).then(|| named.join(" "))
}

/// The first error that an answer tells, or "ok".
pub(crate) fn first_error(response: &AnyResponse) -> String {
    let first = |mut codes: &mut dyn Iterator<Item = ErrorCode>| Iterator::find(&mut codes, |code| !code.is_ok());
    let found = match response {
        AnyResponse::Produce(response) => first(&mut response.topics.iter().map(|(_, _, found)| found.error)),
        AnyResponse::Fetch(response) => first(&mut response.topics.iter().map(|(_, _, found)| found.error)),
        AnyResponse::ListOffsets(response) => first(&mut response.topics.iter().map(|(_, _, found)| found.error)),
        // A topic that is created just now has its code at the topic, one without a leader at the partition.
        AnyResponse::Metadata(response) => first(&mut response.topics().iter().flat_map(|topic| {
            std::iter::once(topic.error).chain(topic.partitions.iter().map(|partition| partition.error))
        })),
        AnyResponse::OffsetCommitV0(response) | AnyResponse::OffsetCommitV1(response) => {
            first(&mut response.topics.iter().map(|(_, _, error)| *error))
        }
        AnyResponse::OffsetFetchV0(response) => first(&mut response.topics.iter().map(|(_, _, found)| found.error)),
        AnyResponse::OffsetFetchV1(response) => first(&mut response.topics.iter().map(|(_, _, found)| found.error)),
        AnyResponse::ConsumerMetadata(response) => first(&mut std::iter::once(response.error)),
        AnyResponse::JoinGroup(response) => first(&mut std::iter::once(response.error)),
        AnyResponse::Heartbeat(response) => first(&mut std::iter::once(response.error)),
        AnyResponse::LeaderAndIsr(response) => first(&mut std::iter::once(response.error)),
        AnyResponse::StopReplica(response) => first(&mut std::iter::once(response.error)),
        AnyResponse::UpdateMetadata(response) => first(&mut std::iter::once(response.error)),
        AnyResponse::ControlledShutdown(response) => first(&mut std::iter::once(response.error)),
    };
    found.map_or_else(|| "ok".to_owned(), |code| code.to_string())
}
