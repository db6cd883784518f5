//! The blocking client.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    rc::Rc,
    task::Poll,
    time::Duration,
};

use kafka08_blocking::{CallError, Client, Pending};
use kafka08_proto::api::{FetchRequest, MetadataRequest, ProduceRequest};
use rustix::time::{ClockId, clock_gettime};

use super::{
    account::Account,
    config,
    promise::Promise,
    requests::{Ask, Echoed},
    script::{Call, Ending, Kind, Script, Units},
    wire::Wire,
};

const UNIT: Duration = Duration::from_micros(200);

/// What a call may take beyond twice its time.
const SLACK: Duration = Duration::from_millis(3);

/// The processor time of this thread. The client never sleeps here, because its descriptor is always ready; so this is how
/// much time it has seen, without what other threads took.
fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("below a second"))
}

/// A stream that plays the script.
struct Scripted {
    wire: Rc<RefCell<Wire>>,
    is_vectored: bool,
    /// Readable and writable at any time.
    ready: UnixStream,
    _peer: UnixStream,
}

fn would_block<T>(result: Poll<io::Result<T>>) -> io::Result<T> {
    match result {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

impl Read for Scripted {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        would_block(self.wire.borrow_mut().read(now(), space))
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let slices = if self.is_vectored { slices } else { slices.get(..1).unwrap_or_default() };
        would_block(self.wire.borrow_mut().write(now(), slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        would_block(self.wire.borrow_mut().flush(now()))
    }
}

impl AsFd for Scripted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

/// The claim to an answer.
enum Claim {
    Metadata(Pending<MetadataRequest>),
    Produce(Pending<ProduceRequest>),
    Fetch(Pending<FetchRequest>),
}

struct Run {
    client: Client<Scripted>,
    wire: Rc<RefCell<Wire>>,
    account: Account,
    claims: Vec<(usize, Claim)>,
}

pub(super) fn run(script: Script) {
    let (ready, mut peer) = UnixStream::pair().expect("a pair of sockets");
    peer.write_all(&[0]).expect("an empty socket takes a byte");
    let config = config(&script, UNIT);
    let account = Account::new(UNIT, SLACK, false, config.request_timeout());
    let wire = Rc::new(RefCell::new(Wire::new(script.peer, UNIT)));
    let stream = Scripted { wire: Rc::clone(&wire), is_vectored: script.is_vectored, ready, _peer: peer };
    let mut run = Run { client: Client::new(stream, config), wire, account, claims: Vec::new() };
    for line in script.lines {
        if matches!(line.call, Call::Close) {
            break;
        }
        run.call(line.call);
    }
    run.end(script.ending);
}

impl Run {
    /// Runs a call that must have returned at `deadline`.
    fn within<T>(&mut self, deadline: Duration, call: impl FnOnce(&mut Client<Scripted>) -> T) -> T {
        let start = now();
        let limit = (deadline.saturating_sub(start)) * 2 + SLACK;
        self.wire.borrow_mut().limit = Some(start + limit);
        let result = call(&mut self.client);
        let end = now();
        note_call(&self.wire, start, end, start + limit);
        result
    }

    fn call(&mut self, call: Call) {
        match call {
            Call::Send(kind, timeout) => drop(self.send(kind, timeout).map(|claim| self.claims.push(claim))),
            Call::SendAndWait(kind) => {
                if let Some((number, claim)) = self.send(kind, None) {
                    self.wait(number, claim);
                }
            }
            Call::Forget(kind) => self.forget(kind),
            Call::ForgetMany(kind, times) => (0..times).for_each(|_| self.forget(kind)),
            Call::Wait(index) => {
                if let Some((number, claim)) = self.claim(index) {
                    self.wait(number, claim);
                }
            }
            Call::TryWait(index) => self.try_wait(index),
            Call::DropClaim(index) => drop(self.claim(index)),
            Call::Flush => {
                let deadline = self.account.drained_by(now(), &self.wire.borrow());
                let result = self.within(deadline, Client::flush);
                self.account.flushed(result);
            }
            Call::Pause(time) => {
                let end = now() + UNIT * time.0;
                while now() < end {}
            }
            Call::Abort(_) | Call::Close => {}
        }
    }

    fn claim(&mut self, index: usize) -> Option<(usize, Claim)> {
        (!self.claims.is_empty()).then(|| self.claims.remove(index % self.claims.len()))
    }

    fn send(&mut self, kind: Kind, timeout: Option<Units>) -> Option<(usize, Claim)> {
        let start = now();
        let timeout = timeout.map(|timeout| UNIT * timeout.0);
        let (number, ask) = self.account.begin(start, kind, timeout);
        let deadline = start + timeout.unwrap_or(self.account.request_timeout);
        let sent = self.within(deadline, |client| match &ask {
            Ask::Metadata(request) => send(client, request, timeout).map(Claim::Metadata),
            Ask::Produce(request) => send(client, request, timeout).map(Claim::Produce),
            Ask::Fetch(request) => send(client, request, timeout).map(Claim::Fetch),
        });
        match sent {
            Ok(claim) => {
                let id = match &claim {
                    Claim::Metadata(claim) => claim.id(),
                    Claim::Produce(claim) => claim.id(),
                    Claim::Fetch(claim) => claim.id(),
                };
                self.account.sent(number, id);
                Some((number, claim))
            }
            Err(error) => {
                self.account.end(now(), number, Err(error));
                None
            }
        }
    }

    fn forget(&mut self, kind: Kind) {
        let start = now();
        let (number, ask) = self.account.begin(start, kind, None);
        let accepted = self.within(start + self.account.request_timeout, |client| match &ask {
            Ask::Metadata(request) => client.send_and_forget(request),
            Ask::Produce(request) => client.send_and_forget(request),
            Ask::Fetch(request) => client.send_and_forget(request),
        });
        match accepted {
            Ok(id) => self.account.accepted(number, id),
            Err(error) => self.account.end(now(), number, Err(error)),
        }
    }

    fn wait(&mut self, number: usize, claim: Claim) {
        let result = self.within(self.account.deadline(number), |client| match claim {
            Claim::Metadata(claim) => echo::<MetadataRequest>(client.wait(claim)),
            Claim::Produce(claim) => echo::<ProduceRequest>(client.wait(claim)),
            Claim::Fetch(claim) => echo::<FetchRequest>(client.wait(claim)),
        });
        self.account.end(now(), number, result);
    }

    fn try_wait(&mut self, index: usize) {
        let Some((number, claim)) = self.claim(index) else { return };
        let result = self.within(now(), |client| match claim {
            Claim::Metadata(claim) => client.try_wait(claim).map(echo::<MetadataRequest>).map_err(Claim::Metadata),
            Claim::Produce(claim) => client.try_wait(claim).map(echo::<ProduceRequest>).map_err(Claim::Produce),
            Claim::Fetch(claim) => client.try_wait(claim).map(echo::<FetchRequest>).map_err(Claim::Fetch),
        });
        match result {
            Ok(result) => self.account.end(now(), number, result),
            Err(claim) => self.claims.push((number, claim)),
        }
    }

    fn end(mut self, ending: Ending) {
        if ending != Ending::Drop {
            // A client that is closed takes its answers with it.
            while let Some((number, claim)) = self.claim(0) {
                self.wait(number, claim);
            }
        }
        let start = now();
        let deadline = self.account.drained_by(start, &self.wire.borrow());
        let limit = start + (deadline - start) * 2 + SLACK;
        self.wire.borrow_mut().limit = Some(limit);
        let Self { client, wire, mut account, claims } = self;
        let closed = if ending == Ending::Drop {
            drop(client);
            None
        } else {
            Some(client.close())
        };
        note_call(&wire, start, now(), limit);
        drop(claims);
        account.judge(&wire.borrow(), closed.as_ref());
    }
}

/// Judges how long a call took.
fn note_call(wire: &RefCell<Wire>, start: Duration, end: Duration, limit: Duration) {
    let mut wire = wire.borrow_mut();
    wire.limit = None;
    Promise::Deadline.check(end <= limit, || format!("a call ended at {end:?}, its limit was {limit:?}"));
    wire.check_prompt("a call", start, end, SLACK);
}

fn send<R: Echoed>(
    client: &mut Client<Scripted>,
    request: &R,
    timeout: Option<Duration>,
) -> Result<Pending<R>, CallError> {
    match timeout {
        Some(timeout) => client.send_with_timeout(request, timeout),
        None => client.send(request),
    }
}

fn echo<R: Echoed>(result: Result<R::Response, CallError>) -> Result<Option<i64>, CallError> {
    result.map(|response| R::echo(&response))
}
