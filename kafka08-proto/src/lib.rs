//! The Apache Kafka 0.8 wire protocol as sans-IO state machines.
//!
//! Feed it bytes, and it tells responses by their correlation ids; give it requests, and it has bytes to write. It never
//! touches a socket, a clock or a thread, so the same code runs under tokio, under plain threads, in an event loop of your
//! own, in a simulator and in a fuzzer. It is both ends: [`ServerConnection`] mirrors [`ClientConnection`], for brokers,
//! proxies and mocks.
//!
//! # The idea
//!
//! A request returns its correlation id at once and does not wait. Its response is picked up later by that id, whose range
//! tells which API it belongs to. Many topics and partitions travel in one request, and many requests on one connection; a
//! 0.8 broker answers them in order.
//!
//! # The run loop
//!
//! `handle_*` takes the world in, `poll_*` gives it back, other verbs are commands.
//!
//! 1. Make a [`ClientConnection`] for each socket, with an id that tells it apart from the others.
//! 2. Give it requests. Each is checked, encoded and staged, and its id is there at once.
//! 3. Take events until there are none. Frames are cut here, so do it after each step that follows.
//! 4. When [`is_over`](Connection::is_over) says so, drop the socket.
//! 5. Write what [`buffers`](Connection::buffers) holds, and advance by what the transport took. A write that fails is told
//!    by [`handle_write_failed`](Connection::handle_write_failed); answers may still be read.
//! 6. Wait, until the socket is ready or [`poll_timeout`](Connection::poll_timeout) has come.
//! 7. Read into [`buffers`](Connection::buffers), if [`wants_read`](Connection::wants_read), and say how much it was. If the
//!    transport has ended, say how.
//! 8. Tell the time. It comes after reading, because an answer that is here beats its deadline, and before the next write,
//!    because what has expired is not sent.
//!
//! This is it over a blocking socket, the simplest transport there is, with one request. A driver of a non-blocking socket
//! has the same steps, and reads while it writes: `kafka08-blocking` and `kafka08-tokio` are such drivers.
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
//! Every request ends exactly once, and a failure says whether the broker may have acted on it ([`Fate`]): a log client must
//! know whether a resend may duplicate. What a broker says about a partition ([`error_code::ErrorCode`]) is data in the
//! response. A malformed body concerns its request only; a malformed frame, or a response out of turn, ends the connection.
//!
//! A panic is a bug in this crate, or a documented misuse by its caller; no bytes of a peer cause one. There is no unsafe
//! code, no lock, no logging, and no map whose order differs from run to run.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `gzip`, `snappy`, `lz4` | on | sets that are compressed with the codec can be opened and written; without it they can be received and passed on |
//! | `proptest` | off | `strategies`: requests, responses, message sets, hostile bytes and cuts of streams, for property tests of yours |
//! | `arbitrary` | off | `Arbitrary` for requests, responses, message sets and cuts of streams, for fuzz targets of yours |
//!
//! # Modules
//!
//! Each line may use the ones above it, never those below:
//!
//! | module | what it is |
//! |---|---|
//! | [`ids`], [`error_code`], [`fate`], [`limits`], [`profile`], [`partitioner`] | plain values and functions |
//! | [`wire`] | primitives: integers, strings, arrays |
//! | [`message`] | message sets: a lazy reader, a builder, compression |
//! | [`api`] | requests and responses: one file per API, both directions |
//! | [`frame`] | cuts the stream into frames |
//! | [`connection`] | one byte stream, either end of it |
//! | [`probe`] | which release is at the other end |
//! | [`adapter`] | the errors that adapters share |
//! | `strategies` | values at random, with the feature `proptest` or `arbitrary` |

pub mod adapter;
pub mod api;
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
