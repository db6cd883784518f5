//! One connection of a probe: its requests, and what their responses and the end of the connection mean.

use std::time::Instant;

use bytes::Bytes;

use super::{
    ProbeConnection, Release, UndeterminedReason,
    api_versions::{API_VERSIONS, ApiVersions},
};
use crate::{
    api::{
        Body as _, ListOffsetsRequest, ListOffsetsResponse, OffsetFetchRequestV0, OffsetFetchResponseV0, Reply,
        Request as _,
        membership::{HeartbeatRequest, HeartbeatResponse},
    },
    connection::{
        ClientConfig, ClientConnection, ClientEvent, CloseReason, Connection as _, Disconnect, Heard, PrepareError,
        Prepared, Progress, RequestError, ResponseFrame, SendError,
    },
    error_code::ErrorCode,
    ids::{Api, ConnectionId, CorrelationId, Generation, Text},
    profile::Profile,
};

/// A request of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Releases up to 3.9 answer.
    ListOffsets,
    /// 0.8.2 answers -1, later releases another code, earlier ones not at all.
    Heartbeat,
    /// 0.8.1 answers, 0.8.0 does not.
    OffsetFetch,
    /// 0.10 and later answer.
    ApiVersions,
}

/// What a response or a failure leads to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Another connection is needed, for this request.
    ConnectFor(Question),
    Found(Release),
    NotFound(UndeterminedReason),
}

#[derive(Debug)]
pub(super) struct Asking {
    pub(super) connection: ProbeConnection,
    /// The last request of this connection.
    goal: Question,
    /// The request that is in flight. There is one at a time, so a `max_in_flight` of 1 is enough.
    asked: Question,
}

impl Asking {
    /// Creates a connection, and stages its first request.
    pub(super) fn start(config: ClientConfig, goal: Question, now: Instant) -> Result<Self, SendError> {
        // A broker that has just answered ListOffsets is alive, so a close on the next request tells something about the release.
        // A peer that is sent ApiVersions has closed the connection before on ListOffsets.
        let asked = if goal == Question::ApiVersions { goal } else { Question::ListOffsets };
        let mut connection = ClientConnection::new(config, ConnectionId(0));
        asked.stage(&mut connection, now)?;
        Ok(Self { connection: ProbeConnection(connection), goal, asked })
    }

    /// Takes the connection's events, up to the one that decides something.
    pub(super) fn poll_outcome(&mut self, now: Instant) -> Option<Outcome> {
        while let Some(event) = self.connection.0.poll_event() {
            let outcome = match event {
                ClientEvent::Response(frame) => self.handle_response(now, &frame),
                ClientEvent::Failed { error, progress, .. } => Some(self.handle_failure(error, progress)),
                // A request in flight would have failed before this event, so the last request could not be staged.
                ClientEvent::Closed(closed) => {
                    Some(self.handle_failure(RequestError::Closed(closed.reason), Progress::NotSent))
                }
                // Every request of a probe has a response.
                ClientEvent::Written { .. } => None,
            };
            if outcome.is_some() {
                return outcome;
            }
        }
        None
    }

    fn handle_response(&mut self, now: Instant, frame: &ResponseFrame) -> Option<Outcome> {
        let outcome = match self.asked {
            Question::ListOffsets => match ListOffsetsResponse::decode(&frame.body) {
                Ok(_) => return self.ask(self.goal, now),
                Err(error) => Err(error),
            },
            Question::Heartbeat => HeartbeatResponse::decode(&frame.body).map(|answer| {
                let is_0_8_2 = answer.error == ErrorCode::UNKNOWN;
                Outcome::Found(if is_0_8_2 { Release::Known(Profile::V0_8_2) } else { Release::Newer })
            }),
            // 0.8.2 answers this too. If the close before had another cause, it now answers Heartbeat.
            Question::OffsetFetch => match OffsetFetchResponseV0::decode(&frame.body) {
                Ok(_) => return self.ask(Question::Heartbeat, now),
                Err(error) => Err(error),
            },
            Question::ApiVersions => ApiVersions::decode(&frame.body).map(|answer| judge(&answer)),
        };
        let malformed = |error| Outcome::NotFound(UndeterminedReason::Malformed { api: self.asked.api(), error });
        Some(outcome.unwrap_or_else(malformed))
    }

    fn ask(&mut self, question: Question, now: Instant) -> Option<Outcome> {
        self.asked = question;
        match self.asked.stage(&mut self.connection.0, now) {
            // A connection that has ended says so in its last event.
            Ok(_) | Err(SendError::Closed(_)) => None,
            Err(error) => Some(Outcome::NotFound(UndeterminedReason::NotSent(error))),
        }
    }

    fn handle_failure(&self, error: RequestError, progress: Progress) -> Outcome {
        // `Unanswered` means that the whole request was written, and no byte of the response had come.
        let heard_before_clean_close = match &error {
            RequestError::Closed(CloseReason::Disconnected { how: Disconnect::Eof, heard, .. })
                if progress == Progress::Unanswered =>
            {
                Some(*heard)
            }
            _ => None,
        };
        match (self.asked, self.goal, heard_before_clean_close) {
            (Question::ListOffsets, Question::Heartbeat, Some(Heard::Nothing)) => {
                Outcome::ConnectFor(Question::ApiVersions)
            }
            // It has answered OffsetFetch before, so it is not 0.8.0.
            (Question::Heartbeat, Question::OffsetFetch, Some(Heard::Frames)) => {
                Outcome::Found(Release::Known(Profile::V0_8_1))
            }
            (Question::Heartbeat, _, Some(Heard::Frames)) => Outcome::ConnectFor(Question::OffsetFetch),
            (Question::OffsetFetch, _, Some(Heard::Frames)) => Outcome::Found(Release::Known(Profile::V0_8_0)),
            (Question::ApiVersions, _, Some(Heard::Nothing)) => Outcome::NotFound(UndeterminedReason::NothingAnswered),
            _ => Outcome::NotFound(UndeterminedReason::NoAnswer { api: self.asked.api(), error, progress }),
        }
    }
}

impl Question {
    fn api(self) -> Api {
        match self {
            Self::ListOffsets => ListOffsetsRequest::API,
            Self::Heartbeat => HeartbeatRequest::API,
            Self::OffsetFetch => OffsetFetchRequestV0::API,
            Self::ApiVersions => API_VERSIONS,
        }
    }

    fn stage(self, connection: &mut ClientConnection, now: Instant) -> Result<CorrelationId, SendError> {
        let group = Text::from_static("kafka08-probe");
        let unencodable = |error| SendError::Prepare(PrepareError::Encode(error));
        let prepared = match self {
            Self::ListOffsets => Prepared::new(&ListOffsetsRequest::new()),
            Self::Heartbeat => {
                Prepared::new(&HeartbeatRequest { group, generation: Generation::NONE, consumer: Text::default() })
            }
            Self::OffsetFetch => Prepared::new(&OffsetFetchRequestV0::new(group)),
            Self::ApiVersions => Ok(Prepared::raw(API_VERSIONS, Bytes::new(), Reply::Expected)),
        };
        // Not checked against a profile, because the probe is to find that out.
        connection.send(now, &prepared.map_err(unencodable)?)
    }
}

/// What the response to ApiVersions tells about a peer that has closed a connection on ListOffsets.
fn judge(answer: &ApiVersions) -> Outcome {
    if !answer.error.is_ok() {
        Outcome::NotFound(UndeterminedReason::VersionsRefused(answer.error))
    } else if answer.lists(ListOffsetsRequest::API) {
        // 3.9.1 with SASL does so: until a client is authenticated, it closes the connection on every request but ApiVersions.
        Outcome::NotFound(UndeterminedReason::KnownButRefused)
    } else {
        Outcome::Found(Release::TooNew)
    }
}
