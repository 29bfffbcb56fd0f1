//! The code against `ARCHITECTURE.md`: which crate depends on which, what pure crates may not touch, and the tests that it names.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "architecture/circles.rs"]
mod circles;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
const PURE: [&str; 6] = [
    "harness/model",
    "harness/statistics",
    "harness/analysis",
    "harness/session",
    "harness/experiment",
    "reports",
];

#[test]
fn pure_crates_touch_nothing() {
    for name in PURE {
        check(
            &format!("{name}/src"),
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
        let depends = dependencies(name);
        for runtime in ["tokio", "nix", "rustix", "procfs", "reqwest"] {
            assert!(!depends.contains(runtime), "{name} depends on {runtime}");
        }
    }
}

/// Figures know no verdict, and a verdict knows no document; their tests may. Within one crate Cargo does not see to that.
/// Whether a reply is right is decided by the session flow, also where a claim is measured.
#[test]
fn claims_do_not_rule_on_replies() {
    check(
        "harness/claims/src/procedures",
        &["status == ", "status != ", "match answer.status"],
    );
}

#[test]
fn the_analysis_imports_in_one_direction() {
    let documents = ["crate::summary", "crate::difference"];
    let above_measure = ["crate::verdict", documents[0], documents[1]];
    for (room, forbidden) in [("measure", &above_measure[..]), ("verdict", &documents)] {
        let files = sources(&root().join(format!("harness/analysis/src/{room}")));
        let is_test = |path: &&PathBuf| path.iter().any(|part| part == "tests");
        for path in files.iter().filter(|path| !is_test(path)) {
            check_file(path, forbidden);
        }
    }
}

/// The names under `[dependencies]`.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let (_, section) = manifest.split_once("[dependencies]\n").unwrap();
    let section = section.split("\n[").next().unwrap();
    let names = section
        .lines()
        .filter_map(|line| line.split(['.', ' ']).next());
    names
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// The packages that a user's test compiles for the library, with such features.
fn packages(features: &[&str]) -> BTreeSet<String> {
    let told = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--locked", "--package", "comeback"])
        .args(["--edges", "normal,build", "--prefix", "none"])
        .args(features)
        .output()
        .unwrap();
    assert!(told.status.success(), "{told:?}");
    let told = String::from_utf8(told.stdout).unwrap();
    let names = told.lines().map(|line| {
        let line = line.trim_end_matches(" (*)");
        line.trim_end_matches(" (proc-macro)").to_owned()
    });
    names.filter(|line| !line.is_empty()).collect()
}

/// It stays light, and has no server in it.
#[test]
fn the_library_is_at_most_180_packages() {
    let packages = packages(&[]);
    assert!(packages.len() > 100, "{packages:?}");
    assert!(packages.len() <= 180, "{}: {packages:#?}", packages.len());
    for server in ["axum", "rusqlite", "libunftp", "hickory-server", "plotters"] {
        let named = format!("{server} ");
        let is_in = packages.iter().any(|package| package.starts_with(&named));
        assert!(!is_in, "{server}");
    }
}

/// `docs/library.md` has a row for each feature, with the number of packages that it alone makes of the library.
#[test]
fn the_guide_to_the_library_says_how_many_packages_each_feature_compiles() {
    let page = fs::read_to_string(root().join("harness/docs/library.md")).unwrap();
    let told = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let count = cells.last()?.parse::<usize>().ok()?;
        Some((cells[0].trim_matches('`').to_owned(), count))
    });
    let alone = |feature| ["--no-default-features", "--features", feature];
    let counted = [
        ("none", packages(&["--no-default-features"])),
        ("http2", packages(&alone("http2"))),
        ("tls", packages(&alone("tls"))),
        ("charts", packages(&alone("charts"))),
        ("the default", packages(&[])),
        ("all", packages(&["--all-features"])),
    ];
    let counted = counted.map(|(name, packages)| (name.to_owned(), packages.len()));
    assert_eq!(told.collect::<Vec<_>>(), counted);
}

/// The table of crates says which of ours each depends on; the manifests say the same.
#[test]
fn crates_depend_on_what_the_table_says() {
    let page = fs::read_to_string(root().join("harness/ARCHITECTURE.md")).unwrap();
    let (_, section) = page.split_once("## The crates").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut told = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let (folder, ours) = (cells[0].trim_matches('`'), cells[cells.len() - 1]);
        let ours = ours.split(", ").filter(|name| *name != "–");
        let ours: BTreeSet<String> = ours.map(|name| format!("comeback-{name}")).collect();
        let mut depends = dependencies(folder);
        depends.retain(|name| name.starts_with("comeback"));
        assert_eq!(depends, ours, "{folder}");
        told.insert(folder.to_owned());
    }
    let mut members = members();
    for aside in ["harness/examples/shop", "harness/xtask"] {
        assert!(members.remove(aside), "{aside} is no member");
    }
    assert_eq!(told, members);
}

/// The folders of the workspace's packages.
fn members() -> BTreeSet<String> {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, members) = workspace.split_once("members = [").unwrap();
    let members = members.split(']').next().unwrap();
    let members = members.split('"').skip(1).step_by(2);
    members.map(str::to_owned).collect()
}

/// The paths that a text names in backticks, below `harness/` or the root. `NAME` and `*` stand for what is still to be written, or for
/// any name: then the folder is meant.
fn named_paths(text: &str) -> Vec<PathBuf> {
    let words = text.split('`').skip(1).step_by(2);
    let paths = words.filter(|word| word.contains('/') && !word.contains([' ', '<', '[']));
    let is_written = |part: &&OsStr| {
        let part = part.to_string_lossy();
        !part.contains('*') && !part.starts_with("NAME.")
    };
    paths
        .map(|path| Path::new(path).iter().take_while(is_written).collect())
        .collect()
}

#[test]
fn every_path_of_where_a_change_goes_exists() {
    let page = fs::read_to_string(root().join("harness/ARCHITECTURE.md")).unwrap();
    let (_, section) = page.split_once("## Where a change goes").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let paths = named_paths(section);
    assert!(paths.len() > 100, "{}", paths.len());
    let exists = |path: &Path| {
        [root().join("harness"), root()]
            .iter()
            .any(|at| at.join(path).exists())
    };
    for path in paths {
        assert!(exists(&path), "there is no {}", path.display());
    }
    let gone = named_paths("`model/src/gone.rs`, `model/src/NAME.rs`, `cargo xtask claims`");
    let gone: Vec<bool> = gone.iter().map(|path| exists(path)).collect();
    assert_eq!(gone, [false, true]);
}

/// Each section that the index names is there, and each section has its four parts.
#[test]
fn the_index_of_changes_leads_to_sections_with_the_same_four_parts() {
    let page = fs::read_to_string(root().join("harness/ARCHITECTURE.md")).unwrap();
    let (_, section) = page.split_once("## Where a change goes").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut parts = section.split("\n### ");
    let index = parts.next().unwrap();
    let rows = index.lines().filter(|line| line.ends_with("* |"));
    let named: Vec<&str> = rows
        .filter_map(|row| row.trim_end_matches("* |").rsplit('*').next())
        .collect();
    let sections: Vec<&str> = parts
        .filter(|part| !part.starts_with("Stored copies"))
        .collect();
    assert_eq!(named.len(), sections.len());
    for (name, section) in named.iter().zip(sections) {
        let heading = section.lines().next().unwrap();
        assert!(heading.starts_with(name), "{name}: {heading}");
        for part in [
            "**Copy**",
            "**Change**",
            "**Regenerate**",
            "**Special cases**",
        ] {
            assert_eq!(section.matches(part).count(), 1, "{heading}: {part}");
        }
    }
}

/// Examples in documentation are run where there are some: elsewhere every fence names another language than Rust.
#[test]
fn no_example_in_documentation_is_left_out() {
    let mut without = 0;
    for member in members() {
        let manifest = fs::read_to_string(root().join(&member).join("Cargo.toml")).unwrap();
        if !manifest.contains("doctest = false") {
            continue;
        }
        without += 1;
        for path in sources(&root().join(&member).join("src")) {
            let text = fs::read_to_string(&path).unwrap();
            let comments = text.lines().filter_map(|line| {
                let line = line.trim_start();
                line.strip_prefix("//!").or(line.strip_prefix("///"))
            });
            let fences = comments.filter_map(|line| line.trim_start().strip_prefix("```"));
            for language in fences.step_by(2) {
                assert_eq!(language.trim(), "text", "{}", path.display());
            }
        }
    }
    assert!(without > 10, "{without}");
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
            // A property has arguments, on lines of their own.
            let is_there = ["()", "(\n"]
                .iter()
                .any(|end| code.contains(&format!("fn {test}{end}")));
            assert!(is_there, "there is no {test}");
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
