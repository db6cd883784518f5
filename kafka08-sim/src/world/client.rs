//! The client's side: a driver that follows the rules of [`Machine`](kafka08_client::machine::Machine).

use std::{io, net::SocketAddr, time::Duration};

use bytes::{Buf as _, Bytes};
use kafka08_client::machine::{LinkId, Machine as _, Output};
use kafka08_proto::{Connection as _, Disconnect, HostPort, adapter::ConnectError, ids::ApiKey};

use super::{Event, LINKS_PER_TURN, World, address, nodes};
use crate::{
    check::Invariant,
    choices::Stream,
    coverage::ConnEvent,
    net::{Conn, ConnNumber, Far, PipeEnd, Reading, Second, Segments, Way},
    plan::{FaultKind, Trigger},
    workload::{Stepped, Workload},
};

/// What a trace names, in the client's part.
mod traced {
    pub(super) const CONNECT: u64 = 10;
    pub(super) const DROP: u64 = 11;
    pub(super) const READ: u64 = 12;
    pub(super) const WRITTEN: u64 = 13;
    pub(super) const ENDED: u64 = 14;
    pub(super) const TIMEOUT: u64 = 15;
}

/// The requests by which a probe tells the releases of 0.8 apart.
const TELLING: [ApiKey; 2] = [ApiKey::HEARTBEAT, ApiKey::OFFSET_FETCH];

impl<W: Workload> World<W> {
    /// One turn of the client's driver.
    pub(super) fn turn_client(&mut self) -> Stepped {
        if self.troubles.client_paused_until > self.now {
            return Stepped::Idle;
        }
        let now = self.client_now();
        let mut acted = self.workload.step(self.now, now, &mut self.history);
        if self.workload.machine_ref().is_over() {
            // Rule 1: the driver has stopped.
            self.is_client_woken = false;
            return Stepped::Idle;
        }
        let has_news = !self.client_ready.is_empty() || self.has_client_timeout();
        if acted == Stepped::Idle && !has_news && !std::mem::take(&mut self.is_client_woken) {
            // Nothing has woken the client, so it sleeps: a wake-up that it has lost shows.
            return Stepped::Idle;
        }
        self.workload.exchange(now);
        self.take_outputs(&mut acted);
        // Rule 2: what is ready is pumped, at most so many links a turn.
        let most = self.client_ready.len().min(LINKS_PER_TURN);
        for number in self.client_ready.drain(..most).collect::<Vec<_>>() {
            acted = Stepped::Acted;
            let before = self.conns.get(&number).map(|conn| conn.reading.sound());
            let closes_at = self.troubles.over_by;
            self.pump_client(number);
            let reading = self.conns.get(&number).map(|conn| &conn.reading);
            // A sound answer in front of it may be a reason to drop other connections, as is the user's closing at this moment.
            let alone = reading.filter(|reading| Some(reading.sound()) == before && self.troubles.over_by == closes_at);
            self.breached = alone.and_then(Reading::breach).map(|breach| (number, breach));
            let mut ignored = Stepped::Idle;
            self.take_outputs(&mut ignored);
            self.breached = None;
            self.check_breach(number);
        }
        // Rule 3: only if no link is ready. What is readable was marked when it arrived, so nothing else has to be looked at.
        if self.client_ready.is_empty() && self.has_client_timeout() {
            acted = Stepped::Acted;
            self.history.trace(traced::TIMEOUT, 0);
            self.workload.machine().handle_timeout(now);
            self.watch.note_timeout(self.now);
            self.workload.exchange(now);
            self.take_outputs(&mut acted);
        }
        if let Some(problem) = self.watch.problem() {
            self.fail(Invariant::R3, || problem);
        }
        if let Some((invariant, what)) = self.workload.problem() {
            self.fail(invariant, || what);
        }
        if let Some((invariant, what)) = self.history.take_broken() {
            self.fail(invariant, || what);
        }
        self.is_client_woken = acted == Stepped::Acted;
        acted
    }

    fn has_client_timeout(&self) -> bool {
        self.workload.machine_ref().poll_timeout().is_some_and(|at| at <= self.client_now())
    }

    /// Rule 1: outputs are taken until there are none.
    fn take_outputs(&mut self, acted: &mut Stepped) {
        let now = self.client_now();
        let mut taken = 0_u32;
        while let Some(output) = self.workload.machine().poll_output(now) {
            *acted = Stepped::Acted;
            taken += 1;
            if taken > 100_000 {
                self.fail(Invariant::R3, || "poll_output returns outputs without end".to_owned());
                return;
            }
            match output {
                Output::Connect { link, to, within } => self.connect(link, &to, within),
                Output::Drop(link) => self.drop_link(link),
                Output::Write(link) => {
                    if let Some(number) = self.by_link.get(&link).copied() {
                        self.mark_client(number);
                    }
                }
                Output::Event(event) => self.workload.handle_event(now, event, &mut self.history),
            }
        }
    }

    fn connect(&mut self, link: LinkId, to: &HostPort, within: Duration) {
        self.history.trace(traced::CONNECT, link.0);
        self.history.note(|| format!("{link:?} connects to {to} within {within:?}"));
        self.coverage.count("connects", 1);
        self.watch.note_connect(self.client_now());
        if self.watch.is_used(link) {
            self.fail(Invariant::R4, || format!("{link:?} was used before"));
        }
        let Some(node) = nodes(&self.plan).find(|node| address(*node) == *to) else {
            let error = ConnectError::NoAddress(to.clone());
            let now = self.client_now();
            self.workload.machine().handle_connect_failed(link, &error, now);
            return;
        };
        let number = self.next_conn;
        self.next_conn += 1;
        let mut stream = Stream::of(self.plan.settings.residual, 1, number);
        // A handshake is a round trip.
        let latency = stream.exponential(self.profile.latency) + stream.exponential(self.profile.latency);
        let latency = latency.max(self.troubles.connect_latency(node, self.now));
        // What is read by two readers costs more, so not every run does.
        let second = if self.plan.settings.residual.is_multiple_of(16) { Second::Reads } else { Second::Rests };
        self.conns.insert(number, Conn::new(link, node, stream, second));
        self.by_link.insert(link, number);
        if self.troubles.connect_latency(node, self.now) > 0 {
            self.note_hit(number, FaultKind::SlowConnect);
        }
        if self.troubles.reachable_at(node, self.now) > self.now {
            self.note_event(number, ConnEvent::Fault(FaultKind::BlackHole));
        }
        let within = u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
        // A packet that is lost is sent again until the attempt has taken too long.
        let arrives = self.now.saturating_add(latency).max(self.troubles.reachable_at(node, self.now));
        if arrives > self.now.saturating_add(within) {
            self.push(self.now.saturating_add(within), Event::ConnectExpired(number));
        } else {
            self.push(arrives, Event::Connect(number));
        }
    }

    pub(super) fn handle_connect_expired(&mut self, number: ConnNumber) {
        let Some(conn) = self.conns.get(&number).filter(|conn| matches!(conn.far, Far::Connecting)) else { return };
        let target = address(conn.addressed);
        let after = Duration::from_micros(self.plan.settings.connect_timeout);
        self.note_event(number, ConnEvent::ConnectExpired);
        self.fail_connect(number, &ConnectError::TimedOut { target, after, attempts: Vec::new() });
    }

    pub(super) fn refuse_connect(&mut self, number: ConnNumber) {
        let Some(conn) = self.conns.get(&number) else { return };
        let target = address(conn.addressed);
        self.note_event(number, ConnEvent::Refused);
        let attempts =
            vec![(SocketAddr::from(([10, 0, 0, 1], target.port())), io::ErrorKind::ConnectionRefused.into())];
        self.fail_connect(number, &ConnectError::Refused { target, attempts });
    }

    fn fail_connect(&mut self, number: ConnNumber, error: &ConnectError) {
        self.coverage.count("connects that failed", 1);
        self.history.note(|| format!("connecting failed: {error}"));
        if let Some(conn) = self.conns.remove(&number) {
            self.by_link.remove(&conn.link);
            let now = self.client_now();
            self.workload.machine().handle_connect_failed(conn.link, error, now);
            // Whatever the client makes of it is taken in the next turn.
            self.wake_client();
        }
    }

    /// Has the client take a turn.
    pub(super) fn wake_client(&mut self) {
        self.is_client_woken = true;
        self.push(self.now, Event::Look);
    }

    /// Closes the client's socket.
    pub(super) fn drop_link(&mut self, link: LinkId) {
        self.history.trace(traced::DROP, link.0);
        self.history.note(|| format!("{link:?} is dropped"));
        let now = self.now;
        let Some(number) = self.by_link.remove(&link) else { return };
        self.note_event(number, ConnEvent::Dropped);
        self.check_drop(number);
        let Some(conn) = self.conns.get_mut(&number) else { return };
        conn.is_held = false;
        if matches!(conn.far, Far::Connecting | Far::Gone) {
            self.conns.remove(&number);
            return;
        }
        // A system resets a connection that is closed before everything was read, and what is on its way may be lost.
        if conn.down.has_arrived() || conn.down.has_transit() {
            let kept = crate::choices::Choices::below(&mut conn.stream, 1001);
            conn.up.cut(now, kept, PipeEnd::Reset);
        } else {
            conn.up.finish(PipeEnd::Fin);
        }
        self.mark_far(number);
        self.schedule_arrival(number, Way::Up);
    }

    /// Moves bytes of one link, and tells the machine.
    fn pump_client(&mut self, number: ConnNumber) {
        let now = self.client_now();
        let Some(conn) = self.conns.get_mut(&number) else { return };
        conn.is_client_ready = false;
        let link = conn.link;
        if !conn.is_held {
            return;
        }
        let mut moved = self.read_link(number);
        moved |= self.write_link(number);
        moved |= self.end_link(number);
        self.workload.machine().handle_progress(link, now);
        self.check_link(number);
        if moved {
            // There may be more: a real driver finds out by trying again.
            self.mark_client(number);
        }
    }

    fn read_link(&mut self, number: ConnNumber) -> bool {
        let now = self.client_now();
        let Some(conn) = self.conns.get_mut(&number) else { return false };
        let Some(link) = self.workload.machine().link(conn.link) else { return false };
        if !conn.down.has_arrived() || !link.wants_read() {
            return false;
        }
        let bytes = if self.profile.segments == Segments::Coalesced {
            let bytes = conn.down.read_all().unwrap_or_default();
            link.handle_bytes(now, &bytes);
            bytes
        } else {
            let step = self.profile.segments.step(&mut conn.stream);
            let space = link.buffers().0;
            let bytes = conn.down.read(step.min(space.len())).unwrap_or_default();
            if let Some(space) = space.get_mut(..bytes.len()) {
                space.copy_from_slice(&bytes);
            }
            link.handle_read(now, bytes.len());
            bytes
        };
        self.history.trace(traced::READ, number);
        self.history.trace_bytes(traced::READ, &bytes);
        conn.reading.read(&bytes);
        // The broker has room to write again, and the end may come later than the bytes in front of it.
        self.mark_far(number);
        self.schedule_arrival(number, Way::Down);
        true
    }

    fn write_link(&mut self, number: ConnNumber) -> bool {
        let Some(conn) = self.conns.get_mut(&number) else { return false };
        let Some(link) = self.workload.machine().link(conn.link) else { return false };
        if !link.wants_write() || conn.is_write_failed {
            return false;
        }
        if conn.up.end.is_some() {
            conn.is_write_failed = true;
            link.handle_write_failed(io::ErrorKind::ConnectionReset);
            self.note_event(number, ConnEvent::WriteFailed);
            return true;
        }
        let room = conn.up.room(&self.profile).min(self.profile.segments.step(&mut conn.stream));
        let queue = link.buffers().1;
        let len = queue.remaining().min(room);
        if len == 0 {
            return false;
        }
        let bytes = queue.copy_to_bytes(len);
        let is_told = conn.is_told;
        self.note_written(number, &bytes);
        if is_told {
            self.fail(Invariant::R4, || "bytes were written after the connection had ended".to_owned());
        }
        let now = self.now;
        let profile = self.troubles.profile(self.profile, number, &self.conns, now);
        if let Some(conn) = self.conns.get_mut(&number) {
            conn.up.send(now, bytes, &profile, &mut conn.stream);
        }
        self.schedule_arrival(number, Way::Up);
        self.pull_trigger(Trigger::Write(self.watch.writes()), number);
        true
    }

    /// Reads the frames that the client writes.
    fn note_written(&mut self, number: ConnNumber, bytes: &Bytes) {
        self.history.trace(traced::WRITTEN, number);
        self.history.trace_bytes(traced::WRITTEN, bytes);
        self.watch.note_write();
        self.sent.written(number, bytes);
        let Some(conn) = self.conns.get_mut(&number) else { return };
        let now = self.client_base + Duration::from_micros(self.now);
        let Self { watch, history, .. } = self;
        let Conn { tap, reading, .. } = conn;
        let problem = tap.up(bytes, |header| {
            watch.note_request(now, header.key);
            history.note(|| format!("connection {number}: request {} with id {}", header.key, header.id));
            reading.asked(header);
        });
        let produces = reading.produces();
        if let Some(problem) = problem {
            self.fail(Invariant::R4, || problem.to_string());
        }
        if let Some(most) = self.workload.most_produces().filter(|most| produces > *most) {
            self.fail(Invariant::R2, || format!("a connection has {produces} produces in flight, of at most {most}"));
        }
    }

    /// Tells the machine that a connection has ended.
    fn end_link(&mut self, number: ConnNumber) -> bool {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(&number) else { return false };
        if conn.is_told || !conn.down.is_at_end(now) {
            return false;
        }
        let Some(link) = self.workload.machine().link(conn.link) else { return false };
        let how = match conn.down.end {
            Some(PipeEnd::Reset) => Disconnect::Error(io::ErrorKind::ConnectionReset),
            _ => Disconnect::Eof,
        };
        conn.is_told = true;
        link.handle_disconnect(how);
        let is_probe = conn.reading.due().is_some_and(|key| TELLING.contains(&ApiKey(key)));
        if is_probe && how == Disconnect::Eof && self.plan.settings.release == 0 {
            self.troubles.probes_ended += 1;
        }
        self.note_event(number, if how == Disconnect::Eof { ConnEvent::Eof } else { ConnEvent::WasReset });
        self.history.trace(traced::ENDED, number);
        self.history.note(|| format!("connection {number} has ended: {how:?}"));
        true
    }
}
