//! How a stream is cut into reads changes nothing: every cut in two, every cut in three, byte by byte and all at once bring
//! the same events, however the bytes get in and whenever events are taken.

mod common;

use common::{Path, Seen, drain, hex, response, start, written};
use kafka08_proto::{
    ClientConfig, ClientConnection, Connection, Disconnect, ServerConfig, ServerConnection,
    api::{FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest},
    connection::Prepared,
    ids::{Acks, ApiKey, ConnectionId, CorrelationId, Millis, Offset, OffsetTime},
    message::MessageSet,
};

/// Nine requests of which eight are answered.
fn requests() -> Vec<Prepared> {
    let set = || MessageSet::of_value(b"v");
    let produce = |acks| Prepared::new(&ProduceRequest::new(acks, Millis(1000)).with("t", 0, set()));
    let fetch = |offset| Prepared::new(&FetchRequest::new(Millis(100), 1).with("t", 0, Offset(offset), 1000));
    let offsets = || Prepared::new(&ListOffsetsRequest::new().with("t", 0, OffsetTime::LATEST));
    let requests = [
        Prepared::new(&MetadataRequest::of(["t"])),
        produce(Acks::LEADER),
        produce(Acks::NONE),
        fetch(0),
        offsets(),
        Prepared::new(&MetadataRequest::all()),
        produce(Acks::ALL),
        fetch(5),
        offsets(),
    ];
    requests.map(|request| request.expect("it fits")).into()
}

/// A connection that has written them, and their ids.
fn client(requests: &[Prepared]) -> (ClientConnection, Vec<CorrelationId>) {
    let mut client = ClientConnection::new(ClientConfig::default(), ConnectionId(0));
    let ids = requests.iter().map(|request| client.send(start(), request).expect("room")).collect();
    written(&mut client);
    (client, ids)
}

/// The answers to [`requests`], in order.
fn responses(ids: &[CorrelationId]) -> Vec<u8> {
    let bodies = [
        "00000001 00000001 0002 6831 00002384      # one broker: 1 = h1:9092
         00000001 0000 0001 74                     # one topic: no error, t
         00000001 0000 00000000 00000001           # one partition: no error, 0, leader 1
         00000001 00000001 00000001 00000001       # replicas, in-sync replicas",
        "00000001 0001 74 00000001                 # t
         00000000 0000 000000000000002a            # partition 0: no error, offset 42",
        "00000001 0001 74 00000001                 # t
         00000000 0000 0000000000000001 0000001c   # partition 0: no error, high watermark 1, 28 bytes
         0000000000000000 00000010 1fecd70a        # offset 0, size, checksum
         00 00 00000001 6b 00000001 76             # k and v",
        "00000001 0001 74 00000001                 # t
         00000000 0000 00000001 0000000000000014   # partition 0: no error, one offset: 20",
        "00000000 00000000                         # no brokers, no topics",
        "00000001 0001 74 00000001                 # t
         00000000 0006 ffffffffffffffff            # partition 0: not the leader",
        "00000001 0001 74 00000001                 # t
         00000000 0001 ffffffffffffffff 00000000   # partition 0: out of range, no messages",
        "                                          # malformed: no body at all",
    ];
    let answered = ids.iter().enumerate().filter(|(index, _)| *index != 2).map(|(_, id)| *id);
    let transcript = answered.zip(bodies).flat_map(|(id, body)| response(id, &hex(body)));
    transcript.collect()
}

/// Eight requests as clients send them.
fn eight_requests() -> Vec<u8> {
    hex("00000012 0003 0000 00000001 0001 63 00000001 0001 74          # Metadata t
         0000000a 0003 0000 00000002 ffff                              # Metadata, null client id, no body
         00000040 0000 0000 00000003 0001 63 0001 000003e8             # Produce
           00000001 0001 74 00000001 00000000 0000001c
           0000000000000000 00000010 1fecd70a 00 00 00000001 6b 00000001 76
         00000032 0001 0000 00000004 0001 63 ffffffff 00000064         # Fetch
           00000001 00000001 0001 74 00000001 00000000 0000000000000005 00100000
         0000002a 0002 0000 ffffffff 0001 63 ffffffff                  # ListOffsets, id -1
           00000001 0001 74 00000001 00000000 ffffffffffffffff 00000001
         0000000c 0007 0000 00000006 00000007                          # ControlledShutdown: no client id
         0000000b 0012 0001 00000006 0001 63                           # an unknown key, the id again
         0000000f 0003 0000 00000007 0001 63 00000000                  # Metadata for all")
}

fn events<C: Connection>(connection: &mut C) -> Vec<Seen>
where
    Seen: From<C::Event>,
{
    drain(connection).into_iter().map(Seen::from).collect()
}

/// Feeds pieces, taking the events after each of them.
fn fed<C: Connection>(mut connection: C, path: Path, pieces: &[&[u8]]) -> (C, Vec<Seen>)
where
    Seen: From<C::Event>,
{
    let mut seen = Vec::new();
    for piece in pieces {
        path.feed(&mut connection, start(), piece);
        seen.extend(events(&mut connection));
    }
    (connection, seen)
}

/// Every way to cut `bytes` into two or three reads, and into single bytes.
fn cuts(bytes: &[u8], mut each: impl FnMut(&[&[u8]])) {
    each(&[bytes]);
    each(&bytes.chunks(1).collect::<Vec<_>>());
    for first in 1..bytes.len() {
        let (head, rest) = bytes.split_at(first);
        each(&[head, rest]);
        for second in 1..rest.len() {
            let (middle, tail) = rest.split_at(second);
            each(&[head, middle, tail]);
        }
    }
}

#[test]
fn a_client_sees_the_same_events_however_the_responses_are_cut() {
    let requests = requests();
    let ids = client(&requests).1;
    let transcript = responses(&ids);
    let expected = fed(client(&requests).0, Path::Copied, &[&transcript]).1;
    let (Some(Seen::Other(written)), responses) = (expected.first(), &expected[1..]) else { panic!("{expected:?}") };
    assert!(written.starts_with("Written {"), "{written}");
    let keys = responses.iter().map(|seen| match seen {
        Seen::Response(_, api, _) => api.key,
        other => panic!("{other:?}"),
    });
    let (produce, fetch, offsets, metadata) = (ApiKey::PRODUCE, ApiKey::FETCH, ApiKey::LIST_OFFSETS, ApiKey::METADATA);
    assert_eq!(keys.collect::<Vec<_>>(), [metadata, produce, fetch, offsets, metadata, produce, fetch, offsets]);
    for path in [Path::Copied, Path::InPlace] {
        cuts(&transcript, |pieces| {
            let (connection, seen) = fed(client(&requests).0, path, pieces);
            assert_eq!(seen, expected, "{pieces:?}");
            assert_eq!(connection.in_flight(), 0);
        });
    }
}

#[test]
fn a_server_sees_the_same_events_however_the_requests_are_cut() {
    let transcript = eight_requests();
    let server = || ServerConnection::new(ServerConfig::default().with_max_open_calls(100), ConnectionId(0));
    let expected = fed(server(), Path::Copied, &[&transcript]).1;
    assert_eq!(expected.iter().filter(|seen| matches!(seen, Seen::Request(_))).count(), 8);
    for path in [Path::Copied, Path::InPlace] {
        cuts(&transcript, |pieces| assert_eq!(fed(server(), path, pieces).1, expected, "{pieces:?}"));
    }
}

#[test]
fn a_response_that_is_not_complete_waits_and_then_counts_as_cut_off() {
    let requests = requests();
    let ids = client(&requests).1;
    let transcript = responses(&ids);
    for kept in 1..transcript.len() {
        let part = &transcript[..kept];
        let end = |(mut client, mut seen): (ClientConnection, Vec<Seen>)| {
            assert!(client.wants_read());
            client.handle_disconnect(Disconnect::Eof);
            seen.extend(events(&mut client));
            assert!(client.is_over());
            seen
        };
        let expected = end(fed(client(&requests).0, Path::Copied, &[part]));
        for cut in 1..kept {
            let (head, tail) = part.split_at(cut);
            assert_eq!(end(fed(client(&requests).0, Path::InPlace, &[head, tail])), expected, "{cut} of {kept}");
        }
    }
}

#[test]
fn half_of_a_next_response_behind_whole_ones_changes_nothing() {
    let mut requests = requests();
    let whole = responses(&client(&requests).1);
    let expected = fed(client(&requests).0, Path::Copied, &[&whole]).1;
    requests.push(requests[0].clone());
    let ids = client(&requests).1;
    let next = response(*ids.last().expect("ten"), &hex("00000000 00000000"));
    let (half, rest) = next.split_at(next.len() / 2);
    let transcript = [&whole, half].concat();
    for path in [Path::Copied, Path::InPlace] {
        for cut in 0..transcript.len() {
            let (head, tail) = transcript.split_at(cut);
            let (mut connection, seen) = fed(client(&requests).0, path, &[head, tail]);
            assert_eq!((seen, connection.in_flight()), (expected.clone(), 1), "{cut}");
            assert!(connection.wants_read());
            path.feed(&mut connection, start(), rest);
            assert_eq!(events(&mut connection).len(), 1);
        }
    }
}

#[test]
fn events_may_be_taken_late() {
    let requests = requests();
    let ids = client(&requests).1;
    let transcript = responses(&ids);
    let expected = fed(client(&requests).0, Path::Copied, &[&transcript]).1;
    for path in [Path::Copied, Path::InPlace] {
        for cut in 1..transcript.len() {
            let (head, tail) = transcript.split_at(cut);
            let mut connection = client(&requests).0;
            path.feed(&mut connection, start(), head);
            path.feed(&mut connection, start(), tail);
            assert!(!connection.wants_read());
            assert_eq!(events(&mut connection), expected, "{cut}");
            assert!(connection.wants_read());
        }
    }
}
