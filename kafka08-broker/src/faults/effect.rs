//! What a rule does to the requests that it selects.

use std::time::Duration;

use bytes::Bytes;
use kafka08_proto::error_code::ErrorCode;

use super::Lie;

/// How a connection ends, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The broker closes the connection. The client reads what was written, and then the end of the stream.
    Close,
    /// The broker resets the connection. The client may lose what was written and not read yet.
    Reset,
    /// The connection stays open, and nothing is written to it any more.
    Hang,
}

/// One thing that a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The selected partitions are not acted on and get the code.
    Refuse(ErrorCode),
    /// The request is acted on, and the selected partitions get the code.
    Answer(ErrorCode),
    /// The request is not acted on, and the connection ends so.
    Skip(Ending),
    /// The request is acted on, so many bytes of the answer are written, and the connection ends so.
    Cut { after: usize, then: Ending },
    /// The answer is written later.
    Delay(Duration),
    /// The answer is written in pieces.
    Trickle { bytes: usize, every: Duration },
    /// One byte of the frame is changed.
    Corrupt { at: usize, xor: u8 },
    /// The answer changes places with the next one.
    OutOfOrder,
    /// The answer is written twice.
    Twice,
    /// The answer has this correlation id.
    WrongId(i32),
    /// The correlation id of the answer is too high by this number.
    ShiftId(i32),
    /// These bytes are written instead of the answer.
    Raw(Bytes),
    /// Nothing is read from the connection after this request.
    StopReading,
    /// A produce with acks = 0 is answered.
    AnswerAcks0,
    /// A produce with acks = 0 that fails does not close the connection.
    KeepOpenOnAcks0,
    /// The answer lies.
    Lie(Lie),
    /// The answer lies in a way that is drawn for each answer.
    Hostile { seed: u64 },
}
