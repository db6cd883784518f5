//! One client's connection, passed on to a broker request by request.

use std::{collections::BTreeMap, time::Instant};

use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, ServerConfig, ServerConnection, ServerEvent,
    connection::{CallId, Prepared, RequestFrame, SendError},
    ids::{ConnectionId, CorrelationId},
};

/// Requests that the proxy passes on before it has their answers.
const IN_FLIGHT: usize = 64;

/// Both ends of a proxied connection. Whoever owns it moves bytes for [`Proxy::front`] and [`Proxy::back`], and calls
/// [`Proxy::turn`] after each move.
#[derive(Debug)]
pub struct Proxy {
    /// The connection with the client, whose server this is.
    pub front: ServerConnection,
    /// The connection with the broker, whose client this is.
    pub back: ClientConnection,
    /// A request that has to wait until there is room in `back`.
    waiting: Option<RequestFrame>,
    /// The client's calls by the ids that their requests have at the back.
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
    /// Passes requests to the broker and answers to the client, as far as they are here. `log` gets a line for each.
    pub fn turn(&mut self, now: Instant, log: &mut impl FnMut(String)) {
        // Answers first: each makes room for a request.
        while let Some(event) = self.back.poll_event() {
            match event {
                ClientEvent::Response(answer) => {
                    log(format!("<- {} {} bytes", answer.api, answer.body.len()));
                    if let Some(call) = self.calls.remove(&answer.id) {
                        // A call that is not open any more belongs to a client that has left.
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
                // The client learns of it as it would from the broker: its connection ends.
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
        // The client has left, and all that it asked for is written: the answers are nobody's.
        if self.front.is_over() && !self.back.wants_write() {
            self.back.close();
        }
    }

    /// Whether nothing is left to do: drop both sockets.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.front.is_over() && self.back.is_over()
    }
}
