//! Reads a topic with commits, and notes each step in a file, until it is killed: `reader NOTES STORE END TOPIC PARTITIONS BROKER...`
//!
//! `STORE` is `kafka` or `zookeeper`, `END` is `never` or `rest`, which is what is there now. A note is a line: `start`, `read PARTITION
//! OFFSET VALUE`, `commit PARTITION OFFSET` before a commit is sent, and `committed PARTITION OFFSET` after it was stored.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use kafka08_blocking::{
    Consumer, ConsumerConfig, EndAt, OffsetStore, Reset, StartAt,
    proto::ids::{Offset, Text, TopicPartition},
};

/// How often it commits.
const EVERY: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reader: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("{what} is missing"));
    let mut notes = OpenOptions::new().create(true).append(true).open(next("NOTES")?)?;
    let store = match next("STORE")?.as_str() {
        "kafka" => OffsetStore::Kafka,
        "zookeeper" => OffsetStore::ZooKeeper,
        other => return Err(format!("{other} is no store").into()),
    };
    let end = if next("END")? == "rest" { EndAt::HighWatermark } else { EndAt::Never };
    let (topic, partitions) = (next("TOPIC")?, next("PARTITIONS")?.parse()?);
    let consumer = Consumer::connect(arguments, ConsumerConfig::default().with_partition_bytes(16 * 1024))?;
    let group = Text::from(format!("group-of-{topic}"));
    for partition in 0..partitions {
        let start = StartAt::Committed { group: group.clone(), store, otherwise: Reset::Earliest };
        consumer.assign(&*topic, partition, start, end)?;
    }
    notes.write_all(b"start\n")?;
    let mut last = Instant::now();
    for messages in &consumer {
        let (mut messages, mut lines) = (messages?, String::new());
        let partition = messages.partition().partition;
        while let Some(message) = messages.next_message() {
            let message = message?;
            let value = String::from_utf8_lossy(message.value.unwrap_or_default()).into_owned();
            writeln!(lines, "read {partition} {} {value}", message.offset)?;
        }
        // The set has passed by now. Only this thread commits, and only what it has noted.
        notes.write_all(lines.as_bytes())?;
        if last.elapsed() >= EVERY {
            commit(&consumer, &group, store, &mut notes)?;
            last = Instant::now();
        }
    }
    commit(&consumer, &group, store, &mut notes)
}

fn commit(consumer: &Consumer, group: &Text, store: OffsetStore, notes: &mut File) -> Result<(), Box<dyn Error>> {
    let offsets = consumer.committable();
    note(notes, "commit", &offsets)?;
    // A broker that has just died is no reason to end: the next commit has these offsets, too.
    if consumer.commit_offsets(group.clone(), store, offsets.clone()).is_ok() {
        note(notes, "committed", &offsets)?;
    }
    Ok(())
}

fn note(notes: &mut File, what: &str, offsets: &[(TopicPartition, Offset)]) -> std::io::Result<()> {
    let line = |(of, offset): &(TopicPartition, Offset)| format!("{what} {} {offset}\n", of.partition);
    notes.write_all(offsets.iter().map(line).collect::<String>().as_bytes())
}
