//! Correlation ids whose range tells the API.

use std::fmt;

use super::ApiKey;

/// Bits of an id that count; the bits above them name the API.
const SEQUENCE_BITS: u32 = 27;
/// The range of requests whose key is none of 0.8's: `Prepared::raw` can send any.
const FOREIGN: i32 = 15;

/// The number that a response repeats from its request.
///
/// Ids that a [`ClientConnection`](crate::connection::ClientConnection) hands out are `(api_key + 1) << 27 | sequence`,
/// so that an id met in a log or a capture tells which API its response belongs to. Ids below 2^27 are never handed
/// out: neither the 0 of a broker's ConsumerMetadata quirk nor an echo of our own request can match one. A server sees
/// ids of other clients, which may be any `i32`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId(pub i32);

impl CorrelationId {
    /// The API that the id's range tells; `None` outside the ranges of 0.8's keys.
    #[must_use]
    pub fn api_key(self) -> Option<ApiKey> {
        let key = i16::try_from(self.0 >> SEQUENCE_BITS).ok()?.checked_sub(1)?;
        Some(ApiKey(key)).filter(|key| key.name().is_some())
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.api_key() {
            Some(key) => write!(f, "{} ({key})", self.0),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

/// Numbers the requests of one connection. It never wraps; its low 27 bits are those of the correlation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Serial(u64);

impl Serial {
    /// Whether so many requests lie between the two that their ids may be the same.
    pub(crate) fn is_a_period_behind(self, first: Self) -> bool {
        self.0 - first.0 >= PERIOD
    }
}

const MASK: i32 = (1 << SEQUENCE_BITS) - 1;
const PERIOD: u64 = 1 << SEQUENCE_BITS;

impl CorrelationId {
    /// The serials between `first` and `last` that this id can belong to, in ascending order.
    pub(crate) fn serials_between(self, first: Serial, last: Serial) -> impl Iterator<Item = Serial> {
        let low_bits = u64::try_from(self.0 & MASK).unwrap_or(0);
        let distance = low_bits.wrapping_sub(first.0) & (PERIOD - 1);
        std::iter::successors(first.0.checked_add(distance), |serial| serial.checked_add(PERIOD))
            .take_while(move |&serial| serial <= last.0)
            .map(Serial)
    }
}

/// Counts requests of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequence(Serial);

impl Sequence {
    pub(crate) fn starting_at(first: u32) -> Self {
        Self(Serial(u64::from(first) & (PERIOD - 1)))
    }

    /// The next id of `key`'s range that `taken` does not know, with its serial. `taken` must know fewer than 2^27 ids.
    pub(crate) fn next(
        &mut self,
        key: ApiKey,
        taken: impl Fn(CorrelationId, Serial) -> bool,
    ) -> (CorrelationId, Serial) {
        let range = if key.name().is_some() { i32::from(key.0) + 1 } else { FOREIGN } << SEQUENCE_BITS;
        loop {
            let serial = self.0;
            let low_bits = i32::try_from(serial.0 & (PERIOD - 1)).unwrap_or(0);
            let id = CorrelationId(range | low_bits);
            self.0 = Serial(serial.0 + 1);
            if !taken(id, serial) {
                return (id, serial);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_api_and_a_foreign_number_tells_none() {
        let mut sequence = Sequence::starting_at(5);
        assert_eq!(sequence.next(ApiKey::PRODUCE, |_, _| false).0, CorrelationId((1 << 27) + 5));
        let (id, _) = sequence.next(ApiKey::HEARTBEAT, |_, _| false);
        assert_eq!((id.0, id.api_key()), ((13 << 27) + 6, Some(ApiKey::HEARTBEAT)));
        assert_eq!(sequence.next(ApiKey(18), |_, _| false).0.api_key(), None);
        for foreign in [0, 1, (1 << 27) - 1, -1, i32::MIN, i32::MAX, 14 << 27] {
            assert_eq!(CorrelationId(foreign).api_key(), None, "{foreign}");
        }
    }

    #[test]
    fn the_sequence_wraps_within_its_range_and_skips_ids_in_flight() {
        let mut sequence = Sequence::starting_at((1 << 27) - 1);
        let (last, _) = sequence.next(ApiKey::FETCH, |_, _| false);
        assert_eq!(last.0, (3 << 27) - 1);
        let skipped = CorrelationId(2 << 27);
        assert_eq!(sequence.next(ApiKey::FETCH, |id, _| id == skipped).0.0, (2 << 27) + 1);
    }
}
