//! A runtime whose tasks can be aborted, as if it was shut down.

use std::{cell::RefCell, future::Future, io, marker::PhantomData, net::SocketAddr, time::Instant};

use futures_util::future::{AbortHandle, abortable};
use kafka08_async::{HostPort, Runtime, Wrap};

use crate::runtimes::On;

/// The runtime of `H`, whose tasks can be aborted by the thread that has spawned them.
pub(crate) struct Cut<H>(PhantomData<H>);

thread_local!(static TASKS: RefCell<Vec<AbortHandle>> = const { RefCell::new(Vec::new()) });

pub(crate) fn abort_all() {
    TASKS.with_borrow_mut(|tasks| tasks.drain(..).for_each(|task| task.abort()));
}

impl<H: On + Send + Sync> Runtime for Cut<H> {
    type Timer = <H::Rt as Runtime>::Timer;
    type TcpStream = <H::Rt as Runtime>::TcpStream;
    type TcpListener = <H::Rt as Runtime>::TcpListener;

    fn now() -> Instant {
        H::Rt::now()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        let (task, handle) = abortable(task);
        TASKS.with_borrow_mut(|tasks| tasks.push(handle));
        H::Rt::spawn(async {
            let _ = task.await;
        });
    }

    fn look_up(target: &HostPort) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        H::Rt::look_up(target)
    }

    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::TcpStream>> + Send {
        H::Rt::connect(address)
    }

    fn accept(listener: &Self::TcpListener) -> impl Future<Output = io::Result<Self::TcpStream>> + Send {
        H::Rt::accept(listener)
    }

    fn is_pending_true() -> bool {
        H::Rt::is_pending_true()
    }
}

impl<H: On + Send + Sync> Wrap<<H::Rt as Runtime>::TcpStream> for Cut<H> {
    type Stream = <H::Rt as Wrap<<H::Rt as Runtime>::TcpStream>>::Stream;

    fn wrap(stream: <H::Rt as Runtime>::TcpStream) -> Self::Stream {
        H::Rt::wrap(stream)
    }
}
