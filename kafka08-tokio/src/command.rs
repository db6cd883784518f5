//! What handles ask of the task.

use std::time::Instant;

use kafka08_proto::{
    connection::{CallError, Closed, Prepared, ResponseFrame, SendError},
    ids::CorrelationId,
};
use tokio::sync::oneshot;

/// How a request ended.
pub(crate) type Outcome = Result<ResponseFrame, CallError>;

/// Names a request between its handle and the task, from before it has a correlation id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallNumber(pub(crate) u64);

pub(crate) enum Command {
    Send {
        prepared: Prepared,
        /// When the caller called: its deadline runs from there.
        at: Instant,
        number: CallNumber,
        started: oneshot::Sender<Result<CorrelationId, SendError>>,
        answer: oneshot::Sender<Outcome>,
    },
    Forget {
        prepared: Prepared,
        at: Instant,
        started: oneshot::Sender<Result<CorrelationId, SendError>>,
    },
    Flush(oneshot::Sender<Result<(), CallError>>),
    Close(oneshot::Sender<Closed>),
}
