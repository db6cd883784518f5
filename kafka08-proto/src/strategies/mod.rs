//! Strategies of proptest for requests, responses, message sets, hostile bytes, and the ways in which a stream can be cut up.
//!
//! They are there with the feature `proptest`, for the tests of those who build on this crate:
//!
//! ```
//! use kafka08_proto::{api::{AnyRequest, Encode as _}, strategies};
//! use proptest::prelude::*;
//!
//! proptest! {
//!     fn what_is_forwarded_is_what_came(request in strategies::any_request(), cuts in strategies::cuts()) {
//!         let bytes = request.to_bytes()?;
//!         // What a proxy of your own would make of it, however it arrives.
//!         let forwarded: Vec<u8> = cuts.pieces(&bytes).concat();
//!         prop_assert_eq!(AnyRequest::decode(request.api(), &forwarded.into())?, request);
//!     }
//! }
//! # what_is_forwarded_is_what_came();
//! ```
//!
//! A value that a strategy gives fits the wire. Whether a broker would take it is another question:
//! [`Request::check`](crate::api::Request::check) refuses many of them.

mod bodies;
mod cuts;
mod hostile;
mod values;

pub use bodies::*;
pub use cuts::{Cuts, cuts};
pub use hostile::{hostile_frame, hostile_stream};
pub use values::*;
