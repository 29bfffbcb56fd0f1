//! The code against the picture in `ARCHITECTURE.md`: who imports whom.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
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
        let text = fs::read_to_string(&path).unwrap();
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
}

#[test]
fn core_touches_nothing() {
    check(
        "harness/core/src",
        &[
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "Instant::now",
            "SystemTime",
            "tokio",
            "comeback_reports",
            "comeback_targets",
            "comeback::",
        ],
    );
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
            "comeback_targets",
        ],
    );
}

#[test]
fn targets_import_nothing_of_ours() {
    check("targets/src", &["comeback_", "comeback::"]);
}

#[test]
fn rooms_of_the_harness_import_only_downwards() {
    for (room, forbidden) in [
        (
            "supervise",
            &[
                "crate::load",
                "crate::record",
                "crate::engine",
                "crate::console",
                "crate::cli",
            ][..],
        ),
        (
            "load",
            &[
                "crate::supervise",
                "crate::record",
                "crate::engine",
                "crate::console",
                "crate::cli",
            ],
        ),
        (
            "record",
            &[
                "crate::supervise",
                "crate::load",
                "crate::engine",
                "crate::console",
                "crate::cli",
            ],
        ),
        (
            "experiment",
            &[
                "crate::supervise",
                "crate::record",
                "crate::engine",
                "crate::console",
                "crate::cli",
                "std::fs",
            ],
        ),
        (
            "balance",
            &[
                "crate::",
                "comeback_core",
                "comeback_reports",
                "comeback_targets",
            ],
        ),
        (
            "cache",
            &[
                "crate::supervise",
                "crate::load",
                "crate::record",
                "crate::engine",
                "crate::experiment",
                "crate::library",
                "crate::console",
                "crate::cli",
                "comeback_core",
                "comeback_reports",
                "comeback_targets",
            ],
        ),
        (
            "engine",
            &[
                "crate::library",
                "crate::finish",
                "crate::experiment",
                "crate::console",
                "crate::cli",
                "comeback_reports",
            ],
        ),
        (
            "library",
            &["crate::console", "crate::cli", "comeback_targets"],
        ),
        (
            "console",
            &[
                "crate::engine",
                "crate::load",
                "crate::record",
                "crate::cli",
            ],
        ),
    ] {
        check(&format!("harness/src/{room}"), forbidden);
    }
}

#[test]
fn the_core_depends_on_neither_runtime_nor_system() {
    let manifest = fs::read_to_string(root().join("harness/core/Cargo.toml")).unwrap();
    for name in ["tokio", "nix", "rustix", "procfs", "reqwest", "comeback-"] {
        let depends = manifest.lines().any(|line| line.starts_with(name));
        assert!(!depends, "core depends on {name}");
    }
}
