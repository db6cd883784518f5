//! No error type can be forgotten: what the sources define is compared with the rows of the tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{Row, rows, words};

/// The text of every source that stands below a folder, without comments.
fn texts(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            text += &texts(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("a source can be read");
            for line in source.lines().map(|line| line.split("//").next().unwrap_or_default()) {
                text += line;
                text += "\n";
            }
        }
    }
    text
}

/// The names of the types that implement `Error`.
fn errors(source: &str) -> BTreeSet<&str> {
    source.split("Error for ").skip(1).filter_map(|rest| words(rest).next()).collect()
}

/// A public type, by its source.
struct Definition<'t> {
    name: &'t str,
    /// What stands between its braces or parentheses.
    body: &'t str,
    /// Empty if it is no enum.
    variants: Vec<&'t str>,
}

/// The type that a source begins with.
fn definition(source: &str) -> Option<Definition<'_>> {
    let end = if source.lines().next()?.ends_with('{') { "\n}" } else { "\n" };
    let body = source.split(end).next()?;
    let is_enum = source.starts_with("enum ");
    let name = words(body).nth(1).filter(|_| is_enum || source.starts_with("struct "))?;
    // Variants stand at the first level, and their fields deeper.
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = lines.filter(|line| is_enum && line.starts_with(char::is_uppercase));
    Some(Definition { name, body, variants: names.filter_map(|line| words(line).next()).collect() })
}

/// An error, the errors that it wraps, and the enums that they are made of.
fn parts<'d>(
    definitions: &BTreeMap<&str, &'d Definition<'d>>,
    errors: &BTreeSet<&str>,
    error: &str,
) -> Vec<&'d Definition<'d>> {
    let mut found: Vec<&Definition<'_>> = definitions.get(error).copied().into_iter().collect();
    let mut next = 0;
    while let Some(part) = found.get(next) {
        let is_part = |part: &&Definition<'_>| errors.contains(part.name) || !part.variants.is_empty();
        for part in words(part.body).filter_map(|word| definitions.get(word).copied()).filter(is_part) {
            if found.iter().all(|known| known.name != part.name) {
                found.push(part);
            }
        }
        next += 1;
    }
    found
}

#[test]
fn every_variant_of_every_error_has_a_row() {
    let source = texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let errors = errors(&source);
    assert!(errors.len() > 25, "the errors are found: {errors:?}");
    let definitions: Vec<_> = source.split("\npub ").skip(1).filter_map(definition).collect();
    let definitions: BTreeMap<&str, &Definition<'_>> = definitions.iter().map(|found| (found.name, found)).collect();
    let rows = rows();
    let (mut missing, mut inside) = (Vec::new(), BTreeMap::new());
    for error in &errors {
        let is_of_error = |row: &&Row| words(&row.name).next() == Some(error);
        let own: Vec<&Row> = rows.iter().filter(is_of_error).collect();
        let variants = &definitions.get(error).expect("an error is public").variants;
        let has_row = |variant: &&&str| own.iter().any(|row| row.name == format!("{error}::{variant}"));
        missing
            .extend(variants.iter().filter(|variant| !has_row(variant)).map(|variant| format!("{error}::{variant}")));
        if own.is_empty() {
            missing.push((*error).to_owned());
        }
        // What is inside of it: a row that prints the name of a variant has it.
        let printed: Vec<String> = own.iter().map(|row| format!("{:?}", row.error)).collect();
        let printed: BTreeSet<&str> = printed.iter().flat_map(|debug| words(debug)).collect();
        for part in parts(&definitions, &errors, error).into_iter().filter(|part| !errors.contains(part.name)) {
            for variant in &part.variants {
                *inside.entry(format!("{}::{variant}", part.name)).or_insert(false) |= printed.contains(variant);
            }
        }
    }
    assert_eq!(missing, [""; 0]);
    for known in ["DecodeProblem::Truncated", "InflateProblem::Ratio", "Progress::Offered", "LooksLike::Ssh"] {
        assert!(inside.contains_key(known), "{known} is found: {inside:?}");
    }
    inside.retain(|_, is_told| !*is_told);
    assert!(inside.is_empty(), "in no row: {inside:?}");
}

#[test]
fn the_other_crates_have_no_errors_of_their_own() {
    // Those of kafka08-broker are no errors of clients, and have a test there.
    for other in ["kafka08-blocking", "kafka08-tokio"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(other).join("src");
        // The published crate stands alone.
        if folder.is_dir() {
            assert_eq!(
                errors(&texts(&folder)),
                BTreeSet::new(),
                "{other}: give them to `adapter`, or test their texts"
            );
        }
    }
}
