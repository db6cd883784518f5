//! Peers that reset or trickle, at every byte of a request and of a response.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::{
    CallError, SharedClient,
    proto::{
        ClientConfig,
        api::ProduceRequest,
        connection::Fate,
        ids::{Acks, Millis},
        message::MessageSet,
    },
};
use socket2::SockRef;

use crate::{SECOND, connect_with, within};

const SHORT: Duration = Duration::from_millis(200);

/// A produce response of no topics: length, correlation id, number of topics.
fn response(id: i32) -> Vec<u8> {
    [&[0, 0, 0, 8][..], &id.to_be_bytes(), &[0; 4]].concat()
}

fn produce() -> ProduceRequest {
    ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, MessageSet::of_value(b"value"))
}

/// Sends a produce with this timeout to a peer that does this with its socket. Returns how the call has ended.
fn call_with(timeout: Duration, peer: impl FnOnce(TcpStream) + Send + 'static) -> Result<(), CallError> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let peer = thread::spawn(move || peer(listener.accept().expect("the client connects").0));
    let client: SharedClient = connect_with(address, ClientConfig::default().with_request_timeout(timeout));
    let outcome = client.call(&produce()).map(drop);
    drop(client);
    peer.join().expect("the peer does as it is told");
    outcome
}

/// Reads a whole request, and returns its length and its correlation id.
fn read_request(stream: &mut TcpStream) -> (usize, i32) {
    let mut len = [0; 4];
    stream.read_exact(&mut len).expect("a length");
    let len = usize::try_from(u32::from_be_bytes(len)).expect("small");
    let mut frame = vec![0; len];
    stream.read_exact(&mut frame).expect("a request");
    (4 + len, i32::from_be_bytes(*frame.split_off(4).first_chunk().expect("an id")))
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a setting");
    drop(stream);
}

#[test]
fn a_reset_after_any_byte_of_a_request_ends_the_call_at_once() {
    within(60 * SECOND, || {
        let len = {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let client = connect_with(listener.local_addr().expect("it is bound"), ClientConfig::default());
            let pending = client.send(&produce()).expect("there is room");
            let (len, _) = read_request(&mut listener.accept().expect("the client connects").0);
            drop(pending);
            len
        };
        for read in 1..=len {
            let started = Instant::now();
            let ended = call_with(10 * SHORT, move |mut stream| {
                stream.read_exact(&mut vec![0; read]).expect("the request is longer");
                reset(stream);
            });
            let error = ended.expect_err("it is not answered");
            // The socket has taken all of it, so nobody knows what the peer did with it.
            assert_eq!(error.fate(), Fate::MaybeApplied, "after {read} bytes: {error}");
            assert!(started.elapsed() < 10 * SHORT, "after {read} bytes: {:?}", started.elapsed());
        }
    });
}

#[test]
fn a_reset_after_any_byte_of_a_response_ends_the_call_at_once() {
    within(60 * SECOND, || {
        for written in 0..response(0).len() {
            let ended = call_with(10 * SHORT, move |mut stream| {
                let (_, id) = read_request(&mut stream);
                stream.write_all(response(id).get(..written).expect("a part")).expect("the client reads");
                reset(stream);
            });
            let error = ended.expect_err("it is not answered in full");
            assert_eq!(error.fate(), Fate::MaybeApplied, "after {written} bytes: {error}");
        }
    });
}

#[test]
fn a_response_that_trickles_in_counts_if_it_is_whole_at_the_deadline() {
    within(60 * SECOND, || {
        let cases = [(Duration::from_millis(2), 10 * SECOND, true), (Duration::from_millis(100), SHORT, false)];
        for (pause, timeout, is_in_time) in cases {
            let ended = call_with(timeout, move |mut stream| {
                let (_, id) = read_request(&mut stream);
                for byte in response(id) {
                    thread::sleep(pause);
                    // A client whose deadline has passed is gone.
                    if stream.write_all(&[byte]).is_err() {
                        break;
                    }
                }
            });
            assert_eq!(ended.is_ok(), is_in_time, "{pause:?}: {ended:?}");
        }
    });
}
