//! Whatever users, brokers and networks do, in whatever order.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::Duration,
};

use kafka08_proto::{
    Connection as _,
    connection::{Cancelled, Disconnect, Prepared, SendError},
    ids::NodeId,
};
use proptest::{prelude::*, sample::Index};

use super::{
    super::{
        Lane, LinkNews, Opening, Peer, Token,
        link::{Share, State},
    },
    rig::{Rig, SECOND, address, config, prompt, quiet, waiting},
};
use crate::machine::LinkId;

#[derive(Clone, Debug)]
enum Operation {
    Open(Peer, Lane),
    Connect(Index),
    Refuse(Index),
    Send(Peer, Lane, Kind, u64),
    Cancel(Index),
    Write(Index, usize),
    Answer(Index, usize),
    Garbage(Index),
    Cut(Index, Disconnect),
    /// The driver has noticed the end of a stream, and has not told it yet.
    CutUntold(Index),
    FailWrite(Index),
    Advance(u64),
    Jump(u64),
    SetAddress(i32, Option<u16>),
    Probe(Peer),
    Drain(Peer, Lane),
    Abort,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Prompt,
    Quiet,
    Waiting,
}

fn operation() -> impl Strategy<Value = Operation> {
    let index = || any::<Index>();
    let peer = || prop_oneof![Just(Peer::Bootstrap(0)), (1..=2).prop_map(|node| Peer::Node(NodeId(node)))];
    let lane = || prop_oneof![Just(Lane::Prompt), Just(Lane::Produce), Just(Lane::Fetch)];
    let kind = prop_oneof![3 => Just(Kind::Prompt), 2 => Just(Kind::Quiet), 1 => Just(Kind::Waiting)];
    let how = prop_oneof![Just(Disconnect::Eof), Just(Disconnect::Error(io::ErrorKind::ConnectionReset))];
    let size = || prop_oneof![1usize..40, Just(usize::MAX)];
    prop_oneof![
        8 => (peer(), lane()).prop_map(|(peer, lane)| Operation::Open(peer, lane)),
        8 => index().prop_map(Operation::Connect),
        2 => index().prop_map(Operation::Refuse),
        12 => (peer(), lane(), kind, 1u64..9000).prop_map(|(peer, lane, kind, ms)| Operation::Send(peer, lane, kind, ms)),
        3 => index().prop_map(Operation::Cancel),
        12 => (index(), size()).prop_map(|(link, size)| Operation::Write(link, size)),
        12 => (index(), size()).prop_map(|(link, size)| Operation::Answer(link, size)),
        1 => index().prop_map(Operation::Garbage),
        2 => (index(), how).prop_map(|(link, how)| Operation::Cut(link, how)),
        1 => index().prop_map(Operation::CutUntold),
        1 => index().prop_map(Operation::FailWrite),
        6 => (0u64..4000).prop_map(Operation::Advance),
        1 => (0u64..700_000).prop_map(Operation::Jump),
        2 => (1..=2, proptest::option::of(1u16..=3)).prop_map(|(node, port)| Operation::SetAddress(node, port)),
        2 => peer().prop_map(Operation::Probe),
        1 => (peer(), lane()).prop_map(|(peer, lane)| Operation::Drain(peer, lane)),
        1 => Just(Operation::Abort),
    ]
}

/// What must have been told.
struct Model {
    rig: Rig,
    next: u64,
    /// Requests that were sent and have not ended.
    outstanding: BTreeSet<Token>,
    /// Requests without answers that were written and are not listed as unconfirmed yet.
    written: BTreeSet<Token>,
    /// Lanes that were told to be busy.
    awaited: BTreeSet<(Peer, Lane)>,
    /// Connected links of each lane whose end was not told.
    connected: BTreeMap<(Peer, Lane), usize>,
    probing: BTreeSet<Peer>,
    refused: usize,
}

impl Model {
    fn new() -> Self {
        let mut config = config().with_bootstrap([address(9)]).with_connects_per_second(4);
        config.client = config.client.with_max_in_flight(3);
        Self {
            rig: Rig::new(&config),
            next: 0,
            outstanding: BTreeSet::new(),
            written: BTreeSet::new(),
            awaited: BTreeSet::new(),
            connected: BTreeMap::new(),
            probing: BTreeSet::new(),
            refused: 0,
        }
    }

    fn link(&self, index: Index) -> LinkId {
        let links: Vec<_> = self.rig.servers.keys().copied().collect();
        if links.is_empty() { LinkId(0) } else { *index.get(&links) }
    }

    fn attempt(&self, index: Index) -> Option<LinkId> {
        let links: Vec<_> = self.rig.connecting.keys().copied().collect();
        (!links.is_empty()).then(|| *index.get(&links))
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Open(peer, lane) => self.open(peer, lane),
            Operation::Connect(index) => {
                if let Some(link) = self.attempt(index) {
                    let found = self.rig.links.links.get(&link).map(|link| (link.peer, link.purpose));
                    let (peer, purpose) = found.expect("it is being connected");
                    if let super::super::peer::Purpose::Lane(lane) = purpose {
                        *self.connected.entry((peer, lane)).or_default() += 1;
                        self.awaited.insert((peer, lane));
                    }
                    self.rig.connect(link);
                }
            }
            Operation::Refuse(index) => {
                if let Some(link) = self.attempt(index) {
                    self.refused += 1;
                    self.rig.refuse(link);
                }
            }
            Operation::Send(peer, lane, kind, ms) => self.send(peer, lane, kind, Duration::from_millis(ms)),
            Operation::Cancel(index) => self.cancel(index),
            Operation::Write(index, size) => drop(self.rig.write(self.link(index), size)),
            Operation::Answer(index, size) => drop(self.rig.answer_with(self.link(index), &[0; 4], size)),
            Operation::Garbage(index) => {
                let (link, now) = (self.link(index), self.rig.now);
                if let Some(connection) = self.rig.links.connection(link) {
                    connection.handle_bytes(now, &[0, 0, 0, 4, 1, 2, 3, 4]);
                }
                self.rig.progress(link);
            }
            Operation::Cut(index, how) => self.rig.cut(self.link(index), how),
            Operation::CutUntold(index) => {
                if let Some(connection) = self.rig.links.connection(self.link(index)) {
                    connection.handle_disconnect(Disconnect::Eof);
                }
            }
            Operation::FailWrite(index) => {
                let link = self.link(index);
                if let Some(connection) = self.rig.links.connection(link) {
                    connection.handle_write_failed(io::ErrorKind::BrokenPipe);
                }
                self.rig.progress(link);
            }
            Operation::Advance(ms) => self.rig.advance(Duration::from_millis(ms)),
            Operation::Jump(ms) => self.rig.jump(Duration::from_millis(ms)),
            Operation::SetAddress(node, port) => {
                self.rig.links.set_address(self.rig.now, NodeId(node), port.map(address));
            }
            Operation::Probe(peer) => {
                self.probing.insert(peer);
                self.rig.links.probe(self.rig.now, peer);
            }
            Operation::Drain(peer, lane) => self.rig.links.drain(self.rig.now, peer, lane),
            Operation::Abort => self.rig.links.abort(self.rig.now),
        }
    }

    fn open(&mut self, peer: Peer, lane: Lane) {
        let can_send = self.rig.links.can_send(peer, lane);
        let opening = self.rig.links.open(self.rig.now, peer, lane);
        assert_eq!(opening == Opening::Ready, can_send);
        match opening {
            Opening::Busy => drop(self.awaited.insert((peer, lane))),
            Opening::BackingOff { until, .. } => {
                assert!(until > self.rig.now);
                assert!(self.rig.links.poll_timeout().is_some_and(|at| at <= until), "it is made by itself");
            }
            Opening::Ready | Opening::Connecting | Opening::NoAddress => {}
        }
    }

    fn send(&mut self, peer: Peer, lane: Lane, kind: Kind, timeout: Duration) {
        let request: Prepared = match kind {
            Kind::Prompt => prompt(),
            Kind::Quiet => quiet(),
            Kind::Waiting => waiting(2),
        };
        self.next += 1;
        let token = Token(self.next);
        let can_send = self.rig.links.can_send(peer, lane);
        match self.rig.links.send(self.rig.now, peer, lane, &request.with_timeout(timeout), token) {
            Ok(link) => {
                assert!(can_send);
                assert!(self.rig.links.is_untouched(token));
                assert!(self.rig.links.connection(link).is_some());
                self.outstanding.insert(token);
            }
            Err(error) => {
                assert!(!can_send && matches!(error, SendError::Busy | SendError::Closed(_)), "{error:?}");
                self.awaited.insert((peer, lane));
            }
        }
    }

    fn cancel(&mut self, index: Index) {
        let tokens: Vec<_> = self.outstanding.iter().copied().collect();
        if tokens.is_empty() {
            return;
        }
        let token = *index.get(&tokens);
        let is_untouched = self.rig.links.is_untouched(token);
        let how = self.rig.links.cancel(token);
        assert_eq!(how == Cancelled::Withdrawn, is_untouched);
        if how != Cancelled::NotOutstanding {
            self.outstanding.remove(&token);
        }
    }

    /// Takes the news, and checks each.
    fn check(&mut self) {
        for news in self.rig.news() {
            match news {
                LinkNews::Answered { token, .. } | LinkNews::Failed { token, .. } => {
                    assert!(self.outstanding.remove(&token), "{token:?} has ended before");
                }
                LinkNews::Written { token, .. } => {
                    assert!(self.outstanding.remove(&token), "{token:?} has ended before");
                    self.written.insert(token);
                }
                LinkNews::Ready { peer, lane } => {
                    assert!(self.awaited.remove(&(peer, lane)), "nobody waits for {peer:?} {lane:?}");
                }
                LinkNews::Ended { peer, lane, unconfirmed, was_idle, .. } => {
                    let connected = self.connected.get_mut(&(peer, lane)).expect("it was connected");
                    *connected = connected.checked_sub(1).expect("it was connected");
                    assert!(unconfirmed.is_sorted());
                    assert!(!was_idle || unconfirmed.is_empty());
                    assert!(unconfirmed.iter().all(|token| self.written.remove(token)), "told twice, or not written");
                }
                LinkNews::Probed { peer, .. } => assert!(self.probing.remove(&peer), "{peer:?} was not probed"),
                LinkNews::NotConnected { .. } | LinkNews::Silent { .. } | LinkNews::Awake { .. } => {}
            }
        }
        let links = &self.rig.links;
        assert_eq!(links.tokens.keys().copied().collect::<BTreeSet<_>>(), self.outstanding);
        let open = links.links.values().filter(|link| matches!(link.state, State::Open(_))).count();
        assert_eq!(open, self.connected.values().sum::<usize>());
        let mut counted = Share::default();
        links.links.values().for_each(|link| counted.replace(Share::default(), Share::of(&link.state)));
        // What is staged is counted when the driver tells of it.
        assert_eq!(links.shares, Share { staged: links.shares.staged, ..counted });
        for link in links.current.values().filter_map(|link| links.links.get(link)) {
            assert!(!matches!(&link.state, State::Open(open) if open.connection.is_stalled() || open.is_draining));
        }
        let ready: Vec<_> = links.ready(Lane::Produce).map(|(peer, _)| peer).collect();
        assert!(ready.is_sorted());
    }

    fn check_that_nothing_is_left(&mut self) {
        self.check();
        let links = &self.rig.links;
        assert!(links.is_empty(), "{links:?}");
        assert_eq!(links.shares, Share::default());
        assert!(self.outstanding.is_empty() && self.probing.is_empty());
        assert!(links.current.is_empty() && links.probes.is_empty() && links.tokens.is_empty());
        assert_eq!((links.schedule.len(), links.poll_timeout()), (0, None));
        assert_eq!(self.rig.connects.len(), self.rig.dropped.len() + self.refused, "each attempt fails or is dropped");
        let at: Vec<_> = self.rig.connects.iter().map(|(_, _, at)| *at).collect();
        assert!(at.windows(5).all(|window| window[4] >= window[0] + SECOND), "four a second");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn every_request_ends_once_and_every_link_is_dropped_once(
        operations in proptest::collection::vec(operation(), 1..150),
    ) {
        let mut model = Model::new();
        for operation in operations {
            model.apply(operation);
            model.check();
        }
        model.rig.links.abort(model.rig.now);
        model.check_that_nothing_is_left();
    }
}
