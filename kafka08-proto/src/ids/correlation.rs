//! Correlation ids. The high bits of an id contain the API key of its request.

use std::fmt;

use super::ApiKey;

/// The number of low bits that hold the sequence number. The next four bits hold the API key plus 1. The sign bit is 0.
// Four bits are enough for the 13 keys of 0.8. The sign bit is 0, so this crate never assigns a negative id.
const SEQUENCE_BITS: u32 = 27;
/// The value of the four bits for an API key that no 0.8 release knows. `Prepared::raw` can send any key.
// 15 is the highest value of four bits. The value 14 is not used yet.
const FOREIGN: i32 = 15;

/// A number in a request that the broker copies into the response.
///
/// A [`ClientConnection`](crate::connection::ClientConnection) assigns the ids `(api_key + 1) << 27 | sequence`, so an
/// id in a log or a packet capture shows the API of its request. The connection never assigns an id below 2^27. The
/// response to a failed ConsumerMetadata (0.8.2) has correlation id 0 and therefore matches no request. A request that
/// a peer sends back matches no request either. A server must accept any `i32`, because each client chooses its ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId(pub i32);

impl CorrelationId {
    /// The API key that the id contains. Returns `None` if the id does not contain a key of 0.8.
    #[must_use]
    pub fn api_key(self) -> Option<ApiKey> {
        // The shift keeps the sign, so a negative id becomes a negative key, which has no name.
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

/// The number of a request on its connection. The low 27 bits of the serial and of the correlation id are equal.
///
/// A serial never wraps, so serials show the order of sending even when correlation ids repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Serial(u64);

impl Serial {
    /// Whether this serial is at least 2^27 above `first`, so that both may have the same correlation id.
    pub(crate) fn is_a_period_behind(self, first: Self) -> bool {
        self.0 - first.0 >= PERIOD
    }
}

const MASK: i32 = (1 << SEQUENCE_BITS) - 1;
const PERIOD: u64 = 1 << SEQUENCE_BITS;

impl CorrelationId {
    /// The serials from `first` to `last` that this id can belong to, in ascending order.
    pub(crate) fn serials_between(self, first: Serial, last: Serial) -> impl Iterator<Item = Serial> {
        let low_bits = u64::try_from(self.0 & MASK).unwrap_or(0);
        // The subtraction wraps if `first` is the larger number. The mask then gives the distance from `first` to the
        // next serial with these low bits.
        let distance = low_bits.wrapping_sub(first.0) & (PERIOD - 1);
        std::iter::successors(first.0.checked_add(distance), |serial| serial.checked_add(PERIOD))
            .take_while(move |&serial| serial <= last.0)
            .map(Serial)
    }
}

/// Assigns serials and correlation ids to the requests of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequence(Serial);

impl Sequence {
    pub(crate) fn starting_at(first: u32) -> Self {
        Self(Serial(u64::from(first) & (PERIOD - 1)))
    }

    /// Skips this many ids, as if they had been assigned.
    #[cfg(test)]
    pub(crate) fn skip(&mut self, ids: u64) {
        self.0 = Serial(self.0.0 + ids);
    }

    /// Assigns the next id and serial for `key`. Skips ids for which `taken` returns true. If `taken` returns true for
    /// all 2^27 ids of the key, this method never returns.
    pub(crate) fn next(
        &mut self,
        key: ApiKey,
        taken: impl Fn(CorrelationId, Serial) -> bool,
    ) -> (CorrelationId, Serial) {
        let range = if key.name().is_some() { i32::from(key.0) + 1 } else { FOREIGN } << SEQUENCE_BITS;
        // Ids repeat after 2^27 requests. A request that is still in flight by then must keep its id.
        loop {
            let serial = self.0;
            let low_bits = i32::try_from(serial.0 & (PERIOD - 1)).unwrap_or(0);
            let id = CorrelationId(range | low_bits);
            #[cfg(kafka08_canary)]
            let id = crate::canary::RepeatsIds.pick(CorrelationId(id.0 & !1), id);
            // The addition cannot overflow: 2^64 requests take 500,000 years at a million requests per second.
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
