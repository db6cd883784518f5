//! The runtimes on which every test runs, and what the tests need of each beside [`Runtime`].

use std::{future::Future, net::TcpListener, time::Duration};

use kafka08_async::{Runtime, Wrap};
use kafka08_async_std::{AsyncStd, smol::Smol};
use kafka08_tokio::Tokio;

/// A socket of a runtime, as its connections use it.
pub(crate) type Socket<H> = <<H as On>::Rt as Wrap<<<H as On>::Rt as Runtime>::TcpStream>>::Stream;

/// A runtime under test.
pub(crate) trait On: 'static {
    type Rt: Wrap<<Self::Rt as Runtime>::TcpStream, Stream: 'static>;
    /// A task that can be waited for. A panic of the task is passed on to whoever waits.
    type Task<T: Send + 'static>: Future<Output = T> + Send;

    /// Runs a future on this thread.
    fn block_on<T>(future: impl Future<Output = T>) -> T;

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Task<T>;

    /// Aborts a task, and waits until it is gone.
    fn abort<T: Send + 'static>(task: Self::Task<T>) -> impl Future<Output = ()> + Send;

    /// The runtime's own timeout.
    fn timeout<T>(limit: Duration, future: impl Future<Output = T>) -> impl Future<Output = Option<T>>;

    /// The runtime's own way to wait for the first of two futures, which drops the other.
    fn select<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> impl Future<Output = T>;

    fn listener(listener: TcpListener) -> <Self::Rt as Runtime>::TcpListener;
}

/// How long a test may take in all, ten times what the longest takes on a busy machine. What needs longer waits for
/// something that never comes.
const LIMIT: Duration = Duration::from_secs(40);

/// Runs a test.
pub(crate) fn run<H: On>(test: impl Future<Output = ()>) {
    H::block_on(async { H::timeout(LIMIT, test).await.expect("the test ends in its time") });
}

pub(crate) async fn sleep<H: On>(time: Duration) {
    let _ = H::timeout(time, std::future::pending::<()>()).await;
}

/// A task of tokio. Its output is that of the future.
pub(crate) struct TokioTask<T>(tokio::task::JoinHandle<T>);

impl<T> Future for TokioTask<T> {
    type Output = T;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<T> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(|joined| match joined {
            Ok(output) => output,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        })
    }
}

macro_rules! on_tokio {
    ($name:ident, $builder:ident) => {
        impl On for $name {
            type Rt = Tokio;
            type Task<T: Send + 'static> = TokioTask<T>;

            fn block_on<T>(future: impl Future<Output = T>) -> T {
                let mut builder = tokio::runtime::Builder::$builder();
                builder.worker_threads(2).enable_all().build().expect("a runtime").block_on(future)
            }

            fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> TokioTask<T> {
                TokioTask(tokio::spawn(future))
            }

            async fn abort<T: Send + 'static>(task: TokioTask<T>) {
                task.0.abort();
                let _ = task.0.await;
            }

            async fn timeout<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
                tokio::time::timeout(limit, future).await.ok()
            }

            async fn select<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
                tokio::select! {
                    output = one => output,
                    output = other => output,
                }
            }

            fn listener(listener: TcpListener) -> tokio::net::TcpListener {
                listener.set_nonblocking(true).expect("a setting");
                tokio::net::TcpListener::from_std(listener).expect("it is bound")
            }
        }
    };
}

/// Tokio with one thread.
pub(crate) enum OneThread {}
/// Tokio with several threads.
pub(crate) enum ManyThreads {}

on_tokio!(OneThread, new_current_thread);
on_tokio!(ManyThreads, new_multi_thread);

pub(crate) enum OnAsyncStd {}

impl On for OnAsyncStd {
    type Rt = AsyncStd;
    type Task<T: Send + 'static> = async_std::task::JoinHandle<T>;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Task<T> {
        async_std::task::spawn(future)
    }

    async fn abort<T: Send + 'static>(task: Self::Task<T>) {
        task.cancel().await;
    }

    async fn timeout<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        async_std::future::timeout(limit, future).await.ok()
    }

    async fn select<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
        // Its own `race` is not stable. This is the one that it is built on.
        smol::future::race(one, other).await
    }

    fn listener(listener: TcpListener) -> async_std::net::TcpListener {
        listener.set_nonblocking(true).expect("a setting");
        listener.into()
    }
}

pub(crate) enum OnSmol {}

impl On for OnSmol {
    type Rt = Smol;
    type Task<T: Send + 'static> = smol::Task<T>;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Self::Task<T> {
        smol::spawn(future)
    }

    async fn abort<T: Send + 'static>(task: Self::Task<T>) {
        task.cancel().await;
    }

    async fn timeout<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        smol::future::or(async { Some(future.await) }, async {
            smol::Timer::after(limit).await;
            None
        })
        .await
    }

    async fn select<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
        smol::future::race(one, other).await
    }

    fn listener(listener: TcpListener) -> smol::net::TcpListener {
        smol::Async::new(listener).expect("it is bound").into()
    }
}
