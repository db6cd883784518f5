//! Nothing is told.

use std::{net::SocketAddr, time::Instant};

use kafka08_client::{cluster::ClusterStats, config::ClusterConfig};
use kafka08_proto::{
    ClientConfig, HostPort,
    adapter::{CallError, ConnectError},
    connection::{Closed, ResponseFrame},
    ids::{Api, ConnectionId, CorrelationId},
};

use super::Served;

/// Notes what happens to requests.
#[derive(Debug, Default)]
pub struct Trace;

/// What was noted.
#[derive(Debug, Default)]
pub struct Notes;

/// Tells what was noted.
#[derive(Debug)]
pub struct Teller;

impl Trace {
    pub fn note_staged(&mut self, _: Instant, _: CorrelationId, _: Api, _: usize) {}

    pub fn note_time(&mut self, _: Instant) {}

    pub fn note_written(&mut self, _: CorrelationId) {}

    pub fn note_given_up(&mut self, _: CorrelationId) {}

    pub fn note_ended(&mut self, _: CorrelationId, _: Result<&ResponseFrame, &CallError>) {}

    pub fn note_closed(&mut self, _: &Closed) {}

    pub fn take(&mut self) -> Notes {
        Notes
    }
}

impl Teller {
    #[must_use]
    pub fn new(_: &ClientConfig, _: ConnectionId) -> (Self, Trace) {
        (Self, Trace)
    }

    pub fn tell(&self, _: Notes) {}
}

pub fn connect_ended(_: &HostPort, _: Instant, _: Instant, _: Result<SocketAddr, &ConnectError>) {}

pub(crate) fn served(_: ConnectionId, _: Served<'_>) {}

pub(crate) fn accept_failed(_: &std::io::Error) {}

/// Notes what a cluster does.
pub(crate) struct ClusterTrace;

/// What was noted of a cluster.
pub(crate) struct ClusterNotes;

/// Tells what was noted of a cluster.
pub(crate) struct ClusterTeller;

impl ClusterTrace {
    pub(crate) fn note(&mut self, _: impl FnOnce() -> ClusterStats) -> ClusterNotes {
        ClusterNotes
    }
}

impl ClusterTeller {
    pub(crate) fn new(_: &ClusterConfig) -> (Self, ClusterTrace) {
        (Self, ClusterTrace)
    }

    pub(crate) fn tell(&self, _: ClusterNotes) {}
}
