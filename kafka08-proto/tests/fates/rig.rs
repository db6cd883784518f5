//! A client and a server in memory, and short names for what the tests do with them.

use std::time::Duration;

use bytes::{Buf as _, Bytes};

pub(crate) use crate::common::start as origin;
use kafka08_proto::{
    ClientConfig, ClientEvent, Connection as _, Fate, ServerConfig, ServerEvent,
    api::{FetchRequest, MetadataRequest, ProduceRequest, Request},
    connection::{CallId, Closed, Pair, Prepared, RequestError, RequestFrame},
    ids::{Acks, CorrelationId, Millis, Offset},
    message::MessageSet,
};

/// The timeout of the rig's client, unless a test says otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn config() -> ClientConfig {
    ClientConfig::default().with_request_timeout(TIMEOUT)
}

pub(crate) fn pair() -> Pair {
    pair_with(config())
}

/// A pair whose server keeps as many calls open as there are.
pub(crate) fn pair_with(client: ClientConfig) -> Pair {
    Pair::new(origin(), client, ServerConfig::default().with_max_open_calls(1000))
}

pub(crate) fn metadata() -> MetadataRequest {
    MetadataRequest::all()
}

pub(crate) fn produce(acks: Acks, timeout: i32) -> ProduceRequest {
    ProduceRequest::new(acks, Millis(timeout)).with("t", 0, MessageSet::of_value(b"v"))
}

pub(crate) fn fetch(max_wait: i32) -> FetchRequest {
    FetchRequest::new(Millis(max_wait), 1).with("t", 0, Offset(0), 100)
}

/// How a request ended, in few words.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    Answered(CorrelationId),
    Written(CorrelationId),
    TimedOut(CorrelationId, Fate),
    Lost(CorrelationId, Fate),
    Closed(Closed),
}

/// What tests do with a pair.
pub(crate) trait Rig {
    fn sent<R: Request>(&mut self, request: &R) -> CorrelationId;
    fn ends(&mut self) -> Vec<End>;
    fn calls(&mut self) -> Vec<RequestFrame>;
    fn answer(&mut self, call: CallId);
    fn answer_all(&mut self);
    fn closed(&mut self) -> Closed;
    fn works(&mut self);
}

impl Rig for Pair {
    fn sent<R: Request>(&mut self, request: &R) -> CorrelationId {
        let prepared = Prepared::new(request).expect("it fits the wire");
        self.client.send(self.now, &prepared).expect("there is room")
    }

    /// All the client has to tell.
    fn ends(&mut self) -> Vec<End> {
        let mut ends = Vec::new();
        while let Some(event) = self.client_event() {
            ends.push(match event {
                ClientEvent::Response(frame) => End::Answered(frame.id),
                ClientEvent::Written { id, .. } => End::Written(id),
                ClientEvent::Failed { id, error: RequestError::TimedOut { .. }, fate, .. } => End::TimedOut(id, fate),
                ClientEvent::Failed { id, fate, .. } => End::Lost(id, fate),
                ClientEvent::Closed(closed) => End::Closed(closed),
            });
        }
        ends
    }

    /// All that the client has written, as the server sees it.
    fn calls(&mut self) -> Vec<RequestFrame> {
        self.to_server(usize::MAX);
        let mut calls = Vec::new();
        while let Some(event) = self.server_event() {
            match event {
                ServerEvent::Request(request) => calls.push(request),
                ServerEvent::Closed(reason) => panic!("the server has closed: {reason}"),
            }
        }
        calls
    }

    /// Answers a call and carries the answer over.
    fn answer(&mut self, call: CallId) {
        self.server.respond_raw(call, Bytes::from_static(&[0; 8])).expect("the call is open");
        self.to_client(usize::MAX);
    }

    fn answer_all(&mut self) {
        for call in self.calls() {
            self.answer(call.call);
        }
    }

    /// The end of the connection, which must be the last there is to tell.
    fn closed(&mut self) -> Closed {
        let Some(End::Closed(closed)) = self.ends().pop() else { panic!("the end was expected") };
        assert!(self.client.is_over());
        closed
    }

    /// A request is sent and answered.
    fn works(&mut self) {
        let id = self.sent(&metadata());
        let calls = self.calls();
        let last = calls.last().expect("the request arrives");
        assert_eq!(last.header.correlation_id, id);
        self.answer(last.call);
        assert_eq!(self.ends(), [End::Answered(id)]);
    }
}

/// Lets the transport take this many bytes of what is staged, and lose them.
pub(crate) fn take(pair: &mut Pair, n: usize) {
    pair.client.buffers().1.advance(n);
}

pub(crate) fn staged(pair: &mut Pair) -> usize {
    pair.client.buffers().1.remaining()
}
