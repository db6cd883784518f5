//! A subscriber that keeps spans and events as lines. All tests of the process share it.

use std::{
    fmt::{Debug, Write as _},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// What stands in each record that the tests send, in its key or in its value. No line has it.
pub(crate) const SECRET: &str = "a secret payload";

/// Keeps `[span fields] event fields`.
#[derive(Default)]
pub(crate) struct Lines {
    lines: Mutex<Vec<String>>,
    spans: Mutex<Vec<String>>,
    /// What a subscriber does that uses clients. Called in each event.
    users: Mutex<Vec<Box<dyn Fn() + Send>>>,
    next: AtomicU64,
}

/// The lines of this process.
pub(crate) fn lines() -> &'static Lines {
    static LINES: OnceLock<&Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines: &Lines = Box::leak(Box::default());
        tracing::subscriber::set_global_default(Kept(lines)).expect("the only subscriber");
        lines
    })
}

struct Kept(&'static Lines);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let name = if field.name() == "message" { "" } else { field.name() };
        write!(self.0, " {name}={value:?}").expect("a string takes everything");
    }
}

impl Subscriber for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        let mut spans = self.0.spans.lock().expect("no panic");
        spans.push(fields.0);
        // Under the lock, so that the number is that of the place.
        Id::from_u64(self.0.next.fetch_add(1, Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let span = event.parent().map(|id| usize::try_from(id.into_u64() - 1).expect("few spans"));
        let span = span.and_then(|at| self.0.spans.lock().expect("no panic").get(at).cloned()).unwrap_or_default();
        let line = format!("[{span}]{}", fields.0);
        // Before it is kept: a client that is locked here never returns, and whoever waits for the line tells.
        self.0.users.lock().expect("no panic").iter().for_each(|uses| uses());
        self.0.lines.lock().expect("no panic").push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Lines {
    /// Has each event use a client, as a subscriber may.
    pub(crate) fn use_in_each_event(&self, uses: impl Fn() + Send + 'static) {
        self.users.lock().expect("no panic").push(Box::new(uses));
    }

    /// The lines so far that have all these parts.
    pub(crate) fn all_with(&self, parts: &[&str]) -> Vec<String> {
        let lines = self.lines.lock().expect("no panic");
        lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).cloned().collect()
    }

    /// Waits until a line has all these parts. Threads of clients and servers tell theirs a moment later.
    pub(crate) fn wait_for(&self, parts: &[&str]) -> String {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(line) = self.all_with(parts).into_iter().next() {
                return line;
            }
            assert!(Instant::now() < until, "no line has {parts:?}:\n{}", self.all_with(&[]).join("\n"));
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the values of a field add up to a number, over the lines with all these parts. No event is told twice, and
    /// none is missing.
    pub(crate) fn wait_for_sum(&self, parts: &[&str], field: &str, sum: u64) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let lines = self.all_with(parts);
            let found: u64 = lines.iter().map(|line| number(line, field)).sum();
            if found == sum {
                return;
            }
            assert!(found < sum && Instant::now() < until, "{found} of {sum} {field}:\n{}", lines.join("\n"));
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// No line and no span has the payload of a record.
    pub(crate) fn assert_no_secret(&self) {
        let lines = self.all_with(&[]);
        let spans = self.spans.lock().expect("no panic").clone();
        for line in lines.iter().chain(&spans) {
            assert!(!line.contains(SECRET), "{line}");
            // Nor as the numbers of its bytes.
            assert!(!line.contains("115, 101, 99, 114, 101, 116"), "{line}");
        }
    }
}

/// The value of a field of a line.
fn number(line: &str, field: &str) -> u64 {
    let value = line.split(&format!(" {field}=")).nth(1).and_then(|rest| rest.split([' ', ']']).next());
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no number {field} in {line}"))
}
