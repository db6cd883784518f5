//! Errors of plain values and of bodies.

use std::time::Duration;

use kafka08_proto::{
    HostPort,
    error_code::ErrorCode,
    ids::{DurationTooLong, NotUtf8},
    wire::{DecodeError, DecodeProblem},
};

use super::{MALFORMED, Open, Row, Says, Wrapped, malformed, row, too_long};

pub(crate) fn rows() -> Vec<Row> {
    values().into_iter().chain(problems()).collect()
}

fn values() -> Vec<Row> {
    let address = |text: &str| text.parse::<HostPort>().expect_err("no address");
    vec![
        row(NotUtf8, "the bytes", Open("only the caller knows what they were to be"), "the bytes are not UTF-8"),
        row(
            DurationTooLong(Duration::from_secs(2_147_484)),
            "2147484s",
            Says("use a shorter time"),
            "2147484s is longer than 2^31 - 1 ms (24.8 days), which is the maximum: use a shorter time",
        ),
        row(
            address("broker1"),
            "\"broker1\"",
            Says("write it as host:port"),
            "\"broker1\" is not a host and port: write it as host:port, for example broker1:9092 or [::1]:9092",
        ),
        row(
            address("a:1,b:2"),
            "\"a:1,b:2\"",
            Says("connect to one after the other"),
            "\"a:1,b:2\" is a list of brokers, but a connection has one broker: connect to one after the other until one \
             answers, then ask it for the leaders",
        ),
        row(ErrorCode::INVALID_TOPIC, "InvalidTopic", Wrapped(&["PartitionError"]), "InvalidTopic (17)"),
        row(ErrorCode(99), "99", Wrapped(&["PartitionError"]), "error code 99, which Kafka 0.8 does not know"),
        row(
            too_long(),
            "topic",
            Wrapped(&["PrepareError::Encode", "RespondError::Encode", "SendError::ClientId"]),
            "topic has a length of 40000, but at most 32767 can be encoded",
        ),
        row(
            malformed(),
            "Metadata request: topics at byte 0",
            Wrapped(&["CallError::Malformed", "RedeemError::Malformed", "ServerCloseReason::Header"]),
            MALFORMED,
        ),
    ]
}

fn problems() -> [Row; 9] {
    [
        (DecodeProblem::Truncated { needed: 1, left: 0 }, "needs 1 byte, 0 are left"),
        (DecodeProblem::Truncated { needed: 4, left: 1 }, "needs 4 bytes, 1 is left"),
        (DecodeProblem::Negative(-2), "is -2, which is neither a length nor null"),
        (
            DecodeProblem::CountTooLarge { count: 1, fit: 0 },
            "claims 1 element, but the rest of the body can hold only 0",
        ),
        (
            DecodeProblem::CountTooLarge { count: 2, fit: 1 },
            "claims 2 elements, but the rest of the body can hold only 1",
        ),
        (DecodeProblem::NotUtf8, "is not UTF-8"),
        (DecodeProblem::OutOfRange(0), "is 0, which is not allowed"),
        (DecodeProblem::Trailing(1), "is followed by 1 byte too many"),
        (DecodeProblem::Trailing(2), "is followed by 2 bytes too many"),
    ]
    .map(|(problem, text)| {
        let error = DecodeError::new("example", "field", 3, problem);
        row(
            error,
            "example: field at byte 3",
            Open("its wrappers say it for any problem"),
            format!("malformed example: field at byte 3 {text}"),
        )
    })
}

#[test]
fn every_code_has_advice_that_can_follow_a_colon() {
    for code in (i16::MIN..=i16::MAX).map(ErrorCode) {
        let advice = code.advice();
        assert!(advice.starts_with(char::is_lowercase) && !advice.ends_with('.'), "{code}: {advice}");
    }
}
