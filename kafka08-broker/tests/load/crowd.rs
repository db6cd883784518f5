//! Clients that use a server badly.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Connections and threads that go on until this value is dropped.
#[derive(Default)]
pub(crate) struct Crowd {
    sockets: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
    stops: Arc<AtomicBool>,
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        self.sockets.iter().for_each(|socket| drop(socket.shutdown(std::net::Shutdown::Both)));
        self.threads.drain(..).for_each(|thread| thread.join().expect("the thread has not panicked"));
    }
}

/// A request: the length, the header with this key and correlation id 1, and the body.
pub(crate) fn frame(key: i16, body: &[u8]) -> Vec<u8> {
    let len = i32::try_from(body.len() + 10).expect("it fits the wire");
    let parts = [&len.to_be_bytes()[..], &key.to_be_bytes(), &[0, 0, 0, 0, 0, 1, 0xff, 0xff], body];
    parts.concat()
}

/// A Fetch of one partition from its start on.
pub(crate) fn fetch(topic: &str, max_wait: i32, min_bytes: i32, max_bytes: i32) -> Vec<u8> {
    let len = i16::try_from(topic.len()).expect("a short name");
    let parts = [
        &(-1i32).to_be_bytes()[..],
        &max_wait.to_be_bytes(),
        &min_bytes.to_be_bytes(),
        &1i32.to_be_bytes(),
        &len.to_be_bytes(),
        topic.as_bytes(),
        &1i32.to_be_bytes(),
        &0i32.to_be_bytes(),
        &0i64.to_be_bytes(),
        &max_bytes.to_be_bytes(),
    ];
    frame(1, &parts.concat())
}

fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).expect("the server listens")
}

impl Crowd {
    /// The number of connections that the crowd has kept, those of its threads not counted.
    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Connections that say nothing.
    pub(crate) fn idle(mut self, address: SocketAddr, count: usize) -> Self {
        self.sockets.extend((0..count).map(|_| connect(address)));
        self
    }

    /// Connections that write these bytes and then do nothing.
    pub(crate) fn saying(mut self, address: SocketAddr, count: usize, bytes: &[u8]) -> Self {
        for _ in 0..count {
            let mut socket = connect(address);
            socket.set_write_timeout(Some(Duration::from_secs(1))).expect("a timeout");
            // A server that does not read takes only a part.
            let _ = socket.write_all(bytes);
            self.sockets.push(socket);
        }
        self
    }

    /// Connections each of which writes a byte of a request every 100 ms.
    pub(crate) fn dripping(mut self, address: SocketAddr, count: usize) -> Self {
        let stops = Arc::clone(&self.stops);
        let mut sockets: Vec<TcpStream> = (0..count).map(|_| connect(address)).collect();
        self.threads.push(thread::spawn(move || {
            // The length of a request of 64 KiB, whose bytes take two hours.
            for byte in [0u8, 1, 0, 0].into_iter().chain(std::iter::repeat(0)) {
                sockets.iter_mut().for_each(|socket| drop(socket.write(&[byte])));
                thread::sleep(Duration::from_millis(100));
                if stops.load(Ordering::Relaxed) {
                    return;
                }
            }
        }));
        self
    }

    /// A connection that writes the same request as fast as it can, and reads the answers.
    pub(crate) fn flooding(mut self, address: SocketAddr, request: &[u8], at_once: usize) -> Self {
        let mut reader = connect(address);
        let mut writer = reader.try_clone().expect("a descriptor");
        let ending = reader.try_clone().expect("a descriptor");
        let requests = request.repeat(at_once);
        self.threads.push(thread::spawn(move || while writer.write_all(&requests).is_ok() {}));
        self.threads.push(thread::spawn(move || {
            let mut space = vec![0; 1 << 20];
            while reader.read(&mut space).is_ok_and(|n| n > 0) {}
        }));
        self.sockets.push(ending);
        self
    }
}
