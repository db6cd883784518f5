//! The steps in which an answer is written.
//!
//! Steps are data for the connection that executes them. This file knows neither time nor sockets, so the order of steps is
//! tested without either.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka08_proto::{
    api::Encode as _,
    error_code::ErrorCode,
    ids::{CorrelationId, Offset},
    wire::Encoder,
};

use super::{
    Plan,
    effect::Ending,
    plan::{Copies, FrameEdit},
};
use crate::wire::{Answer, Produced, frame, group};

/// One step of writing an answer. The broker executes them in order, and finishes the request after the last one unless
/// that is an end of the connection or [`Step::Hang`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write the bytes as they are.
    Write(Bytes),
    /// Go on after this time.
    Wait(Duration),
    /// Finish the request, and write the bytes after the next answer of the connection.
    HoldForNext(Bytes),
    /// Read nothing more from the connection.
    StopReading,
    /// Close the connection after what was written.
    Close,
    /// Reset the connection.
    Reset,
    /// Never finish the request. The connection stays open.
    Hang,
}

impl From<Ending> for Step {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Close => Self::Close,
            Ending::Reset => Self::Reset,
            Ending::Hang => Self::Hang,
        }
    }
}

/// The pieces in which a frame is written at most. Without a bound a large frame would become millions of steps.
const PIECES: usize = 10_000;

/// The steps of a request that is not acted on.
pub(crate) fn deliver_skipped(plan: &Plan) -> Vec<Step> {
    let mut steps = Vec::new();
    if !plan.delay.is_zero() {
        steps.push(Step::Wait(plan.delay));
    }
    steps.extend(plan.skip.map(Step::from));
    steps
}

/// The steps of a request that has no answer. There are none if the plan changes nothing.
pub(crate) fn deliver_nothing(plan: &Plan, correlation_id: CorrelationId) -> Vec<Step> {
    deliver(
        plan,
        correlation_id,
        if plan.answers_acks_0 { answer_of_acks_0(plan, correlation_id) } else { Bytes::new() },
    )
}

/// The steps of an answer, whose frame includes its length and its correlation id.
///
/// In this order: the pause; the changes of the frame, in the order of the rules; the second copy; the cut; then the
/// pieces, or the wait for the next answer; then the end. A cut or pieces rule out the wait for the next answer.
pub(crate) fn deliver(plan: &Plan, correlation_id: CorrelationId, frame: Bytes) -> Vec<Step> {
    let mut steps = Vec::new();
    // First, because a later step may wait, and nothing may be read meanwhile.
    if plan.stops_reading {
        steps.push(Step::StopReading);
    }
    if !plan.delay.is_zero() {
        steps.push(Step::Wait(plan.delay));
    }
    // The copy comes before the cut, so that a cut can fall into the copy.
    let mut bytes = change(plan, correlation_id, frame);
    if plan.copies == Copies::Two {
        bytes = [bytes.clone(), bytes].concat().into();
    }
    if let Some((after, _)) = plan.cut {
        bytes.truncate(after);
    }
    // A request without an answer has nothing that could change places with the next one.
    if plan.holds_back() && !bytes.is_empty() {
        steps.push(Step::HoldForNext(bytes));
        return steps;
    }
    write(plan, bytes, &mut steps);
    steps.extend(plan.cut.map(|(_, then)| Step::from(then)));
    steps
}

/// Writes the bytes, in pieces if the plan says so. Nothing is written if there are none.
fn write(plan: &Plan, mut bytes: Bytes, steps: &mut Vec<Step>) {
    if let Some((size, every)) = plan.trickle {
        // A piece of no bytes would never end.
        let size = size.max(1);
        for _ in 1..PIECES {
            if bytes.len() <= size {
                break;
            }
            steps.extend([Step::Write(bytes.split_to(size)), Step::Wait(every)]);
        }
    }
    if !bytes.is_empty() {
        steps.push(Step::Write(bytes));
    }
}

/// Changes the bytes of a frame. A change of bytes that the frame does not have does nothing.
fn change(plan: &Plan, correlation_id: CorrelationId, frame: Bytes) -> Bytes {
    if plan.frame.is_empty() {
        return frame;
    }
    let mut bytes = BytesMut::from(frame);
    for edit in &plan.frame {
        match edit {
            FrameEdit::Length(length) => put(&mut bytes, 0, *length),
            FrameEdit::Id(id) => put(&mut bytes, 4, *id),
            FrameEdit::ShiftId(by) => put(&mut bytes, 4, correlation_id.0.wrapping_add(*by)),
            FrameEdit::FlipId => put(&mut bytes, 4, correlation_id.0 ^ i32::MIN),
            FrameEdit::Corrupt { at, xor } => {
                if let Some(byte) = bytes.get_mut(*at) {
                    *byte ^= xor;
                }
            }
            FrameEdit::Replace(other) => bytes = BytesMut::from(other.as_ref()),
        }
    }
    bytes.freeze()
}

fn put(bytes: &mut BytesMut, at: usize, number: i32) {
    if let Some(field) = bytes.get_mut(at..at + 4) {
        field.copy_from_slice(&number.to_be_bytes());
    }
}

fn answer_of_acks_0(plan: &Plan, correlation_id: CorrelationId) -> Bytes {
    let produced = Produced { error: ErrorCode::NONE, offset: Offset(0) };
    let mut answer = Answer::Produce(group(plan.asked.keys().map(|place| (place.clone(), produced))));
    // Codes and lies of other rules change this answer as they change any other.
    super::apply(plan, &mut answer);
    let mut encoder = Encoder::new();
    if answer.encode(&mut encoder).is_err() {
        return Bytes::new();
    }
    frame(correlation_id, &encoder.into_bytes())
}
