//! A machine and the brokers of `kafka08-broker`, joined in memory, in virtual time, by a network that loses nothing.

use std::{
    collections::BTreeMap,
    io,
    time::{Duration, Instant},
};

use bytes::Buf as _;
use kafka08_broker::{BrokerConfig, Cluster as Brokers, ConnectionId, Now, Turn};
use kafka08_client::machine::{LinkId, Machine, Output};
use kafka08_proto::{
    Connection as _, Disconnect, HostPort,
    adapter::ConnectError,
    ids::{NodeId, Timestamp},
};

/// How an address answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// A broker of the cluster listens there.
    Serves(NodeId),
    /// Connections are refused.
    Refuses,
    /// Attempts to connect are never answered.
    DropsPackets,
    /// Connections are accepted, and nothing is ever answered.
    IsSilent,
    /// The name cannot be looked up. Every address that was not set is like this.
    IsUnknown,
}

/// A machine, its links, and the brokers at their other ends.
pub(crate) struct Rig<M: Machine> {
    pub(crate) machine: M,
    pub(crate) brokers: Brokers,
    pub(crate) events: Vec<M::Event>,
    addresses: BTreeMap<String, Behaviour>,
    links: BTreeMap<LinkId, End>,
    pub(crate) now: Instant,
    wall: i64,
    /// How often the machine was told the time, connected, or told of progress.
    pub(crate) steps: u64,
    /// Every attempt to connect, with its time.
    pub(crate) connects: Vec<(Duration, String)>,
    start: Instant,
}

/// The other end of a link.
#[derive(Debug)]
enum End {
    Connecting { to: HostPort, until: Instant, within: Duration },
    Broker(ConnectionId),
    Silent,
}

/// The address of a broker in a rig.
pub(crate) fn address(node: i32) -> HostPort {
    HostPort::new("127.0.0.1", 9091 + u16::try_from(node).expect("small"))
}

#[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning; all later times are computed")]
fn beginning() -> Instant {
    Instant::now()
}

impl<M: Machine> Rig<M> {
    pub(crate) fn new(config: BrokerConfig, machine: M) -> Self {
        let now = beginning();
        let nodes = (1..=config.brokers()).map(|n| NodeId(n.into()));
        let at: BTreeMap<_, _> = nodes.map(|node| (node, address(node.0))).collect();
        let addresses = at.iter().map(|(node, at)| (at.to_string(), Behaviour::Serves(*node))).collect();
        let wall = 1_000_000;
        let brokers = Brokers::new(config, &at, Now { instant: now, wall: Timestamp(wall) });
        let (events, links, connects) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { machine, brokers, events, addresses, links, now, wall, steps: 0, connects, start: now }
    }

    /// The time since the rig was made.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn at(&self) -> Now {
        Now { instant: self.now, wall: Timestamp(self.wall) }
    }

    pub(crate) fn set(&mut self, address: &HostPort, behaviour: Behaviour) {
        self.addresses.insert(address.to_string(), behaviour);
    }

    /// Runs a command on the machine, and everything that follows from it.
    pub(crate) fn command<T>(&mut self, command: impl FnOnce(&mut M, Instant) -> T) -> T {
        let done = command(&mut self.machine, self.now);
        self.settle();
        done
    }

    /// Runs a command on the brokers, and everything that follows from it.
    pub(crate) fn brokers<T>(&mut self, command: impl FnOnce(&mut Brokers, Now) -> T) -> T {
        let now = self.at();
        let done = command(&mut self.brokers, now);
        self.settle();
        done
    }

    /// Lets time pass, stopping at each deadline.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
    }

    /// Lets time pass until something holds. Fails if it does not within `limit`.
    pub(crate) fn wait_until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        self.settle();
        self.run_until(end, &holds);
        assert!(holds(self), "it does not hold within {limit:?}");
    }

    fn run_until(&mut self, end: Instant, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            let connects = self.links.values().filter_map(|link| match link {
                End::Connecting { until, .. } => Some(*until),
                _ => None,
            });
            let machine = self.machine.poll_timeout();
            let next = connects.chain(machine).chain(self.brokers.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.move_clock(end);
                return;
            };
            self.move_clock(next.max(self.now));
            self.fail_late_connects();
            if self.machine.poll_timeout().is_some_and(|at| at <= self.now) {
                self.steps += 1;
                self.machine.handle_timeout(self.now);
            }
            self.settle();
            // A connection that begins to rest may be due once more, as it counts from when bytes moved on it last.
            if self.machine.poll_timeout().is_some_and(|at| at <= self.now) {
                self.machine.handle_timeout(self.now);
                self.settle();
            }
            let again = self.machine.poll_timeout();
            assert!(again.is_none_or(|at| at > self.now), "the machine is due again at once: it would spin");
        }
    }

    fn move_clock(&mut self, to: Instant) {
        let by = to.saturating_duration_since(self.now);
        self.now += by;
        self.wall += i64::try_from(by.as_millis()).expect("short");
    }

    fn fail_late_connects(&mut self) {
        let now = self.now;
        let late: Vec<_> = self
            .links
            .iter()
            .filter_map(|(link, end)| match end {
                End::Connecting { to, until, within } if *until <= now => Some((*link, to.clone(), *within)),
                _ => None,
            })
            .collect();
        for (link, target, after) in late {
            self.links.remove(&link);
            self.steps += 1;
            let error = ConnectError::TimedOut { target, after, attempts: Vec::new() };
            self.machine.handle_connect_failed(link, &error, now);
        }
    }

    /// Moves outputs, bytes, requests and answers until nothing moves.
    pub(crate) fn settle(&mut self) {
        let now = self.at();
        loop {
            let mut moved = false;
            while let Some(output) = self.machine.poll_output(self.now) {
                moved = true;
                match output {
                    Output::Connect { link, to, within } => self.connect(link, &to, within),
                    Output::Drop(link) => self.drop_link(link),
                    Output::Write(_) => {}
                    Output::Event(event) => self.events.push(event),
                }
            }
            let links: Vec<_> = self.links.keys().copied().collect();
            for link in links {
                moved |= self.exchange(link);
            }
            while self.brokers.turn(now) == Turn::More {
                moved = true;
            }
            while self.brokers.poll_ready().is_some() {
                moved = true;
            }
            while self.brokers.poll_event().is_some() {}
            if !moved {
                return;
            }
        }
    }

    fn connect(&mut self, link: LinkId, to: &HostPort, within: Duration) {
        self.connects.push((self.elapsed(), to.to_string()));
        self.steps += 1;
        let behaviour = self.addresses.get(&to.to_string()).copied().unwrap_or(Behaviour::IsUnknown);
        let refused = || {
            let target = to.clone();
            let address = "127.0.0.1:1".parse().expect("an address");
            let attempts = vec![(address, io::Error::from(io::ErrorKind::ConnectionRefused))];
            ConnectError::Refused { target, attempts }
        };
        match behaviour {
            Behaviour::Serves(node) => {
                let now = self.at();
                match self.brokers.connect(now, node, None) {
                    Ok(id) => {
                        self.links.insert(link, End::Broker(id));
                        self.machine.handle_connected(link, self.now);
                    }
                    Err(_) => self.machine.handle_connect_failed(link, &refused(), self.now),
                }
            }
            Behaviour::Refuses => self.machine.handle_connect_failed(link, &refused(), self.now),
            Behaviour::IsUnknown => {
                let error = io::Error::new(io::ErrorKind::NotFound, "no such name");
                let error = ConnectError::Resolve { target: to.clone(), error };
                self.machine.handle_connect_failed(link, &error, self.now);
            }
            Behaviour::IsSilent => {
                self.links.insert(link, End::Silent);
                self.machine.handle_connected(link, self.now);
            }
            Behaviour::DropsPackets => {
                let until = self.now + within;
                self.links.insert(link, End::Connecting { to: to.clone(), until, within });
            }
        }
    }

    fn drop_link(&mut self, link: LinkId) {
        if let Some(End::Broker(id)) = self.links.remove(&link) {
            let now = self.at();
            if let Some(broker) = self.brokers.link(id) {
                broker.handle_disconnect(Disconnect::Eof);
            }
            self.brokers.handle_io(now, id);
        }
    }

    /// Moves bytes between both ends. Returns whether any moved.
    fn exchange(&mut self, link: LinkId) -> bool {
        let now = self.at();
        let id = match self.links.get(&link) {
            Some(End::Broker(id)) => *id,
            Some(End::Silent) => {
                let Some(connection) = self.machine.link(link).filter(|connection| connection.wants_write()) else {
                    return false;
                };
                let (_, queue) = connection.buffers();
                queue.advance(queue.remaining());
                self.machine.handle_progress(link, self.now);
                return true;
            }
            _ => return false,
        };
        let Some(connection) = self.machine.link(link) else { return false };
        let Some(broker) = self.brokers.link(id) else {
            self.links.remove(&link);
            connection.handle_disconnect(Disconnect::Eof);
            self.machine.handle_progress(link, self.now);
            return true;
        };
        let mut moved = false;
        if broker.wants_read() && connection.wants_write() {
            let (_, queue) = connection.buffers();
            let bytes = queue.copy_to_bytes(queue.remaining());
            broker.handle_bytes(now.instant, &bytes);
            moved = true;
        }
        if broker.wants_write() && connection.wants_read() {
            let (_, queue) = broker.buffers();
            let bytes = queue.copy_to_bytes(queue.remaining());
            connection.handle_bytes(now.instant, &bytes);
            moved = true;
        }
        if moved {
            self.brokers.handle_io(now, id);
            self.steps += 1;
            self.machine.handle_progress(link, self.now);
        }
        moved
    }

    /// Resets every connection to a broker.
    pub(crate) fn cut(&mut self, node: NodeId) {
        let reset = Disconnect::Error(io::ErrorKind::ConnectionReset);
        let links: Vec<_> = self.links.iter().filter_map(|(link, end)| Some((*link, end.broker()?))).collect();
        for (link, id) in links {
            let Some(broker) = self.brokers.link(id).filter(|broker| broker.node() == node) else { continue };
            broker.handle_disconnect(reset);
            let now = self.at();
            self.brokers.handle_io(now, id);
            self.links.remove(&link);
            if let Some(connection) = self.machine.link(link) {
                connection.handle_disconnect(reset);
            }
            self.machine.handle_progress(link, self.now);
        }
        self.settle();
    }

    /// The number of links that are connected or being connected.
    pub(crate) fn open_links(&self) -> usize {
        self.links.len()
    }
}

impl End {
    fn broker(&self) -> Option<ConnectionId> {
        match self {
            Self::Broker(id) => Some(*id),
            _ => None,
        }
    }
}
