//! Errors of the data directory.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use kafka08_proto::{api::NameProblem, ids::PartitionId};

/// The data directory cannot be used.
#[derive(Debug)]
pub(crate) enum StorageError {
    /// The operating system reported an error.
    Io {
        /// What was attempted.
        doing: Doing,
        /// The file or directory.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// Another process uses the directory.
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// A topic with this name cannot have a directory.
    Topic {
        /// The name.
        topic: String,
        /// The problem.
        problem: NameProblem,
    },
    /// A partition with this number cannot have a directory.
    Partition(PartitionId),
    /// A segment that is not the last one of its partition is not a message set.
    Damaged {
        /// The file.
        path: PathBuf,
        /// The position of the first entry that cannot be read, in bytes.
        at: u64,
    },
    /// The file with the broker's lines has another format.
    Meta {
        /// The file.
        path: PathBuf,
    },
    /// A line for the file of the broker contains a line break.
    Line {
        /// The line.
        line: String,
    },
}

/// What was attempted with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Create a file or directory.
    Create,
    /// Lock a file.
    Lock,
    /// Read a file or directory.
    Read,
    /// Write a file.
    Write,
    /// Remove a file or directory.
    Remove,
}

impl StorageError {
    pub(super) fn io(doing: Doing, path: &Path, error: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), error }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, .. } => {
                let doing = match doing {
                    Doing::Create => "create",
                    Doing::Lock => "lock",
                    Doing::Read => "read",
                    Doing::Write => "write",
                    Doing::Remove => "remove",
                };
                write!(f, "cannot {doing} {}: check its permissions and the free space of its disk", path.display())
            }
            Self::Locked { dir } => write!(
                f,
                "another process uses the data directory {}: stop that process, or choose another directory",
                dir.display()
            ),
            Self::Topic { topic, .. } => write!(f, "the topic {topic:?} cannot be stored under its name"),
            Self::Partition(partition) => {
                write!(f, "partition {partition} cannot be stored: partitions are numbered from 0")
            }
            Self::Damaged { path, at } => write!(
                f,
                "{} has no valid message at byte {at}, and later messages follow in other files: restore the file, or \
                 move the directory of the partition away to start without its messages",
                path.display()
            ),
            Self::Meta { path } => write!(
                f,
                "{} was not written by this version of the broker: use the version that wrote it, or move the file away \
                 to lose the committed offsets",
                path.display()
            ),
            Self::Line { line } => write!(f, "the line {line:?} contains a line break"),
        }
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            Self::Topic { problem, .. } => Some(problem),
            _ => None,
        }
    }
}
