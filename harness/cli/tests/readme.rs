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

/// The commands of every `console` block, each with its exit code: the lines that begin with `$ `. A block marked
/// `console exit=1` has commands that end with 1.
fn commands(text: &str) -> Vec<(String, i32)> {
    let blocks = text.split("```console").skip(1);
    blocks
        .flat_map(|block| {
            let (mark, block) = block.split_once('\n').unwrap();
            let code = mark.trim().strip_prefix("exit=");
            let code = code.map_or(0, |code| code.parse().unwrap());
            let lines = block.split("```").next().unwrap().lines();
            lines
                .filter_map(|line| line.strip_prefix("$ "))
                .map(move |line| (line.to_owned(), code))
        })
        .collect()
}

/// Runs the commands of a page, named from the root of the repository, one after the other in one folder.
fn run_page(page: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bin = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(root.join(page)).unwrap();
    let commands = commands(&text);
    assert!(!commands.is_empty(), "{page} has no commands");
    for (line, code) in commands {
        if LEFT_OUT.contains(&line.as_str()) {
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
        output_ended_with(&output, code);
    }
    assert_nothing_left(folder.path());
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
