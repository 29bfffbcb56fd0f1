//! The library, as a user's test uses it: against reference servers, started as any other command.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use comeback::{Error, Experiment, Outcome, Report};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{PROGRAM, assert_nothing_left, has_void_trial, how_busy, processes_of, read_events};

/// Tells the test that is started as a process of its own what to do, and where.
const CHILD: &str = "COMEBACK_TEST_CHILD";
const PATIENCE: Duration = Duration::from_secs(60);

/// A short experiment on a reference server, as if somebody else had written it.
fn visits(target: &str) -> Experiment {
    Experiment::command([
        PROGRAM, "serve", target, "--port", "{port}", "--data", "{data}",
    ])
    .name(target)
    .trials(1)
    .seed(7)
    .sessions(30)
    .rate(100.0)
    .settle(Duration::from_secs(1))
    .login(r#"POST /login {"user":"u{{ session }}"}"#)
    .act("POST /visit")
    .check("GET /me")
    .value("/visits")
    .identity("/user", "u{{ session }}")
    .gate("lost_sessions == 0")
    .gate("lost_writes == 0")
}

/// Whether a run came to a judgement of all its trials. On a busy machine it may not: then nothing more can be asked of it.
fn is_judged(report: &Report) -> bool {
    let is_open = report.verdict().outcome == Outcome::Inconclusive;
    !((is_open || has_void_trial(report.folder())) && how_busy().is_some())
}

#[tokio::test]
async fn a_server_that_keeps_sessions_in_memory_fails_and_says_why() {
    let report = visits("memory").run().await.unwrap();
    if !is_judged(&report) {
        return;
    }
    assert_eq!(report.verdict().outcome, Outcome::Fail);
    assert!(!report.passed());
    let sessions = report.summary().arms[0].sessions;
    assert!(sessions.acknowledged >= 10, "{sessions:?}");
    assert_eq!(sessions.lost, sessions.acknowledged, "{sessions:?}");
    assert_eq!(report.analysis().arms[0].trials.len(), 2);
    let folder = report.folder().to_owned();
    let panic = std::panic::catch_unwind(|| report.assert_passed()).unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    for part in [
        "memory failed\n",
        "lost_sessions == 0 is broken",
        "\nseed 7; report: ",
        folder.join("report.html").to_str().unwrap(),
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    drop(report);
    assert!(folder.join("report.html").is_file(), "a failure is kept");
    assert!(folder.join("summary.json").is_file());
    assert!(!folder.join("data").exists());
    let parent = folder.parent().unwrap();
    assert!(parent.ends_with("target/comeback") || parent.ends_with("comeback"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_writes_before_it_answers_passes_and_its_folder_goes_with_the_report() {
    // As a task, which may move between threads.
    let run = tokio::spawn(visits("journal").run());
    let report = run.await.unwrap().unwrap();
    if !is_judged(&report) {
        return;
    }
    report.assert_passed();
    assert_eq!(report.seed(), 7);
    let folder = report.folder().to_owned();
    assert!(folder.join("report.html").is_file());
    drop(report);
    assert!(!folder.exists());
}

#[test]
fn losses_fail_by_default_and_a_run_that_demands_nothing_does_not_pass() {
    let visits = || {
        Experiment::command([
            PROGRAM, "serve", "memory", "--port", "{port}", "--data", "{data}",
        ])
        .trials(1)
        .seed(7)
        .sessions(5)
        .rate(50.0)
        .settle(Duration::from_secs(1))
        .login(r#"POST /login {"user":"u{{ session }}"}"#)
        .act("POST /visit")
        .check("GET /me")
        .value("/visits")
        .name("demands")
    };
    let report = visits().run_blocking().unwrap();
    if !is_judged(&report) {
        return;
    }
    assert_eq!(report.verdict().outcome, Outcome::Fail);
    let headline = &report.verdict().headline;
    assert_eq!(
        headline,
        "FAIL: lost 5 of 5 sessions; 1 more gate does not hold"
    );
    std::fs::remove_dir_all(report.folder()).unwrap();
    let report = visits().no_default_gates().run_blocking().unwrap();
    if !is_judged(&report) {
        return;
    }
    assert_eq!(report.verdict().outcome, Outcome::Measured);
    let panic = std::panic::catch_unwind(|| report.assert_passed()).unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    for part in ["demands has no gates", "MEASURED: lost 5 of 5 sessions"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    std::fs::remove_dir_all(report.folder()).unwrap();
}

#[test]
fn no_runtime_is_needed_and_a_chosen_folder_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let report = visits("token").out(&out).run_blocking().unwrap();
    // One fault need not meet a write under way; then the run is inconclusive, and its folder is kept all the same.
    assert_ne!(report.verdict().outcome, Outcome::Fail);
    assert_eq!(report.folder(), out);
    drop(report);
    assert!(out.join("report.html").is_file());
    assert_nothing_left(folder.path());
    let error = visits("token").out(&out).run_blocking().unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
    assert!(error.to_string().contains("is not empty"), "{error}");
}

/// When a run began and ended, in seconds of the wall's clock.
fn time_of(report: &Report) -> (f64, f64) {
    let started: jiff::Timestamp = report.summary().started.parse().unwrap();
    let begun = started.as_microsecond() as f64 / 1e6;
    let events = read_events(report.folder());
    let last = events.last().unwrap()["at_us"].as_f64().unwrap();
    (begun, begun + last / 1e6)
}

#[tokio::test]
async fn two_of_one_process_take_turns() {
    let (one, two) = tokio::join!(visits("token").run(), visits("token").run());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.folder(), two.folder());
    let (mut times, runs) = ([time_of(&one), time_of(&two)], [one, two]);
    times.sort_by(|one, two| one.0.total_cmp(&two.0));
    assert!(times[0].1 <= times[1].0, "they overlap: {times:?}");
    let judged = runs.iter().filter(|run| is_judged(run));
    judged.for_each(Report::assert_passed);
}

#[tokio::test]
async fn two_at_once_know_their_processes_apart() {
    let (one, two) = tokio::join!(
        visits("memory").name("at-once").take_turns(false).run(),
        visits("journal").name("at-once").take_turns(false).run(),
    );
    let (loses, keeps) = (one.unwrap(), two.unwrap());
    if !is_judged(&loses) || !is_judged(&keeps) {
        return;
    }
    let times = [time_of(&loses), time_of(&keeps)];
    assert!(
        times[0].0.max(times[1].0) < times[0].1.min(times[1].1),
        "{times:?}"
    );
    assert_eq!(loses.verdict().outcome, Outcome::Fail);
    let sessions = loses.summary().arms[0].sessions;
    assert_eq!(sessions.lost, sessions.acknowledged, "{sessions:?}");
    keeps.assert_passed();
    for report in [&loses, &keeps] {
        let events = read_events(report.folder());
        let found = |kind: &str| events.iter().any(|event| event["kind"]["type"] == kind);
        assert!(found("run_ended"));
        assert!(
            !found("left_behind") && !found("survivors_found"),
            "{events:#?}"
        );
    }
    let folder = loses.folder().to_owned();
    drop(loses);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn trials_are_added_where_a_gate_needs_them() {
    let experiment = visits("token").extend_to(6).take_turns(false);
    let report = experiment
        .gate("error_rate.after <= 50%")
        .run()
        .await
        .unwrap();
    if !is_judged(&report) {
        return;
    }
    report.assert_passed();
    assert_eq!(report.summary().arms[0].trials, 6);
    let events = read_events(report.folder());
    let extended = events
        .iter()
        .find(|event| event["kind"]["type"] == "run_extended");
    let reasons = extended.unwrap()["kind"]["reasons"].to_string();
    assert!(reasons.contains("error_rate.after"), "{reasons}");
}

const SHOP: &str = r#"
trials = 1
[target]
command = ["PROGRAM", "serve", "token", "--port", "{port}", "--data", "{data}"]
[load]
sessions = 30
rate     = 100
[windows]
settle = "1s"
[session]
value = "/visits"
login = { request = "POST /login", json = { user = "u{{ session }}" } }
act = { request = "POST /visit" }
check = { request = "GET /me" }
[gate]
lost_sessions = 0
"#;

#[tokio::test]
async fn a_file_is_run_with_what_is_said_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.toml");
    std::fs::write(&path, SHOP.replace("PROGRAM", PROGRAM)).unwrap();
    let report = Experiment::from_file(&path)
        .unwrap()
        .seed(11)
        .gate("lost_writes == 0")
        .run()
        .await
        .unwrap();
    if !is_judged(&report) {
        return;
    }
    report.assert_passed();
    assert_eq!(report.summary().name, "shop");
    assert_eq!(report.seed(), 11);
    let gates: Vec<_> = report
        .verdict()
        .checks
        .iter()
        .map(|check| check.gate.as_str())
        .collect();
    assert_eq!(
        gates,
        ["unrecovered == 0", "lost_sessions == 0", "lost_writes == 0"]
    );
}

fn problems(experiment: Experiment) -> Vec<String> {
    match experiment.run_blocking().unwrap_err() {
        Error::Usage(problems) => problems,
        error => panic!("{error}"),
    }
}

#[test]
fn what_cannot_be_run_is_named_and_nothing_is_started() {
    let server = || Experiment::command(["sleep", "{port}"]);
    for (experiment, expected) in [
        (
            Experiment::command(["./server"]),
            &["would not know its port"][..],
        ),
        (
            server().trials(0),
            &["trials: at least one trial is needed"],
        ),
        (server().gate("lost_session == 0"), &["gate: "]),
        (
            server().login("POST /login"),
            &["act is missing", "check is missing"],
        ),
        (
            server().value("visits").identity("user", "u").operation(
                comeback::Step::new("GET /")
                    .expect_status(7)
                    .capture("a", "xpath:/a"),
            ),
            &[
                "value: ",
                "identity: ",
                "operation: 7 is not an HTTP status",
                "operation: capture a: ",
            ],
        ),
        (server().operation("GET"), &["operation: "]),
        (server().sessions(1_000_000), &["sessions: "]),
        (
            server().gate("time_to_ready.median <= baseline + 20%"),
            &["gate: one compares 'sleep' with a baseline"],
        ),
    ] {
        let problems = problems(experiment);
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, part) in problems.iter().zip(expected) {
            assert!(problem.contains(part), "{part} is not in: {problem}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let error = Experiment::from_file("no/such/shop.toml")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("the experiment cannot be run: no/such/shop.toml: "),
        "{error}"
    );
    let error = Experiment::from_toml("trails = 3").unwrap_err().to_string();
    assert!(
        error.contains("experiment:1:1: unknown key 'trails'"),
        "{error}"
    );
    assert!(error.contains("did you mean 'trials'?"), "{error}");
    let shop = Experiment::from_toml(SHOP).unwrap();
    let problems = problems(shop.with_command(["{here}/server", "{port}"]));
    assert!(
        problems[0].contains("there is no file: write the path"),
        "{problems:?}"
    );
    let shop = Experiment::from_toml(&SHOP.replace("{port}", "80")).unwrap();
    // With its place, and as it reads to somebody who lets a test end with `?`.
    let error = format!("{:?}", shop.run_blocking().unwrap_err());
    assert!(error.contains("experiment:4:"), "{error}");
    assert!(error.contains("would not know its port"), "{error}");
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_any_more_is_ended_and_cleaned_up() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = visits("orphan-keeps-port")
        .out(&out)
        .take_turns(false)
        .run();
    let begun = async {
        let deadline = Instant::now() + PATIENCE;
        while !out.join("journal.jsonl").exists() || processes_of(folder.path()).len() < 2 {
            assert!(Instant::now() < deadline, "it does not begin");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        ended = run => panic!("it ended: {ended:?}"),
        () = begun => {}
    }
    wait_until("its end", || processes_of(folder.path()).is_empty());
    assert_nothing_left(folder.path());
    let events = read_events(&out);
    assert_eq!(events.last().unwrap()["kind"]["type"], "run_interrupted");
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What this process does with signals, and whether it adopts orphans.
fn manners() -> (String, bool) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let signals = status
        .lines()
        .filter(|line| line.starts_with("SigIgn") || line.starts_with("SigCgt"));
    let adopts = rustix::process::child_subreaper().unwrap().is_some();
    (signals.collect::<Vec<_>>().join("; "), adopts)
}

/// Started by other tests as a process of its own, which one of them has killed.
#[test]
#[ignore = "it is started by other tests"]
fn child() {
    let Some(task) = std::env::var_os(CHILD) else {
        return;
    };
    let out = Path::new(&task);
    let before = manners();
    if out.ends_with("killed") {
        let journal = out.join("journal.jsonl");
        std::thread::spawn(move || {
            wait_until("recovery", || {
                std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"recovery\""))
            });
            kill(Pid::this(), Signal::SIGKILL).unwrap();
        });
    }
    let target = if out.ends_with("killed") {
        "orphan-keeps-port"
    } else {
        "token"
    };
    let report = visits(target)
        .out(out)
        .take_turns(false)
        .run_blocking()
        .unwrap();
    assert_eq!(manners(), before, "it touches the process it lives in");
    if is_judged(&report) {
        report.assert_passed();
    }
}

fn run_child(out: &Path) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(CHILD, out)
        .output()
        .unwrap()
}

#[test]
fn a_test_that_is_killed_leaves_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("killed");
    let ended = run_child(&out);
    assert_eq!(ended.status.signal(), Some(9), "{ended:?}");
    wait_until("the warden's end", || {
        processes_of(folder.path()).is_empty()
    });
    assert!(!out.join("data").exists());
    assert!(out.join("journal.jsonl").exists());
}

#[test]
fn nothing_is_printed_and_the_process_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run_child(&folder.path().join("out"));
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    let printed = String::from_utf8_lossy(&ended.stdout);
    let lines: Vec<_> = printed.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 3, "more than the test harness says: {printed}");
    assert_nothing_left(folder.path());
}
