//! Peers on loopback that speak as badly as a test wants: plain threads and hand-written frames. The tests of both drivers
//! share them.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

/// A request as it came: without its length.
#[derive(Debug)]
pub(crate) struct Request {
    /// Its correlation id.
    pub(crate) id: i32,
}

/// Listens on a free port, and gives the first connection to `serve`, on a thread of its own.
pub(crate) fn peer(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client connects");
        // A test that fails must not leave a thread that waits for ever.
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        serve(stream);
    });
    address.to_string()
}

/// A port on which nobody listens: it is the system's. One that was free a moment ago may be another test's by now.
pub(crate) fn closed_port() -> String {
    "127.0.0.1:1".to_owned()
}

/// The next request; `None` when the client has closed.
pub(crate) fn read_request(stream: &mut impl Read) -> Option<Request> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let mut frame = vec![0; usize::try_from(u32::from_be_bytes(len)).expect("a length")];
    stream.read_exact(&mut frame).ok()?;
    let id = frame.get(4..8)?.try_into().ok().map(i32::from_be_bytes)?;
    Some(Request { id })
}

/// Answers a request.
pub(crate) fn respond(stream: &mut impl Write, id: i32, body: &[u8]) -> io::Result<()> {
    let len = u32::try_from(body.len() + 4).expect("a small body").to_be_bytes();
    stream.write_all(&[&len[..], &id.to_be_bytes(), body].concat())
}

/// A Metadata response without brokers and topics.
pub(crate) const NO_METADATA: &[u8] = &[0; 8];

/// Answers every request with [`NO_METADATA`].
pub(crate) fn answers_everything(mut stream: impl Read + Write) {
    while let Some(request) = read_request(&mut stream) {
        if respond(&mut stream, request.id, NO_METADATA).is_err() {
            return;
        }
    }
}

/// For each request, writes an answer of `size` bytes before it reads on.
pub(crate) fn answers_at_length(mut stream: impl Read + Write, size: usize) {
    // A Fetch response: one topic "t", partition 0, no error, high watermark 0, and as many bytes of messages as fill it.
    let head = [0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let filler = size - head.len() - 4;
    let len = u32::try_from(filler).expect("a length").to_be_bytes();
    let body = [&head[..], &len, &vec![0; filler]].concat();
    while let Some(request) = read_request(&mut stream) {
        if respond(&mut stream, request.id, &body).is_err() {
            return;
        }
    }
}

/// Runs `test` on a thread, and fails if it takes longer than `limit`.
pub(crate) fn within(limit: Duration, test: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || {
        test();
        // The test has ended in time, or nobody waits any more.
        let _ = done.send(());
    });
    match wait.recv_timeout(limit) {
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running after {limit:?}"),
    }
}
