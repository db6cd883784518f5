//! Faults of connections, and of the way to a broker.

use super::nth;
use crate::{
    choices::{Choices as _, Stream},
    coverage::ConnEvent,
    net::{Conn, ConnNumber, HostileAnswer, PipeEnd, Way},
    plan::{Fault, FaultKind},
    workload::Workload,
    world::{Event, World, noting::state_of},
};

/// Has nothing arrive until a time. `ways`: 1 towards the broker, 2 towards the client, 3 both.
fn stall(conn: &mut Conn, until: u64, ways: u64) {
    for (way, bit) in [(Way::Up, 1), (Way::Down, 2)] {
        if ways & bit != 0 {
            conn.pipe(way).stalled_until = until;
        }
    }
}

impl<W: Workload> World<W> {
    pub(super) fn hit_conn(&mut self, fault: Fault, on: Option<ConnNumber>) -> bool {
        let now = self.now;
        let held: Vec<ConnNumber> = self.conns.iter().filter(|(_, conn)| conn.is_held).map(|(n, _)| *n).collect();
        let Some(number) = on.or_else(|| nth(&held, fault.a)) else { return false };
        let Some(conn) = self.conns.get_mut(&number).filter(|conn| conn.is_held) else { return false };
        if fault.kind != FaultKind::Hostile {
            self.coverage.happened(state_of(conn), ConnEvent::Fault(fault.kind));
        }
        match fault.kind {
            FaultKind::Reset => {
                conn.up.cut(now, fault.b, PipeEnd::Reset);
                conn.down.cut(now, fault.c, PipeEnd::Reset);
            }
            FaultKind::Fin => {
                // The broker's process is gone, but not its system: what the client sends arrives nowhere.
                if fault.b >= 1000 {
                    // It travels as bytes do, so the client may write before it learns of it.
                    let travel = conn.stream.exponential(self.profile.latency);
                    conn.down.stalled_until = conn.down.stalled_until.max(now.saturating_add(fault.c));
                    conn.down.finish_at(now.saturating_add(travel), PipeEnd::Fin);
                } else {
                    conn.down.cut(now, fault.b, PipeEnd::Fin);
                }
                conn.up.cut(now, 1000, PipeEnd::Reset);
            }
            FaultKind::Stall => stall(conn, now.saturating_add(fault.b), fault.c),
            FaultKind::Hostile => return self.hit_with_lie(number, HostileAnswer::of_number(fault.b)),
            _ => {
                self.troubles.has_corrupted = true;
                conn.is_corrupted = true;
                conn.pipe(if fault.b == 0 { Way::Up } else { Way::Down }).corrupts = Some(fault.c);
            }
        }
        self.wake_conn(number);
        true
    }

    /// Has both ends of a connection look at it.
    pub(super) fn wake_conn(&mut self, number: ConnNumber) {
        self.mark_client(number);
        self.mark_far(number);
        self.schedule_arrival(number, Way::Up);
        self.schedule_arrival(number, Way::Down);
    }

    pub(super) fn hit_way(&mut self, fault: Fault) -> bool {
        let until = self.now.saturating_add(fault.b);
        let Some(node) = self.node_of(fault.a) else { return false };
        let other = self.node_of(fault.c).map_or(node.0, |other| other.0);
        let Some(trouble) = self.troubles.of.get_mut(&node) else { return false };
        match fault.kind {
            FaultKind::Refuse => trouble.refuses_until = until,
            FaultKind::SlowConnect => trouble.slow_connect = (until, fault.c),
            FaultKind::WrongService => trouble.wrong = (until, fault.c),
            FaultKind::Swap => trouble.swapped = (until, other),
            FaultKind::Slow => {
                trouble.slow = (until, fault.c.max(1));
                self.note_fault(fault.kind, |conn| conn.addressed == node && conn.is_held);
            }
            _ => {
                trouble.hole_until = until;
                self.note_fault(fault.kind, |conn| conn.addressed == node);
                let is_hit = |conn: &Conn| conn.addressed == node && conn.is_held;
                let hit: Vec<ConnNumber> =
                    self.conns.iter().filter(|(_, conn)| is_hit(conn)).map(|(n, _)| *n).collect();
                for number in hit {
                    if let Some(conn) = self.conns.get_mut(&number) {
                        stall(conn, until, fault.c);
                    }
                    self.wake_conn(number);
                }
            }
        }
        true
    }

    /// Stalls connections one after the other, which then go on in another order.
    pub(super) fn hit_many(&mut self, fault: Fault) -> bool {
        let mut stream = Stream::of(self.plan.settings.residual, 4, fault.a);
        let mut chosen: Vec<ConnNumber> = self.conns.iter().filter(|(_, conn)| conn.is_held).map(|(n, _)| *n).collect();
        chosen.retain(|_| stream.chance(2, 3));
        let count = u64::try_from(chosen.len()).unwrap_or(0);
        let Some(step) = (fault.b / 2).checked_div(count) else { return false };
        let mut begins = shuffled(count, &mut stream);
        let mut ends = shuffled(count, &mut stream);
        for number in chosen {
            let (Some(begin), Some(end)) = (begins.pop(), ends.pop()) else { break };
            let until = self.now.saturating_add(fault.b / 2).saturating_add((end + 1) * step);
            self.push(self.now.saturating_add(begin * step), Event::Clog(number, until));
        }
        true
    }

    /// Stalls both directions of a connection until this time.
    pub(in crate::world) fn clog(&mut self, number: ConnNumber, until: u64) {
        let Some(conn) = self.conns.get_mut(&number).filter(|conn| conn.is_held && !self.troubles.is_over) else {
            return;
        };
        self.coverage.happened(state_of(conn), ConnEvent::Fault(FaultKind::Swizzle));
        for way in [Way::Up, Way::Down] {
            let pipe = conn.pipe(way);
            pipe.stalled_until = pipe.stalled_until.max(until);
        }
        self.wake_conn(number);
    }
}

/// The numbers below `count` in an order that is drawn.
fn shuffled(count: u64, stream: &mut Stream) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..count).collect();
    numbers.sort_by_cached_key(|_| stream.next_number());
    numbers
}
