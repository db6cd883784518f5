//! Finds the async functions and futures of the crate, so that a new one is not forgotten.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{connecting::Connecting, functions::Function, serving::Serving};
use crate::cluster::OfCluster;

/// What is not in a matrix, and where it is tested instead.
const ELSEWHERE: [(&str, &str); 22] = [
    ("consumer::connect", "`tests/consumer/cancel`"),
    ("consumer::assign_topic", "`tests/consumer/cancel`"),
    ("consumer::next", "`tests/consumer/cancel`"),
    ("consumer::next_event", "`tests/consumer/cancel`"),
    ("consumer::commit", "`tests/consumer/cancel`"),
    ("consumer::commit_offsets", "`tests/consumer/cancel`"),
    ("consumer::close", "`tests/consumer/cancel`"),
    ("producer::connect", "`tests/producer/cancel`"),
    ("producer::connect_with", "`tests/producer/cancel`"),
    ("producer::send", "`tests/producer/cancel`"),
    ("producer::send_set", "`tests/producer/cancel`"),
    ("producer::flush", "`tests/producer/cancel`"),
    ("producer::close", "`tests/producer/cancel`"),
    ("producer::Delivery", "`tests/producer/cancel`"),
    ("client::with_task", "`ends`: its future is the connection's task"),
    ("client::Place<'_>", "inside `send` and the other functions that wait for room"),
    ("client::Flush<'_>", "inside `flush`"),
    ("client::End<'_>", "inside `wait_closed` and `close`"),
    ("fleet::run", "`tests/fleet`: its future is the task of a machine's links"),
    ("cluster::Calling<'_, R>", "inside `call` and `call_at`"),
    ("cluster::Reaching<'_, R>", "inside `connect`"),
    ("cluster::Ending<'_>", "inside `close`"),
];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// The async functions of a file that are public, and its futures, by name.
fn public_futures(source: &str) -> Vec<String> {
    let until = |text: &str, ends: &[char]| text.split(ends).next().unwrap_or_default().trim().to_owned();
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let functions = source.split("pub ").skip(1).filter_map(|item| {
        let signature = until(item, &['{', ';']);
        let is_async = signature.starts_with("async fn ") || signature.contains("impl Future");
        let name = signature.strip_prefix("async ").unwrap_or(&signature).strip_prefix("fn ")?;
        is_async.then(|| until(name, &['(', '<']))
    });
    let futures = source.split(" Future for ").skip(1).map(|item| until(item, &['{', '\n']));
    functions.chain(futures).collect()
}

#[test]
fn every_public_future_of_the_crate_is_dropped_in_a_matrix() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for path in sources(&root) {
        let below = path.strip_prefix(&root).expect("it is below").with_extension("");
        let module = below.iter().next().and_then(|name| name.to_str()).expect("a name");
        // What a runtime provides is a future of the runtime.
        if module == "runtime" || below.ends_with("tests") {
            continue;
        }
        let source = fs::read_to_string(&path).expect("text");
        found.extend(public_futures(&source).into_iter().map(|name| format!("{module}::{name}")));
    }
    let covered: BTreeSet<_> = Function::ALL
        .into_iter()
        .map(Function::name)
        .chain(Connecting::ALL.into_iter().map(Connecting::name))
        .chain(Serving::ALL.into_iter().map(Serving::name))
        .chain(OfCluster::ALL.into_iter().map(OfCluster::name))
        .chain(ELSEWHERE.into_iter().map(|(name, _)| name))
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = found.difference(&covered).collect();
    assert!(missing.is_empty(), "not in the matrix: {missing:?}");
    let gone: Vec<_> = covered.difference(&found).collect();
    assert!(gone.is_empty(), "in the matrix, but not in the crate: {gone:?}");
}

#[test]
fn an_async_function_and_a_future_are_found_whatever_stands_around_them() {
    let source = "impl A {\n    pub async fn one<R>(&self) {}\n    pub(crate) async fn two() {}\n    async fn three() {}\n\
                  pub fn four(\n  a: u8,\n) -> impl Future<Output = ()> + Send {}\n    pub fn five() -> u8 {}\n\
                  impl<R> Future for Six<R> {}\n#[cfg(test)]\npub async fn seven() {}\n";
    assert_eq!(public_futures(source), ["one", "four", "Six<R>"]);
}
