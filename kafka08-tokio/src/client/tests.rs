//! Tests of the state that a dropped future leaves behind, which is not visible to users of the crate.

use std::{
    pin::pin,
    task::{Context, Waker},
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_flush_that_is_dropped_waits_no_more() {
    let (near, _far) = tokio::io::duplex(1);
    let client = Client::new(near, ClientConfig::default());
    client.send_and_forget(&kafka08_proto::api::MetadataRequest::all()).await.expect("there is room");
    {
        let flush = pin!(client.flush());
        assert!(flush.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(client.0.0.command(|state| state.flushes.next_deadline()).is_some());
    }
    assert_eq!(client.0.0.command(|state| state.flushes.next_deadline()), None);
}
