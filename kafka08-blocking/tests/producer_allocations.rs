//! What records and sets allocate in the thread that sends them: counted exactly.

use std::time::Duration;

use kafka08_blocking::{
    Delivery, Producer, ProducerConfig, Record,
    proto::{ids::Acks, message::MessageSet},
};
use kafka08_broker::{BrokerConfig, Server};

const RECORDS: u32 = 10_000;

/// A producer whose batches wait until they are flushed, and the broker that it is connected to.
fn producer() -> (Producer, Server) {
    let server = Server::start(BrokerConfig::default().with_topic("t", 1)).expect("a broker");
    let config = ProducerConfig::default()
        .with_acks(Acks::LEADER)
        .with_linger(Duration::from_secs(3600))
        .with_batch_size(4 << 20);
    (Producer::connect([server.host_port()], config).expect("the broker is up"), server)
}

fn send(producer: &Producer, records: u32, deliveries: &mut Vec<Delivery>) {
    for _ in 0..records {
        let record = Record::to("t").key("key").value(&[7; 100]);
        deliveries.push(producer.send(record).expect("there is room"));
    }
}

fn set(messages: u32) -> MessageSet {
    let mut builder = MessageSet::builder();
    for _ in 0..messages {
        builder.push(None, Some(&[7; 100])).expect("it is small");
    }
    builder.build()
}

#[test]
fn a_record_and_its_outcome_cost_no_allocation() {
    let (producer, _server) = producer();
    let mut deliveries = Vec::with_capacity(RECORDS as usize);
    // The first batch grows to its size, and the first record of the second opens it.
    send(&producer, RECORDS, &mut deliveries);
    producer.flush().expect("everything is stored");
    deliveries.clear();
    send(&producer, 1, &mut deliveries);
    let counted = allocation_counter::measure(|| send(&producer, RECORDS - 1, &mut deliveries));
    assert_eq!(counted.count_total, 0, "sending");
    producer.flush().expect("everything is stored");
    let counted = allocation_counter::measure(|| {
        for (expected, delivery) in (i64::from(RECORDS)..).zip(deliveries.drain(..)) {
            let delivered = delivery.wait().expect("it is stored");
            assert_eq!(delivered.offset.map(|offset| offset.0), Some(expected));
        }
    });
    assert_eq!(counted.count_total, 0, "outcomes");
}

#[test]
fn a_set_costs_the_same_number_of_allocations_whatever_its_messages() {
    let (producer, _server) = producer();
    producer.send_set("t", 0, set(1)).expect("there is room").wait().expect("it is stored");
    let counts = [10, 1000].map(|messages| {
        let set = set(messages);
        let mut delivery = None;
        let counted = allocation_counter::measure(|| delivery = Some(producer.send_set("t", 0, set)));
        delivery.expect("it was sent").expect("there is room").wait().expect("it is stored");
        counted.count_total
    });
    println!("{counts:?} allocations");
    assert_eq!(counts.first(), counts.last());
    assert!(counts.iter().all(|count| *count <= 8), "{counts:?}");
}
