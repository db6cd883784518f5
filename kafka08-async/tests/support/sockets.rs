//! Peers over TCP, each on a thread of its own, which do only what a test says.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};

/// Listens for one connection, and gives it to a peer.
pub(crate) fn peer(peer: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    // A connection has the buffer of its listener. A small one makes a peer that does not read soon noticed.
    set_socket_recv_buffer_size(&listener, 4096).expect("a setting");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the client connects");
        peer(stream);
    });
    address
}

/// How a peer ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Reset,
    Close,
}

impl End {
    pub(crate) const BOTH: [Self; 2] = [Self::Reset, Self::Close];

    fn end(self, stream: TcpStream) {
        if self == Self::Reset {
            // Dropping a socket that lingers for no time resets the connection.
            set_socket_linger(&stream, Some(Duration::ZERO)).expect("a setting");
        }
        drop(stream);
    }
}

/// A peer that reads so many bytes, and ends the connection.
pub(crate) fn ends_after_reading(bytes: usize, end: End) -> SocketAddr {
    peer(move |mut stream| {
        stream.read_exact(&mut vec![0; bytes]).expect("the client writes");
        end.end(stream);
    })
}

/// A peer that reads a request of so many bytes, writes so many bytes of an answer, and ends the connection.
pub(crate) fn ends_after_writing(request: usize, bytes: usize, end: End) -> SocketAddr {
    peer(move |mut stream| {
        let mut frame = vec![0; request];
        stream.read_exact(&mut frame).expect("the client writes");
        // Length, key and version are in front of it.
        let id = i32::from_be_bytes(*frame.split_off(8).first_chunk().expect("an id"));
        let answer = crate::peers::empty(id);
        stream.write_all(answer.get(..bytes).expect("so many")).expect("the client is there");
        end.end(stream);
    })
}

/// A peer that reads what comes, and answers nothing.
pub(crate) fn never_answers() -> SocketAddr {
    peer(|mut stream| while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {})
}

/// A peer that sends one byte after another of an answer that is long. Its length and the first byte come at once.
pub(crate) fn trickles(answer: u32, pause: Duration) -> SocketAddr {
    peer(move |mut stream| {
        let mut written = stream.write_all(&[&answer.to_be_bytes()[..], &[0]].concat());
        while written.is_ok() {
            thread::sleep(pause);
            written = stream.write_all(&[0]);
        }
    })
}

/// A peer that reads nothing, for so long.
pub(crate) fn never_reads(time: Duration) -> SocketAddr {
    peer(move |_stream| thread::sleep(time))
}
