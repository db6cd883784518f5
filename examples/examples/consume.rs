//! Prints the messages of one partition from the beginning, also compressed ones, and waits for new messages.
//!
//! ```sh
//! cargo run -p kafka08-examples --example consume                                       # an embedded broker
//! cargo run -p kafka08-examples --example consume -- broker1:9092 access-log 0
//! ```

use std::{env, error::Error, ops::ControlFlow, process::ExitCode};

use kafka08_blocking::Client;
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::{
    ClientConfig,
    api::{FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest},
    ids::{Acks, Millis},
    message::{Budget, Codec, Deflater, Inflater, MessageSet},
};

/// The number of bytes that one fetch asks for. It must be at least the size of the largest set that producers write.
const MAX_BYTES: i32 = 1 << 20;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("consume: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            let server = Server::start(BrokerConfig::default())?;
            let target = server.host_port();
            fill(&target)?;
            consume(&target, "access-log", 0, false)
        }
        [broker, topic, partition] => consume(broker, topic, partition.parse()?, true),
        _ => Err("usage: consume [BROKER TOPIC PARTITION]".into()),
    }
}

/// Prints messages. If `waits` is true, waits for more at the end of the log.
fn consume(broker: &str, topic: &str, partition: i32, waits: bool) -> Result<(), Box<dyn Error>> {
    let mut client = Client::connect(broker, ClientConfig::default())?;
    let earliest = client.call(&ListOffsetsRequest::earliest([(topic, partition)]))?;
    let mut next =
        *earliest.partition(topic, partition)?.offsets.first().ok_or("the broker sent no earliest offset")?;
    let mut inflater = Inflater::new();
    loop {
        // The broker waits up to a second for the first byte.
        let fetch = FetchRequest::new(Millis(1000), 1).with(topic, partition, next, MAX_BYTES);
        let answer = client.call(&fetch)?;
        let messages = &answer.partition(topic, partition)?.messages;
        if messages.is_empty() && !waits {
            return Ok(());
        }
        // The limit for the inflated messages of one response.
        let mut budget = Budget::new(client.config().limits().max_inflated);
        let mut damaged = None;
        let visit = messages.for_each_message(next, &mut inflater, &mut budget, |found| match found {
            Ok(message) => {
                println!("{}: {}", message.offset, String::from_utf8_lossy(message.value.unwrap_or_default()));
                ControlFlow::Continue(())
            }
            Err(error) => {
                damaged = Some(error);
                ControlFlow::Break(())
            }
        });
        if let Some(error) = damaged {
            return Err(error.into());
        }
        if visit.position == next && !messages.is_empty() {
            return Err(format!("the message at {next} is larger than {MAX_BYTES} bytes: increase MAX_BYTES").into());
        }
        next = visit.position;
    }
}

/// Produces a few compressed messages.
fn fill(broker: &str) -> Result<(), Box<dyn Error>> {
    let mut client = Client::connect(broker, ClientConfig::default())?;
    // The first request creates the topic, and its response says that the topic has no leader yet.
    while client.call(&MetadataRequest::of(["access-log"]))?.leader_of("access-log", 0).is_err() {}
    let mut deflater = Deflater::new();
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let mut set = MessageSet::builder();
        for n in 0..3 {
            set.push(None, Some(format!("line {n}, compressed with {codec}").as_bytes()))?;
        }
        let produce = ProduceRequest::new(Acks::LEADER, Millis(1000)).with(
            "access-log",
            0,
            set.build_compressed(codec, &mut deflater)?,
        );
        client.call(&produce)?.partition("access-log", 0)?;
    }
    Ok(())
}
