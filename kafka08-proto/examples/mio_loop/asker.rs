//! What is asked of each broker. It knows nothing of the loop around it, so every loop can use it.

use std::{
    collections::BTreeMap,
    error::Error,
    time::{Duration, Instant},
};

use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, HostPort,
    adapter::CallError,
    api::MetadataRequest,
    connection::{CloseReason, Closed, Prepared, Ticket},
    ids::{ConnectionId, CorrelationId},
};

/// Requests for each broker, of which three are in flight at a time.
const REQUESTS: usize = 12;
const IN_FLIGHT: usize = 3;
/// Timeouts of connecting and of a request. Programs that are no examples keep the defaults of 10 s and 30 s.
const TIMEOUT: Duration = Duration::from_secs(3);
const SHORT_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection, the requests that are in flight on it, and how many are not sent yet.
pub(crate) struct Asker {
    pub(crate) target: HostPort,
    pub(crate) connection: ClientConnection,
    tickets: BTreeMap<CorrelationId, Ticket<MetadataRequest>>,
    unsent: usize,
    answers: usize,
}

impl Asker {
    pub(crate) fn new(target: HostPort, id: ConnectionId) -> Self {
        let config = ClientConfig::default().with_peer(target.clone());
        let config = config.with_connect_timeout(TIMEOUT).with_request_timeout(TIMEOUT);
        let connection = ClientConnection::new(config, id);
        Self { target, connection, tickets: BTreeMap::new(), unsent: REQUESTS, answers: 0 }
    }

    pub(crate) fn has_all_answers(&self) -> bool {
        self.answers == REQUESTS
    }

    /// Takes the events, sends the requests for which there is room now, and closes the connection after the last.
    pub(crate) fn turn(&mut self, now: Instant) -> Result<(), Box<dyn Error>> {
        while let Some(event) = self.connection.poll_event() {
            self.take(event)?;
        }
        // A request that has timed out stays in flight until its response comes, which is dropped then.
        while self.unsent > 0 && self.connection.in_flight() < IN_FLIGHT && self.connection.can_send() {
            // One of three has the short timeout, which counts from now on, whatever is in front of the request.
            let timeout = if self.unsent % IN_FLIGHT == 1 { SHORT_TIMEOUT } else { TIMEOUT };
            let request = Prepared::checked(&MetadataRequest::all(), self.connection.config())?;
            let id = self.connection.send(now, &request.with_timeout(timeout))?;
            self.tickets.extend(self.connection.ticket(id).map(|ticket| (id, ticket)));
            self.unsent -= 1;
        }
        if self.unsent == 0 && self.tickets.is_empty() {
            self.connection.close();
            while let Some(event) = self.connection.poll_event() {
                self.take(event)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, event: ClientEvent) -> Result<(), Box<dyn Error>> {
        match event {
            ClientEvent::Response(frame) => {
                let Some(ticket) = self.tickets.remove(&frame.id) else { return Ok(()) };
                let brokers = ticket.redeem(frame)?.brokers().len();
                self.answers += 1;
                println!("{}: response {} of {REQUESTS} names {brokers} brokers", self.target, self.answers);
            }
            ClientEvent::Closed(Closed { reason: CloseReason::Local, .. }) | ClientEvent::Written { .. } => {}
            ClientEvent::Closed(closed) => eprintln!("{closed}"),
            failed => {
                // The text says what happened, whether the broker may have acted on the request, and what to do next.
                let peer = self.connection.config().peer().cloned();
                if let Some(error) = CallError::from_event(failed, peer.as_ref(), None) {
                    error.id().map(|id| self.tickets.remove(&id));
                    eprintln!("{error}");
                }
            }
        }
        Ok(())
    }
}
