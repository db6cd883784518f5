//! Judges a broker: `cargo run --example judge -- HOST:PORT --release 0.8.2 [--json] [--only PREFIX]`.
//!
//! `--set NAME=NUMBER` gives a setting of the broker: `partitions`, `message-max`, `segment-bytes` or `metadata-max`. `--fresh`
//! says that the cluster has never had a topic.

use std::process::ExitCode;

use kafka08_conformance::{Target, run};
use kafka08_proto::profile::Profile;

const USAGE: &str =
    "judge HOST:PORT --release 0.8.0|0.8.1|0.8.2 [--json] [--only PREFIX] [--set NAME=NUMBER] [--fresh]";

/// What the command line says.
struct Options {
    target: Target,
    is_json: bool,
    only: String,
}

fn main() -> ExitCode {
    let Some(options) = read(std::env::args().skip(1)) else {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(64);
    };
    let report = run(&options.target, |check| check.id().starts_with(&options.only));
    if options.is_json {
        println!("{}", report.to_json());
    } else {
        print!("{report}");
    }
    ExitCode::from(report.exit_code())
}

fn read(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let (mut address, mut release, mut is_json, mut is_fresh) = (None, None, false, false);
    let (mut only, mut settings) = (String::new(), Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--release" => release = Some(profile(&arguments.next()?)?),
            "--json" => is_json = true,
            "--fresh" => is_fresh = true,
            "--only" => only = arguments.next()?,
            "--set" => settings.push(arguments.next()?),
            _ => address = Some(argument),
        }
    }
    let target = Target::new(address?, release?);
    let target = if is_fresh { target.with_fresh_cluster() } else { target };
    let target = settings.iter().try_fold(target, |target, setting| set(target, setting))?;
    Some(Options { target, is_json, only })
}

fn profile(name: &str) -> Option<Profile> {
    match name {
        "0.8.0" => Some(Profile::V0_8_0),
        "0.8.1" => Some(Profile::V0_8_1),
        "0.8.2" => Some(Profile::V0_8_2),
        _ => None,
    }
}

fn set(target: Target, setting: &str) -> Option<Target> {
    let (name, number) = setting.split_once('=')?;
    let number = number.parse().ok()?;
    match name {
        "partitions" => Some(target.with_partitions(number)),
        "message-max" => Some(target.with_message_max_bytes(number)),
        "segment-bytes" => Some(target.with_segment_bytes(number)),
        "metadata-max" => Some(target.with_offset_metadata_max_bytes(number)),
        _ => None,
    }
}
