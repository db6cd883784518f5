//! What outlives a restart, besides the logs: topics, and the offsets in ZooKeeper. They are lines of text.

use std::{collections::BTreeMap, fmt::Write as _};

use kafka08_proto::ids::{NodeId, Offset, PartitionId, Text};

use super::Cluster;
use crate::{
    groups::OffsetKey,
    state::{Now, StorageAction, StoredLog, is_valid_name},
};

/// The replicas of each partition of a topic.
type Assignment = Vec<Vec<NodeId>>;

impl Cluster {
    /// Notes what a storage must do from now on.
    pub(crate) fn record(&mut self) {
        self.state.record();
    }

    /// Takes what a storage must do since the last call.
    pub(crate) fn take_storage_actions(&mut self) -> Vec<StorageAction> {
        self.state.take_storage_actions()
    }

    /// A number that changes when [`Cluster::meta`] may have changed.
    pub(crate) fn meta_version(&self) -> (u64, u64) {
        (self.state.topics.version(), self.zookeeper.version())
    }

    /// The lines that [`Cluster::restore`] reads.
    pub(crate) fn meta(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, assignment) in self.state.assignments() {
            let of_partition =
                |nodes: &Vec<NodeId>| nodes.iter().map(|node| node.0.to_string()).collect::<Vec<_>>().join(",");
            let partitions: Vec<String> = assignment.iter().map(of_partition).collect();
            lines.push(format!("topic {} {}", name.as_str(), partitions.join(" ")));
        }
        for (key, offset) in self.zookeeper.iter() {
            let (group, topic) = (escaped(&key.group), escaped(&key.topic));
            lines.push(format!("offset {group} {topic} {} {}", key.partition.0, offset.0));
        }
        lines
    }

    /// Puts back what a storage has kept. Topics that only have logs, because they are of a real broker, are found too. Lines
    /// that cannot be read are left out.
    pub(crate) fn restore(&mut self, meta: &[String], logs: Vec<StoredLog>, now: Now) {
        let mut topics: BTreeMap<Text, Assignment> = BTreeMap::new();
        for line in meta {
            match line.split_once(' ') {
                Some(("topic", rest)) => topics.extend(read_topic(rest)),
                Some(("offset", rest)) => {
                    if let Some((key, offset)) = read_offset(rest) {
                        self.zookeeper.put(key, offset);
                    }
                }
                _ => {}
            }
        }
        for log in &logs {
            if !is_valid_name(&log.topic) {
                continue;
            }
            // The bound keeps a folder with an absurd number from creating millions of partitions.
            let Ok(number) = usize::try_from(log.partition.0) else { continue };
            let assignment = topics.entry(log.topic.clone()).or_default();
            if assignment.len() <= number && number < usize::from(u16::MAX) {
                assignment.resize(number + 1, vec![log.node]);
            }
        }
        // The configuration may have fewer brokers than the one that wrote the files.
        let known: Vec<NodeId> = self.state.nodes.keys().copied().collect();
        let topics: Vec<(Text, Assignment)> =
            topics.into_iter().map(|(name, assignment)| (name, on_known(assignment, &known))).collect();
        self.state.restore(&topics, logs, now);
        self.settle(now);
    }
}

/// Leaves out replicas on brokers that are not there any more.
fn on_known(assignment: Assignment, known: &[NodeId]) -> Assignment {
    let of_partition = |nodes: Vec<NodeId>| {
        let nodes: Vec<NodeId> = nodes.into_iter().filter(|node| known.contains(node)).collect();
        if nodes.is_empty() { known.first().copied().into_iter().collect() } else { nodes }
    };
    assignment.into_iter().map(of_partition).collect()
}

fn read_topic(rest: &str) -> Option<(Text, Assignment)> {
    let (name, partitions) = rest.split_once(' ')?;
    let nodes = |text: &str| text.split(',').map(|node| node.parse().ok().map(NodeId)).collect::<Option<Vec<_>>>();
    let assignment = partitions.split(' ').map(nodes).collect::<Option<Vec<_>>>()?;
    is_valid_name(name).then(|| (Text::from(name), assignment))
}

fn read_offset(rest: &str) -> Option<(OffsetKey, Offset)> {
    let fields: Vec<&str> = rest.split(' ').collect();
    let [group, topic, partition, offset] = fields[..] else { return None };
    let key = OffsetKey {
        group: Text::from(unescaped(group)?),
        topic: Text::from(unescaped(topic)?),
        partition: PartitionId(partition.parse().ok()?),
    };
    Some((key, Offset(offset.parse().ok()?)))
}

/// A name in which every byte that could end a field or a line stands as `%` and two digits.
fn escaped(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(char::from(byte));
        } else {
            // A String takes what is written to it.
            let _ = write!(text, "%{byte:02x}");
        }
        text
    })
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        bytes.push(u8::from_str_radix(behind.get(..2)?, 16).ok()?);
        rest = behind.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_with_any_characters_comes_back() {
        for group in ["g", "", "a b\nc%20", "märz\u{1b}", "%"] {
            let line = format!("{} t 3 -7", escaped(group));
            let (key, offset) = read_offset(&line).expect("it was written here");
            assert_eq!((key.group.as_str(), key.partition, offset), (group, PartitionId(3), Offset(-7)));
            assert!(!line.contains('\n'));
        }
    }

    #[test]
    fn a_line_that_is_damaged_is_left_out() {
        for line in ["", "g t 3", "g t 3 x", "%zz t 3 1", "% t 3 1", "g t 3 1 5"] {
            assert!(read_offset(line).is_none(), "{line:?}");
        }
        for line in ["", "t", "t ", "t 1,x", "../t 1", "t 1 "] {
            assert!(read_topic(line).is_none(), "{line:?}");
        }
        assert_eq!(read_topic("t 1,2 2"), Some((Text::from("t"), vec![vec![NodeId(1), NodeId(2)], vec![NodeId(2)]])));
    }
}
