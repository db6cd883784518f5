//! Answers that no sound broker gives, or that come of a race, and what is believed of them (K1).

use super::*;

/// What is known before.
const KNOWN: &str = "1=a:9092 2=b:9092 | t: 0@1 1@2";

/// What it is, what was asked, what was answered, the view after it, what has changed.
type Lie = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Merges each answer into a view of [`KNOWN`], ten seconds later, and again as long after that.
fn check(lies: &[Lie]) {
    for (name, topics, text, expected, changed) in lies {
        let mut view = seen(KNOWN);
        let changes = merge(&mut view, 10, topics, text);
        assert_eq!((show(&view).as_str(), show_changes(&changes).as_str()), (*expected, *changed), "{name}");
        let again = merge(&mut view, 20, topics, text);
        assert_eq!((show(&view).as_str(), again), (*expected, Changes::default()), "{name}, again");
    }
}

#[test]
fn addresses_that_are_none_concern_their_broker_only() {
    check(&[
        ("port -1", "t", "1=a:-1 2=b:9092 | t: 0@1 1@2", "1=Port(-1) 2=b:9092 | t~: 0@1 1@2", "1"),
        ("port 0", "t", "1=a:0 2=b:9092 | t: 0@1 1@2", "1=Port(0) 2=b:9092 | t~: 0@1 1@2", "1"),
        ("port 65536", "t", "1=a:65536 2=b:9092 | t: 0@1 1@2", "1=Port(65536) 2=b:9092 | t~: 0@1 1@2", "1"),
        // 65536 + 9092: cut to 16 bits it would be the port of before.
        ("port 74628", "t", "1=a:74628 2=b:9092 | t: 0@1 1@2", "1=Port(74628) 2=b:9092 | t~: 0@1 1@2", "1"),
        ("the highest port", "t", "1=a:2147483647 | t: 0@1 1@2", "1=Port(2147483647) 2=b:9092 | t~: 0@1 1@2", "1"),
        ("the lowest port", "t", "1=a:-2147483648 | t: 0@1 1@2", "1=Port(-2147483648) 2=b:9092 | t~: 0@1 1@2", "1"),
        ("no host", "t", "1=:9092 2=b:9092 | t: 0@1 1@2", "1=Host 2=b:9092 | t~: 0@1 1@2", "1"),
        ("a host of 65 kB", "t", "1=<long>:9092 2=b:9092 | t: 0@1 1@2", "1=Host 2=b:9092 | t~: 0@1 1@2", "1"),
        ("a host with NUL", "t", "1=<nul>:9092 2=b:9092 | t: 0@1 1@2", "1=Host 2=b:9092 | t~: 0@1 1@2", "1"),
        ("a host with a newline", "t", "1=<newline>:9092 | t: 0@1 1@2", "1=Host 2=b:9092 | t~: 0@1 1@2", "1"),
        ("a host with a space", "t", "1=<space>:9092 | t: 0@1 1@2", "1=Host 2=b:9092 | t~: 0@1 1@2", "1"),
        ("a host that is a list", "t", "1=a,b:9092 | t: 0@1 1@2", "1=Host 2=b:9092 | t~: 0@1 1@2", "1"),
        ("a host that is a path", "t", "1=a/b:9092 | t: 0@1 1@2", "1=Host 2=b:9092 | t~: 0@1 1@2", "1"),
        (
            "a bad address of who leads nothing",
            "t",
            "3=:0 | t: 0@1 1@2",
            "1=a:9092 2=b:9092 3=Port(0) | t: 0@1 1@2",
            "3",
        ),
        ("all addresses bad", "t", "1=:1 2=b:0 | t: 0@1 1@2", "1=Host 2=Port(0) | t~: 0@1 1@2", "1 2"),
    ]);
}

#[test]
fn brokers_are_kept_and_leaders_looked_up_among_all_that_are_known() {
    check(&[
        ("no brokers", "t", "| t: 0@1 1@2", KNOWN, ""),
        ("nothing at all", "*", "", KNOWN, ""),
        ("no brokers, leaders moved", "t", "| t: 0@2 1@1", "1=a:9092 2=b:9092 | t: 0@2 1@1", "t/0 t/1"),
        ("a broker less", "*", "1=a:9092 | t: 0@1 1@2", KNOWN, ""),
        ("other brokers only", "*", "3=c:1 | t: 0@1 1@2", "1=a:9092 2=b:9092 3=c:1 | t: 0@1 1@2", "3"),
        ("a leader not listed", "t", "1=a:9092 | t: 0@1 1@7", "1=a:9092 2=b:9092 | t~: 0@1 1@?7", "t/1"),
        ("a leader -2", "t", "1=a:9092 | t: 0@1 1@-2", "1=a:9092 2=b:9092 | t~: 0@1 1@-!0", "t/1"),
        ("a broker -1", "t", "-1=c:1 | t: 0@1 1@2", KNOWN, ""),
        ("a broker -2 that leads", "t", "-2=c:1 | t: 0@1 1@-2!9", "1=a:9092 2=b:9092 | t~: 0@1 1@-!9", "t/1"),
        ("a broker twice", "t", "1=x:1 1=a:9092 | t: 0@1 1@2", "1=x:1 2=b:9092 | t: 0@1 1@2", "1"),
        ("a broker twice, first bad", "t", "1=:1 1=a:9092 | t: 0@1 1@2", "1=Host 2=b:9092 | t~: 0@1 1@2", "1"),
        ("two brokers, one address", "t", "1=a:9092 2=a:9092 | t: 0@1 1@2", "1=a:9092 2=a:9092 | t: 0@1 1@2", "2"),
    ]);
}

#[test]
fn partitions_have_the_state_that_their_first_entry_says() {
    check(&[
        ("no leader", "t", "| t: 0@-!5 1@2", "1=a:9092 2=b:9092 | t~: 0@-!5 1@2", "t/0"),
        ("no leader, no code", "t", "| t: 0@- 1@2", "1=a:9092 2=b:9092 | t~: 0@-!0 1@2", "t/0"),
        ("a replica is down", "t", "| t: 0@1!9 1@2", KNOWN, ""),
        ("a replica is down, and no leader", "t", "| t: 0@-!9 1@2", "1=a:9092 2=b:9092 | t~: 0@-!9 1@2", "t/0"),
        ("a leader and code 5", "t", "| t: 0@1!5 1@2", KNOWN, ""),
        ("a leader and an unknown code", "t", "| t: 0@2!-99 1@2", "1=a:9092 2=b:9092 | t: 0@2 1@2", "t/0"),
        ("a partition twice", "t", "| t: 0@2 0@1 1@2", "1=a:9092 2=b:9092 | t: 0@2 1@2", "t/0"),
        ("a new partition twice", "t", "| t: 2@1 2@2 0@1 1@2", "1=a:9092 2=b:9092 | t: 0@1 1@2 2@1", "t/2 t"),
        ("a negative partition", "t", "| t: -1@1 0@1 1@2", KNOWN, ""),
        ("the lowest number", "t", "| t: -2147483648@1 0@1 1@2", KNOWN, ""),
        ("5, 5 and -1", "t", "| t: 5@1 5@2 -1@2", "1=a:9092 2=b:9092 | t: 0@1 1@2 5@1", "t/5 t"),
        (
            "the highest number",
            "t",
            "| t: 2147483647@2 0@1 1@2",
            "1=a:9092 2=b:9092 | t: 0@1 1@2 2147483647@2",
            "t/2147483647 t",
        ),
        ("from end to start", "t", "| t: 1@2 0@1", KNOWN, ""),
        ("a partition less", "t", "| t: 1@1", "1=a:9092 2=b:9092 | t: 0@1 1@1", "t/1"),
        ("no partitions, no code", "t", "| t:", KNOWN, ""),
        ("a new one without a leader", "t", "| t: 2@-!5", "1=a:9092 2=b:9092 | t~: 0@1 1@2 2@-!5", "t"),
    ]);
}

#[test]
fn topics_keep_their_partitions_whatever_their_code_is() {
    check(&[
        ("code 5", "t", "| t!5:", "1=a:9092 2=b:9092 | t~!5: 0@1 1@2", "t"),
        ("code 3", "t", "| t!3:", "1=a:9092 2=b:9092 | t~!3: 0@1 1@2", "t"),
        ("code -1", "t", "| t!-1:", "1=a:9092 2=b:9092 | t~!-1: 0@1 1@2", "t"),
        ("code 17", "t", "| t!17:", "1=a:9092 2=b:9092 | t!17: 0@1 1@2", "t"),
        ("a code nobody knows", "t", "| t!999:", "1=a:9092 2=b:9092 | t!999: 0@1 1@2", "t"),
        ("a code and partitions", "t", "| t!5: 0@2", "1=a:9092 2=b:9092 | t~!5: 0@2 1@2", "t/0 t"),
        (
            "all topics, and not this",
            "*",
            "1=a:9092 2=b:9092 | u: 0@1",
            "1=a:9092 2=b:9092 | t: 0@1 1@2 | u: 0@1",
            "u/0 u",
        ),
        ("a topic twice", "*", "| t: 0@2 | t: 0@1 1@1", "1=a:9092 2=b:9092 | t: 0@2 1@2", "t/0"),
        ("asked for twice", "t t", "| t: 0@2", "1=a:9092 2=b:9092 | t: 0@2 1@2", "t/0"),
        ("a topic nobody asked for", "t", "| t: 0@1 1@2 | u: 0@1", KNOWN, ""),
        ("only topics nobody asked for", "u", "| t: 0@2 1@1", KNOWN, ""),
        ("another topic than asked for", "u", "| v: 0@2", KNOWN, ""),
        ("a topic that is new and has none", "u", "| u!5:", "1=a:9092 2=b:9092 | t: 0@1 1@2 | u~!5:", "u"),
        ("a name that no topic can have", "*", "| a/b: 0@1 | : 0@1 | ..: 0@1", KNOWN, ""),
    ]);
}

#[test]
fn the_reason_is_told_for_each_partition_without_a_leader() {
    let view = seen("1=a:9092 2=:0 | t: 0@2 1@7 2@-!5 | u!3: | v: 0@-!9");
    let partition = PartitionId(0);
    assert_eq!(view.leader("t", partition), Ok(NodeId(2)));
    assert_eq!(view.endpoint(NodeId(7)), None);
    assert_eq!(view.leader("t", PartitionId(1)), Err(LeaderProblem::BrokerMissing(NodeId(7))));
    assert_eq!(view.leader("t", PartitionId(2)), Err(LeaderProblem::NoLeader(ErrorCode::LEADER_NOT_AVAILABLE)));
    assert_eq!(view.leader("t", PartitionId(3)), Err(LeaderProblem::NoSuchPartition));
    assert_eq!(view.leader("t", PartitionId(-1)), Err(LeaderProblem::NoSuchPartition));
    assert_eq!(view.leader("u", partition), Err(LeaderProblem::TopicRefused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)));
    assert_eq!(view.leader("v", partition), Err(LeaderProblem::NoLeader(ErrorCode::REPLICA_NOT_AVAILABLE)));
    assert_eq!(view.leader("w", partition), Err(LeaderProblem::TopicMissing));
}

#[test]
fn the_last_code_of_a_partition_is_kept_beside_its_leader() {
    let mut view = seen("1=a:1 | t: 0@1!9 1@-!5 2@1");
    let codes = |view: &View| view.topic("t").map(|t| t.partitions().map(|(_, p)| p.error.0).collect::<Vec<_>>());
    assert_eq!(codes(&view), Some(vec![9, 5, 0]));
    merge(&mut view, 1, "t", "| t: 0@1 1@-!3 2@1!9");
    assert_eq!(codes(&view), Some(vec![0, 3, 9]));
    assert_eq!(view.leader("t", PartitionId(1)), Err(LeaderProblem::NoLeader(ErrorCode(3))));
}

#[test]
fn a_leader_that_was_missing_counts_when_an_answer_for_another_topic_lists_it() {
    let mut view = seen("1=a:1 | t: 0@7 1@1 2@7 | u: 0@1");
    let changes = merge(&mut view, 1, "u", "7=g:7 | u: 0@7");
    assert_eq!(show(&view), "1=a:1 7=g:7 | t: 0@7 1@1 2@7 | u: 0@7");
    assert_eq!(show_changes(&changes), "t/0 t/2 u/0 7");
}

#[test]
fn an_answer_that_lists_a_missing_leader_and_takes_its_partition_away_reports_it_once() {
    let mut view = seen("1=a:1 | t: 0@7 1@7 2@7");
    let changes = merge(&mut view, 1, "t", "7=g:7 | t: 0@1 1@-!5");
    assert_eq!(show(&view), "1=a:1 7=g:7 | t~: 0@1 1@-!5 2@7");
    assert_eq!(show_changes(&changes), "t/0 t/2 7");
}

#[test]
fn an_address_that_is_usable_again_settles_the_topics_of_its_broker() {
    let mut view = seen("1=a:0 2=b:2 | t: 0@1 | u: 0@2 | v: 0@1");
    assert_eq!(show(&view), "1=Port(0) 2=b:2 | t~: 0@1 | u: 0@2 | v~: 0@1");
    let changes = merge(&mut view, 1, "u", "1=a:1 | u: 0@2");
    assert_eq!(
        (show(&view).as_str(), show_changes(&changes).as_str()),
        ("1=a:1 2=b:2 | t: 0@1 | u: 0@2 | v: 0@1", "1")
    );
}

#[test]
fn a_filter_refuses_and_changes_endpoints_and_what_it_says_is_checked() {
    let filter = |node: NodeId, to: HostPort| match node.0 {
        1 => None,
        2 => Some(HostPort::new("forwarded", to.port() + 1)),
        3 => Some(HostPort::new("", 1)),
        4 => Some(HostPort::new("x", 0)),
        _ => Some(to),
    };
    let mut view = View::default();
    let listed = answer("1=a:1 2=b:2 3=c:3 4=d:4 5=e:5 | t: 0@1 1@2");
    let changes = view.merge(at(0), MAX_AGE, &Topics::All, &listed, &filter);
    assert_eq!(show(&view), "1=Refused 2=forwarded:3 3=Host 4=Port(0) 5=e:5 | t~: 0@1 1@2");
    assert_eq!(changes.endpoints.len(), 5);
    assert_eq!(view.merge(at(1), MAX_AGE, &Topics::All, &listed, &filter), Changes::default());
}

#[test]
fn a_filter_is_asked_once_for_an_address() {
    let asked = std::cell::Cell::new(0);
    let filter = |_: NodeId, to: HostPort| {
        asked.set(asked.get() + 1);
        Some(to)
    };
    let mut view = View::default();
    for (text, expected) in [("1=a:1", 1), ("1=a:1", 1), ("1=a:2", 2), ("1=a:0", 2), ("1=a:2", 3), ("1=b:2", 4)] {
        view.merge(at(0), MAX_AGE, &Topics::All, &answer(text), &filter);
        assert_eq!(asked.get(), expected, "{text}");
    }
}

#[test]
fn hosts_are_names_and_addresses_of_up_to_255_characters() {
    for host in ["a", "a.b-c_d.", "127.0.0.1", "::1", "fe80::1%eth0", &"h".repeat(255)] {
        let listed = Broker { node: NodeId(1), host: host.into(), raw_port: 65535 };
        let mut view = View::default();
        merge_answer(&mut view, 0, &Topics::All, &MetadataResponse::new(vec![listed], Vec::new()));
        assert_eq!(view.endpoint(NodeId(1)), Some(Ok(&HostPort::new(host, 65535))));
    }
    let listed = Broker { node: NodeId(1), host: "h".repeat(256).into(), raw_port: 1 };
    let mut view = View::default();
    merge_answer(&mut view, 0, &Topics::All, &MetadataResponse::new(vec![listed], Vec::new()));
    assert!(view.endpoint(NodeId(1)).is_some_and(|to| to.is_err()));
}
