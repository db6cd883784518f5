//! The least hand-written code that speaks the three requests the floors need. It knows the shape of every byte, because
//! its peer sends nothing else.

use std::hint::black_box;

use crc32fast::Hasher;

use crate::measure::Result;

/// Makes a ListOffsets request take 64 bytes, the size of the echo's pieces.
pub(crate) const TOPIC: &str = "page-views-eu";
const CLIENT_ID: &str = "kafka08";

pub(crate) const PRODUCE: i16 = 0;
pub(crate) const FETCH: i16 = 1;
pub(crate) const LIST_OFFSETS: i16 = 2;

/// The size of a fetched set, at most.
pub(crate) const SET: usize = 1 << 20;
/// Messages of a produced set.
pub(crate) const BATCH: usize = 100;

/// The offset that the peer lists.
pub(crate) const LISTED: i64 = 1_000_000;

/// Checksums messages. Cloning the empty hasher costs less than making one, which asks for the processor's features.
#[derive(Default)]
pub(crate) struct Crc(Hasher);

impl Crc {
    fn of(&self, bytes: &[u8]) -> u32 {
        let mut hasher = self.0.clone();
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// Appends a request; `body` writes what stands behind its header.
fn put_request(to: &mut Vec<u8>, key: i16, id: i32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(&key.to_be_bytes());
    to.extend_from_slice(&0i16.to_be_bytes()); // api_version
    to.extend_from_slice(&id.to_be_bytes());
    put_text(to, CLIENT_ID);
    body(to);
    set_length(to, start);
}

/// Writes the length of what has been appended since `start` there.
fn set_length(to: &mut [u8], start: usize) {
    if let Some((length, behind)) = to.get_mut(start..).and_then(|frame| frame.split_first_chunk_mut::<4>()) {
        *length = length_of(behind);
    }
}

fn length_of(bytes: &[u8]) -> [u8; 4] {
    i32::try_from(bytes.len()).expect("what is sent here is small").to_be_bytes()
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(&i16::try_from(text.len()).expect("a short text").to_be_bytes());
    to.extend_from_slice(text.as_bytes());
}

/// One topic with one partition, which is partition 0.
fn put_partition(to: &mut Vec<u8>) {
    to.extend_from_slice(&1i32.to_be_bytes()); // topics
    put_text(to, TOPIC);
    to.extend_from_slice(&1i32.to_be_bytes()); // partitions
    to.extend_from_slice(&0i32.to_be_bytes()); // partition
}

pub(crate) fn put_fetch(to: &mut Vec<u8>, id: i32, offset: i64) {
    put_request(to, FETCH, id, |to| {
        to.extend_from_slice(&(-1i32).to_be_bytes()); // replica_id
        to.extend_from_slice(&100i32.to_be_bytes()); // max_wait_ms
        to.extend_from_slice(&1i32.to_be_bytes()); // min_bytes
        put_partition(to);
        to.extend_from_slice(&offset.to_be_bytes());
        to.extend_from_slice(&length_as_i32(SET).to_be_bytes()); // max_bytes
    });
}

fn length_as_i32(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("what is sent here is small")
}

pub(crate) fn put_list_offsets(to: &mut Vec<u8>, id: i32) {
    put_request(to, LIST_OFFSETS, id, |to| {
        to.extend_from_slice(&(-1i32).to_be_bytes()); // replica_id
        put_partition(to);
        to.extend_from_slice(&(-1i64).to_be_bytes()); // time: the latest
        to.extend_from_slice(&1i32.to_be_bytes()); // max_num_offsets
    });
}

/// Appends everything of a produce request that stands in front of a set of `set` bytes.
pub(crate) fn put_produce_head(to: &mut Vec<u8>, id: i32, set: usize) {
    let start = to.len();
    put_request(to, PRODUCE, id, |to| {
        to.extend_from_slice(&1i16.to_be_bytes()); // required_acks
        to.extend_from_slice(&10_000i32.to_be_bytes()); // timeout_ms
        put_partition(to);
        to.extend_from_slice(&length_as_i32(set).to_be_bytes());
    });
    // The set counts, too, and comes behind.
    let frame = to.len() - start - 4 + set;
    if let Some(length) = to.get_mut(start..).and_then(|frame| frame.first_chunk_mut::<4>()) {
        *length = length_as_i32(frame).to_be_bytes();
    }
}

/// Bytes of an entry whose key is null.
pub(crate) fn entry_len(value: usize) -> usize {
    8 + 4 + 4 + 1 + 1 + 4 + 4 + value
}

/// Writes entries with a null key.
#[derive(Default)]
pub(crate) struct EntryWriter {
    empty: Crc,
    /// The ten bytes between checksum and value, and the checksum's state behind them, kept while the length repeats.
    head: [u8; 10],
    behind_head: Hasher,
}

impl EntryWriter {
    /// Fills a set, which must be as long as so many entries, with entries of this value.
    pub(crate) fn fill(&mut self, set: &mut [u8], value: &[u8]) {
        let size = u32::try_from(entry_len(value.len()) - 12).expect("what is sent here is small");
        for (offset, entry) in (0i64..).zip(set.chunks_exact_mut(entry_len(value.len()))) {
            // The checksum is taken of the source, before it is copied: reading back what was just stored stalls.
            let size_and_crc = u64::from(size) << 32 | u64::from(self.crc(value));
            let (offset_to, rest) = entry.split_first_chunk_mut::<8>().expect("an entry has 26 bytes and a value");
            let (size_and_crc_to, rest) = rest.split_first_chunk_mut::<8>().expect("an entry has 26 bytes and a value");
            let (head_to, value_to) = rest.split_first_chunk_mut::<10>().expect("an entry has 26 bytes and a value");
            *offset_to = offset.to_be_bytes();
            *size_and_crc_to = size_and_crc.to_be_bytes();
            *head_to = self.head;
            value_to.copy_from_slice(value);
        }
    }

    /// The checksum of a message, whose head is there afterwards.
    fn crc(&mut self, value: &[u8]) -> u32 {
        let [a, b, c, d] = length_of(value);
        let head = [0, 0, 0xff, 0xff, 0xff, 0xff, a, b, c, d]; // magic, attributes, null key, length of the value
        if head != self.head {
            self.head = head;
            self.behind_head = self.empty.0.clone();
            self.behind_head.update(&head);
        }
        let mut hasher = self.behind_head.clone();
        hasher.update(value);
        hasher.finalize()
    }
}

/// As many whole messages as fit a set of [`SET`] bytes.
fn fetched_set(value: usize) -> Vec<u8> {
    entries(SET / entry_len(value), value)
}

/// The length of a fetched set.
pub(crate) fn fetched_set_len(value: usize) -> usize {
    SET / entry_len(value) * entry_len(value)
}

/// The length of a fetch's answer, with its prefix.
pub(crate) fn fetch_answer_len(value: usize) -> usize {
    let in_front = 4 + 4 + 4 + 2 + TOPIC.len() + 4 + 4 + 2 + 8 + 4;
    in_front + fetched_set_len(value)
}

/// A set to produce.
pub(crate) fn produced_set(value: usize) -> Vec<u8> {
    entries(BATCH, value)
}

fn entries(count: usize, value: usize) -> Vec<u8> {
    let mut set = vec![0; count * entry_len(value)];
    EntryWriter::default().fill(&mut set, &vec![b'v'; value]);
    set
}

/// An answer; its correlation id is 0 until [`set_id`] sets it.
fn answer(body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = vec![0; 8];
    put_partition(&mut frame);
    frame.extend_from_slice(&0i16.to_be_bytes()); // error_code
    body(&mut frame);
    set_length(&mut frame, 0);
    frame
}

pub(crate) fn fetch_answer(value: usize) -> Vec<u8> {
    let set = fetched_set(value);
    answer(|to| {
        to.extend_from_slice(&1_000_000i64.to_be_bytes()); // high_watermark
        to.extend_from_slice(&length_of(&set));
        to.extend_from_slice(&set);
    })
}

pub(crate) fn produce_answer() -> Vec<u8> {
    answer(|to| to.extend_from_slice(&7i64.to_be_bytes())) // offset
}

pub(crate) fn list_offsets_answer() -> Vec<u8> {
    answer(|to| {
        to.extend_from_slice(&1i32.to_be_bytes()); // offsets
        to.extend_from_slice(&LISTED.to_be_bytes());
    })
}

/// Sets the correlation id of an answer, its length in front.
pub(crate) fn set_id(frame: &mut [u8], id: i32) {
    if let Some(place) = frame.get_mut(4..8) {
        place.copy_from_slice(&id.to_be_bytes());
    }
}

/// Cuts the first whole frame off, without its length.
pub(crate) fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, behind) = bytes.split_first_chunk::<4>()?;
    behind.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)
}

/// The length of the first frame, its prefix included, as soon as the prefix is here.
pub(crate) fn frame_len(bytes: &[u8]) -> Option<usize> {
    let length = i32::from_be_bytes(*bytes.first_chunk::<4>()?);
    Some(4 + usize::try_from(length).ok()?)
}

/// The key and the correlation id of a request.
pub(crate) fn request_head(request: &[u8]) -> Option<(i16, i32)> {
    let (key, rest) = request.split_first_chunk::<2>()?;
    let (_, rest) = rest.split_first_chunk::<2>()?;
    let (id, _) = rest.split_first_chunk::<4>()?;
    Some((i16::from_be_bytes(*key), i32::from_be_bytes(*id)))
}

/// The correlation id of an answer, and what stands behind partition and error code; `None` if the code is an error.
pub(crate) fn read_answer(frame: &[u8]) -> Option<(i32, &[u8])> {
    let (id, rest) = frame.split_first_chunk::<4>()?;
    let (_, rest) = rest.split_first_chunk::<4>()?; // topics
    let (name, rest) = rest.split_first_chunk::<2>()?;
    let (_, rest) = rest.split_at_checked(usize::try_from(i16::from_be_bytes(*name)).ok()?)?;
    let (_, rest) = rest.split_first_chunk::<8>()?; // partitions, partition
    let (error, rest) = rest.split_first_chunk::<2>()?;
    (*error == [0; 2]).then_some((i32::from_be_bytes(*id), rest))
}

/// Reads the one offset of a ListOffsets answer, from what stands behind its error code.
pub(crate) fn check_offset(rest: &[u8]) -> Result<()> {
    let offset = rest.split_first_chunk::<4>().and_then(|(_, offsets)| offsets.first_chunk::<8>());
    match offset.copied().map(i64::from_be_bytes) {
        Some(LISTED) => Ok(()),
        _ => Err("not the offset that the peer has".into()),
    }
}

/// The set of a Fetch answer, from what stands behind its error code.
pub(crate) fn read_set(rest: &[u8]) -> Option<&[u8]> {
    let (_, rest) = rest.split_first_chunk::<8>()?; // high_watermark
    let (_, set) = rest.split_first_chunk::<4>()?;
    Some(set)
}

/// Walks a set, verifies each checksum, and looks at each offset, key and value. Returns how many there were; `None` if
/// one is damaged.
pub(crate) fn walk(mut set: &[u8], crc: &Crc) -> Option<usize> {
    let mut messages = 0;
    while let Some((offset, rest)) = set.split_first_chunk::<8>() {
        let Some((size, rest)) = rest.split_first_chunk::<4>() else { break };
        let size = usize::try_from(i32::from_be_bytes(*size)).ok()?;
        let Some((message, behind)) = rest.split_at_checked(size) else { break };
        let (expected, covered) = message.split_first_chunk::<4>()?;
        if crc.of(covered).to_be_bytes() != *expected {
            return None;
        }
        let (_, rest) = covered.split_first_chunk::<2>()?; // magic, attributes
        let (key, rest) = read_nullable(rest)?;
        let (value, _) = read_nullable(rest)?;
        black_box((i64::from_be_bytes(*offset), key, value));
        messages += 1;
        set = behind;
    }
    Some(messages)
}

fn read_nullable(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    match i32::from_be_bytes(*length) {
        -1 => Some((None, rest)),
        length => {
            let (part, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some((Some(part), rest))
        }
    }
}
