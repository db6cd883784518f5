//! What drives a machine of many links on any runtime.
//!
//! | file | what it owns |
//! |---|---|
//! | `board` | who has called: links whose sockets are ready, and handles |
//! | `link` | the socket of one link, and how its bytes are moved |
//! | `look` | when a deadline takes effect |
//! | `task` | the task: its turns, and what the machine tells it to do |
//!
//! It knows nothing of what a machine asks brokers, and nothing of who waits for the answers.
//!
//! Start a fleet with `Rt::spawn(Fleet::<Rt, _>::new(owner, &caller).run())`. Handles keep a clone of the [`Caller`].

mod board;
mod link;
mod look;
mod task;

use std::time::Instant;

pub use board::Caller;
use kafka08_client::machine::Machine;
pub use task::Fleet;

/// The owner of a machine, on the side of its task. It is called by the task alone.
///
/// There are two kinds of owners:
///
/// - The machine is behind a lock, and handles call it. [`Owner::with_machine`] locks it. A handle that has called the machine
///   unlocks it, and then calls [`Caller::call`].
/// - The machine is a field of the owner, and handles share something else with it, behind a lock of that.
///   [`Owner::exchange`] locks what is shared, and lets the machine take and give. A handle that has changed what is shared
///   calls [`Caller::call`] if the machine must know.
///
/// No lock of an owner is held while the task waits, and none while another method of the owner is called.
pub trait Owner: Send + 'static {
    /// The machine.
    type Machine: Machine;

    /// Lends the machine for a bounded piece of work. This moves at most 256 KiB of one link, or takes one output.
    ///
    /// The reads and writes of a link are system calls of `work`, because they read into and write from memory of the machine.
    /// Sockets are connected and closed outside of it.
    fn with_machine<T>(&mut self, work: impl FnOnce(&mut Self::Machine) -> T) -> T;

    /// Lets the machine and what handles share meet. Called at the beginning of each turn, unless only sockets have woken the
    /// task, and after links had news. The outputs of the machine are taken after it. Default: does nothing.
    fn exchange(&mut self, now: Instant) {
        let _ = now;
    }

    /// Takes an event of the machine. This may wake tasks and threads, because the machine is not lent out now.
    fn handle_event(&mut self, event: <Self::Machine as Machine>::Event, now: Instant);

    /// Whether the task ends now. Asked at the end of each turn. Default: when the machine is over.
    fn is_over(&mut self) -> bool {
        self.with_machine(|machine| machine.is_over())
    }

    /// Tells that the fleet has ended: it was over, or its task was dropped or has panicked. All sockets are closed. Nothing
    /// drives the machine any more, so everything that still waits must be ended here. Called once, and the last call. It must
    /// not panic. A lock may be poisoned.
    fn handle_end(&mut self);
}
