//! Gates over whole runs: trials added where they need them, and an earlier run, stored or measured again.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/stored.rs"]
mod stored;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use comeback_analysis::verdict::Outcome;
use serde_json::Value;
use stored::{compare, contents, copy, edit, header, with_contents, word};
use support::{PROGRAM, Run, assert_nothing_left, command, read_events};
use tempfile::TempDir;

const READY: &str = "time_to_ready.median <= baseline";
/// The same with an allowance that a busy machine stays within.
const ABOUT_AS_READY: &str = "time_to_ready.median <= baseline + 20% + 500ms";

/// A run of the `token` server with four crashes on this machine, in a folder of its own that a test may spoil or remove;
/// nothing where a busy machine kept it from being measured.
fn base() -> Option<TempDir> {
    // Not the run itself: what is static is never dropped, and its folder would stay.
    static BASE: OnceLock<Option<[Vec<u8>; 2]>> = OnceLock::new();
    let base = BASE.get_or_init(|| {
        let run = compare("token", &["--trials", "4", "--seed", "5", "--quiet"]);
        support::ended_with(&run, 0).then(|| contents(&run.out()))
    });
    base.as_ref().map(with_contents)
}

fn of_kind(events: &[Value], kind: &str) -> Vec<Value> {
    let is_it = |event: &&Value| event["kind"]["type"] == kind;
    events.iter().filter(is_it).cloned().collect()
}

/// Judges a run's folder again, and sees that nothing changes.
#[track_caller]
fn assert_report_agrees(run: &Run) {
    let before = fs::read(run.out().join("summary.json")).unwrap();
    let again = command(run.folder.path(), &["report", "out"])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(run.code()), "{}", run.printed());
    assert_eq!(fs::read(run.out().join("summary.json")).unwrap(), before);
}

// Trials added where gates need them.

#[test]
fn a_run_goes_on_until_its_gates_can_be_judged_and_no_further() {
    let gate = "time_to_ready.median < 5s";
    let run = compare(
        "token",
        &["--trials", "2", "--extend-to", "20", "--gate", gate],
    );
    if !support::ended_with(&run, 0) {
        return;
    }
    // A trial that a busy machine made void is replaced, which is an extension of another kind.
    if !run.summary().arms[0].replaced.is_empty() && support::how_busy().is_some() {
        return;
    }
    let extended = of_kind(&run.events(), "run_extended");
    assert_eq!(extended.len(), 1);
    // A median has an interval from six trials on.
    let declared = header(&run.out())["schedule"].clone();
    assert_eq!(declared["trials"].as_array().unwrap().len(), 3);
    let further = declared["further"].as_array().unwrap();
    assert_eq!(further.len(), 18);
    let ran: Vec<&Value> = further[..4].iter().map(|trial| &trial["id"]).collect();
    let said = extended[0]["kind"]["trials"].as_array().unwrap();
    assert_eq!(said.iter().collect::<Vec<_>>(), ran);
    assert_eq!(of_kind(&run.events(), "trial_ended").len(), 7);
    let reason = extended[0]["kind"]["reasons"][0].as_str().unwrap();
    assert!(
        reason.contains("a median's interval needs 6 trials, there are 2"),
        "{reason}"
    );
    let summary = run.summary();
    assert_eq!(summary.arms[0].trials, 6);
    assert_eq!(summary.extensions[0].trials, 4);
    assert!(
        run.printed().contains("extended by 4 trials, because"),
        "{}",
        run.printed()
    );
    let progress = support::said(&run.output);
    assert!(
        progress.contains("extended by 4 trials, as declared"),
        "{progress}"
    );
    assert!(progress.contains("trial 7/7"), "{progress}");
    let page = fs::read_to_string(run.out().join("report.md")).unwrap();
    assert!(page.contains("extended by 4 trials"));
    assert_report_agrees(&run);
}

#[test]
fn a_run_that_may_not_go_on_far_enough_says_how_many_trials_it_lacks() {
    let run = compare(
        "token",
        &[
            "--trials",
            "1",
            "--extend-to",
            "2",
            "--gate",
            "time_to_ready.median < 5s",
            "--gate",
            "lost_sessions == 0",
        ],
    );
    if !support::ended_with(&run, 3) {
        return;
    }
    assert_eq!(of_kind(&run.events(), "trial_ended").len(), 3);
    let reasons = run.summary().reasons.join("\n");
    assert!(
        reasons.contains("a median's interval needs 6 trials, there are 2"),
        "{reasons}"
    );
    let more: Vec<_> = run
        .summary()
        .gates
        .iter()
        .map(|gate| gate.more_trials)
        .collect();
    assert_eq!(more, [Some(4), None]);
    assert_report_agrees(&run);
}

#[test]
fn a_gate_that_is_broken_is_not_extended() {
    let gates = [
        "--gate",
        "lost_sessions == 0",
        "--gate",
        "time_to_ready.median < 5s",
    ];
    let run = compare(
        "memory",
        &[&["--trials", "1", "--extend-to", "9"], &gates[..]].concat(),
    );
    if !support::ended_with(&run, 1) {
        return;
    }
    assert!(of_kind(&run.events(), "run_extended").is_empty());
    assert!(run.summary().extensions.is_empty());
}

/// Waits for a line of the journal, while the run goes on.
fn wait_for(journal: &Path, child: &mut Child, is_there: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !fs::read_to_string(journal).is_ok_and(|text| is_there(&text)) {
        assert!(Instant::now() < deadline, "it takes too long");
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_interrupted_extension_keeps_what_was_measured_and_is_inconclusive() {
    let folder = tempfile::tempdir().unwrap();
    let words = [
        "compare",
        "token",
        "--quick",
        "--sessions",
        "30",
        "--rate",
        "100",
        "--trials",
        "1",
        "--extend-to",
        "30",
        "--gate",
        "time_to_ready.median < 5s",
        "--out",
        "out",
    ];
    let mut child = command(folder.path(), &words).spawn().unwrap();
    let out = folder.path().join("out");
    wait_for(&out.join("journal.jsonl"), &mut child, |text| {
        let after = text.split_once("run_extended").map(|(_, after)| after);
        after.is_some_and(|after| after.contains("trial_ended"))
    });
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_nothing_left(folder.path());
    assert_eq!(of_kind(&read_events(&out), "run_interrupted").len(), 1);
    // A trial that a busy machine made void does not count.
    if support::has_void_trial(&out) && support::how_busy().is_some() {
        return;
    }
    let again = command(folder.path(), &["report", "out", "--json"])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(3));
    let summary: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(summary["reasons"][0], "the run was interrupted");
    assert_eq!(summary["extensions"].as_array().unwrap().len(), 1);
    assert!(summary["arms"][0]["trials"].as_u64().unwrap() >= 2);
}

// Void trials that others take the place of.

/// The only arm's void trials that were replaced, of a run that passed.
#[track_caller]
fn assert_one_was_replaced(run: &Run, reason: &str) {
    if !support::output_ended_with(&run.output, 0) {
        return;
    }
    let summary = run.summary();
    let arm = &summary.arms[0];
    let first = &arm.replaced[0];
    assert_eq!((first.trial, arm.trials), (1, 2), "{}", run.printed());
    assert!(first.reason.contains(reason), "{}", first.reason);
    let extended = of_kind(&run.events(), "run_extended");
    // On a busy machine others may be void, too.
    let replaces = |event: &Value| {
        event["kind"]["replaces"]
            .as_array()
            .unwrap()
            .contains(&1.into())
    };
    assert!(extended.iter().any(replaces), "{extended:?}");
    // What takes its place stands in the schedule from the start.
    let spares = header(&run.out())["schedule"]["spares"].clone();
    let ids: Vec<&Value> = spares
        .as_array()
        .unwrap()
        .iter()
        .map(|spare| &spare["id"])
        .collect();
    assert!(ids.contains(&&extended[0]["kind"]["trials"][0]), "{ids:?}");
    let progress = support::said(&run.output);
    assert!(progress.contains("replaced, as declared"), "{progress}");
    assert!(
        run.printed().contains("void and replaced: "),
        "{}",
        run.printed()
    );
    let page = fs::read_to_string(run.out().join("report.md")).unwrap();
    assert!(page.contains("void and replaced"));
    assert_report_agrees(run);
}

/// What is begun later than the time-out is not begun at all.
const LONG_BASELINE: &str = r#"
trials = 2
replacements = 4
[target]
command = ["{comeback}", "serve", "journal", "--port", "{port}", "--data", "{data}"]
[load]
sessions = 10
rate = 100
timeout = "200ms"
[session]
identity = { at = "/user", name = "u{{ session }}" }
value = "/visits"
login = { request = "POST /login", json = { user = "u{{ session }}" } }
act = { request = "POST /visit" }
check = { request = "GET /me" }
[[fault]]
at = "3s"
[windows]
settle = "600ms"
steady_for = "300ms"
window = "50ms"
"#;

#[test]
fn a_trial_during_which_the_harness_stood_still_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.toml");
    fs::write(&path, LONG_BASELINE.replace("{comeback}", PROGRAM)).unwrap();
    let words = ["run", "slow.toml", "--no-gates", "--out", "out"];
    let mut child = command(folder.path(), &words).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    wait_for(
        &folder.path().join("out/journal.jsonl"),
        &mut child,
        |text| text.contains(r#""phase":"baseline""#),
    );
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    // Most of the rest of the baseline, whenever in it this began.
    std::thread::sleep(Duration::from_millis(1_200));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_nothing_left(folder.path());
    let run = Run { folder, output };
    assert_one_was_replaced(&run, "the harness itself was late");
}

/// Listens where a file says, as soon as there is one, and says that it does.
const THIEF: &str = "import os, socket, time
open('there', 'w').close()
while not os.path.exists('take'): time.sleep(0.01)
thief = socket.socket()
thief.bind(('127.0.0.1', int(open('take').read())))
thief.listen()
open('taken', 'w').close()
time.sleep(600)
";

#[test]
fn a_trial_whose_port_another_program_took_is_replaced_and_does_not_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut thief = std::process::Command::new("python3")
        .args(["-c", THIEF])
        .current_dir(folder.path())
        .spawn()
        .unwrap();
    let there = folder.path().join("there");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !there.exists() {
        assert!(
            Instant::now() < deadline,
            "the other program does not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let place = folder.path().display();
    let server = format!(
        "cd '{place}'; if mkdir first; then echo $1 > it; mv it take; \
         while [ ! -e taken ]; do sleep 0.02; done; fi 2>/dev/null; \
         exec '{PROGRAM}' serve token --port $1 --data $2"
    );
    let words = [
        "run",
        "--trials",
        "2",
        "--sessions",
        "10",
        "--rate",
        "50",
        "--get",
        "/health",
        "--out",
        "out",
        "--",
        "sh",
        "-c",
        &server,
        "sh",
        "{port}",
        "{data}",
    ];
    let output = command(folder.path(), &words).output().unwrap();
    thief.kill().unwrap();
    thief.wait().unwrap();
    let run = Run { folder, output };
    let failed = of_kind(&run.events(), "target_start_failed");
    assert_eq!(
        failed[0]["kind"]["port_taken_by"]["pid"],
        thief.id(),
        "{}",
        run.printed()
    );
    assert!(of_kind(&run.events(), "run_given_up").is_empty());
    assert_one_was_replaced(&run, "could not be started");
}

// An earlier run.

#[test]
fn a_slower_start_fails_against_a_stored_run_and_so_it_does_when_that_is_gone() {
    let Some(base) = base() else {
        return;
    };
    let run = compare(
        "late-listener",
        &["--trials", "4", "--baseline", word(&base), "--gate", READY],
    );
    if !support::ended_with(&run, 1) {
        return;
    }
    let summary = run.summary();
    let reason = &summary.reasons[0];
    assert!(
        reason.starts_with("late-listener: time_to_ready.median <= baseline is broken: "),
        "{reason}"
    );
    assert!(
        reason.contains("in the baseline, a difference of +") && reason.contains("allowed"),
        "{reason}"
    );
    assert_eq!(summary.baseline.as_ref().map(|base| base.seed), Some(5));
    assert!(
        run.printed().contains("compared with 'compare' of"),
        "{}",
        run.printed()
    );
    base.close().unwrap();
    assert_report_agrees(&run);
    fs::remove_dir_all(run.out().join("baseline")).unwrap();
    let without = command(run.folder.path(), &["report", "out"])
        .output()
        .unwrap();
    assert_eq!(
        without.status.code(),
        Some(3),
        "without it nothing is known"
    );
}

#[test]
fn an_unchanged_server_does_not_fail_against_a_stored_run() {
    let Some(base) = base() else {
        return;
    };
    let run = compare(
        "token",
        &[
            "--trials",
            "4",
            "--quiet",
            "--baseline",
            word(&base),
            "--gate",
            ABOUT_AS_READY,
            "--gate",
            "lost_sessions <= baseline",
        ],
    );
    support::ended_with(&run, 0);
}

#[test]
fn a_run_of_another_machine_is_told_beforehand_and_judges_nothing() {
    let Some(other) = base() else {
        return;
    };
    edit(other.path(), |header| {
        header["machine"]["processor"] = "Another".into();
    });
    let run = compare(
        "token",
        &["--trials", "1", "--baseline", word(&other), "--gate", READY],
    );
    if !support::ended_with(&run, 3) {
        return;
    }
    let reasons = run.summary().reasons.join("\n");
    assert!(
        reasons.contains("another machine: processor 'Another' then")
            && reasons.contains("--remeasure"),
        "{reasons}"
    );
    let warned = support::said(&run.output);
    let (before, _) = warned.split_once("trial 1/").unwrap();
    assert!(before.contains("will be inconclusive"), "{warned}");
    // The same journal, judged by a baseline of this machine.
    let Some(base) = base() else {
        return;
    };
    let words = ["report", "out", "--baseline", word(&base)];
    let again = command(run.folder.path(), &words).output().unwrap();
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(again.status.code(), Some(3), "{said}");
    assert!(
        said.contains("a shift's interval cannot be had from 1 trials against 4"),
        "{said}"
    );
    assert_eq!(run.summary().verdict, Outcome::Inconclusive);
}

// Its servers measured again.

#[test]
fn servers_measured_again_beside_the_new_one_tell_a_slower_start_on_any_machine() {
    let Some(other) = base() else {
        return;
    };
    edit(other.path(), |header| {
        header["machine"]["cores"] = 1_000.into();
    });
    let run = compare(
        "late-listener",
        &[
            "--trials",
            "4",
            "--quiet",
            "--baseline",
            word(&other),
            "--remeasure",
            "--gate",
            READY,
        ],
    );
    if !support::ended_with(&run, 1) {
        return;
    }
    let summary = run.summary();
    let names: Vec<&str> = summary.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names, ["late-listener", "token (baseline)"]);
    assert_eq!(summary.gates.len(), 1, "the baseline is not asked itself");
    // Interleaved: neither arm runs as a block.
    let started = of_kind(&run.events(), "trial_started");
    let arms: Vec<u64> = started
        .iter()
        .map(|event| event["kind"]["arm"].as_u64().unwrap())
        .collect();
    assert!(arms.chunks(2).all(|round| round[0] != round[1]), "{arms:?}");
    assert_report_agrees(&run);
}

/// The program under another name, on the file system where a link to it can be.
fn program_of_its_own() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(Path::new(PROGRAM).parent().unwrap()).unwrap();
    let program = folder.path().join("earlier");
    fs::hard_link(PROGRAM, &program).unwrap();
    (folder, program)
}

#[test]
fn an_unchanged_server_does_not_fail_beside_itself_measured_again() {
    let (_folder, program) = program_of_its_own();
    let Some(base) = base() else {
        return;
    };
    edit(base.path(), |header| {
        header["plan"]["arms"][0]["target"]["command"][0] = program.to_str().unwrap().into();
    });
    let run = compare(
        "token",
        &[
            "--trials",
            "4",
            "--quiet",
            "--baseline",
            word(&base),
            "--remeasure",
            "--gate",
            ABOUT_AS_READY,
            "--gate",
            "lost_writes <= baseline",
        ],
    );
    support::ended_with(&run, 0);
}

// Wrong from the start.

#[test]
fn what_cannot_be_compared_ends_with_2_before_anything_starts() {
    let Some(base) = base() else {
        return;
    };
    let gone = copy(base.path());
    edit(gone.path(), |header| {
        header["plan"]["arms"][0]["target"]["command"][0] = "./no-such-server".into();
    });
    let torn = copy(base.path());
    fs::write(torn.path().join("operations.csv"), "not,rows\n").unwrap();
    let (base, gone, torn) = (word(&base), word(&gone), word(&torn));
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["--gate", READY],
            &["'token'", "--baseline", "--remeasure", "another arm"],
        ),
        (
            &["--gate", READY, "--baseline", "/nowhere"],
            &["--baseline: /nowhere is not a run folder", "journal.jsonl"],
        ),
        (
            &["--gate", READY, "--baseline", torn],
            &["--baseline", "operations line 1"],
        ),
        (
            &["--baseline", base],
            &[
                "no gate compares with it",
                "outage.median <= baseline",
                "diff",
            ],
        ),
        (&["--gate", READY, "--remeasure"], &["--baseline <RUN>"]),
        (
            &["--gate", READY, "--baseline", base, "--remeasure"],
            &["compare a server with itself"],
        ),
        (
            &["--gate", READY, "--baseline", gone, "--remeasure"],
            &[
                "'token (baseline)' cannot be started again",
                "./no-such-server was not found",
            ],
        ),
        (
            &[
                "--trials",
                "5",
                "--extend-to",
                "4",
                "--gate",
                "lost_sessions == 0",
            ],
            &["extend-to", "at least the number of trials"],
        ),
        (&["--extend-to", "40"], &["--extend-to", "--gate"]),
        (
            &["--extend-to", "40000000", "--gate", "lost_sessions == 0"],
            &["at most 100000"],
        ),
    ];
    for (flags, told) in cases {
        let run = compare("token", flags);
        let said = run.printed();
        assert_eq!(run.code(), 2, "{flags:?}: {said}");
        for part in *told {
            assert!(
                said.contains(part),
                "{flags:?} should tell '{part}': {said}"
            );
        }
        assert!(!run.out().exists(), "{flags:?} left a folder");
    }
}

// What a stop does to the requests in flight.

#[test]
fn a_server_that_resets_requests_on_sigterm_and_one_that_finishes_them_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "trials = 1\n\
        [load]\nsessions = 10\nrate = 40\n\
        [windows]\nwarm_up = \"100ms\"\nsettle = \"300ms\"\nsteady_for = \"100ms\"\nwindow = \"50ms\"\n\
        [[fault]]\nkind = \"terminate\"\nat = \"300ms\"\n\
        [gate]\nlost_sessions = 0\nlost_writes = 0\nin_flight_failed = 0\ndrain_failed = 0\n\
        [session]\nvalue = \"/visits\"\n\
        [session.login]\nrequest = \"POST /login\"\njson = { user = \"u{{ session }}\" }\n\
        [session.act]\nrequest = \"POST /visit\"\n\
        [session.check]\nrequest = \"GET /me\"\n"
        .to_owned();
    for name in ["resets-on-term", "finishes-on-term"] {
        let serve = "\"serve\", \"--port\", \"{port}\", \"--data\", \"{data}\"";
        text.push_str(&format!(
            "[[arm]]\nname = {name:?}\n\
             target = {{ command = [{PROGRAM:?}, {serve}, {name:?}], boot_header = \"x-boot-id\" }}\n"
        ));
    }
    fs::write(folder.path().join("stop.toml"), text).unwrap();
    let arguments = ["run", "stop.toml", "--seed", "2", "--out", "out", "--quiet"];
    let output = command(folder.path(), &arguments).output().unwrap();
    let run = Run { folder, output };
    if !support::ended_with(&run, 1) {
        return;
    }
    let judged = |arm: &str, gate: &str| {
        let gates = run.summary().gates;
        let mut its = gates
            .into_iter()
            .filter(|judged| judged.arm == arm && judged.gate.starts_with(gate));
        its.next()
            .unwrap_or_else(|| panic!("{arm}: {gate}\n{}", run.printed()))
            .outcome
    };
    for gate in ["in_flight_failed", "drain_failed"] {
        assert_eq!(
            judged("resets-on-term", gate),
            Outcome::Fail,
            "{}",
            run.printed()
        );
    }
    // A request that came after the signal may still meet a connection that was idle and is just being closed.
    assert_eq!(
        judged("finishes-on-term", "in_flight_failed"),
        Outcome::Pass,
        "{}",
        run.printed()
    );
    // What either acknowledged it has stored.
    for arm in ["resets-on-term", "finishes-on-term"] {
        assert_eq!(
            judged(arm, "lost_writes"),
            Outcome::Pass,
            "{}",
            run.printed()
        );
    }
    assert_nothing_left(run.folder.path());
}
