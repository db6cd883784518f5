//! The socket of one link, and how its bytes are moved.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_io::{AsyncRead, AsyncWrite};
use kafka08_client::machine::{LinkId, Machine};
use kafka08_proto::{ClientConnection, Connection as _, HostPort, adapter::ConnectError};

use super::board::{Bell, Board};
use crate::{
    Runtime, Wrap,
    io::{self, Driver, READ_PER_TURN, STEPS_PER_TURN},
};

/// The stream of a socket of a runtime.
type Stream<Rt> = <Rt as Wrap<<Rt as Runtime>::TcpStream>>::Stream;

type Connected<T> = Result<(T, SocketAddr), ConnectError>;

/// A link of the machine.
pub(super) struct Link<Rt: Wrap<<Rt as Runtime>::TcpStream>> {
    pub(super) bell: Arc<Bell>,
    /// The bell as a waker. It is kept so that a touch does not make one.
    waker: Waker,
    phase: Phase<Rt>,
    /// Whether the link is in the list of those on which answers may be due.
    pub(super) is_watched: bool,
    /// Whether a request was in flight when the link was last touched.
    pub(super) is_owed: bool,
}

enum Phase<Rt: Wrap<<Rt as Runtime>::TcpStream>> {
    Connecting(Pin<Box<dyn Future<Output = Connected<Rt::TcpStream>> + Send>>),
    Open(Socket<Stream<Rt>>),
}

/// What comes of polling a link that is not connected yet.
pub(super) enum Connecting {
    /// It is connected, and its socket was not touched yet.
    Ready,
    Failed(ConnectError),
    Pending,
}

impl<Rt: Wrap<<Rt as Runtime>::TcpStream>> Link<Rt> {
    /// Begins to connect when it is polled first.
    pub(super) fn connect(id: LinkId, to: HostPort, within: Duration, board: &Arc<Board>) -> Self {
        let bell = Bell::new(id, board);
        let waker = Waker::from(Arc::clone(&bell));
        let phase = Phase::Connecting(Box::pin(async move { io::connect::<Rt>(&to, within).await }));
        Self { bell, waker, phase, is_watched: false, is_owed: false }
    }

    /// Polls the attempt to connect. `None` if the link is connected already.
    pub(super) fn poll_connect(&mut self) -> Option<Connecting> {
        let Phase::Connecting(attempt) = &mut self.phase else { return None };
        Some(match attempt.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Pending => Connecting::Pending,
            Poll::Ready(Err(error)) => Connecting::Failed(error),
            Poll::Ready(Ok((stream, _))) => {
                self.phase = Phase::Open(Socket::new(Driver::of_socket(Rt::wrap(stream))));
                Connecting::Ready
            }
        })
    }

    /// Moves bytes, up to a limit. With `is_ready` the socket may be ready; otherwise only attempts are made that were not found
    /// to block.
    pub(super) fn pump<M: Machine>(&mut self, machine: &mut M, id: LinkId, is_ready: bool, now: Instant) -> Pumped {
        let Phase::Open(socket) = &mut self.phase else { return Pumped::default() };
        if is_ready {
            // The bell does not say which way is ready, so both are tried. A link that was only named keeps its flags:
            // a read that would block is a system call for nothing.
            socket.blocks_reads = false;
            socket.blocks_writes = false;
        }
        let mut pumped = Pumped::default();
        let cx = &mut Context::from_waker(&self.waker);
        let mut steps = STEPS_PER_TURN;
        loop {
            // Asked for in each round, because the machine may have dropped the link in `handle_progress`.
            let Some(connection) = machine.link(id) else { return pumped };
            self.is_owed = connection.in_flight() > 0;
            // Reading comes first, so that a late answer is found before anything else happens to its request.
            let has_read = socket.read::<Rt>(cx, now, connection, &mut steps, &mut pumped);
            // A part of a frame is no news to anybody. A large answer arrives in many.
            let has_news = has_read && !connection.wants_read();
            let has_moved = has_news || socket.write::<Rt>(cx, connection, &mut steps, &mut pumped);
            if has_moved {
                pumped.has_moved = true;
                // Before the progress, with which the machine makes the errors of requests.
                if let Some(error) = socket.driver.error() {
                    machine.handle_io_error(id, error);
                }
                // In each round, not once at the end: a frame that was not taken keeps `wants_read` false, and an
                // answer may let the machine stage the next request here.
                machine.handle_progress(id, now);
            } else {
                pumped.has_more = socket.may_move(connection);
                return pumped;
            }
        }
    }
}

/// What a touch of a link has done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pumped {
    /// The number of bytes that were read.
    pub(super) bytes: usize,
    /// Whether a frame has come, the stream has ended, or something was written, so that the machine may have outputs.
    pub(super) has_moved: bool,
    /// Whether the link can be read from or written to without waiting.
    pub(super) has_more: bool,
    /// Whether the runtime lets no stream of this task move before the task has returned.
    pub(super) is_spent: bool,
}

/// A connected socket.
struct Socket<S> {
    driver: Driver<S>,
    /// Reading was found to block, and the socket wakes the bell when it does not any more.
    blocks_reads: bool,
    blocks_writes: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    fn new(driver: Driver<S>) -> Self {
        Self { driver, blocks_reads: false, blocks_writes: false }
    }

    /// Whether an attempt may succeed.
    fn may_move(&self, connection: &ClientConnection) -> bool {
        (!self.blocks_reads && connection.wants_read()) || (!self.blocks_writes && connection.wants_write())
    }

    /// Reads until the socket blocks or a whole frame is here. Returns whether anything has changed.
    fn read<Rt: Runtime>(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        connection: &mut ClientConnection,
        steps: &mut usize,
        pumped: &mut Pumped,
    ) -> bool {
        let mut has_read = false;
        while !self.blocks_reads && connection.wants_read() && pumped.bytes < READ_PER_TURN && pumped.may_go_on(steps) {
            match self.driver.read(cx, now, connection) {
                Poll::Ready(n) => {
                    pumped.bytes += n;
                    has_read = true;
                }
                Poll::Pending if Rt::is_pending_true() => self.blocks_reads = true,
                // The runtime wants the task to return. The socket may have more bytes, so it is not noted as blocked.
                Poll::Pending => pumped.is_spent = true,
            }
        }
        has_read
    }

    /// Writes until the socket blocks or everything was written. Returns whether anything has changed. A failed write is told to
    /// the connection, and reading goes on.
    fn write<Rt: Runtime>(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut ClientConnection,
        steps: &mut usize,
        pumped: &mut Pumped,
    ) -> bool {
        let mut has_written = false;
        while !self.blocks_writes && connection.wants_write() && pumped.may_go_on(steps) {
            match self.driver.write(cx, connection) {
                Poll::Ready(()) => has_written = true,
                Poll::Pending if Rt::is_pending_true() => self.blocks_writes = true,
                Poll::Pending => pumped.is_spent = true,
            }
        }
        has_written
    }
}

impl Pumped {
    /// Takes one of the steps that are left.
    fn may_go_on(&self, steps: &mut usize) -> bool {
        let may_go_on = *steps > 0 && !self.is_spent;
        // An attempt that blocks takes a step too, because it may be a system call under the owner's lock.
        if may_go_on {
            *steps -= 1;
        }
        may_go_on
    }
}
