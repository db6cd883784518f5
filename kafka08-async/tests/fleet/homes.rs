//! The runtimes on which every test runs.

use std::{future::Future, sync::OnceLock, thread};

use kafka08_async::{Runtime, Wrap};
use kafka08_async_std::{AsyncStd, smol::Smol};
use kafka08_blocking::threads::Threads;
use kafka08_tokio::Tokio;

/// A runtime under test.
pub(crate) trait Home: 'static {
    type Rt: Wrap<<Self::Rt as Runtime>::TcpStream, Stream: 'static>;

    /// Runs a task.
    fn start(task: impl Future<Output = ()> + Send + 'static);
}

/// Tokio on a thread of its own, which also looks at the sockets.
pub(crate) enum OneThread {}

impl Home for OneThread {
    type Rt = Tokio;

    fn start(task: impl Future<Output = ()> + Send + 'static) {
        thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            // A task that was aborted or has panicked has ended.
            let _ = runtime.block_on(async { tokio::spawn(task).await });
        });
    }
}

/// The runtime of tokio in which it is called.
pub(crate) enum Here {}

impl Home for Here {
    type Rt = Tokio;

    fn start(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }
}

/// Tokio with several threads.
pub(crate) enum ManyThreads {}

impl Home for ManyThreads {
    type Rt = Tokio;

    fn start(task: impl Future<Output = ()> + Send + 'static) {
        static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
        let build =
            || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        RUNTIME.get_or_init(build).spawn(task);
    }
}

macro_rules! home {
    ($name:ident, $runtime:ident) => {
        pub(crate) enum $name {}

        impl Home for $name {
            type Rt = $runtime;

            fn start(task: impl Future<Output = ()> + Send + 'static) {
                $runtime::spawn(task);
            }
        }
    };
}

home!(OnAsyncStd, AsyncStd);
home!(OnSmol, Smol);
home!(OnThreads, Threads);
