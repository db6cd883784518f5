//! Any request and any response, by key and version: for dissectors, proxies and brokers.

use std::fmt;

use bytes::Bytes;

use super::{
    Body, ConsumerMetadataRequest, ConsumerMetadataResponse, Encode, FetchRequest, FetchResponse, ListOffsetsRequest,
    ListOffsetsResponse, MetadataRequest, MetadataResponse, OffsetCommitRequestV0, OffsetCommitRequestV1,
    OffsetCommitResponse, OffsetFetchRequestV0, OffsetFetchRequestV1, OffsetFetchResponseV0, OffsetFetchResponseV1,
    ProduceRequest, ProduceResponse, Request as _,
    controller::{
        ControlledShutdownRequest, ControlledShutdownResponse, LeaderAndIsrRequest, LeaderAndIsrResponse,
        StopReplicaRequest, StopReplicaResponse, UpdateMetadataRequest, UpdateMetadataResponse,
    },
    membership::{HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse},
};
use crate::{
    ids::{Api, ApiKey, CorrelationId},
    wire::{DecodeError, EncodeError, Encoder, int32, parse},
};

/// Why a body could not be read by its key and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnyError {
    /// No 0.8 release knows this key, or this version of it where versions matter. A broker closes the connection.
    UnknownApi(Api),
    /// The correlation id is in no API's range, so that only the request would tell what the response is.
    UnknownRange(CorrelationId),
    /// The body does not have the API's layout.
    Malformed(DecodeError),
}

impl fmt::Display for AnyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownApi(api) => write!(f, "no Kafka 0.8 release knows {api}"),
            Self::UnknownRange(id) => {
                write!(f, "correlation id {id} tells no API: the request is needed to read its response")
            }
            Self::Malformed(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for AnyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // It speaks for itself, so that its own cause is the next one.
            Self::Malformed(error) => error.source(),
            Self::UnknownApi(_) | Self::UnknownRange(_) => None,
        }
    }
}

impl From<DecodeError> for AnyError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// Writes the two enums, so that none of their matches can forget an API.
macro_rules! any {
    ($($(#[$doc:meta])* $variant:ident, $request:ident, $response:ident;)*) => {
        /// A request of any API, by its key and version.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is named after what it holds")]
        pub enum AnyRequest {
            $($(#[$doc])* $variant($request),)*
        }

        /// A response of any API, by the key and version of its request.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is named after what it holds")]
        pub enum AnyResponse {
            $($(#[$doc])* $variant($response),)*
        }

        impl AnyRequest {
            /// Every key and version that has a layout of its own.
            pub const APIS: &[Api] = &[$($request::API),*];

            /// Reads a request's body as a broker of 0.8.2 does: the version counts for OffsetCommit and OffsetFetch only.
            ///
            /// # Errors
            /// A key that is not known, a version of OffsetCommit other than 0 and 1, or a malformed body. A broker closes
            /// the connection on each.
            pub fn decode(api: Api, body: &Bytes) -> Result<Self, AnyError> {
                match layout_of(api) {
                    $(Some(api) if api == $request::API => Ok(Self::$variant($request::decode(body)?)),)*
                    _ => Err(AnyError::UnknownApi(api)),
                }
            }

            /// Its key and version.
            #[must_use]
            pub fn api(&self) -> Api {
                match self {
                    $(Self::$variant(_) => $request::API,)*
                }
            }
        }

        impl Encode for AnyRequest {
            fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
                match self {
                    $(Self::$variant(body) => body.encode(to),)*
                }
            }
        }

        impl AnyResponse {
            /// Reads a response's body, whose request had this key and version.
            ///
            /// # Errors
            /// A key or version that is not known, or a malformed body.
            pub fn decode(api: Api, body: &Bytes) -> Result<Self, AnyError> {
                match layout_of(api) {
                    $(Some(api) if api == $request::API => Ok(Self::$variant($response::decode(body)?)),)*
                    _ => Err(AnyError::UnknownApi(api)),
                }
            }
        }

        impl Encode for AnyResponse {
            fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
                match self {
                    $(Self::$variant(body) => body.encode(to),)*
                }
            }
        }
    };
}

any! {
    Produce, ProduceRequest, ProduceResponse;
    Fetch, FetchRequest, FetchResponse;
    ListOffsets, ListOffsetsRequest, ListOffsetsResponse;
    Metadata, MetadataRequest, MetadataResponse;
    LeaderAndIsr, LeaderAndIsrRequest, LeaderAndIsrResponse;
    StopReplica, StopReplicaRequest, StopReplicaResponse;
    UpdateMetadata, UpdateMetadataRequest, UpdateMetadataResponse;
    ControlledShutdown, ControlledShutdownRequest, ControlledShutdownResponse;
    OffsetCommitV0, OffsetCommitRequestV0, OffsetCommitResponse;
    OffsetCommitV1, OffsetCommitRequestV1, OffsetCommitResponse;
    OffsetFetchV0, OffsetFetchRequestV0, OffsetFetchResponseV0;
    OffsetFetchV1, OffsetFetchRequestV1, OffsetFetchResponseV1;
    ConsumerMetadata, ConsumerMetadataRequest, ConsumerMetadataResponse;
    JoinGroup, JoinGroupRequest, JoinGroupResponse;
    Heartbeat, HeartbeatRequest, HeartbeatResponse;
}

/// The layout that a broker of 0.8.2 reads a request by (`RequestKeys.deserializerForKey`).
fn layout_of(api: Api) -> Option<Api> {
    match (api.key, api.version.0) {
        (ApiKey::OFFSET_COMMIT, 0) => Some(OffsetCommitRequestV0::API),
        (ApiKey::OFFSET_COMMIT, 1) => Some(OffsetCommitRequestV1::API),
        // 0.8.2 fails on any other version of this key, and closes the connection.
        (ApiKey::OFFSET_COMMIT, _) => None,
        (ApiKey::OFFSET_FETCH, 0) => Some(OffsetFetchRequestV0::API),
        (ApiKey::OFFSET_FETCH, _) => Some(OffsetFetchRequestV1::API),
        // A broker of 0.8.2 looks at the version of no other key.
        (key, _) => key.name().map(|_| Api::v0(key)),
    }
}

impl AnyResponse {
    /// Reads a response's frame, without its length, that is seen alone: the range of its correlation id tells the API.
    ///
    /// Works for requests that this crate's connections sent. OffsetCommit and OffsetFetch come out as version 0, whose
    /// layouts are those of version 1. What an OffsetFetch means by "nothing committed" only its request tells.
    ///
    /// # Errors
    /// The id tells no API, or the frame is malformed.
    pub fn decode_alone(frame: &Bytes) -> Result<(CorrelationId, Self), AnyError> {
        let (id, taken) = parse("response header", frame, |i| int32::<i32>("correlation_id", i))?;
        let id = CorrelationId(id);
        // The ranges are those of this crate's connections. Another client's ids tell nothing.
        let key = id.api_key().ok_or(AnyError::UnknownRange(id))?;
        Ok((id, Self::decode(Api::v0(key), &frame.slice(taken..))?))
    }
}
