//! Generators of random requests, responses, message sets, invalid bytes, and splits of a stream into pieces. Crates
//! that depend on this crate can use the generators in their tests.
//!
//! With the feature `proptest`, the generators are strategies. With the feature `arbitrary`, every request and
//! response, [`MessageSet`], [`ByTopic`] and [`Cuts`] implement `Arbitrary` for fuzz targets.
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
//!         // Replace the next line with your proxy. The proxy receives the bytes in these pieces.
//!         let forwarded: Vec<u8> = cuts.pieces(&bytes).concat();
//!         prop_assert_eq!(AnyRequest::decode(request.api(), &forwarded.into())?, request);
//!     }
//! }
//! # what_is_forwarded_is_what_came();
//! ```
//!
//! Each generated request and response can be encoded, but a broker may reject it.
//! [`Request::check`](crate::api::Request::check) returns an error for many generated requests.

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
