//! The far side: brokers, and services that are none.

use std::io;

use bytes::{Buf as _, Bytes};
use kafka08_broker::Turn;
use kafka08_client::machine::Machine as _;
use kafka08_proto::{Connection as _, Disconnect};

use super::{Event, World, watch::METADATA};
use crate::{
    choices::Choices as _,
    coverage::ConnEvent,
    net::{ConnNumber, Far, PipeEnd, Segments, Way, WrongService},
    plan::{FaultKind, Trigger},
    workload::{Scenario, Stepped, Workload},
};

/// What a trace names, in the brokers' part.
mod traced {
    pub(super) const CONNECTED: u64 = 20;
    pub(super) const SERVED: u64 = 21;
    pub(super) const ANSWERED: u64 = 22;
    pub(super) const GONE: u64 = 23;
}

impl<W: Workload> World<W> {
    /// A connection attempt has come to a broker's address.
    pub(super) fn handle_connect(&mut self, number: ConnNumber) {
        if self.troubles.client_paused_until > self.now {
            // The system has connected, and the process learns of it when it goes on.
            return self.push(self.troubles.client_paused_until, Event::Connect(number));
        }
        let Some(node) = self.conns.get(&number).filter(|conn| matches!(conn.far, Far::Connecting)) else { return };
        let node = node.addressed;
        if self.troubles.refuses(node, self.now) {
            self.note_hit(number, FaultKind::Refuse);
            return self.refuse_connect(number);
        }
        let far = if let Some(service) = self.troubles.service_at(node, self.now) {
            self.note_hit(number, FaultKind::WrongService);
            Far::Wrong(service)
        } else {
            let served_by = self.troubles.served_by(node, self.now);
            if served_by != node {
                self.note_hit(number, FaultKind::Swap);
            }
            match self.cluster.connect(self.broker_now(), served_by, None) {
                Ok(id) => {
                    self.by_far.insert(id, number);
                    Far::Broker(id)
                }
                Err(_) => return self.refuse_connect(number),
            }
        };
        self.note_event(number, ConnEvent::Connected);
        let now = self.client_now();
        let Some(conn) = self.conns.get_mut(&number) else { return };
        conn.far = far;
        conn.is_held = true;
        let link = conn.link;
        self.history.trace(traced::CONNECTED, number);
        self.history.note(|| format!("{link:?} is connected as connection {number}"));
        self.workload.machine().handle_connected(link, now);
        self.mark_client(number);
        self.mark_far(number);
        self.wake_client();
    }

    /// Moves bytes of brokers, and has them serve.
    pub(super) fn turn_brokers(&mut self) -> Stepped {
        let mut acted = Stepped::Idle;
        for number in std::mem::take(&mut self.far_ready) {
            acted = Stepped::Acted;
            if let Some(conn) = self.conns.get_mut(&number) {
                conn.is_far_ready = false;
            }
            self.pump_far(number);
        }
        let is_due = self.cluster.poll_timeout().is_some_and(|at| at <= self.broker_now().instant);
        if is_due || acted == Stepped::Acted {
            let now = self.broker_now();
            while self.cluster.turn(now) == Turn::More {
                self.look_at_ready();
            }
        }
        self.look_at_ready();
        while self.cluster.poll_event().is_some() {}
        let served = self.cluster.history().next_number();
        if served != self.served {
            self.history.trace(traced::SERVED, served);
            self.served = served;
            self.logs.read(&self.cluster);
        }
        if self.far_ready.is_empty() { acted } else { Stepped::Acted }
    }

    /// Notes the connections that brokers want to be looked at.
    pub(super) fn look_at_ready(&mut self) {
        while let Some(id) = self.cluster.poll_ready() {
            if let Some(number) = self.by_far.get(&id).copied() {
                self.mark_far(number);
            }
        }
    }

    fn pump_far(&mut self, number: ConnNumber) {
        let moved = match self.conns.get(&number).map(|conn| &conn.far) {
            Some(Far::Broker(id)) => {
                let id = *id;
                if self.cluster.link(id).is_none() { self.lose_far(number) } else { self.pump_broker(number) }
            }
            Some(Far::Wrong(service)) => {
                let service = *service;
                self.pump_service(number, service)
            }
            Some(Far::Gone) => self.discard(number),
            Some(Far::Connecting) | None => false,
        };
        if moved {
            self.mark_far(number);
        }
    }

    /// A broker has ended a connection.
    fn lose_far(&mut self, number: ConnNumber) -> bool {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(&number) else { return false };
        if let Far::Broker(id) = std::mem::replace(&mut conn.far, Far::Gone) {
            self.by_far.remove(&id);
            if self.cluster.take_reset(id) {
                let kept = conn.stream.below(1001);
                conn.down.cut(now, kept, PipeEnd::Reset);
            }
        }
        conn.down.finish(PipeEnd::Fin);
        self.history.trace(traced::GONE, number);
        self.history.note(|| format!("the broker's end of connection {number} is closed"));
        if self.conns.get(&number).is_some_and(|conn| conn.is_over()) {
            self.conns.remove(&number);
        }
        self.schedule_arrival(number, Way::Down);
        self.mark_client_if_readable(number);
        true
    }

    fn mark_client_if_readable(&mut self, number: ConnNumber) {
        let now = self.now;
        if self.conns.get(&number).is_some_and(|conn| conn.down.is_readable(now)) {
            self.mark_client(number);
        }
    }

    /// What arrives where nobody listens any more is answered with a reset.
    fn discard(&mut self, number: ConnNumber) -> bool {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(&number) else { return false };
        if conn.is_over() {
            self.conns.remove(&number);
            return false;
        }
        if conn.up.read_all().is_none() {
            return false;
        }
        conn.up.finish(PipeEnd::Reset);
        // What has arrived at the client and was not read may still be read, or not: systems differ.
        if conn.stream.chance(1, 2) {
            conn.down.cut(now, 0, PipeEnd::Reset);
        }
        self.mark_client(number);
        false
    }

    fn pump_broker(&mut self, number: ConnNumber) -> bool {
        let now = self.broker_now();
        let at = self.now;
        let Some(conn) = self.conns.get_mut(&number) else { return false };
        let Far::Broker(id) = conn.far else { return false };
        let Some(link) = self.cluster.link(id) else { return false };
        let mut moved = false;
        let mut has_room = false;
        if conn.up.has_arrived() && link.wants_read() {
            let bytes = if self.profile.segments == Segments::Coalesced {
                conn.up.read_all()
            } else {
                let step = self.profile.segments.step(&mut conn.stream);
                conn.up.read(step)
            };
            link.handle_bytes(now.instant, &bytes.unwrap_or_default());
            (moved, has_room) = (true, true);
        }
        let mut sent = None;
        if link.wants_write() {
            let room = conn.down.room(&self.profile).min(self.profile.segments.step(&mut conn.stream));
            let queue = link.buffers().1;
            let len = queue.remaining().min(room);
            sent = (len > 0).then(|| queue.copy_to_bytes(len));
        }
        if conn.up.is_at_end(at) {
            let is_reset = conn.up.end == Some(PipeEnd::Reset);
            if is_reset && !link.is_over() {
                link.handle_disconnect(Disconnect::Error(io::ErrorKind::ConnectionReset));
                moved |= self.note_far_end(number);
            } else if link.wants_read() {
                link.handle_disconnect(Disconnect::Eof);
                moved |= self.note_far_end(number);
            } else {
                self.cluster.handle_hang_up(id);
            }
        }
        if moved || sent.is_some() {
            self.cluster.handle_io(now, id);
        }
        if let Some(bytes) = sent {
            self.answer(number, bytes);
            moved = true;
        }
        if has_room {
            self.mark_client(number);
        }
        moved
    }

    /// Whether the far end learns of the end for the first time.
    fn note_far_end(&mut self, number: ConnNumber) -> bool {
        self.conns.get_mut(&number).is_some_and(|conn| !std::mem::replace(&mut conn.is_far_told, true))
    }

    /// Bytes of a broker go on their way.
    fn answer(&mut self, number: ConnNumber, bytes: Bytes) {
        let now = self.now;
        self.history.trace(traced::ANSWERED, number);
        let profile = self.troubles.profile(self.profile, number, &self.conns, now);
        let bytes = self.change_answer(number, bytes);
        let is_producing = matches!(Scenario::of(&self.plan), Scenario::Producing | Scenario::Consuming);
        let Some(conn) = self.conns.get_mut(&number) else { return };
        let is_metadata = conn.tap.owed().is_some_and(|header| header.key == METADATA);
        self.troubles.has_misled |= conn.down.corrupts.is_some() && is_metadata && is_producing;
        let history = &mut self.history;
        conn.tap.down(&bytes, |id| history.note(|| format!("connection {number}: answer to id {id}")));
        if conn.is_held {
            conn.down.send(now, bytes, &profile, &mut conn.stream);
            self.schedule_arrival(number, Way::Down);
        } else {
            // The client's system answers with a reset.
            conn.up.cut(now, 0, PipeEnd::Reset);
            self.mark_far(number);
        }
        let nth = self.watch.note_answer();
        self.pull_trigger(Trigger::Answer(nth), number);
    }

    fn pump_service(&mut self, number: ConnNumber, service: WrongService) -> bool {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(&number) else { return false };
        let greets = !std::mem::replace(&mut conn.is_greeted, true);
        let mut says = if greets { service.greeting() } else { None };
        let heard = conn.up.read_all();
        let has_heard = heard.is_some();
        says = says.or_else(|| heard.as_ref().and_then(|bytes| service.answer(bytes)));
        let is_gone = conn.up.is_at_end(now) || !conn.is_held;
        if let Some(bytes) = says
            && conn.down.end.is_none()
        {
            conn.down.send(now, bytes, &self.profile, &mut conn.stream);
        }
        if (has_heard && service.closes()) || is_gone {
            conn.down.finish(PipeEnd::Fin);
            conn.far = Far::Gone;
        }
        self.schedule_arrival(number, Way::Down);
        if has_heard {
            self.mark_client(number);
        }
        has_heard
    }
}
