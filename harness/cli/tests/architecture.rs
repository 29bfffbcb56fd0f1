//! The code against the picture in `ARCHITECTURE.md`: who imports whom.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// Fails for each file below `folder` whose code (comments aside) holds one of the words.
fn check(folder: &str, forbidden: &[&str]) {
    let files = sources(&root().join(folder));
    assert!(!files.is_empty(), "{folder} holds no code");
    for path in files {
        check_file(&path, forbidden);
    }
}

fn check_file(path: &Path, forbidden: &[&str]) {
    let text = fs::read_to_string(path).unwrap();
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    for (line, number) in code.zip(1..) {
        for word in forbidden {
            assert!(
                !line.contains(word),
                "{}: code line {number} has {word}",
                path.display()
            );
        }
    }
}

/// The crates that compute from values alone.
const PURE: [&str; 4] = ["analysis", "core", "model", "statistics"];

#[test]
fn pure_crates_touch_nothing() {
    for name in PURE {
        check(
            &format!("harness/{name}/src"),
            &[
                "std::fs",
                "TcpListener",
                "TcpStream",
                "UdpSocket",
                "std::process",
                "std::thread",
                "Instant::now",
                "SystemTime",
            ],
        );
    }
}

#[test]
fn reports_draw_without_clock_files_network_or_processes() {
    check(
        "reports/src",
        &[
            "std::fs",
            "std::net",
            "std::process",
            "Instant::now",
            "SystemTime",
            "comeback_servers",
        ],
    );
}

#[test]
fn targets_import_nothing_of_ours() {
    for folder in ["targets/servers/src", "targets/infrastructure/src"] {
        check(folder, &["comeback_", "comeback::"]);
    }
}

/// Figures know no verdict, and a verdict knows no document. Their tests may.
#[test]
fn the_analysis_imports_in_one_direction() {
    let documents = ["crate::summary", "crate::difference"];
    let above_measure = ["crate::verdict", documents[0], documents[1]];
    for (room, forbidden) in [("measure", &above_measure[..]), ("verdict", &documents)] {
        let files = sources(&root().join(format!("harness/analysis/src/{room}")));
        let code = files
            .iter()
            .filter(|path| !path.iter().any(|part| part == "tests"));
        for path in code {
            check_file(path, forbidden);
        }
    }
}

#[test]
fn pure_crates_depend_on_neither_runtime_nor_system() {
    for package in PURE {
        let manifest = root().join(format!("harness/{package}/Cargo.toml"));
        let manifest = fs::read_to_string(manifest).unwrap();
        for name in ["tokio", "nix", "rustix", "procfs", "reqwest"] {
            let depends = manifest.lines().any(|line| line.starts_with(name));
            assert!(!depends, "{package} depends on {name}");
        }
    }
}

/// Each way to a false pass has its tests, which are there, and each group of dishonest servers stands in the table.
#[test]
fn each_way_to_a_false_pass_has_a_test() {
    let page = fs::read_to_string(root().join("harness/ARCHITECTURE.md")).unwrap();
    let (_, section) = page.split_once("## Ways to a false pass").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    let mut code = String::new();
    for path in sources(&root().join("harness")) {
        code.push_str(&fs::read_to_string(path).unwrap());
    }
    let mut named = 0;
    for row in rows {
        let tests = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap();
        for test in tests.split('`').skip(1).step_by(2) {
            assert!(code.contains(&format!("fn {test}()")), "there is no {test}");
            named += 1;
        }
    }
    assert!(named > 20, "{named}");
    let corpus = root().join("harness/cli/tests/data/dishonest.py");
    let corpus = fs::read_to_string(corpus).unwrap();
    let (_, behaviours) = corpus.split_once("BEHAVIOURS = {").unwrap();
    let groups = behaviours
        .lines()
        .filter_map(|line| line.strip_prefix("    # "));
    for group in groups {
        assert!(
            section.contains(&format!("| {group} |")),
            "no row for {group}"
        );
    }
}
