//! The program, as a user starts it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::Client;
use kafka08_proto::{
    ClientConfig,
    api::{MetadataRequest, ProduceRequest},
    ids::{Acks, Millis, NodeId},
    message::MessageSet,
};
use rustix::process::{Pid, Signal, kill_process};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafka08-broker"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the program to its end, which comes at once because it cannot start.
fn fail(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command(arguments).output().expect("it runs");
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    (status.code(), String::from_utf8(stderr).expect("text"))
}

/// The program while it runs. It ends with the test.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it is a pipe"));
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    /// Reads the line of a broker. Returns its address.
    fn listens(&mut self, node: i32, release: &str) -> String {
        let line = self.line();
        let address = line.strip_prefix(&format!("broker {node} listens at ")).expect(&line);
        let (address, rest) = address.split_once(' ').expect(&line);
        assert_eq!(rest, format!("(Kafka {release})"));
        address.to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for the end. Returns the exit code, the other lines, and what it says to the standard error.
    fn end(mut self) -> (Option<i32>, String, String) {
        let limit = Instant::now() + Duration::from_secs(20);
        let status = loop {
            assert!(Instant::now() < limit, "it does not end");
            match self.child.try_wait().expect("it is a child") {
                Some(status) => break status,
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let (mut rest, mut errors) = (String::new(), String::new());
        self.lines.read_to_string(&mut rest).expect("text");
        self.child.stderr.take().expect("it is a pipe").read_to_string(&mut errors).expect("text");
        (status.code(), rest, errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: &str) -> Client {
    Client::connect(address, ClientConfig::default().with_client_id(Some("c".into()))).expect("it listens")
}

#[test]
fn it_serves_without_a_standard_input_until_a_signal_ends_it() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut running = Running::start(&["--port", "0", "--topic", "t:3", "--topic", "u:1"]);
        let address = running.listens(1, "0.8.2");
        assert_eq!([running.line(), running.line()], ["topic t: 3 partitions", "topic u: 1 partition"]);
        let metadata = connect(&address).call(&MetadataRequest::of(["t"])).expect("an answer");
        assert_eq!(metadata.topic("t").expect("it exists").partitions.len(), 3);
        running.signal(signal);
        assert_eq!(running.end(), (Some(0), "stopped\n".to_owned(), String::new()));
    }
}

/// `timeout` sends its signal to the program and then to the whole group.
#[test]
fn two_signals_at_once_end_it_as_one_does() {
    let mut running = Running::start(&["--port", "0"]);
    running.listens(1, "0.8.2");
    running.signal(Signal::TERM);
    running.signal(Signal::INT);
    assert_eq!(running.end(), (Some(0), "stopped\n".to_owned(), String::new()));
}

#[test]
fn it_runs_several_brokers_of_a_release_that_are_told_under_another_address() {
    let arguments = ["--port", "0", "--brokers", "2", "--profile", "0.8.1", "--advertised", "broker.test:7000"];
    let mut running = Running::start(&arguments);
    let mut address = String::new();
    for (node, port) in [(1, 7000), (2, 7001)] {
        let line = running.line();
        let told = format!(" (Kafka 0.8.1), and tells clients broker.test:{port}");
        let listens =
            line.strip_prefix(&format!("broker {node} listens at ")).and_then(|rest| rest.strip_suffix(&told));
        listens.expect(&line).clone_into(&mut address);
    }
    let mut client = connect(&address);
    while client.call(&MetadataRequest::of(["t"])).expect("an answer").leader_of("t", 0).is_err() {}
    let metadata = client.call(&MetadataRequest::all()).expect("an answer");
    let told = metadata.broker(NodeId(2)).expect("there are two").host_port().expect("an address");
    assert_eq!(told.to_string(), "broker.test:7001");
}

#[test]
fn it_tells_each_connection_and_request_if_it_is_asked_to() {
    let mut running =
        Running::start(&["--port", "0", "--topic", "t:1", "--fault", "produce once: answer code=6", "-v"]);
    let address = running.listens(1, "0.8.2");
    assert_eq!(running.line(), "topic t: 1 partition");
    assert_eq!(running.line(), "fault 1: produce once: answer code=6");
    let mut client = connect(&address);
    client.call(&MetadataRequest::of(["t"])).expect("an answer");
    let line = running.line();
    assert!(line.starts_with("connection 0: opened to broker 1 from 127.0.0.1:"), "{line}");
    let line = running.line();
    assert!(line.starts_with("connection 0: Metadata v0 of \"c\" for t: ok, "), "{line}");
    assert!(line.contains(" bytes after ") && line.ends_with(" ms"), "{line}");
    let produce = ProduceRequest::new(Acks::LEADER, Millis(1000)).with("t", 0, MessageSet::of_value(b"v"));
    client.call(&produce).expect("an answer");
    let line = running.line();
    assert!(line.starts_with("connection 0: Produce v0 of \"c\" for t:0: NotLeaderForPartition (6), "), "{line}");
    assert!(line.ends_with(" ms, by fault 1"), "{line}");
    drop(client);
    let line = running.line();
    assert!(line.starts_with("connection 0: closed from 127.0.0.1:"), "{line}");
}

#[test]
fn what_a_data_directory_keeps_is_there_again() {
    let dir = std::env::temp_dir().join(format!("kafka08-broker-binary-{}", std::process::id()));
    let dir_text = dir.to_str().expect("text");
    let mut running = Running::start(&["--port", "0", "--data-dir", dir_text, "--topic", "t:2"]);
    running.listens(1, "0.8.2");
    assert_eq!(running.line(), "topic t: 2 partitions");
    running.signal(Signal::TERM);
    assert_eq!(running.end(), (Some(0), "stopped\n".to_owned(), String::new()));
    let mut running = Running::start(&["--port", "0", "--data-dir", dir_text]);
    running.listens(1, "0.8.2");
    assert_eq!(running.line(), "topic t: 2 partitions");
    drop(running);
    std::fs::remove_dir_all(dir).expect("it is there");
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let (code, says) = fail(&["--port", &port]);
    assert_eq!(code, Some(1));
    assert!(says.starts_with(&format!("kafka08-broker: broker 1 cannot listen at 127.0.0.1:{port}: ")), "{says}");
    assert!(says.ends_with("; use another port, or 0 for a free one\n"), "{says}");
}

#[test]
fn arguments_that_cannot_be_read_are_named_with_what_is_possible() {
    let (code, says) = fail(&["--topic", "a b:1", "--port", "0"]);
    assert_eq!(code, Some(1));
    assert!(says.starts_with("kafka08-broker: the topic \"a b\" cannot be created: a name has 1 to 255"), "{says}");
    for (arguments, part) in [
        (["--topic", "t:0"], "write a number from 1 to 65535"),
        (["--profile", "0.7"], "0.8.0, 0.8.1, 0.8.2"),
        (["--prot", "1"], "--port"),
        (["--fault", "produce"], "produce"),
    ] {
        let (code, says) = fail(&arguments);
        assert_eq!(code, Some(2), "{says}");
        assert!(says.contains(part), "{says}");
    }
}

#[test]
fn help_names_every_option_on_the_standard_output() {
    let Output { status, stdout, stderr } = command(&["--help"]).output().expect("it runs");
    assert!(status.success() && stderr.is_empty());
    let help = String::from_utf8(stdout).expect("text");
    let manual = include_str!("../docs/binary.md");
    let options: Vec<&str> = help.split_whitespace().filter(|word| word.len() > 2 && word.starts_with("--")).collect();
    assert!(options.len() > 10, "{help}");
    for option in options.into_iter().filter(|option| !["--help", "--version"].contains(option)) {
        assert!(manual.contains(option), "the manual does not name {option}");
    }
}
