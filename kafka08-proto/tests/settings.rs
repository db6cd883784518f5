//! Settings are read as they were set, and what logs print is there.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kafka08_proto::{
    ClientConfig, ClientConnection, Connection as _, Fate, HostPort, ServerConfig, ServerConnection,
    api::{Broker, MetadataRequest},
    error_code::ErrorCode,
    frame::FrameDecoder,
    ids::{Api, ApiKey, ConnectionId, CorrelationId, Millis, NodeId, Offset, Text},
    limits::Limits,
    message::{Cursor, MessageSet},
    profile::Profile,
};

#[test]
fn each_setting_of_a_client_is_read_as_it_was_set() {
    let config = ClientConfig::default();
    assert!(config.peer().is_none());
    assert_eq!(config.client_id().map(Text::as_str), Some("kafka08"));
    assert_eq!((config.max_in_flight(), config.max_staged()), (64, 256 << 10));
    assert_eq!(
        (config.request_timeout(), config.connect_timeout()),
        (Duration::from_secs(30), Duration::from_secs(10))
    );

    let config = config
        .with_peer(HostPort::new("broker1", 9092))
        .with_client_id(None)
        .with_profile(Profile::V0_8_0)
        .with_limits(Limits::default().with_max_frame(7))
        .with_request_timeout(Duration::from_secs(1))
        .with_connect_timeout(Duration::from_secs(2))
        .with_max_in_flight(3)
        .with_max_staged(4)
        .with_first_sequence(5);
    let peer = config.peer().map(Arc::as_ref);
    assert_eq!(peer.map(|peer| (peer.host(), peer.port())), Some(("broker1", 9092)));
    assert_eq!(config.client_id(), None);
    assert_eq!(config.profile(), Profile::V0_8_0);
    assert_eq!(config.limits().max_frame, 7);
    assert_eq!((config.request_timeout(), config.connect_timeout()), (Duration::from_secs(1), Duration::from_secs(2)));
    assert_eq!((config.max_in_flight(), config.max_staged(), config.first_sequence()), (3, 4, 5));
}

#[test]
fn each_setting_of_a_server_is_read_as_it_was_set() {
    let config = ServerConfig::default();
    assert_eq!((config.max_frame(), config.max_open_calls(), config.max_staged()), (104_857_600, 1, 256 << 10));
    assert_eq!(config.frame_timeout(), Duration::from_secs(30));
    let second = Duration::from_secs(1);
    let config = config.with_max_frame(2).with_max_open_calls(3).with_max_staged(4).with_frame_timeout(second);
    assert_eq!((config.max_frame(), config.max_open_calls(), config.max_staged()), (2, 3, 4));
    assert_eq!(config.frame_timeout(), second);
}

#[test]
fn numbers_and_names_print_as_what_they_are() {
    assert_eq!(ConnectionId(7).to_string(), "7");
    assert_eq!(CorrelationId(7).to_string(), "7");
    for (debug, expected) in [
        (format!("{:?}", ConnectionId(7)), "7"),
        (format!("{:?}", ErrorCode::NONE), "0"),
        (format!("{:?}", Api::v0(ApiKey::OFFSET_FETCH)), "OffsetFetch"),
        (format!("{:?}", ApiKey::OFFSET_FETCH), "OffsetFetch"),
        (format!("{:?}", CorrelationId(7)), "7"),
    ] {
        assert!(debug.contains(expected), "{debug}");
    }
    assert_eq!(ApiKey::OFFSET_FETCH.name(), Some("OffsetFetch"));
    let fates = [Fate::NotApplied, Fate::MaybeApplied].map(|fate| fate.to_string());
    assert!(fates[0].contains("safely be sent again") && fates[1].contains("may apply it twice"), "{fates:?}");
    let too_long = Millis::try_from(Duration::MAX).expect_err("no int32 holds it").to_string();
    assert!(too_long.contains("24.8 days"), "{too_long}");
    let not_utf8 = Text::try_from(Bytes::from_static(&[0xff])).expect_err("no UTF-8").to_string();
    assert!(not_utf8.contains("UTF-8"), "{not_utf8}");
}

#[test]
fn a_text_is_compared_and_copied_by_its_bytes() {
    let whole = Bytes::from_static(b"a name in a large answer");
    let text = Text::try_from(whole.slice(2..6)).expect("UTF-8");
    assert_eq!((text.as_str(), AsRef::<str>::as_ref(&text)), ("name", "name"));
    assert!(text == "name" && text != "nama");
    let detached = text.detached();
    assert_eq!(detached, text);
    assert!(!whole.as_ptr_range().contains(&detached.as_bytes().as_ptr()), "it keeps the answer alive no more");
}

#[test]
fn an_error_code_is_a_result() {
    assert_eq!(ErrorCode::NONE.ok(), Ok(()));
    assert_eq!(ErrorCode::LEADER_NOT_AVAILABLE.ok(), Err(ErrorCode::LEADER_NOT_AVAILABLE));
    assert!(ErrorCode::LEADER_NOT_AVAILABLE.is_retriable());
    assert!(!ErrorCode::OFFSET_OUT_OF_RANGE.is_retriable() && !ErrorCode::NONE.is_retriable());
}

#[test]
fn states_print_what_one_looks_for_in_a_log() {
    let mut client = ClientConnection::new(ClientConfig::default(), ConnectionId(42));
    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    let now = std::time::Instant::now();
    let ticket = client.request(now, &MetadataRequest::all()).expect("there is room");
    let printed = format!("{client:?}");
    assert!(printed.contains("42") && printed.contains("in_flight: 1"), "{printed}");
    assert!(format!("{ticket:?}").contains(&ticket.id().to_string()), "{ticket:?}");
    let again = client.ticket::<MetadataRequest>(ticket.id());
    assert_eq!(again.as_ref(), Some(&ticket));
    let other = client.request(now, &MetadataRequest::all()).expect("there is room");
    assert_ne!(other, ticket);
    let queue = format!("{:?}", client.buffers().1);
    assert!(queue.contains("bytes: 50"), "{queue}");

    let mut decoder = FrameDecoder::new(100);
    decoder.extend(&[0, 0, 0, 9, 1]);
    let printed = format!("{decoder:?}");
    assert!(printed.contains("pending: 5") && printed.contains("max_frame: 100"), "{printed}");
    assert!(format!("{:?}", ServerConnection::new(ServerConfig::default(), ConnectionId(43))).contains("43"));
    let set = MessageSet::of_value(b"v");
    assert!(format!("{:?}", set.entries()).contains("at: 0"), "{:?}", set.entries());
    assert!(format!("{:?}", Cursor::new(Offset(7))).contains("position: 7"), "{:?}", Cursor::new(Offset(7)));
}

#[test]
fn a_broker_says_where_it_listens_if_that_is_a_place() {
    let broker = |host, raw_port| Broker { node: NodeId(1), host: Text::from(host), raw_port }.host_port();
    assert_eq!(broker("h1", 9092), Some(HostPort::new("h1", 9092)));
    assert_eq!(broker("::1", 65_535).map(|at| at.to_string()).as_deref(), Some("[::1]:65535"));
    for (host, port) in [("h1", 0), ("h1", 65_536), ("h1", -1), ("", 9092)] {
        assert_eq!(broker(host, port), None);
    }
}
