//! Ships the lines of its input to one partition, in batches. If a batch cannot be shipped, the program ends with an
//! error.
//!
//! ```sh
//! echo hello | cargo run -p kafka08-examples --example ship_logs                                # an embedded broker
//! tail -F access.log | cargo run -p kafka08-examples --example ship_logs -- broker1:9092 access-log 0
//! ```
//!
//! A batch that has failed is sent again. If the broker may have applied it before, the log may hold its lines twice,
//! but no line is missing.

use std::{env, error::Error, process::ExitCode, time::Duration};

use kafka08_broker::{BrokerConfig, Server};
use kafka08_tokio::{
    Client,
    proto::{
        ClientConfig, Fate,
        api::{MetadataRequest, ProduceRequest},
        ids::{Acks, Millis},
        message::MessageSet,
    },
};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin, stdin};

/// A batch is sent when it has this many lines, or when no further line has arrived for this time.
const BATCH: usize = 1000;
const LINGER: Duration = Duration::from_millis(50);

/// The maximum number of attempts to send a batch, and the pause between two attempts.
const ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ship_logs: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (_server, mut shipper) = match arguments.as_slice() {
        [] => {
            let server = Server::start(BrokerConfig::default())?;
            let target = server.host_port();
            (Some(server), Shipper::new(&target, "access-log", 0))
        }
        [broker, topic, partition] => (None, Shipper::new(broker, topic, partition.parse()?)),
        _ => return Err("usage: ship_logs [BROKER TOPIC PARTITION]".into()),
    };
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(batch) = next_batch(&mut lines).await? {
        shipper.ship(batch).await?;
    }
    Ok(())
}

/// Returns the next lines, or `None` at the end of the input.
async fn next_batch(lines: &mut Lines<BufReader<Stdin>>) -> Result<Option<MessageSet>, Box<dyn Error>> {
    let Some(first) = lines.next_line().await? else { return Ok(None) };
    let mut batch = MessageSet::builder();
    batch.push(None, Some(first.as_bytes()))?;
    while batch.messages() < BATCH {
        match tokio::time::timeout(LINGER, lines.next_line()).await {
            Ok(Ok(Some(line))) => batch.push(None, Some(line.as_bytes()))?,
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(None)) | Err(_) => break,
        }
    }
    Ok(Some(batch.build()))
}

/// One partition, and the connection to its leader, if there is one.
struct Shipper {
    /// The broker that is asked for the leader.
    seed: String,
    topic: String,
    partition: i32,
    leader: Option<Client>,
}

impl Shipper {
    fn new(seed: &str, topic: &str, partition: i32) -> Self {
        Self { seed: seed.to_owned(), topic: topic.to_owned(), partition, leader: None }
    }

    async fn ship(&mut self, batch: MessageSet) -> Result<(), Box<dyn Error>> {
        let request = ProduceRequest::new(Acks::LEADER, Millis(10_000)).with(&*self.topic, self.partition, batch);
        for attempt in 1.. {
            match self.try_once(&request).await {
                Ok(()) => return Ok(()),
                Err(error) if attempt < ATTEMPTS => eprintln!("attempt {attempt}: {error}"),
                Err(error) => return Err(error),
            }
            // The leader may have changed, whatever the error was.
            self.leader = None;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn try_once(&mut self, request: &ProduceRequest) -> Result<(), Box<dyn Error>> {
        let leader = match &self.leader {
            Some(leader) => leader.clone(),
            None => self.leader.insert(self.connect().await?).clone(),
        };
        let answer = leader.call(request).await.inspect_err(|error| {
            if error.fate() == Fate::MaybeApplied {
                eprintln!("{} may hold some lines twice", self.topic);
            }
        })?;
        let produced = answer.partition(&self.topic, self.partition)?;
        println!("{}/{}: written at offset {}", self.topic, self.partition, produced.offset);
        Ok(())
    }

    /// Connects to the partition's leader.
    async fn connect(&self) -> Result<Client, Box<dyn Error>> {
        let seed = Client::connect(&self.seed, ClientConfig::default()).await?;
        let metadata = seed.call(&MetadataRequest::of([&*self.topic])).await?;
        let leader = metadata.leader_of(&self.topic, self.partition)?;
        let address = leader.host_port().ok_or_else(|| format!("{leader:?} has no address"))?;
        Ok(Client::connect_to(address, ClientConfig::default()).await?)
    }
}
