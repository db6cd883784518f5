//! A consumer with its assignment, as one machine, and what its tests ask of it.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use bytes::Buf as _;
use kafka08_broker::BrokerConfig;
use kafka08_client::{
    assignment::{Assignment, CommitId, Fetched, Messages, Wake},
    config::{ClusterConfig, ConsumerConfig, EndAt, OffsetStore, ReleaseSetting, StartAt},
    consumer::{CommitCause, Consumer, ConsumerEvent},
    machine::{LinkId, Machine, Output},
};
use kafka08_proto::{
    ClientConfig, ClientConnection, Connection as _, Disconnect,
    adapter::ConnectError,
    api::{FetchRequest, ProduceRequest, Request},
    connection::ClientEvent,
    ids::{Acks, ConnectionId, Millis, NodeId, Offset, Text, TopicPartition},
    limits::Limits,
    message::{Budget, Inflater, MessageError, MessageSet, MessageSetBuilder},
};

use crate::rig::{Rig, address};

/// Exchanges before it is asked for outputs, as a driver does.
#[derive(Debug)]
pub(crate) struct Both {
    pub(crate) consumer: Consumer,
    pub(crate) assignment: Assignment,
}

impl Machine for Both {
    type Event = ConsumerEvent;

    fn poll_output(&mut self, now: Instant) -> Option<Output<Self::Event>> {
        // The second time is for what has come up since the first. A driver has that in its next turn.
        for _ in 0..2 {
            self.consumer.exchange(&mut self.assignment, now);
            if let Some(output) = self.consumer.poll_output(now) {
                return Some(output);
            }
        }
        None
    }

    fn link(&mut self, link: LinkId) -> Option<&mut ClientConnection> {
        self.consumer.link(link)
    }

    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.consumer.handle_connected(link, now);
    }

    fn handle_connect_failed(&mut self, link: LinkId, error: &ConnectError, now: Instant) {
        self.consumer.handle_connect_failed(link, error, now);
    }

    fn handle_progress(&mut self, link: LinkId, now: Instant) {
        self.consumer.handle_progress(link, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.consumer.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.consumer.handle_timeout(now);
    }

    fn is_over(&self) -> bool {
        self.consumer.is_over()
    }
}

pub(crate) type ConsumerRig = Rig<Both>;

/// Brokers, and a consumer that knows all of them and their release.
pub(crate) fn rig(brokers: BrokerConfig, config: ConsumerConfig) -> ConsumerRig {
    let bootstrap: Vec<_> = (1..=brokers.brokers()).map(|n| address(n.into())).collect();
    let release = ReleaseSetting::Is(brokers.profile());
    let cluster = config.cluster().clone().with_bootstrap(bootstrap).with_release(release);
    rig_at(brokers, config.with_cluster(cluster))
}

pub(crate) fn rig_at(brokers: BrokerConfig, config: ConsumerConfig) -> ConsumerRig {
    let both = Both { consumer: Consumer::new(&config), assignment: Assignment::new(&config) };
    Rig::new(brokers, both)
}

pub(crate) fn cluster() -> ClusterConfig {
    ClusterConfig::default()
}

pub(crate) fn part(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// Assigns a partition of topic "t", and lets follow what follows.
pub(crate) fn assign(rig: &mut ConsumerRig, partition: i32, start: StartAt, end: EndAt) {
    let wake = rig.command(|both, _| both.assignment.assign(part(partition), start, end));
    assert_eq!(wake, Ok(Wake::Yes));
}

/// Takes the next set, and lets follow what follows.
pub(crate) fn take(rig: &mut ConsumerRig) -> Option<Fetched> {
    let (fetched, wake) = rig.machine.assignment.take()?;
    if wake == Wake::Yes {
        rig.settle();
    }
    Some(fetched)
}

/// Takes the next set, which comes within a time.
pub(crate) fn next(rig: &mut ConsumerRig, limit: Duration) -> Fetched {
    rig.wait_until(limit, |rig| rig.machine.assignment.undelivered() > 0);
    take(rig).expect("something has come")
}

/// The messages of a set: each offset with its value, or an error.
pub(crate) fn read(messages: &mut Messages) -> Vec<Result<(i64, String), MessageError>> {
    let (mut all, mut inflater) = (Vec::new(), Inflater::new());
    while let Some(found) = messages.next_message(&mut inflater) {
        all.push(found.map(|message| {
            let value = String::from_utf8_lossy(message.value.unwrap_or_default()).into_owned();
            (message.offset.0, value)
        }));
    }
    all
}

/// Takes and reads everything that has come of partition 0, and passes it.
pub(crate) fn read_all(rig: &mut ConsumerRig) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    // A fetch that waits for other partitions is answered within half a second.
    rig.pass(Duration::from_secs(1));
    while let Some(fetched) = take(rig) {
        let mut messages = fetched.open();
        all.extend(read(&mut messages).into_iter().map(|found| found.expect("it is sound")));
        pass(rig, &messages);
    }
    all
}

/// Tells the assignment how far a reader has come.
pub(crate) fn pass(rig: &mut ConsumerRig, messages: &Messages) {
    let passed = messages.passed();
    // The rig lets follow what follows, whether or not the machine has to be woken.
    let (Wake::Yes | Wake::No) = rig.command(|both, _| both.assignment.handle_passed(passed));
}

/// Commits what has passed, and waits for the end.
pub(crate) fn commit(
    rig: &mut ConsumerRig,
    group: &'static str,
    store: OffsetStore,
) -> Vec<(TopicPartition, CommitCause)> {
    let id = rig.command(|both, _| both.assignment.commit(Text::from_static(group), store));
    committed(rig, id)
}

pub(crate) fn committed(rig: &mut ConsumerRig, id: CommitId) -> Vec<(TopicPartition, CommitCause)> {
    let of = |event: &ConsumerEvent| match event {
        ConsumerEvent::Committed { id: of, failed } if *of == id => Some(failed.clone()),
        _ => None,
    };
    rig.wait_until(Duration::from_secs(60), |rig| rig.events.iter().any(|event| of(event).is_some()));
    rig.events.iter().find_map(of).expect("it has ended")
}

/// Asks a broker, over a connection of its own.
pub(crate) fn ask<R: Request>(rig: &mut ConsumerRig, node: NodeId, request: &R) -> R::Response {
    let now = rig.at();
    let id = rig.brokers.connect(now, node, None).expect("it is up");
    // The broker may allow larger messages than most.
    let config = ClientConfig::default().with_limits(Limits::default().with_max_message(None));
    let mut client = ClientConnection::new(config, ConnectionId(0));
    let ticket = client.request(now.instant, request).expect("it is open");
    for _ in 0..1000 {
        let broker = rig.brokers.link(id).expect("it is connected");
        let (_, queue) = client.buffers();
        let bytes = queue.copy_to_bytes(queue.remaining());
        broker.handle_bytes(now.instant, &bytes);
        let (_, queue) = broker.buffers();
        let bytes = queue.copy_to_bytes(queue.remaining());
        client.handle_bytes(now.instant, &bytes);
        rig.brokers.handle_io(now, id);
        rig.brokers.turn(now);
        let Some(ClientEvent::Response(frame)) = client.poll_event() else { continue };
        let answer = ticket.redeem(frame).expect("it answers the request");
        if let Some(broker) = rig.brokers.link(id) {
            broker.handle_disconnect(Disconnect::Eof);
        }
        rig.brokers.handle_io(now, id);
        rig.settle();
        return answer;
    }
    panic!("there is no answer");
}

/// Appends messages to a partition of topic "t".
pub(crate) fn produce(rig: &mut ConsumerRig, partition: i32, values: impl IntoIterator<Item = String>) -> Offset {
    let mut builder = MessageSetBuilder::default();
    for value in values {
        builder.push(None, Some(value.as_bytes())).expect("small");
    }
    produce_set(rig, partition, builder.build())
}

/// Appends messages to a partition of any topic.
pub(crate) fn produce_to(rig: &mut ConsumerRig, of: &TopicPartition, values: impl IntoIterator<Item = String>) {
    let mut builder = MessageSetBuilder::default();
    for value in values {
        builder.push(None, Some(value.as_bytes())).expect("small");
    }
    append(rig, of, builder.build());
}

pub(crate) fn produce_set(rig: &mut ConsumerRig, partition: i32, set: MessageSet) -> Offset {
    append(rig, &part(partition), set)
}

fn append(rig: &mut ConsumerRig, of: &TopicPartition, set: MessageSet) -> Offset {
    let leader = rig.brokers.leader(&of.topic, of.partition.0).expect("it is led");
    let request = ProduceRequest::new(Acks::LEADER, Millis(1000)).with(of.topic.clone(), of.partition, set);
    let answer = ask(rig, leader, &request);
    answer.partition(&of.topic, of.partition).expect("it is stored").offset
}

/// `n` values that tell their number.
pub(crate) fn numbers(range: std::ops::Range<i64>) -> impl Iterator<Item = String> {
    range.map(|n| format!("v{n}"))
}

/// What `numbers` are read as, if the log begins with 0.
pub(crate) fn expected(range: std::ops::Range<i64>) -> Vec<(i64, String)> {
    range.map(|n| (n, format!("v{n}"))).collect()
}

pub(crate) fn started(rig: &ConsumerRig) -> Vec<(i32, i64)> {
    let of = |event: &ConsumerEvent| match event {
        ConsumerEvent::Started { partition, at } => Some((partition.partition.0, at.0)),
        _ => None,
    };
    rig.events.iter().filter_map(of).collect()
}

pub(crate) fn ended(rig: &ConsumerRig) -> Vec<(i32, i64, i64)> {
    let of = |event: &ConsumerEvent| match event {
        ConsumerEvent::Ended { partition, at, expected } => Some((partition.partition.0, at.0, expected.0)),
        _ => None,
    };
    rig.events.iter().filter_map(of).collect()
}

/// The messages of a broker's log of topic "t".
pub(crate) fn log(rig: &mut ConsumerRig, node: NodeId, partition: i32) -> Vec<(i64, String)> {
    let request = FetchRequest::new(Millis(0), 0).with("t", partition, Offset(0), 1 << 24);
    let answer = ask(rig, node, &request);
    let found = answer.partition("t", partition).expect("it is led here");
    let mut all = Vec::new();
    found.messages.for_each_message(Offset(0), &mut Inflater::new(), &mut Budget::new(1 << 24), |message| {
        let message = message.expect("it is sound");
        all.push((message.offset.0, String::from_utf8_lossy(message.value.unwrap_or_default()).into_owned()));
        ControlFlow::Continue(())
    });
    all
}
