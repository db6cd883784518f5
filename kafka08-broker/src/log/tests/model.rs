//! A log does what a simple model of files does, whatever is done to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka08_proto::{
    ids::{Offset, Timestamp},
    profile::Profile,
};
use proptest::{collection::vec, option, prelude::*};

use super::rig::{Rig, all, entry, message, wrapper};
use crate::log::{Change, CompactError, Log, Rules, StoredSegment, entries};

/// A message to append: its key, and the length of its value or null.
type Sent = (Option<u8>, Option<usize>);

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<Sent>),
    Compressed(Vec<Sent>),
    /// Relative to the end.
    Truncate(i64),
    TruncateFully(i64),
    Retain(usize),
    Compact,
    DropOldest,
    /// A follower copies at most as many bytes.
    Follow(usize),
}

/// An entry of the model.
#[derive(Clone, Debug)]
struct Item {
    offset: i64,
    bytes: Vec<u8>,
    sent: Sent,
    is_compressed: bool,
}

/// Segments as files of entries. The key is the base offset.
struct Model {
    files: BTreeMap<i64, Vec<Item>>,
    start: i64,
    end: i64,
    compacted: i64,
    segment_bytes: usize,
}

fn size(items: &[Item]) -> usize {
    items.iter().map(|item| item.bytes.len()).sum()
}

fn encode(offset: i64, (key, value): Sent) -> Vec<u8> {
    let value = value.map(|len| vec![b'v'; len]);
    entry(offset, &message(0, 0, key.as_ref().map(std::slice::from_ref), value.as_deref()))
}

impl Model {
    fn active(&mut self) -> (i64, &mut Vec<Item>) {
        let (base, items) = self.files.iter_mut().next_back().unwrap();
        (*base, items)
    }

    fn append(&mut self, items: Vec<Item>) {
        let (limit, end) = (self.segment_bytes, self.end);
        let (_, active) = self.active();
        // The rule of 0.8.1, which has no limit on the size of a set.
        if !active.is_empty() && size(active) > limit {
            self.files.insert(end, Vec::new());
        }
        self.end = items.last().map_or(end, |item| item.offset + 1);
        self.active().1.extend(items);
    }

    fn truncate(&mut self, to: i64) {
        if to >= self.end {
            return;
        }
        if to < self.start {
            return self.truncate_fully(to);
        }
        self.files.retain(|&base, _| base <= to);
        self.active().1.retain(|item| item.offset < to);
        self.end = to;
        self.compacted = self.compacted.min(to);
    }

    fn truncate_fully(&mut self, at: i64) {
        self.files = BTreeMap::from([(at, Vec::new())]);
        (self.start, self.end, self.compacted) = (at, at, self.compacted.min(at));
    }

    fn retain(&mut self, max: usize) {
        while self.files.len() > 1 && self.files.values().skip(1).map(|items| size(items)).sum::<usize>() >= max {
            self.files.pop_first();
            self.start = *self.files.first_key_value().unwrap().0;
        }
    }

    fn compact(&mut self) -> Result<(), CompactError> {
        let (active, _) = self.active();
        let start = self.start;
        let mut last = BTreeMap::new();
        for item in self.files.range(..active).flat_map(|(_, items)| items).filter(|item| item.offset >= start) {
            if item.is_compressed {
                return Err(CompactError::Compressed(Offset(item.offset)));
            }
            let key = item.sent.0.ok_or(CompactError::Unkeyed(Offset(item.offset)))?;
            last.insert(key, item.offset);
        }
        let first = *self.files.first_key_value().unwrap().0;
        for items in self.files.range_mut(..active).map(|(_, items)| items) {
            items.retain(|item| {
                let is_last = item.sent.0.and_then(|key| last.get(&key)) == Some(&item.offset);
                is_last && (item.sent.1.is_some() || item.offset >= self.compacted)
            });
        }
        self.files.retain(|&base, items| base == first || base == active || !items.is_empty());
        self.compacted = active;
        Ok(())
    }

    /// What a read returns.
    fn read(&self, from: i64, max: usize, limit: i64) -> Vec<u8> {
        for items in self.files.values() {
            let found: Vec<_> = items.iter().filter(|item| item.offset >= from.max(self.start)).collect();
            if !found.is_empty() {
                let mut bytes: Vec<u8> =
                    found.iter().filter(|item| item.offset < limit).flat_map(|item| item.bytes.clone()).collect();
                bytes.truncate(max);
                return bytes;
            }
        }
        Vec::new()
    }

    fn bytes_from(&self, from: i64, limit: i64) -> usize {
        let items = self.files.values().flatten();
        items.filter(|item| (from.max(self.start)..limit).contains(&item.offset)).map(|item| item.bytes.len()).sum()
    }
}

/// The files that a storage would have.
#[derive(Default)]
struct Disk(BTreeMap<i64, Vec<u8>>);

impl Disk {
    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Append { base, bytes } => {
                    self.0.entry(base.0).or_default().extend_from_slice(&bytes.join());
                }
                Change::Roll { base } => assert_eq!(self.0.insert(base.0, Vec::new()), None),
                Change::Truncate { base, bytes } => {
                    let file = self.0.get_mut(&base.0).unwrap();
                    assert!(bytes <= file.len() as u64);
                    file.truncate(usize::try_from(bytes).unwrap());
                }
                Change::Delete { base } => assert!(self.0.remove(&base.0).is_some()),
                Change::Replace { base, bytes, .. } => {
                    *self.0.get_mut(&base.0).unwrap() = bytes.join().to_vec();
                }
            }
        }
    }

    /// A log that was read from the files.
    fn load(&self) -> Log {
        let segment = |(&base, bytes): (&i64, &Vec<u8>)| StoredSegment {
            base: Offset(base),
            modified: Timestamp(7),
            blocks: entries(bytes).map(|entry| Bytes::copy_from_slice(entry.bytes)).collect(),
        };
        Log::from_segments(self.0.iter().map(segment).collect(), Timestamp(8))
    }
}

/// The log, its model, its files and a follower.
struct World {
    rig: Rig,
    model: Model,
    disk: Disk,
    follower: Log,
    follower_rules: Rules,
    is_compacted: bool,
}

impl World {
    fn new(segment_bytes: usize) -> Self {
        let mut rig = Rig::new(Profile::V0_8_1);
        rig.rules.segment_bytes = segment_bytes;
        rig.log.record();
        let files = BTreeMap::from([(0, Vec::new())]);
        let follower_rules = Rules { segment_bytes: 500, ..rig.rules };
        Self {
            rig,
            model: Model { files, start: 0, end: 0, compacted: 0, segment_bytes },
            disk: Disk(BTreeMap::from([(0, Vec::new())])),
            follower: Log::new(Timestamp(0)),
            follower_rules,
            is_compacted: false,
        }
    }

    fn apply(&mut self, op: Op) {
        let Self { rig, model, follower, .. } = self;
        let now = Timestamp(2);
        match op {
            Op::Append(sent) => {
                let set: Vec<u8> = sent.iter().flat_map(|&sent| encode(-1, sent)).collect();
                rig.append(&set).unwrap();
                let item = |(n, &sent): (i64, _)| {
                    let offset = model.end + n;
                    Item { offset, bytes: encode(offset, sent), sent, is_compressed: false }
                };
                model.append((0..).zip(&sent).map(item).collect());
            }
            Op::Compressed(sent) => {
                let set: Vec<u8> = sent.iter().flat_map(|&sent| encode(-1, sent)).collect();
                rig.append(&wrapper(1, &set)).unwrap();
                let offset = rig.log.end().0 - 1;
                // The compressed bytes are tested elsewhere.
                let bytes = rig.log.read(Offset(offset), usize::MAX, Offset(i64::MAX)).unwrap().join().to_vec();
                model.append(vec![Item { offset, bytes, sent: (None, None), is_compressed: true }]);
                assert_eq!(offset + 1, rig.log.end().0);
            }
            Op::Truncate(back) => {
                let to = (model.end - back).max(0);
                rig.log.truncate(Offset(to), now);
                follower.truncate(Offset(to), now);
                model.truncate(to);
            }
            Op::TruncateFully(at) => {
                rig.log.truncate_fully(Offset(at), now);
                follower.truncate_fully(Offset(at), now);
                model.truncate_fully(at);
            }
            Op::Retain(max) => {
                let before = rig.log.bytes();
                let dropped = rig.log.retain(max);
                assert_eq!(before - dropped, rig.log.bytes());
                model.retain(max);
                model.start = model.start.max(rig.log.start().0);
            }
            Op::Compact => {
                self.is_compacted = true;
                let result = rig.log.compact();
                assert_eq!(result, model.compact());
            }
            Op::DropOldest => self.drop_oldest(),
            Op::Follow(max) => self.follow(max),
        }
        self.disk.apply(self.rig.log.take_changes());
    }

    /// What is dropped is the log's choice, but not all of it is.
    fn drop_oldest(&mut self) {
        let Self { rig, model, .. } = self;
        let (memory, start) = (rig.log.memory(), rig.log.start());
        let newest = model.files.values().flatten().last().map(|item| item.offset);
        let freed = rig.log.drop_oldest();
        assert_eq!(memory - freed, rig.log.memory());
        let left = model.files.values().flatten().filter(|item| item.offset >= start.0).count();
        assert_eq!(rig.log.start() > start, left > 1);
        assert!(newest.is_none_or(|newest| left == 0 || rig.log.start().0 <= newest));
        model.start = rig.log.start().0;
        while model.start > start.0
            && model.files.len() > 1
            && model.files.first_key_value().unwrap().1.iter().all(|item| item.offset < model.start)
        {
            model.files.pop_first();
        }
    }

    fn follow(&mut self, max: usize) {
        let Self { rig, follower, follower_rules, .. } = self;
        if follower.end() < rig.log.start() {
            follower.truncate_fully(rig.log.start(), Timestamp(3));
        }
        let (before, from) = (follower.bytes(), follower.end());
        let copied = follower.append_from(&rig.log, max, follower_rules, Timestamp(3));
        assert_eq!(follower.bytes() - before, copied);
        let first = rig.log.read(from, usize::MAX, Offset(i64::MAX)).unwrap().join();
        let first = entries(&first).next().map_or(0, |entry| entry.bytes.len());
        assert!(copied <= max.max(first), "{copied} of {max}");
        assert_eq!(copied == 0, first == 0 || max == 0);
    }

    /// Compares everything but the reads, and the reads from some offsets.
    fn check(&self, offsets: usize) {
        let Self { rig: Rig { log, .. }, model, disk, .. } = self;
        assert_eq!((log.start(), log.end()), (Offset(model.start), Offset(model.end)));
        assert_eq!(log.bytes(), model.bytes_from(i64::MIN, i64::MAX));
        let segments: Vec<_> = log.segments().map(|(base, _, bytes)| (base.0, bytes)).collect();
        let expected = model.files.iter().map(|(&base, items)| {
            let items: Vec<_> = items.iter().filter(|item| item.offset >= model.start).cloned().collect();
            (base.max(model.start), size(&items))
        });
        assert_eq!(segments, expected.collect::<Vec<_>>());
        let middle = (model.start + model.end) / 2;
        let step = (model.end - model.start) / i64::try_from(offsets).unwrap() + 1;
        for from in (model.start..model.end).step_by(usize::try_from(step).unwrap()).chain([model.end]) {
            for max in [0, 11, 200, usize::MAX] {
                for limit in [model.start, middle, model.end, i64::MAX] {
                    let read = log.read(Offset(from), max, Offset(limit)).unwrap();
                    assert_eq!(read.join(), model.read(from, max, limit), "{from} {max} {limit}");
                    assert_eq!(read.len(), read.join().len());
                    assert_eq!(log.bytes_from(Offset(from), Offset(limit)), model.bytes_from(from, limit));
                }
            }
        }
        for outside in [i64::MIN, model.start - 1, model.end + 1, i64::MAX] {
            assert!(log.read(Offset(outside), 1, Offset(i64::MAX)).is_err());
        }
        let files =
            model.files.iter().map(|(&base, items)| (base, items.iter().flat_map(|i| i.bytes.clone()).collect()));
        assert_eq!(disk.0, files.collect::<BTreeMap<i64, Vec<u8>>>());
    }

    /// A log that is read back from the files has the same entries.
    fn check_loaded(&self) {
        let (loaded, Self { rig, model, .. }) = (self.disk.load(), self);
        let mut stored = Vec::new();
        model.files.values().flatten().for_each(|item| stored.extend_from_slice(&item.bytes));
        assert_eq!(all(&loaded), stored);
        assert_eq!(loaded.segments().count(), rig.log.segments().count());
        // A log that was truncated inside a compressed entry has a gap at its end.
        assert!(loaded.end() <= rig.log.end());
    }

    /// A follower that has caught up has the same entries.
    fn check_follower(&mut self) {
        while {
            self.follow(100_000);
            self.follower.end() < self.rig.log.end()
        } {}
        let (leader, follower) = (&self.rig.log, &self.follower);
        assert_eq!(leader.end(), follower.end());
        // The follower may still have older entries.
        let common = follower.bytes_from(leader.start(), leader.end());
        if !self.is_compacted && follower.start() <= leader.start() {
            let (leader, follower) = (all(leader), all(follower));
            assert_eq!(leader.len(), common);
            assert!(follower.ends_with(&leader));
        }
    }
}

fn sent(is_keyed: bool) -> impl Strategy<Value = Vec<Sent>> {
    let key = if is_keyed { (0..4u8).prop_map(Some).boxed() } else { option::of(0..4u8).boxed() };
    let len = prop_oneof![30 => 0..40usize, 2 => 3_000..6_000usize, 1 => 60_000..70_000usize];
    vec((key, option::weighted(0.8, len)), 1..6)
}

fn op(is_keyed: bool) -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => sent(is_keyed).prop_map(Op::Append),
        if is_keyed { 0 } else { 2 } => sent(is_keyed).prop_map(Op::Compressed),
        2 => (-1..12i64).prop_map(Op::Truncate),
        1 => (0..50i64).prop_map(Op::TruncateFully),
        2 => (0..1000usize).prop_map(Op::Retain),
        2 => Just(Op::Compact),
        2 => Just(Op::DropOldest),
        4 => (0..1000usize).prop_map(Op::Follow),
        1 => Just(Op::Follow(200_000)),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    any::<bool>().prop_flat_map(|is_keyed| vec(op(is_keyed), 1..24))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_does_what_its_model_does(
        segment_bytes in prop_oneof![60..400usize, 400..200_000usize],
        ops in ops(),
    ) {
        let mut world = World::new(segment_bytes);
        for op in ops {
            world.apply(op);
            world.check(4);
        }
        world.check(1000);
        world.check_loaded();
        world.check_follower();
    }
}
