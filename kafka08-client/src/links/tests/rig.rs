//! Links whose sockets lead to servers in memory. Checks with each step what must always hold.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use kafka08_proto::{
    Connection as _, HostPort, ServerConfig, ServerConnection, ServerEvent,
    adapter::ConnectError,
    api::{FetchRequest, Reply},
    connection::{Disconnect, Prepared, RequestFrame},
    ids::{Api, ApiKey, ConnectionId, Millis, NodeId},
};

use super::super::{Action, Lane, LinkNews, Links, Opening, Peer, Token};
use crate::{config::ClusterConfig, machine::LinkId};

pub(super) const NODE: NodeId = NodeId(1);
pub(super) const PEER: Peer = Peer::Node(NODE);
pub(super) const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from nothing")]
pub(super) fn origin() -> Instant {
    Instant::now()
}

/// The broker's end of a link.
#[derive(Debug)]
pub(super) struct Server {
    connection: ServerConnection,
    /// The request that is to be answered next.
    call: Option<RequestFrame>,
}

pub(super) struct Rig {
    pub(super) links: Links,
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) servers: BTreeMap<LinkId, Server>,
    /// Links that are being connected.
    pub(super) connecting: BTreeMap<LinkId, HostPort>,
    /// Links that were dropped.
    pub(super) dropped: BTreeSet<LinkId>,
    /// The write actions so far.
    pub(super) writes: Vec<LinkId>,
    /// The connect actions so far.
    pub(super) connects: Vec<(LinkId, HostPort, Instant)>,
    pub(super) news: VecDeque<LinkNews>,
}

pub(super) fn address(port: u16) -> HostPort {
    HostPort::new("broker", port)
}

pub(super) fn config() -> ClusterConfig {
    ClusterConfig::default().with_seed(7)
}

/// A request that is answered at once.
pub(super) fn prompt() -> Prepared {
    Prepared::raw(Api::v0(ApiKey::METADATA), Bytes::from_static(&[0; 4]), Reply::Expected)
}

/// A produce that has no answer.
pub(super) fn quiet() -> Prepared {
    Prepared::raw(Api::v0(ApiKey::PRODUCE), Bytes::from_static(&[0; 10]), Reply::None)
}

/// A fetch that may wait.
pub(super) fn waiting(seconds: u16) -> Prepared {
    Prepared::new(&FetchRequest::new(Millis(i32::from(seconds) * 1000), 1)).expect("it is small")
}

impl Rig {
    /// With one broker, at port 1.
    pub(super) fn new(config: &ClusterConfig) -> Self {
        let now = origin();
        let mut links = Links::new(config);
        links.set_address(now, NODE, Some(address(1)));
        Self {
            links,
            now,
            start: now,
            servers: BTreeMap::new(),
            connecting: BTreeMap::new(),
            dropped: BTreeSet::new(),
            writes: Vec::new(),
            connects: Vec::new(),
            news: VecDeque::new(),
        }
    }

    /// Takes all news and actions.
    pub(super) fn take(&mut self) {
        loop {
            if let Some(news) = self.links.poll_news() {
                self.news.push_back(news);
            } else if let Some(action) = self.links.poll_action(self.now) {
                self.act(action);
            } else {
                return;
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect { link, to, within } => {
                assert!(within > Duration::ZERO);
                assert!(self.connects.last().is_none_or(|(last, ..)| *last < link), "numbers count up");
                self.connects.push((link, to.clone(), self.now));
                self.connecting.insert(link, to);
            }
            Action::Drop(link) => {
                assert!(self.dropped.insert(link), "{link:?} is dropped twice");
                let was_connecting = self.connecting.remove(&link).is_some();
                let was_connected = self.servers.remove(&link).is_some();
                assert!(was_connecting || was_connected, "{link:?} is dropped without having been there");
                assert!(self.links.connection(link).is_none(), "{link:?} is dropped and has a connection");
            }
            Action::Write(link) => {
                let connection = self.links.connection(link).expect("the link that is to be written is there");
                assert!(connection.wants_write() || connection.in_flight() == 0, "{link:?} has nothing to write");
                self.writes.push(link);
            }
        }
    }

    /// The only link that is being connected.
    pub(super) fn attempt(&mut self) -> LinkId {
        self.take();
        assert_eq!(self.connecting.len(), 1, "one link is being connected");
        *self.connecting.first_key_value().expect("there is one").0
    }

    pub(super) fn connect(&mut self, link: LinkId) {
        self.connecting.remove(&link).expect("it is being connected");
        let connection = ServerConnection::new(ServerConfig::default(), ConnectionId(link.0));
        self.servers.insert(link, Server { connection, call: None });
        self.links.handle_connected(link, self.now);
        self.take();
    }

    pub(super) fn refuse(&mut self, link: LinkId) {
        let target = self.connecting.remove(&link).expect("it is being connected");
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let at = SocketAddr::from(([127, 0, 0, 1], target.port()));
        self.links.handle_connect_failed(
            link,
            &ConnectError::Refused { target, attempts: vec![(at, refused)] },
            self.now,
        );
        self.take();
    }

    /// A connected link to the broker.
    pub(super) fn connected(&mut self, lane: Lane) -> LinkId {
        assert_eq!(self.links.open(self.now, PEER, lane), Opening::Connecting);
        let link = self.attempt();
        self.connect(link);
        let news = self.news();
        assert!(matches!(news[..], [LinkNews::Ready { peer: PEER, lane: of }] if of == lane), "{news:?}");
        link
    }

    pub(super) fn send(&mut self, lane: Lane, request: &Prepared, token: u64) {
        self.links.send(self.now, PEER, lane, request, Token(token)).expect("there is room");
        self.take();
    }

    /// Moves at most `max` bytes to the server, and tells of it.
    pub(super) fn write(&mut self, link: LinkId, max: usize) -> usize {
        let (Some(connection), Some(server)) = (self.links.connection(link), self.servers.get_mut(&link)) else {
            return 0;
        };
        let moved = if connection.wants_write() {
            let (_, queue) = connection.buffers();
            let n = queue.chunk().len().min(max);
            server.connection.handle_bytes(self.now, &queue.chunk()[..n]);
            queue.advance(n);
            n
        } else {
            0
        };
        self.progress(link);
        moved
    }

    pub(super) fn write_all(&mut self, link: LinkId) {
        while self.write(link, usize::MAX) > 0 {}
    }

    /// The request that the server is to answer next. Those without answers are served on the way.
    pub(super) fn call(&mut self, link: LinkId) -> Option<&RequestFrame> {
        let server = self.servers.get_mut(&link)?;
        while server.call.is_none() {
            let Some(ServerEvent::Request(request)) = server.connection.poll_event() else { return None };
            match request.traits().reply {
                Reply::Expected => server.call = Some(request),
                Reply::None => server.connection.finish(request.call),
            }
        }
        server.call.as_ref()
    }

    /// Answers the next request, in pieces of this many bytes. Returns whether there was one.
    pub(super) fn answer_with(&mut self, link: LinkId, body: &'static [u8], piece: usize) -> bool {
        let Some(call) = self.call(link).map(|request| request.call) else { return false };
        let server = self.servers.get_mut(&link).expect("it was there");
        server.call = None;
        server.connection.respond_raw(call, Bytes::from_static(body)).expect("the call is open");
        while let Some(server) = self.servers.get_mut(&link)
            && server.connection.wants_write()
            && let Some(client) = self.links.connection(link)
        {
            let (_, queue) = server.connection.buffers();
            let n = queue.chunk().len().min(piece);
            client.handle_bytes(self.now, &queue.chunk()[..n]);
            queue.advance(n);
            self.progress(link);
        }
        true
    }

    pub(super) fn answer(&mut self, link: LinkId) {
        assert!(self.answer_with(link, &[0; 4], usize::MAX), "a request is to be answered");
    }

    pub(super) fn progress(&mut self, link: LinkId) {
        self.links.handle_progress(link, self.now);
        self.take();
    }

    /// The stream ends.
    pub(super) fn cut(&mut self, link: LinkId, how: Disconnect) {
        if let Some(connection) = self.links.connection(link) {
            connection.handle_disconnect(how);
        }
        self.progress(link);
    }

    /// Lets time pass, and calls each deadline at its time.
    pub(super) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.links.poll_timeout().filter(|at| *at <= end) {
            self.jump(at.max(self.now) - self.now);
        }
        self.now = end;
    }

    /// Lets time pass at once.
    pub(super) fn jump(&mut self, time: Duration) {
        self.now += time;
        self.links.handle_timeout(self.now);
        self.take();
        assert!(self.links.poll_timeout().is_none_or(|at| at > self.now), "it spins");
    }

    /// The news since the last call.
    pub(super) fn news(&mut self) -> Vec<LinkNews> {
        self.take();
        self.news.drain(..).collect()
    }

    /// The news since the last call, in short.
    pub(super) fn told(&mut self) -> Vec<String> {
        self.news().iter().map(short).collect()
    }
}

fn short(news: &LinkNews) -> String {
    match news {
        LinkNews::Ready { lane, .. } => format!("ready {lane:?}"),
        LinkNews::NotConnected { lane, .. } => format!("not connected {lane:?}"),
        LinkNews::Answered { token, .. } => format!("answered {}", token.0),
        LinkNews::Written { token, .. } => format!("written {}", token.0),
        LinkNews::Failed { token, fate, .. } => format!("failed {} {fate:?}", token.0),
        LinkNews::Silent { lane, .. } => format!("silent {lane:?}"),
        LinkNews::Awake { lane, .. } => format!("awake {lane:?}"),
        LinkNews::Ended { lane, unconfirmed, was_idle, .. } => {
            let tokens: Vec<_> = unconfirmed.iter().map(|token| token.0).collect();
            format!("ended {lane:?} {}{tokens:?}", if *was_idle { "idle " } else { "" })
        }
        LinkNews::Probed { release, .. } => format!("probed {release:?}"),
    }
}
