//! Asks for metadata and offsets, then sends two produces and a fetch before it reads their responses.
//!
//! Without arguments, the example starts an embedded broker. With `--broker HOST:PORT`, it connects to a real one.

use std::{env, error::Error, process::ExitCode, thread, time::Duration};

use kafka08_blocking::{
    Client, Pending,
    proto::{
        ClientConfig,
        api::{
            FetchRequest, FetchResponse, ListOffsetsRequest, MetadataRequest, MetadataResponse, ProduceRequest, Request,
        },
        ids::{Acks, Millis, Offset, OffsetTime},
        message::{Entry, MessageSet},
    },
};
use kafka08_broker::{BrokerConfig, Server};

const TOPICS: [&str; 2] = ["page-views", "sign-ups"];
const PARTITIONS: [i32; 2] = [0, 1];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (_server, target) = broker()?;
    let mut client = Client::connect(&target, ClientConfig::default())?;

    // 1. Ask for metadata, which creates the topics. They have no leaders at first.
    let metadata = metadata_with_leaders(&mut client)?;
    if !leads_all(&metadata, &target) {
        return Ok(());
    }

    // 2. Ask where each log ends now.
    let latest = each_partition().fold(ListOffsetsRequest::new(), |request, (topic, partition)| {
        request.with(topic, partition, OffsetTime::LATEST)
    });
    let ends = client.call(&latest)?;
    let end_of = |topic, partition| -> Result<Offset, Box<dyn Error>> {
        Ok(*ends.partition(topic, partition)?.offsets.first().ok_or("the broker sent no end offset")?)
    };

    // 3. Send two produces and a fetch before any response is read.
    let produce = |round: &str| {
        each_partition().fold(ProduceRequest::new(Acks::LEADER, Millis(10_000)), |request, (topic, partition)| {
            let message = format!("{round} message for {topic}/{partition}");
            request.with(topic, partition, MessageSet::of_value(message.as_bytes()))
        })
    };
    let mut fetch = FetchRequest::new(Millis(1000), 1);
    for (topic, partition) in each_partition() {
        fetch = fetch.with(topic, partition, end_of(topic, partition)?, 64 << 10);
    }
    let first = announce(client.send(&produce("first"))?);
    let second = announce(client.send(&produce("second"))?);
    let fetched = announce(client.send(&fetch)?);

    // 4. Take the responses in another order than that of the requests.
    show_messages(&client.wait(fetched)?)?;
    for pending in [second, first] {
        let id = pending.id();
        for (topic, partition, produced) in client.wait(pending)?.topics.iter() {
            produced.error.ok()?;
            println!("{id}: {topic}/{partition} stored it at offset {}", produced.offset);
        }
    }
    Ok(())
}

/// Starts an embedded broker, or returns the target that the command line names.
fn broker() -> Result<(Option<Server>, String), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            let server = Server::start(BrokerConfig::default())?;
            let target = server.host_port();
            println!("an embedded broker listens at {target}");
            Ok((Some(server), target))
        }
        [option, target] if option == "--broker" => Ok((None, target.clone())),
        _ => Err("usage: quickstart [--broker HOST:PORT]".into()),
    }
}

fn each_partition() -> impl Iterator<Item = (&'static str, i32)> {
    TOPICS.into_iter().flat_map(|topic| PARTITIONS.map(|partition| (topic, partition)))
}

fn metadata_with_leaders(client: &mut Client) -> Result<MetadataResponse, Box<dyn Error>> {
    for _ in 0..50 {
        let metadata = client.call(&MetadataRequest::of(TOPICS))?;
        if each_partition().all(|(topic, partition)| metadata.leader_of(topic, partition).is_ok()) {
            return Ok(metadata);
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err("the topics have no leaders after five seconds: does the broker create topics, with two partitions or more?"
        .into())
}

/// Prints the leaders. Returns whether the broker leads every partition, because this example has only one connection.
fn leads_all(metadata: &MetadataResponse, target: &str) -> bool {
    let mut leaders: Vec<String> = each_partition()
        .filter_map(|(topic, partition)| metadata.leader_of(topic, partition).ok())
        .map(|leader| format!("{}:{}", leader.host, leader.raw_port))
        .collect();
    leaders.sort_unstable();
    leaders.dedup();
    println!("led by {}", leaders.join(", "));
    // A single broker leads every partition, even if it advertises another name than `target`.
    let leads = metadata.brokers().len() == 1 || leaders == [target];
    if !leads {
        println!("{target} does not lead all four partitions, and this example connects to one broker only");
    }
    leads
}

/// Prints the id of a request, and the API that the id belongs to.
fn announce<R: Request>(pending: Pending<R>) -> Pending<R> {
    let id = pending.id();
    println!("{id}: {} is on its way", id.api_key().map_or_else(|| "an unknown API".to_owned(), |key| key.to_string()));
    pending
}

fn show_messages(response: &FetchResponse) -> Result<(), Box<dyn Error>> {
    for (topic, partition, fetched) in response.topics.iter() {
        fetched.error.ok()?;
        for entry in fetched.messages.entries() {
            if let Entry::Plain(message) = entry? {
                let value = String::from_utf8_lossy(message.value.unwrap_or_default());
                println!("{topic}/{partition} at {}: {value}", message.offset);
            }
        }
    }
    Ok(())
}
