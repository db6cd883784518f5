//! Topics that are not known, and lists of brokers that are of no use.

use std::{
    net::TcpListener,
    panic::AssertUnwindSafe,
    pin::pin,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use kafka08_async::{AppendError, BootstrapError, Partitioner, Producer, ProducerConfig, Record, SendError};
use kafka08_broker::BrokerConfig;

use crate::{
    rig::{TOPIC, brokers, cluster, config, connect, start, stored},
    runtimes::{On, sleep},
};

async fn a_topic_is_created_by_sending_to_it<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, config()).await;
    let delivery = producer.send(Record::to("new").value("v")).await.expect("it is created");
    let at = delivery.await.expect("it is delivered");
    assert_eq!(at.to.topic, "new");
    assert_eq!(stored::<H>(&server, "new", at.to.partition.0).await.into_values().collect::<Vec<_>>(), ["v"]);
}

async fn a_topic_that_nobody_creates_is_waited_for_as_long_as_the_settings_say<H: On>() {
    let server = start(BrokerConfig::default().with_brokers(3).without_auto_create().with_topic(TOPIC, 1));
    // Long enough for an answer on a machine that is busy.
    let wait = Duration::from_secs(3);
    let producer = connect::<H>(&server, config().with_max_wait(wait)).await;
    let since = Instant::now();
    let error = producer.send(Record::to("nobodys").value("v")).await.expect_err("nobody creates it");
    assert!(since.elapsed() >= wait && since.elapsed() < 10 * wait, "{:?}", since.elapsed());
    let text = error.to_string();
    assert!(text.contains("\"nobodys\"") && text.contains("3s") && text.contains("UnknownTopic"), "{text}");
    // Others are not in its way.
    producer.send(Record::to(TOPIC).value("v")).await.expect("it is there").await.expect("it is delivered");
}

async fn a_topic_that_is_created_meanwhile_is_used<H: On>() {
    let server = start(BrokerConfig::default().with_brokers(3).without_auto_create());
    let producer = connect::<H>(&server, config()).await;
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let producer = producer.clone();
            H::spawn(async move { producer.send(Record::to("late").value("v")).await.expect("it comes").await })
        })
        .collect();
    sleep::<H>(Duration::from_millis(100)).await;
    server.create_topic("late", 1).expect("the name is good");
    for task in waiting {
        task.await.expect("it is delivered");
    }
    assert_eq!(stored::<H>(&server, "late", 0).await.len(), 10);
}

async fn names_and_partitions_that_no_broker_has_are_refused_at_once<H: On>() {
    let server = cluster();
    let producer = connect::<H>(&server, config()).await;
    let refused = producer.send(Record::to("a b").value("v")).await.expect_err("no broker takes it");
    assert!(matches!(refused, SendError::Refused(AppendError::Topic(_))), "{refused}");
    let refused = producer.send(Record::to(TOPIC).value("v").partition(9)).await.expect_err("there are three");
    assert_eq!(refused, SendError::Refused(AppendError::NoSuchPartition));
}

async fn a_partitioner_that_panics_leaves_the_producer_usable<H: On>() {
    let server = cluster();
    let choose = Box::new(|record: &Record<'_>, ids: &[_]| {
        assert_ne!(record.key, Some(&b"bad"[..]), "as the test wants");
        *ids.last().expect("there is one")
    });
    let choose = Partitioner::Custom(choose);
    let producer = Producer::<H::Rt>::connect_with(brokers(&server), config(), choose).await.expect("a broker answers");
    producer
        .send(Record::to(TOPIC).key("good").value("v"))
        .await
        .expect("it is appended")
        .await
        .expect("it is delivered");
    std::panic::catch_unwind(AssertUnwindSafe(|| {
        let cx = &mut Context::from_waker(Waker::noop());
        pin!(producer.send(Record::to(TOPIC).key("bad"))).poll(cx).map(drop)
    }))
    .expect_err("it panics");
    let delivery = producer.send(Record::to(TOPIC).key("good").value("v")).await.expect("it is appended");
    assert_eq!(delivery.await.expect("it is delivered").to.partition.0, 2);
    producer.flush().await.expect("nothing has failed");
}

async fn a_list_of_brokers_that_is_of_no_use_is_explained<H: On>() {
    let connect = async |list: &[String]| {
        let cluster = ProducerConfig::default().cluster().clone().with_connect_timeout(Duration::from_millis(500));
        let config = ProducerConfig::default().with_cluster(cluster);
        Producer::<H::Rt>::connect(list, config).await.expect_err("no broker answers")
    };
    assert!(matches!(connect(&[]).await, BootstrapError::Empty));
    let text = connect(&["b1".to_owned()]).await.to_string();
    assert!(text.contains("\"b1\"") && text.contains("host:port"), "{text}");
    // Nobody listens at ports of the system.
    let closed = ["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()];
    let error = connect(&closed).await;
    let text = error.to_string();
    assert!(matches!(error, BootstrapError::Unreachable(_)), "{error:?}");
    assert!(closed.iter().all(|address| text.contains(address)) && text.contains("refused"), "{text}");
    // A peer that accepts and is silent.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_address = silent.local_addr().expect("it is bound").to_string();
    let since = Instant::now();
    let [refused, _] = closed;
    let text = connect(&[silent_address.clone(), refused.clone()]).await.to_string();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert!(text.contains(&silent_address) && text.contains(&refused), "{text}");
}

async fn one_broker_of_the_list_that_answers_is_enough<H: On>() {
    let server = cluster();
    let list = ["127.0.0.1:1".to_owned(), server.host_port()];
    let producer = Producer::<H::Rt>::connect(list, config()).await.expect("a broker answers");
    producer.send(Record::to(TOPIC).value("v")).await.expect("it is appended").await.expect("it is delivered");
}

on_each_runtime! {
    a_topic_is_created_by_sending_to_it,
    a_topic_that_nobody_creates_is_waited_for_as_long_as_the_settings_say,
    a_topic_that_is_created_meanwhile_is_used,
    names_and_partitions_that_no_broker_has_are_refused_at_once,
    a_partitioner_that_panics_leaves_the_producer_usable,
    a_list_of_brokers_that_is_of_no_use_is_explained,
    one_broker_of_the_list_that_answers_is_enough,
}
