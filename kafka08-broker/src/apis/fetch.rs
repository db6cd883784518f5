//! Fetch (`KafkaApis.handleFetchRequest`).
//!
//! A fetch is answered at once, or waits in the purgatory until enough bytes are there. Which bytes count is the main
//! difference between the releases: 0.8.0 and 0.8.1 count what was produced, 0.8.2 measures the distance to the high
//! watermark. A fetch that has waited is read again from the start, because the logs may have changed in between.

use bytes::Bytes;
use kafka08_proto::{
    error_code::ErrorCode,
    ids::{NodeId, Offset},
    profile::Profile,
};

use super::{Caller, Outcome, detached, grouped};
use crate::{
    cluster::Cluster,
    purgatory::{Waiting, WaitingFetch},
    state::{Now, Partition, Replica, Tp},
    wire::{Answer, FetchPart, Fetched, Place, Places},
};

/// The replica id of a consumer for debugging, which reads from any replica.
const DEBUG: i32 = -2;

/// What a fetch has found.
struct Read {
    /// One item for each partition of the request, failed ones included, in the order of the request's map.
    items: Vec<(Place, Fetched)>,
    /// The bytes of all message sets.
    bytes: usize,
    /// Whether any partition failed. 0.8.2 then answers at once, and earlier releases count 0 bytes for it.
    has_error: bool,
}

impl Cluster {
    pub(crate) fn fetch(
        &mut self,
        caller: Caller,
        replica: NodeId,
        max_wait: i32,
        min_bytes: i32,
        parts: &Places<FetchPart>,
        now: Now,
    ) -> Outcome {
        // Positions are recorded before anything is read, as in `KafkaApis.handleFetchRequest`: the high watermark that this
        // fetch moves is the one that its answer tells.
        self.note_followers(caller, replica, parts, now);
        let read = self.read_all(caller, replica, parts);
        let min_bytes = i64::from(min_bytes);
        let bytes = i64::try_from(read.bytes).unwrap_or(i64::MAX);
        let answers_errors = caller.profile == Profile::V0_8_2 && read.has_error;
        let is_ready = max_wait <= 0 || parts.is_empty() || bytes >= min_bytes || answers_errors;
        // 0.8.2 measures the distance to the high watermark, whatever `max_bytes` lets through. It looks at every log again, so it is
        // not measured for a request that is answered anyway.
        let have = match caller.profile {
            _ if is_ready => Distance::Ready,
            Profile::V0_8_2 => self.distance(caller, replica, parts),
            _ => Distance::Bytes(bytes),
        };
        match have {
            Distance::Bytes(have) if have < min_bytes && self.has_room_to_wait() => {
                // A waiting fetch must not hold the buffer that its request was read into.
                let detach = |(place, part): (&Place, &FetchPart)| {
                    (Place { topic: detached(&place.topic), partition: place.partition }, *part)
                };
                let parts = parts.iter().map(detach).collect();
                let fetch = WaitingFetch { replica, min_bytes, have, parts };
                self.wait(caller, Waiting::Fetch(fetch), Some(i64::from(max_wait)), now);
                Outcome::Waits
            }
            _ => Outcome::Answer(Answer::Fetch(grouped(read.items, self.seed()))),
        }
    }

    /// Reads all partitions of a request again, when it has waited.
    pub(super) fn fetch_now(&mut self, caller: Caller, fetch: &WaitingFetch) -> Answer {
        let read = self.read_all(caller, fetch.replica, &fetch.parts);
        Answer::Fetch(grouped(read.items, self.seed()))
    }

    /// Reads all partitions, each with the room that those before it have left of `max_answer`.
    fn read_all(&self, caller: Caller, replica: NodeId, parts: &Places<FetchPart>) -> Read {
        // Recording the position of a replica that is not assigned throws, and the handler's catch fails the whole request.
        let is_stranger = caller.profile > Profile::V0_8_0 && replica.0 >= 0 && !self.is_replica_of_all(replica, parts);
        let mut read = Read { items: Vec::with_capacity(parts.len()), bytes: 0, has_error: false };
        for (place, part) in parts {
            let room = self.state.config.max_answer.saturating_sub(read.bytes);
            let found =
                if is_stranger { Err(ErrorCode::UNKNOWN) } else { self.read(caller, replica, place, *part, room) };
            let fetched = found.unwrap_or_else(|error| {
                read.has_error = true;
                Fetched { error, high_watermark: Offset::NONE, set: Vec::new() }
            });
            read.bytes += fetched.set.iter().map(Bytes::len).sum::<usize>();
            read.items.push((place.clone(), fetched));
        }
        read
    }

    /// Whether a broker has a replica of each partition that exists. 0.8.1 and 0.8.2 fail the whole request otherwise.
    fn is_replica_of_all(&self, replica: NodeId, parts: &Places<FetchPart>) -> bool {
        let found = parts.keys().filter_map(|place| self.state.partition(self.find(place)?));
        found.into_iter().all(|partition| partition.replica(replica).is_some())
    }

    /// The replica that answers, and the offset up to which it may be read.
    fn source(&self, caller: Caller, replica: NodeId, place: &Place) -> Result<(&Replica, Offset), ErrorCode> {
        let partition = self.find(place).and_then(|tp| self.state.partition(tp));
        let source = match partition {
            Some(partition) if replica.0 == DEBUG => {
                partition.replica(caller.node).ok_or(ErrorCode::REPLICA_NOT_AVAILABLE)?
            }
            // 0.8.1 looks for the topic first.
            None if replica.0 == DEBUG && (caller.profile != Profile::V0_8_1 || self.knows_topic(place)) => {
                return Err(ErrorCode::REPLICA_NOT_AVAILABLE);
            }
            Some(partition) => partition.led_by(caller.node)?,
            None => return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        };
        // A consumer must not see messages that a new leader may not have.
        let limit = if reads_to_the_end(caller.profile, replica) { source.log.end() } else { source.high_watermark };
        Ok((source, limit))
    }

    /// Whether brokers know a topic of this name.
    pub(super) fn knows_topic(&self, place: &Place) -> bool {
        let id = place.topic.as_ref().and_then(|name| self.state.topics.id(name));
        id.and_then(|id| self.state.topics.get(id)).is_some_and(|topic| topic.is_led)
    }

    /// Reads one partition (`ReplicaManager.readMessageSet`, `Log.read`).
    fn read(
        &self,
        caller: Caller,
        replica: NodeId,
        place: &Place,
        part: FetchPart,
        room: usize,
    ) -> Result<Fetched, ErrorCode> {
        let (source, limit) = self.source(caller, replica, place)?;
        let found = |set| Fetched { error: ErrorCode::NONE, high_watermark: source.high_watermark, set };
        let log = &source.log;
        // At the end of the log nothing else is looked at.
        if part.offset == log.end() {
            return Ok(found(Vec::new()));
        }
        if part.offset > log.end() || part.offset < log.start() {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        // A negative size fails after the range of the offset has been checked: `LogSegment.read` comes behind `Log.read`.
        let max = usize::try_from(part.max_bytes).map_err(|_| ErrorCode::UNKNOWN)?;
        // An offset between the high watermark and the end is an illegal argument inside of the broker.
        if part.offset > limit {
            return Err(ErrorCode::UNKNOWN);
        }
        let pieces = log.read(part.offset, max.min(room), limit).map_err(|_| ErrorCode::OFFSET_OUT_OF_RANGE)?;
        let set: Vec<Bytes> = pieces.into_iter().collect();
        // A set without a whole entry tells a consumer that its `max_bytes` is too small, which is an error of its application
        // (`MessageSizeTooLargeException`). The limit of this broker must not cause it.
        let set = if room < max && !has_whole_entry(&set) { Vec::new() } else { set };
        Ok(found(set))
    }

    /// How many bytes lie between the offsets of a request and the high watermarks (`DelayedFetch.isSatisfied`).
    fn distance(&self, caller: Caller, replica: NodeId, parts: &Places<FetchPart>) -> Distance {
        let mut sum = 0usize;
        for (place, part) in parts {
            // `DelayedFetch` completes when it cannot find the leader, so that the client learns of it at once.
            let Ok((source, limit)) = self.source(caller, replica, place) else { return Distance::Ready };
            // What lies on an older segment is sent at once.
            if part.offset < source.active_base() && part.offset < limit {
                return Distance::Ready;
            }
            sum = sum.saturating_add(source.log.bytes_from(part.offset.min(limit), limit));
        }
        Distance::Bytes(i64::try_from(sum).unwrap_or(i64::MAX))
    }

    /// The partitions of a request that exist.
    pub(super) fn tps_of(&self, parts: &Places<FetchPart>) -> Vec<Tp> {
        parts.keys().filter_map(|place| self.find(place)).collect()
    }

    /// Notes fetches of clients that 0.8.0 takes for followers.
    fn note_followers(&mut self, caller: Caller, replica: NodeId, parts: &Places<FetchPart>, now: Now) {
        if caller.profile > Profile::V0_8_0 || (replica.0 < 0 && replica.0 >= DEBUG) {
            return;
        }
        for (place, part) in parts {
            let Some(tp) = self.find(place) else { continue };
            let is_stranger =
                |partition: &Partition| partition.led_by(caller.node).is_ok() && partition.replica(replica).is_none();
            if self.state.partition(tp).is_some_and(is_stranger) {
                self.state.note_stranger(tp, replica, part.offset, now);
            }
        }
    }

    /// Adds to what waiting fetches of 0.8.0 and 0.8.1 have: they count the size of every produce, also of one that failed.
    pub(super) fn note_produced(&mut self, caller: Caller, place: &Place, bytes: usize) {
        if caller.profile < Profile::V0_8_2
            && let Some(tp) = self.find(place)
        {
            self.add_to_fetches(tp, bytes, CountedBy::Produce);
        }
    }
}

/// How far a fetch is from what it waits for.
enum Distance {
    /// So many bytes are there. They are compared with `min_bytes`.
    Bytes(i64),
    /// The fetch is answered, however few bytes there are.
    Ready,
}

/// What counts towards the `min_bytes` of a fetch that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CountedBy {
    /// The size of each produce: 0.8.0 and 0.8.1.
    Produce,
    /// The distance to the high watermark: 0.8.2.
    HighWatermark,
}

/// Whether the first entry of a set is whole: 8 bytes of offset, 4 bytes of size, and as many bytes as the size says.
fn has_whole_entry(set: &[Bytes]) -> bool {
    let len: usize = set.iter().map(Bytes::len).sum();
    let head: Vec<u8> = set.iter().flatten().copied().take(12).collect();
    let size = head.get(8..).and_then(|size| size.try_into().ok()).map(i32::from_be_bytes);
    size.and_then(|size| usize::try_from(size).ok()).is_some_and(|size| len >= size.saturating_add(12))
}

/// Whether a replica id may read beyond the high watermark.
fn reads_to_the_end(profile: Profile, replica: NodeId) -> bool {
    match profile {
        Profile::V0_8_0 => replica.0 != -1,
        Profile::V0_8_1 | Profile::V0_8_2 => replica.0 >= 0,
    }
}
