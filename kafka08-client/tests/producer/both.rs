//! A producer with its accumulator, as one machine, and what its tests ask of it.

use std::{
    collections::BTreeMap,
    ops::{ControlFlow, Range},
    time::{Duration, Instant},
};

use bytes::Buf as _;
use kafka08_broker::BrokerConfig;
use kafka08_client::{
    accumulator::{Accumulator, AppendError, BatchId, FlushId},
    config::{ClusterConfig, ProducerConfig, ReleaseSetting},
    machine::{LinkId, Machine, Output},
    producer::{Outcome, ProduceError, Producer, ProducerEvent},
    record::RecordRef,
};
use kafka08_proto::{
    ClientConfig, ClientConnection, Connection as _,
    adapter::ConnectError,
    api::FetchRequest,
    connection::ClientEvent,
    ids::{ConnectionId, Millis, NodeId, Offset, PartitionId},
    message::{Budget, Inflater},
};

use crate::rig::{Rig, address};

/// Exchanges before it is asked for outputs, as a driver does.
#[derive(Debug)]
pub(crate) struct Both {
    pub(crate) producer: Producer<()>,
    pub(crate) accumulator: Accumulator<()>,
}

impl Machine for Both {
    type Event = ProducerEvent<()>;

    fn poll_output(&mut self, now: Instant) -> Option<Output<Self::Event>> {
        // The second time is for what has come up since the first. A driver has that in its next turn.
        for _ in 0..2 {
            self.producer.exchange(&mut self.accumulator, now);
            if let Some(output) = self.producer.poll_output(now) {
                return Some(output);
            }
        }
        None
    }

    fn link(&mut self, link: LinkId) -> Option<&mut ClientConnection> {
        self.producer.link(link)
    }

    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.producer.handle_connected(link, now);
    }

    fn handle_connect_failed(&mut self, link: LinkId, error: &ConnectError, now: Instant) {
        self.producer.handle_connect_failed(link, error, now);
    }

    fn handle_progress(&mut self, link: LinkId, now: Instant) {
        self.producer.handle_progress(link, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.producer.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.producer.handle_timeout(now);
    }

    fn is_over(&self) -> bool {
        self.producer.is_over()
    }
}

pub(crate) type ProducerRig = Rig<Both>;

/// How a record has ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Delivered { base: Option<i64>, maybe_applied: u32 },
    Written,
    Failed(ProduceError),
}

/// A record that was appended: its batch and its position there.
pub(crate) type Place = (BatchId, u32);

/// Brokers, and a producer that knows all of them.
pub(crate) fn rig(brokers: BrokerConfig, config: ProducerConfig) -> ProducerRig {
    let bootstrap: Vec<_> = (1..=brokers.brokers()).map(|n| address(n.into())).collect();
    let release = ReleaseSetting::Is(brokers.profile());
    rig_at(brokers, config, ClusterConfig::default().with_bootstrap(bootstrap).with_release(release))
}

pub(crate) fn rig_at(brokers: BrokerConfig, config: ProducerConfig, cluster: ClusterConfig) -> ProducerRig {
    let config = config.with_cluster(cluster);
    let both = Both { producer: Producer::new(&config), accumulator: Accumulator::new(&config) };
    Rig::new(brokers, both)
}

/// Appends a record and wakes the machine if it has to be woken.
pub(crate) fn try_append(rig: &mut ProducerRig, partition: i32, value: &[u8]) -> Result<Place, AppendError> {
    let now = rig.now;
    let record = RecordRef::new("t", value).with_partition(PartitionId(partition));
    let appended = rig.machine.accumulator.append(|| now, record);
    let (wake, place) = match appended {
        Ok(appended) => (appended.wake, Ok((appended.batch, appended.index))),
        Err(error) => (error.wake(), Err(error)),
    };
    if wake {
        rig.settle();
    }
    place
}

/// Appends a record, after the topic has become known.
pub(crate) fn append(rig: &mut ProducerRig, partition: i32, value: &[u8]) -> Place {
    let is_topic = |event: &ProducerEvent<()>| matches!(event, ProducerEvent::Topic { .. });
    loop {
        rig.events.retain(|event| !is_topic(event));
        match try_append(rig, partition, value) {
            Ok(place) => return place,
            Err(AppendError::UnknownTopic { .. }) => {
                rig.wait_until(Duration::from_secs(60), |rig| rig.events.iter().any(is_topic));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Takes the ends of records out of the events. Each record ends once.
pub(crate) fn ends(rig: &mut ProducerRig) -> BTreeMap<Place, End> {
    let mut found = BTreeMap::new();
    for event in std::mem::take(&mut rig.events) {
        let ProducerEvent::Ended { batch, records, outcome, .. } = event else { continue };
        for index in records.clone() {
            let before = found.insert((batch, index), end(index, &records, &outcome));
            assert!(before.is_none(), "{batch:?} {index} has ended twice");
        }
    }
    found
}

fn end(index: u32, range: &Range<u32>, outcome: &Outcome) -> End {
    match outcome {
        Outcome::Delivered { base, maybe_applied, .. } => {
            let behind = i64::from(index - range.start);
            End::Delivered { base: base.map(|Offset(base)| base + behind), maybe_applied: *maybe_applied }
        }
        Outcome::Written { .. } => End::Written,
        Outcome::Failed { error, .. } => End::Failed(error.clone()),
        other => panic!("{other:?}"),
    }
}

/// Flushes, waits for the end, and returns what has failed and what is unconfirmed.
pub(crate) fn flush(rig: &mut ProducerRig, limit: Duration) -> (u64, u64) {
    let id = rig.command(|both, _| both.accumulator.flush());
    let is_it = |event: &ProducerEvent<()>| flushed(event, id).is_some();
    rig.wait_until(limit, |rig| rig.events.iter().any(is_it));
    rig.events.iter().find_map(|event| flushed(event, id)).expect("it has ended")
}

pub(crate) fn flushed(event: &ProducerEvent<()>, of: FlushId) -> Option<(u64, u64)> {
    match event {
        ProducerEvent::Flushed { id, failed, unconfirmed } if *id == of => Some((*failed, *unconfirmed)),
        _ => None,
    }
}

/// Reads the values of a partition's log over a connection of its own.
pub(crate) fn log(rig: &mut ProducerRig, partition: i32) -> Vec<Vec<u8>> {
    let now = rig.at();
    let leader = rig.brokers.leader("t", partition).expect("it is led");
    let id = rig.brokers.connect(now, leader, None).expect("it is up");
    let mut client = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let request = FetchRequest::new(Millis(0), 0).with("t", partition, Offset(0), 1 << 24);
    let ticket = client.request(now.instant, &request).expect("it is open");
    let mut values = Vec::new();
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
        let found = answer.topics.find("t", partition).expect("it was asked for");
        let (mut inflater, mut budget) = (Inflater::new(), Budget::new(1 << 24));
        found.messages.for_each_message(Offset(0), &mut inflater, &mut budget, |message| {
            values.push(message.expect("it is valid").value.unwrap_or_default().to_vec());
            ControlFlow::Continue(())
        });
        break;
    }
    rig.brokers.handle_hang_up(id);
    rig.settle();
    values
}

/// Brokers other than this one.
pub(crate) fn another(node: NodeId) -> NodeId {
    NodeId(if node.0 == 1 { 2 } else { 1 })
}
