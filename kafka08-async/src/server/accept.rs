//! The task of a listener.

use std::{
    future::{Future, poll_fn},
    io::{self, ErrorKind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use event_listener::EventListener;
use futures_io::{AsyncRead, AsyncWrite};

use super::{call::Call, shared::Registry, task::Task};
use crate::{
    Runtime, Wrap,
    identity::next_id,
    io::{Driver, timeout_at},
};

/// How long to wait after a failure to accept that will come again at once, such as a lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells the registry that no connection can come any more, when the task is dropped for any reason.
struct Guard(Arc<Registry>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.note_listener_ended();
    }
}

/// Accepts connections until the server stops.
pub(super) async fn run<Rt, H, F>(listener: Rt::TcpListener, registry: Arc<Registry>, handler: Arc<H>)
where
    Rt: Wrap<<Rt as Runtime>::TcpStream>,
    H: Fn(Call) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    // Declared first, so that the port is free when the registry is told.
    let _guard = Guard(Arc::clone(&registry));
    let listener = listener;
    loop {
        // Listening comes first. Otherwise a stop in between would be missed.
        let stops = registry.stops.listen();
        if registry.is_stopping() {
            return;
        }
        match unless(stops, Rt::accept(&listener)).await {
            None => return,
            Some(Ok(stream)) => admit::<Rt, _, _, _>(Driver::of_socket(Rt::wrap(stream)), &registry, &handler),
            Some(Err(error)) => {
                registry.note_accept_error(&error);
                if !concerns_one_connection(&error) {
                    let stops = registry.stops.listen();
                    timeout_at::<Rt, _>(Rt::now().checked_add(PAUSE), stops).await;
                }
            }
        }
    }
}

/// Whether the next connection may succeed at once: the client has left before it was accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

/// Serves one more connection, unless there are too many. Then the stream is dropped.
pub(super) fn admit<Rt, S, H, F>(driver: Driver<S>, registry: &Arc<Registry>, handler: &Arc<H>)
where
    Rt: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Fn(Call) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let id = next_id();
    if let Some(shared) = registry.admit(id) {
        let task = Task::<Rt, S, H, F>::new(driver, id, shared, Arc::clone(registry), Arc::clone(handler));
        Rt::spawn(task.run());
    }
}

/// Waits for a future, unless the event comes first.
async fn unless<F: Future>(event: EventListener, future: F) -> Option<F::Output> {
    let (mut event, mut future) = (pin!(event), pin!(future));
    poll_fn(|cx| {
        if event.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}
