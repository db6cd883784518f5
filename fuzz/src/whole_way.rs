//! Values that go all the way: written, sent, cut up, received and read.

use std::time::Instant;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Buf as _;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection, ServerConfig, ServerConnection, ServerEvent,
    api::{AnyRequest, AnyResponse, Encode as _, Reply, RequestTraits},
    connection::Prepared,
    ids::ConnectionId,
    strategies::Cuts,
};

/// What the input is made of.
#[derive(Arbitrary, Debug)]
struct Session {
    exchanges: Vec<(AnyRequest, AnyResponse)>,
    up: Cuts,
    down: Cuts,
}

/// Sends any requests from a client to a server and any responses back, in any pieces.
///
/// No panic. Each request arrives as it was sent, and each response as it was given, in the order of the requests.
pub fn whole_way(data: &[u8]) {
    let Ok(Session { mut exchanges, up, down }) = Unstructured::new(data).arbitrary() else { return };
    // As many as may be in flight.
    exchanges.truncate(ClientConfig::default().max_in_flight());
    let now = Instant::now();
    let mut client = ClientConnection::new(ClientConfig::default().with_max_staged(1 << 20), ConnectionId(0));
    let mut server = ServerConnection::new(ServerConfig::default().with_max_open_calls(1000), ConnectionId(0));

    let mut expected = Vec::new();
    for (request, response) in exchanges {
        let body = request.to_bytes().expect("it fits the wire");
        let reply = RequestTraits::of(request.api(), &body).reply;
        if client.send(now, &Prepared::raw(request.api(), body, reply)).is_ok() {
            expected.push((request, response, reply));
        }
    }
    carry(&mut client, &mut server, &up, now);
    for (request, response, reply) in &expected {
        let Some(ServerEvent::Request(call)) = server.poll_event() else { panic!("a request is due") };
        assert_eq!(AnyRequest::decode(call.header.api, &call.body).as_ref(), Ok(request));
        match reply {
            Reply::Expected => server.respond(call.call, response).expect("it fits the wire"),
            Reply::None => server.finish(call.call),
        }
    }
    assert!(server.poll_event().is_none());
    carry(&mut server, &mut client, &down, now);

    let mut answers = Vec::new();
    while let Some(event) = client.poll_event() {
        match event {
            ClientEvent::Response(frame) => answers.push(frame.body),
            ClientEvent::Written { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let given = expected.iter().filter(|(.., reply)| *reply == Reply::Expected).map(|(_, response, _)| response);
    let given: Vec<_> = given.map(|response| response.to_bytes().expect("it fits the wire")).collect();
    assert_eq!(answers, given);
    assert_eq!(client.in_flight(), 0);
}

fn carry(from: &mut impl Connection, to: &mut impl Connection, cuts: &Cuts, now: Instant) {
    let (_, queue) = from.buffers();
    let bytes = queue.copy_to_bytes(queue.remaining());
    for piece in cuts.pieces(&bytes) {
        to.handle_bytes(now, piece);
    }
}
