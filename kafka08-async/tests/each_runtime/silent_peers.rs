//! Peers that are there and do not serve: each call ends by its deadline.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use kafka08_async::{
    CallError, Client, ConnectError,
    proto::{
        ClientConfig, Fate,
        api::{MetadataRequest, ProduceRequest},
        connection::{CloseReason, Progress, RequestError, SendError},
        ids::{Acks, Millis},
        message::MessageSet,
    },
};

use crate::{
    peers::produce,
    runtimes::On,
    sockets::{never_answers, never_reads, trickles},
};

/// The time of each call.
const DEADLINE: Duration = Duration::from_millis(500);

/// How late a call may end on a busy machine. Each peer is silent for longer than this.
const LIMIT: Duration = Duration::from_secs(20);
const SILENCE: Duration = LIMIT.saturating_mul(2);

async fn connect<H: On>(address: SocketAddr) -> Client<H::Rt> {
    let config = ClientConfig::default().with_request_timeout(DEADLINE);
    Client::connect(&address.to_string(), config).await.expect("it listens")
}

/// The output of a future that ends at its deadline.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let output = future.await;
    let elapsed = started.elapsed();
    assert!(DEADLINE <= elapsed && elapsed < LIMIT, "{elapsed:?}");
    output
}

/// How far a request had come that has timed out, and its fate.
fn timed_out<T>(ended: Result<T, CallError>) -> (Progress, Fate) {
    let error = ended.err().expect("it is not answered");
    let CallError::Failed { error: RequestError::TimedOut { after }, progress, fate, .. } = error else {
        panic!("{error:?}")
    };
    assert!(DEADLINE <= after && after < LIMIT, "{after:?}");
    (progress, fate)
}

async fn a_peer_that_never_answers_ends_calls_at_their_deadline<H: On>() {
    // Of the peers one reads, and one does not even accept.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let silent = || listener.local_addr().expect("it is bound");
    for peer in [&never_answers as &dyn Fn() -> SocketAddr, &silent] {
        let client = connect::<H>(peer()).await;
        let ended = in_time(client.call(&produce(Acks::LEADER, 1))).await;
        assert_eq!(timed_out(ended), (Progress::Unanswered, Fate::MaybeApplied));
        // No request waits any more, and the answer may still come.
        let closed = H::timeout(LIMIT, client.wait_closed()).await.expect("it ends too");
        assert!(matches!(closed.reason, CloseReason::NoAnswer { .. }), "{closed:?}");

        let client = connect::<H>(peer()).await;
        let ended = in_time(client.call(&MetadataRequest::all())).await;
        assert_eq!(timed_out(ended), (Progress::Unanswered, Fate::NotApplied));
    }
}

async fn a_peer_that_trickles_does_not_stretch_the_deadline<H: On>() {
    const ANSWER: u32 = 1000;
    let client = connect::<H>(trickles(ANSWER, Duration::from_millis(5))).await;
    let (progress, fate) = timed_out(in_time(client.call(&produce(Acks::LEADER, 1))).await);
    assert_eq!(fate, Fate::MaybeApplied);
    let Progress::Arriving { received, of } = progress else { panic!("{progress:?}") };
    assert!(0 < received && received < of, "{progress:?}");
    assert!(H::timeout(LIMIT, client.wait_closed()).await.is_some());
}

/// More than the buffers of a socket hold.
fn large() -> ProduceRequest {
    let value = MessageSet::of_value(&vec![7; 900_000]);
    let request = ProduceRequest::new(Acks::LEADER, Millis(0));
    (0..20).fold(request, |request, partition| request.with("t", partition, value.clone()))
}

async fn a_peer_that_stops_reading_ends_calls_at_their_deadline<H: On>() {
    let client = connect::<H>(never_reads(SILENCE)).await;
    let request = MetadataRequest::all();
    let started = Instant::now();
    let (large, behind) = smol::future::zip(client.call(&large()), client.call(&request)).await;
    let elapsed = started.elapsed();
    assert!(DEADLINE <= elapsed && elapsed < LIMIT, "{elapsed:?}");
    assert_eq!(timed_out(large), (Progress::PartlySent, Fate::NotApplied));
    // It has waited for room, and its time was over at the same moment as that of the large one.
    let behind = behind.expect_err("nothing follows a frame that is torn");
    assert!(matches!(behind, CallError::NotSent(SendError::TimedOut { .. } | SendError::Closed(_))), "{behind:?}");
    let closed = H::timeout(LIMIT, client.wait_closed()).await.expect("it ends too");
    assert!(matches!(closed.reason, CloseReason::TornFrame(_)), "{closed:?}");
}

async fn a_flush_and_a_close_of_a_peer_that_stops_reading_end_in_their_time<H: On>() {
    let config = ClientConfig::default().with_request_timeout(DEADLINE);
    for closes in [false, true] {
        let address = never_reads(SILENCE).to_string();
        let client = Client::<H::Rt>::connect(&address, config.clone()).await.expect("it listens");
        client.send_and_forget_with_timeout(&large(), LIMIT * 10).await.expect("there is room");
        if closes {
            let report = in_time(client.close()).await;
            assert_eq!(report.failed.iter().map(CallError::fate).collect::<Vec<_>>(), [Fate::NotApplied]);
        } else {
            let error = in_time(client.flush()).await.expect_err("the peer does not read");
            assert_eq!(error.timed_out, Some(DEADLINE));
            assert!(error.failed.is_empty() && error.closed.is_none(), "{error:?}");
        }
    }
}

async fn a_peer_that_accepts_no_more_connections_ends_connecting_at_its_deadline<H: On>() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    rustix::net::listen(&listener, 0).expect("it is bound");
    let address = listener.local_addr().expect("it is bound");
    // It takes the only place. The system answers no others.
    let _first = TcpStream::connect(address).expect("there is one place");
    let config = ClientConfig::default().with_connect_timeout(DEADLINE);
    let error = in_time(Client::<H::Rt>::connect(&address.to_string(), config)).await.expect_err("there is no place");
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
}

on_each_runtime! {
    a_peer_that_never_answers_ends_calls_at_their_deadline,
    a_peer_that_trickles_does_not_stretch_the_deadline,
    a_peer_that_stops_reading_ends_calls_at_their_deadline,
    a_flush_and_a_close_of_a_peer_that_stops_reading_end_in_their_time,
    a_peer_that_accepts_no_more_connections_ends_connecting_at_its_deadline,
}
