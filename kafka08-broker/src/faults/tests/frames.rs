//! Lies about the frame, and peers that do not speak Kafka.

use kafka08_proto::ids::ApiKey;

use super::*;
use crate::faults::{Lie, Step, deliver};

#[track_caller]
fn assert_written(lie: Lie, bytes: &[u8]) {
    // A heartbeat: length 6, correlation id 1, code -1.
    let steps = deliver(&plan(Rule::on_any().lie(lie), HEARTBEAT), id(1), hex("00000006 00000001 ffff"));
    assert_eq!(steps, [Step::Write(Bytes::copy_from_slice(bytes))]);
}

#[test]
fn the_length_of_a_frame_can_be_absurd() {
    assert_written(Lie::FrameLength { length: i32::MAX }, &hex("7fffffff 00000001 ffff"));
    assert_written(Lie::FrameLength { length: -1 }, &hex("ffffffff 00000001 ffff"));
    assert_written(Lie::FrameLength { length: 3 }, &hex("00000003 00000001 ffff"));
}

#[test]
fn the_peer_can_be_no_broker() {
    assert_written(Lie::Http, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // Alert, TLS 1.2, two bytes: fatal, unexpected_message.
    assert_written(Lie::Tls, &hex("15 0303 0002 02 0a"));
    assert_written(Lie::Ssh, b"SSH-2.0-OpenSSH_9.6\r\n");
}

#[test]
fn the_peer_can_send_back_what_it_reads() {
    assert_written(Lie::Echo, &hex(HEARTBEAT));
}

#[test]
fn an_old_id_is_that_of_the_answer_before_on_the_same_connection() {
    let mut faults = Faults::new(1);
    faults.add(Rule::on(ApiKey::HEARTBEAT).lie(Lie::IdOld));
    let mut first = Asked::new(PRODUCE);
    first.header.correlation_id = id(99);
    let asked = Asked::new(HEARTBEAT);
    let answer = |faults: &mut Faults, number| {
        let plan = faults.decide(&asked.on(ConnectionId(number), NodeId(1)));
        deliver(&plan, id(1), hex("00000006 00000001 ffff"))
    };
    assert!(faults.decide(&first.on(ConnectionId(7), NodeId(1))).is_empty());
    assert_eq!(answer(&mut faults, 7), [Step::Write(hex("00000006 00000063 ffff"))]);
    // There is no answer before it.
    assert_eq!(answer(&mut faults, 8), [Step::Write(hex("00000006 00000000 ffff"))]);
}

#[test]
fn a_coordinator_that_fails_inside_answers_with_the_id_0() {
    let rule = Rule::on(ApiKey::CONSUMER_METADATA).lie(Lie::CoordinatorIdZero);
    assert_answer(
        rule.clone(),
        CONSUMER_METADATA,
        "000f -- code 15
        ffffffff 0000 ffffffff -- no broker, no host, no port",
    );
    let frame = hex("00000010 00000001 000f ffffffff 0000 ffffffff");
    let steps = deliver(&plan(rule, CONSUMER_METADATA), id(1), frame);
    assert_eq!(steps, [Step::Write(hex("00000010 00000000 000f ffffffff 0000 ffffffff"))]);
}
