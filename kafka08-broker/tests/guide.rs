//! The guide names every effect of a rule, every command of a cluster and every limit. Its examples run as doctests.

use std::{fs, path::Path};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder with an ending.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("the folder exists");
    let names = entries.map(|entry| entry.expect("it is readable").file_name().into_string().expect("a plain name"));
    names.filter(|name| name.ends_with(ending)).map(|name| format!("{folder}/{name}")).collect()
}

/// The names of the public functions of a source.
fn public_functions(source: &str) -> Vec<&str> {
    let rests = source.lines().filter_map(|line| line.trim_start().strip_prefix("pub fn "));
    rests.map(|rest| rest.split(|c: char| !is_of_name(c)).next().unwrap_or_default()).collect()
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The code of the examples: what stands between the fences of Rust blocks.
fn examples() -> String {
    let mut code = String::new();
    for page in files("docs/guide", ".md") {
        let mut is_code = false;
        for line in read(&page).lines() {
            match line {
                "```rust" => is_code = true,
                "```" => is_code = false,
                line if is_code => code.extend([line, "\n"]),
                _ => {}
            }
        }
    }
    code
}

/// Whether a function is called, as a method or by a path.
fn calls(code: &str, name: &str) -> bool {
    [".", "::"].iter().any(|before| code.contains(&format!("{before}{name}(")))
}

#[track_caller]
fn assert_each_is_called(sources: &[String]) {
    let code = examples();
    for source in sources {
        let text = read(source);
        let names = public_functions(&text);
        assert!(!names.is_empty(), "{source} has no public function: the test looks for them in the wrong way");
        let missing: Vec<_> = names.iter().filter(|name| !calls(&code, name)).collect();
        assert!(missing.is_empty(), "no example of docs/guide calls these functions of {source}: {missing:?}");
    }
}

#[test]
fn each_method_of_a_rule_has_an_example() {
    assert_each_is_called(&files("src/faults/rule", ".rs"));
}

#[test]
fn each_command_of_a_cluster_has_an_example() {
    assert_each_is_called(&["src/cluster/control.rs".to_owned()]);
}

#[test]
fn each_limit_is_in_the_table_with_its_default() {
    let page = read("docs/guide/limits.md");
    let source = read("src/config/limits.rs");
    let missing: Vec<_> = public_functions(&source)
        .into_iter()
        .filter(|name| name.starts_with("with_") && !page.contains(&format!("| `{name}` |")))
        .collect();
    assert!(missing.is_empty(), "these limits are not in docs/guide/limits.md: {missing:?}");
}

#[test]
fn the_lines_that_examples_share_are_shown_as_they_are() {
    for (page, shared) in [("first_test.md", "prelude.rs"), ("cluster.md", "cluster.rs")] {
        let (page, shared) = (read(&format!("docs/guide/{page}")), read(&format!("docs/guide/{shared}")));
        assert!(page.contains(&shared), "the page does not show the lines of the file: copy them");
    }
}

#[test]
fn each_page_is_a_module_of_the_guide() {
    let source = read("src/guide.rs");
    for page in files("docs/guide", ".md") {
        let name = page.trim_start_matches("docs/guide/").trim_end_matches(".md");
        assert!(source.contains(&format!("[`{name}`]")), "src/guide.rs does not list {page}");
    }
}
