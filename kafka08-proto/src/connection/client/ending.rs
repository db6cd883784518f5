//! How a connection and its requests end.

use super::{ClientConnection, entry::Entry, life::Life};
use crate::{
    connection::{ClientEvent, CloseReason, Closed, Disconnect, Fate, Heard, Progress, RequestError},
    frame::{FrameDecoder, Taken},
    ids::{Api, ConnectionId, Serial},
};

impl ClientConnection {
    /// How far the response has come of the request that is to be answered next.
    pub(super) fn progress_of_first(&self) -> Progress {
        match self.decoder.arriving() {
            Some((received, of)) => Progress::Arriving { received, of },
            None => Progress::Unanswered,
        }
    }

    /// The request that is to be answered next, for the failures of those behind it.
    pub(super) fn line(&self) -> Line {
        let first = self.ledger.first_awaiting().map(|entry| (entry.serial, entry.api));
        Line { first, progress: self.progress_of_first() }
    }

    /// Ends the connection if the request that is to be answered next has timed out, no live request is left, and no received
    /// frame could be the late response.
    pub(super) fn end_if_hopeless(&mut self) {
        // A frame that is here may be the late answer that makes the connection sound again.
        if !self.decoder.has_frame()
            && let Some(entry) = self.ledger.hopeless()
        {
            let id = entry.id;
            self.end(CloseReason::NoAnswer { id, progress: self.progress_of_first() });
        }
    }

    pub(super) fn end(&mut self, reason: CloseReason) {
        if self.life.is_closed() {
            return;
        }
        // Requests without an answer that have left end as written, and not as failed.
        self.note_written();
        let mut line = self.line();
        if matches!(reason, CloseReason::Frame(_) | CloseReason::Match(_)) {
            // What stands behind bytes without a meaning is no answer, however much of it happens to be here.
            line.progress = Progress::Unanswered;
        }
        let Self { id, ledger, queue, events, .. } = self;
        ledger.drain(queue, |entry, taken, fate| {
            let error = RequestError::Closed(reason.clone());
            events.push(failed(*id, entry, error, line.progress(entry, taken), fate));
        });
        // Nothing is written and no frame comes out behind the last event, whatever the transport still holds.
        self.queue.clear();
        self.decoder = FrameDecoder::new(self.config.limits.max_frame);
        // The ledger outlives the connection; what it lists belongs to the event.
        let unconfirmed = self.ledger.take_unconfirmed();
        let closed = Closed { connection: self.id, peer: self.config.peer.clone(), reason, unconfirmed };
        self.life = Life::Closed(Box::new(closed.clone()));
        self.events.push(ClientEvent::Closed(closed));
    }

    /// How the connection has ended, or will end once the received frames are given out.
    pub(in crate::connection) fn how_closed(&self) -> Closed {
        let how = match &self.life {
            Life::Closed(closed) => return (**closed).clone(),
            Life::Disconnected(how) => *how,
            Life::WriteFailed(kind) => Disconnect::Error(*kind),
            // Nobody asks yet.
            Life::Open => Disconnect::Eof,
        };
        Closed {
            connection: self.id,
            peer: self.config.peer.clone(),
            reason: self.why_disconnected(how),
            unconfirmed: self.ledger.unconfirmed().clone(),
        }
    }

    pub(super) fn why_disconnected(&self, how: Disconnect) -> CloseReason {
        // Whole answers count. Bytes that are no frames have ended the connection before this is asked.
        let heard = match self.decoder.pending() {
            0 if self.stats.responses == 0 => Heard::Nothing,
            0 => Heard::Frames,
            bytes => Heard::PartOfFrame { bytes },
        };
        let first = self.ledger.first_awaiting();
        // How long the connection was silent before the request that the peer closed on. Idle limits of brokers and firewalls show
        // in this number.
        let idle = first.zip(self.last_heard).and_then(|(entry, heard)| entry.at.checked_duration_since(heard));
        CloseReason::Disconnected {
            how,
            heard,
            waiting_for: first.map(|entry| entry.api),
            idle,
            unconfirmed: self.ledger.unconfirmed().len(),
        }
    }
}

/// The request that was to be answered next when others failed.
pub(super) struct Line {
    first: Option<(Serial, Api)>,
    /// How far that request has come.
    progress: Progress,
}

impl Line {
    /// How far a request had come, of whose frame the transport had taken this much.
    pub(super) fn progress(&self, entry: &Entry, taken: Taken) -> Progress {
        match (taken, self.first) {
            (Taken::Nothing, _) => Progress::NotSent,
            (Taken::Some, _) => Progress::PartlySent,
            (Taken::Offered, _) => Progress::Offered,
            (Taken::All, Some((first, api))) if first != entry.serial => Progress::Behind(api),
            (Taken::All, _) => self.progress,
        }
    }
}

pub(super) fn failed(
    connection: ConnectionId,
    entry: &Entry,
    error: RequestError,
    progress: Progress,
    fate: Fate,
) -> ClientEvent {
    #[cfg(kafka08_canary)]
    if crate::canary::CloseIsWritten.is_planted() && !entry.awaits_response {
        return ClientEvent::Written { connection, id: entry.id };
    }
    ClientEvent::Failed { connection, id: entry.id, api: entry.api, error, progress, fate }
}
