//! The requests of one link, in the order of sending.
//!
//! The connection knows requests by correlation ids, and the layer above by tokens. This list also knows which request the
//! peer owes an answer for, and which requests without answers are confirmed.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use kafka08_proto::{
    connection::{Cancelled, Prepared, Reply},
    ids::CorrelationId,
};

use super::Token;

/// A request that the peer is to answer.
#[derive(Debug)]
struct Asked {
    /// The place in the order of sending.
    number: u64,
    id: CorrelationId,
    /// `None` if it was cancelled or has timed out. Its answer is still due, and nobody waits for it.
    token: Option<Token>,
    /// How long the broker may wait before it answers.
    server_wait: Duration,
    sent_at: Instant,
}

/// A request that the peer does not answer, and whose last byte was not taken.
#[derive(Debug)]
struct Quiet {
    number: u64,
    id: CorrelationId,
    token: Token,
}

/// What became of the place of a request that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The answer may still come.
    Kept,
    /// No answer can come.
    Free,
}

/// The requests of one link.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// How many were sent.
    sent: u64,
    asked: VecDeque<Asked>,
    quiet: VecDeque<Quiet>,
    /// Written requests without answers, which no answer to a later request has confirmed.
    unconfirmed: VecDeque<(u64, Token)>,
    /// How many answers have come.
    answers: u64,
}

impl Requests {
    /// A request was staged.
    pub(super) fn push(&mut self, now: Instant, id: CorrelationId, token: Token, request: &Prepared) {
        let number = self.sent;
        self.sent += 1;
        match request.reply() {
            Reply::Expected => {
                let (token, server_wait) = (Some(token), request.server_wait());
                self.asked.push_back(Asked { number, id, token, server_wait, sent_at: now });
            }
            Reply::None => self.quiet.push_back(Quiet { number, id, token }),
        }
    }

    /// How many answers were noted.
    pub(super) fn answers(&self) -> u64 {
        self.answers
    }

    /// Notes how many answers the connection has received so far, dropped ones included. Returns the token of the last one.
    pub(super) fn note_answers(&mut self, answers: u64) -> Option<Token> {
        let mut last = None;
        while self.answers < answers {
            self.answers += 1;
            // A broker answers in order, so the first one is the one that was answered.
            let Some(asked) = self.asked.pop_front() else { continue };
            // It refuses a produce without an answer by closing, so it has refused none in front of this request.
            while self.unconfirmed.pop_front_if(|(number, _)| *number < asked.number).is_some() {}
            last = asked.token;
        }
        last
    }

    /// The last byte of a request without an answer was taken. Returns its token, unless it was cancelled.
    pub(super) fn note_written(&mut self, id: CorrelationId) -> Option<Token> {
        let index = self.quiet.iter().position(|quiet| quiet.id == id)?;
        let quiet = self.quiet.remove(index)?;
        self.unconfirmed.push_back((quiet.number, quiet.token));
        Some(quiet.token)
    }

    /// A request has failed. Returns its token, unless it was cancelled.
    pub(super) fn note_failed(&mut self, id: CorrelationId, place: Place) -> Option<Token> {
        if let Some(index) = self.quiet.iter().position(|quiet| quiet.id == id) {
            return self.quiet.remove(index).map(|quiet| quiet.token);
        }
        // From the front, because most requests end in the order of sending. A connection bounds how many there are.
        let index = self.asked.iter().position(|asked| asked.id == id)?;
        match place {
            Place::Free => self.asked.remove(index)?.token,
            Place::Kept => self.asked.get_mut(index)?.token.take(),
        }
    }

    /// A request was cancelled.
    pub(super) fn note_cancelled(&mut self, id: CorrelationId, how: Cancelled) {
        // From the back, because a request that can be withdrawn is one of the last.
        if let Some(index) = self.quiet.iter().rposition(|quiet| quiet.id == id) {
            // Also if it was touched and will be written: no event will name it.
            self.quiet.remove(index);
        } else if let Some(index) = self.asked.iter().rposition(|asked| asked.id == id) {
            match how {
                Cancelled::Withdrawn => drop(self.asked.remove(index)),
                Cancelled::Abandoned | Cancelled::NotOutstanding => {
                    if let Some(asked) = self.asked.get_mut(index) {
                        asked.token = None;
                    }
                }
            }
        }
    }

    /// When the peer counts as silent that has answered last at this time.
    pub(super) fn silent_at(&self, answered_at: Option<Instant>, silence: Duration) -> Option<Instant> {
        let first = self.asked.front()?;
        // A broker begins with a request when it has answered the one in front of it. So what that one was allowed to wait is
        // over by then.
        let since = answered_at.map_or(first.sent_at, |at| at.max(first.sent_at));
        since.checked_add(first.server_wait.saturating_add(silence))
    }

    /// Whether an answer is due, or a request is not written.
    pub(super) fn is_busy(&self) -> bool {
        !self.asked.is_empty() || !self.quiet.is_empty()
    }

    /// The number of written requests that are not confirmed.
    pub(super) fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }

    /// The written requests that are not confirmed, in the order of sending.
    pub(super) fn take_unconfirmed(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.unconfirmed).into_iter().map(|(_, token)| token).collect()
    }
}
