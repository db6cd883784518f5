//! The requests that scripts send, each with a body of its own, so that the peer can tell them apart.

use std::time::Duration;

use kafka08_proto::{
    api::{
        Encode as _, FetchRequest, FetchResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
        Request,
    },
    ids::{Acks, Millis, Offset},
    message::MessageSet,
};

use super::script::Kind;

/// A request of one of the types that scripts use.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Metadata(MetadataRequest),
    Produce(ProduceRequest),
    Fetch(FetchRequest),
}

impl Ask {
    /// The request of this kind with this number.
    pub(super) fn new(kind: Kind, number: usize, unit: Duration) -> Self {
        let number = u32::try_from(number).expect("scripts are short");
        let produce = |acks, size: usize| {
            let value = [&number.to_be_bytes()[..], &vec![0x55; size]].concat();
            Self::Produce(ProduceRequest::new(acks, Millis(0)).with("t", 0, MessageSet::of_value(&value)))
        };
        match kind {
            Kind::Metadata => Self::Metadata(MetadataRequest::of([format!("t{number}")])),
            Kind::Produce(size) => produce(Acks::LEADER, size),
            Kind::ProduceUnanswered(size) => produce(Acks::NONE, size),
            Kind::Fetch(wait) => {
                let wait = Millis(i32::try_from((unit * wait.0).as_millis()).expect("scripts wait for seconds"));
                Self::Fetch(FetchRequest::new(wait, 1).with("t", 0, Offset(number.into()), 100))
            }
        }
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let body = match self {
            Self::Metadata(request) => request.to_bytes(),
            Self::Produce(request) => request.to_bytes(),
            Self::Fetch(request) => request.to_bytes(),
        };
        body.expect("it is small").to_vec()
    }

    pub(super) fn api_key(&self) -> i16 {
        match self {
            Self::Metadata(_) => 3,
            Self::Produce(_) => 0,
            Self::Fetch(_) => 1,
        }
    }

    pub(super) fn changes_state(&self) -> bool {
        matches!(self, Self::Produce(_))
    }

    pub(super) fn expects_answer(&self) -> bool {
        !matches!(self, Self::Produce(request) if request.acks == Acks::NONE)
    }

    pub(super) fn server_wait(&self) -> Duration {
        match self {
            Self::Fetch(request) => Duration::from_millis(request.max_wait.0.unsigned_abs().into()),
            _ => Duration::ZERO,
        }
    }
}

/// A request whose answer repeats its correlation id.
pub(super) trait Echoed: Request {
    /// The id that the peer has put into the answer.
    fn echo(response: &Self::Response) -> Option<i64>;
}

impl Echoed for MetadataRequest {
    fn echo(response: &MetadataResponse) -> Option<i64> {
        response.brokers().first().map(|broker| broker.node.0.into())
    }
}

impl Echoed for ProduceRequest {
    fn echo(response: &ProduceResponse) -> Option<i64> {
        response.topics.find("t", 0).map(|partition| partition.offset.0)
    }
}

impl Echoed for FetchRequest {
    fn echo(response: &FetchResponse) -> Option<i64> {
        response.topics.find("t", 0).map(|partition| partition.high_watermark.0)
    }
}
