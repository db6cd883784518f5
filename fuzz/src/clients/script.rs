//! A script decoded from the input: what the peer does with each write, flush and read, and what the caller calls.

use std::{collections::VecDeque, io::ErrorKind};

use crate::input::Input;

/// A length of time, in units that each adapter's harness chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Units(pub(super) u32);

/// What the stream does with one attempt to write.
#[derive(Clone, Copy, Debug)]
pub(super) enum WriteStep {
    /// Takes up to this many bytes, from all slices together.
    Take(usize),
    /// Takes the first slice only.
    TakeFirstSlice,
    /// Would block from the first attempt on, for this time.
    Block(Units),
    /// Would block for ever: the peer has stopped reading.
    BlockForEver,
    Interrupted,
    Zero,
    /// Fails, and so does every later attempt.
    Fail(ErrorKind),
}

/// What the stream does with one attempt to flush.
#[derive(Clone, Copy, Debug)]
pub(super) enum FlushStep {
    Succeed,
    Block(Units),
    Interrupted,
    Fail(ErrorKind),
}

/// What the peer sends next.
#[derive(Clone, Debug)]
pub(super) enum ReadStep {
    /// The answer to the next request, as soon as that has come whole.
    Answer,
    /// The first bytes of that answer.
    AnswerCut(usize),
    /// An answer whose body has too few bytes.
    AnswerMalformed,
    /// An answer to a request that is not due.
    AnswerWrongId,
    Garbage(Vec<u8>),
    /// Nothing, for this time.
    Delay(Units),
    /// From now on no read gives more bytes than this.
    Chunk(usize),
    Interrupted,
    Eof,
    Fail(ErrorKind),
    /// Nothing any more.
    Silence,
}

/// Which request to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Metadata,
    /// With acks = 1 and so many bytes.
    Produce(usize),
    /// With acks = 0 and so many bytes.
    ProduceUnanswered(usize),
    /// The broker may wait for this time.
    Fetch(Units),
}

/// One call of the client.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// `None`: the timeout of the configuration.
    Send(Kind, Option<Units>),
    SendAndWait(Kind),
    Forget(Kind),
    /// So many `send_and_forget` at once, as far as the adapter can.
    ForgetMany(Kind, usize),
    /// The claims are numbered; the number is taken modulo how many there are.
    Wait(usize),
    TryWait(usize),
    DropClaim(usize),
    Flush,
    /// The caller does nothing for this time.
    Pause(Units),
    /// Drops the future of a call that runs in the background.
    Abort(usize),
    Close,
}

/// One line of the caller's script.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) call: Call,
    /// Whether the next line runs before this call has returned, where the adapter can.
    pub(super) in_background: bool,
}

/// How the script ends, after its last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Takes the claims that are left, then closes.
    WaitThenClose,
    /// Closes, then takes the claims.
    CloseThenWait,
    /// Drops the claims and the client.
    Drop,
}

/// Which adapter is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adapter {
    Blocking,
    Tokio,
}

/// The peer's part.
#[derive(Debug, Default)]
pub(super) struct PeerPlan {
    pub(super) writes: VecDeque<WriteStep>,
    pub(super) flushes: VecDeque<FlushStep>,
    pub(super) reads: VecDeque<ReadStep>,
    /// Whether the peer answers every request when its steps are used up; otherwise it is silent then.
    pub(super) is_honest_at_last: bool,
    /// Whether the stream keeps the bytes of an attempt that would block, as a TLS layer does: they leave whatever the next
    /// attempt offers.
    pub(super) keeps_blocked_bytes: bool,
}

#[derive(Debug)]
pub(super) struct Script {
    pub(super) adapter: Adapter,
    pub(super) is_vectored: bool,
    pub(super) max_in_flight: usize,
    pub(super) max_staged: usize,
    pub(super) request_timeout: Units,
    pub(super) ending: Ending,
    pub(super) peer: PeerPlan,
    pub(super) lines: Vec<Line>,
}

/// Lines beyond these are ignored, so that one input takes milliseconds.
const MOST_LINES: usize = 24;

/// Steps beyond these are ignored, too.
const MOST_STEPS: usize = 64;

/// The longest time that a script can name, in units.
const LONGEST: u32 = 32;

impl Script {
    pub(super) fn decode(data: &[u8]) -> Self {
        let mut input = Input(data);
        let flags = input.byte();
        let sizes = input.byte();
        let mut script = Self {
            adapter: if flags & 1 == 0 { Adapter::Tokio } else { Adapter::Blocking },
            is_vectored: flags & 2 == 0,
            max_in_flight: usize::from(sizes % 8) + 1,
            max_staged: [1 << 18, 1, 64, 1 << 12][usize::from(sizes >> 3) % 4],
            request_timeout: units(input.byte()),
            ending: match flags >> 4 & 3 {
                0 | 1 => Ending::WaitThenClose,
                2 => Ending::CloseThenWait,
                _ => Ending::Drop,
            },
            peer: PeerPlan {
                is_honest_at_last: flags & 4 == 0,
                keeps_blocked_bytes: flags & 8 != 0,
                ..PeerPlan::default()
            },
            lines: Vec::new(),
        };
        while !input.is_empty() {
            let operation = input.byte();
            let argument = input.byte();
            script.add(operation, argument, &mut input);
        }
        script
    }

    /// The two highest bits pick the plan, the lowest ones the step.
    fn add(&mut self, operation: u8, argument: u8, input: &mut Input<'_>) {
        let step = operation & 0x0f;
        match operation >> 6 {
            0 | 1 if self.lines.len() < MOST_LINES => {
                self.lines.push(Line { call: call(step, argument), in_background: operation & 0x40 != 0 });
            }
            2 if operation & 0x20 == 0 && self.peer.writes.len() < MOST_STEPS => {
                self.peer.writes.push_back(write_step(step, argument));
            }
            2 if operation & 0x20 != 0 && self.peer.flushes.len() < MOST_STEPS => {
                self.peer.flushes.push_back(flush_step(step, argument));
            }
            3 if self.peer.reads.len() < MOST_STEPS => self.peer.reads.push_back(read_step(step, argument, input)),
            _ => {}
        }
    }
}

fn units(argument: u8) -> Units {
    Units(u32::from(argument) % LONGEST + 1)
}

fn kind(argument: u8) -> Kind {
    let size = usize::from(argument >> 2);
    match argument & 3 {
        0 => Kind::Metadata,
        1 => Kind::Produce(size),
        2 => Kind::ProduceUnanswered(size * 64),
        _ => Kind::Fetch(Units(u32::from(argument >> 2) % 16)),
    }
}

fn unanswered(argument: u8) -> Kind {
    Kind::ProduceUnanswered(usize::from(argument))
}

fn call(step: u8, argument: u8) -> Call {
    match step {
        0 => Call::Send(kind(argument), None),
        1 => Call::Send(Kind::Produce(0), Some(units(argument))),
        2 => Call::Send(Kind::Metadata, Some(units(argument))),
        3 => Call::SendAndWait(kind(argument)),
        4 | 5 => Call::Forget(unanswered(argument)),
        6 => Call::Forget(kind(argument)),
        7 => Call::ForgetMany(unanswered(argument), usize::from(argument % 40)),
        8 => Call::Wait(argument.into()),
        9 => Call::TryWait(argument.into()),
        10 => Call::DropClaim(argument.into()),
        11 | 12 => Call::Flush,
        13 => Call::Pause(units(argument)),
        14 => Call::Abort(argument.into()),
        _ => Call::Close,
    }
}

fn failure(argument: u8) -> ErrorKind {
    [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::TimedOut, ErrorKind::Other]
        [usize::from(argument) % 4]
}

fn write_step(step: u8, argument: u8) -> WriteStep {
    match step {
        0..=4 => WriteStep::Take(usize::from(argument).max(1)),
        5 | 6 => WriteStep::TakeFirstSlice,
        7..=9 => WriteStep::Block(units(argument)),
        10 => WriteStep::BlockForEver,
        11 | 12 => WriteStep::Interrupted,
        13 => WriteStep::Zero,
        _ => WriteStep::Fail(failure(argument)),
    }
}

fn flush_step(step: u8, argument: u8) -> FlushStep {
    match step {
        0..=3 => FlushStep::Succeed,
        4..=9 => FlushStep::Block(units(argument)),
        10..=12 => FlushStep::Interrupted,
        _ => FlushStep::Fail(failure(argument)),
    }
}

fn read_step(step: u8, argument: u8, input: &mut Input<'_>) -> ReadStep {
    match step {
        0..=2 => ReadStep::Answer,
        3 => ReadStep::AnswerCut(usize::from(argument) % 40),
        4 => ReadStep::AnswerMalformed,
        5 => ReadStep::AnswerWrongId,
        6 => ReadStep::Garbage(input.take(usize::from(argument % 16)).to_vec()),
        7..=9 => ReadStep::Delay(units(argument)),
        10 => ReadStep::Chunk(usize::from(argument).max(1)),
        11 | 12 => ReadStep::Interrupted,
        13 => ReadStep::Eof,
        14 => ReadStep::Fail(failure(argument)),
        _ => ReadStep::Silence,
    }
}
