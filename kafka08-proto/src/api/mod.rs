//! Requests and responses. There is one file per API, with the requests and responses of all its versions.
//!
//! This module has the APIs that clients use. The APIs between a controller and its brokers are in [`controller`]. The
//! APIs by which members join a group and stay in it are in [`membership`]; 0.8 never served them.
//!
//! This layer knows the layouts of bodies. It does not know connections, so a sniffer, a log reader or a proxy can use
//! it alone.
//!
//! Responses are read strictly. Requests are read as a broker reads them: a string of negative length is null, a
//! negative count is an empty array, and bytes of a string that are not UTF-8 are replaced by U+FFFD. There are two
//! exceptions: Metadata and JoinGroup refuse a negative count, and the requests of [`membership`] refuse a string of
//! negative length.
//!
//! A null topic, group or consumer is decoded as an empty name. A broker may treat null and empty differently, so a
//! proxy that must not change a request forwards its bytes and not what it decoded.

mod any;
mod by_topic;
mod consumer_metadata;
pub mod controller;
mod fetch;
mod header;
mod list_offsets;
pub mod membership;
mod metadata;
mod offset_commit;
mod offset_fetch;
mod order;
mod partition_error;
mod problem;
mod produce;
mod set_check;
mod traits;

use std::time::Duration;

use bytes::Bytes;

pub use any::{AnyError, AnyRequest, AnyResponse};
pub use by_topic::{ByTopic, TopicItems};
pub use consumer_metadata::{ConsumerMetadataRequest, ConsumerMetadataResponse};
pub use fetch::{FetchPartition, FetchRequest, FetchResponse, FetchedPartition};
pub use header::RequestHeader;
pub use list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, PartitionOffsets};
pub use metadata::{Broker, MetadataRequest, MetadataResponse, PartitionMetadata, TopicMetadata, Topics};
pub use offset_commit::{
    OffsetCommitRequestV0, OffsetCommitRequestV1, OffsetCommitResponse, OffsetToCommitV0, OffsetToCommitV1,
};
pub use offset_fetch::{
    CommittedOffset, OffsetFetchRequestV0, OffsetFetchRequestV1, OffsetFetchResponseV0, OffsetFetchResponseV1,
};
pub use partition_error::{LeaderError, LeaderProblem, PartitionError, PartitionProblem};
pub use problem::{MAX_WAIT, NameProblem, RequestProblem, check_topic_name};
pub use produce::{ProduceRequest, ProduceResponse, ProducedPartition};
pub use traits::{Reply, RequestTraits};

use crate::{
    ids::Api,
    limits::Limits,
    profile::Profile,
    wire::{DecodeError, EncodeError, Encoder, finish},
};

/// A value that can be encoded as a body: a request or a response of one API, or of any API.
pub trait Encode {
    /// Encodes the body.
    ///
    /// # Errors
    /// A value is too long for its field. Nothing else is checked here: see [`Request::check`].
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError>;

    /// Encodes the body into one contiguous buffer.
    ///
    /// # Errors
    /// The errors of [`Encode::encode`].
    fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder)?;
        Ok(encoder.into_bytes())
    }
}

/// The body of a request or a response: the bytes after the header.
///
/// The trait can be implemented outside of this crate, for layouts of later releases or for your own. Read such a body
/// with [`Reader`](crate::wire::Reader), and write it with [`Encoder`].
pub trait Body: Encode + Sized {
    /// The name of the body in errors, for example "Metadata response".
    const NAME: &'static str;

    /// Reads a value from the start of `body`. Returns the value and the number of bytes that it took. Strings and
    /// message sets are slices of `body`.
    ///
    /// # Errors
    /// The bytes do not have this layout. The peer would answer the same request with the same bytes.
    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError>;

    /// Reads a value from the start of `body`, and ignores the bytes behind it, as every 0.8 broker does.
    ///
    /// # Errors
    /// The errors of [`Body::read`].
    fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        Self::read(body).map(|(value, _)| value)
    }

    /// Reads a value that must take all bytes of `body`. Use it for tests and fuzzing.
    ///
    /// # Errors
    /// The errors of [`Body::read`], or bytes are left behind the value.
    fn decode_strict(body: &Bytes) -> Result<Self, DecodeError> {
        let (value, taken) = Self::read(body)?;
        finish(Self::NAME, body, taken)?;
        Ok(value)
    }
}

/// The body of a request, and what a connection must know to send the request and to judge how it ended.
///
/// No [`Profile`] knows a request that is implemented outside of this crate. Encode such a request with
/// `Prepared::new`, which does not check it.
pub trait Request: Body {
    /// The body of the response.
    type Response: Body;

    /// The key and version of the request.
    const API: Api;

    /// Refuses a request that is legal on the wire, but would lose data or hang.
    ///
    /// # Errors
    /// Returns the problem, whose text says how to correct the request. The request was not sent.
    fn check(&self, _profile: Profile, _limits: &Limits) -> Result<(), RequestProblem> {
        Ok(())
    }

    /// Whether the broker answers the request. False only for a produce with acks = 0.
    fn expects_response(&self) -> bool {
        true
    }

    /// Whether the request changes the broker's data. A request that does not can simply be sent again after a failure.
    fn changes_state(&self) -> bool {
        false
    }

    /// How long the broker may wait before it answers, as the request allows. This time is added to the deadline of the
    /// request and of all requests that are sent behind it.
    fn server_wait(&self) -> Duration {
        Duration::ZERO
    }
}
