//! What `tracing` is told of the clients of one broker, and of the server.

use std::net::TcpListener;

use kafka08_blocking::{
    Call, Client, ServeConfig, Server, SharedClient,
    proto::{
        ClientConfig,
        api::{MetadataRequest, MetadataResponse, ProduceRequest},
        ids::{Acks, Millis},
        message::MessageSet,
    },
};

use crate::lines::{SECRET, lines};

/// Answers Metadata, and closes the connection at anything else.
fn handle(call: Call) {
    if call.decode::<MetadataRequest>().is_ok() && call.api().to_string() == "Metadata v0" {
        call.respond(&MetadataResponse::default()).expect("the client waits");
    }
}

#[test]
fn connections_requests_responses_and_failures_are_told_with_ids_names_sizes_and_durations() {
    let lines = lines();
    // At an address of its own: a port of 127.0.0.1 that is free again may be the next one of another test.
    let listener = TcpListener::bind("127.0.0.2:0").expect("a free port");
    let target = listener.local_addr().expect("it is bound").to_string();
    let server = Server::serve(listener, ServeConfig::default(), handle).expect("it serves");
    let produce = ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, MessageSet::of_value(SECRET.as_bytes()));

    let mut client = Client::connect(&target, ClientConfig::default()).expect("it listens");
    lines.wait_for(&[&format!("[connect target={target}]"), "=connected", &format!("address={target}"), "elapsed="]);
    client.call(&MetadataRequest::all()).expect("it is answered");
    // 4 bytes of length, 8 of key, version and id, 9 of client id, 4 of topics.
    let request = lines.wait_for(&["connection peer=", &target, "=request", "api=Metadata v0", "bytes=25"]);
    let id = request.split("id=").nth(1).and_then(|rest| rest.split(' ').next()).expect("an id").to_owned();
    lines.wait_for(&["connection peer=", "=response", &format!("id={id}"), "api=Metadata v0", "bytes=8", "elapsed="]);
    client.call(&produce).expect_err("it is refused");
    lines.wait_for(&["=request failed", "api=Produce v0", "elapsed=", "error="]);
    lines.wait_for(&["=connection ended", "reason="]);

    let shared = SharedClient::connect(&target, ClientConfig::default()).expect("it listens");
    shared.call(&MetadataRequest::of(["shared"])).expect("it is answered");
    lines.wait_for(&["=request", "bytes=33"]);
    shared.call(&produce).expect_err("it is refused");
    lines.wait_for(&["=request received", "api=Metadata v0"]);
    lines.wait_for(&["=response staged", "api=Metadata v0"]);
    lines.wait_for(&["=client's connection ended", "reason="]);
    assert_eq!(server.stop().connections, 2);

    SharedClient::connect(&target, ClientConfig::default()).expect_err("nobody listens");
    lines.wait_for(&["[connect", "=connecting failed", "error=", "refused"]);
    let failed = lines.all_with(&["=request failed", &target]);
    assert_eq!(failed.len(), 2, "{failed:?}");
    lines.assert_no_secret();
}
