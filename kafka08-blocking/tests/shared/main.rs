//! The client for many threads, and the server of this crate.

mod clients;
mod cuts;
mod ends;
mod servers;

use std::{
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread,
    time::Duration,
};

use kafka08_blocking::{
    Call, ServeConfig, Server, SharedClient,
    proto::{
        ClientConfig,
        api::{MetadataRequest, MetadataResponse, TopicMetadata, Topics},
        error_code::ErrorCode,
    },
};

/// A server at a free port, and its address.
fn serve(config: ServeConfig, handler: impl Fn(Call) + Send + Sync + 'static) -> (Server, SocketAddr) {
    serve_at("127.0.0.1", config, handler)
}

fn serve_at(ip: &str, config: ServeConfig, handler: impl Fn(Call) + Send + Sync + 'static) -> (Server, SocketAddr) {
    let listener = TcpListener::bind((ip, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (Server::serve(listener, config, handler).expect("it serves"), address)
}

/// Answers a Metadata request with the names of the topics that it asks for.
fn echo(call: Call) {
    let topics = match call.decode::<MetadataRequest>().expect("metadata").topics {
        Topics::All => Vec::new(),
        Topics::Named(names) => names,
    };
    let topics =
        topics.into_iter().map(|name| TopicMetadata { error: ErrorCode::NONE, name, partitions: Vec::new() }).collect();
    // If the client has left, nobody needs the response.
    let _ = call.respond(&MetadataResponse::new(Vec::new(), topics));
}

fn connect(address: SocketAddr) -> SharedClient {
    connect_with(address, ClientConfig::default())
}

fn connect_with(address: SocketAddr, config: ClientConfig) -> SharedClient {
    SharedClient::connect(&address.to_string(), config).expect("it listens")
}

/// Runs a test on a thread of its own, so that a hang is a failure.
fn within<T: Send + 'static>(limit: Duration, test: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = test();
        // The receiver is gone if the limit has passed.
        let _ = sender.send(());
        result
    });
    if let Err(mpsc::RecvTimeoutError::Timeout) = receiver.recv_timeout(limit) {
        panic!("it still runs after {limit:?}");
    }
    thread.join().expect("it ends without a panic")
}

const SECOND: Duration = Duration::from_secs(1);
