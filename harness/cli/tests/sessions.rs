//! Sessions described on the command line, against servers as they are.

mod support;

use support::{PROGRAM, Run};

const LOGIN: &str = r#"POST /login {"user":"u{{session}}"}"#;

/// Runs the program, results going to `out`.
fn run_comeback(words: &[&str]) -> Run {
    let mut all = vec![words[0], "--out", "out"];
    all.extend(&words[1..]);
    support::run(&all)
}

/// A short run of a reference server as if nobody here had written it.
fn visit(target: &str, flags: &[&str]) -> Run {
    let mut words = vec![
        "run",
        "--trials",
        "1",
        "--quiet",
        "--sessions",
        "20",
        "--seed",
        "1",
    ];
    words.extend([
        "--login",
        LOGIN,
        "--act",
        "POST /visit",
        "--check",
        "GET /me",
        "--value",
        "/visits",
    ]);
    words.extend(["--gate", "lost_sessions == 0", "--gate", "lost_writes == 0"]);
    words.extend(flags);
    words.extend([
        "--", PROGRAM, "serve", target, "--port", "{port}", "--data", "{data}",
    ]);
    run_comeback(&words)
}

#[test]
fn a_server_that_keeps_sessions_in_memory_fails_and_each_session_is_lost() {
    let run = visit("memory", &[]);
    if !support::ended_with(&run, 1) {
        return;
    }
    let sessions = run.summary().arms[0].sessions;
    assert!(sessions.acknowledged >= 20, "{sessions:?}");
    assert_eq!(sessions.lost, sessions.acknowledged, "{sessions:?}");
}

#[test]
fn without_gates_of_ones_own_losses_fail_and_without_any_they_are_measured() {
    let words = |more: &[&'static str]| {
        let mut words = vec!["run", "--trials", "1", "--sessions", "5", "--rate", "100"];
        words.extend([
            "--login",
            LOGIN,
            "--act",
            "POST /visit",
            "--check",
            "GET /me",
        ]);
        words.extend(["--value", "/visits"]);
        words.extend(more);
        words.extend([
            "--", PROGRAM, "serve", "memory", "--port", "{port}", "--data", "{data}",
        ]);
        run_comeback(&words)
    };
    let gated = words(&[]);
    if !support::ended_with(&gated, 1) {
        return;
    }
    for said in [
        "default gates: unrecovered == 0, lost_sessions == 0, lost_writes == 0; --no-gates turns them off",
        "verdict: ✗ FAIL: lost 5 of 5 sessions; 1 more gate does not hold",
    ] {
        assert!(
            gated.printed().contains(said),
            "{said}: {}",
            gated.printed()
        );
    }
    let free = words(&["--no-gates"]);
    if !support::ended_with(&free, 0) {
        return;
    }
    let said = "verdict: · MEASURED: lost 5 of 5 sessions";
    assert!(free.printed().contains(said), "{}", free.printed());
    assert!(
        !free.printed().contains("default gates"),
        "{}",
        free.printed()
    );
}

#[test]
fn a_server_that_writes_before_it_answers_passes() {
    let run = visit("journal", &["--identity", "/user=u{{ session }}"]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let arm = &run.summary().arms[0];
    assert_eq!(arm.sessions.survived, arm.sessions.acknowledged);
    assert!(arm.writes.acknowledged > 0);
    assert_eq!(arm.writes.kept, arm.writes.acknowledged);
}

#[test]
fn zombies_are_found_where_a_logout_is_described() {
    let run = visit(
        "token",
        &[
            "--logout",
            "POST /logout",
            "--rate",
            "400",
            "--gate",
            "zombie_sessions == 0",
        ],
    );
    if !support::ended_with(&run, 1) {
        return;
    }
    let sessions = run.summary().arms[0].sessions;
    assert!(
        sessions.honoured_logouts() > 0,
        "{sessions:?}\n{}",
        run.printed()
    );
}

/// A real Redis, with or without its append-only file.
fn redis(append_only: &str) -> Run {
    run_comeback(&[
        "run",
        "--trials",
        "1",
        "--quiet",
        "--sessions",
        "20",
        "--seed",
        "1",
        "--protocol",
        "redis",
        "--login",
        "MSET u:{{ session }} u{{ session }} n:{{ session }} 0",
        "--act",
        "INCR n:{{ session }}",
        "--check",
        "MGET u:{{ session }} n:{{ session }}",
        "--value",
        "/1",
        "--identity",
        "/0=u{{ session }}",
        "--gate",
        "lost_sessions == 0",
        "--",
        "redis-server",
        "--port",
        "{port}",
        "--dir",
        "{data}",
        "--save",
        "",
        "--appendonly",
        append_only,
        // `everysec`, the default, holds writes back while the disk is busy.
        "--appendfsync",
        "always",
    ])
}

#[test]
fn redis_without_a_file_forgets_everything_and_with_one_nothing_that_was_acknowledged() {
    if !support::has("redis-server", &["redis-server", "--version"]) {
        return;
    }
    let forgets = redis("no");
    if !support::ended_with(&forgets, 1) {
        return;
    }
    let sessions = forgets.summary().arms[0].sessions;
    assert_eq!(sessions.lost, sessions.acknowledged, "{sessions:?}");
    let keeps = redis("yes");
    if !support::ended_with(&keeps, 0) {
        return;
    }
    let writes = keeps.summary().arms[0].writes;
    assert_eq!(
        (writes.lost, writes.kept),
        (0, writes.acknowledged),
        "{writes:?}"
    );
}

#[test]
fn a_flow_that_cannot_be_is_refused_before_anything_starts() {
    for (flags, part) in [
        (&["--login", "POST login"][..], "--login"),
        (&["--act", "post /visit"], "--act"),
        (&["--act", "POST /visit/{{ token }}"], "act.request"),
        (&["--value", "regex:("], "session.value"),
        (&["--value", "visits"], "--value"),
        (&["--identity", "user"], "--identity"),
        (&["--protocol", "smtp"], "--protocol"),
        (&["--socket", "{data}/s"], "its socket"),
    ] {
        let mut words = vec!["run"];
        for (flag, value) in [
            ("--login", LOGIN),
            ("--act", "POST /visit"),
            ("--check", "GET /me"),
            ("--value", "/visits"),
        ] {
            if flags[0] != flag {
                words.extend([flag, value]);
            }
        }
        words.extend(flags);
        words.extend(["--", "./no-such-server", "{port}"]);
        let run = run_comeback(&words);
        assert_eq!(run.code(), 2, "{flags:?}: {}", run.printed());
        assert!(run.printed().contains(part), "{flags:?}: {}", run.printed());
        assert!(!run.out().exists(), "{flags:?}");
    }
}
