//! The files have what the log has, whatever is done to it.

use std::{collections::BTreeMap, fs, path::Path};

use kafka08_proto::ids::{Offset, Timestamp};
use proptest::{collection::vec, prelude::*};

use super::{Scratch, Stored};
use crate::log::{
    Log,
    tests::rig::{Rig, all, entry, message, plain, wrapper},
};

/// What is done to a stored log.
#[derive(Clone, Debug)]
enum Op {
    Append(Vec<usize>),
    Compressed,
    Truncate(i64),
    TruncateFully,
    Retain,
    Compact,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => vec(prop_oneof![5 => 0..60usize, 1 => 4000..6000usize], 1..8).prop_map(Op::Append),
        1 => Just(Op::Compressed),
        2 => (0..8i64).prop_map(Op::Truncate),
        1 => Just(Op::TruncateFully),
        1 => Just(Op::Retain),
        2 => Just(Op::Compact),
        2 => Just(Op::Reopen),
    ]
}

/// Checks each entry of each index.
fn check_indexes(dir: &Path) {
    for name in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        let Some(stem) = name.to_str().unwrap().strip_suffix(".index") else { continue };
        let base: i64 = Path::new(stem).file_name().unwrap().to_str().unwrap().parse().unwrap();
        let log = fs::read(format!("{stem}.log")).unwrap();
        let mut firsts = BTreeMap::new();
        let (mut at, mut next) = (0, base);
        for entry in crate::log::entries(&log) {
            firsts.insert(at, if entry.is_compressed() { next } else { entry.offset().0 });
            at += entry.bytes.len();
            next = entry.offset().0 + 1;
        }
        for entry in fs::read(&name).unwrap().chunks(8) {
            let field = |from: usize| i32::from_be_bytes(entry[from..from + 4].try_into().unwrap());
            let position = usize::try_from(field(4)).unwrap();
            assert_eq!(firsts.get(&position), Some(&(base + i64::from(field(0)))), "{}", name.display());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_files_follow_the_log(segment_bytes in 50..20_000usize, ops in vec(op(), 1..20)) {
        let scratch = Scratch::new();
        let mut stored = Stored::new(&scratch, segment_bytes);
        for op in ops {
            let Stored { rig, .. } = &mut stored;
            match op {
                Op::Append(lens) => {
                    let key = Some(&b"k"[..]);
                    let set = lens.iter().flat_map(|&len| {
                        entry(0, &message(0, 0, key, Some(&vec![b'v'; len])))
                    });
                    rig.rules.segment_bytes = segment_bytes.max(lens.iter().map(|len| len + 27).sum());
                    rig.append(&set.collect::<Vec<u8>>()).unwrap();
                }
                Op::Compressed => {
                    rig.rules.segment_bytes = segment_bytes.max(1000);
                    rig.append(&wrapper(1, &plain(0, b"a").repeat(3))).unwrap();
                }
                Op::Truncate(back) => rig.log.truncate(Offset((rig.log.end().0 - back).max(0)), Timestamp(1)),
                Op::TruncateFully => rig.log.truncate_fully(Offset(5), Timestamp(1)),
                Op::Retain => drop(rig.log.retain(1000)),
                Op::Compact => drop(rig.log.compact()),
                Op::Reopen => {
                    stored.store();
                    stored.dir.open.clear();
                }
            }
            stored.store();
            if scratch.0.join("t-0").exists() {
                check_indexes(&scratch.0.join("t-0"));
            }
        }
        stored.dir.flush().unwrap();
        let Stored { rig: Rig { log, .. }, dir, .. } = stored;
        drop(dir);
        let (_, mut loaded) = scratch.open();
        let loaded = loaded.pop().map_or_else(
            || Log::new(Timestamp(0)),
            |loaded| {
                assert!(loaded.torn.is_none());
                Log::from_segments(loaded.segments, Timestamp(0))
            },
        );
        prop_assert_eq!(all(&loaded), all(&log));
        let bases = |log: &Log| log.segments().map(|(base, _, bytes)| (base, bytes)).collect::<Vec<_>>();
        prop_assert_eq!(bases(&loaded), bases(&log));
    }
}
