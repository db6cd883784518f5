//! The two adapters behind one interface: every call of their API that the tests with many produces make is here.

use std::{
    io::{Read, Write},
    os::fd::AsFd,
    time::Duration,
};

use kafka08_proto::{
    Fate,
    adapter::{CallError, CloseReport, FlushError},
    api::{ProduceRequest, ProduceResponse},
    ids::CorrelationId,
};

/// What a connection tells, at its end, about requests that nobody waited for.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) failed: Vec<(CorrelationId, Fate)>,
    pub(crate) unconfirmed: Vec<CorrelationId>,
}

impl Told {
    /// What a flush and then a close have told.
    fn of(flushed: Result<(), FlushError>, report: CloseReport) -> Self {
        let failed = flushed.err().map(|error| error.failed).unwrap_or_default();
        let failed = failed.into_iter().chain(report.failed).map(|error| match error {
            CallError::Failed { id, fate, .. } => (id, fate),
            other => panic!("told {other:?}"),
        });
        Self { failed: failed.collect(), unconfirmed: report.closed.unconfirmed.iter().collect() }
    }
}

/// A client of either adapter. The calls of the blocking one block inside of their futures.
pub(crate) trait Link: Sized {
    type Claim;

    async fn send(&mut self, request: &ProduceRequest) -> Result<Self::Claim, CallError>;
    async fn send_with_timeout(
        &mut self,
        request: &ProduceRequest,
        timeout: Duration,
    ) -> Result<Self::Claim, CallError>;
    async fn send_and_forget(&mut self, request: &ProduceRequest) -> Result<CorrelationId, CallError>;
    async fn wait(&mut self, claim: Self::Claim) -> Result<ProduceResponse, CallError>;
    /// Moves what moves without waiting. Returns how the request ended, if it has.
    async fn turn(&mut self, claim: Self::Claim) -> Result<Self::Claim, Result<ProduceResponse, CallError>>;
    /// Flushes and closes.
    async fn end(self) -> Told;
    fn id(claim: &Self::Claim) -> CorrelationId;
}

pub(crate) struct Blocking<S: Read + Write + AsFd>(pub(crate) kafka08_blocking::Client<S>);

impl<S: Read + Write + AsFd> Link for Blocking<S> {
    type Claim = kafka08_blocking::Pending<ProduceRequest>;

    async fn send(&mut self, request: &ProduceRequest) -> Result<Self::Claim, CallError> {
        self.0.send(request)
    }

    async fn send_with_timeout(
        &mut self,
        request: &ProduceRequest,
        timeout: Duration,
    ) -> Result<Self::Claim, CallError> {
        self.0.send_with_timeout(request, timeout)
    }

    async fn send_and_forget(&mut self, request: &ProduceRequest) -> Result<CorrelationId, CallError> {
        self.0.send_and_forget(request)
    }

    async fn wait(&mut self, claim: Self::Claim) -> Result<ProduceResponse, CallError> {
        self.0.wait(claim)
    }

    async fn turn(&mut self, claim: Self::Claim) -> Result<Self::Claim, Result<ProduceResponse, CallError>> {
        match self.0.try_wait(claim) {
            Ok(ended) => Err(ended),
            Err(claim) => Ok(claim),
        }
    }

    async fn end(mut self) -> Told {
        let flushed = self.0.flush();
        Told::of(flushed, self.0.close())
    }

    fn id(claim: &Self::Claim) -> CorrelationId {
        claim.id()
    }
}

pub(crate) struct Tokio(pub(crate) kafka08_tokio::Client);

impl Link for Tokio {
    type Claim = kafka08_tokio::Pending<ProduceRequest>;

    async fn send(&mut self, request: &ProduceRequest) -> Result<Self::Claim, CallError> {
        self.0.send(request).await
    }

    async fn send_with_timeout(
        &mut self,
        request: &ProduceRequest,
        timeout: Duration,
    ) -> Result<Self::Claim, CallError> {
        self.0.send_with_timeout(request, timeout).await
    }

    async fn send_and_forget(&mut self, request: &ProduceRequest) -> Result<CorrelationId, CallError> {
        self.0.send_and_forget(request).await
    }

    async fn wait(&mut self, claim: Self::Claim) -> Result<ProduceResponse, CallError> {
        claim.await
    }

    async fn turn(&mut self, claim: Self::Claim) -> Result<Self::Claim, Result<ProduceResponse, CallError>> {
        // The connection's task moves by itself; its answer is seen by the wait that follows.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(claim)
    }

    async fn end(self) -> Told {
        let flushed = self.0.flush().await;
        Told::of(flushed, self.0.close().await)
    }

    fn id(claim: &Self::Claim) -> CorrelationId {
        claim.id()
    }
}
