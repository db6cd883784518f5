//! The tokio client, in paused time.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    panic::resume_unwind,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use kafka08_proto::adapter::{CallError, CloseReport};
use kafka08_tokio::{Client, Pending};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Builder,
    task::JoinHandle,
    time::{Instant, Sleep, sleep, sleep_until, timeout_at},
};

use super::{
    account::Account,
    config,
    promise::Promise,
    requests::{Ask, Echoed},
    script::{Call, Ending, Kind, Line, Script, Units},
    wire::Wire,
};

const UNIT: Duration = Duration::from_millis(100);

/// tokio's timers count milliseconds.
const SLACK: Duration = Duration::from_millis(5);

/// How long the task may take for a stream's goodbye.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Shared by the stream and the harness, on one thread.
struct Shared<T>(Arc<Mutex<T>>);

impl<T> Shared<T> {
    fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A stream that plays the script.
struct Scripted {
    wire: Shared<Wire>,
    start: Instant,
    is_vectored: bool,
    /// For the next write, flush and read that may succeed.
    sleeps: [Pin<Box<Sleep>>; 3],
    /// To be told when a request has come whole, so that its answer may be read.
    reader: Option<Waker>,
}

impl Scripted {
    fn wake_at(&mut self, cx: &mut Context<'_>, which: usize, until: Option<Duration>) {
        let Some(until) = until else { return };
        self.sleeps[which].as_mut().reset(self.start + until);
        if self.sleeps[which].as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

impl AsyncRead for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let now = self.start.elapsed();
        let result = self.wire.lock().read(now, space.initialize_unfilled());
        if result.is_pending() {
            let [.., until] = self.wire.lock().blocked_until();
            self.wake_at(cx, 2, until);
            self.reader = Some(cx.waker().clone());
        }
        result.map_ok(|n| space.advance(n))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let now = self.start.elapsed();
        let result = self.wire.lock().write(now, slices);
        if result.is_pending() {
            let [until, ..] = self.wire.lock().blocked_until();
            self.wake_at(cx, 0, until);
        } else if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = self.start.elapsed();
        let result = self.wire.lock().flush(now);
        if result.is_pending() {
            let [_, until, _] = self.wire.lock().blocked_until();
            self.wake_at(cx, 1, until);
        }
        result
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The claim to an answer.
type Claim = Pin<Box<dyn Future<Output = Result<Option<i64>, CallError>> + Send>>;

async fn claim<R: Echoed>(pending: Pending<R>) -> Result<Option<i64>, CallError>
where
    R::Response: Send,
{
    pending.await.map(|response| R::echo(&response))
}

/// What each call of a script needs.
#[derive(Clone)]
struct Run {
    client: Client,
    start: Instant,
    wire: Shared<Wire>,
    account: Shared<Account>,
    claims: Shared<Vec<(usize, Claim)>>,
}

pub(super) fn run(script: Script) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(play(script));
}

async fn play(script: Script) {
    let start = Instant::now();
    let config = config(&script, UNIT);
    let account = Shared::new(Account::new(UNIT, SLACK, true, config.request_timeout()));
    let wire = Shared::new(Wire::new(script.peer, UNIT));
    wire.lock().counts_attempts = true;
    let sleeps = [(); 3].map(|()| Box::pin(sleep_until(start)));
    let stream = Scripted { wire: wire.clone(), start, is_vectored: script.is_vectored, sleeps, reader: None };
    let (client, task) = Client::with_task(stream, config);
    let task = tokio::spawn(task);
    let claims = Shared::new(Vec::new());
    let run = Run { client, start, wire, account, claims };
    run.lines(script.lines).await;
    run.end(script.ending, task).await;
}

impl Run {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    async fn lines(&self, lines: Vec<Line>) {
        let mut background: Vec<JoinHandle<()>> = Vec::new();
        for line in lines {
            match line.call {
                Call::Abort(index) if !background.is_empty() => {
                    let index = index % background.len();
                    background[index].abort();
                }
                Call::ForgetMany(kind, times) => {
                    let forget = |_| tokio::spawn(self.clone().call(Call::Forget(kind)));
                    background.extend((0..times).map(forget));
                }
                call if line.in_background => {
                    background.push(tokio::spawn(self.clone().call(call)));
                    tokio::task::yield_now().await;
                }
                call => self.clone().call(call).await,
            }
        }
        for call in background {
            join(call).await;
        }
    }

    /// Runs a call that must have returned at `deadline`; `None` if it has not.
    async fn within<T>(&self, what: &str, deadline: Duration, call: impl Future<Output = T>) -> Option<T> {
        let start = self.now();
        let limit = deadline + SLACK;
        let result = timeout_at(self.start + limit, call).await.ok();
        self.wire.lock().check_prompt(what, start, self.now(), SLACK);
        Promise::Deadline.check(result.is_some(), || format!("{what} since {start:?} still runs at {limit:?}"));
        result
    }

    async fn call(self, call: Call) {
        match call {
            Call::Send(kind, timeout) => {
                if let Some(claim) = self.send(kind, timeout).await {
                    self.claims.lock().push(claim);
                }
            }
            Call::SendAndWait(kind) => {
                if let Some((number, claim)) = self.send(kind, None).await {
                    self.wait(number, claim).await;
                }
            }
            Call::Forget(kind) => self.forget(kind).await,
            Call::Wait(index) => {
                let claim = self.claim(index);
                if let Some((number, claim)) = claim {
                    self.wait(number, claim).await;
                }
            }
            Call::TryWait(index) => self.try_wait(index).await,
            Call::DropClaim(index) => drop(self.claim(index)),
            Call::Flush => {
                let deadline = self.account.lock().drained_by(self.now(), &self.wire.lock());
                if let Some(result) = self.within("flush", deadline, self.client.flush()).await {
                    self.account.lock().flushed(result);
                }
            }
            Call::Pause(time) => sleep(UNIT * time.0).await,
            Call::Close => {
                if let Some(report) = self.close().await {
                    self.account.lock().tell(&report.failed);
                }
            }
            Call::ForgetMany(..) | Call::Abort(_) => {}
        }
    }

    fn claim(&self, index: usize) -> Option<(usize, Claim)> {
        let mut claims = self.claims.lock();
        let count = claims.len();
        (count > 0).then(|| claims.remove(index % count))
    }

    async fn send(&self, kind: Kind, timeout: Option<Units>) -> Option<(usize, Claim)> {
        let start = self.now();
        let timeout = timeout.map(|timeout| UNIT * timeout.0);
        let (number, ask) = self.account.lock().begin(start, kind, timeout);
        let deadline = start + timeout.unwrap_or_else(|| self.client.config().request_timeout());
        let sent = match &ask {
            Ask::Metadata(request) => self.within("send", deadline, self.send_one(number, request, timeout)).await,
            Ask::Produce(request) => self.within("send", deadline, self.send_one(number, request, timeout)).await,
            Ask::Fetch(request) => self.within("send", deadline, self.send_one(number, request, timeout)).await,
        }?;
        match sent {
            Ok(claim) => Some((number, claim)),
            Err(error) => {
                self.account.lock().end(self.now(), number, Err(error));
                None
            }
        }
    }

    async fn send_one<R>(&self, number: usize, request: &R, timeout: Option<Duration>) -> Result<Claim, CallError>
    where
        R: Echoed + Send + 'static,
        R::Response: Send,
    {
        let pending = match timeout {
            Some(timeout) => self.client.send_with_timeout(request, timeout).await,
            None => self.client.send(request).await,
        }?;
        self.account.lock().sent(number, pending.id());
        Ok(Box::pin(claim(pending)))
    }

    async fn forget(&self, kind: Kind) {
        let start = self.now();
        let (number, ask) = self.account.lock().begin(start, kind, None);
        let deadline = start + self.client.config().request_timeout();
        let accepted = match &ask {
            Ask::Metadata(request) => self.within("forget", deadline, self.client.send_and_forget(request)).await,
            Ask::Produce(request) => self.within("forget", deadline, self.client.send_and_forget(request)).await,
            Ask::Fetch(request) => self.within("forget", deadline, self.client.send_and_forget(request)).await,
        };
        match accepted {
            None => {}
            Some(Ok(id)) => self.account.lock().accepted(number, id),
            Some(Err(error)) => self.account.lock().end(self.now(), number, Err(error)),
        }
    }

    async fn wait(&self, number: usize, claim: Claim) {
        let deadline = self.account.lock().deadline(number).max(self.now());
        if let Some(result) = self.within("wait", deadline, claim).await {
            self.account.lock().end(self.now(), number, result);
        }
    }

    /// Polls the claim once.
    async fn try_wait(&self, index: usize) {
        let Some((number, mut claim)) = self.claim(index) else { return };
        match poll_fn(|cx| Poll::Ready(claim.as_mut().poll(cx))).await {
            Poll::Ready(result) => self.account.lock().end(self.now(), number, result),
            Poll::Pending => self.claims.lock().push((number, claim)),
        }
    }

    async fn close(&self) -> Option<CloseReport> {
        let deadline = self.account.lock().drained_by(self.now(), &self.wire.lock());
        self.within("close", deadline, self.client.close()).await
    }

    async fn wait_for_all(&self) {
        while let Some((number, claim)) = self.claim(0) {
            self.wait(number, claim).await;
        }
    }

    async fn end(self, ending: Ending, task: JoinHandle<()>) {
        if ending == Ending::WaitThenClose {
            self.wait_for_all().await;
        }
        let closed = if ending == Ending::Drop { None } else { self.close().await };
        if ending == Ending::CloseThenWait {
            self.wait_for_all().await;
        }
        // The claims that are left are kept until the task has ended: they are no reason for it to stay.
        let Self { client, start, wire, account, claims } = self;
        drop(client);
        let deadline = account.lock().ended_by(start.elapsed()) + SHUTDOWN + SLACK;
        match timeout_at(start + deadline, task).await {
            Ok(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            ended => Promise::TaskEnds.check(ended.is_ok(), || format!("the task still runs at {deadline:?}")),
        }
        let left = std::mem::take(&mut *claims.lock());
        for (number, claim) in left {
            let result = timeout_at(start + start.elapsed() + SLACK, claim).await;
            Promise::Deadline.check(result.is_ok(), || format!("request {number} does not end with the task"));
            if let Ok(result) = result {
                account.lock().end(start.elapsed(), number, result);
            }
        }
        account.lock().judge(&wire.lock(), closed.as_ref());
    }
}

/// Waits for a call in the background, and takes over its panic.
async fn join(call: JoinHandle<()>) {
    if let Err(error) = call.await
        && error.is_panic()
    {
        resume_unwind(error.into_panic());
    }
}
