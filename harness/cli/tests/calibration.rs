//! `rate = "auto"`: the rate is measured before the first trial, once, and the run is conclusive at it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Output;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Run, assert_nothing_left, command, how_busy, read_header};

/// Sessions in a file, by a server that does one thing at a time and takes so long for each. It never serves more than that.
fn server(each_s: f64) -> String {
    include_str!("data/sessions.py")
        .replace("STORE = False", "STORE = True")
        .replace("import threading\n", "import threading\nimport time\n")
        .replace(
            "        with LOCK:\n",
            &format!("        with LOCK:\n            time.sleep({each_s})\n"),
        )
}

const EXPERIMENT: &str = concat!(
    r#"trials = 1
seed = 7
[target]
command = ["python3", "{here}/server.py", "{port}", "{data}"]
[load]
sessions = 10
rate = "auto"
"#,
    include_str!("data/counter.toml")
);

/// Calls the program with these words in a folder with an experiment and its server, which temporary files are made in, too.
fn call_in(folder: &Path, words: &[&str]) -> Output {
    let output = command(folder, words).env("TMPDIR", folder).output();
    assert_nothing_left(folder);
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let mut names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let left = names.find(|name| name.starts_with("comeback-calibration"));
    assert_eq!(left, None);
    output.unwrap()
}

/// Runs an experiment with this server.
fn run(experiment: &str, server: &str, more: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("it.toml"), experiment).unwrap();
    std::fs::write(folder.path().join("server.py"), server).unwrap();
    let words = [&["run", "it.toml", "--out", "out"], more].concat();
    let output = call_in(folder.path(), &words);
    Run { folder, output }
}

fn stderr(output: &Output) -> String {
    support::said(output)
}

/// The rate of a run, as its journal has it, and how it was found.
fn stored(out: &Path) -> (f64, Value) {
    let plan = &read_header(out)["plan"];
    let rate = plan["load"]["rate"].as_f64().unwrap();
    (rate, plan["calibration"]["done"].clone())
}

/// Whether a run was not refused since other work took the machine.
fn was_calibrated(run: &Run) -> bool {
    let is_busy = how_busy().is_some();
    let is_refused = run.printed().contains("the least that a calibration");
    !(is_busy && is_refused)
}

#[test]
fn a_slow_server_gets_a_rate_that_it_bears_and_a_verdict() {
    // It serves 25 operations in a second, and the default of 200 makes each trial void.
    let run = run(EXPERIMENT, &server(0.04), &[]);
    if !was_calibrated(&run) {
        return;
    }
    let (rate, done) = stored(&run.out());
    assert!((5.0..=12.0).contains(&rate), "{rate}");
    assert_eq!(done["rate"].as_f64(), Some(rate));
    assert_eq!(done["at_most"], false);
    let arm = &done["arms"][0];
    assert!(arm["per_second"].as_f64().unwrap() <= 25.0, "{done}");
    assert!(arm["steps"].as_array().unwrap().len() >= 2, "{done}");
    let said = stderr(&run.output);
    let told = format!("{rate}/s are offered");
    assert!(
        said.contains("calibration: this server bears about"),
        "{said}"
    );
    assert!(said.contains(&told), "{said}");
    if !support::ended_with(&run, 0) {
        return;
    }
    // Who reads the run finds the number, and measures nothing.
    let again = call_in(run.folder.path(), &["replay", "out", "--out", "again"]);
    assert!(
        !stderr(&again).contains("calibration"),
        "{}",
        stderr(&again)
    );
    assert_eq!(stored(&run.folder.path().join("again")), (rate, done));
}

#[test]
fn a_quick_server_gets_the_most_that_is_chosen_also_if_the_file_says_no_rate() {
    let without = EXPERIMENT.replace("rate = \"auto\"\n", "");
    let run = run(&without, &server(0.0), &["--json"]);
    if !was_calibrated(&run) || how_busy().is_some() {
        return;
    }
    let (rate, done) = stored(&run.out());
    assert!(rate > 12.0, "{done}");
    let document: Value = serde_json::from_slice(&run.output.stdout).unwrap();
    assert!(document["verdict"].is_string(), "{document}");
}

#[test]
fn the_slowest_arm_decides_for_all() {
    let arms = EXPERIMENT.replace(
        "[target]\ncommand = [\"python3\", \"{here}/server.py\", \"{port}\", \"{data}\"]\n",
        "",
    ) + r#"
[[arm]]
name = "quick"
[arm.target]
command = ["{comeback}", "serve", "journal", "--port", "{port}", "--data", "{data}"]
[[arm]]
name = "slow"
[arm.target]
command = ["python3", "{here}/server.py", "{port}", "{data}"]
"#;
    let run = run(&arms, &server(0.04), &[]);
    if !was_calibrated(&run) {
        return;
    }
    let (rate, done) = stored(&run.out());
    assert!((5.0..=12.0).contains(&rate), "{rate}");
    let said = stderr(&run.output);
    assert!(
        said.contains("the slowest of 2 arms, slow, bears about"),
        "{said}"
    );
    let arms = done["arms"].as_array().unwrap().iter();
    let names: Vec<_> = arms.map(|arm| arm["arm"].clone()).collect();
    assert_eq!(names, ["quick", "slow"]);
}

#[test]
fn a_server_that_bears_too_little_or_nothing_is_told_before_any_trial() {
    let fails = server(0.0).replace("self.reply(200, {\"user\"", "self.reply(500, {\"user\"");
    let ends = "import sys\nsys.exit('no licence')\n";
    for (server, told) in [
        (server(0.3), "5/s are the least that a calibration offers"),
        (
            fails,
            "none of its operations was answered correctly: 'server error' (status 500)",
        ),
        (ends.to_owned(), "no licence"),
    ] {
        let run = run(EXPERIMENT, &server, &["--no-preflight"]);
        let said = stderr(&run.output);
        assert_eq!(run.code(), 2, "{said}");
        assert!(said.contains("comeback: calibration: it: "), "{said}");
        assert!(said.contains(told), "{said}");
        assert!(said.contains("Nothing was measured."), "{said}");
        assert!(!run.out().exists());
    }
}

#[test]
fn an_interrupt_while_it_is_measured_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("it.toml"), EXPERIMENT).unwrap();
    std::fs::write(folder.path().join("server.py"), server(0.04)).unwrap();
    let words = ["run", "it.toml", "--out", "out", "--no-preflight"];
    let mut child = command(folder.path(), &words)
        .env("TMPDIR", folder.path())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    assert!(lines.any(|line| line.contains("calibration: measuring")));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_nothing_left(folder.path());
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_baseline_decides_the_rate_of_the_run_that_is_compared_with_it() {
    let fixed = EXPERIMENT.replace("\"auto\"", "8");
    let first = run(&fixed, &server(0.0), &["--quiet"]);
    assert_eq!(stored(&first.out()).0, 8.0);
    std::fs::write(first.folder.path().join("it.toml"), EXPERIMENT).unwrap();
    let words = "run it.toml --out next --baseline out --gate time_to_ready.median<=baseline";
    let words: Vec<&str> = words.split(' ').collect();
    let next = call_in(first.folder.path(), &words);
    let said = stderr(&next);
    assert!(
        said.contains("as the baseline had: rate = 8, timeout = "),
        "{said}"
    );
    assert!(!said.contains("its load differs"), "{said}");
    assert_eq!(stored(&first.folder.path().join("next")).0, 8.0);
}

#[test]
fn a_rate_is_a_number_or_auto() {
    for (rate, told) in [
        ("\"fast\"", "a number of operations per second, or \"auto\""),
        ("true", "a number of operations per second, or \"auto\""),
    ] {
        let run = run(&EXPERIMENT.replace("\"auto\"", rate), "", &[]);
        assert_eq!(run.code(), 2);
        assert!(run.printed().contains(told), "{}", run.printed());
    }
    let run = run(EXPERIMENT, "", &["--rate", "fast"]);
    assert_eq!(run.code(), 2);
    assert!(
        run.printed()
            .contains("'fast' is not a number of operations per second, or \"auto\""),
        "{}",
        run.printed()
    );
}

#[test]
fn behind_run_the_rate_is_measured_unless_one_is_given() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("server.py"), server(0.04)).unwrap();
    let flow = [
        "--sessions",
        "10",
        "--trials",
        "1",
        "--login",
        "POST /login {\"user\":\"u{{ session }}\"}",
        "--act",
        "POST /visit",
        "--check",
        "GET /me",
        "--value",
        "/visits",
    ];
    let behind = ["--", "python3", "server.py", "{port}", "{data}"];
    let call = |out: &str, more: &[&str]| {
        let words = [
            &["run", "--out", out, "--quiet"],
            more,
            &flow[..],
            &behind[..],
        ]
        .concat();
        call_in(folder.path(), &words)
    };
    let measured = call("measured", &[]);
    let said = stderr(&measured);
    if how_busy().is_none() || !said.contains("the least that a calibration") {
        let (rate, done) = stored(&folder.path().join("measured"));
        assert!((5.0..=12.0).contains(&rate), "{rate}");
        assert_eq!(done["rate"].as_f64(), Some(rate), "{said}");
    }
    call("given", &["--rate", "7"]);
    assert_eq!(stored(&folder.path().join("given")), (7.0, Value::Null));
    let explained = |more: &[&str]| {
        let words = [&["explain"], more, &flow[..], &behind[..]].concat();
        String::from_utf8(call_in(folder.path(), &words).stdout).unwrap()
    };
    assert!(explained(&[]).contains("measured before the first trial"));
    assert!(explained(&["--rate", "7"]).contains("7 operations per second"));
}

#[test]
fn a_shard_of_a_file_without_a_rate_is_told_of_the_default_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing is started, for there is no new folder for the results.
    let told = |command: &[&str], load: &str, more: &[&str]| {
        let text = format!("[target]\ncommand = {command:?}\n{load}");
        std::fs::write(folder.path().join("it.toml"), text).unwrap();
        let words = [&["run", "it.toml", "--out", "."], more].concat();
        let output = call_in(folder.path(), &words);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(output.stdout.is_empty(), "{output:?}");
        let said = support::said(&output);
        let lines = said.lines().filter(|line| line.starts_with("rate: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let own = ["./server", "{port}"];
    let line = "rate: 200/s, the default of a shard: all shards need the same rate. A run without --shard measures what the server can do, \
                and --rate gives a number";
    let shard = ["--shard", "1/2", "--seed", "1"];
    assert_eq!(told(&own, "", &shard), [line]);
    assert_eq!(told(&own, "", &[&shard[..], &["--json"]].concat()), [line]);
    for (command, load, more) in [
        (&own[..], "", &["--quiet"][..]),
        (&own, "", &["--rate", "20"]),
        (&own, "[load]\nrate = 200\n", &[]),
        // This program's servers bear it.
        (
            &["{comeback}", "serve", "no-such-server", "{port}"],
            "",
            &[],
        ),
    ] {
        assert_eq!(
            told(command, load, &[&shard[..], more].concat()),
            [""; 0],
            "{command:?} {load} {more:?}"
        );
    }
}

/// The plan of a run, and what its calibration chose beside the rate.
fn fitted(out: &Path) -> (Value, Value) {
    let plan = read_header(out)["plan"].clone();
    let fitted = plan["calibration"]["done"]["fitted"].clone();
    (plan, fitted)
}

#[test]
fn fewer_sessions_are_opened_where_that_takes_long_unless_their_number_is_given() {
    // It takes 80 ms for each login: 4 s for 50 sessions, and as long to read them back.
    let open = EXPERIMENT.replace("sessions = 10\n", "");
    let run = run(&open, &server(0.08), &[]);
    if !was_calibrated(&run) {
        return;
    }
    let (plan, fitted) = fitted(&run.out());
    let sessions = fitted["sessions"].as_u64().unwrap();
    assert!((10..50).contains(&sessions), "{sessions}");
    assert_eq!(plan["load"]["clients"].as_u64(), Some(sessions));
    let said = stderr(&run.output);
    let told = format!("; sessions = {sessions}, since opening them all took ");
    assert!(said.contains(&told), "{said}");
}

#[test]
fn a_server_that_answers_slowly_is_waited_for_longer() {
    let slow = include_str!("data/sessions.py")
        .replace("import threading\n", "import threading\nimport time\n")
        .replace(
            "        with LOCK:\n",
            "        time.sleep(0.6)\n        with LOCK:\n",
        );
    let run = run(EXPERIMENT, &slow, &[]);
    if !was_calibrated(&run) {
        return;
    }
    let (plan, fitted) = fitted(&run.out());
    let timeout = &fitted["timeout"];
    assert_eq!(&plan["load"]["timeout"], timeout);
    let said = stderr(&run.output);
    let told = said
        .split("; timeout = \"")
        .nth(1)
        .and_then(|rest| rest.split("s\"").next());
    let seconds: u64 = told
        .and_then(|told| told.parse().ok())
        .unwrap_or_else(|| panic!("{said}"));
    assert!((3..=10).contains(&seconds), "{said}");
}

#[test]
fn a_server_that_starts_slowly_has_longer_to_be_back() {
    let folder = tempfile::tempdir().unwrap();
    let ready = "{data}\"]\nready = { tcp = true, within = \"120s\" }\n";
    let experiment = EXPERIMENT.replace("{data}\"]\n", ready);
    std::fs::write(folder.path().join("it.toml"), experiment).unwrap();
    // Not a wait for something: it is a server that takes so long.
    let server = format!("import time\ntime.sleep(8)\n{}", server(0.0));
    std::fs::write(folder.path().join("server.py"), server).unwrap();
    let words = ["run", "it.toml", "--out", "out", "--no-preflight"];
    let output = call_in(folder.path(), &words);
    let said = stderr(&output);
    if how_busy().is_some() && said.contains("the least that a calibration") {
        return;
    }
    let told = said
        .split("; horizon = \"")
        .nth(1)
        .and_then(|rest| rest.split("s\"").next());
    let seconds: u64 = told
        .and_then(|told| told.parse().ok())
        .unwrap_or_else(|| panic!("{said}"));
    assert!(seconds >= 32, "{said}");
}
