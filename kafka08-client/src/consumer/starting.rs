//! Where partitions start and end: look-ups of offsets, by time and of groups.

use std::{collections::BTreeMap, time::Instant};

use kafka08_proto::{
    api::{
        CommittedOffset, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
        OffsetFetchRequestV0, OffsetFetchRequestV1,
    },
    error_code::ErrorCode,
    ids::{NodeId, Offset, OffsetTime, Text, TopicPartition},
};

use super::{
    Consumer,
    calls::{begin, begin_at, outcomes},
    event::{ConsumerEvent, FetchCause, ResetCause},
    track::{Known, Knows, Looked, Stage, Track, Which},
};
use crate::{
    assignment::{Epoch, PartitionIndex},
    cluster::{Answer, Claim, Ended, Redeem, Routed},
    config::{OffsetStore, Reset, StartAt},
    error::Cause,
};

/// A look-up that is on its way.
#[derive(Debug)]
pub(super) struct Look {
    source: Source,
    /// When it was asked.
    since: Instant,
    parts: BTreeMap<TopicPartition, Part>,
    claim: Asked,
}

/// A partition of a look-up.
#[derive(Clone, Debug)]
struct Part {
    at: PartitionIndex,
    epoch: Epoch,
    /// What was looked up. A late answer says nothing about what is looked up by then.
    start: StartAt,
}

#[derive(Debug)]
enum Asked {
    Offsets(Claim<ListOffsetsRequest>),
    /// Of this broker, or of any.
    ZooKeeper(Text, Option<NodeId>, Claim<OffsetFetchRequestV0>),
    Kafka(Text, Claim<OffsetFetchRequestV1>),
    Topics(NodeId, Claim<MetadataRequest>),
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Log(Which),
    Group(OffsetStore),
}

impl Source {
    fn which(self) -> Which {
        match self {
            Self::Log(which) => which,
            Self::Group(_) => Which::Start,
        }
    }
}

/// What to ask for, of many partitions together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Offsets(Which, Of),
    /// Of this broker, or of whichever keeps it.
    Group(Text, OffsetStore, Option<NodeId>),
    /// Whether a broker knows the partitions.
    Topics(NodeId),
}

/// Whose partitions one look-up is about. It ends when all have been answered, so a broker that is lost or a topic that is missing
/// has one of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Leader(NodeId),
    /// Without a leader that is known.
    Topic(Text),
}

impl Consumer {
    /// Asks for the offsets of all partitions that wait for one.
    pub(super) fn drive_looks(&mut self, now: Instant) {
        if self.to_look.is_empty() {
            return;
        }
        let mut questions: BTreeMap<Question, Vec<(PartitionIndex, StartAt)>> = BTreeMap::new();
        // Together: a thousand partitions of one topic are one request for each broker.
        for at in std::mem::take(&mut self.to_look) {
            let Some(track) = self.tracks.get_mut(&at).filter(|track| !track.is_pausing) else { continue };
            let of = match self.cluster.view().leader(&track.of.topic, track.of.partition) {
                Ok(node) => Of::Leader(node),
                Err(_) => Of::Topic(track.of.topic.clone()),
            };
            let knows = track.knows;
            let Stage::Starting(starting) = &mut track.stage else { continue };
            for which in [Which::Start, Which::End] {
                let known = starting.at(which);
                let Known::No(start) = known else { continue };
                let start = start.clone();
                *known = Known::Asked(start.clone());
                let asked = match &start {
                    StartAt::Committed { group, store, .. } => vec![of_group(group, *store, knows)],
                    StartAt::LargerCommitted { group, .. } => {
                        starting.larger.ask().map(|store| of_group(group, store, knows)).collect()
                    }
                    _ => vec![Question::Offsets(which, of.clone())],
                };
                for question in asked {
                    questions.entry(question).or_default().push((at, start.clone()));
                }
            }
        }
        for (question, asked) in questions {
            self.ask(now, question, asked);
        }
    }

    /// Sends one look-up for many partitions.
    fn ask(&mut self, now: Instant, question: Question, asked: Vec<(PartitionIndex, StartAt)>) {
        let mut parts = BTreeMap::new();
        for (at, start) in &asked {
            if let Some(track) = self.tracks.get(at) {
                parts.insert(track.of.clone(), Part { at: *at, epoch: track.epoch, start: start.clone() });
            }
        }
        let source = match question {
            Question::Offsets(which, _) => Source::Log(which),
            Question::Group(_, store, _) => Source::Group(store),
            Question::Topics(_) => Source::Group(OffsetStore::ZooKeeper),
        };
        let names = || parts.keys().map(|of| (of.topic.clone(), of.partition));
        let begun = match question {
            Question::Offsets(..) => {
                let mut request = ListOffsetsRequest::new();
                for (at, start) in &asked {
                    let Some(track) = self.tracks.get(at) else { continue };
                    request = request.with(track.of.topic.clone(), track.of.partition, time_of(start));
                }
                begin(&mut self.cluster, now, request, Asked::Offsets)
            }
            Question::Group(group, OffsetStore::ZooKeeper, node) => {
                let request = names().fold(OffsetFetchRequestV0::new(group.clone()), |all, (t, p)| all.with(t, p));
                let keep = |claim| Asked::ZooKeeper(group, node, claim);
                match node {
                    Some(node) => begin_at(&mut self.cluster, now, node, request, keep),
                    None => begin(&mut self.cluster, now, request, keep),
                }
            }
            // All topics: a request that names one would create it, if it was deleted meanwhile.
            Question::Topics(node) => {
                let keep = |claim| Asked::Topics(node, claim);
                begin_at(&mut self.cluster, now, node, MetadataRequest::all(), keep)
            }
            Question::Group(group, OffsetStore::Kafka, _) => {
                let request = names().fold(OffsetFetchRequestV1::new(group.clone()), |all, (t, p)| all.with(t, p));
                begin(&mut self.cluster, now, request, |claim| Asked::Kafka(group, claim))
            }
        };
        match begun {
            Ok((id, claim)) => {
                self.looks.insert(id, Look { source, since: now, parts, claim });
            }
            Err(cause) => {
                for part in parts.into_values() {
                    self.take_looked(now, now, &part, source, Looked::Failed(FetchCause::Attempt(cause.clone())));
                }
            }
        }
    }

    /// Takes the end of a look-up.
    pub(super) fn take_look(&mut self, now: Instant, look: Look, ended: Ended) {
        let Look { source, since, parts, claim } = look;
        let answers: Vec<(TopicPartition, Looked)> = match claim {
            Asked::Offsets(claim) => {
                let answer = claim.redeem(ended);
                each(&parts, answer, |of, found: &ListOffsetsResponse| {
                    let found = found.topics.find(&of.topic, of.partition)?;
                    Some(match (found.error, found.offsets.first()) {
                        (ErrorCode::NONE, Some(offset)) if *offset >= Offset(0) => Looked::At(*offset),
                        (ErrorCode::NONE, _) => Looked::None(ResetCause::NothingSoEarly),
                        (code, _) => Looked::Failed(FetchCause::Refused { node: None, code }),
                    })
                })
            }
            Asked::ZooKeeper(group, node, claim) => each(&parts, claim.redeem(ended), |of, found| {
                let found = found.topics.find(&of.topic, of.partition)?;
                Some(match found.error {
                    // Of a broker that does not know the partition, this is no answer.
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Looked::Unclear { group: group.clone(), node },
                    _ => committed(&group, found),
                })
            }),
            Asked::Kafka(group, claim) => each(&parts, claim.redeem(ended), |of, found| {
                Some(committed(&group, found.topics.find(&of.topic, of.partition)?))
            }),
            Asked::Topics(node, claim) => each(&parts, claim.redeem(ended), |of, found: &MetadataResponse| {
                Some(match found.find(&of.topic, of.partition) {
                    Some(_) => Looked::Known(node),
                    None => unknown(Some(node)),
                })
            }),
        };
        for (of, looked) in answers {
            if let Some(part) = parts.get(&of) {
                self.take_looked(now, since, part, source, looked);
            }
        }
    }

    /// Takes what has come of a look-up for one partition.
    fn take_looked(&mut self, now: Instant, since: Instant, part: &Part, source: Source, looked: Looked) {
        let at = part.at;
        if !self.is_sought(part, source.which()) {
            return;
        }
        let Some(looked) = self.clear(at, source, looked) else { return };
        let Some(looked) = self.of_both(now, since, at, source, looked) else { return };
        let Some(track) = self.tracks.get_mut(&at) else { return };
        let Stage::Starting(starting) = &mut track.stage else { return };
        let known = starting.at(source.which());
        let Known::Asked(start) = known.clone() else { return };
        let of = track.of.clone();
        match looked {
            Looked::At(offset) => {
                *known = Known::Yes(offset);
                track.settle();
                self.start_if_known(now, at);
            }
            // Each log has a beginning and an end, so an answer without them says nothing.
            Looked::None(_) if matches!(start, StartAt::Earliest | StartAt::Latest) => {
                *known = Known::No(start);
                self.note_trouble(now, at, FetchCause::Attempt(Cause::Incomplete));
            }
            Looked::None(why) => match otherwise(&start) {
                Some(start) => {
                    *known = Known::No(start);
                    self.counts.resets += 1;
                    self.events.push_back(ConsumerEvent::Reset { partition: of, why });
                    self.to_look.insert(at);
                }
                None => self.fail(at, FetchCause::Lost(why)),
            },
            // What is unclear was made clear above.
            Looked::Unclear { .. } | Looked::Known(_) => {}
            Looked::Failed(cause) => {
                // It is asked for again after a pause. The broker that knew the partition may have been started anew.
                (*known, track.knows) = (Known::No(start), Knows::Unclear);
                // The call has waited for a broker until its deadline, and nothing has come of the partition meanwhile.
                self.set_trouble(now, since, at, cause.clone());
                self.note_trouble(now, at, cause);
            }
        }
    }

    /// Whether what a look-up was about is still looked for.
    fn is_sought(&mut self, part: &Part, which: Which) -> bool {
        let Some(track) = self.tracks.get_mut(&part.at).filter(|track| track.epoch == part.epoch) else { return false };
        let Stage::Starting(starting) = &mut track.stage else { return false };
        // It may be pausing.
        matches!(starting.at(which), Known::Asked(start) | Known::No(start) if *start == part.start)
    }

    /// Finds out whether a broker that has heard of no commits has heard of the partition. `None` if somebody has to be asked.
    fn clear(&mut self, at: PartitionIndex, source: Source, looked: Looked) -> Option<Looked> {
        let track = self.tracks.get_mut(&at)?;
        let knows = match looked {
            // A broker that has just started answers like this until it has heard of the topic. So one is asked whether it has,
            // and then, once more, what the group has committed.
            Looked::Unclear { group, node } if node.is_some_and(|node| track.knows == Knows::Yes(node)) => {
                return Some(Looked::None(ResetCause::NothingCommitted { group }));
            }
            Looked::Unclear { .. } => match self.cluster.view().leader(&track.of.topic, track.of.partition) {
                Ok(leader) => Knows::ToAsk(leader),
                // Nobody knows the partition yet, and watching its topic goes on.
                Err(_) => return Some(unknown(None)),
            },
            Looked::Known(node) => Knows::Yes(node),
            other => return Some(other),
        };
        track.knows = knows;
        let Stage::Starting(starting) = &mut track.stage else { return None };
        starting.larger.forget(OffsetStore::ZooKeeper);
        let known = starting.at(source.which());
        if let Known::Asked(start) = known {
            *known = Known::No(start.clone());
        }
        self.to_look.insert(at);
        None
    }

    /// What both stores have said, once they have, if the larger of their offsets is the start. All other starts have one source.
    fn of_both(
        &mut self,
        now: Instant,
        since: Instant,
        at: PartitionIndex,
        source: Source,
        looked: Looked,
    ) -> Option<Looked> {
        let Source::Group(store) = source else { return Some(looked) };
        let track = self.tracks.get(&at)?;
        let Stage::Starting(starting) = &track.stage else { return None };
        let (Known::Asked(StartAt::LargerCommitted { group, .. }) | Known::No(StartAt::LargerCommitted { group, .. })) =
            &starting.start
        else {
            return Some(looked);
        };
        let group = group.clone();
        let largest = self.take_of_store(now, since, at, store, looked)?;
        Some(largest.map_or(Looked::None(ResetCause::NothingCommitted { group }), Looked::At))
    }

    /// Begins to read if both offsets are known.
    pub(super) fn start_if_known(&mut self, now: Instant, at: PartitionIndex) {
        let Some(track) = self.tracks.get_mut(&at) else { return };
        let Stage::Starting(starting) = &track.stage else { return };
        let Some((position, until)) = starting.done() else { return };
        track.stage = Stage::Reading { position, until };
        let (of, epoch) = (track.of.clone(), track.epoch);
        self.returns.started.push((at, epoch, position));
        self.events.push_back(ConsumerEvent::Started { partition: of, at: position });
        // Above a high watermark, a broker must say whether the log has the offset at all.
        let is_beyond = until.was_there && position > until.offset;
        // Otherwise without a fetch, which would wait for messages that nobody wants.
        if position >= until.offset && !is_beyond {
            self.end(at, position);
        } else {
            self.place(now, at);
        }
    }
}

/// The answers for the partitions that were asked for. One that is missing was not answered.
fn each<R: Routed>(
    parts: &BTreeMap<TopicPartition, Part>,
    answer: Result<Answer<R>, Redeem>,
    find: impl Fn(&TopicPartition, &R::Response) -> Option<Looked>,
) -> Vec<(TopicPartition, Looked)> {
    let looked = |outcome: Result<_, _>| outcome.unwrap_or_else(|cause| Looked::Failed(FetchCause::Attempt(cause)));
    outcomes(parts.keys().cloned(), answer, find).into_iter().map(|(of, outcome)| (of, looked(outcome))).collect()
}

/// What a group has committed.
fn committed(group: &Text, found: &CommittedOffset) -> Looked {
    match found.error {
        ErrorCode::NONE if found.offset >= Offset(0) => Looked::At(found.offset),
        ErrorCode::NONE => Looked::None(ResetCause::NothingCommitted { group: group.clone() }),
        code => Looked::Failed(FetchCause::Refused { node: None, code }),
    }
}

/// What to ask of a group.
fn of_group(group: &Text, store: OffsetStore, knows: Knows) -> Question {
    match (store, knows) {
        (OffsetStore::Kafka, _) | (_, Knows::Unclear) => Question::Group(group.clone(), store, None),
        (OffsetStore::ZooKeeper, Knows::ToAsk(node)) => Question::Topics(node),
        (OffsetStore::ZooKeeper, Knows::Yes(node)) => Question::Group(group.clone(), store, Some(node)),
    }
}

/// A broker does not know the partition.
fn unknown(node: Option<NodeId>) -> Looked {
    Looked::Failed(FetchCause::Refused { node, code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION })
}

/// Where to look next if there is no such offset.
fn otherwise(start: &StartAt) -> Option<StartAt> {
    match start {
        StartAt::Committed { otherwise, .. } | StartAt::LargerCommitted { otherwise, .. } => otherwise.start(),
        _ => Some(StartAt::Earliest),
    }
}

/// The time that stands for a start.
fn time_of(start: &StartAt) -> OffsetTime {
    match start {
        StartAt::Latest => OffsetTime::LATEST,
        StartAt::Time(time) => OffsetTime(time.0),
        StartAt::Earliest | StartAt::Offset(_) | StartAt::Committed { .. } | StartAt::LargerCommitted { .. } => {
            OffsetTime::EARLIEST
        }
    }
}

impl Reset {
    /// Where to start. `None` if nowhere.
    pub(super) fn start(self) -> Option<StartAt> {
        match self {
            Self::Earliest => Some(StartAt::Earliest),
            Self::Latest => Some(StartAt::Latest),
            Self::Fail => None,
        }
    }
}

impl Track {
    /// It goes well again.
    pub(super) fn settle(&mut self) {
        self.failures = 0;
        self.trouble = None;
    }
}
