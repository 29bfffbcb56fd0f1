//! Every sentence that a run and the commands around it can print, collected from the sources and kept in one place to be read:
//! each message says what is wrong, where, and what to do. The stored list is `tests/data/messages/sentences.txt`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What speaks to users, below `harness` or beside it. Not here: `explain` and `metrics`, which tell and have nothing to complain of,
/// the hidden commands, and the templates of `init`.
const SPEAKERS: [&str; 18] = [
    "analysis/src",
    "architectures/src",
    "claims/src",
    "cli/src",
    "disk/src",
    "engine/src",
    "experiment/src",
    "faults/src",
    "host/src",
    "lib/src",
    "load/src",
    "model/src",
    "runs/src",
    "session/src",
    "supervise/src",
    "../reports/src",
    "../targets/infrastructure/src",
    "../targets/servers/src",
];
const SILENT: [&str; 16] = [
    "cli/src/docs.rs",
    "cli/src/explain.rs",
    "cli/src/explain",
    "cli/src/init/draft.rs",
    "cli/src/metrics.rs",
    "cli/src/selftest/table.rs",
    "load/src/kept_connections.rs",
    "model/src/gate/metric.rs",
    "model/src/plan/fixture.rs",
    // A format of pictures, pages, configurations or replies.
    "reports/src/draw/paint.rs",
    "reports/src/glossary/mark.rs",
    "reports/src/page.rs",
    "reports/src/palette.rs",
    "targets/infrastructure/src/balancer/outside/haproxy.rs",
    "targets/servers/src/zoo/trivial.rs",
    // A test of the whole crate.
    "reports/src/range.rs",
];

/// A shorter text is a part of a message, or none.
const LEAST_SPACES: usize = 2;

#[test]
fn every_sentence_of_the_program_is_one_of_the_stored_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for speaker in SPEAKERS {
        collect(&root, Path::new(speaker), &mut found);
    }
    for speaker in SPEAKERS {
        let folder = named(Path::new(speaker)) + "/";
        let speaks = found.keys().any(|file| file.starts_with(&folder));
        assert!(speaks, "{speaker} has no message: is the folder renamed?");
    }
    let count: usize = found.values().map(Vec::len).sum();
    assert!(count > 2_000, "only {count} sentences");
    for command in [
        "try_out",
        "calibration",
        "init",
        "record",
        "doctor",
        "merge",
        "diff",
        "shrink/mod",
        "export",
        "replay",
    ] {
        let file = format!("cli/src/{command}.rs");
        assert!(found.contains_key(&file), "{file} has no message");
    }
    let now: String = found
        .iter()
        .map(|(file, sentences)| format!("{file}\n  {}\n", sentences.join("\n  ")))
        .collect();
    let path = root.join("cli/tests/data/messages/sentences.txt");
    if std::env::var_os("COMEBACK_STORE_MESSAGES").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap();
    let differing = now
        .lines()
        .zip(stored.lines())
        .find(|(now, stored)| now != stored);
    let how = "read it once more, then store it by COMEBACK_STORE_MESSAGES=1";
    assert_eq!(differing, None, "{}: {how}", path.display());
    assert_eq!(now.len(), stored.len(), "{}: {how}", path.display());
}

/// How a path is called in the list.
fn named(path: &Path) -> String {
    let name = path.display().to_string();
    name.trim_start_matches("../").to_owned()
}

/// The sentences of each file below a folder, by its path below `harness`, or below the root for what stands beside it.
fn collect(root: &Path, below: &Path, found: &mut BTreeMap<String, Vec<String>>) {
    let name = named(below);
    let is_test = ["tests", "tests.rs", "testing.rs", "fixture.rs"]
        .iter()
        .any(|end| below.ends_with(end));
    if is_test || SILENT.contains(&name.as_str()) {
        return;
    }
    let path = root.join(below);
    if path.is_dir() {
        let entries = fs::read_dir(&path).unwrap();
        let mut names: Vec<PathBuf> = entries
            .map(|entry| below.join(entry.unwrap().file_name()))
            .collect();
        names.sort();
        names.iter().for_each(|name| collect(root, name, found));
    } else if name.ends_with(".rs") {
        let text = fs::read_to_string(&path).unwrap();
        let sentences: Vec<String> = literals(without_tests(&text))
            .into_iter()
            .filter(|one| is_sentence(one))
            .collect();
        if !sentences.is_empty() {
            found.insert(name, sentences);
        }
    }
}

/// A source up to its own module of tests, which may have other attributes than that it is one.
fn without_tests(text: &str) -> &str {
    let marks = text
        .match_indices("#[cfg(test)]\n")
        .chain(text.match_indices("#[cfg(all(test,"));
    let tests = marks.map(|(at, _)| at).filter(|at| {
        let mut lines = text[*at..].lines().skip(1);
        let item = lines.find(|line| !line.starts_with("#["));
        item.is_some_and(|item| item.starts_with("mod ") && item.ends_with('{'))
    });
    tests.min().map_or(text, |at| &text[..at])
}

fn is_sentence(literal: &str) -> bool {
    let words = literal
        .split_whitespace()
        .filter(|word| word.chars().filter(|c| c.is_lowercase()).count() > 1);
    literal.matches(' ').count() >= LEAST_SPACES
        && words.count() >= LEAST_SPACES
        && !literal.contains("Examples:")
}

/// What is said to nobody but who reads the code: the reason of a lint, and why something cannot be.
const TO_READERS: [&str; 3] = ["reason = ", ".expect(", "unreachable!("];

/// The string literals of a source, in its order, each on one line.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut before = String::new();
    while let Some(first) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.find('\n').map_or("", |end| &comment[end..]);
        } else if let Some((literal, after)) = raw(rest)
            .filter(|_| !before.ends_with(is_of_name))
            .or_else(|| quoted(rest))
        {
            if !TO_READERS
                .iter()
                .any(|mark| before.trim_end().ends_with(mark.trim_end()))
            {
                found.push(literal);
            }
            before.clear();
            rest = after;
        } else if let Some(after) = character(rest) {
            rest = after;
        } else {
            before.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

fn is_of_name(one: char) -> bool {
    one.is_alphanumeric() || one == '_'
}

/// A raw string at the start, and what comes after it. One of several lines is a document.
fn raw(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let hashes = text.len() - text.trim_start_matches('#').len();
    let body = text[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let (literal, after) = body.split_once(&end)?;
    let is_document = literal.contains('\n');
    Some((
        if is_document {
            String::new()
        } else {
            literal.to_owned()
        },
        after,
    ))
}

/// A string at the start, as it is written but on one line, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let body = text.strip_prefix('"')?;
    let mut literal = String::new();
    let mut rest = body.char_indices();
    while let Some((at, one)) = rest.next() {
        match one {
            '"' => return Some((literal, &body[at + 1..])),
            '\\' if body[at + 1..].starts_with('\n') => {
                let indent = body[at + 1..]
                    .chars()
                    .take_while(|c| c.is_whitespace())
                    .count();
                rest.nth(indent - 1);
            }
            '\\' => {
                literal.push(one);
                literal.extend(rest.next().map(|(_, escaped)| escaped));
            }
            '\n' => literal.push_str("\\n"),
            _ => literal.push(one),
        }
    }
    None
}

/// What comes after the character in quotes at the start: it may be a quote of a string. A lifetime is none.
fn character(text: &str) -> Option<&str> {
    let body = text.strip_prefix('\'')?;
    let mut letters = body.chars();
    let first = letters.next()?;
    if first == '\\' {
        let escaped = letters.next()?;
        let end = letters.as_str().find('\'')?;
        return (escaped != '\n').then(|| &letters.as_str()[end + 1..]);
    }
    letters.as_str().strip_prefix('\'')
}

#[test]
fn a_source_ends_for_users_where_its_own_tests_begin() {
    for tests in [
        "#[cfg(test)]\nmod tests {\n",
        "#[cfg(test)]\n#[allow(x)]\nmod tests {\n",
        "#[cfg(all(test, feature = \"charts\"))]\nmod tests {\n",
    ] {
        let source = format!("#[cfg(test)]\nmod elsewhere;\nfn said() {{}}\n{tests}");
        assert_eq!(without_tests(&source), source.strip_suffix(tests).unwrap());
    }
}

#[test]
fn literals_are_found_whatever_stands_between_them() {
    let source = r##"
        // "a comment"
        let a = 'x'; let quote = '"'; let b: &'static str = "one \"two\" three";
        let c = "first \
                 second";
        let d = r#"raw "text""#;
        #[allow(x, reason = "for readers")]
        let e = option.expect("never so");
        let barr"##;
    let source = source.to_owned() + "\"tail\"";
    assert_eq!(
        literals(&source),
        [
            "one \\\"two\\\" three",
            "first second",
            "raw \"text\"",
            "tail"
        ]
    );
}
