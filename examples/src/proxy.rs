//! Forwards the requests of one client's connection to a broker.

use std::{collections::BTreeMap, time::Instant};

use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, ServerConfig, ServerConnection, ServerEvent,
    connection::{CallId, Prepared, RequestFrame, SendError},
    ids::{ConnectionId, CorrelationId},
};

/// The maximum number of forwarded requests without a response.
const IN_FLIGHT: usize = 64;

/// Both connections of one client. The owner moves bytes for [`Proxy::front`] and [`Proxy::back`], and calls
/// [`Proxy::turn`] after each move.
#[derive(Debug)]
pub struct Proxy {
    /// The connection with the client. The proxy is its server.
    pub front: ServerConnection,
    /// The connection with the broker. The proxy is its client.
    pub back: ClientConnection,
    /// A request that waits for room in `back`.
    waiting: Option<RequestFrame>,
    /// The client's calls, by the correlation ids of their requests in `back`.
    calls: BTreeMap<CorrelationId, CallId>,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            front: ServerConnection::new(ServerConfig::default().with_max_open_calls(IN_FLIGHT), ConnectionId(0)),
            back: ClientConnection::new(ClientConfig::default().with_max_in_flight(IN_FLIGHT), ConnectionId(1)),
            waiting: None,
            calls: BTreeMap::new(),
        }
    }
}

impl Proxy {
    /// Forwards the requests and responses that have arrived. Passes a line for each of them to `log`.
    pub fn turn(&mut self, now: Instant, log: &mut impl FnMut(String)) {
        // Responses are forwarded first, because each of them makes room for a request.
        while let Some(event) = self.back.poll_event() {
            match event {
                ClientEvent::Response(answer) => {
                    log(format!("<- {} {} bytes", answer.api, answer.body.len()));
                    if let Some(call) = self.calls.remove(&answer.id) {
                        // If the call is not open any more, the client has left.
                        let _ = self.front.respond_raw(call, answer.body);
                    }
                }
                ClientEvent::Written { id, .. } => {
                    if let Some(call) = self.calls.remove(&id) {
                        self.front.finish(call);
                    }
                }
                ClientEvent::Failed { id, error, .. } => {
                    log(format!("!! {id}: {error}"));
                    self.front.close();
                }
                // The client's connection ends too, as it would without the proxy.
                ClientEvent::Closed(closed) => {
                    log(format!("!! the broker: {closed}"));
                    self.front.close();
                }
            }
        }
        loop {
            let request = match self.waiting.take() {
                Some(request) => request,
                None => match self.front.poll_event() {
                    Some(ServerEvent::Request(request)) => request,
                    Some(ServerEvent::Closed(reason)) => {
                        log(format!("!! the client: {reason}"));
                        continue;
                    }
                    None => break,
                },
            };
            match self.back.send(now, &Prepared::forward(&request)) {
                Ok(id) => {
                    log(format!("-> {} {} bytes", request.header.api, request.body.len()));
                    self.calls.insert(id, request.call);
                }
                Err(SendError::Busy) => {
                    self.waiting = Some(request);
                    break;
                }
                Err(error) => {
                    log(format!("!! {}: {error}", request.header.api));
                    self.front.close();
                }
            }
        }
        // The client has left, and all its requests were written. Nobody needs their responses.
        if self.front.is_over() && !self.back.wants_write() {
            self.back.close();
        }
    }

    /// Whether both connections have ended, so that the sockets can be dropped.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.front.is_over() && self.back.is_over()
    }
}
