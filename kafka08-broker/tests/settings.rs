//! Settings are read as they were set.

use std::{net::SocketAddr, time::Duration};

use kafka08_broker::BrokerConfig;
use kafka08_proto::{HostPort, ids::NodeId};

#[test]
fn each_setting_of_a_broker_is_read_as_it_was_set() {
    let config = BrokerConfig::default();
    assert_eq!((config.node(), config.listen()), (NodeId(1), SocketAddr::from(([127, 0, 0, 1], 0))));
    assert!(config.advertised().is_none() && config.auto_create());

    let (listen, advertised) = (SocketAddr::from(([127, 0, 0, 2], 3)), HostPort::new("broker1", 9092));
    let second = Duration::from_secs(1);
    let config = config
        .with_node(NodeId(2))
        .with_listen(listen)
        .with_advertised(advertised.clone())
        .without_auto_create()
        .with_partitions(4)
        .with_leaderless_answers(5)
        .with_max_message(6)
        .with_max_frame(7)
        .with_max_log_bytes(8)
        .with_max_topics(9)
        .with_max_partitions_per_request(10)
        .with_max_waiting(11)
        .with_max_connections(12)
        .with_frame_timeout(second);
    assert_eq!((config.node(), config.listen()), (NodeId(2), listen));
    assert_eq!((config.advertised(), config.auto_create()), (Some(&advertised), false));
    assert_eq!((config.partitions(), config.leaderless_answers()), (4, 5));
    assert_eq!((config.max_message(), config.max_frame(), config.max_log_bytes()), (6, 7, 8));
    assert_eq!((config.max_topics(), config.max_partitions_per_request()), (9, 10));
    assert_eq!((config.max_waiting(), config.max_connections()), (11, 12));
    assert_eq!(config.frame_timeout(), second);
}
