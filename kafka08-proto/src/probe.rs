//! Which release is at the other end: a few throw-away connections, and still no I/O.
//!
//! Kafka 0.8 has no request that tells its version, and an unknown key ends the connection. So each connection begins with a
//! Metadata request for all topics, which every release answers and which creates nothing. A question follows when that
//! answer is there in full:
//!
//! | question | it is answered | the connection closes |
//! |---|---|---|
//! | Heartbeat | -1: 0.8.2; another code: ask ListOffsets | connect again, ask OffsetFetch |
//! | OffsetFetch v0 of no topics | 0.8.1 | 0.8.0 |
//! | ListOffsets v0 of no topics | 0.9 to 3.9 | 4.0 or later, which dropped the requests of 0.8 |
//!
//! A close is evidence only if it is clean: the whole question was written, and the stream ended between two frames. A reset,
//! a timeout and half an answer say nothing about the release.

use std::{error::Error as _, fmt, io, time::Instant};

use bytes::Buf as _;

use crate::{
    api::{ListOffsetsRequest, MetadataRequest, OffsetFetchRequestV0, membership::HeartbeatRequest},
    connection::{
        ClientConfig, ClientConnection, ClientEvent, CloseReason, Connection as _, Disconnect, Heard, RequestError,
        ResponseFrame, SendError, Ticket,
    },
    error_code::ErrorCode,
    ids::{ConnectionId, Generation, Text},
    profile::Profile,
};

/// Finds out a broker's release.
///
/// Ask [`Probe::poll_step`] what to do, do it, and ask again:
///
/// * [`ProbeStep::Connect`]: drop the transport of before, connect to the broker anew, and call
///   [`Probe::handle_connected`] or [`Probe::handle_connect_failed`].
/// * [`ProbeStep::Pump`]: read and write for this connection, and call its `handle_timeout`. Leave its events alone.
/// * [`ProbeStep::Done`]: that is the answer.
///
/// At most two connections are made, with at most three small requests each, one after the other. Nothing is created or
/// changed on the broker.
#[derive(Debug)]
pub struct Probe {
    config: ClientConfig,
    /// What the next connection is for.
    question: Question,
    state: State,
}

/// What to do next for a [`Probe`].
#[derive(Debug)]
pub enum ProbeStep<'p> {
    /// Connect to the broker, on a new transport.
    Connect,
    /// Move bytes for this connection.
    Pump(&'p mut ClientConnection),
    /// The broker's release is known, or cannot be.
    Done(Release),
}

/// What a [`Probe`] has found out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Release {
    /// A release of 0.8.
    Known(Profile),
    /// A release newer than 0.8 that knows the requests of 0.8.2 all the same: 0.9 to 3.9.
    Newer,
    /// A release that has dropped the versions of 0.8, except for a few requests such as Metadata: 4.0 or later. It closes
    /// the connection on Produce, Fetch, ListOffsets and OffsetCommit.
    TooNew,
    /// Nothing can be said.
    Undetermined(Undetermined),
}

/// Why a [`Probe`] found nothing out. Trying again may help, except where the peer is no Kafka broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undetermined {
    /// No connection came about.
    NotConnected(io::ErrorKind),
    /// The connection's settings let no request be sent.
    NotSent(SendError),
    /// Metadata, which every release knows, was not answered.
    NoMetadata(RequestError),
    /// A question was neither answered nor refused by a clean close.
    NoAnswer(RequestError),
    /// An answer could not be decoded.
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// 0.8.2 answers -1, later releases something else, earlier ones not at all.
    Heartbeat,
    /// 0.8.1 answers, 0.8.0 does not.
    OffsetFetch,
    /// Releases up to 3.9 answer, 4.0 does not.
    ListOffsets,
}

#[derive(Debug)]
enum State {
    Unconnected,
    Asking(Box<Asking>),
    Done(Release),
}

#[derive(Debug)]
struct Asking {
    connection: ClientConnection,
    /// The question that follows Metadata on this connection.
    question: Question,
    waiting: Waiting,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    Metadata(Ticket<MetadataRequest>),
    Heartbeat(Ticket<HeartbeatRequest>),
    OffsetFetch(Ticket<OffsetFetchRequestV0>),
    ListOffsets(Ticket<ListOffsetsRequest>),
    /// The connection ended before the question could be staged. Only its last event is to come.
    Nothing,
}

enum Outcome {
    Next(Question),
    Done(Release),
}

impl From<Undetermined> for Outcome {
    fn from(why: Undetermined) -> Self {
        Self::Done(Release::Undetermined(why))
    }
}

impl Probe {
    /// A probe whose connections have these settings: the request timeout, above all.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self { config: config.with_profile(Profile::V0_8_2), question: Question::Heartbeat, state: State::Unconnected }
    }

    /// What to do next.
    pub fn poll_step(&mut self, now: Instant) -> ProbeStep<'_> {
        if let State::Asking(asking) = &mut self.state
            && let Some(outcome) = asking.poll_outcome(now)
        {
            self.state = match outcome {
                Outcome::Next(question) => {
                    self.question = question;
                    State::Unconnected
                }
                Outcome::Done(release) => State::Done(release),
            };
        }
        match &mut self.state {
            State::Unconnected => ProbeStep::Connect,
            State::Asking(asking) => ProbeStep::Pump(&mut asking.connection),
            State::Done(release) => ProbeStep::Done(release.clone()),
        }
    }

    /// A new transport is there: what is to be sent on it is staged.
    pub fn handle_connected(&mut self, now: Instant) {
        let mut connection = ClientConnection::new(self.config.clone(), ConnectionId(0));
        self.state = match connection.request(now, &MetadataRequest::all()) {
            Ok(metadata) => State::Asking(Box::new(Asking {
                connection,
                question: self.question,
                waiting: Waiting::Metadata(metadata),
            })),
            Err(error) => State::Done(Release::Undetermined(Undetermined::NotSent(error))),
        };
    }

    /// There will be no transport.
    pub fn handle_connect_failed(&mut self, why: io::ErrorKind) {
        self.state = State::Done(Release::Undetermined(Undetermined::NotConnected(why)));
    }
}

impl Asking {
    fn poll_outcome(&mut self, now: Instant) -> Option<Outcome> {
        // Asked before any event is taken: at the end of the connection what was not written is dropped.
        let is_written = !self.connection.buffers().1.has_remaining();
        while let Some(event) = self.connection.poll_event() {
            let outcome = match event {
                ClientEvent::Response(frame) => self.handle_response(now, frame),
                ClientEvent::Failed { error, .. } => Some(self.handle_failure(error, is_written)),
                // With nothing staged, no failure was told.
                ClientEvent::Closed(closed) => Some(self.handle_failure(RequestError::Closed(closed.reason), false)),
                // All requests here are answered.
                ClientEvent::Written { .. } => None,
            };
            if outcome.is_some() {
                return outcome;
            }
        }
        None
    }

    fn handle_response(&mut self, now: Instant, frame: ResponseFrame) -> Option<Outcome> {
        let release = match self.waiting {
            Waiting::Metadata(ticket) => match ticket.redeem(frame) {
                Ok(_) => return self.ask(now, self.question),
                Err(_) => Err(Undetermined::Malformed),
            },
            Waiting::Heartbeat(ticket) => match ticket.redeem(frame) {
                Ok(answer) if answer.error == ErrorCode::UNKNOWN => Ok(Release::Known(Profile::V0_8_2)),
                Ok(_) => return self.ask(now, Question::ListOffsets),
                Err(_) => Err(Undetermined::Malformed),
            },
            Waiting::OffsetFetch(ticket) => {
                ticket.redeem(frame).map(|_| Release::Known(Profile::V0_8_1)).map_err(|_| Undetermined::Malformed)
            }
            Waiting::ListOffsets(ticket) => {
                ticket.redeem(frame).map(|_| Release::Newer).map_err(|_| Undetermined::Malformed)
            }
            Waiting::Nothing => Err(Undetermined::Malformed),
        };
        Some(Outcome::Done(release.unwrap_or_else(Release::Undetermined)))
    }

    /// Stages a question. It is not pipelined behind Metadata, so that a connection of one request in flight will do.
    fn ask(&mut self, now: Instant, question: Question) -> Option<Outcome> {
        let Self { connection, .. } = self;
        let group = Text::from_static("kafka08-probe");
        let asked = match question {
            Question::Heartbeat => {
                let heartbeat = HeartbeatRequest { group, generation: Generation::NONE, consumer: Text::default() };
                connection.request(now, &heartbeat).map(Waiting::Heartbeat)
            }
            Question::OffsetFetch => {
                connection.request(now, &OffsetFetchRequestV0::new(group)).map(Waiting::OffsetFetch)
            }
            Question::ListOffsets => connection.request(now, &ListOffsetsRequest::new()).map(Waiting::ListOffsets),
        };
        self.waiting = match asked {
            Ok(waiting) => waiting,
            Err(SendError::Closed(_)) => Waiting::Nothing,
            Err(error) => return Some(Undetermined::NotSent(error).into()),
        };
        None
    }

    fn handle_failure(&self, error: RequestError, is_written: bool) -> Outcome {
        let is_clean_close = matches!(
            error,
            RequestError::Closed(CloseReason::Disconnected { how: Disconnect::Eof, heard: Heard::Frames, .. })
        );
        match self.waiting {
            Waiting::Metadata(_) => Undetermined::NoMetadata(error).into(),
            Waiting::Heartbeat(_) if is_clean_close && is_written => Outcome::Next(Question::OffsetFetch),
            Waiting::OffsetFetch(_) if is_clean_close && is_written => Outcome::Done(Release::Known(Profile::V0_8_0)),
            Waiting::ListOffsets(_) if is_clean_close && is_written => Outcome::Done(Release::TooNew),
            _ => Undetermined::NoAnswer(error).into(),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(profile) => write!(f, "{profile}"),
            Self::Newer => f.write_str("a Kafka newer than 0.8, which knows the requests of 0.8.2 all the same"),
            Self::TooNew => f.write_str("a Kafka too new: 4.0 or later has dropped the versions of 0.8"),
            // A release is no error, so that nobody else tells the cause.
            Self::Undetermined(why) => match why.source() {
                Some(cause) => write!(f, "undetermined: {why}: {cause}"),
                None => write!(f, "undetermined: {why}"),
            },
        }
    }
}

impl fmt::Display for Undetermined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(kind) => write!(f, "no connection came about ({kind})"),
            Self::NotSent(_) => f.write_str("the connection's settings let no request be sent"),
            Self::NoMetadata(_) => f.write_str("Metadata, which every release knows, was not answered"),
            Self::NoAnswer(_) => f.write_str("a question was neither answered nor refused by closing the connection"),
            Self::Malformed => f.write_str("an answer could not be decoded: the peer is no Kafka broker"),
        }
    }
}

impl std::error::Error for Undetermined {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotSent(error) => Some(error),
            Self::NoMetadata(error) | Self::NoAnswer(error) => Some(error),
            Self::NotConnected(_) | Self::Malformed => None,
        }
    }
}
