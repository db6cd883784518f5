//! Each method ends within its own time, whatever stands in front of it.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    thread,
    time::{Duration, Instant},
};

use crate::peers::within;
use crate::sockets::pair;
use kafka08_blocking::{CallError, Client, Pending};
use kafka08_proto::{
    ClientConfig, Fate,
    api::{FetchRequest, MetadataRequest, ProduceRequest},
    connection::SendError,
    ids::{Acks, Millis, Offset},
    message::MessageSet,
};

/// The time that a method is given.
const OWN: Duration = Duration::from_millis(50);
/// The time of what stands in front.
const OTHERS: Duration = Duration::from_secs(600);
/// How long a busy machine may take for [`OWN`].
const LIMIT: Duration = Duration::from_secs(20);

/// A socket whose writes fail after so many.
struct Stream {
    socket: UnixStream,
    writes_left: usize,
}

impl Read for Stream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.socket.read(space)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes_left = self.writes_left.checked_sub(1).ok_or(ErrorKind::BrokenPipe)?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A client, whose requests have [`OWN`] time, and the peer's end.
type Ends = (Client<Stream>, UnixStream);

fn client(config: ClientConfig, writes_left: usize) -> Ends {
    let (socket, peer) = pair();
    (Client::of_socket(Stream { socket, writes_left }, config.with_request_timeout(OWN)), peer)
}

/// Builds what needs requests that were sent before the one in front of them had timed out. Behind that one there is no room,
/// and the connection ends if no other request is live. So what a busy machine builds too late is built anew.
fn in_time<T>(build: impl Fn() -> Result<T, CallError>) -> T {
    let is_built = |built: Result<T, CallError>| match built {
        Err(CallError::NotSent(SendError::TimedOut { .. } | SendError::Closed(_))) => None,
        built => Some(built.expect("only room may be missing")),
    };
    (0..20).find_map(|_| is_built(build())).expect("one of 20 is built in time")
}

/// What stands in front of a method. What of it is staged has the time that is given; the rest has [`OTHERS`].
type Obstacle = fn(Duration) -> Ends;

const OBSTACLES: [(&str, Obstacle); 5] = [
    ("a long poll, with no place behind it", |_| {
        let (mut client, peer) = client(ClientConfig::default().with_max_in_flight(1), usize::MAX);
        let fetch = FetchRequest::new(Millis(600_000), 1).with("t", 0, Offset(0), 1);
        client.send_and_forget(&fetch).expect("there is room");
        (client, peer)
    }),
    ("a request that has timed out, with a live one behind it", |_| {
        in_time(|| {
            let (mut client, peer) = client(ClientConfig::default(), usize::MAX);
            let hasty = client.send_with_timeout(&MetadataRequest::all(), OWN / 10)?;
            client.send_and_forget_with_timeout(&MetadataRequest::all(), OTHERS)?;
            client.wait(hasty).expect_err("nobody answers");
            Ok((client, peer))
        })
    }),
    ("a peer that does not read", |time| {
        let (mut client, peer) = client(ClientConfig::default(), usize::MAX);
        // More than the buffers of a Unix socket, and what may be staged.
        let large = MessageSet::of_value(&vec![7; 900_000]);
        let produce = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, large);
        client.send_and_forget_with_timeout(&produce, time).expect("there is room");
        (client, peer)
    }),
    ("a failed write, with an answer owed", |_| {
        let (mut client, peer) = client(ClientConfig::default(), 1);
        client.send_and_forget_with_timeout(&MetadataRequest::all(), OTHERS).expect("there is room");
        client.send_and_forget(&MetadataRequest::all()).expect("it is staged, and fails");
        (client, peer)
    }),
    ("the end of the connection", |_| {
        let (mut client, peer) = client(ClientConfig::default(), usize::MAX);
        client.send_and_forget_with_timeout(&MetadataRequest::all(), OTHERS).expect("there is room");
        drop(peer);
        // Somebody has to be the peer.
        (client, UnixStream::pair().expect("a pair of sockets").0)
    }),
];

fn assert_not_sent<T>(result: Result<T, CallError>) {
    let Err(error) = result else { panic!("there is no room, or no connection") };
    assert_eq!(error.fate(), Fate::NotApplied);
    assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
}

/// A method that is to end, and the time that staged requests in front of it have.
type Method = fn(Client<Stream>);

const METHODS: [(&str, Duration, Method); 8] = [
    ("send", OTHERS, |mut client| {
        client.turn();
        assert_not_sent(client.send(&MetadataRequest::all()));
    }),
    ("send_with_timeout", OTHERS, |mut client| {
        client.turn();
        assert_not_sent(client.send_with_timeout(&MetadataRequest::all(), OWN));
    }),
    ("send_and_forget", OTHERS, |mut client| {
        client.turn();
        assert_not_sent(client.send_and_forget(&MetadataRequest::all()));
    }),
    ("call", OTHERS, |mut client| {
        client.turn();
        assert_not_sent(client.call(&MetadataRequest::all()));
    }),
    ("turn", OTHERS, |mut client| while client.turn() {}),
    // They wait for what is staged, for as long as it has time.
    ("flush", OWN, |mut client| drop(client.flush())),
    ("close", OWN, |client| drop(client.close())),
    ("drop", OTHERS, drop),
];

fn assert_in_time(what: &str, test: impl FnOnce()) {
    let started = Instant::now();
    test();
    let elapsed = started.elapsed();
    assert!(elapsed < LIMIT, "{what}: {elapsed:?}");
}

#[test]
fn every_method_ends_within_its_own_time_behind_every_obstacle() {
    within(Duration::from_secs(60), || {
        let threads = OBSTACLES.map(|(obstacle, behind)| {
            thread::spawn(move || {
                for (method, time, call) in METHODS {
                    let (client, _peer) = behind(time);
                    assert_in_time(&format!("{method} behind {obstacle}"), || call(client));
                }
            })
        });
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

/// A claim to the answer of a request that has [`OWN`] time, and what may stand around it.
type Claimed = fn(&mut Client<Stream>) -> Result<Pending<MetadataRequest>, CallError>;

fn claim(client: &mut Client<Stream>) -> Pending<MetadataRequest> {
    client.send(&MetadataRequest::all()).expect("there is room")
}

fn ask(client: &mut Client<Stream>, timeout: Duration) {
    client.send_and_forget_with_timeout(&MetadataRequest::all(), timeout).expect("there is room");
}

const CLAIMS: [(&str, usize, Claimed); 5] = [
    ("behind a long poll", usize::MAX, |client| {
        // What a broker may rightly wait counts for those behind it too.
        let wait = Millis(i32::try_from(OWN.as_millis()).expect("a short time"));
        client.send_and_forget(&FetchRequest::new(wait, 1).with("t", 0, Offset(0), 1)).expect("there is room");
        Ok(claim(client))
    }),
    ("behind a request that is not answered", usize::MAX, |client| {
        ask(client, OTHERS);
        Ok(claim(client))
    }),
    ("behind a request that has timed out", usize::MAX, |client| {
        ask(client, OWN / 10);
        client.send_and_forget_with_timeout(&MetadataRequest::all(), OTHERS)?;
        client.send(&MetadataRequest::all())
    }),
    ("behind a peer that does not read", usize::MAX, |client| {
        let large = MessageSet::of_value(&vec![7; 900_000]);
        let produce = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, large);
        client.send_and_forget_with_timeout(&produce, OTHERS).expect("there is room");
        Ok(claim(client))
    }),
    ("in front of a failed write", 1, |client| {
        let pending = claim(client);
        ask(client, OTHERS);
        Ok(pending)
    }),
];

#[test]
fn every_wait_ends_within_the_time_of_its_request() {
    within(Duration::from_secs(60), || {
        for (what, writes_left, sent) in CLAIMS {
            let (mut client, _peer, pending) = in_time(|| {
                let (mut client, peer) = client(ClientConfig::default().with_max_staged(1 << 30), writes_left);
                let pending = sent(&mut client)?;
                Ok((client, peer, pending))
            });
            assert_in_time(what, || drop(client.wait(pending).expect_err("nobody answers")));
        }
    });
}
