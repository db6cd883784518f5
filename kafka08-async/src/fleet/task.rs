//! The task that owns the sockets of a machine.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::poll_fn,
    hash::BuildHasherDefault,
    mem,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use kafka08_client::machine::{LinkId, Machine, Output};

use super::{
    Caller, Owner,
    board::Board,
    link::{Connecting, Link, Pumped},
    look::{Look, Seen},
};
use crate::{
    Runtime, Wrap,
    id_hasher::IdHasher,
    io::{Alarm, LINKS_PER_TURN, READ_PER_TURN},
};

/// The number of bytes after which a turn ends, as many as four links may read.
const BYTES_PER_TURN: usize = 4 * READ_PER_TURN;

/// The sockets of a machine, by link, and what moves their bytes.
///
/// A turn touches only links that were woken by their sockets or named by the machine.
pub struct Fleet<Rt: Wrap<<Rt as Runtime>::TcpStream>, O: Owner> {
    links: HashMap<LinkId, Link<Rt>, BuildHasherDefault<IdHasher>>,
    board: Arc<Board>,
    /// The links to touch, in the order in which they came. Each stands here once, because its bell says so.
    ready: VecDeque<LinkId>,
    /// Links on which an answer was due when they were touched, since a look has last removed those on which none is due.
    // A list, so that a look need not visit all links: a cluster has many that are idle. It is cleaned only by a look,
    // because a removal at each answer would search it.
    watched: Vec<LinkId>,
    alarm: Alarm<Rt::Timer>,
    /// Whether the task has waited since its last turn, which has left nothing to do.
    has_slept: bool,
    look: Option<Look>,
    /// Dropped after the sockets, which stand in front of it.
    guard: Guard<O>,
}

/// Tells the owner when the task is dropped for any reason.
struct Guard<O: Owner>(O);

impl<O: Owner> Drop for Guard<O> {
    fn drop(&mut self) {
        self.0.handle_end();
    }
}

/// What the task does after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Takes another turn, after other tasks have run.
    Turn,
    /// Waits until a socket is ready, a handle calls, or the timer fires.
    Sleep,
    End,
}

/// What there is to do about time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    /// Nothing before the timer wakes the task.
    Wait,
    /// A look has begun or goes on.
    Look,
    /// A deadline has come meanwhile, or the machine was told the time.
    Turn,
}

/// What is left of a turn.
struct Room {
    links: usize,
    bytes: usize,
}

impl<Rt: Wrap<<Rt as Runtime>::TcpStream>, O: Owner> Fleet<Rt, O> {
    /// Creates the task. Nothing moves before it runs. If it is dropped before, the owner is told too.
    pub fn new(owner: O, caller: &Caller) -> Self {
        Self {
            links: HashMap::default(),
            board: Arc::clone(&caller.0),
            ready: VecDeque::new(),
            watched: Vec::new(),
            alarm: Alarm::new(),
            has_slept: false,
            look: None,
            guard: Guard(owner),
        }
    }

    /// Drives the machine until its owner says that it is over. Run it in the runtime.
    pub async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.turn(cx) {
            Next::End => return Poll::Ready(()),
            Next::Sleep if self.board.may_sleep(cx) => self.has_slept = true,
            // The task returns to the scheduler, so that other tasks run between two turns, and the runtime looks at sockets.
            Next::Sleep | Next::Turn => cx.waker().wake_by_ref(),
        }
        Poll::Pending
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Next {
        let now = Rt::now();
        // Before the exchange, because it forgets calls. What a handle changes after the exchange then leads to another
        // turn.
        let is_called = self.board.take(&mut self.ready);
        let has_slept = mem::take(&mut self.has_slept);
        // Who was woken by sockets only has nothing to tell. If what they have is news, an exchange follows.
        if is_called || !has_slept || self.ready.is_empty() {
            self.exchange(now);
        }
        let mut room = Room { links: LINKS_PER_TURN, bytes: BYTES_PER_TURN };
        loop {
            let has_touched_all = self.touch_ready(now, &mut room);
            let time = self.mind_time(cx, now);
            // Asked after the time was minded, because a machine that closes may be over by its deadline.
            if self.guard.0.is_over() {
                return Next::End;
            }
            match (has_touched_all, time) {
                (true, Time::Wait) => return Next::Sleep,
                (true, Time::Look) => {}
                (false, _) | (_, Time::Turn) => return Next::Turn,
            }
        }
    }

    /// Lets the machine meet what handles share, and does what it then says.
    fn exchange(&mut self, now: Instant) {
        self.guard.0.exchange(now);
        self.take_outputs(now);
    }

    /// Does what the machine says.
    fn take_outputs(&mut self, now: Instant) {
        // One output at a time, so that handles need not wait for all of them. Sockets are closed and events are handled while
        // the machine is not lent out.
        while let Some(output) = self.guard.0.with_machine(|machine| machine.poll_output(now)) {
            match output {
                Output::Connect { link: id, to, within } => {
                    let link = Link::connect(id, to, within, &self.board);
                    self.links.insert(id, link);
                    // The attempt to connect makes its first step when it is polled, and nothing wakes the bell before
                    // that.
                    self.list_ready(id);
                }
                // Also while it is connected: the attempt is dropped.
                Output::Drop(id) => drop(self.links.remove(&id)),
                Output::Write(id) => {
                    if self.links.get(&id).is_some_and(|link| link.bell.name()) {
                        self.ready.push_back(id);
                    }
                }
                Output::Event(event) => self.guard.0.handle_event(event, now),
            }
        }
    }

    /// Lists a link whose socket may be ready.
    fn list_ready(&mut self, id: LinkId) {
        if self.links.get(&id).is_some_and(|link| link.bell.note_ready()) {
            self.ready.push_back(id);
        }
    }

    /// Touches the links that are listed. Returns false if there was no room for all of them.
    fn touch_ready(&mut self, now: Instant, room: &mut Room) -> bool {
        let mut has_moved = false;
        loop {
            while let Some(&id) = self.ready.front() {
                // Looked at before a link is taken off the list. Its bell says that it is listed, so it must stay
                // there.
                if room.links == 0 || room.bytes == 0 {
                    return false;
                }
                self.ready.pop_front();
                let pumped = self.touch(id, now);
                room.links -= 1;
                room.bytes = room.bytes.saturating_sub(pumped.bytes);
                if let Some(look) = &mut self.look {
                    look.note_touched(pumped.has_more);
                }
                // At the end of the list, so that a link with much to read does not hold up the others.
                if pumped.has_more {
                    self.list_ready(id);
                }
                if pumped.has_moved {
                    self.take_outputs(now);
                    has_moved = true;
                }
                if pumped.is_spent {
                    return false;
                }
            }
            if !mem::take(&mut has_moved) {
                return true;
            }
            // What has come may have made room, or ended something that a handle waits for.
            self.exchange(now);
        }
    }

    fn touch(&mut self, id: LinkId, now: Instant) -> Pumped {
        // A link that was dropped may still be listed.
        let Some(link) = self.links.get_mut(&id) else { return Pumped::default() };
        // Before the socket is touched. A wake-up during the touch lists the link again; taken afterwards, it would be
        // lost.
        let is_ready = link.bell.take();
        let owner = &mut self.guard.0;
        match link.poll_connect() {
            Some(Connecting::Pending) => Pumped::default(),
            Some(Connecting::Failed(error)) => {
                self.links.remove(&id);
                owner.with_machine(|machine| machine.handle_connect_failed(id, &error, now));
                Pumped { has_moved: true, ..Pumped::default() }
            }
            Some(Connecting::Ready) => {
                owner.with_machine(|machine| machine.handle_connected(id, now));
                // It is listed again, because its socket must be read once before it wakes anybody.
                Pumped { has_moved: true, has_more: true, ..Pumped::default() }
            }
            None => {
                let pumped = owner.with_machine(|machine| link.pump(machine, id, is_ready, now));
                if link.is_owed && !mem::replace(&mut link.is_watched, true) {
                    self.watched.push(id);
                }
                pumped
            }
        }
    }

    /// Handles the deadline of the machine, if it has come.
    fn mind_time(&mut self, cx: &mut Context<'_>, now: Instant) -> Time {
        let Some(deadline) = self.guard.0.with_machine(|machine| machine.poll_timeout()) else {
            self.look = None;
            return Time::Wait;
        };
        if deadline > now {
            // An answer that was found by a look has moved the deadline.
            self.look = None;
            return if self.alarm.poll_until(cx, deadline).is_ready() { Time::Turn } else { Time::Wait };
        }
        // A deadline takes effect only after a look. The process may have been stopped, and then answers are here that
        // no socket has told yet.
        let Some(look) = &mut self.look else {
            // Timers of some runtimes fire only after the runtime has looked at its sockets. So the timer is asked although the
            // time has come.
            if self.alarm.poll_until(cx, deadline).is_pending() {
                return Time::Wait;
            }
            self.begin_look(now);
            return Time::Look;
        };
        match look.seen(self.ready.len()) {
            Seen::Part => Time::Look,
            Seen::All(at) => {
                self.look = None;
                self.guard.0.with_machine(|machine| machine.handle_timeout(at));
                self.exchange(now);
                Time::Turn
            }
        }
    }

    /// Lists each link that may have an answer. Timers of other runtimes fire by the clock, and then their sockets show what is
    /// there only when they are read.
    fn begin_look(&mut self, now: Instant) {
        // Links that were woken since the turn began belong to the look: their bytes are here.
        self.board.take_woken(&mut self.ready);
        let Self { links, ready, watched, .. } = self;
        watched.retain(|id| {
            let Some(link) = links.get_mut(id) else { return false };
            link.is_watched = link.is_owed;
            if link.is_owed && link.bell.note_ready() {
                ready.push_back(*id);
            }
            link.is_owed
        });
        self.look = Some(Look::new(now, self.ready.len()));
    }
}

impl<Rt: Wrap<<Rt as Runtime>::TcpStream>, O: Owner> fmt::Debug for Fleet<Rt, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("links", &self.links.len()).finish_non_exhaustive()
    }
}
