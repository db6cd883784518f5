//! Requests that a broker takes, and over which it would lose data, hang, or do harm.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{entry, hex};
use kafka08_proto::{
    api::{
        ConsumerMetadataRequest, Encode as _, FetchRequest, ListOffsetsRequest, MAX_WAIT, OffsetCommitRequestV0,
        OffsetCommitRequestV1, OffsetFetchRequestV0, OffsetFetchRequestV1, ProduceRequest, Request, RequestProblem,
    },
    ids::{Acks, Millis, Offset, OffsetTime, ReplicaId, Text, TopicPartition},
    limits::Limits,
    message::{Codec, Deflater, MessageSet, MessageSetBuilder, Origin},
    profile::Profile,
};

const RELEASES: [Profile; 3] = [Profile::V0_8_0, Profile::V0_8_1, Profile::V0_8_2];

fn check<R: Request>(request: &R) -> Result<(), RequestProblem> {
    request.check(Profile::V0_8_2, &Limits::default())
}

fn at() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn fetch(max_wait: i32, min_bytes: i32) -> FetchRequest {
    FetchRequest::new(Millis(max_wait), min_bytes).with("t", 0, Offset(0), 100).with("t", 1, Offset(0), 50)
}

#[test]
fn a_request_that_is_built_says_what_an_ordinary_client_of_0_8_2_says() {
    let body = |request: Result<Bytes, _>| request.expect("it fits the wire").to_vec();
    let fetch = FetchRequest::new(Millis(100), 1).with("t", 0, Offset(5), 1_048_576);
    // replica -1, wait 100 ms, 1 byte; topic t, partition 0, offset 5, 1 MiB
    let expected = "ffffffff 00000064 00000001 00000001 000174 00000001 00000000 0000000000000005 00100000";
    assert_eq!(body(fetch.to_bytes()), hex(expected));
    let offsets = ListOffsetsRequest::new().with("t", 0, OffsetTime::LATEST);
    // replica -1; topic t, partition 0, time -1, one offset
    let expected = "ffffffff 00000001 000174 00000001 00000000 ffffffffffffffff 00000001";
    assert_eq!(body(offsets.to_bytes()), hex(expected));
    assert_eq!(ListOffsetsRequest::default(), ListOffsetsRequest::new());
    let commit = OffsetCommitRequestV0::new("g").with("t", 0, Offset(7));
    // group g; topic t, partition 0, offset 7, no metadata
    assert_eq!(body(commit.to_bytes()), hex("000167 00000001 000174 00000001 00000000 0000000000000007 0000"));
    let commit = OffsetCommitRequestV1::new("g").with("t", 0, Offset(7), "m");
    // group g, generation -1, consumer ""; topic t, partition 0, offset 7, timestamp -1, metadata m
    let expected = "000167 ffffffff 0000 00000001 000174 00000001 00000000 0000000000000007 ffffffffffffffff 00016d";
    assert_eq!(body(commit.to_bytes()), hex(expected));
}

#[test]
fn a_fetch_that_waits_for_more_than_it_may_get_is_refused_where_it_would_wait_in_vain() {
    let problem = RequestProblem::MinBytesOutOfReach { min_bytes: 151, max_bytes: 150 };
    for release in [Profile::V0_8_0, Profile::V0_8_1] {
        let check = |request: FetchRequest| request.check(release, &Limits::default());
        assert_eq!(check(fetch(1000, 151)), Err(problem.clone()));
        assert_eq!(check(fetch(1000, 150)), Ok(()));
        assert_eq!(check(fetch(0, 151)), Ok(()), "it is answered at once");
        assert_eq!(check(FetchRequest::new(Millis(1000), 1)), Ok(()), "without partitions, too");
    }
    assert_eq!(check(&fetch(1000, 151)), Ok(()), "0.8.2 counts what there is, not what it sends");
    assert_eq!(
        problem.to_string(),
        "min_bytes is 151, more than the sum of all max_bytes, which is 150, so the broker would always wait the whole \
         max_wait: lower min_bytes or raise max_bytes"
    );
}

#[test]
fn a_wait_longer_than_a_broker_keeps_an_idle_connection_is_refused() {
    assert_eq!(MAX_WAIT.to_duration(), Duration::from_secs(600));
    let produce = |timeout| ProduceRequest::new(Acks::ALL, timeout).with("t", 0, MessageSet::of_value(b"v"));
    assert_eq!(check(&fetch(MAX_WAIT.0, 1)), Ok(()));
    assert_eq!(check(&produce(MAX_WAIT)), Ok(()));
    for wait in [MAX_WAIT.0 + 1, i32::MAX] {
        assert_eq!(check(&fetch(wait, 1)), Err(RequestProblem::WaitTooLong(Millis(wait))));
        assert_eq!(check(&produce(Millis(wait))), Err(RequestProblem::WaitTooLong(Millis(wait))));
    }
}

#[test]
fn a_negative_produce_timeout_is_refused_by_what_each_release_makes_of_it() {
    let request = ProduceRequest::new(Acks::ALL, Millis(-1)).with("t", 0, MessageSet::of_value(b"v"));
    let problem = check(&request).expect_err("negative");
    assert_eq!(problem, RequestProblem::NegativeTimeout(Millis(-1)));
    assert_eq!(
        problem.to_string(),
        "with a produce timeout of -1 ms, 0.8.0 and 0.8.1 wait for ever, and 0.8.2 answers RequestTimedOut at \
              once although the messages are in its log: use 0 or more"
    );
}

#[test]
fn only_the_replica_ids_of_clients_are_taken() {
    for (id, is_client) in [(-1, true), (-2, true), (0, false), (5, false), (-3, false), (i32::MIN, false)] {
        let mut fetch = fetch(0, 0);
        fetch.replica = ReplicaId(id);
        let mut offsets = ListOffsetsRequest::new().with("t", 0, OffsetTime::LATEST);
        offsets.replica = ReplicaId(id);
        let expected = if is_client { Ok(()) } else { Err(RequestProblem::BrokerReplicaId(ReplicaId(id))) };
        assert_eq!((check(&fetch), check(&offsets)), (expected.clone(), expected), "{id}");
    }
}

#[test]
fn a_request_of_a_group_without_a_name_is_refused() {
    let found = [
        check(&OffsetCommitRequestV0::new("")),
        check(&OffsetCommitRequestV1::new("")),
        check(&OffsetFetchRequestV0::new("")),
        check(&OffsetFetchRequestV1::new("")),
        check(&ConsumerMetadataRequest::new("")),
    ];
    assert!(found.iter().all(|found| *found == Err(RequestProblem::NoGroup)), "{found:?}");
}

#[test]
fn a_group_with_a_slash_is_refused_where_it_would_be_a_path() {
    let problem = Err(RequestProblem::GroupName(Text::from("a/b")));
    assert_eq!(check(&OffsetCommitRequestV0::new("a/b")), problem);
    assert_eq!(check(&OffsetFetchRequestV0::new("a/b")), problem);
    assert_eq!(check(&OffsetCommitRequestV1::new("a/b")), Ok(()));
    assert_eq!(check(&OffsetFetchRequestV1::new("a/b")), Ok(()));
}

#[test]
fn a_partition_that_stands_twice_in_a_commit_is_refused() {
    let problem = Err(RequestProblem::DuplicatePartition(at()));
    let v0 = OffsetCommitRequestV0::new("g").with("t", 0, Offset(1)).with("u", 0, Offset(1));
    assert_eq!(check(&v0), Ok(()));
    assert_eq!(check(&v0.with("t", 0, Offset(2))), problem);
    let v1 = OffsetCommitRequestV1::new("g").with("t", 0, Offset(1), "").with("t", 1, Offset(1), "");
    assert_eq!(check(&v1), Ok(()));
    assert_eq!(check(&v1.with("t", 0, Offset(2), "")), problem);
    let no_topic = OffsetCommitRequestV1::new("g").with("a b", 0, Offset(1), "");
    assert!(matches!(check(&no_topic), Err(RequestProblem::TopicName { .. })));
}

fn produce(set: Bytes) -> ProduceRequest {
    ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, MessageSet::new(set, Origin::Produced))
}

/// A set of two messages, as bytes.
#[cfg(feature = "gzip")]
fn two() -> Vec<u8> {
    let mut builder = MessageSet::builder();
    builder.push(Some(b"k"), Some(b"one")).expect("small");
    builder.push(None, Some(b"two")).expect("small");
    builder.build().bytes().to_vec()
}

/// Compressed sets that no builder of ours would make.
#[cfg(feature = "gzip")]
mod compressed {
    use std::io::Write as _;

    use super::*;

    /// One gzip member that stores its content, written by hand: a checksum, and no compressor.
    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut member = hex("1f8b 08 00 00000000 00 ff"); // magic, deflate, no flags, no time, unknown system
        for (n, block) in content.chunks(60_000).enumerate() {
            let is_last = (n + 1) * 60_000 >= content.len();
            let len = u16::try_from(block.len()).expect("60 000 at most");
            member.push(u8::from(is_last));
            member.write_all(&len.to_le_bytes()).expect("a Vec grows");
            member.write_all(&(!len).to_le_bytes()).expect("a Vec grows");
            member.extend_from_slice(block);
        }
        if content.is_empty() {
            member.extend(hex("01 0000 ffff"));
        }
        member.extend_from_slice(&common::crc(content).to_le_bytes());
        member.extend_from_slice(&u32::try_from(content.len()).expect("small").to_le_bytes());
        member
    }

    /// An entry that holds a set, compressed by gzip.
    fn wrapper(set: &[u8]) -> Vec<u8> {
        let value = gzip(set);
        let len = i32::try_from(value.len()).expect("small");
        // magic 0, gzip, null key, value
        entry(1, &[&[0, 1, 0xff, 0xff, 0xff, 0xff][..], &len.to_be_bytes(), &value].concat())
    }

    fn checked(set: Vec<u8>) -> Result<(), RequestProblem> {
        check(&produce(Bytes::from(set)))
    }

    #[test]
    fn a_sound_compressed_set_is_sent_however_deep_it_is() {
        assert_eq!(checked(wrapper(&two())), Ok(()));
        assert_eq!(checked([two(), wrapper(&two()), two()].concat()), Ok(()));
        assert_eq!(checked(wrapper(&[two(), wrapper(&two())].concat())), Ok(()));
    }

    #[test]
    fn a_compressed_set_that_is_cut_inside_is_refused() {
        let set = two();
        // Offset and size, a message's own 14 bytes, its key and its value.
        let first = 12 + 14 + 1 + 3;
        for len in 1..set.len() {
            let found = checked(wrapper(&set[..len]));
            if found.is_ok() {
                assert_eq!(len, first, "only where the first message ends");
            } else {
                assert_eq!(found, Err(RequestProblem::CutMessageSet(at())), "{len}");
            }
        }
        let nested = wrapper(&wrapper(&set[..set.len() - 1]));
        assert_eq!(checked(nested), Err(RequestProblem::CutMessageSet(at())));
    }

    #[test]
    fn a_compressed_set_without_messages_is_refused() {
        assert_eq!(checked(wrapper(&[])), Err(RequestProblem::EmptyMessageSet(at())));
        assert_eq!(checked([two(), wrapper(&[])].concat()), Err(RequestProblem::EmptyMessageSet(at())));
    }

    #[test]
    fn a_message_that_is_damaged_inside_a_compressed_set_is_refused() {
        let mut set = two();
        *set.last_mut().expect("two messages") ^= 1;
        assert_eq!(checked(wrapper(&set)), Err(RequestProblem::CorruptMessageSet(at())));
        let mut outer = wrapper(&two());
        let end = outer.len() - 9;
        outer[end] ^= 1;
        assert_eq!(checked(outer), Err(RequestProblem::CorruptMessageSet(at())), "what does not inflate");
    }

    #[test]
    fn a_set_that_was_not_looked_into_says_so() {
        let limits = Limits::default().with_max_inflated(two().len());
        let problem = RequestProblem::NotInspected { to: at(), max_inflated: two().len() };
        let check = |set: Vec<u8>| produce(Bytes::from(set)).check(Profile::V0_8_2, &limits);
        assert_eq!(check(wrapper(&two())), Ok(()));
        assert_eq!(check([wrapper(&two()), wrapper(&two())].concat()), Err(problem.clone()), "all together");
        assert_eq!(
            problem.to_string(),
            format!(
                "a compressed set for t/0 was not inspected, because it expands to more than {} bytes or is nested too \
                 deeply: raise Limits::max_inflated, or send the request unchecked",
                two().len()
            )
        );
        let deep = (0..5).fold(two(), |set, _| wrapper(&set));
        assert!(matches!(checked(deep), Err(RequestProblem::NotInspected { .. })));
        let not_so_deep = (0..4).fold(two(), |set, _| wrapper(&set));
        assert_eq!(checked(not_so_deep), Ok(()));
    }
}

#[cfg(feature = "lz4")]
#[test]
fn lz4_is_refused_for_releases_that_do_not_have_it() {
    let mut builder = MessageSetBuilder::default();
    builder.push(None, Some(b"v")).expect("small");
    let set = builder.build_compressed(Codec::Lz4, &mut Deflater::new()).expect("lz4 is in");
    let request = ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, set);
    for profile in RELEASES {
        let expected = match profile {
            Profile::V0_8_2 => Ok(()),
            _ => Err(RequestProblem::CodecNotKnown { to: at(), codec: Codec::Lz4, profile }),
        };
        assert_eq!(request.check(profile, &Limits::default()), expected);
    }
}

#[test]
fn the_codecs_of_every_release_are_taken_by_all() {
    for codec in [Codec::Gzip, Codec::Snappy] {
        let mut builder = MessageSetBuilder::default();
        builder.push(None, Some(b"v")).expect("small");
        let Ok(set) = builder.build_compressed(codec, &mut Deflater::new()) else { continue };
        let request = ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, set);
        assert!(RELEASES.iter().all(|profile| request.check(*profile, &Limits::default()).is_ok()), "{codec}");
    }
}

#[test]
fn a_set_that_names_no_codec_there_is_is_refused() {
    // magic 0, attributes 4, null key, null value
    let set = entry(0, &hex("00 04 ffffffff ffffffff"));
    assert_eq!(check(&produce(Bytes::from(set))), Err(RequestProblem::CorruptMessageSet(at())));
}
