//! No error type can be forgotten: what the sources define is compared with what the tests of texts name.

use std::{fs, path::Path};

/// Every source of this crate that stands below a folder.
fn texts(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            text += &texts(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path).expect("a source can be read");
        }
    }
    text
}

/// The names of the variants of an enum.
fn variants<'t>(source: &'t str, name: &str) -> Vec<&'t str> {
    let Some((_, body)) = source.split_once(&format!("pub enum {name} {{\n")) else { return Vec::new() };
    let body = body.split("\n}\n").next().unwrap_or_default();
    let is_variant = |line: &&str| line.starts_with("    ") && line[4..].starts_with(|c: char| c.is_ascii_uppercase());
    body.lines()
        .filter(is_variant)
        .filter_map(|line| line.trim().split(|c: char| !c.is_alphanumeric()).next())
        .collect()
}

#[test]
fn every_variant_of_every_error_is_named_in_a_test_of_texts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = texts(&root.join("src"));
    let tests = texts(&root.join("tests"));
    let errors: Vec<&str> = sources
        .split("Error for ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next())
        .collect();
    assert!(errors.len() > 25, "the errors are found: {errors:?}");
    // What an error says may be in an enum of its own, named after it.
    let parts = [
        "DecodeProblem",
        "MessageProblem",
        "InflateProblem",
        "PartitionProblem",
        "LeaderProblem",
        "Progress",
        "UndeterminedReason",
    ];
    let unnamed: Vec<String> = errors
        .into_iter()
        .chain(parts)
        .flat_map(|name| {
            let variants = variants(&sources, name).into_iter().map(move |variant| format!("{name}::{variant}"));
            std::iter::once(name.to_owned()).chain(variants)
        })
        .filter(|name| !tests.contains(name))
        .collect();
    assert_eq!(unnamed, [""; 0]);
}
