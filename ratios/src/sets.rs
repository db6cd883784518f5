//! C2: whole message sets, beside records without reports.

use kafka08_proto::message::{MessageSet, MessageSetBuilder};

use crate::{
    floor,
    librdkafka::{self, Reports},
    measure::{Per, Race, Ratio, Result},
    on_blocking, on_tokio,
    peer::Kind,
};

/// The size of a set in bytes, at most. It fits the second level of a processor's cache.
const SET: usize = 256 << 10;
/// Sets that may be without an outcome.
pub(crate) const WINDOW: usize = 8;
/// Bytes of an entry besides its value.
const ENTRY: usize = 26;
/// Title, size of a value, sets of one run, and the goal.
const CASES: [(&str, usize, usize, f64); 2] = [("sets 100 B", 100, 500, 6.0), ("sets 1 KiB", 1024, 1_200, 3.5)];

/// Makes sets, or gives out the same one.
pub(crate) enum Source {
    Made { builder: MessageSetBuilder, value: Vec<u8>, records: usize },
    Kept(MessageSet),
}

impl Source {
    pub(crate) fn made(value: &[u8], records: usize) -> Self {
        Self::Made { builder: MessageSet::builder(), value: value.to_vec(), records }
    }

    fn kept(value: &[u8], records: usize) -> Result<Self> {
        Ok(Self::Kept(Self::made(value, records).next()?))
    }

    pub(crate) fn next(&mut self) -> Result<MessageSet> {
        match self {
            Self::Made { builder, value, records } => {
                for _ in 0..*records {
                    builder.push(None, Some(value))?;
                }
                Ok(builder.take())
            }
            Self::Kept(set) => Ok(set.clone()),
        }
    }
}

/// The number of records of a set.
pub(crate) fn each(value: usize) -> usize {
    SET / (value + ENTRY)
}

pub(crate) fn run() -> Result<()> {
    for (title, bytes, sets, goal) in CASES {
        let value = vec![b'v'; bytes];
        let value = value.as_slice();
        let each = each(bytes);
        let records = sets * each;
        let made = || Source::made(value, each);
        let kept = || Source::kept(value, each);
        let ratio = |of, goal| Ratio { of, to: "librdkafka", per: Per::CpuSecond, goal };
        Race::new(title, "records")
            .lane("librdkafka", Kind::Broker, 0, |address| librdkafka::produce(address, records, bytes, Reports::None))
            .lane("tokio, built", Kind::Broker, 0, |address| on_tokio::sets(address, sets, each, made()))
            .lane("tokio, as it is", Kind::Broker, 0, |address| on_tokio::sets(address, sets, each, kept()?))
            .lane("blocking, built", Kind::Broker, 0, |address| on_blocking::sets(address, sets, each, made()))
            .lane("blocking, as it is", Kind::Broker, 0, |address| on_blocking::sets(address, sets, each, kept()?))
            .lane("floor", Kind::Broker, 0, |address| floor::sets(address, sets, each, &kept()?.next()?))
            .run(&[
                ratio("floor", None),
                ratio("tokio, built", Some(goal)),
                ratio("blocking, built", Some(goal)),
                ratio("tokio, as it is", Some(goal)),
                ratio("blocking, as it is", Some(goal)),
            ])?;
    }
    Ok(())
}
