//! Tests properties of the proxy in memory, with any requests, which arrive in any pieces.

use std::{collections::BTreeMap, time::Instant};

use bytes::{Buf as _, Bytes};
use kafka08_examples::Proxy;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection, ServerConfig, ServerConnection, ServerEvent,
    api::{AnyRequest, Encode as _, Reply, RequestTraits},
    connection::{Prepared, RequestFrame, ServerCloseReason},
    ids::{Api, ConnectionId, CorrelationId},
    strategies::{self, Cuts},
};
use proptest::{collection::vec, prelude::*};

/// A client, the proxy, and a broker.
struct Row {
    client: ClientConnection,
    proxy: Proxy,
    broker: ServerConnection,
    now: Instant,
    /// The requests that the broker has received, and its responses.
    served: Vec<(RequestFrame, Bytes)>,
    /// Why the broker's connection has ended.
    broker_end: Option<ServerCloseReason>,
}

/// Moves the staged bytes of one connection to another one, in pieces. Returns whether there were any.
fn carry(from: &mut impl Connection, to: &mut impl Connection, cuts: &Cuts, now: Instant) -> bool {
    let (_, queue) = from.buffers();
    let bytes = queue.copy_to_bytes(queue.remaining());
    for piece in cuts.pieces(&bytes) {
        to.handle_bytes(now, piece);
    }
    !bytes.is_empty()
}

impl Row {
    fn new() -> Self {
        let many = 1000;
        Self {
            client: ClientConnection::new(ClientConfig::default().with_max_in_flight(many), ConnectionId(0)),
            proxy: Proxy::default(),
            broker: ServerConnection::new(ServerConfig::default().with_max_open_calls(many), ConnectionId(1)),
            now: Instant::now(),
            served: Vec::new(),
            broker_end: None,
        }
    }

    /// Moves bytes until nothing moves. The broker answers each request with its number.
    fn settle(&mut self, cuts: &Cuts) {
        let mut moved = true;
        while moved {
            moved = carry(&mut self.client, &mut self.proxy.front, cuts, self.now);
            self.proxy.turn(self.now, &mut |_| ());
            moved |= carry(&mut self.proxy.back, &mut self.broker, cuts, self.now);
            self.serve();
            moved |= carry(&mut self.broker, &mut self.proxy.back, cuts, self.now);
            self.proxy.turn(self.now, &mut |_| ());
            moved |= carry(&mut self.proxy.front, &mut self.client, cuts, self.now);
        }
    }

    fn serve(&mut self) {
        while let Some(event) = self.broker.poll_event() {
            match event {
                ServerEvent::Request(request) => {
                    let answer = Bytes::copy_from_slice(&self.served.len().to_be_bytes());
                    match request.traits().reply {
                        Reply::Expected => {
                            self.broker.respond_raw(request.call, answer.clone()).expect("the call is open");
                        }
                        Reply::None => self.broker.finish(request.call),
                    }
                    self.served.push((request, answer));
                }
                ServerEvent::Closed(reason) => self.broker_end = Some(reason),
            }
        }
    }
}

fn prepared(request: &AnyRequest) -> (Api, Bytes, Reply) {
    let body = request.to_bytes().expect("it fits the wire");
    let reply = RequestTraits::of(request.api(), &body).reply;
    (request.api(), body, reply)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_request_arrives_as_it_was_sent_and_every_answer_comes_back_to_its_request(
        requests in vec(strategies::any_request(), 0..80),
        cuts in strategies::cuts(),
    ) {
        let mut row = Row::new();
        let mut asked: Vec<(CorrelationId, Api, Bytes, Reply)> = Vec::new();
        for request in &requests {
            let (api, body, reply) = prepared(request);
            let id = row.client.send(row.now, &Prepared::raw(api, body.clone(), reply)).expect("there is room");
            asked.push((id, api, body, reply));
        }
        row.settle(&cuts);

        let arrived: Vec<_> = row.served.iter().map(|(frame, _)| (frame.header.api, frame.body.clone())).collect();
        let sent: Vec<_> = asked.iter().map(|(_, api, body, _)| (*api, body.clone())).collect();
        prop_assert_eq!(arrived, sent);
        let mut ends: BTreeMap<CorrelationId, Option<Bytes>> = BTreeMap::new();
        while let Some(event) = row.client.poll_event() {
            let (id, answer) = match event {
                ClientEvent::Response(frame) => (frame.id, Some(frame.body)),
                ClientEvent::Written { id, .. } => (id, None),
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            prop_assert_eq!(ends.insert(id, answer), None, "it ends once");
        }
        let expected = asked.iter().zip(&row.served).map(|((id, _, _, reply), (_, answer))| {
            (*id, (*reply == Reply::Expected).then(|| answer.clone()))
        });
        prop_assert_eq!(ends, expected.collect::<BTreeMap<_, _>>());
    }

    #[test]
    fn whatever_a_client_sends_the_broker_gets_whole_requests(
        stream in strategies::hostile_stream(),
        cuts in strategies::cuts(),
    ) {
        let mut row = Row::new();
        for piece in cuts.pieces(&stream) {
            row.proxy.front.handle_bytes(row.now, piece);
            row.settle(&cuts);
        }
        prop_assert!(row.broker_end.is_none(), "{:?}", row.broker_end);
    }
}
