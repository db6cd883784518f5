//! A Kafka 0.8 broker, or several that form a cluster, as a program: `kafka08-broker --help`.
//!
//! The documentation is in `docs/binary.md`.

mod arguments;
mod codes;
mod lines;
mod watching;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use arguments::Arguments;
use clap::Parser as _;
use kafka08_broker::{BrokerConfig, Control, Rule, RuleId, Server};
use kafka08_proto::ids::NodeId;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use watching::Watcher;

/// How long is waited for something to happen. Nothing depends on the value.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// Signals within this time are one wish to stop: `timeout` sends its signal to the program and then to the whole group.
const SAME_WISH: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If this cannot be printed either, the exit code still tells.
            let _ = writeln!(io::stderr(), "kafka08-broker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the brokers until a signal ends them.
fn run(arguments: Arguments) -> io::Result<()> {
    // From here on the signals end nothing by themselves, so that what was written is stored.
    let signals = Signals::new([SIGINT, SIGTERM])?;
    let (verbosity, rules) = (arguments.verbosity(), arguments.rules());
    let config = arguments.into_config();
    let server = Server::start(config.clone())?;
    let rules: Vec<(RuleId, Rule)> = rules.into_iter().map(|rule| (server.add_rule(rule.clone()), rule)).collect();
    announce(&server, &config)?;
    for (id, rule) in rules {
        say(format_args!("fault {id}: {rule}"))?;
    }
    let stops = stop_at(signals, server.control().clone())?;
    let mut watcher = Watcher::new(verbosity);
    let ended = watch(&server, &mut watcher, &stops);
    let control = server.control().clone();
    server.stop();
    ended?;
    match control.failure() {
        Some(why) => Err(io::Error::other(why)),
        None => say(format_args!("stopped")),
    }
}

/// Prints a line.
fn say(line: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}").map_err(|error| {
        let text = format!("cannot write to the standard output: {error}; the brokers have been stopped");
        io::Error::new(error.kind(), text)
    })
}

/// Tells where the brokers listen, and which topics they have.
fn announce(server: &Server, config: &BrokerConfig) -> io::Result<()> {
    let first = config.node().0;
    let nodes = (first..).map(NodeId).map_while(|node| Some((node, server.address_of(node)?)));
    for (n, (node, address)) in (0..).zip(nodes) {
        let profile = config.profile_of(node);
        match config.advertised() {
            None => say(format_args!("broker {node} listens at {address} ({profile})"))?,
            Some(told) => {
                let (host, port) = (told.host(), told.port().saturating_add(n));
                say(format_args!("broker {node} listens at {address} ({profile}), and tells clients {host}:{port}"))?;
            }
        }
    }
    for topic in server.snapshot().topics {
        match topic.partitions.len() {
            1 => say(format_args!("topic {}: 1 partition", topic.topic))?,
            n => say(format_args!("topic {}: {n} partitions", topic.topic))?,
        }
    }
    Ok(())
}

/// Has the first signal end the loop of [`watch`]. One that comes later than [`SAME_WISH`] ends the process at once, if storing
/// takes too long.
fn stop_at(mut signals: Signals, control: Control) -> io::Result<Arc<AtomicBool>> {
    let stops = Arc::new(AtomicBool::new(false));
    let of_thread = Arc::clone(&stops);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut first = None;
        for signal in &mut signals {
            if first.get_or_insert_with(Instant::now).elapsed() > SAME_WISH {
                // 128 and the number of the signal, as a shell reports a process that a signal has ended.
                std::process::exit(128 + signal);
            }
            of_thread.store(true, Ordering::Relaxed);
            // A command wakes whoever waits for the cluster.
            control.with(|_, _| {});
        }
    })?;
    Ok(stops)
}

/// Prints what happens, until the brokers must stop or have stopped by themselves.
fn watch(server: &Server, watcher: &mut Watcher, stops: &AtomicBool) -> io::Result<()> {
    loop {
        let has_ended = || stops.load(Ordering::Relaxed) || server.failure().is_some();
        // When the time is over, nothing has happened, and it is waited again.
        let _ = server.wait_until(AN_HOUR, |cluster| watcher.look(cluster) || has_ended());
        // Printed while the cluster is not locked: a terminal that stands still must not hold up the clients.
        for line in watcher.take_lines() {
            say(line)?;
        }
        if has_ended() {
            return Ok(());
        }
    }
}
