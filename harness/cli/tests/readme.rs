//! The commands of the README and of the guides work. Every block marked `console` is run here, each page in a folder of its
//! own. Blocks marked `sh` are only parsed (`src/docs.rs`). The two commands that take minutes (the main job and the test
//! command itself) are left to the reader.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test says which command it runs")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{PROGRAM, assert_nothing_left, output_ended_with};

/// Not run here: the first takes two minutes, and `compare --quick` shows the same in short. The second runs this test.
const LEFT_OUT: [&str; 2] = ["cargo run --release -- compare", "cargo xtask test"];

/// A `console` block: its commands are the lines that begin with `$ `.
struct Block<'a> {
    commands: Vec<&'a str>,
    /// That of each command: a block marked `console exit=1` has commands that end with 1.
    code: i32,
    /// What the last command says, somewhere in its output: the block right behind it, if that is marked `text message`.
    message: Option<&'a str>,
}

/// The blocks of a page.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let blocks = text.split("```console").skip(1);
    blocks
        .map(|block| {
            let (mark, block) = block.split_once('\n').unwrap();
            let code = mark.trim().strip_prefix("exit=");
            let (own, behind) = block.split_once("```").unwrap();
            let message = behind.trim_start().strip_prefix("```text message\n");
            Block {
                commands: own
                    .lines()
                    .filter_map(|line| line.strip_prefix("$ "))
                    .collect(),
                code: code.map_or(0, |code| code.parse().unwrap()),
                message: message.map(|text| text.split("```").next().unwrap()),
            }
        })
        .collect()
}

/// The words of a text, however it is folded.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs the commands of a page, named from the root of the repository, one after the other in one folder. Returns the number of messages
/// that it has.
fn run_page(page: &str) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bin = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(root.join(page)).unwrap();
    let blocks = blocks(&text);
    assert!(!blocks.is_empty(), "{page} has no commands");
    for block in &blocks {
        let mut said = String::new();
        for line in &block.commands {
            if LEFT_OUT.contains(line) {
                continue;
            }
            let as_built = line.replace("cargo run --release -- ", "comeback ");
            let output = Command::new("bash")
                .args(["-c", &as_built])
                .current_dir(folder.path())
                .env("PATH", &path)
                .output()
                .unwrap();
            eprintln!("{page}: {line}");
            output_ended_with(&output, block.code);
            let both = [output.stdout, output.stderr].concat();
            said = words(&String::from_utf8_lossy(&both));
        }
        if let Some(message) = block.message {
            assert!(
                said.contains(&words(message)),
                "{message}\nis not in:\n{said}"
            );
        }
    }
    assert_nothing_left(folder.path());
    blocks
        .iter()
        .filter(|block| block.message.is_some())
        .count()
}

#[test]
fn every_command_in_the_readme_works() {
    run_page("README.md");
}

#[test]
fn every_command_in_the_guide_works() {
    run_page("harness/docs/guide.md");
}

#[test]
fn every_command_about_comparisons_works() {
    run_page("harness/docs/compare.md");
}

#[test]
fn every_command_about_claims_works() {
    run_page("harness/docs/claims.md");
}

#[test]
fn every_mistake_of_the_troubleshooting_page_is_answered_as_it_says() {
    let messages = run_page("harness/docs/troubleshooting.md");
    assert_eq!(messages, 10);
}
