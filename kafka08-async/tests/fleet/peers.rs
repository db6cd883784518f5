//! Servers and peers over TCP.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use kafka08_async::{ServeConfig, proto::api::MetadataResponse};

/// How many requests a server has answered.
pub(crate) type Answered = Arc<AtomicUsize>;

/// A server that answers each request after a time, on a thread of its own.
pub(crate) fn server(delay: Duration) -> (Answered, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    // Many links connect at once.
    rustix::net::listen(&listener, 2048).expect("it is bound");
    listener.set_nonblocking(true).expect("a setting");
    let address = listener.local_addr().expect("it is bound");
    let answered = Answered::default();
    let count = Arc::clone(&answered);
    let config = ServeConfig::default().with_max_connections(2000);
    let serving = async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("it is bound");
        let server = kafka08_tokio::Server::serve(listener, config, move |call| {
            let count = Arc::clone(&count);
            async move {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                // If the client has left, nobody needs the answer.
                let _ = call.respond(&MetadataResponse::default());
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        server.wait_ended().await;
    };
    thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(serving);
    });
    (answered, address)
}

/// A peer for one connection.
pub(crate) fn peer(peer: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the client connects");
        peer(stream);
    });
    address
}

/// Reads a request, and gives its correlation id.
pub(crate) fn read_id(stream: &mut TcpStream) -> [u8; 4] {
    let mut len = [0; 4];
    stream.read_exact(&mut len).expect("the client writes");
    let mut frame = vec![0; usize::try_from(u32::from_be_bytes(len)).expect("small")];
    stream.read_exact(&mut frame).expect("the client writes");
    // Key and version, two bytes each, are in front of it.
    *frame.split_off(4).first_chunk().expect("an id")
}

/// Answers a request for metadata: no brokers and no topics.
pub(crate) fn answer(stream: &mut TcpStream, id: [u8; 4]) {
    let frame = [&[0, 0, 0, 12][..], &id, &[0; 8]].concat();
    stream.write_all(&frame).expect("the client is there");
}

/// Waits until the client has closed the connection.
pub(crate) fn wait_closed(mut stream: TcpStream) {
    while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
}

/// An address at which nobody listens: its port is the system's. One that was free a moment ago may be another test's by now.
pub(crate) fn refusing() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 1).into()
}

/// An address that does not answer: its queue is full. It lives as long as what keeps it.
pub(crate) fn silent() -> (SocketAddr, impl Sized) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    rustix::net::listen(&listener, 0).expect("a shorter queue");
    let address = listener.local_addr().expect("it is bound");
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(stream);
    }
    (address, (listener, waiting))
}
