//! Batches with a network that has no links: the test says what becomes of each request.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use kafka08_proto::{
    HostPort,
    api::{ByTopic, Encode as _, LeaderProblem, ProduceResponse, ProducedPartition},
    connection::{Cancelled, Prepared, Progress as Written, RequestError, SendError},
    error_code::ErrorCode,
    fate::Fate,
    ids::{NodeId, Offset, Text, TopicPartition},
    message::{Entry, MessageSet},
    profile::Profile,
};

use super::super::{Batches, Progress};
use crate::{
    accumulator::{Batch, BatchId, Content, PartIndex},
    config::ProducerConfig,
    links::{Loss, Opening, Token},
    machine::LinkId,
    producer::{Outcome, ProducerEvent, net::Net},
};

/// A network whose links are all ready.
#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) leaders: BTreeMap<TopicPartition, i32>,
    pub(super) touched: BTreeSet<Token>,
    pub(super) cancelled: Vec<Token>,
    pub(super) drained: Vec<NodeId>,
    pub(super) stale: Vec<Text>,
    pub(super) sent: Vec<(NodeId, Token)>,
    pub(super) profile: Option<Profile>,
    /// The number of replicas of each partition.
    pub(super) replicas: Option<usize>,
    pub(super) probes: usize,
    /// Brokers whose links owe answers.
    pub(super) silent: BTreeSet<NodeId>,
    /// How many links to each broker have been given up.
    pub(super) links_before: u64,
}

impl Net for Fake {
    fn leader(&self, of: &TopicPartition) -> Result<NodeId, LeaderProblem> {
        self.leaders.get(of).map(|node| NodeId(*node)).ok_or(LeaderProblem::NoSuchPartition)
    }

    fn open(&mut self, _: Instant, _: NodeId) -> Opening {
        Opening::Ready
    }

    fn send(&mut self, _: Instant, node: NodeId, _: &Prepared, token: Token) -> Result<LinkId, SendError> {
        self.sent.push((node, token));
        Ok(LinkId(self.links_before * 100 + u64::try_from(node.0).expect("small")))
    }

    fn is_untouched(&mut self, token: Token) -> bool {
        !self.touched.contains(&token)
    }

    fn cancel(&mut self, token: Token) -> Cancelled {
        self.cancelled.push(token);
        if self.touched.contains(&token) { Cancelled::Abandoned } else { Cancelled::Withdrawn }
    }

    fn drain(&mut self, _: Instant, node: NodeId) {
        self.drained.push(node);
    }

    fn is_silent(&self, node: NodeId) -> bool {
        self.silent.contains(&node)
    }

    fn note_stale(&mut self, _: Instant, topic: &Text) {
        self.stale.push(topic.clone());
    }

    fn replicas(&self, _: &TopicPartition) -> Option<usize> {
        self.replicas
    }

    fn profile(&self, _: NodeId) -> Option<Profile> {
        self.profile
    }

    fn find_profile(&mut self, _: Instant, _: NodeId) {
        self.probes += 1;
    }

    fn address(&mut self, node: NodeId) -> HostPort {
        HostPort::new("broker", u16::try_from(9092 + node.0).expect("small"))
    }
}

#[expect(clippy::disallowed_methods, reason = "virtual time begins at any instant")]
fn start() -> Instant {
    Instant::now()
}

pub(super) struct Rig {
    pub(super) batches: Batches<u64>,
    pub(super) net: Fake,
    pub(super) now: Instant,
    next: u64,
}

pub(super) fn to(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// How records have ended: their values, and the outcome.
pub(super) type Told = (std::ops::Range<u32>, Outcome);

impl Rig {
    /// Partition p of the topic "t" is led by broker p % 2 + 1.
    pub(super) fn new(config: &ProducerConfig) -> Self {
        let leaders = (0..10).map(|p| (to(p), p % 2 + 1)).collect();
        let net = Fake { leaders, profile: Some(Profile::V0_8_2), replicas: Some(3), ..Fake::default() };
        Self { batches: Batches::new(config), net, now: start(), next: 0 }
    }

    /// Adds a batch of these values. Its completion is its number.
    pub(super) fn add(&mut self, partition: i32, values: &[&[u8]]) -> BatchId {
        let mut builder = MessageSet::builder();
        for value in values {
            builder.push(None, Some(value)).expect("small");
        }
        let id = BatchId(self.next);
        self.next += 1;
        let batch = Batch {
            id,
            part: PartIndex::first(u32::try_from(partition).expect("small")),
            to: to(partition),
            opened: self.now,
            completion: id.0,
            records: u32::try_from(values.len()).expect("small"),
            content: Content::Records,
            bytes: builder.build().bytes().clone(),
        };
        self.batches.add(&mut self.net, self.now, batch);
        id
    }

    /// Sends what can be sent, and returns the new requests.
    pub(super) fn send(&mut self) -> Vec<(NodeId, Token)> {
        let before = self.net.sent.len();
        while self.batches.poll_send(&mut self.net, self.now) == Progress::Some {}
        self.net.sent[before..].to_vec()
    }

    /// Sends the only request.
    pub(super) fn send_one(&mut self) -> Token {
        let sent = self.send();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent[0].1
    }

    /// The partitions of a request with the number of records of each set.
    pub(super) fn content(&self, token: Token) -> Vec<(i32, usize)> {
        let batches = self.batches.requests[&token].batches.iter();
        let sets = batches.map(|id| {
            let flight = &self.batches.flights[id];
            let wire = flight.pieces[0].wire.clone().expect("it was sent");
            let set = MessageSet::new(wire, kafka08_proto::message::Origin::Produced);
            (flight.to.partition.0, set.entries().count())
        });
        sets.collect()
    }

    pub(super) fn answer(&mut self, token: Token, found: &[(i32, i16, i64)]) {
        let mut topics = ByTopic::default();
        for (partition, code, offset) in found {
            let produced = ProducedPartition { error: ErrorCode(*code), offset: Offset(*offset) };
            topics.push("t", *partition, produced);
        }
        let body = ProduceResponse { topics }.to_bytes().expect("small");
        self.answer_with(token, &body);
    }

    /// Answers every batch of a request, also those that have left it, with one code.
    pub(super) fn answer_with_code(&mut self, token: Token, code: i16) {
        let batches = self.batches.requests[&token].batches.clone();
        let flights = batches.iter().filter_map(|id| self.batches.flights.get(id));
        let found: Vec<_> = flights.map(|flight| (flight.to.partition.0, code, 0)).collect();
        self.answer(token, &found);
    }

    pub(super) fn answer_with(&mut self, token: Token, body: &Bytes) {
        self.batches.handle_answered(&mut self.net, self.now, token, body);
    }

    /// Answers every partition of a request with one code.
    pub(super) fn answer_all(&mut self, token: Token, code: i16) {
        let found: Vec<_> = self.content(token).iter().map(|(partition, _)| (*partition, code, 0)).collect();
        self.answer(token, &found);
    }

    pub(super) fn time_out(&mut self, token: Token, fate: Fate) {
        let error = RequestError::TimedOut { after: Duration::from_secs(40) };
        let progress = if fate == Fate::NotApplied { Written::NotSent } else { Written::Unanswered };
        self.batches.handle_failed(&mut self.net, self.now, token, &Loss { error, progress, said: None }, fate);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.batches.handle_timeout(&mut self.net, self.now);
    }

    pub(super) fn move_leader(&mut self, partition: i32, node: Option<i32>) {
        match node {
            Some(node) => self.net.leaders.insert(to(partition), node),
            None => self.net.leaders.remove(&to(partition)),
        };
        self.batches.handle_leader(&mut self.net, self.now, &to(partition));
    }

    /// What was told of records since the last call.
    pub(super) fn told(&mut self) -> Vec<Told> {
        let events = std::mem::take(&mut self.batches.events);
        let mut told = Vec::new();
        for event in events {
            let ProducerEvent::Ended { completion, batch, records, outcome } = event else { continue };
            assert_eq!(completion, batch.0, "a batch gives back what it carries");
            told.push((records, outcome));
        }
        told
    }

    pub(super) fn released(&mut self) -> usize {
        std::mem::take(&mut self.batches.returns.released).len()
    }
}

pub(super) fn values(set: &MessageSet) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in set.entries() {
        let Ok(Entry::Plain(message)) = entry else { panic!("{entry:?}") };
        found.push(message.value.unwrap_or_default().to_vec());
    }
    found
}
