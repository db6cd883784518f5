//! The broker as a state machine: requests and time in, answers out.

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

/// What time it is, for deadlines and for the times that logs keep.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines.
    pub instant: Instant,
    /// For ListOffsets by time: milliseconds since the epoch.
    pub wall: Timestamp,
}

/// What is to be done for a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Answer a call.
    Respond {
        /// On which connection.
        connection: ConnectionId,
        /// Which call.
        call: CallId,
        /// The answer.
        response: AnyResponse,
    },
    /// End a call without an answer: acks = 0.
    Finish {
        /// On which connection.
        connection: ConnectionId,
        /// Which call.
        call: CallId,
    },
    /// Close a connection: that is how a 0.8 broker refuses.
    Close {
        /// The connection to close.
        connection: ConnectionId,
    },
}

/// A broker without sockets, clock or threads; see [`Server`](crate::Server) for one that has them.
///
/// Give it each request with [`Broker::handle_request`], and do what [`Broker::poll_action`] says, until it says nothing.
/// Call [`Broker::handle_timeout`] when [`Broker::poll_timeout`] has come. The same requests at the same times have the same
/// answers.
///
/// It keeps messages up to [`BrokerConfig::with_max_log_bytes`], and requests that wait up to
/// [`BrokerConfig::with_max_waiting`]; a waiting fetch keeps its request, and a waiting produce its answer. Actions that are
/// not taken are kept too: one for each request that was handled.
#[derive(Debug)]
pub struct Broker {
    /// Settings and bounds.
    config: BrokerConfig,
    /// Where Metadata says that the broker listens.
    advertised: HostPort,
    topics: Topics,
    /// Fetches that wait for data.
    fetches: BTreeMap<Caller, WaitingFetch>,
    /// Produces that wait for replicas, of which there are none.
    produces: BTreeMap<Caller, WaitingProduce>,
    /// What is still to be done for connections, in the order of the requests.
    actions: VecDeque<Action>,
    inflater: Inflater,
    deflater: Deflater,
}

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Caller {
    connection: ConnectionId,
    call: CallId,
}

impl Broker {
    /// A broker without topics. It says that it listens at `address`, unless the settings say otherwise.
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

    /// Makes a topic with this many partitions, which lead at once. Does nothing if it exists, or if there are too many.
    pub fn create_topic(&mut self, name: &str, partitions: u16, now: Now) {
        self.topics.create(name, partitions, 0, now.wall);
    }

    /// A request has come.
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
            // Unknown keys and what cannot be read are refused as 0.8 does; so is what this broker does not serve.
            Ok(_) | Err(_) => self.actions.push_back(Action::Close { connection }),
        }
    }

    /// A connection is gone: what it waited for is forgotten.
    pub fn handle_closed(&mut self, connection: ConnectionId) {
        self.fetches.retain(|caller, _| caller.connection != connection);
        self.produces.retain(|caller, _| caller.connection != connection);
    }

    /// Time has passed: whatever waits for no longer than `now` is answered.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        // Collected first, because answering changes the map.
        let fetches: Vec<Caller> =
            self.fetches.iter().filter(|(_, waiting)| is_due(waiting.deadline)).map(|(caller, _)| *caller).collect();
        for caller in fetches {
            if let Some(waiting) = self.fetches.remove(&caller) {
                // As much as there is, which may be nothing: the wait is over.
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

    /// When to call [`Broker::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let fetches = self.fetches.values().filter_map(|waiting| waiting.deadline);
        fetches.chain(self.produces.values().filter_map(|waiting| waiting.deadline)).min()
    }

    /// What to do next, for one connection; `None` when there is nothing more to do until a request comes or
    /// [`Broker::poll_timeout`] has passed.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether a request may name so many partitions.
    fn allows(&self, partitions: usize) -> bool {
        partitions <= self.config.max_partitions_per_request
    }

    /// Whether one more request may wait. One for which there is no room is answered at once.
    fn has_room_to_wait(&self) -> bool {
        self.fetches.len() + self.produces.len() < self.config.max_waiting
    }

    /// Has a call answered.
    fn respond(&mut self, caller: Caller, response: AnyResponse) {
        let Caller { connection, call } = caller;
        self.actions.push_back(Action::Respond { connection, call, response });
    }
}
