//! The primitives of the protocol: big-endian integers, length-prefixed strings and bytes, arrays.
//!
//! This layer does not know Kafka's APIs. The bodies of this crate are read by nom parsers and written by [`Encoder`].
//! nom is not part of the public API: a body outside of this crate is read by [`Reader`]. Source of the layouts:
//! `ApiUtils` of 0.8.2.

mod encoder;
mod error;
mod read;
mod reader;

pub(crate) use encoder::{Chunks, SPLICE_FROM};
pub use encoder::{EncodeError, Encoder};
pub use error::{DecodeError, DecodeProblem};
pub(crate) use read::{
    Parsed, Rules, array, finish, flag, int16, int32, int64, nullable_text, parse, sized_blob, sized_blob_or_null, text,
};
pub use reader::Reader;
