//! Random calls over random streams to random peers: each call ends in time, each request ends once, and no fate is a lie.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    thread,
    time::{Duration, Instant},
};

use crate::peers::{respond, within};
use crate::sockets::pair;
use kafka08_blocking::{CallError, Client, Pending};
use kafka08_proto::{
    ClientConfig, Fate,
    api::ProduceRequest,
    ids::{Acks, CorrelationId, Millis},
    message::MessageSet,
};

const SEEDS: u64 = 40;
const CALLS: usize = 80;
/// What a busy machine may add to the time of a call.
const SLACK: Duration = Duration::from_secs(5);

/// Numbers that are the same for the same seed (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn size(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(u64::try_from(limit).expect("a small limit"))).expect("it is below the limit")
    }

    fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// A socket that takes what it likes. One that seals keeps what it was offered and reports it later, as TLS layers do.
struct Moody {
    socket: UnixStream,
    random: Random,
    seals: bool,
    /// What is sealed and not reported.
    unreported: Vec<u8>,
    /// How much of it has left.
    emitted: usize,
}

impl Moody {
    /// Lets some of what is sealed leave.
    fn emit(&mut self) -> io::Result<()> {
        while self.emitted < self.unreported.len() {
            if self.random.below(3) == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            let end = (self.emitted + 1 + self.random.size(900)).min(self.unreported.len());
            self.emitted += self.socket.write(self.unreported.get(self.emitted..end).unwrap_or_default())?;
        }
        Ok(())
    }
}

impl Read for Moody {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self.random.below(8) {
            0 => Err(ErrorKind::Interrupted.into()),
            _ => self.socket.read(space),
        }
    }
}

impl Write for Moody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.seals {
            return match self.random.below(4) {
                0 => Err(ErrorKind::WouldBlock.into()),
                1 => Err(ErrorKind::Interrupted.into()),
                _ => self.socket.write(bytes.get(..1 + self.random.size(900)).unwrap_or(bytes)),
            };
        }
        assert!(bytes.starts_with(&self.unreported), "other bytes are offered than those that are sealed");
        if self.unreported.is_empty() {
            self.unreported = bytes.get(..2000).unwrap_or(bytes).to_vec();
            self.emitted = 0;
        }
        self.emit()?;
        Ok(std::mem::take(&mut self.unreported).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.random.below(2) == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }
}

impl Drop for Moody {
    /// What is sealed may leave whoever has given it up.
    fn drop(&mut self) {
        let _ = self.emit();
    }
}

impl AsFd for Moody {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a peer got.
#[derive(Default)]
struct Got {
    /// The ids of the whole requests.
    ids: BTreeSet<i32>,
    /// Whether it read to the end.
    all: bool,
}

/// The next request: its id, and its acks.
fn read_produce(socket: &mut UnixStream) -> Option<(i32, i16)> {
    let mut len = [0; 4];
    socket.read_exact(&mut len).ok()?;
    let mut frame = vec![0; usize::try_from(u32::from_be_bytes(len)).expect("a length")];
    socket.read_exact(&mut frame).ok()?;
    // Key, version, correlation id, client id "kafka08", acks.
    assert_eq!(frame.get(..4), Some(&[0; 4][..]), "a produce");
    assert_eq!(frame.get(8..17), Some(&b"\0\x07kafka08"[..]));
    let id = frame.get(4..8)?.try_into().ok().map(i32::from_be_bytes)?;
    let acks = frame.get(17..19)?.try_into().ok().map(i16::from_be_bytes)?;
    Some((id, acks))
}

/// Reads and answers as it likes.
fn moody_peer(mut socket: UnixStream, mut random: Random) -> Got {
    let mut got = Got::default();
    let is_mortal = random.below(3) == 0;
    let mut is_mute = false;
    while let Some((id, acks)) = read_produce(&mut socket) {
        assert!(got.ids.insert(id), "request {id} came twice");
        match random.below(24) {
            0 => thread::sleep(random.millis(40)),
            1 if is_mortal => return got,
            2 => is_mute = random.below(4) == 0,
            _ => {}
        }
        if !is_mute && acks != 0 {
            // It reads on when nobody listens any more.
            is_mute = respond(&mut socket, id, &[0; 4]).is_err();
        }
    }
    Got { all: true, ..got }
}

/// How the requests of a client have ended.
#[derive(Default)]
struct Ends {
    by_id: BTreeMap<CorrelationId, Option<Fate>>,
    /// Those with acks = 0 that have not failed.
    unanswered: BTreeSet<CorrelationId>,
}

impl Ends {
    fn end(&mut self, id: CorrelationId, fate: Option<Fate>) {
        assert!(self.by_id.insert(id, fate).is_none(), "{id:?} has ended twice");
    }

    fn fail(&mut self, error: &CallError) {
        let id = error.id().expect("it was sent");
        self.unanswered.remove(&id);
        self.end(id, Some(error.fate()));
    }
}

struct Run {
    client: Client<Moody>,
    random: Random,
    pending: Vec<Pending<ProduceRequest>>,
    ends: Ends,
}

impl Run {
    fn request(&mut self, acks: Acks) -> (ProduceRequest, Duration) {
        let value = vec![7; self.random.size(3000)];
        let timeout = if self.random.below(2) == 0 { self.random.millis(20) } else { Duration::from_millis(200) };
        (ProduceRequest::new(acks, Millis(0)).with("t", 0, MessageSet::of_value(&value)), timeout)
    }

    /// One call, and the time that it has.
    fn call(&mut self) -> Duration {
        match self.random.below(10) {
            0..=3 => {
                let (request, timeout) = self.request(Acks::LEADER);
                self.pending.extend(self.client.send_with_timeout(&request, timeout).ok());
                timeout
            }
            4 | 5 => {
                let (request, timeout) = self.request(Acks::NONE);
                self.ends.unanswered.extend(self.client.send_and_forget_with_timeout(&request, timeout).ok());
                timeout
            }
            6 if !self.pending.is_empty() => {
                let pending = self.pending.swap_remove(self.random.size(self.pending.len()));
                let id = pending.id();
                match self.client.wait(pending) {
                    Ok(_) => self.ends.end(id, None),
                    Err(error) => self.ends.fail(&error),
                }
                Duration::from_millis(200)
            }
            7 if !self.pending.is_empty() => {
                drop(self.pending.swap_remove(self.random.size(self.pending.len())));
                Duration::ZERO
            }
            8 => {
                if let Err(error) = self.client.flush() {
                    error.failed.iter().for_each(|error| self.ends.fail(error));
                }
                Duration::from_millis(400)
            }
            _ => {
                self.client.turn();
                Duration::ZERO
            }
        }
    }

    fn play(mut self) -> Ends {
        for _ in 0..CALLS {
            let started = Instant::now();
            let time = self.call();
            assert!(started.elapsed() < time + SLACK, "{:?} instead of {time:?}", started.elapsed());
        }
        let claimed: BTreeSet<_> = self.pending.iter().map(Pending::id).collect();
        let report = self.client.close();
        for error in &report.failed {
            self.ends.fail(error);
        }
        for id in claimed {
            // Those that were answered and not taken are in no list.
            self.ends.by_id.entry(id).or_insert(None);
        }
        self.ends
    }
}

fn run(seed: u64, seals: bool) {
    let (socket, peer) = pair();
    peer.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let random = |salt: u64| Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt);
    let stream = Moody { socket, random: random(1), seals, unreported: Vec::new(), emitted: 0 };
    let config = ClientConfig::default().with_max_in_flight(8).with_request_timeout(Duration::from_millis(200));
    let client = if seals { Client::new(stream, config) } else { Client::of_socket(stream, config) };
    let peers_random = random(2);
    let server = thread::spawn(move || moody_peer(peer, peers_random));
    let ends = Run { client, random: random(3), pending: Vec::new(), ends: Ends::default() }.play();
    let got = server.join().expect("what it got was whole");
    let received = got.ids;
    for (id, fate) in &ends.by_id {
        match fate {
            Some(Fate::NotApplied) => assert!(!received.contains(&id.0), "seed {seed}: {id:?} was received"),
            Some(Fate::MaybeApplied) => {}
            None => assert!(received.contains(&id.0), "seed {seed}: {id:?} was answered"),
        }
    }
    if got.all {
        let lost: Vec<_> = ends.unanswered.iter().filter(|id| !received.contains(&id.0)).collect();
        assert!(lost.is_empty(), "seed {seed}: {lost:?} are neither received nor listed");
    }
}

#[test]
fn no_call_outlives_its_time_and_no_fate_is_a_lie() {
    within(Duration::from_secs(120), || {
        let threads = [(0, false), (1, false), (0, true), (1, true)].map(|(odd, seals)| {
            thread::spawn(move || (0..SEEDS).filter(|seed| seed % 2 == odd).for_each(|seed| run(seed, seals)))
        });
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}
