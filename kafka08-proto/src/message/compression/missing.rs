//! The replacement for a codec whose crate feature is not enabled.

use super::{InflateProblem, Output};

#[derive(Default)]
pub(super) struct Inflate;

#[derive(Default)]
pub(super) struct Deflate;

impl Inflate {
    #[expect(clippy::unused_self, reason = "the codecs that this stands in for keep state")]
    pub(super) fn inflate(&mut self, _: &[u8], _: &mut Output) -> Result<(), InflateProblem> {
        Err(InflateProblem::MissingFeature)
    }
}

impl Deflate {
    #[expect(clippy::unused_self, reason = "the codecs that this stands in for keep state")]
    pub(super) fn deflate(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
