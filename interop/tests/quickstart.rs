//! The quick starts, as a user runs them, against a real broker.

use std::process::Command;

use interop::{Cluster, Release};

/// Each example, and the features that it needs besides those that are on by default.
const EXAMPLES: [(&str, &[&str]); 5] = [
    ("quickstart", &[]),
    ("quickstart_shared", &[]),
    ("quickstart_tokio", &[]),
    ("quickstart_async_std", &[]),
    ("quickstart_smol", &["--features", "kafka08-async-std/smol"]),
];

#[test]
fn all_quick_starts_do_their_work_on_a_real_broker() {
    let cluster = Cluster::start(Release::V0_8_2_2).unwrap_or_else(|error| panic!("{error}"));
    // Each one sends two messages to the topics that the first one has created.
    for ((example, features), offset) in EXAMPLES.into_iter().zip((0..).step_by(2)) {
        let output = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--example", example])
            .args(features)
            .args(["--", "--broker", &cluster.broker()])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .expect("cargo runs");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{example}: {stdout}{stderr}");
        for (round, offset) in [("first", offset), ("second", offset + 1)] {
            let line = format!("sign-ups/1 at {offset}: {round} message for sign-ups/1");
            assert!(stdout.contains(&line), "{example} does not say {line:?}: {stdout}");
        }
    }
}
