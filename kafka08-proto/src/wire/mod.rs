//! The primitives of the wire: big-endian integers, length-prefixed strings and bytes, arrays.
//!
//! This layer knows bytes, not Kafka's services. Reading is by nom parsers over a body that is already delimited, writing
//! by [`Encoder`]. nom stays inside: [`Reader`] is the way for bodies that are implemented outside this crate. Source of the layouts: `ApiUtils` of 0.8.2.

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
