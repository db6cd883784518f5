//! Sends records to a cluster, and prints where each is stored.
//!
//! Without arguments, the example starts three embedded brokers. With `--broker HOST:PORT`, it connects to real ones.

use std::{env, error::Error, process::ExitCode, time::Duration};

use kafka08_async_std::smol::{Producer, ProducerConfig, Record, proto::ids::Acks};
use kafka08_broker::{BrokerConfig, Server};

const TOPIC: &str = "access-log";

fn main() -> ExitCode {
    match smol::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("produce_smol: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (_server, brokers) = brokers()?;
    let producer = Producer::connect([brokers], ProducerConfig::default().with_acks(Acks::LEADER)).await?;

    // 1. Records are appended to batches. If the buffer is full, this waits.
    let mut deliveries = Vec::new();
    for visit in 0..10 {
        let (session, page) = (format!("session-{}", visit % 3), format!("GET /page/{visit}"));
        deliveries.push(producer.send(Record::to(TOPIC).key(&session).value(&page)).await?);
    }

    // 2. Each delivery ends when a broker has stored its record. Records of one session are in one partition.
    for delivery in deliveries {
        let at = delivery.await?;
        println!("stored in {} at offset {:?}", at.to, at.offset);
    }

    // 3. Who does not look at the deliveries still learns whether any has failed.
    for visit in 0..1000 {
        producer.send(Record::to(TOPIC).value(&visit.to_string())).await?;
    }
    producer.flush().await?;
    println!("{} records are stored", producer.stats().delivered);

    // 4. Closing waits until everything has ended.
    producer.close(Duration::from_secs(10)).await?;
    Ok(())
}

/// Starts embedded brokers, or returns those that the command line names.
fn brokers() -> Result<(Option<Server>, String), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            let server = Server::start(BrokerConfig::default().with_brokers(3).with_topic(TOPIC, 3))?;
            let brokers = server.bootstrap();
            println!("embedded brokers listen at {brokers}");
            Ok((Some(server), brokers))
        }
        [option, brokers] if option == "--broker" => Ok((None, brokers.clone())),
        _ => Err("usage: produce_smol [--broker HOST:PORT]".into()),
    }
}
