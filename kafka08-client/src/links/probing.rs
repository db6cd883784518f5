//! How the release of a broker is found out, on links that nothing else uses.

use std::{io, time::Instant};

use kafka08_proto::{
    Connection as _,
    adapter::ConnectError,
    connection::StagedTo,
    probe::{Probe, ProbeStep, Release},
};

use super::{
    LinkNews, Links, Opening, Peer,
    peer::{Purpose, Wish},
};
use crate::machine::LinkId;

/// A probe of one peer.
#[derive(Debug)]
pub(super) struct Probing {
    pub(super) probe: Probe,
    /// The link that is being connected or used. `None` while a link is wished for.
    pub(super) link: Option<LinkId>,
    /// What was staged when the driver was told to write the link.
    pub(super) named: Option<(LinkId, StagedTo)>,
}

impl Links {
    /// Finds out the release of a broker, with [`LinkNews::Probed`]. Does nothing while the broker is being probed.
    pub(crate) fn probe(&mut self, now: Instant, peer: Peer) {
        self.note_time(now);
        if !self.probes.contains_key(&peer) {
            self.start_probe(peer, now);
        }
    }

    /// Begins a probe, in the place of any before.
    fn start_probe(&mut self, peer: Peer, now: Instant) {
        let mut config = self.client.clone();
        if let Some(address) = self.address(peer) {
            config = config.with_peer(address.clone());
        }
        // Inserted before the first step, which looks it up.
        self.probes.insert(peer, Probing { probe: Probe::new(config), link: None, named: None });
        self.step_probe(peer, now);
    }

    /// Does what the probe of a peer asks for next.
    pub(super) fn step_probe(&mut self, peer: Peer, now: Instant) {
        let Some(probing) = self.probes.get_mut(&peer) else { return };
        let link = probing.link;
        match probing.probe.poll_step(now) {
            ProbeStep::Pump => {
                // The second question of a link is staged here, and nothing else would have it written.
                let connection = probing.probe.client_connection();
                let staged = connection.filter(|connection| connection.wants_write()).map(|it| it.staged_to());
                if let Some(link) = link {
                    let news = staged.map(|staged| (link, staged));
                    // Once for what is staged: a socket that takes nothing is not to be tried again and again.
                    if news.is_some() && news != probing.named {
                        probing.named = news;
                        self.name(link);
                    }
                    self.renew(link);
                }
            }
            ProbeStep::Connect => {
                if let Some(link) = link {
                    self.drop_link(link);
                }
                if self.want(now, Wish { peer, purpose: Purpose::Probe }) == Opening::NoAddress {
                    self.end_probe(peer, now);
                }
            }
            ProbeStep::Done(release) => self.finish_probe(peer, release, now),
        }
    }

    fn finish_probe(&mut self, peer: Peer, release: Release, now: Instant) {
        // Removed before its link is dropped, which would otherwise look for its probe.
        let Some(probing) = self.probes.remove(&peer) else { return };
        self.forget_wish(Wish { peer, purpose: Purpose::Probe });
        if let Some(link) = probing.link.and_then(|link| self.drop_link(link)) {
            match &release {
                // A peer that is probed again and again must not be connected to again and again.
                Release::Undetermined(why) => {
                    self.peers.note_failed(peer, link.epoch, why.to_string().into(), now);
                }
                _ => {
                    self.peers.note_answered(peer, &link.address);
                    self.hurry(peer, now);
                }
            }
        }
        self.news.push_back(LinkNews::Probed { peer, release });
    }

    /// The link of a probe could not be connected.
    pub(super) fn fail_probe(&mut self, peer: Peer, error: &ConnectError, now: Instant) {
        if let Some(probing) = self.probes.get_mut(&peer) {
            probing.probe.handle_connect_failed(kind(error));
            self.step_probe(peer, now);
        }
    }

    /// Ends a probe whose peer is not to be connected to any more.
    pub(super) fn end_probe(&mut self, peer: Peer, now: Instant) {
        if let Some(probing) = self.probes.get_mut(&peer) {
            probing.probe.handle_connect_failed(io::ErrorKind::AddrNotAvailable);
            self.step_probe(peer, now);
        }
    }

    /// The address of a peer has changed. A probe of the old one begins anew.
    pub(super) fn move_probe(&mut self, peer: Peer, now: Instant) {
        let Some(probing) = self.probes.remove(&peer) else { return };
        self.forget_wish(Wish { peer, purpose: Purpose::Probe });
        if let Some(link) = probing.link {
            self.drop_link(link);
        }
        self.start_probe(peer, now);
    }
}

/// The kind of the error that the text of a probe names.
fn kind(error: &ConnectError) -> io::ErrorKind {
    match error {
        ConnectError::Target(_) => io::ErrorKind::InvalidInput,
        ConnectError::NoAddress(_) => io::ErrorKind::NotFound,
        ConnectError::TimedOut { .. } => io::ErrorKind::TimedOut,
        ConnectError::Resolve { error, .. } | ConnectError::Setup(error) => error.kind(),
        ConnectError::Refused { attempts, .. } => {
            attempts.last().map_or(io::ErrorKind::ConnectionRefused, |(_, error)| error.kind())
        }
        _ => io::ErrorKind::Other,
    }
}
