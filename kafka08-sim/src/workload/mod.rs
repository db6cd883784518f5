//! What the client under test does, and how a world drives it.

mod both;
mod calls;
mod consuming;
mod direct;
mod producing;
mod schedule;

use std::{
    fmt,
    time::{Duration, Instant},
};

pub use both::{Both, BothEvent};
pub use calls::Calls;
pub use consuming::Consuming;
pub use direct::{Direct, DirectEvent, DirectMachine};
use kafka08_broker::Cluster;
use kafka08_client::machine::{LinkId, Machine};
use kafka08_proto::connection::CloseReason;
pub(crate) use producing::FLUSH_EVERY;
pub use producing::Producing;

use crate::{
    check::{Invariant, Trust},
    history::History,
    logs::Logs,
    plan::Plan,
    record::Records,
};

/// What a client does. The numbers are those of plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Requests on connections, without the layers above: it tests the simulation itself, and the connections.
    Direct,
    /// Calls of all kinds on a cluster.
    Calls,
    /// A producer.
    Producing,
    /// A producer and a consumer.
    Consuming,
}

impl Scenario {
    /// How many scenarios there are.
    pub const COUNT: u64 = 4;

    /// The scenario of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        match plan.settings.scenario {
            0 => Self::Direct,
            1 => Self::Calls,
            2 => Self::Producing,
            _ => Self::Consuming,
        }
    }
}

/// What a run checks about order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Records of a partition keep their order.
    Kept,
    /// Records may overtake each other.
    Free,
}

/// How exactly a client counts the attempts that may have been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Each of them has left in a whole request.
    Exact,
    /// It may count one that has not.
    Careful,
}

/// What is known of the records of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// How records are made.
    pub records: Records,
    /// Whether they keep their order.
    pub order: Order,
    /// The acks of produces.
    pub acks: i16,
    /// How exactly attempts are counted that may have been applied.
    pub counts: Counts,
}

/// A client and its user. A world moves the client's bytes, and tells both the time.
pub trait Workload: fmt::Debug {
    /// The client.
    type Machine: Machine;

    /// The client, to be driven.
    fn machine(&mut self) -> &mut Self::Machine;

    /// The client, to be looked at.
    fn machine_ref(&self) -> &Self::Machine;

    /// Does what the user does at this time. Returns whether the client has to be woken. `at` is the time of the world in microseconds, `now` that of the client's clock.
    fn step(&mut self, at: u64, now: Instant, history: &mut History) -> Stepped;

    /// Does what the client's user must do in each turn of the client.
    fn exchange(&mut self, _now: Instant) {}

    /// When the user does something next, in microseconds.
    fn next_step(&self) -> Option<u64>;

    /// Takes an event of the client.
    fn handle_event(&mut self, now: Instant, event: <Self::Machine as Machine>::Event, history: &mut History);

    /// Whether the user has done all that it ever will.
    fn is_submitted(&self) -> bool;

    /// Whether everything that was submitted has ended.
    fn is_done(&self) -> bool;

    /// Closes the client, which may take so long. What is not over then ends.
    fn close(&mut self, now: Instant, within: Duration, history: &mut History);

    /// Replaces the client by a new one. What it had taken and has not ended is lost: nobody knows what became of it.
    fn recreate(&mut self, now: Instant, history: &mut History);

    /// What the checker may rely on.
    fn promises(&self) -> Promises;

    /// What is wrong with the client's own accounts at any time.
    fn problem(&self) -> Option<(Invariant, String)> {
        None
    }

    /// How many produces may be in flight on a connection, if the client bounds them.
    fn most_produces(&self) -> Option<usize> {
        None
    }

    /// Takes why connections have ended, if the client tells it.
    fn take_ends(&mut self) -> Vec<(LinkId, CloseReason)> {
        Vec::new()
    }

    /// All faults have ended.
    fn handle_healed(&mut self) {}

    /// What is wrong with what was read, when everything has ended.
    fn check_reads(
        &self,
        _history: &History,
        _logs: &Logs,
        _brokers: &Cluster,
        _trust: Trust,
    ) -> Option<(Invariant, String)> {
        None
    }

    /// What is left in the client, now that everything has ended.
    fn leftovers(&self) -> Leftovers;
}

/// What is left in a client when everything has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// Nothing.
    None,
    /// Requests on links that take no others. The client has left their broker, and does not wait for the answers, which end
    /// the links.
    Owed(String),
    /// Something that nothing will ever end.
    Forgotten(String),
}

/// Whether something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// It did: outputs may be there.
    Acted,
    /// It did not.
    Idle,
}
