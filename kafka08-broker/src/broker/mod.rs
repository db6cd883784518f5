//! The broker as a state machine, which takes requests and the time, and returns responses.

mod append;
mod fetch;
mod list_offsets;
mod log;
mod metadata;
mod produce;
mod topics;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use fetch::WaitingFetch;
use kafka08_proto::{
    HostPort,
    api::{AnyRequest, AnyResponse},
    connection::{CallId, RequestFrame},
    ids::{ConnectionId, Timestamp},
    message::{Deflater, Inflater},
};
use produce::WaitingProduce;
use topics::Topics;

use crate::BrokerConfig;

/// The present time of two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The time for deadlines.
    pub instant: Instant,
    /// The time for ListOffsets by time, in milliseconds since the epoch.
    pub wall: Timestamp,
}

/// What the caller must do for a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send the response to a call.
    Respond {
        /// The connection of the call.
        connection: ConnectionId,
        /// The call.
        call: CallId,
        /// The response.
        response: AnyResponse,
    },
    /// End a call without a response, because its acks are 0.
    Finish {
        /// The connection of the call.
        connection: ConnectionId,
        /// The call.
        call: CallId,
    },
    /// Close a connection. A 0.8 broker refuses a request in this way.
    Close {
        /// The connection to close.
        connection: ConnectionId,
    },
}

/// A broker without sockets, clock or threads. [`Server`](crate::Server) is a broker that has them.
///
/// Pass each request to [`Broker::handle_request`], and execute the actions of [`Broker::poll_action`] until it returns
/// `None`. Call [`Broker::handle_timeout`] when the deadline of [`Broker::poll_timeout`] has passed. The same requests
/// at the same times get the same responses.
///
/// The broker keeps messages up to [`BrokerConfig::with_max_log_bytes`], and waiting requests up to
/// [`BrokerConfig::with_max_waiting`]. A waiting fetch takes the memory of its request, and a waiting produce that of
/// its response. Actions that are not taken are kept too. There is one for each request.
#[derive(Debug)]
pub struct Broker {
    /// The settings and limits.
    config: BrokerConfig,
    /// The address in Metadata responses.
    advertised: HostPort,
    topics: Topics,
    /// The fetches that wait for data.
    fetches: BTreeMap<Caller, WaitingFetch>,
    /// The produces that wait for replicas. There are no replicas, so these requests will time out.
    produces: BTreeMap<Caller, WaitingProduce>,
    /// The actions that were not taken yet, in the order of the requests.
    actions: VecDeque<Action>,
    inflater: Inflater,
    deflater: Deflater,
}

/// The call that a response is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Caller {
    connection: ConnectionId,
    call: CallId,
}

impl Broker {
    /// Creates a broker without topics. Its Metadata responses have this address, unless
    /// [`BrokerConfig::with_advertised`] sets another one.
    #[must_use]
    pub fn new(config: BrokerConfig, address: HostPort) -> Self {
        Self {
            advertised: config.advertised.clone().unwrap_or(address),
            topics: Topics::new(config.max_topics, config.max_log_bytes),
            config,
            fetches: BTreeMap::new(),
            produces: BTreeMap::new(),
            actions: VecDeque::new(),
            inflater: Inflater::new(),
            deflater: Deflater::new(),
        }
    }

    /// Creates a topic with this many partitions, which have a leader at once. Does nothing if the topic exists, or if
    /// there are too many topics.
    pub fn create_topic(&mut self, name: &str, partitions: u16, now: Now) {
        self.topics.create(name, partitions, 0, now.wall);
    }

    /// Handles a request that has arrived.
    pub fn handle_request(&mut self, now: Now, connection: ConnectionId, request: &RequestFrame) {
        let caller = Caller { connection, call: request.call };
        match AnyRequest::decode(request.header.api, &request.body) {
            Ok(AnyRequest::Metadata(request)) => {
                let response = self.metadata(&request, now);
                self.respond(caller, AnyResponse::Metadata(response));
            }
            Ok(AnyRequest::Produce(request)) if self.allows(request.topics.len()) => {
                self.produce(caller, &request, now)
            }
            Ok(AnyRequest::Fetch(request)) if self.allows(request.topics.len()) => self.fetch(caller, request, now),
            Ok(AnyRequest::ListOffsets(request)) if self.allows(request.topics.len()) => {
                let response = self.list_offsets(&request, now);
                self.respond(caller, AnyResponse::ListOffsets(response));
            }
            // A request that has an unknown key or cannot be decoded is refused, as in 0.8, and so is one that this
            // broker does not support.
            Ok(_) | Err(_) => self.actions.push_back(Action::Close { connection }),
        }
    }

    /// Handles the end of a connection, and drops its waiting requests.
    pub fn handle_closed(&mut self, connection: ConnectionId) {
        self.fetches.retain(|caller, _| caller.connection != connection);
        self.produces.retain(|caller, _| caller.connection != connection);
    }

    /// Answers all requests whose deadline is `now` or earlier.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        // The callers are collected first, because answering changes the map.
        let fetches: Vec<Caller> =
            self.fetches.iter().filter(|(_, waiting)| is_due(waiting.deadline)).map(|(caller, _)| *caller).collect();
        for caller in fetches {
            if let Some(waiting) = self.fetches.remove(&caller) {
                // The wait is over, so the response has the available messages, even if there are none.
                let (response, _) = self.read_all(&waiting.request);
                self.respond(caller, AnyResponse::Fetch(response));
            }
        }
        let produces: Vec<Caller> =
            self.produces.iter().filter(|(_, waiting)| is_due(waiting.deadline)).map(|(caller, _)| *caller).collect();
        for caller in produces {
            if let Some(waiting) = self.produces.remove(&caller) {
                self.respond(caller, AnyResponse::Produce(waiting.response));
            }
        }
    }

    /// The next time at which to call [`Broker::handle_timeout`], or `None` if no request has a deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let fetches = self.fetches.values().filter_map(|waiting| waiting.deadline);
        fetches.chain(self.produces.values().filter_map(|waiting| waiting.deadline)).min()
    }

    /// Returns the next action. `None` means that there is nothing to do until a request arrives or the deadline of
    /// [`Broker::poll_timeout`] has passed.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether a request may name this many partitions.
    fn allows(&self, partitions: usize) -> bool {
        partitions <= self.config.max_partitions_per_request
    }

    /// Whether one more request may wait. If not, the request is answered at once.
    fn has_room_to_wait(&self) -> bool {
        self.fetches.len() + self.produces.len() < self.config.max_waiting
    }

    /// Queues the response to a call.
    fn respond(&mut self, caller: Caller, response: AnyResponse) {
        let Caller { connection, call } = caller;
        self.actions.push_back(Action::Respond { connection, call, response });
    }
}
