//! How requests are sent.

use kafka08_client::{
    cluster::{Claim, Refused, RefusedWhy, Route, Routed},
    error::{CallFailure, ClusterCallError},
};
use kafka08_proto::{api::Request, fate::Fate};

use super::{
    Cluster,
    pending::Calling,
    shared::{Phase, State},
};
use crate::Runtime;

impl<Rt: Runtime> Cluster<Rt> {
    /// Sends a request to the brokers that it is for, and returns their answers, put together.
    ///
    /// A request for partitions goes to the leader of each; one for a consumer group goes to the group's coordinator; others go
    /// to any broker. Partitions whose broker says that it is not the leader, or that was lost, are asked for again, alone.
    /// Requests that change something are sent again only while no attempt can have been applied.
    ///
    /// The call ends within [`ClusterConfig::with_call_timeout`] and the time for which the request lets a broker wait.
    ///
    /// # Errors
    /// Some partitions have failed, or the whole request. The error keeps what was answered
    /// ([`ClusterCallError::into_response`]), and says for each partition what has happened, how often it was tried, and whether
    /// a broker may have acted on it. An error code that a broker has answered is no failure: it stands in the response.
    ///
    /// # Cancel safety
    /// Dropping this future gives up the call. Parts of which no byte was written are withdrawn. A broker may act on the others
    /// nevertheless.
    ///
    /// [`ClusterConfig::with_call_timeout`]: kafka08_client::config::ClusterConfig::with_call_timeout
    pub async fn call<R: Routed>(&self, request: &R) -> Result<R::Response, ClusterCallError<R::Response>> {
        // Cloned outside of the lock: a request may be large.
        let owned = request.clone();
        self.begin(request.changes_state(), |state| state.machine.call(Rt::now(), owned))?.await
    }

    /// Sends a request as it is to one broker, and returns its answer. It is sent again under the same rules as in
    /// [`Cluster::call`], but what the answer says is not looked at.
    ///
    /// # Errors
    /// The request has failed: see [`Cluster::call`].
    ///
    /// # Cancel safety
    /// As [`Cluster::call`].
    pub async fn call_at<R>(&self, route: Route, request: &R) -> Result<R::Response, ClusterCallError<R::Response>>
    where
        R: Request<Response: Send + 'static> + Clone + Send + 'static,
    {
        let owned = request.clone();
        self.begin(request.changes_state(), |state| state.machine.call_at(Rt::now(), route, owned))?.await
    }

    fn begin<R: Request<Response: Send + 'static> + 'static>(
        &self,
        changes_state: bool,
        begin: impl FnOnce(&mut State) -> Result<Claim<R>, Refused<R>>,
    ) -> Result<Calling<'_, R>, ClusterCallError<R::Response>> {
        // The phase is looked at under the lock under which the call begins. The machine alone does not know of a
        // `close` that the task has not seen yet, or that the task is gone.
        let begun = self.shared().command(|state| match state.phase {
            Phase::Open => {
                let claim = begin(state).map_err(|refused| NotBegun::Refused(refused.why))?;
                state.wait_for(claim.id());
                Ok(claim)
            }
            Phase::Closing | Phase::Closed => Err(NotBegun::Refused(RefusedWhy::Closed)),
            Phase::Abandoned => Err(NotBegun::Abandoned),
        });
        match begun {
            Ok(claim) => Ok(Calling::new(self.shared(), claim, changes_state)),
            Err(not_begun) => Err(not_begun.into()),
        }
    }
}

/// Why a call was not made.
enum NotBegun {
    Refused(RefusedWhy),
    Abandoned,
}

impl<T> From<NotBegun> for ClusterCallError<T> {
    fn from(why: NotBegun) -> Self {
        match why {
            NotBegun::Refused(RefusedWhy::Problem(problem)) => Self::Request(problem),
            NotBegun::Refused(RefusedWhy::NoAnswer) => Self::NoAnswer,
            NotBegun::Refused(RefusedWhy::Busy) => Self::Busy,
            NotBegun::Refused(_) => Self::Failed(Box::new(CallFailure::closed())),
            // Nothing was sent.
            NotBegun::Abandoned => Self::Failed(Box::new(CallFailure::abandoned(Fate::NotApplied))),
        }
    }
}
