//! A peer ends the connection at any byte of a request and of its answer. The fate of the request is that of
//! `kafka08_proto`: a broker acts on whole requests only.

use std::io::ErrorKind;

use kafka08_async::{
    CallError, Client, Runtime as _, Wrap as _,
    proto::{
        ClientConfig, Disconnect, Fate,
        connection::{CloseReason, Heard, Progress, RequestError},
        ids::Acks,
    },
};

use crate::{
    one_byte::{OneByte, Pace, Trickle},
    peers::{PRODUCE, empty, produce},
    runtimes::On,
    sockets::{End, ends_after_reading, ends_after_writing},
};

/// What a request that was sent says about its end.
fn told(error: CallError) -> (Progress, Fate, Heard) {
    let CallError::Failed { error: RequestError::Closed(reason), progress, fate, io, .. } = error else {
        panic!("{error:?}")
    };
    let CloseReason::Disconnected { how, heard, .. } = reason else { panic!("{reason:?}") };
    match how {
        Disconnect::Eof => assert!(io.is_none(), "{io:?}"),
        Disconnect::Error(kind) => assert_eq!(io.expect("the system says why").kind(), kind),
    }
    (progress, fate, heard)
}

/// The transport has taken exactly as much as the peer has read.
async fn a_request_of_which_a_part_was_taken_when_its_connection_ended_was_not_applied<H: On>() {
    for end in End::BOTH {
        for bytes in 0..=PRODUCE {
            let address = ends_after_reading(bytes, end);
            let socket = match H::Rt::connect(address).await {
                // The connection may have ended before the runtime has seen it.
                Err(error) if bytes == 0 && error.kind() == ErrorKind::ConnectionReset => continue,
                socket => H::Rt::wrap(socket.expect("it listens")),
            };
            let socket = Trickle::that_stops_writing(socket, &Pace::stop_after(bytes));
            let client = Client::<OneByte<H>>::of_socket(socket, ClientConfig::default());
            let what = format!("{end:?} after {bytes} bytes");
            let error = match client.call(&produce(Acks::LEADER, 1)).await.expect_err("nobody answers") {
                // The connection has ended before the call.
                error @ CallError::NotSent(_) if bytes == 0 => {
                    assert_eq!(error.fate(), Fate::NotApplied);
                    continue;
                }
                error => error,
            };
            let expected = match bytes {
                0 => (Progress::NotSent, Fate::NotApplied),
                PRODUCE => (Progress::Unanswered, Fate::MaybeApplied),
                _ => (Progress::PartlySent, Fate::NotApplied),
            };
            let (progress, fate, heard) = told(error);
            assert_eq!(((progress, fate), heard), (expected, Heard::Nothing), "{what}");
        }
    }
}

/// The system takes a small request as a whole, so the client cannot know how much of it the peer has read.
async fn a_request_that_was_taken_whole_when_its_connection_ended_may_have_been_applied<H: On>() {
    for end in End::BOTH {
        for bytes in 1..=PRODUCE {
            let address = ends_after_reading(bytes, end);
            let config = ClientConfig::default();
            let client = Client::<H::Rt>::connect(&address.to_string(), config).await.expect("it listens");
            let error = client.call(&produce(Acks::LEADER, 1)).await.expect_err("nobody answers");
            let (progress, fate, heard) = told(error);
            let expected = (Progress::Unanswered, Fate::MaybeApplied, Heard::Nothing);
            assert_eq!((progress, fate, heard), expected, "{end:?} after {bytes} bytes");
            assert!(matches!(client.wait_closed().await.reason, CloseReason::Disconnected { .. }));
        }
    }
}

async fn a_request_whose_answer_is_cut_off_may_have_been_applied_and_a_whole_answer_counts<H: On>() {
    let whole = empty(0).len();
    for end in End::BOTH {
        for bytes in 0..=whole {
            let address = ends_after_writing(PRODUCE, bytes, end);
            let config = ClientConfig::default();
            let client = Client::<H::Rt>::connect(&address.to_string(), config).await.expect("it listens");
            let what = format!("{end:?} after {bytes} bytes");
            let answer = client.call(&produce(Acks::LEADER, 1)).await;
            if bytes == whole {
                answer.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                continue;
            }
            let (progress, fate, heard) = told(answer.expect_err("the answer is cut off"));
            assert_eq!(fate, Fate::MaybeApplied, "{what}");
            let expected = if bytes == 0 { Heard::Nothing } else { Heard::PartOfFrame { bytes } };
            assert_eq!(heard, expected, "{what}");
            // A frame begins behind its length.
            let expected = match bytes.checked_sub(4) {
                None => Progress::Unanswered,
                Some(received) => Progress::Arriving { received, of: whole - 4 },
            };
            assert_eq!(progress, expected, "{what}");
        }
    }
}

async fn a_reset_is_told_with_what_the_system_said<H: On>() {
    let address = ends_after_reading(PRODUCE, End::Reset);
    let config = ClientConfig::default();
    let client = Client::<H::Rt>::connect(&address.to_string(), config).await.expect("it listens");
    let error = client.call(&produce(Acks::LEADER, 1)).await.expect_err("nobody answers");
    let CallError::Failed { io: Some(io), .. } = &error else { panic!("{error:?}") };
    assert_eq!(io.kind(), ErrorKind::ConnectionReset);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

on_each_runtime! {
    a_request_of_which_a_part_was_taken_when_its_connection_ended_was_not_applied,
    a_request_that_was_taken_whole_when_its_connection_ended_may_have_been_applied,
    a_request_whose_answer_is_cut_off_may_have_been_applied_and_a_whole_answer_counts,
    a_reset_is_told_with_what_the_system_said,
}
