//! Fates over TLS: a layer that has encrypted a frame and then would block still sends it, whatever was told about it.
//!
//! The socket below the layer takes a few bytes of a request and then would block; while it does, the request's deadline
//! passes or its claim is dropped, and others are sent. Then the socket takes everything again.

mod held;
mod layers;
#[path = "../link/mod.rs"]
mod link;
mod peer;
mod valve;

use std::time::{Duration, Instant};

use held::{
    Case, Verdict, claim_is_dropped, claim_is_dropped_and_deadline_passes, deadline_passes, hold, hold_silent, request,
    until_held,
};
use layers::Joined;
use link::Link;
use peer::Answers;

/// Far longer than anything takes.
const LONG: Duration = Duration::from_secs(10);
/// The time of a request whose deadline passes, and long enough for the first attempt to write it.
const SHORT: Duration = Duration::from_millis(250);
const ONE_BY_ONE: Answers = Answers::Together(1);

/// Makes the tests of one layer under one adapter.
macro_rules! layer {
    ($name:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn a_held_request_whose_deadline_passes_is_not_told_not_applied_and_sent() {
                each_case(async |case| {
                    hold(layers::$name(ONE_BY_ONE, LONG).await, case, SHORT, deadline_passes).await;
                });
            }

            #[test]
            fn a_held_request_whose_claim_is_dropped_does_not_disturb_those_behind_it() {
                each_case(async |case| {
                    let sent = hold(layers::$name(ONE_BY_ONE, LONG).await, case, LONG, claim_is_dropped).await;
                    let [_, _, behind @ ..] = &sent[..] else { panic!("four were sent: {sent:?}") };
                    assert!(behind.iter().all(|sent| sent.told == Verdict::Answered), "{case:?}: {sent:?}");
                });
            }

            #[test]
            fn a_held_request_whose_claim_is_dropped_and_whose_deadline_passes_leaves_the_stream_whole() {
                each_case(async |case| {
                    let joined = layers::$name(ONE_BY_ONE, LONG).await;
                    hold(joined, case, SHORT, claim_is_dropped_and_deadline_passes).await;
                });
            }

            #[test]
            fn a_held_request_with_acks_0_whose_deadline_passes_is_accounted_for() {
                each_case(async |case| hold_silent(layers::$name(ONE_BY_ONE, SHORT).await, case).await);
            }

            #[test]
            fn answers_that_come_in_one_record_are_all_taken() {
                run(async { answers_in_one_record(layers::$name(Answers::Together(3), LONG).await).await });
            }

            #[test]
            fn answers_are_read_while_the_stream_takes_nothing() {
                run(async { read_while_held(layers::$name(Answers::WhenTold, LONG).await).await });
            }
        }
    };
}

layer!(openssl_blocking);
layer!(openssl_tokio);
layer!(rustls_blocking);
layer!(rustls_tokio);

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(test)
}

fn each_case(test: impl AsyncFn(Case)) {
    // Nothing of the TLS record, and part of it.
    for taken in [0, 20] {
        // The large ones need several chunks of the send queue and several TLS records.
        for (held, behind) in [(30, 30), (30, 40_000), (40_000, 30)] {
            run(test(Case { taken, held, behind }));
        }
    }
}

async fn answers_in_one_record<L: Link>(joined: Joined<L>) {
    let Joined { mut link, peer, .. } = joined;
    let mut claims = Vec::new();
    for fill in [b'1', b'2', b'3'] {
        claims.push(link.send(&request(&[fill; 30])).await.expect("the connection lives"));
    }
    for claim in claims {
        link.wait(claim).await.expect("the peer answers");
    }
    link.end().await;
    assert_eq!(peer.report().frames.len(), 3);
}

async fn read_while_held<L: Link>(joined: Joined<L>) {
    let Joined { mut link, valve, peer } = joined;
    let before = valve.passed();
    let mut first = link.send(&request(&[b'1'; 30])).await.expect("the connection lives");
    while valve.passed() == before {
        first = link.turn(first).await.expect("the peer has not answered");
    }
    valve.allow(0);
    let held = link.send(&request(&[b'2'; 30])).await.expect("the connection lives");
    let held = until_held(&mut link, &valve, held).await;
    peer.speak();
    let started = Instant::now();
    link.wait(first).await.expect("the peer has answered");
    assert!(started.elapsed() < LONG / 2, "it took {:?}", started.elapsed());
    valve.open();
    link.wait(held).await.expect("the peer answers");
    link.end().await;
    assert_eq!(peer.report().frames.len(), 2);
}
