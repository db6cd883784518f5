//! Reads a topic to its end, prints its messages, and commits how far it has come. When it runs again, it goes on there.
//!
//! Without arguments, the example starts three embedded brokers and writes some messages. To read from real brokers, name them, the
//! topic and the group: `broker1:9092,broker2:9092 access-log reports`.

use std::{env, error::Error, process::ExitCode, time::Duration};

use kafka08_async_std::smol::{
    Consumer, ConsumerConfig, EndAt, OffsetStore, Producer, ProducerConfig, Record, Reset, StartAt, proto::ids::Acks,
};
use kafka08_broker::{BrokerConfig, Server};

fn main() -> ExitCode {
    match smol::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("read_smol: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads to the end of the topic, and returns the number of messages.
async fn read(brokers: &str, topic: &str, group: &str) -> Result<usize, Box<dyn Error>> {
    // 1. Reading begins where the group has committed, or with the first message if it has committed nothing.
    let consumer = Consumer::connect([brokers], ConsumerConfig::default()).await?;
    // Brokers before 0.8.2 have only `OffsetStore::ZooKeeper`.
    let (name, store) = (group.to_owned().into(), OffsetStore::Kafka);
    let start = StartAt::Committed { group: name, store, otherwise: Reset::Earliest };
    consumer.assign_topic(topic, start, EndAt::HighWatermark).await?;

    // 2. Sets of messages come, each of one partition, until all partitions have ended.
    let mut count = 0;
    while let Some(mut messages) = consumer.next().await? {
        let partition = messages.partition().clone();
        while let Some(message) = messages.next_message() {
            let message = message?;
            let value = String::from_utf8_lossy(message.value.unwrap_or_default());
            println!("{partition}, offset {}: {value}", message.offset);
            count += 1;
        }
        // 3. What has passed is committed. A message has passed when the next one was asked for.
        consumer.commit(group, store).await?;
    }
    println!("{count} messages of {topic} were read");
    consumer.close(Duration::from_secs(10)).await?;
    Ok(count)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            let server = Server::start(BrokerConfig::default().with_brokers(3).with_topic("access-log", 3))?;
            let brokers = server.bootstrap();
            println!("embedded brokers listen at {brokers}");
            for visits in [20, 10] {
                write(&brokers, visits).await?;
                let read = read(&brokers, "access-log", "reports").await?;
                if read != visits {
                    return Err(format!("{read} messages were read, and {visits} are new").into());
                }
            }
            Ok(())
        }
        [brokers, topic, group] => read(brokers, topic, group).await.map(drop),
        _ => Err("usage: read_smol [BROKERS TOPIC GROUP]".into()),
    }
}

/// Writes some messages, so that there is something to read.
async fn write(brokers: &str, visits: usize) -> Result<(), Box<dyn Error>> {
    let producer = Producer::connect([brokers], ProducerConfig::default().with_acks(Acks::LEADER)).await?;
    for visit in 0..visits {
        let (session, page) = (format!("session-{}", visit % 5), format!("GET /page/{visit}"));
        producer.send(Record::to("access-log").key(&session).value(&page)).await?;
    }
    producer.close(Duration::from_secs(10)).await?;
    Ok(())
}
