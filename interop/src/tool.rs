//! Java tools of the same jars: other people's implementation of the protocol, to judge ours.

use std::{
    io::{Read, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Error,
    process::{java, start_error},
};

/// A Java main class with its arguments. It is killed when it takes too long.
#[derive(Clone, Debug)]
pub struct Tool {
    jars: PathBuf,
    class: String,
    args: Vec<String>,
    input: String,
    limit: Duration,
}

/// What a tool printed.
#[derive(Clone, Debug)]
pub struct ToolOutput {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Tool {
    pub(crate) fn new(jars: &Path, class: &str) -> Self {
        let limit = Duration::from_secs(30);
        Self { jars: jars.to_owned(), class: class.to_owned(), args: Vec::new(), input: String::new(), limit }
    }

    /// With these arguments behind those that are there.
    #[must_use]
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// With this as its standard input.
    #[must_use]
    pub fn input(mut self, text: &str) -> Self {
        text.clone_into(&mut self.input);
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It fails, or does not end within 30 s.
    pub fn run(&self) -> Result<ToolOutput, Error> {
        let mut command = java(&self.jars, "-Xmx128m");
        command.arg(&self.class).args(&self.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(start_error)?;
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        if let Some(mut stdin) = child.stdin.take() {
            // A tool that does not read its input has ended, and its status says why.
            let _ = stdin.write_all(self.input.as_bytes());
        }
        let started = Instant::now();
        let status = loop {
            match child.try_wait().map_err(Error::io("waiting for a tool"))? {
                Some(status) => break Some(status),
                None if started.elapsed() > self.limit => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
        let output = ToolOutput { stdout: text(stdout), stderr: text(stderr) };
        let why = match status {
            Some(status) if status.success() => return Ok(output),
            Some(status) => format!("failed ({status})"),
            None => format!("did not end within {:?}", self.limit),
        };
        Err(Error::Tool { class: self.class.clone(), why, output: format!("{}{}", output.stdout, output.stderr) })
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before an error is all there is to show.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
