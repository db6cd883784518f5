//! Which release is at the other end: a few throw-away connections, and still no I/O.
//!
//! Kafka 0.8 has no request that tells its version, and an unknown key ends the connection with all that is on it. So each
//! question gets a connection of its own, behind a Metadata request for all topics, which every release answers and which
//! creates nothing: a connection that closes after Metadata's answer says that the key is unknown, one that closes before it
//! says nothing.

use std::{fmt, io, time::Instant};

use crate::{
    api::{Body as _, HeartbeatRequest, HeartbeatResponse, MetadataRequest, OffsetFetchRequestV0},
    connection::{ClientConfig, ClientConnection, ClientEvent, CloseReason, Connection as _, RequestError, Ticket},
    error_code::ErrorCode,
    ids::{ConnectionId, CorrelationId, Generation, Text},
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
/// At most two connections are made, with two small requests each. Nothing is created or changed on the broker.
#[derive(Debug)]
pub struct Probe {
    config: ClientConfig,
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
    /// A release newer than 0.8, which knows the requests of 0.8.2 all the same, up to 3.9.
    Newer,
    /// Nothing can be said.
    Undetermined(Undetermined),
}

/// Why a [`Probe`] found nothing out. Trying again may help, except where the peer is no Kafka broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undetermined {
    /// No connection came about.
    NotConnected(io::ErrorKind),
    /// Metadata, which every release knows, was not answered.
    NoMetadata(RequestError),
    /// The question was neither answered nor refused by closing the connection.
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
    metadata: Ticket<MetadataRequest>,
    question: CorrelationId,
    metadata_came: bool,
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
            && let Some(outcome) = asking.poll_outcome(now, self.question)
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
        let group = Text::from_static("kafka08-probe");
        let staged = connection.request(now, &MetadataRequest::all()).and_then(|metadata| {
            let question = match self.question {
                Question::Heartbeat => {
                    let heartbeat = HeartbeatRequest { group, generation: Generation::NONE, consumer: Text::default() };
                    connection.request(now, &heartbeat)?.id()
                }
                Question::OffsetFetch => connection.request(now, &OffsetFetchRequestV0::new(group))?.id(),
            };
            Ok((metadata, question))
        });
        self.state = match staged {
            Ok((metadata, question)) => {
                State::Asking(Box::new(Asking { connection, metadata, question, metadata_came: false }))
            }
            // Two small requests on a fresh connection: only settings too narrow for any request refuse them.
            Err(_) => State::Done(Release::Undetermined(Undetermined::NotConnected(io::ErrorKind::InvalidInput))),
        };
    }

    /// There will be no transport.
    pub fn handle_connect_failed(&mut self, why: io::ErrorKind) {
        self.state = State::Done(Release::Undetermined(Undetermined::NotConnected(why)));
    }
}

enum Outcome {
    Next(Question),
    Done(Release),
}

impl Asking {
    fn poll_outcome(&mut self, now: Instant, question: Question) -> Option<Outcome> {
        let undetermined = |why| Some(Outcome::Done(Release::Undetermined(why)));
        while let Some(event) = self.connection.poll_event(now) {
            match event {
                ClientEvent::Response(frame) if frame.id == self.metadata.id() => {
                    if self.metadata.redeem(frame).is_err() {
                        return undetermined(Undetermined::Malformed);
                    }
                    self.metadata_came = true;
                }
                ClientEvent::Response(frame) => {
                    return Some(Outcome::Done(match question {
                        Question::OffsetFetch => Release::Known(Profile::V0_8_1),
                        Question::Heartbeat => match HeartbeatResponse::decode(&frame.body) {
                            Ok(answer) if answer.error == ErrorCode::UNKNOWN => Release::Known(Profile::V0_8_2),
                            Ok(_) => Release::Newer,
                            Err(_) => Release::Undetermined(Undetermined::Malformed),
                        },
                    }));
                }
                ClientEvent::Failed { error, .. } if !self.metadata_came => {
                    return undetermined(Undetermined::NoMetadata(error));
                }
                ClientEvent::Failed { error: RequestError::Closed(CloseReason::Disconnected { .. }), .. } => {
                    return Some(match question {
                        Question::Heartbeat => Outcome::Next(Question::OffsetFetch),
                        Question::OffsetFetch => Outcome::Done(Release::Known(Profile::V0_8_0)),
                    });
                }
                ClientEvent::Failed { error, .. } => return undetermined(Undetermined::NoAnswer(error)),
                // Neither can come before one of the above: both requests are answered, and both end before the connection.
                ClientEvent::Written { .. } | ClientEvent::Closed(_) => {}
            }
        }
        None
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(profile) => write!(f, "{profile}"),
            Self::Newer => f.write_str("a Kafka newer than 0.8"),
            Self::Undetermined(why) => write!(f, "undetermined: {why}"),
        }
    }
}

impl fmt::Display for Undetermined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(kind) => write!(f, "no connection came about ({kind})"),
            Self::NoMetadata(error) => write!(f, "Metadata, which every release knows, was not answered: {error}"),
            Self::NoAnswer(error) => write!(f, "the question was neither answered nor refused: {error}"),
            Self::Malformed => f.write_str("an answer could not be decoded: the peer is no Kafka broker"),
        }
    }
}

impl std::error::Error for Undetermined {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoMetadata(error) | Self::NoAnswer(error) => Some(error),
            Self::NotConnected(_) | Self::Malformed => None,
        }
    }
}
