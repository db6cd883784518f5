//! Settings are read as they were set.

use std::{net::SocketAddr, time::Duration};

use kafka08_broker::BrokerConfig;
use kafka08_proto::{HostPort, ids::NodeId, profile::Profile};

#[test]
fn each_setting_of_the_behaviour_is_read_as_it_was_set() {
    let config = BrokerConfig::default();
    assert_eq!((config.node(), config.listen()), (NodeId(1), SocketAddr::from(([127, 0, 0, 1], 0))));
    assert!(config.advertised().is_none() && config.auto_create() && config.unclean_election());
    assert_eq!((config.profile(), config.brokers(), config.retention_bytes()), (Profile::V0_8_2, 1, None));

    let (listen, advertised) = (SocketAddr::from(([127, 0, 0, 2], 3)), HostPort::new("broker1", 9092));
    let seconds = Duration::from_secs;
    let config = config
        .with_profile(Profile::V0_8_1)
        .with_profile_of(NodeId(3), Profile::V0_8_0)
        .with_node(NodeId(2))
        .with_brokers(3)
        .with_listen(listen)
        .with_advertised(advertised.clone())
        .without_auto_create()
        .without_unclean_election()
        .with_retention_bytes(1)
        .with_topic("t", 5)
        .with_partitions(4)
        .with_replication(2)
        .with_min_insync(6)
        .with_offsets_partitions(7)
        .with_seed(8)
        .with_creation_delay(seconds(1))
        .with_election_delay(seconds(2))
        .with_metadata_delay(seconds(3))
        .with_replication_lag(seconds(4))
        .with_isr_lag(seconds(5))
        .with_segment_bytes(9);
    assert_eq!((config.profile(), config.profile_of(NodeId(2))), (Profile::V0_8_1, Profile::V0_8_1));
    assert_eq!(config.profile_of(NodeId(3)), Profile::V0_8_0);
    assert_eq!((config.node(), config.brokers(), config.listen()), (NodeId(2), 3, listen));
    assert_eq!((config.advertised(), config.auto_create()), (Some(&advertised), false));
    assert_eq!((config.unclean_election(), config.retention_bytes()), (false, Some(1)));
    assert_eq!(config.topics(), [("t".to_owned(), 5)]);
    assert_eq!((config.partitions(), config.replication(), config.min_insync()), (4, 2, 6));
    assert_eq!((config.offsets_partitions(), config.seed(), config.segment_bytes()), (7, 8, 9));
    assert_eq!((config.creation_delay(), config.election_delay()), (seconds(1), seconds(2)));
    assert_eq!((config.metadata_delay(), config.replication_lag()), (seconds(3), seconds(4)));
    assert_eq!(config.isr_lag(), seconds(5));
}

#[test]
fn each_limit_is_read_as_it_was_set() {
    let seconds = Duration::from_secs;
    let config = BrokerConfig::default()
        .with_max_message(6)
        .with_max_frame(7)
        .with_max_answer(8)
        .with_max_log_bytes(9)
        .with_max_unsent(10)
        .with_max_topics(11)
        .with_max_offsets(12)
        .with_max_partitions_per_request(13)
        .with_max_waiting(14)
        .with_max_connections(15)
        .with_frame_timeout(seconds(1))
        .with_write_timeout(seconds(2))
        .with_idle_timeout(seconds(3))
        .with_history_entries(16)
        .with_history_bytes(17);
    assert_eq!((config.max_message(), config.max_frame(), config.max_answer()), (6, 7, 8));
    assert_eq!((config.max_log_bytes(), config.max_unsent(), config.max_topics()), (9, 10, 11));
    assert_eq!((config.max_offsets(), config.max_partitions_per_request()), (12, 13));
    assert_eq!((config.max_waiting(), config.max_connections()), (14, 15));
    assert_eq!((config.frame_timeout(), config.write_timeout()), (seconds(1), seconds(2)));
    assert_eq!((config.idle_timeout(), config.history_entries(), config.history_bytes()), (seconds(3), 16, 17));
}
