//! The tests that `docs/other-languages.md` shows, run as they are written there. They start the program `kafka08-broker`, which
//! is built here, or is the one that `KAFKA08_BROKER_BIN` names.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use interop::{Program, Tool};

use crate::target::RELEASE;

const PAGE: &str = include_str!("../../../docs/other-languages.md");
/// A folder of cargo's inside of the one of the build.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

/// The first block in a language below a heading.
fn block(heading: &str, language: &str) -> &'static str {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).expect("the page has the heading");
    let (_, text) = section.split_once(&format!("\n```{language}\n")).expect("the section has a block");
    text.split_once("\n```\n").expect("the block ends").0
}

/// Writes a block of the page to a file. Returns the path.
fn write(name: &str, block: &str) -> String {
    let folder = Path::new(FOLDER).join("page");
    fs::create_dir_all(&folder).expect("a folder for the files");
    let path = folder.join(name);
    fs::write(&path, block).expect("the file is written");
    path.display().to_string()
}

fn program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = || {
        let args = ["build", "--quiet", "-p", "kafka08-broker", "--features", "cli", "--target-dir"];
        let folder = Path::new(FOLDER).parent().expect("it lies in the folder of the build");
        let status = Command::new(env!("CARGO")).args(args).arg(folder).status().expect("cargo starts");
        assert!(status.success(), "cargo does not build the program");
        folder.join("debug/kafka08-broker")
    };
    match env::var_os("KAFKA08_BROKER_BIN") {
        // As a whole path, because a link to it lies in another folder.
        Some(path) => fs::canonicalize(path).expect("KAFKA08_BROKER_BIN names a program"),
        None => BUILT.get_or_init(built).clone(),
    }
}

/// A search path in which the program has its name, whatever its file is called.
fn search_path() -> String {
    let folder = Path::new(FOLDER).join("page/bin");
    fs::create_dir_all(&folder).expect("a folder for the program");
    // Tests run at once: each puts a link of its own in place of the last one, which is never missing.
    let link = folder.join(format!("{:?}", std::thread::current().id()));
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(program(), &link).expect("a link to the program");
    fs::rename(&link, folder.join("kafka08-broker")).expect("the link gets its name");
    format!("{}:{}", folder.display(), env::var("PATH").expect("a search path"))
}

#[test]
fn the_program_says_where_it_listens_and_ends_when_it_is_asked_to() {
    let args = ["--port", "0", "--topic", "t:2"];
    let program = Program::new(program().display().to_string(), "").args(args);
    let mut program = program.start().unwrap_or_else(|error| panic!("{error}"));
    program.wait_for_output("broker 1 listens at 127.0.0.1:").unwrap_or_else(|error| panic!("{error}"));
    program.terminate().unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_test_in_python_holds() {
    let file = write("orders_test.py", block("Python", "python"));
    let python = interop::python().unwrap_or_else(|error| panic!("{error}"));
    let output = python.args([file.as_str()]).variable("PATH", search_path()).run();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    assert!(output.stderr.contains("Ran 1 test"), "{}", output.stderr);
}

#[test]
fn the_test_with_kcat_holds() {
    let file = write("orders_test.sh", block("kcat", "sh"));
    let shell = Program::new("sh", "dash").args([file.as_str()]).variable("PATH", search_path());
    shell.run().unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_test_in_java_holds() {
    let file = write("OrdersTest.java", block("Java", "java"));
    let java = Tool::of(RELEASE, &file).unwrap_or_else(|error| panic!("{error}"));
    java.variable("PATH", &search_path()).run().unwrap_or_else(|error| panic!("{error}"));
}
