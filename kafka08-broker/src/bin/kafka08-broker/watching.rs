//! What has happened since the last look at the cluster: connections and requests.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use kafka08_broker::{Cluster, ConnectionId, Outcome};

use crate::lines;

/// How much is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Where the brokers listen, and that they have stopped.
    StartAndStop,
    /// Each connection and request besides.
    Everything,
}

/// Looks at a cluster, and keeps the lines that say what is new.
pub(crate) struct Watcher {
    verbosity: Verbosity,
    /// The connections that were open at the last look, and their clients.
    open: BTreeMap<ConnectionId, Option<SocketAddr>>,
    /// The numbers of requests that have not ended yet.
    pending: BTreeSet<u64>,
    /// The number of the first request that was not looked at.
    next: u64,
    lines: Vec<String>,
}

impl Watcher {
    /// Creates a watcher that has seen nothing.
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        Self { verbosity, open: BTreeMap::new(), pending: BTreeSet::new(), next: 1, lines: Vec::new() }
    }

    /// The lines since the last call.
    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Notes what is new. Returns whether there is a line to print.
    pub(crate) fn look(&mut self, cluster: &Cluster) -> bool {
        if self.verbosity == Verbosity::Everything {
            // Connections that have opened come before requests, and those that have closed after them.
            let closed = self.look_at_connections(cluster);
            self.look_at_requests(cluster);
            self.lines.extend(closed);
        }
        !self.lines.is_empty()
    }

    /// Notes the connections that have opened. Returns the lines of those that have closed.
    fn look_at_connections(&mut self, cluster: &Cluster) -> Vec<String> {
        let now: BTreeMap<ConnectionId, Option<SocketAddr>> =
            cluster.links().map(|(id, link)| (id, link.peer())).collect();
        for (id, link) in cluster.links().filter(|(id, _)| !self.open.contains_key(id)) {
            self.lines.push(lines::opened(id, link.node(), link.peer()));
        }
        // Only the last look knows who the client of a connection was that has ended.
        let gone = self.open.iter().filter(|(id, _)| !now.contains_key(id));
        let closed = gone.map(|(id, peer)| lines::closed(*id, *peer)).collect();
        self.open = now;
        closed
    }

    /// Notes the requests that have ended.
    fn look_at_requests(&mut self, cluster: &Cluster) {
        let history = cluster.history();
        let first = history.iter().next().map_or_else(|| history.next_number(), |seen| seen.number);
        // The history is bounded. What it has dropped meanwhile is counted instead of printed.
        let late = self.pending.range(..first).count() as u64 + first.saturating_sub(self.next);
        if late > 0 {
            self.lines.push(format!("{late} requests came faster than they could be printed"));
            self.pending = self.pending.split_off(&first);
        }
        self.pending.extend(self.next.max(first)..history.next_number());
        self.next = history.next_number();
        let lines = &mut self.lines;
        self.pending.retain(|number| match history.entry(*number) {
            Some(seen) if seen.outcome == Outcome::Pending => true,
            Some(seen) => {
                lines.push(lines::request(seen));
                false
            }
            // Dropped and counted above.
            None => false,
        });
    }
}
