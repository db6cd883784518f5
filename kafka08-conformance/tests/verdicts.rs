//! What a run says about peers that keep a rule, break it, or cannot be reached. The peers are scripts.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use kafka08_conformance::{Check, Report, Target, Verdict, parse_checks, run_checks};
use kafka08_proto::profile::Profile;

/// The answer to a ping: a length, correlation id 1, no topics.
const PONG: &[u8] = &[0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0];

/// A peer that does the same with each connection.
fn peer(script: impl Fn(TcpStream) + Send + 'static) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(script));
    Target::new(address, Profile::V0_8_2).with_time_limit(Duration::from_secs(2))
}

/// Reads one frame.
fn read(stream: &mut TcpStream) {
    let mut size = [0; 4];
    stream.read_exact(&mut size).expect("a length");
    let mut payload = vec![0; usize::try_from(u32::from_be_bytes(size)).expect("a small frame")];
    stream.read_exact(&mut payload).expect("a payload");
}

/// Reads a frame, and answers with these bytes.
fn answering(answer: &'static [u8]) -> Target {
    peer(move |mut stream| {
        read(&mut stream);
        stream.write_all(answer).expect("the check reads");
        // The check closes first, unless it expects the end.
        stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a setting");
        let _end = stream.read(&mut [0; 64]);
    })
}

/// One check with these steps.
fn check(steps: &[&str]) -> Vec<Check> {
    let lines: String = steps.iter().map(|step| format!("  {step}\n")).collect();
    parse_checks(&format!("own.check\n  rule    It holds.\n  source  own\n{lines}")).expect("it can be read")
}

fn judge(target: &Target, steps: &[&str]) -> Report {
    run_checks(&check(steps), target, |_| true)
}

fn reason(report: &Report) -> String {
    match report.results().first().map(|result| &result.verdict) {
        Some(Verdict::Failed(failure)) => failure.reason.clone(),
        Some(Verdict::Skipped(reason) | Verdict::Error(reason)) => reason.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_peer_that_answers_well_passes() {
    let report = judge(&answering(PONG), &["send @ping()", "expect @pong()"]);
    assert!(report.is_success() && report.counts().passed == 1 && report.exit_code() == 0, "{report}");
}

#[test]
fn a_wrong_answer_fails_with_both_listings() {
    let report = judge(&answering(&[0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0]), &["send @ping()", "expect @pong()"]);
    assert_eq!((reason(&report).as_str(), report.exit_code()), ("correlation_id is 2 instead of 1", 1));
    let Some(Verdict::Failed(failure)) = report.results().first().map(|result| &result.verdict) else { panic!() };
    assert!(failure.expected.contains("00000001") && failure.expected.contains("correlation_id 1"), "{failure}");
    assert!(failure.found.contains("00000002") && failure.found.contains("not compared"), "{failure}");
}

#[test]
fn an_end_instead_of_an_answer_fails() {
    let report = judge(&peer(|mut stream| read(&mut stream)), &["send @ping()", "expect @pong()"]);
    assert_eq!(reason(&report), "the connection ended instead of an answer");
}

#[test]
fn an_answer_instead_of_an_end_fails() {
    let report = judge(&answering(PONG), &["send @ping()", "close"]);
    assert_eq!(reason(&report), "bytes came instead of the end");
}

#[test]
fn a_connection_that_stays_open_fails_where_its_end_is_expected() {
    let silent =
        peer(|mut stream| drop(stream.read_to_end(&mut Vec::new()))).with_time_limit(Duration::from_millis(200));
    assert_eq!(reason(&judge(&silent, &["send @ping()", "close"])), "the connection stayed open");
    assert!(reason(&judge(&silent, &["send @ping()", "expect @pong()"])).starts_with("no answer came within "));
}

#[test]
fn silence_fails_at_the_first_byte_and_at_the_end() {
    assert_eq!(reason(&judge(&answering(PONG), &["send @ping()", "silence 1000"])), "bytes came");
    assert_eq!(
        reason(&judge(&peer(|mut stream| read(&mut stream)), &["send @ping()", "silence 1000"])),
        "the connection ended"
    );
}

#[test]
fn an_answer_before_its_time_fails() {
    let report = judge(&answering(PONG), &["send @ping()", "expect after=1000 @pong()"]);
    assert!(reason(&report).starts_with("the answer came after "), "{report}");
}

#[test]
fn an_answer_after_its_time_fails() {
    let slow = peer(|mut stream| {
        read(&mut stream);
        // Until the check has closed.
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a setting");
        let _end = stream.read(&mut [0; 64]);
        let _gone = stream.write_all(PONG);
    });
    assert_eq!(reason(&judge(&slow, &["send @ping()", "expect within=100 @pong()"])), "no answer came within 100 ms");
}

#[test]
fn until_asks_again() {
    let third = peer(|mut stream| {
        for error in [1, 1, 0] {
            read(&mut stream);
            stream.write_all(&[0, 0, 0, 6, 0, 0, 0, 1, 0, error]).expect("the check reads");
        }
    });
    let report = judge(&third, &["send @ping()", "until @answer(error=i16:0)"]);
    assert!(report.is_success(), "{report}");
}

#[test]
fn half_a_close_lets_the_answer_come() {
    let report = judge(&answering(PONG), &["send @ping()", "half-close", "expect @pong()", "close"]);
    assert!(report.is_success(), "{report}");
}

#[test]
fn a_check_of_another_release_is_skipped_with_the_reason() {
    let report = judge(&answering(PONG), &["releases 0.8.0 0.8.1", "send @ping()", "expect @pong()"]);
    assert_eq!((reason(&report).as_str(), report.counts().skipped), ("the rule is about 0.8.0 0.8.1", 1));
    assert!(!report.is_success(), "nothing was judged");
}

#[test]
fn a_check_that_needs_another_setting_is_skipped_with_the_reason() {
    let report = judge(&answering(PONG), &["needs partitions=2", "send @ping()", "expect @pong()"]);
    assert_eq!(reason(&report), "partitions of the target is 1; the check needs 2");
    let report = judge(&answering(PONG).with_partitions(2), &["needs partitions=2", "send @ping()", "expect @pong()"]);
    assert!(report.is_success(), "{report}");
}

#[test]
fn a_step_of_another_release_is_left_out() {
    let report = judge(&answering(PONG), &["send @ping()", "close[0.8.0,0.8.1]", "expect[0.8.2] @pong()"]);
    assert!(report.is_success(), "{report}");
}

#[test]
fn an_address_without_a_listener_is_an_error() {
    // Nobody listens at a port of the system.
    let report = judge(&Target::new("127.0.0.1:1", Profile::V0_8_2), &["send @ping()", "expect @pong()"]);
    assert!(reason(&report).starts_with("connecting to 127.0.0.1:"), "{report}");
    assert_eq!((report.counts().errors, report.exit_code()), (1, 2));
}

#[test]
fn checks_that_wait_wait_together() {
    let silent = peer(|stream| {
        thread::spawn(move || drop((&stream).read_to_end(&mut Vec::new())));
    });
    let many: Vec<Check> = (0..8).flat_map(|_| check(&["send @ping()", "silence 400"])).collect();
    let report = run_checks(&many, &silent.with_workers(8), |_| true);
    assert!(report.counts().passed == 8 && report.took() < Duration::from_millis(2400), "{report}");
}

#[test]
fn json_has_the_reasons_and_escapes_them() {
    let report = judge(&answering(PONG), &["send @ping()", "close"]);
    let json = report.to_json();
    assert!(json.starts_with(r#"{"address":"127.0.0.1:"#), "{json}");
    assert!(json.contains(r#""counts":{"passed":0,"failed":1,"skipped":0,"errors":0}"#), "{json}");
    assert!(json.contains(r#""id":"own.check","rule":"It holds.","verdict":"fail""#), "{json}");
    assert!(json.contains(r#""step":"close","expected":"the end of the connection, and no byte","found":""#), "{json}");
    assert!(json.contains("not compared\\n") && !json.contains('\n'), "{json}");
}

#[test]
fn a_topic_is_made_by_asking_until_it_is_led() {
    let report = judge(&answering(PONG).with_brokers(3), &["topic", "send @ping()", "expect @pong()"]);
    assert_eq!(reason(&report), "brokers of the target is 3; the check needs 1");
    let report = judge(&answering(PONG).without_auto_create(), &["topic", "send @ping()", "expect @pong()"]);
    assert_eq!(reason(&report), "auto_create of the target is 0; the check needs 1");
}
