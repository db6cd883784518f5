//! The async functions of a client, and what may stand in their way.

use std::time::Duration;

use kafka08_async::{
    Client, Pending, Runtime, Undecoded,
    proto::{ClientConfig, api::MetadataRequest, connection::Prepared, ids::Acks},
};

use crate::peers::produce;

/// An async function of a client, or a future that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Send,
    SendWithTimeout,
    SendPrepared,
    Call,
    SendAndForget,
    SendAndForgetWithTimeout,
    SendPreparedAndForget,
    Flush,
    Close,
    WaitClosed,
    Pending,
    PendingUndecoded,
}

impl Function {
    pub(super) const ALL: [Self; 12] = [
        Self::Send,
        Self::SendWithTimeout,
        Self::SendPrepared,
        Self::Call,
        Self::SendAndForget,
        Self::SendAndForgetWithTimeout,
        Self::SendPreparedAndForget,
        Self::Flush,
        Self::Close,
        Self::WaitClosed,
        Self::Pending,
        Self::PendingUndecoded,
    ];

    /// The name in the sources, behind that of the module.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Send => "client::send",
            Self::SendWithTimeout => "client::send_with_timeout",
            Self::SendPrepared => "client::send_prepared",
            Self::Call => "client::call",
            Self::SendAndForget => "client::send_and_forget",
            Self::SendAndForgetWithTimeout => "client::send_and_forget_with_timeout",
            Self::SendPreparedAndForget => "client::send_prepared_and_forget",
            Self::Flush => "client::flush",
            Self::Close => "client::close",
            Self::WaitClosed => "client::wait_closed",
            Self::Pending => "client::Pending<R>",
            Self::PendingUndecoded => "client::Pending<Undecoded>",
        }
    }
}

/// What a request finds on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Room at once.
    There,
    /// As many requests in flight as may be.
    NoPlace,
    /// As many bytes staged as may be.
    NoBytes,
}

impl Room {
    pub(super) fn config(self) -> ClientConfig {
        let config = ClientConfig::default();
        match self {
            Self::There => config,
            Self::NoPlace => config.with_max_in_flight(1),
            // One request may be larger than this.
            Self::NoBytes => config.with_max_staged(1),
        }
    }
}

/// A small request, so that few bytes have to be moved.
pub(super) fn metadata() -> MetadataRequest {
    MetadataRequest::of(["t"])
}

fn prepared<Rt>(client: &Client<Rt>, acks: Option<Acks>) -> Prepared {
    let prepared = match acks {
        None => Prepared::checked(&metadata(), client.config()),
        Some(acks) => Prepared::checked(&produce(acks, 1), client.config()),
    };
    prepared.expect("a sound request")
}

/// What a function needs beside the client. Claims are taken before the test begins.
pub(super) enum Given {
    Nothing,
    Pending(Pending<MetadataRequest>),
    Undecoded(Pending<Undecoded>),
}

impl Given {
    /// What `function` needs. A claim also stands in the way of other requests.
    pub(super) async fn of<Rt: Runtime>(function: Function, client: &Client<Rt>) -> Self {
        match function {
            Function::Pending => Self::Pending(client.send(&metadata()).await.expect("there is room")),
            Function::PendingUndecoded => {
                Self::Undecoded(client.send_prepared(&prepared(client, None)).await.expect("there is room"))
            }
            _ => Self::Nothing,
        }
    }
}

/// Runs a function to its end, which must be success.
pub(super) async fn perform<Rt: Runtime>(function: Function, client: &Client<Rt>, given: Given) {
    const LONG: Duration = Duration::from_secs(60);
    match (function, given) {
        (Function::Send, _) => drop(client.send(&metadata()).await.expect("there is room in time")),
        (Function::SendWithTimeout, _) => {
            drop(client.send_with_timeout(&metadata(), LONG).await.expect("there is room in time"));
        }
        (Function::SendPrepared, _) => {
            drop(client.send_prepared(&prepared(client, None)).await.expect("there is room in time"));
        }
        (Function::Call, _) => drop(client.call(&metadata()).await.expect("it is answered")),
        (Function::SendAndForget, _) => {
            client.send_and_forget(&produce(Acks::NONE, 1)).await.expect("there is room in time");
        }
        (Function::SendAndForgetWithTimeout, _) => {
            client.send_and_forget_with_timeout(&metadata(), LONG).await.expect("there is room in time");
        }
        (Function::SendPreparedAndForget, _) => {
            let request = prepared(client, Some(Acks::NONE));
            client.send_prepared_and_forget(&request).await.expect("there is room in time");
        }
        (Function::Flush, _) => client.flush().await.expect("the peer reads"),
        (Function::Close, _) => drop(client.close().await),
        (Function::WaitClosed, _) => drop(client.wait_closed().await),
        (Function::Pending | Function::PendingUndecoded, Given::Pending(pending)) => {
            drop(pending.await.expect("it is answered"));
        }
        (Function::Pending | Function::PendingUndecoded, Given::Undecoded(pending)) => {
            drop(pending.await.expect("it is answered"));
        }
        (Function::Pending | Function::PendingUndecoded, Given::Nothing) => panic!("no claim was taken"),
    }
}
