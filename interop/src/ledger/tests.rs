use bytes::Bytes;
use kafka08_proto::{fate::Fate, partitioner::KeyHash};

use super::*;

const RUN: u64 = 0xabc;
const PARTITIONS: u16 = 2;

/// A book and a log that agree, to be broken.
struct Case {
    book: Book,
    log: Log,
}

fn found(record: &Record, offset: i64) -> Found {
    let copied = |part: &Option<Vec<u8>>| part.as_deref().map(Bytes::copy_from_slice);
    Found { offset, key: copied(&record.key), value: copied(&record.value) }
}

fn delivered(offset: i64) -> Outcome {
    Outcome::Delivered { offset: Some(offset), maybe_applied: 0 }
}

fn failed(fate: Fate, attempts: u32) -> Outcome {
    Outcome::Failed { fate, attempts, cause: "by hand".to_owned() }
}

impl Case {
    /// So many records were delivered, in turn to both partitions.
    fn delivered(records: u64) -> Self {
        Self::new(records, delivered)
    }

    fn new(records: u64, told: impl Fn(i64) -> Outcome) -> Self {
        let mut case = Self { book: Book::new(RUN, "t", 1, PARTITIONS, Keys::Any), log: Log::default() };
        for number in 0..records {
            let offset = case.append(number);
            case.book.decide(number, told(offset));
        }
        case
    }

    /// Submits a record and appends it to the log, without an outcome.
    fn append(&mut self, number: u64) -> i64 {
        let record = self.book.submit();
        assert_eq!(record.number, number);
        let messages = self.messages(record.partition.expect("it names one"));
        let offset = i64::try_from(messages.len()).expect("small");
        messages.push(found(&record, offset));
        offset
    }

    /// Appends record `number` to the log once more, and returns the offset.
    fn append_again(&mut self, number: u64) -> i64 {
        let record = self.book.recipe.record(number);
        let messages = self.messages(record.partition.expect("it names one"));
        let offset = messages.last().map_or(0, |last| last.offset + 1);
        messages.push(found(&record, offset));
        offset
    }

    fn messages(&mut self, partition: u16) -> &mut Vec<Found> {
        self.log.partitions.entry(partition).or_default()
    }

    fn tell(&mut self, number: usize, told: impl IntoIterator<Item = Outcome>) {
        self.book.entries[number].told = told.into_iter().collect();
    }

    fn judge(&self, lost: LostAcks) -> Report {
        judge(std::slice::from_ref(&self.book), &self.log, lost)
    }

    fn violated(&self) -> Vec<Rule> {
        self.judge(LostAcks::Nothing).violated()
    }
}

#[test]
fn what_agrees_violates_nothing() {
    let mut case = Case::delivered(200);
    case.append(200);
    case.tell(200, [failed(Fate::MaybeApplied, 1)]);
    case.book.submit();
    case.tell(201, [failed(Fate::NotApplied, 3)]);
    let offset = case.append(202);
    case.append_again(202);
    case.tell(202, [Outcome::Delivered { offset: Some(offset + 1), maybe_applied: 1 }]);
    let report = case.judge(LostAcks::Nothing);
    report.assert_clean();
    let counts = [report.submitted, report.delivered, report.messages, report.duplicates, report.failed_but_there];
    assert_eq!(counts, [203, 201, 203, 1, 1], "{report}");
}

#[test]
fn each_record_is_found_again_by_what_it_says() {
    let book = Book::new(RUN, "t", 7, PARTITIONS, Keys::Any);
    let mut shapes = std::collections::BTreeSet::new();
    for number in 0..500 {
        let Record { key, value, .. } = book.recipe.record(number);
        let name = record::Recipe::name(RUN, "t", key.as_deref(), value.as_deref()).expect("it says it");
        assert_eq!((name.producer, name.number), (7, number));
        shapes.insert((key.map(|key| key.is_empty()), value.map(|value| value.is_empty())));
    }
    let no_key = [(None, Some(false)), (Some(false), None)];
    let key = [(Some(false), Some(false)), (Some(false), Some(true)), (Some(true), Some(false))];
    assert_eq!(shapes, no_key.into_iter().chain(key).collect());
}

#[test]
fn an_acknowledged_record_that_is_missing_violates_s1() {
    let mut case = Case::delivered(10);
    case.messages(0).retain(|found| found.offset != 2);
    assert_eq!(case.violated(), [Rule::S1AckedIsThere]);
}

#[test]
fn written_records_may_be_missing_as_far_as_they_are_unconfirmed() {
    let mut case = Case::new(10, |_| Outcome::Written);
    case.messages(0).truncate(3);
    assert_eq!(case.violated(), [Rule::S1AckedIsThere]);
    case.book.add_unconfirmed(2);
    assert_eq!(case.violated(), []);
}

#[test]
fn a_wrong_offset_violates_s2() {
    let mut case = Case::delivered(10);
    case.tell(9, [delivered(7)]);
    assert_eq!(case.violated(), [Rule::S2OffsetIsTrue]);
}

#[test]
fn no_outcome_and_two_outcomes_violate_s3() {
    for told in [vec![], vec![delivered(0), delivered(0)]] {
        let mut case = Case::delivered(10);
        case.tell(0, told);
        assert_eq!(case.violated(), [Rule::S3OneOutcome]);
    }
}

#[test]
fn more_in_the_log_than_was_told_violates_s4() {
    let mut twice = Case::delivered(10);
    twice.append_again(9);
    assert_eq!(twice.violated(), [Rule::S4NoMoreThanTold], "a duplicate without an attempt that explains it");
    for (told, copies, is_true) in [
        (failed(Fate::NotApplied, 2), 1, false),
        (failed(Fate::MaybeApplied, 2), 2, true),
        (failed(Fate::MaybeApplied, 2), 3, false),
        (Outcome::Written, 1, true),
        (Outcome::Written, 2, false),
    ] {
        let mut case = Case::delivered(9);
        case.append(9);
        for _ in 1..copies {
            case.append_again(9);
        }
        case.tell(9, [told.clone()]);
        let expected: &[Rule] = if is_true { &[] } else { &[Rule::S4NoMoreThanTold] };
        assert_eq!(case.violated(), expected, "{told:?}, {copies} times");
    }
}

#[test]
fn delivered_records_out_of_order_violate_s5() {
    let mut case = Case::delivered(10);
    let messages = case.messages(1);
    messages.swap(2, 3);
    messages[2].offset = 2;
    messages[3].offset = 3;
    case.tell(5, [delivered(3)]);
    case.tell(7, [delivered(2)]);
    assert_eq!(case.violated(), [Rule::S5Order]);
    // A failed record may come late.
    case.tell(5, [failed(Fate::MaybeApplied, 1)]);
    assert_eq!(case.violated(), []);
}

#[test]
fn written_records_may_be_late_as_far_as_they_are_unconfirmed() {
    let mut case = Case::new(10, |_| Outcome::Written);
    let first = case.messages(0).remove(0);
    case.messages(0).push(Found { offset: 9, ..first });
    assert_eq!(case.violated(), [Rule::S5Order]);
    case.book.add_unconfirmed(1);
    assert_eq!(case.violated(), []);
}

#[test]
fn a_message_that_belongs_elsewhere_violates_s6() {
    let foreign = [
        found(&Book::new(RUN + 1, "t", 1, PARTITIONS, Keys::Any).submit(), 5),
        found(&Book::new(RUN, "other", 1, PARTITIONS, Keys::Any).submit(), 5),
        found(&Book::new(RUN, "t", 2, PARTITIONS, Keys::Any).submit(), 5),
        Found { offset: 5, key: None, value: Some(Bytes::from_static(b"nonsense")) },
        Found { offset: 5, key: None, value: None },
    ];
    for found in foreign {
        let mut case = Case::delivered(10);
        case.messages(0).push(found.clone());
        assert_eq!(case.violated(), [Rule::S6Place], "{found:?}");
    }
    let mut case = Case::delivered(10);
    let message = case.messages(0).pop().expect("there are some");
    case.messages(1).push(Found { offset: 5, ..message });
    // The record is there, though not where it was told to be.
    assert_eq!(case.violated(), [Rule::S2OffsetIsTrue, Rule::S6Place]);
}

#[test]
fn a_key_in_another_partition_than_its_hash_says_violates_s6() {
    let mut book = Book::new(RUN, "t", 1, PARTITIONS, Keys::Choose(KeyHash::Murmur2));
    let record = book.submit();
    let partition = book.entries[0].partition;
    for (at, expected) in [(partition, vec![]), (1 - partition, vec![Rule::S2OffsetIsTrue, Rule::S6Place])] {
        book.entries[0].told = vec![delivered(0)];
        let mut log = Log::default();
        log.partitions.insert(at, vec![found(&record, 0)]);
        assert_eq!(judge(std::slice::from_ref(&book), &log, LostAcks::Nothing).violated(), expected);
    }
}

#[test]
fn other_bytes_violate_s7_or_are_no_record_at_all() {
    let mut case = Case::delivered(10);
    let position = case.messages(0).iter().position(|found| found.key.is_none()).expect("most have no key");
    // Null is not empty.
    case.messages(0)[position].key = Some(Bytes::new());
    assert_eq!(case.violated(), [Rule::S7Bytes]);

    let mut case = Case::delivered(10);
    let value = case.messages(0)[position].value.take().expect("those without key have a value");
    let mut value = value.to_vec();
    *value.last_mut().expect("it is not empty") ^= 1;
    case.messages(0)[position].value = Some(value.into());
    assert_eq!(case.violated(), [Rule::S1AckedIsThere, Rule::S6Place]);
}

#[test]
fn with_acks_1_the_last_records_of_a_dead_leader_may_be_missing() {
    let died = |died| LostAcks::LastOfLeaders { died };
    // Partition 0: the first leader acknowledged 0 to 4, the next one begins at 3.
    let mut case = Case::delivered(10);
    case.messages(0).truncate(3);
    for number in 10..14 {
        let offset = case.append(number);
        case.tell(usize::try_from(number).expect("small"), [delivered(offset)]);
    }
    assert_eq!(case.violated(), [Rule::S1AckedIsThere], "with acks -1 they may not");
    let report = case.judge(died(1));
    report.assert_clean();
    assert_eq!(report.lost_acks, 2);
    assert_eq!(case.judge(died(0)).violated(), [Rule::S1AckedIsThere], "no leader has died");

    // Not the last ones.
    let mut case = Case::delivered(10);
    case.messages(0).retain(|found| found.offset != 2);
    assert_eq!(case.judge(died(1)).violated(), [Rule::S1AckedIsThere]);
}
