//! Properties of every body: what is written is read back, and what is not well formed is refused.

use bytes::Bytes;
use kafka08_proto::{
    api::{AnyRequest, AnyResponse, Body, Encode as _, Reply, Request, RequestTraits},
    strategies,
    wire::{DecodeProblem, Encoder},
};
use proptest::prelude::*;

/// All that must hold for a value that fits the wire.
fn holds<B: Body + PartialEq + std::fmt::Debug>(value: &B) -> Result<(), TestCaseError> {
    let bytes = value.to_bytes().expect("it fits the wire");
    prop_assert_eq!(&B::decode_strict(&bytes).expect("its own bytes"), value);
    prop_assert_eq!(B::read(&bytes).expect("its own bytes").1, bytes.len());
    // Written in pieces or as a whole, it is the same.
    let mut encoder = Encoder::new();
    encoder.int8(1);
    value.encode(&mut encoder).expect("it fits the wire");
    prop_assert_eq!(encoder.into_bytes().slice(1..), &bytes);
    // What stands behind it is ignored, unless strictness is asked for.
    let longer: Bytes = [&bytes[..], &[0xff, 0xff]].concat().into();
    prop_assert_eq!(&B::decode(&longer).expect("ignored"), value);
    let error = B::decode_strict(&longer).expect_err("too long");
    prop_assert_eq!((error.at, error.problem), (bytes.len(), DecodeProblem::Trailing(2)));
    // Each prefix lacks something, and the error says what.
    for len in 0..bytes.len() {
        match B::decode(&bytes.slice(..len)) {
            Err(error) => {
                let is_missing =
                    matches!(error.problem, DecodeProblem::Truncated { .. } | DecodeProblem::CountTooLarge { .. });
                prop_assert!(is_missing && error.at <= len, "{error:?}");
            }
            Ok(_) => prop_assert!(false, "{len} of {} bytes are read", bytes.len()),
        }
    }
    Ok(())
}

/// One property test for each API, over its requests and its responses.
macro_rules! round_trips {
    ($($name:ident: $request:ident, $response:ident;)*) => {
        proptest! {
            $(
                #[test]
                fn $name(request in strategies::$request(), response in strategies::$response()) {
                    holds(&request)?;
                    holds(&response)?;
                    same_as_any(&request, &response)?;
                }
            )*
        }
    };
}

round_trips! {
    produce_is_read_as_it_was_written: produce_request, produce_response;
    fetch_is_read_as_it_was_written: fetch_request, fetch_response;
    list_offsets_is_read_as_it_was_written: list_offsets_request, list_offsets_response;
    metadata_is_read_as_it_was_written: metadata_request, metadata_response;
    leader_and_isr_is_read_as_it_was_written: leader_and_isr_request, leader_and_isr_response;
    stop_replica_is_read_as_it_was_written: stop_replica_request, stop_replica_response;
    update_metadata_is_read_as_it_was_written: update_metadata_request, update_metadata_response;
    controlled_shutdown_is_read_as_it_was_written: controlled_shutdown_request, controlled_shutdown_response;
    offset_commit_v0_is_read_as_it_was_written: offset_commit_request_v0, offset_commit_response;
    offset_commit_v1_is_read_as_it_was_written: offset_commit_request_v1, offset_commit_response;
    offset_fetch_v0_is_read_as_it_was_written: offset_fetch_request_v0, offset_fetch_response_v0;
    offset_fetch_v1_is_read_as_it_was_written: offset_fetch_request_v1, offset_fetch_response_v1;
    consumer_metadata_is_read_as_it_was_written: consumer_metadata_request, consumer_metadata_response;
    join_group_is_read_as_it_was_written: join_group_request, join_group_response;
    heartbeat_is_read_as_it_was_written: heartbeat_request, heartbeat_response;
}

/// By its key and version a body is read as the same.
fn same_as_any<R: Request<Response: Body>>(request: &R, response: &R::Response) -> Result<(), TestCaseError> {
    let bytes = request.to_bytes().expect("it fits the wire");
    let traits = RequestTraits {
        reply: if request.expects_response() { Reply::Expected } else { Reply::None },
        changes_state: request.changes_state(),
        server_wait: request.server_wait(),
    };
    prop_assert_eq!(RequestTraits::of(R::API, &bytes), traits);
    let any = AnyRequest::decode(R::API, &bytes).expect("it is known");
    prop_assert_eq!(any.api(), R::API);
    prop_assert_eq!(any.to_bytes().expect("it fits the wire"), bytes);
    let bytes = response.to_bytes().expect("it fits the wire");
    let any = AnyResponse::decode(R::API, &bytes).expect("it is known");
    prop_assert_eq!(any.to_bytes().expect("it fits the wire"), bytes);
    Ok(())
}

proptest! {
    /// Whatever is accepted is written back as something that is read as the same.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(0xff), 0u8..4, any::<u8>()], 0..200)) {
        let bytes = Bytes::from(bytes);
        for api in AnyRequest::APIS {
            if let Ok(request) = AnyRequest::decode(*api, &bytes) {
                let again = request.to_bytes().expect("it came from the wire");
                prop_assert_eq!(AnyRequest::decode(*api, &again).expect("its own bytes"), request);
            }
            if let Ok(response) = AnyResponse::decode(*api, &bytes) {
                let again = response.to_bytes().expect("it came from the wire");
                prop_assert_eq!(AnyResponse::decode(*api, &again).expect("its own bytes"), response);
            }
        }
    }
}

proptest! {
    /// Whatever a hostile peer sends in a frame, each layout reads it or refuses it.
    #[test]
    fn hostile_frames_are_read_or_refused(frame in strategies::hostile_frame()) {
        let frame = Bytes::from(frame);
        for api in AnyRequest::APIS {
            for skipped in [4, 10] {
                let body = frame.slice(skipped.min(frame.len())..);
                if let Ok(request) = AnyRequest::decode(*api, &body) {
                    prop_assert!(request.to_bytes().expect("it came from the wire").len() <= 3 * body.len());
                }
                if let Ok(response) = AnyResponse::decode(*api, &body) {
                    prop_assert!(response.to_bytes().expect("it came from the wire").len() <= body.len());
                }
            }
        }
    }
}
