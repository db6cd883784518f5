//! Reads the logs at the start, and removes what an interrupted append has left.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use kafka08_proto::ids::{Offset, PartitionId, Timestamp};

use super::{
    StorageError,
    error::Doing,
    names,
    segment::{self, Index},
};
use crate::log::{BLOCK, HEADER, Next, RawEntry, StoredSegment};

/// The log of one partition.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The topic.
    pub(crate) topic: String,
    /// The partition.
    pub(crate) partition: PartitionId,
    /// The segments, in the order of their offsets.
    pub(crate) segments: Vec<StoredSegment>,
    /// What was removed from the end of the log.
    pub(crate) torn: Option<TornTail>,
}

/// An interrupted append has left incomplete or damaged bytes at the end of a log. They were removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TornTail {
    /// The file.
    pub(crate) path: PathBuf,
    /// The length that remains, in bytes.
    pub(crate) kept: u64,
    /// The number of bytes that were removed.
    pub(crate) removed: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kept, removed } = self;
        write!(
            f,
            "removed {removed} bytes from the end of {}, because an append was interrupted: the {kept} bytes before them \
             are complete messages",
            path.display()
        )
    }
}

/// Reads all partitions, ordered by the names of their directories.
pub(super) fn partitions(root: &Path, unflushed: &mut BTreeSet<PathBuf>) -> Result<Vec<Loaded>, StorageError> {
    let mut loaded = Vec::new();
    for name in names_in(root)? {
        let Some((topic, partition)) = names::parse_partition_dir(&name) else { continue };
        let dir = root.join(&name);
        if dir.is_dir() {
            let (segments, torn) = segments(&dir, unflushed)?;
            loaded.push(Loaded { topic: topic.to_owned(), partition, segments, torn });
        }
    }
    Ok(loaded)
}

/// The names in a directory, in order. A name that is not UTF-8 is none of ours.
fn names_in(dir: &Path) -> Result<BTreeSet<String>, StorageError> {
    let read = |error| StorageError::io(Doing::Read, dir, error);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(read)? {
        names.extend(entry.map_err(read)?.file_name().into_string());
    }
    Ok(names)
}

/// Reads the segments of a partition.
fn segments(
    dir: &Path,
    unflushed: &mut BTreeSet<PathBuf>,
) -> Result<(Vec<StoredSegment>, Option<TornTail>), StorageError> {
    let bases: Vec<Offset> = names_in(dir)?.iter().filter_map(|name| names::parse_log(name)).collect();
    let mut segments = Vec::new();
    let mut torn = None;
    for &base in &bases {
        let [path, index] = segment::paths(dir, base);
        let read = |error| StorageError::io(Doing::Read, &path, error);
        let mut file = File::options().read(true).write(true).open(&path).map_err(read)?;
        let meta = file.metadata().map_err(read)?;
        let modified = meta.modified().map_or(Timestamp(0), timestamp);
        // The end of the last segment was written last, so only this segment can have an incomplete entry.
        let is_last = Some(&base) == bases.last();
        let Contents { blocks, index: plan, entries } = read_entries(&mut file, base, is_last).map_err(read)?;
        if plan.len() < meta.len() {
            if !is_last {
                return Err(StorageError::Damaged { path, at: plan.len() });
            }
            file.set_len(plan.len()).map_err(|error| StorageError::io(Doing::Write, &path, error))?;
            torn = Some(TornTail { kept: plan.len(), removed: meta.len() - plan.len(), path: path.clone() });
            unflushed.insert(path.clone());
        }
        // The index is small and exactly known now, so a missing, old or preallocated one is replaced.
        if fs::read(&index).ok().as_ref() != Some(&entries) {
            fs::write(&index, &entries).map_err(|error| StorageError::io(Doing::Write, &index, error))?;
            unflushed.insert(index);
        }
        segments.push(StoredSegment { base, modified, blocks });
    }
    Ok((segments, torn))
}

/// What was read from the file of a segment.
struct Contents {
    /// The complete entries, in blocks of at most `BLOCK` bytes or of one entry.
    blocks: Vec<Bytes>,
    /// The index, which has passed over all of them.
    index: Index,
    /// The entries of the index.
    entries: Vec<u8>,
}

/// Reads entries up to the end, or to the first one that is not valid.
fn read_entries(file: &mut impl Read, base: Offset, verify: bool) -> std::io::Result<Contents> {
    let mut contents = Contents { blocks: Vec::new(), index: Index::new(base), entries: Vec::new() };
    let mut wanted = BLOCK as u64;
    let mut buffer = Vec::new();
    let mut next = base;
    loop {
        let read = file.by_ref().take(wanted).read_to_end(&mut buffer)?;
        let (len, needed) = valid(&buffer, &mut next, verify);
        if len > 0 {
            let rest = buffer.split_off(len);
            buffer.shrink_to_fit();
            contents.index.pass(&buffer, &mut contents.entries);
            contents.blocks.push(Bytes::from(std::mem::replace(&mut buffer, rest)));
        }
        // `None` stands for an entry that can never become valid.
        let Some(needed) = needed else { return Ok(contents) };
        if read == 0 {
            return Ok(contents);
        }
        // At most a block, unless the next entry is larger.
        wanted = (BLOCK.max(needed) - buffer.len()) as u64;
    }
}

/// The length of the valid entries at the start of `bytes`, and the size of the incomplete one after them. `None` if the
/// entry after them is not valid.
fn valid(bytes: &[u8], next: &mut Offset, verify: bool) -> (usize, Option<usize>) {
    let mut len = 0;
    loop {
        let rest = bytes.get(len..).unwrap_or_default();
        let entry = match RawEntry::first_of(rest) {
            Next::Entry(entry) => entry,
            Next::End => {
                let size = rest.get(8..).and_then(|rest| rest.first_chunk::<4>());
                let size = size.map_or(0, |size| usize::try_from(i32::from_be_bytes(*size)).unwrap_or(0));
                return (len, Some(HEADER + size));
            }
            Next::BadSize => return (len, None),
        };
        let (stored, covered) = entry.checksum();
        // Zeros from a crash of the machine have an impossible size. Other remains have a wrong checksum.
        if entry.offset() < *next || verify && crc32fast::hash(covered) != stored {
            return (len, None);
        }
        *next = entry.offset().next();
        len += entry.bytes.len();
    }
}

/// The time in milliseconds since the epoch.
fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
