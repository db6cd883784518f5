//! Properties of taking requests apart and putting answers together, for any request, any assignment of its partitions
//! to brokers, and any answers.

use std::{collections::BTreeMap, fmt::Debug};

use bytes::Bytes;
use kafka08_client::cluster::Routed;
use kafka08_proto::{
    api::{
        ByTopic, CommittedOffset, FetchPartition, FetchRequest, FetchResponse, FetchedPartition, ListOffsetsPartition,
        ListOffsetsRequest, ListOffsetsResponse, OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetCommitResponse,
        OffsetFetchRequestV0, OffsetFetchRequestV1, OffsetFetchResponseV0, OffsetFetchResponseV1, OffsetToCommitV0,
        OffsetToCommitV1, PartitionOffsets, ProduceRequest, ProduceResponse, ProducedPartition, TopicItems,
    },
    error_code::ErrorCode,
    ids::{Acks, Generation, Millis, Offset, OffsetTime, PartitionId, ReplicaId, Text, Timestamp, TopicPartition},
    message::{MessageSet, Origin},
};
use proptest::{collection::vec, prelude::*, sample::Index};

const BROKERS: usize = 4;

/// A request whose partitions are grouped by topic, and its answer.
trait Grouped: Routed + PartialEq + Debug {
    /// What the request says of a partition.
    type Asked: Clone;
    /// What an answer says of a partition.
    type Told: Clone + PartialEq + Debug;
    /// Creates a request. `number` gives numbers that differ from each other.
    fn request(partitions: ByTopic<i16>) -> Self;
    /// The partitions of the request.
    fn asked(&self) -> &ByTopic<Self::Asked>;
    /// The same request with other partitions.
    fn with(&self, topics: ByTopic<Self::Asked>) -> Self;
    /// An entry that differs from those of other numbers.
    fn entry(number: i16) -> Self::Told;
    fn answer(topics: ByTopic<Self::Told>) -> Self::Response;
    fn told(answer: &Self::Response) -> &ByTopic<Self::Told>;
}

/// Implements [`Grouped`]: the request and its fields, its items, the response, and its entries.
macro_rules! grouped {
    ($($request:ident { $($field:ident: $value:expr),* } of $asked:ty = $item:expr; $response:ident of $told:ty = $entry:expr;)*) => {
        $(impl Grouped for $request {
            type Asked = $asked;
            type Told = $told;
            fn request(partitions: ByTopic<i16>) -> Self {
                Self { topics: map(&partitions, $item), $($field: $value),* }
            }
            fn asked(&self) -> &ByTopic<$asked> {
                &self.topics
            }
            fn with(&self, topics: ByTopic<$asked>) -> Self {
                Self { topics, ..self.clone() }
            }
            fn entry(number: i16) -> $told {
                let of: fn(i16) -> $told = $entry;
                of(number)
            }
            fn answer(topics: ByTopic<$told>) -> $response {
                $response { topics }
            }
            fn told(answer: &$response) -> &ByTopic<$told> {
                &answer.topics
            }
        })*
    };
}

fn map<T>(of: &ByTopic<i16>, item: fn(i16) -> T) -> ByTopic<T> {
    let group = |group: &TopicItems<i16>| TopicItems {
        topic: group.topic.clone(),
        partitions: group.partitions.iter().map(|(partition, number)| (*partition, item(*number))).collect(),
    };
    of.topics().iter().map(group).collect::<Vec<_>>().into()
}

fn set(number: i16, origin: Origin) -> MessageSet {
    MessageSet::new(Bytes::from(number.to_be_bytes().to_vec()), origin)
}

fn committed(number: i16) -> CommittedOffset {
    CommittedOffset { offset: Offset(number.into()), metadata: None, error: ErrorCode(number % 20) }
}

grouped! {
    ProduceRequest { acks: Acks(-1), timeout: Millis(7) } of MessageSet = |n| set(n, Origin::Produced);
    ProduceResponse of ProducedPartition = |n| ProducedPartition { error: ErrorCode(n % 20), offset: Offset(n.into()) };

    FetchRequest { replica: ReplicaId(-2), max_wait: Millis(7), min_bytes: 8 } of FetchPartition
        = |n| FetchPartition { offset: Offset(n.into()), max_bytes: 9 };
    FetchResponse of FetchedPartition = |n| FetchedPartition {
        error: ErrorCode(n % 20), high_watermark: Offset(n.into()), messages: set(n, Origin::Fetched)
    };

    ListOffsetsRequest { replica: ReplicaId(-2) } of ListOffsetsPartition
        = |n| ListOffsetsPartition { time: OffsetTime(n.into()), max_offsets: 3 };
    ListOffsetsResponse of PartitionOffsets
        = |n| PartitionOffsets { error: ErrorCode(n % 20), offsets: vec![Offset(n.into())] };

    OffsetCommitRequestV0 { group: Text::from("g") } of OffsetToCommitV0
        = |n| OffsetToCommitV0 { offset: Offset(n.into()), metadata: None };
    OffsetCommitResponse of ErrorCode = ErrorCode;

    OffsetCommitRequestV1 { group: Text::from("g"), generation: Generation(7), consumer: Text::from("c") }
        of OffsetToCommitV1 = |n| OffsetToCommitV1 { offset: Offset(n.into()), timestamp: Timestamp(8), metadata: None };
    OffsetCommitResponse of ErrorCode = ErrorCode;

    OffsetFetchRequestV0 { group: Text::from("g") } of () = |_| ();
    OffsetFetchResponseV0 of CommittedOffset = committed;

    OffsetFetchRequestV1 { group: Text::from("g") } of () = |_| ();
    OffsetFetchResponseV1 of CommittedOffset = committed;
}

/// Partitions of a few topics. Partitions and topics may be listed more than once, and a topic without partitions.
fn partitions() -> impl Strategy<Value = Vec<(String, Vec<i32>)>> {
    vec(("[a-d]", vec(-1..8i32, 0..8)), 0..8)
}

/// What happens to a request: who gets which partition, and what each broker answers.
#[derive(Clone, Debug)]
struct Plan {
    asked: Vec<(String, Vec<i32>)>,
    /// The broker of each partition, by the partition's position among those of the request.
    owners: Vec<usize>,
    /// What each broker lists: places in the list of all partitions of the request and a few others.
    listed: Vec<Vec<Index>>,
    /// The broker whose answer is given first. The next ones follow in turn.
    rotation: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let listed = vec(vec(any::<Index>(), 0..60), BROKERS);
    (partitions(), vec(0..BROKERS, 64), listed, 0..BROKERS).prop_map(|(asked, owners, listed, rotation)| Plan {
        asked,
        owners,
        listed,
        rotation,
    })
}

/// The distinct partitions of a request in the order asked, by a search from start to end.
fn distinct<T>(of: &ByTopic<T>) -> Vec<TopicPartition> {
    let mut seen = Vec::new();
    for (topic, partition, _) in of.iter() {
        let of = TopicPartition::new(topic, partition);
        if !seen.contains(&of) {
            seen.push(of);
        }
    }
    seen
}

/// The request of a plan, and the broker of each of its partitions.
fn request<R: Grouped>(plan: &Plan) -> (R, BTreeMap<TopicPartition, usize>) {
    let mut number = 0;
    let mut numbered = |partition: &i32| {
        number += 1;
        (PartitionId(*partition), number)
    };
    let groups = plan.asked.iter().map(|(topic, partitions)| TopicItems {
        topic: Text::from(topic.clone()),
        partitions: partitions.iter().map(&mut numbered).collect(),
    });
    let request = R::request(groups.collect::<Vec<_>>().into());
    let owners = distinct(request.asked()).into_iter().zip(plan.owners.iter().copied()).collect();
    (request, owners)
}

/// Each part has its broker's partitions, and the rest of the request as it was.
fn check_parts<R: Grouped>(plan: &Plan) -> Result<(), TestCaseError> {
    let (request, owners) = request::<R>(plan);
    let asked = distinct(request.asked());
    prop_assert_eq!(request.partitions(), asked.clone());
    for broker in 0..BROKERS {
        let is_own = |of: &TopicPartition| owners.get(of) == Some(&broker);
        let part = request.part(&mut |topic, partition| is_own(&TopicPartition::new(topic, partition)));
        let mut expected = Vec::new();
        for group in request.asked().topics() {
            let own = group.partitions.iter().filter(|(n, _)| is_own(&TopicPartition::new(&group.topic, *n)));
            let partitions: Vec<_> = own.cloned().collect();
            if !partitions.is_empty() {
                expected.push(TopicItems { topic: group.topic.clone(), partitions });
            }
        }
        prop_assert_eq!(&part, &request.with(expected.into()));
        let own: Vec<_> = asked.iter().filter(|of| is_own(of)).cloned().collect();
        prop_assert_eq!(part.partitions(), own);
    }
    Ok(())
}

/// Each partition has the first entry of its own broker's answer, or none, whatever else the answers list.
fn check_merge<R: Grouped>(plan: &Plan) -> Result<(), TestCaseError> {
    let (request, owners) = request::<R>(plan);
    let asked = distinct(request.asked());
    let others = [("a", 20), ("e", 0), ("", 0)].map(|(topic, partition)| TopicPartition::new(topic, partition));
    let pool: Vec<_> = asked.iter().chain(&others).collect();
    let mut number = 0;
    let mut first = BTreeMap::new();
    let mut parts = Vec::new();
    for (broker, listed) in plan.listed.iter().enumerate() {
        let mut answer = ByTopic::default();
        for place in listed {
            let of = *place.get(&pool);
            number += 1;
            answer.push(of.topic.clone(), of.partition, R::entry(number));
            if owners.get(of) == Some(&broker) {
                first.entry(of).or_insert_with(|| R::entry(number));
            }
        }
        let own = asked.iter().filter(|of| owners.get(*of) == Some(&broker));
        parts.push((own.cloned().collect(), R::answer(answer)));
    }
    let expected: Vec<_> = asked.iter().filter_map(|of| Some((of.clone(), first.get(of)?.clone()))).collect();
    parts.rotate_left(plan.rotation);
    let merged = request.merge(parts);
    let merged = R::told(&merged);
    let found: Vec<_> = merged.iter().map(|(topic, n, entry)| (TopicPartition::new(topic, n), entry.clone())).collect();
    prop_assert_eq!(found, expected.clone());
    for (of, entry) in &expected {
        prop_assert_eq!(merged.find(&of.topic, of.partition), Some(entry));
    }
    Ok(())
}

fn check<R: Grouped>(plan: &Plan) -> Result<(), TestCaseError> {
    check_parts::<R>(plan)?;
    check_merge::<R>(plan)
}

proptest! {
    #[test]
    fn a_produce_has_its_own_brokers_entries(plan in plan()) { check::<ProduceRequest>(&plan)?; }

    #[test]
    fn a_fetch_has_its_own_brokers_entries(plan in plan()) { check::<FetchRequest>(&plan)?; }

    #[test]
    fn list_offsets_has_its_own_brokers_entries(plan in plan()) { check::<ListOffsetsRequest>(&plan)?; }

    #[test]
    fn a_commit_has_its_own_brokers_entries(plan in plan()) {
        check::<OffsetCommitRequestV0>(&plan)?;
        check::<OffsetCommitRequestV1>(&plan)?;
    }

    #[test]
    fn a_look_up_of_offsets_has_its_own_brokers_entries(plan in plan()) {
        check::<OffsetFetchRequestV0>(&plan)?;
        check::<OffsetFetchRequestV1>(&plan)?;
    }
}
