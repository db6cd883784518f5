//! What a small request allocates on its way through the client: counted exactly, on one thread.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use kafka08_tokio::{
    Client,
    proto::{ClientConfig, api::MetadataRequest},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that answers each request with an empty Metadata response, and allocates nothing once its buffers have grown.
#[derive(Default)]
struct Answering {
    requests: VecDeque<u8>,
    responses: VecDeque<u8>,
    reader: Option<Waker>,
}

impl Answering {
    fn answer(&mut self) {
        while let Some(len) =
            self.requests.iter().take(4).map(|byte| usize::from(*byte)).reduce(|len, byte| len * 256 + byte)
            && self.requests.len() >= 4 + len
        {
            let frame = self.requests.drain(..4 + len);
            // The id is behind length, key and version.
            let id = frame.skip(8).take(4);
            self.responses.extend([0, 0, 0, 12]);
            self.responses.extend(id);
            self.responses.extend([0; 8]);
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl AsyncRead for Answering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.responses.is_empty() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = space.remaining().min(self.responses.len());
        for byte in self.responses.drain(..n) {
            space.put_slice(&[byte]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Answering {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.requests.extend(bytes);
        self.answer();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const IN_FLIGHT: usize = 64;

/// Sends 64 requests and takes their responses, undecoded, so many times.
async fn batches(client: &Client, batches: usize) {
    let request = MetadataRequest::all();
    let mut pending = Vec::with_capacity(IN_FLIGHT);
    for _ in 0..batches {
        for _ in 0..IN_FLIGHT {
            pending.push(client.send(&request).await.expect("there is room"));
        }
        for pending in pending.drain(..) {
            pending.await.expect("it is answered");
        }
    }
}

#[test]
fn a_claim_to_a_response_costs_no_more_than_one_allocation() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let client = runtime.block_on(async { Client::new(Answering::default(), ClientConfig::default()) });
    // Maps and buffers grow to their size.
    runtime.block_on(batches(&client, 10));
    const BATCHES: usize = 100;
    let counted = allocation_counter::measure(|| runtime.block_on(batches(&client, BATCHES)));
    let requests = u64::try_from(BATCHES * IN_FLIGHT).expect("few");
    println!("{} allocations for {requests} requests", counted.count_total);
    assert!(counted.count_total <= requests, "{} allocations for {requests} requests", counted.count_total);
}
