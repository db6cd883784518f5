//! What each code in an answer means for a request. The expected values are from `protocol.md`, sections 2 and 3, and
//! from the table of fates in `reliability.md`, section 2.0.

use bytes::Bytes;
use kafka08_client::cluster::{Routed, Stale, Verdict};
use kafka08_proto::{
    api::{
        ByTopic, CommittedOffset, ConsumerMetadataRequest, ConsumerMetadataResponse, FetchRequest, FetchResponse,
        FetchedPartition, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
        OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetCommitResponse, OffsetFetchRequestV0, OffsetFetchRequestV1,
        OffsetFetchResponseV0, OffsetFetchResponseV1, PartitionOffsets, ProduceRequest, ProduceResponse,
        ProducedPartition, TopicMetadata,
    },
    error_code::ErrorCode,
    ids::{Acks, Millis, Offset, OffsetTime, Text},
    message::{MessageSet, Origin},
};

const FINAL: Verdict = Verdict::Final;
const AGAIN: Verdict = Verdict::Again { stale: Stale::Nothing };
const LEADER: Verdict = Verdict::Again { stale: Stale::Leader };
const COORDINATOR: Verdict = Verdict::Again { stale: Stale::Coordinator };

/// Every code that protocol.md names, in sections 3 and 8.
fn known() -> impl Iterator<Item = i16> {
    (-1..=20).chain([21, 22, 24, 25, 27, 28, 29, 30, 31, 35, 38, 42, 56, 76, 87])
}

fn verdicts<R: Routed>(request: &R, answer: &R::Response) -> Vec<(String, i32, Verdict)> {
    let mut told = Vec::new();
    request.verdicts(answer, &mut |topic, partition, verdict| {
        told.push((topic.as_str().to_owned(), partition.0, verdict))
    });
    told
}

/// The verdict on each known code, if the answer has this code for partition 0 of topic "t", and nothing else.
fn by_code<R: Routed>(request: &R, answer: impl Fn(ErrorCode) -> R::Response) -> Vec<(i16, Verdict)> {
    let of = |code| match verdicts(request, &answer(ErrorCode(code))).as_slice() {
        [(topic, 0, verdict)] if topic == "t" => (code, *verdict),
        told => panic!("{told:?}"),
    };
    known().map(of).collect()
}

/// Every known code with these verdicts, and [`FINAL`] for those that are not listed.
fn expected(listed: &[(Verdict, &[i16])]) -> Vec<(i16, Verdict)> {
    let of = |code| listed.iter().find(|(_, codes)| codes.contains(&code)).map_or(FINAL, |(verdict, _)| *verdict);
    known().map(|code| (code, of(code))).collect()
}

fn one<T>(item: T) -> ByTopic<T> {
    let mut items = ByTopic::default();
    items.push("t", 0, item);
    items
}

fn produced(error: ErrorCode) -> ProduceResponse {
    ProduceResponse { topics: one(ProducedPartition { error, offset: Offset(7) }) }
}

fn produce(acks: Acks) -> ProduceRequest {
    let messages = MessageSet::new(Bytes::from_static(b"messages"), Origin::Produced);
    ProduceRequest::new(acks, Millis(1000)).with("t", 0, messages)
}

#[test]
fn a_produce_is_sent_again_only_if_nothing_was_appended_and_a_resend_may_help() {
    let of_leader = by_code(&produce(Acks::LEADER), produced);
    assert_eq!(of_leader, expected(&[(LEADER, &[3, 6]), (AGAIN, &[2, 19])]));
    // Codes 3 and 6 also come after the append, when the leader has moved while the broker waited for replicas.
    for acks in [Acks::ALL, Acks(2), Acks(-2)] {
        assert_eq!(by_code(&produce(acks), produced), expected(&[(AGAIN, &[2, 19])]), "{acks}");
    }
    assert_eq!(verdicts(&produce(Acks::LEADER), &produced(ErrorCode(99))), [("t".to_owned(), 0, FINAL)]);
}

#[test]
fn a_fetch_is_sent_again_after_a_temporary_code_and_not_after_offset_out_of_range() {
    let request = FetchRequest::new(Millis(500), 1).with("t", 0, Offset(5), 1000);
    let answer = |error| {
        let messages = MessageSet::new(Bytes::new(), Origin::Fetched);
        FetchResponse { topics: one(FetchedPartition { error, high_watermark: Offset(-1), messages }) }
    };
    let of_reads = expected(&[(LEADER, &[3, 5, 6, 56]), (AGAIN, &[-1, 2, 7, 14, 15, 16, 19, 20, 27, 38])]);
    assert_eq!(by_code(&request, answer), of_reads);
    assert_eq!(of_reads.iter().find(|(code, _)| *code == 1), Some(&(1, FINAL)), "offset out of range");
    // A code that nobody knows is treated as -1.
    assert_eq!(verdicts(&request, &answer(ErrorCode(99))), [("t".to_owned(), 0, AGAIN)]);
}

#[test]
fn list_offsets_is_sent_again_after_a_temporary_code() {
    let request = ListOffsetsRequest::latest([("t", 0)]);
    let answer = |error| ListOffsetsResponse { topics: one(PartitionOffsets { error, offsets: vec![] }) };
    let again: &[i16] = &[-1, 2, 7, 14, 15, 16, 19, 20, 27, 38];
    assert_eq!(by_code(&request, answer), expected(&[(LEADER, &[3, 5, 6, 56]), (AGAIN, again)]));
}

#[test]
fn list_offsets_with_a_negative_count_is_not_sent_again_after_the_code_that_it_causes() {
    let mut request = ListOffsetsRequest::new().with("t", 1, OffsetTime::LATEST);
    for (partition, max_offsets) in [(0, -1), (2, 0)] {
        let wanted = kafka08_proto::api::ListOffsetsPartition { time: OffsetTime::LATEST, max_offsets };
        request.topics.push("t", partition, wanted);
    }
    let mut topics = ByTopic::default();
    (0..3).for_each(|n| topics.push("t", n, PartitionOffsets { error: ErrorCode::UNKNOWN, offsets: vec![] }));
    let told = verdicts(&request, &ListOffsetsResponse { topics });
    assert_eq!(told.iter().map(|(_, _, verdict)| *verdict).collect::<Vec<_>>(), [FINAL, AGAIN, AGAIN]);
}

#[test]
fn a_commit_is_sent_again_after_every_code_that_may_pass() {
    let answer = |error| OffsetCommitResponse { topics: one(error) };
    let again: &[i16] = &[-1, 2, 3, 5, 6, 7, 14, 19, 20, 27, 38, 56];
    let v1 = OffsetCommitRequestV1::new("g").with("t", 0, Offset(5), "");
    assert_eq!(by_code(&v1, answer), expected(&[(COORDINATOR, &[15, 16]), (AGAIN, again)]));
    // Version 0 is stored in ZooKeeper, so there is no coordinator to look up.
    let v0 = OffsetCommitRequestV0::new("g").with("t", 0, Offset(5));
    let again: &[i16] = &[-1, 2, 3, 5, 6, 7, 14, 15, 16, 19, 20, 27, 38, 56];
    assert_eq!(by_code(&v0, answer), expected(&[(AGAIN, again)]));
}

#[test]
fn a_look_up_of_offsets_takes_code_3_as_an_answer() {
    let offset = |error| one(CommittedOffset { offset: Offset::NONE, metadata: None, error });
    let again: &[i16] = &[-1, 2, 5, 6, 7, 14, 19, 20, 27, 38, 56];
    let v1 = OffsetFetchRequestV1::new("g").with("t", 0);
    let of_v1 = by_code(&v1, |error| OffsetFetchResponseV1 { topics: offset(error) });
    assert_eq!(of_v1, expected(&[(COORDINATOR, &[15, 16]), (AGAIN, again)]));
    let v0 = OffsetFetchRequestV0::new("g").with("t", 0);
    let again: &[i16] = &[-1, 2, 5, 6, 7, 14, 15, 16, 19, 20, 27, 38, 56];
    let of_v0 = by_code(&v0, |error| OffsetFetchResponseV0 { topics: offset(error) });
    assert_eq!(of_v0, expected(&[(AGAIN, again)]));
}

#[test]
fn a_partition_that_an_answer_does_not_list_is_not_told() {
    // 0.8.1 answers a commit of version 1 with an empty list, and stores nothing (T1).
    let commit = OffsetCommitRequestV1::new("g").with("t", 0, Offset(5), "").with("t", 1, Offset(6), "");
    assert!(verdicts(&commit, &OffsetCommitResponse::default()).is_empty());
    assert_eq!(verdicts(&commit, &OffsetCommitResponse { topics: one(ErrorCode::NONE) }).len(), 1);
    let fetch = OffsetFetchRequestV1::new("g").with("t", 0);
    assert!(verdicts(&fetch, &OffsetFetchResponseV1::default()).is_empty());
}

#[test]
fn every_entry_is_told_in_the_order_of_the_answer() {
    let request = produce(Acks::LEADER);
    let mut topics = ByTopic::default();
    for (topic, partition, code) in [("x", 4, 0), ("t", 0, 6), ("t", 0, 0), ("t", -1, 19)] {
        topics.push(topic, partition, ProducedPartition { error: ErrorCode(code), offset: Offset(0) });
    }
    let told = verdicts(&request, &ProduceResponse { topics });
    let told: Vec<_> = told.iter().map(|(topic, partition, verdict)| (topic.as_str(), *partition, *verdict)).collect();
    assert_eq!(told, [("x", 4, FINAL), ("t", 0, LEADER), ("t", 0, FINAL), ("t", -1, AGAIN)]);
}

#[test]
fn the_codes_of_metadata_are_data() {
    let request = MetadataRequest::of(["t"]);
    for code in known() {
        let topic = TopicMetadata { error: ErrorCode(code), name: Text::from("t"), partitions: vec![] };
        let answer = MetadataResponse::new(vec![], vec![topic]);
        assert!(verdicts(&request, &answer).is_empty());
        assert_eq!(request.verdict_of_whole(&answer), FINAL);
    }
}

#[test]
fn a_coordinator_that_is_not_available_is_asked_for_again() {
    let request = ConsumerMetadataRequest::new("g");
    let answer =
        |code| ConsumerMetadataResponse { error: ErrorCode(code), ..ConsumerMetadataResponse::not_available() };
    assert!(verdicts(&request, &answer(15)).is_empty());
    let told: Vec<_> = known().map(|code| (code, request.verdict_of_whole(&answer(code)))).collect();
    assert_eq!(told, expected(&[(AGAIN, &[-1, 2, 3, 5, 6, 7, 14, 15, 16, 19, 20, 27, 38, 56])]));
    assert_eq!(request.verdict_of_whole(&answer(99)), AGAIN);
}

#[test]
fn a_request_that_lists_no_partitions_is_done_with_any_answer() {
    let request = OffsetCommitRequestV1::new("g");
    assert_eq!(request.verdict_of_whole(&OffsetCommitResponse::default()), FINAL);
}
