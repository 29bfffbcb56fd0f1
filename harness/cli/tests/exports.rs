//! What `comeback export` writes for checkers and monitoring, from stored journals.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/edn.rs"]
mod edn;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use comeback_model::operation::{Operation, Outcome, Step};
use comeback_runs::read::Recorded;
use edn::Edn;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;
use support::{command, said};

fn stored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/journals")
        .join(name)
}

fn export(run: &Path, format: &str) -> Output {
    let words = [
        "export".as_ref(),
        "--format".as_ref(),
        format.as_ref(),
        run.as_os_str(),
    ];
    command(Path::new("."), &words).output().unwrap()
}

#[track_caller]
fn exported(run: &Path, format: &str) -> String {
    let output = export(run, format);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The operations of a history, each with its invocation and its completion. Checks what holds for every history.
fn pairs(history: &str) -> Vec<(Edn, Edn)> {
    let mut under_way: BTreeMap<i128, Edn> = BTreeMap::new();
    let mut gone: BTreeSet<i128> = BTreeSet::new();
    let mut pairs = Vec::new();
    let mut trial = None;
    let mut last = i128::MIN;
    for (index, line) in history.lines().enumerate() {
        let one = Edn::read(line);
        assert_eq!(one.get("index").number(), index as i128);
        let (time, process) = (one.get("time").number(), one.get("process").number());
        if trial.replace(one.get("trial").clone()) != Some(one.get("trial").clone()) {
            assert!(under_way.is_empty(), "a trial ends before its operations");
            last = i128::MIN;
        }
        assert!(last <= time && time % 1_000 == 0, "{line}");
        last = time;
        match one.get("type").keyword() {
            "invoke" => {
                assert!(
                    !gone.contains(&process),
                    "it goes on after an :info: {line}"
                );
                let before = under_way.insert(process, one);
                assert_eq!(before, None, "a process does two things at once: {line}");
            }
            completed => {
                let asked = under_way.remove(&process).expect("it was invoked");
                for key in ["f", "trial", "arm"] {
                    assert_eq!(asked.get(key), one.get(key), "{line}");
                }
                if completed == "info" {
                    gone.insert(process);
                }
                pairs.push((asked, one));
            }
        }
    }
    assert!(under_way.is_empty(), "{under_way:?}");
    pairs
}

fn operations(run: &Path) -> Vec<Operation> {
    let recorded = Recorded::open(run).unwrap();
    let operations = recorded.operations().unwrap();
    operations.map(Result::unwrap).collect()
}

#[test]
fn each_invocation_of_a_history_has_its_completion_and_what_is_ambiguous_ends_its_process() {
    let mut has_info = false;
    for name in [
        "compare", "cache", "retry", "several", "topology", "zombies",
    ] {
        let run = stored(name);
        let pairs = pairs(&exported(&run, "edn"));
        let operations = operations(&run);
        let of = |step: fn(Step) -> bool, outcome: Outcome| {
            let those = operations
                .iter()
                .filter(|one| step(one.step) && one.outcome == outcome);
            those.count()
        };
        let is_act = |step| step == Step::Act;
        let told = |f: &str, kind: &str| {
            let those = pairs.iter().filter(|(asked, done)| {
                asked.get("f").keyword() == f && done.get("type").keyword() == kind
            });
            those.count()
        };
        for (kind, outcome) in [
            ("ok", Outcome::Acknowledged),
            ("fail", Outcome::Rejected),
            ("info", Outcome::Indeterminate),
        ] {
            assert_eq!(told("add", kind), of(is_act, outcome), "{name}: {kind}");
        }
        let reads = operations
            .iter()
            .filter(|one| matches!(one.step, Step::Check | Step::ReadBack));
        let read: usize = ["ok", "fail", "info"]
            .iter()
            .map(|kind| told("read", kind))
            .sum();
        assert_eq!(read, reads.count(), "{name}");
        has_info |= told("add", "info") > 0;
    }
    assert!(has_info, "no stored journal has an ambiguous write");
}

#[test]
fn a_write_whose_reply_the_fault_may_have_cut_off_is_ambiguous() {
    let from = stored("compare");
    let folder = tempfile::tempdir().unwrap();
    let journal = fs::read_to_string(from.join("journal.jsonl")).unwrap();
    let (begun, _) = journal.split_once("{\"at_us\":1180478,").unwrap();
    fs::write(folder.path().join("journal.jsonl"), begun).unwrap();
    // The kill was sent at 599,400 µs, and the server had ended at 606,702 µs.
    let rows = fs::read_to_string(from.join("operations.csv")).unwrap();
    let (columns, rows) = rows.split_once('\n').unwrap();
    let rows: Vec<Vec<&str>> = rows
        .lines()
        .map(|row| row.split(',').collect())
        .filter(|row: &Vec<&str>| row[0] == "0")
        .collect();
    let is_before = |row: &Vec<&str>| row[7].parse::<u64>().unwrap() < 599_400;
    let last = rows
        .iter()
        .rposition(|row| row[3] == "act" && row[8] == "acknowledged" && is_before(row))
        .unwrap();
    let ambiguous = |unframed: &'static str| {
        let mut rows = rows.clone();
        rows[last][7] = "600000";
        rows[last][17] = unframed;
        let rows: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
        let file = format!("{columns}\n{}\n", rows.join("\n"));
        fs::write(folder.path().join("operations.csv"), file).unwrap();
        let pairs = pairs(&exported(folder.path(), "edn"));
        let kinds = pairs.iter().map(|(_, done)| done.get("type").keyword());
        kinds.filter(|kind| *kind == "info").count()
    };
    assert_eq!(ambiguous("true"), ambiguous("false") + 1);
}

#[test]
fn a_counter_that_lost_nothing_reads_as_many_as_were_added() {
    // By key: acknowledged and possible additions, and what the last read showed.
    let mut keys: BTreeMap<Edn, (i128, i128, Option<i128>)> = BTreeMap::new();
    let (mut lost, mut kept) = (0, 0);
    for (asked, done) in pairs(&exported(&stored("compare"), "edn")) {
        let value = done.get("value").items();
        let key = Edn::Vector(vec![done.get("arm").clone(), value[0].clone()]);
        let (sure, perhaps, last) = keys.entry(key).or_default();
        match (asked.get("f").keyword(), done.get("type").keyword()) {
            ("add", "ok") => *sure += value[1].number(),
            ("add", "info") => *perhaps += value[1].number(),
            ("read", "ok") => *last = Some(value[1].number()),
            _ => {}
        }
    }
    for (key, (sure, perhaps, last)) in &keys {
        let arm = &key.items()[0];
        let Some(last) = last else { continue };
        let holds = (*sure..=sure + perhaps).contains(last);
        match arm {
            Edn::Text(arm) if arm == "journal" => assert!(holds, "{key:?}: {sure}, {last}"),
            _ if holds => kept += 1,
            _ => lost += 1,
        }
    }
    assert!(
        keys.len() > 40 && kept > 0,
        "{} keys, {kept}, {lost}",
        keys.len()
    );
}

/// The stored run with writes of their own, as the plan would have them.
fn with_own_writes(kind: &str, shown: [&str; 4]) -> tempfile::TempDir {
    let from = stored("zombies");
    let folder = tempfile::tempdir().unwrap();
    let journal = fs::read_to_string(from.join("journal.jsonl")).unwrap();
    let (header, _) = journal.split_once('\n').unwrap();
    let mut header: Value = serde_json::from_str(header).unwrap();
    let flow = header
        .pointer_mut("/plan/load/workload/sessions/writes")
        .unwrap();
    *flow = kind.into();
    // The begin of a trial alone: nothing of it is sealed.
    fs::write(folder.path().join("journal.jsonl"), format!("{header}\n")).unwrap();
    let columns = fs::read_to_string(from.join("operations.csv")).unwrap();
    let columns = columns.lines().next().unwrap();
    let row = |step: &str, at: u32, write: &str, found: &str| {
        let (sent, finished) = (at + 10, at + 20);
        format!(
            "1,0,0,{step},{at},{at},{sent},{finished},acknowledged,,200,,{write},{found},,,,false,,,1,\n"
        )
    };
    let mut rows = format!("{columns}\n");
    rows += &row("login", 100, "", shown[0]);
    rows += &row("act", 200, "1", "");
    rows += &row("check", 300, "", shown[1]);
    rows += &row("act", 400, "2", "");
    rows += &row("check", 500, "", shown[2]);
    rows += &row("check", 600, "", shown[3]);
    fs::write(folder.path().join("operations.csv"), rows).unwrap();
    folder
}

#[test]
fn a_list_is_what_elle_appends_and_reads_with_the_oldest_first() {
    // One value was there at the login; later there are two that nobody wrote.
    let run = with_own_writes("list", ["?1", "\"1,?1\"", "\"2,1,?2\"", ""]);
    let pairs = pairs(&exported(run.path(), "edn"));
    let done: Vec<(&str, String)> = pairs
        .iter()
        .map(|(_, done)| {
            (
                done.get("type").keyword(),
                format!("{:?}", done.get("value")),
            )
        })
        .collect();
    let micro = |text: &str| format!("{:?}", Edn::read(text));
    assert_eq!(
        done,
        [
            ("ok", micro("[[:append \"1/0/0\" 1]]")),
            ("ok", micro("[[:r \"1/0/0\" [1]]]")),
            ("ok", micro("[[:append \"1/0/0\" 2]]")),
            ("ok", micro("[[:r \"1/0/0\" [1 2 -1]]]")),
            // A reply that could not be read does not say that nothing is there.
            ("fail", micro("[[:r \"1/0/0\" nil]]")),
        ]
    );
}

#[test]
fn a_set_is_added_to_and_read() {
    let run = with_own_writes("set", ["-", "1", "\"2,1\"", "-"]);
    let pairs = pairs(&exported(run.path(), "edn"));
    let read: Vec<&Edn> = pairs.iter().map(|(_, done)| done.get("value")).collect();
    assert_eq!(*read[2], Edn::read("[\"1/0/0\" 2]"));
    assert_eq!(*read[3], Edn::read("[\"1/0/0\" #{1 2}]"));
    assert_eq!(*read[4], Edn::read("[\"1/0/0\" #{}]"));
}

/// The families and the samples of an OpenMetrics text, each sample by its name and labels.
fn samples<'a>(name: &str, text: &'a str) -> BTreeMap<&'a str, f64> {
    assert!(text.ends_with("# EOF\n"), "{name}: {text}");
    let mut families: BTreeMap<&str, &str> = BTreeMap::new();
    let mut samples: BTreeMap<&str, f64> = BTreeMap::new();
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some("EOF") => {}
            Some(about) => {
                let words: Vec<&str> = about.splitn(3, ' ').collect();
                if words[0] == "TYPE" {
                    let before = families.insert(words[1], words[2]);
                    assert_eq!(before, None, "{name}: {line}");
                }
            }
            None => {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let family = sample.split('{').next().unwrap();
                let endings = ["_info", "_total", "_bucket", "_count", "_sum"];
                let known = endings
                    .iter()
                    .filter_map(|ending| family.strip_suffix(ending))
                    .chain([family])
                    .find(|family| families.contains_key(family));
                assert!(known.is_some(), "{name}: {line}");
                let value = value.replace('+', "").parse().unwrap();
                assert_eq!(samples.insert(sample, value), None, "{name}: {line}");
            }
        }
    }
    samples
}

#[test]
fn the_figures_in_openmetrics_are_those_of_the_summary() {
    for name in ["compare", "never-back", "several", "void"] {
        let run = stored(name);
        let text = exported(&run, "openmetrics");
        let samples = samples(name, &text);
        let summary = fs::read_to_string(run.join("summary.json")).unwrap();
        let summary: Value = serde_json::from_str(&summary).unwrap();
        for arm in summary["arms"].as_array().unwrap() {
            let arm_name = arm["name"].as_str().unwrap();
            let sample = |family: &str, label: &str| {
                let key = format!("{family}{{arm=\"{arm_name}\"{label}}}");
                samples.get(key.as_str()).copied()
            };
            let is_measured = arm["status"] == "measured";
            let flag = sample("comeback_arm_measured", "");
            assert_eq!(flag, Some(f64::from(u8::from(is_measured))), "{name}");
            let lost = sample("comeback_sessions", ",fate=\"lost\"");
            let median = sample("comeback_outage_seconds", ",stat=\"median\"");
            if !is_measured {
                assert_eq!((lost, median), (None, None), "{name}");
                continue;
            }
            assert_eq!(lost, arm["sessions"]["lost"].as_f64(), "{name}");
            let outage = &arm["outage_ms"];
            let expected = (outage["n"] != 0).then(|| {
                outage["median"]
                    .as_f64()
                    .map_or(f64::INFINITY, |ms| ms / 1_000.0)
            });
            assert_eq!(median, expected, "{name}");
        }
    }
}

#[test]
fn a_run_without_sessions_has_no_history_and_says_so_before_a_file_is_made() {
    let work = tempfile::tempdir().unwrap();
    let run = work.path().join("run");
    fs::create_dir(&run).unwrap();
    let journal = fs::read_to_string(stored("zombies").join("journal.jsonl")).unwrap();
    let mut header: Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
    let workload = header.pointer_mut("/plan/load/workload").unwrap();
    let check = workload["sessions"]["check"].clone();
    *workload = serde_json::json!({ "stateless": check });
    fs::write(run.join("journal.jsonl"), format!("{header}\n")).unwrap();
    fs::write(run.join("operations.csv"), "").unwrap();
    let words = ["export", "run", "--format", "edn", "--out", "history.edn"];
    let output = command(work.path(), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said(&output).contains("the run has no sessions"),
        "{}",
        said(&output)
    );
    assert!(!work.path().join("history.edn").exists());
}

/// A running `comeback` with `--metrics` at a free port, and the address that it printed.
struct Scraped {
    run: Child,
    lines: Lines<BufReader<ChildStderr>>,
    address: String,
}

impl Scraped {
    fn start(folder: &Path, words: &[&str]) -> Self {
        let mut run = command(folder, words)
            .args(["--metrics", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap();
        let address = url.strip_prefix("metrics: http://").expect(&url);
        let address = address.strip_suffix("/metrics").unwrap().to_owned();
        Self {
            run,
            lines,
            address,
        }
    }

    /// The head and the body of the answer; `None` once the run has ended.
    fn get(&self, host: &str) -> Option<(String, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.to_owned(), body.to_owned()))
    }
}

#[test]
fn a_run_tells_its_metrics_while_it_goes_on_and_they_only_grow() {
    let folder = tempfile::tempdir().unwrap();
    let mut scraped = Scraped::start(
        folder.path(),
        &[
            "compare", "memory", "--quick", "--trials", "1", "--rate", "200", "--out", "out",
            "--quiet",
        ],
    );
    let (head, _) = scraped.get("rebound.example").unwrap();
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let mut last: BTreeMap<String, f64> = BTreeMap::new();
    while let Some((head, body)) = scraped.get(&scraped.address) {
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(
            head.contains("application/openmetrics-text; version=1.0.0"),
            "{head}"
        );
        let told = samples("live", &body);
        for (name, before) in &last {
            if name.contains("_total") || name.contains("_bucket") {
                assert!(told.get(name.as_str()) >= Some(before), "{name}: {body}");
            }
        }
        last = told
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        // Far less often than would disturb the run, and far more often than making the report takes.
        std::thread::sleep(Duration::from_millis(25));
    }
    let rest: Vec<String> = scraped.lines.map_while(Result::ok).collect();
    let status = scraped.run.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{rest:?}");
    // It was asked again and again until it ended: what it told last is what it measured.
    let run = folder.path().join("out");
    let total = |outcome: &str| {
        let name = |purpose: &str| {
            format!(
                "comeback_live_operations_total{{arm=\"memory\",for=\"{purpose}\",outcome=\"{outcome}\"}}"
            )
        };
        ["load", "read_back"]
            .iter()
            .map(|purpose| last[&name(purpose)])
            .sum::<f64>()
    };
    let exported = exported(&run, "csv");
    for outcome in ["acknowledged", "rejected", "indeterminate"] {
        let rows = exported
            .lines()
            .filter(|row| row.split(',').nth(8) == Some(outcome));
        assert_eq!(total(outcome), rows.count() as f64, "{outcome}");
    }
    assert_eq!(last["comeback_live_trials_total{arm=\"memory\"}"], 2.0);
    assert_eq!(last["comeback_live_faults_total{arm=\"memory\"}"], 1.0);
    assert_eq!(last["comeback_live_offered_rate"], 200.0);
}

#[test]
fn a_run_whose_metrics_have_no_address_does_not_begin() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let work = tempfile::tempdir().unwrap();
    for flag in [format!("--metrics={address}"), format!("--serve={address}")] {
        let words = ["compare", "memory", "--quick", "--out", "out", &flag];
        let output = command(work.path(), &words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        let said = support::unfolded(&said(&output));
        assert!(
            said.contains(&format!(
                "cannot listen on {address}: Address already in use"
            )),
            "{said}"
        );
        assert!(!work.path().join("out").exists());
    }
    for (address, why) in [
        ("192.0.2.1:9464", "192.0.2.1 is not of this machine alone"),
        ("0.0.0.0:9464", "0.0.0.0 is not of this machine alone"),
        ("9464", "'9464' is not an address with a port"),
    ] {
        let words = ["compare", "memory", "--quick", "--metrics", address];
        let output = command(work.path(), &words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        let said = support::unfolded(&said(&output));
        assert!(said.contains(why), "{said}");
    }
}

/// The rows of a Parquet file, each cell in the words of CSV.
fn rows_of_parquet(bytes: Vec<u8>) -> Vec<Vec<String>> {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    let cell = |field: &Field| match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Long(whole) => whole.to_string(),
        Field::Bool(is) => is.to_string(),
        other => panic!("{other:?}"),
    };
    let heads = reader.metadata().file_metadata().schema_descr();
    let heads = heads.columns().iter().map(|one| one.name().to_owned());
    [heads.collect()]
        .into_iter()
        .chain(rows.map(|row| {
            row.get_column_iter()
                .map(|(_, field)| cell(field))
                .collect()
        }))
        .collect()
}

fn rows_of_csv(text: &str) -> Vec<Vec<String>> {
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    rows.records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

#[test]
fn parquet_holds_what_csv_holds() {
    for name in [
        "compare", "cache", "retry", "several", "topology", "zombies",
    ] {
        let run = stored(name);
        for (csv, parquet) in [("csv", "parquet"), ("events-csv", "events-parquet")] {
            let output = export(&run, parquet);
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            let rows = rows_of_parquet(output.stdout);
            assert!(rows.len() > 5, "{name}: {} rows", rows.len());
            assert_eq!(rows, rows_of_csv(&exported(&run, csv)), "{name}: {parquet}");
        }
    }
}

#[test]
fn events_as_csv_are_those_of_the_journal_with_the_arm_of_each() {
    let run = stored("compare");
    let rows = rows_of_csv(&exported(&run, "events-csv"));
    assert_eq!(rows[0], ["at_us", "trial", "arm", "type", "detail"]);
    let events = exported(&run, "events");
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), events.len() + 1);
    let mut arms = BTreeSet::new();
    for (row, event) in rows[1..].iter().zip(&events) {
        assert_eq!(row[0], event["at_us"].to_string());
        let mut kind: Value = serde_json::from_str(&row[4]).unwrap();
        kind["type"] = row[3].as_str().into();
        assert_eq!(kind, event["kind"]);
        assert_eq!(row[2].is_empty(), event["trial"].is_null(), "{row:?}");
        arms.insert(&row[2]);
    }
    assert!(arms.len() > 1, "{arms:?}");
}

/// Installs DuckDB and pandas beside the script, unless they are there: where they are.
fn python_packages() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/python");
    if !support::has("python3-pip", &["python3", "-m", "pip", "--version"]) {
        return None;
    }
    let installed = Command::new(data.join("install.sh")).output().unwrap();
    let told = String::from_utf8_lossy(&installed.stderr);
    let what = format!("what tests/data/python/install.sh has from PyPI ({told})");
    support::is_there_or_skipped(&what, installed.status.success()).then(|| data.join("packages"))
}

/// The page's blocks that are marked so, with what it says that they print.
fn snippets<'a>(page: &'a str, mark: &str) -> Vec<(&'a str, Option<&'a str>)> {
    let blocks = page.split(mark).skip(1);
    let told = blocks.map(|block| {
        let (own, behind) = block.split_once("```").unwrap();
        let printed = behind.trim_start().strip_prefix("```text\n");
        (own, printed.map(|text| text.split("```").next().unwrap()))
    });
    told.collect()
}

#[test]
fn the_page_on_data_opens_the_files_in_duckdb_and_pandas() {
    let Some(packages) = python_packages() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("comeback-runs");
    fs::create_dir(&runs).unwrap();
    std::os::unix::fs::symlink(stored("compare"), runs.join("latest")).unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/data.md");
    let page = fs::read_to_string(page).unwrap();
    let exports = snippets(&page, "```sh\n");
    let lines = exports.iter().flat_map(|(lines, _)| lines.lines());
    for line in lines.filter(|line| line.starts_with("comeback export")) {
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        let output = command(folder.path(), &words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output));
    }
    let scripts = snippets(&page, "```python\n");
    assert_eq!(scripts.len(), 4);
    for (script, printed) in scripts {
        let output = Command::new("python3")
            .args(["-c", script])
            .env("PYTHONPATH", &packages)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{script}\n{said}");
        let printed = printed.expect("it says what is printed");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.trim_end(), printed.trim_end(), "{script}\n{said}");
    }
}
