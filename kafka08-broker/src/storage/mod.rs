//! The data directory of a broker: the logs as files in the layout of Kafka 0.8, and one small file for everything else.
//!
//! ```text
//! .lock                                     held while a process uses the directory
//! kafka08-broker.meta                       lines of the broker: topics, committed offsets
//! t-0/00000000000000000000.log              the message set of a segment, and nothing else
//! t-0/00000000000000000000.index            offset: i32 (relative to the name), position: i32, about every 4 KiB
//! ```
//!
//! The log decides what is stored, see [`Change`]. This module only follows.
// Source of the layout: `Log`, `OffsetIndex` and `LogManager` of 0.8.2. `kafka.tools.DumpLogSegments` reads the files.

mod error;
mod load;
mod meta;
mod names;
mod segment;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use kafka08_proto::ids::{Offset, PartitionId};

#[cfg(test)]
pub(crate) use self::load::TornTail;
use self::{error::Doing, segment::SegmentFile};
pub(crate) use self::{error::StorageError, load::Loaded};
use crate::log::Change;

/// The maximum number of segments whose files are open. Each has two files.
const MAX_OPEN: usize = 64;

/// The directory in which a broker keeps its logs. Dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
    /// The operating system releases the lock when this file is closed.
    _lock: File,
    /// The open segments. The one that was used last is at the end.
    open: Vec<OpenSegment>,
    /// Files and directories that were written since the last flush.
    unflushed: BTreeSet<PathBuf>,
    meta: Vec<String>,
}

/// A segment whose files are open.
#[derive(Debug)]
struct OpenSegment {
    /// The directory of its partition.
    dir: PathBuf,
    base: Offset,
    file: SegmentFile,
}

impl DataDir {
    /// Opens a data directory, and reads all logs into memory. Creates the directory if it does not exist.
    ///
    /// Directories with other names than those of partitions are ignored, as a real broker's checkpoint files are.
    ///
    /// # Errors
    /// Returns an error if another process uses the directory, or if something in it cannot be read. Nothing is changed
    /// then, except for incomplete entries at the ends of logs that were already removed.
    pub(crate) fn open(root: &Path) -> Result<(Self, Vec<Loaded>), StorageError> {
        fs::create_dir_all(root).map_err(|error| StorageError::io(Doing::Create, root, error))?;
        let lock = lock(root)?;
        let mut dir = Self {
            root: root.to_owned(),
            _lock: lock,
            open: Vec::new(),
            unflushed: BTreeSet::new(),
            meta: meta::read(root)?,
        };
        let loaded = load::partitions(root, &mut dir.unflushed)?;
        Ok((dir, loaded))
    }

    /// The lines that [`DataDir::write_meta`] has written, perhaps in an earlier process.
    pub(crate) fn meta(&self) -> &[String] {
        &self.meta
    }

    /// Replaces the lines. After a crash, either the old or the new lines are there.
    ///
    /// # Errors
    /// Returns an error if a line has a line break, or if the file cannot be written. The old lines remain.
    pub(crate) fn write_meta(&mut self, lines: &[String]) -> Result<(), StorageError> {
        meta::write(&self.root, lines)?;
        self.meta = lines.to_vec();
        Ok(())
    }

    /// Makes the changes of one log, in order.
    ///
    /// # Errors
    /// Returns an error if the topic's name is not allowed, or if a file cannot be written. The files then have a part of
    /// the changes. A real broker stops.
    pub(crate) fn apply(
        &mut self,
        topic: &str,
        partition: PartitionId,
        changes: Vec<Change>,
    ) -> Result<(), StorageError> {
        let dir = self.root.join(names::partition_dir(topic, partition)?);
        for change in changes {
            if let Err(error) = self.apply_one(&dir, change) {
                // A file may have a part of an entry now. It is looked for when the file is opened again.
                self.open.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    fn apply_one(&mut self, dir: &Path, change: Change) -> Result<(), StorageError> {
        match change {
            Change::Append { base, bytes } => {
                let file = self.segment(dir, base)?;
                for piece in bytes {
                    file.append(&piece)?;
                }
            }
            Change::Roll { base } => {
                self.segment(dir, base)?;
            }
            Change::Truncate { base, bytes } => self.segment(dir, base)?.truncate(bytes)?,
            Change::Delete { base } => {
                self.close(dir, base);
                segment::delete(dir, base)?;
                for path in segment::paths(dir, base) {
                    self.unflushed.remove(&path);
                }
                self.unflushed.insert(dir.to_owned());
            }
            Change::Replace { base, modified, bytes } => {
                self.close(dir, base);
                segment::replace(dir, base, modified, &bytes)?;
                self.written(dir, base);
            }
        }
        Ok(())
    }

    /// Removes a partition with all its files. Does nothing if it has none.
    ///
    /// # Errors
    /// Returns an error if the topic's name is not allowed, or if a file cannot be removed.
    pub(crate) fn remove(&mut self, topic: &str, partition: PartitionId) -> Result<(), StorageError> {
        let dir = self.root.join(names::partition_dir(topic, partition)?);
        self.open.retain(|open| open.dir != dir);
        self.unflushed.retain(|path| !path.starts_with(&dir));
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StorageError::io(Doing::Remove, &dir, error))
            }
            _ => {
                self.unflushed.insert(self.root.clone());
                Ok(())
            }
        }
    }

    /// Waits until everything that was written is on the disk. Without it, a crash of the process loses nothing, but a
    /// crash of the machine does.
    ///
    /// # Errors
    /// Returns an error if the operating system could not write. Data that was reported as written may be lost then.
    pub(crate) fn flush(&mut self) -> Result<(), StorageError> {
        while let Some(path) = self.unflushed.first() {
            // Any handle of a file flushes the writes of all of them, so the number of open files stays small.
            let flushed = File::open(path).and_then(|file| file.sync_all());
            flushed.map_err(|error| StorageError::io(Doing::Write, path, error))?;
            self.unflushed.pop_first();
        }
        Ok(())
    }

    /// Returns a segment for writing. Creates its files and the directory of its partition if they do not exist.
    fn segment(&mut self, dir: &Path, base: Offset) -> Result<&mut SegmentFile, StorageError> {
        let open = self.open.iter().rposition(|open| open.base == base && open.dir == dir);
        let open = if let Some(index) = open {
            self.open.remove(index)
        } else {
            // The first one was not used for the longest time. Its data is with the operating system already.
            if self.open.len() >= MAX_OPEN {
                self.open.remove(0);
            }
            if !dir.exists() {
                fs::create_dir(dir).map_err(|error| StorageError::io(Doing::Create, dir, error))?;
                self.unflushed.insert(self.root.clone());
            }
            OpenSegment { dir: dir.to_owned(), base, file: SegmentFile::open(dir, base)? }
        };
        self.written(dir, base);
        self.open.push(open);
        let open = self.open.last_mut().expect("it was just added");
        Ok(&mut open.file)
    }

    fn close(&mut self, dir: &Path, base: Offset) {
        self.open.retain(|open| open.base != base || open.dir != dir);
    }

    fn written(&mut self, dir: &Path, base: Offset) {
        self.unflushed.extend(segment::paths(dir, base));
        self.unflushed.insert(dir.to_owned());
    }
}

/// Locks the directory for this process.
fn lock(root: &Path) -> Result<File, StorageError> {
    let path = root.join(".lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| StorageError::io(Doing::Create, &path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked { dir: root.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StorageError::io(Doing::Lock, &path, error)),
    }
}
