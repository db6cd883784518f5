//! Drops each async function of a server, after any number of bytes of its client, and checks what the server serves.

use std::pin::pin;

use kafka08_async::{
    Call, Client, ServeConfig, Server,
    proto::{
        ClientConfig,
        api::MetadataResponse,
        connection::{CloseReason, Heard},
    },
};
use smol::future::{or, poll_once, yield_now, zip};

use super::functions::metadata;
use crate::{
    one_byte::{OneByte, Pace, Trickle},
    pipe::pipe,
    runtimes::On,
};

/// An async function of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serving {
    Stop,
    WaitEnded,
}

impl Serving {
    pub(super) const ALL: [Self; 2] = [Self::Stop, Self::WaitEnded];

    /// The name in the sources, behind that of the module.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stop => "server::stop",
            Self::WaitEnded => "server::wait_ended",
        }
    }
}

/// More bytes than move in any test.
const BYTES: usize = 400;

/// A server of one stream that moves one byte at a time, and its client. The handler takes a few turns for each call.
fn serve<H: On>(pace: &std::sync::Arc<Pace>) -> (Server<OneByte<H>>, Client<OneByte<H>>) {
    let (near, far) = pipe(4096);
    let handler = async |call: Call| {
        for _ in 0..3 {
            yield_now().await;
        }
        // The client may have gone.
        let _ = call.respond(&MetadataResponse::default());
    };
    let server = Server::serve_stream(Trickle::new(far, pace), ServeConfig::default(), handler);
    (server, Client::new(near, ClientConfig::default()))
}

async fn perform<H: On>(function: Serving, server: &Server<OneByte<H>>) {
    match function {
        Serving::Stop => drop(server.stop().await),
        Serving::WaitEnded => drop(server.wait_ended().await),
    }
}

/// Drops a function after so many polls, when so many bytes have moved. Returns whether as many moved.
async fn drop_one<H: On>(function: Serving, bytes: usize, polls: usize) -> bool {
    let what = format!("{function:?} after {bytes} bytes and {polls} polls");
    let pace = Pace::stop_after(bytes);
    let (server, client) = serve::<H>(&pace);
    let request = metadata();
    let mut calls = Box::pin(zip(client.call(&request), client.call(&request)));
    let mut calls_ended = None;
    let all_moved = async {
        calls_ended = Some(calls.as_mut().await);
        false
    };
    let stopped = async {
        pace.reached().await;
        true
    };
    let is_reached = or(all_moved, stopped).await;
    {
        let mut row = pin!(perform(function, &server));
        for _ in 0..polls {
            if poll_once(&mut row).await.is_some() {
                break;
            }
            yield_now().await;
        }
    }
    pace.lift();
    let (first, second) = match calls_ended {
        Some(ended) => ended,
        None => calls.as_mut().await,
    };
    drop(calls);
    if function == Serving::Stop && polls > 0 {
        // Requests that the server has not read are not answered, and no answer is cut off.
        server.wait_ended().await;
        let reason = client.wait_closed().await.reason;
        let CloseReason::Disconnected { heard, .. } = &reason else { panic!("{what}: {reason:?}") };
        assert!(!matches!(heard, Heard::PartOfFrame { .. }), "{what}: {reason:?}");
        assert!(first.is_ok() || second.is_err(), "{what}: answers come in the order of the requests");
        let (_server, client) = serve::<H>(&Pace::free());
        client.call(&request).await.expect("another server works");
    } else {
        first.and(second).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        for _ in 0..3 {
            client.call(&request).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        }
        drop(client);
        server.wait_ended().await;
    }
    assert_eq!(server.stats().cut_off, 0, "{what}");
    is_reached
}

async fn every_function_of_a_server_may_be_dropped_whatever_its_client_has_sent<H: On>() {
    for function in Serving::ALL {
        for polls in 0..3 {
            let mut bytes = 0;
            while drop_one::<H>(function, bytes, polls).await {
                bytes += 1;
                assert!(bytes < BYTES, "{function:?} moves without end");
            }
        }
    }
}

on_each_runtime! { every_function_of_a_server_may_be_dropped_whatever_its_client_has_sent }
