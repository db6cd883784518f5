//! What must hold of each connection of the client, looked at while its driver moves bytes.

use bytes::Buf as _;
use kafka08_client::machine::Machine as _;
use kafka08_proto::Connection as _;

use super::{World, watch::LARGEST_REQUEST};
use crate::{
    check::Invariant,
    net::{Breach, ConnNumber},
    workload::Workload,
};

impl<W: Workload> World<W> {
    /// A connection ends at what cannot be trusted, and says so.
    pub(super) fn check_breach(&mut self, number: ConnNumber) {
        for (link, reason) in self.workload.take_ends() {
            let said = Breach::of(&reason);
            let found = self.breaches.remove(&link);
            if said != found {
                self.fail(Invariant::R5, || format!("{link:?} has read {found:?}, and has ended with: {reason}"));
            }
        }
        let Some(conn) = self.conns.get(&number).filter(|conn| conn.is_held) else { return };
        if let Some(breach) = conn.reading.breach() {
            let link = conn.link;
            self.fail(Invariant::R5, || format!("{link:?} has read {breach}, and goes on"));
        }
    }

    /// No connection ends because another one cannot be trusted.
    // What was dropped because of a sound answer in the same read is not looked at.
    pub(super) fn check_drop(&mut self, number: ConnNumber) {
        let Some(conn) = self.conns.get(&number) else { return };
        let (link, breach) = (conn.link, conn.reading.breach());
        if let Some(breach) = breach {
            self.coverage
                .count(if breach == Breach::Frame { "ends by bad frames" } else { "ends by wrong answers" }, 1);
            self.breaches.insert(link, breach);
        }
        let has_cause = breach.is_some() || conn.is_told || conn.is_write_failed;
        let of_another = self.breached.filter(|(breached, _)| *breached != number && !has_cause);
        if let Some((_, breach)) = of_another {
            self.fail(Invariant::R5, || format!("{link:?} ends at once when another one has read {breach}"));
        }
    }

    /// Limits of a connection hold at every step.
    pub(super) fn check_link(&mut self, number: ConnNumber) {
        let Some(conn) = self.conns.get(&number) else { return };
        let (link, is_told) = (conn.link, conn.is_told);
        let Some(connection) = self.workload.machine().link(link) else { return };
        let (in_flight, most) = (connection.in_flight(), connection.config().max_in_flight());
        let staged = connection.buffers().1.remaining();
        let most_staged = connection.config().max_staged().saturating_add(LARGEST_REQUEST);
        let writes = connection.wants_write();
        if in_flight > most {
            self.fail(Invariant::R2, || format!("{link:?} has {in_flight} requests in flight, of at most {most}"));
        }
        if staged > most_staged {
            self.fail(Invariant::R2, || format!("{link:?} has {staged} bytes staged, of at most {most_staged}"));
        }
        if is_told && writes {
            self.fail(Invariant::R4, || format!("{link:?} wants to write after its end"));
        }
    }
}
