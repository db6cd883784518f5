//! The two clients against a scripted peer.

mod account;
mod frames;
mod on_blocking;
mod on_tokio;
mod promise;
mod requests;
mod script;
mod wire;

use std::time::Duration;

use kafka08_proto::{ClientConfig, ids::Text};
use script::{Adapter, Script};

/// Plays a script on one of the adapters: calls of the client, and what a hostile peer and a stubborn stream do.
///
/// No panic. No call outlives its deadline, or the end of everything that it could wait for. Each request ends once, with
/// its own answer or a fate that is true. The peer receives whole frames, in order. Each acks = 0 request is accounted for.
/// Memory is left to the fuzzer's limits.
///
/// tokio runs in paused time. The blocking client runs in real time on a descriptor that is always ready, and is measured
/// by the processor time of its thread, so that a busy machine breaks no promise.
pub fn clients(data: &[u8]) {
    let script = Script::decode(data);
    match script.adapter {
        Adapter::Blocking => on_blocking::run(script),
        Adapter::Tokio => on_tokio::run(script),
    }
}

fn config(script: &Script, unit: Duration) -> ClientConfig {
    ClientConfig::default()
        .with_client_id(Some(Text::from_static(frames::CLIENT_ID)))
        .with_max_in_flight(script.max_in_flight)
        .with_max_staged(script.max_staged)
        .with_request_timeout(unit * script.request_timeout.0)
}
