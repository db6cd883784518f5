//! The two adapters behind one interface: every call of their API that this test makes is here.

use std::time::Duration;

use kafka08_proto::{
    ClientConfig, Fate,
    api::{ProduceRequest, ProduceResponse},
    connection::{CallError, Closed, ConnectError},
    ids::CorrelationId,
};

/// What a connection tells, at its end, about requests that nobody waited for.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) failed: Vec<(CorrelationId, Fate)>,
    pub(crate) unconfirmed: Vec<CorrelationId>,
}

impl Told {
    fn close(mut self, closed: &Closed) -> Self {
        self.unconfirmed.extend(closed.unconfirmed.iter());
        self
    }

    /// Takes what one flush told. Returns whether the next flush may tell more.
    fn take(&mut self, flushed: Result<(), CallError>) -> bool {
        match flushed {
            Err(CallError::Failed { id, fate, .. }) => {
                self.failed.push((id, fate));
                true
            }
            _ => false,
        }
    }
}

/// A client of either adapter. The calls of the blocking one block inside of their futures.
pub(crate) trait Link: Sized {
    type Claim;

    async fn connect(address: &str) -> Result<Self, ConnectError>;
    async fn send(&mut self, request: &ProduceRequest) -> Result<Self::Claim, CallError>;
    async fn send_and_forget(&mut self, request: &ProduceRequest) -> Result<CorrelationId, CallError>;
    async fn wait(&mut self, claim: Self::Claim) -> Result<ProduceResponse, CallError>;
    /// Flushes and closes.
    async fn end(self) -> Told;
    fn id(claim: &Self::Claim) -> CorrelationId;
}

fn config() -> ClientConfig {
    ClientConfig::default().with_request_timeout(Duration::from_secs(20))
}

pub(crate) struct Blocking(kafka08_blocking::Client);

impl Link for Blocking {
    type Claim = kafka08_blocking::Pending<ProduceRequest>;

    async fn connect(address: &str) -> Result<Self, ConnectError> {
        kafka08_blocking::Client::connect(address, config()).map(Self)
    }

    async fn send(&mut self, request: &ProduceRequest) -> Result<Self::Claim, CallError> {
        self.0.send(request)
    }

    async fn send_and_forget(&mut self, request: &ProduceRequest) -> Result<CorrelationId, CallError> {
        self.0.send_and_forget(request)
    }

    async fn wait(&mut self, claim: Self::Claim) -> Result<ProduceResponse, CallError> {
        self.0.wait(claim)
    }

    async fn end(mut self) -> Told {
        let mut told = Told::default();
        while told.take(self.0.flush()) {}
        told.close(&self.0.close())
    }

    fn id(claim: &Self::Claim) -> CorrelationId {
        claim.id()
    }
}

pub(crate) struct Tokio(kafka08_tokio::Client);

impl Link for Tokio {
    type Claim = kafka08_tokio::Pending<ProduceRequest>;

    async fn connect(address: &str) -> Result<Self, ConnectError> {
        kafka08_tokio::Client::connect(address, config()).await.map(Self)
    }

    async fn send(&mut self, request: &ProduceRequest) -> Result<Self::Claim, CallError> {
        self.0.send(request).await
    }

    async fn send_and_forget(&mut self, request: &ProduceRequest) -> Result<CorrelationId, CallError> {
        self.0.send_and_forget(request).await
    }

    async fn wait(&mut self, claim: Self::Claim) -> Result<ProduceResponse, CallError> {
        claim.await
    }

    async fn end(self) -> Told {
        let mut told = Told::default();
        while told.take(self.0.flush().await) {}
        told.close(&self.0.close().await.expect("the connection's task was not aborted"))
    }

    fn id(claim: &Self::Claim) -> CorrelationId {
        claim.id()
    }
}
