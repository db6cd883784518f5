//! A correlation id with the type of its request.

use std::{fmt, marker::PhantomData};

use super::{RedeemError, ResponseFrame};
use crate::{
    api::{Body as _, Request},
    ids::{ConnectionId, CorrelationId},
};

/// The claim to the response of one request, which it decodes. A ticket does not redeem a response of another connection,
/// which may have the same correlation id.
pub struct Ticket<R> {
    connection: ConnectionId,
    id: CorrelationId,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> Ticket<R> {
    pub(super) fn new(connection: ConnectionId, id: CorrelationId) -> Self {
        Self { connection, id, request: PhantomData }
    }

    /// The connection on which the request was sent.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The correlation id of the request.
    #[must_use]
    pub fn id(&self) -> CorrelationId {
        self.id
    }

    /// Decodes the response.
    ///
    /// # Errors
    /// The frame answers another request; the error holds it. Or the body is malformed.
    pub fn redeem(&self, frame: ResponseFrame) -> Result<R::Response, RedeemError> {
        // Correlation ids begin anew with each connection, so the id alone would let one connection's answer pass for another's.
        if (frame.connection, frame.id) != (self.connection, self.id) {
            return Err(RedeemError::NotMine(frame));
        }
        R::Response::decode(&frame.body)
            .map_err(|error| RedeemError::Malformed { error, fate: frame.fate_if_malformed })
    }
}

impl<R> Clone for Ticket<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Ticket<R> {}

impl<R> PartialEq for Ticket<R> {
    fn eq(&self, other: &Self) -> bool {
        (self.connection, self.id) == (other.connection, other.id)
    }
}

impl<R> Eq for Ticket<R> {}

impl<R> fmt::Debug for Ticket<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({:?})", self.id)
    }
}
