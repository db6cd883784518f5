//! What is told where a codec's feature is off.
#![cfg(not(feature = "gzip"))]

use std::ops::ControlFlow;

use bytes::Bytes;
use kafka08_proto::{
    ids::Offset,
    message::{
        Budget, Codec, CompressError, Deflater, InflateProblem, Inflater, MessageProblem, MessageSet,
        MessageSetBuilder, MissingFeature, Opened, Origin,
    },
};

/// A wrapper at offset 0 that says gzip, around one byte.
fn wrapper() -> Bytes {
    // Magic, attributes, null key, value.
    let covered = [0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0x1f];
    [&[0; 8][..], &[0, 0, 0, 15], &crc32fast::hash(&covered).to_be_bytes(), &covered].concat().into()
}

#[test]
fn a_codec_that_this_build_lacks_is_told_by_its_name() {
    let set = MessageSet::new(wrapper(), Origin::Fetched);
    let mut told = Vec::new();
    set.for_each_message(Offset(0), &mut Inflater::new(), &mut Budget::new(100), |found| {
        told.extend(found.err().map(|error| error.problem));
        ControlFlow::Continue(())
    });
    let problem = InflateProblem::MissingFeature;
    assert_eq!(told, [MessageProblem::Inflate { codec: Codec::Gzip, problem }]);
    let produced =
        MessageSet::new(wrapper(), Origin::Produced).inspect(&mut Budget::new(100)).expect("not looked into");
    assert_eq!(produced.opened, Opened::NotAll);

    let mut builder = MessageSetBuilder::default();
    builder.push(None, Some(b"v")).expect("small");
    let refused = builder.take_compressed(Codec::Gzip, &mut Deflater::new());
    assert_eq!(refused, Err(CompressError::Missing(MissingFeature(Codec::Gzip))));
    assert_eq!(builder.take().len(), 27, "the messages are kept");
}
