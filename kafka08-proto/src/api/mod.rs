//! Requests and responses: one file per API, one type per key and version, both directions of each.
//!
//! What clients ask brokers for is here. What a controller and its brokers say to each other is in [`controller`], and what
//! 0.8 never served, joining a group and staying in it, is in [`membership`].
//!
//! This layer knows bodies. It does not know connections, so that a sniffer, a log reader or a proxy can use it alone.
//!
//! Responses are read strictly, requests as the real broker reads them: there a negative length is null, a negative count
//! is an empty array, except where Metadata says otherwise, and what is not UTF-8 in a string is replaced by U+FFFD. A null
//! topic, group or consumer comes out as an empty name. A broker may treat null and empty differently, so a proxy that must
//! change nothing forwards the bytes of a request and not what it decoded.

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

/// What can be written as a body: a request or a response of one API, or of any.
pub trait Encode {
    /// Writes it.
    ///
    /// # Errors
    /// It holds something longer than the wire can say. Nothing else is refused: see [`Request::check`].
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError>;

    /// Encodes it into one contiguous buffer.
    ///
    /// # Errors
    /// As [`Encode::encode`].
    fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder)?;
        Ok(encoder.into_bytes())
    }
}

/// The body of a request or a response: what follows the header.
///
/// It can be implemented outside this crate, for layouts of later releases or of one's own: read with
/// [`Reader`](crate::wire::Reader), write with [`Encoder`].
pub trait Body: Encode + Sized {
    /// What errors call it, for example "Metadata response".
    const NAME: &'static str;

    /// Reads it from the start of `body`, and says how many bytes it took. Strings and message sets are slices of `body`.
    ///
    /// # Errors
    /// The bytes do not have this layout: asking the peer again would bring the same.
    fn read(body: &Bytes) -> Result<(Self, usize), DecodeError>;

    /// Reads it. Bytes behind it are ignored, as every 0.8 broker does.
    ///
    /// # Errors
    /// As [`Body::read`].
    fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        Self::read(body).map(|(value, _)| value)
    }

    /// Reads it, and takes bytes behind it for an error. For tests and fuzzing.
    ///
    /// # Errors
    /// As [`Body::read`]; and bytes are left.
    fn decode_strict(body: &Bytes) -> Result<Self, DecodeError> {
        let (value, taken) = Self::read(body)?;
        finish(Self::NAME, body, taken)?;
        Ok(value)
    }
}

/// A request: what a connection must know to send it and to judge its end.
///
/// One that is implemented outside this crate is known to no [`Profile`], and is sent unchecked: encode it by
/// `Prepared::new`.
pub trait Request: Body {
    /// The body of its answer.
    type Response: Body;

    /// Its key and version.
    const API: Api;

    /// Finds what is legal on the wire and would lose data or hang.
    ///
    /// # Errors
    /// What is wrong, and what to do about it. The request was not sent.
    fn check(&self, _profile: Profile, _limits: &Limits) -> Result<(), RequestProblem> {
        Ok(())
    }

    /// Whether the broker answers at all. False only for a produce with acks = 0.
    fn expects_response(&self) -> bool {
        true
    }

    /// Whether the broker's data is different afterwards. One that fails and does not change anything may simply be sent
    /// again.
    fn changes_state(&self) -> bool {
        false
    }

    /// How long the broker may rightly take before it answers. It is added to the deadline of the request and of all
    /// that are sent behind it.
    fn server_wait(&self) -> Duration {
        Duration::ZERO
    }
}
