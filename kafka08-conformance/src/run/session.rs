//! Takes the steps of one check.
//!
//! A check has connections, variables and a deadline of its own, so that checks can run at the same time.

use std::{
    collections::BTreeMap,
    io, thread,
    time::{Duration, Instant},
};

use super::{
    link::{Link, Reading},
    names::Names,
};
use crate::{
    check::{Action, Check},
    notation::{Mismatch, NotationError, Pattern, Variables, list_plain},
    report::{Failure, Verdict},
    target::Target,
};

/// The exchange of one check.
struct Session<'a> {
    target: &'a Target,
    names: &'a Names,
    /// The settings of the target, and what the steps have set.
    variables: Variables,
    /// Connections by name. Each is opened on first use.
    links: BTreeMap<String, Link>,
    /// The connection of the next step. Its name is empty until a step names one.
    link: String,
    /// The bytes of the last send, which `until` sends again.
    sent: Vec<u8>,
    /// When the last bytes were about to be sent. No answer can have come earlier.
    sent_from: Instant,
    /// When the last bytes were sent. How long a broker may take counts from here.
    sent_at: Instant,
    /// When the check gives up.
    deadline: Instant,
}

/// Why the steps end early.
enum Stop {
    /// The broker breaks the rule.
    Failed(Failure),
    /// The broker cannot be judged.
    Skipped(String),
    /// The exchange could not take place.
    Error(String),
}

/// The time between two questions for a state that is to come.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes all steps of a check.
pub(super) fn judge(check: &Check, target: &Target, names: &Names) -> Verdict {
    // Skipped and not left out, so that a report says how much of the suite was not judged.
    if !check.releases.contains(target.release) {
        return Verdict::Skipped(format!("the rule is about {}", check.releases));
    }
    let mut variables = target.settings.clone();
    names.fill(&mut variables);
    let mut session = Session {
        target,
        names,
        variables,
        links: BTreeMap::new(),
        link: String::new(),
        sent: Vec::new(),
        sent_from: Instant::now(),
        sent_at: Instant::now(),
        deadline: Instant::now() + target.time_limit,
    };
    let mut steps = check.steps.iter().filter(|step| step.releases.contains(target.release));
    match steps.try_for_each(|step| session.take(&step.action)) {
        Ok(()) => Verdict::Passed,
        Err(Stop::Failed(failure)) => Verdict::Failed(Box::new(failure)),
        Err(Stop::Skipped(reason)) => Verdict::Skipped(reason),
        Err(Stop::Error(error)) => Verdict::Error(error),
    }
}

impl Session<'_> {
    /// Takes one step.
    fn take(&mut self, action: &Action) -> Result<(), Stop> {
        match action {
            Action::Needs { setting, least, most } => self.need(setting, *least, *most),
            Action::Topic { variable } => self.make_topic(variable),
            Action::Let { variable, value } => {
                self.variables.set_number(variable, *value);
                Ok(())
            }
            Action::On(link) => {
                self.link.clone_from(link);
                self.link().map(drop)
            }
            Action::Send(bytes) => {
                self.sent = bytes.encode(&self.variables)?;
                self.send_again()
            }
            Action::Expect { answer, not_before, within } => self.expect(action, answer, *not_before, *within),
            Action::Until { answer, within } => self.repeat(action, answer, *within),
            Action::Close => self.expect_close(),
            Action::Silence(time) => self.expect_silence(*time),
            Action::HalfClose => Ok(self.link()?.half_close()?),
            Action::Wait(time) => {
                thread::sleep(*time);
                Ok(())
            }
        }
    }

    /// Skips the check unless the setting is in the range.
    fn need(&self, setting: &str, least: i64, most: i64) -> Result<(), Stop> {
        let value = self.variables.number(setting)?;
        if (least..=most).contains(&value) {
            return Ok(());
        }
        let range = match (least, most) {
            (i64::MIN, most) => format!("at most {most}"),
            (least, i64::MAX) => format!("at least {least}"),
            (least, _) => format!("{least}"),
        };
        Err(Stop::Skipped(format!("{setting} of the target is {value}; the check needs {range}")))
    }

    /// The connection of the current name.
    fn link(&mut self) -> Result<&mut Link, Stop> {
        if !self.links.contains_key(&self.link) {
            let link = Link::open(&self.target.address, self.target.time_limit);
            let link = link.map_err(|error| Stop::Error(format!("connecting to {}: {error}", self.target.address)))?;
            self.links.insert(self.link.clone(), link);
        }
        self.links.get_mut(&self.link).ok_or_else(|| Stop::Error("no connection".to_owned()))
    }

    /// Sends the bytes of the last `send`.
    fn send_again(&mut self) -> Result<(), Stop> {
        let sent = std::mem::take(&mut self.sent);
        self.link()?;
        // Before the write: a broker may have them, and its answer may be due, long before this thread runs again.
        self.sent_from = Instant::now();
        let done = self.link()?.send(&sent);
        self.sent = sent;
        // After the write: a broker that is slow to read must not lose that time for its answer.
        self.sent_at = Instant::now();
        Ok(done?)
    }

    /// Makes a topic on a connection of its own, and learns its partitions and its leader.
    fn make_topic(&mut self, variable: &str) -> Result<(), Stop> {
        // With more brokers another one may lead the topic, and then this one answers data requests with code 3 or 6.
        self.need("auto_create", 1, 1)?;
        self.need("brokers", 1, 1)?;
        self.variables.set_text(variable, self.names.topic().as_bytes());
        // The patterns below are the same for every variable.
        self.variables.set_text("made", self.variables.text(variable)?.to_vec().as_slice());
        let question = Pattern::parse("sized{ i16:3 i16:0 i32:0 str:$client i32:1 str:$made }")?;
        let answer = Pattern::parse(
            "size=sized{ id=i32:0 brokers=i32:1 node=i32:?node host=str:?host port=i32:?port topics=i32:1 topic_error=i16:0 \
             topic=str:$made partitions=each:1..1000000{ error=i16:0 partition=i32:? leader=i32:0..2147483647 \
             replicas=each{ i32:? } isr=each{ i32:? } } }",
        )?;
        // The connections of the check must be untouched when its first step comes.
        let outer = std::mem::replace(&mut self.link, "of the topic".to_owned());
        self.sent = question.encode(&self.variables)?;
        self.send_again()?;
        self.repeat(&Action::Topic { variable: variable.to_owned() }, &answer, self.target.time_limit)?;
        self.link = outer;
        Ok(())
    }

    /// Reads one frame, and compares it.
    fn expect(&mut self, step: &Action, answer: &Pattern, not_before: Duration, within: Duration) -> Result<(), Stop> {
        let expected = |session: &Self| answer.list(&session.variables);
        let until = (self.sent_at + within).min(self.deadline);
        let frame = match self.link()?.read_frame(until)? {
            Reading::Frame(frame) => frame,
            Reading::Ended(bytes) => {
                return Err(fail(step, "the connection ended instead of an answer", expected(self), &bytes));
            }
            Reading::Late(bytes) => {
                let waited = until.saturating_duration_since(self.sent_at);
                let reason = format!("no answer came within {} ms", waited.as_millis());
                return Err(fail(step, &reason, expected(self), &bytes));
            }
        };
        // Before the comparison, whose time is not the broker's.
        let took = self.sent_from.elapsed();
        // The listing of what was expected must not show values that the comparison has just set.
        let before = self.variables.clone();
        if let Err(Mismatch { reason, found }) = answer.compare(&frame, &mut self.variables) {
            let expected = answer.list(&before);
            return Err(Stop::Failed(Failure { step: step.to_string(), reason, expected, found }));
        }
        // The bytes first: an answer that comes early is often another answer.
        if took < not_before {
            let reason = format!("the answer came after {} ms, before {} ms", took.as_millis(), not_before.as_millis());
            return Err(fail(step, &reason, expected(self), &frame));
        }
        Ok(())
    }

    /// Reads an answer to the last send, and sends the same again while it is not the one that is expected.
    fn repeat(&mut self, step: &Action, answer: &Pattern, within: Duration) -> Result<(), Stop> {
        let until = (Instant::now() + within).min(self.deadline);
        loop {
            // An answer that is not the expected one must leave no variables.
            let before = self.variables.clone();
            let outcome = self.expect(step, answer, Duration::ZERO, within);
            // After its end, the connection would be asked in vain. Close to the deadline, the answer to another question
            // would not come in time, and the report would not show this one.
            let is_over = Instant::now() + PAUSE >= until || self.link()?.is_ended();
            match outcome {
                Err(Stop::Failed(_)) if !is_over => self.variables = before,
                outcome => return outcome,
            }
            thread::sleep(PAUSE);
            self.send_again()?;
        }
    }

    /// Waits for the end of the connection.
    fn expect_close(&mut self) -> Result<(), Stop> {
        let until = self.deadline;
        let expected = "the end of the connection, and no byte".to_owned();
        match self.link()?.read_any(until)? {
            Reading::Ended(_) => Ok(()),
            Reading::Frame(bytes) => Err(fail(&Action::Close, "bytes came instead of the end", expected, &bytes)),
            Reading::Late(_) => Err(fail(&Action::Close, "the connection stayed open", expected, &[])),
        }
    }

    /// Waits, and fails at the first byte.
    fn expect_silence(&mut self, time: Duration) -> Result<(), Stop> {
        let step = Action::Silence(time);
        let expected = format!("no byte and no end for {} ms", time.as_millis());
        match self.link()?.read_any(Instant::now() + time)? {
            Reading::Late(_) => Ok(()),
            Reading::Ended(_) => Err(fail(&step, "the connection ended", expected, &[])),
            Reading::Frame(bytes) => Err(fail(&step, "bytes came", expected, &bytes)),
        }
    }
}

fn fail(step: &Action, reason: &str, expected: String, found: &[u8]) -> Stop {
    Stop::Failed(Failure { step: step.to_string(), reason: reason.to_owned(), expected, found: list_plain(found) })
}

impl From<NotationError> for Stop {
    fn from(error: NotationError) -> Self {
        Self::Error(format!("the check itself is wrong: {error}"))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Error(format!("on the connection: {error}"))
    }
}
