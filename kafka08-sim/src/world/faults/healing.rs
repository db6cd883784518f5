//! The end of all faults.

use crate::{
    net::{Far, PipeEnd},
    workload::Workload,
    world::{Event, World, nodes},
};

impl<W: Workload> World<W> {
    /// Ends all faults, and begins no other.
    pub(in crate::world) fn heal(&mut self) {
        let now = self.broker_now();
        self.history.note(|| "all faults end".to_owned());
        self.troubles.heal();
        self.profile = self.profile.healed();
        self.cluster.clear_rules();
        for node in nodes(&self.plan) {
            self.start(node);
            self.cluster.resume(node, now);
            self.cluster.thaw_metadata(node, now);
        }
        self.bring_back();
        if !self.troubles.gone.is_empty() {
            // Behind the notice that the controller takes, and a second for the replicas.
            self.troubles.awaits_leaders = true;
            self.push(self.now.saturating_add(self.plan.settings.election_delay + 1_000_000), Event::Led);
        }
        self.let_all_go();
        self.logs.note_shortened();
        for number in self.conns.keys().copied().collect::<Vec<_>>() {
            let Some(conn) = self.conns.get_mut(&number) else { continue };
            if matches!(conn.far, Far::Connecting) {
                // Attempts that a fault held back come to the broker now.
                self.push(self.now, Event::Connect(number));
                continue;
            }
            conn.up.heal();
            conn.down.heal();
            let is_served_by_another = match conn.far {
                Far::Broker(id) => self.cluster.link(id).is_some_and(|link| link.node() != conn.addressed),
                _ => false,
            };
            if is_served_by_another {
                // An address that moves back takes its connections with it.
                conn.up.cut(self.now, 0, PipeEnd::Reset);
                conn.down.cut(self.now, 0, PipeEnd::Reset);
            }
            if conn.is_corrupted {
                // Both sides may wait for the rest of a frame whose length was changed, which is a fault that goes on.
                conn.up.cut(self.now, 0, PipeEnd::Reset);
                conn.down.cut(self.now, 0, PipeEnd::Reset);
            }
            if matches!(conn.far, Far::Wrong(_)) {
                // The broker is back at its address, so the other service is gone.
                conn.down.finish(PipeEnd::Fin);
                conn.far = Far::Gone;
            }
            self.wake_conn(number);
        }
        self.look_at_ready();
    }
}
