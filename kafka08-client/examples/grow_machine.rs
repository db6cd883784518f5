//! Takes steps of a producer's machine beside so many links or partitions: `.ci/linear` counts the instructions of a step.
//!
//! A step is a record that is appended and sent, its answer, and what follows. The brokers are in memory, and cost the same at
//! every size. The links of the other brokers are connected and idle, and the other partitions are known and empty.
#![expect(clippy::disallowed_methods, reason = "an example has to begin somewhere")]

use std::{
    collections::BTreeMap,
    error::Error,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes, BytesMut};
use kafka08_client::{
    accumulator::{Accumulator, AppendError},
    config::{ClusterConfig, ProducerConfig},
    machine::{LinkId, Machine as _, Output},
    producer::{Outcome, Producer, ProducerEvent},
    record::RecordRef,
};
use kafka08_proto::{
    Connection as _, HostPort,
    api::{
        Body as _, Broker, Encode as _, MetadataResponse, PartitionMetadata, ProduceRequest, ProduceResponse,
        ProducedPartition, TopicMetadata,
    },
    error_code::ErrorCode,
    ids::{Acks, ApiKey, NodeId, Offset, PartitionId, Text},
};

const USAGE: &str = "usage: grow_machine links|partitions|busy-links|busy-partitions SIZE STEPS";
/// The brokers that have news in each step, beside those that are idle.
const BUSY: i32 = 4;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Rig {
    accumulator: Accumulator<()>,
    producer: Producer<()>,
    /// The bytes of an incomplete request, by link.
    links: BTreeMap<LinkId, BytesMut>,
    /// Links that are to be written.
    named: Vec<LinkId>,
    /// The body of each Metadata response.
    metadata: Bytes,
    now: Instant,
    delivered: u64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let case = arguments.next().ok_or(USAGE)?;
    let size: i32 = arguments.next().ok_or(USAGE)?.parse()?;
    let steps: u32 = arguments.next().ok_or(USAGE)?.parse()?;
    // Each partition of the first two cases has a record now and then, or in each step.
    let (brokers, partitions, busy) = match case.as_str() {
        "links" => (size, size, BUSY),
        "partitions" => (BUSY, size, BUSY),
        "busy-links" => (size, size, size),
        "busy-partitions" => (BUSY, size, size),
        _ => return Err(USAGE.into()),
    };
    let mut rig = Rig::new(brokers, partitions)?;
    // Each link is connected by a record to one of its partitions.
    rig.step(brokers)?;
    let before = rig.delivered;
    for _ in 0..steps {
        rig.step(busy)?;
    }
    println!("{case} {size}: {steps} steps, {} records, {} links", rig.delivered - before, rig.links.len());
    Ok(())
}

impl Rig {
    fn new(brokers: i32, partitions: i32) -> Result<Self> {
        let cluster = ClusterConfig::default()
            .with_bootstrap(vec![HostPort::new("broker", 9092)])
            .with_connects_per_second(u32::MAX);
        let config = ProducerConfig::default()
            .with_acks(Acks::LEADER)
            .with_linger(Duration::ZERO)
            .with_max_request_size(64 << 20)
            .with_cluster(cluster);
        let mut rig = Self {
            accumulator: Accumulator::new(&config),
            producer: Producer::new(&config),
            links: BTreeMap::new(),
            named: Vec::new(),
            metadata: metadata(brokers, partitions)?,
            now: Instant::now(),
            delivered: 0,
        };
        match rig.append(0) {
            Err(AppendError::UnknownTopic { .. }) => rig.settle()?,
            other => return Err(format!("{other:?} before the topic is known").into()),
        }
        Ok(rig)
    }

    /// Appends a record to each of so many partitions, and delivers them.
    fn step(&mut self, busy: i32) -> Result<()> {
        let until = self.delivered + u64::try_from(busy)?;
        for partition in 0..busy {
            self.append(partition)?;
        }
        self.settle()?;
        if self.delivered == until { Ok(()) } else { Err("not every record was delivered".into()) }
    }

    fn append(&mut self, partition: i32) -> std::result::Result<(), AppendError> {
        let now = self.now;
        let record = RecordRef::new("t", b"value").with_partition(PartitionId(partition));
        self.accumulator.append(|| now, record).map(|_| ())
    }

    /// Does what the machine says until it says nothing more.
    fn settle(&mut self) -> Result<()> {
        loop {
            self.exchange()?;
            let Some(link) = self.named.pop() else { return Ok(()) };
            self.answer(link)?;
            self.producer.handle_progress(link, self.now);
            std::hint::black_box(self.producer.poll_timeout());
        }
    }

    fn exchange(&mut self) -> Result<()> {
        // What comes up while outputs are taken is exchanged at once.
        for _ in 0..2 {
            self.producer.exchange(&mut self.accumulator, self.now);
            // As handles do in each turn.
            std::hint::black_box(self.producer.stats());
            while let Some(output) = self.producer.poll_output(self.now) {
                match output {
                    Output::Connect { link, .. } => {
                        self.links.insert(link, BytesMut::new());
                        self.producer.handle_connected(link, self.now);
                    }
                    Output::Write(link) => self.named.push(link),
                    Output::Drop(link) => drop(self.links.remove(&link)),
                    Output::Event(ProducerEvent::Ended { records, outcome: Outcome::Delivered { .. }, .. }) => {
                        self.delivered += u64::from(records.end - records.start);
                    }
                    Output::Event(ProducerEvent::Ended { outcome, .. }) => return Err(format!("{outcome:?}").into()),
                    Output::Event(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Takes what a link has to write, and answers the requests in it.
    fn answer(&mut self, link: LinkId) -> Result<()> {
        let (Some(connection), Some(input)) = (self.producer.link(link), self.links.get_mut(&link)) else {
            return Ok(());
        };
        let (_, queue) = connection.buffers();
        while queue.has_remaining() {
            input.extend_from_slice(queue.chunk());
            queue.advance(queue.chunk().len());
        }
        while let Some(length) = input.first_chunk().map(|length| u32::from_be_bytes(*length) as usize)
            && input.len() >= 4 + length
        {
            let mut request = input.split_to(4 + length).freeze();
            request.advance(4);
            let key = ApiKey(request.get_i16());
            let _version = request.get_i16();
            let id = request.get_i32();
            let client = usize::try_from(request.get_i16()).unwrap_or(0);
            request.advance(client);
            let body = match key {
                ApiKey::PRODUCE => produced(&request)?,
                ApiKey::METADATA => self.metadata.clone(),
                _ => return Err(format!("a request of {key}").into()),
            };
            let length = u32::try_from(4 + body.len())?;
            connection.handle_bytes(self.now, &[length.to_be_bytes(), id.to_be_bytes()].concat());
            connection.handle_bytes(self.now, &body);
        }
        Ok(())
    }
}

/// The answer to a Produce request.
fn produced(request: &Bytes) -> Result<Bytes> {
    let mut response = ProduceResponse::default();
    for (topic, partition, _) in ProduceRequest::decode(request)?.topics.iter() {
        response.topics.push(topic, partition, ProducedPartition { error: ErrorCode::NONE, offset: Offset(7) });
    }
    Ok(response.to_bytes()?)
}

/// Brokers, and one topic whose partitions they lead in turn.
fn metadata(brokers: i32, partitions: i32) -> Result<Bytes> {
    let partition = |partition| PartitionMetadata {
        error: ErrorCode::NONE,
        partition: PartitionId(partition),
        leader: Some(NodeId(partition % brokers)),
        replicas: Vec::new(),
        isr: Vec::new(),
    };
    let topic = TopicMetadata {
        error: ErrorCode::NONE,
        name: Text::from("t"),
        partitions: (0..partitions).map(partition).collect(),
    };
    let broker = |node| Broker { node: NodeId(node), host: Text::from(format!("broker{node}")), raw_port: 9092 };
    Ok(MetadataResponse::new((0..brokers).map(broker).collect(), vec![topic]).to_bytes()?)
}
