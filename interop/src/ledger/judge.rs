//! The comparison.

use std::collections::BTreeMap;

use kafka08_proto::fate::Fate;

use super::{
    Book, Log, Outcome, Report, Rule,
    book::Entry,
    order::{Ack, losses, out_of_order},
    record::{Name, Recipe},
};

/// What brokers may have lost of what they acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostAcks {
    /// Nothing: acks = -1, `min.insync.replicas` of at least 2, no unclean election, and one broker down at a time.
    Nothing,
    /// With acks = 1, the last records of each leader that died. In each partition at most so many leaders died.
    LastOfLeaders {
        /// How many leaders of a partition have died.
        died: usize,
    },
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    partition: u16,
    offset: i64,
}

type Places = BTreeMap<Name, Vec<Place>>;

/// Compares all books of a run, for one topic, with the messages of that topic.
///
/// # Panics
/// If there is no book, or two have the same producer.
#[must_use]
pub fn judge(books: &[Book], log: &Log, lost: LostAcks) -> Report {
    let mut report = Report::default();
    let by_producer: BTreeMap<u16, &Book> = books.iter().map(|book| (book.recipe.producer, book)).collect();
    assert!(!books.is_empty() && by_producer.len() == books.len(), "each book is of another producer");
    let places = places(&by_producer, log, &mut report);
    for book in books {
        for (number, entry) in (0..).zip(&book.entries) {
            let name = Name { producer: book.recipe.producer, number };
            outcome(name, entry, places.get(&name).map_or(&[][..], Vec::as_slice), lost, &mut report);
        }
        for partition in 0..book.recipe.partitions {
            order(book, partition, &places, &mut report);
            if let LostAcks::LastOfLeaders { died } = lost {
                lost_acks(book, partition, &places, died, &mut report);
            }
        }
        written(book, &places, &mut report);
    }
    report
}

/// Where each record is. Messages that are nobody's, or not as submitted, are violations.
fn places(books: &BTreeMap<u16, &Book>, log: &Log, report: &mut Report) -> Places {
    let mut places = Places::new();
    let Some(Recipe { run, topic, .. }) = books.values().next().map(|book| &book.recipe) else { return places };
    for (&partition, messages) in &log.partitions {
        for found in messages {
            report.messages += 1;
            let at = || format!("{topic}-{partition} at offset {}", found.offset);
            let name = match Recipe::name(*run, topic, found.key.as_deref(), found.value.as_deref()) {
                Ok(name) => name,
                Err(why) => {
                    report.violate(Rule::S6Place, || format!("{}: {why}", at()));
                    continue;
                }
            };
            let book = books.get(&name.producer).filter(|book| name.number < book.submitted());
            let Some(book) = book else {
                report.violate(Rule::S6Place, || format!("{}: {name} was never submitted", at()));
                continue;
            };
            let record = book.recipe.record(name.number);
            let expected = book.recipe.partition_of(&record);
            if expected != partition {
                report.violate(Rule::S6Place, || format!("{}: {name} belongs in partition {expected}", at()));
            }
            if record.key.as_deref() != found.key.as_deref() || record.value.as_deref() != found.value.as_deref() {
                report.violate(Rule::S7Bytes, || format!("{}: {name} has other bytes than submitted", at()));
            }
            let of_record = places.entry(name).or_default();
            report.duplicates += u64::from(!of_record.is_empty());
            of_record.push(Place { partition, offset: found.offset });
        }
    }
    places
}

/// Judges what was told about one record.
fn outcome(name: Name, entry: &Entry, places: &[Place], lost: LostAcks, report: &mut Report) {
    report.submitted += 1;
    let [told] = &entry.told[..] else {
        report.undecided += u64::from(entry.told.is_empty());
        report.violate(Rule::S3OneOutcome, || format!("{name}: told {:?}, in the log at {places:?}", entry.told));
        return;
    };
    let found = u32::try_from(places.len()).unwrap_or(u32::MAX);
    let most = match told {
        Outcome::Delivered { offset, maybe_applied } => {
            report.delivered += 1;
            report.delivered_without_offset += u64::from(offset.is_none());
            report.delivered_maybe_twice += u64::from(*maybe_applied > 0);
            delivered(name, entry, *offset, places, lost, report);
            maybe_applied.saturating_add(1)
        }
        Outcome::Written => {
            report.written += 1;
            1
        }
        Outcome::Failed { fate, attempts, cause } => {
            report.count_cause(cause);
            report.failed_but_there += u64::from(found > 0);
            match fate {
                Fate::NotApplied => report.failed_not_applied += 1,
                Fate::MaybeApplied => report.failed_maybe_applied += 1,
            }
            if *fate == Fate::NotApplied { 0 } else { *attempts }
        }
    };
    if found > most {
        report.violate(Rule::S4NoMoreThanTold, || format!("{name}: told {told:?}, in the log at {places:?}"));
    }
}

fn delivered(name: Name, entry: &Entry, offset: Option<i64>, places: &[Place], lost: LostAcks, report: &mut Report) {
    if is_there(entry.partition, offset, places) {
        return;
    }
    report.lost_acks += 1;
    // What leaders may have lost is judged with their other acknowledgements.
    if lost == LostAcks::Nothing || offset.is_none() {
        let rule = if places.is_empty() { Rule::S1AckedIsThere } else { Rule::S2OffsetIsTrue };
        let partition = entry.partition;
        report.violate(rule, || format!("{name}: acknowledged at {partition}-{offset:?}, in the log at {places:?}"));
    }
}

fn is_there(partition: u16, offset: Option<i64>, places: &[Place]) -> bool {
    places.iter().any(|place| place.partition == partition && offset.is_none_or(|offset| offset == place.offset))
}

/// Judges the order of a partition: that of the acknowledged records, and that of the written ones, of which those that are
/// unconfirmed may be late.
fn order(book: &Book, partition: u16, places: &Places, report: &mut Report) {
    let first = |number| {
        let places = places.get(&Name { producer: book.recipe.producer, number })?;
        places.iter().filter(|place| place.partition == partition).map(|place| place.offset).min()
    };
    let mut last = None;
    let mut written = Vec::new();
    for (number, entry) in (0..).zip(&book.entries).filter(|(_, entry)| entry.partition == partition) {
        let Some(offset) = first(number) else { continue };
        match &entry.told[..] {
            [Outcome::Delivered { .. }] => {
                if let Some((before, other)) = last.filter(|(_, other)| *other > offset) {
                    let producer = book.recipe.producer;
                    report.violate(Rule::S5Order, || {
                        format!("{number} of producer {producer} is at {partition}-{offset}, and {before}, which was submitted earlier, at {other}")
                    });
                }
                last = Some((number, offset));
            }
            [Outcome::Written] => written.push(offset),
            // What a broker applies after the producer has left its connection cannot be ordered.
            _ => {}
        }
    }
    let late = out_of_order(written.into_iter());
    if late > book.unconfirmed {
        let unconfirmed = book.unconfirmed;
        report.violate(Rule::S5Order, || {
            format!("partition {partition}: {late} written records are out of order, and {unconfirmed} are unconfirmed")
        });
    }
}

fn lost_acks(book: &Book, partition: u16, places: &Places, died: usize, report: &mut Report) {
    let producer = book.recipe.producer;
    let ack = |(number, entry): (u64, &Entry)| match entry.told[..] {
        [Outcome::Delivered { offset: Some(offset), .. }] if entry.partition == partition => {
            let places = places.get(&Name { producer, number }).map_or(&[][..], Vec::as_slice);
            Some(Ack { number, offset, is_lost: !is_there(partition, Some(offset), places) })
        }
        _ => None,
    };
    let acks: Vec<Ack> = (0..).zip(&book.entries).filter_map(ack).collect();
    let (leaders, wrong) = losses(&acks);
    for (lost, there) in wrong {
        report.violate(Rule::S1AckedIsThere, || {
            format!(
                "producer {producer}, partition {partition}: {lost:?} is lost, but {there:?} of the same leader is not"
            )
        });
    }
    if leaders > died {
        report.violate(Rule::S1AckedIsThere, || {
            format!(
                "producer {producer}, partition {partition}: {leaders} leaders have lost records, and {died} have died"
            )
        });
    }
}

/// No more written records are missing than were told to be unconfirmed.
fn written(book: &Book, places: &Places, report: &mut Report) {
    let producer = book.recipe.producer;
    let is_lost = |number| !places.contains_key(&Name { producer, number });
    let written = (0..).zip(&book.entries).filter(|(_, entry)| entry.told == [Outcome::Written]);
    let lost = u64::try_from(written.filter(|(number, _)| is_lost(*number)).count()).expect("a number of records");
    report.unconfirmed += book.unconfirmed;
    report.lost_written += lost;
    if lost > book.unconfirmed {
        let unconfirmed = book.unconfirmed;
        report.violate(Rule::S1AckedIsThere, || {
            format!("producer {producer}: {lost} written records are not in the log, and {unconfirmed} are unconfirmed")
        });
    }
}
