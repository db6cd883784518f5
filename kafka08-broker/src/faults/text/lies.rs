//! The text form of lies: a name, and its parameters.

use std::{fmt, str::FromStr};

use super::words::{ParseRuleError, Phrase, Words, write_value};
use crate::faults::Lie;

impl Lie {
    fn name(&self) -> &'static str {
        match self {
            Self::LeaderMissing => "leader-missing",
            Self::LeaderMissingSilently => "leader-missing-silently",
            Self::LeaderNotListed => "leader-not-listed",
            Self::ReplicaNotListed => "replica-not-listed",
            Self::BrokerTwice => "broker-twice",
            Self::BrokersMissing => "brokers-missing",
            Self::TopicTwice => "topic-twice",
            Self::PartitionGap => "partition-gap",
            Self::PartitionNegative => "partition-negative",
            Self::ManyPartitions { .. } => "many-partitions",
            Self::Host { .. } => "host",
            Self::LongHost { .. } => "long-host",
            Self::HostWithNul => "host-with-nul",
            Self::Port { .. } => "port",
            Self::CoordinatorIdZero => "coordinator-id-zero",
            Self::Empty => "empty",
            Self::PartitionMissing => "partition-missing",
            Self::PartitionTwice => "partition-twice",
            Self::PartitionExtra => "partition-extra",
            Self::TopicWrong => "topic-wrong",
            Self::OffsetMissing => "offset-missing",
            Self::OffsetNegative => "offset-negative",
            Self::OffsetsEmpty => "offsets-empty",
            Self::HighWatermarkMissing => "high-watermark-missing",
            Self::OffsetRepeated => "offset-repeated",
            Self::OffsetsDescending => "offsets-descending",
            Self::OffsetBelowRequest => "offset-below-request",
            Self::OffsetAboveHighWatermark => "offset-above-high-watermark",
            Self::OffsetHighest => "offset-highest",
            Self::ZeroTail { .. } => "zero-tail",
            Self::EntrySize { .. } => "entry-size",
            Self::WrongCrc => "wrong-crc",
            Self::SetCut { .. } => "set-cut",
            Self::Magic { .. } => "magic",
            Self::Codec { .. } => "codec",
            Self::KeyLength { .. } => "key-length",
            Self::Nested { .. } => "nested",
            Self::GzipBomb { .. } => "gzip-bomb",
            Self::FrameLength { .. } => "frame-length",
            Self::IdNeverIssued => "id-never-issued",
            Self::IdOld => "id-old",
            Self::IdNext => "id-next",
            Self::IdZero => "id-zero",
            Self::Echo => "echo",
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Ssh => "ssh",
        }
    }
}

pub(in crate::faults) fn write_lie(lie: &Lie, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(lie.name())?;
    match lie {
        Lie::ManyPartitions { count } => write!(f, " count={count}"),
        Lie::Host { host } => {
            f.write_str(" host=")?;
            write_value(f, host)
        }
        Lie::LongHost { length } | Lie::ZeroTail { length } => write!(f, " length={length}"),
        Lie::Port { port } => write!(f, " port={port}"),
        Lie::EntrySize { size } => write!(f, " size={size}"),
        Lie::SetCut { keep } => write!(f, " keep={keep}"),
        Lie::Magic { magic } => write!(f, " magic={magic}"),
        Lie::Codec { codec } => write!(f, " codec={codec}"),
        Lie::KeyLength { length } | Lie::FrameLength { length } => write!(f, " length={length}"),
        Lie::Nested { depth } => write!(f, " depth={depth}"),
        Lie::GzipBomb { inflated } => write!(f, " inflated={inflated}"),
        _ => Ok(()),
    }
}

/// Reads the lie whose name is that of the phrase, and takes its parameters.
pub(super) fn parse_lie(phrase: &mut Phrase) -> Result<Lie, ParseRuleError> {
    // The list has a lie of each kind, so it also has each name.
    let same_name = Lie::ALL.into_iter().find(|lie| lie.name() == phrase.name);
    let lie = same_name.ok_or_else(|| ParseRuleError::new("no lie has this name", &phrase.name))?;
    Ok(match lie {
        Lie::ManyPartitions { .. } => Lie::ManyPartitions { count: phrase.need_as("count")? },
        Lie::Host { .. } => Lie::Host { host: phrase.need("host")?.into() },
        Lie::LongHost { .. } => Lie::LongHost { length: phrase.need_as("length")? },
        Lie::ZeroTail { .. } => Lie::ZeroTail { length: phrase.need_as("length")? },
        Lie::Port { .. } => Lie::Port { port: phrase.need_as("port")? },
        Lie::EntrySize { .. } => Lie::EntrySize { size: phrase.need_as("size")? },
        Lie::SetCut { .. } => Lie::SetCut { keep: phrase.need_as("keep")? },
        Lie::Magic { .. } => Lie::Magic { magic: phrase.need_as("magic")? },
        Lie::Codec { .. } => Lie::Codec { codec: phrase.need_as("codec")? },
        Lie::KeyLength { .. } => Lie::KeyLength { length: phrase.need_as("length")? },
        Lie::FrameLength { .. } => Lie::FrameLength { length: phrase.need_as("length")? },
        Lie::Nested { .. } => Lie::Nested { depth: phrase.need_as("depth")? },
        Lie::GzipBomb { .. } => Lie::GzipBomb { inflated: phrase.need_as("inflated")? },
        without_parameters => without_parameters,
    })
}

impl FromStr for Lie {
    type Err = ParseRuleError;
    fn from_str(text: &str) -> Result<Self, ParseRuleError> {
        let (mut phrase, end) = Words::new(text).phrase()?;
        if end.is_some() {
            return Err(ParseRuleError::new("this is more than one lie", text));
        }
        let lie = parse_lie(&mut phrase)?;
        phrase.finish()?;
        Ok(lie)
    }
}
