//! What CI systems read of real runs: the JUnit document against its schema, GitHub's page and annotations.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may panic, and says when it is skipped"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{Run, command, run};

/// Where the tests' own files are.
fn data(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    folder.join(name).display().to_string()
}

/// A run of this test's shortest kind.
const PASSING: [&str; 12] = [
    "compare",
    "token",
    "--quick",
    "--trials",
    "1",
    "--sessions",
    "30",
    "--rate",
    "100",
    "--quiet",
    "--out",
    "out",
];

/// A run whose server never starts again, and says something nasty about it.
fn falls_once(more: &[&str]) -> Run {
    let server = data("falls_once.py");
    let mut words = vec![
        "run",
        "--trials",
        "1",
        "--horizon",
        "6s",
        "--sessions",
        "5",
        "--rate",
        "50",
        "--quiet",
        "--out",
        "out",
    ];
    words.extend(more);
    words.extend(["--", "python3", &server, "{port}", "{data}"]);
    run(&words)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What `xmllint` has against the document; nothing when it keeps to the schema.
fn lint(document: &Path) -> Option<String> {
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema", &data("junit.xsd")])
        .arg(document)
        .output()
        .unwrap();
    (!output.status.success()).then(|| stderr(&output))
}

fn has_xmllint() -> bool {
    support::has("xmllint", &["xmllint", "--version"])
}

/// Fails unless the document keeps to the schema and has as many tests, skipped, failures and errors.
fn check_junit(path: &Path, [tests, skipped, failures, errors]: [u32; 4]) -> String {
    let text = read(path);
    let counts =
        format!(r#"tests="{tests}" skipped="{skipped}" failures="{failures}" errors="{errors}">"#);
    assert!(text.lines().nth(1).unwrap().ends_with(&counts), "{text}");
    assert_eq!(lint(path), None, "{text}");
    text
}

#[test]
fn the_junit_document_keeps_to_its_schema_whatever_the_verdict() {
    if !has_xmllint() {
        return;
    }
    let measured = run(&PASSING);
    if !support::ended_with(&measured, 0) {
        return;
    }
    let text = check_junit(&measured.out().join("junit.xml"), [2, 1, 0, 0]);
    assert!(text.contains("MEASURED: lost none of "), "{text}");

    let failed = falls_once(&["--gate", "time_to_ready.p95 < 2s"]);
    if !support::ended_with(&failed, 1) {
        return;
    }
    let text = check_junit(&failed.out().join("junit.xml"), [4, 1, 1, 1]);
    let seed = failed.summary().seed;
    for expected in [
        // Of the start after the fault, not of the one before it.
        "last lines of output (trial",
        ", restart 1):",
        r"nul \x00 escape \x1b[31m bell \x07 not utf-8 �",
        "]]&gt; &lt;/failure&gt; &amp; &lt;x&gt;",
        &format!("seed: {seed}"),
        "to repeat it: comeback run --trials 1",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }

    let inconclusive = run(&[
        "run", "--trials", "1", "--rate", "50", "--out", "out", "--quiet", "--", "sleep", "0",
        "0.{port}",
    ]);
    assert_eq!(inconclusive.code(), 3, "{}", inconclusive.printed());
    check_junit(&inconclusive.out().join("junit.xml"), [2, 1, 0, 1]);
}

#[test]
fn a_skipped_arm_is_skipped_in_the_document_and_the_run_is_not_green() {
    if !has_xmllint() {
        return;
    }
    let run = run(&PASSING);
    // No reference server is ever skipped: the plan of a stored run is made to say so.
    let journal = run.out().join("journal.jsonl");
    let text = read(&journal);
    let (header, events) = text.split_once('\n').unwrap();
    let mut header: serde_json::Value = serde_json::from_str(header).unwrap();
    header["plan"]["arms"][0]["skip"] = "redis is not installed".into();
    std::fs::write(&journal, format!("{header}\n{events}")).unwrap();
    let output = command(
        run.folder.path(),
        &["report", "out", "--junit", "deep/er/j.xml"],
    )
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let path = run.folder.path().join("deep/er/j.xml");
    let text = check_junit(&path, [2, 1, 0, 1]);
    assert!(
        text.contains(r#"<skipped message="redis is not installed"/>"#),
        "{text}"
    );
    assert_eq!(text, read(&run.out().join("junit.xml")));
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    if !has_xmllint() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.xml");
    let good = r#"<testsuites name="n" tests="1" skipped="0" failures="0" errors="0"><testsuite name="s" tests="1"
        skipped="0" failures="0" errors="0"><testcase name="c" classname="n"/></testsuite></testsuites>"#;
    let refused = |text: &str| {
        std::fs::write(&path, text).unwrap();
        lint(&path).is_some()
    };
    assert!(!refused(good));
    for (from, to) in [
        (r#"classname="n""#, ""),
        (r#"tests="1""#, r#"tests="one""#),
        (r#"name="c""#, "name=\"\u{1}\""),
        ("<testcase", "<case/><testcase"),
        (
            "\"n\"/>",
            "\"n\"><error type=\"other\" message=\"m\"/></testcase>",
        ),
    ] {
        assert!(refused(&good.replacen(from, to, 1)), "{from} -> {to}");
    }
}

#[test]
fn an_unwritable_junit_path_is_told_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for path in ["/proc/nowhere/j.xml", "file/j.xml", "."] {
        let mut words = PASSING.to_vec();
        words.extend(["--junit", path]);
        let output = command(folder.path(), &words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{path}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("--junit"),
            "{path}: {}",
            stderr(&output)
        );
        assert!(!folder.path().join("out").exists(), "{path}");
    }
}

#[test]
fn a_harness_that_dies_leaves_an_error_and_not_the_last_runs_pass() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out/j.xml");
    let mut words = PASSING.to_vec();
    words.extend(["--junit", "out/j.xml"]);
    let output = command(folder.path(), &words)
        .env("COMEBACK_PANIC_IN", "baseline")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let text = read(&path);
    assert!(text.contains("the run did not come to its end"), "{text}");
    if has_xmllint() {
        check_junit(&path, [1, 0, 0, 1]);
    }
}

/// The program within GitHub Actions, with a summary page that already has something on it.
fn on_github(folder: &Path, words: &[&str]) -> (Output, String) {
    let page = folder.join("summary.md");
    std::fs::write(&page, "# earlier\n").unwrap();
    let output = command(folder, words)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &page)
        .output()
        .unwrap();
    (output, read(&page))
}

#[test]
fn github_gets_a_summary_and_annotations_and_json_stays_pure() {
    let failed = falls_once(&[]);
    if !support::ended_with(&failed, 1) {
        return;
    }
    let folder = failed.folder.path();
    let (output, page) = on_github(folder, &["report", "out"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for expected in [
        "# earlier\n## ❌ comeback run: fail\n",
        "\n| arm | sessions lost |",
        "\n| run | unrecovered == 0 | fail | 1 of 1 |",
        "\n- run: unrecovered == 0 is broken: 1 of 1",
        "\n- run: cause: the server crashed 1 time and never served",
        "`out/report.html`",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let annotations = [
        "::error title=run%3A unrecovered == 0::fail: did not come back for good after 1 of 1 fault%0Anext: comeback report out -v, \
         or comeback replay out, or comeback shrink out",
        "::warning title=comeback run::run: cause: the server crashed 1 time and never served (trial N)",
    ];
    let commands = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("::"));
        // The control trial may come first.
        let lines = lines.map(|line| line.replace("(trial 1)", "(trial N)"));
        lines
            .map(|line| line.replace("(trial 2)", "(trial N)"))
            .collect()
    };
    assert_eq!(commands(&stdout(&output)), annotations);

    let (output, _) = on_github(folder, &["report", "out", "--json"]);
    serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    assert_eq!(commands(&stderr(&output)), annotations);
}

/// An experiment whose gate stands at line 16.
const CRASH: &str = r#"trials = 1
[target]
command = ["--port", "{port}", "--data", "{data}"]
[session]
value = "/visits"
identity = { at = "/user", name = "u{{ session }}" }
[session.login]
request = "POST /login"
json = { user = "u{{ session }}" }
[session.act]
request = "POST /visit"
[session.check]
request = "GET /me"
[gate]
# Nothing may be lost.
lost_sessions = 0
"#;

#[test]
fn a_broken_gate_is_annotated_at_its_line_and_the_page_shows_its_chart_and_a_sessions_story() {
    let folder = tempfile::tempdir().unwrap();
    let server = format!("command = [{:?}, \"serve\", \"memory\", ", support::PROGRAM);
    let file = CRASH.replace("command = [", &server);
    std::fs::write(folder.path().join("crash.toml"), file).unwrap();
    let page = folder.path().join("summary.md");
    let words = [
        "run",
        "crash.toml",
        "--sessions",
        "30",
        "--rate",
        "100",
        "--seed",
        "7",
        "--quiet",
        "--out",
        "deep/out",
    ];
    let output = command(folder.path(), &words)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &page)
        .env("COMEBACK_ARTIFACT", "crash")
        .output()
        .unwrap();
    if !support::output_ended_with(&output, 1) {
        return;
    }
    let said = stdout(&output);
    let gate = said
        .lines()
        .find(|line| line.contains("lost_sessions == 0::"))
        .unwrap();
    let place = "::error file=crash.toml,line=16,col=";
    assert!(gate.starts_with(place), "{gate}");
    // Where the runner has it nobody can look any more.
    let next = "next: comeback report out -v, or comeback replay out, or comeback shrink out";
    assert!(
        gate.contains("::fail: lost ") && gate.contains(" sessions%0A") && gate.ends_with(next),
        "{gate}"
    );
    // A default gate stands nowhere.
    let default = said
        .lines()
        .find(|line| line.contains("lost_writes == 0::"))
        .unwrap();
    assert!(
        default.starts_with("::error file=crash.toml,title="),
        "{default}"
    );
    assert!(
        said.contains("\nnext:\n  comeback report deep/out -v  # figures of each trial\n  comeback replay deep/out  # the same run again\n  \
                       comeback shrink deep/out  # the smallest failing file\n"),
        "{said}"
    );
    let page = read(&page);
    for expected in [
        "```mermaid\nxychart-beta\n    x-axis \"trial\" [",
        "    y-axis \"lost_sessions\" 0 --> ",
        "\n### The first session that lost something\n\nIn trial ",
        ": its login was acknowledged ",
        " before the fault.\n- It had ",
        "\n- Then the fault was sent, ",
        "\n- The service was back ",
        "\n- The reply to its ",
        "\nReport: `out/report.html` in the artifact `crash` of this workflow run\n",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
}

#[test]
fn a_run_without_a_verdict_is_annotated_too() {
    let folder = tempfile::tempdir().unwrap();
    let (output, page) = on_github(folder.path(), &["report", "no:where"]);
    assert_eq!(output.status.code(), Some(2));
    let expected = "\n::error title=comeback::no:where is not a run folder";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    assert_eq!(page, "# earlier\n");
}

#[test]
fn a_summary_page_that_cannot_be_written_is_a_warning() {
    let mut run = PASSING.to_vec();
    run.extend(["--seed", "5"]);
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &run)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", "/proc/nowhere/page")
        .output()
        .unwrap();
    if !support::output_ended_with(&output, 0) {
        return;
    }
    assert!(
        stderr(&output).contains("warning: GITHUB_STEP_SUMMARY"),
        "{}",
        stderr(&output)
    );
    assert!(
        stdout(&output).contains("::notice title=comeback compare::MEASURED: lost none of "),
        "{}",
        stdout(&output)
    );
}

/// The example of this system in the page about CI.
fn example(heading: &str, language: &str) -> String {
    let page = read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/ci.md"));
    let section = page.split(&format!("## {heading}\n")).nth(1).unwrap();
    let snippet = section.split(&format!("```{language}\n")).nth(1).unwrap();
    snippet.split("```").next().unwrap().to_owned()
}

/// The files that the command of an example writes: the folder of the run and the JUnit document. The program must know the command.
fn written_by(script: &str) -> (String, String) {
    let words: Vec<&str> = script.split(' ').collect();
    let [program, run, file, out, folder, junit, document] = words.as_slice() else {
        panic!("{script}");
    };
    assert_eq!(
        (*program, *out, *junit),
        ("comeback", "--out", "--junit"),
        "{script}"
    );
    let place = tempfile::tempdir().unwrap();
    let server = "[target]\ncommand = [\"true\", \"{port}\"]\n";
    std::fs::write(place.path().join(file), server).unwrap();
    // It reads the whole line before it says that it may not write there.
    let words = [
        *run,
        *file,
        *out,
        "/proc/nowhere",
        *junit,
        *document,
        "--no-preflight",
    ];
    let output = command(place.path(), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("/proc/nowhere"),
        "{}",
        stderr(&output)
    );
    ((*folder).to_owned(), (*document).to_owned())
}

fn yaml(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_gitlab_example_names_the_file_that_its_command_writes() {
    let job = &yaml(&example("GitLab", "yaml"))["crash"];
    let (folder, document) = written_by(job["script"][0].as_str().unwrap());
    assert_eq!(job["artifacts"]["reports"]["junit"], *document);
    assert_eq!(job["artifacts"]["paths"], serde_json::json!([folder]));
    assert_eq!(job["artifacts"]["when"], "always");
}

#[test]
fn the_buildkite_example_keeps_the_files_that_its_command_writes_also_after_a_failure() {
    let pipeline = yaml(&example("Buildkite", "yaml"));
    let steps = pipeline["steps"].as_array().unwrap();
    let [crash, wait, annotate] = steps.as_slice() else {
        panic!("{steps:?}");
    };
    let (folder, document) = written_by(crash["command"].as_str().unwrap());
    let kept = serde_json::json!([document, format!("{folder}/**/*")]);
    assert_eq!(crash["artifact_paths"], kept);
    assert_eq!(crash["soft_fail"], serde_json::json!([{"exit_status": 3}]));
    assert_eq!(wait["continue_on_failure"], true);
    let plugin = annotate["plugins"][0].as_object().unwrap();
    let (name, with) = plugin.iter().next().unwrap();
    assert!(name.starts_with("junit-annotate#v"), "{name}");
    assert_eq!(with["artifacts"], *document);
}

#[test]
fn the_jenkins_example_keeps_the_files_that_its_command_writes_also_after_a_failure() {
    let pipeline = example("Jenkins", "groovy");
    assert_eq!(
        blocks(&pipeline),
        [
            "pipeline",
            "stages",
            "stage('crash')",
            "steps",
            "script",
            "if (code == 3)",
            "else if (code != 0)",
            "post",
            "always"
        ],
        "{pipeline}"
    );
    let argument = |before: &str| {
        let rest = pipeline
            .split(before)
            .nth(1)
            .unwrap_or_else(|| panic!("{before}: {pipeline}"));
        rest.split('\'').next().unwrap().to_owned()
    };
    let (folder, document) = written_by(&argument("sh(returnStatus: true, script: '"));
    let (_, always) = pipeline.split_once("always {").unwrap();
    assert!(
        always.contains(&format!("junit '{document}'\n")),
        "{pipeline}"
    );
    let kept = format!("archiveArtifacts artifacts: '{folder}/**',");
    assert!(always.contains(&kept), "{pipeline}");
}

/// The heads of the blocks of a pipeline, from the top. Fails unless each block is closed where its indentation says.
fn blocks(pipeline: &str) -> Vec<String> {
    let (mut heads, mut open): (Vec<String>, Vec<usize>) = (Vec::new(), Vec::new());
    for line in pipeline.lines() {
        let (text, indent) = (line.trim(), line.len() - line.trim_start().len());
        assert_eq!(
            text.matches('\'').count() % 2 + text.matches('"').count() % 2,
            0,
            "{line}"
        );
        assert_eq!(
            text.matches('(').count(),
            text.matches(')').count(),
            "{line}"
        );
        let text = match text.strip_prefix('}') {
            Some(rest) => {
                assert_eq!(open.pop(), Some(indent), "{line}");
                rest.trim_start()
            }
            None => text,
        };
        if let Some(head) = text.strip_suffix(" {") {
            heads.push(head.to_owned());
            open.push(indent);
        }
    }
    assert!(open.is_empty(), "{pipeline}");
    heads
}
