//! The brokers, their addresses, and what makes an address usable. Knows no topics.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    mem,
    time::Instant,
};

use kafka08_proto::{
    HostPort,
    api::Broker,
    ids::{NodeId, Text},
};

use super::Moment;
use crate::error::EndpointProblem;

/// The longest host in bytes. Names in DNS have 253 characters at most; a final dot and an odd resolver have room.
const MAX_HOST: usize = 255;

/// The most brokers that are known. What a lying answer lists beyond is not taken.
const MOST_BROKERS: usize = 10_000;

/// Decides about an address, as [`EndpointFilter`](crate::config::EndpointFilter) does.
pub(super) type Filter<'a> = &'a dyn Fn(NodeId, HostPort) -> Option<HostPort>;

/// The brokers that answers have listed.
#[derive(Clone, Debug, Default)]
pub(super) struct Brokers {
    known: BTreeMap<NodeId, Known>,
    /// The brokers by their time in [`Known::checked`], to find those that may be dropped.
    checked: BTreeSet<(Instant, NodeId)>,
}

#[derive(Clone, Debug)]
struct Known {
    /// The address as it was listed, if it is one. While it stays the same, the filter is not asked again.
    listed: Option<(Text, u16)>,
    /// The address after the filter.
    endpoint: Result<HostPort, EndpointProblem>,
    /// When an answer listed the broker last, or when it was kept because it leads partitions.
    checked: Instant,
    /// The merge that has listed the broker last.
    round: u64,
}

impl Brokers {
    pub(super) fn endpoint(&self, node: NodeId) -> Option<Result<&HostPort, &EndpointProblem>> {
        self.known.get(&node).map(|known| known.endpoint.as_ref())
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.known.keys().copied()
    }

    pub(super) fn is_known(&self, node: NodeId) -> bool {
        self.known.contains_key(&node)
    }

    pub(super) fn is_usable(&self, node: NodeId) -> bool {
        self.known.get(&node).is_some_and(|known| known.endpoint.is_ok())
    }

    /// Takes over what an answer lists. Returns the brokers that are new or have another endpoint, each once.
    pub(super) fn merge(&mut self, at: &Moment, listed: &[Broker], filter: Filter<'_>) -> Vec<NodeId> {
        let mut changed = Vec::new();
        for broker in listed {
            // No broker has a negative id, and as a leader, -1 means that there is none.
            if broker.node.0 < 0 {
                continue;
            }
            let is_full = self.known.len() >= MOST_BROKERS;
            let known = match self.known.entry(broker.node) {
                Entry::Occupied(known) if known.get().round == at.round => continue,
                Entry::Occupied(known) => {
                    let known = known.into_mut();
                    if known.renew(broker, filter) {
                        changed.push(broker.node);
                    }
                    known
                }
                Entry::Vacant(_) if is_full => continue,
                Entry::Vacant(place) => {
                    let (listed, endpoint) = judge(broker, filter);
                    changed.push(broker.node);
                    place.insert(Known { listed, endpoint, checked: at.now, round: at.round })
                }
            };
            known.round = at.round;
            let before = mem::replace(&mut known.checked, at.now);
            if before != at.now {
                self.checked.remove(&(before, broker.node));
            }
            self.checked.insert((at.now, broker.node));
        }
        changed
    }

    /// Drops the brokers that no answer has listed for too long, and that are not needed. Returns them.
    pub(super) fn drop_unlisted(&mut self, at: &Moment, is_needed: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        let mut dropped = Vec::new();
        while let Some(&(checked, node)) = self.checked.first()
            && at.is_over(checked)
        {
            self.checked.pop_first();
            if !is_needed(node) {
                self.known.remove(&node);
                dropped.push(node);
            } else if let Some(known) = self.known.get_mut(&node) {
                // Looked at again as late as if it had been listed: otherwise each merge would look at it.
                known.checked = at.now;
                self.checked.insert((at.now, node));
            }
        }
        dropped
    }
}

impl Known {
    /// Takes over an address. Returns whether the endpoint has changed.
    fn renew(&mut self, broker: &Broker, filter: Filter<'_>) -> bool {
        let is_same = |(host, port): &(Text, u16)| *host == broker.host && i32::from(*port) == broker.raw_port;
        if self.listed.as_ref().is_some_and(is_same) {
            return false;
        }
        let (listed, endpoint) = judge(broker, filter);
        self.listed = listed;
        let before = mem::replace(&mut self.endpoint, endpoint);
        before != self.endpoint
    }
}

/// The address that a broker advertises, or why it cannot be used.
pub(crate) fn endpoint_of(broker: &Broker, filter: Filter<'_>) -> Result<HostPort, EndpointProblem> {
    judge(broker, filter).1
}

/// The address that a broker advertises, if it is one, and where to connect or why not to.
fn judge(broker: &Broker, filter: Filter<'_>) -> (Option<(Text, u16)>, Result<HostPort, EndpointProblem>) {
    let port = match check(broker.host.as_ref(), broker.raw_port) {
        Ok(port) => port,
        Err(problem) => return (None, Err(problem)),
    };
    let endpoint = match filter(broker.node, HostPort::new(broker.host.as_str(), port)) {
        // The filter may build its address from anything, so its address is checked as well.
        Some(to) => check(to.host().as_bytes(), to.port().into()).map(|_| to),
        None => Err(EndpointProblem::Refused),
    };
    (Some((broker.host.detached(), port)), endpoint)
}

fn check(host: &[u8], port: i32) -> Result<u16, EndpointProblem> {
    let port = u16::try_from(port).ok().filter(|&port| port != 0).ok_or(EndpointProblem::Port(port))?;
    // Letters, digits, hyphens and dots are in names and in IPv4 addresses. Colons are in IPv6 addresses, `%` is before
    // their scope, and underscores are in names that containers have.
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(byte);
    let is_host = !host.is_empty() && host.len() <= MAX_HOST && host.iter().all(is_allowed);
    if is_host { Ok(port) } else { Err(EndpointProblem::Host) }
}
