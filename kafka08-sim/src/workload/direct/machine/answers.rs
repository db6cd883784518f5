//! What a small client makes of answers, and of requests that have none.

use std::time::Instant;

use kafka08_client::machine::LinkId;
use kafka08_proto::{
    ClientConnection, ClientEvent, Connection as _,
    api::{MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse},
    connection::ResponseFrame,
    fate::Fate,
    ids::{Acks, ApiKey, CorrelationId},
};

use super::{DirectMachine, Retries};
use crate::{
    history::{Ending, Place},
    logs::{topic_name, topic_number},
};

impl DirectMachine {
    fn take(&mut self, now: Instant, link: LinkId, event: ClientEvent) {
        match event {
            ClientEvent::Response(frame) if frame.api.key == ApiKey::METADATA => self.take_metadata(link, frame),
            ClientEvent::Response(frame) => self.take_produced(now, link, frame),
            ClientEvent::Written { id, .. } => {
                if let Some(place) = self.end_flight(link, id) {
                    self.end_first(place, |_| Ending::Written);
                }
            }
            ClientEvent::Failed { id, fate, .. } => {
                if self.asking == Some((link, id)) {
                    self.asking = None;
                } else if let Some(place) = self.end_flight(link, id) {
                    self.fail(now, place, fate, true);
                }
            }
            ClientEvent::Closed(closed) => {
                self.ends.push((link, closed.reason));
                if let Some(node) = self.links.get(&link).map(|link| link.node) {
                    self.rests.insert(node, now + self.pause);
                }
                self.drop_link(link);
            }
        }
    }

    fn end_flight(&mut self, link: LinkId, id: CorrelationId) -> Option<Place> {
        let (place, queue) = self.queues.iter_mut().find(|(_, queue)| queue.in_flight == Some((link, id)))?;
        queue.in_flight = None;
        Some(*place)
    }

    fn take_metadata(&mut self, link: LinkId, frame: ResponseFrame) {
        self.asking = None;
        let connection = self.links.get(&link).and_then(|link| link.connection.as_ref());
        let ticket = connection.and_then(|connection| connection.ticket::<MetadataRequest>(frame.id));
        let answer: Option<MetadataResponse> = ticket.and_then(|ticket| ticket.redeem(frame).ok());
        for topic in answer.iter().flat_map(MetadataResponse::topics) {
            let Some(number) = topic_number(topic.name.as_str()) else { continue };
            for partition in &topic.partitions {
                let place = (number, u16::try_from(partition.partition.0).unwrap_or(u16::MAX));
                if let Some(queue) = self.queues.get_mut(&place) {
                    queue.leader = partition.leader.filter(|node| self.nodes.contains(node));
                }
            }
        }
    }

    fn take_produced(&mut self, now: Instant, link: LinkId, frame: ResponseFrame) {
        let Some(place) = self.end_flight(link, frame.id) else { return };
        let connection = self.links.get(&link).and_then(|link| link.connection.as_ref());
        let ticket = connection.and_then(|connection| connection.ticket::<ProduceRequest>(frame.id));
        let answer: Option<ProduceResponse> = ticket.and_then(|ticket| ticket.redeem(frame).ok());
        let found = answer.as_ref().and_then(|all| all.topics.find(topic_name(place.0), i32::from(place.1)));
        let Some(found) = found else { return self.fail(now, place, Fate::MaybeApplied, false) };
        match found.error.produce_fate(Acks(self.acks)) {
            None => {
                let offset = Some(found.offset.0 - i64::from(self.tells_end)).filter(|offset| *offset >= 0);
                self.end_first(place, |maybe_applied| Ending::Delivered { place, offset, maybe_applied });
            }
            Some(fate) => self.fail(now, place, fate, found.error.is_retriable()),
        }
    }

    /// An attempt has failed.
    fn fail(&mut self, now: Instant, place: Place, fate: Fate, may_retry: bool) {
        let not_before = Some(now + self.pause);
        let Some(queue) = self.queues.get_mut(&place) else { return };
        queue.leader = None;
        let Some(first) = queue.records.front_mut() else { return };
        first.not_before = not_before;
        first.maybe_applied += u32::from(fate == Fate::MaybeApplied);
        let worst = if first.maybe_applied > 0 { Fate::MaybeApplied } else { Fate::NotApplied };
        let retries = match self.retries {
            Retries::AtLeastOnce => may_retry,
            Retries::OnlyNotApplied => may_retry && worst == Fate::NotApplied,
            Retries::Never => false,
        };
        if !retries {
            self.end_first(place, |maybe_applied| Ending::Failed { fate: worst, maybe_applied });
        }
    }

    pub(super) fn take_events(&mut self, now: Instant, id: LinkId) {
        while let Some(event) =
            self.links.get_mut(&id).and_then(|link| link.connection.as_mut()).and_then(ClientConnection::poll_event)
        {
            self.take(now, id, event);
        }
    }
}
