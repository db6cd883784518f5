//! One broker of a cluster.
//!
//! A broker and its replicas are apart: the replicas are with their partitions, and this is what the process of the broker
//! holds in memory. So a broker that is killed loses its offsets cache, and nothing of its logs.

use std::collections::VecDeque;

use kafka08_proto::{HostPort, ids::NodeId};

use super::views::{Pending, View};
use crate::groups::OffsetsCache;

/// Whether a broker is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    /// The process is stopped, as by SIGSTOP: its port accepts connections, and nothing is answered.
    Paused,
    /// The process is gone, and its port is closed.
    Down,
}

/// One broker of a cluster.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    /// The address in Metadata answers.
    pub(crate) advertised: HostPort,
    pub(crate) life: Life,
    /// How often the broker was killed or started. A timer of an earlier life does nothing.
    pub(crate) lives: u64,
    /// Whether the controller counts the broker among the living.
    pub(crate) is_registered: bool,
    /// What the broker knows of the cluster.
    pub(crate) view: View,
    /// Changes that have not reached the broker.
    pub(crate) pending: VecDeque<Pending>,
    /// Whether changes do not reach the broker.
    pub(crate) is_frozen: bool,
    /// The offsets of the groups that this broker coordinates.
    pub(crate) offsets: OffsetsCache,
}

impl Node {
    pub(crate) fn new(id: NodeId, advertised: HostPort) -> Self {
        Self {
            id,
            advertised,
            life: Life::Running,
            lives: 0,
            // All brokers run from the start: there is no cluster before its brokers have registered.
            is_registered: true,
            view: View::default(),
            pending: VecDeque::new(),
            is_frozen: false,
            offsets: OffsetsCache::default(),
        }
    }
}
