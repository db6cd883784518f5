//! Which records have left the client in whole requests.
//!
//! It finds the records in the bytes that the client writes, so it depends on nothing that the client says. It does not look
//! into compressed sets.

use std::collections::BTreeMap;

use crate::{history::OperationId, net::ConnNumber, record::Records};

/// The requests in which each record has left the client.
#[derive(Debug)]
pub struct Sent {
    records: Records,
    /// The bytes of the frame that each connection is writing.
    arriving: BTreeMap<ConnNumber, Vec<u8>>,
    times: BTreeMap<OperationId, u32>,
}

impl Sent {
    /// Creates the list for a run in which nothing was written.
    #[must_use]
    pub fn new(records: Records) -> Self {
        Self { records, arriving: BTreeMap::new(), times: BTreeMap::new() }
    }

    /// Takes bytes that a connection has written.
    pub fn written(&mut self, number: ConnNumber, bytes: &[u8]) {
        let frame = self.arriving.entry(number).or_default();
        frame.extend_from_slice(bytes);
        while let Some(prefix) = frame.first_chunk::<4>()
            && let Ok(len) = usize::try_from(i32::from_be_bytes(*prefix))
            && let Some(body) = frame.get(4..4_usize.saturating_add(len))
        {
            for id in self.records.named_in(body) {
                *self.times.entry(id).or_default() += 1;
            }
            frame.drain(..4 + len);
        }
    }

    /// How many whole requests have had this record.
    #[must_use]
    pub fn times(&self, id: OperationId) -> u32 {
        self.times.get(&id).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ChosenBy;

    #[test]
    fn a_record_has_left_when_the_last_byte_of_its_frame_was_written() {
        let records = Records { run: 7, topics: 1, partitions: 1, filler: 9, chosen_by: ChosenBy::Workload };
        let mut frame = vec![0, 0, 0, 0];
        for id in [3, 4, 3] {
            let record = records.record(id);
            frame.extend(record.value.or(record.key).expect("a record says what it is"));
        }
        let [.., len] = u32::try_from(frame.len() - 4).expect("small").to_be_bytes();
        *frame.get_mut(3).expect("the length") = len;
        let mut sent = Sent::new(records);
        let (last, front) = frame.split_last().expect("bytes");
        sent.written(1, front);
        assert_eq!([sent.times(3), sent.times(4)], [0, 0]);
        sent.written(2, &[*last]);
        assert_eq!(sent.times(3), 0);
        sent.written(1, &[*last]);
        assert_eq!([sent.times(3), sent.times(4), sent.times(5)], [2, 1, 0]);
    }
}
