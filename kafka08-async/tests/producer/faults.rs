//! Brokers that die, move and pause meanwhile: every record ends once, and what was told is true.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join;
use kafka08_async::{
    Delivery, Producer, Record, ReleaseSetting,
    proto::{
        ids::{Acks, NodeId},
        profile::Profile,
    },
};
use kafka08_broker::Server;

use crate::{
    rig::{TOPIC, cluster, config, connect, stored},
    runtimes::{On, sleep},
};

const RECORDS: u32 = 600;

fn leader(server: &Server) -> NodeId {
    server.with(|cluster, _| cluster.leader(TOPIC, 0)).expect("it has a leader")
}

/// Sends records over about half a second.
async fn send_slowly<H: On>(producer: &Producer<H::Rt>) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for number in 0..RECORDS {
        let value = number.to_string();
        deliveries.push(producer.send(Record::to(TOPIC).value(&value).partition(0)).await.expect("it is appended"));
        if number % 30 == 0 {
            sleep::<H>(Duration::from_millis(20)).await;
        }
    }
    deliveries
}

/// Sends records while `fault` happens. All are delivered, where it was said, and in order but for duplicates.
async fn send_through<H: On>(server: &Server, fault: impl Future<Output = ()>) {
    // Otherwise the release of a broker that has just failed may be found out too late, and no offsets are told.
    let cluster = config().cluster().clone().with_release(ReleaseSetting::Is(Profile::V0_8_2));
    let producer = connect::<H>(server, config().with_acks(Acks::ALL).with_cluster(cluster)).await;
    let (deliveries, ()) = join(send_slowly::<H>(&producer), fault).await;
    let mut told = BTreeMap::new();
    for (number, delivery) in (0..RECORDS).zip(deliveries) {
        let at = delivery.await.expect("another leader takes it");
        if let Some(offset) = at.offset {
            told.insert(offset.0, number.to_string());
        }
    }
    let stored = stored::<H>(server, TOPIC, 0).await;
    for (offset, value) in &told {
        assert_eq!(stored.get(offset), Some(value), "offset {offset}");
    }
    assert!(told.len() > 100, "{} offsets were told", told.len());
    let mut firsts: Vec<u32> = Vec::new();
    for value in stored.values() {
        let number = value.parse().expect("a number");
        if !firsts.contains(&number) {
            firsts.push(number);
        }
    }
    assert!(firsts.into_iter().eq(0..RECORDS), "the order is that of the calls");
    producer.flush().await.expect("nothing has failed");
    assert_eq!(producer.stats().delivered, u64::from(RECORDS));
}

async fn records_survive_the_death_of_their_leader<H: On>() {
    let server = cluster();
    send_through::<H>(&server, async {
        sleep::<H>(Duration::from_millis(100)).await;
        server.kill(leader(&server));
    })
    .await;
}

async fn records_follow_a_leader_that_moves<H: On>() {
    let server = cluster();
    send_through::<H>(&server, async {
        for _ in 0..4 {
            sleep::<H>(Duration::from_millis(70)).await;
            let to = NodeId(leader(&server).0 % 3 + 1);
            server.with(|cluster, now| cluster.move_leader(TOPIC, 0, to, now)).expect("the partition exists");
        }
    })
    .await;
}

async fn records_wait_for_a_leader_that_pauses<H: On>() {
    let server = cluster();
    send_through::<H>(&server, async {
        sleep::<H>(Duration::from_millis(100)).await;
        let leader = leader(&server);
        server.with(|cluster, now| cluster.pause(leader, now));
        sleep::<H>(Duration::from_millis(600)).await;
        server.with(|cluster, now| cluster.resume(leader, now));
    })
    .await;
}

on_each_runtime! {
    records_survive_the_death_of_their_leader,
    records_follow_a_leader_that_moves,
    records_wait_for_a_leader_that_pauses,
}
