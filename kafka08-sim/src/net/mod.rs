//! The network: connections that keep order and lose nothing until they end, as TCP does.
//!
//! This module owns the bytes between the two ends of each connection, and when they arrive. It knows neither requests nor
//! brokers. It draws only from streams that a connection's number names, so that a fault on one connection does not change
//! what happens on another.

mod body;
mod hostile;
mod pipe;
mod reading;
mod second;
mod service;
mod wire;

pub use body::BodyProblem;
pub use hostile::{HostileAnswer, Padding};
pub use pipe::{Pipe, PipeEnd};
pub use reading::{Breach, Reading};
pub use service::WrongService;
pub use wire::{Header, Second, WireTap, WireTapProblem};

use kafka08_broker::RuleId;
use kafka08_client::machine::LinkId;
use kafka08_proto::ids::{ConnectionId, NodeId};

use crate::{choices::Stream, plan::Settings};

/// How bytes are cut on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segments {
    /// As they were written.
    Whole,
    /// Into segments of 1460 bytes, which arrive one after the other.
    Mss,
    /// What arrives within a millisecond arrives together.
    Coalesced,
    /// 1 to 64 bytes at once.
    UpTo64,
    /// 1 to 8 bytes at once.
    UpTo8,
    /// One byte after the other.
    One,
}

impl Segments {
    /// The way of cutting with this number in plans.
    #[must_use]
    pub fn of_number(number: u64) -> Self {
        match number {
            1 => Self::Mss,
            2 => Self::Coalesced,
            3 => Self::UpTo64,
            4 => Self::UpTo8,
            5 => Self::One,
            _ => Self::Whole,
        }
    }

    /// The number of bytes that move at once, at least 1.
    pub(crate) fn step(self, stream: &mut Stream) -> usize {
        use crate::choices::Choices as _;
        let step = match self {
            Self::Whole | Self::Coalesced => return usize::MAX,
            Self::Mss => 1460,
            Self::UpTo64 => stream.between(1, 64),
            Self::UpTo8 => stream.between(1, 8),
            Self::One => 1,
        };
        usize::try_from(step).unwrap_or(1)
    }
}

/// How a network behaves.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// The mean latency of a direction, in microseconds.
    pub latency: u64,
    /// The bytes that move in a millisecond. 0: no limit.
    pub bandwidth: u64,
    /// The bytes that a direction holds, at least 1.
    pub send_buffer: usize,
    /// How bytes are cut.
    pub segments: Segments,
}

impl Profile {
    /// The same network after all faults have ended: nothing in it is so slow that a client with short timeouts never succeeds.
    #[must_use]
    pub fn healed(self) -> Self {
        Self { latency: self.latency.min(1_000), bandwidth: 0, send_buffer: self.send_buffer.max(1 << 16), ..self }
    }

    /// The network of a plan.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self {
            latency: settings.latency,
            bandwidth: settings.bandwidth,
            send_buffer: usize::try_from(settings.send_buffer).unwrap_or(usize::MAX).max(1),
            segments: Segments::of_number(settings.segments),
        }
    }
}

/// The number of a connection within a run.
pub type ConnNumber = u64;

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Towards the broker.
    Up,
    /// Towards the client.
    Down,
}

/// What is at the other end of a client's connection.
#[derive(Debug)]
pub enum Far {
    /// Nothing yet: the connection is being made.
    Connecting,
    /// A broker.
    Broker(ConnectionId),
    /// A service that does not speak Kafka's protocol.
    Wrong(WrongService),
    /// Nothing any more.
    Gone,
}

/// One connection of the client.
#[derive(Debug)]
pub struct Conn {
    /// The client's name of it.
    pub link: LinkId,
    /// The broker whose address was connected to.
    pub addressed: NodeId,
    /// What is at the other end.
    pub far: Far,
    /// Towards the broker.
    pub up: Pipe,
    /// Towards the client.
    pub down: Pipe,
    /// Whether the client has a socket: from being connected until it drops the link.
    pub is_held: bool,
    /// Whether the client was told the end.
    pub is_told: bool,
    /// Whether the broker was told the end.
    pub is_far_told: bool,
    /// Whether bytes of it were changed.
    pub is_corrupted: bool,
    /// Whether a service that speaks first has spoken.
    pub is_greeted: bool,
    /// Whether the client was told that writing failed.
    pub is_write_failed: bool,
    /// Whether the client's socket is in the list of those to pump.
    pub is_client_ready: bool,
    /// Whether the broker's end is in the list of those to pump.
    pub is_far_ready: bool,
    /// The rule that gives one hostile answer on it, until it has.
    pub lie: Option<(RuleId, HostileAnswer)>,
    /// What is put behind an answer.
    pub padding: Padding,
    /// The frames of both directions.
    pub tap: WireTap,
    /// What the client must make of what it reads.
    pub reading: Reading,
    /// What this connection draws.
    pub stream: Stream,
}

impl Conn {
    /// Creates a connection that is being made.
    #[must_use]
    pub fn new(link: LinkId, addressed: NodeId, stream: Stream, second: Second) -> Self {
        Self {
            link,
            addressed,
            far: Far::Connecting,
            up: Pipe::default(),
            down: Pipe::default(),
            is_held: false,
            is_told: false,
            is_far_told: false,
            is_corrupted: false,
            is_greeted: false,
            is_write_failed: false,
            is_client_ready: false,
            is_far_ready: false,
            lie: None,
            padding: Padding::No,
            tap: WireTap::with_second(second),
            reading: Reading::default(),
            stream,
        }
    }

    /// A direction.
    pub fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// Whether nothing will ever happen on it again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.is_held && matches!(self.far, Far::Gone)
    }
}
