//! A message that is read allocates nothing in the thread that reads it, lent or owned: counted exactly.

use kafka08_blocking::{
    Consumer, ConsumerConfig, EndAt, Producer, ProducerConfig, StartAt, proto::message::MessageSet,
};
use kafka08_broker::{BrokerConfig, Server};

/// The messages of the log, which fit one fetch.
const MESSAGES: usize = 5000;
/// Those that are read while allocations are counted.
const READ: usize = 4000;

/// A consumer of a log, and the broker that has it.
fn reader() -> (Consumer, Server) {
    let server = Server::start(BrokerConfig::default().with_topic("t", 1)).expect("a broker");
    let producer = Producer::connect([server.host_port()], ProducerConfig::default()).expect("the broker is up");
    let mut set = MessageSet::builder();
    for _ in 0..MESSAGES {
        set.push(Some(b"key"), Some(&[7; 100])).expect("it is small");
    }
    producer.send_set("t", 0, set.build()).expect("there is room").wait().expect("it is stored");
    let consumer = Consumer::connect([server.host_port()], ConsumerConfig::default()).expect("the broker is up");
    consumer.assign("t", 0, StartAt::Earliest, EndAt::HighWatermark).expect("a sound name");
    (consumer, server)
}

#[test]
fn a_message_that_is_lent_costs_no_allocation() {
    let (consumer, _server) = reader();
    let mut messages = consumer.next().expect("no failure").expect("a set");
    let counted = allocation_counter::measure(|| {
        for _ in 0..READ {
            let message = messages.next_message().expect("more of the set").expect("it is sound");
            assert_eq!(message.value, Some(&[7; 100][..]));
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_message_that_owns_its_bytes_costs_no_allocation() {
    let (consumer, _server) = reader();
    let mut messages = consumer.messages();
    // The first one takes the set.
    let first = messages.next().expect("a message").expect("it is sound");
    let mut kept = Vec::with_capacity(READ);
    let counted = allocation_counter::measure(|| {
        for _ in 0..READ {
            kept.push(messages.next().expect("more of the set").expect("it is sound"));
        }
    });
    assert_eq!(counted.count_total, 0);
    assert!(kept.iter().all(|message| message.value == first.value));
}
