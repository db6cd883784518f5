//! The two files of a segment.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use kafka08_proto::ids::{Offset, Timestamp};

use super::{StorageError, error::Doing, meta::write_atomically, names};
use crate::log::{Pieces, entries};

/// The number of bytes between two entries of the index: Kafka's `log.index.interval.bytes`.
const INDEX_INTERVAL: u64 = 4096;
/// The size of an entry of the index, in bytes.
const INDEX_ENTRY: u64 = 8;

/// The paths of the log and of the index of a segment.
pub(super) fn paths(dir: &Path, base: Offset) -> [PathBuf; 2] {
    ["log", "index"].map(|extension| dir.join(names::segment(base)).with_extension(extension))
}

/// Deletes both files. A file that does not exist is no error.
pub(super) fn delete(dir: &Path, base: Offset) -> Result<(), StorageError> {
    // The log is deleted first. An index without a log is ignored, but a log without an index would be loaded.
    for path in paths(dir, base) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(StorageError::io(Doing::Remove, &path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Replaces the contents of both files. The log gets the time `modified`.
pub(super) fn replace(dir: &Path, base: Offset, modified: Timestamp, pieces: &Pieces) -> Result<(), StorageError> {
    let [log, index] = paths(dir, base);
    let mut plan = Index::new(base);
    let mut new = Vec::new();
    for piece in pieces.iter() {
        plan.pass(piece, &mut new);
    }
    // An index that is missing or too short is extended when the segment is opened. An old index would be wrong.
    fs::remove_file(&index)
        .or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
        .map_err(|error| StorageError::io(Doing::Remove, &index, error))?;
    write_atomically(&log, pieces.iter().map(|piece| &piece[..]))?;
    // ListOffsets looks up times in the times of the files.
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(modified.0).unwrap_or(0));
    let set = File::options().write(true).open(&log).and_then(|file| file.set_modified(time));
    set.map_err(|error| StorageError::io(Doing::Write, &log, error))?;
    write_atomically(&index, [&new[..]])
}

/// Where the entries of an index go.
#[derive(Debug)]
pub(super) struct Index {
    base: Offset,
    /// The length of the log up to here, in bytes.
    len: u64,
    /// The number of bytes since the last entry of the index.
    since: u64,
    /// The offset behind the last entry of the log.
    next: Offset,
}

impl Index {
    /// Creates an index of an empty segment.
    pub(super) fn new(base: Offset) -> Self {
        Self { base, len: 0, since: 0, next: base }
    }

    /// The length of the log up to here, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Passes over complete entries of the log, and appends the entries of the index to `to`.
    pub(super) fn pass(&mut self, bytes: &[u8], to: &mut Vec<u8>) {
        for entry in entries(bytes) {
            if self.since > INDEX_INTERVAL {
                // A compressed entry is found under its first message, but has the offset of its last one. Its messages
                // have consecutive offsets, because only logs without compressed entries can be compacted.
                let first = if entry.is_compressed() { self.next } else { entry.offset() };
                if let (Ok(offset), Ok(position)) = (i32::try_from(first.0 - self.base.0), i32::try_from(self.len)) {
                    to.extend_from_slice(&offset.to_be_bytes());
                    to.extend_from_slice(&position.to_be_bytes());
                    self.since = 0;
                }
            }
            self.len += entry.bytes.len() as u64;
            self.since += entry.bytes.len() as u64;
            self.next = entry.offset().next();
        }
    }
}

/// The open files of a segment.
#[derive(Debug)]
pub(super) struct SegmentFile {
    dir: PathBuf,
    log: File,
    index_file: File,
    index: Index,
}

impl SegmentFile {
    /// Opens both files at their ends. Creates them if they do not exist.
    pub(super) fn open(dir: &Path, base: Offset) -> Result<Self, StorageError> {
        let [log, index] = paths(dir, base);
        let open = |path: &Path| {
            let file = File::options().create(true).truncate(false).read(true).write(true).open(path);
            file.map_err(|error| StorageError::io(Doing::Create, path, error))
        };
        let mut file =
            Self { dir: dir.to_owned(), log: open(&log)?, index_file: open(&index)?, index: Index::new(base) };
        file.find_end()?;
        Ok(file)
    }

    /// Reads the end of the log from the last entry of the index on, and moves both files to their ends.
    fn find_end(&mut self) -> Result<(), StorageError> {
        let [log, index] = paths(&self.dir, self.index.base);
        let entries = self.index_file.metadata().map_or(0, |meta| meta.len() / INDEX_ENTRY);
        let read = |error| StorageError::io(Doing::Read, &index, error);
        self.index.since = 0;
        if let Some(last) = entries.checked_sub(1) {
            let mut entry = [0; 8];
            self.index_file.seek(SeekFrom::Start(last * INDEX_ENTRY)).map_err(read)?;
            self.index_file.read_exact(&mut entry).map_err(read)?;
            let [o0, o1, o2, o3, p0, p1, p2, p3] = entry;
            self.index.next = Offset(self.index.base.0.saturating_add(i32::from_be_bytes([o0, o1, o2, o3]).into()));
            self.index.len = u64::try_from(i32::from_be_bytes([p0, p1, p2, p3])).unwrap_or(0);
        }
        self.index_file.seek(SeekFrom::Start(entries * INDEX_ENTRY)).map_err(read)?;
        let mut rest = Vec::new();
        self.log
            .seek(SeekFrom::Start(self.index.len))
            .and_then(|_| self.log.read_to_end(&mut rest))
            .map_err(|error| StorageError::io(Doing::Read, &log, error))?;
        let mut missing = Vec::new();
        self.index.pass(&rest, &mut missing);
        self.write_index(&missing)?;
        // An append that failed earlier may have left a part of an entry.
        self.log
            .set_len(self.index.len)
            .and_then(|()| self.log.seek(SeekFrom::Start(self.index.len)))
            .map(|_| ())
            .map_err(|error| StorageError::io(Doing::Write, &log, error))
    }

    /// Appends complete entries.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let [path, _] = paths(&self.dir, self.index.base);
        self.log.write_all(bytes).map_err(|error| StorageError::io(Doing::Write, &path, error))?;
        let mut new = Vec::new();
        self.index.pass(bytes, &mut new);
        self.write_index(&new)
    }

    fn write_index(&mut self, entries: &[u8]) -> Result<(), StorageError> {
        if entries.is_empty() {
            return Ok(());
        }
        let [_, path] = paths(&self.dir, self.index.base);
        self.index_file.write_all(entries).map_err(|error| StorageError::io(Doing::Write, &path, error))
    }

    /// Shortens the log to `len` bytes.
    pub(super) fn truncate(&mut self, len: u64) -> Result<(), StorageError> {
        let [log, index] = paths(&self.dir, self.index.base);
        // The index is built again by `find_end`. Truncation is rare.
        self.index_file.set_len(0).map_err(|error| StorageError::io(Doing::Write, &index, error))?;
        self.log.set_len(len).map_err(|error| StorageError::io(Doing::Write, &log, error))?;
        self.index = Index::new(self.index.base);
        self.find_end()
    }
}
