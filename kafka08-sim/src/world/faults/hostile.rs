//! Answers that no broker gives: they are asked of the broker's own faults, or made of its bytes.

use bytes::Bytes;
use kafka08_broker::{Lie, Rule};
use kafka08_proto::ids::ApiKey;

use crate::{
    coverage::ConnEvent,
    net::{ConnNumber, Far, HostileAnswer, Padding, Way},
    plan::FaultKind,
    workload::Workload,
    world::{World, noting::state_of},
};

/// An answer to a request that no client sends.
const UNASKED: &[u8] = &[0, 0, 0, 6, 0x7f, 0xff, 0xff, 0xff, 0, 0];
/// The first byte of the body of an answer: all but one begin with a count, which is negative then.
const COUNT_AT: usize = 8;

impl<W: Workload> World<W> {
    /// Has the next answer of a connection be hostile. Returns whether it is already.
    pub(super) fn hit_with_lie(&mut self, number: ConnNumber, answer: HostileAnswer) -> bool {
        let Some(conn) = self.conns.get_mut(&number).filter(|conn| conn.is_held) else { return false };
        let Far::Broker(id) = conn.far else { return false };
        let on = || {
            // A produce without an answer would use the rule up.
            let is_answered = |view: &kafka08_broker::RequestView<'_>| {
                view.header.api.key != ApiKey::PRODUCE || view.body.first_chunk() != Some(&[0, 0])
            };
            Rule::on_any().connection(id).matching("has an answer", is_answered).once()
        };
        let rule = match answer {
            HostileAnswer::Twice => on().twice(),
            HostileAnswer::IdNeverIssued => on().lie(Lie::IdNeverIssued),
            HostileAnswer::IdOld => on().lie(Lie::IdOld),
            HostileAnswer::IdNext => on().lie(Lie::IdNext),
            HostileAnswer::LengthNegative => on().lie(Lie::FrameLength { length: -1 }),
            HostileAnswer::LengthHuge => on().lie(Lie::FrameLength { length: i32::MAX }),
            HostileAnswer::LengthShort => on().lie(Lie::FrameLength { length: 3 }),
            HostileAnswer::Undecodable => on().corrupt(COUNT_AT, 0x80),
            HostileAnswer::Trailing => {
                conn.padding = Padding::Wanted;
                return false;
            }
            HostileAnswer::Unasked => return self.answer_unasked(number),
        };
        if conn.lie.is_none() {
            conn.lie = Some((self.cluster.add_rule(rule), answer));
        }
        false
    }

    fn answer_unasked(&mut self, number: ConnNumber) -> bool {
        let Some(conn) = self.conns.get_mut(&number) else { return false };
        // In the middle of a frame it would be a changed byte.
        if conn.tap.is_answering() || conn.down.end.is_some() {
            return false;
        }
        self.coverage.happened(state_of(conn), ConnEvent::Fault(FaultKind::Hostile));
        conn.down.send(self.now, Bytes::from_static(UNASKED), &self.profile, &mut conn.stream);
        self.schedule_arrival(number, Way::Down);
        true
    }

    /// A broker's bytes go on their way: changes them if it was asked for, and notes whether they are hostile.
    pub(in crate::world) fn change_answer(&mut self, number: ConnNumber, bytes: Bytes) -> Bytes {
        let Some(conn) = self.conns.get_mut(&number) else { return bytes };
        if conn.lie.take_if(|(rule, _)| self.cluster.fired(*rule) > 0).is_some() {
            self.note_hit(number, FaultKind::Hostile);
        }
        let Some(conn) = self.conns.get_mut(&number) else { return bytes };
        let wanted = conn.padding;
        let bytes = conn.padding.apply(bytes, !conn.tap.is_answering());
        if wanted == Padding::Wanted && conn.padding != wanted {
            self.note_hit(number, FaultKind::Hostile);
        }
        bytes
    }
}
