//! The harness itself: every release comes up, answers, and is gone when dropped.

use std::{
    io::{Read as _, Write as _},
    iter,
    net::TcpStream,
    time::{Duration, Instant},
};

use interop::{Cluster, Release};

/// Metadata for the topic "t", correlation id 1, client id "c": `protocol.md` section 9.
const METADATA: &[u8] = b"\0\0\0\x12\0\x03\0\0\0\0\0\x01\0\x01c\0\0\0\x01\0\x01t";

fn ask(broker: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(broker).expect("a broker listens");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    socket.write_all(METADATA).expect("it takes the request");
    let mut len = [0; 4];
    socket.read_exact(&mut len).expect("it answers");
    let mut frame = vec![0; usize::try_from(u32::from_be_bytes(len)).expect("a length")];
    socket.read_exact(&mut frame).expect("it answers in full");
    frame
}

#[test]
fn every_release_comes_up_answers_and_is_gone_when_dropped() {
    for release in Release::ALL {
        let cluster = Cluster::start(release).unwrap_or_else(|error| panic!("{release}: {error}"));
        let broker = cluster.broker();
        assert_eq!(ask(&broker).get(..4), Some(&[0, 0, 0, 1][..]), "{release}");
        drop(cluster);
        assert!(TcpStream::connect(&broker).is_err(), "{release} is still there");
    }
}

#[test]
fn a_broker_comes_back_on_its_port_and_its_tools_run() {
    let mut cluster = Cluster::start(Release::V0_8_2_2).expect("a broker");
    cluster.create_topic("made", 1, 1, &[]).expect("the tool makes a topic");
    cluster.restart(1).expect("the broker comes back");
    // It leads its partitions again after a moment, and the tool prints nothing until then.
    let started = Instant::now();
    let found =
        iter::repeat_with(|| started.elapsed()).take_while(|passed| *passed < Duration::from_secs(60)).any(|_| {
            let args = ["--broker-list", &cluster.broker(), "--topic", "made", "--time", "-1"];
            let output = cluster.tool("kafka.tools.GetOffsetShell").args(args).run().expect("the tool runs");
            output.stdout.contains("made:0:0")
        });
    assert!(found, "the tool never saw the topic");
}
