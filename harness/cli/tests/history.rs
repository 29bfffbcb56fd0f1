//! Many runs side by side: `comeback list`, and the trend of `comeback report RUN RUN…`. From stored journals.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/recorded.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod recorded;
mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use comeback_model::journal::Revision;
use comeback_model::shard::Shard;
use recorded::Recorded;
use serde_json::{Value, json};
use support::{command, said};
use tempfile::TempDir;

const COMMIT: &str = "3f2a91c4d5e6f708192a3b4c5d6e7f8091a2b3c4";

/// A folder of runs, made of stored ones.
struct Runs(TempDir);

impl Runs {
    fn new() -> Self {
        let work = tempfile::tempdir().unwrap();
        fs::create_dir(work.path().join("runs")).unwrap();
        Self(work)
    }

    /// A copy of a stored run under another name; header and summary are changed alike.
    fn add(&self, name: &str, stored: &str, started: &str, change: impl Fn(&mut Value)) -> &Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/journals")
            .join(stored);
        let to = self.0.path().join("runs").join(name);
        fs::create_dir(&to).unwrap();
        let read = |file: &str| fs::read_to_string(from.join(file)).unwrap();
        let changed = |text: &str| {
            let mut document: Value = serde_json::from_str(text).unwrap();
            document["started"] = started.into();
            change(&mut document);
            document
        };
        let journal = read("journal.jsonl");
        let (header, events) = journal.split_once('\n').unwrap();
        fs::write(
            to.join("journal.jsonl"),
            format!("{}\n{events}", changed(header)),
        )
        .unwrap();
        fs::write(
            to.join("summary.json"),
            changed(&read("summary.json")).to_string(),
        )
        .unwrap();
        fs::write(to.join("operations.csv"), read("operations.csv")).unwrap();
        fs::write(to.join("command.txt"), "comeback run shop.toml --seed 7\n").unwrap();
        self
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = command(self.0.path(), words);
        command.env("TZ", "UTC").output().unwrap()
    }

    /// What it prints when nothing is wrong.
    #[track_caller]
    fn printed(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join("runs").join(name)
    }
}

fn labelled(document: &mut Value) {
    document["label"] = "nightly-12".into();
    document["revision"] = json!({ "commit": COMMIT, "dirty": true });
}

#[test]
fn a_list_has_the_newest_run_first_and_names_what_has_no_figures() {
    let runs = Runs::new();
    runs.add("first", "compare", "2026-11-27T10:00:00Z", |_| ())
        .add("second", "never-back", "2026-11-28T10:00:00Z", labelled)
        .add("killed", "compare", "2026-11-29T10:00:00Z", |_| ())
        .add("foreign", "compare", "2026-11-26T10:00:00Z", |_| ())
        .add("headless", "compare", "2026-11-25T10:00:00Z", |_| ());
    fs::remove_file(runs.path("killed/summary.json")).unwrap();
    fs::copy(
        runs.path("first/summary.json"),
        runs.path("foreign/summary.json"),
    )
    .unwrap();
    fs::write(runs.path("headless/journal.jsonl"), "nothing\n").unwrap();
    fs::create_dir(runs.path("notes")).unwrap();
    fs::write(runs.path("file"), "").unwrap();
    symlink("second", runs.path("latest")).unwrap();

    let list = runs.printed(&["list", "runs"]);
    let heads: Vec<&str> = list.lines().filter(|line| !line.starts_with(' ')).collect();
    let at = |name: &str| {
        let found = heads
            .iter()
            .position(|line| line.ends_with(&format!("  {name}")));
        found.unwrap_or_else(|| panic!("{name}: {list}"))
    };
    assert_eq!(
        ["killed", "second", "first", "foreign", "headless"].map(at),
        [0, 1, 2, 3, 4],
        "{list}"
    );
    assert_eq!(heads.len(), 6, "{list}");
    assert!(
        heads[0].starts_with("2026-11-29 10:00  … unfinished"),
        "{list}"
    );
    assert!(
        heads[1].starts_with("2026-11-28 10:00  ? INCONCLUSIVE  second"),
        "{list}"
    );
    assert!(heads[3].contains("! broken"), "{list}");
    assert_eq!(heads[5], "not the folder of a run: notes");
    assert!(
        list.contains("    nightly-12, git 3f2a91c4d5 (dirty), seed "),
        "{list}"
    );
    assert!(
        list.contains("    comeback run shop.toml --seed 7"),
        "{list}"
    );
    assert!(
        list.contains("summary.json is that of another run"),
        "{list}"
    );
    assert!(
        list.contains("    next: comeback report runs/killed\n"),
        "{list}"
    );
    for line in list.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let newest = runs.printed(&["list", "runs", "--last", "1"]);
    assert!(
        newest.contains("killed") && !newest.contains("second"),
        "{newest}"
    );
    assert!(newest.contains("4 older runs are not shown"), "{newest}");
}

#[test]
fn the_document_of_a_list_has_the_figures_of_each_summary() {
    let runs = Runs::new();
    runs.add("first", "compare", "2026-11-27T10:00:00Z", labelled)
        .add("cut", "compare", "2026-11-28T10:00:00Z", |_| ());
    fs::write(runs.path("cut/summary.json"), "{").unwrap();
    let list: Value = serde_json::from_str(&runs.printed(&["list", "runs", "--json"])).unwrap();
    let schema = runs.printed(&["schema", "history"]);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    jsonschema_holds(&schema, &list);
    let (cut, first) = (&list["runs"][0], &list["runs"][1]);
    assert_eq!(
        (&cut["state"], &cut["verdict"]),
        (&json!("broken"), &Value::Null)
    );
    assert_eq!(first["label"], "nightly-12");
    assert_eq!(first["revision"]["commit"], COMMIT);
    let summary = fs::read_to_string(runs.path("first/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(first["verdict"], summary["verdict"]);
    let arms = summary["arms"].as_array().unwrap();
    assert_eq!(first["arms"].as_array().unwrap().len(), arms.len());
    for (listed, arm) in first["arms"].as_array().unwrap().iter().zip(arms) {
        for key in ["name", "sessions", "writes", "outage_ms", "session_loss"] {
            assert_eq!(listed[key], arm[key], "{key}");
        }
    }
}

/// Every key of the document is one of the schema, and every required one is there.
#[track_caller]
fn jsonschema_holds(schema: &Value, document: &Value) {
    let of = |properties: &Value, document: &Value| {
        let known = properties["properties"].as_object().unwrap();
        for key in document.as_object().unwrap().keys() {
            assert!(known.contains_key(key), "{key} is not in the schema");
        }
        for key in properties["required"].as_array().unwrap() {
            assert!(
                document
                    .as_object()
                    .unwrap()
                    .contains_key(key.as_str().unwrap())
            );
        }
    };
    of(schema, document);
    for run in document["runs"].as_array().unwrap() {
        of(&schema["$defs"]["PastRun"], run);
        for arm in run["arms"].as_array().unwrap() {
            of(&schema["$defs"]["PastArm"], arm);
        }
    }
}

#[test]
fn a_folder_that_cannot_be_listed_is_refused_and_an_empty_one_is_not() {
    let runs = Runs::new();
    let output = runs.run(&["list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("comeback-runs cannot be listed"),
        "{}",
        said(&output)
    );
    assert!(
        runs.printed(&["list", "runs"])
            .contains("there is no run in runs")
    );
}

#[test]
fn a_trend_holds_its_charts_and_joins_nothing_that_may_not_be_compared() {
    let runs = Runs::new();
    let moved = |document: &mut Value| document["machine"]["processor"] = "another".into();
    runs.add("first", "compare", "2026-11-26T10:00:00Z", labelled)
        .add("second", "compare", "2026-11-27T10:00:00Z", |_| ())
        .add("moved", "compare", "2026-11-28T10:00:00Z", moved)
        .add("killed", "compare", "2026-11-29T10:00:00Z", |_| ());
    fs::remove_file(runs.path("killed/summary.json")).unwrap();
    symlink("moved", runs.path("latest")).unwrap();
    let names = ["latest", "moved", "killed", "second", "first"].map(|name| format!("runs/{name}"));
    let mut words = vec!["report", "--out", "trend"];
    words.extend(names.iter().map(String::as_str));
    let output = runs.run(&words);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("runs/killed has no figures"),
        "{}",
        said(&output)
    );
    let trend = runs.0.path().join("trend");
    let page = fs::read_to_string(trend.join("trend.html")).unwrap();
    for outer in ["http://", "https://", "<script", "<link", "src="] {
        let page = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!page.contains(outer), "{outer}");
    }
    assert!(page.contains("Content-Security-Policy"));
    assert!(page.contains("nightly-12") && page.contains("3f2a91c4d5 (dirty)"));
    assert!(page.contains("unfinished"));
    for chart in ["outage", "lost-sessions", "lost-writes"] {
        let svg = fs::read_to_string(trend.join(format!("charts/{chart}.svg"))).unwrap();
        assert!(svg.contains("nightly-12"), "{chart}");
        assert!(trend.join(format!("charts/{chart}.png")).is_file());
    }
    let document = fs::read_to_string(trend.join("trend.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let list = document["runs"].as_array().unwrap();
    let folders: Vec<&str> = list
        .iter()
        .map(|run| run["folder"].as_str().unwrap())
        .collect();
    // The link is the run that it points to.
    assert_eq!(
        folders,
        ["runs/first", "runs/second", "runs/moved", "runs/killed"]
    );
    let differs = |run: usize| {
        list[run]["arms"][0]["other_machine"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((differs(1), differs(2)), (0, 1));
}

#[test]
fn a_trend_names_the_runs_between_which_a_figure_changed_and_says_where_there_are_too_few() {
    let runs = Runs::new();
    let folders: Vec<String> = (1..=12).map(|day| format!("runs/run-{day:02}")).collect();
    for (place, folder) in folders.iter().enumerate() {
        let change = |document: &mut Value| {
            if let Some(arms) = document["arms"].as_array_mut() {
                // A summary; the header has no figures.
                let level = if place < 6 { 100.0 } else { 150.0 };
                arms[0]["outage_ms"]["median"] = json!(level + (place * 5 % 7) as f64);
            }
        };
        let started = format!("2026-11-{:02}T10:00:00Z", place + 1);
        runs.add(
            folder.trim_start_matches("runs/"),
            "compare",
            &started,
            change,
        );
    }
    let trend = |count: usize, out: &str| {
        let mut words = vec!["report", "--out", out];
        words.extend(folders[..count].iter().map(String::as_str));
        runs.printed(&words)
    };
    let told = trend(12, "trend");
    let name = "token";
    assert!(
        told.contains(&format!(
            "the outage of {name} rose between runs/run-06 and runs/run-07 by "
        )),
        "{told}"
    );
    assert!(told.contains(" ms ["), "{told}");
    let document = fs::read_to_string(runs.0.path().join("trend/trend.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let rows = document["rows"].as_array().unwrap();
    let changed: Vec<&Value> = rows
        .iter()
        .filter(|row| row["result"]["state"] == "changed")
        .collect();
    assert_eq!(changed.len(), 1, "{rows:?}");
    assert_eq!(changed[0]["result"]["last_before"], "runs/run-06");
    let page = fs::read_to_string(runs.0.path().join("trend/trend.html")).unwrap();
    assert!(
        page.contains(&format!("The outage of {name} rose between")),
        "no change on the page"
    );
    let told = trend(7, "short");
    assert!(
        told.contains("not enough runs to look for a change"),
        "{told}"
    );
    assert!(!told.contains("rose between"), "{told}");
}

#[test]
fn a_trend_of_what_is_no_run_or_only_one_is_refused() {
    let runs = Runs::new();
    runs.add("first", "compare", "2026-11-26T10:00:00Z", |_| ());
    runs.add("second", "compare", "2026-11-27T10:00:00Z", |_| ());
    fs::create_dir(runs.path("notes")).unwrap();
    for (words, problem) in [
        (
            &["runs/first", "runs/notes"][..],
            "runs/notes is not a run folder",
        ),
        (&["runs/first", "runs/first"][..], "are the same run"),
        (
            &["runs/first", "runs/second", "--verbose"][..],
            "--verbose: it is about a single run",
        ),
        (
            &["runs/first", "--out", "x"][..],
            "--out: the report of a single run",
        ),
        (
            &["runs/first", "runs/second", "--out", "runs"][..],
            "is not empty",
        ),
    ] {
        let output = runs.run(&[&["report"][..], words].concat());
        assert_eq!(
            output.status.code(),
            Some(2),
            "{words:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains(problem),
            "{words:?}: {}",
            said(&output)
        );
    }
}

#[test]
fn a_label_is_one_line() {
    let runs = Runs::new();
    for label in ["", "  ", "two\nlines", &"x".repeat(61)] {
        let output = runs.run(&["run", "--label", label, "--", "./server"]);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{label:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains("a label is one line"),
            "{}",
            said(&output)
        );
    }
}

#[test]
fn merged_shards_have_the_label_and_the_revision_that_all_of_them_have() {
    let work = tempfile::tempdir().unwrap();
    let mut run = Recorded::of(8, &[], 3);
    run.header.label = Some("nightly-12".to_owned());
    let revision = |commit: &str| {
        Some(Revision {
            commit: commit.to_owned(),
            dirty: false,
        })
    };
    run.header.revision = revision(COMMIT);
    run.write_shard(&work.path().join("1"), Shard::new(1, 2).unwrap());
    run.write_shard(&work.path().join("2"), Shard::new(2, 2).unwrap());
    run.header.revision = revision("0123456789");
    run.write_shard(&work.path().join("other"), Shard::new(2, 2).unwrap());
    let merged = |words: &[&str]| {
        let output = command(work.path(), words).output().unwrap();
        let out = words.last().unwrap();
        let summary = fs::read_to_string(work.path().join(out).join("summary.json"));
        let summary = summary.unwrap_or_else(|_| panic!("{}", said(&output)));
        let summary: Value = serde_json::from_str(&summary).unwrap();
        (summary, said(&output))
    };
    let (same, told) = merged(&["merge", "1", "2", "--out", "same"]);
    assert_eq!(same["label"], "nightly-12");
    assert_eq!(same["revision"]["commit"], COMMIT);
    assert!(!told.contains("revision"), "{told}");
    let (mixed, told) = merged(&["merge", "1", "other", "--label", "whole", "--out", "mixed"]);
    assert_eq!(
        (&mixed["label"], &mixed["revision"]),
        (&json!("whole"), &Value::Null)
    );
    assert!(told.contains("different git revisions"), "{told}");
}
