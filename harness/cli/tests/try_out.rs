//! `comeback try`: one user's way through the flow, and what is said where the description is wrong.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{assert_nothing_left, command, processes_of};

const REFERENCE: &str = include_str!("../../experiments/reference.toml");

/// Tries this experiment in a folder of its own, where temporary files are made, too.
fn attempt(experiment: &str, more: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("it.toml"), experiment).unwrap();
    let words = [&["try", "it.toml"], more].concat();
    let output = command(folder.path(), &words)
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    assert_nothing_left(folder.path());
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

fn memory() -> String {
    REFERENCE.replace("\"token\"", "\"memory\"")
}

#[test]
fn a_flow_that_works_is_walked_twice_and_shows_what_a_restart_takes() {
    let (output, text) = attempt(REFERENCE, &[]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("The flow works"), "{text}");
    assert!(text.contains("the session outlived the restart"), "{text}");
    assert!(text.contains("> POST /login HTTP/1.1"), "{text}");
    assert!(
        text.contains("refused, as somebody who never logged in"),
        "{text}"
    );
    let cookie = text
        .lines()
        .find(|line| line.contains("set-cookie: "))
        .unwrap();
    assert!(cookie.contains("=•••;"), "{cookie}");
    // A server that keeps its sessions in memory is described just as rightly.
    let (output, text) = attempt(&memory(), &["--brief"]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("the session did not outlive the restart"),
        "{text}"
    );
    assert!(!text.contains("> POST"), "{text}");
}

/// Its words, however they are spread over lines.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_mistake_in_the_description_is_told_by_the_part_that_is_wrong_and_its_mend() {
    for (right, wrong, told) in [
        (
            "\"/visits\"",
            "\"/count/visits\"",
            "value: nothing at /count/visits: did you mean /visits?",
        ),
        (
            "POST /login",
            "POST /signin",
            "status 404 instead of a 2xx: is the path right?",
        ),
        (
            "at = \"/user\"",
            "at = \"/name\"",
            "identity: nothing at /name",
        ),
        (
            "GET /me",
            "POST /me",
            "status 405 instead of a 2xx: is the method right?",
        ),
    ] {
        assert!(REFERENCE.contains(right), "{right}");
        let (output, text) = attempt(&REFERENCE.replace(right, wrong), &["--brief"]);
        assert_eq!(output.status.code(), Some(1), "{wrong}: {text}");
        assert!(joined(&text).contains(told), "{wrong}: {text}");
        assert!(text.contains("Nothing was measured"), "{wrong}: {text}");
    }
}

#[test]
fn a_server_that_does_not_come_up_is_told_with_its_last_words() {
    let broken =
        "[target]\ncommand = [\"sh\", \"-c\", \"echo no configuration >&2; exit 3\", \"{port}\"]\n";
    let (output, text) = attempt(broken, &[]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no configuration"), "{text}");
    let (output, text) = attempt("[target]\ncomand = [\"true\"]\n", &[]);
    assert_eq!(output.status.code(), Some(2), "{text}");
}

#[test]
fn what_was_sent_and_answered_is_there_as_json() {
    let (output, text) = attempt(&memory(), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let arms: Value = serde_json::from_str(&text).unwrap();
    let arm = &arms[0];
    assert_eq!(arm["problem"], Value::Null);
    let steps = |part: &str| {
        let steps = arm[part].as_array().unwrap().iter();
        let names = steps.map(|step| format!("{} {}", step["step"], step["who"]).replace('"', ""));
        names.collect::<Vec<_>>()
    };
    let way = ["login user", "act user", "check user", "check nobody"];
    assert_eq!(steps("first_start"), way);
    let again = [
        &["check session of before"],
        &way[..],
        &["logout user", "check logged out"],
    ]
    .concat();
    assert_eq!(steps("after_restart"), again);
    let lost = &arm["after_restart"][0];
    assert_eq!(lost["exchanges"][0]["status"], 401, "{lost}");
}

/// The folder of a try, as long as it is there.
fn folder_of_try(temporary: &Path) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(temporary).unwrap().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("comeback-try-"))
    })
}

#[test]
fn nothing_is_left_of_a_try_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let silent = "[target]\ncommand = [\"sh\", \"-c\", \"exec sleep 600\", \"{port}\"]\nready = { http = \"/\", within = \"60s\" }\n";
    std::fs::write(folder.path().join("it.toml"), silent).unwrap();
    let mut tried = command(folder.path(), &["try", "it.toml"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let by = Instant::now() + Duration::from_secs(60);
    while folder_of_try(folder.path()).is_none_or(|made| !made.join("logs").exists()) {
        assert!(Instant::now() < by, "it does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(tried.id() as i32), Signal::SIGKILL).unwrap();
    tried.wait().unwrap();
    while let Some(left) = folder_of_try(folder.path()) {
        assert!(Instant::now() < by, "{} is left", left.display());
        std::thread::sleep(Duration::from_millis(10));
    }
    // The warden itself ends last.
    while let left @ [_, ..] = &processes_of(folder.path())[..] {
        assert!(Instant::now() < by, "{left:?} is left");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_run_of_a_wrong_description_ends_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = memory().replace("\"/visits\"", "\"/count/visits\"");
    std::fs::write(folder.path().join("it.toml"), wrong).unwrap();
    let run = |more: &[&str]| {
        let words = [&["run", "it.toml", "--out", "out", "--trials", "1"], more].concat();
        command(folder.path(), &words).output().unwrap()
    };
    let refused = run(&[]);
    let said = support::said(&refused);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    for part in [
        "the server does not answer as the experiment describes it, before any fault",
        "value: nothing at /count/visits: did you mean /visits?",
        "> GET /me HTTP/1.1",
        "< 200",
        "--no-preflight",
    ] {
        assert!(joined(&said).contains(part), "{part}: {said}");
    }
    assert!(!folder.path().join("out").exists());
    let measured = run(&["--no-preflight"]);
    assert!(folder.path().join("out/summary.json").exists());
    assert_ne!(measured.status.code(), Some(0));
    assert_nothing_left(folder.path());
}

#[test]
fn no_secret_is_shown_in_part_or_in_another_encoding() {
    let secret = "environment = { KEY = { value = \"s3cr3t-0123456789-abcdefghij-klmnopqrst\", secret = true } }";
    let with = |login: &str| {
        let target = format!("ready       = {{ http = \"/health\" }}\n{secret}");
        let described = memory().replace("ready       = { http = \"/health\" }", &target);
        described.replace("json    = { user = \"u{{ session }}\" }", login)
    };
    // A line is cut in the middle of it.
    let long = "json = { user = \"u{{ session }}\", more = \"0123456789012345\", key = \"s3cr3t-0123456789-abcdefghij-klmnopqrst\" }";
    let (output, text) = attempt(&with(long), &[]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("\"key\":\"•••"), "{text}");
    assert!(!text.contains("s3cr3t"), "{text}");
    let form = "form = { user = \"u{{ session }}\", password = { value = \"pass word & more\", secret = true } }";
    for more in [&[][..], &["--json"]] {
        let (_, text) = attempt(&with(form), more);
        assert!(text.contains("password=•••"), "{text}");
        assert!(
            !text.contains("pass+word") && !text.contains("pass word"),
            "{text}"
        );
    }
}

/// Runs an experiment of one trial in a folder of its own: its exit code, what it said, and whether it was measured.
fn run_once(experiment: &str) -> (Option<i32>, String, bool) {
    run_with(experiment, &[])
}

fn run_with(experiment: &str, more: &[&str]) -> (Option<i32>, String, bool) {
    let folder = tempfile::tempdir().unwrap();
    // Trials that end early are not replaced: that says nothing more here.
    let experiment = format!("replacements = 0\n{experiment}");
    std::fs::write(folder.path().join("it.toml"), experiment).unwrap();
    let words = ["run", "it.toml", "--out", "out", "--trials", "1", "--quiet"];
    let words = [&words, more].concat();
    let output = command(folder.path(), &words).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    let said = support::unfolded(&said);
    let was_measured = folder.path().join("out/summary.json").exists();
    (output.status.code(), said, was_measured)
}

/// A server that forgets each session at once, and tells strangers so.
fn forgets_at_once(stranger: &str) -> String {
    served_by(&format!(
        "    def login(self, user):\n\
         \x20       reply = super().login(user)\n\
         \x20       self.sessions.clear()\n\
         \x20       return reply\n\
         \x20   def stranger(self, sid, method):\n\
         \x20       return {stranger}\n"
    ))
}

/// The flow of the reference server, and an honest server that differs by these methods.
fn served_by(methods: &str) -> String {
    let server = format!(
        "import os, sys, time\n\
         sys.path.insert(0, {data:?})\n\
         from dishonest import Honest\n\
         class Other(Honest):\n\
         {methods}\
         Other(int(sys.argv[1]), sys.argv[2]).run()\n",
        data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"),
    );
    let flow = &REFERENCE[REFERENCE.find("[session]").unwrap()..];
    format!(
        "[target]\ncommand = [\"python3\", \"-B\", \"-c\", {server:?}, \"{{port}}\", \"{{data}}\"]\nready = {{ tcp = true }}\n\
         [load]\nsessions = 5\nrate = 50\n{flow}"
    )
}

#[test]
fn a_server_that_forgets_sessions_without_any_fault_is_measured_whatever_it_tells_strangers() {
    for stranger in [
        "self.reply('', 302, headers=['Location: /login'])",
        "self.reply('<html>Please log in</html>')",
        "self.reply('no such session', 404)",
    ] {
        let (code, said, was_measured) = run_once(&forgets_at_once(stranger));
        assert!(was_measured, "{stranger}: {said}");
        assert!(!matches!(code, Some(0 | 2)), "{stranger}: {code:?}: {said}");
        let warning = "answers a user who has logged in like somebody who is not logged in";
        assert!(said.contains(warning), "{stranger}: {said}");
    }
}

#[test]
fn a_run_refuses_what_no_lost_session_explains() {
    for (right, wrong, told) in [
        (
            "GET /me",
            "GET /mee",
            "the server answers the same for a path that cannot exist",
        ),
        ("POST /visit", "POST /visitt", "is the path right?"),
        ("GET /me", "POST /me", "is the method right?"),
        ("POST /login", "POST /signin", "is the path right?"),
    ] {
        let (code, said, was_measured) = run_once(&memory().replace(right, wrong));
        assert!(
            code == Some(2) && !was_measured,
            "{wrong}: {code:?}: {said}"
        );
        assert!(joined(&said).contains(told), "{wrong}: {said}");
    }
}

#[test]
fn a_run_in_which_no_act_is_acknowledged_does_not_pass() {
    let wrong = REFERENCE
        .replace("POST /visit", "POST /visitt")
        .replace("value    = \"/visits\"\n", "")
        .replace("lost_writes   = 0\n", "");
    let (code, said, was_measured) = run_with(&wrong, &[]);
    assert!(code == Some(2) && !was_measured, "{code:?}: {said}");
    let (code, said, was_measured) = run_with(&wrong, &["--no-preflight"]);
    assert!(code == Some(3) && was_measured, "{code:?}: {said}");
    let why = "no act was ever acknowledged before a fault";
    assert!(said.contains(why), "{said}");
}

#[test]
fn an_arm_with_several_replicas_does_not_leave_the_others_out_of_the_walk_before_a_run() {
    let wrong = memory().replace("POST /login", "POST /signin");
    let arms = "\n[[arm]]\nname = \"alone\"\n[[arm]]\nname = \"several\"\n\
                target = { command = [\"{comeback}\", \"serve\", \"memory\", \"--port\", \"{port}\", \"--data\", \"{data}\"], replicas = 2 }\n\
                balancer = { command = [\"{comeback}\", \"balance\", \"--port\", \"{port}\", \"--to\", \"{replicas}\"] }\n";
    let (code, said, was_measured) = run_once(&(wrong + arms));
    assert!(code == Some(2) && !was_measured, "{code:?}: {said}");
    assert!(
        said.contains("alone: the server does not answer as"),
        "{said}"
    );
}

#[test]
fn a_logout_that_is_described_wrongly_ends_the_run_with_its_reply() {
    for (right, wrong, told) in [
        ("POST /logout", "POST /logoutt", "< 404"),
        ("POST /logout", "GET /logout", "< 405"),
        (
            "request = \"POST /logout\"",
            "request = \"POST /logout\"\nexpect = { status = 302 }",
            "instead of 302",
        ),
    ] {
        assert!(REFERENCE.contains(right), "{right}");
        let (code, said, was_measured) = run_once(&REFERENCE.replace(right, wrong));
        assert!(
            code == Some(2) && !was_measured,
            "{wrong}: {code:?}: {said}"
        );
        for part in [
            told,
            "logout",
            "the server does not answer as the experiment describes it",
        ] {
            assert!(said.contains(part), "{wrong}: {part}: {said}");
        }
    }
    let (code, said, was_measured) = run_once(REFERENCE);
    assert!(was_measured && code != Some(2), "{code:?}: {said}");
    assert!(!said.contains("warning: "), "{said}");
}

#[test]
fn a_page_that_strangers_get_too_is_told_by_the_run_as_by_a_try() {
    let same_for_all = served_by(
        "    def stranger(self, sid, method):\n        return self.reply({'visits': 0, 'user': 'anybody'})\n",
    );
    let identity = same_for_all.find("identity").unwrap();
    let line = same_for_all[identity..].lines().next().unwrap();
    let nameless = same_for_all.replace(line, "");
    let told = "a check by somebody who never logged in is answered like a user's";
    let (_, said, was_measured) = run_once(&nameless);
    assert!(was_measured && said.contains(told), "{said}");
    assert_eq!(said.matches(told).count(), 1, "{said}");
    let (_, text) = attempt(&nameless, &["--brief"]);
    assert!(support::unfolded(&text).contains(told), "{text}");
    let (_, said, _) = run_with(&nameless, &["--no-preflight"]);
    assert!(!said.contains(told), "{said}");
}

#[test]
fn what_differs_after_a_restart_is_told_and_measured_and_a_lost_session_is_neither() {
    let refuses = served_by(
        "    def login(self, user):\n        return self.reply('closed', 404) if self.again else super().login(user)\n",
    );
    let (code, said, was_measured) = run_with(&refuses, &["--horizon", "3s"]);
    assert!(was_measured && code == Some(1), "{code:?}: {said}");
    for part in [
        "after a stop and a start the server does not answer a new user as it did on its first start",
        "< 404",
        "The run measures that.",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let ends = served_by(
        "    def listen(self):\n        if self.again: sys.exit('the lock is still there')\n        return super().listen()\n",
    );
    let (code, said, was_measured) = run_with(&ends, &["--horizon", "3s"]);
    assert!(was_measured && code == Some(1), "{code:?}: {said}");
    for part in [
        "was then stopped and started once more",
        "the lock is still there",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, said, was_measured) = run_once(&memory());
    assert!(was_measured && !said.contains("warning: "), "{said}");
}

/// How often the server is started before the first trial, which has a journal.
fn starts_before_a_run(methods: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let starts = folder.path().join("starts");
    let journal = folder.path().join("out/journal.jsonl");
    let counted = format!(
        "    def listen(self):\n\
         \x20       if not os.path.exists({journal:?}):\n\
         \x20           os.write(os.open({starts:?}, os.O_CREAT | os.O_APPEND | os.O_WRONLY), b'x')\n\
         {methods}\
         \x20       return super().listen()\n"
    );
    std::fs::write(folder.path().join("it.toml"), served_by(&counted)).unwrap();
    let words = ["run", "it.toml", "--out", "out", "--trials", "1"];
    let output = command(folder.path(), &words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(journal.is_file(), "{said}");
    std::fs::read(starts).map_or(0, |starts| starts.len())
}

#[test]
fn before_a_run_a_server_is_started_twice_also_one_that_starts_slowly() {
    assert_eq!(starts_before_a_run(""), 2);
    // Not a wait for something: it is a server that takes so long.
    assert_eq!(starts_before_a_run("        time.sleep(5.2)\n"), 2);
}
