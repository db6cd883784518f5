//! The library under test, and the runtime that every lane has to itself.

use std::collections::VecDeque;

use kafka08_proto::{ClientConfig, api::Request};
use kafka08_tokio::Client;

use crate::measure::{Result, Sample};

/// Runs a lane on a current-thread runtime of its own.
pub(crate) fn on_tokio(lane: impl Future<Output = Result<Sample>>) -> Result<Sample> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(lane)
}

pub(crate) async fn connect(address: &str) -> Result<Client> {
    Ok(Client::connect(address, ClientConfig::default()).await?)
}

/// Sends so many requests, with up to `in_flight` of them on their way, and gives each answer to `take`. The next request
/// leaves before an answer is looked at. `make` makes each request.
pub(crate) async fn pipeline<R: Request, B: std::borrow::Borrow<R>>(
    client: &Client,
    requests: usize,
    in_flight: usize,
    mut make: impl FnMut() -> Result<B>,
    mut take: impl FnMut(&R::Response) -> Result<()>,
) -> Result<()> {
    let mut pending = VecDeque::new();
    for _ in 0..requests.min(in_flight) {
        pending.push_back(client.send(make()?.borrow()).await?);
    }
    for sent in pending.len()..requests + pending.len() {
        let answer = pending.pop_front().ok_or("nothing is in flight")?.await?;
        if sent < requests {
            pending.push_back(client.send(make()?.borrow()).await?);
        }
        take(&answer)?;
    }
    Ok(())
}
