//! Tests of the data directory, in real directories.

mod following;

use std::{
    fs,
    path::{Component, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use kafka08_proto::{
    ids::{Offset, PartitionId, Timestamp},
    profile::Profile,
};
use proptest::prelude::*;

use super::{DataDir, Loaded, MAX_OPEN, StorageError, TornTail, names};
use crate::log::{
    Change, Log, Pieces,
    tests::rig::{Rig, all, bytes, entry, hex, message, plain, wrapper},
};

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("kafka08-broker-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> (DataDir, Vec<Loaded>) {
        DataDir::open(&self.0).unwrap()
    }

    /// Opens the directory, and returns its only log.
    fn load(&self) -> (DataDir, Log, Loaded) {
        let (dir, mut loaded) = self.open();
        let loaded = (loaded.len() == 1).then(|| loaded.remove(0)).unwrap();
        (dir, Log::from_segments(loaded.segments.clone(), Timestamp(0)), loaded)
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.0.join(file)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const LOG: &str = "t-0/00000000000000000000.log";
const INDEX: &str = "t-0/00000000000000000000.index";

/// A log whose changes go to `t-0`.
struct Stored {
    rig: Rig,
    dir: DataDir,
}

impl Stored {
    fn new(scratch: &Scratch, segment_bytes: usize) -> Self {
        let mut rig = Rig::new(Profile::V0_8_2);
        rig.rules.segment_bytes = segment_bytes;
        rig.log.record();
        Self { rig, dir: scratch.open().0 }
    }

    fn append(&mut self, set: &[u8]) {
        self.rig.append(set).unwrap();
        self.store();
    }

    fn store(&mut self) {
        let changes = self.rig.log.take_changes();
        self.dir.apply("t", PartitionId(0), changes).unwrap();
    }
}

fn append_change(set: &[u8]) -> Vec<Change> {
    let mut pieces = Pieces::default();
    pieces.push(Bytes::copy_from_slice(set));
    vec![Change::Append { base: Offset(0), bytes: pieces }]
}

#[test]
fn a_segment_is_the_message_set_and_nothing_else() {
    let scratch = Scratch::new();
    let mut stored = Stored::new(&scratch, 1 << 20);
    // Key "k", value "v".
    stored.append(&bytes("0000000000000063 00000010 1fecd70a 00 00 00000001 6b 00000001 76"));
    stored.append(&bytes("0000000000000063 00000010 1fecd70a 00 00 00000001 6b 00000001 76"));
    let expected = "
        0000000000000000 00000010 1fecd70a 00 00 00000001 6b 00000001 76
        0000000000000001 00000010 1fecd70a 00 00 00000001 6b 00000001 76
    ";
    assert_eq!(hex(&scratch.read(LOG)), hex(&bytes(expected)));
    assert_eq!(scratch.read(INDEX), b"");
}

#[test]
fn the_index_has_an_entry_after_each_4096_bytes() {
    let scratch = Scratch::new();
    let mut stored = Stored::new(&scratch, 1 << 20);
    for _ in 0..10 {
        stored.append(&plain(0, &[0; 1000]));
    }
    let index = "
        00000004 00001008 -- offset 4 at 4 * 1026
        00000008 00002010 -- offset 8 at 8 * 1026
    ";
    assert_eq!(hex(&scratch.read(INDEX)), hex(&bytes(index)));
    // A compressed set is found under its first message.
    stored.append(&wrapper(1, &[plain(0, b"a"), plain(0, b"b")].concat()));
    stored.append(&plain(0, &[0; 2000]));
    stored.append(&wrapper(1, &[plain(0, b"a"), plain(0, b"b")].concat()));
    let position = stored.rig.log.bytes_from(Offset(0), Offset(13));
    let index = format!("{} 0000000d {position:08x} -- offset 13, the first of 13 and 14", hex(&bytes(index)));
    assert_eq!(hex(&scratch.read(INDEX)), hex(&bytes(&index)));
}

#[test]
fn segments_are_named_by_their_base_offset_with_20_digits() {
    let scratch = Scratch::new();
    let mut stored = Stored::new(&scratch, 30);
    for _ in 0..3 {
        stored.append(&plain(0, b"a"));
    }
    let names: Vec<_> = ["00000000000000000000", "00000000000000000001", "00000000000000000002"]
        .iter()
        .flat_map(|base| [format!("{base}.index"), format!("{base}.log")])
        .collect();
    let mut found: Vec<_> = fs::read_dir(scratch.0.join("t-0"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, names);
    drop(stored);
    let (_, log, _) = scratch.load();
    let bases: Vec<_> = log.segments().map(|(base, _, bytes)| (base.0, bytes)).collect();
    assert_eq!(bases, [(0, 27), (1, 27), (2, 27)]);
}

#[test]
fn an_incomplete_or_damaged_entry_at_the_end_is_removed_with_a_message() {
    let whole = [plain(0, b"first"), plain(1, b"second")].concat();
    let mut remains: Vec<Vec<u8>> = (32..whole.len()).map(|len| whole[..len].to_vec()).collect();
    remains.push([&whole[..31], &[0; 100]].concat());
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    remains.push(flipped);
    // An offset below the one before.
    remains.push([&whole[..31], &plain(0, b"again")[..]].concat());
    for remains in remains {
        let scratch = Scratch::new();
        drop(scratch.open());
        fs::create_dir(scratch.0.join("t-0")).unwrap();
        fs::write(scratch.0.join(LOG), &remains).unwrap();
        let (_dir, log, loaded) = scratch.load();
        assert_eq!((&loaded.topic[..], loaded.partition), ("t", PartitionId(0)));
        assert_eq!((log.end(), all(&log)), (Offset(1), whole[..31].to_vec()));
        assert_eq!(scratch.read(LOG), whole[..31]);
        let torn = loaded.torn.unwrap();
        let removed = remains.len() as u64 - 31;
        assert_eq!(torn, TornTail { path: scratch.0.join(LOG), kept: 31, removed });
        let expected = format!(
            "removed {removed} bytes from the end of {}, because an append was interrupted: the 31 bytes before them are \
             complete messages",
            scratch.0.join(LOG).display()
        );
        assert_eq!(torn.to_string(), expected);
    }
}

#[test]
fn an_incomplete_entry_before_another_segment_is_an_error_that_names_the_file() {
    let scratch = Scratch::new();
    let mut stored = Stored::new(&scratch, 30);
    stored.append(&plain(0, b"a"));
    stored.append(&plain(0, b"b"));
    drop(stored);
    let path = scratch.0.join(LOG);
    fs::write(&path, &plain(0, b"a")[..20]).unwrap();
    let error = DataDir::open(&scratch.0).unwrap_err();
    assert!(matches!(&error, StorageError::Damaged { path: found, at: 0 } if *found == path), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()));
    assert_eq!(scratch.read(LOG).len(), 20, "nothing is removed");
}

#[test]
fn a_large_entry_is_read_back_and_blocks_stay_small() {
    let scratch = Scratch::new();
    let mut stored = Stored::new(&scratch, 1 << 20);
    let sets = [plain(0, &[1; 300_000]), plain(0, b"a").repeat(5000), plain(0, &[2; 70_000])];
    sets.iter().for_each(|set| stored.append(set));
    let expected = all(&stored.rig.log);
    drop(stored);
    let (_, log, loaded) = scratch.load();
    assert_eq!(all(&log), expected);
    assert!(loaded.torn.is_none());
    let lens: Vec<_> = loaded.segments[0].blocks.iter().map(Bytes::len).collect();
    assert!(lens.iter().all(|&len| len <= 64 << 10 || len == 300_026 || len == 70_026), "{lens:?}");
    assert!(log.memory() < expected.len() * 11 / 10);
}

#[test]
fn two_processes_cannot_share_a_directory() {
    let scratch = Scratch::new();
    let first = scratch.open();
    let error = DataDir::open(&scratch.0).unwrap_err();
    assert!(matches!(error, StorageError::Locked { .. }));
    let expected = format!(
        "another process uses the data directory {}: stop that process, or choose another directory",
        scratch.0.display()
    );
    assert_eq!(error.to_string(), expected);
    drop(first);
    scratch.open();
}

#[test]
fn the_lines_of_the_broker_survive() {
    let scratch = Scratch::new();
    let lines = ["offset g t 0 7".to_owned(), String::new(), "ü \r".to_owned()];
    let (mut dir, _) = scratch.open();
    assert_eq!(dir.meta(), [""; 0]);
    dir.write_meta(&lines).unwrap();
    dir.write_meta(&["another".to_owned()]).unwrap();
    dir.write_meta(&lines).unwrap();
    assert!(matches!(dir.write_meta(&["two\nlines".to_owned()]), Err(StorageError::Line { .. })));
    assert_eq!(dir.meta(), lines);
    drop(dir);
    let (mut dir, _) = scratch.open();
    assert_eq!(dir.meta(), lines);
    dir.write_meta(&[]).unwrap();
    drop(dir);
    assert_eq!(scratch.open().0.meta(), [""; 0]);
    for foreign in ["", "kafka08-broker 2\n", "kafka08-broker 1", "something\nelse\n"] {
        fs::write(scratch.0.join("kafka08-broker.meta"), foreign).unwrap();
        assert!(matches!(DataDir::open(&scratch.0), Err(StorageError::Meta { .. })), "{foreign:?}");
    }
}

#[test]
fn other_directories_and_files_are_ignored() {
    let scratch = Scratch::new();
    let mut stored = Stored::new(&scratch, 30);
    stored.append(&plain(0, b"a"));
    drop(stored);
    for other in ["t-00", "t-", "t", "-0", "a b-0", "t-0x", "t-2147483648", "lost+found"] {
        fs::create_dir(scratch.0.join(other)).unwrap();
    }
    fs::write(scratch.0.join("u-0"), "a file").unwrap();
    for other in ["1.log", "00000000000000000001.log.tmp", "0000000000000000000a.log", "99999999999999999999.log"] {
        fs::write(scratch.0.join("t-0").join(other), "other").unwrap();
    }
    let (_, log, _) = scratch.load();
    assert_eq!(log.bytes(), 27);
}

#[test]
fn an_index_that_is_missing_or_of_another_program_is_written_anew() {
    let scratch = Scratch::new();
    let mut stored = Stored::new(&scratch, 1 << 20);
    stored.append(&plain(0, &[0; 1000]).repeat(10));
    drop(stored);
    let index = scratch.read(INDEX);
    assert_eq!(index.len(), 16);
    // A running broker of Kafka has reserved the size of the index.
    for other in [None, Some([&index[..], &[0; 1000]].concat()), Some(vec![1; 7])] {
        match other {
            None => fs::remove_file(scratch.0.join(INDEX)).unwrap(),
            Some(other) => fs::write(scratch.0.join(INDEX), other).unwrap(),
        }
        scratch.open();
        assert_eq!(scratch.read(INDEX), index);
    }
}

#[test]
fn a_part_of_an_entry_that_a_failed_append_left_is_overwritten() {
    let scratch = Scratch::new();
    let (mut dir, _) = scratch.open();
    dir.apply("t", PartitionId(0), append_change(&plain(0, b"a"))).unwrap();
    dir.open.clear();
    let log = scratch.read(LOG);
    fs::write(scratch.0.join(LOG), [&log[..], &plain(1, &[b'b'; 100])[..90]].concat()).unwrap();
    dir.apply("t", PartitionId(0), append_change(&plain(1, b"c"))).unwrap();
    assert_eq!(scratch.read(LOG), [plain(0, b"a"), plain(1, b"c")].concat());
}

#[test]
fn a_bounded_number_of_files_is_open_whatever_the_number_of_partitions() {
    let scratch = Scratch::new();
    let (mut dir, _) = scratch.open();
    for round in 0..2 {
        for partition in 0..150 {
            dir.apply("t", PartitionId(partition), append_change(&plain(round, b"a"))).unwrap();
            assert!(dir.open.len() <= MAX_OPEN);
        }
    }
    dir.flush().unwrap();
    assert!(dir.unflushed.is_empty());
    drop(dir);
    let (_, loaded) = scratch.open();
    assert_eq!(loaded.len(), 150);
    for loaded in loaded {
        let log = Log::from_segments(loaded.segments, Timestamp(0));
        assert_eq!(all(&log), [plain(0, b"a"), plain(1, b"a")].concat());
    }
}

#[test]
fn a_compacted_segment_keeps_the_time_of_its_last_append() {
    let scratch = Scratch::new();
    let mut stored = Stored::new(&scratch, 1000);
    let keyed = entry(0, &message(0, 0, Some(b"k"), Some(&[0; 400])));
    for _ in 0..3 {
        stored.append(&keyed);
    }
    stored.rig.log.compact().unwrap();
    stored.store();
    let times: Vec<_> = stored.rig.log.segments().map(|(base, modified, _)| (base, modified)).collect();
    drop(stored);
    let (_, log, loaded) = scratch.load();
    assert_eq!(log.bytes(), 2 * keyed.len(), "one in the first segment, and one in the active one");
    assert_eq!((loaded.segments[0].base, loaded.segments[0].modified), times[0]);
}

#[test]
fn a_removed_partition_is_gone() {
    let scratch = Scratch::new();
    let mut stored = Stored::new(&scratch, 30);
    stored.append(&plain(0, b"a"));
    stored.dir.remove("t", PartitionId(0)).unwrap();
    stored.dir.remove("t", PartitionId(0)).unwrap();
    stored.dir.flush().unwrap();
    drop(stored);
    assert_eq!(scratch.open().1.len(), 0);
}

#[test]
fn names_that_are_not_allowed_touch_no_file() {
    let scratch = Scratch::new();
    let (mut dir, _) = scratch.open();
    for topic in ["", ".", "..", "../up", "a/b", "a\\b", "/etc", "a\0b", &"x".repeat(256), "ü"] {
        let error = dir.apply(topic, PartitionId(0), append_change(&plain(0, b"a"))).unwrap_err();
        assert!(matches!(error, StorageError::Topic { .. }), "{topic:?}");
        assert!(dir.remove(topic, PartitionId(0)).is_err());
    }
    let error = dir.apply("t", PartitionId(-1), append_change(&plain(0, b"a"))).unwrap_err();
    assert_eq!(error.to_string(), "partition -1 cannot be stored: partitions are numbered from 0");
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "only the lock");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_topic_is_one_component_below_the_directory_or_refused(topic in "[./\\\\a-]{0,6}|\\PC{0,8}", partition: i32) {
        if let Ok(dir) = names::partition_dir(&topic, PartitionId(partition)) {
            let components: Vec<_> = dir.components().collect();
            prop_assert_eq!(&components[..], [Component::Normal(dir.as_os_str())]);
            let name = dir.to_str().unwrap();
            prop_assert_eq!(names::parse_partition_dir(name), Some((&topic[..], PartitionId(partition))));
        }
    }
}
