//! The README's commands do what it says. Those marked `console` in it are run here, in a folder of their
//! own; the two that take minutes (the main job and the test command itself) are left to whoever runs them.

// As its readers run it: optimized.
#![cfg(not(debug_assertions))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{PROGRAM, assert_nothing_left};

/// Not run here: the first takes two minutes and is what `compare --quick` shows in short, the others call
/// this test.
const LEFT_OUT: [&str; 5] = [
    "cargo run --release -- compare",
    "cargo xtask test",
    "cargo xtask gallery",
    "cargo xtask claims",
    "harness/benches/load.sh",
];

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    std::fs::read_to_string(path).unwrap()
}

/// The commands of every `console` block: the lines that begin with `$ `.
fn commands(text: &str) -> Vec<String> {
    text.split("```console\n")
        .skip(1)
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .filter_map(|line| line.strip_prefix("$ "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_in_the_readme_works() {
    let folder = tempfile::tempdir().unwrap();
    let bin = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut ran = 0;
    for line in commands(&readme()) {
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
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {}\n{said}", output.status);
        ran += 1;
    }
    assert!(ran >= 5, "only {ran} commands were found");
    assert_nothing_left(folder.path());
}

#[test]
fn what_the_readme_links_to_is_there() {
    let text = readme();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let links: Vec<&str> = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.starts_with("http"))
        .collect();
    assert!(!links.is_empty());
    for link in links {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let path = root.join(if path.is_empty() { "README.md" } else { path });
        assert!(path.exists(), "{link} is not there");
        if !anchor.is_empty() {
            let page = std::fs::read_to_string(path).unwrap();
            let headings = page.lines().filter(|line| line.starts_with('#'));
            let mut anchors = headings.map(anchor_of);
            assert!(anchors.any(|known| known == anchor), "{link} leads nowhere");
        }
    }
}

/// Where a heading is linked to: in lower case, with dashes for spaces and without punctuation.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'))
        .map(|c| {
            if c == ' ' {
                '-'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}
