//! Plain sets: reading and writing.

use std::{hint::black_box, ops::ControlFlow, rc::Rc};

use bytes::{Bytes, BytesMut};
use crc32fast::Hasher;
use kafka08_proto::{
    ids::Offset,
    message::{Budget, Entry, EntryWriter, Inflater, Message, MessageSet, MessageSetBuilder},
};

use crate::{Case, floor};

pub(crate) fn cases() -> Vec<Case> {
    [("100 B", 100, 1000), ("1 KiB", 1024, 120), ("10 KiB", 10_240, 12)]
        .into_iter()
        .flat_map(|(name, len, count)| {
            [reading(name, len, count), sharing(name, len, count), writing(name, len, count)]
        })
        .flatten()
        .collect()
}

/// Values that do not repeat.
fn values(len: usize, count: usize) -> Vec<Vec<u8>> {
    let mut state = 1u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| (0..len).map(|_| next()).collect()).collect()
}

fn set(len: usize, count: usize) -> MessageSet {
    let mut builder = MessageSetBuilder::fetched_from(Offset(0));
    values(len, count).iter().for_each(|value| builder.push(None, Some(value)).expect("small"));
    builder.build()
}

/// What a reader does with a message here: needs the offset and the length of each part.
#[inline(always)]
fn look(offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
    let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    offset.cast_unsigned().wrapping_add(len(key) as u64).wrapping_add(len(value) as u64)
}

fn reading(name: &str, len: usize, count: usize) -> Vec<Case> {
    let set = Rc::new(set(len, count));
    let units = count as u64;
    let floor_name = format!("read {name}: hand-written loop");
    let crc_name = format!("read {name}: CRC alone");
    let (for_crc, for_floor, for_entries, for_visitor) = (set.clone(), set.clone(), set.clone(), set);
    let (crc, hasher) = (Hasher::new(), Hasher::new());
    vec![
        Case::new(&crc_name, units, move || floor::crc_alone(for_crc.bytes(), 26 + len, &crc)),
        Case::new(&floor_name, units, move || {
            let mut sum = 0u64;
            let sound = floor::walk(for_floor.bytes(), &hasher, |(offset, key, value)| {
                sum = sum.wrapping_add(look(offset, key, value));
            });
            assert!(sound);
            sum
        })
        .beside(&crc_name, 1.09),
        Case::new(format!("read {name}: entries"), units, move || {
            let mut sum = 0u64;
            for entry in for_entries.entries() {
                match entry {
                    Ok(Entry::Plain(Message { offset, key, value, .. })) => {
                        sum = sum.wrapping_add(look(offset.0, key, value));
                    }
                    _ => panic!("every message is plain and sound"),
                }
            }
            sum
        })
        .beside(&floor_name, 1.05),
        Case::new(format!("read {name}: for_each_message"), units, visitor(for_visitor)).beside(&floor_name, 1.05),
    ]
}

fn visitor(set: Rc<MessageSet>) -> impl FnMut() -> u64 {
    let mut inflater = Inflater::new();
    move || {
        let mut sum = 0u64;
        let visit = set.for_each_message(Offset(0), &mut inflater, &mut Budget::new(0), |found| {
            let message = found.expect("a sound set");
            sum = sum.wrapping_add(look(message.offset.0, message.key, message.value));
            ControlFlow::Continue(())
        });
        sum.wrapping_add(visit.position.0.unsigned_abs())
    }
}

/// The same with a `Bytes` for each value.
fn sharing(name: &str, len: usize, count: usize) -> Vec<Case> {
    let set = Rc::new(set(len, count));
    let units = count as u64;
    let floor_name = format!("share {name}: hand-written loop");
    let (for_floor, for_entries) = (set.clone(), set);
    let hasher = Hasher::new();
    vec![
        Case::new(&floor_name, units, move || {
            let mut sum = 0u64;
            let sound = floor::walk(for_floor.bytes(), &hasher, |(offset, key, value)| {
                let value = for_floor.bytes().slice_ref(value.unwrap_or_default());
                sum = sum.wrapping_add(look(offset, key, Some(&value)));
                black_box(&value);
            });
            assert!(sound);
            sum
        }),
        Case::new(format!("share {name}: entries"), units, move || {
            let mut sum = 0u64;
            for entry in for_entries.entries() {
                match entry {
                    Ok(Entry::Plain(Message { offset, key, value, .. })) => {
                        let value = shared(&for_entries, value.unwrap_or_default());
                        sum = sum.wrapping_add(look(offset.0, key, Some(&value)));
                        black_box(&value);
                    }
                    _ => panic!("every message is plain and sound"),
                }
            }
            sum
        })
        .beside(&floor_name, 1.05),
    ]
}

fn shared(set: &MessageSet, part: &[u8]) -> Bytes {
    set.share(part)
}

fn writing(name: &str, len: usize, count: usize) -> Vec<Case> {
    let values = Rc::new(values(len, count));
    let units = count as u64;
    let floor_name = format!("write {name}: hand-written encoder");
    let (for_floor, for_fresh, for_reused, for_writer) = (values.clone(), values.clone(), values.clone(), values);
    let capacity = count * (26 + len);
    let mut reused = MessageSetBuilder::with_capacity(capacity);
    let (mut writer, mut written) = (EntryWriter::new(), BytesMut::with_capacity(capacity));
    let mut buffer = Vec::with_capacity(capacity);
    vec![
        Case::new(&floor_name, units, move || {
            buffer.clear();
            floor::encode(&mut buffer, &for_floor);
            black_box(&buffer).len() as u64
        }),
        Case::new(format!("write {name}: fresh builder"), units, move || {
            let mut builder = MessageSetBuilder::with_capacity(capacity);
            for_fresh.iter().for_each(|value| builder.push(None, Some(value)).expect("small"));
            black_box(builder.build()).len() as u64
        })
        .beside(&floor_name, 1.10),
        Case::new(format!("write {name}: builder used again"), units, move || {
            for_reused.iter().for_each(|value| reused.push(None, Some(value)).expect("small"));
            black_box(reused.take()).len() as u64
        })
        .beside(&floor_name, 1.10),
        Case::new(format!("write {name}: EntryWriter"), units, move || {
            written.clear();
            for (offset, value) in (0..).zip(for_writer.iter()) {
                writer.write(&mut written, Offset(offset), None, Some(value)).expect("small");
            }
            black_box(&written).len() as u64
        })
        .beside(&floor_name, 1.10),
    ]
}
