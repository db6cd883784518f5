//! What follows from the answers and the failures of fetches.

use std::{collections::BTreeSet, time::Instant};

use kafka08_proto::{
    api::{Body as _, FetchResponse, FetchedPartition},
    connection::{CloseReason, Progress, RequestError, ResponseFrame},
    error_code::{ErrorCode, NextStep},
    ids::{NodeId, Offset},
    message::MessageSet,
};

use super::{
    Consumer, Due,
    event::{ConsumerEvent, FetchCause, ResetCause},
    fetching::{Sent, Wanted},
    found::{Found, judge},
    track::{Stage, Trouble, Until},
};
use crate::{
    assignment::{Assignment, Delivery, FrameId, PartitionIndex},
    error::Cause,
    links::{Loss, Token},
};

/// How long a log may be shorter than it once was, until that counts as its end: a new leader may know its high watermark late.
const SHORT_FOR: std::time::Duration = std::time::Duration::from_secs(10);

/// The answer to a fetch, until it meets the assignment.
#[derive(Debug)]
pub(super) struct Answered {
    token: Token,
    sent: Sent,
    response: FetchResponse,
    bytes: usize,
}

impl Consumer {
    /// Takes the answer to a fetch. The sets are put into the assignment at the next exchange.
    pub(super) fn handle_answered(&mut self, now: Instant, token: Token, frame: &ResponseFrame) {
        let Some(sent) = self.sent.remove(&token) else { return };
        match FetchResponse::decode(&frame.body) {
            Ok(response) => {
                let bytes = frame.body.len();
                if let Some(state) = self.nodes.get_mut(&sent.node) {
                    state.note_answered(&self.terms);
                }
                self.answers.push_back(Answered { token, sent, response, bytes });
            }
            Err(error) => {
                let cause = Cause::Malformed { peer: self.address(sent.node), error };
                self.end_fetch(now, token, &sent, &cause);
            }
        }
    }

    /// A fetch has ended without an answer.
    pub(super) fn handle_failed(&mut self, now: Instant, token: Token, loss: &Loss) {
        let Some(sent) = self.sent.remove(&token) else { return };
        let cause = loss.cause(self.address(sent.node));
        let is_too_much = match &loss.error {
            RequestError::TimedOut { .. } => matches!(loss.progress, Progress::Arriving { .. }),
            RequestError::Closed(CloseReason::Frame(_)) => true,
            _ => false,
        };
        if is_too_much && let Some(state) = self.nodes.get_mut(&sent.node) {
            state.ask_for_less(sent.parts.iter().map(|part| part.bytes).sum());
        }
        // A link that has ended may mean that its broker leads no more.
        let topics: BTreeSet<_> =
            sent.parts.iter().filter_map(|part| Some(self.tracks.get(&part.at)?.of.topic.clone())).collect();
        for topic in topics {
            self.cluster.note_stale(now, &topic);
        }
        self.end_fetch(now, token, &sent, &cause);
    }

    /// Ends a fetch whose answer cannot be used: its partitions are fetched again after a pause.
    fn end_fetch(&mut self, now: Instant, token: Token, sent: &Sent, cause: &Cause) {
        self.free_node(token, sent.node);
        // The position stays, and what was on its way is fetched again.
        for part in &sent.parts {
            if self.take_back(token, part) {
                self.note_trouble(now, part.at, FetchCause::Attempt(cause.clone()));
            }
        }
    }

    /// Waits no longer for the answer of a broker that has another address now: who is at the old one may be silent.
    pub(super) fn leave_fetch(&mut self, node: NodeId) {
        let Some(token) = self.nodes.get(&node).and_then(|state| state.in_flight) else { return };
        // An answer that is here already is put into the assignment.
        let Some(sent) = self.sent.remove(&token) else { return };
        for part in &sent.parts {
            self.take_back(token, part);
        }
        self.free_node(token, node);
    }

    /// A broker owes no answer any more, so that it can be asked again.
    fn free_node(&mut self, token: Token, node: NodeId) {
        if let Some(state) = self.nodes.get_mut(&node).filter(|state| state.in_flight == Some(token)) {
            state.in_flight = None;
            self.to_ask.insert(node);
            self.tidy_node(node);
        }
    }

    /// Notes that a partition is in no fetch any more. Returns whether the answer to this fetch is still wanted.
    fn take_back(&mut self, token: Token, part: &Wanted) -> bool {
        let Some(track) = self.tracks.get_mut(&part.at) else { return false };
        if track.epoch != part.epoch || track.asked != Some(token) {
            return false;
        }
        track.asked = None;
        // A seek within the same epoch does not happen, but a reset does.
        track.position() == Some(part.offset)
    }

    /// Puts an answer into the assignment.
    pub(super) fn deliver(&mut self, with: &mut Assignment, now: Instant, answered: Answered) {
        let Answered { token, sent, response, bytes } = answered;
        self.free_node(token, sent.node);
        // One set keeps the memory of the whole response, so the response is what counts.
        let frame = with.begin_frame(sent.node, bytes);
        for part in &sent.parts {
            if !self.take_back(token, part) {
                continue;
            }
            let Some(of) = self.tracks.get(&part.at).map(|track| track.of.clone()) else { continue };
            match response.topics.find(&of.topic, of.partition) {
                // An answer without the partition says nothing.
                None => self.note_trouble(now, part.at, FetchCause::Attempt(Cause::Incomplete)),
                Some(found) if found.error.is_ok() => self.take_set(with, now, frame, sent.node, part, found),
                Some(found) => self.take_code(now, sent.node, part, found.error),
            }
        }
        with.end_frame(frame);
        self.note_held(with, sent.node);
    }

    /// Takes an error code of one partition. What has no remedy ends the partition, everything else is waited out.
    fn take_code(&mut self, now: Instant, node: NodeId, part: &Wanted, code: ErrorCode) {
        let cause = FetchCause::Refused { node: Some(node), code };
        let Some(track) = self.tracks.get_mut(&part.at) else { return };
        let of = track.of.clone();
        match code {
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                let why = ResetCause::OutOfRange(part.offset);
                match self.terms.reset.start() {
                    Some(start) => {
                        // The end that was set stays: it is an offset by now.
                        track.restart(start);
                        track.settle();
                        // The offset that was found may be refused, too.
                        track.failures = track.resets;
                        track.resets = track.resets.saturating_add(1);
                        let is_first = track.failures == 0;
                        self.counts.resets += 1;
                        self.events.push_back(ConsumerEvent::Reset { partition: of, why });
                        self.unplace(part.at);
                        match is_first {
                            true => drop(self.to_look.insert(part.at)),
                            false => self.note_trouble(now, part.at, cause),
                        }
                    }
                    None => self.fail(part.at, FetchCause::Lost(why)),
                }
            }
            _ => {
                if code.next_step() == NextStep::RefreshMetadata {
                    self.cluster.note_stale(now, &of.topic);
                }
                self.note_trouble(now, part.at, cause);
            }
        }
    }

    /// Takes the set of one partition: delivers what is sound, and decides where to go on and how much to ask for.
    fn take_set(
        &mut self,
        with: &mut Assignment,
        now: Instant,
        frame: FrameId,
        node: NodeId,
        part: &Wanted,
        fetched: &FetchedPartition,
    ) {
        let at = part.at;
        let Some(track) = self.tracks.get_mut(&at) else { return };
        let Stage::Reading { until, .. } = track.stage else { return };
        let of = track.of.clone();
        let high_watermark = fetched.high_watermark;
        with.note_high_watermark(at, part.epoch, high_watermark);
        let is_second = track.doubt == Some(part.offset);
        let found = judge(&fetched.messages, part.offset, high_watermark, is_second);
        // It was asked for enough, so asking for more changes nothing.
        let is_cut = matches!(found, Found::TooSmall { needed: Some(needed) } if needed <= part.bytes);
        if !is_cut {
            // The broker is well, whatever the set is.
            track.settle();
            track.resets = 0;
        }
        self.to_ask.insert(node);
        if part.offset >= until.offset {
            // The log has the offset where reading was to start, and that is not in front of the end.
            return self.end(at, part.offset);
        }
        match found {
            Found::Set { len, behind, first, later, is_doubtful } => {
                track.doubt = None;
                // The next one may be as large. If nothing comes next, nothing is needed, or else it would keep room for ever.
                track.need = first.min(self.terms.max_fetch);
                if later > 0 {
                    let skipped = ConsumerEvent::Skipped { partition: of, from: part.offset, to: behind };
                    self.events.push_back(skipped);
                }
                let bytes = fetched.messages.bytes().slice(..len);
                let set = MessageSet::new(bytes, fetched.messages.origin());
                track.waiting += set.len();
                let end = until.offset;
                #[cfg(kafka08_canary)]
                let end = kafka08_proto::canary::EndsLate.pick(Offset(end.0.saturating_add(1)), end);
                let from = part.offset;
                let delivery = Delivery { set, frame, from, behind, until: end, high_watermark, is_doubtful };
                with.deliver(at, part.epoch, delivery);
                self.counts.bytes += u64::try_from(len).unwrap_or(0);
                self.go_on(now, at, behind, until, high_watermark);
            }
            Found::End => {
                track.need = 0;
                self.go_on(now, at, part.offset, until, high_watermark);
            }
            Found::Doubtful => track.doubt = Some(part.offset),
            Found::TooSmall { .. } if is_cut && is_second => {
                self.note_trouble(now, at, FetchCause::Attempt(Cause::Incomplete));
            }
            Found::TooSmall { .. } if is_cut => track.doubt = Some(part.offset),
            Found::TooSmall { needed } => self.ask_for_more(part, needed, is_second),
            Found::Hidden => {
                // No answer tells a batch that is too large from one that cannot be converted. Growing is tried first.
                let cap = self.terms.max_fetch;
                if part.bytes < cap {
                    // A batch of a later format may be larger than what was asked for.
                    track.need = part.bytes.saturating_mul(2).min(cap);
                } else if !is_second {
                    // Brokers read the high watermark last. What it is above now may have come since they read the log.
                    track.doubt = Some(part.offset);
                } else {
                    self.skip_one(now, at, part.offset, until, high_watermark);
                }
            }
            Found::Filler => self.skip_one(now, at, part.offset, until, high_watermark),
        }
    }

    /// What was asked for is less than the first message of a partition has.
    fn ask_for_more(&mut self, part: &Wanted, needed: Option<usize>, is_second: bool) {
        let Some(track) = self.tracks.get_mut(&part.at) else { return };
        let cap = self.terms.max_fetch;
        let more = needed.unwrap_or_else(|| part.bytes.saturating_mul(2)).max(part.bytes.saturating_add(1));
        let is_too_large = needed.is_some_and(|needed| needed > cap);
        if is_too_large && !is_second {
            // No checksum covers the size, so it is read once more.
            track.doubt = Some(part.offset);
        } else if is_too_large || part.bytes >= cap {
            self.fail(part.at, FetchCause::TooLarge { offset: part.offset, needed, cap });
        } else {
            track.need = more.min(cap);
        }
    }

    /// Goes on behind an offset of which the broker has nothing that can be read.
    fn skip_one(&mut self, now: Instant, at: PartitionIndex, from: Offset, until: Until, high_watermark: Offset) {
        let Some(track) = self.tracks.get(&at) else { return };
        let (partition, to) = (track.of.clone(), from.next());
        self.events.push_back(ConsumerEvent::Skipped { partition, from, to });
        self.go_on(now, at, to, until, high_watermark);
    }

    /// Goes on at an offset, or ends.
    fn go_on(&mut self, now: Instant, at: PartitionIndex, position: Offset, until: Until, high_watermark: Offset) {
        let Some(track) = self.tracks.get_mut(&at) else { return };
        track.stage = Stage::Reading { position, until };
        let is_short = until.was_there && high_watermark < until.offset && position >= high_watermark;
        let since = track.short_since;
        track.short_since = is_short.then(|| since.unwrap_or(now));
        let is_shorter = is_short && since.is_some_and(|since| now.saturating_duration_since(since) >= SHORT_FOR);
        // Never reached: an election has made the log shorter, and who waits for its old end would wait for ever.
        if position >= until.offset || is_shorter {
            self.end(at, position.min(until.offset));
        }
    }

    /// A partition has reached its end.
    pub(super) fn end(&mut self, at: PartitionIndex, position: Offset) {
        let Some(track) = self.tracks.get_mut(&at) else { return };
        let expected = match track.stage {
            Stage::Reading { until, .. } => until.offset,
            Stage::Starting(_) | Stage::Over => position,
        };
        let (partition, epoch) = (track.of.clone(), track.epoch);
        self.finish(at);
        self.returns.ended.push((at, epoch));
        self.events.push_back(ConsumerEvent::Ended { partition, at: position, expected });
    }

    /// A partition cannot be read any further.
    pub(super) fn fail(&mut self, at: PartitionIndex, cause: FetchCause) {
        let Some(track) = self.tracks.get(&at) else { return };
        let (partition, epoch) = (track.of.clone(), track.epoch);
        self.finish(at);
        self.returns.ended.push((at, epoch));
        #[cfg(kafka08_canary)]
        if kafka08_proto::canary::FailsTwice.is_planted() {
            self.events.push_back(ConsumerEvent::Failed { partition: partition.clone(), cause: cause.clone() });
        }
        self.events.push_back(ConsumerEvent::Failed { partition, cause });
    }

    pub(super) fn finish(&mut self, at: PartitionIndex) {
        if let Some(track) = self.tracks.get_mut(&at) {
            track.stage = Stage::Over;
            track.settle();
        }
        self.unplace(at);
    }

    /// A partition is asked of nobody.
    pub(super) fn unplace(&mut self, at: PartitionIndex) {
        let Some(track) = self.tracks.get_mut(&at) else { return };
        let leader = track.leader.take();
        track.asked = None;
        track.is_pausing = false;
        self.timers.set(Due::Again(at), None);
        self.timers.set(Due::Stalled(at), None);
        self.leave(leader, at);
    }

    /// An attempt has failed: the partition is asked for again after a pause.
    pub(super) fn note_trouble(&mut self, now: Instant, at: PartitionIndex, cause: FetchCause) {
        match cause.is_final() {
            true => self.fail(at, cause),
            false => self.pause_part(now, at, cause),
        }
    }

    /// Asks for a partition again after a pause.
    pub(super) fn pause_part(&mut self, now: Instant, at: PartitionIndex, cause: FetchCause) {
        self.set_trouble(now, now, at, cause);
        let backoff = self.terms.retry_backoff;
        let Some(track) = self.tracks.get_mut(&at) else { return };
        track.failures = track.failures.saturating_add(1);
        track.is_pausing = true;
        // Half of the wait is fixed, so that a broker that fails at once is not asked at once.
        let wait = backoff.wait_half(track.failures, &mut self.seed);
        self.timers.set(Due::Again(at), now.checked_add(wait));
    }

    /// Notes why a partition is not read, and since when, and tells it after a time.
    pub(super) fn set_trouble(&mut self, now: Instant, since: Instant, at: PartitionIndex, cause: FetchCause) {
        let Some(track) = self.tracks.get_mut(&at).filter(|track| track.stage != Stage::Over) else { return };
        match &mut track.trouble {
            // The time counts from the first failure, and the last one says most.
            Some(trouble) => trouble.cause = cause,
            None => {
                track.trouble = Some(Trouble { cause, since, is_told: false });
                let told_at = since.checked_add(self.terms.stall_after);
                self.timers.set(Due::Stalled(at), told_at.map(|told_at| told_at.max(now)));
            }
        }
    }

    /// Nothing has come of a partition for a time.
    pub(super) fn tell_stalled(&mut self, now: Instant, at: PartitionIndex) {
        let Some(track) = self.tracks.get_mut(&at) else { return };
        let Some(trouble) = track.trouble.as_mut().filter(|trouble| !trouble.is_told) else { return };
        trouble.is_told = true;
        let since = now.saturating_duration_since(trouble.since);
        let event = ConsumerEvent::Stalled { partition: track.of.clone(), cause: trouble.cause.clone(), since };
        self.events.push_back(event);
    }
}

impl FetchCause {
    /// Whether the same attempt would always fail.
    fn is_final(&self) -> bool {
        use kafka08_proto::connection::SendError;
        match self {
            Self::Attempt(Cause::NotSent(SendError::Prepare(_)) | Cause::Release { .. } | Cause::Closed) => true,
            // A later broker would answer in this way for ever: it cannot convert what it has, or has no such store.
            Self::Refused { code, .. } => {
                matches!(*code, ErrorCode::UNSUPPORTED_VERSION | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE)
            }
            _ => false,
        }
    }
}
