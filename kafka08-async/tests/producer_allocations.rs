//! A record that is sent allocates nothing. The counter replaces the allocator of this binary, and counts one thread: that of
//! the test. The producer's task runs on others.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use kafka08_async::{Producer, ProducerConfig, Record};
use kafka08_broker::{BrokerConfig, Server};
use kafka08_tokio::Tokio;

const RECORDS: u64 = 10_000;

fn send(producer: &Producer<Tokio>, record: Record<'_>) {
    let cx = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(sent) = pin!(producer.send(record)).poll(cx) else { panic!("there is room") };
    drop(sent.expect("it is appended"));
}

#[test]
fn a_record_allocates_nothing_but_the_memory_of_its_batch() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let server = Server::start(BrokerConfig::default().with_topic("events", 1)).expect("a broker starts");
    let config = ProducerConfig::default().with_linger(Duration::from_secs(60));
    let connecting = Producer::<Tokio>::connect([server.host_port()], config);
    let producer = runtime.block_on(connecting).expect("the broker answers");
    let first = Record::to("events").key("key").value("value");
    drop(runtime.block_on(producer.send(first)).expect("the topic is there"));
    let count = allocation_counter::measure(|| {
        for _ in 0..RECORDS {
            send(&producer, Record::to("events").key("key").value("value"));
        }
    });
    // The batch of 340 KB grows by doubling, and is one batch.
    assert!(count.count_total <= 20, "{} allocations for {RECORDS} records", count.count_total);
    runtime.block_on(producer.close(Duration::from_secs(20))).expect("all is delivered");
    assert_eq!(producer.stats().failed, 0);
}
