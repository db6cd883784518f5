//! Requests that are encoded already.

use std::time::Duration;

use crate::peers::{answers_everything, peer, within};
use kafka08_blocking::{CallError, Client};
use kafka08_proto::{
    ClientConfig,
    api::{MetadataRequest, MetadataResponse, ProduceRequest},
    connection::{Prepared, Reply},
    ids::{Acks, Api, ApiKey, Millis},
    message::MessageSet,
};

const LIMIT: Duration = Duration::from_secs(60);

/// Brokers before 0.10 do not know it, and neither does the core.
const API_VERSIONS: Api = Api::v0(ApiKey(18));

fn client() -> Client {
    Client::connect(&peer(answers_everything), ClientConfig::default()).expect("the peer listens")
}

#[test]
fn a_prepared_request_is_sent_by_one_client_after_the_other_and_its_answer_is_not_decoded() {
    within(LIMIT, || {
        let prepared = Prepared::new(&MetadataRequest::all()).expect("it fits the wire");
        for mut client in [client(), client()] {
            let pending = client.send_prepared(&prepared).expect("there is room");
            let frame = client.wait_undecoded(pending).expect("it is answered");
            assert_eq!(&frame.body[..], [0; 8]);
            client.send_prepared_and_forget(&prepared).expect("there is room");
            client.flush().expect("the peer is there");
        }
    });
}

#[test]
fn a_claim_is_given_the_type_of_its_request_and_no_other() {
    within(LIMIT, || {
        let mut client = client();
        let prepared = Prepared::new(&MetadataRequest::all()).expect("it fits the wire");
        let pending = client.send_prepared(&prepared).expect("there is room");
        let pending = pending.typed::<ProduceRequest>().expect_err("it is no produce");
        let pending = pending.typed::<MetadataRequest>().expect("it is one of metadata");
        assert_eq!(client.wait(pending).expect("it is answered"), MetadataResponse::default());
    });
}

#[test]
fn an_answer_to_an_api_without_a_type_is_taken_as_it_came() {
    within(LIMIT, || {
        let mut client = client();
        let prepared = Prepared::raw(API_VERSIONS, (&[][..]).into(), Reply::Expected);
        let mut pending = client.send_prepared(&prepared).expect("there is room");
        let frame = loop {
            match client.try_wait_undecoded(pending) {
                Ok(answer) => break answer.expect("it is answered"),
                Err(claim) => pending = claim,
            }
        };
        assert_eq!(frame.api, API_VERSIONS);
    });
}

#[test]
fn a_prepared_request_without_an_answer_cannot_be_waited_for() {
    within(LIMIT, || {
        let mut client = client();
        let produce = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(b"v"));
        let prepared = Prepared::new(&produce).expect("it fits the wire");
        let error = client.send_prepared(&prepared).expect_err("nothing will come");
        assert!(matches!(error, CallError::NoResponseExpected), "{error:?}");
        client.send_prepared_and_forget(&prepared).expect("there is room");
        assert_eq!(client.stats().sent, 1);
    });
}

#[test]
fn a_claim_that_is_given_to_another_client_frees_its_place_in_its_own() {
    within(LIMIT, || {
        let config = ClientConfig::default().with_max_in_flight(1).with_request_timeout(Duration::from_secs(2));
        let mut client = Client::connect(&peer(answers_everything), config).expect("the peer listens");
        let mut other = self::client();
        let pending = client.send(&MetadataRequest::all()).expect("there is room");
        let error = other.wait(pending).expect_err("it is another client's");
        assert!(matches!(error, CallError::NotOutstanding(_)), "{error:?}");
        client.call(&MetadataRequest::all()).expect("the place is free");
    });
}
