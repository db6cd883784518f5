//! A correlation id that remembers its request's type.

use std::{fmt, marker::PhantomData};

use super::{RedeemError, ResponseFrame};
use crate::{
    api::{Body as _, Request},
    ids::{ConnectionId, CorrelationId},
};

/// The claim to the answer of one request. It belongs to the connection that gave it: the answer to a request of another
/// connection is not redeemed, although it may have the same correlation id.
pub struct Ticket<R> {
    connection: ConnectionId,
    id: CorrelationId,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> Ticket<R> {
    pub(super) fn new(connection: ConnectionId, id: CorrelationId) -> Self {
        Self { connection, id, request: PhantomData }
    }

    /// The connection that the request was sent on.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The request's correlation id.
    #[must_use]
    pub fn id(&self) -> CorrelationId {
        self.id
    }

    /// Decodes the answer.
    ///
    /// # Errors
    /// The frame answers another request, and is handed back; or it is malformed.
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
