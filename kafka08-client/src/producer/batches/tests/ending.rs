//! How records end.

use std::time::Duration;

use bytes::Bytes;
use kafka08_proto::{
    error_code::ErrorCode,
    fate::Fate,
    ids::{Acks, NodeId, Offset},
    profile::Profile,
};

use super::rig::{Rig, Told, to, values};
use crate::{
    config::{ProducerConfig, RetryPolicy},
    error::Cause,
    producer::{Outcome, ProduceCause, ProduceError},
};

fn error((_, outcome): &Told) -> &ProduceError {
    match outcome {
        Outcome::Failed { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_base_offset_depends_on_acks_and_on_the_release() {
    use Profile::{V0_8_1, V0_8_2};
    // Three records. T11: brokers before 0.8.2 answer with the offset behind the last one, unless acks is 1.
    for (acks, profile, answered, base) in [
        (1, None, 10, Some(10)),
        (1, Some(V0_8_1), 10, Some(10)),
        (-1, Some(V0_8_2), 10, Some(10)),
        (-1, Some(V0_8_1), 10, Some(7)),
        (-1, Some(V0_8_1), 2, None),
        (-1, None, 10, None),
        (1, None, -1, None),
        (-1, Some(V0_8_2), -1, None),
    ] {
        let mut rig = Rig::new(&ProducerConfig::default().with_acks(Acks(acks)));
        rig.net.profile = profile;
        rig.add(0, &[b"a", b"b", b"c"]);
        let token = rig.send_one();
        rig.answer(token, &[(0, 0, answered)]);
        let told = rig.told();
        let [(ref records, Outcome::Delivered { base: found, maybe_applied: 0, .. })] = told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((records.clone(), found), (0..3, base.map(Offset)), "acks {acks}, {profile:?}");
        assert_eq!(rig.net.probes, usize::from(acks == -1 && profile.is_none()));
        assert_eq!((rig.released(), rig.batches.len()), (1, 0));
    }
}

/// Answers like a broker that accepts no record with the value "bad". Returns the number of requests.
fn refuse_bad(rig: &mut Rig, code: i16) -> usize {
    let mut requests = 0;
    while let [(_, token)] = rig.send()[..] {
        requests += 1;
        let id = rig.batches.requests[&token].batches[0];
        let piece = &rig.batches.flights[&id].pieces[0];
        let bad = values(&piece.set()).iter().any(|value| value == b"bad");
        let offset = i64::from(piece.first);
        rig.answer(token, &[(0, if bad { code } else { 0 }, offset)]);
    }
    requests
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_its_bad_record_is_alone() {
    for code in [10, 18] {
        for bad in 0..16 {
            let mut rig = Rig::new(&ProducerConfig::default());
            let records: Vec<&[u8]> = (0..16).map(|n| if n == bad { &b"bad"[..] } else { b"good" }).collect();
            rig.add(0, &records);
            // The whole, and two halves for each of log2(16) levels.
            let requests = refuse_bad(&mut rig, code);
            assert!(requests <= 9, "{requests}");
            let told = rig.told();
            let mut next = 0;
            for one in &told {
                assert_eq!(one.0.start, next, "halves end in order");
                next = one.0.end;
                match &one.1 {
                    Outcome::Delivered { base, .. } => assert_eq!(*base, Some(Offset(i64::from(one.0.start)))),
                    Outcome::Failed { records, error } => {
                        assert_eq!((one.0.clone(), values(records)), (bad..bad + 1, vec![b"bad".to_vec()]));
                        assert_eq!(error.fate, Fate::NotApplied);
                        assert_eq!(error.cause, ProduceCause::Refused { node: NodeId(1), code: ErrorCode(code) });
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((next, rig.released()), (16, 1));
            assert_eq!(rig.batches.returns.ended.len(), 1);
        }
    }
}

#[test]
fn the_fate_is_the_worst_of_all_attempts() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"v"]);
    let first = rig.send_one();
    rig.time_out(first, Fate::MaybeApplied);
    rig.pass(Duration::from_secs(1));
    let second = rig.send_one();
    rig.answer(second, &[(0, 10, -1)]);
    let told = rig.told();
    let error = error(&told[0]);
    assert_eq!((error.fate, error.attempts), (Fate::MaybeApplied, 2));
    assert_eq!(
        error.to_string(),
        "records for t/0 were not delivered: broker 1 has answered with MessageSizeTooLarge (10) (2 attempts, a broker may \
         have stored them): make the record smaller, or raise message.max.bytes of the brokers and replica.fetch.max.bytes \
         with it"
    );
}

#[test]
fn the_policy_says_what_is_sent_again() {
    use RetryPolicy::{AtLeastOnce, Never, OnlyNotApplied};
    // 19 comes before the append, 7 after it.
    for (policy, code, again) in [
        (Never, 19, false),
        (Never, 7, false),
        (OnlyNotApplied, 19, true),
        (OnlyNotApplied, 7, false),
        (AtLeastOnce, 19, true),
        (AtLeastOnce, 7, true),
        (AtLeastOnce, 17, false),
    ] {
        let mut rig = Rig::new(&ProducerConfig::default().with_retry(policy));
        rig.add(0, &[b"v"]);
        let token = rig.send_one();
        rig.answer(token, &[(0, code, -1)]);
        assert_eq!(rig.told().is_empty(), again, "{policy:?} {code}");
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.send().len(), usize::from(again));
    }
}

#[test]
fn a_request_of_which_nothing_was_written_is_no_attempt() {
    let mut rig = Rig::new(&ProducerConfig::default().with_retry(RetryPolicy::Never));
    rig.add(0, &[b"v"]);
    let token = rig.send_one();
    rig.time_out(token, Fate::NotApplied);
    rig.pass(Duration::from_secs(1));
    let token = rig.send_one();
    rig.answer(token, &[(0, 7, -1)]);
    let told = rig.told();
    assert_eq!((error(&told[0]).attempts, error(&told[0]).fate), (1, Fate::MaybeApplied));
}

#[test]
fn unknown_codes_end_after_a_few_attempts_and_keep_their_number() {
    for (code, attempts, fate) in [(21, 1, Fate::NotApplied), (87, 1, Fate::NotApplied), (99, 3, Fate::MaybeApplied)] {
        let mut rig = Rig::new(&ProducerConfig::default());
        rig.add(0, &[b"v"]);
        for _ in 0..attempts {
            assert!(rig.told().is_empty());
            let token = rig.send_one();
            rig.answer(token, &[(0, code, -1)]);
            rig.pass(Duration::from_secs(1));
        }
        let told = rig.told();
        let error = error(&told[0]);
        assert_eq!((error.attempts, error.fate), (attempts, fate));
        assert_eq!(error.cause, ProduceCause::Refused { node: NodeId(1), code: ErrorCode(code) });
        assert!(error.to_string().contains(&code.to_string()));
    }
}

#[test]
fn an_answer_that_lacks_the_partition_or_is_malformed_says_nothing() {
    let mut rig = Rig::new(&ProducerConfig::default().with_retry(RetryPolicy::OnlyNotApplied));
    rig.add(0, &[b"v"]);
    let token = rig.send_one();
    // Another partition that was not asked for, and a second answer for it, are not heard.
    rig.answer(token, &[(4, 0, 1), (4, 6, -1)]);
    rig.add(0, &[b"v"]);
    let token = rig.send_one();
    rig.answer_with(token, &Bytes::from_static(&[0, 0, 0, 9]));
    let told = rig.told();
    assert_eq!(error(&told[0]).cause, ProduceCause::Attempt(Cause::Incomplete));
    assert!(matches!(error(&told[1]).cause, ProduceCause::Attempt(Cause::Malformed { .. })));
    assert!(told.iter().all(|told| error(told).fate == Fate::MaybeApplied));
}

#[test]
fn a_waiting_batch_expires_with_what_it_waited_for() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.move_leader(0, None);
    rig.add(0, &[b"v"]);
    rig.pass(Duration::from_secs(119));
    assert!(rig.told().is_empty());
    rig.pass(Duration::from_secs(1));
    let told = rig.told();
    let error = error(&told[0]);
    assert_eq!((error.attempts, error.fate, &error.to), (0, Fate::NotApplied, &to(0)));
    assert!(matches!(&error.cause, ProduceCause::Expired { last: Some(_), .. }), "{error:?}");
    assert_eq!((rig.released(), rig.batches.poll_timeout()), (1, None));
}

#[test]
fn an_untouched_batch_expires_alone_and_the_rest_of_its_request_goes_again() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"old"]);
    rig.now += Duration::from_secs(1);
    rig.add(2, &[b"new"]);
    let token = rig.send_one();
    rig.pass(Duration::from_secs(119));
    assert_eq!(rig.net.cancelled, [token]);
    let told = rig.told();
    assert_eq!((error(&told[0]).fate, error(&told[0]).attempts), (Fate::NotApplied, 0));
    let again = rig.send_one();
    assert_eq!(rig.content(again), [(2, 1)]);
    rig.answer(again, &[(2, 0, 0)]);
    assert!(matches!(rig.told()[..], [(_, Outcome::Delivered { maybe_applied: 0, .. })]));
}

#[test]
fn a_touched_batch_expires_and_keeps_its_place_until_its_request_ends() {
    for answered in [true, false] {
        let mut rig = Rig::new(&ProducerConfig::default());
        rig.add(0, &[b"v"]);
        let token = rig.send_one();
        rig.net.touched.insert(token);
        rig.pass(Duration::from_secs(120));
        let told = rig.told();
        assert_eq!((error(&told[0]).fate, error(&told[0]).attempts), (Fate::MaybeApplied, 1));
        assert_eq!((rig.released(), rig.batches.returns.ended.len()), (0, 1));
        if answered {
            rig.answer(token, &[(0, 0, 0)]);
        } else {
            rig.time_out(token, Fate::MaybeApplied);
        }
        assert!(rig.told().is_empty(), "it was told");
        assert_eq!((rig.released(), rig.batches.returns.ended.len()), (1, 1));
    }
}

#[test]
fn an_abort_tells_which_records_no_broker_has() {
    let mut rig = Rig::new(&ProducerConfig::default());
    rig.add(0, &[b"queued"]);
    let untouched = rig.send_one();
    rig.add(1, &[b"sent"]);
    let touched = rig.send_one();
    rig.net.touched.insert(touched);
    rig.add(3, &[b"waits"]);
    rig.batches.abort(&mut rig.net, rig.now);
    let told = rig.told();
    assert!(told.iter().all(|told| error(told).cause == ProduceCause::Aborted));
    let fates: Vec<_> = told.iter().map(|told| error(told).fate).collect();
    assert_eq!(fates, [Fate::NotApplied, Fate::MaybeApplied, Fate::NotApplied]);
    assert_eq!(rig.net.cancelled, [untouched]);
}
