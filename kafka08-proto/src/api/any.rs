//! Requests and responses of any API, read by key and version. This module is for dissectors, proxies and brokers.

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

/// A body could not be read by its key and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnyError {
    /// No 0.8 release knows this key or, for OffsetCommit, this version. A broker closes the connection on such a
    /// request.
    UnknownApi(Api),
    /// The correlation id is not in the range of any API. Only the request tells what the response is.
    UnknownRange(CorrelationId),
    /// The body does not have the API's layout.
    Malformed(DecodeError),
}

impl fmt::Display for AnyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownApi(api) => write!(f, "no Kafka 0.8 release knows {api}"),
            Self::UnknownRange(id) => {
                write!(
                    f,
                    "correlation id {id} does not tell the API of the response: decode it by the API of its request"
                )
            }
            Self::Malformed(error) => fmt::Display::fmt(error, f),
        }
    }
}

/// The text of a malformed body is that of the inner error, which has no cause of its own.
impl std::error::Error for AnyError {}

impl From<DecodeError> for AnyError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// Defines both enums from one list, so that none of their matches can omit an API.
macro_rules! any {
    ($($(#[$doc:meta])* $variant:ident, $request:ident, $response:ident;)*) => {
        /// A request of any API, with one variant per key and version.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is named after what it holds")]
        pub enum AnyRequest {
            $($(#[$doc])* $variant($request),)*
        }

        /// A response of any API, with one variant per key and version of the request.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is named after what it holds")]
        pub enum AnyResponse {
            $($(#[$doc])* $variant($response),)*
        }

        impl AnyRequest {
            /// Every key and version that has a variant.
            pub const APIS: &[Api] = &[$($request::API),*];

            /// Reads the body of a request as a broker of 0.8.2 does. The version matters only for OffsetCommit and
            /// OffsetFetch.
            ///
            /// # Errors
            /// The key is not known, the version of OffsetCommit is neither 0 nor 1, or the body is malformed. A broker
            /// closes the connection in each case.
            pub fn decode(api: Api, body: &Bytes) -> Result<Self, AnyError> {
                match layout_of(api) {
                    $(Some(api) if api == $request::API => Ok(Self::$variant($request::decode(body)?)),)*
                    _ => Err(AnyError::UnknownApi(api)),
                }
            }

            /// The key and version of the request.
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
            /// Reads the body of the response to a request of this key and version.
            ///
            /// # Errors
            /// The key or the version is not known, or the body is malformed.
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

/// The key and version whose layout a broker of 0.8.2 uses to read a request (`RequestKeys.deserializerForKey`).
fn layout_of(api: Api) -> Option<Api> {
    match (api.key, api.version.0) {
        (ApiKey::OFFSET_COMMIT, 0) => Some(OffsetCommitRequestV0::API),
        (ApiKey::OFFSET_COMMIT, 1) => Some(OffsetCommitRequestV1::API),
        // 0.8.2 fails on any other version of this key, and closes the connection.
        (ApiKey::OFFSET_COMMIT, _) => None,
        (ApiKey::OFFSET_FETCH, 0) => Some(OffsetFetchRequestV0::API),
        (ApiKey::OFFSET_FETCH, _) => Some(OffsetFetchRequestV1::API),
        // A broker of 0.8.2 ignores the version of every other key.
        (key, _) => key.name().map(|_| Api::v0(key)),
    }
}

impl AnyResponse {
    /// Reads the frame of a response, without its length, when the request is not known. The range of the correlation
    /// id tells the API.
    ///
    /// This works for responses to requests that this crate's connections sent. Responses of OffsetCommit and
    /// OffsetFetch are returned as version 0, which has the layouts of version 1. Only the request tells how an
    /// OffsetFetch response says that nothing is committed.
    ///
    /// # Errors
    /// The id is not in the range of any API, or the frame is malformed.
    pub fn decode_alone(frame: &Bytes) -> Result<(CorrelationId, Self), AnyError> {
        let (id, taken) = parse("response header", frame, |i| int32::<i32>("correlation_id", i))?;
        let id = CorrelationId(id);
        // Only this crate's connections use these ranges. The ids of other clients do not tell the API.
        let key = id.api_key().ok_or(AnyError::UnknownRange(id))?;
        Ok((id, Self::decode(Api::v0(key), &frame.slice(taken..))?))
    }
}
