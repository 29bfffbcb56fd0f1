//! Whole runs against servers with a planted bug: what must be found is found, and what cannot be known is
//! inconclusive.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use comeback_analysis::summary::{ArmSummary, Status};
use comeback_analysis::verdict::Outcome;
use support::{Run, ended_with, run, was_measured};

/// A short comparison of one server, with one trial and its control.
fn compare(target: &str, more: &[&str]) -> Run {
    compare_under(&["--sessions", "30", "--rate", "100"], target, more)
}

/// The same under more load.
fn compare_under(load: &[&str], target: &str, more: &[&str]) -> Run {
    let small = "--quick --trials 1 --seed 7 --out out --quiet".split(' ');
    let mut words = vec!["compare", target];
    words.extend(small);
    words.extend(load);
    words.extend(more);
    run(&words)
}

fn only_arm(run: &Run) -> ArmSummary {
    run.summary()
        .arms
        .into_iter()
        .next()
        .unwrap_or_else(|| panic!("no arm\n{}", run.printed()))
}

#[test]
fn sessions_in_memory_are_all_lost_and_the_control_loses_none() {
    let run = compare("memory", &[]);
    let arm = only_arm(&run);
    if !ended_with(&run, 0) {
        return;
    }
    assert!(arm.sessions.acknowledged > 0);
    assert_eq!(arm.sessions.lost, arm.sessions.acknowledged);
    assert_eq!(arm.control.sessions.lost, 0);
    assert_eq!(arm.control.errors.rate, Some(0.0));
    let (faulted, control) = (arm.journeys.unwrap(), arm.control.journeys.unwrap());
    assert!(control.journeys > 0 && faulted.torn > 0, "{faulted:?}");
    assert_eq!((control.torn, control.goodput), (0, Some(1.0)));
    assert!(faulted.goodput < Some(1.0), "{faulted:?}");
}

#[test]
fn a_target_that_never_comes_back_is_censored() {
    let run = compare("never-back", &["--horizon", "1500ms"]);
    if !ended_with(&run, 3) {
        return;
    }
    let arm = only_arm(&run);
    assert_eq!(arm.time_to_ready_ms.censored, 1);
    assert_eq!(arm.time_to_ready_ms.median, None);
    assert_eq!(arm.sessions.undecided, arm.sessions.acknowledged);
}

#[test]
fn an_orphan_that_keeps_answering_is_no_recovery() {
    let run = compare("orphan-keeps-port", &["--horizon", "1500ms"]);
    if !ended_with(&run, 3) {
        return;
    }
    let arm = only_arm(&run);
    assert_eq!((arm.faults_landed, arm.time_to_ready_ms.censored), (1, 1));
    assert_eq!(arm.sessions.survived, 0);
    let survivors = run
        .events()
        .iter()
        .any(|event| event["kind"]["type"] == "survivors_found");
    assert!(survivors, "the orphan is on record");
}

#[test]
fn a_target_that_dies_at_start_shows_its_last_lines() {
    let run = compare("dies-at-start", &[]);
    assert_eq!(run.code(), 3, "{}", run.printed());
    assert_eq!(only_arm(&run).status, Status::Skipped);
    let failed = run
        .events()
        .into_iter()
        .find(|event| event["kind"]["type"] == "target_start_failed");
    let tail = failed.unwrap()["kind"]["tail"].as_array().unwrap().len();
    // The first line that tells of an error, and the last 32.
    assert_eq!(tail, 33);
}

/// All its other trials would fail likewise, each after its time to start.
#[test]
fn the_first_start_that_fails_ends_the_run_and_names_the_arm_and_its_last_lines() {
    let run = compare("dies-at-start", &["token"]);
    assert_eq!(run.code(), 3, "{}", run.printed());
    let events = run.events();
    let of = |kind: &str| {
        let is_it = |event: &&serde_json::Value| event["kind"]["type"] == kind;
        events.iter().filter(is_it).count()
    };
    // Two arms with two trials each: one of the first two is the first of this arm.
    assert_eq!((of("target_start_failed"), of("run_given_up")), (1, 1));
    assert!(of("trial_started") <= 2, "{}", of("trial_started"));
    // The journal ends as any other does.
    assert_eq!(of("trial_started"), of("trial_ended"));
    let last = events.last().unwrap();
    assert_eq!(last["kind"]["type"], "run_ended");
    assert!(last["seal"].is_object(), "{last}");
    let summary = run.summary();
    for said in [
        "the first start of 'dies-at-start' failed, so that the run ended at once",
        "line 40 of 40",
    ] {
        assert!(summary.headline.contains(said), "{}", summary.headline);
    }
    let report = std::fs::read_to_string(run.out().join("report.md")).unwrap();
    assert!(report.contains("the run ended at once"), "{report}");
}

#[test]
fn a_target_that_dies_at_its_restart_never_comes_back() {
    let run = compare("dies-at-restart", &["--horizon", "1s"]);
    if !ended_with(&run, 3) {
        return;
    }
    assert_eq!(only_arm(&run).time_to_ready_ms.censored, 1);
}

#[test]
fn a_wrong_content_in_a_200_is_a_wrong_answer() {
    let run = compare("wrong-answer", &[]);
    if !was_measured(&run) {
        return;
    }
    let arm = only_arm(&run);
    let rate = arm
        .control
        .errors
        .by_class
        .get("wrong_answer")
        .copied()
        .unwrap_or(0.0);
    assert!(rate > 0.0, "{}", run.printed());
}

#[test]
fn session_numbers_that_begin_anew_name_the_wrong_user() {
    let run = compare("sequential-ids", &[]);
    if !was_measured(&run) {
        return;
    }
    let arm = only_arm(&run);
    assert!(arm.sessions.wrong_identity > 0, "{:?}", arm.sessions);
}

#[test]
fn a_server_that_greets_strangers_recreates_sessions() {
    let run = compare("re-creates", &[]);
    if !was_measured(&run) {
        return;
    }
    let arm = only_arm(&run);
    assert_eq!(arm.sessions.recreated, arm.sessions.acknowledged);
}

#[test]
fn a_write_applied_twice_is_a_duplicate() {
    let run = compare("double-apply", &[]);
    if !was_measured(&run) {
        return;
    }
    let arm = only_arm(&run);
    assert!(arm.writes.duplicated > 0, "{:?}", arm.writes);
}

#[test]
fn a_forgotten_logout_is_a_zombie() {
    // So many users that a short stall, during which some of them wait, voids no trial.
    let run = compare_under(&["--sessions", "60", "--rate", "400"], "zombie", &[]);
    if !was_measured(&run) {
        return;
    }
    let arm = only_arm(&run);
    assert!(arm.sessions.honoured_logouts() > 0, "{:?}", arm.sessions);
    assert_eq!(arm.control.sessions.zombie, 0);
}

#[test]
fn a_target_that_stalls_misses_the_floor_and_is_inconclusive() {
    // Enough for a queue.
    let run = compare_under(&["--sessions", "20", "--rate", "400"], "stalls", &[]);
    assert_eq!(run.code(), 3, "{}", run.printed());
    let reasons = run.summary().reasons.join("\n");
    assert!(reasons.contains("floor"), "{reasons}");
}

#[test]
fn chunked_replies_and_a_flood_of_output_are_no_obstacle() {
    for target in ["chunked", "chatty"] {
        let run = compare(target, &[]);
        if !ended_with(&run, 0) {
            continue;
        }
        assert_eq!(only_arm(&run).control.errors.rate, Some(0.0), "{target}");
    }
}

#[test]
fn health_before_work_is_not_ready() {
    let run = compare("early-health", &[]);
    if !was_measured(&run) {
        return;
    }
    let arm = only_arm(&run);
    let (listen, ready) = (
        arm.time_to_listen_ms.max.unwrap(),
        arm.time_to_ready_ms.max.unwrap(),
    );
    // A busy machine may not ask within the 200 ms from when it listens until it serves sessions.
    let is_borne = support::how_busy().is_some();
    assert!(
        ready - listen > 100.0 || is_borne,
        "listening at {listen} ms, ready at {ready} ms"
    );
    // It calls itself healthy meanwhile. Its twin does not before it works.
    let blind = arm.blind_time.unwrap().ms.max;
    let twin = compare("late-listener", &[]);
    if !was_measured(&twin) {
        return;
    }
    let twin = only_arm(&twin).blind_time.unwrap();
    assert!(
        blind > Some(0.0) && twin.ms.max < blind || is_borne,
        "{blind:?}, its twin {twin:?}"
    );
}

#[test]
fn a_server_that_ignores_sigterm_is_killed_after_its_grace_and_that_is_told() {
    let program = support::PROGRAM;
    let run = run(&[
        "run",
        "--kill",
        "TERM",
        "--get",
        "/health",
        "--trials",
        "1",
        "--out",
        "out",
        "--quiet",
        "--",
        program,
        "serve",
        "ignores-term",
        "--port",
        "{port}",
        "--data",
        "{data}",
    ]);
    let summary = run.summary();
    if !ended_with(&run, 0) {
        return;
    }
    let arm = &summary.arms[0];
    assert_eq!((summary.verdict, arm.faults_landed), (Outcome::Pass, 1));
    // The load asks what the health check asks: there is nothing beside it to be blind.
    assert_eq!(arm.blind_time, None);
    let told = |found: &comeback_analysis::summary::TrialFinding| found.text.contains("SIGKILL");
    assert!(arm.findings.iter().any(told), "{:?}", arm.findings);
}

#[test]
fn a_service_that_does_not_come_back_fails_the_run() {
    let program = support::PROGRAM;
    let run = run(&[
        "run",
        "--get",
        "/health",
        "--trials",
        "1",
        "--horizon",
        "1s",
        "--out",
        "out",
        "--quiet",
        "--",
        program,
        "serve",
        "never-back",
        "--port",
        "{port}",
        "--data",
        "{data}",
    ]);
    ended_with(&run, 1);
}

/// A short run of a server by hand: `GET /health`, one trial.
fn run_by_hand(target: &str, more: &[&str]) -> Run {
    // A later --get takes the place of this one.
    let mut words = vec![
        "run",
        "--get",
        "/health",
        "--trials",
        "1",
        "--horizon",
        "1500ms",
        "--out",
        "out",
        "--quiet",
    ];
    words.extend(more);
    words.extend([
        "--",
        support::PROGRAM,
        "serve",
        target,
        "--port",
        "{port}",
        "--data",
        "{data}",
    ]);
    run(&words)
}

#[test]
fn a_service_that_comes_back_and_dies_again_fails_the_run() {
    let run = run_by_hand("dies-again", &[]);
    if !ended_with(&run, 1) {
        return;
    }
    assert_eq!(run.summary().arms[0].status, Status::Measured);
}

#[test]
fn an_orphan_is_no_recovery_whatever_readiness_asked() {
    for ready in ["tcp", "http:/health"] {
        for boot_header in [&["--boot-header", "x-boot-id"][..], &[]] {
            let run = run_by_hand(
                "orphan-keeps-port",
                &[&["--ready", ready], boot_header].concat(),
            );
            // By hand the worker belongs to the server: it is known before the fault, and never counts after.
            assert_ne!(run.code(), 0, "{ready} {boot_header:?}: {}", run.printed());
            assert_eq!(run.summary().arms[0].time_to_ready_ms.median, None);
        }
    }
}

#[test]
fn a_boot_header_that_never_changes_is_inconclusive_not_a_failure() {
    let run = run_by_hand("token", &["--boot-header", "content-type"]);
    assert_eq!(run.code(), 3, "{}", run.printed());
    let reasons = run.summary().reasons.join("\n");
    assert!(reasons.contains("does not change"), "{reasons}");
}

#[test]
fn a_server_that_never_worked_is_inconclusive() {
    let run = run_by_hand("token", &["--get", "/nothing", "--ready", "tcp"]);
    assert_eq!(run.code(), 3, "{}", run.printed());
    let reasons = run.summary().reasons.join("\n");
    assert!(reasons.contains("did not work before"), "{reasons}");
}

/// A run of a server that answers correctly once after its restart, and what it does then.
fn not_back(then: &str) -> Run {
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/not_back.py");
    let words =
        "run --get / --trials 1 --sessions 20 --rate 100 --timeout 1s --seed 3 --quiet --out out";
    let mut words: Vec<&str> = words.split(' ').collect();
    words.extend([
        "--gate",
        "error_rate.before <= 1",
        "--",
        "python3",
        server,
        then,
    ]);
    words.extend(["{port}", "{data}"]);
    run(&words)
}

#[test]
fn a_server_that_answers_once_and_is_not_back_for_good_never_passes() {
    for (then, said) in [
        ("errors", "most of them: server error"),
        ("hangs", "most of them: "),
        ("flaps", "most of them: server error"),
        ("slow", "yet"),
        ("stops", "the new process ended by itself"),
    ] {
        let run = not_back(then);
        if !ended_with(&run, 1) {
            continue;
        }
        let summary = run.summary();
        assert!(
            summary.reasons.iter().any(|reason| {
                reason.contains("unrecovered == 0 is broken: 1 of 1; in trial ")
                    && reason.contains(said)
            }),
            "{then}: {:?}",
            summary.reasons
        );
        let arm = &summary.arms[0];
        assert_eq!(arm.recovery.not_for_good, 1, "{then}: {:?}", arm.recovery);
        assert_eq!(arm.time_to_ready_ms.censored, 1, "{then}");
    }
    let honest = not_back("honest");
    if !ended_with(&honest, 0) {
        return;
    }
    assert_eq!(honest.summary().arms[0].recovery.for_good, 1);
}
