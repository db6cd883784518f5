//! A message that is read allocates nothing, lent or owned. The counter replaces the allocator of this binary, and counts one
//! thread: that of the test. The consumer's task runs on others.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::StreamExt as _;
use kafka08_async::{Consumer, ConsumerConfig, EndAt, Producer, ProducerConfig, Record, StartAt};
use kafka08_broker::{BrokerConfig, Server};
use kafka08_tokio::Tokio;
use tokio::runtime::Runtime;

const TOPIC: &str = "events";
const MESSAGES: u64 = 20_000;
/// Messages of a set that are read while allocations are counted. The set has more.
const READ: usize = 10_000;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// A broker with a log of messages that fit one fetch.
fn filled(runtime: &Runtime) -> Server {
    let server = Server::start(BrokerConfig::default().with_topic(TOPIC, 1)).expect("a broker starts");
    runtime.block_on(async {
        let config = ProducerConfig::default();
        let producer = Producer::<Tokio>::connect([server.host_port()], config).await.expect("the broker answers");
        for _ in 0..MESSAGES {
            let record = Record::to(TOPIC).key("key").value("value");
            drop(producer.send(record).await.expect("it is appended"));
        }
        producer.close(Duration::from_secs(20)).await.expect("all is delivered");
    });
    server
}

fn reader(runtime: &Runtime, server: &Server) -> Consumer<Tokio> {
    let connecting = Consumer::connect([server.host_port()], ConsumerConfig::default());
    let consumer = runtime.block_on(connecting).expect("the broker answers");
    consumer.assign(TOPIC, 0, StartAt::Earliest, EndAt::HighWatermark).expect("a sound name");
    consumer
}

/// Polls once, without a runtime.
fn now<F: Future>(future: F) -> F::Output {
    let Poll::Ready(output) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else { panic!("it is here") };
    output
}

#[test]
fn a_message_that_is_lent_allocates_nothing() {
    let runtime = runtime();
    let server = filled(&runtime);
    let consumer = reader(&runtime, &server);
    let mut messages = runtime.block_on(consumer.next()).expect("no failure").expect("a set");
    let count = allocation_counter::measure(|| {
        for _ in 0..READ {
            let message = messages.next_message().expect("more of the set").expect("it is sound");
            assert_eq!(message.value, Some(&b"value"[..]));
        }
    });
    assert_eq!(count.count_total, 0, "of {READ} messages");
}

#[test]
fn a_message_that_owns_its_bytes_allocates_nothing() {
    let runtime = runtime();
    let server = filled(&runtime);
    let mut stream = reader(&runtime, &server).messages();
    // The first one takes the set.
    let first = runtime.block_on(stream.next()).expect("a message").expect("it is sound");
    let mut kept = Vec::with_capacity(READ);
    let count = allocation_counter::measure(|| {
        for _ in 0..READ {
            kept.push(now(stream.next()).expect("more of the set").expect("it is sound"));
        }
    });
    assert_eq!(count.count_total, 0, "of {READ} messages");
    assert!(kept.iter().all(|message| message.value == first.value && message.key.as_deref() == Some(b"key")));
}

#[test]
fn a_set_allocates_a_little_whatever_its_messages() {
    let runtime = runtime();
    let server = filled(&runtime);
    let small = ConsumerConfig::default().with_partition_bytes(16 << 10);
    let consumer = runtime.block_on(Consumer::<Tokio>::connect([server.host_port()], small)).expect("it answers");
    consumer.assign(TOPIC, 0, StartAt::Earliest, EndAt::HighWatermark).expect("a sound name");
    let (mut sets, mut read, mut allocations) = (0, 0, 0);
    loop {
        let mut messages = None;
        let count = allocation_counter::measure(|| {
            messages = runtime.block_on(consumer.next()).expect("no failure");
            while let Some(message) = messages.as_mut().and_then(|messages| messages.next_message()) {
                read += usize::from(message.is_ok());
            }
        });
        allocations += count.count_total;
        if messages.is_none() {
            break;
        }
        sets += 1;
    }
    assert!(read as u64 == MESSAGES && sets >= 40, "{read} in {sets} sets");
    assert!(allocations <= 10 * sets, "{allocations} allocations for {sets} sets");
}
