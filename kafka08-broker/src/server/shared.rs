//! What the thread that serves and the threads of a test share.
//!
//! One lock guards the whole cluster, so a command sees it between two requests and never within one. The driver holds the
//! lock for one turn at a time.

use std::{
    fmt,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kafka08_proto::ids::Timestamp;

use crate::{Cluster, Now};

/// A condition of [`Control::wait_until`](crate::Control::wait_until) did not hold in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotInTime {
    /// How long it was waited.
    pub limit: Duration,
}

impl fmt::Display for NotInTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the condition did not hold within {:?}: look at the history of the cluster for what happened",
            self.limit
        )
    }
}

impl std::error::Error for NotInTime {}

/// The cluster, for the driver that serves it and for those who command it.
pub(crate) struct Shared {
    /// The state machine. Its driver and its commanders take it in turns.
    cluster: Mutex<Cluster>,
    /// Told after each turn in which something happened.
    changed: Condvar,
    /// How many threads wait for the cluster.
    wanted: AtomicUsize,
    /// How many turns the driver has taken.
    turns: AtomicU64,
    /// Whether the driver must end. It is set before the driver is woken.
    stops: AtomicBool,
    /// Why the brokers have stopped by themselves.
    failure: Mutex<Option<String>>,
    /// Wakes the driver.
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    pub(crate) fn new(cluster: Cluster, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        Self {
            cluster: Mutex::new(cluster),
            changed: Condvar::new(),
            wanted: AtomicUsize::new(0),
            turns: AtomicU64::new(0),
            stops: AtomicBool::new(false),
            failure: Mutex::new(None),
            wake,
        }
    }

    fn locked(&self) -> MutexGuard<'_, Cluster> {
        // A closure of a test that panics leaves the cluster between two commands, which is a valid state.
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster, for the driver. Threads that wait for it come first.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Cluster> {
        // A lock that is released and taken again at once is not passed on. A driver that has more to do would keep it.
        for _ in 0..100 {
            if self.wanted.load(Ordering::Relaxed) == 0 {
                break;
            }
            thread::yield_now();
        }
        self.locked()
    }

    /// Tells those who wait for a condition that something has happened.
    pub(crate) fn note_changed(&self) {
        self.changed.notify_all();
    }

    /// Counts a turn. Called while the cluster is locked, so that a turn which is counted after a command has seen it.
    pub(crate) fn count_turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs a command, and waits until the driver has acted on it, for example has closed a port.
    pub(crate) fn with_and_wait(&self, command: impl FnOnce(&mut Cluster, Now)) {
        /// More than any turn takes. A driver that has stopped takes none.
        const LIMIT: Duration = Duration::from_secs(5);
        let before = self.with(|cluster, now| {
            command(cluster, now);
            self.turns.load(Ordering::Relaxed)
        });
        let _ = self.wait_until(LIMIT, |_| self.turns.load(Ordering::Relaxed) > before);
    }

    pub(crate) fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
        (self.wake)();
    }

    /// Notes why the brokers have stopped by themselves.
    pub(crate) fn fail(&self, why: String) {
        eprintln!("kafka08-broker: {why}");
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn stops(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }

    pub(crate) fn with<T>(&self, command: impl FnOnce(&mut Cluster, Now) -> T) -> T {
        self.wanted.fetch_add(1, Ordering::Relaxed);
        let mut cluster = self.locked();
        self.wanted.fetch_sub(1, Ordering::Relaxed);
        let done = command(&mut cluster, now());
        // The driver would only wait for the lock if it were woken before.
        drop(cluster);
        (self.wake)();
        self.changed.notify_all();
        done
    }

    /// Asks whether a condition holds now.
    #[cfg(feature = "tokio")]
    pub(crate) fn look(&self, holds: impl FnOnce(&Cluster) -> bool) -> bool {
        self.wanted.fetch_add(1, Ordering::Relaxed);
        let cluster = self.locked();
        self.wanted.fetch_sub(1, Ordering::Relaxed);
        holds(&cluster)
    }

    pub(crate) fn wait_until(&self, limit: Duration, mut holds: impl FnMut(&Cluster) -> bool) -> Result<(), NotInTime> {
        let end = Instant::now().checked_add(limit);
        self.wanted.fetch_add(1, Ordering::Relaxed);
        let mut cluster = self.locked();
        self.wanted.fetch_sub(1, Ordering::Relaxed);
        while !holds(&cluster) {
            let left = end.map_or(limit, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(NotInTime { limit });
            }
            cluster = self.changed.wait_timeout(cluster, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Reads both clocks: one for deadlines, one for the times of logs.
pub(crate) fn now() -> Now {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX));
    Now { instant: Instant::now(), wall }
}
