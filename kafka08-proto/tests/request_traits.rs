//! What a proxy learns of a request from its first bytes.

mod common;

use std::time::Duration;

use common::hex;
use kafka08_proto::{
    api::{Encode as _, FetchRequest, Reply, Request as _, RequestTraits},
    ids::{Api, ApiKey, ApiVersion, Millis, ReplicaId},
};

fn of(key: i16, version: i16, body: &str) -> RequestTraits {
    RequestTraits::of(Api { key: ApiKey(key), version: ApiVersion(version) }, &hex(body))
}

fn answered(changes_state: bool, millis: u64) -> RequestTraits {
    RequestTraits { reply: Reply::Expected, changes_state, server_wait: Duration::from_millis(millis) }
}

#[test]
fn a_produce_is_answered_unless_its_acks_are_0() {
    // acks, then a timeout of 1 s
    let unanswered = RequestTraits { reply: Reply::None, ..answered(true, 0) };
    assert_eq!(of(0, 0, "0000 000003e8"), unanswered);
    assert_eq!(of(0, 0, "0001 000003e8"), answered(true, 0), "the leader alone waits for nobody");
    assert_eq!(of(0, 0, "ffff 000003e8"), answered(true, 1000));
    assert_eq!(of(0, 0, "0002 000003e8"), answered(true, 1000));
    assert_eq!(of(0, 0, "fffe 000003e8"), answered(true, 1000), "below -1 as -1");
    assert_eq!(of(0, 2, "0000 000003e8"), unanswered, "versions 1 and 2 begin alike");
}

#[test]
fn a_negative_produce_timeout_allows_no_wait() {
    assert_eq!(of(0, 0, "ffff ffffffff"), answered(true, 0));
    assert_eq!(of(0, 0, "ffff 80000000"), answered(true, 0));
}

#[test]
fn a_fetch_waits_as_long_as_it_says() {
    // replica id -1, then max_wait_ms
    assert_eq!(of(1, 0, "ffffffff 0000ea60"), answered(false, 60_000));
    assert_eq!(of(1, 0, "fffffffe 00000000"), answered(false, 0));
    assert_eq!(of(1, 0, "ffffffff ffffffff"), answered(false, 0), "below zero: answered at once");
    assert_eq!(of(1, 0, "ffffffff 7fffffff"), answered(false, 0x7fff_ffff));
}

#[test]
fn a_fetch_under_the_id_of_a_replica_changes_the_in_sync_set() {
    assert_eq!(of(1, 0, "00000000 00000064"), answered(true, 100));
    assert_eq!(of(1, 0, "fffffffd 00000064"), answered(true, 100), "0.8.0 takes -3 for a follower");
}

#[test]
fn a_fetch_says_the_same_of_itself_as_its_bytes_do() {
    for (replica, changes_state) in [(-1, false), (-2, false), (0, true), (-3, true)] {
        let request = FetchRequest { replica: ReplicaId(replica), ..FetchRequest::new(Millis(100), 1) };
        assert_eq!(request.changes_state(), changes_state, "{replica}");
        assert_eq!(
            RequestTraits::of(FetchRequest::API, &request.to_bytes().expect("it fits")).changes_state,
            changes_state
        );
    }
}

#[test]
fn every_other_api_is_told_by_its_key() {
    for (key, version, expected) in [
        (2, 0, answered(false, 0)),
        (3, 0, answered(false, 0)),
        (4, 0, answered(true, 0)),
        (5, 0, answered(true, 0)),
        (6, 0, answered(true, 0)),
        (7, 0, answered(true, 0)),
        (8, 0, answered(true, 0)),
        (8, 1, answered(true, 5000)),
        (9, 0, answered(false, 0)),
        (9, 1, answered(false, 0)),
        (10, 0, answered(false, 0)),
        (11, 0, answered(true, 0)),
        (12, 0, answered(false, 0)),
        (13, 0, answered(true, 0)),
        (18, 0, answered(true, 0)),
        (-1, 0, answered(true, 0)),
    ] {
        assert_eq!(of(key, version, ""), expected, "key {key} version {version}");
    }
}

#[test]
fn what_cannot_be_read_is_answered_and_changes_state() {
    for short in ["", "00", "0000", "0000 0003e8"] {
        assert_eq!(of(0, 0, short), answered(true, 0), "produce {short}");
    }
    for short in ["", "ffffffff", "ffffffff 00ea60"] {
        assert_eq!(of(1, 0, short), answered(true, 0), "fetch {short}");
    }
    // Produce of version 3 begins with a transactional id, fetch of version 12 has a longer header.
    assert_eq!(of(0, 3, "0000 000003e8"), answered(true, 0));
    assert_eq!(of(1, 12, "ffffffff 0000ea60"), answered(true, 0));
    assert_eq!(of(0, -1, "0000 000003e8"), answered(true, 0));
}
