//! What records and sets allocate on their way through a producer: counted exactly, on one thread.

use std::{future::Future, time::Duration};

use kafka08_broker::{BrokerConfig, Server};
use kafka08_tokio::{
    Delivery, Producer, ProducerConfig, Record,
    proto::{ids::Acks, message::MessageSet},
};

const RECORDS: u32 = 10_000;

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

/// A producer whose batches wait until they are flushed, and the broker that it is connected to.
async fn producer() -> (Producer, Server) {
    let server = Server::start(BrokerConfig::default().with_topic("t", 1)).expect("a broker");
    let config = ProducerConfig::default()
        .with_acks(Acks::LEADER)
        .with_linger(Duration::from_secs(3600))
        .with_batch_size(4 << 20);
    let producer = Producer::connect([server.host_port()], config).await.expect("the broker is up");
    (producer, server)
}

async fn send(producer: &Producer, records: u32, deliveries: &mut Vec<Delivery>) {
    for _ in 0..records {
        let record = Record::to("t").key("key").value(&[7; 100]);
        deliveries.push(producer.send(record).await.expect("there is room"));
    }
}

async fn flush(producer: &Producer, deliveries: &mut Vec<Delivery>) {
    producer.flush().await.expect("everything is stored");
    deliveries.clear();
}

fn set(messages: u32) -> MessageSet {
    let mut builder = MessageSet::builder();
    for _ in 0..messages {
        builder.push(None, Some(&[7; 100])).expect("it is small");
    }
    builder.build()
}

/// Counts what a future allocates that never waits.
fn count(work: impl Future<Output = ()>) -> u64 {
    let mut work = std::pin::pin!(work);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let counted = allocation_counter::measure(|| assert!(work.as_mut().poll(&mut cx).is_ready(), "it waits"));
    counted.count_total
}

#[test]
fn a_record_and_its_outcome_cost_no_allocation() {
    run(async {
        let (producer, _server) = producer().await;
        let mut deliveries = Vec::with_capacity(RECORDS as usize + 1);
        // The first batch grows to its size, and the first record of the second opens it.
        send(&producer, RECORDS, &mut deliveries).await;
        flush(&producer, &mut deliveries).await;
        send(&producer, 1, &mut deliveries).await;
        assert_eq!(count(send(&producer, RECORDS - 1, &mut deliveries)), 0, "sending");
        producer.flush().await.expect("everything is stored");
        let outcomes = async {
            for (expected, delivery) in (i64::from(RECORDS)..).zip(&mut deliveries) {
                let delivered = delivery.await.expect("it is stored");
                assert_eq!(delivered.offset.map(|offset| offset.0), Some(expected));
            }
        };
        assert_eq!(count(outcomes), 0, "outcomes");
    });
}

#[test]
fn a_batch_costs_a_bounded_number_of_allocations_whatever_its_records() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (producer, _server) = runtime.block_on(producer());
    let mut deliveries = Vec::with_capacity(RECORDS as usize);
    let mut batch = |records| {
        allocation_counter::measure(|| {
            runtime.block_on(async {
                send(&producer, records, &mut deliveries).await;
                flush(&producer, &mut deliveries).await;
            });
        })
        .count_total
    };
    // The first batch finds the leader, and grows.
    batch(RECORDS);
    for records in [10, RECORDS] {
        let counted = batch(records);
        println!("{records} records: {counted} allocations");
        assert!(counted <= 64, "{counted} allocations for {records} records");
    }
}

#[test]
fn a_set_costs_the_same_number_of_allocations_whatever_its_messages() {
    run(async {
        let (producer, _server) = producer().await;
        let mut deliveries = Vec::with_capacity(8);
        deliveries.push(producer.send_set("t", 0, set(1)).await.expect("there is room"));
        flush(&producer, &mut deliveries).await;
        let mut counts = Vec::new();
        for messages in [10, 1000] {
            let set = set(messages);
            counts.push(count(async {
                deliveries.push(producer.send_set("t", 0, set).await.expect("there is room"));
            }));
            flush(&producer, &mut deliveries).await;
        }
        println!("{counts:?} allocations");
        assert_eq!(counts.first(), counts.last());
        assert!(counts.iter().all(|count| *count <= 8), "{counts:?}");
    });
}
