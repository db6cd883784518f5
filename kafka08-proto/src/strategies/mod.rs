//! Requests, responses, message sets, hostile bytes, and the ways in which a stream can be cut up, made at random: for the
//! tests of those who build on this crate.
//!
//! With the feature `proptest` they are strategies. With the feature `arbitrary`, every request and response, [`MessageSet`],
//! [`ByTopic`] and [`Cuts`] implement `Arbitrary`, for fuzz targets.
//!
//! [`MessageSet`]: crate::message::MessageSet
//! [`ByTopic`]: crate::api::ByTopic
//!
#![cfg_attr(feature = "proptest", doc = "```")]
#![cfg_attr(not(feature = "proptest"), doc = "```ignore")]
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

#[cfg(feature = "arbitrary")]
mod arbitrary;
#[cfg(feature = "proptest")]
mod bodies;
mod cuts;
#[cfg(feature = "proptest")]
mod hostile;
#[cfg(feature = "proptest")]
mod values;

#[cfg(feature = "proptest")]
pub use bodies::*;
pub use cuts::Cuts;
#[cfg(feature = "proptest")]
pub use cuts::cuts;
#[cfg(feature = "proptest")]
pub use hostile::{hostile_frame, hostile_stream};
#[cfg(feature = "proptest")]
pub use values::*;
