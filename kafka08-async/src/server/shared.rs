//! The state that the calls of one connection and its task share, and the list of a server's connections.
//!
//! A connection's state is locked for one command or one turn of its task, and never across an await.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    task::{Context, Waker},
    time::Instant,
};

use event_listener::Event;
use kafka08_proto::{ServerConnection, ids::ConnectionId};

use super::ServeConfig;
use crate::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    trace::{self, Served},
    waker::keep_waker,
};

/// One connection.
pub(super) struct Shared(Mutex<State>);

pub(super) struct State {
    pub(super) connection: ServerConnection,
    /// How many calls were given to the handler and are not ended.
    pub(super) open: usize,
    /// The time by which a server that stops waits for the connection. `None` if it does not stop.
    pub(super) stop_by: Option<Instant>,
    /// Wakes the task. A command takes the waker, and the task puts it back at the end of a turn.
    pub(super) task: Option<Waker>,
}

impl Shared {
    pub(super) fn new(connection: ServerConnection) -> Self {
        Self(Mutex::new(State { connection, open: 0, stop_by: None, task: None }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the state was locked ends the task, and with it the stream.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command, and wakes the task.
    pub(super) fn command<T>(&self, command: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = command(&mut state);
        let task = state.task.take();
        // A waker may run code of another executor, so the lock is released first.
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        result
    }

    /// Lets the next command wake the task of `cx`. Returns the time by which the server stops waiting.
    pub(super) fn wait_for_command(&self, cx: &Context<'_>) -> Option<Instant> {
        let mut state = self.lock();
        let replaced = keep_waker(&mut state.task, cx);
        let stop_by = state.stop_by;
        drop(state);
        drop(replaced);
        stop_by
    }
}

/// What a server has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections that were served or are being served.
    pub connections: u64,
    /// Connections that were closed at once, because as many were open as may be.
    pub refused: u64,
    /// Failures to accept a connection, for example because the process has no descriptors left.
    pub accept_errors: u64,
    /// Connections that were closed with open calls or unwritten responses, because the server had stopped waiting.
    pub cut_off: u64,
}

/// The connections of a server.
pub(super) struct Registry {
    pub(super) config: ServeConfig,
    list: Mutex<List>,
    counters: Counters,
    /// Tells the listener's task that the server stops.
    pub(super) stops: Event,
    /// Tells that the last connection has ended.
    ended: Event,
}

#[derive(Default)]
struct List {
    open: HashMap<ConnectionId, Arc<Shared>>,
    /// The time by which the server has to be stopped, once it stops.
    stop_by: Option<Instant>,
    /// Whether more connections can come.
    is_listening: bool,
}

#[derive(Default)]
struct Counters {
    connections: AtomicU64,
    refused: AtomicU64,
    accept_errors: AtomicU64,
    cut_off: AtomicU64,
}

impl Registry {
    pub(super) fn new(config: ServeConfig, is_listening: bool) -> Self {
        let list = Mutex::new(List { is_listening, ..List::default() });
        Self { config, list, counters: Counters::default(), stops: Event::new(), ended: Event::new() }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.list().stop_by.is_some()
    }

    /// Adds a connection. Returns `None` if as many are open as may be, or if the server stops.
    pub(super) fn admit(&self, id: ConnectionId) -> Option<Arc<Shared>> {
        let mut list = self.list();
        // Whether the server stops is read under the same lock, so that no connection comes behind a stop.
        if list.stop_by.is_some() || list.open.len() >= self.config.max_connections {
            drop(list);
            self.counters.refused.fetch_add(1, Relaxed);
            trace::served(id, Served::Refused);
            return None;
        }
        let shared = Arc::new(Shared::new(ServerConnection::new(self.config.connection.clone(), id)));
        list.open.insert(id, Arc::clone(&shared));
        self.counters.connections.fetch_add(1, Relaxed);
        Some(shared)
    }

    pub(super) fn note_connection_ended(&self, id: ConnectionId) {
        self.list().open.remove(&id);
        self.tell_if_ended();
    }

    pub(super) fn note_listener_ended(&self) {
        self.list().is_listening = false;
        self.tell_if_ended();
    }

    pub(super) fn note_accept_error(&self, error: &io::Error) {
        trace::accept_failed(error);
        self.counters.accept_errors.fetch_add(1, Relaxed);
    }

    pub(super) fn note_cut_off(&self) {
        self.counters.cut_off.fetch_add(1, Relaxed);
    }

    fn tell_if_ended(&self) {
        if self.has_ended() {
            self.ended.notify(usize::MAX);
        }
    }

    fn has_ended(&self) -> bool {
        let list = self.list();
        list.open.is_empty() && !list.is_listening
    }

    /// Stops accepting connections and reading requests.
    pub(super) fn stop(&self, by: Instant) {
        let mut list = self.list();
        // The first call sets the deadline. A second call must not delay it.
        let by = *list.stop_by.get_or_insert(by);
        // A command wakes a task, which may end at once and lock the list.
        let open: Vec<_> = list.open.values().cloned().collect();
        drop(list);
        self.stops.notify(usize::MAX);
        for connection in open {
            connection.command(|state| state.stop_by = Some(by));
        }
    }

    pub(super) async fn wait_ended(&self) {
        loop {
            // Listening comes first. Otherwise an end in between would be missed.
            let ended = self.ended.listen();
            if self.has_ended() {
                return;
            }
            ended.await;
        }
    }

    pub(super) fn stats(&self) -> ServerStats {
        ServerStats {
            connections: self.counters.connections.load(Relaxed),
            refused: self.counters.refused.load(Relaxed),
            accept_errors: self.counters.accept_errors.load(Relaxed),
            cut_off: self.counters.cut_off.load(Relaxed),
        }
    }
}
