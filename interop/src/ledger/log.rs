//! The messages that the brokers have.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kafka08_blocking::Client;
use kafka08_proto::{
    ClientConfig,
    api::{FetchRequest, MetadataRequest},
    ids::{Millis, Offset, PartitionId},
    message::{Budget, Inflater, Message, MessageError},
};

use crate::Error;

/// How long it is tried to read a partition once.
const LIMIT: Duration = Duration::from_secs(30);
/// A broker may still work on what it read before its connection ended: the log is complete when it has not grown for this
/// long.
const QUIET: Duration = Duration::from_millis(500);

/// A message of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The offset.
    pub offset: i64,
    /// The key. `None` is a null key.
    pub key: Option<Bytes>,
    /// The value. `None` is a null value.
    pub value: Option<Bytes>,
}

/// The messages of a topic, by partition, in the order of the log.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The messages of each partition.
    pub partitions: BTreeMap<u16, Vec<Found>>,
}

impl Log {
    /// Reads the first `partitions` partitions of a topic from their leaders, until none grows any more. `brokers` are
    /// addresses of which one answers.
    ///
    /// # Errors
    /// A partition cannot be read for half a minute, or has a message that cannot be decoded.
    pub fn read(brokers: &[String], topic: &str, partitions: u16) -> Result<Self, Error> {
        let mut reader = Reader { brokers, topic, links: BTreeMap::new() };
        let mut log = Self { partitions: (0..partitions).map(|partition| (partition, Vec::new())).collect() };
        let mut grown = Instant::now();
        while grown.elapsed() < QUIET {
            for (&partition, messages) in &mut log.partitions {
                let started = Instant::now();
                let before = messages.len();
                while let Err(why) = reader.read_on(partition, messages) {
                    if started.elapsed() > LIMIT {
                        return Err(Error::Log { what: format!("{topic}-{partition}"), why });
                    }
                    // Another broker may lead it by now.
                    reader.links.remove(&partition);
                    thread::sleep(Duration::from_millis(100));
                }
                if messages.len() > before {
                    grown = Instant::now();
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(log)
    }

    /// How many messages all partitions have together.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.partitions.values().map(Vec::len).sum()
    }
}

struct Reader<'a> {
    brokers: &'a [String],
    topic: &'a str,
    /// A connection for each partition, to its leader.
    links: BTreeMap<u16, Client>,
}

impl Reader<'_> {
    /// Reads what is behind `messages`, as far as it is there.
    fn read_on(&mut self, partition: u16, messages: &mut Vec<Found>) -> Result<(), String> {
        let mut client = match self.links.remove(&partition) {
            Some(client) => client,
            None => self.leader(partition)?,
        };
        let mut inflater = Inflater::new();
        loop {
            let from = messages.last().map_or(Offset(0), |last| Offset(last.offset + 1));
            let number = PartitionId(i32::from(partition));
            let request = FetchRequest::new(Millis(0), 0).with(self.topic, number, from, 4 << 20);
            let answer = client.call(&request).map_err(|error| error.to_string())?;
            let fetched = answer.topics.find(self.topic, number).ok_or("the answer lacks the partition")?;
            fetched.error.ok().map_err(|code| code.to_string())?;
            let before = messages.len();
            let mut problem = None;
            let visitor = |message: Result<Message<'_>, MessageError>| match message {
                Ok(message) => {
                    let copied = |part: Option<&[u8]>| part.map(Bytes::copy_from_slice);
                    let Offset(offset) = message.offset;
                    messages.push(Found { offset, key: copied(message.key), value: copied(message.value) });
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    problem = Some(error.to_string());
                    ControlFlow::Break(())
                }
            };
            fetched.messages.for_each_message(from, &mut inflater, &mut Budget::new(64 << 20), visitor);
            if let Some(problem) = problem {
                return Err(problem);
            }
            if messages.len() == before {
                self.links.insert(partition, client);
                return Ok(());
            }
        }
    }

    /// A connection to the leader of a partition.
    fn leader(&self, partition: u16) -> Result<Client, String> {
        let config = || ClientConfig::default().with_request_timeout(Duration::from_secs(10));
        let mut problem = "there are no brokers".to_owned();
        for broker in self.brokers {
            let ask = || {
                let mut client = Client::connect(broker, config()).map_err(|error| error.to_string())?;
                let metadata = client.call(&MetadataRequest::of([self.topic])).map_err(|error| error.to_string())?;
                let leader = metadata.leader_of(self.topic, PartitionId(i32::from(partition)));
                let leader = leader.map_err(|error| error.to_string())?.host_port();
                let leader = leader.ok_or("the leader has no address")?;
                Client::connect_to(leader, config()).map_err(|error| error.to_string())
            };
            match ask() {
                Ok(client) => return Ok(client),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }
}
