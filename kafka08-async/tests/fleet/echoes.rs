//! A machine for the tests of its driver: links that ask their peers for metadata again and again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use kafka08_async::proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, HostPort,
    adapter::ConnectError,
    api::MetadataRequest,
    connection::{CloseReason, RequestError},
    ids::ConnectionId,
};
use kafka08_client::machine::{LinkId, Machine, Output};

/// What the machine tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Connected(LinkId),
    NotConnected(LinkId, String),
    /// Everything that was staged was written.
    Sent(LinkId),
    Answered(LinkId),
    Failed(LinkId, RequestError),
    Ended(LinkId, CloseReason),
}

#[derive(Debug)]
pub(crate) struct Echoes {
    /// The configuration of links that are opened from now on.
    pub(crate) config: ClientConfig,
    links: BTreeMap<LinkId, Echo>,
    outputs: VecDeque<Output<Event>>,
    deadlines: BTreeSet<(Instant, LinkId)>,
    opened: u64,
    is_closed: bool,
    /// Whether a connection was lent since this was last cleared.
    pub(crate) is_touched: bool,
    /// How often progress was told.
    pub(crate) progresses: usize,
}

#[derive(Debug, Default)]
struct Echo {
    config: ClientConfig,
    connection: Option<ClientConnection>,
    deadline: Option<Instant>,
    /// The number of requests that are still to be staged, and how many may be in flight.
    left: usize,
    window: usize,
    has_staged: bool,
}

impl Echoes {
    pub(crate) fn new(config: ClientConfig) -> Self {
        Self {
            config,
            links: BTreeMap::new(),
            outputs: VecDeque::new(),
            deadlines: BTreeSet::new(),
            opened: 0,
            is_closed: false,
            is_touched: false,
            progresses: 0,
        }
    }

    /// Opens a link.
    pub(crate) fn open(&mut self, to: HostPort, within: Duration) -> LinkId {
        let link = LinkId(self.opened);
        self.opened += 1;
        self.links.insert(link, Echo { config: self.config.clone(), ..Echo::default() });
        self.outputs.push_back(Output::Connect { link, to, within });
        link
    }

    /// Asks so many times on a link, so many at once.
    pub(crate) fn ask(&mut self, now: Instant, link: LinkId, times: usize, window: usize) {
        if let Some(echo) = self.links.get_mut(&link) {
            echo.left += times;
            echo.window = window;
        }
        self.go_on(now, link);
    }

    pub(crate) fn drop_link(&mut self, link: LinkId) {
        if let Some(echo) = self.links.remove(&link) {
            echo.deadline.map(|at| self.deadlines.remove(&(at, link)));
            self.outputs.push_back(Output::Drop(link));
        }
    }

    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        while let Some((&link, _)) = self.links.first_key_value() {
            self.drop_link(link);
        }
    }

    /// Takes what the connection tells, and stages what may be staged.
    fn go_on(&mut self, now: Instant, link: LinkId) {
        let Some(echo) = self.links.get_mut(&link) else { return };
        let Some(connection) = &mut echo.connection else { return };
        let mut ended = None;
        while let Some(event) = connection.poll_event() {
            match event {
                ClientEvent::Response(_) => self.outputs.push_back(Output::Event(Event::Answered(link))),
                ClientEvent::Failed { error, .. } => {
                    self.outputs.push_back(Output::Event(Event::Failed(link, error)));
                }
                ClientEvent::Closed(closed) => ended = Some(closed.reason),
                ClientEvent::Written { .. } => {}
            }
        }
        if echo.has_staged && !connection.wants_write() {
            echo.has_staged = false;
            self.outputs.push_back(Output::Event(Event::Sent(link)));
        }
        let mut has_staged = false;
        while echo.left > 0 && connection.in_flight() < echo.window && connection.can_send() {
            connection.request(now, &MetadataRequest::all()).expect("it can be sent");
            echo.left -= 1;
            has_staged = true;
        }
        if has_staged {
            echo.has_staged = true;
            self.outputs.push_back(Output::Write(link));
        }
        let deadline = connection.poll_timeout();
        if deadline != echo.deadline {
            echo.deadline.map(|at| self.deadlines.remove(&(at, link)));
            deadline.map(|at| self.deadlines.insert((at, link)));
            echo.deadline = deadline;
        }
        if let Some(reason) = ended {
            self.drop_link(link);
            self.outputs.push_back(Output::Event(Event::Ended(link, reason)));
        }
    }
}

impl Machine for Echoes {
    type Event = Event;

    fn poll_output(&mut self, _: Instant) -> Option<Output<Event>> {
        self.outputs.pop_front()
    }

    fn link(&mut self, link: LinkId) -> Option<&mut ClientConnection> {
        self.is_touched = true;
        self.links.get_mut(&link)?.connection.as_mut()
    }

    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        let Some(echo) = self.links.get_mut(&link) else { return };
        let id = ConnectionId(link.0);
        echo.connection = Some(ClientConnection::new(echo.config.clone(), id));
        self.outputs.push_back(Output::Event(Event::Connected(link)));
        self.go_on(now, link);
    }

    fn handle_connect_failed(&mut self, link: LinkId, error: &ConnectError, _: Instant) {
        if self.links.remove(&link).is_some() {
            self.outputs.push_back(Output::Event(Event::NotConnected(link, error.to_string())));
        }
    }

    fn handle_progress(&mut self, link: LinkId, now: Instant) {
        self.progresses += 1;
        self.go_on(now, link);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, link)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            let echo = self.links.get_mut(&link).expect("a deadline is that of a link");
            echo.deadline = None;
            echo.connection.as_mut().expect("it has a deadline").handle_timeout(now);
            self.go_on(now, link);
        }
    }

    fn is_over(&self) -> bool {
        self.is_closed && self.outputs.is_empty()
    }
}
