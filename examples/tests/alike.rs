//! Moving from one runtime to another is changing an import: what reads alike, and which names are the same everywhere.
//!
//! The tests compare sources as text. Each difference that is allowed is listed here with its reason. A listed difference that
//! does not exist any more is a failure too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The other quick starts, and how the text of each differs from that of `quickstart`, apart from `async` and `.await`:
/// its own text, and that of `quickstart`.
const QUICK_STARTS: [(&str, &[(&str, &str)]); 4] = [
    (
        "kafka08-blocking/examples/quickstart_shared.rs",
        &[
            ("quickstart_shared", "quickstart"),
            ("SharedClient as Client, SharedPending as Pending,", "Client, Pending,"),
            // What this client can do and the other cannot.
            ("    // Another thread sends the fetch, with the same client and on the same connection.\n", ""),
            ("on_another_thread(|| client.send(&fetch))", "client.send(&fetch)"),
            (
                "/// Runs `work` on a thread of its own, and waits for its result.\n\
                 fn on_another_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {\n    \
                 thread::scope(|scope| scope.spawn(work).join().expect(\"the work does not panic\"))\n}\n\n",
                "",
            ),
        ],
    ),
    (
        "kafka08-tokio/examples/quickstart_tokio.rs",
        &[
            ("quickstart_tokio", "quickstart"),
            ("use kafka08_tokio::{", "use kafka08_blocking::{"),
            ("#[tokio::main(flavor = \"current_thread\")]\n", ""),
            ("tokio::time::sleep(", "thread::sleep("),
            CLAIMS[0],
            CLAIMS[1],
        ],
    ),
    (
        "kafka08-async-std/examples/quickstart_async_std.rs",
        &[
            ("quickstart_async_std", "quickstart"),
            ("use kafka08_async_std::{", "use kafka08_blocking::{"),
            ("async_std::task::block_on(run())", "run()"),
            ("async_std::task::sleep(", "thread::sleep("),
            CLAIMS[0],
            CLAIMS[1],
        ],
    ),
    (
        "kafka08-async-std/examples/quickstart_smol.rs",
        &[
            ("quickstart_smol", "quickstart"),
            ("use kafka08_async_std::smol::{", "use kafka08_blocking::{"),
            ("smol::block_on(run())", "run()"),
            ("smol::Timer::after(", "thread::sleep("),
            CLAIMS[0],
            CLAIMS[1],
        ],
    ),
];

/// The other examples of a producer, in the same way.
const PRODUCERS: [(&str, &[(&str, &str)]); 3] = [
    (
        "kafka08-tokio/examples/produce_tokio.rs",
        &[
            ("produce_tokio", "produce"),
            ("use kafka08_tokio::{", "use kafka08_blocking::{"),
            ("#[tokio::main(flavor = \"current_thread\")]\n", ""),
            ("delivery?", "delivery.wait()?"),
        ],
    ),
    (
        "kafka08-async-std/examples/produce_async_std.rs",
        &[
            ("produce_async_std", "produce"),
            ("use kafka08_async_std::{", "use kafka08_blocking::{"),
            ("async_std::task::block_on(run())", "run()"),
            ("delivery?", "delivery.wait()?"),
        ],
    ),
    (
        "kafka08-async-std/examples/produce_smol.rs",
        &[
            ("produce_smol", "produce"),
            ("use kafka08_async_std::smol::{", "use kafka08_blocking::{"),
            ("smol::block_on(run())", "run()"),
            ("delivery?", "delivery.wait()?"),
        ],
    ),
];

/// The other examples of a consumer, in the same way.
const CONSUMERS: [(&str, &[(&str, &str)]); 3] = [
    (
        "kafka08-tokio/examples/read_tokio.rs",
        &[
            ("read_tokio", "read"),
            ("use kafka08_tokio::{", "use kafka08_blocking::{"),
            ("#[tokio::main(flavor = \"current_thread\")]\n", ""),
        ],
    ),
    (
        "kafka08-async-std/examples/read_async_std.rs",
        &[
            ("read_async_std", "read"),
            ("use kafka08_async_std::{", "use kafka08_blocking::{"),
            ("async_std::task::block_on(run())", "run()"),
        ],
    ),
    (
        "kafka08-async-std/examples/read_smol.rs",
        &[
            ("read_smol", "read"),
            ("use kafka08_async_std::smol::{", "use kafka08_blocking::{"),
            ("smol::block_on(run())", "run()"),
        ],
    ),
];

/// A claim is a future. In plain threads the client waits for it, because bytes move only while one of its methods runs.
const CLAIMS: [(&str, &str); 2] = [
    ("show_messages(&fetched?)", "show_messages(&client.wait(fetched)?)"),
    ("in pending?", "in client.wait(pending)?"),
];

/// The client for one thread is not shared, so its methods take `&mut self`.
const MUTABLE: [(&str, &str); 3] =
    [("let mut client", "let client"), ("(&mut client)", "(&client)"), ("client: &mut Client", "client: &Client")];

/// Which of these are imported, and where they stand among the imports, depends on the runtime.
const IMPORTS: [&str; 2] = ["use std::{", "use kafka08_broker::{"];

#[test]
fn quick_starts_differ_in_imports_and_in_how_they_wait_only() {
    let one_thread = replaced("quickstart", &source("kafka08-blocking/examples/quickstart.rs"), &MUTABLE);
    let expected: Vec<&str> = lines(&one_thread).collect();
    for (path, differences) in QUICK_STARTS {
        let text = source(path).replace(".await", "").replace("async fn ", "fn ");
        let text = replaced(path, &text, differences);
        for (number, (line, expected)) in lines(&text).zip(&expected).enumerate() {
            assert_eq!(&line, expected, "{path}, line {} without imports", number + 1);
        }
        assert_eq!(lines(&text).count(), expected.len(), "{path}");
    }
}

#[test]
fn examples_of_a_producer_differ_in_imports_and_in_how_they_wait_only() {
    differ_only("kafka08-blocking/examples/produce.rs", &PRODUCERS);
}

#[test]
fn examples_of_a_consumer_differ_in_imports_and_in_how_they_wait_only() {
    differ_only("kafka08-blocking/examples/read.rs", &CONSUMERS);
}

/// Asserts that the others differ from an example of threads by `.await` and by what is listed.
fn differ_only(threads: &str, others: &[(&str, &[(&str, &str)])]) {
    let threads = source(threads);
    for (path, differences) in others {
        let text = source(path).replace(".await", "").replace("async fn ", "fn ");
        let text = replaced(path, &text, differences);
        assert!(lines(&text).eq(lines(&threads)), "{path}:\n{text}");
    }
}

#[test]
fn the_ten_lines_of_the_readme_differ_in_imports_and_in_how_they_wait_only() {
    let readme = source("README.md");
    let (_, section) = readme.split_once("\n## The same ten lines everywhere\n").expect("it has the section");
    let mut blocks = section.split("```rust\n").skip(1).filter_map(|from_block| Some(from_block.split_once("```")?.0));
    let one_thread = blocks.next().expect("it has the ten lines");
    assert_eq!(one_thread.lines().filter(|line| !line.is_empty()).count(), 10);
    let one_thread = replaced("the first block", one_thread, &[("let mut client", "let client")]);
    let claims = [("in second?", "in client.wait(second)?"), ("first?.leader", "client.wait(first)?.leader")];
    for (import, claims) in [
        ("kafka08_blocking::{SharedClient as Client,", &[][..]),
        ("kafka08_tokio::{Client,", &claims),
        ("kafka08_async_std::{Client,", &claims),
        ("kafka08_async_std::smol::{Client,", &claims),
    ] {
        let block = blocks.next().expect("each has its ten lines").replace(".await", "");
        let block = replaced(import, &block, &[(import, "kafka08_blocking::{Client,")]);
        assert_eq!(replaced(import, &block, claims), one_thread, "{import}");
    }
}

#[test]
fn the_adapters_have_the_same_names() {
    let mut same: Option<BTreeSet<String>> = None;
    for (path, own) in [
        // The runtime as a type, and what it is made of. The guide is for all of them. A stream is an iterator in plain threads.
        ("kafka08-tokio/src/lib.rs", &["MessageStream", "Sleeping", "Stream", "Tokio", "guide"][..]),
        // `smol` is the other runtime of the crate. Both have the timer.
        ("kafka08-async-std/src/lib.rs", &["AsyncStd", "MessageStream", "Timer", "smol"]),
        ("kafka08-async-std/src/smol.rs", &["MessageStream", "Smol"]),
        // In plain threads there are two clients, the loop of one of them, and a runtime that others can wait with.
        (
            "kafka08-blocking/src/lib.rs",
            &["Driver", "MessageIter", "SetIter", "SharedClient", "SharedPending", "threads"],
        ),
    ] {
        let names = without(path, exports(&source(path)), own);
        assert_eq!(&names, same.get_or_insert_with(|| names.clone()), "{path}");
    }
}

/// How a claim is waited for where it is no future.
const WAITING: [&str; 4] = ["wait", "wait_undecoded", "try_wait", "try_wait_undecoded"];

#[test]
fn the_clients_have_the_same_methods() {
    // `with_task` is for those who spawn the task themselves. Threads have no tasks.
    let tasks = without("Client of tasks", methods("kafka08-async/src/client", "Client"), &["with_task"]);
    let shared = methods("kafka08-blocking/src/shared_client", "SharedClient");
    assert_eq!(without("SharedClient", shared, &WAITING), tasks);

    // For poll loops of one's own, in which nothing happens while no method runs.
    let polling = ["next_deadline", "stats", "stream", "turn", "wants_read", "wants_write", "write"];
    let one_thread = methods("kafka08-blocking/src/client", "Client");
    let one_thread = without("Client of one thread", one_thread, &[&WAITING[..], &polling].concat());
    // A connection of one thread ends in a method of that thread, which returns the error, so nothing waits for its end.
    assert_eq!(one_thread, without("Client of tasks", tasks, &["wait_closed"]));
}

#[test]
fn the_claims_have_the_same_methods() {
    let tasks = methods("kafka08-async/src/client", "Pending");
    // The client of one thread waits, not its claims: see above.
    assert_eq!(methods("kafka08-blocking/src", "Pending"), tasks);
    assert_eq!(
        without("SharedPending", methods("kafka08-blocking/src/shared_client", "SharedPending"), &WAITING),
        tasks
    );
}

#[test]
fn the_clusters_have_the_same_methods() {
    assert_eq!(methods("kafka08-blocking/src", "Cluster"), methods("kafka08-async/src/cluster", "Cluster"));
}

#[test]
fn the_servers_have_the_same_methods() {
    assert_eq!(methods("kafka08-blocking/src", "Server"), methods("kafka08-async/src/server", "Server"));
}

#[test]
fn the_producers_have_the_same_methods() {
    let tasks = methods("kafka08-async/src/producer", "Producer");
    assert_eq!(methods("kafka08-blocking/src/producer", "Producer"), tasks);
    // A delivery is a future, except in plain threads.
    let shared = without("Delivery", methods("kafka08-blocking/src/producer", "Delivery"), &["wait"]);
    assert_eq!(shared, methods("kafka08-async/src/producer", "Delivery"));
}

#[test]
fn the_consumers_have_the_same_methods() {
    let tasks = methods("kafka08-async/src/consumer", "Consumer");
    // A task limits a wait by a timer of its runtime, because dropping the future loses nothing.
    let shared = methods("kafka08-blocking/src/consumer", "Consumer");
    assert_eq!(without("Consumer of threads", shared, &["next_within", "next_event_within"]), tasks);
}

fn source(path: &str) -> String {
    let path = workspace().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !IMPORTS.iter().any(|import| line.starts_with(import)))
}

fn replaced(what: &str, text: &str, differences: &[(&str, &str)]) -> String {
    differences.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{what} differs no longer by {from:?}");
        text.replace(from, to)
    })
}

fn without(what: &str, mut names: BTreeSet<String>, own: &[&str]) -> BTreeSet<String> {
    for name in own {
        assert!(names.remove(*name), "{what} has no {name}");
    }
    names
}

/// The public names of a file: what it defines, and what it re-exports.
fn exports(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in text.split("\npub ").skip(1) {
        let item = item.strip_prefix("async ").unwrap_or(item);
        if let Some((imports, _)) = item.strip_prefix("use ").and_then(|item| item.split_once(';')) {
            // Of `a::b`, `a as b` and `b`, the last word is the name. A path that goes on with `{` ends with `::`.
            let words = imports.split(['{', '}', ',']).map(str::trim);
            names.extend(words.filter(|word| !word.ends_with("::")).filter_map(last_word));
        } else {
            names.extend(item.split_once(' ').map(|(_, name)| first_word(name)));
        }
    }
    names
}

fn last_word(text: &str) -> Option<String> {
    text.rsplit([' ', ':']).next().filter(|word| !word.is_empty()).map(str::to_owned)
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// The public methods of a type, in the sources under `path`. Those that are hidden in the documentation do not count.
fn methods(path: &str, of: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut paths = vec![workspace().join(path)];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("the directory exists");
            paths.extend(entries.map(|entry| entry.expect("it can be read").path()));
        } else {
            let text = fs::read_to_string(&path).expect("it is text");
            let blocks = text.split("\nimpl").skip(1);
            for block in blocks.filter(|block| is_of(block, of)) {
                let (body, _) = block.split_once("\n}").unwrap_or((block, ""));
                let (befores, methods) = (body.split("    pub "), body.split("    pub ").skip(1));
                for (before, method) in befores.zip(methods) {
                    let name = method.split_once("fn ").map(|(_, name)| first_word(name));
                    found.extend(name.filter(|_| !before.ends_with("#[doc(hidden)]\n")));
                }
            }
        }
    }
    assert!(!found.is_empty(), "{path} has no {of}");
    found
}

/// Whether a block, without its `impl`, is that of a type: `<S: Read> Client<S> {`.
fn is_of(block: &str, of: &str) -> bool {
    let header = block.split_once('{').map_or(block, |(header, _)| header);
    let header = header.split_once("\nwhere").map_or(header, |(header, _)| header);
    // The generics of the block end in front of the last space but one; those of the type have no spaces.
    let name = header.trim_end().rsplit(' ').next().unwrap_or_default();
    first_word(name) == of
}
