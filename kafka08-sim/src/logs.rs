//! What the logs of the brokers hold, and what they have ever held.
//!
//! The logs are read whenever a broker has served requests, so that a record that was appended and later truncated is known.

use std::{collections::BTreeMap, ops::ControlFlow};

use kafka08_broker::Cluster;
use kafka08_proto::{
    ids::{NodeId, Offset},
    message::{Budget, Inflater, MessageSet},
};

use crate::{
    history::{OperationId, Place},
    record::{ANY_PARTITION, Records},
};

/// Something in a log that does not belong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The partition in whose log it is.
    pub place: Place,
    /// Its offset.
    pub offset: i64,
    /// What it is.
    pub what: String,
}

#[derive(Debug, Default)]
struct PartitionLog {
    leader: Option<NodeId>,
    /// The records of the leader's log by offset. Compressed sets are numbered as brokers number them.
    entries: BTreeMap<i64, OperationId>,
    /// The offset behind all that was read.
    end: i64,
}

/// The logs of all partitions of a run.
#[derive(Debug)]
pub struct Logs {
    records: Records,
    inflater: Inflater,
    places: Vec<Place>,
    partitions: BTreeMap<Place, PartitionLog>,
    /// For each record, where it was ever appended.
    ever: BTreeMap<OperationId, Vec<(Place, i64)>>,
    foreign: Vec<Foreign>,
    /// Whether logs may have been shortened since they were read last.
    is_dirty: bool,
}

/// The name of a topic.
#[must_use]
pub fn topic_name(topic: u16) -> &'static str {
    match topic {
        0 => "orders",
        1 => "audit.log",
        2 => "t-2",
        _ => "t-3",
    }
}

/// The number of a topic.
#[must_use]
pub fn topic_number(name: &str) -> Option<u16> {
    (0..4).find(|topic| topic_name(*topic) == name)
}

impl Logs {
    /// Creates the logs of topics that are empty.
    #[must_use]
    pub fn new(records: Records) -> Self {
        let of_topic = |topic| (0..records.partitions).map(move |n| (topic, n));
        let places: Vec<Place> = (0..records.topics).flat_map(of_topic).collect();
        Self {
            records,
            inflater: Inflater::default(),
            partitions: places.iter().map(|place| (*place, PartitionLog::default())).collect(),
            places,
            ever: BTreeMap::new(),
            foreign: Vec::new(),
            is_dirty: false,
        }
    }

    /// Notes that an election or a crash may have shortened logs.
    pub(crate) fn note_shortened(&mut self) {
        self.is_dirty = true;
    }

    /// Reads what was appended since the last call.
    pub(crate) fn read(&mut self, cluster: &Cluster) {
        if std::mem::take(&mut self.is_dirty) {
            // A partition may have no leader now, so each remembers by itself that it is to be read anew.
            self.partitions.values_mut().for_each(|log| log.leader = None);
        }
        for place in self.places.clone() {
            self.read_one(cluster, place);
        }
    }

    fn read_one(&mut self, cluster: &Cluster, place: Place) {
        let (topic, partition) = (topic_name(place.0), i32::from(place.1));
        let Some(leader) = cluster.leader(topic, partition) else { return };
        let Some((end, _)) = cluster.ends(topic, partition, leader) else { return };
        let Some(log) = self.partitions.get_mut(&place) else { return };
        if log.leader != Some(leader) || end.0 < log.end {
            // The log of another leader may differ from any offset on.
            log.entries.clear();
            log.end = 0;
            log.leader = Some(leader);
        }
        if end.0 == log.end {
            return;
        }
        let from = Offset(log.end);
        log.end = end.0;
        if let Some(set) = cluster.stored(topic, partition, leader, from) {
            self.take(place, from, &set);
        }
    }

    fn take(&mut self, place: Place, from: Offset, set: &MessageSet) {
        let Self { records, inflater, partitions, ever, foreign, .. } = self;
        let Some(log) = partitions.get_mut(&place) else { return };
        let mut budget = Budget::new(1 << 26);
        let _ = set.for_each_message(from, inflater, &mut budget, |message| {
            let (offset, found) = match &message {
                Ok(message) => (message.offset.0, records.recognise(message.key, message.value)),
                Err(_) => (from.0, None),
            };
            match found {
                Some(id) => {
                    log.entries.insert(offset, id);
                    let places = ever.entry(id).or_default();
                    if !places.contains(&(place, offset)) {
                        places.push((place, offset));
                    }
                    let named = records.record(id).place;
                    if named.0 != place.0 || (named.1 != place.1 && named.1 != ANY_PARTITION) {
                        foreign.push(Foreign { place, offset, what: format!("record {id} is for {named:?}") });
                    }
                }
                None => foreign.push(Foreign { place, offset, what: format!("no record of this run: {message:?}") }),
            }
            ControlFlow::Continue(())
        });
    }

    /// Where a record was ever appended. A record that was appended twice at an offset is there once.
    #[must_use]
    pub fn ever(&self, id: OperationId) -> &[(Place, i64)] {
        self.ever.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The records of each leader's log, in the order of their offsets.
    pub fn latest(&self) -> impl Iterator<Item = (Place, i64, OperationId)> {
        self.partitions.iter().flat_map(|(place, log)| log.entries.iter().map(|(offset, id)| (*place, *offset, *id)))
    }

    /// The record at this offset of the leader's log.
    #[must_use]
    pub fn at(&self, place: Place, offset: i64) -> Option<OperationId> {
        self.partitions.get(&place)?.entries.get(&offset).copied()
    }

    /// What was found in logs and does not belong there.
    #[must_use]
    pub fn foreign(&self) -> &[Foreign] {
        &self.foreign
    }
}
