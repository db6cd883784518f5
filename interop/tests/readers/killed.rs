//! A reader that is killed again and again, and goes on from its commits.

use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use interop::Seed;

use crate::{PARTITIONS, Read, number, writer::Writing};

/// The reader, and the file in which it notes what it does.
pub(crate) struct Killed {
    brokers: Vec<String>,
    topic: String,
    store: String,
    notes: PathBuf,
}

/// What one process has noted.
#[derive(Default)]
pub(crate) struct Run {
    read: Read,
    /// The offsets of commits that were sent, and of those that were stored, by partition.
    sent: BTreeMap<i32, i64>,
    stored: BTreeMap<i32, i64>,
}

impl Killed {
    pub(crate) fn new(brokers: &[String], topic: &str, store: &str) -> Self {
        let notes = env::temp_dir().join(format!("kafka08-{}-{topic}", std::process::id()));
        let _ = fs::remove_file(&notes);
        Self { brokers: brokers.to_vec(), topic: topic.to_owned(), store: store.to_owned(), notes }
    }

    fn start(&self, end: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reader"));
        command.arg(&self.notes).args([&self.store, end, &self.topic, &PARTITIONS.to_string()]).args(&self.brokers);
        command.spawn().expect("it starts")
    }

    /// Kills readers with SIGKILL until all is written. None of them ends by itself.
    pub(crate) fn run_and_kill(&self, writing: &Writing) {
        let seed = Seed::new(number("KAFKA08_SEED", 1));
        let mut round = 0;
        while !writing.is_over() {
            let mut child = self.start("never");
            let time = Duration::from_millis(500 + seed.part(round).below(2500));
            round += 1;
            let until = Instant::now() + time;
            while Instant::now() < until && !writing.is_over() {
                if let Some(status) = child.try_wait().expect("it is a child") {
                    panic!("the reader has ended: {status}");
                }
                thread::sleep(Duration::from_millis(10));
            }
            child.kill().expect("it runs");
            child.wait().expect("it is a child");
        }
    }

    /// Reads the rest. Returns what each process has noted.
    pub(crate) fn finish(&self) -> Vec<Run> {
        let mut child = self.start("rest");
        let since = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("it is a child") {
                break status;
            }
            if since.elapsed() > Duration::from_secs(120) {
                let _ = child.kill();
            }
            thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "the last reader has ended with {status}");
        let notes = fs::read_to_string(&self.notes).expect("it has noted something");
        let _ = fs::remove_file(&self.notes);
        runs(&notes)
    }
}

fn runs(notes: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    // A line that was cut is noted by nobody: each is written whole or is the last of its process.
    for line in notes.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let place = |at: usize| words.get(at).and_then(|word| word.parse::<i64>().ok());
        let partition = place(1).and_then(|partition| i32::try_from(partition).ok());
        match (words.as_slice(), partition, place(2), runs.last_mut()) {
            (["start"], ..) => runs.push(Run::default()),
            (["read", _, _, value], Some(partition), Some(offset), Some(run)) => {
                run.read.entry(partition).or_default().push((offset, (*value).to_owned()));
            }
            (["commit", ..], Some(partition), Some(offset), Some(run)) => drop(run.sent.insert(partition, offset)),
            (["committed", ..], Some(partition), Some(offset), Some(run)) => drop(run.stored.insert(partition, offset)),
            other => panic!("{line:?} is no note: {other:?}"),
        }
    }
    runs
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Run {{ sent: {:?}, stored: {:?} }}", self.sent, self.stored)
    }
}

/// Asserts that each process has gone on from a commit, and that together they have read everything. Returns how many messages
/// were read again.
pub(crate) fn assert_nothing_missed(runs: &[Run], stored: &Read) -> usize {
    let mut again = 0;
    for (partition, expected) in stored {
        let (mut low, mut high) = (0, 0);
        let mut read: BTreeMap<i64, &str> = BTreeMap::new();
        for (n, run) in runs.iter().enumerate() {
            let of = run.read.get(partition).map_or(&[][..], Vec::as_slice);
            if let Some((first, _)) = of.first() {
                let what = format!("run {n} of partition {partition} begins at {first}");
                // A commit of which no answer has come may have been stored.
                assert!((low..=high).contains(first), "{what}, and commits were {low} to {high}");
            }
            for (at, (offset, value)) in of.iter().enumerate() {
                if let Some((before, _)) = at.checked_sub(1).and_then(|at| of.get(at)) {
                    assert!(offset > before, "run {n} of partition {partition}: {offset} comes after {before}");
                }
                again += usize::from(read.insert(*offset, value).is_some());
            }
            low = low.max(run.stored.get(partition).copied().unwrap_or(0));
            high = high.max(run.sent.get(partition).copied().unwrap_or(0));
        }
        let expected: Vec<_> = expected.iter().map(|(offset, value)| (*offset, value.as_str())).collect();
        assert!(read.into_iter().eq(expected), "partition {partition} was not read whole");
    }
    again
}
