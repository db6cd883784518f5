//! Events that wait to be taken.

use std::collections::{BTreeMap, VecDeque};

use crate::{connection::ClientEvent, ids::CorrelationId};

/// A queue of events from which the event of one request can be removed.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// `None` stands for a removed event. The first element is never `None`.
    queue: VecDeque<Option<ClientEvent>>,
    /// The number of the first element of `queue`. Numbers count all events ever pushed.
    first: u64,
    /// How many elements of `queue` are events.
    len: usize,
    /// The number of each event, by the request that the event ends. The map is created when an event is to be removed, and
    /// kept until the queue is empty. Most events are taken without ever being looked for.
    index: Option<BTreeMap<CorrelationId, u64>>,
}

impl Events {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, event: ClientEvent) {
        // The number is the place in the queue counted from its beginning, so that taking events in front of it changes nothing.
        if let (Some(index), Some(id)) = (&mut self.index, event.ended()) {
            index.insert(id, self.first + self.queue.len() as u64);
        }
        self.queue.push_back(Some(event));
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<ClientEvent> {
        let event = self.queue.pop_front()??;
        self.first += 1;
        self.len -= 1;
        self.trim();
        Some(event)
    }

    /// Removes the event that ends this request, if there is one.
    pub(super) fn remove(&mut self, id: CorrelationId) {
        let Self { queue, first, index, .. } = self;
        let index = index.get_or_insert_with(|| {
            let events = (*first..).zip(queue.iter());
            events.filter_map(|(number, event)| Some((event.as_ref()?.ended()?, number))).collect()
        });
        let place = index.remove(&id).and_then(|number| number.checked_sub(*first));
        if let Some(slot) = place.and_then(|place| queue.get_mut(usize::try_from(place).ok()?)) {
            // The slot stays, empty, because the numbers of those behind it are in the index.
            self.len -= usize::from(slot.take().is_some());
        }
        self.trim();
    }

    /// Removes empty slots from the front.
    fn trim(&mut self) {
        while self.queue.pop_front_if(|event| event.is_none()).is_some() {
            self.first += 1;
        }
        if self.queue.is_empty() {
            self.index = None;
        }
    }

    /// Frees memory that is not in use.
    pub(super) fn release(&mut self) {
        self.queue.shrink_to_fit();
    }
}
