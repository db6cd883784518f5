//! What is noted of connections for the coverage of the runs.

use super::World;
use crate::{
    coverage::{ConnEvent, ConnState},
    net::{Conn, ConnNumber, Far},
    plan::FaultKind,
    workload::Workload,
};

/// What a connection is doing.
pub(super) fn state_of(conn: &Conn) -> ConnState {
    match conn.far {
        Far::Connecting => ConnState::Connecting,
        _ if conn.tap.is_torn() => ConnState::Writing,
        _ if conn.tap.is_answering() || conn.down.has_transit() => ConnState::Answering,
        _ if conn.tap.outstanding() > 0 => ConnState::Waiting,
        _ => ConnState::Idle,
    }
}

impl<W: Workload> World<W> {
    /// Notes what happens to a connection.
    pub(super) fn note_event(&mut self, number: ConnNumber, event: ConnEvent) {
        if let Some(conn) = self.conns.get(&number) {
            self.coverage.happened(state_of(conn), event);
        }
    }

    /// Notes a fault that hits this connection later than it began.
    pub(super) fn note_hit(&mut self, number: ConnNumber, kind: FaultKind) {
        self.coverage.fired(kind);
        self.note_event(number, ConnEvent::Fault(kind));
    }

    /// Notes a fault of some connections, those that are being made included.
    pub(super) fn note_fault(&mut self, kind: FaultKind, is_hit: impl Fn(&Conn) -> bool) {
        let is_there = |conn: &&Conn| conn.is_held || matches!(conn.far, Far::Connecting);
        for conn in self.conns.values().filter(is_there).filter(|conn| is_hit(conn)) {
            self.coverage.happened(state_of(conn), ConnEvent::Fault(kind));
        }
    }
}
