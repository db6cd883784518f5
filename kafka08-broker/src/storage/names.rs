//! The names of files and directories. A name from the network becomes a path only here.

use std::path::PathBuf;

use kafka08_proto::{
    api::check_topic_name,
    ids::{Offset, PartitionId},
};

use super::StorageError;

/// The directory of a partition, relative to the data directory. It is always one component.
// The characters of a topic exclude separators, and the number at the end excludes the names `.` and `..`.
pub(super) fn partition_dir(topic: &str, partition: PartitionId) -> Result<PathBuf, StorageError> {
    check_topic_name(topic).map_err(|problem| StorageError::Topic { topic: topic.to_owned(), problem })?;
    if partition.0 < 0 {
        return Err(StorageError::Partition(partition));
    }
    Ok(PathBuf::from(format!("{topic}-{partition}")))
}

/// The topic and partition of a directory, if it has the name of a partition.
pub(super) fn parse_partition_dir(name: &str) -> Option<(&str, PartitionId)> {
    let (topic, partition) = name.rsplit_once('-')?;
    let partition = PartitionId(partition.parse().ok()?);
    // The comparison excludes other spellings of the number, such as `t-00`, which would be the same partition twice.
    partition_dir(topic, partition).is_ok_and(|dir| dir.as_os_str() == name).then_some((topic, partition))
}

/// The name of a segment's file, without the extension: the base offset with 20 digits.
pub(super) fn segment(base: Offset) -> String {
    format!("{:020}", base.0)
}

/// The base offset of the file of a segment, if `name` is the name of a `.log` file.
pub(super) fn parse_log(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(".log")?;
    let is_base = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_base.then(|| digits.parse().ok().map(Offset)).flatten()
}
