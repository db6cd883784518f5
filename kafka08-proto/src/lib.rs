//! The Apache Kafka 0.8 wire protocol as sans-IO state machines.
//!
//! A connection turns requests into bytes to write, and received bytes into responses. It uses no socket, no clock and
//! no thread, so the same code runs under tokio, in plain threads, in your own event loop, in a simulator and in a
//! fuzzer. The crate has both ends: [`ClientConnection`] for clients, [`ServerConnection`] for brokers, proxies and
//! mocks.
//!
//! # The idea
//!
//! Sending a request does not wait. It returns a [`Ticket`](connection::Ticket), the typed claim to the response, which has
//! the correlation id. The response arrives later as an event with this id; `ticket.redeem(frame)` checks that it is the
//! response of that request, and decodes it. One request can hold many topics and partitions, and many requests can be in
//! flight on one connection; a 0.8 broker answers them in order.
//!
//! # The run loop
//!
//! Methods named `handle_*` report what has happened. Methods named `poll_*` return the next event or deadline. `buffers`,
//! `wants_*` and `is_over` show the current state. All other methods are commands.
//!
//! 1. Make a [`ClientConnection`] for each socket, with an id that no other connection of the process has.
//! 2. Send requests with [`request`](ClientConnection::request). Each is checked, encoded, and staged until step 5 writes it.
//!    With several requests in flight, keep their tickets in a map by [`Ticket::id`](connection::Ticket::id).
//! 3. Call [`poll_event`](Connection::poll_event) until it returns `None`. Do this at least once before each wait, because
//!    received bytes are split into frames here, and writes and deadlines make events too.
//! 4. When [`is_over`](Connection::is_over) returns true, drop the socket.
//! 5. Write the bytes of [`buffers`](Connection::buffers), and advance by the number of bytes that the transport took.
//!    If the write fails, call [`handle_write_failed`](Connection::handle_write_failed); answers can still be read.
//! 6. Wait until the socket is ready or the time of [`poll_timeout`](Connection::poll_timeout) has come.
//! 7. If [`wants_read`](Connection::wants_read) returns true, read into the space of [`buffers`](Connection::buffers),
//!    and call [`handle_read`](Connection::handle_read) with the number of bytes. If the transport has ended, call
//!    [`handle_disconnect`](Connection::handle_disconnect).
//! 8. Call [`handle_timeout`](Connection::handle_timeout) with the current time. Do this after reading, so that an
//!    answer that has arrived is not timed out, and before the next write, so that an expired request is not sent.
//!
//! The following example has these steps on a blocking socket, with one request. A driver of a non-blocking socket has
//! the same steps, and reads while it writes: see `kafka08-blocking` and `kafka08-tokio`.
//!
//! ```no_run
//! use std::{io::{ErrorKind, Read, Write}, net::TcpStream, time::{Duration, Instant}};
//! use bytes::Buf;
//! use kafka08_proto::{
//!     ClientConfig, ClientConnection, ClientEvent, Connection, Disconnect, api::MetadataRequest, ids::ConnectionId,
//! };
//!
//! let mut socket = TcpStream::connect("localhost:9092")?;
//! let mut connection = ClientConnection::new(ClientConfig::default(), ConnectionId(1));             // 1
//! let ticket = connection.request(Instant::now(), &MetadataRequest::of(["access-log"]))?;           // 2
//! loop {
//!     while let Some(event) = connection.poll_event() {                                                // 3
//!         match event {
//!             ClientEvent::Response(frame) => {
//!                 println!("{:?}", ticket.redeem(frame)?);
//!                 connection.close();
//!             }
//!             ClientEvent::Written { id, .. } => println!("{id:?} is written, and will not be answered"),
//!             ClientEvent::Failed { id, error, progress, fate, .. } => {
//!                 eprintln!("{id:?}: {error}; {progress} ({fate})");
//!             }
//!             ClientEvent::Closed(closed) => eprintln!("{closed}"),
//!         }
//!     }
//!     if connection.is_over() {                                                                     // 4
//!         break;
//!     }
//!     while connection.wants_write() {                                                              // 5
//!         let (_, queue) = connection.buffers();
//!         match socket.write(queue.chunk()) {
//!             Ok(n) if n > 0 => queue.advance(n),
//!             Ok(_) => connection.handle_write_failed(ErrorKind::WriteZero),
//!             Err(error) if error.kind() == ErrorKind::Interrupted => {}
//!             Err(error) => connection.handle_write_failed(error.kind()),
//!         }
//!     }
//!     let wait = connection.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
//!     socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;                // 6
//!     if connection.wants_read() {                                                                  // 7
//!         let (space, _) = connection.buffers();
//!         match socket.read(space) {
//!             Ok(0) => connection.handle_disconnect(Disconnect::Eof),
//!             Ok(n) => connection.handle_read(Instant::now(), n),
//!             Err(error) if error.kind() == ErrorKind::Interrupted => {}
//!             // The wait is over, and nothing has come.
//!             Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
//!             Err(error) => connection.handle_disconnect(Disconnect::Error(error.kind())),
//!         }
//!     }
//!     connection.handle_timeout(Instant::now());                                                    // 8
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Failure
//!
//! Every request ends exactly once. A failure has a [`Fate`], which says whether the broker may have acted on the
//! request, and so whether sending it again may duplicate messages. An error code of a broker
//! ([`error_code::ErrorCode`]) is not a failure but data in the response. A malformed body fails its request only; a
//! malformed frame, or a response out of order, ends the connection.
//!
//! A panic is a bug in this crate, or a misuse by the caller that the method documents. Bytes from a peer never cause
//! one. There is no unsafe code, no lock, no logging, and no map whose order differs from run to run.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `gzip`, `snappy`, `lz4` | on | message sets that are compressed with the codec can be decompressed and created; without it they can be received and forwarded |
//! | `proptest` | off | `strategies`: requests, responses, message sets, malformed bytes, and ways to split a stream, for your property tests |
//! | `arbitrary` | off | `Arbitrary` for requests, responses, message sets, and ways to split a stream, for your fuzz targets |
//!
//! # Modules
//!
//! A module uses only modules of its own line and of the lines above it:
//!
//! | module | content |
//! |---|---|
//! | [`ids`], [`error_code`], [`fate`], [`limits`], [`profile`], [`partitioner`] | plain values and functions |
//! | [`wire`] | primitives: integers, strings, arrays |
//! | [`message`] | message sets: a lazy reader, a builder, compression |
//! | [`api`] | requests and responses: one file per API, both directions |
//! | [`frame`] | splitting the byte stream into frames, and the queue of frames to write |
//! | [`connection`] | the client's and the server's end of one byte stream |
//! | [`probe`] | finding the release of a broker |
//! | [`adapter`] | the errors that adapters share |
//! | `strategies` | values at random, with the feature `proptest` or `arbitrary` |

// The order of the layers is in the table above and is checked by `tests/layers.rs`; rustfmt sorts these lines by name.
pub mod adapter;
pub mod api;
#[cfg(kafka08_canary)]
#[doc(hidden)]
pub mod canary;
pub mod connection;
pub mod error_code;
pub mod fate;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod message;
pub mod partitioner;
pub mod probe;
pub mod profile;
#[cfg(any(feature = "proptest", feature = "arbitrary"))]
pub mod strategies;
pub mod wire;

pub use connection::{
    ClientConfig, ClientConnection, ClientEvent, Connection, Disconnect, Fate, ServerConfig, ServerConnection,
    ServerEvent,
};
pub use ids::HostPort;
